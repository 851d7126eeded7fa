"""How far points lie beyond the reach of a solid: its Minkowski sum with six margins, point by point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["beyond_reach_mm"]

Floats = NDArray[np.float64]

AT_ONCE = 2_000_000
"""Pairs of points that are looked at in one go: 50 MB."""

SMALLEST_MM = 1e-6


def beyond_reach_mm(points_mm: Floats, seeds_mm: Floats, margins_mm: dict[str, float]) -> Floats:
    """Return how far points outside a solid lie beyond its margins; negative within them.

    ``seeds_mm`` are even points of the solid's surface. The reach of a seed is the ellipsoid octant of
    the three margins on the point's side of it (LPS: left +x, posterior +y, superior +z). A point at
    ``g`` times the reach of the seed that comes closest to reaching it is ``(1 - 1/g)`` of their
    distance beyond it. Seeds a distance s apart err by about s^2 / 8 over the margin.

    >>> seeds = np.zeros((1, 3))
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
    rows = max(1, AT_ONCE // max(len(seeds_mm), 1))
    for start in range(0, len(points_mm), rows):
        away = points_mm[start : start + rows, None, :] - seeds_mm
        times = (np.where(away > 0, away / high, away / low) ** 2).sum(axis=2)
        best = np.argmin(times, axis=1)
        numbers = np.arange(len(best))
        least = np.sqrt(times[numbers, best])
        distance = np.linalg.norm(away[numbers, best], axis=1)
        result[start : start + rows] = distance * (1 - 1 / np.maximum(least, SMALLEST_MM))
    return result
