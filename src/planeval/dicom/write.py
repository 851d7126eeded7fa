"""Writing an RTSTRUCT that a treatment planning system can import (PS3.3 A.19.3).

The file belongs to the patient, study and frame of reference of a case and is a new series and a new
instance; nothing that exists is ever overwritten. It is written in Implicit VR Little Endian: with
explicit value representations a contour of more than 64 kB would not fit the length field of its DS
element (PS3.5 7.1.2).
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Protocol

from pydicom import config
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ImplicitVRLittleEndian

from planeval import __version__
from planeval.dicom.codes import finding
from planeval.dicom.contouring import Contouring, contour
from planeval.dicom.files import open_file, quiet_pydicom
from planeval.dicom.roi_names import interpreted_type, is_tg263_form, legal_text, short_form
from planeval.dicom.structure_items import (
    STRUCTURE_SET,
    RoiToWrite,
    referenced_frame,
    roi_contours,
    roi_definition,
    roi_observation,
)
from planeval.errors import DataError, GeometryError, MissingElement, ReportError
from planeval.model import CaseData, Finding, Image, Structure

__all__ = ["WrittenSet", "WrittenStructure", "write_structures"]

VOLUME_SHARE = 0.01
VOLUME_CC = 0.02
"""From which difference on between the solid and its contours the reader of the answer must know."""

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


class _HasData(Protocol):
    """Anything with the data of a case: a :class:`~planeval.case.Case`."""

    @property
    def data(self) -> CaseData: ...


@dataclass(frozen=True, slots=True)
class WrittenStructure:
    """One ROI as written: the volume of the solid, and of what its contours stand for."""

    name: str
    number: int
    solid_cc: float
    drawn_cc: float
    contours: int


@dataclass(frozen=True, slots=True)
class WrittenSet:
    """What was written, and what the user must know about it."""

    path: Path
    uid: str
    series_uid: str
    structures: tuple[WrittenStructure, ...]
    findings: tuple[Finding, ...]


@quiet_pydicom()
def write_structures(
    path: str | Path,
    structures: Sequence[Structure],
    *,
    like: CaseData | _HasData,
    with_originals: bool = False,
    xor: bool = False,
    short_names: bool = False,
    label: str = "planeval",
    description: str = "",
    seed: str | None = None,
    when: datetime | None = None,
) -> WrittenSet:
    """Write structures as an RTSTRUCT of the case they are ``like``.

    Contours lie on the slices of the case's image and go on beyond its ends at the same distance;
    drawn structures keep their own planes. Holes hang on by keyholes in CLOSED_PLANAR contours;
    ``xor`` writes CLOSEDPLANAR_XOR contours instead (PS3.3 C.8.8.6.3). ``with_originals`` also
    writes every structure of the case, under its own ROI number. New numbers begin above all
    numbers of the case. ``short_names`` makes names of 16 characters in TG-263 form. UIDs and the
    date are new at every call; with a ``seed`` the UIDs follow from it and the content, with
    ``when`` the date is that one.

    Raises:
        ReportError: the file exists, or cannot be written.
        ValueError: no structures, or two of one name.
        GeometryError: a structure has nothing to draw, or lies in another frame of reference.
        MissingElement: the case does not state its study or its frame of reference.
    """
    path = Path(path)
    data = like if isinstance(like, CaseData) else like.data
    if path.exists():
        raise ReportError(f"{path.name} exists and is not overwritten; choose another name")
    findings: list[Finding] = []
    frame_uid = _frame_uid(data)
    chosen = [*(data.structures.values() if with_originals else ()), *structures]
    if not structures:
        raise ValueError("no structures to write")
    if with_originals and data.unusable:
        listed = ", ".join(data.unusable)
        message = f"ROIs without a solid are not copied: {listed}"
        findings.append(finding("write-roi-left-out", message))
    rois = _numbered(chosen, data, short_names, findings)
    drawn = list(data.structures.values())
    grid = data.image.grid if data.image else None
    filled = []
    for roi in rois:
        _check_frame(roi.structure, frame_uid)
        contouring = contour(roi.structure, grid, drawn, xor=xor)
        _report(roi, contouring, data.image, findings)
        filled.append((roi, contouring))
    dataset = _dataset(data, filled, frame_uid, findings, xor=xor)
    dataset.StructureSetLabel = legal_text(label, 16) or "planeval"
    dataset.StructureSetDescription = legal_text(_provenance(data, description), 1024)
    _stamp(dataset, when or datetime.now())
    _identify(dataset, seed)
    _save(dataset, path)
    return WrittenSet(
        path,
        str(dataset.SOPInstanceUID),
        str(dataset.SeriesInstanceUID),
        tuple(_written(roi, contouring) for roi, contouring in filled),
        tuple(findings),
    )


def _written(roi: RoiToWrite, contouring: Contouring) -> WrittenStructure:
    contours = sum(len(plane.contours) for plane in contouring.planes)
    return WrittenStructure(
        roi.name, roi.number, roi.structure.volume_cc, contouring.drawn_cc, contours
    )


def _frame_uid(data: CaseData) -> str:
    """Return the case's frame of reference: without it no system knows where the contours are."""
    found = data.frame_uid or (data.image.grid.frame_uid if data.image else "")
    if not found:
        raise MissingElement(
            "the case does not state its frame of reference (neither structures nor image do); "
            "a planning system could not place the contours; load the case with its CT"
        )
    if not data.identity.study_uid:
        raise MissingElement(
            "the case does not state its StudyInstanceUID (0020,000D); the written structures "
            "would belong to no study"
        )
    return found


