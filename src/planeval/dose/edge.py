"""The edge dose: the highest dose where the border of the dose grid cuts a structure.

Beyond the grid a dose is unknown. A protocol may trust that it falls off outward: what lies outside then
has at most the dose of the surface along which the border cuts the structure itself. That surface is the
border's six faces as far as they lie inside the structure's slabs, in any reading of the end caps.

The border is cut into cells between neighbouring voxel centres (and half a voxel along its rim). As the
field is constant over the outer half voxel, it is bilinear on every such cell, between the values of the
outermost voxel plane: nothing on a cell is above its four corners. A rise of dose in the conversion to
EQD2 or BED, and a sum of deliveries that are each converted, keep this: along either axis of a cell such
a dose is convex, so that it is largest at an end. The highest corner of all cells that touch a slab is
therefore a **bound** from above, at most one voxel's rise along the border above the largest dose of
the surface itself, and equal to it where the dose does not change along the border.

A grid at an angle to the drawn planes is sampled on a lattice, whose last defined corners lie up to
0.87 of the smallest voxel step inside the border; what lies between counts as outside. There a cell
reaches to the second voxel plane, 1.5 steps deep, and the corners of both planes bound the trilinear
field in it. The bound then holds for that whole layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.dose.biology import Conversion, deliveries
from planeval.dose.field import aligned, extent, rising
from planeval.geometry.parts import connected_pieces
from planeval.geometry.stack import PlaneFrame, Slab
from planeval.model import Biology, Dose, DoseTerm, Structure, Value
from planeval.units import Unit

__all__ = ["edge_dose"]

Floats = NDArray[Any]

SAME_MM = 1e-6
"""Grids whose voxel centres differ by less are one grid; a slab this close to a face touches it."""


def edge_dose(structure: Structure, dose: Dose, biology: Biology | None = None) -> Value:
    """Return a bound of the dose on the surface where the border of the dose grid cuts a structure.

    With ``biology`` in EQD2 or BED, for a dose that can be converted. Undefined, with the reason, where
    no surface speaks for what lies outside: the structure or a connected part of it lies wholly
    outside, nothing is cut, or the dose is a sum of grids with different borders (where one ends the
    others go on, and may rise).
    """
    frame = structure.stack.frame
    terms = {id(term): _Voxels.of(term, frame) for term in dose.terms}
    voxels = terms[id(dose.terms[0])]
    if not all(voxels.is_same(other) for other in terms.values()):
        return Value.undefined(
            "the dose is a sum of grids with different borders: where one ends the others go on",
            Unit.GY,
        )
    slabs = structure.stack.slabs(structure.method.caps, structure.method.between)
    cells = _border(dose, terms, biology).near(slabs)
    parts = connected_pieces(slabs)
    cut = {part for part, piece in parts if cells.touched_by(piece).any()}
    apart_cc = sum(
        piece.volume_cc for part, piece in parts if part not in cut and voxels.is_beyond(piece)
    )
    if apart_cc > 0:
        return Value.undefined(
            f"{apart_cc:.2f} cc of {structure.name} lie in parts wholly outside the dose grid, which "
            "its border does not cut",
            Unit.GY,
        )
    touched = [gy for slab in slabs for gy in cells.gy[cells.touched_by(slab)]]
    if not touched:
        return Value.undefined(
            f"the border of the dose grid does not cut {structure.name}", Unit.GY
        )
    return Value.of(max(touched), Unit.GY)


@dataclass(frozen=True, slots=True, eq=False)
class _Voxels:
    """One term's voxels: doses, rising centres per axis in mm, and where the axes lie in the frame.

    The point (u, v, w) of mm along the three axes is ``origin + mm @ directions``. ``is_aligned``: the
    axes are the frame's own.
    """

    gy: Floats
    centres: tuple[Floats, Floats, Floats]
    origin: Floats
    directions: Floats
    is_aligned: bool

    @classmethod
    def of(cls, term: DoseTerm, frame: PlaneFrame) -> _Voxels:
        """Place a term in a plane frame as its field does."""
        straight = aligned(term, frame)
        if straight is not None:
            return cls(straight.gy, straight.centres, np.zeros(3), np.eye(3)[::-1], True)
        rotation, shift = np.eye(3), np.zeros(3)
        if term.to_case is not None:
            rotation, shift = term.to_case[:3, :3], term.to_case[:3, 3]
        array, centres = rising(term)
        origin = rotation @ np.asarray(term.grid.origin_mm) + shift
        directions = term.grid.axes[::-1] @ rotation.T
        return cls(
            array, centres, frame.to_plane(origin[None])[0], frame.to_plane(directions), False
        )

    def is_same(self, other: _Voxels) -> bool:
        """Whether both have the same voxel centres, and so one border."""
        return self.gy.shape == other.gy.shape and all(
            np.allclose(mine, theirs, rtol=0, atol=SAME_MM)
            for mine, theirs in zip(
                (*self.centres, self.origin, self.directions),
                (*other.centres, other.origin, other.directions),
                strict=True,
            )
        )

    def is_beyond(self, piece: Slab) -> bool:
        """Whether a piece that does not touch the border lies outside it: where one point does."""
        inside = shapely.point_on_surface(piece.area)
        point = np.array([inside.x, inside.y, (piece.low_mm + piece.high_mm) / 2])
        local = (point - self.origin) @ np.linalg.inv(self.directions)
        limits = [extent(each) for each in self.centres]
        return any(
            not low <= along <= high for (low, high), along in zip(limits, local, strict=True)
        )

    def corners(self, axis: int, side: int) -> Floats:
        """Corners (u, v, w) of the cells of a face, (cells, corners, 3); see the module."""
        across = [n for n in range(3) if n != axis]
        lines = [_with_ends(self.centres[n]) for n in across]
        depths = [extent(self.centres[axis])[side]]
        if not self.is_aligned:
            depths.append(float(self.centres[axis][-2 if side else 1]))
        corners = []
        for depth, *ends in product(depths, (0, 1), (0, 1)):
            first, second = (
                line[end : len(line) - 1 + end] for line, end in zip(lines, ends, strict=True)
            )
            mm = np.empty((len(first), len(second), 3))
            mm[..., axis] = depth
            mm[..., across[0]] = first[:, None]
            mm[..., across[1]] = second
            corners.append(mm.reshape(-1, 3))
        return np.asarray(self.origin + np.stack(corners, axis=1) @ self.directions)


@dataclass(frozen=True, slots=True, eq=False)
class _Border:
    """All cells of the border: highest dose (cells,) and corners (u, v, w) (cells, corners, 3)."""

    gy: Floats
    corners: Floats

    def near(self, slabs: Sequence[Slab]) -> _Cells:
        """Return the cells whose box meets that of some slabs."""
        bounds = shapely.bounds([slab.area for slab in slabs])
        least = [*bounds[:, :2].min(axis=0), min(slab.low_mm for slab in slabs)]
        most = [*bounds[:, 2:].max(axis=0), max(slab.high_mm for slab in slabs)]
        low, high = self.corners.min(axis=1), self.corners.max(axis=1)
        near = ((low <= np.add(most, SAME_MM)) & (high >= np.subtract(least, SAME_MM))).all(axis=1)
        area = shapely.convex_hull(shapely.multipoints(self.corners[near][..., :2]))
        return _Cells(self.gy[near], low[near, 2], high[near, 2], area, shapely.bounds(area))


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """Cells of the border: highest dose, heights from ``low`` to ``high`` mm, and area in plane."""

    gy: Floats
    low: Floats
    high: Floats
    area: Floats
    bounds: Floats

    def touched_by(self, slab: Slab) -> NDArray[np.bool_]:
        """Whether each cell has a point in a closed slab."""
        u0, v0, u1, v1 = shapely.bounds(slab.area)
        touched = (
            (self.low <= slab.high_mm + SAME_MM)
            & (self.high >= slab.low_mm - SAME_MM)
            & (self.bounds[:, 0] <= u1)
            & (self.bounds[:, 1] <= v1)
            & (self.bounds[:, 2] >= u0)
            & (self.bounds[:, 3] >= v0)
        )
        near = np.flatnonzero(touched)
        if len(near):
            shapely.prepare(slab.area)
            touched[near] = shapely.intersects(slab.area, self.area[near])
        return np.asarray(touched)


def _border(dose: Dose, terms: Mapping[int, _Voxels], biology: Biology | None) -> _Border:
    """The cells of the border's six faces, in a dose whose terms have the same voxels."""

    def plane(axis: int, at: int) -> Floats:
        found = [
            _delivered(
                [np.take(terms[id(one)].gy, at, axis) for one in together], together, biology
            )
            for together in deliveries(dose)
        ]
        return np.asarray(np.sum(found, axis=0))

    voxels = terms[id(dose.terms[0])]
    doses, corners = [], []
    for axis, side in product(range(3), (0, 1)):
        outer, inner = (0, 1) if side == 0 else (-1, -2)
        gy = plane(axis, outer)
        if not voxels.is_aligned:
            gy = np.maximum(gy, plane(axis, inner))
        doses.append(_of_cells(gy))
        corners.append(voxels.corners(axis, side))
    return _Border(np.concatenate(doses), np.concatenate(corners))


def _of_cells(gy: Floats) -> Floats:
    """The highest corner of every cell between voxel centres, and of those along the rim."""
    gy = np.pad(gy, 1, mode="edge")
    gy = np.maximum(gy[1:], gy[:-1])
    return np.maximum(gy[:, 1:], gy[:, :-1]).ravel()


def _delivered(
    planes: Sequence[Floats], terms: Sequence[DoseTerm], biology: Biology | None
) -> Floats:
    """The dose of one delivery on a plane of voxels, converted where that is asked for."""
    total: Floats = np.asarray(np.sum(planes, axis=0, dtype=np.float64))
    if biology is None or biology.alpha_beta_gy is None:
        return total
    convert = Conversion(terms[0].fractions or 0, biology.alpha_beta_gy, biology.quantity)
    return np.asarray(convert(total))


def _with_ends(centres: Floats) -> Floats:
    """Voxel centres with the two ends of the field around them."""
    low, high = extent(centres)
    return np.concatenate([[low], centres, [high]])
