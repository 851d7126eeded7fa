"""Sampling: coverage x dose field -> how much volume lies at which dose.

In every cell the field is trilinear. Over the covered part of a cell its mean follows exactly from the
part's moments, and its spread from the dose gradient and the part's second moments: the cell hands out
its volume evenly over ``mean +- sqrt(3) x standard deviation``, kept within the doses of the cell's
corners. For a full cell with a gradient along one axis this is exact; for the rest it is the uniform
distribution of equal mean and variance.

What no choice of distribution can change is bounded as well. The trilinear field of a whole cell is a
linear field (its mean and mean gradient, spreads w1, w2, w3 along the axes) plus twists of at most
r; the share of the cell with dose >= d therefore lies between those of the linear field at d + r and
d - r. A linear field along one axis falls evenly from 1 to 0 over w1. Adding an axis, the straight
line from the lowest dose that stays below the share is the tangent

::

      width(w1, w2) = (w1 + w2 + sqrt(w1^2 + w2^2)) / 2

long, and a line plus a third axis is such a pair again. Of a cell that is covered in part nobody
knows which part: it may be the coldest, so that the line ends after that share of the in-plane width.
From the highest dose down the same holds.

Cells come in batches that fit the processor's cache, so that a whole body never lies in memory at once.
Blocks, whose floor and ceiling are lattice planes, are computed for whole planes and then picked; the
cells of all other layers (pieces) are picked first and computed one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

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

CELLS_AT_ONCE = 80_000
"""Cells handled at once: few enough for the processor's cache, many enough for numpy."""

