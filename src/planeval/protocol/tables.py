"""A file of constraints to a draft protocol and a review queue."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from planeval.errors import UnreadableFile
from planeval.files.tables import read_tables
from planeval.model.rows import RowKind
from planeval.protocol.importing import Queued, RawRow, draft_text, imported
from planeval.protocol.library import load_text
from planeval.protocol.scorecards import raw_rows

__all__ = ["Draft", "draft_of"]

_FORMULA_STARTS = frozenset("=+-@\t\r")


@dataclass(frozen=True, slots=True)
class Draft:
    """What came of a file: the draft (empty without a row) and the queue as CSV, with counts."""

    text: str
    review_csv: str
    taken: int
    queued: int


def draft_of(path: Path, protocol_id: str, title: str, kind: str = "reference") -> Draft:
    """Return the draft protocol of a CSV, XLSX or JSON file.

    Raises:
        UnreadableFile: the file cannot be read.
        UnsupportedData: no table and no known score card.
        ProtocolSyntax: the id is none.
    """
    rows, queue = imported(_raw(path), RowKind(kind))
    text = ""
    if rows:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        text = draft_text(
            protocol_id,
            title,
            rows,
            citation=f"imported from {path.name}",
            locator=f"sha256 {digest}",
        )
        load_text(text.encode(), f"{protocol_id}.yaml")
    return Draft(text, _review_csv(queue), len(rows), len(queue))


def _raw(path: Path) -> tuple[RawRow, ...]:
    if path.suffix.lower() == ".json":
        try:
            return raw_rows(path.read_bytes(), path.name)
        except OSError as error:
            raise UnreadableFile(f"{path.name}: cannot be read: {error.strerror}") from None
    return tuple(
        RawRow(f"{sheet.name} row {line}", cells)
        for sheet in read_tables(path)
        for line, cells in sheet.rows
    )


def _review_csv(queue: Sequence[Queued]) -> str:
    """Return the queue as CSV; a cell that a spreadsheet would run gets a single quote in front."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("place", "reason", "row"))
    for each in queue:
        cells = (each.place, each.reason, each.words)
        writer.writerow([f"'{cell}" if cell[:1] in _FORMULA_STARTS else cell for cell in cells])
    return stream.getvalue()
