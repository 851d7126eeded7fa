"""How far points lie beyond the reach of a solid: its Minkowski sum with six margins, point by point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planeval.geometry.surface import SurfacePoints

__all__ = ["beyond_reach_mm"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

CANDIDATES = 8
"""Seeds that are compared before all of them are."""

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
    best = _best_seeds(points_mm, seeds.points_mm, (low, high))
    return _beyond(
        points_mm - seeds.points_mm[best],
        seeds.normals[best],
        (low, high),
        patch_mm=PATCH * float(np.sqrt(seeds.area_mm2)),
    )


def _best_seeds(points: Floats, seeds: Floats, margins: tuple[Floats, Floats]) -> Ints:
    """Return for each point the seed of which it is the fewest times the reach away.

    With the longer margin of each axis on both sides these times are distances in a scaled space, and
    never too many: a seed is the best where no other one is nearer there than it is in truth.
    """
    from scipy.spatial import KDTree  # noqa: PLC0415 - heavy

    longer = np.maximum(*margins)
    count = min(CANDIDATES, len(seeds))
    least, near = KDTree(seeds / longer).query(points / longer, k=count)
    least, near = least.reshape(len(points), count), near.reshape(len(points), count)
    times = _times(points[:, None, :] - seeds[near], margins)
    rows = np.arange(len(points))
    pick = np.argmin(times, axis=1)
    best = near[rows, pick]
    is_open = np.flatnonzero(times[rows, pick] > least[:, -1]) if count < len(seeds) else rows[:0]
    step = max(1, AT_ONCE // len(seeds))
    for start in range(0, len(is_open), step):
        some = is_open[start : start + step]
        best[some] = np.argmin(_times(points[some, None, :] - seeds, margins), axis=1)
    return np.asarray(best)


def _times(away: Floats, margins: tuple[Floats, Floats]) -> Floats:
    """Return how many times the reach each vector (..., 3) is long."""
    square = np.zeros(away.shape[:-1])
    for axis, (low, high) in enumerate(zip(*margins, strict=True)):
        along = away[..., axis]
        square += (along * np.where(along > 0, 1 / high, 1 / low)) ** 2
    return np.asarray(np.sqrt(square))


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
