"""Values for rows: which structure, which prescription, which number, what stands beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from planeval.case import Case
from planeval.dose.interpolation import GridError
from planeval.errors import GeometryError, ProtocolError
from planeval.expression import Expr, Name
from planeval.metrics.dose_volume import needs_prescription
from planeval.model import Metric, MetricKind, Outside, Prescription, Structure, Value
from planeval.model.rows import LimitMark, StructureMatch
from planeval.protocol.judge import Comparison
from planeval.protocol.naming import Found, Matcher
from planeval.protocol.organs import fold
from planeval.units import Quantity, Unit

__all__ = ["Choice", "Measurer", "limit_mark"]


@dataclass(frozen=True, slots=True)
class Choice:
    """A prescription for a metric, or the reason why none can be chosen."""

    rx: Prescription | None
    text: str


class Measurer:
    """Measures protocol structures of one case, each solid built once."""

    def __init__(self, case: Case, matcher: Matcher) -> None:
        self._case = case
        self._matcher = matcher
        self._solids: dict[str, Structure | str] = {}

    def with_case(self, case: Case) -> Measurer:
        """Return a measurer of the same structures in another dose; none is built again."""
        other = Measurer(case, self._matcher)
        other._solids = self._solids
        return other

    def solid(self, found: Found) -> Structure | str:
        """Return the structure of a match, or the reason why there is none."""
        if found.expression is None:
            return found.match.evidence
        text = str(found.expression)
        if text not in self._solids:
            self._solids[text] = self._build(found.expression, found.match.protocol_name)
        return self._solids[text]

    def found_solid(self, match: StructureMatch) -> Structure | None:
        """Return the structure that was measured for a match, None where there was none."""
        if not match.is_found:
            return None
        solid = self._solids.get(match.expression or str(Name(match.plan_names[0])))
        return solid if isinstance(solid, Structure) else None

    def solids(self) -> tuple[Structure, ...]:
        """Return every structure that was asked for so far and has a solid."""
        return tuple(each for each in self._solids.values() if isinstance(each, Structure))

    def _build(self, expression: Expr, name: str) -> Structure | str:
        unusable = self._case.data.unusable
        for part in expression.names():
            if part in unusable:
                return f"{part} has no volume: {unusable[part].reason}"
        if isinstance(expression, Name):
            return self._case.structures[expression.text]
        try:
            solid = self._case.structure(f"({expression})")
        except (GeometryError, ProtocolError) as error:
            return f"{name} cannot be derived: {error}"
        return replace(solid, name=name)

    def measure(
        self,
        metric: Metric,
        found: Found,
        rx: Prescription | None = None,
        *,
        outside: Outside = Outside.UNKNOWN,
    ) -> Value:
        """Return a metric of a match, undefined with the reason where there is no structure."""
        solid = self.solid(found)
        if isinstance(solid, str):
            return Value.undefined(solid, metric.unit)
        return self.measure_solid(metric, solid, rx, outside=outside)

    def measure_solid(
        self,
        metric: Metric,
        solid: Structure,
        rx: Prescription | None = None,
        *,
        outside: Outside = Outside.UNKNOWN,
    ) -> Value:
        """Return a metric of a structure. Without a dose only its volume is known."""
        if self._case.data.dose is None:
            if metric.kind is MetricKind.VOLUME:
                return Value.of(solid.volume_cc, Unit.CC, *solid.volume_band_cc)
            return Value.undefined("the case has no dose", metric.unit)
        if needs_prescription(metric) and rx is None:
            return Value.undefined(f"no prescription for {solid.name} is known", metric.unit)
        return self._case.metric(metric, solid, rx, outside=outside)

    def edge(self, metric: Metric, found: Found) -> Value | None:
        """Return the edge dose of a match in the dose of a metric, None where it has no number."""
        solid = self.solid(found)
        if isinstance(solid, str) or self._case.data.dose is None:
            return None
        return self._case.edge_dose(solid, metric.biology)

    def grid_error(self, solid: Structure) -> GridError | None:
        """Return what the interpolation of the dose grid may change; None without known dose."""
        return None if self._case.data.dose is None else self._case.grid_error(solid)

    def prescription(self, found: Found, named: str | None = None) -> Choice:
        """Choose the prescription of a structure: the named one, its own, the plan's only level."""
        if named is not None:
            target = self._matcher.find(named)
            own = self._own(target)
            if own is None:
                why = "" if target.match.is_found else f" ({target.match.evidence})"
                return Choice(None, f"no single prescription to {named} is known{why}")
            return Choice(own, f"{named}, {own.total_gy:g} Gy")
        own = self._own(found)
        if own is not None:
            return Choice(own, f"{own.target}, {own.total_gy:g} Gy")
        levels = {rx.total_gy for rx in self._case.prescriptions}
        if not levels:
            return Choice(None, "no prescription is known; state it with --rx")
        if len(levels) > 1 or self._has_own(found):
            shown = ", ".join(f"{level:g}" for level in sorted(levels))
            return Choice(
                None,
                f"the plan has several prescribed levels ({shown} Gy) and none is "
                f"{found.match.protocol_name}'s own; say which with 'rx' in the row or --rx",
            )
        return Choice(self._case.prescriptions[0], f"the plan's only level, {levels.pop():g} Gy")

    def _own(self, found: Found) -> Prescription | None:
        """Return the structure's own prescription; several of one dose are one level."""
        own = self._targeting(found)
        return own[0] if own and len({rx.total_gy for rx in own}) == 1 else None

    def _has_own(self, found: Found) -> bool:
        return bool(self._targeting(found))

    def _targeting(self, found: Found) -> list[Prescription]:
        if not isinstance(found.expression, Name):
            return []
        wanted = found.expression.text
        exact = [rx for rx in self._case.prescriptions if rx.target == wanted]
        return exact or [
            rx for rx in self._case.prescriptions if rx.target and fold(rx.target) == fold(wanted)
        ]