def _check_frame(structure: Structure, frame_uid: str) -> None:
    if structure.frame_uid and structure.frame_uid != frame_uid:
        raise GeometryError(
            f"structure {structure.name!r} lies in frame of reference {structure.frame_uid}, the "
            f"case in {frame_uid}: they need a registration before they can go into one file"
        )


def _numbered(
    structures: Sequence[Structure], data: CaseData, short_names: bool, findings: list[Finding]
) -> list[RoiToWrite]:
    """Give each structure its number and its name."""
    names = [structure.name for structure in structures]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"two structures are named {repeated[0]!r}; give one another name")
    originals = {id(structure) for structure in data.structures.values()}
    known = [s.number for s in data.structures.values()]
    known += [s.number for s in data.unusable.values()]
    highest = max((number for number in known if number is not None), default=0)
    used: set[int] = set()
    rois: list[RoiToWrite] = []
    for structure in structures:
        number = structure.number if id(structure) in originals else None
        if number is None or number in used or number < 0:
            highest += 1
            number = highest
            if id(structure) in originals:
                message = f"its number {structure.number} is not its own; it becomes {number}"
                findings.append(finding("write-number-changed", message, structure.name))
        used.add(number)
        taken = [roi.name for roi in rois]
        name = _name(structure.name, taken, short_names, findings)
        rois.append(
            RoiToWrite(
                structure,
                number,
                name,
                interpreted_type(structure.name, structure.type),
                is_original=id(structure) in originals,
            )
        )
    return rois


def _name(name: str, taken: Sequence[str], short_names: bool, findings: list[Finding]) -> str:
    """Return the name to write, with a finding where it had to change or is not of TG-263 form."""
    legal = legal_text(name, 64)
    if (short_names and not is_tg263_form(legal)) or legal in taken or not legal:
        legal = short_form(name, taken)
    if legal != name:
        findings.append(finding("write-name-changed", f"is written as {legal!r}", name))
    elif not is_tg263_form(legal):
        message = "not of TG-263 form (a letter, then at most 15 of A-Z a-z 0-9 _ - + ^ ! ~)"
        findings.append(finding("write-name-not-tg263", message, name))
    return legal


def _report(
    roi: RoiToWrite, contouring: Contouring, image: Image | None, findings: list[Finding]
) -> None:
    """Say where the contours are not what a user would expect of the solid."""
    planes = contouring.planes
    beyond = [plane.height_mm for plane in planes if plane.slice is None]
    if image is not None and contouring.on_own_planes:
        message = "its planes are not parallel to the image's; it is written on its own planes"
        findings.append(finding("write-planes-not-of-image", message, roi.name))
    elif image is not None and beyond:
        message = (
            f"{len(beyond)} of {len(planes)} contour planes have no CT slice "
            f"({min(beyond):.1f} to {max(beyond):.1f} mm); they carry no ContourImageSequence"
        )
        findings.append(finding("write-plane-without-slice", message, roi.name))
    if contouring.on_own_planes and len(planes) == 1:
        message = (
            "drawn on one plane; without an image the file cannot say how thick it is (contour "
            "slab thickness is retired from DICOM)"
        )
        findings.append(finding("write-thickness-unstated", message, roi.name))
    solid = roi.structure.volume_cc
    if abs(contouring.drawn_cc - solid) > max(VOLUME_CC, VOLUME_SHARE * solid):
        message = (
            f"the contours stand for {contouring.drawn_cc:.2f} cc, the solid has {solid:.2f} cc: "
            "it ends or changes between the planes"
        )
        findings.append(finding("write-volume-differs", message, roi.name))
    if contouring.dropped_mm2:
        message = f"parts under 0.01 mm2 are left out, {contouring.dropped_mm2:.2g} mm2 together"
        findings.append(finding("write-part-left-out", message, roi.name))


def _provenance(data: CaseData, description: str) -> str:
    """Return where the structures come from, for the structure set's description."""
    source = next((source for source in data.sources if source.kind == "RTSTRUCT"), None)
    made = f"Made by planeval {__version__}; not approved, to be reviewed before clinical use."
    if source is None:
        return f"{made} {description}"
    return f"{made} {description} From structure set {source.label!r} (UID {source.uid})."


def _dataset(
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


def _stamp(dataset: Dataset, when: datetime) -> None:
    date, time = when.strftime("%Y%m%d"), when.strftime("%H%M%S")
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = date, time
    dataset.SeriesDate, dataset.SeriesTime = date, time
    dataset.StructureSetDate, dataset.StructureSetTime = date, time


def _identify(dataset: Dataset, seed: str | None) -> None:
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


def _save(dataset: Dataset, path: Path) -> None:
    """Write the file, unless there is one of that name by now."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = STRUCTURE_SET
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ImplicitVRLittleEndian
    buffer = BytesIO()
    # patient and study are copied as they are, legal or not; what is new has been made legal
    mode, config.settings.writing_validation_mode = (
        config.settings.writing_validation_mode,
        config.IGNORE,
    )
    try:
        file = FileDataset(str(path), dataset, file_meta=meta, preamble=b"\0" * 128)
        dcmwrite(buffer, file, enforce_file_format=True)
    finally:
        config.settings.writing_validation_mode = mode
    try:
        with path.open("xb") as stream:
            stream.write(buffer.getvalue())
    except FileExistsError:
        raise ReportError(f"{path.name} exists and is not overwritten") from None
    except OSError as error:
        raise ReportError(f"{path.name} cannot be written: {error.strerror}") from None
