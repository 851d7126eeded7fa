"""Sampling: coverage x dose field -> how much volume lies at which dose.

In every cell the field is trilinear. Over the covered part of a cell its mean follows exactly from the
part's moments, and its spread from the dose gradient and the part's second moments: the cell hands out
its volume evenly over ``mean +- sqrt(3) x standard deviation``, kept within the doses of the cell's
corners. For a full cell with a gradient along one axis this is exact; for the rest it is the uniform
distribution of equal mean and variance.

Cells come in batches that fit the processor's cache, so that a whole body never lies in memory at once.
Blocks, whose floor and ceiling are lattice planes, are computed for whole planes and then picked; the
cells of all other layers (pieces) are picked first and computed one by one.
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

NODES_IN_MEMORY = 4_000_000
"""Node doses held at once; a body on a usual grid fits."""

CELLS_AT_ONCE = 300_000
"""Cells handled at once: few enough for the processor's cache, many enough for numpy."""

_HALF, _EIGHTH = np.float32(0.5), np.float32(0.125)
_FULL_MOMENTS = np.array([1 / 2, 1 / 2, 1 / 4, 1 / 3, 1 / 3], dtype=np.float32)
"""Means of x, y, xy, x^2, y^2 over a whole cell."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerDoses:
    """Some layers with the node doses of the lattice planes around them.

    Per layer, ``below`` is the position in ``planes`` of the plane under it, and ``floor`` and
    ``ceiling`` say how far up its lattice interval it starts and ends (0..1).
    """

    layers: Sequence[Layer]
    lattice: Lattice
    planes: Doses
    below: Ints
    floor: Doses
    ceiling: Doses

    @classmethod
    def of(cls, layers: Sequence[Layer], lattice: Lattice, planes: Doses, first: int) -> LayerDoses:
        """Take layers together with the planes from lattice height ``first`` on."""
        intervals = np.array([layer.interval for layer in layers])
        start = lattice.w_mm[intervals]
        height = lattice.w_mm[intervals + 1] - start
        floor, ceiling = (
            ((np.array(levels) - start) / height).astype(np.float32)
            for levels in (
                [layer.low_mm for layer in layers],
                [layer.high_mm for layer in layers],
            )
        )
        return cls(layers, lattice, planes, intervals - first, floor, ceiling)

    def cc_per_mm2(self) -> Floats:
        """Volume over each mm2 of a layer, in cc."""
        return np.array([layer.high_mm - layer.low_mm for layer in self.layers]) / 1000.0

    def sides(self, number: Ints, row: Ints, column: Ints) -> tuple[Doses, Doses]:
        """Node doses on the floor and on the ceiling of layers, at rows and columns of nodes."""
        below = self.below[number]
        lower = self.planes[below, row, column]
        step = self.planes[below + 1, row, column] - lower
        return lower + self.floor[number] * step, lower + self.ceiling[number] * step

    def at(self, number: Ints, row: Ints, column: Ints, place: tuple[Doses, Doses]) -> Doses:
        """Doses on floor and ceiling of layers, shape (2, n), at local places (x, y) of cells."""
        x, y = place
        corners = [self.sides(number, row + b, column + a) for b in (0, 1) for a in (0, 1)]
        return np.stack([bilinear(list(side), x, y, x * y) for side in zip(*corners, strict=True)])


@dataclass(frozen=True, slots=True, eq=False)
class CellBatch:
    """Cells of one group of cap readings; the first ``full`` of them lie wholly inside.

    ``from_gy`` and ``to_gy`` are the ends of the even spread, ``low_gy`` and ``high_gy`` the corner
    doses that bound a cell, ``half_gy`` half the spread before the corners cut it; ``position`` says
    where it is in ``doses``: layer * cells of a plane + cell. Cells without a defined dose are left
    out and summed up in ``undefined_cc``.
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
    position: Ints
    full: int
    undefined_cc: float

    def places(self, which: Ints | int | slice) -> tuple[Ints, Ints]:
        """Layer and cell of some cells of the batch."""
        lattice = self.doses.lattice
        layer, cell = np.divmod(self.position[which], lattice.rows * lattice.columns)
        return layer, cell


