"""The connected parts of a solid of slabs: pieces of neighbouring slabs that share an area."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.geometry.stack import CapReading, PlanarStack, Slab

__all__ = ["connected_pieces", "part_volumes_cc"]


def part_volumes_cc(
    stack: PlanarStack,
    *,
    caps: Literal["half", "none", "tapered"] = "half",
    between: Literal["prism", "interpolated"] = "prism",
) -> tuple[float, ...]:
    """Return the volumes of the connected parts of a solid, largest first.

    Two pieces of neighbouring slabs belong together where their polygons share an area. Slabs on
    both sides of a gap count as neighbours: missing planes do not make parts.

    >>> from planeval.geometry.stack import AXIAL, DrawnPlane
    >>> two = shapely.union(shapely.box(0, 0, 10, 10), shapely.box(20, 0, 30, 20))
    >>> part_volumes_cc(PlanarStack(AXIAL, [DrawnPlane(float(z), two) for z in (0, 5)]))
    (2.0, 1.0)
    """
    volumes: dict[int, float] = {}
    for part, piece in connected_pieces(stack.slabs(caps, between)):
        volumes[part] = volumes.get(part, 0.0) + piece.volume_cc
    return tuple(sorted(volumes.values(), reverse=True))


def connected_pieces(slabs: Iterable[Slab]) -> list[tuple[int, Slab]]:
    """Return the single polygons of slabs in the chosen cap reading, each with the number of its part."""
    chosen = [slab for slab in slabs if slab.readings & CapReading.CHOSEN]
    chosen.sort(key=lambda slab: slab.low_mm)
    pieces = [shapely.get_parts(slab.area) for slab in chosen]
    starts = np.concatenate([[0], np.cumsum([len(each) for each in pieces])]).astype(int)
    leader = list(range(int(starts[-1])))
    for level, (lower, upper) in enumerate(pairwise(pieces)):
        touching = shapely.STRtree(upper).query(lower, predicate="intersects")
        shared = _share_area(lower[touching[0]], upper[touching[1]])
        for one, other in touching[:, shared].T.tolist():
            _join(leader, int(starts[level]) + one, int(starts[level + 1]) + other)
    single = [
        replace(slab, area=area)
        for slab, areas in zip(chosen, pieces, strict=True)
        for area in areas
    ]
    return [(_first(leader, number), piece) for number, piece in enumerate(single)]


def _share_area(some: NDArray[Any], others: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which pairs of polygons have an area in common."""
    # most have: an inner point of one then mostly lies in the other
    shared = np.asarray(shapely.contains_properly(others, shapely.point_on_surface(some)))
    rest = np.flatnonzero(~shared)
    shared[rest] = shapely.area(shapely.intersection(some[rest], others[rest])) > 0
    return shared


def _first(leader: list[int], number: int) -> int:
    """Return the number that stands for the part a piece belongs to."""
    while leader[number] != number:
        leader[number] = leader[leader[number]]
        number = leader[number]
    return number


def _join(leader: list[int], one: int, other: int) -> None:
    one, other = _first(leader, one), _first(leader, other)
    leader[max(one, other)] = min(one, other)
