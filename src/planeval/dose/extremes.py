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
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.dose.sampling import CellBatch
from planeval.geometry.stack import CapReading

__all__ = ["Extreme", "ExtremeSearch"]

Doses = NDArray[np.float32]
Ints = NDArray[Any]

_NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Extreme:
    """A dose found at a point of the closed solid, and its place (u, v, w) in mm."""

    gy: float
    place_uvw: tuple[float, float, float]


class ExtremeSearch:
    """Collects the hottest and the coldest point per cap reading from batches of cells."""

    def __init__(self) -> None:
        self._found: dict[CapReading, tuple[_Best, _Best]] = {}
        self._corners: dict[CapReading, tuple[float, float]] = {}
        self._is_exact = True

    def look(self, batch: CellBatch) -> None:
        """Look through the cells of one batch."""
        if not len(batch.cc):
            return
        low, high = self._corners.get(batch.readings, (np.inf, -np.inf))
        self._corners[batch.readings] = (
            min(low, float(batch.low_gy.min())),
            max(high, float(batch.high_gy.max())),
        )
        self._is_exact &= batch.doses.is_exact
        pair = self._found.setdefault(batch.readings, (_Best(hot=True), _Best(hot=False)))
        for side, (best, corner) in enumerate(
            zip(pair, (batch.high_gy, batch.low_gy), strict=True)
        ):
            for readings, found in self._found.items():
                # what all readings of this batch share is theirs already
                if batch.readings & readings == batch.readings:
                    best.offer(found[side].extreme)
            self._look_for(best, corner, batch)

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

    def _of_reading(self, reading: CapReading, best: _Best, side: int) -> Extreme | None:
        for readings, pair in self._found.items():
            if readings & reading:
                best.offer(pair[side].extreme)
        return best.extreme

    def _look_for(self, best: _Best, corner: Doses, batch: CellBatch) -> None:
        """Full cells first, then the most promising layers: they rule most others out."""
        full, partial = corner[: batch.full], corner[batch.full :]
        if len(full):
            at = best.pick(full)
            if best.is_beaten_by(full[at]):
                best.offer(self._corner(best, batch, at))
        rivals = batch.full + np.flatnonzero(best.is_beaten_by(partial))
        if len(rivals):
            layer, _ = batch.places(rivals)
            is_first = layer == layer[best.pick(corner[rivals])]
            self._look_at_outlines(best, batch, rivals[is_first])
            rivals = rivals[~is_first]
            self._look_at_outlines(best, batch, rivals[best.is_beaten_by(corner[rivals])])

    def _corner(self, best: _Best, batch: CellBatch, at: int) -> Extreme:
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
            _height(batch, number, k),
        )
        return Extreme(float(corners[k, j, i]), place)

    def _look_at_outlines(self, best: _Best, batch: CellBatch, rivals: Ints) -> None:
        """Look at partial cells: at their outline, then at nodes inside; each spares cells the next."""
        if not len(rivals):
            return
        corner = batch.high_gy if best.hot else batch.low_gy
        pieces = _pieces(batch, *batch.places(rivals))
        if len(pieces.cell):
            best.offer_best(pieces.doses_at(0.0), lambda k, n: pieces.extreme(0.0, k, n))
        rivals = rivals[best.is_beaten_by(corner[rivals])]
        if len(rivals):
            _look_along(best, _pieces(batch, *batch.places(rivals)))
            rivals = rivals[best.is_beaten_by(corner[rivals])]
            _look_at_nodes(best, batch, *batch.places(rivals))


