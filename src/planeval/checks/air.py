"""Whether targets hold air: the only check that reads the HU of the images."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.checks.codes import finding
from planeval.checks.outcome import Seen
from planeval.checks.subject import Subject
from planeval.geometry.grid import Grid
from planeval.geometry.outlines import slice_heights
from planeval.model import Structure

__all__ = ["air_in_targets"]

AIR_HU = -950
"""Below this is air: lung tissue lies near -850, room air at -1000 with noise."""
AIR_SHARE, AIR_CC = 0.01, 0.1


def air_in_targets(subject: Subject) -> Seen | str:
    """Return how much of every target is air: voxel centres inside it with HU below -950.

    Each voxel counts with its in-plane area and the mean distance of slices.
    """
    image = subject.case.image
    if image is None:
        return "there is no image series"
    if not subject.read_hu:
        return "the HU of the images were not read; ask for it (--check-hu)"
    targets = subject.targets()
    if not targets:
        return "there is no target with a volume"
    hu = image.hu()
    found, strange = [], 0
    for target in targets:
        seen = _air_cc(target, image.grid, hu)
        if seen is None:
            strange += 1
            continue
        air, whole = seen
        if air > max(AIR_CC, AIR_SHARE * whole):
            message = (
                f"{air:.2f} of {whole:.2f} cc ({100 * air / whole:.1f} %) have less than "
                f"{AIR_HU} HU: air, whose dose says little"
            )
            found.append(finding("target-in-air", message, target.name))
    rest = f"; {strange} drawn on other planes" if strange else ""
    return Seen(f"{len(targets) - strange} targets{rest}", tuple(found))


def _air_cc(target: Structure, grid: Grid, hu: NDArray[np.int16]) -> tuple[float, float] | None:
    """Return (cc of air, cc seen) of a target, None where its planes are not the slices'."""
    heights = slice_heights(target.stack, grid)
    if not len(heights):
        return None
    low, high = target.bounds_mm
    corners = np.array([(x, y, z) for x in (low[0], high[0]) for y in (low[1], high[1])
                        for z in (low[2], high[2])])  # fmt: skip
    indices = grid.to_index(corners)
    first = np.clip(np.floor(indices.min(axis=0)), 0, None).astype(int)
    last = np.minimum(np.ceil(indices.max(axis=0)), np.array(grid.shape) - 1).astype(int)
    j, i = (
        each.ravel()
        for each in np.meshgrid(
            np.arange(first[1], last[1] + 1), np.arange(first[2], last[2] + 1), indexing="ij"
        )
    )
    air = seen = 0
    for k in range(int(first[0]), int(last[0]) + 1):
        points = grid.to_patient(np.column_stack([np.full(len(j), k), j, i]))
        u, v, _w = target.stack.frame.to_plane(points).T
        method = target.method
        area = target.stack.section(float(heights[k]), caps=method.caps, between=method.between)
        inside = shapely.contains_xy(area, u, v)
        seen += int(inside.sum())
        air += int((hu[k, j[inside], i[inside]] < AIR_HU).sum())
    if not seen:
        return None
    offsets = np.asarray(grid.offsets_mm)
    thickness = float(np.abs(np.diff(offsets)).mean()) if len(offsets) > 1 else 1.0
    voxel_cc = grid.row_step_mm * grid.column_step_mm * thickness / 1000.0
    return air * voxel_cc, seen * voxel_cc
