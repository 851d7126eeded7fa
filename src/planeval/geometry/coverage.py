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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.geometry.stack import CapReading, Slab

__all__ = ["Coverage", "Lattice", "Layer", "Sheet", "cover"]

Floats = NDArray[Any]
Ints = NDArray[Any]

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

    ``full`` cells lie wholly inside. ``partial`` cells hold a piece of the outline: ``share`` is the
    covered share, ``moments`` (5, n) the means of x, y, xy, x^2, y^2 over the covered part.
    ``outline_uv`` (m, 2) are the outline's vertices and lattice crossings in mm, each with its
    partial cell in ``outline_cell`` (a position in ``partial``).
    """

    full: Ints
    partial: Ints
    share: Floats
    moments: Floats
    outline_uv: Floats
    outline_cell: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Cells between two heights inside one lattice interval, in some cap readings.

    ``full`` cells lie wholly inside between those heights. A *block* fills its lattice interval and
    has no ``sheet``; any other layer also has the partial cells of its sheet.
    """

    low_mm: float
    high_mm: float
    interval: int
    readings: CapReading
    full: Ints
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
    covered_mm2 = {
        id(sheet): float(
            lattice.cell_mm2[sheet.full].sum() + sheet.share @ lattice.cell_mm2[sheet.partial]
        )
        for sheet in sheets.values()
    }
    covered = [(p.readings, covered_mm2[id(p.sheet)], p.high_mm - p.low_mm) for p in pieces]
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
    scratch = np.zeros(lattice.rows * lattice.columns, dtype=np.uint8)
    for (interval, readings), members in groups.items():
        low, high = float(lattice.w_mm[interval]), float(lattice.w_mm[interval + 1])
        height = sum(piece.high_mm - piece.low_mm for piece in members)
        if height < (high - low) * (1 - 1e-9):
            yield from members
            continue
        common = members[0].full
        for nth, piece in enumerate(members[1:], start=1):
            scratch[common] = nth
            common = piece.full[scratch[piece.full] == nth]
            scratch[...] = 0
        if not len(common):
            yield from members
            continue
        yield Layer(low, high, interval, readings, common)
        scratch[common] = 1
        for piece in members:
            yield replace(piece, full=piece.full[scratch[piece.full] == 0])
        scratch[common] = 0


def _cut_heights(slab: Slab, edges: list[float]) -> list[tuple[float, float, int]]:
    """Cut a slab at the lattice heights: (low, high, interval) of the parts inside the lattice."""
    low, high = max(slab.low_mm, edges[0]), min(slab.high_mm, edges[-1])
    if low >= high:
        return []
    first, last = bisect_right(edges, low) - 1, bisect_left(edges, high) - 1
    cuts = [low, *edges[first + 1 : last + 1], high]
    return [(cuts[n], cuts[n + 1], first + n) for n in range(len(cuts) - 1)]


