"""Which prescription of a table the plan could have: a dose table read the other way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from planeval.model import Value
from planeval.model.rows import LevelChoice, ScaledLevel
from planeval.protocol.judge import Comparison
from planeval.protocol.limit_table import LimitLevel
from planeval.units import Unit

__all__ = ["SAME_RX_GY", "highest_level", "no_level"]

SAME_RX_GY = 1e-6
"""Arithmetic noise of a prescription such as 25 x 2.6 Gy, far below any printed digit."""


@dataclass(frozen=True, slots=True)
class _Level:
    """A prescription of the table, what the dose is multiplied by for it, and its limit."""

    rx_gy: float
    factor: float
    limit: Comparison

    def scaled(self, value: Value) -> ScaledLevel:
        """Return the line of the table for a value."""
        low, middle, high = (self.factor * x for x in (value.low, value.value, value.high))
        return ScaledLevel(
            self.rx_gy,
            Value.of(middle, value.unit, low, high),
            self.limit.text_in(value.unit),
            self.limit.holds(middle),
            self.limit.holds(low) is not self.limit.holds(high),
        )


def highest_level(value: Value, rx_gy: float, levels: Sequence[LimitLevel]) -> LevelChoice:
    """Return the highest prescription X' of a table whose limit the plan scaled to it meets.

    A plan prescribed X is scaled by multiplying its whole dose with X'/X, so a dose M becomes
    M X'/X, and the level is met where M X'/X <= limit(X') (``<`` where the table writes so), judged
    unrounded. That a plan can be scaled is an assumption: a new plan for X' may differ. The answer
    for the ends of the value's band is the band of the level. ``value`` is a dose in Gy that is
    multiplied with the dose; ``levels`` have ``at`` and upper limits.

    Source: the dose-allocation table of NRG/RTOG 1112, where the highest level is prescribed whose
    limit of the mean liver dose is met.

    >>> table = (LimitLevel(at=50.0, per_protocol="<= 13"), LimitLevel(at=40.0, per_protocol="<= 15"))
    >>> highest_level(Value.of(14.0, Unit.GY), 45.0, table).level
    40.00 Gy [40.00, 40.00]
    """
    if not value.is_defined:
        return no_level(value.reason, rx_gy)
    table = sorted((_level(each, rx_gy) for each in levels), key=lambda one: -one.rx_gy)
    most, best, least = (_met(table, x) for x in (value.low, value.value, value.high))
    return LevelChoice(
        _answer(most, best, least),
        rx_gy,
        near_limit=most != least,
        levels=tuple(each.scaled(value) for each in table),
    )


def no_level(reason: str, rx_gy: float | None = None) -> LevelChoice:
    """Return the choice where the question has no answer."""
    return LevelChoice(Value.undefined(reason, Unit.GY), rx_gy)


def _level(level: LimitLevel, rx_gy: float) -> _Level:
    """Return a level of the table; the plan's own is not scaled at all."""
    at = level.span[0]
    factor = 1.0 if abs(at - rx_gy) <= SAME_RX_GY else at / rx_gy
    return _Level(at, factor, level.tiers.per_protocol.resolved(at))


def _met(table: Sequence[_Level], gy: float) -> float | None:
    """Return the highest level that a dose meets, None where it meets none."""
    return next((each.rx_gy for each in table if each.limit.holds(each.factor * gy)), None)


def _answer(most: float | None, best: float | None, least: float | None) -> Value:
    """Return the level, with those of the ends of the value's band around it."""
    if best is not None:
        notes = () if least is not None else ("none is met at the upper end of the value's band",)
        return Value.of(best, Unit.GY, least, most, notes)
    reason = "no level of the table is met"
    if most is not None:
        reason += f"; at the lower end of the value's band that of {most:.12g} Gy is"
    return Value.undefined(reason, Unit.GY)
