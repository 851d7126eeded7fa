"""A slow and simple second opinion: sample points, ask which are inside, read the dose there.

It shares nothing with planeval. A structure is the union of its contours, each drawn plane
thickened by half the plane distance to both sides; loops combine by even-odd. Dose is trilinear
between voxel centres and constant over the outer half voxel. Volumes and means come from a dense
lattice of points, maxima from points that include the walls, the cut surfaces and every voxel
centre inside, where a trilinear field has its maxima.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray

from phantom.contours import Contours
from phantom.dose import Grid
from phantom.shapes import Array

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class ReadBack:
    """What the written files say: contours by ROI name, the dose grid and the dose in Gy."""

    contours: dict[str, Contours]
    grid: Grid
    dose_gy: Array


def read_back(folder: Path) -> ReadBack:
    """Read the one structure set and the one dose under a folder, with pydicom alone."""
    datasets = [
        pydicom.dcmread(path, stop_before_pixels=False)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in ("", ".dcm")
    ]
    by_modality = {ds.Modality: ds for ds in datasets}
    structures, dose = by_modality["RTSTRUCT"], by_modality["RTDOSE"]
    names = {int(r.ROINumber): str(r.ROIName) for r in structures.StructureSetROISequence}
    contours: dict[str, Contours] = {}
    for roi in structures.ROIContourSequence:
        planes: Contours = {}
        for contour in roi.ContourSequence:
            if contour.ContourGeometricType == "CLOSED_PLANAR":
                points = np.array(contour.ContourData, float).reshape(-1, 3)
                planes.setdefault(float(points[0, 2]), []).append(points[:, :2])
        if planes:
            contours[names[int(roi.ReferencedROINumber)]] = planes
    z_mm = np.array(dose.GridFrameOffsetVector, float)
    corner = np.array(dose.ImagePositionPatient, float)
    z_mm = z_mm + corner[2] if z_mm[0] == 0 else z_mm
    values = dose.pixel_array * float(dose.DoseGridScaling)
    if z_mm[1] < z_mm[0]:
        z_mm, values = z_mm[::-1], values[::-1]
    row_mm, column_mm = (float(s) for s in dose.PixelSpacing)
    origin = (float(corner[0]), float(corner[1]), float(z_mm[0]))
    grid = Grid(origin, (column_mm, row_mm, float(z_mm[1] - z_mm[0])), values.shape)
    return ReadBack(contours, grid, values)


def plane_distance_mm(contours: Contours) -> float:
    """The most frequent distance between drawn planes."""
    steps = np.round(np.diff(sorted(contours)), 3)
    values, counts = np.unique(steps, return_counts=True)
    return float(values[counts.argmax()])


def inside(loops: list[Array], x_mm: Array, y_mm: Array) -> Mask:
    """Which lattice points (y, x) lie inside the loops, by counting edge crossings on each row."""
    starts = np.concatenate(loops)
    ends = np.concatenate([np.roll(loop, -1, axis=0) for loop in loops])
    low, high = np.minimum(starts[:, 1], ends[:, 1]), np.maximum(starts[:, 1], ends[:, 1])
    first, stop = np.searchsorted(y_mm, low), np.searchsorted(y_mm, high)
    count = stop - first
    edge = np.repeat(np.arange(len(starts)), count)
    row = np.arange(edge.size) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    (xa, ya), (xb, yb) = starts[edge].T, ends[edge].T
    at_x = xa + (y_mm[row] - ya) * (xb - xa) / (yb - ya)
    crossings = np.zeros((y_mm.size, x_mm.size + 1), int)
    np.add.at(crossings, (row, np.searchsorted(x_mm, at_x)), 1)
    return np.cumsum(crossings, axis=1)[:, :-1] % 2 == 1


def lattice_points(
    solid: Contours, *holes: Contours, step_mm: float, layers: int = 3
) -> tuple[Array, float]:
    """Points (n, 3) filling a solid without the other solids on the same planes, and cc per point.

    Each drawn plane is sampled on a lattice of `step_mm` and in `layers` heights of its slab.
    """
    spacing = plane_distance_mm(solid)
    vertices = np.concatenate([loop for loops in solid.values() for loop in loops])
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    x_mm, y_mm = (np.arange(a + 0.37 * step_mm, b, step_mm) for a, b in zip(low, high, strict=True))
    heights = spacing * ((np.arange(layers) + 0.5) / layers - 0.5)
    found = []
    for z, loops in solid.items():
        mask = inside(loops, x_mm, y_mm)
        for hole in holes:
            if z in hole:
                mask &= ~inside(hole[z], x_mm, y_mm)
        j, i = np.nonzero(mask)
        for height in heights:
            found.append(np.column_stack([x_mm[i], y_mm[j], np.full(i.size, z + height)]))
    return np.concatenate(found), step_mm**2 * spacing / layers / 1000.0


def highest_gy(solid: Contours, grid: Grid, dose_gy: Array) -> tuple[float, Array]:
    """The largest dose of the closed solid and where it is."""
    half = plane_distance_mm(solid) / 2.0
    x_nodes, y_nodes, z_nodes = grid.axes_mm
    best, where = -np.inf, np.zeros(3)
    for z, loops in solid.items():
        j, i = np.nonzero(inside(loops, x_nodes, y_nodes))
        flat = np.concatenate([np.column_stack([x_nodes[i], y_nodes[j]]), *map(_wall, loops)])
        nodes = z_nodes[(z_nodes > z - half) & (z_nodes < z + half)]
        for height in np.unique(np.concatenate([nodes, np.linspace(z - half, z + half, 7)])):
            points = np.column_stack([flat, np.full(len(flat), height)])
            values = grid.sample(dose_gy, points)
            if values.max() > best:
                best, where = float(values.max()), points[values.argmax()]
    return best, where


def _wall(loop: Array, step_mm: float = 0.25) -> Array:
    """Points along a closed loop, at most `step_mm` apart."""
    ends = np.roll(loop, -1, axis=0)
    count = np.ceil(np.hypot(*(ends - loop).T) / step_mm).astype(int) + 1
    edge = np.repeat(np.arange(len(loop)), count)
    part = (np.arange(edge.size) - np.repeat(np.cumsum(count) - count, count)) / count[edge]
    return loop[edge] + part[:, None] * (ends - loop)[edge]


def outside_grid(points_mm: Array, grid: Grid) -> Mask:
    """Which points lie more than half a voxel beyond the outermost voxel centres."""
    index = (points_mm - grid.origin_mm) / grid.spacing_mm
    last = np.array(grid.shape[::-1]) - 0.5
    return ((index < -0.5) | (index > last)).any(axis=1)


@dataclass(frozen=True, slots=True)
class Estimate:
    """One structure's numbers; dose is None where part of it lies outside the dose grid."""

    volume_cc: float
    outside_cc: float
    mean_gy: float | None
    max_gy: float | None
    max_inside_gy: float
    samples_gy: Array
    cc_per_sample: float

    def below_cc(self, dose_gy: float) -> float:
        """The volume that receives less than a dose, of the part inside the grid."""
        return float(np.count_nonzero(self.samples_gy < dose_gy)) * self.cc_per_sample

    def dose_to_percent_gy(self, percent: float) -> float:
        """The dose that the hottest `percent` of the volume receives at least."""
        return float(np.percentile(self.samples_gy, 100.0 - percent))


def estimate(case: ReadBack, name: str, *without: str) -> Estimate:
    """Numbers of one structure, less others, from about half a million points."""
    solid = case.contours[name]
    holes = [case.contours[other] for other in without]
    rough_points, rough_cc = lattice_points(solid, *holes, step_mm=4.0, layers=1)
    volume_mm3 = 1000.0 * rough_cc * len(rough_points)
    step_mm = float(np.clip(np.sqrt(volume_mm3 / 5e5), 0.2, 2.0))
    points, cc = lattice_points(solid, *holes, step_mm=step_mm)
    beyond = outside_grid(points, case.grid)
    samples = case.grid.sample(case.dose_gy, points[~beyond])
    top = float(samples.max()) if holes else highest_gy(solid, case.grid, case.dose_gy)[0]
    if beyond.any():
        top = float(samples.max())
    whole = not beyond.any()
    return Estimate(
        volume_cc=cc * len(points),
        outside_cc=cc * int(np.count_nonzero(beyond)),
        mean_gy=float(samples.mean()) if whole else None,
        max_gy=top if whole else None,
        max_inside_gy=top,
        samples_gy=samples,
        cc_per_sample=cc,
    )
