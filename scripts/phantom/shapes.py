"""Solids as implicit functions: negative inside, positive outside, close to millimetres near 0.

A `Shape` is evaluated on `Points`, which remember every value they have computed: a liver that
carves five neighbours is computed once. Set operations are the usual minimum and maximum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

Array = NDArray[np.float64]
Point = tuple[float, float, float]

FAR_MM = 14.0  # what a tube answers where it is surely farther away than this


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Positions at which shapes are evaluated, with a memo of the values so far."""

    x: Array
    y: Array
    z: Array
    memo: dict[int, tuple[Shape, Array]] = field(default_factory=dict)

    def of(self, shape: Shape) -> Array:
        """The shape's function at these points."""
        if id(shape) not in self.memo:
            self.memo[id(shape)] = (shape, shape.field(self))
        return self.memo[id(shape)][1]


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A solid: the points where `field` is negative."""

    field: Callable[[Points], Array]

    def __or__(self, other: Shape) -> Shape:
        """The union."""
        return self.blend(other, radius_mm=0.0)

    def __and__(self, other: Shape) -> Shape:
        """The part common to both."""
        return Shape(lambda p: np.maximum(p.of(self), p.of(other)))

    def __invert__(self) -> Shape:
        """Everything outside."""
        return Shape(lambda p: -p.of(self))

    def blend(self, other: Shape, *, radius_mm: float) -> Shape:
        """The union with the crease between the two rounded over about `radius_mm`."""
        return Shape(lambda p: smooth_minimum(p.of(self), p.of(other), radius_mm))

    def minus(self, *others: Shape, gap_mm: float = 2.0, radius_mm: float = 0.0) -> Shape:
        """What is left after removing others grown by `gap_mm`, the rim rounded by `radius_mm`."""

        def rest(p: Points) -> Array:
            value = p.of(self)
            for other in others:
                value = -smooth_minimum(-value, p.of(other) - gap_mm, radius_mm)
            return value

        return Shape(rest)

    def mirrored(self) -> Shape:
        """The reflection in the plane x = 0."""
        return Shape(lambda p: self.field(Points(-p.x, p.y, p.z)))


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """From the patient back to the model: move, scale, then bend by long sine waves.

    The bend turns ellipsoids into organs, and another seed gives another patient.
    """

    scale: float
    origin_mm: Point
    bend_mm: float
    phases_rad: Array

    @classmethod
    def from_seed(cls, seed: int, *, scale: float, origin_mm: Point, bend_mm: float) -> Placement:
        """The placement of one patient."""
        phases = np.random.default_rng(seed).uniform(0.0, 2.0 * np.pi, size=6)
        return cls(scale, origin_mm, bend_mm, phases)

    def model_points(self, x: Array, y: Array, z: Array) -> Points:
        """Model positions of patient LPS positions in mm."""
        ox, oy, oz = self.origin_mm
        x, y, z = (x - ox) / self.scale, (y - oy) / self.scale, (z - oz) / self.scale
        a, p = self.bend_mm, self.phases_rad
        dx = np.sin(y / 19.0 + p[0]) + 0.6 * np.sin(z / 15.0 + p[1])
        dy = np.sin(z / 18.0 + p[2]) + 0.6 * np.sin(x / 14.0 + p[3])
        dz = np.sin(x / 20.0 + p[4]) + 0.6 * np.sin(y / 15.0 + p[5])
        return Points(x + a * dx, y + a * dy, z + a * dz)


def smooth_minimum(a: Array, b: Array, radius: float) -> Array:
    """min(a, b), rounded where the two are closer than `radius` (quadratic blend)."""
    if radius <= 0.0:
        return np.minimum(a, b)
    h = np.clip(radius - np.abs(a - b), 0.0, None)
    return np.minimum(a, b) - h * h / (4.0 * radius)


def ellipsoid(center_mm: Point, radii_mm: Point) -> Shape:
    """An axis-parallel ellipsoid with a first-order distance field."""
    (cx, cy, cz), (rx, ry, rz) = center_mm, radii_mm

    def distance(p: Points) -> Array:
        ux, uy, uz = (p.x - cx) / rx, (p.y - cy) / ry, (p.z - cz) / rz
        norm = np.sqrt(ux * ux + uy * uy + uz * uz)
        slope = np.sqrt((ux / rx) ** 2 + (uy / ry) ** 2 + (uz / rz) ** 2)
        return norm * (norm - 1.0) / np.maximum(slope, 1e-9)

    return Shape(distance)


def half_space(normal: Point, offset_mm: float) -> Shape:
    """Points with `normal . p < offset`; the normal is made a unit vector."""
    nx, ny, nz = np.asarray(normal, float) / np.linalg.norm(normal)
    return Shape(lambda p: nx * p.x + ny * p.y + nz * p.z - offset_mm)


def column(center_mm: tuple[float, float], radii_mm: tuple[float, float]) -> Shape:
    """An endless elliptic cylinder along z."""
    (cx, cy), (rx, ry) = center_mm, radii_mm

    def distance(p: Points) -> Array:
        ux, uy = (p.x - cx) / rx, (p.y - cy) / ry
        norm = np.sqrt(ux * ux + uy * uy)
        slope = np.sqrt((ux / rx) ** 2 + (uy / ry) ** 2)
        return norm * (norm - 1.0) / np.maximum(slope, 1e-9)

    return Shape(distance)


def tube(
    points_mm: Sequence[Point],
    radii_mm: Sequence[float],
    *,
    ripple: float = 0.0,
    per_span: int = 6,
) -> Shape:
    """A round tube along the cubic spline through points, its radius interpolated likewise.

    `ripple` modulates the radius along the way, as the haustra of the colon do.
    """
    knots = np.arange(len(points_mm), dtype=float)
    t = np.linspace(0.0, knots[-1], per_span * (len(points_mm) - 1) + 1)
    path = CubicSpline(knots, np.asarray(points_mm, float))(t)
    radius = np.interp(t, knots, np.asarray(radii_mm, float)) * (1 + ripple * np.sin(7.0 * t))

    def distance(p: Points) -> Array:
        best = np.full(p.x.shape, FAR_MM)
        low = path.min(axis=0) - radius.max() - FAR_MM
        high = path.max(axis=0) + radius.max() + FAR_MM
        near = (p.x > low[0]) & (p.x < high[0]) & (p.y > low[1]) & (p.y < high[1])
        near &= (p.z > low[2]) & (p.z < high[2])
        if near.any():
            best[near] = np.minimum(FAR_MM, _tube_distance(path, radius, p, near))
        return best

    return Shape(distance)


def _tube_distance(path: Array, radius: Array, p: Points, near: NDArray[np.bool_]) -> Array:
    """Distance to the tube's wall for the selected points, from the segments that matter."""
    x, y, z = p.x[near], p.y[near], p.z[near]
    reach = radius.max() + FAR_MM
    best = np.full(x.shape, FAR_MM)
    for a, b, ra, rb in zip(path[:-1], path[1:], radius[:-1], radius[1:], strict=True):
        if max(a[2], b[2]) < z.min() - reach or min(a[2], b[2]) > z.max() + reach:
            continue
        dx, dy, dz = b - a
        px, py, pz = x - a[0], y - a[1], z - a[2]
        h = np.clip((px * dx + py * dy + pz * dz) / (dx * dx + dy * dy + dz * dz), 0.0, 1.0)
        squared = (px - h * dx) ** 2 + (py - h * dy) ** 2 + (pz - h * dz) ** 2
        np.minimum(best, np.sqrt(squared) - (ra + h * (rb - ra)), out=best)
    return best
