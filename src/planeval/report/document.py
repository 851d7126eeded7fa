"""The record as lines of formatted cells: what HTML, the terminal and CSV show alike.

Rows are grouped by organ in the order of the protocol; within an organ the most severe outcome
comes first. A group of rows stays one block, whatever its members.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from planeval.model.record import EvaluationRecord
from planeval.model.rows import MatchKind, Row, RowGroup, flat_rows
from planeval.report.cells import (
    StatusCell,
    ValueCell,
    limit_cell,
    margin_cell,
    status_cell,
    value_cell,
)
from planeval.report.levels import LevelLine, level_line
from planeval.report.wording import GROUP_WORDS, KIND_WORDS

_ORGAN = re.compile(r"(?<=\S) ?- ?")
"""What follows it is taken away from the organ: Liver - GTV, Liver-GTV."""

SUMMARY_START = "Constraint compliance: "

__all__ = [
    "CompanionLine",
    "Line",
    "Matrix",
    "OrganSection",
    "anchors",
    "constraint_sections",
    "information_matrices",
    "summary_text",
    "unjudged_by_reason",
]


@dataclass(frozen=True, slots=True)
class CompanionLine:
    """A value printed below a row and never judged."""

    metric: str
    value: ValueCell
    note: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the constraint table: a row, or the head of a group (``mode`` is not empty).

    ``depth`` is 0 outside any group; ``last`` marks the end of a block, where a bracket closes;
    ``outside``, which is one of the notes, is what is taken for granted beyond the dose grid.
    """

    id: str
    depth: int
    status: StatusCell
    kind: str
    title: str = ""
    mode: str = ""
    mode_meaning: str = ""
    structure: str = ""
    in_plan: str = ""
    match: str = ""
    metric: str = ""
    rx: str = ""
    per_protocol: str = ""
    acceptable: str = ""
    value: ValueCell | None = None
    margin: str = ""
    source: str = ""
    companions: tuple[CompanionLine, ...] = ()
    notes: tuple[str, ...] = ()
    levels: LevelLine | None = None
    is_counted: bool = True
    is_unverified: bool = False
    last: bool = False
    outside: str = ""


@dataclass(frozen=True, slots=True)
class OrganSection:
    """The lines of one organ."""

    organ: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Structures that share the same information metrics: one table of values.

    Each entry of ``rows`` is (structure, its name in the plan, one line per metric).
    """

    metrics: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Line, ...]], ...]


def constraint_sections(record: EvaluationRecord) -> tuple[OrganSection, ...]:
    """Return the judged and reference rows by organ, the most severe outcome first in each."""
    by_organ: dict[str, list[Row | RowGroup]] = {}
    for item in record.rows:
        by_organ.setdefault(_organ(item), []).append(item)
    sections = []
    for organ, items in by_organ.items():
        lines: list[Line] = []
        for item in sorted(items, key=_severity):
            block = _lines(item, 0)
            if isinstance(item, RowGroup):
                block[-1] = replace(block[-1], last=True)
            lines += block
        sections.append(OrganSection(organ, tuple(lines)))
    return tuple(sections)


def information_matrices(record: EvaluationRecord) -> tuple[Matrix, ...]:
    """Return the information rows as tables: structures with the same metrics share one."""
    by_structure: dict[tuple[str, str], list[Line]] = {}
    for item in record.information:
        for line in _lines(item, 0):
            if not line.mode:
                by_structure.setdefault((line.structure, line.in_plan), []).append(line)
    by_metrics: dict[tuple[str, ...], list[tuple[str, str, tuple[Line, ...]]]] = {}
    for (structure, in_plan), lines in by_structure.items():
        metrics = tuple(line.metric for line in lines)
        by_metrics.setdefault(metrics, []).append((structure, in_plan, tuple(lines)))
    return tuple(Matrix(metrics, tuple(rows)) for metrics, rows in by_metrics.items())


def anchors(record: EvaluationRecord) -> dict[str, str]:
    """Return a link target for every row, group and margin id: ids are text, targets are numbered."""
    ids: dict[str, None] = {}
    for item in record.rows + record.information:
        ids.update(dict.fromkeys(_ids(item)))
    ids.update(dict.fromkeys(row.id for row in record.margins))
    return {name: f"row-{number}" for number, name in enumerate(ids, start=1)}


def summary_text(record: EvaluationRecord) -> str:
    """Return the counts of the verdict; its heading, which every report prints, is left out."""
    return record.summary.removeprefix(SUMMARY_START)


def unjudged_by_reason(record: EvaluationRecord) -> dict[str, list[str]]:
    """Return the organs that no counted row judges, by the reason why."""
    by_reason: dict[str, list[str]] = {}
    for organ in record.not_judged:
        by_reason.setdefault(organ.reason, []).append(organ.name)
    return by_reason


def _ids(item: Row | RowGroup) -> Iterable[str]:
    yield item.id
    if isinstance(item, RowGroup):
        for member in item.members:
            yield from _ids(member)


def _organ(item: Row | RowGroup) -> str:
    """Return the heading: ``Liver`` for Liver - GTV, the title of a group of several organs."""
    organs = {_ORGAN.split(row.structure, maxsplit=1)[0] for row in flat_rows([item])}
    if len(organs) == 1:
        return organs.pop()
    return item.title or ", ".join(sorted(organs))


def _severity(item: Row | RowGroup) -> tuple[int, bool]:
    """Order by status, near the limit first among equals."""
    cell = status_cell(item.outcome)
    return cell.word.rank, not cell.near_limit


def _lines(item: Row | RowGroup, depth: int) -> list[Line]:
    if isinstance(item, Row):
        return [_row_line(item, depth)]
    word, meaning = GROUP_WORDS[item.mode]
    head = Line(
        id=item.id,
        depth=depth,
        status=status_cell(item.outcome),
        kind=KIND_WORDS[item.kind],
        title=item.title,
        mode=word,
        mode_meaning=meaning,
        source=item.source,
        notes=item.notes,
        is_counted=item.is_counted,
        is_unverified=not item.in_verdict,
    )
    return [head, *(line for member in item.members for line in _lines(member, depth + 1))]


def _row_line(row: Row, depth: int) -> Line:
    limits = (row.per_protocol, row.acceptable)
    margin = row.margin or row.margin_acceptable
    return Line(
        id=row.id,
        depth=depth,
        status=status_cell(row.outcome),
        kind=KIND_WORDS[row.kind],
        title=row.title,
        is_unverified=row.is_unverified,
        structure=row.structure,
        in_plan=_in_plan(row),
        match="" if row.match.kind is MatchKind.EXACT else row.match.kind.value,
        metric=row.metric,
        rx=_rx_text(row),
        per_protocol=limit_cell(row.per_protocol),
        acceptable=limit_cell(row.acceptable),
        value=value_cell(row.value, limits),
        margin=margin_cell(margin),
        source=row.source,
        companions=tuple(
            CompanionLine(each.metric, value_cell(each.value, limits), each.note)
            for each in row.companions
            if row.value.is_defined or each.value.is_defined
        ),
        notes=tuple(filter(None, (*row.value.notes, row.outside_text, *row.notes))),
        levels=level_line(row),
        is_counted=row.is_counted,
        outside=row.outside_text,
    )


def _in_plan(row: Row) -> str:
    """Return the name in the plan where it is not the protocol's."""
    name = row.match.name_in_plan
    return "" if name == row.structure else name


def _rx_text(row: Row) -> str:
    if row.rx_gy is None:
        return ""
    target = f" ({row.rx})" if row.rx else ""
    return f"100 % is {row.rx_gy:.12g} Gy{target}"
