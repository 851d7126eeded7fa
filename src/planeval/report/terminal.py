"""Terminal tables: rich renderables in which untrusted text stays text.

Every cell is a :class:`rich.text.Text`, so no name is read as markup and no control character
reaches the terminal. Status is a word and a sign before it is a colour; rich leaves colours out
where ``NO_COLOR`` is set or the output is no terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from planeval.model import Finding, Severity, Value
from planeval.report.cells import DASH, value_cell
from planeval.report.text import visible

if TYPE_CHECKING:  # it would bring pydantic, which a DVH does without
    from planeval.protocol.aliases import Suggestion

__all__ = [
    "DVH_COLUMNS",
    "LONGEST_NAME",
    "SEVERITIES",
    "STYLES",
    "dvh_table",
    "finding_lines",
    "marked_line",
    "name_text",
    "names_table",
    "show",
    "value_table",
]

STYLES = {
    "fail": "bold red",
    "unknown": "bold magenta",
    "acceptable": "yellow",
    "pass": "green",
    "none": "dim",
}
SEVERITIES = {
    Severity.ERROR: ("✘", "bold red"),
    Severity.WARNING: ("!", "yellow"),
    Severity.INFO: ("·", "dim"),
}
LONGEST_NAME = 64
DVH_COLUMNS = {
    "Volume[cc]": "Volume cc",
    "Min[Gy]": "Min Gy",
    "D98%[Gy]": "D98% Gy",
    "D50%[Gy]": "D50% Gy",
    "Mean[Gy]": "Mean Gy",
    "D2%[Gy]": "D2% Gy",
    "Max[Gy]": "Max Gy",
    "OutsideDoseGrid[cc]": "Outside cc",
}
"""Metrics of a DVH's line, and the heads of their columns."""


def dvh_table(rows: Mapping[str, Mapping[str, Value]]) -> Table:
    """Return the usual numbers of a DVH, one line per structure; ``rows`` are values by metric."""
    table = _table("Structure", *DVH_COLUMNS.values())
    for name, values in rows.items():
        cells = (Text(value_cell(values[metric]).text) for metric in DVH_COLUMNS)
        table.add_row(name_text(name), *cells)
    return table


def names_table(suggestions: Iterable[Suggestion]) -> Table:
    """Return one line per structure: what it may be called, why, and what speaks against it."""
    table = _table("In the plan", "Type", "Volume cc", "Name", "Why, checks")
    for each in suggestions:
        volume = DASH if each.volume_cc is None else f"{each.volume_cc:.2f}"
        name = each.protocol_name or DASH
        note = Text(visible(each.why))
        for check in each.checks:
            note.append(f"\n! {visible(check)}", style=SEVERITIES[Severity.WARNING][1])
        table.add_row(
            name_text(each.plan_name),
            Text(visible(each.type, 16)),
            Text(volume),
            Text(name if each.is_sure or name == DASH else f"{name} ?"),
            note,
        )
    return table


def finding_lines(findings: Iterable[Finding]) -> RenderableType:
    """Return one line per finding, the most severe first."""
    order = list(SEVERITIES)
    ranked = sorted(findings, key=lambda finding: order.index(finding.severity))
    return Group(
        *(
            marked_line(
                finding.severity, f"{_place(finding.where)}{finding.message} ({finding.code})"
            )
            for finding in ranked
        )
    )


def _table(*columns: str) -> Table:
    """Return a table whose first and last columns may wrap and whose others hold numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(columns):
        number = name.endswith((" cc", " Gy"))
        table.add_column(
            name,
            justify="right" if number else "left",
            overflow="fold",
            min_width=7 if number else (12 if index == 0 else None),
        )
    return table


def name_text(text: str) -> Text:
    """Return an untrusted name, cut to a width."""
    return Text(visible(text, LONGEST_NAME))


def marked_line(severity: Severity, message: str) -> Text:
    """Return a message behind the sign of its severity."""
    sign, style = SEVERITIES[severity]
    return Text.assemble((f"{sign} ", style), visible(message))


def _place(where: str) -> str:
    return f"{visible(where, LONGEST_NAME)}: " if where else ""


def value_table(metrics: Sequence[str], rows: Mapping[str, Sequence[Value]]) -> Table:
    """Return metric values, one line per structure; an undefined value shows a dash."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Structure", overflow="fold", min_width=12)
    for metric in metrics:
        table.add_column(Text(visible(metric)), justify="right", overflow="fold")
    for name, values in rows.items():
        table.add_row(name_text(name), *(Text(value_cell(value).text) for value in values))
    return table


def show(renderable: RenderableType, *, width: int | None = None) -> None:
    """Print to stdout; ``width`` for an output that is no terminal."""
    Console(width=width, highlight=False, markup=False, emoji=False).print(renderable)
