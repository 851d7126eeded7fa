"""An evaluation for a terminal: who, verdict, attention, constraints, margins, targets.

As everywhere in the terminal (:mod:`planeval.report.terminal`) untrusted text stays text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from planeval.model.margins import MarginRow
from planeval.model.record import EvaluationRecord
from planeval.report.cells import DASH, StatusCell, ValueCell, status_cell
from planeval.report.document import Line, constraint_sections, summary_text, unjudged_by_reason
from planeval.report.levels import level_lines
from planeval.report.margins import axis_cells, sentence
from planeval.report.targets import TargetTable, target_tables
from planeval.report.terminal import LONGEST_NAME, STYLES, marked_line, name_text
from planeval.report.text import person_name, visible
from planeval.report.wording import DISCLAIMER, UNVERIFIED_WORD, VERDICT_WORDS

__all__ = ["evaluation_table"]

CONSTRAINT_COLUMNS = {
    "Metric": False,
    "Limit": True,
    "Value": True,
    "Margin": True,
    "Status": False,
}
"""Name and whether it holds numbers, which stand to the right."""

NARROW = (11, 9, 10, 10, 12)
WIDE = (16, 12, 18, 14, 16)
WIDE_TERMINAL = 110


def evaluation_table(record: EvaluationRecord) -> RenderableType:
    """Return the whole evaluation for a terminal: who, verdict, attention, constraint table."""
    parts: list[RenderableType] = [_identity(record), _verdict(record)]
    if record.protocol.opening:
        parts += [Text(visible(line), style="bold") for line in record.protocol.opening]
    if record.attention:
        parts += [Text(), Text("Needs attention", style="bold")]
        parts += [marked_line(line.severity, line.text) for line in record.attention]
    parts += [Text(), _Constraints(record), *_levels(record)]
    if record.margins:
        parts += [Text(), Text("Margins between targets", style="bold")]
        parts += [each for row in record.margins for each in _margin(row)]
    for targets in target_tables(record):
        parts += [Text(), Text(f"Targets, not judged: {targets.title.lower()}", style="bold")]
        parts.append(_targets(targets))
    for reason, organs in unjudged_by_reason(record).items():
        names = ", ".join(visible(organ, LONGEST_NAME) for organ in organs)
        because = f" ({visible(reason)})" if reason else ""
        parts.append(Text(f"Drawn, and not judged by this protocol{because}: {names}"))
    if record.protocol.checklist:
        parts += [Text(), Text("To be answered by a person", style="bold")]
        parts += [
            Text(f"[ ] yes  [ ] no   {visible(check.question)}")
            for check in record.protocol.checklist
        ]
    parts.append(Text(DISCLAIMER, style="dim"))
    return Group(*parts)


def _levels(record: EvaluationRecord) -> Iterator[RenderableType]:
    """Yield what tables that choose a prescription say, below the constraints."""
    for structure, line in level_lines(record):
        yield Text.assemble((f"{visible(structure, LONGEST_NAME)}: ", "bold"), visible(line.answer))
        for each in line.tried:
            yield Text(f"  {visible(each)}", style="dim")
        yield Text(visible(line.basis), style="dim")


def _targets(targets: TargetTable) -> RenderableType:
    """Return a table of targets, what its empty cells mean and what stands beside it."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("Target", overflow="fold", min_width=8)
    for column in targets.columns:
        table.add_column(Text(visible(column)), justify="right", overflow="fold")
    notes: list[Text] = []
    for line in targets.lines:
        cells = [
            Text(cell.text if not metric or not cell.data else f"{cell.text}\n{visible(metric)}")
            for metric, cell in line.cells
        ]
        table.add_row(name_text(line.name), *cells)
        said = "; ".join(visible(each) for each in (*line.notes, *line.reasons))
        if said:
            notes.append(Text(f"{visible(line.name, LONGEST_NAME)}: {said}"))
    return Group(table, *notes)


