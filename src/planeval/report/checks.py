"""The plan checks for reports: one line a check, those that found something first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from planeval.model.checks import CheckRow, CheckState
from planeval.model.record import EvaluationRecord
from planeval.report.blocks import Block, Cell, Column, Heading, Paragraph, Row, Table
from planeval.report.text import visible

__all__ = ["CheckLine", "check_blocks", "check_lines", "check_summary"]

_WORDS = {
    CheckState.FOUND: ("see findings", "acceptable", "warning"),
    CheckState.UNCHECKED: ("not checked", "unknown", "info"),
    CheckState.CLEAN: ("nothing found", "pass", ""),
}
_ORDER = list(_WORDS)


@dataclass(frozen=True, slots=True)
class CheckLine:
    """A check: its title, its state in a word with the style of its sign, what was seen, codes."""

    title: str
    word: str
    style: str
    tone: str
    text: str
    codes: tuple[str, ...]


def check_lines(record: EvaluationRecord) -> tuple[CheckLine, ...]:
    """Return the checks, those that found something first, then those that could not be made."""
    ranked = sorted(record.checks, key=lambda row: _ORDER.index(row.state))
    return tuple(_line(row) for row in ranked)


def _line(row: CheckRow) -> CheckLine:
    word, style, tone = _WORDS[row.state]
    return CheckLine(row.title, word, style, tone, row.text, row.codes)


def check_summary(record: EvaluationRecord) -> str:
    """Return the checks in one sentence, empty without any."""
    if not record.checks:
        return ""
    counts = [
        (sum(row.state is state for row in record.checks), _WORDS[state][0]) for state in _WORDS
    ]
    parts = (f"{number} {word}" for number, word in counts if number)
    return f"{len(record.checks)} checks: {', '.join(parts)}"


def check_blocks(record: EvaluationRecord, say: Callable[[str], str]) -> Iterator[Block]:
    """Yield the checks as neutral blocks."""
    if not record.checks:
        return
    yield Heading(say("Plan checks"))
    yield Paragraph(check_summary(record))
    columns = (Column(say("Check"), 1.8), Column(say("State"), 1.0), Column(say("Seen"), 4.0))
    rows = [
        Row(
            (
                Cell(say(line.title), strong=True),
                Cell(say(line.word), tone=line.tone),
                Cell(visible(line.text), line.codes),
            )
        )
        for line in check_lines(record)
    ]
    yield Table(columns, tuple(rows))
