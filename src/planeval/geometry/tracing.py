"""Distances along a lumen around a seed: the box, the nodes, the seed's surface and bridged gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.errors import GeometryError
from planeval.geometry.geodesic import DistanceField, distance_field
from planeval.geometry.lumen import Box, Lumen, NodeGrid
from planeval.geometry.rings import solid_part
from planeval.geometry.stack import Slab
from planeval.geometry.vessel_pieces import Pieces

__all__ = ["Trace", "traced"]

Floats = NDArray[Any]
Ints = NDArray[Any]

FINEST_STEP_MM = 0.2
USUAL_STEP_MM = 0.5
COARSEST_STEP_MM = 1.0
NODES_ACROSS = 8
"""Nodes across the narrow sections of the lumen, where the usual step is too coarse for that."""

USUAL_NODES = 400_000
SAME_OUTLINE_MM = 0.05
MOST_BOX_NODES = 40_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Distances along the lumen, and what was met on the way."""

    field: DistanceField
    bridged_mm: float
    reach_mm: float


def traced(
    pieces: Pieces,
    reached: tuple[set[int], dict[int, float]],
    solids: tuple[Sequence[Slab], Sequence[Slab]],
    lengths: tuple[float, float],
) -> Trace:
    """Measure the distances in the connected pieces around the seed's share of them.

    ``solids``: the seed's share, and the domain in which distances are wanted. ``lengths``: how far
    to measure, and the widest gap that is bridged.
    """
    (core, wanted), (holding, bridges), (length_mm, bridge_mm) = solids, reached, lengths
    lumen_slabs = pieces.slabs_of(holding | set(bridges))
    seed_slabs = _common(core, lumen_slabs)
    box = _box_of(seed_slabs).grown(length_mm + bridge_mm + 2 * COARSEST_STEP_MM)
    box = box.common(_box_of(lumen_slabs)).common(
        _box_of(wanted).grown(bridge_mm + 2 * COARSEST_STEP_MM)
    )
    lumen_slabs, seed_slabs = _within(lumen_slabs, box), _within(seed_slabs, box)
    step_mm = _node_step(lumen_slabs, box)
    nodes = NodeGrid.over(box, step_mm)
    frame = box.grown(3 * step_mm)
    lumen, seed = (Lumen(slabs, frame, step_mm / 2) for slabs in (lumen_slabs, seed_slabs))
    members = _nodes_in(lumen, lumen_slabs, nodes)
    is_bridged: dict[int, Ints] = {}
    if bridges:
        passages, is_bridged = _passages(pieces, reached, (nodes, frame), bridge_mm)
        lumen.open_passages(nodes, passages)
        members = np.union1d(members, passages)
    field = distance_field(
        lumen, nodes, members, (seed, _surface(seed_slabs, step_mm / 2)), length_mm + 2 * step_mm
    )
    values = field.values.ravel()
    met = values[members][np.isfinite(values[members])]
    crossed = [
        bridges[piece]
        for piece, own in is_bridged.items()
        if len(own) and values[own].min() <= length_mm
    ]
    reach = min(length_mm, max(0.0, float(met.max(initial=0.0))))
    return Trace(field, max(crossed, default=0.0), reach)


def _common(slabs: Sequence[Slab], others: Sequence[Slab]) -> tuple[Slab, ...]:
    """The slabs' share of others, both cut at the same heights."""
    found = []
    for slab in slabs:
        middle = (slab.low_mm + slab.high_mm) / 2
        for other in others:
            if other.low_mm < middle < other.high_mm:
                area = solid_part(shapely.intersection(slab.area, other.area))
                if area.area > 0:
                    found.append(Slab(slab.low_mm, slab.high_mm, area))
    return tuple(found)


def _box_of(slabs: Sequence[Slab]) -> Box:
    bounds = shapely.bounds(np.array([slab.area for slab in slabs], dtype=object))
    low, high = bounds.min(axis=0).tolist(), bounds.max(axis=0).tolist()
    return Box(
        (low[0], low[1], min(slab.low_mm for slab in slabs)),
        (high[2], high[3], max(slab.high_mm for slab in slabs)),
    )


