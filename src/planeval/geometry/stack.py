"""The planar stack: a structure as planar polygons, and the solid they stand for.

What was drawn (planes) is kept. A choice of end caps and of what lies between planes turns it into
*slabs*: prisms of a polygon between two heights, which are the solid. Heights count in mm along the
normal of the stack's plane frame; polygons live in that frame's (u, v) mm.

::

      ______         <- FULL reading of the end: one plane spacing
      ______         <- half a spacing: the default cap
    --------  plane 3
      ______         <- midpoint
    --------  plane 2

Rules (PS3.3 C.8.8.6 leaves them open; these are planeval's): the nominal spacing h is the most
frequent plane distance; a plane owns the space to the midpoints of its neighbours; the end planes own
h/2 outward; a distance above 1.5 x max(h, its two neighbour distances) is a gap, whose sides own h/2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntFlag
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.errors import GeometryError
from planeval.geometry.interpolate import between_shapes, tapered_end

__all__ = [
    "ALWAYS",
    "AXIAL",
    "CapReading",
    "DrawnPlane",
    "Gap",
    "PlanarStack",
    "PlaneFrame",
    "Slab",
    "joined",
    "volume_cc",
]

Area = Any
"""A valid shapely Polygon or MultiPolygon in the (u, v) mm of its plane frame."""

PARALLEL_TOLERANCE = 1e-3
"""Largest difference of two plane frames' direction cosines that still counts as one frame: 0.06
degrees, or 0.3 mm over a 300 mm body."""

GAP_RATIO = 1.5
SPACING_RESOLUTION_MM = 0.01
"""Plane distances that round to the same hundredth of a millimetre are one distance."""


class CapReading(IntFlag):
    """The readings of the stack's ends to which a slab belongs.

    NONE: the solid stops at the end planes. CHOSEN: the method's own caps. FULL: a whole spacing
    beyond each end. NONE and FULL bound what the drawn planes leave open.
    """

    NONE = 1
    CHOSEN = 2
    FULL = 4


ALWAYS = CapReading.NONE | CapReading.CHOSEN | CapReading.FULL


@dataclass(frozen=True, slots=True, eq=False)
class PlaneFrame:
    """The directions of parallel planes: u along ``row``, v along ``column``, height along the normal.

    The frame has no origin of its own: (u, v, w) are the components of patient LPS mm.
    """

    row: tuple[float, float, float]
    column: tuple[float, float, float]
    _axes: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        row, column = np.asarray(self.row, float), np.asarray(self.column, float)
        square = [float(row @ row), float(column @ column), float(row @ column)]
        if not np.allclose(square, [1, 1, 0], atol=1e-6, rtol=0):
            raise GeometryError(
                f"plane directions {row.tolist()} and {column.tolist()} are not unit and orthogonal"
            )
        axes = np.stack([row, column, np.cross(row, column)])
        axes.setflags(write=False)
        object.__setattr__(self, "_axes", axes)

    def __reduce__(self) -> str | tuple[object, ...]:
        """Rebuild through the constructor; the axial frame stays the one that it is."""
        return "AXIAL" if self is AXIAL else (PlaneFrame, (self.row, self.column))

    @property
    def axes(self) -> NDArray[np.float64]:
        """Unit directions of u, v and height as the rows of a 3 x 3 array."""
        return self._axes

    def to_plane(self, points_xyz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Patient points (n, 3) to (u, v, height) mm."""
        return np.asarray(points_xyz @ self._axes.T)

    def to_patient(self, points_uvw: NDArray[np.float64]) -> NDArray[np.float64]:
        """(u, v, height) mm to patient points (n, 3)."""
        return np.asarray(points_uvw @ self._axes)

    def is_same(self, other: PlaneFrame) -> bool:
        """Whether both frames give the same (u, v, height) within the parallel tolerance."""
        return bool(np.allclose(self._axes, other._axes, atol=PARALLEL_TOLERANCE, rtol=0))


