"""Compare the planning system's DVHs with ours, number by number, and name what explains a difference.

A number agrees within its tolerance. Beyond it, the rules are tried in turn: another reading of the
end caps (from none to a full spacing), of the shape between planes, the part outside the dose grid,
the width of the other system's bins, its sampling of extremes, tissue next to no dose. The first
whose range holds the other number explains it; nothing explains what no rule holds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from planeval.agreement.codes import finding
from planeval.agreement.numbers import Numbers
from planeval.case import Case
from planeval.dose.dvh import Dvh
from planeval.errors import PlanevalError
from planeval.geometry.stack import CapReading
from planeval.model import Finding, Structure, TpsDvh, Value
from planeval.model.agreement import Agreement, AgreementMetric, AgreementRow, Rule
from planeval.units import Unit

__all__ = ["agreement_findings", "agreement_rows"]

Floats = NDArray[np.float64]

VOLUME_SHARE, VOLUME_CC = 0.01, 0.1
"""Volume: 1 %, at least 0.1 cc. Systems that treat the ends alike agree to 0.8 % above 10 cc."""
DOSE_SHARE, DOSE_GY = 0.005, 0.05
"""Doses: 0.5 % of the prescription, at least 0.05 Gy: alike ends agree to 0.05 to 0.12 Gy of 14 to 46."""
POINTS = 1.0
"""V and the curve: 1 percentage point, at doses that are the same within the tolerance of doses."""
COLD_SHARE = 0.05
"""Tissue below this share of the prescription is next to no dose."""
SAMPLED_SHARE, SAMPLED_CC = 0.01, 0.03
"""What the sampling of another system may miss of the hottest and the coldest part."""
SMALL_SHARE = 1e-3
"""A part outside the dose grid that is smaller changes nothing."""

_METHODS: tuple[tuple[Literal["half", "tapered"], Literal["prism", "interpolated"]], ...] = (
    ("tapered", "prism"),
    ("half", "interpolated"),
    ("tapered", "interpolated"),
)
_ORDER = (Rule.END_CAPS, Rule.SHAPE, Rule.GRID)
"""The rules that are other readings of our own curve, in the order in which they are tried."""

Read = Callable[[Numbers], float]
Verdict = tuple[Agreement, Rule | None]
_AGREES: Verdict = (Agreement.AGREES, None)
_DIFFERS: Verdict = (Agreement.DIFFERS, None)
_NO_DOSE = "the case has no dose"


class _Readings:
    """Our curve under the case's method, and under what else it could be; shapes only when asked."""

    def __init__(self, case: Case, structure: Structure, ours: Dvh) -> None:
        self._case = case
        self._structure = structure
        self._shapes: tuple[Numbers, ...] | None = None
        self.base = _numbers(ours)
        capped = (ours.under(reading) for reading in (CapReading.NONE, CapReading.FULL))
        self.caps = tuple(_numbers(each) for each in capped if len(each.dose_gy))
        outside = ours.outside_cc > SMALL_SHARE * ours.total_cc
        self.grid = (self.base.with_cold(ours.outside_cc),) if outside else ()
        self.inside = _explained(Rule.GRID) if outside else _AGREES
        """What agreement with the part inside the dose grid means for the whole."""

    def of(self, rule: Rule) -> tuple[Numbers, ...]:
        """Return the readings that a rule stands for; shapes come with the ends."""
        if rule is Rule.END_CAPS:
            return self.caps
        if rule is Rule.SHAPE:
            return (*self.caps, *self.shapes())
        return self.grid if rule is Rule.GRID else ()

    def shapes(self) -> tuple[Numbers, ...]:
        """Return the curves under every other method: each is computed from the contours again."""
        if self._shapes is None:
            own = self._structure.method
            methods = [
                replace(own, caps=caps, between=between)
                for caps, between in _METHODS
                if (caps, between) != (own.caps, own.between) and self._structure.stack.planes
            ]
            dvhs = self._case.dvhs([replace(self._structure, method=each) for each in methods])
            self._shapes = tuple(_numbers(each) for each in dvhs if len(each.dose_gy))
        return self._shapes


def agreement_rows(
    case: Case,
    levels: Mapping[str, Sequence[float]] | None = None,
    *,
    names: Collection[str] | None = None,
) -> tuple[AgreementRow, ...]:
    """Return one row for every DVH of the planning system that the case has, unreadable ones last.

    ``levels`` are structure name -> doses in Gy at which V is compared as well, such as limits.
    ``names`` leaves out the DVHs of other structures.
    """
    wanted = levels or {}
    rows = [
        _row(case, dvh, wanted.get(dvh.structure, ()))
        for dvh in case.data.tps_dvhs
        if names is None or dvh.structure in names
    ]
    rows += [
        AgreementRow(each.structure, each.origin, Agreement.NOT_COMPARED, reason=each.reason)
        for each in case.data.tps_unread
        if names is None or each.structure in names
    ]
    return tuple(rows)


