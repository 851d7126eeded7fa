"""The grid: which patient point belongs to which voxel, in any orientation.

An index is (k, j, i) = (plane, row, column) and names a voxel *centre*. A point is patient LPS mm
(x, y, z). DICOM: PS3.3 C.7.6.2.1.1 (image plane), C.8.8.3.2 (GridFrameOffsetVector).

::

    point = origin + i * column_step * row + j * row_step * column + offsets[k] * normal

``row`` is the direction in which the column index i grows (the first three values of
ImageOrientationPatient), ``column`` the one in which the row index j grows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from planeval.errors import GeometryError

__all__ = ["ORTHONORMAL_TOLERANCE", "Grid", "usual_step"]

ORTHONORMAL_TOLERANCE = 1e-4
"""Largest error of a direction's length or of a right angle: direction cosines are written as decimal
strings of at most 16 characters, typically with 5 or 6 decimals."""

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Shape, place and orientation of a block of voxels; it holds no values.

    ``offsets_mm`` are the distances of the planes from the first voxel's centre along ``normal``;
    they are monotonic and may be irregular or descend. ``normal`` is row x column.

    >>> grid = Grid(origin_mm=(-10, -20, 5), row=(1, 0, 0), column=(0, 1, 0), row_step_mm=2.0,
    ...             column_step_mm=3.0, rows=4, columns=5, offsets_mm=(0.0, 2.5))
    >>> grid.shape
    (2, 4, 5)
    >>> [float(c) for c in grid.to_patient([[1, 1, 1]])[0]]
    [-7.0, -18.0, 7.5]
    """

    origin_mm: Vector
    row: Vector
    column: Vector
    row_step_mm: float
    column_step_mm: float
    rows: int
    columns: int
    offsets_mm: tuple[float, ...]
    frame_uid: str = ""
    _axes: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        row, column = (np.asarray(v, dtype=float) for v in (self.row, self.column))
        for name, vector in (("row", row), ("column", column)):
            if not np.isfinite(vector).all() or abs(np.linalg.norm(vector) - 1) > (
                ORTHONORMAL_TOLERANCE
            ):
                raise GeometryError(f"grid {name} direction {vector.tolist()} is not of length 1")
        if abs(float(row @ column)) > ORTHONORMAL_TOLERANCE:
            raise GeometryError(
                f"grid row {row.tolist()} and column {column.tolist()} are not at right angles"
            )
        if min(self.rows, self.columns, len(self.offsets_mm)) < 1:
            raise GeometryError(f"grid of shape {self.shape} has no voxels")
        if not (self.row_step_mm > 0 and self.column_step_mm > 0):
            raise GeometryError(
                f"grid steps {self.row_step_mm} x {self.column_step_mm} mm must be positive"
            )
        steps = np.diff(np.asarray(self.offsets_mm, dtype=float))
        if len(steps) and not ((steps > 0).all() or (steps < 0).all()):
            raise GeometryError("grid plane offsets neither rise nor fall throughout")
        object.__setattr__(self, "origin_mm", tuple(float(c) for c in self.origin_mm))
        object.__setattr__(self, "row", tuple(float(c) for c in row))
        object.__setattr__(self, "column", tuple(float(c) for c in column))
        object.__setattr__(self, "offsets_mm", tuple(float(o) for o in self.offsets_mm))
        axes = np.stack([row, column, np.cross(row, column)])
        axes.setflags(write=False)
        object.__setattr__(self, "_axes", axes)

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild through the constructor, so that the checks run again."""
        return _rebuild, (
            self.origin_mm, self.row, self.column, self.row_step_mm, self.column_step_mm,
            self.rows, self.columns, self.offsets_mm, self.frame_uid,
        )  # fmt: skip

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of planes, rows and columns."""
        return (len(self.offsets_mm), self.rows, self.columns)

    @property
    def axes(self) -> NDArray[np.float64]:
        """Unit directions row, column, normal as the rows of a 3 x 3 array."""
        return self._axes

    @property
    def normal(self) -> Vector:
        """The direction row x column in which plane offsets count."""
        x, y, z = self._axes[2]
        return (float(x), float(y), float(z))

    @property
    def is_axial(self) -> bool:
        """Whether rows and columns run along +-x and +-y."""
        return bool(
            np.allclose(np.abs(self._axes[:2]), np.eye(3)[:2], atol=ORTHONORMAL_TOLERANCE, rtol=0)
        )

    def to_patient(self, indices_kji: object) -> NDArray[np.float64]:
        """Return the patient points of (fractional) indices, shape (n, 3) -> (n, 3).

        A fractional plane index lies linearly between its neighbours; beyond the ends the last
        plane distance continues.
        """
        indices = np.atleast_2d(np.asarray(indices_kji, dtype=float))
        offsets = np.asarray(self.offsets_mm)
        if len(offsets) > 1:
            below = np.clip(np.floor(indices[:, 0]).astype(int), 0, len(offsets) - 2)
            along = offsets[below] + (indices[:, 0] - below) * (offsets[below + 1] - offsets[below])
        else:
            along = np.full(len(indices), offsets[0])
        steps = np.stack(
            [indices[:, 2] * self.column_step_mm, indices[:, 1] * self.row_step_mm, along], axis=1
        )
        return np.asarray(self.origin_mm) + steps @ self._axes

    def to_index(self, points_xyz: object) -> NDArray[np.float64]:
        """Return the fractional (k, j, i) of patient points, the inverse of :meth:`to_patient`.

        In a grid of one plane, k is the distance from it in mm.
        """
        points = np.atleast_2d(np.asarray(points_xyz, dtype=float))
        along_row, along_column, along = ((points - np.asarray(self.origin_mm)) @ self._axes.T).T
        offsets = np.asarray(self.offsets_mm)
        if len(offsets) > 1:
            sign = 1.0 if offsets[1] > offsets[0] else -1.0
            below = np.clip(
                np.searchsorted(sign * offsets, sign * along, side="right") - 1,
                0,
                len(offsets) - 2,
            )
            k = below + (along - offsets[below]) / (offsets[below + 1] - offsets[below])
        else:
            k = along - offsets[0]
        return np.stack([k, along_column / self.row_step_mm, along_row / self.column_step_mm], 1)

    def __repr__(self) -> str:
        k, j, i = self.shape
        steps = np.abs(np.diff(self.offsets_mm))
        if not len(steps):
            planes = "one plane"
        elif np.ptp(steps) < 1e-3:
            planes = f"{steps[0]:g}"
        else:
            planes = f"{steps.min():g}..{steps.max():g}"
        return (
            f"Grid({k}x{j}x{i}, {planes} x {self.row_step_mm:g} x {self.column_step_mm:g} mm, "
            f"origin {tuple(round(c, 3) for c in self.origin_mm)})"
        )


def usual_step(positions: NDArray[np.float64]) -> float:
    """Return the median distance of neighbouring positions.

    >>> usual_step(np.array([0.0, 2.0, 4.0, 9.0]))
    2.0

    ``numpy.median`` would do, but loads numpy's masked arrays with it, for this alone.
    """
    steps = np.sort(np.abs(np.diff(positions)))
    half = len(steps) // 2
    return float(steps[half] if len(steps) % 2 else (steps[half - 1] + steps[half]) / 2)


def _rebuild(*args: object) -> Grid:
    """Rebuild an unpickled grid."""
    return Grid(*args)  # type: ignore[arg-type]
