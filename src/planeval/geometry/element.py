"""The margin's element: eight ellipsoid octants in patient axes, cut by planes of a stack.

The octant towards left, posterior and superior holds the points (x, y, z) >= 0 with
``(x / left)^2 + (y / posterior)^2 + (z / superior)^2 <= 1``; the other seven likewise. The body is
convex, flat where a length is 0, and its octants have whatever orientation the stack's planes have.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planeval.geometry.minkowski import Convex
from planeval.geometry.stack import PARALLEL_TOLERANCE, PlaneFrame

__all__ = ["Element", "Lengths"]

Floats = NDArray[np.float64]

SAGITTA_MM = 0.02
"""Largest distance of a polygon's edge from the ellipse that it stands for."""

SCALLOP_MM = 0.02
"""How much of a sum may be missing between two sections of the solid, on average."""

THIN_MM = 1.0

FINEST_MM, COARSEST_MM = 0.25, 4.0
"""Smallest and largest step between two sections along the solid's surface."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Semi-axes >= 0 mm along patient +x, +y, +z (left, posterior, superior) and -x, -y, -z."""

    plus: tuple[float, float, float]
    minus: tuple[float, float, float]

    def along(self, direction: Floats) -> float:
        """Furthest reach of the body in a direction of length 1."""
        semi = np.where(direction > 0, self.plus, self.minus)
        return float(np.sqrt(((semi * direction) ** 2).sum()))

    @property
    def longest(self) -> float:
        """The longest semi-axis."""
        return max(*self.plus, *self.minus)

    @property
    def is_ball(self) -> bool:
        """Whether all six are equal."""
        return min(*self.plus, *self.minus) == self.longest


class Element:
    """Sections of the body at offsets along the plane normal, as convex polygons in (u, v).

    ``up_mm`` and ``down_mm`` are its reach along the normal and against it. Where the normal is an
    axis of the body, every section is the middle one, made smaller.
    """

    def __init__(self, lengths: Lengths, frame: PlaneFrame) -> None:
        normal = frame.axes[2]
        ways = [lengths.along(way) for side in frame.axes[:2] for way in (side, -side)]
        self._widest_mm, self._narrowest_mm = max(ways), min(ways)
        self.up_mm, self.down_mm = lengths.along(normal), lengths.along(-normal)
        self._middle: Convex | None = None
        is_upright = np.abs(np.abs(normal) - np.eye(3)).max(axis=1) < PARALLEL_TOLERANCE
        if lengths.is_ball:
            self._middle = Convex.hull(_ellipse(*(np.array(lengths.plus[:2]),) * 2))
        elif is_upright.any():
            across = np.flatnonzero(~is_upright)
            plus, minus = (np.take(side, across) for side in (lengths.plus, lengths.minus))
            patient = np.zeros((4 * _quarter(float(max(*plus, *minus))), 3))
            patient[:, across] = _ellipse(plus, minus)
            self._middle = Convex.hull((patient @ frame.axes.T)[:, :2])
        else:
            self._start, self._end = _lattice_edges(np.asarray(_surface(lengths) @ frame.axes.T))
        reaches = [reach for reach in (self.up_mm, self.down_mm) if reach > 0]
        self._shorter_mm = min(reaches, default=0.0)
        self._between: dict[tuple[float, float], Convex | None] = {}

    def between(self, low_mm: float, high_mm: float) -> Convex | None:
        """What the sections at all offsets from low to high cover; None beyond the reach."""
        if self._middle is None:
            key = (round(low_mm, 6), round(high_mm, 6))
            if key not in self._between:
                self._between[key] = self._tilted(*key)
            return self._between[key]
        offset = max(low_mm, 0.0) + min(high_mm, 0.0)
        if offset == 0:
            return self._middle
        reach = self.up_mm if offset > 0 else self.down_mm
        if abs(offset) > reach:
            return None
        return self._middle.scaled(max(float(np.sqrt(1 - (offset / reach) ** 2)), 1e-6))

    @property
    def is_thin(self) -> bool:
        """Whether an in-plane extent is so small that sections at the very ends of the reach count."""
        return self._narrowest_mm < THIN_MM

    def spacing_mm(self, rise_mm: float, sideways_mm: float, radius_mm: float) -> float:
        """Return the largest step between two sections along a surface of the solid.

        Between sections d apart, the sum misses d^2 / 24 (1 / r + 1 / R) on average, where r is the
        element's radius of curvature for the surface's tilt and R the solid's.
        """
        across, reach = self._widest_mm, self._shorter_mm
        if across == 0 or reach == 0:
            return 1.0
        length = np.hypot(rise_mm, sideways_mm)
        tilt = (across * rise_mm / length) ** 2 + (reach * sideways_mm / length) ** 2
        curvature = tilt**1.5 / (across * reach) ** 2 + 1 / radius_mm
        return float(np.clip(np.sqrt(24 * SCALLOP_MM / curvature), FINEST_MM, COARSEST_MM))

    def _tilted(self, low_mm: float, high_mm: float) -> Convex | None:
        """The hull of the surface's vertices between two offsets, and of its edges' crossings."""
        start, end = self._start, self._end
        found = [start[(start[:, 2] >= low_mm - 1e-6) & (start[:, 2] <= high_mm + 1e-6), :2]]
        for level in {low_mm, high_mm}:
            a, b = start[:, 2] - level, end[:, 2] - level
            cross = a * b < 0
            share = (a[cross] / (a[cross] - b[cross]))[:, None]
            found.append((start[cross] + share * (end[cross] - start[cross]))[:, :2])
        points = np.concatenate(found)
        return Convex.hull(points) if len(points) else None


