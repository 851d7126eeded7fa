"""Ideal solids with known volume, and what a planner would draw of them.

A solid is known by its horizontal sections, which are polygons of its exact outline (720 points per
curve: 0.001 % of the area). It lies around the origin of patient mm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack

__all__ = [
    "SHAPES",
    "Solid",
    "draw",
    "random_ellipsoid",
    "random_smooth",
    "random_torus",
    "sections",
]

Area = Any
Floats = NDArray[np.float64]
POINTS = 720
DRAWABLE_MM2 = 0.5
"""Nobody draws a smaller outline."""

LENGTHENED = 1.13
"""Flat ends must not lie a whole number of planes apart: end caps would always come out even."""


@dataclass(frozen=True)
class Solid:
    """A shape's name, exact volume, lowest and highest z, and its section at a height."""

    name: str
    volume_cc: float
    low_mm: float
    high_mm: float
    section: Callable[[float], Area]


def draw(solid: Solid, spacing_mm: float, phase: float) -> PlanarStack:
    """Draw a solid every ``spacing_mm``, the planes shifted by ``phase`` (0 to 1) of it."""
    first = np.ceil(solid.low_mm / spacing_mm - phase)
    heights = (np.arange(first, solid.high_mm / spacing_mm + 1) + phase) * spacing_mm
    drawn = [(float(z), solid.section(z)) for z in heights if solid.low_mm < z < solid.high_mm]
    planes = [DrawnPlane(z, area) for z, area in drawn if area.area >= DRAWABLE_MM2]
    return PlanarStack(AXIAL, planes, spacing_mm=spacing_mm)


def sections(solid: Solid, step_mm: float) -> list[tuple[float, float, Area]]:
    """The ideal solid as thin (low, high, middle section), for dense sampling."""
    count = int(np.ceil((solid.high_mm - solid.low_mm) / step_mm))
    edges = np.linspace(solid.low_mm, solid.high_mm, count + 1)
    cut = [(float(a), float(b), solid.section((a + b) / 2)) for a, b in pairwise(edges)]
    return [(a, b, area) for a, b, area in cut if not area.is_empty]


def _sphere(size: float) -> Solid:
    return Solid(
        "sphere", 4 / 3 * np.pi * size**3 / 1000, -size, size,
        lambda z: _disc(np.sqrt(max(size**2 - z**2, 0.0))),
    )  # fmt: skip


def _cylinder(size: float) -> Solid:
    half = LENGTHENED * size
    volume = np.pi * size**2 * 2 * half / 1000
    return Solid("cylinder", volume, -half, half, lambda _z: _disc(size))


def _cone(size: float) -> Solid:
    half = LENGTHENED * size
    volume = np.pi * size**2 * 2 * half / 3 / 1000
    return Solid("cone", volume, -half, half, lambda z: _disc(size * (1 - z / half) / 2))


def _tilted_box(size: float) -> Solid:
    halves = size * np.array([0.7, 0.9, 1.1])
    corners = np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1).T
    axes = np.array([(a, b) for a in range(8) for b in range(a) if _is_edge(corners, a, b)])
    placed = Rotation.from_euler("xyz", [25, 35, 15], degrees=True).apply(corners * halves)

    def section(z: float) -> Area:
        start, end = placed[axes[:, 0]], placed[axes[:, 1]]
        crossing = (start[:, 2] - z) * (end[:, 2] - z) < 0
        start, end = start[crossing], end[crossing]
        share = ((z - start[:, 2]) / (end[:, 2] - start[:, 2]))[:, None]
        return shapely.MultiPoint((start + share * (end - start))[:, :2]).convex_hull

    top = float(placed[:, 2].max())
    return Solid("tilted box", float(8 * halves.prod()) / 1000, -top, top, section)


def _flat_torus(size: float, thickness: float = 0.35) -> Solid:
    tube, ring = thickness * size, (1 - thickness) * size

    def section(z: float) -> Area:
        reach = np.sqrt(max(tube**2 - z**2, 0.0))
        return _disc(ring + reach).difference(_disc(ring - reach))

    return Solid("flat torus", 2 * np.pi**2 * ring * tube**2 / 1000, -tube, tube, section)


