"""The ROIs of an RTSTRUCT as they are drawn: names, contours by kind, and what does not fit.

The three sequences of an RTSTRUCT refer to each other by ROINumber, which files repeat or leave
dangling; contours are handed out only where it is certain whose they are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from planeval.dicom.codes import finding
from planeval.dicom.contours import parse_contours
from planeval.dicom.elements import Item
from planeval.errors import DataError, MissingElement
from planeval.geometry.stack import PlanarStack, PlaneFrame
from planeval.model import Finding

__all__ = ["DrawnRoi", "list_rois", "read_contours"]

Points = NDArray[np.float64]

CLOSED = "CLOSED_PLANAR"
XOR = "CLOSEDPLANAR_XOR"
_XOR_MISSPELLED = "CLOSED_PLANAR_XOR"
_GREY = (128, 128, 128)


@dataclass(slots=True)
class DrawnRoi:
    """An ROI while it is being read.

    ``items`` are its contours as they are stored, ``notes`` what was found in them, and ``solid`` what
    became of them: a stack or the reason why they enclose none, and what was found while it was made.
    """

    name: str
    number: int | None
    name_in_file: str = ""
    type: str = ""
    frame_uid: str = ""
    colour: tuple[int, int, int] = _GREY
    contour_item: Item | None = None
    items: Sequence[Item] = ()
    kinds: list[str] = field(default_factory=list)
    contours: list[Points] = field(default_factory=list)
    points: list[Points] = field(default_factory=list)
    stated_spacing_mm: float | None = None
    slab_thickness_mm: float | None = None
    frame: PlaneFrame | None = None
    solid: tuple[PlanarStack | str, list[Finding]] | None = None
    reason: str = ""
    notes: list[Finding] = field(default_factory=list)

    @property
    def is_xor(self) -> bool:
        """Whether the ROI's contours combine by even-odd."""
        return XOR in self.kinds


def list_rois(root: Item, findings: list[Finding]) -> list[DrawnRoi]:
    """List all ROIs of a structure set, with their contours as they are stored.

    Raises :class:`MissingElement` where the file defines no ROIs.
    """
    rois = _named(root, findings)
    _attach_contours(root, rois, findings)
    return rois


def _named(root: Item, findings: list[Finding]) -> list[DrawnRoi]:
    """List the ROIs of StructureSetROISequence under unique names, with their types."""
    if not root.has("StructureSetROISequence"):
        raise MissingElement(
            f"{root.place}: StructureSetROISequence (3006,0020) is absent; "
            "the file defines no structures"
        )
    types = {
        item.integer("ReferencedROINumber"): item.text("RTROIInterpretedType")
        for item in root.items("RTROIObservationsSequence")
    }
    rois: list[DrawnRoi] = []
    used: set[str] = set()
    for item in root.items("StructureSetROISequence"):
        number = item.integer("ROINumber")
        in_file = item.text("ROIName")
        name = _unique(in_file or f"ROI {number}", used)
        used.add(name)
        if in_file and name != in_file:
            message = f"the name {in_file!r} is there before; this ROI is called {name!r}"
            findings.append(finding("roi-name-repeated", message, name))
        rois.append(
            DrawnRoi(
                name=name,
                number=number,
                name_in_file=in_file,
                type=types.get(number, ""),
                frame_uid=item.text("ReferencedFrameOfReferenceUID"),
            )
        )
    return rois


def _unique(name: str, used: set[str]) -> str:
    """Return the name, or "name [2]", "name [3]" ... if it is taken."""
    if name not in used:
        return name
    count = 2
    while f"{name} [{count}]" in used:
        count += 1
    return f"{name} [{count}]"


def _attach_contours(root: Item, rois: Sequence[DrawnRoi], findings: list[Finding]) -> None:
    """Give each ROI its item of ROIContourSequence; numbers that are not unique go by order."""
    items: dict[int | None, list[tuple[Item, Sequence[Item]]]] = defaultdict(list)
    for item in root.items("ROIContourSequence"):
        contours = item.items("ContourSequence")
        items[item.integer("ReferencedROINumber")].append((item, contours))
    owners: dict[int | None, list[DrawnRoi]] = defaultdict(list)
    for roi in rois:
        owners[roi.number].append(roi)
    for number, found in items.items():
        filled = [(item, contours) for item, contours in found if contours]
        own = owners.get(number, [])
        if not own:
            if filled:
                message = f"contours of ROI number {number}, which the file does not define"
                findings.append(finding("contours-without-roi", message, root.place))
        elif len(own) == 1 and len(filled) <= 1:
            own[0].contour_item, own[0].items = (filled or found)[0]
        elif len(own) == len(found) and len(own) > 1:
            names = ", ".join(repr(roi.name) for roi in own)
            message = f"ROIs {names} share number {number}; contours are matched in file order"
            findings.append(finding("roi-number-repeated", message, root.place))
            for roi, pair in zip(own, found, strict=True):
                roi.contour_item, roi.items = pair
        else:
            for roi in own:
                roi.reason = (
                    f"ROI number {number} stands for {len(own)} ROIs and {len(filled)} sets of "
                    "contours: which belong to this one is unknown"
                )


