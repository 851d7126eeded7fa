"""One case judged by one protocol: the evaluation record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from planeval import __version__
from planeval.agreement import agreement_findings, agreement_rows
from planeval.case import Case
from planeval.checks import NO_CHECKS, PlanChecks
from planeval.errors import ProtocolError
from planeval.metrics import grammar
from planeval.model import Finding, Outcome, Severity, Status
from planeval.model.margins import MarginRow
from planeval.model.record import (
    Attention,
    CheckItem,
    EvaluationRecord,
    KindCount,
    PrescriptionRow,
    Proposal,
    ProtocolSummary,
    SourceNote,
    UnjudgedOrgan,
)
from planeval.model.rows import MatchKind, Row, RowGroup, RowKind, StructureMatch, flat_rows
from planeval.protocol.anatomy import anatomy_findings, named_organs
from planeval.protocol.applicability import applies, condition_text, facts_of
from planeval.protocol.attention import attention_lines, own_targets, prescription_line
from planeval.protocol.check_rows import check_rows
from planeval.protocol.inventory import (
    dose_summary,
    plan_summary,
    point_rows,
    prescription_rows,
    provenance,
    structure_rows,
    tps_rows,
)
from planeval.protocol.margins import audits_begun, match_audited
from planeval.protocol.measuring import Measurer
from planeval.protocol.naming import Matcher
from planeval.protocol.organs import standard_name
from planeval.protocol.reading import Protocol
from planeval.protocol.roles import Candidate, is_helper, is_target, is_target_name
from planeval.protocol.rowjudge import Judged, RowJudge
from planeval.protocol.spots import spot_rows
from planeval.protocol.target_rows import target_rows
from planeval.protocol.verdict import verdict

__all__ = ["evaluate", "refuse_unread"]

_DIFFERENCE = 0.01
"""A drawn structure whose volume differs from the derived one by more is a finding."""

_CUT_BY_SCAN = ("organ-cut-by-scan", "structure-beyond-image")
"""Checks of the plan that find a structure which may be larger than what was drawn of it."""

_D50 = grammar.parse("D50%[Gy]")
_ORGAN_TYPES = ("ORGAN", "AVOIDANCE", "")


def evaluate(
    case: Case,
    protocol: Protocol,
    *,
    mapping: Mapping[str, str] | None = None,
    child_pugh: str | None = None,
    allow_unverified: bool = False,
    proposals: Sequence[Proposal] = (),
    sanity: Callable[[], PlanChecks] = lambda: NO_CHECKS,
) -> EvaluationRecord:
    """Return the record of a case judged by a protocol.

    ``mapping`` is plan name -> protocol name and wins over every other match. ``child_pugh`` is a
    class or score such as A5. ``allow_unverified`` shows what rows come to whose source nobody has
    read; they stay out of the verdict. ``proposals`` are kept in the record, ``sanity`` makes the plan
    checks.

    Raises:
        ProtocolError: the whole set is needs-check, and ``allow_unverified`` is not given.
        UnknownStructure: ``mapping`` names a structure that the plan or the protocol has not.
        ValueError: ``child_pugh`` is no class or score.
    """
    refuse_unread(protocol, allow_unverified)
    data = case.data
    facts = facts_of(case.prescriptions, data.dose, child_pugh)
    matcher = Matcher(protocol.file, data, mapping)
    measurer = Measurer(case, matcher)
    targets = tuple(roi.name for roi in matcher.rois if is_target(roi))
    scope = applies(protocol.file.applies, facts)
    with audits_begun(protocol.file.margins, matcher, measurer, scope) as audits:
        checked = sanity()
        judge = RowJudge(
            protocol, matcher, measurer, facts=facts, targets=targets,
            cut_by_scan=_cut_by_scan(checked), allow_unverified=allow_unverified,
            is_effective=data.dose is not None and data.dose.type == "EFFECTIVE",
        )  # fmt: skip
        judged = [one for item in protocol.file.constraints for one in judge.judge(item)]
        rows, information = _rows_and_information(judged)
        items = (*rows, *information)
        agreement = agreement_rows(case, _levels(items))
        derived = tuple(_derived_findings(matcher, measurer, judge))
        anatomy = anatomy_findings(case.structures, matcher.matches())
        others = (*agreement_findings(agreement), *derived, *checked.findings, *anatomy)
        findings = (*case.findings, *others)
        prescriptions = prescription_rows(case, measurer, protocol.file.prescription_alpha_beta)
        match_audited(protocol.file.margins, matcher, measurer)
        structures = structure_rows(case, measurer, _matched(matcher.matches()))
        target_lines = tuple(_target_lines(case, measurer, prescriptions, targets=targets))
        indices = target_rows(case, measurer, targets)
        spots = spot_rows(case, measurer, list(flat_rows(items)), targets)
        margins = tuple(audits())
    summary = _protocol_summary(protocol, scope)
    counted = [one.judgement.outcome.status for one in judged if one.judgement and one.counts]
    counted += [row.outcome.status for row in margins if row.is_counted]
    counts = _counts(judged, margins)
    named = named_organs(case.structures, matcher.matches())
    checks = check_rows(named, findings, prescriptions=prescriptions, lines=target_lines)
    options = _options(mapping, child_pugh, allow_unverified=allow_unverified, sanity=checked)
    return EvaluationRecord(
        identity=data.identity,
        plans=tuple(plan_summary(plan) for plan in data.plans),
        structure_set_label=data.structure_set_label,
        structure_set_date=data.structure_set_date,
        dose=dose_summary(data.dose) if data.dose is not None else None,
        prescriptions=prescriptions,
        protocol=summary,
        verdict=verdict(counted),
        summary=_summary(counts),
        counts=counts,
        attention=attention_lines(
            rows, findings, protocol=summary, prescriptions=target_lines, margins=margins
        ),
        proposals=tuple(proposals),
        rows=rows,
        information=information,
        not_judged=_not_judged(matcher, rows),
        structures=structures,
        points=point_rows(case),
        tps=tps_rows(case, structures),
        matches=matcher.matches(),
        findings=findings,
        margins=margins,
        targets=indices,
        checks=(*checks, *checked.rows),
        agreement=agreement,
        spots=spots,
        provenance=provenance(case, protocol.sha256, __version__, options),
    )


def _rows_and_information(judged: Sequence[Judged]) -> tuple[tuple[Row | RowGroup, ...], ...]:
    """Return what is judged or shown beside limits, and what only informs."""
    rows: list[Row | RowGroup] = []
    information: list[Row | RowGroup] = []
    for one in judged:
        (information if one.item.kind is RowKind.INFORMATION else rows).append(one.item)
    return tuple(rows), tuple(information)


def _cut_by_scan(checked: PlanChecks) -> frozenset[str]:
    """Return the ROIs that may be larger than what was drawn of them."""
    return frozenset(each.where for each in checked.findings if each.code in _CUT_BY_SCAN)


def _levels(items: Sequence[Row | RowGroup]) -> dict[str, list[float]]:
    """Return the doses of the limits by structure: where V is compared with another system's."""
    found: dict[str, list[float]] = {}
    for row in flat_rows(items):
        for mark in row.marks:
            if mark.dose_gy > 0 and mark.dose_gy not in found.setdefault(mark.structure, []):
                found[mark.structure].append(mark.dose_gy)
    return found


