"""Targets and margin audits as neutral blocks: the same cells as in HTML and the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from planeval.model.margins import MarginRow
from planeval.model.record import EvaluationRecord
from planeval.report.blocks import Block, Bullets, Cell, Column, Heading, Paragraph, Row, Table
from planeval.report.cells import status_cell
from planeval.report.margins import axis_cells, sentence
from planeval.report.targets import INDEX_DEFINITIONS, TargetLine, TargetTable, target_tables
from planeval.report.text import visible

__all__ = ["target_blocks"]

LONGEST_NAME = 64

Words = Callable[[str], str]


def target_blocks(record: EvaluationRecord, say: Words) -> Iterator[Block]:
    """Yield coverage and indices of the targets, then the margins between them."""
    tables = target_tables(record)
    if tables:
        yield Heading(say("Targets"))
        for table in tables:
            yield _table(table, say)
        yield Bullets(tuple(Cell(text) for text in INDEX_DEFINITIONS))
    if record.margins:
        yield Heading(say("Margins between targets"))
    for row in record.margins:
        yield from _margin(row, say)


def _table(table: TargetTable, say: Words) -> Table:
    columns = [Column(visible(name), 1.0, True) for name in table.columns]
    return Table(
        (Column(say(table.title), 2.2), *columns), tuple(_line(line) for line in table.lines)
    )


def _line(line: TargetLine) -> Row:
    notes = tuple(visible(text) for text in (*line.notes, *line.reasons))
    cells = (
        Cell(cell.text, tuple(part for part in (visible(metric), cell.band) if part))
        for metric, cell in line.cells
    )
    return Row((Cell(visible(line.name, LONGEST_NAME), notes, strong=True), *cells))


def _margin(row: MarginRow, say: Words) -> Iterator[Block]:
    outer, inner = (visible(each.protocol_name, LONGEST_NAME) for each in (row.outer, row.inner))
    cell = status_cell(row.outcome)
    yield Heading(f"{outer} around {inner}", 2)
    counts = "" if row.is_counted else " (information, does not count)"
    yield Paragraph(f"{say(cell.word.word)}{counts}", cell.word.style, strong=True)
    yield Paragraph(visible(sentence(row)))
    if row.outcome.reason:
        yield Paragraph(visible(row.outcome.reason), cell.word.style)
    if row.report is not None:
        heads = ("Axis, mm", "Rule", "Least", "Median (5 to 95 %)", "Extent", "Ends open")
        columns = tuple(
            Column(say(text), 1.0 if index else 1.4, bool(index))
            for index, text in enumerate(heads)
        )
        rows = [Row(tuple(Cell(text) for text in cells)) for cells in axis_cells(row.report)]
        yield Table(columns, tuple(rows))
