"""Structures as masks on an image grid, written as NIfTI or NRRD by SimpleITK.

A voxel's value is the exactly covered share of its volume, or whether that share reaches one half.
SimpleITK keeps patient LPS coordinates and turns them into the RAS of NIfTI itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.errors import GeometryError, ReportError
from planeval.geometry.coverage import Coverage, Lattice, cover
from planeval.geometry.grid import Grid
from planeval.geometry.stack import PARALLEL_TOLERANCE, CapReading, Slab
from planeval.model import Structure

__all__ = ["Mask", "fractions_of", "mask_of", "write_mask"]

SUFFIXES = (".nii.gz", ".nii", ".nrrd")

_REGULAR = 0.01
"""Largest share by which plane distances may differ in a file that can only state one."""


@dataclass(frozen=True, slots=True)
class Mask:
    """A written mask: its volume beside the solid's, and what lies outside the grid."""

    path: Path
    mask_cc: float
    solid_cc: float
    outside_cc: float


def fractions_of(structure: Structure, grid: Grid) -> NDArray[np.float64]:
    """Return the covered share of every voxel, exact, shape (k, j, i).

    A voxel reaches half a step to all sides of its centre. Raises :class:`GeometryError` where the
    grid's planes are not parallel to the structure's, not evenly spaced, or in another frame.
    """
    return _shares(_covered(structure, grid), grid)


def mask_of(structure: Structure, grid: Grid) -> NDArray[np.bool_]:
    """Return the voxels of which the structure covers at least half, shape (k, j, i).

    Raises what :func:`fractions_of` raises.
    """
    return fractions_of(structure, grid) >= 0.5


def write_mask(
    path: str | Path, structure: Structure, grid: Grid, *, fractions: bool = False
) -> Mask:
    """Write a structure on a grid as .nii.gz, .nii or .nrrd: 0 and 1, or exact fractions.

    Raises :class:`ReportError` for a file that exists or cannot be written, ValueError for another
    suffix, and what :func:`fractions_of` raises.
    """
    import SimpleITK as sitk  # noqa: PLC0415, N813 - heavy; its own usual short name

    path = Path(path)
    if not path.name.endswith(SUFFIXES):
        raise ValueError(f"mask file {path.name!r}: choose one of {', '.join(SUFFIXES)}")
    if path.exists():
        raise ReportError(f"{path.name} exists and is not overwritten; choose another name")
    coverage = _covered(structure, grid)
    shares = _shares(coverage, grid)
    values = shares.astype(np.float32) if fractions else (shares >= 0.5).astype(np.uint8)
    rises = grid.offsets_mm[-1] > grid.offsets_mm[0]
    image = sitk.GetImageFromArray(values if rises else values[::-1])
    step = abs(grid.offsets_mm[-1] - grid.offsets_mm[0]) / (len(grid.offsets_mm) - 1)
    image.SetSpacing((grid.column_step_mm, grid.row_step_mm, step))
    first = grid.to_patient([[0 if rises else len(grid.offsets_mm) - 1, 0, 0]])[0]
    image.SetOrigin([float(c) for c in first])
    image.SetDirection(grid.axes.T.ravel().tolist())
    try:
        sitk.WriteImage(image, str(path), useCompression=True)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ReportError(f"{path.name} cannot be written: {reason}") from None
    voxel_cc = grid.column_step_mm * grid.row_step_mm * step / 1000.0
    return Mask(
        path,
        float(values.sum(dtype=np.float64) * voxel_cc),
        structure.volume_cc,
        coverage.outside_cc[CapReading.CHOSEN],
    )


def _covered(structure: Structure, grid: Grid) -> Coverage:
    """Cover the grid's voxels with the solid."""
    if structure.frame_uid and grid.frame_uid and structure.frame_uid != grid.frame_uid:
        raise GeometryError(
            f"structure {structure.name!r} lies in frame of reference {structure.frame_uid}, the "
            f"grid in {grid.frame_uid}: they need a registration first"
        )
    offsets = np.sort(np.asarray(grid.offsets_mm))
    steps = np.diff(offsets)
    if not len(steps) or np.ptp(steps) > _REGULAR * steps.mean():
        raise GeometryError(
            "a mask file states one plane distance; this grid has "
            + (
                f"distances from {steps.min():g} to {steps.max():g} mm"
                if len(steps)
                else "one plane"
            )
        )
    inner = (offsets[:-1] + offsets[1:]) / 2
    lattice = Lattice(
        (np.arange(grid.columns + 1) - 0.5) * grid.column_step_mm,
        (np.arange(grid.rows + 1) - 0.5) * grid.row_step_mm,
        np.concatenate([[offsets[0] - steps[0] / 2], inner, [offsets[-1] + steps[-1] / 2]]),
    )
    return cover(_in_grid(structure, grid), lattice)


def _in_grid(structure: Structure, grid: Grid) -> list[Slab]:
    """Return the solid's slabs in mm along the grid's rows, columns and normal from its origin."""
    stack = structure.stack
    turn = stack.frame.axes @ grid.axes.T
    if abs(abs(turn[2, 2]) - 1) > PARALLEL_TOLERANCE**2:
        raise GeometryError(
            f"structure {structure.name!r} is drawn on planes that are not parallel to the grid's"
        )
    origin = np.asarray(grid.origin_mm) @ grid.axes.T
    moved: dict[int, Any] = {}
    slabs = []
    for slab in structure.slabs:
        if id(slab.area) not in moved:
            moved[id(slab.area)] = shapely.transform(
                slab.area, lambda points: points @ turn[:2, :2] - origin[:2]
            )
        ends = sorted(np.array([slab.low_mm, slab.high_mm]) * turn[2, 2] - origin[2])
        slabs.append(Slab(float(ends[0]), float(ends[1]), moved[id(slab.area)], slab.readings))
    return slabs


def _shares(coverage: Coverage, grid: Grid) -> NDArray[np.float64]:
    """Add up the covered share of every voxel."""
    lattice = coverage.lattice
    shares = np.zeros((len(lattice.w_mm) - 1, lattice.rows * lattice.columns))
    thickness = np.diff(lattice.w_mm)
    for layer in coverage.layers:
        part = (layer.high_mm - layer.low_mm) / thickness[layer.interval]
        shares[layer.interval, layer.full] += part
        if layer.sheet is not None:
            shares[layer.interval, layer.sheet.partial] += part * layer.sheet.share
    whole = np.clip(shares, 0.0, 1.0).reshape(-1, lattice.rows, lattice.columns)
    return whole if grid.offsets_mm[-1] > grid.offsets_mm[0] else whole[::-1]
