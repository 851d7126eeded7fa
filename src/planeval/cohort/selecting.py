"""The user's word on a cohort: which plans to take, what is known about them, which names mean what.

Two CSV files, both made by planeval and then edited: the index (``--select``) and the table of names
(``--names``).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from planeval.cohort.planfile import Code, CohortPlan
from planeval.errors import AmbiguousSelection, ReportError
from planeval.model import Rx

__all__ = ["Choice", "chosen_plans", "mapping_for", "read_names", "read_selection"]

_KEYS = ("case_id", "plan_uid", "file")
_YES, _NO = {"yes", "y", "true", "1", "x"}, {"no", "n", "false", "0", ""}


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of a selection: the plan, and what only the user knows about it."""

    key: str
    value: str
    line: int
    child_pugh: str = ""
    rx: Rx | None = None


def read_selection(path: str | Path) -> list[Choice]:
    """Return the lines to take of a selection file.

    A line names its plan by ``case_id``, ``plan_uid`` or ``file``, and is taken unless it has a
    column ``take`` that says no. ``child_pugh``, ``rx_gy`` and ``rx_fractions`` are optional.

    Raises :class:`~planeval.errors.ReportError` for a file that says none of this.
    """
    name = Path(path).name
    found = []
    for number, row in enumerate(_rows(path), start=2):
        key = next((key for key in _KEYS if row.get(key)), None)
        if key is None:
            raise ReportError(f"{name}:{number}: needs one of {', '.join(_KEYS)}")
        take = row.get("take", "yes").lower()
        if take not in _YES | _NO:
            raise ReportError(f"{name}:{number}: take is {take!r}; write yes or no")
        if take in _YES:
            try:
                rx = _rx(row)
            except ValueError as error:
                raise ReportError(f"{name}:{number}: {error}") from None
            found.append(Choice(key, row[key], number, row.get("child_pugh", ""), rx))
    return found


def chosen_plans(
    plans: Sequence[CohortPlan], choices: Sequence[Choice]
) -> list[tuple[CohortPlan, Choice | None]]:
    """Return every plan with its line of the selection; those without one are not taken.

    Raises :class:`~planeval.errors.AmbiguousSelection` for a line that fits no plan or several.
    """
    by_plan: dict[int, Choice] = {}
    for choice in choices:
        fits = [plan for plan in plans if getattr(plan, choice.key) == choice.value]
        if len(fits) > 1:
            fits = [plan for plan in fits if plan.code is not Code.COPY]
        if len(fits) != 1:
            raise AmbiguousSelection(
                f"line {choice.line} of the selection: {choice.key} {choice.value!r} fits "
                f"{len(fits)} plans; make the index again and choose by file"
            )
        if id(fits[0]) in by_plan:
            raise AmbiguousSelection(
                f"line {choice.line} of the selection: the plan is already on line "
                f"{by_plan[id(fits[0])].line}"
            )
        by_plan[id(fits[0])] = choice
    return [(_judged(plan, id(plan) in by_plan), by_plan.get(id(plan))) for plan in plans]


def _judged(plan: CohortPlan, wanted: bool) -> CohortPlan:
    if not wanted:
        reason = plan.reason or "not in the selection"
        code = Code.NOT_SELECTED if plan.is_taken or plan.code is Code.PROBLEM else plan.code
        return replace(plan, code=code, reason=reason)
    if plan.problem:
        return replace(plan, code=Code.PROBLEM, reason=plan.problem)
    return replace(plan, code=Code.TAKEN, reason="selected")


def read_names(path: str | Path) -> dict[str, str]:
    """Return plan name -> protocol name of a reviewed table of names: its lines with ``use``.

    Raises :class:`~planeval.errors.ReportError` for a name with two uses.
    """
    mapping: dict[str, str] = {}
    for number, row in enumerate(_rows(path), start=2):
        name, use = row.get("plan_name", ""), row.get("use", "")
        # in CSV a quote guards a name that a spreadsheet would run
        name = name[1:] if name[:1] == "'" and name[1:2] in tuple("=+-@＝＋－＠") else name
        if not (name and use):
            continue
        if mapping.setdefault(name, use) != use:
            raise ReportError(
                f"{Path(path).name}:{number}: {name!r} is used as {mapping[name]!r} and {use!r}"
            )
    return mapping


def mapping_for(plan: CohortPlan, names: Mapping[str, str], known: Iterable[str]) -> dict[str, str]:
    """Return what of a table of names concerns a plan: its own ROIs, names that are asked for."""
    asked = set(known)
    own = {roi for roi in plan.rois if names.get(roi) in asked}
    return {roi: names[roi] for roi in sorted(own)}


def _rows(path: str | Path) -> list[dict[str, str]]:
    """Return the lines of a CSV file, blanks around cells removed."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"{Path(path).name}: cannot be read: {error}") from None
    reader = csv.DictReader(io.StringIO(text))
    return [
        {(key or "").strip(): (value or "").strip() for key, value in row.items() if key}
        for row in reader
    ]


def _rx(row: Mapping[str, str]) -> Rx | None:
    if not row.get("rx_gy"):
        return None
    fractions = row.get("rx_fractions") or row.get("fractions")
    return Rx(float(row["rx_gy"]), int(fractions) if fractions else None)
