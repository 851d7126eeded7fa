"""A comparison as CSV, one line per row and plan, and as a table for a terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from planeval.model.comparison import ComparedRow, ComparedValue, ComparisonRecord
from planeval.report.cells import DASH, plain_number
from planeval.report.comparison import (
    ChangeLine,
    ComparedCell,
    ComparedLine,
    change_counts,
    change_lines,
    compared_sections,
)
from planeval.report.status import StatusWord
from planeval.report.terminal import LONGEST_NAME, STYLES, finding_lines
from planeval.report.text import csv_text, person_name, prose, visible
from planeval.report.wording import DISCLAIMER, VERDICT_WORDS

__all__ = ["COMPARISON_COLUMNS", "comparison_csv", "comparison_table"]

COMPARISON_COLUMNS = (
    "patient_id", "protocol", "section", "row_id", "kind", "structure", "metric", "plan", "plan_label",
    "plan_uid", "plan_name", "value", "unit", "low", "high", "reason", "per_protocol", "acceptable",
    "outcome", "near_limit", "outcome_reason", "difference", "difference_low", "difference_high",
    "within_bands", "trend", "change",
)  # fmt: skip

CHANGE_STYLES = {"worse": "bold red", "better": "green", "other": "bold magenta"}


def comparison_csv(record: ComparisonRecord) -> str:
    """Return one line per row and plan; differences are to the first plan.

    UTF-8, LF, a decimal point, 9 significant digits; empty where there is no number.
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COMPARISON_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    plans = {plan.letter: plan for plan in record.plans}
    for row in record.rows:
        for each in row.plans:
            plan = plans[each.plan]
            writer.writerow(
                {
                    "patient_id": csv_text(record.identity.patient_id),
                    "protocol": csv_text(record.protocol_id),
                    "plan_label": csv_text(plan.label),
                    "plan_uid": csv_text(" ".join(plan.plan_uids)),
                    **_columns(row, each),
                }
            )
    return stream.getvalue()


def _columns(row: ComparedRow, each: ComparedValue) -> dict[str, str]:
    outcome, value, difference = each.outcome, each.value, each.difference
    is_group = bool(row.mode)
    return {
        "section": row.section,
        "row_id": csv_text(row.id),
        "kind": row.kind.value,
        "structure": csv_text(row.structure),
        "metric": row.mode if is_group else csv_text(row.metric),
        "plan": each.plan,
        "plan_name": csv_text(each.name_in_plan),
        "value": plain_number(value.number),
        "unit": "" if is_group else value.unit.value,
        "low": plain_number(value.low if value.is_defined else None),
        "high": plain_number(value.high if value.is_defined else None),
        "reason": "" if is_group else csv_text(value.reason),
        "per_protocol": csv_text(each.per_protocol.text) if each.per_protocol else "",
        "acceptable": csv_text(each.acceptable.text) if each.acceptable else "",
        "outcome": outcome.status.value if outcome else "",
        "near_limit": str(outcome.near_limit).lower() if outcome else "",
        "outcome_reason": csv_text(outcome.reason) if outcome else "",
        "difference": plain_number(difference.number),
        "difference_low": plain_number(difference.low if difference.is_defined else None),
        "difference_high": plain_number(difference.high if difference.is_defined else None),
        "within_bands": str(each.is_within_bands).lower() if difference.is_defined else "",
        "trend": "" if is_group else each.trend.value,
        "change": each.change.value,
    }


def comparison_table(record: ComparisonRecord) -> RenderableType:
    """Return the comparison for a terminal: plans, what else differs, changed outcomes, differences."""
    parts: list[RenderableType] = [_heading(record)]
    if record.findings:
        parts += [Text(), Text("What else differs", style="bold")]
        parts.append(finding_lines(record.findings))
    parts += [Text(), Text("Which constraints change outcome", style="bold")]
    parts += _changes(change_lines(record))
    for section in compared_sections(record):
        if section.is_judged:
            parts += [Text(), Text(section.title, style="bold")]
            parts.append(_differences(record, section.lines))
    parts.append(Text(DISCLAIMER, style="dim"))
    return Group(*parts)


def _heading(record: ComparisonRecord) -> Text:
    who = record.identity
    text = Text()
    text.append(person_name(who.patient_name) or DASH, style="bold")
    text.append(f"  ID {visible(who.patient_id, LONGEST_NAME) or DASH}")
    text.append(
        f"  protocol {visible(record.protocol_id, 32)} {visible(record.protocol_version, 32)}"
    )
    for plan in record.plans:
        word = VERDICT_WORDS[plan.verdict]
        text.append(f"\n{plan.letter}  {visible(plan.label, LONGEST_NAME)}  ")
        text.append(f"{visible(plan.prescription, 160) or 'no prescription'}  ", style="dim")
        text.append(word.word, style=STYLES[word.style])
    return text


def _changes(lines: tuple[ChangeLine, ...]) -> Iterator[Text]:
    if not lines:
        yield Text("No row changes its outcome.")
        return
    counts = change_counts(lines)
    yield Text(
        "Counted rows and groups: "
        + ", ".join(f"{number} {kind}" for kind, number in counts.items())
    )
    for line in lines:
        text = _marked(line.change)
        text.append(f"  {line.plan}  {visible(line.what)}: ")
        text.append(f"{line.before.word.word} -> {line.after.word.word}")
        if line.note:
            text.append(f"  ({line.note})", style="dim")
        if line.after.reason:
            text.append(f"\n    {prose(line.after.reason)}", style="dim")
        yield text


def _marked(word: StatusWord) -> Text:
    return Text(f"{word.sign} {word.word}", style=CHANGE_STYLES[word.style])


def _differences(record: ComparisonRecord, lines: tuple[ComparedLine, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("Structure", overflow="fold", min_width=10)
    table.add_column("Metric", overflow="fold")
    table.add_column("Limit", justify="right", overflow="fold")
    for plan in record.plans:
        table.add_column(plan.letter, justify="right", overflow="fold")
        if plan is not record.plans[0]:
            table.add_column(f"{plan.letter} - A", justify="right", overflow="fold")
    for line in lines:
        indent = "│ " * line.depth
        name = f"{line.mode}: {line.title or line.mode_meaning}" if line.mode else line.structure
        cells = [_value(line.cells[0], line)]
        for cell in line.cells[1:]:
            cells += [_value(cell, line), _difference(cell)]
        table.add_row(
            Text(indent + visible(name, LONGEST_NAME), style="" if line.is_counted else "dim"),
            Text(visible(line.metric, LONGEST_NAME)),
            Text("" if line.mode else line.limit.replace("; ", "\n")),
            *cells,
        )
    return table


def _value(cell: ComparedCell, line: ComparedLine) -> Text:
    text = Text("" if line.mode else str(cell.value))
    if cell.limit:
        text.append(f"\n{cell.limit}", style="dim")
    if cell.status:
        word = cell.status.word
        text.append("\n" if text.plain else "").append(
            f"{word.sign} {word.word}", style=STYLES[word.style]
        )
    return text


def _difference(cell: ComparedCell) -> Text:
    text = Text(cell.difference)
    if cell.is_within_bands:
        text.append("\n≈ in the bands", style="dim")
    if cell.change:
        text.append("\n" if text.plain else "").append_text(_marked(cell.change))
    return text
