"""Sampling: coverage x dose field -> how much volume lies at which dose.

In every cell the field is trilinear. Over the covered part of a cell its mean follows exactly from the
part's moments, and its spread from the dose gradient and the part's second moments: the cell hands out
its volume evenly over ``mean +- sqrt(3) x standard deviation``, kept within the doses of the cell's
corners. For a full cell with a gradient along one axis this is exact; for the rest it is the uniform
distribution of equal mean and variance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planeval.dose.field import DoseField
from planeval.geometry.coverage import Coverage, Lattice
from planeval.geometry.stack import CapReading

__all__ = ["DoseSamples", "Extreme", "sample"]

Floats = NDArray[np.float64]
Doses = NDArray[np.float32]

NODES_AT_ONCE = 400_000
"""Lattice nodes handled at once: small enough for the processor's cache, large enough for numpy."""


@dataclass(frozen=True, slots=True)
class Extreme:
    """A dose found at a point of the closed solid, and its patient-frame (u, v, w) place in mm."""

    gy: float
    place_uvw: tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class DoseSamples:
    """Cells of one structure: their volume, the doses over which it is spread, and their bounds.

    ``from_gy`` and ``to_gy`` are the ends of the even spread, ``low_gy`` and ``high_gy`` the corner
    doses that bound the cell. ``layer`` and ``cell`` say where it is (:class:`Coverage`).
    ``hottest`` and ``coldest`` are per cap reading the largest and smallest dose proven inside.
    """

    coverage: Coverage
    cc: Floats
    mean_gy: Doses
    from_gy: Doses
    to_gy: Doses
    low_gy: Doses
    high_gy: Doses
    readings: NDArray[np.uint8]
    layer: NDArray[np.int32]
    cell: NDArray[np.int32]
    hottest: dict[CapReading, Extreme]
    coldest: dict[CapReading, Extreme]
    outside_cc: dict[CapReading, float]


@dataclass(slots=True)
class _Batch:
    """The cells of some layers; the first ``full`` of them are full cells."""

    cc: Floats
    mean: Doses
    spread_from: Doses
    spread_to: Doses
    low: Doses
    high: Doses
    layer: NDArray[np.int32]
    cell: NDArray[np.int32]
    full: int


def sample(coverage: Coverage, field: DoseField) -> DoseSamples:
    """Return the dose samples of a coverage in a field.

    Cells where a term is not defined count as outside.
    """
    batches: list[_Batch] = []
    search = _ExtremeSearch(coverage)
    for layers, floor, ceiling in _layer_planes(coverage, field):
        batch = _cells(coverage, layers, floor, ceiling)
        batches.append(batch)
        search.look(layers, floor, ceiling, batch)
    joined = [
        np.concatenate([getattr(batch, name) for batch in batches])
        if batches
        else np.zeros(0, dtype=np.float32)
        for name in ("cc", "mean", "spread_from", "spread_to", "low", "high", "layer", "cell")
    ]
    cc, mean, spread_from, spread_to, low, high, layer, cell = joined
    readings = coverage.layer_readings[layer.astype(np.int64)]
    outside = dict(coverage.outside_cc)
    undefined = ~np.isfinite(low + high)
    if undefined.any():
        for reading in CapReading:
            lost = undefined & ((readings & reading) > 0)
            outside[reading] += float(cc[lost].sum())
        keep = ~undefined
        cc, mean, spread_from, spread_to, low, high, layer, cell, readings = (
            array[keep]
            for array in (cc, mean, spread_from, spread_to, low, high, layer, cell, readings)
        )
    return DoseSamples(
        coverage, cc, mean, spread_from, spread_to, low, high, readings, layer, cell,
        search.hottest, search.coldest, outside,
    )  # fmt: skip


