"""From several values of a patient, of plans and foci, to one: how, is for the user to say.

``max``, ``min``, ``sum`` and ``mean`` take all of them. ``first`` takes the plan with the earliest
date. ``liver`` leaves out what does not belong to a target of which more than half lies in the liver,
and takes the first of the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from planeval.errors import ReportError

__all__ = ["REDUCTIONS", "Measured", "one_per_patient"]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


_OF_ALL: Mapping[str, Callable[[Sequence[float]], float]] = MappingProxyType(
    {"max": max, "min": min, "sum": math.fsum, "mean": _mean}
)
_FIRST, _LIVER = "first", "liver"
REDUCTIONS = (*_OF_ALL, _FIRST, _LIVER)
"""What ``--per-patient`` may say."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A value of a patient: of which plan, on which day (None where the plan has no date).

    ``in_liver`` says whether more than half of its target lies in the liver; None where that is not
    known.
    """

    patient: str
    case: str
    day: int | None
    value: float
    in_liver: bool | None = None


def one_per_patient(
    found: Sequence[Measured], how: str | None, metric: str
) -> tuple[dict[str, float], dict[str, str]]:
    """Return the number of each patient, and for those who have none the reason.

    Raises :class:`~planeval.errors.ReportError` where a patient has several different values and
    ``how`` is None, or leaves several: then nobody has said which one counts.
    """
    by_patient: dict[str, list[Measured]] = {}
    for each in found:
        by_patient.setdefault(each.patient, []).append(each)
    if how is None:
        _refuse_several(by_patient, f"{metric!r} (plans or foci)")
        return {patient: own[0].value for patient, own in by_patient.items()}, {}
    if how in (_FIRST, _LIVER):
        return _firsts(by_patient, how, metric)
    reduce = _OF_ALL[how]
    return {
        patient: float(reduce([each.value for each in own])) for patient, own in by_patient.items()
    }, {}


def _firsts(
    by_patient: Mapping[str, list[Measured]], how: str, metric: str
) -> tuple[dict[str, float], dict[str, str]]:
    lacking: dict[str, str] = {}
    left: dict[str, list[Measured]] = {}
    for patient, own in by_patient.items():
        chosen, reason = _first_liver(own) if how == _LIVER else _first(own)
        if reason:
            lacking[patient] = reason
        else:
            left[patient] = chosen
    _refuse_several(left, f"{metric!r} on the day of the plan that --per-patient {how} takes")
    return {patient: own[0].value for patient, own in left.items()}, lacking


def _first(own: Sequence[Measured]) -> tuple[list[Measured], str]:
    """Return the values of the earliest day, or why nobody knows them."""
    if len({each.case for each in own}) == 1:
        return list(own), ""
    days = [each.day for each in own]
    if any(day is None for day in days):
        return [], "with several plans, not all of which have a date"
    start = min(day for day in days if day is not None)
    return [each for each in own if each.day == start], ""


def _first_liver(own: Sequence[Measured]) -> tuple[list[Measured], str]:
    """Return the values of the earliest day with a target in the liver, or why there are none.

    A target of which nobody knows where it lies counts as neither: where it may have been the first,
    there is no answer.
    """
    inside = [each for each in own if each.in_liver]
    unknown = [each for each in own if each.in_liver is None]
    if not inside:
        return [], (
            "with a target of unknown share in the liver"
            if unknown
            else "without a target in the liver"
        )
    chosen, reason = _first(inside)
    if reason:
        return [], reason
    start = chosen[0].day
    if all(each.day is not None and start is not None and each.day > start for each in unknown):
        return chosen, ""
    return [], "with an earlier or simultaneous target of unknown share in the liver"


def _refuse_several(by_patient: Mapping[str, Sequence[Measured]], what: str) -> None:
    several = sum(len({each.value for each in own}) > 1 for own in by_patient.values())
    if several:
        raise ReportError(
            f"{several} patients have several values of {what}; say with --per-patient what counts: "
            f"{', '.join(REDUCTIONS)}, or give a metric that a plan has once"
        )
