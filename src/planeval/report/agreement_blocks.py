"""Agreement with the planning system as a section of a report: a summary, a table, its rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from planeval.model.agreement import Rule
from planeval.model.record import EvaluationRecord
from planeval.report.agreement import (
    COLUMNS,
    HEADS,
    LEGEND,
    ORDER,
    RULE_WORDS,
    STATE_WORDS,
    agreement_lines,
)
from planeval.report.blocks import Block, Cell, Column, Heading, Paragraph, Row, Table
from planeval.report.text import visible

__all__ = ["agreement_blocks", "agreement_rules", "agreement_summary"]


def agreement_summary(record: EvaluationRecord) -> str:
    """Return the comparison in one sentence, empty without any."""
    if not record.agreement:
        return ""
    counts = Counter(row.state for row in record.agreement)
    parts = (_counted(counts[state], STATE_WORDS[state][0]) for state in ORDER if counts[state])
    return f"{len(record.agreement)} DVHs of the planning system: {', '.join(parts)}"


def _counted(count: int, word: str) -> str:
    """Return ``1 agrees`` or ``2 agree``."""
    return f"{count} {word if count == 1 else word.removesuffix('s')}"


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
    heads = (Column(say(head), 1.1, True) for head in HEADS)
    columns = (Column(say("Structure"), 1.5), Column(say("State"), 1.1), *heads)
    rows = []
    for line in agreement_lines(record.agreement):
        more = [f"{each.metric} {each.both} % ({each.below})" for each in line.more]
        notes = tuple(visible(text) for text in (*more, *line.notes))
        first = Cell(visible(line.structure, 64), notes if line.cells else (), strong=True)
        state = Cell(say(line.word), tone=line.tone)
        if line.cells:
            rest = tuple(Cell(each.both, (each.below,)) for each in line.cells)
        else:
            rest = (Cell("; ".join(notes), span=len(COLUMNS)),)
        rows.append(Row((first, state, *rest)))
    yield Table(columns, tuple(rows))
    origins = dict.fromkeys(row.origin for row in record.agreement)
    yield Paragraph(visible("; ".join(origins)), tone="muted")
    for text in agreement_rules(record):
        yield Paragraph(text, tone="muted")
