"""A record as neutral blocks: page one answers the question, the rest is the evidence for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from planeval.model.record import EvaluationRecord, PrescriptionRow
from planeval.report.blocks import (
    Block,
    Bullets,
    Cell,
    Checks,
    Column,
    Heading,
    Page,
    Pairs,
    Paragraph,
    Row,
    Table,
)
from planeval.report.cells import DASH, StatusCell, ValueCell, number_text, value_cell
from planeval.report.document import (
    Line,
    OrganSection,
    constraint_sections,
    summary_text,
    unjudged_by_reason,
)
from planeval.report.evidence import evidence_blocks
from planeval.report.labels import labels
from planeval.report.text import date_text, person_name, prose, visible
from planeval.report.wording import DISCLAIMER, UNVERIFIED_WORD, VERDICT_WORDS

__all__ = ["Words", "page_of"]

LONGEST_NAME = 64

Words = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class _Front:
    """What makes page one: the record and the words of a language."""

    record: EvaluationRecord
    say: Words

    def blocks(self) -> Iterator[Block]:
        yield from self._identity()
        yield from self._prescriptions()
        yield from self._verdict()
        yield from self._attention()
        yield from self._constraints()
        yield from self._checklist()
        yield from self._unjudged()

    def _identity(self) -> Iterator[Block]:
        record, say = self.record, self.say
        who = record.identity
        yield Heading(person_name(who.patient_name) or DASH)
        pairs = [("ID", _name(who.patient_id)), ("Born", date_text(who.birth_date))]
        pairs.append(("Sex", _name(who.sex)))
        for plan in record.plans:
            label = f"{_name(plan.label)} ({_name(plan.name)})" if plan.name else _name(plan.label)
            pairs += [("Plan", label), ("Approval", _name(plan.approval))]
            pairs += [("Plan date", date_text(plan.date))]
            pairs += [("Planned with", _name(plan.manufacturer))]
        when = f", {date_text(record.structure_set_date)}" if record.structure_set_date else ""
        pairs.append(("Structure set", f"{_name(record.structure_set_label)}{when}"))
        if record.dose:
            pairs.append(("Dose", f"{_name(record.dose.type)}, {_name(record.dose.summation)}"))
            pairs.append(("Dose maximum", str(value_cell(record.dose.maximum))))
        protocol = record.protocol
        pairs.append(
            ("Protocol", f"{protocol.id} {protocol.version}, {prose(protocol.title)} "
             f"({protocol.review_status})")
        )  # fmt: skip
        yield Pairs(tuple((say(term), text or DASH) for term, text in pairs))

    def _prescriptions(self) -> Iterator[Block]:
        say = self.say
        if not self.record.prescriptions:
            yield Paragraph(f"{say('Prescription')}: {DASH}", "unknown")
            return
        heads = ("Target", "Total", "Fractions", "BED and EQD2", "D50% of the target", "Origin")
        shares = (1.2, 0.8, 1.1, 2.6, 1.3, 1.6)
        yield Table(
            tuple(
                Column(say(text), share, text in ("Total", "Fractions", "D50% of the target"))
                for text, share in zip(heads, shares, strict=True)
            ),
            tuple(_prescription(rx) for rx in self.record.prescriptions),
        )

    def _verdict(self) -> Iterator[Block]:
        word = VERDICT_WORDS[self.record.verdict]
        say = self.say
        yield Heading(f"{say('Constraint compliance')}: {say(word.word)}")
        yield Paragraph(summary_text(self.record), word.style, strong=True)
        yield Paragraph(word.meaning)
        for line in self.record.protocol.opening:
            yield Paragraph(prose(line), strong=True)

    def _attention(self) -> Iterator[Block]:
        yield Heading(self.say("Needs attention"), 2)
        if not self.record.attention:
            nothing = "No failed, missing or near-limit row, and no warning about the data."
            yield Paragraph(self.say(nothing))
            return
        yield Bullets(
            tuple(
                Cell(prose(line.text), tone=line.severity.value) for line in self.record.attention
            )
        )

    def _constraints(self) -> Iterator[Block]:
        say = self.say
        yield Heading(say("Constraints"), 2)
        columns = (
            Column(say("Structure"), 2.0),
            Column(say("Metric"), 1.5),
            Column(say("Per protocol"), 1.1, True),
            Column(say("Acceptable"), 1.1, True),
            Column(say("Value"), 1.5, True),
            Column(say("Margin"), 1.3, True),
            Column(say("Status"), 1.4),
        )
        rows = [
            row for section in constraint_sections(self.record) for row in self._section(section)
        ]
        yield Table(columns, tuple(rows))

    def _section(self, section: OrganSection) -> Iterator[Row]:
        yield Row((Cell(_name(section.organ), strong=True, span=7),), "head")
        for line in section.lines:
            yield self._line(line)
            notes = [line.status.reason, *self._beside(line), *line.notes, *_levels(line)]
            for note in notes:
                if note:
                    yield Row((Cell(prose(note), span=7),), "beside")

    def _line(self, line: Line) -> Row:
        status = self._status(line.status)
        indent = "    " * min(line.depth, 3)
        if line.mode:
            title = f"{indent}{line.mode}: {prose(line.title or line.id)}"
            return Row((Cell(title, (line.kind,), strong=True, span=6), status), "group")
        small = [_name(line.in_plan)] if line.in_plan else []
        marks = [self.say(UNVERIFIED_WORD)] if line.is_unverified else []
        if line.kind not in ("limit", "") and not line.depth:
            marks.append(line.kind)
        if line.rx:
            marks.append(line.rx)
        cells = (
            Cell(indent + _name(line.structure), tuple(small)),
            Cell(_name(line.metric), tuple(marks)),
            Cell(line.per_protocol),
            Cell(line.acceptable),
            _value(line.value),
            _margin(line.margin),
            status,
        )
        return Row(cells, "" if line.is_counted else "muted")

    def _beside(self, line: Line) -> Iterator[str]:
        for each in line.companions:
            note = f" {each.note}" if each.note else ""
            shown = str(each.value) if each.value.data else each.value.reason
            yield f"{_name(each.metric)}: {shown}{note}"

    def _status(self, cell: StatusCell) -> Cell:
        near = (f"≈ {self.say('near limit')}",) if cell.near_limit else ()
        return Cell(self.say(cell.word.word), near, cell.word.style, strong=True)

    def _checklist(self) -> Iterator[Block]:
        checks = self.record.protocol.checklist
        if checks:
            say = self.say
            yield Heading(say("To be answered by a person"), 2)
            yield Checks(
                say("Yes"),
                say("No"),
                tuple(
                    Cell(prose(each.question), tuple(prose(note) for note in each.notes))
                    for each in checks
                ),
            )
            yield Paragraph(say("These questions are never part of the verdict."), "muted")

    def _unjudged(self) -> Iterator[Block]:
        found = unjudged_by_reason(self.record)
        if found:
            yield Heading(self.say("Drawn organs that this protocol does not judge"), 2)
            yield Bullets(
                tuple(
                    Cell(f"{', '.join(_name(organ) for organ in organs)}: {reason}", tone="info")
                    for reason, organs in found.items()
                )
            )


def page_of(
    record: EvaluationRecord,
    pictures: Sequence[Block] = (),
    *,
    language: str = "en",
    date: str = "",
) -> Page:
    """Return the whole document; ``pictures`` are the blocks of DVH and slices."""
    say = labels(language)
    digest = hashlib.sha256(record.to_json().encode("utf-8")).hexdigest()
    blocks = (
        *_Front(record, say).blocks(),
        *pictures,
        *evidence_blocks(record, say, digest=digest),
        Paragraph(say(DISCLAIMER), strong=True),
    )
    plans = ", ".join(_name(plan.label) for plan in record.plans)
    foot = (
        f"planeval {record.provenance.planeval_version} · {record.protocol.id} "
        f"{record.protocol.version} · sha256 {record.protocol.sha256[:12]} · JSON {digest[:12]}"
        f" · ID {_name(record.identity.patient_id)} · {plans}{f' · {date}' if date else ''}"
    )
    title = f"{_name(record.identity.patient_id)} {record.protocol.id} {record.verdict.value}"
    return Page(title, language, foot, blocks)


def _name(text: str) -> str:
    return visible(text, LONGEST_NAME)


def _value(cell: ValueCell | None) -> Cell:
    if cell is None:
        return Cell(DASH)
    return Cell(str(cell), (cell.band,) if cell.band else (), strong=bool(cell.data))


def _levels(line: Line) -> Iterator[str]:
    """Yield what the table of a row says of other prescriptions."""
    if line.levels is not None:
        yield f"{line.levels.answer} {line.levels.basis}"
        if line.levels.tried:
            yield "; ".join(line.levels.tried)


def _margin(text: str) -> Cell:
    """Return a margin with its share of the limit below it."""
    amount, bracket, share = text.partition(" (")
    return Cell(amount, (bracket.strip() + share,) if share else ())


def _prescription(rx: PrescriptionRow) -> Row:
    ratios = dict.fromkeys(each.alpha_beta_gy for each in rx.conversions)
    converted = "; ".join(
        ", ".join(
            f"{each.quantity} {number_text(each.gy)} Gy"
            for each in rx.conversions
            if each.alpha_beta_gy == ratio
        )
        + f" (α/β {ratio:.12g} Gy)"
        for ratio in ratios
    )
    d50 = value_cell(rx.target_d50)
    share = (f"{rx.d50_percent:.1f} % of Rx",) if rx.d50_percent is not None else ()
    times = DASH
    if rx.fractions and rx.fraction_gy is not None:
        times = f"{rx.fractions} × {number_text(rx.fraction_gy)} Gy"
    return Row(
        (
            Cell(_name(rx.target) or DASH, strong=True),
            Cell(f"{rx.total_gy:.12g} Gy", strong=True),
            Cell(times),
            Cell(converted or DASH),
            Cell(str(d50), share if d50.data else (d50.reason,)),
            Cell(visible(rx.origin)),
        )
    )
