"""A plan and a protocol in scenarios of setup and motion: the robustness record.

In every scenario the case gets the dose that its anatomy receives there, and the protocol's counted rows
and groups are judged by the very objects that judge the plan: values, tiers, groups and verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from planeval import __version__
from planeval.case import Case
from planeval.dose.biology import deliveries
from planeval.dose.shift import shifted_doses
from planeval.errors import InconsistentCase
from planeval.metrics import grammar
from planeval.metrics.dose_volume import needs_prescription
from planeval.metrics.recognition import outermost
from planeval.metrics.robustness import (
    Scenario,
    direction_scenarios,
    drawn_scenarios,
    met_interval,
    over_scenarios,
)
from planeval.model import (
    Dose,
    Finding,
    Metric,
    Outcome,
    Prescription,
    Severity,
    Status,
    Structure,
    Value,
    Verdict,
)
from planeval.model.robustness import (
    Directions,
    RobustnessRecord,
    RobustRow,
    ScenarioRow,
    ScenarioSet,
    SetupErrors,
)
from planeval.model.rows import LimitText, Row, RowGroup
from planeval.protocol.applicability import Facts, facts_of
from planeval.protocol.dose_cloud import dose_cloud_findings, is_ptv
from planeval.protocol.evaluate import refuse_unread
from planeval.protocol.inventory import provenance
from planeval.protocol.measuring import Measurer
from planeval.protocol.naming import Matcher
from planeval.protocol.reading import Protocol
from planeval.protocol.roles import is_target
from planeval.protocol.rowjudge import RowJudge
from planeval.protocol.rules import group_of, metric_of
from planeval.protocol.schema import Item, RowSpec
from planeval.protocol.target_rows import target_prescription
from planeval.protocol.verdict import verdict
from planeval.side_by_side import in_processes
from planeval.units import Unit

__all__ = ["judge_scenarios"]

Setup = SetupErrors | Directions

COVERAGE = tuple(grammar.parse(text) for text in ("D98%[Gy]", "D95%[Gy]", "V95%[%]", "V100%[%]"))
COVERED_SHARE = 0.95
"""van Herk et al. 2000: a target is covered where its near-minimum is 95 % of the prescription."""

SHARES = 4
"""Scenarios are judged in so many shares, side by side."""

ASSUMPTIONS = (
    "Static dose cloud: the dose stays in space and the anatomy moves rigidly within it. Rotation, "
    "deformation, and the change of the dose with the anatomy (lung, air, gas in the bowel, the skin) "
    "are not in it.",
    "Positive shifts move the anatomy to the left, to posterior and to superior; a drift moves it "
    "towards the feet in every scenario.",
    "The physical dose is averaged over the fractions of a scenario, then converted to EQD2 or BED "
    "where a row asks for it: what the dose varies between fractions adds nothing to the "
    "biological dose.",
    "A single shift is exact. A dose averaged over several is exact at the voxel centres of the dose "
    "grid and trilinear between them, which flattens a steep dose a little: organs beside it get "
    "slightly more, targets at its edge slightly less. "
    "Tissue that any fraction moves beyond the grid has no known dose; it never counts as spared.",
    "Structures are those of the plan: how their drawing may be wrong is not in it, nor are margins "
    "between targets, which no shift changes.",
)


def judge_scenarios(
    case: Case,
    protocol: Protocol,
    setups: Sequence[Setup],
    *,
    mapping: Mapping[str, str] | None = None,
    child_pugh: str | None = None,
    allow_unverified: bool = False,
) -> RobustnessRecord:
    """Return what a case comes to by a protocol in scenarios; arguments as for an evaluation.

    Raises:
        InconsistentCase: the case has no dose, or random shifts are asked for and the fractions of the
            dose are unknown.
        GeometryError: a shift leaves nothing of the dose grid.
        ProtocolError, UnknownStructure, ValueError: as an evaluation does.
    """
    refuse_unread(protocol, allow_unverified)
    dose = case.dose
    if dose is None:
        raise InconsistentCase("this case has no dose; export the RTDOSE with the plan")
    matcher = Matcher(protocol.file, case.data, mapping)
    targets = [case.structures[roi.name] for roi in matcher.rois if is_target(roi)]
    bench = _Bench(
        protocol,
        matcher,
        facts_of(case.prescriptions, dose, child_pugh),
        tuple(each.name for each in targets),
        {each.name: outermost(each, targets) for each in targets},
        {each.name: not is_ptv(each) for each in targets},
        allow_unverified,
    )
    measurer = Measurer(case, matcher)
    planned = bench.judge(case, measurer)
    solids = tuple(dict.fromkeys((*measurer.solids(), *targets)))
    box = None if bench.needs_whole_dose() else _box(solids)
    scenarios = [_scenarios(setup, dose) for setup in setups]

    def judged(share: Sequence[Scenario]) -> list[_Seen]:
        seen = []
        doses = shifted_doses(dose, [one.shifts_mm for one in share], box)
        for one, shifted in zip(share, doses, strict=True):
            moved = case.with_dose(shifted)
            moved.dvhs(solids)  # the rows then find them made
            seen.append((one, bench.judge(moved, measurer.with_case(moved))))
        return seen

    sets = []
    for setup, some in zip(setups, scenarios, strict=True):
        sets.append(_set(setup, planned, _in_shares(judged, some)))
    options = [("map", f"{plan}={name}") for plan, name in sorted((mapping or {}).items())]
    options += [("child-pugh", child_pugh)] if child_pugh is not None else []
    options += [("allow-unverified", "yes")] if allow_unverified else []
    return RobustnessRecord(
        identity=case.data.identity,
        plans=tuple(plan.label for plan in case.plans),
        protocol=protocol.id,
        protocol_version=protocol.file.version,
        planned_verdict=planned.verdict,
        sets=tuple(sets),
        findings=tuple(_findings(case, bench, [one for some in scenarios for one in some])),
        assumptions=ASSUMPTIONS,
        provenance=provenance(case, protocol.sha256, __version__, options),
        deliveries=_delivery_names(case),
    )


def _in_shares(
    judged: Callable[[Sequence[Scenario]], list[_Seen]], scenarios: Sequence[Scenario]
) -> list[_Seen]:
    """Judge scenarios in shares side by side.

    The first scenario is judged before: what the structures cover, which all of them need, is then
    known to every process. The shares are the same on any number of cores; results then differ by the
    rounding of linear algebra alone.
    """
    rest = scenarios[1:]
    size = max(1, math.ceil(len(rest) / SHARES))
    shares = [rest[start : start + size] for start in range(0, len(rest), size)]
    found = [judged(scenarios[:1]), *in_processes(judged, shares)]
    return [one for share in found for one in share]


def _delivery_names(case: Case) -> tuple[str, ...]:
    """Return the names of the parts of a sum, nothing for a single delivery."""
    parts = deliveries(case.dose) if case.dose is not None else ()
    labels = {plan.uid: plan.label or plan.uid for plan in case.plans}
    names = []
    for part in parts if len(parts) > 1 else ():
        term = part[0]
        group = "" if term.fraction_group is None else f", fraction group {term.fraction_group}"
        count = "unknown" if term.fractions is None else str(term.fractions)
        label = labels.get(term.plan_uid, "a dose without a plan")
        names.append(f"{label}{group} ({count} fractions)")
    return tuple(names)


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    """One row, group or target metric in one dose."""

    row: RobustRow
    value: Value | None
    outcome: Outcome | None


@dataclass(frozen=True, slots=True, eq=False)
class _Result:
    """Everything in one dose."""

    rows: tuple[_Line, ...]
    targets: tuple[_Line, ...]
    verdict: Verdict


_Seen = tuple[Scenario, _Result]


@dataclass(frozen=True, slots=True, eq=False)
class _Bench:
    """What judges one case in any dose."""

    protocol: Protocol
    matcher: Matcher
    facts: Facts
    targets: tuple[str, ...]
    around: Mapping[str, Structure]
    is_tissue: Mapping[str, bool]
    allow_unverified: bool

    def judge(self, case: Case, measurer: Measurer) -> _Result:
        """Return the counted rows and the targets' coverage in the dose of a case."""
        judge = RowJudge(
            self.protocol,
            self.matcher,
            measurer,
            facts=self.facts,
            targets=self.targets,
            is_effective=case.dose is not None and case.dose.type == "EFFECTIVE",
            allow_unverified=self.allow_unverified,
        )
        judged = [one for item in self._counted() for one in judge.judge(item)]
        statuses = [one.judgement.outcome.status for one in judged if one.judgement and one.counts]
        solids = [case.structures[name] for name in self.targets]
        return _Result(
            tuple(line for one in judged for line in _lines(one.item, 0)),
            tuple(line for each in solids for line in self._coverage(measurer, each)),
            verdict(statuses),
        )

    def _coverage(self, measurer: Measurer, target: Structure) -> list[_Line]:
        """Return the coverage of a target; its near-minimum is compared with 95 % of its dose."""
        rx = target_prescription(measurer, target, self.around[target.name]).rx
        wanted = [metric for metric in COVERAGE if rx is not None or not needs_prescription(metric)]
        return [
            _target_line(
                target,
                metric,
                measurer.measure_solid(metric, target, rx),
                rx if self.is_tissue[target.name] else None,
            )
            for metric in wanted
        ]

    def _counted(self) -> list[Item]:
        return [item for item in self.protocol.file.constraints if _is_counted(item)]

    def needs_whole_dose(self) -> bool:
        """Whether a counted row asks for an index: its isodose may reach anywhere."""
        return any(
            metric_of(spec, self.protocol.file).kind.is_index
            for item in self._counted()
            for spec in _specs(item)
        )