def read_contours(rois: Sequence[DrawnRoi]) -> None:
    """Read the contours of some ROIs: one bulk conversion for all of them."""
    owners: list[DrawnRoi] = []
    kinds: list[str] = []
    data: list[bytes] = []
    stated: list[int | None] = []
    for roi in rois:
        _read_display(roi)
        place = f"ROI {roi.name!r}"
        for contour in (item.at(place) for item in roi.items):
            owners.append(roi)
            kinds.append(_kind(contour))
            data.append(contour.raw("ContourData"))
            stated.append(contour.integer("NumberOfContourPoints"))
            if roi.slab_thickness_mm is None:
                roi.slab_thickness_mm = contour.number("ContourSlabThickness")
    miscounted: Counter[str] = Counter()
    for roi, kind, points, count in zip(owners, kinds, parse_contours(data), stated, strict=True):
        if isinstance(points, str):
            roi.reason = roi.reason or f"a contour {points}"
            continue
        if count is not None and count != len(points):
            miscounted[roi.name] += 1
        _sort_in(roi, kind, points)
    for roi in rois:
        if miscounted[roi.name]:
            message = (
                f"{miscounted[roi.name]} contours hold another number of points than "
                "NumberOfContourPoints says"
            )
            roi.notes.append(finding("contour-count-mismatch", message, roi.name))
        _judge_kinds(roi)


def _read_display(roi: DrawnRoi) -> None:
    """Take over the colour and the plane spacing stated beside the contours."""
    item = roi.contour_item
    if item is None:
        return
    roi.colour = _colour(item)
    planes = item.first("SourcePixelPlanesCharacteristicsSequence")
    spacing = planes.number("SpacingBetweenSlices") if planes else None
    if spacing:
        roi.stated_spacing_mm = abs(spacing)


def _colour(item: Item) -> tuple[int, int, int]:
    """Return ROIDisplayColor, grey where it is absent or not a colour."""
    try:
        red, green, blue = (min(max(int(c), 0), 255) for c in item.numbers("ROIDisplayColor"))
    except (DataError, ValueError):
        return _GREY
    return red, green, blue


def _kind(contour: Item) -> str:
    return contour.text("ContourGeometricType").upper()


def _sort_in(roi: DrawnRoi, kind: str, points: Points) -> None:
    """Add a contour to its ROI's closed contours or points."""
    roi.kinds.append(XOR if kind == _XOR_MISSPELLED else kind)
    if kind == _XOR_MISSPELLED:
        roi.kinds.append(kind)
    if kind == "POINT" or (kind == "" and len(points) == 1):
        roi.points.append(points)
    elif kind in (CLOSED, XOR, _XOR_MISSPELLED, ""):
        roi.contours.append(points)


def _judge_kinds(roi: DrawnRoi) -> None:
    """Say what follows from the geometric types of an ROI's contours, and drop short ones."""
    kinds = Counter(roi.kinds)
    if kinds[""] and roi.contours:
        message = "contours without ContourGeometricType are taken as closed"
        roi.notes.append(finding("contour-type-missing", message, roi.name))
    if kinds[_XOR_MISSPELLED]:
        message = f"ContourGeometricType {_XOR_MISSPELLED} is not a DICOM term; read as {XOR}"
        roi.notes.append(finding("contour-type-misspelled", message, roi.name))
    if kinds[XOR] and (kinds[CLOSED] or kinds[""]):
        message = "closed contours and XOR contours are mixed: all are combined by the XOR rule"
        roi.notes.append(finding("contour-types-mixed", message, roi.name))
    others = {
        kind: n for kind, n in kinds.items() if kind not in (CLOSED, XOR, "", _XOR_MISSPELLED)
    }
    if others and roi.contours:
        listed = ", ".join(f"{count} {kind}" for kind, count in others.items())
        message = f"{listed} contours beside closed ones are left out of the solid"
        roi.notes.append(finding("open-contours-ignored", message, roi.name))
    elif others and not roi.points and not roi.reason:
        roi.reason = f"its contours are {', '.join(others)}: only closed contours enclose a volume"
    kept = [points for points in roi.contours if len(points) >= 3]
    if len(kept) < len(roi.contours):
        message = f"{len(roi.contours) - len(kept)} contours of fewer than 3 points are left out"
        roi.notes.append(finding("contour-dropped", message, roi.name))
        if not kept and not roi.reason:
            roi.reason = "none of its contours has 3 points or more"
    roi.contours = kept