def _identity(record: EvaluationRecord) -> Text:
    who = record.identity
    plans = ", ".join(visible(plan.label, LONGEST_NAME) for plan in record.plans) or "no plan"
    text = Text()
    text.append(person_name(who.patient_name) or DASH, style="bold")
    text.append(f"  ID {visible(who.patient_id, LONGEST_NAME) or DASH}  plan {plans}")
    for rx in record.prescriptions:
        target = visible(rx.target, LONGEST_NAME) or "the plan"
        fractions = f" in {rx.fractions} fractions" if rx.fractions else ""
        text.append(f"\n{rx.total_gy:.12g} Gy{fractions} to {target} ({visible(rx.origin, 80)})")
    protocol = (visible(part, 32) for part in (record.protocol.id, record.protocol.version))
    return text.append(f"\nProtocol {' '.join(protocol)}")


def _verdict(record: EvaluationRecord) -> Text:
    word = VERDICT_WORDS[record.verdict]
    text = Text("Constraint compliance: ")
    text.append(word.word, style=STYLES[word.style])
    return text.append(f"\n{visible(summary_text(record))}")


def _margin(row: MarginRow) -> Iterator[RenderableType]:
    """Yield an audit: one line with its outcome, what it says, and the table by axis."""
    cell = status_cell(row.outcome)
    head = Text(
        f"{visible(row.outer.protocol_name, LONGEST_NAME)} around "
        f"{visible(row.inner.protocol_name, LONGEST_NAME)}: "
    )
    head.append_text(_status(cell))
    if not row.is_counted:
        head.append(" (information, does not count)", style="dim")
    yield head
    yield Text(visible(sentence(row)))
    if row.outcome.reason:
        yield Text(visible(row.outcome.reason), style=STYLES[cell.word.style])
    if row.report is not None:
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
        table.add_column("Axis, mm", no_wrap=True)
        for name in ("Rule", "Least", "Median (5 to 95 %)", "Extent", "Ends open"):
            table.add_column(name, justify="right", overflow="fold")
        for cells in axis_cells(row.report):
            table.add_row(*map(Text, cells))
        yield table


@dataclass(frozen=True, slots=True)
class _Constraints:
    """The constraint table, with columns that fit the terminal: from 80 characters on."""

    record: EvaluationRecord

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        widths = WIDE if options.max_width >= WIDE_TERMINAL else NARROW
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
        table.add_column("Structure", overflow="fold", min_width=14)
        for (name, right), width in zip(CONSTRAINT_COLUMNS.items(), widths, strict=True):
            table.add_column(
                name, justify="right" if right else "left", overflow="fold", max_width=width
            )
        lines = [each for section in constraint_sections(self.record) for each in section.lines]
        for line in lines:
            _add_line(table, line)
        yield table
        yield from map(Text, dict.fromkeys(_granted(line) for line in lines if line.outside))


def _granted(line: Line) -> str:
    """Return what a line takes for granted of the dose outside the grid."""
    return f"{visible(line.structure, LONGEST_NAME)} {visible(line.metric)}: {line.outside}"


def _add_line(table: Table, line: Line) -> None:
    indent = "│ " * line.depth
    status = _status(line.status)
    if line.mode:
        title = visible(line.title, LONGEST_NAME) or line.mode_meaning
        table.add_row(Text(f"{indent}{line.mode}: {title}"), "", "", "", "", status)
        return
    limits = [each for each in (line.per_protocol, line.acceptable) if each != DASH]
    metric = Text(visible(line.metric, LONGEST_NAME))
    if line.is_unverified:
        metric.append(f"\n{UNVERIFIED_WORD}", style=STYLES["unknown"])
    table.add_row(
        Text(indent + visible(line.structure, LONGEST_NAME)),
        metric,
        Text("\n".join(limits) or DASH),
        _value(line.value),
        Text(line.margin.replace(" (", "\n(")),
        status,
    )
    for companion in line.companions:
        table.add_row(
            "", Text(visible(companion.metric), style="dim"), "", _value(companion.value), "", ""
        )


def _value(cell: ValueCell | None) -> Text:
    if cell is None:
        return Text(DASH)
    text = Text(str(cell))
    return text.append(f"\n{cell.band}", style="dim") if cell.band else text


def _status(cell: StatusCell) -> Text:
    text = Text(f"{cell.word.sign} {cell.word.word}", style=STYLES[cell.word.style])
    return text.append("\n≈ near limit") if cell.near_limit else text
