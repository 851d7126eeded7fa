"""Dose-volume metrics: a parsed metric asked of a DVH.

Percent doses refer to a prescription: ``V95%`` is the volume with at least 95 % of it, ``D95%[%]`` a
dose as a share of it. Percent volumes refer to the whole structure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from planeval.dose.dvh import Dvh
from planeval.model import Metric, MetricKind, Value
from planeval.units import Quantity, Unit

__all__ = ["measure", "needs_prescription", "no_prescription", "scaled", "widened"]

_DOSE_UNITS = (Unit.GY, Unit.CGY)


def measure(metric: Metric, dvh: Dvh, rx_gy: float | None = None) -> Value:
    """Return the value of a dose-volume metric; ``dvh`` is of the dose that the metric asks for.

    With a biology prefix that is the DVH in EQD2 or BED. Without a prescription, a metric that refers
    to it is undefined, with that reason.
    """
    if needs_prescription(metric) and rx_gy is None:
        return no_prescription(metric, dvh.name)
    value = _in_base_units(metric, dvh, rx_gy or math.nan)
    if metric.unit is Unit.CGY:
        return scaled(value, Unit.CGY, 100.0)
    if metric.unit is Unit.PERCENT and value.unit is Unit.GY:
        return scaled(value, Unit.PERCENT, 100.0 / float(rx_gy or math.nan))
    return value


def no_prescription(metric: Metric, name: str) -> Value:
    """Return the undefined value of a metric that refers to a prescription nobody stated."""
    return Value.undefined(
        f"{metric} refers to a prescription and {name} has none; state it (rx)", metric.unit
    )


def widened(value: Value, others: Sequence[Value], why: str) -> Value:
    """Return a value whose band (or possible interval) also holds the same metric asked elsewhere.

    ``why`` becomes a note. A value that is undefined elsewhere adds what it may be there; nothing
    where it may be anything.
    """
    ends = [end for each in others for end in each.possible or (each.low, each.high)]
    known = [end for end in ends if not math.isnan(end)]
    low, high = min(known, default=math.nan), max(known, default=math.nan)
    notes = (*value.notes, why)
    if value.number is None:
        possible = value.possible
        if possible is not None and known:
            possible = (min(low, possible[0]), max(high, possible[1]))
        return Value.undefined(value.reason, value.unit, possible, notes)
    if not known:
        return replace(value, notes=notes)
    return Value.of(value.number, value.unit, min(low, value.low), max(high, value.high), notes)


def needs_prescription(metric: Metric) -> bool:
    """Whether a dose of the metric is a share of the prescription: V95%, D95%[%], PaddickCI."""
    if metric.kind.is_index and metric.kind not in (MetricKind.HOMOGENEITY, MetricKind.D2CM):
        return True
    if metric.kind in (MetricKind.VOLUME_AT_DOSE, MetricKind.COLD_VOLUME_AT_DOSE):
        return metric.argument is not None and metric.argument.unit is Unit.PERCENT
    return metric.unit is Unit.PERCENT and metric.kind is not MetricKind.OUTSIDE


def _in_base_units(metric: Metric, dvh: Dvh, rx_gy: float) -> Value:
    """The metric in Gy, cc or percent of volume."""
    argument = metric.argument
    match metric.kind:
        case MetricKind.MEAN:
            return dvh.mean()
        case MetricKind.MAX:
            return dvh.max()
        case MetricKind.MIN:
            return dvh.min()
        case MetricKind.MEDIAN:
            return dvh.median()
        case MetricKind.VOLUME:
            return dvh.volume()
        case MetricKind.OUTSIDE:
            return dvh.outside(metric.unit)
        case MetricKind.GEUD:
            return dvh.geud(_argument(argument).value)
        case MetricKind.VEFF:
            return _effective_volume(dvh, _argument(argument).value, rx_gy)
        case MetricKind.DOSE_AT_VOLUME | MetricKind.COLD_DOSE_AT_VOLUME:
            ask = dvh.d if metric.kind is MetricKind.DOSE_AT_VOLUME else dvh.dc
            amount = _argument(argument)
            if amount.unit is Unit.PERCENT:
                return ask(percent=amount.value)
            return ask(cc=amount.to(Unit.CC).value)
        case _:
            ask_volume = dvh.v if metric.kind is MetricKind.VOLUME_AT_DOSE else dvh.cv
            level = _argument(argument)
            gy = (
                level.value * rx_gy / 100.0
                if level.unit is Unit.PERCENT
                else level.to(Unit.GY).value
            )
            return ask_volume(gy=gy, unit=metric.unit)


def _effective_volume(dvh: Dvh, n: float, rx_gy: float) -> Value:
    """Veff = sum v (D / Rx)^(1/n) in percent of the structure; n = 1 is the mean over Rx.

    Kutcher and Burman 1989, Int J Radiat Oncol Biol Phys 16:1623.
    """
    uniform = dvh.geud(1 / n)

    def effective(gy: float) -> float:
        return 100.0 * float((gy / rx_gy) ** (1 / n))

    if uniform.number is None:
        low, high = uniform.possible or (math.nan, math.nan)
        possible = (effective(low), effective(high)) if uniform.possible else None
        return Value.undefined(uniform.reason, Unit.PERCENT, possible)
    low, high = effective(uniform.low), effective(uniform.high)
    return Value.of(effective(uniform.number), Unit.PERCENT, low, high)


def _argument(argument: Quantity | None) -> Quantity:
    if argument is None:
        raise ValueError("this metric needs an argument, such as the 20Gy of V20Gy[cc]")
    return argument


def scaled(value: Value, unit: Unit, scale: float) -> Value:
    """Return the same value in another unit."""
    if value.number is None:
        possible = None
        if value.possible is not None:
            possible = (value.possible[0] * scale, value.possible[1] * scale)
        return Value.undefined(value.reason, unit, possible, value.notes)
    return Value.of(value.number * scale, unit, value.low * scale, value.high * scale, value.notes)
