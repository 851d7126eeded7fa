"""Outcomes joined to metrics: one line per patient, two groups by a cut-point, exploratory.

A patient may have several plans and several foci: how they become one number is for the user to say.
A cut-point that was not given beforehand is the median of the data; then no p-value is given, since
it would be that of the best of many tests. Nobody is left out silently.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from planeval.cohort.covariates import Divided, Group, covariate_table, divided
from planeval.cohort.outcome_table import Outcome, read_outcomes
from planeval.cohort.per_patient import Measured, one_per_patient
from planeval.cohort.store import Store
from planeval.cohort.survival import LogRank, Survival, kaplan_meier
from planeval.errors import ReportError

__all__ = ["OutcomeAnalysis", "OutcomeQuestion", "analyse"]

_OF_PRESCRIPTION = ("total_gy", "fraction_gy", "bed_gy", "eqd2_gy")
_RX = "prescription:"
_MOSTLY_PERCENT = 50
"""A target of which a larger share lies in the liver is a target in the liver."""


@dataclass(frozen=True, slots=True)
class OutcomeQuestion:
    """What a user asks of outcomes: the table, the metric, and the choices made beforehand."""

    table: Path
    metric: str
    cut: float | None = None
    per_patient: str | None = None
    time_zero: str = ""
    key: Path | None = None
    covariate_cuts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeAnalysis:
    """The answer: groups, their difference, and who is not in it.

    ``division`` is by the metric; its groups have no test where the cut-point is of the data.
    ``covariates`` are the other columns of the table, each on its own, in the same patients.
    ``excluded`` are (reason, patients).
    """

    question: OutcomeQuestion
    unit: str
    cut: float
    cut_is_of_the_data: bool
    patients: int
    division: Divided
    covariates: tuple[Divided, ...]
    whole: Survival
    excluded: tuple[tuple[str, int], ...]

    @property
    def groups(self) -> tuple[Group, ...]:
        """Below the cut-point, and at or above it."""
        return self.division.groups

    @property
    def test(self) -> LogRank | None:
        """The log-rank test of the lower group against the higher one."""
        return self.groups[0].test

    @property
    def divisions(self) -> tuple[Divided, ...]:
        """By the metric, then by each covariate."""
        return (self.division, *self.covariates)

    @property
    def tests(self) -> int:
        """How many different comparisons have a p-value: of two groups, both have the same."""
        counts = [sum(one.test is not None for one in each.groups) for each in self.divisions]
        return sum(1 if count == 2 else count for count in counts)


def analyse(store: Store, question: OutcomeQuestion) -> OutcomeAnalysis:
    """Join outcomes to one metric and compare the groups.

    Raises :class:`~planeval.errors.ReportError` where the question has no honest answer: an unknown
    metric, several values of a patient without a stated reduction, an outcome table with faults, a
    cut-point of a covariate that has none.
    """
    found, unit = _measured(store, question)
    values, reasons = one_per_patient(found, question.per_patient, question.metric)
    table = read_outcomes(question.table, question.key)
    known = {row[0] for row in store.query("SELECT DISTINCT patient_id FROM plans")}
    lacking: Counter[str] = Counter()
    joined: list[tuple[float, Outcome]] = []
    for patient, outcome in table.patients.items():
        if patient not in known:
            lacking["in the outcome table but not in the cohort"] += 1
        elif patient not in values:
            lacking[reasons.get(patient, "without a value of the metric")] += 1
        else:
            joined.append((values[patient], outcome))
    if missing := known - set(table.patients):
        lacking["in the cohort but not in the outcome table"] += len(missing)
    if not joined:
        raise ReportError(
            f"no patient has both an outcome in {table.name} and a value of "
            f"{question.metric}: {'; '.join(f'{n} {why}' for why, n in lacking.items())}"
        )
    patients = [outcome for _value, outcome in joined]
    covariates = covariate_table(patients, table.covariates, question.covariate_cuts)
    return _compared(question, unit, joined, covariates, lacking)


def _compared(
    question: OutcomeQuestion,
    unit: str,
    joined: Sequence[tuple[float, Outcome]],
    covariates: tuple[Divided, ...],
    lacking: Counter[str],
) -> OutcomeAnalysis:
    of_the_data = question.cut is None
    cut = statistics.median(value for value, _o in joined) if question.cut is None else question.cut
    shown = f"{cut:g} {unit}".rstrip()
    labels = (f"below {shown}", f"{shown} or more")
    members = [(labels[value >= cut], outcome) for value, outcome in joined]
    patients = [outcome for _value, outcome in joined]
    return OutcomeAnalysis(
        question=question,
        unit=unit,
        cut=cut,
        cut_is_of_the_data=of_the_data,
        patients=len(joined),
        division=divided(question.metric, members, labels=labels, tested=not of_the_data),
        covariates=covariates,
        whole=kaplan_meier([each.time for each in patients], [each.event for each in patients]),
        excluded=tuple(sorted(lacking.items())),
    )


def _measured(store: Store, question: OutcomeQuestion) -> tuple[list[Measured], str]:
    """Return every value of the metric with its patient, and its unit."""
    rows = _rows_of(store, question.metric)
    units = {row[4] for row in rows}
    if not rows:
        known = [
            row[0] for row in store.query("SELECT DISTINCT row_id FROM metrics ORDER BY row_id")
        ]
        raise ReportError(
            f"--metric {question.metric!r} has no value in the cohort; give a row_id "
            f"({', '.join(known[:12])}), STRUCTURE:METRIC, or prescription:eqd2_gy"
        )
    if len(units) > 1:
        raise ReportError(f"--metric {question.metric!r} has units {', '.join(sorted(units))}")
    place = _Places(store)
    measured = [
        Measured(patient, case, day, float(value), place.in_liver(case, target))
        for patient, case, day, value, _unit, target in rows
    ]
    return measured, units.pop()


def _rows_of(store: Store, metric: str) -> list[tuple[Any, ...]]:
    """Return (patient, case, day, value, unit, ROI) of every value of a metric."""
    if metric.startswith(_RX):
        column = metric.removeprefix(_RX)
        if column not in _OF_PRESCRIPTION:
            raise ReportError(f"{metric!r}: a prescription has {', '.join(_OF_PRESCRIPTION)}")
        return store.query(
            f"SELECT p.patient_id, case_id, {_DAY}, p.{column}, 'Gy', p.target "
            "FROM prescriptions p JOIN cases USING (case_id) "
            f"WHERE p.{column} IS NOT NULL ORDER BY case_id, p.seq"
        )
    structure, _, text = metric.rpartition(":")
    return store.query(
        f"SELECT m.patient_id, case_id, {_DAY}, m.value, m.unit, m.plan_name "
        "FROM metrics m JOIN cases USING (case_id) "
        "WHERE m.value IS NOT NULL AND ((m.row_id = ? AND m.beside IS NULL) "
        "OR (m.structure = ? AND m.metric = ?)) ORDER BY case_id, m.seq",
        [metric, structure, text],
    )


_DAY = (
    "CASE WHEN cases.plan_date LIKE 'day %' THEN try_cast(substr(cases.plan_date, 5) AS INTEGER) "
    "ELSE datediff('day', DATE '1900-01-01', try_cast(cases.plan_date AS DATE)) END"
)
"""A plan's date as a number of days; in a pseudonymised cohort it is written as one (``day 12``)."""


