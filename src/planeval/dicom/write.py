"""Writing an RTSTRUCT that a treatment planning system can import (PS3.3 A.19.3).

The file belongs to the patient, study and frame of reference of a case and is a new series and a new
instance; nothing that exists is ever overwritten. It is written in Implicit VR Little Endian: with
explicit value representations a contour of more than 64 kB would not fit the length field of its DS
element (PS3.5 7.1.2).
"""

from __future__ import annotations

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
from planeval.dicom.pydicom_datasets import quiet_pydicom
from planeval.dicom.roi_names import interpreted_type, is_tg263_form, legal_text, short_form
from planeval.dicom.structure_items import STRUCTURE_SET, RoiToWrite
from planeval.dicom.structure_set import identify, new_dataset, stamp
from planeval.errors import GeometryError, MissingElement, ReportError
from planeval.model import CaseData, Finding, Image, Structure

__all__ = ["WrittenSet", "WrittenStructure", "write_structures"]

VOLUME_SHARE = 0.01
VOLUME_CC = 0.02
"""From which difference on between the solid and its contours the reader of the answer must know."""


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
    dataset = new_dataset(data, filled, frame_uid, findings, xor=xor)
    dataset.StructureSetLabel = legal_text(label, 16) or "planeval"
    dataset.StructureSetDescription = legal_text(_provenance(data, description), 1024)
    stamp(dataset, when or datetime.now())
    identify(dataset, seed)
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
