"""The outcome table of a user: one line per patient, every cell checked or refused with its line.

``patient_id,time,event`` and any further columns, which are covariates: text as it stands; an empty
cell, and R's ``NA``, is a missing value.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from planeval.cohort.pseudonyms import Pseudonyms, read_key
from planeval.errors import ReportError
from planeval.report.text import visible

__all__ = ["Outcome", "OutcomeTable", "read_outcomes"]

_EVENT = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}
_MISSING = "NA"
_OWN = ("patient_id", "time", "event")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one patient: ``time``, whether the ``event`` happened then, and covariates."""

    time: float
    event: bool
    covariates: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OutcomeTable:
    """Patients of an outcome table by the id that the cohort has for them, and its covariates."""

    name: str
    covariates: tuple[str, ...]
    patients: Mapping[str, Outcome]


def read_outcomes(path: Path, key: Path | None = None) -> OutcomeTable:
    """Return an outcome table; with ``key`` its true patient ids become those of the cohort.

    Raises :class:`~planeval.errors.ReportError` for a table that cannot be read, lacks a column or
    names one twice, and for a line with a doubtful cell, too many cells or a patient seen before.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"{path.name}: cannot be read: {error}") from None
    pseudonyms = Pseudonyms(read_key(key)) if key else None
    lines = csv.reader(io.StringIO(text))
    columns = _columns(path.name, next(lines, []))
    covariates = tuple(name for name in columns if name and name not in _OWN)
    found: dict[str, Outcome] = {}
    for where, cells in _cells(path.name, columns, lines):
        patient, outcome = _outcome(where, cells, covariates)
        shown = pseudonyms.patient_id(patient) if pseudonyms else visible(patient)
        if shown in found:
            raise ReportError(f"{where}: this patient is there twice; one line per patient")
        found[shown] = outcome
    return OutcomeTable(path.name, covariates, found)


def _columns(name: str, header: Sequence[str]) -> list[str]:
    """Return the names of the columns, '' for one without a name."""
    columns = [cell.strip() for cell in header]
    if not set(columns) >= set(_OWN):
        raise ReportError(f"{name}: needs the columns patient_id, time and event")
    twice = [column for column, count in Counter(columns).items() if column and count > 1]
    if twice:
        raise ReportError(f"{name}: the column {twice[0]!r} is there twice; give each its own name")
    return columns


def _cells(
    name: str, columns: Sequence[str], lines: Iterator[list[str]]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (place, cells by column) of every line that is not empty."""
    for number, line in enumerate(lines, start=2):
        cells = [cell.strip() for cell in line]
        if not any(cells):
            continue
        where = f"{name}:{number}"
        if any(cells[len(columns) :]):
            raise ReportError(f"{where}: has more cells than the table has columns")
        padded = [*cells, *[""] * (len(columns) - len(cells))]
        if any(cell for column, cell in zip(columns, padded, strict=False) if not column):
            raise ReportError(f"{where}: has a value in a column without a name; name the column")
        yield where, dict(zip(columns, padded, strict=False))


def _outcome(
    where: str, cells: Mapping[str, str], covariates: Sequence[str]
) -> tuple[str, Outcome]:
    patient, event = cells["patient_id"], _EVENT.get(cells["event"].lower())
    try:
        time = float(cells["time"])
    except ValueError:
        time = math.nan
    if not patient or event is None or not (math.isfinite(time) and time >= 0):
        raise ReportError(f"{where}: needs a patient_id, a time of 0 or more, and 1 or 0 for event")
    known = {name: "" if cells[name] == _MISSING else cells[name] for name in covariates}
    return patient, Outcome(time, event, known)
