"""What the linear interpolation of a dose grid leaves out: an estimate, apart from every band.

Between voxel centres h apart a linear interpolation is off by t (1 - t) h^2 f'' / 2 at the share t of the
way, plus smaller terms: at most h^2 |f''| / 8 in the middle, h^2 f'' / 12 on average. Trilinear
interpolation adds this up over the three axes of the grid, and a sum of doses over its terms. So the
mean of a structure is too high by about

::

      1/12  mean over the structure of  (h_x^2 f_xx + h_y^2 f_yy + h_z^2 f_zz)

and the dose at its hottest point is right to about 1/8 of the sum of the absolute values there. f'' is
taken from three neighbouring voxels (the second difference, for planes at any distance).

An estimate and no bound: it knows nothing of structure finer than the voxels, and in a noisy dose
(Monte Carlo) that of the maximum is mostly noise, which the mean averages out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.dose.field import extent, position, rising
from planeval.geometry.stack import Slab
from planeval.model import Dose, DoseTerm, Structure

__all__ = ["GridError", "grid_error"]

Floats = NDArray[Any]

HEIGHTS = 16
"""Heights at which a structure is looked at, each standing for the same volume."""

ACROSS = 10
"""Points each way of a regular lattice over the box around its section at each height."""

_LATTICE = (np.indices((ACROSS, ACROSS)).reshape(2, -1).T + 0.5) / ACROSS
"""The lattice in a box of size 1."""


@dataclass(frozen=True, slots=True)
class GridError:
    """What interpolation may have changed, in Gy: the true mean less ours, and Max to plus or minus."""

    mean_gy: float
    maximum_gy: float


def grid_error(
    structure: Structure, dose: Dose, hottest_mm: tuple[float, float, float] | None
) -> GridError | None:
    """Return the estimate for a structure; None where there is no dose to estimate from.

    ``hottest_mm`` is the patient point of its maximum. A grid of less than three voxels along an axis
    has no second difference.
    """
    if hottest_mm is None:
        return None
    strata = _points(structure)
    points = np.concatenate([np.array([hottest_mm], dtype=float), *strata])
    each = [_curvature(term, points) for term in dose.terms]
    bent = np.sum([one.sum(axis=1) for one in each], axis=0)
    at_most = float(np.sum([np.abs(one[0]).sum() for one in each]))
    ends = np.cumsum([1, *map(len, strata)])
    means = [_mean(bent[start:end]) for start, end in pairwise(ends)]
    known = [mean for mean in means if np.isfinite(mean)]
    if not known or not np.isfinite(at_most):
        return None
    return GridError(-float(np.mean(known)) / 12, at_most / 8)


def _mean(values: Floats) -> float:
    """Mean of what is known, NaN where nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _points(structure: Structure) -> list[Floats]:
    """Return patient points in a structure, in groups that stand for the same volume."""
    slabs = [slab for slab in structure.slabs if slab.volume_cc > 0]
    if not slabs:
        return []
    ends = np.cumsum([slab.volume_cc for slab in slabs])
    found = []
    for volume in (np.arange(HEIGHTS) + 0.5) / HEIGHTS * ends[-1]:
        number = int(np.searchsorted(ends, volume))
        slab = slabs[number]
        share = 1 - (ends[number] - volume) / slab.volume_cc
        height = slab.low_mm + share * (slab.high_mm - slab.low_mm)
        inside = _within(slab)
        points = np.column_stack([inside, np.full(len(inside), height)])
        found.append(structure.stack.frame.to_patient(points))
    return found


def _within(slab: Slab) -> Floats:
    """Return points (u, v) of a regular lattice inside a section, at least one."""
    box = np.array(slab.area.bounds)
    points = box[:2] + _LATTICE * (box[2:] - box[:2])
    inside = points[shapely.contains_xy(slab.area, points)]
    if len(inside):
        return np.asarray(inside)
    return np.asarray(shapely.get_coordinates(slab.area.point_on_surface()))


def _curvature(term: DoseTerm, points_mm: Floats) -> Floats:
    """h^2 f'' along the axes of a term at patient points (n, 3); NaN outside its field."""
    if term.to_case is not None:
        inverse = np.linalg.inv(term.to_case)
        points_mm = points_mm @ inverse[:3, :3].T + inverse[:3, 3]
    local = (points_mm - np.asarray(term.grid.origin_mm)) @ term.grid.axes.T
    array, axes = rising(term)
    found = np.full((len(points_mm), 3), np.nan)
    if min(array.shape) < 3:
        return found
    inside = np.ones(len(points_mm), dtype=bool)
    nearest, steps = [], []
    for axis, along in zip(axes, (local[:, 2], local[:, 1], local[:, 0]), strict=True):
        low, high = extent(axis)
        inside &= (along >= low) & (along <= high)
        index, share = position(axis, along)
        nearest.append(np.clip(index + (share > 0.5), 1, len(axis) - 2))
        steps.append(axis[np.minimum(index + 1, len(axis) - 1)] - axis[index])
    for number, (axis, node, step) in enumerate(zip(axes, nearest, steps, strict=True)):
        below, middle, above = (
            array[tuple(at + (offset if n == number else 0) for n, at in enumerate(nearest))]
            for offset in (-1, 0, 1)
        )
        down, up = axis[node] - axis[node - 1], axis[node + 1] - axis[node]
        second = 2 * ((above - middle) / up - (middle - below) / down) / (up + down)
        found[:, number] = np.where(inside, step**2 * second, np.nan)
    return found
