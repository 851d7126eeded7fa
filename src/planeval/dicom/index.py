"""The index of a folder: which DICOM objects are there and what they refer to, from headers only.

Neither ContourData nor PixelData is read. Files that are not DICOM are counted and skipped.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from planeval.dicom.codes import finding
from planeval.dicom.elements import Item
from planeval.dicom.files import looks_like_dicom, open_header
from planeval.dicom.keywords import tag_of
from planeval.errors import DataError, UnreadableFile
from planeval.model import Finding

__all__ = ["Entry", "FolderIndex", "SliceGeometry", "scan_folder"]

_KINDS = {
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.481.2": "RTDOSE",
    "1.2.840.10008.5.1.4.1.1.481.3": "RTSTRUCT",
    "1.2.840.10008.5.1.4.1.1.481.5": "RTPLAN",
    "1.2.840.10008.5.1.4.1.1.481.8": "RTPLAN",
    "1.2.840.10008.5.1.4.1.1.66.1": "REG",
    "1.2.840.10008.5.1.4.1.1.66.3": "REG",
}

_KEYWORDS = [
    "ImageType",
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyDate",
    "Modality",
    "Manufacturer",
    "SeriesDescription",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "InstanceNumber",
    "FrameOfReferenceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "StructureSetLabel",
    "StructureSetDate",
    "ReferencedFrameOfReferenceSequence",
    "StructureSetROISequence",
    "DoseUnits",
    "DoseType",
    "DoseSummationType",
    "DoseComment",
    "ReferencedRTPlanSequence",
    "ReferencedStructureSetSequence",
    "ReferencedDoseSequence",
    "RTPlanLabel",
    "RTPlanName",
    "RTPlanDate",
    "ApprovalStatus",
]
_TAGS = [tag_of(keyword) for keyword in _KEYWORDS]

_STOP_AT = 0x50000000
_STOP_AT_IN_STRUCTURES = 0x30060021
"""Past StructureSetROISequence (3006,0020) an RTSTRUCT holds what the header scan never needs."""

_START_BYTES = 600


@dataclass(frozen=True, slots=True)
class SliceGeometry:
    """Place and size of one image slice, as its file says."""

    position_mm: tuple[float, float, float]
    orientation: tuple[float, ...]
    row_step_mm: float
    column_step_mm: float
    rows: int
    columns: int
    is_localizer: bool = False
    instance: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One DICOM object of a folder, from its header.

    ``file`` is the path relative to the scanned folder. ``references`` are (role, uid) pairs; the
    roles are ``plan``, ``structures``, ``dose``, ``series`` and ``frame``. ``groups`` and ``beams``
    are the fraction group and beam numbers that an RTDOSE says it belongs to.
    """

    kind: str
    path: Path
    file: str
    sop_uid: str
    series_uid: str = ""
    study_uid: str = ""
    frame_uid: str = ""
    patient_id: str = ""
    patient_name: str = ""
    label: str = ""
    date: str = ""
    manufacturer: str = ""
    references: tuple[tuple[str, str], ...] = ()
    summation: str = ""
    dose_type: str = ""
    groups: tuple[int, ...] = ()
    beams: tuple[int, ...] = ()
    is_ion: bool = False
    slice: SliceGeometry | None = None
    problem: str = ""

    def referenced(self, role: str) -> tuple[str, ...]:
        """Return the UIDs that the object refers to in a role."""
        return tuple(uid for name, uid in self.references if name == role)


@dataclass(frozen=True, slots=True)
class FolderIndex:
    """What is in the scanned folders. ``other_files`` counts what is not DICOM."""

    entries: tuple[Entry, ...]
    findings: tuple[Finding, ...] = ()
    other_files: int = 0

    def of_kind(self, kind: str) -> tuple[Entry, ...]:
        """Return the entries of one kind, in the order of their file names."""
        return tuple(entry for entry in self.entries if entry.kind == kind)


