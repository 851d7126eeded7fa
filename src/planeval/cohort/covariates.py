"""What divides the patients of an outcome analysis, one at a time: groups, events, and a test each.

A column is divided by a cut-point that was stated beforehand, or by its categories. Every comparison
is of two groups: the two, or each of several categories with all other patients of the column
together. Nothing is adjusted for anything, and the p-values are not corrected for their number.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from planeval.cohort.outcome_table import Outcome
from planeval.cohort.survival import LogRank, Survival, kaplan_meier, log_rank
from planeval.errors import ReportError

__all__ = ["MOST_CATEGORIES", "Divided", "Group", "covariate_table", "divided"]

MOST_CATEGORIES = 6
"""A column with more values than this is measured, not sorted into categories."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Patients that belong together, and their log-rank test against the others of the column.

    ``test`` is None where it was not asked for or there is nothing to compare.
    """

    label: str
    curve: Survival
    test: LogRank | None = None

    @property
    def hazard(self) -> str:
        """Which way the hazard of the group goes, against the others: higher, lower or equal."""
        if self.test is None:
            return ""
        if math.isclose(self.test.z, 0.0, abs_tol=1e-9):
            return "equal"
        return "higher" if self.test.z > 0 else "lower"


@dataclass(frozen=True, slots=True, eq=False)
class Divided:
    """Patients divided by one column: its groups, who has no value, and what must be said of it.

    Two groups are tested against each other, several each against all others together. Without groups,
    ``note`` is the reason.
    """

    name: str
    groups: tuple[Group, ...]
    missing: int = 0
    note: str = ""


def covariate_table(
    patients: Sequence[Outcome], names: Sequence[str], cuts: Mapping[str, float]
) -> tuple[Divided, ...]:
    """Return every covariate of the patients, in the order of their table.

    ``cuts`` has the cut-points of numeric columns: below, and that or more. Columns without one are
    divided by their values. Nobody and no column is left out silently.

    Raises :class:`~planeval.errors.ReportError` for a cut of a column that is not there or that has
    text which is no number.
    """
    for name in cuts:
        if name not in names:
            raise ReportError(
                f"--covariate-cut {name}: the outcome table has no such column; "
                f"its covariates are {', '.join(names) or 'none'}"
            )
    return tuple(_covariate(patients, name, cuts.get(name)) for name in names)


def divided(
    name: str, members: Sequence[tuple[str, Outcome]], *, labels: Sequence[str], tested: bool = True
) -> Divided:
    """Return patients divided by the label of each; ``labels`` says which there are, in order."""
    return Divided(name, tuple(_group(label, members, tested=tested) for label in labels))


def _group(label: str, members: Sequence[tuple[str, Outcome]], *, tested: bool) -> Group:
    own = _follow_up([each for of, each in members if of == label])
    others = _follow_up([each for of, each in members if of != label])
    return Group(label, kaplan_meier(*own), log_rank(own, others) if tested else None)


def _follow_up(patients: Sequence[Outcome]) -> tuple[list[float], list[bool]]:
    return [each.time for each in patients], [each.event for each in patients]


def _covariate(patients: Sequence[Outcome], name: str, cut: float | None) -> Divided:
    known = [(each.covariates[name], each) for each in patients if each.covariates[name]]
    missing = len(patients) - len(known)
    if not known:
        return Divided(name, (), missing, "no patient has a value")
    if cut is not None:
        labels = (f"below {cut:g}", f"{cut:g} or more")
        known = [(labels[_number(name, text) >= cut], each) for text, each in known]
        found = divided(name, known, labels=labels)
        return Divided(name, found.groups, missing, "cut-point given beforehand")
    counts = Counter(text for text, _each in known)
    reason = _no_categories(name, counts)
    if reason:
        return Divided(name, (), missing, reason)
    found = divided(name, known, labels=sorted(counts, key=_natural), tested=len(counts) > 1)
    note = "one value only: nothing to compare" if len(counts) == 1 else ""
    return Divided(name, found.groups, missing, note)


def _no_categories(name: str, counts: Mapping[str, int]) -> str:
    """Say why the values of a column are no categories; '' where they are.

    Values that all patients have to themselves are not shown: they may say who the patients are.
    """
    own = len(counts) > 2 and max(counts.values()) == 1
    if len(counts) <= MOST_CATEGORIES and not own:
        return ""
    hint = f"; state a cut-point: --covariate-cut {name}=NUMBER" if _all_numbers(counts) else ""
    if own:
        return f"every patient has a value of their own{hint}"
    return f"{len(counts)} different values, more than {MOST_CATEGORIES} categories{hint}"


def _all_numbers(texts: Mapping[str, int]) -> bool:
    return all(math.isfinite(_parsed(text)) for text in texts)


def _number(name: str, text: str) -> float:
    number = _parsed(text)
    if not math.isfinite(number):
        raise ReportError(
            f"--covariate-cut {name}: {text!r} in that column is no number; "
            "leave the cell empty where the value is missing"
        )
    return number


def _parsed(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _natural(text: str) -> tuple[bool, float, str]:
    """Sort numbers by size, before text."""
    number = _parsed(text)
    return (not math.isfinite(number), number if math.isfinite(number) else 0.0, text)