def _quarter(longest_mm: float) -> int:
    """Edges that stand for a quarter of an ellipse."""
    return max(6, int(np.ceil(np.pi / 2 * np.sqrt(longest_mm / (8 * SAGITTA_MM)))))


def _ellipse(plus: Floats, minus: Floats) -> Floats:
    """Points around four quarters of ellipses; their polygon has the area of the quarters.

    The semi-axes themselves are exact: a flat face moves by just the margin.
    """
    quarter = _quarter(float(max(*plus, *minus)))
    step = np.pi / 2 / quarter
    angle = np.arange(4 * quarter) * step
    unit = np.column_stack([np.cos(angle), np.sin(angle)])
    unit[np.abs(unit) < 1e-12] = 0.0
    # two of a quarter's triangles have a corner on an axis: (n - 2) f^2 + 2 f = n step / sin(step)
    wanted = quarter * step / np.sin(step)
    factor = (np.sqrt(1 + (quarter - 2) * wanted) - 1) / (quarter - 2)
    unit[np.arange(4 * quarter) % quarter != 0] *= factor
    return np.asarray(np.where(unit > 0, plus, minus) * unit)


def _surface(lengths: Lengths) -> Floats:
    """Points of the body's surface, (latitudes, longitudes, 3), in patient axes.

    They are finer than an ellipse's points, because a section's corners lie on their edges.
    """
    quarter = 2 * _quarter(lengths.longest)
    step = np.pi / 2 / quarter
    latitude = (np.arange(2 * quarter + 1) - quarter)[:, None] * step
    longitude = np.arange(4 * quarter)[None, :] * step
    unit = np.stack(
        [
            np.cos(latitude) * np.cos(longitude),
            np.cos(latitude) * np.sin(longitude),
            np.sin(latitude) * np.ones_like(longitude),
        ],
        axis=-1,
    )
    unit[np.abs(unit) < 1e-12] = 0.0
    return np.asarray(np.where(unit > 0, lengths.plus, lengths.minus) * unit)


def _lattice_edges(points: Floats) -> tuple[Floats, Floats]:
    """Start and end of the edges along, across and diagonal to a lattice that closes in longitude."""
    east = np.roll(points, -1, axis=1)
    pairs = [(points, east), (points[:-1], points[1:]), (points[:-1], east[1:])]
    start, end = (np.concatenate([pair[n].reshape(-1, 3) for pair in pairs]) for n in (0, 1))
    return start, end