class _Places:
    """Which targets lie in the liver."""

    def __init__(self, store: Store) -> None:
        rows = store.query("SELECT case_id, target, liver_percent FROM targets ORDER BY ALL")
        self._shares: dict[tuple[str, str], list[float | None]] = {}
        for case, target, percent in rows:
            self._shares.setdefault((case, target), []).append(percent)
        self._prescribed: dict[str, list[str]] = {}
        for case, target in store.query("SELECT case_id, target FROM prescriptions ORDER BY ALL"):
            if (case, target) in self._shares:
                self._prescribed.setdefault(case, []).append(target)

    def in_liver(self, case: str, name: str | None) -> bool | None:
        """Return whether an ROI of a plan is a target in the liver, None where nobody knows.

        For what is no target (an organ, a prescription that names none) it is the targets that the
        plan prescribes to, or all where it prescribes to none: any of them in the liver is enough.
        """
        if name is not None and (case, name) in self._shares:
            return _mostly(self._shares[case, name])
        names = self._prescribed.get(case) or [of for at, of in self._shares if at == case]
        answers = [_mostly(self._shares[case, each]) for each in names]
        if any(answers):
            return True
        return None if None in answers or not answers else False


def _mostly(shares: Sequence[float | None]) -> bool | None:
    """Return whether a target lies in the liver; where several bear its name they must agree."""
    answers = {None if share is None else share > _MOSTLY_PERCENT for share in shares}
    return answers.pop() if len(answers) == 1 else None
