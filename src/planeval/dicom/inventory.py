"""What a folder offers: every plan, and every dose whose plan is not there, with what is linked."""

from __future__ import annotations

from dataclasses import dataclass, replace

from planeval.dicom.files import open_file
from planeval.dicom.headers import listed_header, object_header
from planeval.dicom.index import Entry, FolderIndex
from planeval.dicom.rtplan import read_plan
from planeval.dicom.selection import Choice, candidate_doses, select
from planeval.errors import DataError
from planeval.model import CaseData, Finding, Identity, ObjectHeader, Plan

__all__ = ["PlanEntry", "list_plans", "read_headers"]


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """Something that could be evaluated: a plan, or a dose with structures but no plan.

    ``plan_uid`` (empty without a plan), ``structures_uid`` and ``dose_uid`` (empty where the plan
    finds its doses itself) select it in :func:`read_case`, and so do the files. ``doses`` and
    ``slices`` count what is linked. ``problem`` says why it cannot be evaluated.
    """

    label: str
    uid: str
    patient_id: str
    patient_name: str = ""
    date: str = ""
    plan_uid: str = ""
    structures_uid: str = ""
    dose_uid: str = ""
    plan_file: str = ""
    structures_file: str = ""
    dose_file: str = ""
    structures_label: str = ""
    doses: int = 0
    slices: int = 0
    findings: tuple[Finding, ...] = ()
    problem: str = ""


def list_plans(index: FolderIndex) -> tuple[PlanEntry, ...]:
    """List what could be evaluated: every plan, and every dose whose plan is not there."""
    plans = [_listed_plan(index, plan) for plan in index.of_kind("RTPLAN")]
    known = {plan.sop_uid for plan in index.of_kind("RTPLAN")}
    for dose in index.of_kind("RTDOSE"):
        if known & set(dose.referenced("plan")) or (known and not dose.referenced("plan")):
            continue
        named = dose.referenced("structures")
        sets = [
            entry
            for entry in index.of_kind("RTSTRUCT")
            if entry.sop_uid in named or (not named and dose.frame_uid in entry.referenced("frame"))
        ]
        plans.extend(_listed_dose(index, dose, structures) for structures in sets)
    return tuple(plans)


def read_headers(index: FolderIndex, entry: PlanEntry) -> CaseData:
    """Read the plan of an entry, and what the index knows of its structures: no contour, no dose.

    Prescriptions to ROIs carry the description of their dose reference. Raises
    :class:`~planeval.errors.DataError`.
    """
    headers: list[ObjectHeader] = []
    plans: list[Plan] = []
    for each in index.entries:
        if each.file == entry.plan_file:
            file = open_file(each.path, each.file)
            plans.append(read_plan(file, {}, []))
            headers.append(object_header(file.root, each))
        elif each.file == entry.structures_file:
            headers.append(listed_header(each))
    return CaseData(
        identity=Identity(patient_id=entry.patient_id),
        structures={},
        plans=tuple(plans),
        prescriptions=tuple(rx for plan in plans for rx in plan.prescriptions),
        headers=tuple(headers),
    )


def _listed_plan(index: FolderIndex, plan: Entry) -> PlanEntry:
    findings: list[Finding] = []
    base = PlanEntry(
        label=plan.label,
        uid=plan.sop_uid,
        patient_id=plan.patient_id,
        patient_name=plan.patient_name,
        date=plan.date,
        plan_uid=plan.sop_uid,
        plan_file=plan.file,
        doses=len(candidate_doses(index, plan)),
    )
    try:
        found = select(index, Choice(plan=plan.file), findings)
    except DataError as error:
        return replace(base, problem=str(error))
    return replace(
        base,
        structures_uid=found.structures.sop_uid,
        structures_file=found.structures.file,
        structures_label=found.structures.label,
        doses=len(found.doses),
        slices=len(found.images),
        findings=tuple(findings),
    )


def _listed_dose(index: FolderIndex, dose: Entry, structures: Entry) -> PlanEntry:
    findings: list[Finding] = []
    base = PlanEntry(
        label=dose.label or structures.label,
        uid=dose.sop_uid,
        patient_id=dose.patient_id,
        patient_name=dose.patient_name,
        date=dose.date,
        structures_uid=structures.sop_uid,
        structures_file=structures.file,
        structures_label=structures.label,
        dose_uid=dose.sop_uid,
        dose_file=dose.file,
        doses=1,
    )
    try:
        choice = Choice(dose=dose.file, structures=structures.file)
        found = select(index, choice, findings)
    except DataError as error:
        return replace(base, problem=str(error))
    return replace(base, slices=len(found.images), findings=tuple(findings))
