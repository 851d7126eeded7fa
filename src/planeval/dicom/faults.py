"""Faults put into copies of a plan's files, to see whether they are noticed.

Each fault is one mistake that happens to exported plans: a grid turned over, a plane lost, a dose in
the wrong unit, an object of another patient. The files given must be copies: they are overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from planeval.dicom.pydicom_datasets import PYDICOM_FAILURES, quiet_pydicom

__all__ = ["FAULTS", "CopiedPlan", "Fault", "put"]

SHIFT_MM = 30.0
FEWEST_PLANES = 5
"""A structure of fewer planes loses none: its middle would be most of it."""

RENAMED = "Structure_17"


@dataclass(frozen=True, slots=True)
class CopiedPlan:
    """The copied files of one plan. ``organ`` is the number of the ROI that faults pick."""

    structures: Path
    doses: tuple[Path, ...]
    plans: tuple[Path, ...] = ()
    images: tuple[Path, ...] = ()
    organ: int | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake: its code, what is done, and the function that does it.

    ``make`` returns why it cannot be made in these files, empty where it was.
    """

    code: str
    text: str
    make: Callable[[CopiedPlan], str]


def put(fault: Fault, plan: CopiedPlan) -> str:
    """Put a fault into copied files; return why it could not be, empty where it was."""
    try:
        return fault.make(plan)
    except PYDICOM_FAILURES as error:
        return f"the files cannot be rewritten: {str(error)[:200] or type(error).__name__}"


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Give a file's dataset, and write it back."""
    from pydicom import config, dcmread  # noqa: PLC0415 - see pydicom_datasets

    with quiet_pydicom():
        mode = config.settings.writing_validation_mode
        config.settings.writing_validation_mode = config.IGNORE
        try:
            dataset = dcmread(path, force=True)
            yield dataset
            dataset.save_as(path)
        finally:
            config.settings.writing_validation_mode = mode


def _each_dose(change: Callable[[Any], None]) -> Callable[[CopiedPlan], str]:
    def make(plan: CopiedPlan) -> str:
        for path in plan.doses:
            with _opened(path) as dose:
                change(dose)
        return ""

    return make


def _turn(dose: Any) -> None:
    """Turn the grid by half a turn about its normal; it keeps the place that it fills."""
    row, column = np.reshape([float(v) for v in dose.ImageOrientationPatient], (2, 3))
    down, right = (float(v) for v in dose.PixelSpacing)
    corner = np.array([float(v) for v in dose.ImagePositionPatient])
    corner = corner + row * right * (dose.Columns - 1) + column * down * (dose.Rows - 1)
    dose.ImageOrientationPatient = [f"{v:.8g}" for v in (*-row, *-column)]
    dose.ImagePositionPatient = [f"{v:.8g}" for v in corner]


def _shift(dose: Any) -> None:
    x, y, z = (float(v) for v in dose.ImagePositionPatient)
    dose.ImagePositionPatient = [f"{v:.8g}" for v in (x + SHIFT_MM, y, z)]


def _scaled(factor: float) -> Callable[[Any], None]:
    def change(dose: Any) -> None:
        dose.DoseGridScaling = f"{float(dose.DoseGridScaling) * factor:.10g}"

    return change


def _other_plan(dose: Any) -> None:
    for item in dose.ReferencedRTPlanSequence:
        item.ReferencedSOPInstanceUID += ".1"


def _dose_of_other_plan(plan: CopiedPlan) -> str:
    if not plan.plans:
        return "there is no RTPLAN"
    return _each_dose(_other_plan)(plan)


def _dose_of_other_patient(dose: Any) -> None:
    dose.PatientID = f"{dose.get('PatientID', '')}X"


def _lost_plane(plan: CopiedPlan) -> str:
    """Take the middle plane from every structure that has several."""
    lost = 0
    with _opened(plan.structures) as structures:
        for roi in structures.ROIContourSequence:
            contours = list(roi.get("ContourSequence", None) or ())
            heights = [_height(contour) for contour in contours]
            planes = sorted(set(heights))
            if len(planes) >= FEWEST_PLANES:
                middle = planes[len(planes) // 2]
                roi.ContourSequence = [
                    c for c, height in zip(contours, heights, strict=True) if height != middle
                ]
                lost += 1
    return "" if lost else f"no structure has {FEWEST_PLANES} planes"


def _height(contour: Any) -> float:
    """Height of a contour along the normal of its plane, in tenths of a millimetre."""
    points = np.reshape([float(v) for v in contour.ContourData], (-1, 3))
    spread = np.ptp(points, axis=0)
    return float(np.round(points[:, int(np.argmin(spread))].mean(), 1))


def _lost_slice(plan: CopiedPlan) -> str:
    """Take away the CT slice in the middle."""
    if len(plan.images) < FEWEST_PLANES:
        return "there is no CT"
    plan.images[len(plan.images) // 2].unlink()
    return ""


def _organ_of(items: Iterable[Any], keyword: str, number: int | None) -> Any:
    return next((item for item in items if int(item.get(keyword, -1)) == number), None)


def _renamed(plan: CopiedPlan) -> str:
    with _opened(plan.structures) as structures:
        roi = _organ_of(structures.StructureSetROISequence, "ROINumber", plan.organ)
        if roi is None:
            return "no judged row stands on one drawn structure"
        roi.ROIName = RENAMED
    return ""


def _emptied(plan: CopiedPlan) -> str:
    with _opened(plan.structures) as structures:
        roi = _organ_of(structures.ROIContourSequence, "ReferencedROINumber", plan.organ)
        if roi is None or "ContourSequence" not in roi:
            return "no judged row stands on one drawn structure"
        del roi.ContourSequence
    return ""


def _other_frame(plan: CopiedPlan) -> str:
    with _opened(plan.structures) as structures:
        for item in (structures, *structures.get("ReferencedFrameOfReferenceSequence", ())):
            if "FrameOfReferenceUID" in item:
                item.FrameOfReferenceUID += ".1"
        for roi in structures.StructureSetROISequence:
            if "ReferencedFrameOfReferenceUID" in roi:
                roi.ReferencedFrameOfReferenceUID += ".1"
    return ""


FAULTS = (
    Fault("dose-turned", "dose grid turned by 180 degrees in its plane", _each_dose(_turn)),
    Fault("dose-shifted", f"dose moved by {SHIFT_MM:g} mm to the left", _each_dose(_shift)),
    Fault("dose-halved", "dose scaled by 0.5", _each_dose(_scaled(0.5))),
    Fault("dose-cgy", "dose in cGy taken for Gy (scaled by 100)", _each_dose(_scaled(100))),
    Fault("dose-other-plan", "dose of another plan", _dose_of_other_plan),
    Fault("dose-other-patient", "dose of another patient", _each_dose(_dose_of_other_patient)),
    Fault("frame-changed", "structures in another frame of reference", _other_frame),
    Fault("plane-lost", "the middle contour plane of every structure lost", _lost_plane),
    Fault("slice-lost", "the middle CT slice lost", _lost_slice),
    Fault("organ-renamed", f"a judged structure renamed to {RENAMED}", _renamed),
    Fault("organ-emptied", "a judged structure without contours", _emptied),
)
"""Every fault, in the order in which they are tried."""