def _within(slabs: Sequence[Slab], box: Box) -> tuple[Slab, ...]:
    """The slabs at the box's heights."""
    return tuple(s for s in slabs if s.high_mm > box.low[2] and s.low_mm < box.high[2])


def _node_step(slabs: Sequence[Slab], box: Box) -> float:
    """Half a millimetre; finer in a narrow lumen, coarser in a very large one."""
    frame = shapely.box(box.low[0], box.low[1], box.high[0], box.high[1])
    parts, owner = shapely.get_parts(
        shapely.intersection([slab.area for slab in slabs], frame), return_index=True
    )
    parts = [part if part.geom_type == "Polygon" else shapely.Polygon() for part in parts]
    area, rim = shapely.area(parts), shapely.length(parts)
    thickness = np.array([slab.high_mm - slab.low_mm for slab in slabs])[owner]
    width = 4 * area / np.maximum(rim, 1e-9)  # a disc's diameter
    order = np.argsort(width)
    cc = np.cumsum((area * thickness)[order])
    narrow = float(width[order][np.searchsorted(cc, 0.1 * cc[-1])])
    step = float(np.clip(narrow / NODES_ACROSS, FINEST_STEP_MM, USUAL_STEP_MM))
    box_mm3 = float(np.prod(np.array(box.high) - box.low))
    least = max((float(cc[-1]) / USUAL_NODES) ** (1 / 3), (box_mm3 / MOST_BOX_NODES) ** (1 / 3))
    if least > COARSEST_STEP_MM:
        raise GeometryError(
            f"{float(cc[-1]) / 1000:.0f} cc of lumen in a box of {box_mm3 / 1000:.0f} cc are more than "
            f"planeval traces at {COARSEST_STEP_MM:g} mm; use a shorter length"
        )
    return float(max(step, least))


def _nodes_in(lumen: Lumen, slabs: Sequence[Slab], nodes: NodeGrid) -> Ints:
    """Flat indices of the nodes inside the lumen."""
    heights, u, v = nodes.axis(2), nodes.axis(0), nodes.axis(1)
    found = [np.zeros(0, dtype=np.int64)]
    for slab in slabs:
        layers = _inner((heights >= slab.low_mm) & (heights < slab.high_mm))
        u0, v0, u1, v1 = slab.area.bounds
        columns = _inner((u > u0) & (u < u1))
        rows = _inner((v > v0) & (v < v1))
        k, j, i = np.meshgrid(layers, rows, columns, indexing="ij")
        flat = ((k * len(v) + j) * len(u) + i).ravel()
        found.append(flat[lumen.holds(nodes.points(flat))])
    return np.unique(np.concatenate(found))


def _inner(chosen: NDArray[np.bool_]) -> Ints:
    """Numbers of the chosen nodes of an axis, without the two at either end.

    A node's neighbours, and theirs, must be on the grid; the box ends before the last two.
    """
    numbers = np.flatnonzero(chosen)
    return numbers[(numbers >= 2) & (numbers < len(chosen) - 2)]


def _passages(
    pieces: Pieces,
    reached: tuple[set[int], dict[int, float]],
    place: tuple[NodeGrid, Box],
    bridge_mm: float,
) -> tuple[Ints, dict[int, Ints]]:
    """Nodes through which bridged gaps may be crossed, and the nodes of every bridged piece.

    A node belongs to a gap if the way over it from one side to the other is no longer than
    ``bridge_mm`` (and one node step, because distances count from node to node).
    """
    from scipy.ndimage import distance_transform_edt  # noqa: PLC0415 - heavy, and rarely needed

    (holding, bridges), (nodes, frame) = reached, place
    box = Box((nodes.first[0], nodes.first[1], nodes.first[2]), frame.high)

    def nodes_of(which: set[int]) -> Ints:
        slabs = _within(pieces.slabs_of(which), box)
        if not slabs:
            return np.zeros(0, dtype=np.int64)
        return _nodes_in(Lumen(slabs, frame, nodes.step_mm / 2), slabs, nodes)

    joined = np.zeros(int(np.prod(nodes.shape)), dtype=bool)
    joined[nodes_of(holding)] = True
    passages, own_nodes = [np.zeros(0, dtype=np.int64)], {}
    for piece in bridges:
        own = np.zeros(len(joined), dtype=bool)
        own_nodes[piece] = nodes_of({piece})
        own[own_nodes[piece]] = True
        if own.any() and joined.any():
            way = sum(
                distance_transform_edt(~side.reshape(nodes.shape), sampling=nodes.step_mm)
                for side in (own, joined)
            )
            near = way <= bridge_mm + nodes.step_mm
            near[~_inner_box(near.shape)] = False
            passages.append(np.flatnonzero(near))
        joined |= own
    return np.unique(np.concatenate(passages)), own_nodes


