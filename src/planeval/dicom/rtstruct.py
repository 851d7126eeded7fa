"""RTSTRUCT: contours to planar stacks (PS3.3 C.8.8.5, C.8.8.6, C.8.8.8).

Every ROI becomes one of three things: a structure, points, or an unusable structure with a reason.
What had to be decided on the way is a finding.
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
from planeval.dicom.files import DicomFile
from planeval.dicom.frames import FLAT_MM, find_frame
from planeval.dicom.solids import Solid, make_solids
from planeval.errors import MissingElement
from planeval.geometry.grid import Grid
from planeval.geometry.stack import AXIAL, PlaneFrame
from planeval.model import (
    Finding,
    Method,
    PointOfInterest,
    Structure,
    StructureSet,
    UnusableStructure,
)

__all__ = ["read_structure_set", "referenced_images"]

Points = NDArray[np.float64]

CLOSED = "CLOSED_PLANAR"
XOR = "CLOSEDPLANAR_XOR"
_XOR_MISSPELLED = "CLOSED_PLANAR_XOR"
_GREY = (128, 128, 128)


@dataclass(slots=True)
class _Roi:
    """An ROI while it is being read."""

    name: str
    number: int | None
    name_in_file: str = ""
    type: str = ""
    frame_uid: str = ""
    colour: tuple[int, int, int] = _GREY
    contour_item: Item | None = None
    kinds: list[str] = field(default_factory=list)
    contours: list[Points] = field(default_factory=list)
    points: list[Points] = field(default_factory=list)
    stated_spacing_mm: float | None = None
    slab_thickness_mm: float | None = None
    frame: PlaneFrame | None = None
    reason: str = ""

    @property
    def is_xor(self) -> bool:
        """Whether the ROI's contours combine by even-odd."""
        return XOR in self.kinds


def read_structure_set(
    file: DicomFile,
    *,
    frame_uid: str = "",
    image: Grid | None = None,
    method: Method | None = None,
) -> StructureSet:
    """Read an RTSTRUCT.

    ``frame_uid`` is the frame of reference of the case: ROIs of another frame are unusable. Empty:
    the frame that most ROIs name. ``image`` gives the thickness of structures drawn on one plane.
    """
    root = file.root
    findings: list[Finding] = []
    rois = _rois(root, findings)
    frames = Counter(roi.frame_uid for roi in rois if roi.frame_uid)
    frame_uid = frame_uid or (frames.most_common(1)[0][0] if frames else _file_frame(root))
    _attach_contours(root, rois, findings)
    _read_points(rois, findings)
    for roi in rois:
        if roi.frame_uid and roi.frame_uid != frame_uid and not roi.reason:
            roi.reason = (
                f"it is drawn in frame of reference {roi.frame_uid}, the case is in {frame_uid}; "
                "a registration (REG) would be needed"
            )
    if rois and not frames:
        message = "no ROI states its frame of reference; the frame of the dose is assumed"
        findings.append(finding("frame-unknown", message, file.name))
    drawn = [roi for roi in rois if not roi.reason and roi.contours]
    _find_frames(drawn)
    structures = _structures(
        [roi for roi in drawn if roi.frame], image, method or Method(), findings
    )
    unusable = [_unusable(roi, findings) for roi in rois if roi.name not in structures]
    return StructureSet(
        uid=root.text("SOPInstanceUID"),
        label=root.text("StructureSetLabel"),
        date=root.text("StructureSetDate"),
        frame_uid=frame_uid,
        image_series_uids=_image_series(root),
        structures=tuple(structures[roi.name] for roi in rois if roi.name in structures),
        unusable=tuple(unusable),
        points=tuple(_points_of_interest(rois, frame_uid)),
        findings=tuple(findings),
    )


def referenced_images(file: DicomFile) -> frozenset[str]:
    """Return the SOP instance UIDs of the images that a structure set was drawn on."""
    return frozenset(
        image.text("ReferencedSOPInstanceUID")
        for frame in file.root.items("ReferencedFrameOfReferenceSequence")
        for study in frame.items("RTReferencedStudySequence")
        for series in study.items("RTReferencedSeriesSequence")
        for image in series.items("ContourImageSequence")
    )


