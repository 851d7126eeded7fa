"""RTSTRUCT: contours to planar stacks (PS3.3 C.8.8.5, C.8.8.6, C.8.8.8).

Every ROI becomes one of three things: a structure, points, or an unusable structure with a reason.
What had to be decided on the way is a finding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from planeval.dicom.codes import finding
from planeval.dicom.elements import Item, TextProblems
from planeval.dicom.files import DicomFile
from planeval.dicom.frames import FLAT_MM, find_frame, height_ranges
from planeval.dicom.rois import DrawnRoi, list_rois, read_contours
from planeval.dicom.solids import Solid, make_solids
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
from planeval.side_by_side import begun, cores

__all__ = ["StructuresBegun", "read_structure_set", "referenced_images", "structures_begun"]

Points = NDArray[np.float64]

WORTH_A_PROCESS = 2_000_000
"""Bytes of contours from which on a process of its own for a share of them saves time."""

SHARES = 16
"""Shares of about equal size that the contours are handed out in, where that is worth it."""


class StructuresBegun(NamedTuple):
    """A structure set whose contours are being read.

    ``names`` are the number and the unique name of every ROI, of which ``finish`` returns what it is.
    """

    names: Sequence[tuple[int | None, str]]
    finish: Callable[[], StructureSet]


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
    with structures_begun(file, frame_uid=frame_uid, image=image, method=method) as reading:
        return reading.finish()


@contextmanager
def structures_begun(
    file: DicomFile, *, frame_uid: str, image: Grid | None, method: Method | None
) -> Iterator[StructuresBegun]:
    """Begin :func:`read_structure_set` beside what follows."""
    root = file.root
    findings: list[Finding] = []
    rois = list_rois(root, findings)
    frames = Counter(roi.frame_uid for roi in rois if roi.frame_uid)
    frame_uid = frame_uid or (frames.most_common(1)[0][0] if frames else _file_frame(root))
    shares = _shares(rois)
    drawn = partial(_drawn, problems=root.problems, frame_uid=frame_uid, image=image)
    with begun(drawn, shares, workers=min(cores(), len(shares)) - 1) as results:

        def finish() -> StructureSet:
            read: list[DrawnRoi] = []
            for some, problems in results():
                read += some
                root.problems.add(problems)
            _make_oblique(read, image)
            return _structure_set(file, read, frame_uid, method or Method(), findings)

        yield StructuresBegun([(roi.number, roi.name) for roi in rois], finish)


def _structure_set(
    file: DicomFile,
    rois: Sequence[DrawnRoi],
    frame_uid: str,
    method: Method,
    findings: list[Finding],
) -> StructureSet:
    """Put a structure set together from its ROIs."""
    root = file.root
    findings.extend(note for roi in rois for note in roi.notes)
    unstated = [roi.name for roi in rois if not roi.frame_uid]
    if unstated:
        message = (
            f"{len(unstated)} of {len(rois)} ROIs do not state their frame of reference; "
            "the frame of the case is assumed"
        )
        findings.append(finding("frame-unknown", message, file.name))
    structures = _structures(rois, method, findings)
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


def _shares(rois: Sequence[DrawnRoi]) -> list[Sequence[DrawnRoi]]:
    """Cut the ROIs, in their order, into shares that take about as long; few contours stay whole."""
    sizes = [
        len(roi.items) * len(roi.items[0].raw("ContourData")) if roi.items else 0 for roi in rois
    ]
    behind = np.cumsum([0, *sizes])
    if cores() == 1 or behind[-1] < WORTH_A_PROCESS:
        return [rois]
    cuts = np.searchsorted(behind, behind[-1] * np.arange(1, SHARES) / SHARES).tolist()
    shares = [rois[start:stop] for start, stop in pairwise([0, *cuts, len(rois)])]
    return [share for share in shares if share]


def _drawn(
    rois: Sequence[DrawnRoi], problems: TextProblems, frame_uid: str, image: Grid | None
) -> tuple[list[DrawnRoi], TextProblems]:
    """Read the contours of some ROIs, and make the solids of those that are axial."""
    read_contours(rois)
    for roi in rois:
        roi.contour_item, roi.items = None, ()
        if roi.frame_uid and roi.frame_uid != frame_uid and not roi.reason:
            roi.reason = (
                f"it is drawn in frame of reference {roi.frame_uid}, the case is in {frame_uid}; "
                "a registration (REG) would be needed"
            )
        if roi.contours and not roi.reason and _is_axial(roi.contours):
            roi.frame = AXIAL
    _make_solids([roi for roi in rois if roi.frame], image)
    return list(rois), problems


def _make_oblique(rois: Sequence[DrawnRoi], image: Grid | None) -> None:
    """Make the solids of ROIs that are not axial; they may share their frames."""
    oblique = [roi for roi in rois if roi.contours and not roi.reason]
    _find_frames(oblique)
    _make_solids([roi for roi in oblique if roi.frame], image)


def _make_solids(rois: Sequence[DrawnRoi], image: Grid | None) -> None:
    """Make the solids of ROIs that have a frame; their contours are then of no more use."""
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
    for roi, solid in zip(rois, make_solids(solids, image), strict=True):
        roi.solid, roi.contours = solid, []


def _find_frames(rois: Sequence[DrawnRoi]) -> None:
    """Give each ROI that is not axial its plane frame; smaller ones may share those of larger ones."""
    largest_first = sorted(
        rois, key=lambda roi: -max(float(np.ptp(p, axis=0).max()) for p in roi.contours)
    )
    known: list[PlaneFrame] = []
    for roi in largest_first:
        found = find_frame(roi.contours, known)
        if isinstance(found, str):
            roi.reason = found
            continue
        roi.frame = found
        if found not in known:
            known.append(found)


def _is_axial(contours: Sequence[Points]) -> bool:
    """Whether every contour keeps one z within the flatness tolerance."""
    low, high = height_ranges(contours)
    return bool((high - low <= 2 * FLAT_MM).all())


def _structures(
    rois: Sequence[DrawnRoi], method: Method, findings: list[Finding]
) -> dict[str, Structure]:
    """Turn ROIs with a solid into structures; failures get their reason."""
    found: dict[str, Structure] = {}
    for roi in rois:
        if roi.solid is None:
            continue
        made, notes = roi.solid
        findings.extend(notes)
        if isinstance(made, str):
            roi.reason = made
            continue
        if len(made.planes) == 1 and method.caps == "none":
            message = (
                "drawn on one plane, which without end caps (caps 'none') has no volume, so that no "
                "metric of it is defined; caps 'half' and 'tapered' give it its thickness"
            )
            findings.append(finding("single-plane-no-volume", message, roi.name))
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


def _unusable(roi: DrawnRoi, findings: list[Finding]) -> UnusableStructure:
    """Say why an ROI is not a structure; worth a finding only if something was drawn."""
    if roi.reason:
        findings.append(finding("roi-unusable", roi.reason, roi.name))
        reason = roi.reason
    elif roi.points:
        reason = "it is a point: points have no volume"
    else:
        reason = "it has no contours"
    return UnusableStructure(
        roi.name, roi.number, roi.type, reason, is_empty=not roi.reason and not roi.points
    )


def _points_of_interest(rois: Sequence[DrawnRoi], frame_uid: str) -> list[PointOfInterest]:
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
