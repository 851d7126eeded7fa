"""Several evaluations of one patient by one protocol, compared row by row with the first.

Nothing is measured again: the values are those of the records, and a difference is one of them minus
another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from planeval.errors import InconsistentCase, UndecidedProtocol
from planeval.model import Finding, Outcome, Severity, Status, Value
from planeval.model.comparison import (
    Change,
    ComparedPlan,
    ComparedRow,
    ComparedValue,
    ComparisonRecord,
    Trend,
)
from planeval.model.margins import MarginRow
from planeval.model.record import EvaluationRecord
from planeval.model.rows import LimitText, Row, RowGroup, RowKind
from planeval.model.targets import TargetRow
from planeval.units import Unit

__all__ = ["LETTERS", "compare_records"]

LETTERS = "ABCDEFGH"
"""Names of the compared plans; more than this many lines of one structure cannot be told apart."""

_TIERS = (Status.FAIL, Status.ACCEPTABLE, Status.PASS)
SHORT_METRIC = "short of the rule [%]"
"""What stands for a margin audit: the share of the rule's surface that the outer structure misses."""


def compare_records(records: Sequence[EvaluationRecord]) -> ComparisonRecord:
    """Compare two or more records with the first of them.

    Raises:
        ValueError: fewer than two records, or more than there are letters.
        InconsistentCase: different patients, or values computed with different methods.
        UndecidedProtocol: different protocols, or versions of one.
    """
    if not 2 <= len(records) <= len(LETTERS):
        raise ValueError(f"{len(records)} plans: a comparison takes 2 to {len(LETTERS)}")
    _check_patients(records)
    _check_basis(records)
    first = records[0]
    return ComparisonRecord(
        identity=first.identity,
        protocol_id=first.protocol.id,
        protocol_version=first.protocol.version,
        protocol_sha256=first.protocol.sha256,
        plans=tuple(
            _plan(letter, each) for letter, each in zip(LETTERS, records, strict=False)
        ),
        rows=tuple(_rows(records)),
        findings=tuple(_findings(records)),
        planeval_version=first.provenance.planeval_version,
    )  # fmt: skip


def _name(number: int, record: EvaluationRecord) -> str:
    """Return how messages name a plan: its letter and its label."""
    return f"{LETTERS[number]} ({', '.join(plan.label for plan in record.plans) or 'no plan'})"


def _check_patients(records: Sequence[EvaluationRecord]) -> None:
    ids = [each.identity.patient_id.strip() for each in records]
    if len(set(ids) - {""}) > 1:
        listed = ", ".join(f"{_name(n, records[n])}: {text!r}" for n, text in enumerate(ids))
        raise InconsistentCase(
            f"these plans belong to different patients by PatientID ({listed}); compare plans of "
            "one patient"
        )
    births = {each.identity.birth_date for each in records} - {""}
    if len(births) > 1:
        raise InconsistentCase(
            f"these plans have one PatientID and different birth dates ({', '.join(sorted(births))}): "
            "find out whether they belong to one patient; they are not compared"
        )


def _check_basis(records: Sequence[EvaluationRecord]) -> None:
    """Refuse what makes differences meaningless: other limits, other ways to compute."""
    protocols = {each.protocol.sha256: each.protocol for each in records}
    if len(protocols) > 1:
        names = ", ".join(
            f"{_name(number, each)}: {each.protocol.id} {each.protocol.version}"
            for number, each in enumerate(records)
        )
        raise UndecidedProtocol(
            f"the plans were judged by different protocols ({names}); name one protocol for all"
        )
    if len({each.provenance.method for each in records}) > 1:
        raise InconsistentCase(
            "the plans were loaded with different methods (caps, between); load them with one"
        )


def _plan(letter: str, record: EvaluationRecord) -> ComparedPlan:
    provenance = record.provenance
    return ComparedPlan(
        letter=letter,
        label=", ".join(plan.label for plan in record.plans),
        plan_uids=provenance.plan_uids,
        dose_uids=provenance.dose_uids,
        structure_set_uid=provenance.structure_set_uid,
        structure_set_label=record.structure_set_label,
        frame_uid=provenance.frame_uid,
        prescription=_prescribed(record),
        fractions=next((rx.fractions for rx in record.prescriptions if rx.fractions), None),
        verdict=record.verdict,
        summary=record.summary,
        evaluation_sha256=hashlib.sha256(record.to_json().encode("utf-8")).hexdigest(),
    )


def _prescribed(record: EvaluationRecord) -> str:
    return "; ".join(
        f"{rx.total_gy:.12g} Gy"
        + (f" in {rx.fractions}" if rx.fractions else "")
        + (f" to {rx.target}" if rx.target else "")
        for rx in record.prescriptions
    )


