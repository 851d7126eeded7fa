"""The plane frame of an ROI: the one direction in which all its contours are flat.

Axial contours get :data:`~planeval.geometry.stack.AXIAL` itself. Other contours get a frame from
their normal, snapped to the patient axes where it is within the parallel tolerance. ROIs of one
file share a frame where it fits, so that structures drawn on one oblique image stay comparable.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from planeval.geometry.stack import AXIAL, PARALLEL_TOLERANCE, PlaneFrame

__all__ = ["FLAT_MM", "find_frame", "frame_of_normal", "height_ranges", "is_flat_in"]

FLAT_MM = 0.1
"""Largest distance of a contour point from the contour's plane."""

Points = NDArray[np.float64]


def height_ranges(contours: Sequence[Points]) -> tuple[Points, Points]:
    """Return the smallest and the largest third coordinate of every contour.

    >>> height_ranges([np.array([[0.0, 0, 5], [1, 0, 6]]), np.array([[0.0, 0, 7]])])
    (array([5., 7.]), array([6., 7.]))
    """
    heights = np.concatenate([points[:, 2] for points in contours])
    starts = np.cumsum([0, *(len(points) for points in contours[:-1])])
    return np.minimum.reduceat(heights, starts), np.maximum.reduceat(heights, starts)


def is_flat_in(frame: PlaneFrame, contours: Sequence[Points]) -> bool:
    """Whether every contour keeps one height of the frame within 0.1 mm."""
    normal = frame.axes[2]
    return all(float(np.ptp(points @ normal)) <= 2 * FLAT_MM for points in contours)


def find_frame(contours: Sequence[Points], known: Sequence[PlaneFrame]) -> PlaneFrame | str:
    """Return a known frame that fits, else the contours' own, else the reason why there is none."""
    for frame in known:
        if is_flat_in(frame, contours):
            return frame
    for index, points in enumerate(contours):
        distance = _off_plane_mm(points)
        if distance > FLAT_MM:
            return (
                f"contour {index + 1} is not planar: a point lies {distance:.2f} mm off its plane"
            )
    largest = max(contours, key=lambda points: float(np.ptp(points, axis=0).max()))
    frame = frame_of_normal(_normal(largest))
    snapped = _snapped(frame)
    for candidate in (snapped, frame):
        if is_flat_in(candidate, contours):
            return candidate
    return "its contours lie in planes that are not parallel"


def frame_of_normal(normal: Points) -> PlaneFrame:
    """Return the canonical frame of a normal: the same for both of its signs.

    The normal's largest component is made positive. u runs along the patient's x as far as the
    plane allows (along y in sagittal planes).

    >>> frame_of_normal(np.array([0.0, 0.0, -1.0])).row
    (1.0, 0.0, 0.0)
    """
    unit = np.asarray(normal, dtype=float) / np.linalg.norm(normal)
    main = int(np.argmax(np.abs(unit)))
    unit = unit * np.sign(unit[main])
    along = np.array([0.0, 1.0, 0.0]) if main == 0 else np.array([1.0, 0.0, 0.0])
    row = along - (along @ unit) * unit
    row = row / np.linalg.norm(row)
    column = np.cross(unit, row)
    return PlaneFrame(_triple(row), _triple(column))


def _snapped(frame: PlaneFrame) -> PlaneFrame:
    """Return the axis-parallel frame next to a frame, or the frame itself if none is near."""
    rounded = np.round(frame.axes)
    if np.allclose(rounded, frame.axes, atol=PARALLEL_TOLERANCE, rtol=0):
        nearest = frame_of_normal(rounded[2])
        return AXIAL if nearest.is_same(AXIAL) else nearest
    return frame


def _normal(points: Points) -> Points:
    """Return the unit normal of a planar point set: the direction of least spread."""
    centred = points - points.mean(axis=0)
    return np.asarray(np.linalg.svd(centred, full_matrices=False)[2][-1])


def _off_plane_mm(points: Points) -> float:
    """Largest distance of a point from the plane of best fit."""
    centred = points - points.mean(axis=0)
    return float(np.abs(centred @ _normal(points)).max())


def _triple(vector: Points) -> tuple[float, float, float]:
    return (float(vector[0]) + 0.0, float(vector[1]) + 0.0, float(vector[2]) + 0.0)
