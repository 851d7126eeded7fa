"""The margin audits of a protocol on one case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from planeval.errors import GeometryError
from planeval.expression import Name, Union
from planeval.geometry.drawn import drawn_union
from planeval.model import Outcome, Status, Structure
from planeval.model.margins import MarginRow
from planeval.model.rows import RowKind
from planeval.protocol.measuring import Measurer
from planeval.protocol.naming import Found, Matcher
from planeval.protocol.schema import MarginSpec
from planeval.side_by_side import begun
from planeval.targets.audit import MarginAudit, margin_audit
from planeval.targets.expansion import Extension, extend_along

__all__ = ["audits_begun", "match_audited"]


_LIBRARIES = ("scipy.ndimage", "scipy.sparse.csgraph", "scipy.spatial", "skimage.measure")
"""What an audit loads."""


def audits_begun(
    specs: Sequence[MarginSpec], matcher: Matcher, measurer: Measurer, scope: Outcome
) -> AbstractContextManager[Callable[[], list[MarginRow]]]:
    """Begin the margin audits beside what follows, and give what waits for them, in protocol order.

    ``scope`` says whether the protocol applies: outside its scope a counted audit is not judged,
    though its numbers are shown. What the plan lacks makes the pair NOT_EVALUABLE; a thrombus or a
    clipping structure that is not drawn is left out, and a note says so. Where a thrombus is drawn and
    the way along its vessel is not known, the pair can fail but not pass.
    """
    return begun(lambda spec: _row(spec, matcher, measurer, scope), specs, _LIBRARIES)


def match_audited(specs: Sequence[MarginSpec], matcher: Matcher, measurer: Measurer) -> None:
    """Match every structure of the audits, so that the record tells of them."""
    for name in (each for spec in specs for each in spec.structures):
        measurer.solid(matcher.find(name))


def _row(spec: MarginSpec, matcher: Matcher, measurer: Measurer, scope: Outcome) -> MarginRow:
    kind = RowKind(spec.kind)
    outer, inner = (_solid(matcher.find(name), measurer) for name in (spec.outer, spec.inner))
    missing = [name for name in spec.structures[2:] if _absent(matcher, measurer, name)]
    notes = [*spec.notes, *(f"{name} is not drawn and takes no part" for name in missing)]
    audit = None
    rule = spec.rule.text if spec.rule else ""
    if isinstance(outer, str) or isinstance(inner, str):
        reasons = dict.fromkeys(each for each in (outer, inner) if isinstance(each, str))
        outcome = Outcome(Status.NOT_EVALUABLE, "; ".join(reasons))
    else:
        optional = dict(_optional(spec, matcher, measurer))
        along = _along_vessel(spec, inner, optional)
        if isinstance(along, Extension):
            rule = f"{rule}, and {spec.along_vessel_mm:g} mm along {spec.vessel}"
            notes += [finding.message for finding in along.findings]
        audit = _audit(spec, (outer, inner), optional, along)
        outcome = audit.outcome
        if isinstance(along, str) and outcome.status is not Status.FAIL:
            outcome = Outcome(Status.NOT_EVALUABLE, along)
    if kind.is_counted and scope.status is not Status.PASS:
        outcome = scope
    return MarginRow(
        id=spec.id,
        kind=kind,
        outer=matcher.find(spec.outer).match,
        inner=matcher.find(spec.inner).match,
        rule=rule,
        tolerance_mm=spec.tolerance_mm,
        outcome=outcome,
        report=audit.report if audit else None,
        title=spec.title,
        source=spec.source or "",
        notes=tuple(notes),
    )


def _solid(found: Found, measurer: Measurer) -> Structure | str:
    """Return what a name stands for; a union of ROIs keeps its planes where they share them."""
    solid = measurer.solid(found)
    expression = found.expression
    if isinstance(solid, str) or not isinstance(expression, Union):
        return solid
    parts = [
        measurer.solid(Found(found.match, operand))
        for operand in expression.operands
        if isinstance(operand, Name)
    ]
    drawn = [part.stack for part in parts if not isinstance(part, str)]
    if len(drawn) < len(expression.operands):
        return solid
    stack = drawn_union(drawn)
    return solid if stack is None else replace(solid, stack=stack)


def _along_vessel(
    spec: MarginSpec, inner: Structure, optional: dict[str, Structure]
) -> Extension | str | None:
    """Return the lumen that must lie inside too, or why it is not known.

    None where nothing is asked for along a vessel, or no thrombus is drawn.
    """
    thrombus, vessel = optional.get(spec.thrombus or ""), optional.get(spec.vessel or "")
    if spec.along_vessel_mm is None or thrombus is None:
        return None
    asked = f"the {spec.along_vessel_mm:g} mm along {spec.vessel}"
    if vessel is None:
        return f"{thrombus.name} is drawn and {spec.vessel} is not: {asked} cannot be judged"
    try:
        return extend_along(vessel, inner, spec.along_vessel_mm, thrombus=thrombus)
    except GeometryError as error:
        return f"{asked} cannot be judged: {error}"


def _audit(
    spec: MarginSpec,
    pair: tuple[Structure, Structure],
    optional: dict[str, Structure],
    along: Extension | str | None,
) -> MarginAudit:
    return margin_audit(
        *pair,
        spec.rule,
        thrombus=optional.get(spec.thrombus or ""),
        vessel_part=along.structure if isinstance(along, Extension) else None,
        clipped_by=[optional[name] for name in spec.clipped_by if name in optional],
        tolerance_mm=spec.tolerance_mm,
    )


def _optional(
    spec: MarginSpec, matcher: Matcher, measurer: Measurer
) -> Iterator[tuple[str, Structure]]:
    """Yield the thrombus and the clipping structures that the plan has."""
    for name in spec.structures[2:]:
        solid = measurer.solid(matcher.find(name))
        if not isinstance(solid, str) and not solid.stack.is_empty:
            yield name, solid


def _absent(matcher: Matcher, measurer: Measurer, name: str) -> bool:
    solid = measurer.solid(matcher.find(name))
    return isinstance(solid, str) or solid.stack.is_empty