def _inner_box(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    inner = np.zeros(shape, dtype=bool)
    inner[2:-2, 2:-2, 2:-2] = True
    return inner


def _surface(slabs: Sequence[Slab], spacing_mm: float) -> Floats:
    """Points on the surface of a solid, about ``spacing_mm`` apart.

    Where two slabs meet, the ledge between their outlines is a slope from the middle of one to the
    middle of the other, as it was before it was drawn on planes: the corners of the steps would be
    too near to everything in front of them (45 degrees, 3 mm planes: by 1 mm).
    """
    points = [np.zeros((0, 3))]
    ordered = sorted(slabs, key=lambda slab: slab.low_mm)
    for lower, upper in pairwise([None, *ordered, None]):
        if lower is not None and upper is not None and _touch(lower, upper):
            for slab, other in ((lower, upper), (upper, lower)):
                points += [_slope(slab, other, spacing_mm), _side(slab, other, spacing_mm)]
        else:
            ends = [(lower, lower.high_mm)] if lower is not None else []
            ends += [(upper, upper.low_mm)] if upper is not None else []
            for slab, height in ends:
                points.append(_at(_lattice_points(slab.area, spacing_mm), height))
                points.append(_side(slab, None, spacing_mm, height))
    return np.concatenate(points)


def _side(slab: Slab, other: Slab | None, spacing_mm: float, end_mm: float = 0.0) -> Floats:
    """The slab's side from its middle to its end, or to another slab where that goes as far out."""
    ring = shapely.get_coordinates(shapely.segmentize(shapely.boundary(slab.area), spacing_mm))
    middle = (slab.low_mm + slab.high_mm) / 2
    at_middle = _at(ring, middle)
    if other is not None:
        end_mm = slab.high_mm if other.low_mm >= middle else slab.low_mm
        ring = ring[shapely.distance(other.area, shapely.points(ring)) < SAME_OUTLINE_MM]
    levels = np.linspace(middle, end_mm, int(np.ceil(abs(end_mm - middle) / spacing_mm)) + 1)[1:]
    sides = np.column_stack([np.tile(ring, (len(levels), 1)), np.repeat(levels, len(ring))])
    return np.concatenate([at_middle, sides])


def _slope(slab: Slab, other: Slab, spacing_mm: float) -> Floats:
    """The ledge of a slab beside another, as a slope between their middles."""
    ledge = _lattice_points(shapely.difference(slab.area, other.area), spacing_mm)
    places = shapely.points(ledge)
    outer = shapely.distance(shapely.boundary(slab.area), places)
    inner = shapely.distance(other.area, places)
    share = outer / np.maximum(outer + inner, 1e-12)
    start, end = ((one.low_mm + one.high_mm) / 2 for one in (slab, other))
    return np.column_stack([ledge, start + share * (end - start)])


def _at(points: Floats, height_mm: float) -> Floats:
    return np.column_stack([points, np.full(len(points), height_mm)])


def _touch(one: Slab, other: Slab) -> bool:
    return abs(one.high_mm - other.low_mm) < 1e-6 or abs(one.low_mm - other.high_mm) < 1e-6


def _lattice_points(area: Any, spacing_mm: float) -> Floats:
    """Lattice points inside an area."""
    if area.is_empty:
        return np.zeros((0, 2))
    u0, v0, u1, v1 = (np.array(area.bounds) / spacing_mm).tolist()
    u, v = np.meshgrid(
        spacing_mm * np.arange(np.ceil(u0), np.floor(u1) + 1),
        spacing_mm * np.arange(np.ceil(v0), np.floor(v1) + 1),
    )
    points = np.column_stack([u.ravel(), v.ravel()])
    shapely.prepare(area)
    return np.asarray(points[shapely.contains_xy(area, points)])
