"""Sampling: coverage x dose field -> how much volume lies at which dose.

In every cell the field is trilinear. Over the covered part of a cell its mean follows exactly from the
part's moments, and its spread from the dose gradient and the part's second moments: the cell hands out
its volume evenly over ``mean +- sqrt(3) x standard deviation``, kept within the doses of the cell's
corners. For a full cell with a gradient along one axis this is exact; for the rest it is the uniform
distribution of equal mean and variance.

Cells come in batches that fit the processor's cache, so that a whole body never lies in memory at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planeval.dose.field import DoseField
from planeval.geometry.coverage import Coverage, Lattice
from planeval.geometry.stack import CapReading

__all__ = ["CellBatch", "sample"]

Floats = NDArray[np.float64]
Doses = NDArray[np.float32]
Ints = NDArray[np.int64]

NODES_AT_ONCE = 100_000
"""Lattice nodes handled at once: small enough for the processor's cache, large enough for numpy."""

_HALF, _QUARTER = np.float32(0.5), np.float32(0.25)


@dataclass(frozen=True, slots=True, eq=False)
class CellBatch:
    """Cells of one group of cap readings; the first ``full`` of them lie wholly inside.

    ``from_gy`` and ``to_gy`` are the ends of the even spread, ``low_gy`` and ``high_gy`` the corner
    doses that bound a cell. ``layer`` and ``cell`` say where it is: positions in ``layers`` of the
    coverage, and in-plane cells. ``floor`` and ``ceiling`` are the node doses of those layers. Cells
    without a defined dose are left out and summed up in ``undefined_cc``.
    """

    readings: CapReading
    layers: Ints
    floor: Doses
    ceiling: Doses
    cc: Floats
    mean_gy: Doses
    from_gy: Doses
    to_gy: Doses
    low_gy: Doses
    high_gy: Doses
    layer: Ints
    cell: Ints
    full: int
    undefined_cc: float


def sample(coverage: Coverage, field: DoseField) -> Iterator[CellBatch]:
    """Yield the cells of a coverage with their doses, in batches of one group of readings each."""
    for readings in np.unique(coverage.layer_readings):
        layers = np.flatnonzero(coverage.layer_readings == readings)
        for batch, floor, ceiling in _layer_planes(coverage, field, layers):
            yield _cells(coverage, CapReading(int(readings)), batch, floor, ceiling)


