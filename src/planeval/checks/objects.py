"""Whether the objects of a case belong together: frames, references, dates, approval.

What a reference by UID contradicts is refused while reading, unless the user accepts it; these checks
look at the relations that reading does not need.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise

from planeval.checks.codes import finding
from planeval.checks.outcome import Seen, listed
from planeval.model import CaseData, Finding, ObjectHeader

__all__ = ["approval", "dates", "frames", "references"]

_SUM = "the case is a sum of plans; check each plan on its own"
_NO_HEADERS = "the objects' headers are not known"


def _of(data: CaseData, kind: str) -> tuple[ObjectHeader, ...]:
    return tuple(header for header in data.headers if header.kind == kind)


def _unknown(data: CaseData) -> str:
    return _SUM if len(data.plans) > 1 else _NO_HEADERS


def frames(data: CaseData) -> Seen | str:
    """Images and plan must state the frame of reference of dose and structures."""
    if not data.headers:
        return _unknown(data)
    if not data.frame_uid:
        return "neither dose nor structure set state their frame of reference"
    found = []
    for kind, code in (("CT", "image-frame-differs"), ("RTPLAN", "plan-frame-differs")):
        for header in _of(data, kind):
            if header.frame_uid and header.frame_uid != data.frame_uid:
                message = (
                    f"it is in frame of reference {header.frame_uid}, dose and structures are in "
                    f"{data.frame_uid}"
                )
                found.append(finding(code, message, header.label or header.file))
    stated = [header.kind for header in data.headers if header.frame_uid]
    return Seen(f"frame of reference stated by {listed(dict.fromkeys(stated))}", tuple(found))


def references(data: CaseData) -> Seen | str:
    """References between the objects that reading does not need must not name others."""
    if not data.headers:
        return _unknown(data)
    structures = {header.uid for header in _of(data, "RTSTRUCT")}
    doses = {header.uid for header in _of(data, "RTDOSE")}
    found, looked = [], 0
    for dose in _of(data, "RTDOSE"):
        named = dose.referenced("structures")
        looked += len(named)
        if named and not structures & set(named):
            message = f"it refers to structure set {named[0]}, not to the one evaluated"
            found.append(finding("dose-names-other-structures", message, dose.file))
    for plan in _of(data, "RTPLAN"):
        named = plan.referenced("dose")
        looked += len(named) if doses else 0
        if doses and named and not doses & set(named):
            message = f"it refers to dose {listed(named)}, none of which is evaluated here"
            found.append(finding("plan-names-other-dose", message, plan.label or plan.file))
        looked += len(plan.referenced("structures"))
    looked += sum(len(dose.referenced("plan")) for dose in _of(data, "RTDOSE"))
    if not looked:
        return "no object names another one by UID"
    return Seen(f"{looked} references between plan, dose and structure set", tuple(found))


def dates(data: CaseData) -> Seen | str:
    """Images come first, then structures, plan and dose; by the day, as systems stamp times freely.

    Dates that are not legal are left out.
    """
    if not data.headers:
        return _unknown(data)
    dated = [
        (header, day)
        for kind in _NAMES
        for header in _of(data, kind)
        if (day := _day(header.date)) is not None
    ]
    if len({header.kind for header, _day_ in dated}) < 2:
        return "fewer than two kinds of objects state a date"
    found = [*_out_of_order(dated), *_after_review(data)]
    seen = (f"{_NAMES[header.kind]} {day}" for header, day in dated)
    return Seen(", ".join(dict.fromkeys(seen)), tuple(found))


_NAMES = {"CT": "images", "RTSTRUCT": "structures", "RTPLAN": "plan", "RTDOSE": "dose"}
_WHY = {
    ("CT", "RTSTRUCT"): "the contours may not be of these images",
    ("CT", "RTPLAN"): "the plan may not be made on these images",
    ("CT", "RTDOSE"): "the dose may not be computed on these images",
    ("RTSTRUCT", "RTPLAN"): "contours may have changed after planning",
    ("RTSTRUCT", "RTDOSE"): "contours may have changed after the dose was computed",
    ("RTPLAN", "RTDOSE"): "the plan may have changed after the dose was computed",
}


def _out_of_order(dated: Sequence[tuple[ObjectHeader, date]]) -> Iterator[Finding]:
    """Yield neighbours in the order of work of which the earlier was changed on a later day."""
    kinds = list(dict.fromkeys(header.kind for header, _day_ in dated))
    for earlier, later in pairwise(kinds):
        one, day = max((pair for pair in dated if pair[0].kind == earlier), key=_by_day)
        other, next_day = min((pair for pair in dated if pair[0].kind == later), key=_by_day)
        if day > next_day:
            message = (
                f"{_NAMES[earlier]} of {day} ({one.file}), {_NAMES[later]} of {next_day} "
                f"({other.file}): {_WHY[earlier, later]}"
            )
            yield finding("dates-out-of-order", message, other.label or other.file)


def _by_day(pair: tuple[ObjectHeader, date]) -> date:
    return pair[1]


def _after_review(data: CaseData) -> Iterator[Finding]:
    for plan in _of(data, "RTPLAN"):
        changed, reviewed = _day(plan.date), _day(plan.review_date)
        if plan.approval == "APPROVED" and changed and reviewed and changed > reviewed:
            message = f"reviewed on {reviewed}, last changed on {changed}"
            yield finding("plan-changed-after-approval", message, plan.label or plan.file)


def _day(text: str) -> date | None:
    """Return a DICOM date, None for one that is absent, partial or not a day."""
    if len(text) != 8 or not text.isascii() or not text.isdigit():
        return None
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None


def approval(data: CaseData) -> Seen | str:
    """Plan and structure set should be approved; REJECTED is a warning."""
    if not data.plans:
        return "there is no plan"
    found: list[Finding] = []
    for plan in data.plans:
        if plan.approval == "REJECTED":
            found.append(finding("plan-rejected", "ApprovalStatus is REJECTED", plan.label))
    is_approved = all(plan.approval == "APPROVED" for plan in data.plans)
    structures = _of(data, "RTSTRUCT")
    for each in structures:
        if each.approval == "REJECTED":
            message = "ApprovalStatus is REJECTED"
            found.append(finding("structures-rejected", message, each.label or each.file))
        elif is_approved and each.approval == "UNAPPROVED":
            message = "ApprovalStatus is UNAPPROVED, the plan's is APPROVED"
            found.append(finding("structures-not-approved", message, each.label or each.file))
    plans = listed(plan.approval or "not stated" for plan in data.plans)
    sets = f"; structure set {structures[0].approval or 'not stated'}" if structures else ""
    return Seen(f"plan {plans}{sets}", tuple(found))