def agreement_findings(rows: Sequence[AgreementRow]) -> Iterator[Finding]:
    """Yield a warning for every DVH that differs unexplained, and one note on those explained."""
    for row in rows:
        if row.state is Agreement.DIFFERS:
            parts = [_words(m) for m in row.metrics if m.state is Agreement.DIFFERS]
            message = (
                f"the planning system's own DVH differs: {'; '.join(parts)}; neither end caps, "
                "shape between planes, bins, sampling nor the dose grid explain it"
            )
            yield finding("tps-dvh-differs", message, row.structure)
    explained = [row for row in rows if row.state is Agreement.EXPLAINED]
    if explained:
        listed = ", ".join(
            f"{row.structure} ({', '.join(rule.value for rule in row.rules)})" for row in explained
        )
        message = f"{len(explained)} DVHs of the planning system differ as rules explain: {listed}"
        yield finding("tps-dvh-explained", message)


def _words(metric: AgreementMetric) -> str:
    """Return a difference in words: ours against theirs."""
    difference = metric.difference or 0.0
    if metric.theirs is None:
        return f"the curves by {abs(difference):.1f} points at {metric.at_gy or 0.0:.2f} Gy"
    unit = "" if metric.unit is Unit.NONE else f" {metric.unit}"
    ours = metric.theirs + difference
    return f"{metric.metric.partition('[')[0]} {ours:.2f} against {metric.theirs:.2f}{unit}"


def _row(case: Case, dvh: TpsDvh, levels: Sequence[float]) -> AgreementRow:
    structure = _structure(case, dvh)
    blank = AgreementRow(
        dvh.structure, dvh.origin, Agreement.NOT_COMPARED, note=dvh.scale_note
    )  # fmt: skip
    if isinstance(structure, str):
        return replace(blank, reason=structure)
    if len(dvh.dose_gy) < 2 or not dvh.volume_cc[0] > 0:
        return replace(blank, reason="its curve has no volume")
    ours = case.dvh(structure)
    if not len(ours.dose_gy):
        return replace(blank, reason=f"no part of {structure.name} lies in the dose grid")
    theirs = Numbers(
        dvh.dose_gy, dvh.volume_cc, dvh.minimum_gy, dvh.maximum_gy, dvh.mean_gy
    )  # fmt: skip
    comparison = _Comparison(dvh, theirs, ours, _Readings(case, structure, ours), _reference(case))
    metrics = tuple(comparison.metrics(levels))
    states = {metric.state for metric in metrics}
    worst = next(
        s for s in (Agreement.DIFFERS, Agreement.EXPLAINED, Agreement.AGREES) if s in states
    )
    return replace(
        blank,
        state=worst,
        metrics=metrics,
        rules=tuple(dict.fromkeys(m.rule for m in metrics if m.rule is not None)),
        bin_gy=comparison.bin_gy,
        caps=_nearest_caps(ours, theirs.total_cc) if metrics[0].rule is Rule.END_CAPS else "",
    )


def _structure(case: Case, dvh: TpsDvh) -> Structure | str:
    """Return the structure that a DVH is of, or why there is none."""
    if case.data.dose is None:
        return _NO_DOSE
    included_names = dvh.includes if dvh.includes or dvh.excludes else (dvh.structure,)
    for name in (*included_names, *dvh.excludes):
        if name in case.data.unusable:
            return f"{name} has no volume: {case.data.unusable[name].reason}"
        if name not in case.structures:
            return f"{name} is not a structure of this case"
    if len(included_names) == 1 and not dvh.excludes:
        return case.structures[included_names[0]]
    if not included_names:
        return "it includes no structure"
    text = " | ".join(map(_quoted, included_names))
    text = f"({text})" if len(included_names) > 1 else text
    for name in dvh.excludes:
        text = f"({text} - {_quoted(name)})"
    try:
        return replace(case.structure(text), name=dvh.structure)
    except PlanevalError as error:
        return f"it cannot be derived: {error}"


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _reference(case: Case) -> float:
    """Return the dose that tolerances are a share of: the highest prescription, else dose."""
    levels = [rx.total_gy for rx in case.prescriptions]
    terms = case.data.dose.terms if case.data.dose else ()
    return max(levels) if levels else sum(float(term.gy.max()) for term in terms)


