"""The CT and the dose as compact volumes that a page can cut in three planes.

The CT becomes 8-bit codes: a step is 2 HU in soft tissue and coarser in lung and bone, so that every
display window can be applied to the codes. Slices are stacked into lossy pictures, so that a page shows
them for orientation and never measures in them. The dose is kept without loss in steps that are stated.
"""

from __future__ import annotations

import base64
import io
import zlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planeval.geometry.grid import Grid
from planeval.model import Dose, Image
from planeval.report.planes import Box, PicturePlane, dose_at, hu_on, orthogonal_planes

__all__ = [
    "CODE_HU",
    "CtVolume",
    "DoseVolume",
    "codes_of",
    "ct_volume",
    "dose_volume",
    "own_axes",
    "packed",
    "slice_heights",
]

CODE_KNOTS = ((8, -1024.0), (72, -200.0), (232, 280.0), (255, 2100.0))
"""Code and HU where the step changes: 13 HU below, 3 HU from -200 to 280, 79 HU above. Codes below 8
are left for "beyond the image", which a lossy picture may blur."""

CODE_HU: NDArray[np.float64] = np.interp(
    np.arange(256), [code for code, _ in CODE_KNOTS], [hu for _, hu in CODE_KNOTS]
)
"""The HU of every code."""

MOST_CT_BYTES = 3_600_000
"""Bytes of all pictures: 4.8 MB as text of the page, which leaves room for dose and outlines below
8 MB."""

RECIPES = ((512, 88), (512, 75), (256, 80), (256, 60), (256, 40))
"""Most pixels across and picture quality, best first: the first that fits is taken."""

