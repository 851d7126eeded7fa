"""A comparison as lines of formatted cells: what HTML, the terminal and CSV show alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from planeval.case import Case
from planeval.model.comparison import Change, ComparedRow, ComparedValue, ComparisonRecord, Trend
from planeval.model.record import EvaluationRecord
from planeval.model.rows import GroupMode
from planeval.report.cells import (
    DASH,
    StatusCell,
    ValueCell,
    limit_cell,
    signed_cell,
    status_cell,
    value_cell,
)
from planeval.report.chart import Chart, CurveSet, chart_of
from planeval.report.curves import Curve, curves_of
from planeval.report.status import StatusWord
from planeval.report.wording import CHANGE_WORDS, GROUP_WORDS, KIND_WORDS, TREND_WORDS

__all__ = [
    "ChangeLine",
    "ComparedCell",
    "ComparedLine",
    "ComparedSection",
    "change_counts",
    "change_lines",
    "compared_sections",
    "comparison_chart",
    "row_name",
]

PLAN_DASHES: tuple[tuple[int, ...], ...] = (
    (8, 4), (2, 3), (10, 3, 2, 3), (16, 5), (5, 2), (10, 3, 2, 3, 2, 3), (1, 5),
)  # fmt: skip
"""Line patterns of the plans after the first, which is solid."""

SECTION_TITLES = {
    "constraint": "Constraints",
    "margin": "Margins between targets",
    "target": "Targets, not judged",
    "information": "Information, not judged",
}


@dataclass(frozen=True, slots=True)
class ComparedCell:
    """A row in one plan: its value and status, and what stands in the column of differences.

    ``change`` is None where the outcome is that of the first plan. ``difference`` is empty for the
    first plan, ``trend`` says where the value moved, ``limit`` is set where the limits differ by plan.
    """

    plan: str
    name_in_plan: str
    value: ValueCell
    status: StatusCell | None
    limit: str
    difference: str
    trend: str
    change: StatusWord | None
    is_within_bands: bool


@dataclass(frozen=True, slots=True)
class ComparedLine:
    """A line of the table of differences; ``mode`` is not empty for the head of a group."""

    anchor: str
    structure: str
    metric: str
    kind: str
    title: str
    mode: str
    mode_meaning: str
    depth: int
    limit: str
    is_counted: bool
    is_unverified: bool
    cells: tuple[ComparedCell, ...]


@dataclass(frozen=True, slots=True)
class ComparedSection:
    """The lines of one part of a record."""

    name: str
    title: str
    is_judged: bool
    lines: tuple[ComparedLine, ...]


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """An outcome that changes: which row, from what to what, in which plan.

    ``note`` says why it does not count by itself: it is a member of a group, or out of the verdict.
    """

    anchor: str
    what: str
    note: str
    plan: str
    before: StatusCell
    after: StatusCell
    change: StatusWord


def compared_sections(record: ComparisonRecord) -> tuple[ComparedSection, ...]:
    """Return the rows of a comparison by the part of the record that they come from."""
    anchors = _anchors(record)
    return tuple(
        ComparedSection(
            name, title, name in ("constraint", "margin"),
            tuple(_line(row, anchors[row.id]) for row in record.rows if row.section == name),
        )
        for name, title in SECTION_TITLES.items()
        if any(row.section == name for row in record.rows)
    )  # fmt: skip


def change_lines(record: ComparisonRecord) -> tuple[ChangeLine, ...]:
    """Return every change of an outcome, counted rows first, the worse before the better."""
    anchors = _anchors(record)
    found = []
    for row in record.changes:
        first = row.plans[0]
        for each in row.plans[1:]:
            if each.change is not Change.NONE:
                line = ChangeLine(
                    anchors[row.id], row_name(row), _note(row), each.plan,
                    status_cell(first.outcome), status_cell(each.outcome), CHANGE_WORDS[each.change],
                )  # fmt: skip
                found.append(line)
    return tuple(sorted(found, key=lambda line: (line.note, line.change.rank)))


def change_counts(lines: Sequence[ChangeLine]) -> dict[str, int]:
    """Return how many counted outcomes became worse, better, or other (in all later plans)."""
    return {
        each.value: sum(not line.note and line.change is CHANGE_WORDS[each] for line in lines)
        for each in (Change.WORSE, Change.BETTER, Change.OTHER)
    }


def _note(row: ComparedRow) -> str:
    if row.decides:
        return ""
    return "part of a group" if row.is_counted else "does not count"


def row_name(row: ComparedRow) -> str:
    """Return how a list names a row: structure and metric, or the title of a group."""
    return f"{row.structure} {row.metric}".strip() or row.title or row.id


def _anchors(record: ComparisonRecord) -> dict[str, str]:
    return {row.id: f"row-{number}" for number, row in enumerate(record.rows, start=1)}


def _line(row: ComparedRow, anchor: str) -> ComparedLine:
    word, meaning = GROUP_WORDS[GroupMode(row.mode)] if row.mode else ("", "")
    limits = [_limits(each) for each in row.plans if each.per_protocol or each.acceptable]
    return ComparedLine(
        anchor=anchor,
        structure=row.structure,
        metric=row.metric,
        kind=KIND_WORDS[row.kind],
        title=row.title,
        mode=word,
        mode_meaning=meaning,
        depth=row.depth,
        limit="by plan" if row.limits_differ else (limits[0] if limits else DASH),
        is_counted=row.is_counted,
        is_unverified=row.is_unverified,
        cells=tuple(_cell(each, row) for each in row.plans),
    )


def _limits(value: ComparedValue) -> str:
    tiers = dict.fromkeys(
        limit_cell(each) for each in (value.per_protocol, value.acceptable) if each
    )
    return "; ".join(tiers)


def _cell(each: ComparedValue, row: ComparedRow) -> ComparedCell:
    limits = (each.per_protocol, each.acceptable)
    is_first = each is row.plans[0]
    return ComparedCell(
        plan=each.plan,
        name_in_plan="" if each.name_in_plan == row.structure else each.name_in_plan,
        value=value_cell(each.value, limits),
        status=status_cell(each.outcome) if each.outcome else None,
        limit=_limits(each) if row.limits_differ else "",
        difference="" if is_first or row.mode else signed_cell(each.difference),
        trend="" if is_first else TREND_WORDS[Trend(each.trend)],
        change=None if each.change is Change.NONE else CHANGE_WORDS[each.change],
        is_within_bands=not is_first and each.is_within_bands and each.trend is not Trend.EQUAL,
    )


def comparison_chart(
    record: ComparisonRecord, cases: Sequence[Case], evaluations: Sequence[EvaluationRecord]
) -> Chart | None:
    """Return the DVH of every plan in one chart, with the limits of the first; None without a curve.

    A structure is one line a plan: found by the protocol name that it serves in each plan, else by
    its own name.
    """
    first, *others = (curves_of(case, each) for case, each in zip(cases, evaluations, strict=True))
    names = [_names(each, evaluations[0]) for each in evaluations[1:]]
    sets = [
        CurveSet(
            plan.letter, f"{plan.letter}: {plan.label}",
            tuple(_renamed(curve, known) for curve in curves), dash,
        )
        for plan, curves, known, dash in zip(
            record.plans[1:], others, names, PLAN_DASHES, strict=False
        )
    ]  # fmt: skip
    plan = record.plans[0]
    return chart_of(
        first, evaluations[0], sets, label=(plan.letter, f"{plan.letter}: {plan.label}")
    )


def _names(record: EvaluationRecord, first: EvaluationRecord) -> dict[str, str]:
    """Return the first plan's name of what a plan names otherwise, by the protocol's names."""
    theirs, ours = (
        {
            match.protocol_name: match.name_in_plan
            for match in (row.match for row in each.flat_rows())
            if match.is_found
        }
        for each in (record, first)
    )
    return {name: ours[known] for known, name in theirs.items() if known in ours}


def _renamed(curve: Curve, names: dict[str, str]) -> Curve:
    name = names.get(curve.name, curve.name)
    return curve if name == curve.name else curve.named(name)
