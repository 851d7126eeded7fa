"""Everything within reach of a solid: its slabs grown by one distance in all directions.

A slab [a, b] with polygon A reaches, at height z, its polygon grown by sqrt(r^2 - d^2), d the distance
of z from [a, b]; the solid reaches the union. This is the Minkowski sum of the slabs with a ball,
exact at the middle height of every slab of the result. The staircase of the slabs is what grows, as it
is in every other number of planeval; :mod:`~planeval.geometry.margin` grows the smooth solid behind
it, by six lengths, for structures that are drawn again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.errors import GeometryError
from planeval.geometry.stack import PlanarStack, Slab

__all__ = ["within_reach"]

THICKEST_MM = 1.0
"""Slabs of the result: a surface at 45 degrees is off by a third of a millimetre at most."""

QUARTER_ARC = 16
"""Pieces of a quarter circle: 20 mm are short by 0.02 mm at most."""


def within_reach(
    stack: PlanarStack,
    distance_mm: float,
    *,
    caps: Literal["half", "none", "tapered"] = "half",
    between: Literal["prism", "interpolated"] = "prism",
) -> PlanarStack:
    """Return all points within a distance of a solid (its chosen cap reading).

    Raises:
        GeometryError: nothing is solid.
        ValueError: the distance is not above 0.

    >>> from planeval.geometry.stack import AXIAL, DrawnPlane, volume_cc
    >>> cube = PlanarStack(AXIAL, [DrawnPlane(z, shapely.box(0, 0, 20, 20)) for z in (2, 6, 10, 14, 18)])
    >>> round(volume_cc(within_reach(cube, 5)))  # 8 + 12 + 4.71 + 0.52 cc, Steiner's formula
    25
    """
    if not distance_mm > 0:
        raise ValueError(f"a reach of {distance_mm} mm: need a distance above 0")
    solid = stack.chosen_slabs(caps, between)
    if not solid:
        raise GeometryError("an empty structure reaches nothing: nothing is solid")
    low = min(slab.low_mm for slab in solid) - distance_mm
    high = max(slab.high_mm for slab in solid) + distance_mm
    edges = np.linspace(low, high, math.ceil((high - low) / THICKEST_MM) + 1)
    holders = _holders(solid)
    slabs = []
    for floor, ceiling in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        area = _section(solid, holders, (floor + ceiling) / 2, distance_mm)
        if not area.is_empty:
            slabs.append(Slab(floor, ceiling, area))
    return PlanarStack(stack.frame, slabs=slabs)


def _holders(solid: Sequence[Slab]) -> NDArray[np.intp]:
    """For each slab (below, above): the neighbour that holds its polygon, itself where none does."""
    areas = np.array([slab.area for slab in solid], dtype=object)
    own = np.arange(len(solid))
    found = np.stack([own, own])
    shapely.prepare(areas)
    found[0, 1:] -= shapely.covers(areas[:-1], areas[1:])
    found[1, :-1] += shapely.covers(areas[1:], areas[:-1])
    return found


def _section(
    solid: Sequence[Slab], holders: NDArray[np.intp], height_mm: float, distance_mm: float
) -> shapely.Geometry:
    """Return what is within reach at one height.

    A polygon that lies within a neighbour's, and farther away than that, adds nothing; of two that are
    one, and as far away, the lower one stands for both.
    """
    away = np.array([max(s.low_mm - height_mm, height_mm - s.high_mm, 0.0) for s in solid])
    below, above = holders
    adds = (away[above] >= away) & ((away[below] > away) | (below == np.arange(len(solid))))
    near = np.flatnonzero((away < distance_mm) & adds)
    reach = np.sqrt(distance_mm**2 - away[near] ** 2)
    areas = np.array([solid[n].area for n in near.tolist()], dtype=object)
    return shapely.union_all(shapely.buffer(areas, reach, quad_segs=QUARTER_ARC))