def refuse_unread(protocol: Protocol, allow_unverified: bool) -> None:
    """Raise ProtocolError for a set whose numbers nobody has read in a source."""
    if protocol.file.review.status == "needs-check" and not allow_unverified:
        raise ProtocolError(
            f"protocol {protocol.id} is needs-check: its numbers were recalled and nobody has read "
            "them in their source; --allow-unverified shows what they come to, outside the verdict"
        )


def _options(
    mapping: Mapping[str, str] | None,
    child_pugh: str | None,
    *,
    allow_unverified: bool,
    sanity: PlanChecks,
) -> list[tuple[str, str]]:
    """Return the user's choices that the outcome depends on."""
    options = [("map", f"{plan}={name}") for plan, name in sorted((mapping or {}).items())]
    if child_pugh is not None:
        options.append(("child-pugh", child_pugh))
    if allow_unverified:
        options.append(("allow-unverified", "yes"))
    if sanity.read_hu:
        options.append(("check-hu", "yes"))
    return options


def _protocol_summary(protocol: Protocol, scope: Outcome) -> ProtocolSummary:
    """Return what a report says of the protocol."""
    file = protocol.file
    return ProtocolSummary(
        id=file.id,
        title=file.title,
        version=file.version,
        review_status=file.review.status,
        reviewed_by=file.review.by,
        reviewed_on=file.review.on.isoformat() if file.review.on else "",
        sha256=protocol.sha256,
        dose_basis=file.dose_basis,
        applicability=condition_text(file.applies),
        applies=scope,
        opening=file.opening,
        readings=file.readings,
        sources=tuple(
            SourceNote(
                key=key,
                citation=source.citation,
                doi=source.doi or "",
                locator=source.locator,
                quote=source.quote,
                evidence=source.evidence,
            )
            for key, source in file.sources.items()
        ),
        purpose=file.purpose,
        origin=protocol.origin,
        includes=tuple(
            f"{part.id} {part.version} ({part.origin}), sha256 {part.sha256}"
            for part in protocol.includes
        ),
        checklist=tuple(
            CheckItem(check.id, check.question, check.notes, check.source or "")
            for check in file.checklist
        ),
    )