def _findings(records: Sequence[EvaluationRecord]) -> Iterator[Finding]:
    """Yield what the reader of a difference must know about its two sides."""
    yield from _identity_findings(records)
    yield from _geometry_findings(records)
    if len({_levels(each) for each in records}) > 1:
        texts = (
            f"{_name(number, each)}: {_prescribed(each) or 'none'}"
            for number, each in enumerate(records)
        )
        yield Finding(
            "prescriptions-differ", Severity.WARNING,
            f"the plans are prescribed differently ({', '.join(texts)}): rows in percent refer to each "
            "plan's own prescription, and doses of different fractions are not the same effect",
        )  # fmt: skip
    seen: dict[tuple[object, ...], int] = {}
    for number, each in enumerate(records):
        basis = each.provenance
        key = (basis.plan_uids, basis.dose_uids, basis.structure_set_uid)
        if key in seen:
            yield Finding(
                "same-plan", Severity.WARNING,
                f"{_name(seen[key], records[seen[key]])} and {_name(number, each)} are the same plan, "
                "dose and structure set",
            )  # fmt: skip
        seen.setdefault(key, number)


def _levels(record: EvaluationRecord) -> tuple[tuple[str, float, int | None], ...]:
    return tuple(sorted((rx.target, rx.total_gy, rx.fractions) for rx in record.prescriptions))


def _identity_findings(records: Sequence[EvaluationRecord]) -> Iterator[Finding]:
    if not all(each.identity.patient_id.strip() for each in records):
        yield Finding(
            "patient-id-missing", Severity.WARNING,
            "PatientID is empty in one of the plans; that they belong to one patient is unproven",
        )  # fmt: skip
    names = dict.fromkeys(each.identity.patient_name for each in records)
    if len(names) > 1:
        yield Finding(
            "patient-name-differs", Severity.WARNING,
            f"one PatientID and different patient names: {'; '.join(map(repr, names))}",
        )  # fmt: skip


def _geometry_findings(records: Sequence[EvaluationRecord]) -> Iterator[Finding]:
    if len({each.provenance.structure_set_uid for each in records}) > 1:
        sets = ", ".join(
            f"{_name(number, each)}: {each.structure_set_label or 'no label'}"
            for number, each in enumerate(records)
        )
        moved = _other_volumes(records)
        yield Finding(
            "structure-sets-differ", Severity.WARNING,
            f"the plans have different structure sets ({sets}): a difference may come from the "
            f"contours as well as from the dose{moved}",
        )  # fmt: skip
    if len({each.provenance.frame_uid for each in records}) > 1:
        yield Finding(
            "frames-differ", Severity.WARNING,
            "the plans lie in different frames of reference: each is measured in its own, on its own "
            "image; nothing was registered",
        )  # fmt: skip
    kinds = {(each.dose.type, each.dose.summation) for each in records if each.dose}
    if len(kinds) > 1:
        listed = ", ".join(sorted(f"{kind} {summation}" for kind, summation in kinds))
        yield Finding("dose-types-differ", Severity.WARNING, f"the doses are {listed}")


def _other_volumes(records: Sequence[EvaluationRecord]) -> str:
    """Name the structures of the same name whose volumes differ by more than 1 %."""
    first = {row.name: row.volume for row in records[0].structures if row.volume.is_defined}
    named = []
    for number, each in enumerate(records[1:], start=1):
        for row in each.structures:
            known = first.get(row.name)
            if known is None or not row.volume.is_defined:
                continue
            if abs(row.volume.value - known.value) > 0.01 * known.value:
                named.append(
                    f"{row.name} {known.value:.2f} and in {LETTERS[number]} {row.volume.value:.2f} cc"
                )
    return (
        f"; other volumes: {', '.join(named[:8])}"
        + (f" and {len(named) - 8} more" if len(named) > 8 else "")
        if named
        else ""
    )


@dataclass(frozen=True, slots=True)
class _Entry:
    """One row of one plan, in the form that all sections share."""

    key: tuple[str, ...]
    section: str
    kind: RowKind
    structure: str
    metric: str
    value: Value
    outcome: Outcome | None = None
    name_in_plan: str = ""
    title: str = ""
    mode: str = ""
    depth: int = 0
    is_counted: bool = False
    is_unverified: bool = False
    per_protocol: LimitText | None = None
    acceptable: LimitText | None = None


def _rows(records: Sequence[EvaluationRecord]) -> Iterator[ComparedRow]:
    """Yield every row that any plan has, in the order of the first plan, later ones after it."""
    sources: tuple[Callable[[EvaluationRecord], Iterable[_Entry]], ...] = (
        _constraints, _margins, _targets, _information,
    )  # fmt: skip
    for entries_of in sources:
        by_plan = [{each.key: each for each in entries_of(record)} for record in records]
        for key in dict.fromkeys(key for entries in by_plan for key in entries):
            yield _row([entries.get(key) for entries in by_plan])


