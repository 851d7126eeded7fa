"""Coverage: how much of every lattice cell a solid fills, exactly, and where in the cell it lies.

A lattice cuts the plane frame into cells at heights and in-plane lines. For each polygon the covered
share of every in-plane cell, and the first and second moments of the covered part, follow from line
integrals along the polygon's edges (Green's theorem), cut at the lattice lines:

::

      share = sum over edges of  integral (1 - x) dy       in the edge's own cell
              plus the edge's dy in every cell to its right

Nothing is rasterised and nothing is sampled, so areas and volumes are exact to rounding. A cell has
local coordinates x, y in 0..1 along u and v.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.geometry.stack import CapReading, Slab

__all__ = ["Coverage", "Lattice", "Layer", "Sheet", "cover"]

Floats = NDArray[Any]
Ints = NDArray[Any]
Flags = NDArray[np.bool_]

CELLS_AT_ONCE = 1 << 20
"""Lattice cells of the polygons that are covered in one pass: their tables fit the processor's cache."""

EMPTY_SHARE = 1e-12
"""A smaller share of a cell is rounding, not coverage."""


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """Rising edges of the cells along u, v (in plane) and w (height), in mm of the plane frame."""

    u_mm: Floats
    v_mm: Floats
    w_mm: Floats
    cell_mm2: Floats = field(init=False, repr=False)
    """Area of every in-plane cell, in the order row * columns + column."""

    def __post_init__(self) -> None:
        areas = np.outer(np.diff(self.v_mm), np.diff(self.u_mm)).ravel()
        object.__setattr__(self, "cell_mm2", areas)

    @property
    def columns(self) -> int:
        """Cells along u."""
        return len(self.u_mm) - 1

    @property
    def rows(self) -> int:
        """Cells along v."""
        return len(self.v_mm) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """The coverage of one polygon: cells are row * columns + column of the lattice.

    ``full`` marks, of all cells, those that lie wholly inside. ``partial`` cells hold a piece of the
    outline: ``share`` is the covered share, ``moments`` (5, n) the means of x, y, xy, x^2, y^2 over
    the covered part. ``outline`` (4, m) are the straight pieces (u0, v0, u1, v1) of the outline in mm,
    each with its partial cell in ``outline_cell`` (a position in ``partial``). ``area`` is the polygon.
    """

    area: Any

    full: Flags
    partial: Ints
    share: Floats
    moments: Floats
    outline: Floats
    outline_cell: Ints
    covered_mm2: float


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Cells between two heights inside one lattice interval, in some cap readings.

    ``full`` marks the cells that lie wholly inside between those heights. A *block* fills its lattice
    interval and has no ``sheet``; any other layer also has the partial cells of its sheet.
    """

    low_mm: float
    high_mm: float
    interval: int
    readings: CapReading
    full: Flags
    sheet: Sheet | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """A solid on a lattice, as layers.

    ``inside_cc`` and ``outside_cc`` are per cap reading: they add up to the solid's volume.
    """

    lattice: Lattice
    layers: tuple[Layer, ...]
    inside_cc: dict[CapReading, float]
    outside_cc: dict[CapReading, float]


def cover(slabs: Sequence[Slab], lattice: Lattice) -> Coverage:
    """Return the coverage of slabs on a lattice.

    What lies beyond the lattice is counted as outside, never moved to its edge.
    """
    areas: dict[int, Any] = {id(slab.area): slab.area for slab in slabs}
    sheets = dict(zip(areas, _sheets(list(areas.values()), lattice), strict=True))
    heights = lattice.w_mm.tolist()
    pieces = [
        Layer(low, high, interval, slab.readings, sheets[id(slab.area)].full, sheets[id(slab.area)])
        for slab in slabs
        for low, high, interval in _cut_heights(slab, heights)
    ]
    area_mm2 = dict(zip(areas, shapely.area(list(areas.values())).tolist(), strict=True))
    covered = [
        (p.readings, p.sheet.covered_mm2, p.high_mm - p.low_mm)
        for p in pieces
        if p.sheet is not None
    ]
    solid = [(s.readings, area_mm2[id(s.area)], s.high_mm - s.low_mm) for s in slabs]
    inside, outside = {}, {}
    for reading in CapReading:
        bit = int(reading)
        inside[reading], total = (
            sum(mm2 * mm for readings, mm2, mm in parts if int(readings) & bit) / 1000.0
            for parts in (covered, solid)
        )
        missing = total - inside[reading]
        outside[reading] = missing if missing > 1e-9 * max(total, 1e-3) else 0.0
    return Coverage(lattice, tuple(_with_blocks(pieces, lattice)), inside, outside)


def _with_blocks(pieces: Sequence[Layer], lattice: Lattice) -> Iterator[Layer]:
    """Join the cells that are full through a whole lattice interval into one block per interval."""
    groups: dict[tuple[int, CapReading], list[Layer]] = {}
    for piece in pieces:
        groups.setdefault((piece.interval, piece.readings), []).append(piece)
    for (interval, readings), members in groups.items():
        low, high = float(lattice.w_mm[interval]), float(lattice.w_mm[interval + 1])
        height = sum(piece.high_mm - piece.low_mm for piece in members)
        if height < (high - low) * (1 - 1e-9):
            yield from members
            continue
        common = members[0].full
        for piece in members[1:]:
            common = common & piece.full
        if not common.any():
            yield from members
            continue
        yield Layer(low, high, interval, readings, common)
        for piece in members:
            # full cells of the piece that are not in the block (which are a part of them)
            rest = piece.full ^ common
            yield Layer(piece.low_mm, piece.high_mm, interval, readings, rest, piece.sheet)


def _cut_heights(slab: Slab, edges: list[float]) -> list[tuple[float, float, int]]:
    """Cut a slab at the lattice heights: (low, high, interval) of the parts inside the lattice."""
    low, high = max(slab.low_mm, edges[0]), min(slab.high_mm, edges[-1])
    if low >= high:
        return []
    first, last = bisect_right(edges, low) - 1, bisect_left(edges, high) - 1
    cuts = [low, *edges[first + 1 : last + 1], high]
    return [(cuts[n], cuts[n + 1], first + n) for n in range(len(cuts) - 1)]


def _sheets(polygons: Sequence[Any], lattice: Lattice) -> Iterator[Sheet]:
    """Coverage of many polygons, as many at once as have ``CELLS_AT_ONCE`` lattice cells."""
    size = max(1, CELLS_AT_ONCE // (lattice.rows * lattice.columns))
    for start in range(0, len(polygons), size):
        yield from _sheets_at_once(polygons[start : start + size], lattice)


def _sheets_at_once(polygons: Sequence[Any], lattice: Lattice) -> Iterator[Sheet]:
    """Coverage of some polygons: one pass over all their edges."""
    pieces = _cut_at_lines(polygons, lattice)
    rows, columns = lattice.rows, lattice.columns
    column = _cell_index(lattice.u_mm, (pieces.u0 + pieces.u1) * 0.5)
    row = _cell_index(lattice.v_mm, (pieces.v0 + pieces.v1) * 0.5)
    keep = (row >= 0) & (row < rows) & (column < columns)
    if not keep.all():
        pieces, row, column = pieces.take(keep), row[keep], column[keep]
    is_in_lattice = column >= 0
    np.maximum(column, 0, out=column)
    x0, x1 = _local(lattice.u_mm, column, pieces.u0, pieces.u1)
    y0, y1 = _local(lattice.v_mm, row, pieces.v0, pieces.v1)
    cell = (pieces.owner * rows + row) * columns + column
    touched, position = _ranked(cell, len(polygons) * rows * columns)
    own, carried = _integrals(x0, y0, x1, y1, pieces.sign, position, len(touched))
    before, after = _carry_along_rows(carried, touched // columns)
    m0, mx, my, mxy, mxx, myy = own
    c0, c1, c2 = before
    m0, mx, mxx = m0 + c0, mx + c0 / 2, mxx + c0 / 3
    my, mxy, myy = my + c1, mxy + c1 / 2, myy + c2
    partial = m0 > EMPTY_SHARE
    share = np.minimum(m0[partial], 1.0)
    moments = np.empty((5, len(share)), dtype=np.float32)
    for moment, integral in zip(moments, (mx, my, mxy, mxx, myy), strict=True):
        moment[...] = integral[partial] / m0[partial]
    on_partial = partial[position] & is_in_lattice
    number = np.cumsum(partial) - 1
    return _split_by_sheet(
        polygons, lattice, _full_cells(touched, after[0], len(polygons), lattice), touched[partial],
        share, moments,
        np.stack([ends[on_partial] for ends in (pieces.u0, pieces.v0, pieces.u1, pieces.v1)]),
        number[position[on_partial]], pieces.owner[on_partial],
    )  # fmt: skip


def _cell_index(lines: Floats, at: Floats) -> Ints:
    """Cell of each coordinate: -1 before the first line, the number of cells after the last."""
    steps = np.diff(lines)
    if np.ptp(steps) > 1e-9 * steps[0]:
        return np.searchsorted(lines, at, side="right") - 1
    index = np.floor((at - lines[0]) * (1.0 / steps[0]))
    return np.asarray(np.clip(index, -1, len(steps)).astype(np.int64))


def _ranked(cell: Ints, cells: int) -> tuple[Ints, Ints]:
    """The distinct cells, rising, and the place of each given cell among them."""
    is_touched = np.zeros(cells, dtype=bool)
    is_touched[cell] = True
    touched = np.flatnonzero(is_touched)
    rank = np.empty(cells, dtype=np.int64)
    rank[touched] = np.arange(len(touched))
    return touched, rank[cell]


class _Pieces(NamedTuple):
    """Straight pieces of outlines from (u0, v0) to (u1, v1), in order along each ring.

    ``sign`` is the ring's orientation, ``owner`` the number of its polygon.
    """

    u0: Floats
    v0: Floats
    u1: Floats
    v1: Floats
    sign: Floats
    owner: Ints

    def take(self, which: Flags) -> _Pieces:
        """Some of the pieces."""
        return _Pieces(
            self.u0[which], self.v0[which], self.u1[which], self.v1[which],
            self.sign[which], self.owner[which],
        )  # fmt: skip


def _local(lines: Floats, cell: Ints, *places: Floats) -> Iterator[Floats]:
    """Yield coordinates within their cells, 0..1."""
    start, scale = lines[:-1][cell], (1.0 / np.diff(lines))[cell]
    for place in places:
        local = place - start
        local *= scale
        yield np.clip(local, 0.0, 1.0, out=local)


def _cut_at_lines(polygons: Sequence[Any], lattice: Lattice) -> _Pieces:
    """The outlines of polygons, cut at the lattice lines so that every piece lies in one cell.

    Crossings are put between the vertices in the order in which the outline meets them. Exteriors
    turn left and holes turn right, by their sign.
    """
    parts, part_owner = shapely.get_parts(polygons, return_index=True)
    rings, ring_part = shapely.get_rings(parts, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    is_exterior = np.ones(len(rings), dtype=bool)
    is_exterior[1:] = ring_part[1:] != ring_part[:-1]
    ring_sign = np.where(shapely.is_ccw(rings) == is_exterior, 1.0, -1.0)
    u, v = np.ascontiguousarray(points[:, 0]), np.ascontiguousarray(points[:, 1])
    same = ring[1:] == ring[:-1]
    edge, t = _crossings(u, v, same, lattice)
    place = edge + 1 + np.arange(len(edge))
    is_vertex = np.ones(len(u) + len(edge), dtype=bool)
    is_vertex[place] = False
    met = []
    for along in (u, v):
        start = along[edge]
        sequence = np.empty(len(is_vertex))
        sequence[is_vertex] = along
        sequence[place] = start + t * (along[edge + 1] - start)
        met.append(sequence)
    ring_of = np.empty(len(is_vertex), dtype=np.int64)
    ring_of[is_vertex] = ring
    ring_of[place] = ring[edge]
    same = ring_of[1:] == ring_of[:-1]
    ring_of = ring_of[:-1][same]
    (u0, u1), (v0, v1) = ((along[:-1][same], along[1:][same]) for along in met)
    return _Pieces(u0, v0, u1, v1, ring_sign[ring_of], part_owner[ring_part][ring_of])


def _crossings(u: Floats, v: Floats, same: Flags, lattice: Lattice) -> tuple[Ints, Floats]:
    """Where edges (vertex n to n + 1, if both are of the ``same`` ring) meet lattice lines.

    Returned are edge number and share of the way, in the order of the outline.
    """
    edges, shares = [], []
    for lines, along in ((lattice.u_mm, u), (lattice.v_mm, v)):
        cell = _cell_index(lines, along)
        crossing = np.flatnonzero((cell[1:] != cell[:-1]) & same)
        first, last = cell[crossing], cell[crossing + 1]
        count = np.abs(last - first)
        edge = np.repeat(crossing, count)
        nth = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
        first, rising = np.repeat(first, count), np.repeat(last > first, count)
        line = np.where(rising, first + 1 + nth, first - nth)
        start = along[edge]
        edges.append(edge)
        shares.append(np.clip((lines[line] - start) / (along[edge + 1] - start), 0.0, 1.0))
    edge, t = np.concatenate(edges), np.concatenate(shares)
    # the end of one edge and the start of the next must not mix: t = 1 stays below the next edge
    order = np.argsort(edge + 0.999999 * t, kind="stable")
    return edge[order], t[order]


def _integrals(
    x0: Floats, y0: Floats, x1: Floats, y1: Floats, sign: Floats, position: Ints, cells: int
) -> tuple[tuple[Floats, ...], tuple[Floats, ...]]:
    """Line integrals of every piece, summed per cell.

    Along a straight piece x and y are linear, so each integral over dy is dy times a polynomial of
    the middle (x, y) and the half lengths (a, b): the mean of x^2 is x^2 + a^2 / 3, that of x y is
    x y + a b / 3, and so on.
    """
    a, b = (x1 - x0) * 0.5, (y1 - y0) * 0.5
    x, y = x0 + a, y0 + b
    dy = -2.0 * b * sign
    aa, ab, bb = a * a / 3, a * b / 3, b * b / 3
    rest, xx, yy = 1 - x, x * x + aa, y * y + bb
    mean_x = rest * dy
    half_square = (1 - xx) * (0.5 * dy)

    def total(values: Floats) -> Floats:
        return np.bincount(position, weights=values, minlength=cells)

    own = (
        total(mean_x),
        total(half_square),
        total(y * mean_x - ab * dy),
        total(y * half_square - x * ab * dy),
        total((1 - x * (xx + 2 * aa)) * (dy / 3)),
        total(yy * mean_x - 2 * y * ab * dy),
    )
    carried = (total(dy), total(dy * y), total(dy * yy))
    return own, carried


def _carry_along_rows(carried: tuple[Floats, ...], row: Ints) -> tuple[list[Floats], list[Floats]]:
    """Sum what cells to the left in the same row carry: before and after each cell."""
    first = np.flatnonzero(np.diff(row, prepend=-1))
    counts = np.diff(np.concatenate([first, [len(row)]]))
    before, after = [], []
    for values in carried:
        running = np.cumsum(values)
        base = np.repeat(running[first] - values[first], counts)
        after.append(running - base)
        before.append(running - base - values)
    return before, after


class _FullCells(NamedTuple):
    """The full cells of some sheets, (sheets, cells), and their area per sheet."""

    flags: Flags
    area_mm2: Floats


def _full_cells(touched: Ints, carry: Floats, sheets: int, lattice: Lattice) -> _FullCells:
    """Cells between two touched cells of a row (or up to its end) that lie wholly inside."""
    columns, cells = lattice.columns, lattice.rows * lattice.columns
    row_end = (touched // columns + 1) * columns
    stop = np.minimum(np.append(touched[1:], row_end[-1:]), row_end)
    start = touched + 1
    is_run = (carry > 0.5) & (stop > start)
    start, stop = start[is_run], stop[is_run]
    change = np.zeros(sheets * cells + 1, dtype=np.int8)
    change[start] = 1
    change[stop] -= 1
    flags = np.cumsum(change[:-1], dtype=np.int8).view(bool).reshape(sheets, cells)
    row, column = np.divmod(start % cells, columns)
    width = lattice.u_mm[column + stop - start] - lattice.u_mm[column]
    areas = np.bincount(start // cells, np.diff(lattice.v_mm)[row] * width, minlength=sheets)
    return _FullCells(flags, areas)


def _split_by_sheet(
    polygons: Sequence[Any], lattice: Lattice, full: _FullCells, partial: Ints, share: Floats,
    moments: Floats, outline: Floats, outline_partial: Ints, outline_owner: Ints,
) -> Iterator[Sheet]:  # fmt: skip
    """Hand every sheet its own cells and outline."""
    sheets, cells = full.flags.shape
    numbers = np.arange(sheets + 1)
    partial_at = np.searchsorted(partial, numbers * cells).tolist()
    outline_at = np.searchsorted(outline_owner, numbers).tolist()
    owner, cell = np.divmod(partial, cells)
    areas = full.area_mm2 + np.bincount(owner, share * lattice.cell_mm2[cell], minlength=sheets)
    for n, covered_mm2 in enumerate(areas.tolist()):
        p, o = slice(*partial_at[n : n + 2]), slice(*outline_at[n : n + 2])
        yield Sheet(
            polygons[n], full.flags[n], cell[p], share[p], moments[:, p],
            outline[:, o], outline_partial[o] - partial_at[n], covered_mm2,
        )  # fmt: skip