def _standing_torus(size: float, thickness: float = 0.35) -> Solid:
    """Axis along x: two outlines in the middle, one above and below them."""
    tube, ring = thickness * size, (1 - thickness) * size

    def section(z: float) -> Area:
        outer = np.sqrt(max((ring + tube) ** 2 - z**2, 0.0))
        inner = np.sqrt(max((ring - tube) ** 2 - z**2, 0.0))
        # cosine steps: the outline is round where the half width goes to zero
        y = (inner + outer) / 2 - (outer - inner) / 2 * np.cos(np.linspace(0, np.pi, POINTS // 2))
        half = np.sqrt(np.maximum(tube**2 - (np.hypot(y, z) - ring) ** 2, 0.0))
        if inner == 0:
            y, half = np.concatenate([-y[::-1], y]), np.concatenate([half[::-1], half])
            return _between(y, half)
        return shapely.union(_between(y, half), _between(-y, half))

    reach = ring + tube
    return Solid("standing torus", 2 * np.pi**2 * ring * tube**2 / 1000, -reach, reach, section)


SHAPES = (_sphere, _cylinder, _cone, _tilted_box, _flat_torus, _standing_torus)
"""Makers of a solid from its size: about half its largest extent in mm."""


def random_smooth(rng: np.random.Generator) -> Solid:
    """A random egg: lobed sections that turn and drift with the height, round or blunt ends.

    Its volume is the integral of the section areas, in closed form but for one integral.
    """
    radius, half = rng.uniform(6, 20), rng.uniform(6, 20)
    blunt = rng.uniform(0.3, 0.7)
    lobes = rng.uniform(0, 0.12, 3)
    turns, twist = rng.uniform(0, 2 * np.pi, 3), rng.uniform(-1, 1)
    drift = rng.uniform(-0.3, 0.3, 2)
    angles = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)

    def section(z: float) -> Area:
        share = z / half
        if abs(share) >= 1:
            return shapely.Polygon()
        waves = [
            lobe * np.cos(n * (angles - twist * share) + turn)
            for n, lobe, turn in zip((2, 3, 5), lobes, turns, strict=True)
        ]
        reach = radius * (1 - share**2) ** blunt * (1 + np.sum(waves, axis=0))
        centre = drift * z * share
        return shapely.Polygon(
            np.column_stack(
                [centre[0] + reach * np.cos(angles), centre[1] + reach * np.sin(angles)]
            )
        )

    middle = np.pi * radius**2 * (1 + (lobes**2).sum() / 2)
    # integral of (1 - s^2)^(2 blunt) over -1..1
    t = np.cos(np.linspace(0, np.pi, 20001))
    mean = -np.trapezoid((1 - t**2) ** (2 * blunt), t)
    return Solid("random smooth", float(middle * half * mean) / 1000, -half, half, section)


def random_ellipsoid(rng: np.random.Generator) -> Solid:
    """A random ellipsoid, tilted or upright, or a sphere."""
    halves = np.exp(rng.uniform(np.log(6), np.log(20), 3))
    kind = rng.choice(["tilted ellipsoid", "ellipsoid", "sphere"], p=[0.6, 0.2, 0.2])
    if kind == "sphere":
        halves[:] = halves[0]
    turn = (
        Rotation.random(random_state=rng).as_matrix() if kind == "tilted ellipsoid" else np.eye(3)
    )
    form = turn @ np.diag(1 / halves**2) @ turn.T
    top = float(np.sqrt(np.linalg.inv(form)[2, 2]))
    inverse = np.linalg.inv(form[:2, :2])
    # (u, v) of a unit circle on the section of height 0
    root = np.linalg.cholesky(inverse)

    def section(z: float) -> Area:
        # the section is centred where the form is least at this height
        centre = -inverse @ form[:2, 2] * z
        reach = 1 - (z / top) ** 2
        if reach <= 0:
            return shapely.Polygon()
        angles = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
        circle = np.column_stack([np.cos(angles), np.sin(angles)])
        return shapely.Polygon(centre + np.sqrt(reach) * circle @ root.T)

    return Solid(str(kind), float(4 / 3 * np.pi * halves.prod()) / 1000, -top, top, section)


def random_torus(rng: np.random.Generator) -> Solid:
    """A random flat or standing torus."""
    make = _flat_torus if rng.random() < 0.4 else _standing_torus
    return make(rng.uniform(8, 20), rng.uniform(0.25, 0.45))


def _disc(radius: float) -> Area:
    if radius <= 0:
        return shapely.Polygon()
    angles = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    return shapely.Polygon(radius * np.column_stack([np.cos(angles), np.sin(angles)]))


def _is_edge(corners: Floats, one: int, other: int) -> bool:
    return int((corners[one] != corners[other]).sum()) == 1


def _between(y: Floats, half_width: Floats) -> Area:
    """The area |x| <= half_width(y)."""
    right = np.column_stack([half_width, y])
    left = np.column_stack([-half_width[::-1], y[::-1]])
    return shapely.make_valid(shapely.Polygon(np.concatenate([right, left])))