def scan_folder(*paths: Path | str) -> FolderIndex:
    """Index the DICOM objects of folders (with everything below them) and files.

    Raises :class:`UnreadableFile` where a path does not exist.
    """
    entries: list[Entry] = []
    findings: list[Finding] = []
    other = 0
    for path, name in _files(paths, findings):
        try:
            entry = _entry(path, name)
        except DataError as error:
            findings.append(finding("unreadable-file", str(error), name))
            continue
        if entry is None:
            other += 1
        else:
            entries.append(entry)
    kept, repeated = _without_copies(entries)
    return FolderIndex(tuple(kept), (*findings, *repeated), other)


def _files(paths: tuple[Path | str, ...], findings: list[Finding]) -> Iterator[tuple[Path, str]]:
    """Yield (path, name relative to its root) of every regular file, each once, sorted."""

    def not_listed(error: OSError) -> None:
        name = Path(str(error.filename)).name
        message = f"folder {name} cannot be listed ({error.strerror})"
        findings.append(finding("unreadable-file", message, name))

    seen: set[tuple[str, str]] = set()
    real_folder = cache(os.path.realpath)  # every step of a path is asked for where it leads
    for root in map(Path, paths):
        if root.is_file():
            found = [(root.name, root)]
        elif root.is_dir():
            found = [
                (f"{inside}{name}", parent / name)
                for folder, _folders, names in os.walk(root, onerror=not_listed)
                for parent in [Path(folder)]
                for inside in [_prefix(parent, root)]
                for name in names
            ]
        else:
            raise UnreadableFile(f"{root.name or root}: no such file or folder")
        for name, path in sorted(found):
            target = path.resolve() if path.is_symlink() else path
            real = real_folder(target.parent), target.name
            if real not in seen and path.is_file():
                seen.add(real)
                yield path, name


def _prefix(folder: Path, root: Path) -> str:
    """What the names of a folder's files begin with, relative to the root."""
    inside = folder.relative_to(root).as_posix()
    return "" if inside == "." else f"{inside}/"


def _entry(path: Path, name: str) -> Entry | None:
    """Read one header, None for a file that is not DICOM or is a DICOMDIR."""
    try:
        with path.open("rb") as file:
            start = file.read(_START_BYTES)
    except OSError as error:
        raise UnreadableFile(f"{name}: cannot be opened ({error.strerror})") from error
    if not looks_like_dicom(start):
        return None
    is_structure_set = b"1.2.840.10008.5.1.4.1.1.481.3" in start
    header = open_header(
        path, name, _TAGS, _STOP_AT_IN_STRUCTURES if is_structure_set else _STOP_AT
    )
    sop_class = header.text("SOPClassUID")
    if not sop_class.startswith("1.2.840.10008."):
        if start[128:132] == b"DICM" and b"1.2.840.10008.1.3.10" not in start:
            raise UnreadableFile(f"{name}: DICOM file without SOPClassUID (0008,0016)")
        return None
    return _described(Entry(_KINDS.get(sop_class, "OTHER"), path, name, ""), header, sop_class)


def _described(entry: Entry, header: Item, sop_class: str) -> Entry:
    """Fill an entry from its header, the parts of its kind included."""
    common = replace(
        entry,
        sop_uid=header.text("SOPInstanceUID"),
        series_uid=header.text("SeriesInstanceUID"),
        study_uid=header.text("StudyInstanceUID"),
        frame_uid=header.text("FrameOfReferenceUID"),
        patient_id=header.text("PatientID"),
        patient_name=header.text("PatientName"),
        manufacturer=header.text("Manufacturer"),
        label=header.text("SeriesDescription"),
        date=header.text("StudyDate"),
    )
    if entry.kind == "CT":
        return _slice(common, header)
    if entry.kind == "RTSTRUCT":
        return _structure_set(common, header)
    if entry.kind == "RTPLAN":
        return _plan(common, header, is_ion=sop_class.endswith(".481.8"))
    if entry.kind == "RTDOSE":
        return _dose(common, header)
    return common


