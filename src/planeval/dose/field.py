"""The dose field: trilinear between voxel centres, constant over the outer half voxel, else unknown.

A field is the sum of a dose's terms, seen in the plane frame of a structure. Where a term's axes are
the frame's axes (in any order and direction) its voxel-centre planes are lattice lines, so that the
field is trilinear inside every cell and the cell's corners bound it. A term that lies at an angle is
sampled at the corners of a lattice of half its smallest step instead; then corners bound it only
approximately, and ``is_exact`` is False.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planeval.errors import GeometryError
from planeval.geometry.coverage import Lattice
from planeval.geometry.grid import usual_step
from planeval.geometry.stack import PARALLEL_TOLERANCE, PlaneFrame
from planeval.model import Dose, DoseTerm

__all__ = ["Aligned", "DoseField", "aligned", "extent", "position", "rising", "trilinear"]

Floats = NDArray[Any]
MERGE_MM = 1e-6
"""Lattice lines of two terms that lie closer than this are one line."""

ON_VOXEL = 1e-9
"""A lattice line this close to a voxel centre, in voxels, is on it: origins are rounded numbers."""

OBLIQUE_REFINEMENT = 2
"""An oblique term is sampled at this many points per voxel step and axis."""


@dataclass(frozen=True, slots=True, eq=False)
class Aligned:
    """A term whose axes are the frame's: values (w, v, u) and voxel centres per axis, rising."""

    gy: NDArray[Any]
    centres: tuple[Floats, Floats, Floats]

    @property
    def limits(self) -> list[tuple[float, float]]:
        """First and last mm of the field per axis (w, v, u): half a voxel beyond the centres."""
        return [extent(centres) for centres in self.centres]

    def at(self, nodes: tuple[Floats, Floats, Floats]) -> NDArray[np.float32]:
        """Field at the nodes of a lattice given by its lines (w, v, u)."""
        places = [position(*each) for each in zip(self.centres, nodes, strict=True)]
        # cut to the voxels that are needed before any arithmetic
        values = self.gy[tuple(slice(int(index[0]), int(index[-1]) + 2) for index, _ in places)]
        for axis, (index, share) in enumerate(places):
            values = _interpolate(values, axis, index - index[0], share)
        return np.ascontiguousarray(values, dtype=np.float32)

    def range_gy(self, nodes: tuple[Floats, Floats, Floats]) -> tuple[float, float]:
        """Smallest and largest voxel around the nodes."""
        window = tuple(
            slice(max(int(np.searchsorted(centres, lines[0], side="right")) - 1, 0),
                  int(np.searchsorted(centres, lines[-1])) + 1)
            for centres, lines in zip(self.centres, nodes, strict=True)
        )  # fmt: skip
        return _bounds_gy(self.gy[window])


@dataclass(frozen=True, slots=True, eq=False)
class _Oblique:
    """A term at an angle to the frame."""

    term: DoseTerm
    frame: PlaneFrame

    def at(self, nodes: tuple[Floats, Floats, Floats]) -> NDArray[np.float32]:
        """Trilinear field at the nodes; NaN outside."""
        w, v, u = np.meshgrid(*nodes, indexing="ij")
        points = self.frame.to_patient(np.stack([u.ravel(), v.ravel(), w.ravel()], axis=1))
        return trilinear(self.term, points).reshape(w.shape).astype(np.float32)

    def range_gy(self, _nodes: tuple[Floats, Floats, Floats]) -> tuple[float, float]:
        """Smallest and largest voxel of the whole term."""
        return _bounds_gy(self.term.gy)


def _bounds_gy(gy: NDArray[Any]) -> tuple[float, float]:
    """Smallest and largest value, as the float32 that samples are."""
    return float(np.float32(gy.min())), float(np.float32(gy.max()))


