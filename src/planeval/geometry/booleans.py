"""Union, intersection and difference of two solids on parallel planes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import shapely

from planeval.errors import GeometryError
from planeval.geometry.rings import solid_part
from planeval.geometry.stack import CapReading, PlanarStack, Slab, joined

__all__ = ["combine"]

Area = Any


def combine(
    first: PlanarStack,
    second: PlanarStack,
    operation: Callable[[Area, Area], Area],
    *,
    caps: Literal["half", "none", "tapered"] = "half",
    between: Literal["prism", "interpolated"] = "prism",
) -> PlanarStack:
    """Combine two solids by a polygon operation: ``shapely.difference``, ``union``, ``intersection``.

    Both slab lists are cut at all boundaries of either, and the polygons are combined in every
    elementary interval and every cap reading; plane heights are never matched or rounded. An absent
    side is an empty polygon. Raises :class:`GeometryError` where the planes are not parallel.

    >>> from planeval.geometry.stack import AXIAL, DrawnPlane, volume_cc
    >>> square, hole = shapely.box(0, 0, 40, 40), shapely.box(10, 10, 20, 20)
    >>> outer = PlanarStack(AXIAL, [DrawnPlane(float(z), square) for z in (0, 5, 10)])
    >>> inner = PlanarStack(AXIAL, [DrawnPlane(z, hole) for z in (2.5, 5.0, 7.5)])
    >>> round(volume_cc(outer), 6), round(volume_cc(inner), 6)
    (24.0, 0.75)
    >>> round(volume_cc(combine(outer, inner, shapely.difference)), 6)
    23.25
    """
    if not first.frame.is_same(second.frame):
        raise GeometryError(
            "the two structures are drawn on planes that are not parallel: "
            f"{np.round(first.frame.axes[2], 4).tolist()} and "
            f"{np.round(second.frame.axes[2], 4).tolist()}"
        )
    sides = [_Lookup(stack.slabs(caps, between)) for stack in (first, second)]
    heights = np.unique(np.concatenate([side.boundaries for side in sides]))
    results: dict[tuple[int, int], Area] = {}
    slabs: list[Slab] = []
    for low, high in pairwise(heights):
        middle = (low + high) / 2
        readings: dict[tuple[int, int], CapReading] = {}
        for reading in CapReading:
            a, b = (side.area_at(middle, reading) for side in sides)
            key = (id(a), id(b))
            readings[key] = readings.get(key, CapReading(0)) | reading
            if key not in results:
                results[key] = solid_part(operation(a, b))
        slabs.extend(
            Slab(float(low), float(high), results[key], reading)
            for key, reading in readings.items()
            if not results[key].is_empty
        )
    return PlanarStack(first.frame, slabs=_joined_by_reading(slabs))


_NOTHING = shapely.Polygon()


class _Lookup:
    """Which polygon is solid at a height, in a cap reading."""

    def __init__(self, slabs: Sequence[Slab]) -> None:
        self.slabs = slabs
        self.low = np.array([slab.low_mm for slab in slabs])
        self.high = np.array([slab.high_mm for slab in slabs])
        self.boundaries = np.concatenate([self.low, self.high])

    def area_at(self, height_mm: float, reading: CapReading) -> Area:
        for index in np.flatnonzero((self.low < height_mm) & (height_mm < self.high)).tolist():
            if self.slabs[index].readings & reading:
                return self.slabs[index].area
        return _NOTHING


def _joined_by_reading(slabs: Sequence[Slab]) -> list[Slab]:
    """Join neighbouring slabs of the same polygon within each set of cap readings."""
    by_reading: dict[CapReading, list[Slab]] = {}
    for slab in slabs:
        by_reading.setdefault(slab.readings, []).append(slab)
    return [slab for group in by_reading.values() for slab in joined(group)]