def _counts(judged: Sequence[Judged], margins: Sequence[MarginRow]) -> tuple[KindCount, ...]:
    """Return how many items of every kind that occurs came to each status.

    Margin audits are among them where they count; those that only inform stay out.
    """
    counts = []
    for kind in RowKind:
        of_kind = [one for one in judged if one.item.kind is kind]
        audits = [row for row in margins if row.kind is kind and row.is_counted]
        if not of_kind and not audits:
            continue
        statuses = [one.judgement.outcome.status for one in of_kind if one.judgement and one.counts]
        not_judged = len(of_kind) - len(statuses)
        statuses += [row.outcome.status for row in audits]
        tally = tuple((status, statuses.count(status)) for status in Status)
        counts.append(KindCount(kind, tally, not_judged))
    return tuple(counts)


_STATUS_WORDS = {
    Status.PASS: "pass",
    Status.ACCEPTABLE: "acceptable",
    Status.FAIL: "fail",
    Status.NOT_EVALUABLE: "not evaluable",
    Status.NOT_APPLICABLE: "not applicable",
}


def _summary(counts: Sequence[KindCount]) -> str:
    """Return the verdict as counts: ``limits: 1 pass, 1 fail; recommendations: 1 pass``."""
    parts = []
    for count in counts:
        if count.kind.is_counted:
            words = [
                f"{number} {_STATUS_WORDS[status]}" for status, number in count.statuses if number
            ]
            if count.not_judged:
                words.append(f"{count.not_judged} unverified, not counted")
            parts.append(f"{count.kind}s: {', '.join(words)}")
    return "Constraint compliance: " + ("; ".join(parts) or "nothing counted in this protocol")


def _derived_findings(matcher: Matcher, measurer: Measurer, judge: RowJudge) -> Iterator[Finding]:
    """Yield derived structures whose drawn counterpart has another volume."""
    for match in matcher.matches():
        found = matcher.find(match.protocol_name)
        drawn = judge.drawn_beside(found)
        if drawn is None:
            continue
        mine, theirs = measurer.solid(found), measurer.solid(drawn)
        if isinstance(mine, str) or isinstance(theirs, str):
            continue
        if abs(mine.volume_cc - theirs.volume_cc) > _DIFFERENCE * mine.volume_cc:
            yield Finding(
                "derived-structure-differs",
                Severity.WARNING,
                f"the drawn {theirs.name} has {theirs.volume_cc:.2f} cc and the derived "
                f"{found.match.expression} {mine.volume_cc:.2f} cc; the derived one is judged",
                match.protocol_name,
            )


def _matched(matches: Sequence[StructureMatch]) -> dict[str, list[str]]:
    """Return plan name -> what the protocol took it for."""
    found: dict[str, list[str]] = {}
    for match in matches:
        for name in match.plan_names:
            word = "part of " if match.kind is MatchKind.DERIVED else ""
            found.setdefault(name, []).append(f"{word}{match.protocol_name} ({match.kind})")
    return found


def _target_lines(
    case: Case,
    measurer: Measurer,
    prescriptions: Sequence[PrescriptionRow],
    *,
    targets: Sequence[str],
) -> Iterator[Attention]:
    """Yield targets whose D50% does not fit their own prescription, else the plan's only level."""
    for row in prescriptions:
        if row.target:
            line = prescription_line(
                row.target, row.total_gy, row.target_d50, is_own=row.kind != "SITE"
            )
            if line is not None:
                yield line
    levels = {row.total_gy for row in prescriptions}
    if len(levels) != 1:
        return
    level = levels.pop()
    for name in targets:
        if name not in own_targets(prescriptions):
            d50 = measurer.measure_solid(_D50, case.structures[name])
            line = prescription_line(name, level, d50, is_own=False)
            if line is not None:
                yield line


def _not_judged(matcher: Matcher, rows: Sequence[Row | RowGroup]) -> tuple[UnjudgedOrgan, ...]:
    """Return the drawn organs that no counted row came to an outcome for."""
    judged, named = set[str](), set[str]()
    for row in flat_rows(rows):
        if not row.is_counted or row.outcome is None:
            continue
        named.update(row.match.plan_names)
        if row.outcome.status is not Status.NOT_APPLICABLE:
            judged.update(row.match.plan_names)
    return tuple(
        UnjudgedOrgan(
            roi.name,
            roi.type,
            "its rows do not apply here" if roi.name in named else "no counted row names it",
        )
        for roi in matcher.rois
        if roi.name not in judged and _is_organ(roi)
    )


def _is_organ(roi: Candidate) -> bool:
    """Whether an ROI is a drawn organ: by its type, or by its name where the type says no target.

    An ROI without a type counts unless its name says otherwise: an organ too many in the list is
    better than one too few.
    """
    kind = roi.type.upper()
    if roi.is_empty or is_target_name(roi.name) or standard_name(roi.name) == "External":
        return False
    if kind in ("GTV", "CTV", "ITV", "PTV", "EXTERNAL"):
        return False
    return bool(standard_name(roi.name)) or (kind in _ORGAN_TYPES and not is_helper(roi.name))
