"""Extremes: the largest and the smallest dose at points of the closed solid.

All corners of a full cell belong to the solid. In a partial cell the outline's vertices and lattice
crossings do, on the layer's floor and ceiling; they are looked at only where the cell's corners could
beat what is already proven. A bilinear field along a straight piece of outline may exceed its ends by
a quarter of its cross term at most: that part of the band is what the corners bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
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

    def look(self, batch: CellBatch) -> None:
        """Look through the cells of one batch."""
        pair = self._found.setdefault(batch.readings, (_Best(hot=True), _Best(hot=False)))
        for best, corner in zip(pair, (batch.high_gy, batch.low_gy), strict=True):
            self._look_for(best, corner, batch)

    def hottest(self, reading: CapReading) -> Extreme | None:
        """The largest dose of a reading, None where it has no cell."""
        return self._of_reading(reading, _Best(hot=True), 0)

    def coldest(self, reading: CapReading) -> Extreme | None:
        """The smallest dose of a reading, None where it has no cell."""
        return self._of_reading(reading, _Best(hot=False), 1)

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
            layer = batch.layer[rivals[best.pick(corner[rivals])]]
            is_first = batch.layer[rivals] == layer
            best.offer(self._outline(best, batch, rivals[is_first]))
            rivals = rivals[~is_first]
            rivals = rivals[best.is_beaten_by(corner[rivals])]
        if len(rivals):
            best.offer(self._outline(best, batch, rivals))

    def _corner(self, best: _Best, batch: CellBatch, at: int) -> Extreme:
        """The best corner of a full cell."""
        lattice, number = batch.doses.lattice, int(batch.layer[at])
        row, column = divmod(int(batch.cell[at]), lattice.columns)
        nodes = np.array([[row], [row + 1]]), np.array([[column, column + 1]])
        corners = np.stack(batch.doses.sides(np.array(number), *nodes))
        k, j, i = (int(n) for n in np.unravel_index(best.pick(corners), corners.shape))
        place = (
            float(lattice.u_mm[column + i]),
            float(lattice.v_mm[row + j]),
            _height(batch, number, k),
        )
        return Extreme(float(corners[k, j, i]), place)

    def _outline(self, best: _Best, batch: CellBatch, rivals: Ints) -> Extreme | None:
        """The best dose at the outline within some partial cells."""
        points, cell, number = _outline_points(batch, rivals)
        if not len(points):
            return None
        lattice = batch.doses.lattice
        row, column = np.divmod(cell, lattice.columns)
        u, v = lattice.u_mm, lattice.v_mm
        x = np.clip((points[:, 0] - u[column]) / (u[column + 1] - u[column]), 0, 1)
        y = np.clip((points[:, 1] - v[row]) / (v[row + 1] - v[row]), 0, 1)
        doses = batch.doses.at(number, row, column, (x, y))
        k, n = (int(at) for at in np.unravel_index(best.pick(doses), doses.shape))
        place = (float(points[n, 0]), float(points[n, 1]), _height(batch, int(number[n]), k))
        return Extreme(float(doses[k, n]), place)


def _outline_points(batch: CellBatch, rivals: Ints) -> tuple[Doses, Ints, Ints]:
    """The outline (u, v) within some partial cells, with cell and layer of each point."""
    points, cells, numbers = [np.zeros((0, 2))], [_NONE], [_NONE]
    layer = batch.layer[rivals]
    for number in np.unique(layer).tolist():
        sheet = batch.doses.layers[number].sheet
        if sheet is None:
            continue
        wanted = np.zeros(len(sheet.partial), dtype=bool)
        wanted[np.searchsorted(sheet.partial, batch.cell[rivals[layer == number]])] = True
        chosen = np.flatnonzero(wanted[sheet.outline_cell])
        points.append(sheet.outline_uv[chosen])
        cells.append(sheet.partial[sheet.outline_cell[chosen]])
        numbers.append(np.full(len(chosen), number))
    return np.concatenate(points), np.concatenate(cells), np.concatenate(numbers)


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
