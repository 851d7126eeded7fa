"""The rows and groups of a protocol, judged on one case."""

from __future__ import annotations

from dataclasses import dataclass, replace

from planeval.metrics.dose_volume import needs_prescription
from planeval.model import Metric, MetricKind, Outcome, Outside, Status, Structure, Value
from planeval.model.metric import decimal_text
from planeval.model.rows import (
    Companion,
    GroupMode,
    LevelChoice,
    LimitMark,
    MatchKind,
    Row,
    RowGroup,
    RowKind,
)
from planeval.protocol.applicability import Facts, applies, basis_of, mixed_fractions
from planeval.protocol.judge import Judgement, Tiers, judge, margin
from planeval.protocol.level_choice import highest_level, no_level
from planeval.protocol.limits import Limits, limit_needs_prescription, limits_of
from planeval.protocol.measuring import Choice, Measurer, limit_mark
from planeval.protocol.naming import Found, Matcher
from planeval.protocol.reading import Protocol
from planeval.protocol.rules import group_of, metric_of, outside_of
from planeval.protocol.schema import AllOf, AnyOf, GroupSpec, Item, RowSpec
from planeval.protocol.verdict import combine
from planeval.units import Quantity, Unit

__all__ = ["Judged", "RowJudge"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A row or group with its judgement; None where rows of its kind are never judged."""

    item: Row | RowGroup
    judgement: Judgement | None

    @property
    def counts(self) -> bool:
        """Whether the judgement takes part in the verdict."""
        return self.judgement is not None and self.item.in_verdict


class RowJudge:
    """Judges the items of one protocol on one case.

    ``targets`` are the ROIs that ``for_each: target`` runs over; ``is_effective`` says that the
    dose is weighted, which every row then repeats. ``cut_by_scan`` are ROIs that may go on beyond
    the images.
    """

    def __init__(
        self,
        protocol: Protocol,
        matcher: Matcher,
        measurer: Measurer,
        *,
        facts: Facts,
        targets: tuple[str, ...] = (),
        cut_by_scan: frozenset[str] = frozenset(),
        is_effective: bool = False,
        allow_unverified: bool = False,
    ) -> None:
        self._file = protocol.file
        self._matcher = matcher
        self._measurer = measurer
        self._facts = facts
        self._targets = targets
        self._cut_by_scan = cut_by_scan
        self._is_effective = is_effective
        self._allow_unverified = allow_unverified

    def judge(self, item: Item, kind: RowKind | None = None) -> tuple[Judged, ...]:
        """Return an item judged: one result, or one a target for a ``for_each`` row."""
        if not isinstance(item, RowSpec):
            mode = GroupMode.ANY if isinstance(item, AnyOf) else GroupMode.ALL
            return (self._group(mode, item, kind or _kind(group_of(item))),)
        if item.for_each is None:
            name = item.structure or ""
            return (self._row(item, kind or _kind(item), self._matcher.find(name)),)
        return self._for_each_target(item, kind or _kind(item))

    def _for_each_target(self, spec: RowSpec, kind: RowKind) -> tuple[Judged, ...]:
        founds = [
            Found.roi(name, MatchKind.EXACT, name, "a target of the plan") for name in self._targets
        ] or [Found.nothing("target", MatchKind.MISSING, "the plan has no target")]
        return tuple(
            self._row(spec.model_copy(update={"id": f"{spec.id}.{number}"}), kind, found)
            for number, found in enumerate(founds, 1)
        )

    def _group(self, mode: GroupMode, item: AnyOf | AllOf, kind: RowKind) -> Judged:
        spec = group_of(item)
        members = [judged for member in spec.members for judged in self.judge(member, kind)]
        notes = spec.notes + self._absent_note(members)
        judgement = None
        if kind.is_counted:
            parts = [member.judgement for member in members if member.judgement is not None]
            judgement = combine(mode, [*parts, *self._needs(spec)])
        in_verdict = all(member.item.in_verdict for member in members)
        group = RowGroup(
            id=spec.id,
            kind=kind,
            mode=mode,
            members=tuple(member.item for member in members),
            outcome=judgement.outcome if judgement else None,
            title=spec.title,
            source=spec.source or "",
            notes=notes,
            in_verdict=in_verdict,
        )
        return Judged(group, judgement)

    def _absent_note(self, members: list[Judged]) -> tuple[str, ...]:
        """Name the members that dropped out because their structure is not drawn."""
        absent = [
            member.item.structure
            for member in members
            if isinstance(member.item, Row)
            and member.item.outcome is not None
            and member.item.outcome.reason == _not_drawn(member.item.structure)
        ]
        return (f"not drawn, so not judged: {', '.join(absent)}",) if absent else ()

    def _needs(self, spec: GroupSpec) -> list[Judgement]:
        """Return NOT_EVALUABLE where none of the structures that a group needs is drawn."""
        rows = [
            row
            for row in spec.members
            if isinstance(row, RowSpec)
            and row.id in spec.needs_one_of
            and self._scope(row, metric_of(row, self._file)).status is not Status.NOT_APPLICABLE
        ]
        if not rows or not all(self._is_absent(self._matcher.find(_name(row))) for row in rows):
            return []
        names = " or ".join(_name(row) for row in rows)
        return [Judgement.settled(Status.NOT_EVALUABLE, f"needs {names}: none is drawn")]

    def _is_absent(self, found: Found) -> bool:
        """Whether a structure is not drawn at all: no such ROI, or one without contours."""
        if found.match.kind is MatchKind.MISSING:
            return True
        empty = {roi.name for roi in self._matcher.rois if roi.is_empty}
        return found.match.is_found and set(found.match.plan_names) <= empty

    def _scope(self, spec: RowSpec, metric: Metric) -> Outcome:
        """Return whether the protocol and the row's own conditions apply."""
        facts = self._facts
        conditions = [self._file.applies, *([spec.applies] if spec.applies else [])]
        outcomes = [applies(each, facts, basis_of(metric)) for each in conditions]
        if all(each.fractions is None and each.fraction_dose_gy is None for each in conditions):
            outcomes.append(mixed_fractions(facts, basis_of(metric)))
        for status in (Status.NOT_APPLICABLE, Status.NOT_EVALUABLE):
            for outcome in outcomes:
                if outcome.status is status:
                    return outcome
        return outcomes[0]

    def _row(self, spec: RowSpec, kind: RowKind, found: Found) -> Judged:
        metric = metric_of(spec, self._file)
        choice = self._choice(spec, found, metric)
        scope = self._scope(spec, metric)
        value = self._value(spec, scope, metric, found=found, choice=choice)
        limits = limits_of(
            spec,
            choice.rx.total_gy if choice.rx else None,
            choice.text,
            ask=lambda asked, name: self._ask(asked, name, spec, found),
        )
        tiers = limits.tiers
        judgement = None
        if kind.is_counted:
            judgement = self._judgement(spec, scope, found, _by_limits(value, limits))
        edge = self._edge(spec, metric, found, value)
        solid = self._measurer.solid(found)
        rx_gy = choice.rx.total_gy if choice.rx else None
        row = Row(
            id=spec.id,
            kind=kind,
            structure=found.match.protocol_name,
            match=found.match,
            metric=str(metric),
            value=value,
            outcome=judgement.outcome if judgement else None,
            title=spec.title,
            companions=self._companions(spec, metric, found),
            marks=_marks(metric, tiers, solid, rx_gy),
            rx=choice.text,
            rx_gy=rx_gy,
            outside=outside_of(spec, self._file),
            outside_gy=edge.number if edge is not None else None,
            source=spec.source or "",
            notes=(
                *_scope_note(kind, scope),
                *_edge_note(edge),
                *limits.notes,
                *spec.notes,
                *self._biology_note(spec, metric),
                *self._effective_note(metric),
            ),
            evidence=self._evidence(spec),
            in_verdict=not (self._allow_unverified and self._is_unverified(spec)),
            level_choice=self._level_choice(spec, scope, value, found=found, choice=choice),
        )
        return Judged(_with_limits(row, tiers, metric.unit), judgement)

    def _choice(self, spec: RowSpec, found: Found, metric: Metric) -> Choice:
        """Choose the prescription of a row whose metric refers to one."""
        if not (needs_prescription(metric) or limit_needs_prescription(spec)):
            return Choice(None, "")
        entry = self._file.structures.get(spec.structure or "")
        named = spec.rx or (entry.rx if entry else None)
        return self._measurer.prescription(found, named)

    def _value(
        self, spec: RowSpec, scope: Outcome, metric: Metric, *, found: Found, choice: Choice
    ) -> Value:
        """Return the row's value; outside its scope only where the protocol still shows it."""
        setting = (spec.applies or self._file.applies).outside
        if scope.status is Status.NOT_APPLICABLE and setting == "refuse":
            return Value.undefined(f"not shown outside its scope: {scope.reason}", metric.unit)
        if needs_prescription(metric) and choice.rx is None and found.expression is not None:
            return Value.undefined(choice.text, metric.unit)
        return self._measurer.measure(
            metric, found, choice.rx, outside=outside_of(spec, self._file)
        )

    def _edge(self, spec: RowSpec, metric: Metric, found: Found, value: Value) -> Value | None:
        """Return the edge dose that a value rests on, None where it rests on none.

        Only what has no number for its part outside the grid has an interval of what is possible.
        """
        if outside_of(spec, self._file) is not Outside.EDGE or value.possible is None:
            return None
        return self._measurer.edge(metric, found)

    def _judgement(
        self, spec: RowSpec, scope: Outcome, found: Found, by_value: Judgement
    ) -> Judgement:
        """Return the outcome of a counted row: scope, absence, evidence, and then its value."""
        if scope.status is Status.NOT_APPLICABLE:
            return Judgement.settled(scope.status, scope.reason)
        if spec.if_absent == "not-applicable" and self._is_absent(found):
            return Judgement.settled(Status.NOT_APPLICABLE, _not_drawn(found.match.protocol_name))
        if scope.status is Status.NOT_EVALUABLE:
            return Judgement.settled(scope.status, scope.reason)
        if self._is_unverified(spec) and not self._allow_unverified:
            return Judgement.settled(
                Status.NOT_EVALUABLE,
                f"the limit is not verified (evidence '{self._evidence(spec)}' of source "
                f"'{spec.source}'); read the source, or see it with --allow-unverified",
            )
        return by_value

    def _level_choice(
        self, spec: RowSpec, scope: Outcome, value: Value, *, found: Found, choice: Choice
    ) -> LevelChoice | None:
        """Return which prescription a table would allow, None for a row without such a table."""
        if spec.limits is None or spec.limits.selects is None:
            return None
        cut = [name for name in found.match.plan_names if name in self._cut_by_scan]
        reasons = (
            scope.reason if scope.status is not Status.PASS else "",
            "the dose is a sum: which of its parts would be scaled is not known"
            if self._facts.is_sum
            else "",
            "the dose is EFFECTIVE (weighted) and need not scale with the prescription"
            if self._is_effective
            else "",
            f"{' and '.join(cut)} may go on beyond the image series" if cut else "",
        )
        reason = next((each for each in reasons if each), "")
        if reason or choice.rx is None:
            return no_level(reason or choice.text)
        return highest_level(value, choice.rx.total_gy, spec.limits.levels)

    def _ask(self, metric: Metric, name: str | None, spec: RowSpec, found: Found) -> Value:
        """Measure what a table of limits looks up, of another structure or the row's own."""
        other = found if name is None else self._matcher.find(name)
        rx = self._choice(spec, found, metric).rx
        return self._measurer.measure(metric, other, rx, outside=outside_of(spec, self._file))

    def _evidence(self, spec: RowSpec) -> str:
        """Return the evidence flag of a row's source, empty where it names none."""
        source = self._file.sources.get(spec.source or "")
        return source.evidence if source else ""

    def _is_unverified(self, spec: RowSpec) -> bool:
        """Whether nobody has read the row's number in a text: its source, or the whole set."""
        source = self._file.sources.get(spec.source or "")
        unread = source is not None and not source.is_verified
        return spec.has_limit and (unread or self._file.review.status == "needs-check")

    def _companions(self, spec: RowSpec, metric: Metric, found: Found) -> tuple[Companion, ...]:
        """Return the near-maximum beside a Max row, and a drawn structure beside a derived one."""
        companions, outside = [], outside_of(spec, self._file)
        if metric.kind is MetricKind.MAX and metric.unit is not Unit.PERCENT:
            source = self._file.sources.get(spec.source or "")
            volume = source.point_dose_volume_cc if source else 0.03
            near = replace(
                metric, kind=MetricKind.DOSE_AT_VOLUME, argument=Quantity(volume, Unit.CC)
            )
            value = self._measurer.measure(near, found, outside=outside)
            companions.append(Companion(str(near), value))
        drawn = self.drawn_beside(found)
        if drawn is not None and not needs_prescription(metric):
            note = f"drawn {drawn.match.name_in_plan}"
            value = self._measurer.measure(metric, drawn, outside=outside)
            companions.append(Companion(str(metric), value, note))
        return tuple(companions)

    def drawn_beside(self, found: Found) -> Found | None:
        """Return the ROI that was drawn under the name of a derived structure."""
        if found.match.kind is not MatchKind.DERIVED:
            return None
        drawn = self._matcher.find_drawn(found.match.protocol_name)
        return drawn if drawn.match.is_found else None

    def _biology_note(self, spec: RowSpec, metric: Metric) -> tuple[str, ...]:
        """Say which alpha/beta converts the dose, where it comes from, and what is left out."""
        if metric.biology is None:
            return ()
        stated = f"{metric.biology.quantity}_" in spec.metric
        origin = "stated in the row" if stated else f"from structures.{spec.structure}.alpha_beta"
        ratio = decimal_text(metric.biology.alpha_beta_gy or 0.0)
        counts = ", ".join(str(count) for count in self._facts.fractions or ())
        limit = (
            " The limit is one of this quantity as the protocol writes it."
            if spec.has_limit
            else ""
        )
        return (
            f"{metric.biology.quantity} with alpha/beta {ratio} Gy ({origin}), every point converted "
            f"with {counts or 'unknown'} fractions; no repair or time factor.{limit}",
        )

    def _effective_note(self, metric: Metric) -> tuple[str, ...]:
        if not self._is_effective or metric.kind in (MetricKind.VOLUME, MetricKind.OUTSIDE):
            return ()
        return ("the dose is EFFECTIVE (weighted), not physical",)


def _scope_note(kind: RowKind, scope: Outcome) -> tuple[str, ...]:
    """Return why a row that is never judged would not apply here, which its outcome cannot say."""
    if kind.is_counted or kind is RowKind.INFORMATION or scope.status is Status.PASS:
        return ()
    return (f"not for this plan: {scope.reason}",)


def _edge_note(edge: Value | None) -> tuple[str, ...]:
    """Return why the reading ``edge`` says nothing of what lies outside the grid."""
    if edge is None or edge.is_defined:
        return ()
    return (f"outside: edge sets no ceiling, so the dose there stays unknown: {edge.reason}",)


def _by_limits(value: Value, limits: Limits) -> Judgement:
    """Return what the value comes to, or why the row has no limit here."""
    if limits.tiers is None:
        problem = limits.problem or Outcome(Status.NOT_EVALUABLE, "the row states no limit")
        return Judgement.settled(problem.status, problem.reason)
    return judge(value, limits.tiers)


def _kind(spec: RowSpec | GroupSpec) -> RowKind:
    """Return the kind of an outermost item, which the rules of the file make sure of."""
    if spec.kind is None:
        raise ValueError(f"item {spec.id!r} has no kind")
    return spec.kind


def _name(spec: RowSpec) -> str:
    return spec.structure or ""


def _not_drawn(structure: str) -> str:
    return f"{structure} is not drawn"


def _marks(
    metric: Metric, tiers: Tiers | None, solid: Structure | str, rx_gy: float | None
) -> tuple[LimitMark, ...]:
    """Return the limits of a row as points of the DVH."""
    if tiers is None or isinstance(solid, str):
        return ()
    by_tier = {"per_protocol": tiers.per_protocol, "acceptable": tiers.acceptable}
    marks = [
        limit_mark(metric, comparison, solid, rx_gy=rx_gy, tier=tier)
        for tier, comparison in by_tier.items()
        if comparison is not None
    ]
    return tuple(mark for mark in marks if mark is not None)


def _with_limits(row: Row, tiers: Tiers | None, unit: Unit) -> Row:
    """Return the row with its limits and the margins to them."""
    if tiers is None:
        return row
    per_protocol = tiers.per_protocol.text_in(unit)
    acceptable = tiers.acceptable.text_in(unit) if tiers.acceptable else None
    return replace(
        row,
        per_protocol=per_protocol,
        acceptable=acceptable,
        margin=margin(row.value, per_protocol),
        margin_acceptable=margin(row.value, acceptable) if acceptable else None,
    )