@dataclass(frozen=True, slots=True, eq=False)
class _Pieces:
    """Pieces of outline (u0, v0, u1, v1) in some partial cells, with layer and cell of each."""

    batch: CellBatch
    ends: Doses
    number: Ints
    cell: Ints

    def doses_at(self, t: float) -> Doses:
        """Doses on floor and ceiling, at a share of the way along each piece."""
        lattice = self.batch.doses.lattice
        row, column = np.divmod(self.cell, lattice.columns)
        u0, v0, u1, v1 = self.ends
        x, y = (
            np.clip((a + t * (b - a) - lines[n]) / (lines[n + 1] - lines[n]), 0, 1)
            for lines, n, a, b in ((lattice.u_mm, column, u0, u1), (lattice.v_mm, row, v0, v1))
        )
        return self.batch.doses.at(self.number, row, column, (x, y))

    def extreme(self, t: float, k: int, n: int) -> Extreme:
        """The dose at a share of the way along piece n, on its floor (k = 0) or ceiling (1)."""
        one = slice(n, n + 1)
        piece = _Pieces(self.batch, self.ends[:, one], self.number[one], self.cell[one])
        u0, v0, u1, v1 = self.ends[:, n].tolist()
        height = _height(self.batch, int(self.number[n]), k)
        return Extreme(
            float(piece.doses_at(t)[k, 0]), (u0 + t * (u1 - u0), v0 + t * (v1 - v0), height)
        )


def _look_along(best: _Best, pieces: _Pieces) -> None:
    """Look along pieces of outline: a bilinear field is quadratic along a straight line."""
    if not len(pieces.cell):
        return
    start, middle, end = (pieces.doses_at(t) for t in (0.0, 0.5, 1.0))
    bend, slope = 2 * (start - 2 * middle + end), 4 * middle - 3 * start - end
    best.offer_best(end, lambda k, n: pieces.extreme(1.0, k, n))
    with np.errstate(divide="ignore", invalid="ignore"):
        turn = np.clip(np.nan_to_num(-slope / (2 * bend)), 0, 1)
    turning = start + (slope + bend * turn) * turn
    best.offer_best(turning, lambda k, n: pieces.extreme(float(turn[k, n]), k, n))


def _look_at_nodes(best: _Best, batch: CellBatch, layer: Ints, cell: Ints) -> None:
    """Look at corners of partial cells that lie inside the solid, though no full cell has them."""
    lattice = batch.doses.lattice
    row, column = np.divmod(cell, lattice.columns)
    row = np.add.outer([0, 0, 1, 1], row).ravel()
    column = np.add.outer([0, 1, 0, 1], column).ravel()
    number = np.tile(layer, 4)
    doses = np.stack(batch.doses.sides(number, row, column))
    wins = best.is_beaten_by(doses).any(axis=0)
    u, v = lattice.u_mm[column], lattice.v_mm[row]
    inside = np.zeros(len(number), dtype=bool)
    for one in np.unique(number[wins]).tolist():
        sheet = batch.doses.layers[one].sheet
        at = np.flatnonzero(wins & (number == one))
        if sheet is not None:
            inside[at] = shapely.intersects_xy(sheet.area, u[at], v[at])
    at = np.flatnonzero(inside)
    # a node is a piece of no length
    nodes = _Pieces(batch, np.stack([u, v, u, v])[:, at], number[at], np.tile(cell, 4)[at])
    best.offer_best(doses[:, at], lambda k, n: nodes.extreme(0.0, k, n))


def _pieces(batch: CellBatch, layer: Ints, cell: Ints) -> _Pieces:
    """The pieces of outline in some partial cells."""
    pieces, cells, numbers = [np.zeros((4, 0))], [_NONE], [_NONE]
    for number in np.unique(layer).tolist():
        sheet = batch.doses.layers[number].sheet
        if sheet is None:
            continue
        wanted = np.zeros(len(sheet.partial), dtype=bool)
        wanted[np.searchsorted(sheet.partial, cell[layer == number])] = True
        chosen = np.flatnonzero(wanted[sheet.outline_cell])
        pieces.append(sheet.outline[:, chosen])
        cells.append(sheet.partial[sheet.outline_cell[chosen]])
        numbers.append(np.full(len(chosen), number))
    return _Pieces(
        batch, np.concatenate(pieces, axis=1), np.concatenate(numbers), np.concatenate(cells)
    )


def _height(batch: CellBatch, number: int, side: int) -> float:
    """Height of the floor (0) or ceiling (1) of a layer."""
    layer = batch.doses.layers[number]
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