def _sheets(polygons: Sequence[Any], lattice: Lattice) -> tuple[Sheet, ...]:
    """Coverage of many polygons at once."""
    if not polygons:
        return ()
    pieces = _cut_at_lines(_edges(polygons), lattice)
    rows, columns = lattice.rows, lattice.columns
    column = _cell_index(lattice.u_mm, (pieces.u0 + pieces.u1) / 2)
    row = _cell_index(lattice.v_mm, (pieces.v0 + pieces.v1) / 2)
    keep = (row >= 0) & (row < rows) & (column < columns)
    if not keep.all():
        pieces, row, column = pieces.take(keep), row[keep], column[keep]
    np.maximum(column, 0, out=column)
    x0, x1 = _local(lattice.u_mm, column, pieces.u0, pieces.u1)
    y0, y1 = _local(lattice.v_mm, row, pieces.v0, pieces.v1)
    sign, owner = pieces.sign, pieces.owner
    cell = (owner * rows + row) * columns + column
    touched, position = _ranked(cell, len(polygons) * rows * columns)
    own, carried = _integrals(x0, y0, x1, y1, sign, position, len(touched))
    before, after = _carry_along_rows(carried, touched // columns)
    m0, mx, my, mxy, mxx, myy = own
    c0, c1, c2 = before
    m0, mx, mxx = m0 + c0, mx + c0 / 2, mxx + c0 / 3
    my, mxy, myy = my + c1, mxy + c1 / 2, myy + c2
    partial = m0 > EMPTY_SHARE
    share = np.minimum(m0[partial], 1.0)
    moments = np.stack([m[partial] / m0[partial] for m in (mx, my, mxy, mxx, myy)])
    full = _full_runs(touched, after[0], columns)
    # the pieces come whole ones first, then cut ones: put each sheet's together
    on_partial = np.flatnonzero(partial[position])
    on_partial = on_partial[np.argsort(owner[on_partial], kind="stable")]
    number = np.cumsum(partial) - 1
    return _split_by_sheet(
        len(polygons), rows * columns, full, touched[partial], share, moments,
        np.column_stack([pieces.u0[on_partial], pieces.v0[on_partial]]),
        number[position[on_partial]], owner[on_partial],
    )  # fmt: skip


def _cell_index(lines: Floats, at: Floats) -> Ints:
    """Cell of each coordinate: -1 before the first line, the number of cells after the last."""
    steps = np.diff(lines)
    if np.ptp(steps) > 1e-9 * steps[0]:
        return np.searchsorted(lines, at, side="right") - 1
    index = np.floor((at - lines[0]) * (1.0 / steps[0]))
    return np.asarray(np.clip(index, -1, len(steps)).astype(np.int64))


LARGEST_RANKING = 20_000_000
"""Most cells for which a table of all of them is made; beyond, the cells are sorted instead."""


def _ranked(cell: Ints, cells: int) -> tuple[Ints, Ints]:
    """The distinct cells, rising, and the place of each given cell among them."""
    if cells > LARGEST_RANKING:
        touched, position = np.unique(cell, return_inverse=True)
        return touched, position
    is_touched = np.zeros(cells, dtype=bool)
    is_touched[cell] = True
    touched = np.flatnonzero(is_touched)
    rank = np.empty(cells, dtype=np.int32)
    rank[touched] = np.arange(len(touched), dtype=np.int32)
    return touched, rank[cell]


@dataclass(frozen=True, slots=True, eq=False)
class _Edges:
    """Straight edges from (u0, v0) to (u1, v1): orientation sign and polygon number of each."""

    u0: Floats
    v0: Floats
    u1: Floats
    v1: Floats
    sign: Floats
    owner: Ints

    def take(self, which: Ints) -> _Edges:
        """Some of the edges."""
        return _Edges(
            self.u0[which], self.v0[which], self.u1[which], self.v1[which],
            self.sign[which], self.owner[which],
        )  # fmt: skip


def _local(lines: Floats, cell: Ints, *places: Floats) -> Iterator[Floats]:
    """Yield coordinates within their cells, 0..1."""
    start, scale = lines[:-1][cell], (1.0 / np.diff(lines))[cell]
    for place in places:
        yield np.clip((place - start) * scale, 0.0, 1.0)


def _edges(polygons: Sequence[Any]) -> _Edges:
    """Every edge of every ring, exteriors turning left and holes turning right."""
    parts, part_owner = shapely.get_parts(polygons, return_index=True)
    rings, ring_part = shapely.get_rings(parts, return_index=True)
    points, point_ring = shapely.get_coordinates(rings, return_index=True)
    is_exterior = np.ones(len(rings), dtype=bool)
    is_exterior[1:] = ring_part[1:] != ring_part[:-1]
    ring_sign = np.where(shapely.is_ccw(rings) == is_exterior, 1.0, -1.0)
    same = np.flatnonzero(point_ring[1:] == point_ring[:-1])
    ring = point_ring[same]
    u, v = np.ascontiguousarray(points[:, 0]), np.ascontiguousarray(points[:, 1])
    return _Edges(
        u[same], v[same], u[same + 1], v[same + 1], ring_sign[ring], part_owner[ring_part][ring]
    )


def _cut_at_lines(edges: _Edges, lattice: Lattice) -> _Edges:
    """Cut edges at the lattice lines, so that every piece lies in one cell."""
    cuts_edge, cuts_t = [], []
    is_cut = np.zeros(len(edges.u0), dtype=bool)
    for lines, start, end in (
        (lattice.u_mm, edges.u0, edges.u1),
        (lattice.v_mm, edges.v0, edges.v1),
    ):
        first, last = _cell_index(lines, start), _cell_index(lines, end)
        crossing = np.flatnonzero(first != last)
        is_cut[crossing] = True
        first, last = first[crossing], last[crossing]
        count = np.abs(last - first)
        edge = np.repeat(crossing, count)
        nth = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
        rising = np.repeat(last > first, count)
        first = np.repeat(first, count)
        line = np.where(rising, first + 1 + nth, first - nth)
        a = start[edge]
        cuts_edge.append(edge)
        cuts_t.append(np.clip((lines[line] - a) / (end[edge] - a), 0.0, 1.0))
    whole, cut = np.flatnonzero(~is_cut), np.flatnonzero(is_cut)
    edge = np.concatenate([cut, *cuts_edge])
    t = np.concatenate([np.zeros(len(cut)), *cuts_t])
    # the end of one edge and the start of the next must not mix: t = 1 stays below the next edge
    order = np.argsort(edge + 0.999999 * t, kind="stable")
    edge, t = edge[order], t[order]
    is_last = np.ones(len(edge), dtype=bool)
    is_last[:-1] = edge[1:] != edge[:-1]
    joined = []
    for start, end in ((edges.u0, edges.u1), (edges.v0, edges.v1)):
        a, b = start[edge], end[edge]
        from_ = a + t * (b - a)
        to = np.empty_like(from_)
        to[:-1] = from_[1:]
        to[is_last] = b[is_last]
        joined += [np.concatenate([start[whole], from_]), np.concatenate([end[whole], to])]
    index = np.concatenate([whole, edge])
    u0, u1, v0, v1 = joined
    return _Edges(u0, v0, u1, v1, edges.sign[index], edges.owner[index])


def _integrals(
    x0: Floats, y0: Floats, x1: Floats, y1: Floats, sign: Floats, position: Ints, cells: int
) -> tuple[tuple[Floats, ...], tuple[Floats, ...]]:
    """Line integrals of every piece, summed per cell.

    The integrands are cubic at most along a straight piece, so Simpson's rule is exact.
    """
    xm, ym = (x0 + x1) / 2, (y0 + y1) / 2
    weight = sign * (y0 - y1) / 6.0
    places = ((x0, y0, weight), (xm, ym, 4 * weight), (x1, y1, weight))

    def total(integrand: Callable[[Floats, Floats], Floats]) -> Floats:
        values = sum(w * integrand(x, y) for x, y, w in places)
        return np.bincount(position, weights=values, minlength=cells)

    own = (
        total(lambda x, y: 1 - x),
        total(lambda x, y: (1 - x * x) / 2),
        total(lambda x, y: y * (1 - x)),
        total(lambda x, y: y * (1 - x * x) / 2),
        total(lambda x, y: (1 - x * x * x) / 3),
        total(lambda x, y: y * y * (1 - x)),
    )
    carried = (
        np.bincount(position, weights=6 * weight, minlength=cells),
        np.bincount(position, weights=6 * weight * ym, minlength=cells),
        total(lambda x, y: y * y),
    )
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


def _full_runs(touched: Ints, carry: Floats, columns: int) -> Ints:
    """Cells between two touched cells of a row (or up to its end) that lie wholly inside."""
    row_end = (touched // columns + 1) * columns
    following = np.append(touched[1:], row_end[-1:])
    stop = np.minimum(following, row_end)
    count = np.where(carry > 0.5, stop - touched - 1, 0)
    nth = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    return np.asarray(np.repeat(touched + 1, count) + nth)


def _split_by_sheet(
    sheets: int, cells: int, full: Ints, partial: Ints, share: Floats, moments: Floats,
    outline_uv: Floats, outline_partial: Ints, outline_owner: Ints,
) -> tuple[Sheet, ...]:  # fmt: skip
    """Hand every sheet its own cells and outline."""
    bounds = np.arange(sheets + 1) * cells
    full_at = np.searchsorted(full, bounds)
    partial_at = np.searchsorted(partial, bounds)
    outline_at = np.searchsorted(outline_owner, np.arange(sheets + 1))
    made = []
    for n in range(sheets):
        f, p, o = (slice(at[n], at[n + 1]) for at in (full_at, partial_at, outline_at))
        made.append(
            Sheet(
                full[f] - bounds[n],
                partial[p] - bounds[n],
                share[p],
                moments[:, p],
                outline_uv[o],
                outline_partial[o] - partial_at[n],
            )
        )
    return tuple(made)
