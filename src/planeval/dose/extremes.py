"""Extremes: the largest and the smallest dose at points of the closed solid.

A trilinear field is linear along the height, so its extremes lie on the floor or the ceiling of a
layer; there it is bilinear, without extremes inside an area, so they lie on the area's outline within
each cell: at lattice nodes inside the solid, or along the pieces of the outline, where the field is
quadratic. All corners of a full cell are such nodes. Partial cells are looked at only where their
corners could beat what is already found. Where the field is trilinear in every cell the result is
therefore exact; elsewhere it is the best of those points, and the corners of the cells are its limit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.dose.sampling import CellBatch, LayerDoses
from planeval.geometry.stack import CapReading

__all__ = ["Extreme", "ExtremeSearch"]

Doses = NDArray[np.float32]
Ints = NDArray[Any]

FIRST_LOOK = 64
"""So many of the most promising partial cells are looked at before all others."""

_NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Extreme:
    """A dose found at a point of the closed solid, and its place (u, v, w) in mm."""

    gy: float
    place_uvw: tuple[float, float, float]


class ExtremeSearch:
    """Collects the hottest and the coldest point per cap reading from batches of cells.

    Partial cells wait until all batches of the same lattice planes were seen: the best full cells, and
    what the readings share, then rule most of them out at once.
    """

    def __init__(self) -> None:
        self._found: dict[CapReading, tuple[_Best, _Best]] = {}
        self._corners: dict[CapReading, tuple[float, float]] = {}
        self._waiting: list[tuple[CapReading, int, _Rivals]] = []
        self._is_exact = True

    def look(self, batch: CellBatch) -> None:
        """Look through the cells of one batch."""
        if not len(batch.cc):
            return
        if self._waiting and self._waiting[0][2].doses.planes is not batch.doses.planes:
            self._settle()
        low, high = self._corners.get(batch.readings, (np.inf, -np.inf))
        self._corners[batch.readings] = (
            min(low, float(batch.low_gy.min())),
            max(high, float(batch.high_gy.max())),
        )
        self._is_exact &= batch.doses.is_exact
        for side, corner in enumerate((batch.high_gy, batch.low_gy)):
            best = self._best_of(batch.readings, side)
            full, partial = corner[: batch.full], corner[batch.full :]
            if len(full):
                at = best.pick(full)
                if best.is_beaten_by(full[at]):
                    best.offer(_best_corner(best, batch, at))
            rivals = np.flatnonzero(best.is_beaten_by(partial))
            if len(rivals):
                number, cell = batch.places(batch.full + rivals)
                self._waiting.append(
                    (batch.readings, side, _Rivals(batch.doses, number, cell, partial[rivals]))
                )

    def hottest(self, reading: CapReading) -> Extreme | None:
        """The largest dose of a reading, None where it has no cell."""
        return self._of_reading(reading, _Best(hot=True), 0)

    def coldest(self, reading: CapReading) -> Extreme | None:
        """The smallest dose of a reading, None where it has no cell."""
        return self._of_reading(reading, _Best(hot=False), 1)

    def limits_gy(self, reading: CapReading) -> tuple[float, float]:
        """The lowest and the highest dose that any point of a reading with cells may have."""
        coldest, hottest = self.coldest(reading), self.hottest(reading)
        if self._is_exact and coldest is not None and hottest is not None:
            return coldest.gy, hottest.gy
        corners = [limits for readings, limits in self._corners.items() if readings & reading]
        return min(low for low, _ in corners), max(high for _, high in corners)

    def _best_of(self, readings: CapReading, side: int) -> _Best:
        """The best of a group of readings, and of what all of them have in other groups."""
        if readings not in self._found:
            self._found[readings] = _Best(hot=True), _Best(hot=False)
        best = self._found[readings][side]
        for others, found in self._found.items():
            if readings & others == readings:
                best.offer(found[side].extreme)
        return best

    def _of_reading(self, reading: CapReading, best: _Best, side: int) -> Extreme | None:
        self._settle()
        for readings, pair in self._found.items():
            if readings & reading:
                best.offer(pair[side].extreme)
        return best.extreme

    def _settle(self) -> None:
        """Look at the partial cells that wait: what most readings share first."""
        waiting, self._waiting = self._waiting, []
        for readings, side, rivals in sorted(waiting, key=lambda one: -int(one[0])):
            _look_at_partial(self._best_of(readings, side), rivals)


class _Rivals(NamedTuple):
    """Partial cells (layer and cell) whose corners may beat the best so far."""

    doses: LayerDoses
    number: Ints
    cell: Ints
    corner_gy: Doses

    def take(self, which: Ints | NDArray[np.bool_]) -> _Rivals:
        """Some of the cells."""
        return _Rivals(self.doses, self.number[which], self.cell[which], self.corner_gy[which])


def _best_corner(best: _Best, batch: CellBatch, at: int) -> Extreme:
    """The best corner of a full cell."""
    lattice = batch.doses.lattice
    number, cell = (int(n) for n in batch.places(at))
    row, column = divmod(cell, lattice.columns)
    nodes = np.array([[row], [row + 1]]), np.array([[column, column + 1]])
    corners = np.stack(batch.doses.sides(np.array(number), *nodes))
    k, j, i = (int(n) for n in np.unravel_index(best.pick(corners), corners.shape))
    place = (
        float(lattice.u_mm[column + i]),
        float(lattice.v_mm[row + j]),
        _height(batch.doses, number, k),
    )
    return Extreme(float(corners[k, j, i]), place)


def _look_at_partial(best: _Best, rivals: _Rivals) -> None:
    """Look at partial cells: the most promising first, so that they rule most others out."""
    rivals = rivals.take(best.is_beaten_by(rivals.corner_gy))
    if len(rivals.cell) > FIRST_LOOK:
        corner = rivals.corner_gy
        first = np.argpartition(-corner if best.hot else corner, FIRST_LOOK)[:FIRST_LOOK]
        _look_inside(best, rivals.take(first))
        left = best.is_beaten_by(corner)
        left[first] = False
        rivals = rivals.take(left)
    if len(rivals.cell):
        _look_inside(best, rivals)


def _look_inside(best: _Best, rivals: _Rivals) -> None:
    """Look along the outline in some partial cells, then at nodes inside where these could beat it."""
    _look_along(best, _pieces(rivals))
    rivals = rivals.take(best.is_beaten_by(rivals.corner_gy))
    if len(rivals.cell):
        _look_at_nodes(best, rivals)


class _Pieces(NamedTuple):
    """Pieces of outline (u0, v0, u1, v1) in some partial cells, with layer and cell of each."""

    doses: LayerDoses
    ends: Doses
    number: Ints
    cell: Ints

    def doses_at(self, *ways: float) -> Doses:
        """Doses on floor and ceiling (2, ways, n), at shares of the way along each piece."""
        lattice = self.doses.lattice
        row, column = np.divmod(self.cell, lattice.columns)
        u0, v0, u1, v1 = self.ends
        t = np.array(ways)[:, None]
        x, y = (
            np.clip((a + t * (b - a) - lines[n]) / (lines[n + 1] - lines[n]), 0, 1)
            for lines, n, a, b in ((lattice.u_mm, column, u0, u1), (lattice.v_mm, row, v0, v1))
        )
        return self.doses.at(self.number, row, column, (x, y))

    def extreme(self, t: float, k: int, n: int) -> Extreme:
        """The dose at a share of the way along piece n, on its floor (k = 0) or ceiling (1)."""
        one = slice(n, n + 1)
        piece = _Pieces(self.doses, self.ends[:, one], self.number[one], self.cell[one])
        u0, v0, u1, v1 = self.ends[:, n].tolist()
        height = _height(self.doses, int(self.number[n]), k)
        return Extreme(
            float(piece.doses_at(t)[k, 0, 0]), (u0 + t * (u1 - u0), v0 + t * (v1 - v0), height)
        )


def _look_along(best: _Best, pieces: _Pieces) -> None:
    """Look along pieces of outline: a bilinear field is quadratic along a straight line."""
    if not len(pieces.cell):
        return
    start, middle, end = np.moveaxis(pieces.doses_at(0.0, 0.5, 1.0), 1, 0)
    bend, slope = 2 * (start - 2 * middle + end), 4 * middle - 3 * start - end
    with np.errstate(divide="ignore", invalid="ignore"):
        turn = np.clip(np.nan_to_num(-slope / (2 * bend)), 0, 1)
    turning = start + (slope + bend * turn) * turn
    best.offer_best(start, lambda k, n: pieces.extreme(0.0, k, n))
    best.offer_best(end, lambda k, n: pieces.extreme(1.0, k, n))
    best.offer_best(turning, lambda k, n: pieces.extreme(float(turn[k, n]), k, n))


def _look_at_nodes(best: _Best, rivals: _Rivals) -> None:
    """Look at corners of partial cells that lie inside the solid, though no full cell has them."""
    lattice = rivals.doses.lattice
    row, column = np.divmod(rivals.cell, lattice.columns)
    row = np.add.outer([0, 0, 1, 1], row).ravel()
    column = np.add.outer([0, 1, 0, 1], column).ravel()
    number = np.tile(rivals.number, 4)
    doses = np.stack(rivals.doses.sides(number, row, column))
    u, v = lattice.u_mm[column], lattice.v_mm[row]
    at = np.flatnonzero(best.is_beaten_by(doses).any(axis=0))
    sheets = [rivals.doses.layers[one].sheet for one in number[at].tolist()]
    areas = np.array([None if sheet is None else sheet.area for sheet in sheets], dtype=object)
    at = at[shapely.intersects_xy(areas, u[at], v[at])]
    # a node is a piece of no length
    nodes = _Pieces(
        rivals.doses, np.stack([u, v, u, v])[:, at], number[at], np.tile(rivals.cell, 4)[at]
    )
    best.offer_best(doses[:, at], lambda k, n: nodes.extreme(0.0, k, n))


def _pieces(rivals: _Rivals) -> _Pieces:
    """The pieces of outline in some partial cells."""
    pieces, cells, numbers = [np.zeros((4, 0))], [_NONE], [_NONE]
    order = np.argsort(rivals.number, kind="stable")
    number, cell = rivals.number[order], rivals.cell[order]
    starts = np.flatnonzero(np.diff(number, prepend=-1)).tolist()
    for start, stop in zip(starts, [*starts[1:], len(number)], strict=True):
        layer = int(number[start])
        sheet = rivals.doses.layers[layer].sheet
        if sheet is None:
            continue
        wanted = np.zeros(len(sheet.partial), dtype=bool)
        wanted[np.searchsorted(sheet.partial, cell[start:stop])] = True
        chosen = np.flatnonzero(wanted[sheet.outline_cell])
        pieces.append(sheet.outline[:, chosen])
        cells.append(sheet.partial[sheet.outline_cell[chosen]])
        numbers.append(np.full(len(chosen), layer))
    return _Pieces(
        rivals.doses,
        np.concatenate(pieces, axis=1),
        np.concatenate(numbers),
        np.concatenate(cells),
    )


def _height(doses: LayerDoses, number: int, side: int) -> float:
    """Height of the floor (0) or ceiling (1) of a layer."""
    layer = doses.layers[number]
    return layer.high_mm if side else layer.low_mm


class _Best:
    """The best extreme so far: the hottest or the coldest."""

    def __init__(self, *, hot: bool) -> None:
        self.hot = hot
        self.extreme: Extreme | None = None

    def offer(self, extreme: Extreme | None) -> None:
        """Take an extreme that beats the best so far."""
        if extreme is not None and np.isfinite(extreme.gy) and self.is_beaten_by(extreme.gy):
            self.extreme = extreme

    def offer_best(self, gy: Doses, extreme: Callable[[int, int], Extreme]) -> None:
        """Take the best of some doses on floor and ceiling (2, n), if it beats the best so far."""
        if gy.size:
            k, n = divmod(self.pick(gy), gy.shape[1])
            if self.is_beaten_by(gy[k, n]):
                self.offer(extreme(k, n))

    def is_beaten_by(self, gy: Any) -> Any:
        """Whether doses (a number or an array) are better than the best so far."""
        if self.extreme is None:
            return np.isfinite(gy)
        return gy > self.extreme.gy if self.hot else gy < self.extreme.gy

    def pick(self, gy: Doses) -> int:
        """Position of the best of some doses; what is not finite never wins."""
        at = int(np.argmax(gy) if self.hot else np.argmin(gy))
        if np.isfinite(gy.flat[at]):
            return at
        gy = np.where(np.isfinite(gy), gy, -np.inf if self.hot else np.inf)
        return int(np.argmax(gy) if self.hot else np.argmin(gy))
