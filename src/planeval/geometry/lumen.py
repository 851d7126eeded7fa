"""A lumen on a raster: which points lie inside it, and which straight lines stay inside it.

The lumen is a set of slabs. Each slab's polygon is rasterised once, as the exactly covered share of
every cell; the lumen is where the share, interpolated between the cell centres, is at least one half.
That outline is the polygon's own to a small part of a cell along straight and gently curved walls,
and no line passes a wall between two lumens that is thicker than 1.6 cells (0.4 mm at the usual step).
Along the height nothing is
rounded: a point belongs to the slab that holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planeval.errors import GeometryError
from planeval.geometry.coverage import Lattice, cover
from planeval.geometry.stack import Slab

__all__ = ["Box", "Lumen", "NodeGrid"]

Floats = NDArray[Any]
Ints = NDArray[Any]
Bools = NDArray[np.bool_]

WHOLE = 250
"""The raster's value of a cell that is wholly inside; shares are kept in one byte."""

INSIDE = 0.5
PASSABLE = 0.36
"""Smallest share that a straight line may run through: it may touch the wall."""

LARGEST_RASTER = 400_000_000
"""Most cells of all slabs together (bytes of memory)."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box in the plane frame: (u, v, height) of its low and high corner, in mm."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    def grown(self, margin_mm: float) -> Box:
        """The box with the margin on all sides."""
        low = (self.low[0] - margin_mm, self.low[1] - margin_mm, self.low[2] - margin_mm)
        high = (self.high[0] + margin_mm, self.high[1] + margin_mm, self.high[2] + margin_mm)
        return Box(low, high)

    def common(self, other: Box) -> Box:
        """What two boxes share; without extent (low above high) if they are apart."""
        low, high = np.maximum(self.low, other.low), np.minimum(self.high, other.high)
        return Box(tuple(low.tolist()), tuple(high.tolist()))


@dataclass(frozen=True, slots=True)
class NodeGrid:
    """Nodes ``step_mm`` apart in all three directions, from a first node on."""

    first: tuple[float, float, float]
    step_mm: float
    shape: tuple[int, int, int]
    """Nodes along height, v and u."""

    @classmethod
    def over(cls, box: Box, step_mm: float) -> NodeGrid:
        """Nodes that cover the box with two nodes to spare on every side."""
        count = np.ceil((np.array(box.high) - box.low) / step_mm).astype(int) + 5
        excess = (count - 1) * step_mm - (np.array(box.high) - box.low)
        first = np.array(box.low) - excess / 2
        return cls(tuple(first.tolist()), step_mm, (int(count[2]), int(count[1]), int(count[0])))

    def axis(self, direction: int) -> Floats:
        """Node coordinates along u (0), v (1) or height (2)."""
        return self.first[direction] + self.step_mm * np.arange(self.shape[2 - direction])

    def points(self, flat: Ints) -> Floats:
        """(u, v, height) of nodes given by flat index."""
        k, j, i = np.unravel_index(flat, self.shape)
        return np.asarray(np.array(self.first) + self.step_mm * np.column_stack([i, j, k]))

    def flat(self, points: Floats) -> Ints:
        """Flat index of the node nearest to each point (points beyond count for the border)."""
        index = np.rint((points - np.array(self.first)) / self.step_mm).astype(np.int64)
        i, j, k = (np.clip(index[:, n], 0, self.shape[2 - n] - 1) for n in range(3))
        return np.asarray((k * self.shape[1] + j) * self.shape[2] + i)


class Lumen:
    """Slabs that do not overlap, ready for questions about points and straight lines.

    ``passages``: flat node indices of ``nodes`` around which a line may also pass outside the slabs
    (a bridged gap).
    """

    def __init__(self, slabs: Sequence[Slab], box: Box, cell_mm: float) -> None:
        self.cell_mm = cell_mm
        u = _lines(box.low[0], box.high[0], cell_mm)
        v = _lines(box.low[1], box.high[1], cell_mm)
        areas = {id(slab.area): slab.area for slab in slabs}
        rows, columns = len(v) - 1, len(u) - 1
        if (len(areas) + 1) * rows * columns > LARGEST_RASTER:
            raise GeometryError(
                f"{len(areas)} sections of {columns * cell_mm:.0f} x {rows * cell_mm:.0f} mm at "
                f"{cell_mm:g} mm are more than planeval traces along a vessel; "
                "use a shorter length or fewer planes"
            )
        self._u0, self._v0 = float(u[0] + cell_mm / 2), float(v[0] + cell_mm / 2)
        self._columns, self._cells = columns, rows * columns
        self._limits = (columns - 1.001, rows - 1.001)
        self._raster = _rasterised(list(areas.values()), Lattice(u, v, np.arange(len(areas) + 1.0)))
        self._clearance = _clearance(self._raster.reshape(-1, rows, columns))
        self._edges, self._sheet = _intervals(slabs, {key: n for n, key in enumerate(areas)})
        self._passages: tuple[NodeGrid, Bools] | None = None

    def open_passages(self, nodes: NodeGrid, flat: Ints) -> None:
        """Let lines pass around these nodes too."""
        is_open = np.zeros(int(np.prod(nodes.shape)), dtype=bool)
        is_open[flat] = True
        self._passages = nodes, is_open

    def holds(self, points: Floats) -> Bools:
        """Whether each point (u, v, height) lies inside the slabs."""
        place = np.searchsorted(self._edges, points[:, 2], side="right")
        return np.asarray(self._interpolated(*self._cell(points, place)) >= INSIDE)

    def sees(self, start: Floats, end: Floats) -> Bools:
        """Whether the straight line from each start to its end stays inside.

        It is looked at every half cell near a wall, and less often away from it. The last half cell
        before the end is not looked at: ends lie on the wall.
        """
        along = end - start
        length = np.sqrt((along**2).sum(axis=1))
        along /= np.maximum(length, 1e-12)[:, None]
        clear = np.ones(len(start), dtype=bool)
        half = self.cell_mm / 2
        going = np.flatnonzero(length > half)
        origin, along, stop = start[going], along[going], length[going] - half
        at = np.minimum(half, stop)
        while len(going):
            points = origin + at[:, None] * along
            place = np.searchsorted(self._edges, points[:, 2], side="right")
            cell, x, y = self._cell(points, place)
            passed = self._interpolated(cell, x, y) >= PASSABLE
            if self._passages is not None:
                nodes, is_open = self._passages
                blocked = np.flatnonzero(~passed)
                passed[blocked] = is_open[nodes.flat(points[blocked])]
            clear[going[~passed]] = False
            on = np.flatnonzero(passed & (at < stop))
            free = self._free_mm(points[on], along[on], place[on], cell[on])
            going, origin, along, stop = going[on], origin[on], along[on], stop[on]
            at = np.minimum(at[on] + free, stop)
        return clear

    def _free_mm(self, points: Floats, along: Floats, place: Ints, cell: Ints) -> Floats:
        """How far a line may go unseen: no further than the wall's distance, nor out of the slab."""
        across = np.sqrt(along[:, 0] ** 2 + along[:, 1] ** 2)
        in_plane = (self._clearance[cell] - 1.0) * self.cell_mm / np.maximum(across, 1e-9)
        ahead = self._edges[np.clip(place - (along[:, 2] < 0), 0, len(self._edges) - 1)]
        rise = np.abs(ahead - points[:, 2]) / np.maximum(np.abs(along[:, 2]), 1e-9)
        return np.asarray(np.maximum(np.minimum(in_plane, rise), self.cell_mm / 2))

    def _cell(self, points: Floats, place: Ints) -> tuple[Ints, Floats, Floats]:
        """The raster cell whose centre is before each point, and how far the point is beyond it."""
        x = np.minimum(np.maximum((points[:, 0] - self._u0) / self.cell_mm, 0.0), self._limits[0])
        y = np.minimum(np.maximum((points[:, 1] - self._v0) / self.cell_mm, 0.0), self._limits[1])
        column, row = x.astype(np.int64), y.astype(np.int64)
        cell = self._sheet[place] * self._cells + row * self._columns + column
        return cell, x - column, y - row

    def _interpolated(self, cell: Ints, x: Floats, y: Floats) -> Floats:
        """The covered share at each point: linear between cell centres."""
        a, b = self._raster[cell], self._raster[cell + 1]
        c, d = self._raster[cell + self._columns], self._raster[cell + self._columns + 1]
        return np.asarray(((a * (1 - x) + b * x) * (1 - y) + (c * (1 - x) + d * x) * y) / WHOLE)