def _row(entries: Sequence[_Entry | None]) -> ComparedRow:
    model = next(each for each in entries if each is not None)
    return ComparedRow(
        id="/".join(model.key),
        section=model.section,
        kind=model.kind,
        structure=model.structure,
        metric=model.metric,
        title=model.title,
        mode=model.mode,
        depth=model.depth,
        is_counted=any(each.is_counted for each in entries if each),
        is_unverified=any(each.is_unverified for each in entries if each),
        plans=tuple(
            _compared(letter, each, entries[0], model)
            for letter, each in zip(LETTERS, entries, strict=False)
        ),
    )


def _compared(
    letter: str, entry: _Entry | None, first: _Entry | None, model: _Entry
) -> ComparedValue:
    if entry is None:
        missing = Value.undefined("this plan has no such row", model.value.unit)
        change = Change.OTHER if first and first.outcome else Change.NONE
        return ComparedValue(
            letter, "", missing, None, None, None, missing, Trend.UNKNOWN, change
        )  # fmt: skip
    difference = _difference(entry.value, first)
    return ComparedValue(
        letter,
        entry.name_in_plan,
        entry.value,
        entry.outcome,
        entry.per_protocol,
        entry.acceptable,
        difference,
        _trend(difference, entry.per_protocol or entry.acceptable),
        _change(first.outcome if first else None, entry.outcome),
    )


def _difference(value: Value, first: _Entry | None) -> Value:
    """Return a value minus the first plan's, with the band that the two bands leave."""
    if first is None:
        return Value.undefined("the first plan has no such row", value.unit)
    base = first.value
    for side, which in ((base, "in the first plan"), (value, "in this plan")):
        if not side.is_defined:
            return Value.undefined(f"no value {which}: {side.reason}", value.unit)
    if base is value:
        return Value.of(0.0, value.unit)
    return Value.of(
        value.value - base.value, value.unit, value.low - base.high, value.high - base.low
    )


def _trend(difference: Value, limit: LimitText | None) -> Trend:
    if not difference.is_defined:
        return Trend.UNKNOWN
    if difference.value == 0:
        return Trend.EQUAL
    if limit is None:
        return Trend.NO_LIMIT
    is_upper = limit.operator.startswith("<")
    return Trend.BETTER if (difference.value < 0) == is_upper else Trend.WORSE


def _change(before: Outcome | None, after: Outcome | None) -> Change:
    """Compare two outcomes; only FAIL, ACCEPTABLE and PASS have an order."""
    old, new = before and before.status, after and after.status
    if old is new:
        return Change.NONE
    if old not in _TIERS or new not in _TIERS:
        return Change.OTHER
    return Change.BETTER if _TIERS.index(new) > _TIERS.index(old) else Change.WORSE


def _constraints(record: EvaluationRecord) -> Iterator[_Entry]:
    for item in record.rows:
        yield from _items(item, "constraint", 0)


def _information(record: EvaluationRecord) -> Iterator[_Entry]:
    for item in record.information:
        yield from _items(item, "information", 0)


def _items(item: Row | RowGroup, section: str, depth: int) -> Iterator[_Entry]:
    if isinstance(item, Row):
        yield _Entry(
            (section, item.id), section, item.kind, item.structure, item.metric, item.value,
            item.outcome, item.match.name_in_plan, item.title, depth=depth,
            is_counted=item.is_counted, is_unverified=item.is_unverified,
            per_protocol=item.per_protocol, acceptable=item.acceptable,
        )  # fmt: skip
        return
    nothing = Value.undefined("a group has no value of its own", Unit.NONE)
    yield _Entry(
        (section, item.id), section, item.kind, "", "", nothing, item.outcome, title=item.title,
        mode=item.mode.value, depth=depth, is_counted=item.is_counted,
        is_unverified=not item.in_verdict,
    )  # fmt: skip
    for member in item.members:
        yield from _items(member, section, depth + 1)


def _margins(record: EvaluationRecord) -> Iterator[_Entry]:
    for row in record.margins:
        yield _Entry(
            ("margin", row.id), "margin", row.kind,
            f"{row.outer.protocol_name} around {row.inner.protocol_name}", SHORT_METRIC,
            _short(row), row.outcome,
            f"{row.outer.name_in_plan} around {row.inner.name_in_plan}", row.title,
            is_counted=row.is_counted,
        )  # fmt: skip


def _short(row: MarginRow) -> Value:
    if row.report is None:
        return Value.undefined(row.outcome.reason or "nothing was measured", Unit.PERCENT)
    if row.report.short_percent is None:
        return Value.undefined("no rule to be short of", Unit.PERCENT)
    return Value.of(
        row.report.short_percent,
        Unit.PERCENT,
        row.report.short_least_percent,
        row.report.short_most_percent,
    )


def _targets(record: EvaluationRecord) -> Iterator[_Entry]:
    for row in record.targets:
        yield from _target_values(row)


def _target_values(row: TargetRow) -> Iterator[_Entry]:
    for each in (*row.coverage, *row.indices):
        yield _Entry(
            ("target", row.name, each.metric), "target", RowKind.INFORMATION, row.name, each.metric,
            each.value, name_in_plan=row.name,
        )  # fmt: skip
