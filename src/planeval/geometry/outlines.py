"""From a solid to outlines: where planes lie, its section there, and an area's outline as closed rings.

A file holds rings, not areas. An area with holes is either several rings that combine by even-odd, or
one ring per part that walks to each hole and back along the same line (a keyhole): the line encloses
nothing, so the even-odd reading gives the area back exactly.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.errors import GeometryError
from planeval.geometry.grid import Grid
from planeval.geometry.interpolate import Blend
from planeval.geometry.rings import solid_part
from planeval.geometry.stack import PARALLEL_TOLERANCE, PlanarStack

__all__ = [
    "SAME_HEIGHT_MM",
    "continued",
    "even_odd_rings",
    "extent_mm",
    "keyhole_rings",
    "section_at",
    "slice_heights",
]

Area = Any
Ring = NDArray[np.float64]

SAME_HEIGHT_MM = 0.01
"""A height within this distance of a drawn plane is that plane."""

_NEAREST_FIRST = 64
"""Vertex pairs tried in the order of their distance before all others."""


def slice_heights(stack: PlanarStack, image: Grid) -> NDArray[np.float64]:
    """Return the height of each image plane in the stack's frame, none if they are not parallel.

    They are taken in the middle of the solid, where a small angle between the frames does not count.
    """
    normal = image.axes[2]
    if stack.is_empty or 1 - abs(float(stack.frame.axes[2] @ normal)) > PARALLEL_TOLERANCE**2:
        return np.zeros(0)
    solid = stack.planes or stack.slabs()
    ends = [getattr(each, "offset_mm", getattr(each, "low_mm", 0.0)) for each in solid]
    u0, v0, u1, v1 = shapely.total_bounds([each.area for each in solid])
    middle = stack.frame.to_patient(
        np.array([[(u0 + u1) / 2, (v0 + v1) / 2, (min(ends) + max(ends)) / 2]])
    )[0]
    own = float(np.asarray(image.origin_mm) @ normal) + np.asarray(image.offsets_mm)
    points = middle + (own - middle @ normal)[:, None] * normal
    return np.asarray(stack.frame.to_plane(points)[:, 2])


def continued(
    heights_mm: NDArray[np.float64], low_mm: float, high_mm: float
) -> NDArray[np.float64]:
    """Return the planes between two heights, rising; beyond the known ones they go on evenly.

    The step beyond the ends is the median distance of the known planes.

    >>> continued(np.array([4.0, 2.0, 0.0]), 1.0, 7.0).tolist()
    [2.0, 4.0, 6.0]
    """
    known = np.sort(heights_mm)
    step = float(np.median(np.diff(known))) if len(known) > 1 else 0.0
    if step > 0:
        below = np.arange(1, max(0, int(np.ceil((known[0] - low_mm) / step))) + 1)
        above = np.arange(1, max(0, int(np.ceil((high_mm - known[-1]) / step))) + 1)
        known = np.concatenate([known[0] - step * below[::-1], known, known[-1] + step * above])
    slack = SAME_HEIGHT_MM
    return np.asarray(known[(known >= low_mm - slack) & (known <= high_mm + slack)])


def extent_mm(
    stack: PlanarStack,
    *,
    caps: Literal["half", "none", "tapered"] = "half",
    between: Literal["prism", "interpolated"] = "prism",
) -> tuple[float, float]:
    """Return the lowest and highest height of the solid. Raises :class:`GeometryError` if empty."""
    slabs = stack.chosen_slabs(caps, between)
    if not slabs:
        raise GeometryError("an empty structure has no extent: nothing is solid")
    return min(slab.low_mm for slab in slabs), max(slab.high_mm for slab in slabs)


def section_at(
    stack: PlanarStack,
    height_mm: float,
    *,
    caps: Literal["half", "none", "tapered"] = "half",
    between: Literal["prism", "interpolated"] = "prism",
) -> Area:
    """Return the area in which a plane at a height cuts the solid.

    At a drawn plane it is what was drawn. Elsewhere it is the polygon of the slab that holds the
    height; on the boundary of two slabs it is the shape half-way between both, which favours
    neither. Empty where there is nothing solid.
    """
    for plane in stack.planes:
        if abs(plane.offset_mm - height_mm) <= SAME_HEIGHT_MM:
            return plane.area
    # heights that differ by rounding are one height: a slab must not end just short of a plane
    slack = 1e-6
    areas = [
        slab.area
        for slab in stack.chosen_slabs(caps, between)
        if slab.low_mm - slack <= height_mm <= slab.high_mm + slack
    ]
    if len(areas) == 2 and not areas[0].equals_exact(areas[1], 0.0):
        return solid_part(Blend(*areas).at(0.5))
    return areas[0] if areas else shapely.Polygon()


def even_odd_rings(area: Area) -> list[Ring]:
    """Return every ring of an area, outer ones and holes, each (n, 2) and open.

    >>> [len(ring) for ring in even_odd_rings(shapely.box(0, 0, 9, 9) - shapely.box(1, 1, 2, 2))]
    [4, 4]
    """
    return [_open(ring) for ring in shapely.get_rings(shapely.get_parts(area))]


def keyhole_rings(area: Area) -> list[Ring]:
    """Return one ring for each part of an area, (n, 2) and open; holes hang on by keyholes.

    A keyhole joins two vertices that see each other inside the part, so that it adds no point and
    the even-odd area of the ring is the part's, exactly.

    >>> ring, = keyhole_rings(shapely.box(0, 0, 9, 9) - shapely.box(1, 1, 2, 2))
    >>> len(ring)  # four corners of each, and both ends of the keyhole once more
    10
    """
    return [_keyholed(part) for part in shapely.get_parts(area)]


def _open(ring: Any) -> Ring:
    """Return a ring's points without the repeated last one."""
    return np.asarray(shapely.get_coordinates(ring)[:-1])


def _keyholed(part: Any) -> Ring:
    """Return the outline of one polygon as a single ring."""
    path = _open(part.exterior)
    waiting = sorted((_open(hole) for hole in part.interiors), key=lambda hole: hole[:, 0].min())
    bridges: list[Any] = []
    while waiting:
        tried = (
            (number, _bridge(part, path, hole, bridges)) for number, hole in enumerate(waiting)
        )
        found = next(((number, ends) for number, ends in tried if ends is not None), None)
        if found is None:
            raise GeometryError(
                f"{len(waiting)} holes of a contour cannot be joined to its outline; "
                "write it with XOR contours"
            )
        number, (at, start) = found
        hole = waiting.pop(number)
        bridges.append(shapely.LineString([path[at], hole[start]]))
        around = np.concatenate([hole[start:], hole[: start + 1]])
        path = np.concatenate([path[: at + 1], around, path[at:]])
    return path


def _bridge(part: Any, path: Ring, hole: Ring, bridges: list[Any]) -> tuple[int, int] | None:
    """Return the nearest vertices of path and hole that see each other, None where none do."""
    square = ((path[:, None, :] - hole[None, :, :]) ** 2).sum(axis=2).ravel()
    first = min(_NEAREST_FIRST, len(square) - 1)
    near = np.argpartition(square, first)[: first + 1]
    for order in (near[np.argsort(square[near])], np.argsort(square)):
        for pair in order.tolist():
            at, start = divmod(pair, len(hole))
            line = shapely.LineString([path[at], hole[start]])
            if shapely.covers(part, line) and not any(line.crosses(other) for other in bridges):
                return at, start
    return None