def sample(coverage: Coverage, field: DoseField) -> Iterator[CellBatch]:
    """Yield the cells of a coverage with their doses, in batches of one group of readings each.

    Blocks come before pieces: the extremes that they prove spare most outlines a look.
    """
    lattice = coverage.lattice
    height = max(1, NODES_IN_MEMORY // ((lattice.rows + 1) * (lattice.columns + 1)))
    ordered = sorted(coverage.layers, key=lambda layer: layer.interval)
    for _, window in groupby(ordered, key=lambda layer: layer.interval // height):
        members = list(window)
        first = members[0].interval
        planes = field.nodes(lattice, first, members[-1].interval + 1)
        members.sort(key=lambda layer: (layer.sheet is not None, int(layer.readings)))
        for (is_piece, _), group in groupby(
            members, key=lambda layer: (layer.sheet is not None, int(layer.readings))
        ):
            for some in _portions(list(group), lattice):
                doses = LayerDoses.of(some, lattice, planes, first)
                yield _batch(doses, *(_piece_cells if is_piece else _block_cells)(doses))


def _portions(layers: Sequence[Layer], lattice: Lattice) -> Iterator[Sequence[Layer]]:
    """Cut layers of one kind into portions of about ``CELLS_AT_ONCE`` cells to be computed.

    The blocks of a portion lie in neighbouring intervals.
    """
    cells = lattice.rows * lattice.columns
    start, size = 0, 0
    for n, layer in enumerate(layers):
        size += cells if layer.sheet is None else 2 * len(layer.sheet.partial)
        following = layers[n + 1] if n + 1 < len(layers) else None
        is_apart = layer.sheet is None and (
            following is None or following.interval != layer.interval + 1
        )
        if size >= CELLS_AT_ONCE or is_apart or following is None:
            yield layers[start : n + 1]
            start, size = n + 1, 0


def _batch(
    doses: LayerDoses,
    at: Ints,
    cc: Floats,
    count: int,
    spread: tuple[Doses, Doses, Doses, Doses],
) -> CellBatch:
    """Put a batch together; the first ``count`` cells are full."""
    mean, half, low, high = spread
    start, stop = np.maximum(mean - half, low), np.minimum(mean + half, high)
    lost = 0.0
    if not np.isfinite(low.sum() + high.sum()):
        known = np.isfinite(low) & np.isfinite(high)
        count, lost = int(known[:count].sum()), float(cc[~known].sum())
        cc, mean, start, stop = cc[known], mean[known], start[known], stop[known]
        half, low, high, at = half[known], low[known], high[known], at[known]
    return CellBatch(
        doses.layers[0].readings, doses, cc, mean, start, stop, low, high, half, at, count, lost
    )


Cells = tuple[Ints, Floats, int, tuple[Doses, Doses, Doses, Doses]]


def _block_cells(doses: LayerDoses) -> Cells:
    """Place, cc, number and spread of the cells of blocks: computed for whole planes, then picked."""
    first = int(doses.below[0])
    planes = doses.planes[first : first + len(doses.layers) + 1]
    along_u = planes[:, :, :-1] + planes[:, :, 1:]
    step_u = planes[:, :, 1:] - planes[:, :, :-1]
    face = along_u[:, :-1] + along_u[:, 1:]
    rise_v = along_u[:, 1:] - along_u[:, :-1]
    rise_u = step_u[:, :-1] + step_u[:, 1:]
    mean = (face[:-1] + face[1:]) * _EIGHTH
    square = np.square(face[1:] - face[:-1])
    for rise in (rise_u, rise_v):
        square += np.square(rise[:-1] + rise[1:])
    half = np.sqrt(square, out=square)
    half *= _EIGHTH
    lowest, highest = (_of_corners(choose, planes) for choose in (np.minimum, np.maximum))
    low = np.minimum(lowest[:-1], lowest[1:])
    high = np.maximum(highest[:-1], highest[1:])
    at = np.flatnonzero(np.stack([layer.full for layer in doses.layers]))
    cc = np.take(np.outer(doses.cc_per_mm2(), doses.lattice.cell_mm2), at)
    mean, half, low, high = (np.take(values, at) for values in (mean, half, low, high))
    return at, cc, len(at), (mean, half, low, high)


def _of_corners(choose: np.ufunc, planes: Doses) -> Doses:
    """Smallest or largest of the four corners of every in-plane cell."""
    values = choose(planes[:, :, :-1], planes[:, :, 1:])
    return np.asarray(choose(values[:, :-1], values[:, 1:]))


def _piece_cells(doses: LayerDoses) -> Cells:
    """Place, cc, number of full ones and spread of all other cells, from their covered part."""
    lattice, numbers = doses.lattice, np.arange(len(doses.layers))
    cells = lattice.rows * lattice.columns
    full = np.flatnonzero(np.stack([layer.full for layer in doses.layers]))
    per_layer = np.diff(np.searchsorted(full, np.arange(len(doses.layers) + 1) * cells))
    sheets = [layer.sheet for layer in doses.layers if layer.sheet is not None]
    layer = np.concatenate(
        [np.repeat(numbers, per_layer), np.repeat(numbers, [len(one.partial) for one in sheets])]
    )
    cell = np.concatenate([full, *(sheet.partial for sheet in sheets)])
    count = len(full)
    cell[:count] -= layer[:count] * cells
    moments = np.empty((5, len(cell)), dtype=np.float32)
    moments[:, :count] = _FULL_MOMENTS[:, None]
    np.concatenate([sheet.moments for sheet in sheets], axis=1, out=moments[:, count:])
    cc = lattice.cell_mm2[cell] * doses.cc_per_mm2()[layer]
    cc[count:] *= np.concatenate([sheet.share for sheet in sheets])
    floor, ceiling = _corners(doses, layer, cell)
    return layer * cells + cell, cc, count, _spread(floor, ceiling, moments)


def _corners(doses: LayerDoses, layer: Ints, cell: Ints) -> tuple[list[Doses], list[Doses]]:
    """The four corner doses (00, 10, 01, 11) of cells on the floor and the ceiling of their layer."""
    columns, rows = doses.lattice.columns, doses.lattice.rows
    nodes = (rows + 1) * (columns + 1)
    first = doses.below[layer] * nodes + cell + cell // columns
    floor_share, ceiling_share = doses.floor[layer], doses.ceiling[layer]
    values = doses.planes.ravel()
    floor, ceiling = [], []
    for corner in (0, 1, columns + 1, columns + 2):
        at = first + corner
        below = np.take(values, at)
        at += nodes
        step = np.take(values, at) - below
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