def _numbers(dvh: Dvh) -> Numbers:
    low, high = float(dvh.dose_gy[0]), float(dvh.dose_gy[-1])
    return Numbers(dvh.dose_gy, dvh.volume_cc, low, high)


def _nearest_caps(ours: Dvh, cc: float) -> str:
    """Return which reading of the ends comes nearest to a volume."""
    volumes = {
        "no end caps": ours.under(CapReading.NONE).total_cc,
        "the method's end caps": ours.total_cc,
        "a full spacing at each end": ours.under(CapReading.FULL).total_cc,
    }
    return min(volumes, key=lambda name: abs(volumes[name] - cc))


class _Comparison:
    """Everything that is compared of one pair of curves."""

    def __init__(
        self, dvh: TpsDvh, theirs: Numbers, ours: Dvh, readings: _Readings, reference_gy: float
    ) -> None:
        self._dvh = dvh
        self._theirs = theirs
        self._ours = ours
        self._readings = readings
        self._dose_tolerance = max(DOSE_GY, DOSE_SHARE * reference_gy)
        self._cold_gy = COLD_SHARE * reference_gy
        self.bin_gy = float(np.median(np.diff(theirs.dose_gy)))

    def metrics(self, levels: Sequence[float]) -> Iterator[AgreementMetric]:
        """Yield every comparison."""
        yield self._volume()
        yield self._dose("Mean[Gy]", self._ours.mean(), Numbers.mean)
        yield self._extreme("Min[Gy]", self._ours.min(), self._theirs.minimum_gy)
        yield self._extreme("Max[Gy]", self._ours.max(), self._theirs.maximum_gy)
        for percent in (95, 2):
            yield self._d(percent)
        for gy in sorted(set(levels)):
            yield self._share(gy)
        yield self._curve()

    def _volume(self) -> AgreementMetric:
        ours = self._ours.volume()
        if self._dvh.volume_is_ours:
            return AgreementMetric(
                "Volume[cc]", Unit.CC, None, ours, None, 0.0, Agreement.NOT_COMPARED
            )
        theirs = self._theirs.total_cc
        tolerance = max(VOLUME_CC, VOLUME_SHARE * theirs) + self._dvh.rounding_cc
        verdict = self._verdict(theirs, lambda one: one.total_cc, tolerance)
        if abs(self._ours.total_cc - theirs) <= tolerance:
            verdict = _AGREES
        if verdict is _DIFFERS and self._is_cold():
            verdict = _explained(Rule.LOW_DOSE)
        return _metric("Volume[cc]", Unit.CC, theirs, ours, self._ours.total_cc, tolerance, verdict)

    def _dose(self, text: str, ours: Value, read: Read) -> AgreementMetric:
        own, theirs = read(self._readings.base), read(self._theirs)
        verdict = self._verdict(theirs, read, self._dose_tolerance)
        if verdict is _DIFFERS and abs(own - theirs) <= self._dose_tolerance + self.bin_gy:
            verdict = _explained(Rule.BIN)
        return _metric(text, Unit.GY, theirs, ours, own, self._dose_tolerance, verdict)

    def _d(self, percent: float) -> AgreementMetric:
        """D(x %); where only nearly dose-free volume differs, the same cc are compared."""
        found = self._dose(
            f"D{percent:g}%[Gy]", self._ours.d(percent=percent), lambda one: one.d(percent)
        )
        if found.state is Agreement.DIFFERS and self._is_cold():
            cc = percent / 100.0 * self._theirs.total_cc
            own = self._readings.base.d(min(100.0, 100.0 * cc / self._readings.base.total_cc))
            if abs(own - self._theirs.d(percent)) <= self._dose_tolerance + self.bin_gy:
                return replace(found, state=Agreement.EXPLAINED, rule=Rule.LOW_DOSE)
        return found

    def _extreme(self, text: str, ours: Value, theirs: float | None) -> AgreementMetric:
        """Min or Max: another system takes the extreme of its samples, which lie inside ours."""
        if theirs is None:
            return AgreementMetric(text, Unit.GY, None, ours, None, 0.0, Agreement.NOT_COMPARED)
        is_max = text.startswith("Max")
        base, tolerance = self._readings.base, self._dose_tolerance

        def read(one: Numbers) -> float:
            return float(one.dose_gy[-1 if is_max else 0])

        own = read(base)
        verdict = self._verdict(theirs, read, tolerance, (Rule.END_CAPS,))
        if verdict is _DIFFERS and abs(own - theirs) <= tolerance + self.bin_gy:
            verdict = _explained(Rule.BIN)
        missed = min(100.0, 100.0 * max(SAMPLED_SHARE, SAMPLED_CC / base.total_cc))
        if verdict is _DIFFERS and is_max and base.d(missed) - tolerance <= theirs < own:
            verdict = _explained(Rule.SAMPLING)
        if verdict is _DIFFERS and not is_max and own < theirs <= base.d(100 - missed) + tolerance:
            verdict = _explained(Rule.SAMPLING)
        if verdict is _DIFFERS:
            verdict = self._verdict(theirs, read, tolerance, (Rule.SHAPE, Rule.GRID))
        return _metric(text, Unit.GY, theirs, ours, own, tolerance, verdict)

    def _share(self, gy: float) -> AgreementMetric:
        theirs = self._theirs.v_percent(gy)
        base = self._readings.base
        verdict = self._verdict(theirs, lambda one: one.v_percent(gy), POINTS)
        slack = self._dose_tolerance
        for step, other in ((slack, _AGREES), (slack + self.bin_gy, _explained(Rule.BIN))):
            low, high = base.v_percent(gy + step), base.v_percent(gy - step)
            if verdict is _DIFFERS and low - POINTS <= theirs <= high + POINTS:
                verdict = other
        ours = self._ours.v(gy=gy, unit=Unit.PERCENT)
        text = f"V{gy:g}Gy[%]"
        return _metric(text, Unit.PERCENT, theirs, ours, base.v_percent(gy), POINTS, verdict)

    def _curve(self) -> AgreementMetric:
        """The largest distance of the curves, each in percent of its own volume."""
        doses = self._theirs.dose_gy
        theirs = self._theirs.percent_at(doses)
        base, slack = self._readings.base, self._dose_tolerance
        distance = base.percent_at(doses) - theirs
        at = int(np.abs(distance).argmax())
        verdict = self._readings.inside if _holds(theirs, doses, (base,), slack) else _DIFFERS
        for rule in _ORDER:
            others = self._readings.of(rule) if verdict is _DIFFERS else ()
            if others and _holds(theirs, doses, (base, *others), slack):
                verdict = _explained(rule)
        if verdict is _DIFFERS and _holds(theirs, doses, (base,), slack + self.bin_gy):
            verdict = _explained(Rule.BIN)
        if verdict is _DIFFERS and self._is_cold():
            verdict = _explained(Rule.LOW_DOSE)
        value = Value.of(float(distance[at]), Unit.PERCENT)
        return replace(
            _metric("Curve", Unit.PERCENT, None, value, value.value, POINTS, verdict),
            at_gy=float(doses[at]),
        )

    def _verdict(
        self, theirs: float, read: Read, tolerance: float, order: Sequence[Rule] = _ORDER
    ) -> Verdict:
        """Say whether a number agrees, or which reading's range holds it."""
        own = read(self._readings.base)
        if abs(own - theirs) <= tolerance:
            return self._readings.inside
        for rule in order:
            values = [own, *map(read, self._readings.of(rule))]
            if min(values) - tolerance <= theirs <= max(values) + tolerance:
                return _explained(rule)
        return _DIFFERS

    def _is_cold(self) -> bool:
        """Whether the volumes agree in cc at all doses above next to nothing."""
        doses = self._theirs.dose_gy[self._theirs.dose_gy >= self._cold_gy]
        if not len(doses) or self._dvh.volume_is_ours:
            return False
        tolerance = VOLUME_SHARE * self._theirs.total_cc
        theirs, slack = self._theirs.cc_at(doses), self._dose_tolerance
        numbers = (self._readings.base, *self._readings.caps)
        low = np.min([one.cc_at(doses + slack) for one in numbers], axis=0)
        high = np.max([one.cc_at(doses - slack) for one in numbers], axis=0)
        return bool(((low - tolerance <= theirs) & (theirs <= high + tolerance)).all())


def _holds(theirs: Floats, doses: Floats, numbers: Sequence[Numbers], step_gy: float) -> bool:
    """Whether a curve lies between the lowest and the highest of some, moved by a dose."""
    low = np.min([one.percent_at(doses + step_gy) for one in numbers], axis=0)
    high = np.max([one.percent_at(doses - step_gy) for one in numbers], axis=0)
    return bool(((low - POINTS <= theirs) & (theirs <= high + POINTS)).all())


def _explained(rule: Rule) -> Verdict:
    return Agreement.EXPLAINED, rule


def _metric(
    text: str,
    unit: Unit,
    theirs: float | None,
    ours: Value,
    own: float,
    tolerance: float,
    verdict: Verdict,
) -> AgreementMetric:
    """Make a comparison; without a number of theirs ``own`` is the difference itself."""
    difference = own if theirs is None else own - theirs
    state, rule = verdict
    return AgreementMetric(text, unit, theirs, ours, difference, tolerance, state, rule)
