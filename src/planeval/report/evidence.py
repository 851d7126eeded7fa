"""The later pages as neutral blocks: information, structures, matches, method, protocol, inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from planeval.model import Value
from planeval.model.record import EvaluationRecord, ProtocolSummary
from planeval.report.agreement_blocks import agreement_blocks
from planeval.report.blocks import (
    Block,
    Bullets,
    Cell,
    Column,
    Heading,
    Pairs,
    Paragraph,
    Row,
    Signatures,
    Table,
)
from planeval.report.cells import DASH, grid_text, value_cell
from planeval.report.checks import check_blocks
from planeval.report.document import information_matrices
from planeval.report.target_blocks import target_blocks
from planeval.report.text import date_text, prose, visible
from planeval.report.wording import (
    GRID_LEGEND,
    ORIGIN_WORDS,
    PURPOSE_WORDS,
    SEVERITY_ORDER,
    method_sentences,
)

__all__ = ["evidence_blocks"]

LONGEST_NAME = 64

Words = Callable[[str], str]


def evidence_blocks(record: EvaluationRecord, say: Words, *, digest: str) -> Iterator[Block]:
    """Yield everything that backs page one, in reading order."""
    yield from target_blocks(record, say)
    yield from _information(record, say)
    yield from _structures(record, say)
    yield from _points(record, say)
    yield from agreement_blocks(record, say)
    yield from _matches(record, say)
    yield from check_blocks(record, say)
    yield from _findings(record, say)
    yield Heading(say("How the numbers were made"))
    yield Bullets(tuple(Cell(each) for each in method_sentences(record.provenance.method)))
    yield from _protocol(record, say)
    yield from _inputs(record, say, digest)
    yield Heading(say("Signatures"))
    yield Signatures(
        tuple(say(text) for text in ("Role", "Name", "Signature", "Date")),
        tuple(say(text) for text in ("Prepared by", "Checked by", "Physician")),
    )


def _name(text: str) -> str:
    return visible(text, LONGEST_NAME)


def _number(value: Value) -> Cell:
    cell = value_cell(value)
    return Cell(cell.text if cell.data else DASH, (cell.band,) if cell.band else ())


def _information(record: EvaluationRecord, say: Words) -> Iterator[Block]:
    matrices = information_matrices(record)
    if matrices:
        yield Heading(say("Information, not judged"))
    for matrix in matrices:
        heads = [Column(_name(metric), 1.0, True) for metric in matrix.metrics]
        rows = []
        for structure, in_plan, lines in matrix.rows:
            small = (_name(in_plan),) if in_plan else ()
            values = tuple(
                Cell(str(line.value), (line.value.band,) if line.value.band else ())
                for line in lines
                if line.value is not None
            )
            rows.append(Row((Cell(_name(structure), small, strong=True), *values)))
        yield Table((Column(say("Structure"), 1.6), *heads), tuple(rows))


def _structures(record: EvaluationRecord, say: Words) -> Iterator[Block]:
    yield Heading(say("Structures in the plan"))
    numbers = ("Volume, cc", "Min, Gy", "Mean, Gy", "Max, Gy")
    columns = (
        Column(say("Structure"), 2.0),
        Column(say("Type"), 1.0),
        *(Column(say(text), 1.0, True) for text in numbers),
        Column(say("Grid, Gy"), 1.2, True),
        Column(say("Used as, notes"), 2.4),
    )
    rows = []
    for row in record.structures:
        notes = [*row.matched, *([row.reason] if row.reason else [])]
        if row.outside.is_defined and row.outside.value > 0:
            notes.append(f"{value_cell(row.outside)} outside the dose grid")
        values = [
            Cell(value_cell(each).text) for each in (row.volume, row.minimum, row.mean, row.maximum)
        ]
        grid = Cell(grid_text(row.grid_mean_gy, row.grid_maximum_gy))
        cells = (Cell(_name(row.name), strong=True), Cell(_name(row.type)), *values, grid)
        rows.append(Row((*cells, Cell("; ".join(visible(note) for note in notes)))))
    yield Table(columns, tuple(rows))
    yield Paragraph(say(GRID_LEGEND), "muted")


def _points(record: EvaluationRecord, say: Words) -> Iterator[Block]:
    if not record.points:
        return
    yield Heading(say("Points"), 2)
    columns = (
        Column(say("Name"), 2.0), Column(say("Kind"), 1.5), Column("x, y, z (LPS mm)", 2.0, True),
        Column(say("Dose"), 2.0, True),
    )  # fmt: skip
    rows = []
    for point in record.points:
        dose = value_cell(point.dose)
        place = ", ".join(f"{part:.1f}" for part in point.position_mm)
        cells = (Cell(_name(point.name), strong=True), Cell(_name(point.kind)), Cell(place))
        rows.append(Row((*cells, Cell(str(dose), (dose.reason,) if dose.reason else ()))))
    yield Table(columns, tuple(rows))


def _matches(record: EvaluationRecord, say: Words) -> Iterator[Block]:
    if not record.matches:
        return
    yield Heading(say("How names were matched"))
    columns = (
        Column(say("Protocol"), 1.2), Column(say("Plan"), 1.4), Column(say("Kind"), 0.8),
        Column(say("Evidence"), 3.6),
    )  # fmt: skip
    rows = [
        Row(
            (
                Cell(_name(match.protocol_name), strong=True),
                Cell(visible(match.name_in_plan, 200) if match.is_found else DASH),
                Cell(match.kind.value),
                Cell(visible(match.evidence)),
            )
        )
        for match in record.matches
    ]
    yield Table(columns, tuple(rows))


def _findings(record: EvaluationRecord, say: Words) -> Iterator[Block]:
    yield Heading(say("Findings"))
    if not record.findings:
        yield Paragraph(say("None."))
        return
    columns = (Column(say("Severity"), 1.0), Column(say("Where"), 1.4), Column(say("What"), 5.0))
    ranked = sorted(record.findings, key=lambda each: SEVERITY_ORDER[each.severity])
    rows = [
        Row(
            (
                Cell(say(each.severity.value), tone=each.severity.value, strong=True),
                Cell(_name(each.where)),
                Cell(visible(each.message), (_name(each.code),)),
            )
        )
        for each in ranked
    ]
    yield Table(columns, tuple(rows))


def _protocol(record: EvaluationRecord, say: Words) -> Iterator[Block]:
    protocol = record.protocol
    yield Heading(say("Protocol as used"))
    pairs = [
        (say("Protocol"), f"{protocol.id} {protocol.version}, {prose(protocol.title)}"),
        (say("Kind"), PURPOSE_WORDS.get(protocol.purpose, protocol.purpose)),
        (say("Origin"), ORIGIN_WORDS.get(protocol.origin, protocol.origin)),
        ("Applies to", protocol.applicability),
        ("SHA-256", protocol.sha256),
        *(("Includes", part) for part in protocol.includes),
    ]
    yield Pairs(tuple((term, visible(text) or DASH) for term, text in pairs), wide=True)
    if protocol.applies.reason:
        yield Paragraph(visible(protocol.applies.reason))
    yield from _proposals(record, say)
    if protocol.readings:
        yield Heading(say("Readings of the source"), 2)
        yield Bullets(tuple(Cell(prose(each)) for each in protocol.readings))
    yield from _sources(protocol, say)


def _proposals(record: EvaluationRecord, say: Words) -> Iterator[Block]:
    if not record.proposals:
        return
    yield Heading(say("Why this protocol"), 2)
    columns = (
        Column(say("Protocol"), 2.0),
        Column(say("Kind"), 1.0),
        Column(say("For this plan"), 4.0),
    )
    rows = []
    for each in record.proposals:
        what = "applied" if each.is_chosen else each.outcome.reason or "applies, not asked for"
        cells = (
            Cell(_name(each.id), strong=each.is_chosen),
            Cell(PURPOSE_WORDS.get(each.purpose, each.purpose)),
            Cell(visible(what), strong=each.is_chosen),
        )
        rows.append(Row(cells))
    yield Table(columns, tuple(rows))


def _sources(protocol: ProtocolSummary, say: Words) -> Iterator[Block]:
    if not protocol.sources:
        return
    yield Heading(say("Sources"), 2)
    columns = (Column(say("Source"), 1.2), Column(say("What"), 5.0), Column(say("Evidence"), 1.0))
    rows = []
    for note in protocol.sources:
        doi = f"doi:{note.doi}" if note.doi else ""
        text = ", ".join(prose(part) for part in (note.citation, doi, note.locator) if part)
        small = (f"“{prose(note.quote)}”",) if note.quote else ()
        rows.append(
            Row((Cell(_name(note.key), strong=True), Cell(text, small), Cell(note.evidence)))
        )
    yield Table(columns, tuple(rows))


def _inputs(record: EvaluationRecord, say: Words, digest: str) -> Iterator[Block]:
    provenance = record.provenance
    yield Heading(say("Inputs and provenance"))
    rows = []
    for source in provenance.sources:
        small = tuple(part for part in (_name(source.label), date_text(source.date)) if part)
        what = Cell(visible(source.file), (visible(source.uid), visible(source.digest)))
        rows.append(Row((Cell(_name(source.kind), small, strong=True), what)))
    columns = (Column(say("Input"), 1.4), Column(say("File, UID and digest"), 6.0))
    yield Table(columns, tuple(rows))
    pairs = [
        ("planeval", provenance.planeval_version),
        ("evaluation.json SHA-256", digest),
        ("Plan UID", ", ".join(provenance.plan_uids)),
        ("Dose UID", ", ".join(provenance.dose_uids)),
        ("Structure set UID", provenance.structure_set_uid),
        ("Image series UID", provenance.image_series_uid),
        ("Frame of reference UID", provenance.frame_uid),
        *((f"Method {key}", str(text)) for key, text in provenance.method.to_dict().items()),
        *((f"Option {key}", text) for key, text in provenance.options),
    ]
    yield Pairs(tuple((term, visible(text) or DASH) for term, text in pairs), wide=True)