AXIAL = PlaneFrame((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
"""The frame of axial contours in LPS: u = x, v = y, height = z, for every patient position."""


@dataclass(frozen=True, slots=True, eq=False)
class DrawnPlane:
    """One drawn plane: its height and the area inside its contours."""

    offset_mm: float
    area: Area


@dataclass(frozen=True, slots=True, eq=False)
class Slab:
    """A prism of ``area`` between two heights, and the cap readings in which it is solid."""

    low_mm: float
    high_mm: float
    area: Area
    readings: CapReading = ALWAYS

    @property
    def volume_cc(self) -> float:
        """Area times thickness."""
        return float(self.area.area * (self.high_mm - self.low_mm) / 1000.0)


@dataclass(frozen=True, slots=True)
class Gap:
    """Missing planes between two heights, and the volume that filling them would add."""

    low_mm: float
    high_mm: float
    filling_cc: float


class PlanarStack:
    """A structure's planes, or the slabs of a derived structure, in one plane frame.

    A drawn stack has ``planes`` (rising, one per height) and a nominal ``spacing_mm``, which may be
    given (slice thickness of the source image) and is otherwise the most frequent plane distance; it
    is None for one plane whose thickness nobody states. A derived stack has slabs only.
    """

    __slots__ = ("_prisms", "_slabs", "frame", "planes", "spacing_mm")

    def __init__(
        self,
        frame: PlaneFrame,
        planes: Iterable[DrawnPlane] = (),
        *,
        spacing_mm: float | None = None,
        slabs: Iterable[Slab] = (),
    ) -> None:
        self.frame = frame
        self.planes = tuple(sorted(planes, key=lambda plane: plane.offset_mm))
        self._slabs = tuple(sorted(slabs, key=lambda slab: slab.low_mm))
        self._prisms: dict[str, tuple[Slab, ...]] = {}
        if self.planes and self._slabs:
            raise ValueError("a stack has drawn planes or derived slabs, not both")
        heights = np.array([plane.offset_mm for plane in self.planes])
        distances = np.diff(heights)
        if (distances <= 0).any():
            raise GeometryError(
                f"two drawn planes at the same height {heights[:-1][distances <= 0][0]:g} mm"
            )
        if spacing_mm is not None and not spacing_mm > 0:
            raise GeometryError(f"plane spacing is {spacing_mm} mm; it must be positive")
        self.spacing_mm = spacing_mm if spacing_mm is not None else _most_frequent(distances)

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild through the constructor; all areas are written in one go."""
        areas = {id(each.area): each.area for each in self.planes}
        areas |= {id(each.area): each.area for each in self._slabs}
        numbers = {key: number for number, key in enumerate(areas)}
        return _rebuild, (
            self.frame,
            self.spacing_mm,
            shapely.to_wkb(list(areas.values())),
            [(plane.offset_mm, numbers[id(plane.area)]) for plane in self.planes],
            [(s.low_mm, s.high_mm, numbers[id(s.area)], s.readings) for s in self._slabs],
        )

    def __repr__(self) -> str:
        if self.planes:
            low, high = self.planes[0].offset_mm, self.planes[-1].offset_mm
            return f"PlanarStack({len(self.planes)} planes, {low:g} to {high:g} mm)"
        return f"PlanarStack({len(self._slabs)} slabs, derived)"

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing solid."""
        return not self.planes and not self._slabs

    def slabs(
        self,
        caps: Literal["half", "none", "tapered"] = "half",
        between: Literal["prism", "interpolated"] = "prism",
    ) -> tuple[Slab, ...]:
        """Return the solid as slabs, each marked with the cap readings it belongs to.

        A derived stack keeps the slabs it was made of. Raises :class:`GeometryError` for a single
        plane of unknown thickness: it has no volume that anyone stated.
        """
        if not self.planes:
            return self._slabs
        if self.spacing_mm is None:
            raise GeometryError(
                "one drawn plane and no stated thickness (ContourSlabThickness, slice spacing): "
                "its volume is unknown"
            )
        if between != "prism":  # areas of their own would take more memory than the planes
            return self._made_slabs(self.spacing_mm, caps, between)
        if caps not in self._prisms:
            self._prisms[caps] = self._made_slabs(self.spacing_mm, caps, between)
        return self._prisms[caps]

    def _made_slabs(self, spacing_mm: float, caps: str, between: str) -> tuple[Slab, ...]:
        inner = _between_planes(self.planes, spacing_mm, between)
        return (*inner, *_end_caps(self.planes, spacing_mm, caps))

    def chosen_slabs(
        self,
        caps: Literal["half", "none", "tapered"] = "half",
        between: Literal["prism", "interpolated"] = "prism",
    ) -> tuple[Slab, ...]:
        """Return the slabs of the chosen cap reading: the solid whose volume is reported.

        Raises as :meth:`slabs` does.
        """
        return tuple(s for s in self.slabs(caps, between) if s.readings & CapReading.CHOSEN)

    def section(
        self,
        height_mm: float,
        *,
        caps: Literal["half", "none", "tapered"] = "half",
        between: Literal["prism", "interpolated"] = "prism",
    ) -> Area:
        """Return the area of the solid at a height, in the chosen cap reading.

        A slab owns its lower boundary; the upper one too where no slab follows. An empty polygon
        where nothing is solid.
        """
        chosen = self.chosen_slabs(caps, between)
        for slab in chosen:
            if slab.low_mm <= height_mm < slab.high_mm:
                return slab.area
        for slab in chosen:
            if height_mm == slab.high_mm:
                return slab.area
        return shapely.Polygon()

    def gaps(self) -> tuple[Gap, ...]:
        """Return the places where planes are missing, by the 1.5 rule."""
        if self.spacing_mm is None:
            return ()
        found = []
        for (lower, upper), is_gap in zip(
            pairwise(self.planes), _gap_flags(self._heights(), self.spacing_mm), strict=True
        ):
            if is_gap:
                missing = upper.offset_mm - lower.offset_mm - self.spacing_mm
                mean_area = (lower.area.area + upper.area.area) / 2
                found.append(Gap(lower.offset_mm, upper.offset_mm, mean_area * missing / 1000.0))
        return tuple(found)

    def _heights(self) -> NDArray[np.float64]:
        return np.array([plane.offset_mm for plane in self.planes])


def _rebuild(
    frame: PlaneFrame,
    spacing_mm: float | None,
    wkb: NDArray[np.object_],
    planes: Sequence[tuple[float, int]],
    slabs: Sequence[tuple[float, float, int, CapReading]],
) -> PlanarStack:
    """Rebuild an unpickled stack: what shared an area shares it again."""
    areas = shapely.from_wkb(wkb)
    return PlanarStack(
        frame,
        [DrawnPlane(height, areas[number]) for height, number in planes],
        spacing_mm=spacing_mm,
        slabs=[Slab(low, high, areas[number], readings) for low, high, number, readings in slabs],
    )


def _most_frequent(distances: NDArray[np.float64]) -> float | None:
    """Return the most frequent plane distance (the smaller of equals), None without any."""
    if not len(distances):
        return None
    rounded = np.round(distances / SPACING_RESOLUTION_MM).astype(int)
    steps, counts = np.unique(rounded, return_counts=True)
    return float(distances[rounded == steps[np.argmax(counts)]].mean())


def _gap_flags(heights: NDArray[np.float64], spacing_mm: float) -> NDArray[np.bool_]:
    """For each pair of neighbouring planes: is the distance a gap?"""
    distances = np.diff(heights)
    padded = np.concatenate([[0.0], distances, [0.0]])
    largest = np.maximum(np.maximum(padded[:-2], padded[2:]), spacing_mm)
    return np.asarray(distances > GAP_RATIO * largest)


def _between_planes(planes: Sequence[DrawnPlane], spacing_mm: float, between: str) -> list[Slab]:
    """Slabs from the first to the last plane: in every cap reading."""
    heights = np.array([plane.offset_mm for plane in planes])
    slabs = []
    for (lower, upper), is_gap in zip(
        pairwise(planes), _gap_flags(heights, spacing_mm), strict=True
    ):
        low, high = lower.offset_mm, upper.offset_mm
        if is_gap:
            slabs.append(Slab(low, low + spacing_mm / 2, lower.area))
            slabs.append(Slab(high - spacing_mm / 2, high, upper.area))
        elif between == "prism":
            middle = (low + high) / 2
            slabs.append(Slab(low, middle, lower.area))
            slabs.append(Slab(middle, high, upper.area))
        else:
            slabs.extend(
                Slab(a, b, area) for a, b, area in between_shapes(low, lower.area, high, upper.area)
            )
    return joined(slabs)


def joined(slabs: Sequence[Slab]) -> list[Slab]:
    """Join neighbouring slabs of the same polygon."""
    joined: list[Slab] = []
    for slab in slabs:
        last = joined[-1] if joined else None
        if last is not None and last.area is slab.area and last.high_mm == slab.low_mm:
            joined[-1] = Slab(last.low_mm, slab.high_mm, slab.area, last.readings)
        else:
            joined.append(slab)
    return joined


def _end_caps(planes: Sequence[DrawnPlane], spacing_mm: float, caps: str) -> list[Slab]:
    """Slabs beyond the first and the last plane, each in the readings it belongs to."""
    slabs = []
    for plane, outward in ((planes[0], -1.0), (planes[-1], 1.0)):
        z, area = plane.offset_mm, plane.area
        half, full = z + outward * spacing_mm / 2, z + outward * spacing_mm
        if caps == "half":
            slabs.append(_slab(z, half, area, CapReading.CHOSEN | CapReading.FULL))
            slabs.append(_slab(half, full, area, CapReading.FULL))
        else:
            slabs.append(_slab(z, full, area, CapReading.FULL))
        if caps == "tapered":
            slabs.extend(
                _slab(a, b, smaller, CapReading.CHOSEN)
                for a, b, smaller in tapered_end(z, half, area)
            )
    return slabs


def _slab(one_mm: float, other_mm: float, area: Area, readings: CapReading) -> Slab:
    return Slab(min(one_mm, other_mm), max(one_mm, other_mm), area, readings)


def volume_cc(
    stack: PlanarStack,
    reading: CapReading = CapReading.CHOSEN,
    *,
    caps: Literal["half", "none", "tapered"] = "half",
    between: Literal["prism", "interpolated"] = "prism",
) -> float:
    """Return the volume of a stack in one cap reading: the sum of its slabs, exactly."""
    slabs = [slab for slab in stack.slabs(caps, between) if slab.readings & reading]
    if not slabs:
        return 0.0
    areas = shapely.area([slab.area for slab in slabs])
    thickness = np.array([slab.high_mm - slab.low_mm for slab in slabs])
    return float(areas @ thickness / 1000.0)
