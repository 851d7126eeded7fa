"""Agreement with the planning system for reports, and its curves for a chart.

One line a structure with the numbers of both; what explains a difference stands beside it. The curves
are absolute Gy and cc, as the readers made them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planeval.case import Case
from planeval.model.agreement import Agreement, AgreementMetric, AgreementRow, Rule
from planeval.model.record import EvaluationRecord
from planeval.report.blocks import Block, Cell, Column, Heading, Paragraph, Row, Table
from planeval.report.cells import DASH, number_text
from planeval.report.text import visible

__all__ = [
    "LEGEND",
    "AgreementLine",
    "ReferenceCurve",
    "agreement_blocks",
    "agreement_lines",
    "agreement_rules",
    "agreement_summary",
    "reference_curves",
]

Floats = NDArray[np.float64]

_WORDS = {
    Agreement.DIFFERS: ("differs", "fail", "warning"),
    Agreement.EXPLAINED: ("explained", "acceptable", "info"),
    Agreement.AGREES: ("agrees", "pass", ""),
    Agreement.NOT_COMPARED: ("not compared", "none", "info"),
}
_ORDER = list(_WORDS)

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
LEGEND = (
    "Planning system / planeval, and the difference (planeval minus planning system). Doses agree "
    "within 0.5 % of the prescription, volumes within 1 % or 0.1 cc, V and curves within 1 point."
)


@dataclass(frozen=True, slots=True)
class Compared:
    """One comparison as text: the metric, both numbers, the difference, the state and what explains."""

    metric: str
    both: str
    difference: str
    word: str
    style: str
    tone: str
    rule: str


@dataclass(frozen=True, slots=True)
class AgreementLine:
    """A structure: its state, its comparisons (empty where there are none), notes."""

    structure: str
    word: str
    style: str
    tone: str
    compared: tuple[Compared, ...]
    notes: tuple[str, ...]


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


def agreement_lines(record: EvaluationRecord) -> tuple[AgreementLine, ...]:
    """Return the structures, those that differ first."""
    ranked = sorted(record.agreement, key=lambda row: _ORDER.index(row.state))
    return tuple(_line(row) for row in ranked)


def _line(row: AgreementRow) -> AgreementLine:
    word, style, tone = _WORDS[row.state]
    notes = [row.reason, row.note, row.origin if row.metrics else ""]
    notes.insert(1, f"nearest to {row.caps}" if row.caps else "")
    if row.bin_gy is not None:
        notes.append(f"bins of {row.bin_gy:.3g} Gy")
    compared = tuple(_compared(metric) for metric in row.metrics)
    return AgreementLine(row.structure, word, style, tone, compared, tuple(filter(None, notes)))


def _compared(metric: AgreementMetric) -> Compared:
    word, style, tone = _WORDS[metric.state]
    rule = _SHORT[metric.rule] if metric.rule else ""
    name, _, unit = metric.metric.partition("[")
    unit = unit.rstrip("]")
    if metric.metric == "Curve":
        at = f"at {metric.at_gy:.2f} Gy" if metric.at_gy is not None else ""
        return Compared(
            "Curve", at, f"{_signed(metric.difference)} points", word, style, tone, rule
        )
    ours = metric.ours
    own = number_text(ours.value) if ours.is_defined else _own(metric)
    theirs = DASH if metric.theirs is None else number_text(metric.theirs)
    both = f"{theirs} / {own} {unit}"
    difference = DASH if metric.difference is None else _signed(metric.difference)
    return Compared(name, both, difference, word, style, tone, rule)


def _own(metric: AgreementMetric) -> str:
    """Return our number of the part inside the dose grid, where the whole is not known."""
    if metric.theirs is None or metric.difference is None:
        return DASH
    return f"{number_text(metric.theirs + metric.difference)} (inside the grid)"


def _signed(number: float | None) -> str:
    if number is None:
        return DASH
    sign = "\N{MINUS SIGN}" if number < 0 else "+"
    return f"{sign}{number_text(abs(number))}"


def agreement_summary(record: EvaluationRecord) -> str:
    """Return the comparison in one sentence, empty without any."""
    if not record.agreement:
        return ""
    counts = Counter(row.state for row in record.agreement)
    parts = (f"{counts[state]} {_WORDS[state][0]}" for state in _ORDER if counts[state])
    return f"{len(record.agreement)} DVHs of the planning system: {', '.join(parts)}"


def agreement_rules(record: EvaluationRecord) -> tuple[str, ...]:
    """Return what the rules that explain something mean."""
    used = {rule for row in record.agreement for rule in row.rules}
    return tuple(RULE_WORDS[rule] for rule in Rule if rule in used)


def agreement_blocks(record: EvaluationRecord, say: Callable[[str], str]) -> Iterator[Block]:
    """Yield the comparison as neutral blocks: one row a structure."""
    if not record.agreement:
        return
    yield Heading(say("Agreement with the planning system"), 2)
    yield Paragraph(f"{agreement_summary(record)}. {LEGEND}")
    columns = (
        Column(say("Structure"), 1.4), Column(say("State"), 1.0), Column(say("Metric"), 0.9),
        Column(say("Planning system / planeval"), 1.7, True), Column(say("Difference"), 1.0, True),
        Column(say("Explained by"), 1.6),
    )  # fmt: skip
    rows = []
    for line in agreement_lines(record):
        head = Cell(visible(line.structure, 64), strong=True)
        state = Cell(say(line.word), tone=line.tone)
        if not line.compared:
            rows.append(Row((head, state, Cell("; ".join(map(visible, line.notes)), span=4))))
        for number, each in enumerate(line.compared):
            first = (head, state) if number == 0 else (Cell(), Cell())
            rows.append(
                Row((*first, Cell(each.metric), Cell(each.both), Cell(each.difference),
                     Cell(each.rule, tone=each.tone if each.word == "differs" else "")))
            )  # fmt: skip
    yield Table(columns, tuple(rows))
    for text in agreement_rules(record):
        yield Paragraph(text, tone="muted")
