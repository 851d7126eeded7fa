"""Sampling: coverage x dose field -> how much volume lies at which dose.

In every cell the field is trilinear. Over the covered part of a cell its mean follows exactly from the
part's moments, and its spread from the dose gradient and the part's second moments: the cell hands out
its volume evenly over ``mean +- sqrt(3) x standard deviation``, kept within the doses of the cell's
corners. For a full cell with a gradient along one axis this is exact; for the rest it is the uniform
distribution of equal mean and variance.

Cells come in batches that fit the processor's cache, so that a whole body never lies in memory at once.
Blocks, whose floor and ceiling are lattice planes, are computed for whole planes and then picked; the
cells of all other layers are picked first and computed one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planeval.dose.field import DoseField
from planeval.geometry.coverage import Coverage, Lattice, Layer
from planeval.geometry.stack import CapReading

__all__ = ["CellBatch", "LayerDoses", "sample"]

Floats = NDArray[Any]
Doses = NDArray[np.float32]
Ints = NDArray[Any]

NODES_AT_ONCE = 400_000
"""Lattice nodes handled at once: small enough for the processor's cache, large enough for numpy."""

_HALF, _QUARTER = np.float32(0.5), np.float32(0.25)
_FULL_MOMENTS = np.array([1 / 2, 1 / 2, 1 / 4, 1 / 3, 1 / 3], dtype=np.float32)
"""Means of x, y, xy, x^2, y^2 over a whole cell."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerDoses:
    """Some layers with the node doses of the lattice planes around them.

    ``below`` is, per layer, the position in ``planes`` of the plane under it.
    """

    layers: Sequence[Layer]
    lattice: Lattice
    planes: Doses
    below: Ints

    @classmethod
    def of(cls, layers: Sequence[Layer], lattice: Lattice, field: DoseField) -> LayerDoses:
        """Sample the planes around layers of neighbouring lattice intervals."""
        intervals = np.array([layer.interval for layer in layers])
        first = int(intervals.min())
        planes = field.nodes(lattice, first, int(intervals.max()) + 1)
        return cls(layers, lattice, planes, intervals - first)

    def where(self, *, is_block: bool) -> LayerDoses:
        """Only the blocks, or only the other layers."""
        chosen = [n for n, layer in enumerate(self.layers) if (layer.sheet is None) == is_block]
        return LayerDoses(
            [self.layers[n] for n in chosen], self.lattice, self.planes, self.below[chosen]
        )

    def shares(self) -> tuple[Doses, Doses]:
        """How far up its lattice interval the floor and the ceiling of each layer lie."""
        intervals = np.array([layer.interval for layer in self.layers])
        start = self.lattice.w_mm[intervals]
        height = self.lattice.w_mm[intervals + 1] - start
        low = np.array([layer.low_mm for layer in self.layers])
        high = np.array([layer.high_mm for layer in self.layers])
        floor, ceiling = ((level - start) / height for level in (low, high))
        return floor.astype(np.float32), ceiling.astype(np.float32)

    def sides(self, number: Ints, row: Ints, column: Ints) -> tuple[Doses, Doses]:
        """Node doses on the floor and on the ceiling of layers, at rows and columns of nodes."""
        below = self.below[number]
        lower = self.planes[below, row, column]
        step = self.planes[below + 1, row, column] - lower
        floor, ceiling = (lower + share[number] * step for share in self.shares())
        return floor, ceiling

    def at(self, number: Ints, row: Ints, column: Ints, place: tuple[Doses, Doses]) -> Doses:
        """Doses on floor and ceiling of layers, shape (2, n), at local places (x, y) of cells."""
        x, y = place
        corners = [self.sides(number, row + b, column + a) for b in (0, 1) for a in (0, 1)]
        return np.stack([bilinear(list(side), x, y, x * y) for side in zip(*corners, strict=True)])


@dataclass(frozen=True, slots=True, eq=False)
class CellBatch:
    """Cells of one group of cap readings; the first ``full`` of them lie wholly inside.

    ``from_gy`` and ``to_gy`` are the ends of the even spread, ``low_gy`` and ``high_gy`` the corner
    doses that bound a cell, ``half_gy`` half the spread before the corners cut it; ``layer`` and
    ``cell`` say where it is in ``doses``. Cells without a defined dose are left out and summed up in
    ``undefined_cc``.
    """

    readings: CapReading
    doses: LayerDoses
    cc: Floats
    mean_gy: Doses
    from_gy: Doses
    to_gy: Doses
    low_gy: Doses
    high_gy: Doses
    half_gy: Doses
    layer: Ints
    cell: Ints
    full: int
    undefined_cc: float


def sample(coverage: Coverage, field: DoseField) -> Iterator[CellBatch]:
    """Yield the cells of a coverage with their doses, in batches of one group of readings each."""
    lattice = coverage.lattice
    size = max(1, NODES_AT_ONCE // ((lattice.rows + 1) * (lattice.columns + 1)))
    ordered = sorted(coverage.layers, key=lambda layer: (int(layer.readings), layer.interval))
    for _, group in groupby(ordered, key=lambda layer: int(layer.readings)):
        members = list(group)
        for start in range(0, len(members), size):
            doses = LayerDoses.of(members[start : start + size], lattice, field)
            # blocks first: the extremes that they prove spare most outlines a look
            for is_block, cells_of in ((True, _block_cells), (False, _piece_cells)):
                part = doses.where(is_block=is_block)
                if part.layers:
                    yield _batch(part, *cells_of(part))


def _batch(
    doses: LayerDoses,
    layer: Ints,
    cell: Ints,
    share: Floats,
    spread: tuple[Doses, Doses, Doses, Doses],
) -> CellBatch:
    """Put a batch together; the covered ``share`` belongs to the last cells, those before are full."""
    mean, half, low, high = spread
    count = len(cell) - len(share)
    thickness = np.array([one.high_mm - one.low_mm for one in doses.layers]) / 1000.0
    cc = doses.lattice.cell_mm2[cell] * thickness[layer]
    cc[count:] *= share
    start, stop = np.maximum(mean - half, low), np.minimum(mean + half, high)
    lost = 0.0
    if not np.isfinite(low.sum() + high.sum()):
        known = np.isfinite(low) & np.isfinite(high)
        count, lost = int(known[:count].sum()), float(cc[~known].sum())
        cc, mean, start, stop = cc[known], mean[known], start[known], stop[known]
        half = half[known]
        low, high, layer, cell = low[known], high[known], layer[known], cell[known]
    return CellBatch(
        doses.layers[0].readings, doses, cc, mean, start, stop, low, high, half, layer, cell,
        count, lost,
    )  # fmt: skip


Cells = tuple[Ints, Ints, Floats, tuple[Doses, Doses, Doses, Doses]]


def _block_cells(doses: LayerDoses) -> Cells:
    """Layer, cell, no share, and spread of blocks: computed plane by plane, then picked."""
    planes, below = doses.planes, doses.below
    cell = np.concatenate([layer.full for layer in doses.layers])
    number = np.repeat(np.arange(len(doses.layers)), [len(one.full) for one in doses.layers])
    along_u = planes[:, :, :-1] + planes[:, :, 1:]
    step_u = planes[:, :, 1:] - planes[:, :, :-1]
    box = (along_u[:, :-1] + along_u[:, 1:]) * _QUARTER
    rise_v = (along_u[:, 1:] - along_u[:, :-1]) * _HALF
    rise_u = (step_u[:, :-1] + step_u[:, 1:]) * _HALF
    lowest, highest = (_of_corners(choose, planes) for choose in (np.minimum, np.maximum))
    above = below + 1
    mean = (box[below] + box[above]) * _HALF
    square = np.square(box[above] - box[below])
    for rise in (rise_u, rise_v):
        square += np.square((rise[below] + rise[above]) * _HALF)
    half = np.sqrt(square) * _HALF
    low = np.minimum(lowest[below], lowest[above])
    high = np.maximum(highest[below], highest[above])
    at = number * (doses.lattice.rows * doses.lattice.columns) + cell
    spread = (np.take(mean, at), np.take(half, at), np.take(low, at), np.take(high, at))
    return number, cell, np.zeros(0), spread


def _of_corners(choose: np.ufunc, planes: Doses) -> Doses:
    """Smallest or largest of the four corners of every in-plane cell."""
    values = choose(planes[:, :, :-1], planes[:, :, 1:])
    return np.asarray(choose(values[:, :-1], values[:, 1:]))


def _piece_cells(doses: LayerDoses) -> Cells:
    """Layer, cell, share and spread of all other cells, from the moments of their covered part."""
    sheets = [layer.sheet for layer in doses.layers if layer.sheet is not None]
    full = [layer.full for layer in doses.layers]
    partial = [sheet.partial for sheet in sheets]
    cell = np.concatenate([*full, *partial])
    numbers = np.arange(len(doses.layers))
    layer = np.concatenate(
        [np.repeat(numbers, [len(cells) for cells in part]) for part in (full, partial)]
    )
    share = np.concatenate([sheet.share for sheet in sheets])
    count = len(cell) - len(share)
    moments = np.empty((5, len(cell)), dtype=np.float32)
    moments[:, :count] = _FULL_MOMENTS[:, None]
    moments[:, count:] = np.concatenate([sheet.moments for sheet in sheets], axis=1)
    floor, ceiling = _corners(doses, layer, cell)
    return layer, cell, share, _spread(floor, ceiling, moments)


def _corners(doses: LayerDoses, layer: Ints, cell: Ints) -> tuple[list[Doses], list[Doses]]:
    """The four corner doses (00, 10, 01, 11) of cells on the floor and the ceiling of their layer."""
    columns, rows = doses.lattice.columns, doses.lattice.rows
    nodes = (rows + 1) * (columns + 1)
    first = doses.below[layer] * nodes + cell + cell // columns
    floor_share, ceiling_share = (share[layer] for share in doses.shares())
    values = doses.planes.ravel()
    floor, ceiling = [], []
    for corner in (0, 1, columns + 1, columns + 2):
        at = first + corner
        below = np.take(values, at)
        step = np.take(values, at + nodes) - below
        floor.append(below + floor_share * step)
        ceiling.append(below + ceiling_share * step)
    return floor, ceiling


def _spread(
    floor: list[Doses], ceiling: list[Doses], moments: Doses
) -> tuple[Doses, Doses, Doses, Doses]:
    """Mean, half spread, low and high of cells with given corners and moments."""
    x, y, xy, xx, yy = moments
    mean_floor, mean_ceiling = (bilinear(corners, x, y, xy) for corners in (floor, ceiling))
    c00, c10, c01, c11 = ((a + b) * _HALF for a, b in zip(floor, ceiling, strict=True))
    # in-plane gradient of the bilinear field at the centroid of the covered part
    rise_u = (c10 - c00) * (1 - y) + (c11 - c01) * y
    rise_v = (c01 - c00) * (1 - x) + (c11 - c10) * x
    rise_w = mean_ceiling - mean_floor
    variance = (
        rise_u * rise_u * np.maximum(xx - x * x, 0)
        + rise_v * rise_v * np.maximum(yy - y * y, 0)
        + 2 * rise_u * rise_v * (xy - x * y)
        + rise_w * rise_w / np.float32(12)
    )
    half = np.sqrt(np.maximum(variance, 0) * np.float32(3))
    low, high = floor[0], floor[0]
    for corner in (*floor[1:], *ceiling):
        low, high = np.minimum(low, corner), np.maximum(high, corner)
    mean = np.clip((mean_floor + mean_ceiling) * _HALF, low, high)
    return mean, half, low, high


def bilinear(corners: list[Doses], x: Doses, y: Doses, xy: Doses) -> Doses:
    """Bilinear field over a cell with corners (00, 10, 01, 11); ``xy`` may be a mean of x y."""
    c00, c10, c01, c11 = corners
    return np.asarray(c00 + (c10 - c00) * x + (c01 - c00) * y + (c11 - c10 - c01 + c00) * xy)
