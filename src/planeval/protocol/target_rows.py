"""The targets of a case in a record: coverage of each, indices of those not nested in another."""

from __future__ import annotations

from collections.abc import Sequence

from planeval.case import Case
from planeval.metrics import grammar
from planeval.metrics.recognition import outermost
from planeval.model import Prescription, Structure
from planeval.model.metric import decimal_text
from planeval.model.rows import MatchKind
from planeval.model.targets import Spill, TargetRow, TargetValue
from planeval.protocol.measuring import Choice, Measurer
from planeval.protocol.naming import Found

__all__ = ["target_prescription", "target_rows"]

SMALL_CC = 2.0
"""ICRU 91: below this volume 35 mm3 take the place of 2 % and 98 % of the volume."""

NEAR_EXTREME_CC = 0.035

SMALLEST_SPILL_CC = 0.01

_SHARES = ("V95%[%]", "V100%[%]", "V107%[%]")
_INDICES = (
    "HI", "PaddickCI", "RTOGCI", "GradientIndex", "R50", "D2cm[%]", "PIV[cc]", "TVPIV[cc]",
)  # fmt: skip


def target_rows(case: Case, measurer: Measurer, names: Sequence[str]) -> tuple[TargetRow, ...]:
    """Return one row a target, the outermost before what lies in them."""
    solids = [case.structures[name] for name in names]
    around = {each.name: outermost(each, solids) for each in solids}
    ordered = sorted(solids, key=lambda each: around[each.name] is not each)
    return tuple(_row(case, measurer, each, around[each.name]) for each in ordered)


def _row(case: Case, measurer: Measurer, target: Structure, outer: Structure) -> TargetRow:
    choice = target_prescription(measurer, target, outer)
    is_own = outer is target

    def values(texts: Sequence[str]) -> tuple[TargetValue, ...]:
        parsed = [grammar.parse(text) for text in texts]
        return tuple(
            TargetValue(str(metric), measurer.measure_solid(metric, target, choice.rx))
            for metric in parsed
        )

    return TargetRow(
        name=target.name,
        type=target.type,
        inside="" if is_own else outer.name,
        rx=choice.text,
        rx_gy=choice.rx.total_gy if choice.rx else None,
        coverage=values(("Volume[cc]", *_SHARES, *_doses(target))),
        indices=values(_INDICES) if is_own else (),
        spills=_spills(case, target, choice.rx) if is_own else (),
    )


def target_prescription(measurer: Measurer, target: Structure, outer: Structure) -> Choice:
    """Return the prescription of a target: its own, else that of the target it is nested in."""
    choice = _choice(measurer, target)
    return choice if choice.rx is not None or outer is target else _choice(measurer, outer)


def _choice(measurer: Measurer, target: Structure) -> Choice:
    found = Found.roi(target.name, MatchKind.EXACT, target.name, "a target of the plan")
    return measurer.prescription(found)


def _doses(target: Structure) -> tuple[str, ...]:
    """Return near-minimum, D95%, median and near-maximum as ICRU 83 and, if small, ICRU 91 ask."""
    volume = target.volume_cc
    near_min, near_max = "D98%[Gy]", "D2%[Gy]"
    if NEAR_EXTREME_CC < volume < SMALL_CC:
        rest = decimal_text(round(volume - NEAR_EXTREME_CC, 6))
        near_min, near_max = f"D{rest}cc[Gy]", f"D{NEAR_EXTREME_CC}cc[Gy]"
    return near_min, "D95%[Gy]", "D50%[Gy]", near_max


def _spills(case: Case, target: Structure, rx: Prescription | None) -> tuple[Spill, ...]:
    """Return the parts of a target's prescription isodose that touch no target, largest first."""
    if rx is None or case.data.dose is None:
        return ()
    parts = [part for part in case.spills(target, rx) if part.volume_cc >= SMALLEST_SPILL_CC]
    ordered = sorted(parts, key=lambda part: -part.volume_cc)
    return tuple(Spill(part.volume_cc, part.hottest_gy, part.hottest_mm) for part in ordered)
