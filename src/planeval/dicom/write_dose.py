"""RTDOSE written by planeval: a dose on one grid, with everything it was made from referenced.

PS3.3 A.18 (RT Dose IOD) and C.8.8.3. The file holds nothing of the clock or the machine: UIDs follow
from the content, so that the same dose gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from planeval.errors import ReportError
from planeval.geometry.grid import Grid
from planeval.model import CaseData

__all__ = ["write_dose_file"]

RT_DOSE = UID("1.2.840.10008.5.1.4.1.1.481.2")
RT_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
RT_PLAN, RT_ION_PLAN = "1.2.840.10008.5.1.4.1.1.481.5", "1.2.840.10008.5.1.4.1.1.481.8"

LARGEST = 2**32 - 1


def write_dose_file(
    path: Path,
    *,
    grid: Grid,
    gy: NDArray[np.floating],
    case: CaseData,
    comment: str,
    dose_type: str,
) -> Path:
    """Write Gy on a grid as RTDOSE, 32 bits a voxel: right to 2.4e-10 of the largest dose.

    Raises:
        ValueError: the array does not fit the grid or holds values that are negative or unknown.
        ReportError: the file cannot be written.
    """
    if gy.shape != grid.shape or not np.isfinite(gy).all() or gy.min() < 0:
        raise ValueError(
            "the dose to write must fit its grid, be known everywhere and not negative"
        )
    scaling = float(_decimal(max(float(gy.max()), 1e-6) / LARGEST * (1 + 1e-9)))
    stored = np.round(gy / scaling).astype("<u4")
    digest = hashlib.sha256(stored.tobytes() + repr((grid, comment, case.identity)).encode())
    ds = Dataset()
    _identify(ds, case, digest.hexdigest())
    _place(ds, grid, case)
    ds.DoseUnits, ds.DoseType = "GY", dose_type
    ds.DoseSummationType = "MULTI_PLAN" if len(case.plans) > 1 else "PLAN"
    ds.DoseComment, ds.DoseGridScaling = comment, _decimal(scaling)
    ds.ReferencedRTPlanSequence = [
        _reference(RT_ION_PLAN if plan.is_ion else RT_PLAN, plan.uid) for plan in case.plans
    ]
    sets = [source.uid for source in case.sources if source.kind == "RTSTRUCT"]
    ds.ReferencedStructureSetSequence = [_reference(RT_STRUCTURE_SET, uid) for uid in sets]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = grid.rows, grid.columns
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 32, 32, 31, 0
    ds.PixelData = stored.tobytes()
    ds["PixelData"].VR = "OW"
    return _save(ds, path)


def _identify(ds: Dataset, case: CaseData, digest: str) -> None:
    """Fill patient, study, series and equipment."""
    who = case.identity
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = RT_DOSE, _uid("instance", digest)
    ds.Modality, ds.Manufacturer, ds.OperatorsName = "RTDOSE", "planeval", ""
    ds.PatientID, ds.PatientName = who.patient_id, who.patient_name
    ds.PatientBirthDate, ds.PatientSex = who.birth_date, who.sex
    ds.StudyInstanceUID = who.study_uid or _uid("study", digest)
    ds.StudyDate, ds.StudyTime, ds.StudyID = who.study_date, "", ""
    ds.AccessionNumber, ds.ReferringPhysicianName = "", ""
    ds.SeriesInstanceUID, ds.SeriesNumber = _uid("series", digest), None
    ds.SeriesDescription = "planeval dose"
    ds.InstanceNumber = None


def _place(ds: Dataset, grid: Grid, case: CaseData) -> None:
    """Fill the frame of reference and the grid; offsets start with 0 (C.8.8.3.2, form a)."""
    ds.FrameOfReferenceUID = case.frame_uid
    ds.PositionReferenceIndicator = ""
    ds.ImagePositionPatient = [_decimal(c) for c in grid.origin_mm]
    ds.ImageOrientationPatient = [_decimal(c) for c in (*grid.row, *grid.column)]
    ds.PixelSpacing = [_decimal(grid.row_step_mm), _decimal(grid.column_step_mm)]
    ds.SliceThickness = None
    ds.NumberOfFrames = len(grid.offsets_mm)
    ds.FrameIncrementPointer = 0x3004000C
    ds.GridFrameOffsetVector = [_decimal(offset) for offset in grid.offsets_mm]


def _save(ds: Dataset, path: Path) -> Path:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = RT_DOSE, ds.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _uid("implementation", "planeval")
    buffer = io.BytesIO()
    file = FileDataset(buffer, ds, file_meta=meta, preamble=b"\0" * 128)
    dcmwrite(buffer, file, enforce_file_format=True)
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(buffer.getvalue())
        part.replace(path)
    except OSError as error:
        raise ReportError(f"the dose {path.name!r} cannot be written: {error.strerror}") from error
    return path


def _uid(what: str, digest: str) -> str:
    """Return a UID that follows from the content (PS3.5 B.2: 2.25 and a UUID as a number)."""
    number = hashlib.sha256(f"{what}/{digest}".encode()).hexdigest()[:32]
    return f"2.25.{int(number, 16)}"


def _reference(sop_class: str, uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
    return item


def _decimal(value: float) -> str:
    """Return a decimal string of at most 16 characters with as many digits as fit."""
    for digits in range(15, 0, -1):
        text = f"{float(value) + 0.0:.{digits}g}"
        if len(text) <= 16:
            return text
    raise ValueError(f"{value} does not fit a decimal string")