def _image_series(root: Item) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            series.text("SeriesInstanceUID")
            for frame in root.items("ReferencedFrameOfReferenceSequence")
            for study in frame.items("RTReferencedStudySequence")
            for series in study.items("RTReferencedSeriesSequence")
        )
    )


def _file_frame(root: Item) -> str:
    first = root.first("ReferencedFrameOfReferenceSequence")
    return (first.text("FrameOfReferenceUID") if first else "") or root.text("FrameOfReferenceUID")


def _rois(root: Item, findings: list[Finding]) -> list[_Roi]:
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
    rois: list[_Roi] = []
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
            _Roi(
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


def _attach_contours(root: Item, rois: Sequence[_Roi], findings: list[Finding]) -> None:
    """Give each ROI its item of ROIContourSequence; numbers that are not unique go by order."""
    items: dict[int | None, list[Item]] = defaultdict(list)
    for item in root.items("ROIContourSequence"):
        items[item.integer("ReferencedROINumber")].append(item)
    owners: dict[int | None, list[_Roi]] = defaultdict(list)
    for roi in rois:
        owners[roi.number].append(roi)
    for number, found in items.items():
        filled = [item for item in found if item.items("ContourSequence")]
        own = owners.get(number, [])
        if not own:
            if filled:
                message = f"contours of ROI number {number}, which the file does not define"
                findings.append(finding("contours-without-roi", message, root.place))
        elif len(own) == 1 and len(filled) <= 1:
            own[0].contour_item = (filled or found)[0]
        elif len(own) == len(found) and len(own) > 1:
            names = ", ".join(repr(roi.name) for roi in own)
            message = f"ROIs {names} share number {number}; contours are matched in file order"
            findings.append(finding("roi-number-repeated", message, root.place))
            for roi, item in zip(own, found, strict=True):
                roi.contour_item = item
        else:
            for roi in own:
                roi.reason = (
                    f"ROI number {number} stands for {len(own)} ROIs and {len(filled)} sets of "
                    "contours: which belong to this one is unknown"
                )


def _read_points(rois: Sequence[_Roi], findings: list[Finding]) -> None:
    """Read the contours of all ROIs: one bulk conversion for the whole file."""
    owners: list[_Roi] = []
    kinds: list[str] = []
    data: list[bytes] = []
    stated: list[int | None] = []
    for roi in rois:
        if roi.contour_item is None:
            continue
        _read_display(roi)
        for contour in roi.contour_item.at(f"ROI {roi.name!r}").items("ContourSequence"):
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
    for name, count in miscounted.items():
        message = f"{count} contours hold another number of points than NumberOfContourPoints says"
        findings.append(finding("contour-count-mismatch", message, name))
    for roi in rois:
        _judge_kinds(roi, findings)


def _read_display(roi: _Roi) -> None:
    """Take over the colour and the plane spacing stated beside the contours."""
    item = roi.contour_item
    if item is None:
        return
    colour = item.numbers("ROIDisplayColor")
    if len(colour) == 3:
        red, green, blue = (min(max(int(c), 0), 255) for c in colour)
        roi.colour = (red, green, blue)
    planes = item.first("SourcePixelPlanesCharacteristicsSequence")
    spacing = planes.number("SpacingBetweenSlices") if planes else None
    if spacing:
        roi.stated_spacing_mm = abs(spacing)


def _kind(contour: Item) -> str:
    return contour.text("ContourGeometricType").upper()


def _sort_in(roi: _Roi, kind: str, points: Points) -> None:
    """Add a contour to its ROI's closed contours or points."""
    roi.kinds.append(XOR if kind == _XOR_MISSPELLED else kind)
    if kind == _XOR_MISSPELLED:
        roi.kinds.append(kind)
    if kind == "POINT" or (kind == "" and len(points) == 1):
        roi.points.append(points)
    elif kind in (CLOSED, XOR, _XOR_MISSPELLED, ""):
        roi.contours.append(points)


def _judge_kinds(roi: _Roi, findings: list[Finding]) -> None:
    """Say what follows from the geometric types of an ROI's contours, and drop short ones."""
    kinds = Counter(roi.kinds)
    if kinds[""] and roi.contours:
        message = "contours without ContourGeometricType are taken as closed"
        findings.append(finding("contour-type-missing", message, roi.name))
    if kinds[_XOR_MISSPELLED]:
        message = f"ContourGeometricType {_XOR_MISSPELLED} is not a DICOM term; read as {XOR}"
        findings.append(finding("contour-type-misspelled", message, roi.name))
    if kinds[XOR] and (kinds[CLOSED] or kinds[""]):
        message = "closed contours and XOR contours are mixed: all are combined by the XOR rule"
        findings.append(finding("contour-types-mixed", message, roi.name))
    others = {
        kind: n for kind, n in kinds.items() if kind not in (CLOSED, XOR, "", _XOR_MISSPELLED)
    }
    if others and roi.contours:
        listed = ", ".join(f"{count} {kind}" for kind, count in others.items())
        message = f"{listed} contours beside closed ones are left out of the solid"
        findings.append(finding("open-contours-ignored", message, roi.name))
    elif others and not roi.points and not roi.reason:
        roi.reason = f"its contours are {', '.join(others)}: only closed contours enclose a volume"
    kept = [points for points in roi.contours if len(points) >= 3]
    if len(kept) < len(roi.contours):
        message = f"{len(roi.contours) - len(kept)} contours of fewer than 3 points are left out"
        findings.append(finding("contour-dropped", message, roi.name))
        if not kept and not roi.reason:
            roi.reason = "none of its contours has 3 points or more"
    roi.contours = kept


def _find_frames(rois: Sequence[_Roi]) -> None:
    """Give each ROI its plane frame; larger ROIs decide the frames that smaller ones may share."""
    others = []
    for roi in rois:
        if _is_axial(roi.contours):
            roi.frame = AXIAL
        else:
            others.append(roi)
    others.sort(key=lambda roi: -max(float(np.ptp(p, axis=0).max()) for p in roi.contours))
    known: list[PlaneFrame] = []
    for roi in others:
        found = find_frame(roi.contours, known)
        if isinstance(found, str):
            roi.reason = found
            continue
        roi.frame = found
        if found not in known:
            known.append(found)


def _is_axial(contours: Sequence[Points]) -> bool:
    """Whether every contour keeps one z within the flatness tolerance."""
    heights = np.concatenate([points[:, 2] for points in contours])
    starts = np.concatenate([[0], np.cumsum([len(points) for points in contours])[:-1]])
    spread = np.maximum.reduceat(heights, starts) - np.minimum.reduceat(heights, starts)
    return bool((spread <= 2 * FLAT_MM).all())


def _structures(
    rois: Sequence[_Roi], image: Grid | None, method: Method, findings: list[Finding]
) -> dict[str, Structure]:
    """Turn ROIs with contours and a frame into structures; failures get their reason."""
    solids = [
        Solid(
            name=roi.name,
            frame=roi.frame or AXIAL,
            contours=roi.contours,
            is_xor=roi.is_xor,
            stated_spacing_mm=roi.stated_spacing_mm,
            slab_thickness_mm=roi.slab_thickness_mm,
        )
        for roi in rois
    ]
    found: dict[str, Structure] = {}
    for roi, made in zip(rois, make_solids(solids, image, findings), strict=True):
        if isinstance(made, str):
            roi.reason = made
            continue
        found[roi.name] = Structure(
            name=roi.name,
            stack=made,
            number=roi.number,
            name_in_file=roi.name_in_file,
            type=roi.type,
            colour=roi.colour,
            origin="drawn",
            frame_uid=roi.frame_uid,
            method=method,
        )
    return found


def _unusable(roi: _Roi, findings: list[Finding]) -> UnusableStructure:
    """Say why an ROI is not a structure; worth a finding only if something was drawn."""
    if roi.reason:
        findings.append(finding("roi-unusable", roi.reason, roi.name))
        reason = roi.reason
    elif roi.points:
        reason = "it is a point: points have no volume"
    else:
        reason = "it has no contours"
    return UnusableStructure(roi.name, roi.number, roi.type, reason)


def _points_of_interest(rois: Sequence[_Roi], frame_uid: str) -> list[PointOfInterest]:
    """List the POINT contours of ROIs in the case's frame."""
    found = []
    for roi in rois:
        if roi.frame_uid and roi.frame_uid != frame_uid:
            continue
        positions = [point for points in roi.points for point in points]
        for index, (x, y, z) in enumerate(positions):
            name = roi.name if len(positions) == 1 else f"{roi.name} ({index + 1})"
            found.append(PointOfInterest(name, "ROI", (float(x), float(y), float(z))))
    return found
