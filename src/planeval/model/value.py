"""A value: a quantity with its numeric band, or the reason why there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass

from planeval.errors import UndefinedMetric
from planeval.units import Unit

__all__ = ["Value"]


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """What a metric came to: a number in [low, high], or a reason. Exactly one of the two.

    ``low`` and ``high`` are the numeric band: what the sampling cells, the end-cap rule and the space
    between planes leave open; not contouring, the planning system's dose or the interpolation of its
    grid. Where part of a structure has no dose the number is unknown, yet often bounded: then
    ``reason`` says so and ``possible`` is the interval that the missing part leaves, with the band,
    which may be enough to judge a limit. ``notes`` carry what the reader of this number must know.

    Asking an undefined value for its number, or comparing it, raises
    :class:`~planeval.errors.UndefinedMetric`: undefined is never 0 and never passes.

    >>> Value.of(18.42, Unit.GY, 18.40, 18.45)
    18.42 Gy [18.40, 18.45]
    >>> Value.undefined("Liver is empty", Unit.GY).is_defined
    False
    """

    number: float | None
    unit: Unit
    low: float = math.nan
    high: float = math.nan
    reason: str = ""
    possible: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.number is None) == (not self.reason):
            raise ValueError("a Value has either a number or a reason")
        if self.number is not None and not (
            math.isfinite(self.number) and self.low <= self.number <= self.high
        ):
            raise ValueError(f"{self.number} is not a number within [{self.low}, {self.high}]")

    @classmethod
    def of(
        cls,
        number: float,
        unit: Unit,
        low: float | None = None,
        high: float | None = None,
        notes: tuple[str, ...] = (),
    ) -> Value:
        """Make a defined value; the band defaults to the number and always contains it."""
        number = float(number)
        low = number if low is None else min(float(low), number)
        high = number if high is None else max(float(high), number)
        return cls(number, unit, low, high, notes=notes)

    @classmethod
    def undefined(
        cls,
        reason: str,
        unit: Unit,
        possible: tuple[float, float] | None = None,
        notes: tuple[str, ...] = (),
    ) -> Value:
        """Make an undefined value; ``possible`` bounds it where something is known."""
        low, high = possible or (math.nan, math.nan)
        return cls(None, unit, low, high, reason=reason, possible=possible, notes=notes)

    @property
    def is_defined(self) -> bool:
        """Whether there is a number."""
        return self.number is not None

    @property
    def value(self) -> float:
        """The number. Raises :class:`UndefinedMetric` where there is none."""
        if self.number is None:
            raise UndefinedMetric(self.reason)
        return self.number

    def __float__(self) -> float:
        return self.value

    def __lt__(self, other: float | Value) -> bool:
        return self.value < float(other)

    def __le__(self, other: float | Value) -> bool:
        return self.value <= float(other)

    def __gt__(self, other: float | Value) -> bool:
        return self.value > float(other)

    def __ge__(self, other: float | Value) -> bool:
        return self.value >= float(other)

    def __repr__(self) -> str:
        suffix = "" if self.unit is Unit.NONE else f" {self.unit}"
        if self.number is None:
            return f"undefined{suffix}: {self.reason}"
        return f"{self.number:.2f}{suffix} [{self.low:.2f}, {self.high:.2f}]"
