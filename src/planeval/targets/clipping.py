"""Which short points of a rule's surface clipping explains: the liver's edge, skin, an avoided organ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.errors import GeometryError
from planeval.geometry.stack import DrawnPlane, PlanarStack, Slab
from planeval.geometry.surface import surface_of
from planeval.model import Structure

__all__ = ["clipped_points"]

Floats = NDArray[np.float64]

AROUND_MM = 20.0
"""Of a clipping structure only what lies this near to the points is looked at."""

CLEAR_MM = 2.0
"""A point this far inside (or outside) the outlines around its height needs no surface to be so."""

ON_EDGE_MM = 1e-6


def clipped_points(
    points_mm: Floats,
    feet_mm: Floats,
    clipped_by: Sequence[Structure],
    *,
    inner_mm: Floats,
    tolerance_mm: float,
) -> NDArray[np.bool_]:
    """Return which points a structure cuts off, given the outer surface's nearest point to each.

    A structure that holds more than half of the inner points is a limit: it explains a point outside
    itself if the outer surface reaches up to the limit there. Any other structure is avoided: it
    explains a point inside itself if the outer surface reaches up to it. What the outer structure
    lacks short of the limit is not clipped.
    """
    clipped = np.zeros(len(points_mm), dtype=bool)
    for structure in clipped_by:
        is_limit = float(_inside(structure, inner_mm).mean()) > 0.5
        asked = np.flatnonzero(~_clear(structure, points_mm, inside=is_limit))
        if not len(asked):
            continue
        both = np.concatenate([points_mm[asked], feet_mm[asked]])
        depths = (1.0 if is_limit else -1.0) * _near_depth_mm(structure, both)
        clipped[asked] |= (depths[: len(asked)] < 0) & (depths[len(asked) :] <= tolerance_mm)
    return clipped


def _clear(structure: Structure, points_mm: Floats, *, inside: bool) -> NDArray[np.bool_]:
    """Return which points lie clear inside (or outside) a structure.

    They do so in every slab within a slab's height of them, by more than 2 mm: whatever shape leads
    from one drawn plane to the next lies between the two.
    """
    slabs = structure.slabs
    places = structure.stack.frame.to_plane(points_mm)
    reach = max((slab.high_mm - slab.low_mm for slab in slabs), default=0.0)
    held = np.zeros(len(places))
    for slab in slabs:
        overlap = np.minimum(places[:, 2] + reach, slab.high_mm)
        overlap -= np.maximum(places[:, 2] - reach, slab.low_mm)
        here = np.flatnonzero(overlap > 0)
        if len(here):
            area = slab.area.buffer(-CLEAR_MM if inside else CLEAR_MM)
            held[here] += overlap[here] * shapely.contains_xy(area, places[here, :2])
    return held >= 2 * reach - ON_EDGE_MM if inside else held == 0


def _inside(structure: Structure, points_mm: Floats) -> NDArray[np.bool_]:
    """Return which points lie in the slabs of a structure."""
    places = structure.stack.frame.to_plane(points_mm)
    inside = np.zeros(len(places), dtype=bool)
    for slab in structure.slabs:
        here = np.flatnonzero((places[:, 2] >= slab.low_mm) & (places[:, 2] < slab.high_mm))
        if len(here):
            shapely.prepare(slab.area)
            inside[here] = shapely.contains_xy(slab.area, places[here, :2])
    return inside


def _near_depth_mm(structure: Structure, points_mm: Floats) -> Floats:
    """Return the signed distance of points to a structure's surface, no more than 20 mm of it."""
    try:
        surface = surface_of(_cropped(structure.stack, points_mm))
    except GeometryError:  # nothing solid is near
        return np.where(_inside(structure, points_mm), AROUND_MM, -AROUND_MM)
    return np.asarray(np.clip(surface.depth_mm(points_mm), -AROUND_MM, AROUND_MM))


def _cropped(stack: PlanarStack, points_mm: Floats) -> PlanarStack:
    """Return what lies within 20 mm of the box around points; the cut is further from each."""
    places = stack.frame.to_plane(points_mm)
    low, high = places.min(axis=0) - AROUND_MM, places.max(axis=0) + AROUND_MM
    window = shapely.box(low[0], low[1], high[0], high[1])
    if stack.planes:
        planes = [
            DrawnPlane(plane.offset_mm, shapely.intersection(plane.area, window))
            for plane in stack.planes
            if low[2] <= plane.offset_mm <= high[2]
        ]
        kept = [plane for plane in planes if plane.area.area > 0]
        return PlanarStack(stack.frame, kept, spacing_mm=stack.spacing_mm)
    slabs = [
        Slab(slab.low_mm, slab.high_mm, shapely.intersection(slab.area, window), slab.readings)
        for slab in stack.slabs()
        if slab.low_mm <= high[2] and slab.high_mm >= low[2]
    ]
    return PlanarStack(stack.frame, slabs=[slab for slab in slabs if slab.area.area > 0])