def limit_mark(
    metric: Metric, comparison: Comparison, solid: Structure, *, rx_gy: float | None, tier: str
) -> LimitMark | None:
    """Return where a limit lies in the cumulative DVH, None where it has no place there.

    D and V limits are points of the curve; Max is (limit, 0) and Min (limit, whole volume); a cold
    volume x is the point at volume V - x. Mean and biology have none.
    """
    total = solid.volume_cc
    point = _point(metric, comparison, total, rx_gy) if metric.biology is None else None
    if point is None or not 0 <= point[1] <= total:
        return None
    below = comparison.is_upper is not (metric.kind is MetricKind.COLD_VOLUME_AT_DOSE)
    return LimitMark(solid.name, point[0], point[1], below, tier)


def _point(
    metric: Metric, comparison: Comparison, total: float, rx_gy: float | None
) -> tuple[float, float] | None:
    """Return (Gy, cc) of a limit."""
    limit = Quantity(comparison.limit, metric.unit)
    argument = metric.argument
    match metric.kind:
        case MetricKind.MAX:
            at, share = limit, Quantity(0.0, Unit.CC)
        case MetricKind.MIN:
            at, share = limit, Quantity(100.0, Unit.PERCENT)
        case MetricKind.MEDIAN:
            at, share = limit, Quantity(50.0, Unit.PERCENT)
        case MetricKind.DOSE_AT_VOLUME | MetricKind.COLD_DOSE_AT_VOLUME if argument:
            at, share = limit, argument
        case MetricKind.VOLUME_AT_DOSE | MetricKind.COLD_VOLUME_AT_DOSE if argument:
            at, share = argument, limit
        case _:
            return None
    gy = _gy(at, rx_gy)
    if gy is None:
        return None
    cc = share.value * total / 100 if share.unit is Unit.PERCENT else share.to(Unit.CC).value
    cold = metric.kind in (MetricKind.COLD_DOSE_AT_VOLUME, MetricKind.COLD_VOLUME_AT_DOSE)
    return gy, total - cc if cold else cc


def _gy(dose: Quantity, rx_gy: float | None) -> float | None:
    """Return a dose in Gy, None for a share of an unknown prescription."""
    if dose.unit is not Unit.PERCENT:
        return dose.to(Unit.GY).value
    return None if rx_gy is None else dose.value * rx_gy / 100