def _layer_planes(
    coverage: Coverage, field: DoseField
) -> Iterator[tuple[NDArray[np.int64], Doses, Doses]]:
    """Yield batches of layers with the node doses on their floor and their ceiling.

    Layers are taken by lattice interval, so that every dose plane is interpolated once.
    """
    lattice = coverage.lattice
    order = np.argsort(coverage.layer_interval, kind="stable")
    per_layer = (lattice.rows + 1) * (lattice.columns + 1)
    size = max(1, NODES_AT_ONCE // per_layer)
    for start in range(0, len(order), size):
        layers = order[start : start + size]
        interval = coverage.layer_interval[layers]
        first, last = int(interval[0]), int(interval[-1]) + 1
        planes = field.nodes(lattice, first, last)
        below = lattice.w_mm[interval]
        height = lattice.w_mm[interval + 1] - below
        lower, upper = planes[interval - first], planes[interval - first + 1]
        step = upper - lower
        floor_share = ((coverage.layer_low_mm[layers] - below) / height).astype(np.float32)
        ceiling_share = ((coverage.layer_high_mm[layers] - below) / height).astype(np.float32)
        yield (
            layers,
            lower + floor_share[:, None, None] * step,
            lower + ceiling_share[:, None, None] * step,
        )


def _cells(
    coverage: Coverage, layers: NDArray[np.int64], floor: Doses, ceiling: Doses
) -> _Batch:
    """All cells of some layers: the full ones first, then the partial ones."""
    lattice = coverage.lattice
    sheets = [coverage.sheets[n] for n in coverage.layer_sheet[layers]]
    thickness = coverage.layer_high_mm[layers] - coverage.layer_low_mm[layers]
    full = _concatenate([sheet.full for sheet in sheets])
    full_layer = np.repeat(np.arange(len(layers)), [len(sheet.full) for sheet in sheets])
    partial = _concatenate([sheet.partial for sheet in sheets])
    partial_layer = np.repeat(np.arange(len(layers)), [len(sheet.partial) for sheet in sheets])
    moments = np.concatenate([sheet.moments for sheet in sheets], axis=1).astype(np.float32)
    share = np.concatenate([sheet.share for sheet in sheets])
    parts = (
        _spread_full(floor, ceiling, full_layer, full, lattice),
        _spread_partial(floor, ceiling, partial_layer, partial, moments, lattice),
    )
    mean, half, low, high = (np.concatenate(pair) for pair in zip(*parts, strict=True))
    cell_mm2 = lattice.cell_area_mm2
    cc = np.concatenate(
        [
            cell_mm2(full) * thickness[full_layer],
            cell_mm2(partial) * share * thickness[partial_layer],
        ]
    )
    return _Batch(
        cc / 1000.0,
        mean,
        np.maximum(mean - half, low),
        np.minimum(mean + half, high),
        low,
        high,
        layers[np.concatenate([full_layer, partial_layer])].astype(np.int32),
        np.concatenate([full, partial]).astype(np.int32),
        len(full),
    )


def _concatenate(arrays: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype=np.int64)


def _spread_full(
    floor: Doses, ceiling: Doses, layer: NDArray[np.int64], cell: NDArray[np.int64], lattice: Lattice
) -> tuple[Doses, Doses, Doses, Doses]:
    """Mean, half spread, low and high of full cells: computed for whole layers, then picked."""
    if not len(cell):
        empty = np.zeros(0, dtype=np.float32)
        return empty, empty, empty, empty
    middle = (floor + ceiling) * np.float32(0.5)
    along_u = (middle[:, :, :-1] + middle[:, :, 1:]) * np.float32(0.5)
    step_u = middle[:, :, 1:] - middle[:, :, :-1]
    mean = (along_u[:, :-1] + along_u[:, 1:]) * np.float32(0.5)
    rise_v = along_u[:, 1:] - along_u[:, :-1]
    rise_u = (step_u[:, :-1] + step_u[:, 1:]) * np.float32(0.5)
    rise_w = ceiling - floor
    rise_w = rise_w[:, :, :-1] + rise_w[:, :, 1:]
    rise_w = (rise_w[:, :-1] + rise_w[:, 1:]) * np.float32(0.25)
    half = np.sqrt(rise_u * rise_u + rise_v * rise_v + rise_w * rise_w) * np.float32(0.5)
    low = _of_corners(np.minimum, floor, ceiling)
    high = _of_corners(np.maximum, floor, ceiling)
    at = layer * (lattice.rows * lattice.columns) + cell
    return mean.ravel()[at], half.ravel()[at], low.ravel()[at], high.ravel()[at]


def _of_corners(choose: np.ufunc, floor: Doses, ceiling: Doses) -> Doses:
    """Smallest or largest of the eight corners of every cell."""
    values = choose(floor, ceiling)
    values = choose(values[:, :, :-1], values[:, :, 1:])
    return np.asarray(choose(values[:, :-1], values[:, 1:]))


def _spread_partial(
    floor: Doses,
    ceiling: Doses,
    layer: NDArray[np.int64],
    cell: NDArray[np.int64],
    moments: Doses,
    lattice: Lattice,
) -> tuple[Doses, Doses, Doses, Doses]:
    """Mean, half spread, low and high of partial cells, from the moments of the covered part."""
    node = (layer * (lattice.rows + 1) + cell // lattice.columns) * (lattice.columns + 1)
    node = node + cell % lattice.columns
    corners = (node, node + 1, node + lattice.columns + 1, node + lattice.columns + 2)
    below, above = ([plane.ravel()[at] for at in corners] for plane in (floor, ceiling))
    x, y, xy, xx, yy = moments
    mean_below, mean_above = (_bilinear(plane, x, y, xy) for plane in (below, above))
    c00, c10, c01, c11 = ((a + b) * np.float32(0.5) for a, b in zip(below, above, strict=True))
    # in-plane gradient of the bilinear field at the centroid of the covered part
    rise_u = (c10 - c00) * (1 - y) + (c11 - c01) * y
    rise_v = (c01 - c00) * (1 - x) + (c11 - c10) * x
    rise_w = mean_above - mean_below
    variance = (
        rise_u * rise_u * np.maximum(xx - x * x, 0)
        + rise_v * rise_v * np.maximum(yy - y * y, 0)
        + 2 * rise_u * rise_v * (xy - x * y)
        + rise_w * rise_w / np.float32(12)
    )
    half = np.sqrt(np.maximum(variance, 0) * np.float32(3))
    low = np.minimum.reduce([*below, *above])
    high = np.maximum.reduce([*below, *above])
    mean = np.clip((mean_below + mean_above) * np.float32(0.5), low, high)
    return mean, half, low, high


def _bilinear(corners: list[Doses], x: Doses, y: Doses, xy: Doses) -> Doses:
    c00, c10, c01, c11 = corners
    return np.asarray(c00 + (c10 - c00) * x + (c01 - c00) * y + (c11 - c10 - c01 + c00) * xy)


class _ExtremeSearch:
    """The largest and smallest dose at points of the closed solid, per cap reading.

    All corners of a full cell belong to the solid. In a partial cell the outline's vertices and
    lattice crossings do, on the layer's floor and ceiling: they are looked at only where the cell's
    corners could beat what is already proven. Cells are searched once per group of readings.
    """

    def __init__(self, coverage: Coverage) -> None:
        self._coverage = coverage
        self._groups: dict[int, tuple[_Best, _Best]] = {}

    @property
    def hottest(self) -> dict[CapReading, Extreme]:
        """Largest dose per reading."""
        return self._per_reading(0)

    @property
    def coldest(self) -> dict[CapReading, Extreme]:
        """Smallest dose per reading."""
        return self._per_reading(1)

    def _per_reading(self, side: int) -> dict[CapReading, Extreme]:
        found: dict[CapReading, Extreme] = {}
        for reading in CapReading:
            best = _Best(hot=side == 0)
            for group, pair in self._groups.items():
                extreme = pair[side].extreme
                if group & reading and extreme is not None:
                    best.offer(extreme)
            if best.extreme is not None:
                found[reading] = best.extreme
        return found

    def look(self, layers: NDArray[np.int64], floor: Doses, ceiling: Doses, batch: _Batch) -> None:
        """Look through the cells of one batch."""
        planes = _Planes(self._coverage, layers, floor, ceiling)
        in_group = self._coverage.layer_readings[batch.layer]
        for group in np.unique(self._coverage.layer_readings[layers]):
            pair = self._groups.setdefault(int(group), (_Best(hot=True), _Best(hot=False)))
            member = np.flatnonzero(in_group == group)
            for best, corner in zip(pair, (batch.high, batch.low), strict=True):
                _search(best, corner, member, batch, planes)



class _Best:
    """The best extreme so far: the hottest or the coldest."""

    def __init__(self, *, hot: bool) -> None:
        self.hot = hot
        self.extreme: Extreme | None = None

    def offer(self, extreme: Extreme) -> None:
        """Take an extreme that beats the best so far."""
        if np.isfinite(extreme.gy) and self.beaten_by(np.float32(extreme.gy)):
            self.extreme = extreme

    def beaten_by(self, gy: Any) -> Any:
        """Whether doses (a number or an array) are better than the best so far."""
        if self.extreme is None:
            return np.isfinite(gy)
        return gy > self.extreme.gy if self.hot else gy < self.extreme.gy

    def pick(self, gy: Doses) -> int:
        """Position of the best of some doses; what is not finite never wins."""
        worst = -np.inf if self.hot else np.inf
        gy = np.where(np.isfinite(gy), gy, worst)
        return int(np.argmax(gy) if self.hot else np.argmin(gy))


class _Planes:
    """The node doses of a batch of layers, asked at corners and at outlines."""

    def __init__(
        self, coverage: Coverage, layers: NDArray[np.int64], floor: Doses, ceiling: Doses
    ) -> None:
        self._coverage = coverage
        self._local = {int(layer): n for n, layer in enumerate(layers)}
        self._planes = (floor, ceiling)
        self._heights = (coverage.layer_low_mm, coverage.layer_high_mm)

    def corner(self, best: _Best, layer: int, cell: int) -> Extreme:
        """The best corner of a cell."""
        lattice = self._coverage.lattice
        row, column = divmod(cell, lattice.columns)
        corners = np.stack(
            [
                plane[self._local[layer], row : row + 2, column : column + 2]
                for plane in self._planes
            ]
        )
        k, j, i = (int(n) for n in np.unravel_index(best.pick(corners), corners.shape))
        place = (float(lattice.u_mm[column + i]), float(lattice.v_mm[row + j]))
        return Extreme(float(corners[k, j, i]), (*place, float(self._heights[k][layer])))

    def outline(self, best: _Best, layer: int, cells: NDArray[np.int32]) -> Extreme | None:
        """The best dose at the outline within some partial cells of a layer."""
        lattice = self._coverage.lattice
        sheet = self._coverage.sheets[int(self._coverage.layer_sheet[layer])]
        wanted = np.isin(sheet.partial, cells)[sheet.outline_cell]
        points, cell = sheet.outline_uv[wanted], sheet.partial[sheet.outline_cell[wanted]]
        if not len(points):
            return None
        row, column = cell // lattice.columns, cell % lattice.columns
        u, v = lattice.u_mm, lattice.v_mm
        x = np.clip((points[:, 0] - u[column]) / (u[column + 1] - u[column]), 0, 1)
        y = np.clip((points[:, 1] - v[row]) / (v[row + 1] - v[row]), 0, 1)
        doses = []
        for plane in self._planes:
            nodes = plane[self._local[layer]]
            corners = [nodes[row + b, column + a] for b in (0, 1) for a in (0, 1)]
            doses.append(_bilinear(corners, x, y, x * y))
        both = np.stack(doses)
        k, n = (int(at) for at in np.unravel_index(best.pick(both), both.shape))
        place = (float(points[n, 0]), float(points[n, 1]), float(self._heights[k][layer]))
        return Extreme(float(both[k, n]), place)


def _search(
    best: _Best, corner: Doses, member: NDArray[np.int64], batch: _Batch, planes: _Planes
) -> None:
    """Offer what the member cells prove; the most promising layer first rules out most others."""
    full, partial = member[member < batch.full], member[member >= batch.full]
    if len(full):
        at = full[best.pick(corner[full])]
        best.offer(planes.corner(best, int(batch.layer[at]), int(batch.cell[at])))
    rivals = partial[best.beaten_by(corner[partial])]
    while len(rivals):
        layer = int(batch.layer[rivals[best.pick(corner[rivals])]])
        here = batch.layer[rivals] == layer
        found = planes.outline(best, layer, batch.cell[rivals[here]])
        if found is not None:
            best.offer(found)
        rivals = rivals[~here]
        rivals = rivals[best.beaten_by(corner[rivals])]
