"""A structure: a delineated thing, drawn in the file or derived from others."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import shapely

from planeval.errors import GeometryError
from planeval.geometry.stack import CapReading, PlanarStack, Slab, volume_cc
from planeval.model.method import Method

__all__ = ["PointOfInterest", "Structure", "UnusableStructure"]

Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """A named solid.

    ``name`` is unique in its case (a repeated "PTV" becomes "PTV [2]"), ``name_in_file`` is what the
    file says. ``number`` is the ROINumber, None where derived or added. ``origin`` is ``drawn``,
    ``derived`` (then ``expression`` says of what) or ``added``. ``method`` is the choice of end caps
    under which its volume counts.
    """

    name: str
    stack: PlanarStack
    number: int | None = None
    name_in_file: str = ""
    type: str = ""
    colour: tuple[int, int, int] = (128, 128, 128)
    origin: str = "added"
    expression: str = ""
    frame_uid: str = ""
    method: Method = field(default_factory=Method)

    @property
    def volume_cc(self) -> float:
        """Volume of the solid, from geometry: it does not depend on any dose grid."""
        return volume_cc(self.stack, caps=self.method.caps, between=self.method.between)

    @property
    def volume_band_cc(self) -> tuple[float, float]:
        """Volume with no end caps, and with one full plane spacing at each end."""
        low, high = (
            volume_cc(self.stack, reading, caps=self.method.caps, between=self.method.between)
            for reading in (CapReading.NONE, CapReading.FULL)
        )
        return min(low, high), max(low, high)

    @property
    def slabs(self) -> tuple[Slab, ...]:
        """The solid as the method takes it, in the chosen reading of its end caps.

        Raises :class:`~planeval.errors.GeometryError` for one plane of unknown thickness.
        """
        return self.stack.chosen_slabs(self.method.caps, self.method.between)

    @property
    def centroid_mm(self) -> Point:
        """The centre of volume in patient mm.

        Raises :class:`~planeval.errors.GeometryError` for an empty structure.
        """
        slabs = self.slabs
        volumes = np.array([slab.volume_cc for slab in slabs])
        if not volumes.sum() > 0:
            raise GeometryError(f"structure {self.name!r} is empty: it has no centre")
        centres = shapely.get_coordinates(shapely.centroid([slab.area for slab in slabs]))
        heights = [(slab.low_mm + slab.high_mm) / 2 for slab in slabs]
        middle = volumes @ np.column_stack([centres, heights]) / volumes.sum()
        x, y, z = self.stack.frame.to_patient(middle[None])[0]
        return (float(x), float(y), float(z))

    @property
    def bounds_mm(self) -> tuple[Point, Point]:
        """Lowest and highest patient (x, y, z) of the solid.

        Raises :class:`~planeval.errors.GeometryError` for an empty structure.
        """
        slabs = self.slabs
        if not slabs:
            raise GeometryError(f"structure {self.name!r} is empty: it has no bounds")
        flat, of = shapely.get_coordinates([slab.area for slab in slabs], return_index=True)
        ends = ([slab.low_mm for slab in slabs], [slab.high_mm for slab in slabs])
        corners = [np.column_stack([flat, np.array(heights)[of]]) for heights in ends]
        points = self.stack.frame.to_patient(np.concatenate(corners))
        low, high = points.min(axis=0), points.max(axis=0)
        return (
            (float(low[0]), float(low[1]), float(low[2])),
            (float(high[0]), float(high[1]), float(high[2])),
        )

    def __repr__(self) -> str:
        return f"Structure({self.name!r}, {self.origin}, {self.volume_cc:.2f} cc)"


@dataclass(frozen=True, slots=True)
class UnusableStructure:
    """An ROI of the file that has no solid, and why: no contours, open contours, another frame.

    ``is_empty`` says that nothing at all was drawn in it, such as a left-over of a template.
    """

    name: str
    number: int | None
    type: str
    reason: str
    is_empty: bool = False


@dataclass(frozen=True, slots=True)
class PointOfInterest:
    """A point of the case in patient LPS mm: a POINT ROI, an isocentre, a dose reference point."""

    name: str
    kind: str
    position_mm: Point