def _slice(entry: Entry, header: Item) -> Entry:
    try:
        spacing = header.required_vector("PixelSpacing", 2)
        position = header.point("ImagePositionPatient")
        if position is None:
            raise header.missing("ImagePositionPatient")
        geometry = SliceGeometry(
            position_mm=position,
            orientation=header.required_vector("ImageOrientationPatient", 6),
            row_step_mm=spacing[0],
            column_step_mm=spacing[1],
            rows=header.required_integer("Rows"),
            columns=header.required_integer("Columns"),
            is_localizer="LOCALIZER" in header.texts("ImageType"),
            instance=header.integer("InstanceNumber"),
        )
    except DataError as error:
        return replace(entry, problem=str(error))
    return replace(entry, slice=geometry)


def _structure_set(entry: Entry, header: Item) -> Entry:
    frames: list[str] = []
    series: list[str] = []
    for frame in header.items("ReferencedFrameOfReferenceSequence"):
        frames.append(frame.text("FrameOfReferenceUID"))
        for study in frame.items("RTReferencedStudySequence"):
            series.extend(
                item.text("SeriesInstanceUID") for item in study.items("RTReferencedSeriesSequence")
            )
    rois = Counter(
        item.text("ReferencedFrameOfReferenceUID")
        for item in header.items("StructureSetROISequence")
    )
    by_use = [uid for uid, _count in rois.most_common() if uid]
    found = [uid for uid in dict.fromkeys((*by_use, *frames, entry.frame_uid)) if uid]
    return replace(
        entry,
        label=header.text("StructureSetLabel") or entry.label,
        date=header.text("StructureSetDate") or entry.date,
        frame_uid=found[0] if found else "",
        references=(
            *(("series", uid) for uid in dict.fromkeys(series) if uid),
            *(("frame", uid) for uid in found),
        ),
    )


def _plan(entry: Entry, header: Item, *, is_ion: bool) -> Entry:
    return replace(
        entry,
        label=header.text("RTPlanLabel") or header.text("RTPlanName") or entry.label,
        date=header.text("RTPlanDate") or entry.date,
        is_ion=is_ion,
        references=(
            *_references(header, "ReferencedStructureSetSequence", "structures"),
            *_references(header, "ReferencedDoseSequence", "dose"),
        ),
    )


def _dose(entry: Entry, header: Item) -> Entry:
    groups: list[int] = []
    beams: list[int] = []
    for plan in header.items("ReferencedRTPlanSequence"):
        for group in plan.items("ReferencedFractionGroupSequence"):
            number = group.integer("ReferencedFractionGroupNumber")
            if number is not None:
                groups.append(number)
            for beam in group.items("ReferencedBeamSequence"):
                number = beam.integer("ReferencedBeamNumber")
                if number is not None:
                    beams.append(number)
    return replace(
        entry,
        label=entry.label or header.text("DoseComment"),
        summation=header.text("DoseSummationType"),
        dose_type=header.text("DoseType"),
        groups=tuple(groups),
        beams=tuple(beams),
        references=(
            *_references(header, "ReferencedRTPlanSequence", "plan"),
            *_references(header, "ReferencedStructureSetSequence", "structures"),
        ),
    )


def _references(header: Item, keyword: str, role: str) -> list[tuple[str, str]]:
    uids = (item.text("ReferencedSOPInstanceUID") for item in header.items(keyword))
    return [(role, uid) for uid in uids if uid]


def _without_copies(entries: list[Entry]) -> tuple[list[Entry], list[Finding]]:
    """Drop byte-for-byte copies; keep different files of one UID and say so."""
    kept: dict[str, list[Entry]] = {}
    order: list[Entry] = []
    findings: list[Finding] = []
    for entry in entries:
        others = kept.setdefault(entry.sop_uid, [])
        if others and entry.sop_uid:
            copy = next((other for other in others if _same_bytes(other.path, entry.path)), None)
            if copy is not None:
                message = f"a copy of {copy.file}; used once"
                findings.append(finding("duplicate-file", message, entry.file))
                continue
            message = f"carries the SOPInstanceUID of {others[0].file} but other content"
            findings.append(finding("duplicate-uid", message, entry.file))
        others.append(entry)
        order.append(entry)
    return order, findings


def _same_bytes(one: Path, other: Path) -> bool:
    try:
        return one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()
    except OSError:
        return False
