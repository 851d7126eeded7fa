"""Three orthogonal picture planes through a point, and what is sampled on them.

A plane is given in patient LPS mm, whatever the orientation of the image and the dose. The usual
view: axial from the feet (patient right on the left), coronal from the front, sagittal from
the left side with the front of the patient on the left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.case import Case
from planeval.dose.field import trilinear
from planeval.errors import GeometryError
from planeval.geometry.grid import Grid
from planeval.geometry.stack import Slab
from planeval.model import Dose, Image, Structure
from planeval.model.image import Window
from planeval.model.record import EvaluationRecord

__all__ = [
    "Box",
    "Centre",
    "PicturePlane",
    "centre_of",
    "dose_at",
    "dose_on",
    "hottest_voxel",
    "hu_of",
    "hu_on",
    "inside_on",
    "orthogonal_planes",
    "view_box",
]

Floats = NDArray[np.float64]
Vector = tuple[float, float, float]

AROUND_MM = 10.0
"""Room around the body in a picture."""

SMALLEST_VIEW_MM = 20.0
"""An image that covers less of the body than this does not limit the view."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box along the patient axes, in LPS mm."""

    low: Vector
    high: Vector


@dataclass(frozen=True, slots=True)
class Centre:
    """The point where three slices meet, and why there."""

    point_mm: Vector
    reason: str


@dataclass(frozen=True, slots=True)
class PicturePlane:
    """A rectangle in space: its left upper corner, its directions and its size in mm.

    ``axis`` is the patient axis (0 x, 1 y, 2 z) at right angles to it, at ``position_mm``; letters
    name the patient's sides at left, right, top and bottom.
    """

    name: str
    axis: int
    position_mm: float
    corner_mm: Vector
    right: Vector
    down: Vector
    width_mm: float
    height_mm: float
    letters: tuple[str, str, str, str]

    def shape(self, step_mm: float) -> tuple[int, int]:
        """Numbers of rows and columns of samples at a distance."""
        return (
            max(2, int(self.height_mm / step_mm) + 1),
            max(2, int(self.width_mm / step_mm) + 1),
        )

    def points(self, step_mm: float) -> Floats:
        """Patient points of the samples, row by row, shape (rows * columns, 3); read-only."""
        return _points(self, step_mm)

    def project(self, points_xyz: Floats) -> Floats:
        """Return picture mm (right, down) of patient points, shape (n, 3) -> (n, 2)."""
        shifted = points_xyz - np.asarray(self.corner_mm)
        return np.asarray(shifted @ np.array([self.right, self.down]).T)


@lru_cache(maxsize=4)
def _points(plane: PicturePlane, step_mm: float) -> Floats:
    """Return the samples of a plane; every structure on it asks for the same ones."""
    rows, columns = plane.shape(step_mm)
    down, right = np.meshgrid(
        np.arange(rows) * step_mm, np.arange(columns) * step_mm, indexing="ij"
    )
    along = np.stack([right.ravel(), down.ravel()], axis=1)
    points = np.asarray(plane.corner_mm + along @ np.array([plane.right, plane.down]))
    points.setflags(write=False)
    return points


def orthogonal_planes(box: Box, centre: Vector) -> tuple[PicturePlane, PicturePlane, PicturePlane]:
    """Return the axial, coronal and sagittal plane of a box through a point."""
    (x0, y0, z0), (x1, y1, z1) = box.low, box.high
    x, y, z = centre
    return (
        PicturePlane(
            "Axial", 2, z, (x0, y0, z), (1, 0, 0), (0, 1, 0), x1 - x0, y1 - y0,
            ("R", "L", "A", "P"),
        ),
        PicturePlane(
            "Coronal", 1, y, (x0, y, z1), (1, 0, 0), (0, 0, -1), x1 - x0, z1 - z0,
            ("R", "L", "S", "I"),
        ),
        PicturePlane(
            "Sagittal", 0, x, (x, y0, z1), (0, 1, 0), (0, 0, -1), y1 - y0, z1 - z0,
            ("A", "P", "S", "I"),
        ),
    )  # fmt: skip


def centre_of(case: Case, record: EvaluationRecord) -> Centre | None:
    """Return where to cut: target of the prescription, else a PTV, else the dose maximum.

    None where the case has neither target nor dose.
    """
    prescribed = [rx.target for rx in record.prescriptions if rx.target in case.structures]
    drawn = [name for name, each in case.structures.items() if each.type.upper() == "PTV"]
    named = [name for name in case.structures if name.upper().startswith("PTV")]
    for name in [*prescribed, *drawn, *named]:
        try:
            return Centre(case.structures[name].centroid_mm, f"the centre of {name}")
        except GeometryError:
            continue
    if case.dose is None:
        return None
    return Centre(hottest_voxel(case.dose), "the dose maximum")


def hottest_voxel(dose: Dose) -> Vector:
    """Return the voxel centre of the first grid where the sum of all terms is highest."""
    first = dose.terms[0]
    total = first.gy
    if len(dose.terms) > 1:
        indices = np.argwhere(np.ones(first.grid.shape, dtype=bool))
        total = np.nan_to_num(dose_at(dose, first.grid.to_patient(indices))).reshape(total.shape)
    place = np.unravel_index(int(np.argmax(total)), total.shape)
    x, y, z = first.grid.to_patient([place])[0]
    return (float(x), float(y), float(z))