def _layer_planes(
    coverage: Coverage, field: DoseField, layers: Ints
) -> Iterator[tuple[Ints, Doses, Doses]]:
    """Yield batches of layers with the node doses on their floor and their ceiling.

    Layers are taken by lattice interval, so that every dose plane is interpolated about once.
    """
    lattice = coverage.lattice
    order = layers[np.argsort(coverage.layer_interval[layers], kind="stable")]
    per_layer = (lattice.rows + 1) * (lattice.columns + 1)
    size = max(1, NODES_AT_ONCE // per_layer)
    for start in range(0, len(order), size):
        batch = order[start : start + size]
        interval = coverage.layer_interval[batch]
        first, last = int(interval[0]), int(interval[-1]) + 1
        planes = field.nodes(lattice, first, last)
        below = lattice.w_mm[interval]
        height = lattice.w_mm[interval + 1] - below
        lower = planes[interval - first]
        step = planes[interval - first + 1] - lower
        shares = (
            ((heights[batch] - below) / height).astype(np.float32)[:, None, None]
            for heights in (coverage.layer_low_mm, coverage.layer_high_mm)
        )
        floor, ceiling = (lower + share * step for share in shares)
        yield batch, floor, ceiling


def _cells(
    coverage: Coverage, readings: CapReading, layers: Ints, floor: Doses, ceiling: Doses
) -> CellBatch:
    """All cells of some layers: the full ones first, then the partial ones."""
    lattice = coverage.lattice
    sheets = [coverage.sheets[n] for n in coverage.layer_sheet[layers]]
    thickness_cm = (coverage.layer_high_mm[layers] - coverage.layer_low_mm[layers]) / 1000.0
    full = np.concatenate([sheet.full for sheet in sheets])
    partial = np.concatenate([sheet.partial for sheet in sheets])
    numbers = np.arange(len(layers))
    full_layer = np.repeat(numbers, [len(sheet.full) for sheet in sheets])
    partial_layer = np.repeat(numbers, [len(sheet.partial) for sheet in sheets])
    moments = np.concatenate([sheet.moments for sheet in sheets], axis=1)
    share = np.concatenate([sheet.share for sheet in sheets])
    parts = (
        _spread_full(floor, ceiling, full_layer, full, lattice),
        _spread_partial(
            floor, ceiling, partial_layer, partial, moments.astype(np.float32), lattice
        ),
    )
    mean, half, low, high = (np.concatenate(pair) for pair in zip(*parts, strict=True))
    cell = np.concatenate([full, partial])
    layer = np.concatenate([full_layer, partial_layer])
    cc = coverage.lattice.cell_areas_mm2()[cell] * thickness_cm[layer]
    cc[len(full) :] *= share
    start, stop = np.maximum(mean - half, low), np.minimum(mean + half, high)
    arrays = (cc, mean, start, stop, low, high, layer, cell)
    count, lost = len(full), 0.0
    if not np.isfinite(low.sum() + high.sum()):
        known = np.isfinite(low) & np.isfinite(high)
        count, lost = int(known[:count].sum()), float(cc[~known].sum())
        arrays = tuple(array[known] for array in arrays)
    return CellBatch(readings, layers, floor, ceiling, *arrays, count, lost)


def _spread_full(
    floor: Doses, ceiling: Doses, layer: Ints, cell: Ints, lattice: Lattice
) -> tuple[Doses, Doses, Doses, Doses]:
    """Mean, half spread, low and high of full cells: computed for whole layers, then picked."""
    if not len(cell):
        empty = np.zeros(0, dtype=np.float32)
        return empty, empty, empty, empty
    middle = (floor + ceiling) * _HALF
    along_u = (middle[:, :, :-1] + middle[:, :, 1:]) * _HALF
    step_u = middle[:, :, 1:] - middle[:, :, :-1]
    mean = (along_u[:, :-1] + along_u[:, 1:]) * _HALF
    rise_v = along_u[:, 1:] - along_u[:, :-1]
    rise_u = (step_u[:, :-1] + step_u[:, 1:]) * _HALF
    rise_w = ceiling - floor
    rise_w = rise_w[:, :, :-1] + rise_w[:, :, 1:]
    rise_w = (rise_w[:, :-1] + rise_w[:, 1:]) * _QUARTER
    half = np.sqrt(rise_u * rise_u + rise_v * rise_v + rise_w * rise_w) * _HALF
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
    floor: Doses, ceiling: Doses, layer: Ints, cell: Ints, moments: Doses, lattice: Lattice
) -> tuple[Doses, Doses, Doses, Doses]:
    """Mean, half spread, low and high of partial cells, from the moments of the covered part."""
    row, column = np.divmod(cell, lattice.columns)
    node = (layer * (lattice.rows + 1) + row) * (lattice.columns + 1) + column
    corners = (node, node + 1, node + lattice.columns + 1, node + lattice.columns + 2)
    below, above = ([plane.ravel()[at] for at in corners] for plane in (floor, ceiling))
    x, y, xy, xx, yy = moments
    mean_below, mean_above = (bilinear(plane, x, y, xy) for plane in (below, above))
    c00, c10, c01, c11 = ((a + b) * _HALF for a, b in zip(below, above, strict=True))
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
    low, high = below[0], below[0]
    for corner in (*below[1:], *above):
        low, high = np.minimum(low, corner), np.maximum(high, corner)
    mean = np.clip((mean_below + mean_above) * _HALF, low, high)
    return mean, half, low, high


def bilinear(corners: list[Doses], x: Doses, y: Doses, xy: Doses) -> Doses:
    """Bilinear field over a cell with corners (00, 10, 01, 11); ``xy`` may be a mean of x y."""
    c00, c10, c01, c11 = corners
    return np.asarray(c00 + (c10 - c00) * x + (c01 - c00) * y + (c11 - c10 - c01 + c00) * xy)
