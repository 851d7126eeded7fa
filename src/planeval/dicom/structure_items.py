"""The sequence items of an RTSTRUCT to be written (PS3.3 C.8.8.5, C.8.8.6, C.8.8.8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from planeval import __version__
from planeval.dicom.contouring import ContourPlane
from planeval.dicom.roi_names import legal_text
from planeval.model import Image, Structure

__all__ = [
    "STRUCTURE_SET",
    "RoiToWrite",
    "referenced_frame",
    "roi_contours",
    "roi_definition",
    "roi_observation",
]

STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
_STUDY = "1.2.840.10008.3.1.2.3.1"
"""Detached Study Management: retired, and what every system puts here (PS3.3 C.8.8.5.4)."""

_CONTOUR_DATA = Tag(0x3006, 0x0050)


@dataclass(frozen=True, slots=True, eq=False)
class RoiToWrite:
    """A structure with the number, name and type that the file gives it."""

    structure: Structure
    number: int
    name: str
    type: str
    is_original: bool = False


def referenced_frame(frame_uid: str, study_uid: str, image: Image | None) -> Dataset:
    """Return the item of ReferencedFrameOfReferenceSequence with every slice of the image."""
    item = Dataset()
    item.FrameOfReferenceUID = frame_uid
    if image is None:
        return item
    series = Dataset()
    series.SeriesInstanceUID = image.series_uid
    series.ContourImageSequence = [_reference(_CT_IMAGE, uid) for uid in image.sop_uids]
    study = _reference(_STUDY, study_uid)
    study.RTReferencedSeriesSequence = [series]
    item.RTReferencedStudySequence = [study]
    return item


def roi_definition(roi: RoiToWrite, frame_uid: str) -> Dataset:
    """Return the item of StructureSetROISequence."""
    item = Dataset()
    item.ROINumber = roi.number
    item.ReferencedFrameOfReferenceUID = frame_uid
    item.ROIName = roi.name
    item.ROIDescription = legal_text(_description(roi), 1024)
    # the case does not know how its own structures were drawn: the element may be empty (Type 2)
    item.ROIGenerationAlgorithm = "" if roi.is_original else "AUTOMATIC"
    if not roi.is_original:
        item.ROIGenerationDescription = f"planeval {__version__}"
    return item


def _description(roi: RoiToWrite) -> str:
    if roi.is_original:
        return "copied from the structure set named in StructureSetDescription"
    made = roi.structure.expression or roi.structure.name
    return f"{made} (planeval {__version__})"


def roi_contours(
    roi: RoiToWrite, planes: Sequence[ContourPlane], image: Image | None, *, xor: bool
) -> Dataset:
    """Return the item of ROIContourSequence."""
    item = Dataset()
    item.ROIDisplayColor = [min(max(int(part), 0), 255) for part in roi.structure.colour]
    kind = "CLOSEDPLANAR_XOR" if xor else "CLOSED_PLANAR"
    contours: list[Dataset] = []
    for plane in planes:
        for points in plane.contours:
            contour = Dataset()
            if plane.slice is not None and image is not None:
                uid = image.sop_uids[plane.slice]
                contour.ContourImageSequence = [_reference(_CT_IMAGE, uid)]
            contour.ContourGeometricType = kind
            contour.NumberOfContourPoints = len(points)
            contour.ContourNumber = len(contours) + 1
            contour[_CONTOUR_DATA] = _contour_data(points)
            contours.append(contour)
    item.ContourSequence = contours
    item.ReferencedROINumber = roi.number
    return item


def _contour_data(points: NDArray[np.float64]) -> RawDataElement:
    """Return coordinates as decimal strings with 4 decimals, ready to be written.

    As text and not through pydicom's decimal objects, of which a clinical set needs a million.
    """
    text = "\\".join(_decimal(value) for value in points.ravel().tolist()).encode()
    text += b" " * (len(text) % 2)
    return RawDataElement(_CONTOUR_DATA, None, len(text), text, 0, True, True)


def _decimal(value: float) -> str:
    """Return a coordinate in at most 16 characters (PS3.5 6.2, DS)."""
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def roi_observation(index: int, roi: RoiToWrite) -> Dataset:
    """Return the item of RTROIObservationsSequence."""
    item = Dataset()
    item.ObservationNumber, item.ReferencedROINumber = index, roi.number
    item.RTROIInterpretedType, item.ROIInterpreter = roi.type, ""
    return item


def _reference(sop_class: str, uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
    return item
