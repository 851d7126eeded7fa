"""A robustness record for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from planeval.model.robustness import RobustnessRecord
from planeval.report.robustness import RobustLine, SetView, set_views
from planeval.report.terminal import finding_lines
from planeval.report.text import visible
from planeval.report.wording import DISCLAIMER, VERDICT_WORDS

__all__ = ["robustness_table"]

_LONGEST_NAME = 64
_STYLES = {"pass": "green", "acceptable": "yellow", "fail": "bold red", "none": "dim"}


def robustness_table(record: RobustnessRecord) -> RenderableType:
    """Return what a plan comes to in every set of scenarios, its findings and assumptions."""
    plans = ", ".join(visible(plan, _LONGEST_NAME) for plan in record.plans)
    head = f"Setup and motion robustness: {visible(record.identity.patient_id, _LONGEST_NAME)}"
    parts: list[RenderableType] = [
        Text(f"{head}, {plans}, protocol {record.protocol} {record.protocol_version}", "bold"),
        Text(f"Planned, without any shift: {VERDICT_WORDS[record.planned_verdict].word}"),
        finding_lines(record.findings),
    ]
    for view in set_views(record):
        parts += [Text(), Text(view.title, "bold"), Text(" ".join(view.setup))]
        parts.append(Text(view.summary, "bold"))
        if view.rows:
            parts.append(_table(view, view.rows, "Structure"))
        if view.targets:
            parts.append(_table(view, view.targets, "Target, not judged"))
    parts += [Text(), *(Text(f"- {each}", "dim") for each in record.assumptions)]
    parts.append(Text(DISCLAIMER, style="dim"))
    return Group(*parts)


def _table(view: SetView, lines: Sequence[RobustLine], head: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column(head, overflow="fold", min_width=10)
    table.add_column("Metric", overflow="fold")
    middle = "5 to 95 %" if view.is_sample else "Range"
    for name in ("Limit", "Planned", middle, "Worst"):
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("Met", justify="right", overflow="fold")
    for line in lines:
        table.add_row(*_cells(line), end_section=False)
    return table


def _cells(line: RobustLine) -> list[Text]:
    indent = "  " * line.depth
    name = f"{indent}{visible(line.title, _LONGEST_NAME)}"
    if line.in_plan:
        name += f"\n{indent}{visible(line.in_plan, _LONGEST_NAME)}"
    met = Text(line.met, _STYLES[line.met_style])
    below = [line.interval, *line.notes]
    for text in below:
        if text:
            met.append(f"\n{visible(text)}", "dim")
    worst = Text(line.worst)
    if line.worst_in:
        worst.append(f"\n{line.worst_in}", "dim")
    return [
        Text(name), Text(visible(line.metric)), Text(line.limit), Text(line.planned),
        Text(line.middle), worst, met,
    ]  # fmt: skip