class DoseField:
    """A dose as seen in one plane frame.

    ``extent_mm`` is the box (u, v, w low and high) in which every aligned term is defined.
    """

    def __init__(self, dose: Dose, frame: PlaneFrame) -> None:
        self.terms = tuple(aligned(term, frame) or _Oblique(term, frame) for term in dose.terms)
        self.is_exact = all(isinstance(term, Aligned) for term in self.terms)
        lines = [self._lines(term, frame) for term in self.terms]
        merged = []
        for axis in range(3):
            low = max(axes[axis][0] for axes in lines)
            high = min(axes[axis][-1] for axes in lines)
            if low >= high:
                raise GeometryError("the dose grids have no common region")
            inside = np.concatenate([axes[axis] for axes in lines])
            inside = np.sort(inside[(inside > low + MERGE_MM) & (inside < high - MERGE_MM)])
            inside = inside[np.diff(inside, prepend=-np.inf) > MERGE_MM]
            merged.append(np.concatenate([[low], inside, [high]]))
        self._w, self._v, self._u = merged

    @staticmethod
    def _lines(term: Aligned | _Oblique, frame: PlaneFrame) -> list[Floats]:
        """Lattice lines per axis (w, v, u), from the first to the last defined mm."""
        if isinstance(term, Aligned):
            return [
                np.concatenate([[low], centres[(centres > low) & (centres < high)], [high]])
                for (low, high), centres in zip(term.limits, term.centres, strict=True)
            ]
        corners = frame.to_plane(_corners(term.term))
        grid = term.term.grid
        steps = [grid.row_step_mm, grid.column_step_mm, *np.abs(np.diff(grid.offsets_mm))]
        step = min(steps) / OBLIQUE_REFINEMENT
        low, high = corners.min(axis=0), corners.max(axis=0)
        return [
            np.linspace(low[axis], high[axis], int(np.ceil((high[axis] - low[axis]) / step)) + 1)
            for axis in (2, 1, 0)
        ]

    def lattice(
        self, low_uvw: tuple[float, ...], high_uvw: tuple[float, ...], divide: int = 1
    ) -> Lattice:
        """Return the lattice around a box, its in-plane cells divided ``divide`` times.

        The lattice stops where the field stops.
        """
        u, v, w = (
            _window(lines, low, high)
            for lines, low, high in zip((self._u, self._v, self._w), low_uvw, high_uvw, strict=True)
        )
        return Lattice(_divided(u, divide), _divided(v, divide), w)

    def cell_area_mm2(self) -> float:
        """Area of an undivided in-plane cell (the median one)."""
        return usual_step(self._u) * usual_step(self._v)

    def range_gy(self, lattice: Lattice) -> tuple[float, float]:
        """Bounds of the dose on a lattice (float32); the terms' own bounds are added up."""
        low, high = 0.0, 0.0
        for term in self.terms:
            smallest, largest = term.range_gy((lattice.w_mm, lattice.v_mm, lattice.u_mm))
            low, high = low + smallest, high + largest
        return low, high

    def nodes(self, lattice: Lattice, first: int, last: int) -> NDArray[np.float32]:
        """Dose at the lattice lines' crossings on heights ``first`` to ``last`` inclusive.

        Shape (heights, rows + 1, columns + 1), Gy; NaN where an oblique term is not defined.
        """
        lines = (lattice.w_mm[first : last + 1], lattice.v_mm, lattice.u_mm)
        total = self.terms[0].at(lines)
        for term in self.terms[1:]:
            total = total + term.at(lines)
        return total


def trilinear(term: DoseTerm, points_xyz: Floats) -> Floats:
    """Dose of a term at patient points (n, 3) of the case frame; NaN outside its field."""
    if term.to_case is not None:
        inverse = np.linalg.inv(term.to_case)
        points_xyz = points_xyz @ inverse[:3, :3].T + inverse[:3, 3]
    grid = term.grid
    local = (points_xyz - np.asarray(grid.origin_mm)) @ grid.axes.T
    values: Floats = np.zeros(len(points_xyz))
    inside = np.ones(len(points_xyz), dtype=bool)
    corners, shares = [], []
    array, axes = rising(term)
    for axis, along in zip(axes, (local[:, 2], local[:, 1], local[:, 0]), strict=True):
        low, high = extent(axis)
        inside &= (along >= low - MERGE_MM) & (along <= high + MERGE_MM)
        index, share = position(axis, along)
        corners.append((index, np.minimum(index + 1, len(axis) - 1)))
        shares.append((1 - share, share))
    for a in (0, 1):
        for b in (0, 1):
            for c in (0, 1):
                weight = shares[0][a] * shares[1][b] * shares[2][c]
                values += weight * array[corners[0][a], corners[1][b], corners[2][c]]
    return np.asarray(np.where(inside, values, np.nan))


def rising(term: DoseTerm) -> tuple[NDArray[Any], tuple[Floats, Floats, Floats]]:
    """Return the array with rising plane offsets, and the voxel centres per axis (k, j, i) in mm.

    Lengths are from the origin of the grid along its normal, column and row direction.
    """
    grid = term.grid
    offsets = np.asarray(grid.offsets_mm)
    array = term.gy
    if len(offsets) > 1 and offsets[1] < offsets[0]:
        offsets, array = offsets[::-1], array[::-1]
    return array, (
        offsets,
        np.arange(grid.rows) * grid.row_step_mm,
        np.arange(grid.columns) * grid.column_step_mm,
    )


