"""Which planes a solid is written on, and its contours there, in patient mm.

A drawn structure keeps the planes it was drawn on. Any other solid is cut at the planes of the image;
beyond its ends the planes go on at the same distance. Without an image (or with one whose slices are
not parallel) the solid's own planes are used, else those of the structure that it was made from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.errors import GeometryError
from planeval.geometry.grid import Grid
from planeval.geometry.outlines import (
    continued,
    even_odd_rings,
    extent_mm,
    keyhole_rings,
    section_at,
    slice_heights,
)
from planeval.geometry.rings import solid_part
from planeval.geometry.stack import DrawnPlane, PlanarStack, volume_cc
from planeval.model import Structure

__all__ = ["ContourPlane", "Contouring", "contour"]

Points = NDArray[np.float64]

RESOLUTION_MM = 1e-4
"""Coordinates are written to a tenth of a micrometre."""

SMALLEST_MM2 = 0.01
"""A part of a contour with less area is a left-over of polygon operations that no system can use."""

ON_SLICE_MM = 0.1
"""A contour within this distance of a slice lies on it."""


@dataclass(frozen=True, slots=True, eq=False)
class ContourPlane:
    """The contours of one plane, (n, 3) in patient mm; ``slice`` is the image plane it lies on."""

    height_mm: float
    contours: tuple[Points, ...]
    slice: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Contouring:
    """A structure on its planes.

    ``drawn_cc`` is what these planes stand for under the structure's own method; the solid may differ
    where it ends or changes between planes. ``dropped_mm2`` is the area of parts too small to write.
    ``on_own_planes`` says that no image decided the planes.
    """

    planes: tuple[ContourPlane, ...]
    drawn_cc: float
    dropped_mm2: float
    on_own_planes: bool


def contour(
    structure: Structure, image: Grid | None, others: Sequence[Structure], *, xor: bool
) -> Contouring:
    """Return a structure's contours; ``others`` lend their planes to a solid that has none.

    Raises:
        GeometryError: the structure is empty, lies between two planes, or nothing says where its
            planes are.
    """
    stack = structure.stack
    slices = np.zeros(0) if image is None else slice_heights(stack, image)
    if structure.origin == "drawn" or (not len(slices) and stack.planes):
        heights = np.array([plane.offset_mm for plane in stack.planes])
    elif len(slices):
        heights = continued(slices, *_extent(structure))
    else:
        heights = _borrowed(structure, others)
    method = structure.method
    sections = [
        section_at(stack, float(height), caps=method.caps, between=method.between)
        for height in heights
    ]
    kept, dropped = _writable(zip(heights, sections, strict=True))
    if not kept:
        raise GeometryError(
            f"structure {structure.name!r} is empty on every plane it would be drawn on "
            f"({structure.volume_cc:.3f} cc): it is thinner than the distance of the planes, or "
            "nothing is left of it"
        )
    rings_of = even_odd_rings if xor else keyhole_rings
    planes = tuple(
        ContourPlane(
            height,
            tuple(_in_patient(stack, ring, height) for ring in rings_of(area)),
            _slice_at(slices, height),
        )
        for height, area in kept
    )
    spacing = stack.spacing_mm
    if len(slices) > 1:
        spacing = float(np.median(np.abs(np.diff(slices))))
    return Contouring(planes, _drawn_cc(structure, kept, spacing), dropped, not len(slices))


def _extent(structure: Structure) -> tuple[float, float]:
    method = structure.method
    try:
        return extent_mm(structure.stack, caps=method.caps, between=method.between)
    except GeometryError as error:
        raise GeometryError(f"structure {structure.name!r}: {error}") from error


def _borrowed(structure: Structure, others: Sequence[Structure]) -> Points:
    """Return the planes of the finest drawn structure beside this solid, going on beyond its ends."""
    low, high = _extent(structure)
    lenders = [
        other.stack
        for other in others
        if other.stack.planes
        and other.stack.spacing_mm
        and other.stack.frame.is_same(structure.stack.frame)
        and other.stack.planes[0].offset_mm <= high
        and other.stack.planes[-1].offset_mm >= low
    ]
    if not lenders:
        raise GeometryError(
            f"structure {structure.name!r} has no planes of its own and there is no image whose "
            "slices could be used: load the case with its CT"
        )
    finest = min(lenders, key=lambda stack: stack.spacing_mm or 0.0)
    heights = np.array([plane.offset_mm for plane in finest.planes])
    return continued(heights, low, high)


def _writable(
    sections: Iterable[tuple[float, Any]],
) -> tuple[list[tuple[float, Any]], float]:
    """Return the areas on the grid of written coordinates, without parts too small to use."""
    kept, dropped = [], 0.0
    for height, area in sections:
        snapped = solid_part(shapely.set_precision(area, RESOLUTION_MM))
        parts = shapely.get_parts(snapped)
        is_usable = shapely.area(parts) >= SMALLEST_MM2
        dropped += float(shapely.area(parts[~is_usable]).sum())
        if is_usable.any():
            whole = snapped if is_usable.all() else shapely.multipolygons(parts[is_usable])
            kept.append((float(height), whole))
    return kept, dropped


def _in_patient(stack: PlanarStack, ring: Points, height_mm: float) -> Points:
    return stack.frame.to_patient(np.column_stack([ring, np.full(len(ring), height_mm)]))


def _slice_at(slices: Points, height_mm: float) -> int | None:
    """Return the number of the image plane at a height, None where there is none."""
    if not len(slices):
        return None
    nearest = int(np.argmin(np.abs(slices - height_mm)))
    return nearest if abs(slices[nearest] - height_mm) <= ON_SLICE_MM else None


def _drawn_cc(
    structure: Structure, kept: Sequence[tuple[float, Any]], spacing_mm: float | None
) -> float:
    """Return what the planes stand for when they are read back."""
    planes = [DrawnPlane(height, area) for height, area in kept]
    single = spacing_mm if len(planes) == 1 else None
    again = PlanarStack(structure.stack.frame, planes, spacing_mm=single)
    return volume_cc(again, caps=structure.method.caps, between=structure.method.between)
