"""REG: rigid Spatial Registration objects (PS3.3 C.20.2).

An item of RegistrationSequence maps its own frame of reference into that of the object
(C.20.2.1.1): x_registered = M1 M2 ... x_source, the matrices in the order of MatrixSequence.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from planeval.dicom.elements import Item
from planeval.dicom.files import DicomFile, open_file
from planeval.dicom.index import scan_folder
from planeval.errors import DataError, GeometryError, UnsupportedData
from planeval.model import Registration

__all__ = ["read_registrations"]

SPATIAL = "1.2.840.10008.5.1.4.1.1.66.1"
DEFORMABLE = "1.2.840.10008.5.1.4.1.1.66.3"


def read_registrations(
    *paths: Path | str,
) -> tuple[tuple[Registration, ...], tuple[str, ...]]:
    """Read the registrations of files and of folders (with everything below them).

    Returns the rigid ones, and why each other one cannot be applied. A file that is named itself
    must be a rigid registration: it raises :class:`~planeval.errors.DataError` otherwise.
    """
    found: list[Registration] = []
    refused: list[str] = []
    for path in map(Path, paths):
        if path.is_file():
            found += _read(open_file(path, path.name))
            continue
        for entry in scan_folder(path).of_kind("REG"):
            try:
                found += _read(open_file(entry.path, entry.file))
            except DataError as error:
                refused.append(str(error))
    return tuple(found), tuple(refused)


def _read(file: DicomFile) -> list[Registration]:
    """Read one object; items of the object's own frame map nothing and are left out."""
    root = file.root
    sop_class = root.text("SOPClassUID")
    if sop_class == DEFORMABLE:
        raise UnsupportedData(
            f"{file.name}: a deformable registration; only rigid ones are applied"
        )
    if sop_class != SPATIAL:
        raise UnsupportedData(f"{file.name}: no Spatial Registration (REG) object")
    target = root.text("FrameOfReferenceUID")
    if not target:
        raise root.missing("FrameOfReferenceUID")
    items = root.items("RegistrationSequence")
    if not items:
        raise root.missing("RegistrationSequence")
    found = []
    for number, item in enumerate(items, 1):
        placed = item.at(f"{file.name}, registration {number}")
        source = placed.text("FrameOfReferenceUID")
        if not source:
            raise placed.missing("FrameOfReferenceUID")
        if source != target:
            found.append(_registration(file, placed, source, target))
    if not found:
        raise UnsupportedData(f"{file.name}: it maps no other frame of reference into its own")
    return found


def _registration(file: DicomFile, item: Item, source: str, target: str) -> Registration:
    root = file.root
    try:
        return Registration(
            source_frame=source,
            target_frame=target,
            matrix=_matrix(item),
            uid=root.text("SOPInstanceUID"),
            file=Path(file.name).name,
            date=root.text("ContentDate") or root.text("StudyDate"),
            comment=_comment(root, item),
            digest=file.digest(),
            patient_id=root.text("PatientID"),
        )
    except GeometryError as error:
        raise item.invalid("FrameOfReferenceTransformationMatrix", str(error)) from error


def _matrix(item: Item) -> NDArray[np.float64]:
    """Return M1 M2 ...: the last matrix acts on the source first."""
    product = np.eye(4)
    count = 0
    for part in item.items("MatrixRegistrationSequence"):
        for each in part.items("MatrixSequence"):
            kind = each.text("FrameOfReferenceTransformationMatrixType")
            if kind != "RIGID":
                raise UnsupportedData(
                    f"{item.place}: the transformation is {kind or 'of no stated type'}; only RIGID "
                    "registrations are applied"
                )
            values = each.required_vector("FrameOfReferenceTransformationMatrix", 16)
            product = product @ np.array(values).reshape(4, 4)
            count += 1
    if not count:
        raise item.missing("MatrixRegistrationSequence")
    return product


def _comment(root: Item, item: Item) -> str:
    """Return what the object says of itself."""
    parts = item.items("MatrixRegistrationSequence")
    words = [part.text("FrameOfReferenceTransformationComment") for part in parts]
    words += [root.text("ContentLabel"), root.text("ContentDescription")]
    return "; ".join(dict.fromkeys(word for word in words if word))