def aligned(term: DoseTerm, frame: PlaneFrame) -> Aligned | None:
    """Return the term with its axes turned to (w, v, u), None where they are not the frame's."""
    rotation, shift = np.eye(3), np.zeros(3)
    if term.to_case is not None:
        rotation, shift = term.to_case[:3, :3], term.to_case[:3, 3]
    origin = frame.to_plane((rotation @ np.asarray(term.grid.origin_mm) + shift)[None])[0]
    directions = frame.to_plane(term.grid.axes @ rotation.T)
    array, (normal, column, row) = rising(term)
    # axis of the frame (u, v, w) along which each of the grid's (row, column, normal) runs
    along = np.argmax(np.abs(directions), axis=1)
    straight = np.zeros((3, 3))
    signs = np.sign(directions[np.arange(3), along])
    straight[np.arange(3), along] = signs
    if sorted(along) != [0, 1, 2] or not np.allclose(
        directions, straight, atol=PARALLEL_TOLERANCE, rtol=0
    ):
        return None
    centres: dict[int, Floats] = {}
    for grid_axis, (steps, array_axis) in enumerate(((row, 2), (column, 1), (normal, 0))):
        axis = int(along[grid_axis])
        if signs[grid_axis] > 0:
            centres[axis] = origin[axis] + steps
        else:
            centres[axis] = origin[axis] - steps[::-1]
            array = np.flip(array, axis=array_axis)
    array_axis_of = {int(along[0]): 2, int(along[1]): 1, int(along[2]): 0}
    return Aligned(
        array.transpose(array_axis_of[2], array_axis_of[1], array_axis_of[0]),
        (centres[2], centres[1], centres[0]),
    )


def extent(centres: Floats) -> tuple[float, float]:
    """Return the first and last mm of a field along an axis: half a voxel beyond the outer centres."""
    if len(centres) == 1:
        raise GeometryError("a dose of a single plane, row or column has no volume")
    return (
        float(centres[0] - (centres[1] - centres[0]) / 2),
        float(centres[-1] + (centres[-1] - centres[-2]) / 2),
    )


def position(centres: Floats, at: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return the lower voxel and the share of the way to the next, constant beyond the outer centres."""
    index = np.clip(np.searchsorted(centres, at, side="right") - 1, 0, len(centres) - 2)
    share = (at - centres[index]) / (centres[index + 1] - centres[index])
    return index, np.clip(share, 0.0, 1.0)


def _interpolate(
    values: NDArray[Any], axis: int, index: NDArray[Any], share: Floats
) -> NDArray[Any]:
    """Linear interpolation along one axis of an array, a share of the way from each lower voxel."""
    whole = share > 1 / 2
    if (np.abs(share - whole) <= ON_VOXEL).all():
        index = index + whole
        if index[-1] - index[0] == len(index) - 1 and (np.diff(index) == 1).all():
            window = slice(int(index[0]), int(index[-1]) + 1)
            return np.asarray(values[(slice(None),) * axis + (window,)])
        return np.asarray(np.take(values, index, axis=axis))
    shape = [1, 1, 1]
    shape[axis] = len(share)
    weight = share.astype(np.float32).reshape(shape)
    lower = np.take(values, index, axis=axis)
    return np.asarray(lower + weight * (np.take(values, index + 1, axis=axis) - lower))


def _window(lines: Floats, low: float, high: float) -> Floats:
    """The lines from the last one at or below ``low`` to the first one at or above ``high``."""
    first = max(int(np.searchsorted(lines, low, side="right")) - 1, 0)
    last = min(int(np.searchsorted(lines, high, side="left")), len(lines) - 1)
    if last <= first:
        first, last = (0, 1) if high <= lines[0] else (len(lines) - 2, len(lines) - 1)
    return lines[first : last + 1]


def _divided(lines: Floats, divide: int) -> Floats:
    """Cut every cell into equal parts."""
    if divide == 1:
        return lines
    at = np.arange((len(lines) - 1) * divide + 1) / divide
    return np.interp(at, np.arange(len(lines)), lines)


def _corners(term: DoseTerm) -> Floats:
    """The eight outer corners of a term's field in the case frame."""
    grid = term.grid
    _, (normal, column, row) = rising(term)
    points = np.array(
        [
            np.asarray(grid.origin_mm) + np.array([r, c, n]) @ grid.axes
            for r in extent(row)
            for c in extent(column)
            for n in extent(normal)
        ]
    )
    if term.to_case is None:
        return points
    return np.asarray(points @ term.to_case[:3, :3].T + term.to_case[:3, 3])
