"""Whether a protocol or a row applies to a case: known and outside, unknown, or yes.

The number of fractions, the prescribed dose, the dose a fraction and the Child-Pugh class decide.
They come from the plan or from the user, never from free text in DICOM. The prescribed dose of a
plan with several levels is its highest level, and so is the dose a fraction.

In a sum every delivery must have the fractionation of a row in physical Gy; a row that states none
cannot be judged there where the deliveries differ. EQD2 and BED take every delivery's fractions into
account, so that the number of fractions of a sum does not exclude them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from planeval.dose.biology import deliveries
from planeval.model import Dose, Metric, MetricKind, Outcome, Prescription, Status
from planeval.protocol.schema import Applies

__all__ = [
    "Basis",
    "Facts",
    "applies",
    "basis_of",
    "condition_text",
    "facts_of",
    "mixed_fractions",
    "narrowed",
]

Number = TypeVar("Number", int, float)

_DOSE_SLACK_GY = 1e-6
"""Arithmetic noise of totals such as 25 x 2.6 Gy, far below any printed digit."""

_SCORES = {"A": ("A5", "A6"), "B": ("B7", "B8", "B9"), "C": tuple(f"C{n}" for n in range(10, 16))}
_CHILD_PUGH = re.compile(r"(A[56]?|B[789]?|C(?:1[0-5])?)")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a case: fractions of every delivery, Gy, Child-Pugh; None unknown.

    ``fractions`` is None where one delivery's number is unknown or the prescriptions disagree.
    ``is_sum`` says that the dose has several deliveries: plans, or fraction groups of a plan.
    """

    fractions: tuple[int, ...] | None = None
    total_gy: float | None = None
    child_pugh: str | None = None
    is_sum: bool = False
    fraction_gy: float | None = None


def facts_of(
    prescriptions: Sequence[Prescription], dose: Dose | None, child_pugh: str | None = None
) -> Facts:
    """Return what decides applicability.

    Raises ValueError for text that is no Child-Pugh class or score.

    >>> facts_of([Prescription("PTV", 55.0, 25, "USER", "--rx")], None, "a5")
    Facts(fractions=(25,), total_gy=55.0, child_pugh='A5', is_sum=False, fraction_gy=2.2)
    """
    score = child_pugh.strip().upper() if child_pugh else None
    if score is not None and not _CHILD_PUGH.fullmatch(score):
        raise ValueError(
            f"Child-Pugh {child_pugh!r}: expected a class (A, B, C) or a score (A5 to C15)"
        )
    total = max((rx.total_gy for rx in prescriptions), default=None)
    fractions = _fractions(prescriptions, dose)
    fraction_gy = None
    if total is not None and fractions is not None and len(fractions) == 1:
        fraction_gy = total / fractions[0]
    is_sum = dose is not None and len(deliveries(dose)) > 1
    return Facts(fractions, total, score, is_sum, fraction_gy)


def _fractions(prescriptions: Sequence[Prescription], dose: Dose | None) -> tuple[int, ...] | None:
    """Return the fractions of every delivery, None where one of them is unknown."""
    if dose is not None and dose.summation == "MULTI_PLAN":
        return None
    terms = [parts[0].fractions for parts in deliveries(dose)] if dose is not None else []
    if len(terms) > 1:
        known = tuple(count for count in terms if count is not None)
        return known if len(known) == len(terms) else None
    stated = {rx.fractions for rx in prescriptions if rx.fractions is not None}
    stated |= {count for count in terms if count is not None}
    return tuple(stated) if len(stated) == 1 else None


class Basis(StrEnum):
    """What a row compares: physical dose, converted dose, or no dose at all."""

    PHYSICAL = "physical"
    CONVERTED = "converted"
    NONE = "none"


def basis_of(metric: Metric) -> Basis:
    """Return what a metric compares."""
    if metric.biology is not None:
        return Basis.CONVERTED
    without_dose = metric.kind in (MetricKind.VOLUME, MetricKind.OUTSIDE)
    return Basis.NONE if without_dose else Basis.PHYSICAL


def mixed_fractions(facts: Facts, basis: Basis) -> Outcome:
    """Return NOT_EVALUABLE for physical dose of deliveries that differ in their fractions."""
    if basis is not Basis.PHYSICAL or not facts.is_sum or facts.fractions is None:
        return Outcome(Status.PASS)
    counts = sorted(set(facts.fractions))
    if len(counts) == 1:
        return Outcome(Status.PASS)
    return Outcome(
        Status.NOT_EVALUABLE,
        f"the dose is a sum of {' and '.join(map(str, counts))} fractions and the row states no "
        "fractionation: physical Gy of both cannot be judged together; ask for EQD2",
    )


def applies(spec: Applies, facts: Facts, basis: Basis = Basis.PHYSICAL) -> Outcome:
    """Return PASS where the conditions hold, NOT_APPLICABLE or NOT_EVALUABLE with the reason.

    A condition that is known to fail decides, even where another is unknown.
    """
    counts_fractions = not (facts.is_sum and basis is Basis.CONVERTED)
    checks = [
        check
        for check in (
            _fractions_check(spec, facts) if counts_fractions else None,
            _dose_check(spec, facts),
            _fraction_dose_check(spec, facts) if counts_fractions else None,
            _child_pugh_check(spec, facts),
        )
        if check is not None
    ]
    for status in (Status.NOT_APPLICABLE, Status.NOT_EVALUABLE):
        reasons = [check.reason for check in checks if check.status is status]
        if reasons:
            return Outcome(status, "; ".join(reasons))
    return Outcome(Status.PASS)


