"""The needs-attention list: one line for everything that a reader must not miss, in urgency order.

Errors of the data first, then scope, prescriptions, failed rows, rows that could not be evaluated,
rows near their limit, members that fail inside a passing group, unverified rows, structures not
drawn, warnings of the data, the review status of the protocol, and where it came from. Within each,
protocol order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from planeval.model import Finding, Outcome, Severity, Status, Value
from planeval.model.margins import MarginRow
from planeval.model.record import Attention, PrescriptionRow, ProtocolSummary
from planeval.model.rows import Row, RowGroup
from planeval.units import Unit

__all__ = ["attention_lines", "number_text", "prescription_line", "row_text"]

_D50_RANGE = (90.0, 130.0)
_BAD = (Status.FAIL, Status.NOT_EVALUABLE)


def attention_lines(
    rows: Sequence[Row | RowGroup],
    findings: Sequence[Finding],
    *,
    protocol: ProtocolSummary,
    prescriptions: Iterable[Attention],
    margins: Sequence[MarginRow] = (),
) -> tuple[Attention, ...]:
    """Return the list, most urgent first. Findings of severity info stay out of it."""
    lines = [
        *_finding_lines(findings, Severity.ERROR),
        *_scope_line(protocol),
        *prescriptions,
        *_status_lines(rows, Status.FAIL),
        *_status_lines(rows, Status.NOT_EVALUABLE),
        *_margin_lines(margins, counted=True),
        *_near_lines(rows),
        *_inner_lines(rows),
        *_margin_lines(margins, counted=False),
        *_unverified_lines(rows),
        *_note_lines(rows),
        *_finding_lines(findings, Severity.WARNING),
        *_review_line(protocol),
        *_override_line(protocol),
    ]
    return tuple(lines)


def _finding_lines(findings: Sequence[Finding], severity: Severity) -> Iterator[Attention]:
    for finding in findings:
        if finding.severity is severity:
            where = f"{finding.where}: " if finding.where else ""
            yield Attention(severity, finding.code, f"{where}{finding.message}")


def _scope_line(protocol: ProtocolSummary) -> Iterator[Attention]:
    outcome = protocol.applies
    if outcome.status is Status.NOT_APPLICABLE:
        text = f"protocol {protocol.id} does not apply to this plan: {outcome.reason}"
        yield Attention(Severity.ERROR, "applicability", text)
    elif outcome.status is Status.NOT_EVALUABLE:
        text = f"whether protocol {protocol.id} applies is unknown: {outcome.reason}"
        yield Attention(Severity.WARNING, "applicability", text)


def prescription_line(
    target: str, total_gy: float, d50: Value, *, is_own: bool
) -> Attention | None:
    """Return the line for a target whose D50% lies outside 90 to 130 % of its prescription.

    This is the cheapest test for a wrong dose, plan or target. A D50% that is unknown is outside
    where everything it can be is outside; else it is a line only where the prescription is the
    target's own.
    """
    name = target or "the whole plan"
    low, high = (100 * gy / total_gy for gy in d50.possible or (d50.low, d50.high))
    if d50.is_defined:
        low = high = 100 * d50.value / total_gy
    if high < _D50_RANGE[0] or low > _D50_RANGE[1]:
        shown = f"{low:.1f}" if low == high else f"{low:.1f} to {high:.1f}"
        text = (
            f"{name}: D50% is {shown} % of the {total_gy:g} Gy prescribed; expected 90 to 130 %. "
            "Check that dose, plan and target belong together"
        )
        return Attention(Severity.ERROR, "prescription", text)
    if d50.is_defined or not is_own:
        return None
    text = f"D50% cannot be compared with the {total_gy:g} Gy prescribed to {name}: {d50.reason}"
    return Attention(Severity.WARNING, "prescription", text)


def _status_lines(rows: Sequence[Row | RowGroup], status: Status) -> Iterator[Attention]:
    """Yield the counted items of a status, and the members that made a group so."""
    code = "fail" if status is Status.FAIL else "not-evaluable"
    for item in rows:
        if _status(item) is not status:
            continue
        members = list(_members(item)) if isinstance(item, RowGroup) else []
        text = row_text(item, _own_reason(item, members))
        yield Attention(Severity.ERROR, code, text, item.id)
        for member in members:
            if _status(member) in _BAD:
                yield _member_line(member)


def _own_reason(item: Row | RowGroup, members: Sequence[Row | RowGroup]) -> str:
    """Return the reason of an item without the parts that the lines of its members give."""
    reason = item.outcome.reason if item.outcome else ""
    for member in members:
        if member.outcome is not None and member.outcome.reason:
            reason = reason.replace(member.outcome.reason, "")
    return "; ".join(part for part in reason.split("; ") if part)


def _margin_lines(margins: Sequence[MarginRow], *, counted: bool) -> Iterator[Attention]:
    """Yield margin audits that fail, could not be evaluated, or are near their limit.

    One that only informs is a warning where it fails, and no line otherwise.
    """
    for row in margins:
        status = row.outcome.status
        if row.is_counted is not counted or not (
            status in _BAD or (row.outcome.near_limit and counted)
        ):
            continue
        if not counted and status is not Status.FAIL:
            continue
        name = f"margin of {row.outer.protocol_name} around {row.inner.protocol_name}"
        reason = f" ({row.outcome.reason})" if row.outcome.reason else ""
        word = status.replace("_", " ")
        suffix = "" if counted else "; for information, it does not count"
        code = {Status.FAIL: "fail", Status.NOT_EVALUABLE: "not-evaluable"}.get(
            status, "near-limit"
        )
        severity = Severity.ERROR if counted and status in _BAD else Severity.WARNING
        yield Attention(severity, f"margin-{code}", f"{name}: {word}{reason}{suffix}", row.id)


def _near_lines(rows: Sequence[Row | RowGroup]) -> Iterator[Attention]:
    for item in rows:
        outcome = item.outcome
        if outcome is not None and outcome.near_limit:
            text = f"{row_text(item)}; the numeric band could change this"
            yield Attention(Severity.WARNING, "near-limit", text, item.id)


def _inner_lines(rows: Sequence[Row | RowGroup]) -> Iterator[Attention]:
    """Yield members that fail or could not be evaluated inside a group that passed."""
    for item in rows:
        if isinstance(item, RowGroup) and _status(item) in (Status.PASS, Status.ACCEPTABLE):
            for member in _members(item):
                if _status(member) in _BAD:
                    yield _member_line(member, f", inside group {item.id}, which passes")


def _member_line(member: Row | RowGroup, suffix: str = "") -> Attention:
    code = "fail" if _status(member) is Status.FAIL else "not-evaluable"
    return Attention(Severity.WARNING, code, f"{row_text(member)}{suffix}", member.id)


def _unverified_lines(rows: Sequence[Row | RowGroup]) -> Iterator[Attention]:
    """Yield what rows came to whose limits nobody has read; they are not in the verdict."""
    for item in rows:
        if item.kind.is_counted and not item.in_verdict:
            text = f"{row_text(item)}; UNVERIFIED limit, not in the verdict"
            yield Attention(Severity.WARNING, "unverified", text, item.id)


def _note_lines(rows: Sequence[Row | RowGroup]) -> Iterator[Attention]:
    """Yield what dropped out of a group because it is not drawn."""
    for item in rows:
        if isinstance(item, RowGroup) and item.is_counted:
            absent = [
                member.structure
                for member in _members(item)
                if isinstance(member, Row) and _is_not_drawn(member.outcome)
            ]
            if absent:
                text = f"{item.title or item.id}: not drawn, so not judged: {', '.join(absent)}"
                yield Attention(Severity.INFO, "match", text, item.id)


def _is_not_drawn(outcome: Outcome | None) -> bool:
    return (
        outcome is not None
        and outcome.status is Status.NOT_APPLICABLE
        and outcome.reason.endswith("is not drawn")
    )


def _review_line(protocol: ProtocolSummary) -> Iterator[Attention]:
    if protocol.review_status != "reviewed":
        text = (
            f"protocol {protocol.id} {protocol.version} is not reviewed ({protocol.review_status})"
        )
        yield Attention(Severity.INFO, "protocol-review", text)


def _override_line(protocol: ProtocolSummary) -> Iterator[Attention]:
    if protocol.origin == "site-override":
        text = (
            f"protocol {protocol.id} is the site's own file in place of the shipped one "
            f"(sha256 {protocol.sha256})"
        )
        yield Attention(Severity.INFO, "protocol-override", text)


def _status(item: Row | RowGroup) -> Status | None:
    return item.outcome.status if item.outcome and item.is_counted else None


def _members(group: RowGroup) -> Iterator[Row | RowGroup]:
    """Yield everything inside a group, groups before their members."""
    for member in group.members:
        yield member
        if isinstance(member, RowGroup):
            yield from _members(member)


def row_text(item: Row | RowGroup, reason: str | None = None) -> str:
    """Return a row or group as one line: what, value, limits, status, reason (its own if None)."""
    outcome = item.outcome
    status = f": {outcome.status.replace('_', ' ')}" if outcome else ""
    if reason is None:
        reason = outcome.reason if outcome else ""
    reason = f" ({reason})" if reason else ""
    if isinstance(item, RowGroup):
        return f"{item.title or item.id}{status}{reason}"
    limits = ""
    if item.per_protocol is not None:
        limits = f", limit {item.per_protocol.text}"
        if item.acceptable is not None:
            limits += f" (acceptable {item.acceptable.text})"
    value = ""
    if item.value.is_defined:
        near = [limit.limit for limit in (item.per_protocol, item.acceptable) if limit]
        unit = "" if item.value.unit is Unit.NONE else f" {item.value.unit}"
        value = f" {number_text(item.value.value, near)}{unit}"
    return f"{item.structure} {item.metric}{value}{limits}{status}{reason}"


def number_text(number: float, limits: Sequence[float] = ()) -> str:
    """Return a number with 2 decimals, with more where it would look equal to a limit it is not.

    >>> number_text(18.004, [18.0]), number_text(18.0, [18.0])
    ('18.004', '18.00')
    """
    for decimals in range(2, 9):
        text = f"{number:.{decimals}f}"
        if all(number == limit or text != f"{limit:.{decimals}f}" for limit in limits):
            return text
    return f"{number:.9g}"


def own_targets(prescriptions: Sequence[PrescriptionRow]) -> set[str]:
    """Return the names of targets that have a prescription of their own."""
    return {row.target for row in prescriptions if row.target}
