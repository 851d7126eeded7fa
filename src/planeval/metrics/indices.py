"""Indices of a target: homogeneity, conformity, dose fall-off, dose 2 cm away.

::

    HI            = (D2% - D98%) / D50%               ICRU 83 (2010), section 3.7.3; ideal 0
    PIV           = volume of the prescription isodose that touches the target, V(Rx)
    TVPIV         = volume of the target inside it
    PaddickCI     = TVPIV^2 / (TV x PIV)              Paddick 2000, J Neurosurg 93 Suppl 3:219; ideal 1
    RTOGCI        = PIV / TV                          Shaw 1993, IJROBP 27:1231; ideal 1
    GradientIndex = V(Rx / 2) / V(Rx)                 Paddick and Lippitz 2006, J Neurosurg 105 Suppl:194
    R50           = V(Rx / 2) / TV                    RTOG 0813 / 0915
    D2cm          = largest dose in the body more than 20 mm from the target

V(Rx) and V(Rx / 2) are local: the connected parts of the isodose that touch the target, wherever the
body ends. A part that also touches another target (not one nested with this one) belongs to neither
alone, and one that reaches the edge of the dose grid is not known whole: the index is then undefined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from planeval.dose.dvh import Dvh
from planeval.dose.isodose import Isodose, IsodosePart
from planeval.errors import GeometryError
from planeval.metrics.dose_volume import scaled
from planeval.model import Metric, MetricKind, Structure, Value
from planeval.units import Unit

__all__ = ["Surroundings", "measure_index", "spilled"]

TOUCH_CC = 1e-3
"""A part of an isodose touches a target where at least 1 mm3 of the target lies in it."""


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """What an index needs beside its target: DVH, isodoses, other targets, the far body.

    ``far`` makes the DVH of the body more than 20 mm from the target, or says why there is none.
    """

    dvh: Dvh
    isodose: Callable[[float], Isodose]
    others: Sequence[Structure]
    far: Callable[[], Dvh | str]


def measure_index(metric: Metric, target: Structure, around: Surroundings, rx_gy: float) -> Value:
    """Return an index of a target for a prescribed dose; ``rx_gy`` is unused by HI and D2cm in Gy."""
    match metric.kind:
        case MetricKind.HOMOGENEITY:
            return _homogeneity(around.dvh)
        case MetricKind.D2CM:
            return _far_dose(metric, around, rx_gy)
        case MetricKind.COVERED_TARGET:
            return around.dvh.v(gy=rx_gy)
    prescribed = _local_volume(target, rx_gy, around)
    match metric.kind:
        case MetricKind.PRESCRIBED_ISODOSE:
            return prescribed
        case MetricKind.PADDICK:
            return _paddick(around.dvh, prescribed, rx_gy)
        case MetricKind.RTOG_CONFORMITY:
            return _ratio(prescribed, around.dvh.volume())
        case MetricKind.GRADIENT:
            return _ratio(_local_volume(target, rx_gy / 2, around), prescribed)
        case _:
            return _ratio(_local_volume(target, rx_gy / 2, around), around.dvh.volume())


def spilled(isodose: Isodose, targets: Sequence[Structure]) -> tuple[IsodosePart, ...]:
    """Return the parts of an isodose that touch none of the targets drawn on parallel planes."""
    touched: set[int] = set()
    for target in targets:
        try:
            touched |= _touched(isodose, target)
        except GeometryError:
            continue
    return tuple(
        part for number, part in enumerate(isodose.parts, start=1) if number not in touched
    )


def _homogeneity(dvh: Dvh) -> Value:
    hot, cold, middle = dvh.d(percent=2), dvh.d(percent=98), dvh.d(percent=50)
    for part in (hot, cold, middle):
        if not part.is_defined:
            return Value.undefined(part.reason, Unit.NONE)
    if not middle.value > 0:
        return Value.undefined(f"D50% of {dvh.name} is 0 Gy", Unit.NONE)
    low = max(hot.low - cold.high, 0.0) / middle.high
    high = (hot.high - cold.low) / middle.low if middle.low > 0 else float("inf")
    return Value.of((hot.value - cold.value) / middle.value, Unit.NONE, low, high)


def _paddick(dvh: Dvh, prescribed: Value, rx_gy: float) -> Value:
    covered, share = dvh.v(gy=rx_gy), dvh.v(gy=rx_gy, unit=Unit.PERCENT)
    selectivity = _ratio(covered, prescribed)
    for part in (selectivity, share):
        if not part.is_defined:
            return Value.undefined(part.reason, Unit.NONE)
    # neither factor exceeds 1: what is covered lies in the target and in the isodose
    low, high = (end / 100 for end in (share.low, min(share.high, 100.0)))
    return Value.of(
        selectivity.value * share.value / 100,
        Unit.NONE,
        selectivity.low * low,
        min(selectivity.high, 1.0) * high,
    )


def _far_dose(metric: Metric, around: Surroundings, rx_gy: float) -> Value:
    far = around.far()
    if isinstance(far, str):
        return Value.undefined(far, metric.unit)
    highest = far.max()
    factor = {Unit.CGY: 100.0, Unit.PERCENT: 100.0 / rx_gy}.get(metric.unit, 1.0)
    return scaled(highest, metric.unit, factor)


def _local_volume(target: Structure, gy: float, around: Surroundings) -> Value:
    """Volume of the isodose parts that touch a target and no other one."""
    isodose = around.isodose(gy)
    try:
        own = _touched(isodose, target)
        shared = [other for other in around.others if own & _touched(isodose, other)]
    except GeometryError as error:
        return Value.undefined(str(error), Unit.CC)
    parts = [isodose.parts[number - 1] for number in sorted(own)]
    best, low, high = (
        sum(getattr(part, name) for part in parts) for name in ("volume_cc", "low_cc", "high_cc")
    )
    if shared:
        names = " and ".join(each.name for each in (target, *shared))
        return Value.undefined(
            f"the {gy:g} Gy isodose of {best:.2f} cc joins {names}: it is not one target's alone",
            Unit.CC,
            (0.0, float(high)),
        )
    if any(part.is_cut for part in parts):
        return Value.undefined(
            f"the {gy:g} Gy isodose around {target.name} reaches the edge of the dose grid with "
            f"{best:.2f} cc: the rest is unknown",
            Unit.CC,
            (float(low), float("inf")),
        )
    return Value.of(best, Unit.CC, low, high)


def _touched(isodose: Isodose, target: Structure) -> set[int]:
    return {number for number, cc in isodose.met_by(target).items() if cc >= TOUCH_CC}


def _ratio(over: Value, under: Value) -> Value:
    """One volume by another, as a number without unit."""
    for part in (over, under):
        if not part.is_defined:
            return Value.undefined(part.reason, Unit.NONE)
    if not under.value > 0:
        return Value.undefined("the prescription isodose does not touch the target", Unit.NONE)
    high = over.high / under.low if under.low > 0 else float("inf")
    made = Value.of(over.value / under.value, Unit.NONE, over.low / under.high, high)
    return replace(made, notes=(*over.notes, *under.notes))
