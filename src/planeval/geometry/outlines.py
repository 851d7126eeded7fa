"""From a solid to outlines: its section at a height, and an area's outline as closed rings.

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
from planeval.geometry.rings import solid_part
from planeval.geometry.stack import CapReading, PlanarStack

__all__ = ["SAME_HEIGHT_MM", "even_odd_rings", "keyhole_rings", "section_at"]

Area = Any
Ring = NDArray[np.float64]

SAME_HEIGHT_MM = 0.01
"""A height within this distance of a drawn plane is that plane."""

_NEAREST_FIRST = 64
"""Vertex pairs tried in the order of their distance before all others."""


def section_at(
    stack: PlanarStack,
    height_mm: float,
    *,
    caps: Literal["half", "none", "tapered"] = "half",
    between: Literal["prism", "interpolated"] = "prism",
) -> Area:
    """Return the area in which a plane at a height cuts the solid.

    At a drawn plane it is what was drawn. Elsewhere it is the polygon of the slab that holds the
    height; on the boundary of two slabs it is the section of the closed solid: the union of both.
    Empty where there is nothing solid.
    """
    for plane in stack.planes:
        if abs(plane.offset_mm - height_mm) <= SAME_HEIGHT_MM:
            return plane.area
    # heights that differ by rounding are one height: a slab must not end just short of a plane
    slack = 1e-6
    areas = [
        slab.area
        for slab in stack.slabs(caps, between)
        if slab.readings & CapReading.CHOSEN
        and slab.low_mm - slack <= height_mm <= slab.high_mm + slack
    ]
    if len(areas) > 1 and not all(area is areas[0] for area in areas):
        return solid_part(shapely.union_all(areas))
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