def _specs(item: Item) -> list[RowSpec]:
    if isinstance(item, RowSpec):
        return [item]
    return [spec for member in group_of(item).members for spec in _specs(member)]


def _is_counted(item: Item) -> bool:
    spec = item if isinstance(item, RowSpec) else group_of(item)
    return spec.kind is not None and spec.kind.is_counted


def _lines(item: Row | RowGroup, depth: int) -> list[_Line]:
    """Open an item: the group, then its members."""
    if isinstance(item, RowGroup):
        members = [line for member in item.members for line in _lines(member, depth + 1)]
        return [_Line(_group_line(item, depth), None, item.outcome), *members]
    row = RobustRow(
        id=item.id,
        kind=item.kind.value,
        type=item.type,
        structure=item.structure,
        in_plan=item.match.name_in_plan,
        metric=item.metric,
        unit=item.value.unit.value,
        title=item.title,
        limit=_outer_limit(item),
        planned=item.value,
        planned_outcome=item.outcome,
        is_counted=item.is_counted,
        depth=depth,
    )
    return [_Line(row, item.value, item.outcome)]


def _group_line(group: RowGroup, depth: int) -> RobustRow:
    return RobustRow(
        id=group.id,
        kind=group.kind.value,
        type=group.mode.value,
        structure="",
        in_plan="",
        metric="",
        unit="",
        title=group.title,
        limit=None,
        planned=None,
        planned_outcome=group.outcome,
        is_counted=group.is_counted,
        depth=depth,
    )


