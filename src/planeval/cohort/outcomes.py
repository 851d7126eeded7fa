"""Outcomes joined to metrics: one line per patient, two groups by a cut-point, exploratory.

A patient may have several plans and several foci: how they become one number is for the user to say.
A cut-point that was not given beforehand is the median of the data; then no p-value is given, since
it would be that of the best of many tests. Nobody is left out silently.
"""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from planeval.cohort.pseudonyms import Pseudonyms, read_key
from planeval.cohort.store import Store
from planeval.cohort.survival import Survival, kaplan_meier, log_rank
from planeval.errors import ReportError
from planeval.report.text import visible

__all__ = ["Group", "OutcomeAnalysis", "OutcomeQuestion", "analyse"]

_EVENT = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}
_REDUCTIONS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "max": max, "min": min, "sum": math.fsum, "mean": statistics.fmean, "first": lambda v: v[0],
}  # fmt: skip
_OF_PRESCRIPTION = ("total_gy", "fraction_gy", "bed_gy", "eqd2_gy")
_RX = "prescription:"


@dataclass(frozen=True, slots=True)
class OutcomeQuestion:
    """What a user asks of outcomes: the table, the metric, and the choices made beforehand."""

    table: Path
    metric: str
    cut: float | None = None
    per_patient: str | None = None
    time_zero: str = ""
    key: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The patients on one side of the cut-point."""

    label: str
    curve: Survival


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeAnalysis:
    """The answer: groups, their difference, and who is not in it.

    ``test`` is (chi-squared, p) of the log-rank test; None where the cut-point is of the data or
    there is nothing to compare. ``excluded`` are (reason, patients).
    """

    question: OutcomeQuestion
    unit: str
    cut: float
    cut_is_of_the_data: bool
    patients: int
    groups: tuple[Group, Group]
    whole: Survival
    test: tuple[float, float] | None
    excluded: tuple[tuple[str, int], ...]


def analyse(store: Store, question: OutcomeQuestion) -> OutcomeAnalysis:
    """Join outcomes to one metric and compare the groups.

    Raises :class:`~planeval.errors.ReportError` where the question has no honest answer: an unknown
    metric, several values of a patient without a stated reduction, an outcome table with faults.
    """
    values, unit = _values(store, question)
    outcomes = _outcomes(question)
    known = {row[0] for row in store.query("SELECT DISTINCT patient_id FROM plans")}
    lacking: Counter[str] = Counter()
    joined: list[tuple[float, float, bool]] = []
    for patient, (time, event) in outcomes.items():
        if patient not in known:
            lacking["in the outcome table but not in the cohort"] += 1
        elif patient not in values:
            lacking["without a value of the metric"] += 1
        else:
            joined.append((values[patient], time, event))
    if missing := known - set(outcomes):
        lacking["in the cohort but not in the outcome table"] += len(missing)
    if not joined:
        raise ReportError(
            f"no patient has both an outcome in {question.table.name} and a value of "
            f"{question.metric}: {'; '.join(f'{n} {why}' for why, n in lacking.items())}"
        )
    return _compared(question, unit, joined, lacking)


def _compared(
    question: OutcomeQuestion,
    unit: str,
    joined: Sequence[tuple[float, float, bool]],
    lacking: Counter[str],
) -> OutcomeAnalysis:
    numbers = [value for value, _time, _event in joined]
    of_the_data = question.cut is None
    cut = statistics.median(numbers) if question.cut is None else question.cut
    low = [(time, event) for value, time, event in joined if value < cut]
    high = [(time, event) for value, time, event in joined if value >= cut]
    sides = [([t for t, _e in side], [e for _t, e in side]) for side in (low, high)]
    shown = f"{cut:g} {unit}".rstrip()
    return OutcomeAnalysis(
        question=question,
        unit=unit,
        cut=cut,
        cut_is_of_the_data=of_the_data,
        patients=len(joined),
        groups=(
            Group(f"below {shown}", kaplan_meier(*sides[0])),
            Group(f"{shown} or more", kaplan_meier(*sides[1])),
        ),
        whole=kaplan_meier([t for _v, t, _e in joined], [e for _v, _t, e in joined]),
        test=None if of_the_data else log_rank(*sides),
        excluded=tuple(sorted(lacking.items())),
    )


def _values(store: Store, question: OutcomeQuestion) -> tuple[dict[str, float], str]:
    """Return one number per patient, and its unit."""
    rows = _rows_of(store, question.metric)
    units = {unit for _patient, _value, unit in rows}
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
    by_patient: dict[str, list[float]] = {}
    for patient, value, _unit in rows:
        by_patient.setdefault(patient, []).append(value)
    several = sum(len(set(values)) > 1 for values in by_patient.values())
    if several and question.per_patient is None:
        raise ReportError(
            f"{several} patients have several values of {question.metric!r} (plans or foci); say "
            f"with --per-patient what counts: {', '.join(_REDUCTIONS)}"
        )
    reduce = _REDUCTIONS[question.per_patient or "first"]
    return {patient: float(reduce(values)) for patient, values in by_patient.items()}, units.pop()


def _rows_of(store: Store, metric: str) -> list[tuple[str, float, str]]:
    """Return (patient, value, unit) by plan date, the first plan first."""
    if metric.startswith(_RX):
        column = metric.removeprefix(_RX)
        if column not in _OF_PRESCRIPTION:
            raise ReportError(f"{metric!r}: a prescription has {', '.join(_OF_PRESCRIPTION)}")
        sql = (
            f"SELECT p.patient_id, p.{column}, 'Gy' FROM prescriptions p JOIN cases USING (case_id) "
            f"WHERE p.{column} IS NOT NULL ORDER BY {_BY_DATE}, p.seq"
        )
        found = store.query(sql)
    else:
        structure, _, text = metric.rpartition(":")
        found = store.query(
            "SELECT m.patient_id, m.value, m.unit FROM metrics m JOIN cases USING (case_id) "
            "WHERE m.value IS NOT NULL AND ((m.row_id = ? AND m.beside IS NULL) "
            f"OR (m.structure = ? AND m.metric = ?)) ORDER BY {_BY_DATE}, m.seq",
            [metric, structure, text],
        )
    return [(row[0], row[1], row[2]) for row in found]


_BY_DATE = "try_cast(replace(cases.plan_date, 'day ', '') AS INTEGER), cases.plan_date, case_id"


def _outcomes(question: OutcomeQuestion) -> dict[str, tuple[float, bool]]:
    """Return patient -> (time, event) of the outcome table, every line checked."""
    name = question.table.name
    try:
        text = question.table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"{name}: cannot be read: {error}") from None
    pseudonyms = Pseudonyms(read_key(question.key)) if question.key else None
    found: dict[str, tuple[float, bool]] = {}
    reader = csv.DictReader(io.StringIO(text))
    columns = {(column or "").strip() for column in reader.fieldnames or ()}
    if not columns >= {"patient_id", "time", "event"}:
        raise ReportError(f"{name}: needs the columns patient_id, time and event")
    for number, row in enumerate(reader, start=2):
        cells = {(key or "").strip(): (value or "").strip() for key, value in row.items() if key}
        patient, event = cells["patient_id"], _EVENT.get(cells["event"].lower())
        try:
            time = float(cells["time"])
        except ValueError:
            time = math.nan
        if not patient or event is None or not (math.isfinite(time) and time >= 0):
            raise ReportError(
                f"{name}:{number}: needs a patient_id, a time of 0 or more, and 1 or 0 for event"
            )
        shown = pseudonyms.patient_id(patient) if pseudonyms else visible(patient)
        if shown in found:
            raise ReportError(f"{name}:{number}: this patient is there twice; one line per patient")
        found[shown] = (time, event)
    return found