_HALF, _EIGHTH = np.float32(0.5), np.float32(0.125)
_FULL_MOMENTS = np.array([1 / 2, 1 / 2, 1 / 4, 1 / 3, 1 / 3], dtype=np.float32)
"""Means of x, y, xy, x^2, y^2 over a whole cell."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerDoses:
    """Some layers with the node doses of the lattice planes around them.

    Per layer, ``below`` is the position in ``planes`` of the plane under it, and ``floor`` and
    ``ceiling`` say how far up its lattice interval it starts and ends (0..1). ``is_exact``: the field
    is trilinear between the nodes.
    """

    layers: Sequence[Layer]
    lattice: Lattice
    planes: Doses
    below: Ints
    floor: Doses
    ceiling: Doses
    is_exact: bool

    @classmethod
    def of(
        cls,
        layers: Sequence[Layer],
        lattice: Lattice,
        planes: Doses,
        *,
        first: int,
        is_exact: bool,
    ) -> LayerDoses:
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
        return cls(layers, lattice, planes, intervals - first, floor, ceiling, is_exact)

    def cc_per_mm2(self) -> Floats:
        """Volume over each mm2 of a layer, in cc."""
        return np.array([layer.high_mm - layer.low_mm for layer in self.layers]) / 1000.0

    def sides(self, number: Ints, row: Ints, column: Ints) -> tuple[Doses, Doses]:
        """Node doses on the floor and on the ceiling of layers, at rows and columns of nodes."""
        _, rows, columns = self.planes.shape
        values = self.planes.ravel()
        at = (self.below[number] * rows + row) * columns + column
        lower = np.take(values, at)
        step = np.take(values, at + rows * columns) - lower
        return lower + self.floor[number] * step, lower + self.ceiling[number] * step

    def at(self, number: Ints, row: Ints, column: Ints, place: tuple[Doses, Doses]) -> Doses:
        """Doses on floor and ceiling of layers, at local places (x, y) of n cells.

        Several places per cell, (m, n), give doses (2, m, n).
        """
        x, y = place
        corners = [self.sides(number, row + b, column + a) for b in (0, 1) for a in (0, 1)]
        return np.stack([bilinear(list(side), x, y, x * y) for side in zip(*corners, strict=True)])


@dataclass(frozen=True, slots=True, eq=False)
class CellBatch:
    """Cells of one group of cap readings; the first ``full`` of them lie wholly inside.

    ``from_gy`` and ``to_gy`` are the ends of the even spread, ``low_gy`` and ``high_gy`` the corner
    doses that bound a cell, ``half_gy`` half the spread before the corners cut it. At most, the volume
    falls evenly over the ``width_gy`` below ``centre_gy + reach_gy``; at least, over the ``width_gy``
    above ``centre_gy - reach_gy``. ``position`` says where a cell is in ``doses``: layer * cells of a
    plane + cell. Cells without a defined dose are left out and summed up in ``undefined_cc``.
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
    centre_gy: Doses
    reach_gy: Doses
    width_gy: Doses
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

    Blocks come before pieces, and what is solid in every reading before the caps: the extremes found
    so far spare most outlines a look.
    """
    lattice = coverage.lattice
    height = max(1, NODES_IN_MEMORY // ((lattice.rows + 1) * (lattice.columns + 1)))
    ordered = sorted(coverage.layers, key=lambda layer: layer.interval)
    for _, window in groupby(ordered, key=lambda layer: layer.interval // height):
        members = list(window)
        first = members[0].interval
        planes = field.nodes(lattice, first, members[-1].interval + 1)
        members.sort(key=lambda layer: (layer.sheet is not None, -int(layer.readings)))
        for (is_piece, _), group in groupby(
            members, key=lambda layer: (layer.sheet is not None, -int(layer.readings))
        ):
            for some in _portions(list(group), lattice):
                doses = LayerDoses.of(some, lattice, planes, first=first, is_exact=field.is_exact)
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


class _Spread(NamedTuple):
    """What is known of the dose in some cells: see :class:`CellBatch`."""

    mean: Doses
    half: Doses
    low: Doses
    high: Doses
    centre: Doses
    reach: Doses
    width: Doses


Cells = tuple[Ints, Floats, int, _Spread]


def _batch(doses: LayerDoses, position: Ints, cc: Floats, full: int, spread: _Spread) -> CellBatch:
    """Put a batch together; the first ``full`` cells are wholly inside."""
    lost = 0.0
    if not np.isfinite(spread.low.sum() + spread.high.sum()):
        known = np.isfinite(spread.low) & np.isfinite(spread.high)
        full, lost = int(known[:full].sum()), float(cc[~known].sum())
        cc, position = cc[known], position[known]
        spread = _Spread(*(values[known] for values in spread))
    mean, half, low, high = spread[:4]
    return CellBatch(
        doses.layers[0].readings, doses, cc, mean, np.maximum(mean - half, low),
        np.minimum(mean + half, high), low, high, half, spread.centre, spread.reach, spread.width,
        position, full, lost,
    )  # fmt: skip


def _block_cells(doses: LayerDoses) -> Cells:
    """Place, cc, number and spread of the cells of blocks: computed for whole planes, then picked."""
    first = int(doses.below[0])
    planes = doses.planes[first : first + len(doses.layers) + 1]
    along_u = planes[:, :, :-1] + planes[:, :, 1:]
    step_u = planes[:, :, 1:] - planes[:, :, :-1]
    faces = _Faces(
        along_u[:, :-1] + along_u[:, 1:],
        step_u[:, :-1] + step_u[:, 1:],
        along_u[:, 1:] - along_u[:, :-1],
        step_u[:, 1:] - step_u[:, :-1],
    )
    mean = (faces.total[:-1] + faces.total[1:]) * _EIGHTH
    rises = (
        faces.rise_u[:-1] + faces.rise_u[1:],
        faces.rise_v[:-1] + faces.rise_v[1:],
        faces.total[1:] - faces.total[:-1],
    )
    squares = tuple(map(np.square, rises))
    half = squares[2] + squares[0]
    half += squares[1]
    half = np.sqrt(half, out=half)
    half *= _EIGHTH
    lowest, highest = (_of_corners(choose, planes) for choose in (np.minimum, np.maximum))
    low = np.minimum(lowest[:-1], lowest[1:])
    high = np.maximum(highest[:-1], highest[1:])
    largest = [np.abs(face, out=face) for face in (faces.rise_u, faces.rise_v, faces.twist)]
    reach, width = _reach_and_width(
        rises, squares, [np.maximum(face[:-1], face[1:]) for face in largest]
    )
    position = np.flatnonzero(np.stack([layer.full for layer in doses.layers]))
    cc = np.take(np.outer(doses.cc_per_mm2(), doses.lattice.cell_mm2), position)
    mean, half, low, high, reach, width = (
        np.take(values, position) for values in (mean, half, low, high, reach, width)
    )
    return position, cc, len(position), _Spread(mean, half, low, high, mean, reach, width)


class _Faces(NamedTuple):
    """Bilinear doses on floors or ceilings of cells: 4 x mean, 2 x rises along u and v, twist."""

    total: Doses
    rise_u: Doses
    rise_v: Doses
    twist: Doses


def _reach_and_width(
    rises: tuple[Doses, ...],
    squares: tuple[Doses, ...],
    largest: Sequence[Doses],
    share: Doses | None = None,
) -> tuple[Doses, Doses]:
    """Return reach and width (see :class:`CellBatch`) of cells of which ``share`` is covered.

    ``rises`` are 4 x the mean rises along u, v and w; ``largest`` the larger, of floor and ceiling, of
    2 x the rises along u and v and of the twist. The linear part reaches half of its rises from the
    mean; a twist is largest at the corners, a quarter of its coefficient for two axes and an eighth
    for three. As |a + b| + |a - b| = 2 max(|a|, |b|), the sum of all is this short.
    """
    u, v, w = (np.abs(rise, out=rise) for rise in rises)
    reach = largest[0] + largest[1]
    reach += largest[2]
    reach += reach
    reach += w
    reach *= _EIGHTH
    width = squares[0] + squares[1]
    width = np.sqrt(width, out=width)
    width += u
    width += v
    width *= _HALF
    if share is not None:
        width *= share
    wider = width * width
    wider += squares[2]
    wider = np.sqrt(wider, out=wider)
    wider += width
    wider += w
    wider *= _EIGHTH
    return reach, wider


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
    share = np.ones(len(cell))
    np.concatenate([sheet.share for sheet in sheets], out=share[count:])
    cc *= share
    spread = _spread(*_corners(doses, layer, cell), moments, share.astype(np.float32))
    return layer * cells + cell, cc, count, spread


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


def _spread(floor: list[Doses], ceiling: list[Doses], moments: Doses, share: Doses) -> _Spread:
    """The spread of cells with given corners, of which a share with given moments is covered."""
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
    below, above = _faces(floor), _faces(ceiling)
    centre = (below.total + above.total) * _EIGHTH
    rises = (
        below.rise_u + above.rise_u,
        below.rise_v + above.rise_v,
        above.total - below.total,
    )
    largest = [np.maximum(np.abs(a), np.abs(b)) for a, b in zip(below[1:], above[1:], strict=True)]
    reach, width = _reach_and_width(rises, tuple(map(np.square, rises)), largest, share)
    return _Spread(mean, half, low, high, centre, reach, width)


def _faces(corners: list[Doses]) -> _Faces:
    c00, c10, c01, c11 = corners
    near, far = c10 - c00, c11 - c01
    return _Faces(c00 + c10 + c01 + c11, near + far, (c01 + c11) - (c00 + c10), far - near)


def bilinear(corners: list[Doses], x: Doses, y: Doses, xy: Doses) -> Doses:
    """Bilinear field over a cell with corners (00, 10, 01, 11); ``xy`` may be a mean of x y."""
    c00, c10, c01, c11 = corners
    return np.asarray(c00 + (c10 - c00) * x + (c01 - c00) * y + (c11 - c10 - c01 + c00) * xy)