SLICES_A_PICTURE = 8
MOST_CUT_PIXELS = 320
USUAL_STEP_MM = 2.5
FINEST_STEP_MM = 0.7
MOST_HEIGHTS = 400
MOST_DOSE_NODES = 6_000_000
DOSE_STEPS = 4000
"""Steps from 0 to the highest dose: 0.015 Gy for 60 Gy."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CtVolume:
    """Pictures of stacked axial slices, from the feet up; ``means`` are the mean codes of each.

    ``corner_mm`` is the left upper corner of the first pixel (x, y), ``pixel_mm`` its size;
    ``quality`` is that of the pictures.
    """

    columns: int
    rows: int
    corner_mm: tuple[float, float]
    pixel_mm: tuple[float, float]
    pictures: tuple[str, ...]
    means: tuple[float, ...]
    slices_a_picture: int
    quality: int


@dataclass(frozen=True, slots=True, eq=False)
class DoseVolume:
    """Dose codes on nodes along the patient axes: code 0 is unknown, else (code - 1) times a step."""

    x_mm: Floats
    y_mm: Floats
    z_mm: Floats
    step_gy: float
    codes: NDArray[np.uint16]

    def packed(self) -> str:
        """Return the codes as text: differences along z, y and x, their bytes by weight, deflated."""
        steps = self.codes.astype(np.int32)
        for axis in range(3):
            steps = np.diff(steps, axis=axis, prepend=0)
        folded = np.where(steps < 0, -2 * steps - 1, 2 * steps).astype(np.uint32).ravel()
        planes = [(folded >> shift & 0xFF).astype(np.uint8).tobytes() for shift in (0, 8, 16)]
        return packed(b"".join(planes))


def packed(content: bytes) -> str:
    """Return bytes deflated (zlib) and as base64 text."""
    return base64.b64encode(zlib.compress(content, 7)).decode("ascii")


def codes_of(hu: Floats) -> NDArray[np.uint8]:
    """Return the display codes of HU; not a number (beyond the image) is 0."""
    codes = np.interp(hu, [hu for _, hu in CODE_KNOTS], [code for code, _ in CODE_KNOTS])
    return np.nan_to_num(np.round(codes), nan=0).astype(np.uint8)


def slice_heights(box: Box, image: Image | None, dose: Dose | None) -> Floats:
    """Return the heights of the axial slices, from the feet up.

    The image's own planes where they are axial, else the dose's, else even steps through the box.
    """
    low, high = box.low[2], box.high[2]
    grids = [image.grid] if image else []
    grids += [term.grid for term in dose.terms if term.to_case is None] if dose else []
    for grid in grids:
        axes = own_axes(grid)
        heights = axes[2] if axes else np.zeros(0)
        inside = heights[(heights >= low - 1e-6) & (heights <= high + 1e-6)]
        if 1 < len(inside) <= MOST_HEIGHTS:
            return inside
    count = int(np.clip((high - low) / USUAL_STEP_MM, 2, MOST_HEIGHTS)) + 1
    return np.linspace(low, high, count)


def own_axes(grid: Grid) -> tuple[Floats, Floats, Floats] | None:
    """Return the rising x, y and z of the voxel centres of a grid; None where it is oblique."""
    layout = _layout(grid)
    if layout is None:
        return None
    found = {direction: np.sort(places) for direction, places in layout}
    return (found[0], found[1], found[2])


def _layout(grid: Grid) -> tuple[tuple[int, Floats], ...] | None:
    """Return, for each axis of the array, the patient axis it runs along and the places on it."""
    found = []
    for axis in range(3):
        steps = np.zeros((grid.shape[axis], 3))
        steps[:, axis] = np.arange(grid.shape[axis])
        directions = np.abs(grid.axes[2 - axis])
        along = int(np.argmax(directions))
        if directions[along] < 1 - 1e-6:
            return None
        found.append((along, grid.to_patient(steps)[:, along]))
    return tuple(found)


def _turned(hu: NDArray[np.int16], layout: tuple[tuple[int, Floats], ...]) -> NDArray[np.int16]:
    """Return an array as (z, y, x), each rising."""
    for axis, (_, places) in enumerate(layout):
        if places[-1] < places[0]:
            hu = np.flip(hu, axis)
    directions = [direction for direction, _ in layout]
    return hu.transpose([directions.index(direction) for direction in (2, 1, 0)])


def ct_volume(box: Box, heights: Floats, image: Image) -> CtVolume:
    """Return the slices of a CT at these heights, at the best recipe that fits.

    An axial CT keeps its own pixels (or means of blocks of them); an oblique one is interpolated.
    """
    source = _own_slices(box, heights, image) or _cut_slices(box, heights, image)
    made = None
    for most, quality in RECIPES:
        slices = source.shrunk(most)
        if made is None or (made.quality, made.columns) != (quality, slices.codes.shape[2]):
            made = _pictures(slices, quality)
        if sum(map(len, made.pictures)) * 3 // 4 <= MOST_CT_BYTES:
            break
    if made is None:
        raise ValueError("there is no recipe for pictures")
    return made


@dataclass(frozen=True, slots=True, eq=False)
class _Slices:
    """Codes of slices (k, j, i), the left upper corner of the first pixel, and the pixel's size."""

    codes: NDArray[np.uint8]
    corner_mm: tuple[float, float]
    pixel_mm: tuple[float, float]

    def shrunk(self, most: int) -> _Slices:
        """Return means of blocks of pixels, so that no side has more than ``most``."""
        _, rows, columns = self.codes.shape
        block = -(-max(rows, columns) // most)
        if block == 1:
            return self
        rows, columns = rows // block * block, columns // block * block
        cut = self.codes[:, :rows, :columns].reshape(
            -1, rows // block, block, columns // block, block
        )
        width, height = self.pixel_mm
        return _Slices(
            np.round(cut.mean(axis=(2, 4))).astype(np.uint8),
            self.corner_mm,
            (width * block, height * block),
        )


def _own_slices(box: Box, heights: Floats, image: Image) -> _Slices | None:
    """Return an axial image's own pixels, turned so that x and y rise; None where it is not axial."""
    axes, layout = own_axes(image.grid), _layout(image.grid)
    if axes is None or layout is None or min(map(len, axes)) < 2:
        return None
    x, y, z = axes
    if not np.isin(np.round(heights, 6), np.round(z, 6)).all():
        return None
    hu = _turned(image.hu(), layout)
    (i0, i1), (j0, j1) = (_span(axis, box, number) for number, axis in enumerate((x, y)))
    kept = np.searchsorted(z, heights - 1e-6)
    pixel = (float(x[1] - x[0]), float(y[1] - y[0]))
    codes = _table()[hu[kept, j0:j1, i0:i1].astype(np.int32) + 32768]
    return _Slices(codes, (float(x[i0]) - pixel[0] / 2, float(y[j0]) - pixel[1] / 2), pixel)


def _span(axis: Floats, box: Box, number: int) -> tuple[int, int]:
    first, last = np.searchsorted(axis, [box.low[number] - 1e-6, box.high[number] + 1e-6])
    return int(first), int(last)


def _table() -> NDArray[np.uint8]:
    """Return the code of every HU from -32768 to 32767."""
    return codes_of(np.arange(-32768, 32768, dtype=float))


def _cut_slices(box: Box, heights: Floats, image: Image) -> _Slices:
    """Return an image interpolated on axial planes."""
    native = min(image.grid.row_step_mm, image.grid.column_step_mm)
    pixel = max(FINEST_STEP_MM, native, (box.high[0] - box.low[0]) / MOST_CUT_PIXELS)
    hu = image.hu()
    planes = [_centred(orthogonal_planes(box, (0.0, 0.0, float(z)))[0], pixel) for z in heights]
    codes = np.stack([codes_of(hu_on(plane, image, hu, step_mm=pixel)) for plane in planes])
    return _Slices(codes, (box.low[0], box.low[1]), (pixel, pixel))


def _centred(plane: PicturePlane, pixel: float) -> PicturePlane:
    """Return the plane whose samples are the centres of whole pixels that fill the given one."""
    columns, rows = (max(2, round(size / pixel)) for size in (plane.width_mm, plane.height_mm))
    x, y, z = plane.corner_mm
    return replace(
        plane,
        corner_mm=(x + pixel / 2, y + pixel / 2, z),
        width_mm=(columns - 1 + 1e-6) * pixel,
        height_mm=(rows - 1 + 1e-6) * pixel,
    )


def _pictures(slices: _Slices, quality: int) -> CtVolume:
    count, rows, columns = slices.codes.shape
    stacks = [
        slices.codes[first : first + SLICES_A_PICTURE].reshape(-1, columns)
        for first in range(0, count, SLICES_A_PICTURE)
    ]
    return CtVolume(
        columns,
        rows,
        slices.corner_mm,
        slices.pixel_mm,
        tuple(_webp(stack, quality) for stack in stacks),
        tuple(round(float(stack.mean()), 1) for stack in stacks),
        SLICES_A_PICTURE,
        quality,
    )


def _webp(codes: NDArray[np.uint8], quality: int) -> str:
    from PIL import Image as Picture  # noqa: PLC0415 - loads where it is used

    stream = io.BytesIO()
    Picture.fromarray(codes).save(stream, "WEBP", quality=quality, method=2)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def dose_volume(box: Box, dose: Dose) -> DoseVolume | None:
    """Return the total dose inside a box; None where no dose is known there.

    A single dose along the patient axes keeps its own voxel centres, so that nothing is interpolated;
    otherwise the nodes are as fine as the finest term.
    """
    axes = [
        _within(axis, low, high)
        for axis, low, high in zip(_axes(dose), box.low, box.high, strict=True)
    ]
    while np.prod([len(axis) for axis in axes]) > MOST_DOSE_NODES:
        widest = int(np.argmax([len(axis) for axis in axes]))
        axes[widest] = axes[widest][::2]
    x, y, z = axes
    if min(map(len, axes)) < 2:
        return None
    gy = np.stack([_dose_slice(dose, x, y, float(height)) for height in z])
    if not np.isfinite(gy).any():
        return None
    step = max(float(np.nanmax(gy)) / DOSE_STEPS, 1e-6)
    codes = np.where(np.isfinite(gy), np.round(np.nan_to_num(gy) / step) + 1, 0)
    return DoseVolume(x, y, z, step, codes.astype(np.uint16))


def _dose_slice(dose: Dose, x: Floats, y: Floats, height: float) -> Floats:
    along_y, along_x = np.meshgrid(y, x, indexing="ij")
    points = np.column_stack([along_x.ravel(), along_y.ravel(), np.full(along_x.size, height)])
    return dose_at(dose, points).reshape(len(y), len(x))


def _axes(dose: Dose) -> tuple[Floats, Floats, Floats]:
    """Return the node coordinates along x, y and z."""
    first = dose.terms[0]
    if len(dose.terms) == 1 and first.to_case is None:
        own = own_axes(first.grid)
        if own is not None:
            return own
    low, high, step = [], [], []
    for term in dose.terms:
        last = np.array([(0, size - 1) for size in term.grid.shape])
        corners = np.stack([axis.ravel() for axis in np.meshgrid(*last)], axis=1)
        points = term.grid.to_patient(corners)
        if term.to_case is not None:
            points = points @ term.to_case[:3, :3].T + term.to_case[:3, 3]
        low.append(points.min(axis=0))
        high.append(points.max(axis=0))
        step.append(min(term.grid.row_step_mm, term.grid.column_step_mm))
    ends = np.min(low, axis=0), np.max(high, axis=0)
    return tuple(  # type: ignore[return-value]
        np.arange(start, stop + min(step) / 2, min(step)) for start, stop in zip(*ends, strict=True)
    )


def _within(axis: Floats, low: float, high: float) -> Floats:
    """Return the nodes inside an interval and the next one beyond each end."""
    first, last = np.searchsorted(axis, [low, high])
    return axis[max(first - 1, 0) : last + 1]