def _fractions_check(spec: Applies, facts: Facts) -> Outcome | None:
    if spec.fractions is None:
        return None
    if facts.fractions is None:
        return Outcome(
            Status.NOT_EVALUABLE, "needs the number of fractions of every dose term (--fx)"
        )
    low, high = spec.fractions
    outside = [count for count in facts.fractions if not low <= count <= high]
    if not outside:
        return None
    shown = ", ".join(str(count) for count in sorted(set(outside)))
    return Outcome(
        Status.NOT_APPLICABLE, f"{shown} fractions; for {_range(low, high)} fractions only"
    )


def _dose_check(spec: Applies, facts: Facts) -> Outcome | None:
    if spec.total_dose_gy is None:
        return None
    if facts.total_gy is None:
        return Outcome(Status.NOT_EVALUABLE, "needs the prescribed dose (--rx)")
    low, high = spec.total_dose_gy
    if low - _DOSE_SLACK_GY <= facts.total_gy <= high + _DOSE_SLACK_GY:
        return None
    return Outcome(
        Status.NOT_APPLICABLE, f"{facts.total_gy:g} Gy prescribed; for {_range(low, high)} Gy only"
    )


def _fraction_dose_check(spec: Applies, facts: Facts) -> Outcome | None:
    if spec.fraction_dose_gy is None:
        return None
    if facts.fraction_gy is None:
        return Outcome(
            Status.NOT_EVALUABLE, "needs the prescribed dose a fraction of one course (--rx, --fx)"
        )
    low, high = spec.fraction_dose_gy
    if low - _DOSE_SLACK_GY <= facts.fraction_gy <= high + _DOSE_SLACK_GY:
        return None
    return Outcome(
        Status.NOT_APPLICABLE,
        f"{facts.fraction_gy:.4g} Gy a fraction; for {_range(low, high)} Gy a fraction only",
    )


def _child_pugh_check(spec: Applies, facts: Facts) -> Outcome | None:
    if not spec.child_pugh:
        return None
    wanted = _scores(spec.child_pugh)
    listed = ", ".join(spec.child_pugh)
    if facts.child_pugh is None:
        return Outcome(Status.NOT_EVALUABLE, f"needs the Child-Pugh class (--child-pugh); {listed}")
    possible = set(_SCORES.get(facts.child_pugh, (facts.child_pugh,)))
    if possible <= wanted:
        return None
    if possible & wanted:
        return Outcome(
            Status.NOT_EVALUABLE,
            f"needs the Child-Pugh score (--child-pugh); {facts.child_pugh} alone does not tell "
            f"whether {listed} holds",
        )
    return Outcome(Status.NOT_APPLICABLE, f"Child-Pugh {facts.child_pugh}; for {listed} only")


def narrowed(outer: Applies, inner: Applies) -> Applies:
    """Return the conditions that hold where both hold; ``refuse`` wins over ``warn``.

    Raises ValueError where the two exclude each other.
    """
    classes = _common_classes(outer.child_pugh, inner.child_pugh)
    if outer.child_pugh and inner.child_pugh and not classes:
        raise ValueError(f"'{condition_text(outer)}' and '{condition_text(inner)}' never meet")
    return Applies(
        fractions=_common(outer.fractions, inner.fractions),
        total_dose_gy=_common(outer.total_dose_gy, inner.total_dose_gy),
        fraction_dose_gy=_common(outer.fraction_dose_gy, inner.fraction_dose_gy),
        child_pugh=classes,
        outside="refuse" if "refuse" in (outer.outside, inner.outside) else "warn",
    )


def _common(
    first: tuple[Number, Number] | None, second: tuple[Number, Number] | None
) -> tuple[Number, Number] | None:
    """Return what two ranges share; None is no condition."""
    if first is None or second is None:
        return first or second
    low, high = max(first[0], second[0]), min(first[1], second[1])
    if low > high:
        raise ValueError(f"{_range(*first)} and {_range(*second)} never meet")
    return low, high


def _common_classes(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    """Return the Child-Pugh scores that two lists share; an empty list is no condition."""
    if not first or not second:
        return tuple(first or second)
    shared = _scores(first) & _scores(second)
    return tuple(score for scores in _SCORES.values() for score in scores if score in shared)


def _scores(classes: Sequence[str]) -> set[str]:
    """Return the scores that classes and scores stand for."""
    return {score for text in classes for score in _SCORES.get(text, (text,))}


def _range(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def condition_text(spec: Applies) -> str:
    """Return the conditions in words, ``any plan`` where there is none.

    >>> condition_text(Applies(fractions=(20, 30), total_dose_gy=(50.0, 65.0)))
    '20 to 30 fractions, 50 to 65 Gy'
    """
    parts = []
    if spec.fractions is not None:
        parts.append(f"{_range(*spec.fractions)} fractions")
    if spec.total_dose_gy is not None:
        parts.append(f"{_range(*spec.total_dose_gy)} Gy")
    if spec.fraction_dose_gy is not None:
        parts.append(f"{_range(*spec.fraction_dose_gy)} Gy a fraction")
    if spec.child_pugh:
        parts.append(f"Child-Pugh {', '.join(spec.child_pugh)}")
    return ", ".join(parts) or "any plan"