def _outer_limit(row: Row) -> LimitText | None:
    """Return the limit that decides whether a row is met: the acceptable one where there is one."""
    return row.acceptable or row.per_protocol


def _target_line(target: Structure, metric: Metric, value: Value, rx: Prescription | None) -> _Line:
    """A metric of a target; with a dose that tissue needs, the near-minimum gets a limit.

    No protocol states it. A PTV has none: it is the room that shifts use up.
    """
    limit, outcome, title = None, None, ""
    if metric is COVERAGE[0] and rx is not None:
        gy = COVERED_SHARE * rx.total_gy
        limit, outcome = LimitText(f">= {gy:g}", ">=", gy, Unit.GY), _is_covered(value, gy)
        title = f"95 % of {rx.total_gy:g} Gy"
    row = RobustRow(
        id=f"{target.name} {metric}",
        kind="target",
        type="row",
        structure=target.name,
        in_plan=target.name,
        metric=str(metric),
        unit=metric.unit.value,
        title=title,
        limit=limit,
        planned=value,
        planned_outcome=outcome,
        is_counted=False,
    )
    return _Line(row, value, outcome)


def _is_covered(value: Value, gy: float) -> Outcome:
    if not value.is_defined:
        return Outcome(Status.NOT_EVALUABLE, value.reason)
    return Outcome(Status.PASS if value.value >= gy else Status.FAIL)


