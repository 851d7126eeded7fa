"""Distances to solids of slabs: from a point, and between two solids. Exact for the slabs.

A slab is a polygon A between two heights, so that a point (p, w) lies at sqrt(d(p, A)^2 + h^2), h its
distance from the heights; two slabs lie apart by the same rule. The least over all slabs counts, and is
0 inside or where solids meet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely

from planeval.errors import GeometryError
from planeval.geometry.stack import CapReading, PlanarStack, Slab

__all__ = ["Solid", "gap_mm", "point_distance_mm"]

Point = tuple[float, float, float]


class Solid:
    """The chosen slabs of a stack, made once for several questions."""

    def __init__(self, stack: PlanarStack, slabs: Sequence[Slab]) -> None:
        chosen = [slab for slab in slabs if slab.readings & CapReading.CHOSEN]
        if not chosen:
            raise GeometryError("an empty structure is at no distance: nothing is solid")
        self.frame = stack.frame
        self.areas: Any = np.array([slab.area for slab in chosen], dtype=object)
        self.low = np.array([slab.low_mm for slab in chosen])
        self.high = np.array([slab.high_mm for slab in chosen])


def point_distance_mm(solid: Solid, point_mm: Point) -> float:
    """Return how far a patient point lies from a solid, 0 inside.

    >>> from planeval.geometry.stack import AXIAL, DrawnPlane
    >>> planes = [DrawnPlane(float(z), shapely.box(0, 0, 10, 10)) for z in (1, 3, 5)]
    >>> stack = PlanarStack(AXIAL, planes, spacing_mm=2.0)
    >>> point_distance_mm(Solid(stack, stack.slabs()), (13.0, 5.0, 10.0))
    5.0
    """
    u, v, w = solid.frame.to_plane(np.array([point_mm], dtype=float))[0]
    above = np.maximum(np.maximum(solid.low - w, w - solid.high), 0.0)
    beside = shapely.distance(solid.areas, shapely.Point(u, v))
    return float(np.hypot(above, beside).min())


def gap_mm(one: Solid, other: Solid) -> float:
    """Return the smallest distance between two solids, 0 where they meet.

    Raises:
        GeometryError: their planes are not parallel.
    """
    if not one.frame.is_same(other.frame):
        raise GeometryError("the two structures are drawn on planes that are not parallel")
    above = np.maximum(
        np.maximum(one.low[:, None] - other.high, other.low - one.high[:, None]), 0.0
    )
    best = math.inf
    # nearest heights first: once these alone are further apart, nothing can be nearer
    for place in np.argsort(above, axis=None, kind="stable").tolist():
        n, m = divmod(place, above.shape[1])
        if above[n, m] >= best:
            break
        beside = float(shapely.distance(one.areas[n], other.areas[m]))
        best = min(best, math.hypot(float(above[n, m]), beside))
    return best