def _lines(low_mm: float, high_mm: float, cell_mm: float) -> Floats:
    """Cell edges that cover low to high with two cells to spare."""
    count = int(np.ceil((high_mm - low_mm) / cell_mm)) + 4
    return low_mm - 2 * cell_mm + cell_mm * np.arange(count + 1)


def _rasterised(areas: Sequence[Any], lattice: Lattice) -> NDArray[np.uint8]:
    """Covered share of every cell of every area, and an empty sheet at the end."""
    raster = np.zeros((len(areas) + 1, len(lattice.cell_mm2)), dtype=np.uint8)
    slabs = [Slab(float(n), float(n + 1), area) for n, area in enumerate(areas)]
    for layer in cover(slabs, lattice).layers:
        raster[layer.interval, layer.full] = WHOLE
        if layer.sheet is not None:
            raster[layer.interval, layer.sheet.partial] = np.rint(WHOLE * layer.sheet.share)
    return raster.ravel()


def _clearance(raster: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """For every cell, how many cells away the nearest cell is that is not wholly inside."""
    from scipy.ndimage import distance_transform_cdt  # noqa: PLC0415 - heavy, and rarely needed

    cells = [distance_transform_cdt(sheet == WHOLE, metric="chessboard") for sheet in raster]
    return np.asarray(np.minimum(np.stack(cells), 255), dtype=np.uint8).ravel()


def _intervals(slabs: Sequence[Slab], sheet_of: dict[int, int]) -> tuple[Floats, Ints]:
    """Rising heights, and the sheet between each height and the next (before, between, after)."""
    edges: list[float] = []
    sheets = [len(sheet_of)]
    for slab in sorted(slabs, key=lambda one: one.low_mm):
        if edges and slab.low_mm <= edges[-1] + 1e-9:
            sheets[-1] = sheet_of[id(slab.area)]
        else:
            edges.append(slab.low_mm)
            sheets.append(sheet_of[id(slab.area)])
        edges.append(slab.high_mm)
        sheets.append(len(sheet_of))
    return np.array(edges), np.array(sheets, dtype=np.int64)