def _scenarios(setup: Setup, dose: Dose) -> tuple[Scenario, ...]:
    if isinstance(setup, SetupErrors):
        return drawn_scenarios(setup, dose)
    return direction_scenarios(setup, dose)


def _box(solids: Sequence[Structure]) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return the box around the structures that are measured, None where there are none."""
    bounds = np.array([each.bounds_mm for each in solids if not each.stack.is_empty])
    if not len(bounds):
        return None
    return tuple(bounds[:, 0].min(axis=0).tolist()), tuple(bounds[:, 1].max(axis=0).tolist())


def _findings(case: Case, bench: _Bench, scenarios: Sequence[Scenario]) -> Iterator[Finding]:
    """Yield where the static dose cloud is unsafe, how a sum is moved, and the case's own warnings."""
    reach = max(
        (float(np.linalg.norm(mm)) for one in scenarios for mm in one.deliveries_mm), default=0.0
    )
    solids = [case.structures[name] for name in bench.targets]
    if not solids:
        yield Finding(
            "no-target",
            Severity.WARNING,
            "the plan has no target: coverage under shift, and whether it moves into lung or air, "
            "could not be looked at",
        )
    else:
        yield from dose_cloud_findings(case.structures, solids, reach, bench.matcher.matches())
    if case.dose is not None:
        yield from _sum_findings(case, case.dose)
    yield from (each for each in case.findings if each.severity is not Severity.INFO)


def _sum_findings(case: Case, dose: Dose) -> Iterator[Finding]:
    """Yield how the parts of a sum are moved, and what is not known of them."""
    if len(deliveries(dose)) > 1:
        yield Finding(
            "several-deliveries",
            Severity.INFO,
            "the dose is a sum: drawn scenarios shift every plan by a systematic error of its own, a "
            "shift set moves all of them alike",
        )
    if dose.summation == "MULTI_PLAN":
        yield Finding(
            "plans-not-apart",
            Severity.WARNING,
            "the dose is MULTI_PLAN: its plans cannot be moved one by one, and every scenario moves "
            "all of them alike, which drawn errors of several courses do not do; add the plans' own "
            "doses (--with) instead",
        )
    if case.data.registration_mm:
        yield Finding(
            "registration-taken-as-exact",
            Severity.WARNING,
            f"in the scenarios the registration of a moved dose is taken as exact; what it may be off "
            f"({case.data.registration_mm:g} mm) is in the planned bands alone. Shifts are along the "
            "patient axes of the first plan",
        )


def _set(setup: Setup, planned: _Result, seen: Sequence[_Seen]) -> ScenarioSet:
    """Sum up one set of scenarios."""
    is_sample = isinstance(setup, SetupErrors)
    names = [scenario.name for scenario, _ in seen]

    def over(side: Callable[[_Result], tuple[_Line, ...]]) -> tuple[RobustRow, ...]:
        columns = zip(*(side(result) for _, result in seen), strict=True)
        return tuple(
            over_scenarios(
                line.row,
                [(each.value, each.outcome) for each in column],
                names,
                is_sample=is_sample,
            )
            for line, column in zip(side(planned), columns, strict=True)
        )

    met = sum(result.verdict in (Verdict.PASS, Verdict.ACCEPTABLE) for _, result in seen)
    return ScenarioSet(
        type="drawn" if is_sample else "directions",
        setup=setup,
        scenarios=tuple(
            ScenarioRow(
                scenario.name,
                scenario.mean_mm,
                result.verdict,
                scenario.deliveries_mm if len(scenario.deliveries_mm) > 1 else (),
            )
            for scenario, result in seen
        ),
        rows=over(lambda result: result.rows),
        targets=over(lambda result: result.targets),
        verdict_met=met,
        verdict_probability=met / len(seen) if is_sample else None,
        verdict_band=met_interval(met, len(seen)) if is_sample else None,
    )
