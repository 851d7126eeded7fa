"""What a plan is for: approval, intent, targets and relations, from the header of its RTPLAN alone.

A cohort chooses among the versions of a course before it reads any of them; this is all it needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from planeval.dicom.elements import Item
from planeval.dicom.files import open_header
from planeval.dicom.keywords import tag_of

__all__ = ["PlanHeader", "identifying_texts", "read_plan_header", "read_roi_names"]


def _tags(*keywords: str) -> list[int]:
    return [tag_of(keyword) for keyword in keywords]


_PLAN_KEYWORDS = (
    "SOPInstanceUID",
    "ApprovalStatus",
    "PlanIntent",
    "RTPlanDate",
    "RTPlanTime",
    "RTPlanName",
    "DoseReferenceSequence",
    "FractionGroupSequence",
    "ReferencedRTPlanSequence",
)
_ROI_KEYWORDS = ("StructureSetROISequence",)
_PERSON_KEYWORDS = (
    "PatientName",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientMotherBirthName",
    "ResponsiblePerson",
    "ReferringPhysicianName",
    "ConsultingPhysicianName",
    "PhysiciansOfRecord",
    "PerformingPhysicianName",
    "NameOfPhysiciansReadingStudy",
    "OperatorsName",
    "ReviewerName",
)
_OTHER_KEYWORDS = (
    "PatientID",
    "OtherPatientIDs",
    "AccessionNumber",
    "PatientAddress",
    "PatientTelephoneNumbers",
    "PatientBirthDate",
    "InstitutionName",
    "InstitutionAddress",
    "InstitutionalDepartmentName",
)

_BEFORE_PIXELS = 0x50000000
_AFTER_ROI_NAMES = 0x30060021


@dataclass(frozen=True, slots=True)
class PlanHeader:
    """The role of a plan.

    ``targets`` are (ROI number or description, Gy) of the TARGET dose references with a dose;
    ``verifies`` are the plans it says it is a verification of (RTPlanRelationship VERIFIED_PLAN,
    PS3.3 C.8.8.9).
    """

    approval: str = ""
    intent: str = ""
    name: str = ""
    date: str = ""
    time: str = ""
    fractions: int | None = None
    targets: tuple[tuple[int | str, float], ...] = ()
    verifies: tuple[str, ...] = ()


def read_plan_header(path: Path, name: str) -> PlanHeader:
    """Read the role of an RTPLAN. Raises :class:`~planeval.errors.DataError`."""
    root = open_header(path, name, _tags(*_PLAN_KEYWORDS), _BEFORE_PIXELS)
    counts = [
        group.integer("NumberOfFractionsPlanned") for group in root.items("FractionGroupSequence")
    ]
    return PlanHeader(
        approval=root.text("ApprovalStatus"),
        intent=root.text("PlanIntent"),
        name=root.text("RTPlanName"),
        date=root.text("RTPlanDate"),
        time=root.text("RTPlanTime"),
        fractions=counts[0] if len(counts) == 1 else None,
        targets=tuple(_targets(root)),
        verifies=tuple(
            other.text("ReferencedSOPInstanceUID")
            for other in root.items("ReferencedRTPlanSequence")
            if other.text("RTPlanRelationship") == "VERIFIED_PLAN"
        ),
    )


def read_roi_names(path: Path, name: str) -> dict[int, str]:
    """Return the ROI names of an RTSTRUCT by number, contours unread. Raises DataError."""
    root = open_header(path, name, _tags(*_ROI_KEYWORDS), _AFTER_ROI_NAMES)
    return {
        number: item.text("ROIName")
        for item in root.items("StructureSetROISequence")
        if (number := item.integer("ROINumber")) is not None
    }


def identifying_texts(path: Path, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the person names of a file, and its other texts that say who the patient is.

    Names of physicians, operators and institutions are among them; a pseudonymised table must hold
    none. Raises :class:`~planeval.errors.DataError`.
    """
    tags = _tags(*_PERSON_KEYWORDS, *_OTHER_KEYWORDS, "OtherPatientIDsSequence")
    root = open_header(path, name, tags, _BEFORE_PIXELS)
    persons = [text for keyword in _PERSON_KEYWORDS for text in root.texts(keyword)]
    others = [text for keyword in _OTHER_KEYWORDS for text in root.texts(keyword)]
    others += [item.text("PatientID") for item in root.items("OtherPatientIDsSequence")]
    return tuple(filter(None, persons)), tuple(filter(None, others))


def _targets(root: Item) -> list[tuple[int | str, float]]:
    found: list[tuple[int | str, float]] = []
    for reference in root.items("DoseReferenceSequence"):
        total = reference.number("TargetPrescriptionDose")
        is_target = reference.text("DoseReferenceType") == "TARGET"
        kind = reference.text("DoseReferenceStructureType")
        if not is_target or total is None or not total > 0 or kind not in ("VOLUME", "SITE"):
            continue
        number = reference.integer("ReferencedROINumber") if kind == "VOLUME" else None
        found.append(
            (reference.text("DoseReferenceDescription") if number is None else number, total)
        )
    return found
