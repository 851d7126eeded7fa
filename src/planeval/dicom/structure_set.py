"""The data set of a written structure set: whose it is, what it refers to, its dates and UIDs."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Sequence
from datetime import datetime
from io import BytesIO

from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite

from planeval import __version__
from planeval.dicom.codes import finding
from planeval.dicom.contouring import Contouring
from planeval.dicom.files import open_file
from planeval.dicom.structure_items import (
    STRUCTURE_SET,
    RoiToWrite,
    referenced_frame,
    roi_contours,
    roi_definition,
    roi_observation,
)
from planeval.errors import DataError
from planeval.model import CaseData, Finding

__all__ = ["identify", "new_dataset", "stamp"]

SERIES_NUMBER = 900
"""Any number will do (Type 2); some systems sort by it, and this is not before the images."""

_STUDY_KEYWORDS = ("StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber")
"""Type 2 elements of the study that a slice of the same study knows (PS3.3 C.7.2.1)."""

_SHORT, _DATE = r"[^\\\x00-\x1f]{0,16}", r"([0-9]{8})?"
_LEGAL = {
    "PatientBirthDate": _DATE,
    "PatientSex": "[MFO]?",
    "StudyDate": _DATE,
    "StudyTime": r"([0-9]{2}([0-9]{2}([0-9]{2}(\.[0-9]{1,6})?)?)?)?",
    "ReferringPhysicianName": r"[^\\\x00-\x1f]{0,194}",
    "StudyID": _SHORT,
    "AccessionNumber": _SHORT,
}
"""What each value representation allows (PS3.5 6.2); de-identified files hold other things."""


def new_dataset(
    data: CaseData,
    rois: Sequence[tuple[RoiToWrite, Contouring]],
    frame_uid: str,
    findings: list[Finding],
    *,
    xor: bool,
) -> Dataset:
    """Return the data set without dates, texts and UIDs of its own."""
    study = _study(data)
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = STRUCTURE_SET
    dataset.Modality = "RTSTRUCT"
    identity = data.identity
    dataset.PatientName, dataset.PatientID = identity.patient_name, identity.patient_id
    dataset.StudyInstanceUID = identity.study_uid
    known = {
        "PatientBirthDate": identity.birth_date,
        "PatientSex": identity.sex,
        "StudyDate": identity.study_date,
        **{keyword: study.get(keyword, "") for keyword in _STUDY_KEYWORDS},
    }
    for keyword, text in known.items():
        is_legal = re.fullmatch(_LEGAL[keyword], text) is not None
        setattr(dataset, keyword, text if is_legal else "")
        if not is_legal:
            message = f"{keyword} of the case ({text[:40]!r}) is not legal DICOM; it is left empty"
            findings.append(finding("write-value-left-out", message))
    dataset.SeriesNumber, dataset.InstanceNumber = SERIES_NUMBER, 1
    dataset.SeriesDescription = f"planeval {__version__} structures"
    dataset.OperatorsName = ""
    dataset.Manufacturer, dataset.ManufacturerModelName = "planeval", "planeval"
    dataset.SoftwareVersions = __version__
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = frame_uid, ""
    dataset.ApprovalStatus = "UNAPPROVED"
    dataset.ReferencedFrameOfReferenceSequence = [
        referenced_frame(frame_uid, study.get("StudyInstanceUID", identity.study_uid), data.image)
    ]
    dataset.StructureSetROISequence = [roi_definition(roi, frame_uid) for roi, _contours in rois]
    dataset.ROIContourSequence = [
        roi_contours(roi, contouring.planes, data.image, xor=xor) for roi, contouring in rois
    ]
    dataset.RTROIObservationsSequence = [
        roi_observation(index + 1, roi) for index, (roi, _contours) in enumerate(rois)
    ]
    return dataset


def _study(data: CaseData) -> dict[str, str]:
    """Return what a slice of the image says about the study, nothing where it cannot be read.

    All of it is Type 2: an empty value is allowed where it is unknown.
    """
    if data.image is None or not data.image.paths:
        return {}
    try:
        root = open_file(data.image.paths[0], data.image.paths[0].name).root
    except DataError:
        return {}
    found = {"StudyInstanceUID": root.text("StudyInstanceUID")}
    if found["StudyInstanceUID"] == data.identity.study_uid:
        found |= {keyword: root.text(keyword) for keyword in _STUDY_KEYWORDS}
    return {keyword: text for keyword, text in found.items() if text}


def stamp(dataset: Dataset, when: datetime) -> None:
    """Write when the file was made."""
    date, time = when.strftime("%Y%m%d"), when.strftime("%H%M%S")
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = date, time
    dataset.SeriesDate, dataset.SeriesTime = date, time
    dataset.StructureSetDate, dataset.StructureSetTime = date, time


def identify(dataset: Dataset, seed: str | None) -> None:
    """Give instance and series their UIDs (PS3.5 B.2): random, or those of seed and content."""
    digest = "" if seed is None else f"{seed}/{hashlib.sha256(_encoded(dataset)).hexdigest()}"
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        if seed is None:
            number = uuid.uuid4().int
        else:
            text = f"{digest}/{keyword}".encode()
            number = uuid.UUID(bytes=hashlib.sha256(text).digest()[:16], version=5).int
        setattr(dataset, keyword, f"2.25.{number}")


def _encoded(dataset: Dataset) -> bytes:
    """Return the data set's bytes without file meta information."""
    buffer = BytesIO()
    dcmwrite(buffer, dataset, implicit_vr=True, little_endian=True)
    return buffer.getvalue()
