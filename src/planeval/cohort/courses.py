"""Versions of a course: which plan stands for it, and why the others do not.

A course is what one patient was treated with at one place: the plans of one PatientID in one frame of
reference that prescribe to the same targets (plans that name no target: that bear the same label).
Of its plans the approved one with the latest plan date and time is taken; two that are equally late are
both refused. Nothing is dropped: every other plan is listed with its reason, and a selection file can
choose otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from planeval.cohort.planfile import Code, CohortPlan

__all__ = ["Approval", "choose", "course_id"]

Approval = Literal["approved", "any"]

_NOT_FOR_PATIENTS = frozenset({"VERIFICATION", "MACHINE_QA", "RESEARCH", "SERVICE"})
"""Plan Intents (300A,000A) of plans that no patient is treated with."""


def course_id(plan: CohortPlan, frame_uid: str) -> str:
    """Return what the versions of one course share."""
    aims = sorted({name for name, _gy in plan.targets}) or ["label " + plan.label]
    text = "\0".join([plan.patient_id, frame_uid, *aims])
    return "K-" + hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:10]


def choose(plans: Iterable[CohortPlan], approval: Approval = "approved") -> list[CohortPlan]:
    """Return the plans with ``code`` and ``reason`` set, in the order given.

    ``approval="any"`` takes the latest plan of a course that is not REJECTED, whatever its status.
    """
    listed = list(plans)
    courses: dict[str, list[CohortPlan]] = {}
    for plan in listed:
        courses.setdefault(plan.course_id, []).append(plan)
    chosen: dict[int, CohortPlan] = {}
    for versions in courses.values():
        judged = _judged(versions, approval)
        chosen |= {id(old): new for old, new in zip(versions, judged, strict=True)}
    return [chosen[id(plan)] for plan in listed]


def _judged(versions: Sequence[CohortPlan], approval: Approval) -> list[CohortPlan]:
    """Return the versions of one course, each with its reason."""
    barred = {id(plan): found for plan in versions if (found := _barred(plan, approval))}
    free = [plan for plan in versions if id(plan) not in barred]
    last = max((plan.when for plan in free), default=("", ""))
    best = [plan for plan in free if plan.when == last]
    return [_with_reason(plan, best, barred) for plan in versions]


def _with_reason(
    plan: CohortPlan, best: Sequence[CohortPlan], barred: Mapping[int, tuple[Code, str]]
) -> CohortPlan:
    if id(plan) in barred:
        code, reason = barred[id(plan)]
        return replace(plan, code=code, reason=reason)
    if plan not in best:
        return replace(plan, code=Code.SUPERSEDED, reason=_superseded(plan, best[0]))
    if len(best) > 1:
        others = ", ".join(one.file for one in best if one is not plan)
        reason = f"of the same course, date and time as {others}; choose with a selection"
        return replace(plan, code=Code.TIED, reason=reason)
    if plan.problem:
        return replace(plan, code=Code.PROBLEM, reason=plan.problem)
    return replace(plan, code=Code.TAKEN, reason="")


def _superseded(plan: CohortPlan, best: CohortPlan) -> str:
    """Say which plan stands for the course, and what is worth a look."""
    words = (
        f"{best.label or best.file} of {best.date or 'unknown date'} is the latest of its course"
    )
    doses = [sorted(gy for _name, gy in each.targets) for each in (plan, best)]
    if doses[0] != doses[1] or plan.fractions != best.fractions:
        words += "; its prescription differs"
    return words


def _barred(plan: CohortPlan, approval: Approval) -> tuple[Code, str] | None:
    """Return why a plan cannot stand for its course, None where it can."""
    if plan.code in (Code.COPY, Code.SAME_UID):
        return plan.code, plan.reason
    if plan.intent.upper() in _NOT_FOR_PATIENTS:
        return Code.VERIFICATION, f"PlanIntent is {plan.intent}"
    if plan.verifies:
        return Code.VERIFICATION, "it is the verification plan of another plan"
    if plan.approval.upper() == "REJECTED":
        return Code.REJECTED, "ApprovalStatus is REJECTED"
    if approval == "approved" and plan.approval.upper() != "APPROVED":
        status = f"is {plan.approval}" if plan.approval else "is not stated"
        return Code.NOT_APPROVED, f"ApprovalStatus {status}"
    return None
