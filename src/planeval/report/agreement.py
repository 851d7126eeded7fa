"""Agreement with the planning system as lines and for a terminal, and its curves for a chart.

One line a structure with the numbers of both; what explains a difference stands beside it. The curves
are absolute Gy and cc, as the readers made them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from planeval.case import Case
from planeval.model.agreement import Agreement, AgreementMetric, AgreementRow, Rule
from planeval.report.cells import DASH
from planeval.report.text import visible

__all__ = [
    "COLUMNS",
    "HEADS",
    "LEGEND",
    "ORDER",
    "RULE_WORDS",
    "STATE_WORDS",
    "AgreementLine",
    "ReferenceCurve",
    "agreement_lines",
    "agreement_table",
    "reference_curves",
]

Floats = NDArray[np.float64]

STATE_WORDS = {
    Agreement.DIFFERS: ("differs", "fail", "warning"),
    Agreement.EXPLAINED: ("explained", "acceptable", "info"),
    Agreement.AGREES: ("agrees", "pass", ""),
    Agreement.NOT_COMPARED: ("not compared", "none", "info"),
}
ORDER = list(STATE_WORDS)

RULE_WORDS = {
    Rule.END_CAPS: "end caps: the value lies between no cap and a full spacing at each end",
    Rule.SHAPE: "shape between planes: tapered ends or interpolated shapes give the value",
    Rule.GRID: "dose grid: the part outside counts in one system only",
    Rule.BIN: "bins: the difference is within a step of the other curve",
    Rule.SAMPLING: "sampling: the other system's sample points miss the extreme",
    Rule.LOW_DOSE: "low dose: only tissue next to no dose differs, at higher doses the cc agree",
}
_SHORT = {
    Rule.END_CAPS: "end caps",
    Rule.SHAPE: "shape between planes",
    Rule.GRID: "dose grid",
    Rule.BIN: "bins",
    Rule.SAMPLING: "sampling",
    Rule.LOW_DOSE: "low dose",
}
COLUMNS = ("Volume[cc]", "Mean[Gy]", "Min[Gy]", "Max[Gy]", "D95%[Gy]", "D2%[Gy]", "Curve")
HEADS = ("Volume, cc", "Mean, Gy", "Min, Gy", "Max, Gy", "D95%, Gy", "D2%, Gy", "Curve")
LEGEND = (
    "Planning system / planeval, below the difference (planeval minus planning system). Doses "
    "agree within 0.5 % of the prescription, volumes within 1 % or 0.1 cc, V within 1 point; curves "
    "within 1 point at doses that are the same within that tolerance."
)


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison as text: both numbers, and below them the difference with what explains it.

    ``style`` is that of a status where the difference is beyond its tolerance, else empty.
    """

    metric: str
    both: str
    below: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class AgreementLine:
    """A structure: its state, the comparisons of every structure by ``COLUMNS``, further ones, notes.

    ``reading`` says where the other curve comes from and how its file was read.
    """

    structure: str
    word: str
    style: str
    tone: str
    cells: tuple[Compared, ...]
    more: tuple[Compared, ...]
    notes: tuple[str, ...]
    reading: str


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceCurve:
    """The planning system's cumulative DVH of a structure: Gy and cc, and where it came from."""

    structure: str
    dose_gy: Floats
    volume_cc: Floats
    origin: str
    note: str = ""


def reference_curves(case: Case) -> tuple[ReferenceCurve, ...]:
    """Return the planning system's curves of a case, in file order."""
    return tuple(
        ReferenceCurve(dvh.structure, dvh.dose_gy, dvh.volume_cc, dvh.origin, dvh.scale_note)
        for dvh in case.data.tps_dvhs
    )


def agreement_lines(rows: Iterable[AgreementRow]) -> tuple[AgreementLine, ...]:
    """Return the structures, those that differ first."""
    ranked = sorted(rows, key=lambda row: ORDER.index(row.state))
    return tuple(_line(row) for row in ranked)


def agreement_table(rows: Iterable[AgreementRow]) -> RenderableType:
    """Return the comparison for a terminal: theirs / ours, below the difference."""
    table = RichTable(
        title="Planning system / planeval", box=box.SIMPLE_HEAD, title_justify="left",
        pad_edge=False,
    )  # fmt: skip
    for head in ("Structure", "State"):
        table.add_column(head, overflow="fold")
    for head in HEADS:
        table.add_column(head, justify="right")
    for line in agreement_lines(rows):
        cells = [f"{each.both}\n{each.below}" for each in line.cells]
        name = Text("\n".join(visible(text, 64) for text in (line.structure, *line.notes)))
        table.add_row(name, line.word, *cells)
    return table


def _line(row: AgreementRow) -> AgreementLine:
    word, style, tone = STATE_WORDS[row.state]
    partial = any(not m.ours.is_defined for m in row.metrics)
    notes = (
        row.reason,
        f"its volume is nearest to that with {row.caps}" if row.caps else "",
        "numbers of the part inside the dose grid" if partial else "",
    )
    bins = f"{row.origin}, bins of {row.bin_gy:.3g} Gy" if row.bin_gy is not None else row.origin
    compared = {metric.metric: _compared(metric) for metric in row.metrics}
    return AgreementLine(
        row.structure,
        word,
        style,
        tone,
        tuple(compared.get(name, Compared(name, DASH, "")) for name in COLUMNS if compared),
        tuple(each for name, each in compared.items() if name not in COLUMNS),
        tuple(filter(None, notes)),
        "; ".join(filter(None, (bins, row.note))),
    )


def _compared(metric: AgreementMetric) -> Compared:
    style = "" if metric.state is Agreement.AGREES else STATE_WORDS[metric.state][1]
    rule = _SHORT[metric.rule] if metric.rule else ""
    name = metric.metric.partition("[")[0]
    if metric.state is Agreement.NOT_COMPARED:
        return Compared(name, DASH, "")
    difference = metric.difference or 0.0
    rule = rule or ("unexplained" if metric.state is Agreement.DIFFERS else "")
    if metric.theirs is None:
        below = f"at {metric.at_gy or 0.0:.2f} Gy {rule}".strip()
        return Compared(name, f"{_signed(difference)} points", below, style)
    both = f"{metric.theirs:.2f} / {metric.theirs + difference:.2f}"
    return Compared(name, both, f"{_signed(difference)} {rule}".strip(), style)


def _signed(number: float) -> str:
    sign = "\N{MINUS SIGN}" if number < 0 else "+"
    return f"{sign}{abs(number):.2f}"
