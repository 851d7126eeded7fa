"""How far points lie beyond the reach of a solid: its Minkowski sum with six margins, point by point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planeval.geometry.surface import SurfacePoints

__all__ = ["beyond_reach_mm"]

Floats = NDArray[np.float64]

AT_ONCE = 2_000_000
"""Pairs of points that are looked at in one go: 50 MB."""

SMALLEST_MM = 1e-6

PATCH = 2.0
"""Size of the tangent plane looked at, in mean distances of seeds."""


def beyond_reach_mm(
    points_mm: Floats, seeds: SurfacePoints, margins_mm: dict[str, float]
) -> Floats:
    """Return how far points outside a solid lie beyond its margins; negative within them.

    ``seeds`` are even points of the solid's surface. The reach of a place on it is the ellipsoid
    octant of the three margins on the point's side (LPS: left +x, posterior +y, superior +z). A point
    at ``g`` times the reach of the place that comes closest to reaching it is ``(1 - 1/g)`` of their
    distance beyond it. The place is looked for on the tangent plane around the best seed, as far as
    seeds stand apart, so that the result does not depend on where the seeds happen to lie.

    >>> seeds = SurfacePoints(np.zeros((1, 3)), np.array([[1.0, 0, 0]]), 1.0)
    >>> margins = dict.fromkeys(("left", "right", "anterior", "posterior"), 5.0)
    >>> margins |= {"superior": 15.0, "inferior": 10.0}
    >>> points = np.array([[7.0, 0, 0], [0, 0, 14.0], [0, 0, -14.0]])
    >>> beyond_reach_mm(points, seeds, margins).round(2).tolist()
    [2.0, -1.0, 4.0]
    """
    names = (("right", "left"), ("anterior", "posterior"), ("inferior", "superior"))
    low, high = (
        np.maximum([margins_mm[pair[side]] for pair in names], SMALLEST_MM) for side in (0, 1)
    )
    result = np.empty(len(points_mm))
    rows = max(1, AT_ONCE // max(len(seeds.points_mm), 1))
    for start in range(0, len(points_mm), rows):
        away = points_mm[start : start + rows, None, :] - seeds.points_mm
        times = (np.where(away > 0, away / high, away / low) ** 2).sum(axis=2)
        best = np.argmin(times, axis=1)
        numbers = np.arange(len(best))
        nearest = away[numbers, best]
        result[start : start + rows] = _beyond(
            nearest,
            seeds.normals[best],
            (low, high),
            patch_mm=PATCH * float(np.sqrt(seeds.area_mm2)),
        )
    return result


def _beyond(
    away: Floats, normals: Floats, margins: tuple[Floats, Floats], *, patch_mm: float
) -> Floats:
    """Return the amount beyond the seed, or a place on its tangent plane that reaches further."""
    low, high = margins
    axes = np.where(away > 0, high, low)
    support = np.sqrt(((axes * normals) ** 2).sum(axis=1))
    height = (away * normals).sum(axis=1)
    on_plane = (height / support)[:, None] * axes**2 * normals / support[:, None]
    is_near = (np.linalg.norm(away - on_plane, axis=1) <= patch_mm) & (height > 0)
    from_seed = np.sqrt(((away / axes) ** 2).sum(axis=1))
    # in the next octant other margins hold
    from_plane = np.sqrt(((on_plane / np.where(on_plane > 0, high, low)) ** 2).sum(axis=1))
    is_better = is_near & (from_plane < from_seed)
    times = np.where(is_better, from_plane, from_seed)
    distance = np.linalg.norm(np.where(is_better[:, None], on_plane, away), axis=1)
    return np.asarray(distance * (1 - 1 / np.maximum(times, SMALLEST_MM)))