def view_box(case: Case) -> Box | None:
    """Return what the pictures show: the body where it is drawn, else the dose, else the image.

    With an image the box stops where the image stops, unless that is a few slices only.
    """
    body = next(
        (each for each in case.structures.values() if each.type.upper() == "EXTERNAL"), None
    )
    image = _corners_of(case.image.grid) if case.image else None
    if body is not None and not body.stack.is_empty:
        low, high = (np.asarray(corner) for corner in body.bounds_mm)
        low, high = low - AROUND_MM, high + AROUND_MM
    elif case.dose is not None:
        ends = [_corners_of(term.grid) for term in case.dose.terms if term.to_case is None]
        low, high = ends[0] if ends else _corners_of(case.dose.terms[0].grid)
    elif image is not None:
        low, high = image
    else:
        return None
    if image is not None:
        inner_low, inner_high = np.maximum(low, image[0]), np.minimum(high, image[1])
        if (inner_high - inner_low > SMALLEST_VIEW_MM).all():
            low, high = inner_low, inner_high
    return Box(_vector(low), _vector(high))


def _vector(point: Floats) -> Vector:
    return (float(point[0]), float(point[1]), float(point[2]))


def _corners_of(grid: Grid) -> tuple[Floats, Floats]:
    """Return the lowest and highest patient coordinates of a grid's voxel centres."""
    ends = np.array([(0, size - 1) for size in grid.shape])
    points = grid.to_patient(np.stack([axis.ravel() for axis in np.meshgrid(*ends)], axis=1))
    return points.min(axis=0), points.max(axis=0)


def hu_on(plane: PicturePlane, image: Image, hu: NDArray[np.int16], *, step_mm: float) -> Floats:
    """Return linearly interpolated HU on a plane, NaN beyond the image.

    A single slice has no thickness that anyone stated: it shows only within half a pixel of itself.
    """
    return _interpolated(hu, _indices(plane, image, step_mm)).reshape(plane.shape(step_mm))


def hu_of(image: Image, planes: Sequence[tuple[PicturePlane, float]]) -> list[Floats]:
    """Read what :func:`hu_on` returns for planes, each with its step in mm: only the voxels they need.

    That is a slice or two for a plane along the slices, and a row or two of every slice for a plane
    across them; the volume is never held.
    """
    places = [_indices(plane, image, step) for plane, step in planes]
    windows = [_window(indices, image.grid.shape) for indices in places]
    blocks = image.hu_in(windows)
    starts = [np.array([[part.start] for part in window]) for window in windows]
    return [
        _interpolated(block, indices - start).reshape(plane.shape(step))
        for block, indices, start, (plane, step) in zip(blocks, places, starts, planes, strict=True)
    ]


def _indices(plane: PicturePlane, image: Image, step_mm: float) -> Floats:
    """Return (k, j, i) of the samples of a plane, shape (3, n)."""
    indices = image.grid.to_index(plane.points(step_mm)).T
    if image.grid.shape[0] == 1:
        near = np.abs(indices[0]) <= image.grid.row_step_mm / 2
        indices[0] = np.where(near, 0, -1)
    return np.asarray(indices)


def _window(indices: Floats, shape: tuple[int, int, int]) -> Window:
    """Return the block of voxels around the places that lie in an image; empty for none."""
    last = np.array(shape)[:, None] - 1
    inside = indices[:, ((indices >= 0) & (indices <= last)).all(axis=0)]
    if not inside.size:
        return (slice(0, 0), slice(0, 0), slice(0, 0))
    first, stop = np.floor(inside.min(axis=1)), np.ceil(inside.max(axis=1)) + 1
    k, j, i = (slice(int(a), int(b)) for a, b in zip(first, stop, strict=True))
    return (k, j, i)


def _interpolated(hu: NDArray[np.int16], indices: Floats) -> Floats:
    """Return linearly interpolated values at (k, j, i) of a block, NaN beyond it."""
    from scipy.ndimage import map_coordinates  # noqa: PLC0415 - loads where it is used

    if not hu.size:
        return np.full(indices.shape[1], np.nan)
    return np.asarray(
        map_coordinates(hu, indices, output=np.float64, order=1, cval=np.nan, prefilter=False)
    )


def dose_at(dose: Dose, points_xyz: Floats) -> Floats:
    """Return the total dose at patient points in Gy; NaN where any term is unknown."""
    total = trilinear(dose.terms[0], points_xyz)
    for term in dose.terms[1:]:
        total = total + trilinear(term, points_xyz)
    return total


def dose_on(plane: PicturePlane, dose: Dose, step_mm: float) -> Floats:
    """Return the total dose on a plane in Gy, NaN outside the dose grid."""
    return dose_at(dose, plane.points(step_mm)).reshape(plane.shape(step_mm))


def inside_on(plane: PicturePlane, structure: Structure, step_mm: float) -> NDArray[np.bool_]:
    """Return which samples of a plane lie in a solid."""
    slabs = structure.slabs
    places = structure.stack.frame.to_plane(plane.points(step_mm))
    near = _near(places, slabs)
    near = near[np.argsort(places[near, 2], kind="stable")]
    places = places[near]
    within = np.zeros(len(places), dtype=bool)
    for slab in slabs:
        first, last = np.searchsorted(places[:, 2], [slab.low_mm, slab.high_mm])
        if first < last:
            shapely.prepare(slab.area)
            within[first:last] |= shapely.contains_xy(slab.area, places[first:last, :2])
    inside = np.zeros(plane.shape(step_mm), dtype=bool)
    inside.ravel()[near] = within
    return inside


def _near(places: Floats, slabs: Sequence[Slab]) -> NDArray[np.intp]:
    """Return the numbers of the places in the box around slabs."""
    if not slabs:
        return np.zeros(0, dtype=np.intp)
    u0, v0, u1, v1 = shapely.total_bounds([slab.area for slab in slabs])
    low = (u0, v0, min(slab.low_mm for slab in slabs))
    high = (u1, v1, max(slab.high_mm for slab in slabs))
    return np.flatnonzero(((places >= low) & (places <= high)).all(axis=1))
