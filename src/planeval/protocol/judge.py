"""One value against one row: comparisons, tiers, and what an undefined value still decides.

Numbers are compared unrounded, and ``<`` is not ``<=``. The outcome comes from the best estimate;
the numeric band only says whether it is near the limit. A value that is undefined because part of a
structure has no dose is judged by the interval that it may lie in: where the whole interval gives
one outcome, that is the outcome.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from planeval.model import Outcome, Status, Value
from planeval.model.rows import LimitText, Margin
from planeval.units import Unit

__all__ = ["Comparison", "Judgement", "Tiers", "judge", "margin", "parse_comparison"]

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TEXT = re.compile(
    r"\s*(<=|>=|<|>)\s*([0-9]{1,6}(?:\.[0-9]{1,9})?)\s*(%\s*of\s+(?:Rx|prescription))?\s*"
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """An operator and a limit, in the unit of the row's metric.

    ``of_rx`` says that the limit is written as percent of the prescription, in Gy once it is
    :meth:`resolved`.

    >>> Comparison("<", 10.0).holds(10.0)
    False
    """

    operator: str
    limit: float
    of_rx: bool = False

    def holds(self, number: float) -> bool:
        """Whether a number (or infinity) satisfies the comparison, unrounded."""
        return _OPERATORS[self.operator](number, self.limit)

    @property
    def is_upper(self) -> bool:
        """Whether the limit is a ceiling."""
        return self.operator in ("<", "<=")

    def is_stricter_than(self, other: Comparison) -> bool:
        """Whether some number satisfies the other comparison and not this one."""
        sign = 1 if self.is_upper else -1
        mine, theirs = sign * self.limit, sign * other.limit
        open_end = len(self.operator) < len(other.operator)
        return mine < theirs or (mine == theirs and open_end)

    def resolved(self, rx_gy: float) -> Comparison:
        """Return a share of the prescription as a limit in Gy; any other limit as it is.

        >>> parse_comparison("<= 50 % of Rx").resolved(55.0)
        Comparison(operator='<=', limit=27.5, of_rx=False)
        """
        if not self.of_rx:
            return self
        return Comparison(self.operator, self.limit * rx_gy / 100)

    def text_in(self, unit: Unit) -> LimitText:
        """Return the comparison as a record keeps it."""
        return LimitText(str(self), self.operator, self.limit, unit)

    def __str__(self) -> str:
        share = " % of Rx" if self.of_rx else ""
        return f"{self.operator} {self.limit:.12g}{share}"


def parse_comparison(text: str) -> Comparison:
    """Return the comparison that the text spells: an operator and a number, no unit.

    ``% of Rx`` after the number makes the limit a share of the prescription. Raises ValueError that
    says what was expected.

    >>> parse_comparison(">= 300")
    Comparison(operator='>=', limit=300.0, of_rx=False)
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text!r} is no comparison; expected <, <=, > or >= and a number in the unit of the "
            'metric, in quotes, such as "<= 18" (or "<= 50 % of Rx" for a dose)'
        )
    return Comparison(found[1], float(found[2]), found[3] is not None)


@dataclass(frozen=True, slots=True)
class Tiers:
    """The comparisons of a row: per protocol, and acceptable where the row has that tier."""

    per_protocol: Comparison
    acceptable: Comparison | None = None

    @property
    def of_rx(self) -> bool:
        """Whether a limit is a share of the prescription that is not resolved yet."""
        return self.per_protocol.of_rx or (self.acceptable is not None and self.acceptable.of_rx)

    def resolved(self, rx_gy: float) -> Tiers:
        """Return the tiers with shares of the prescription as Gy."""
        outer = self.acceptable
        return Tiers(self.per_protocol.resolved(rx_gy), outer and outer.resolved(rx_gy))

    def status(self, number: float) -> Status:
        """Return what a number comes to."""
        if self.per_protocol.holds(number):
            return Status.PASS
        if self.acceptable is not None and self.acceptable.holds(number):
            return Status.ACCEPTABLE
        return Status.FAIL


@dataclass(frozen=True, slots=True)
class Judgement:
    """An outcome, and the worst and best status that the numeric band leaves open."""

    outcome: Outcome
    worst: Status
    best: Status

    @classmethod
    def settled(cls, status: Status, reason: str = "") -> Judgement:
        """Make a judgement that no band can change."""
        return cls(Outcome(status, reason), status, status)


def judge(value: Value, tiers: Tiers) -> Judgement:
    """Return the outcome of a value.

    Both tiers of a row point the same way, so the ends of the band are its worst and best. An
    undefined value without a possible interval, or with one whose ends disagree, is NOT_EVALUABLE
    with the value's reason.

    >>> judge(Value.of(18.0, Unit.GY, 17.9, 18.1), Tiers(Comparison("<=", 18))).outcome
    Outcome(status=<Status.PASS: 'PASS'>, reason='', near_limit=True)
    """
    if not value.is_defined:
        return _judge_interval(value, tiers)
    status = tiers.status(value.value)
    ends = tiers.status(value.low), tiers.status(value.high)
    worst, best = ends if not tiers.per_protocol.is_upper else ends[::-1]
    return Judgement(Outcome(status, near_limit=worst is not best), worst, best)


def _judge_interval(value: Value, tiers: Tiers) -> Judgement:
    """Judge an undefined value by the interval that it may lie in."""
    if value.possible is None:
        return Judgement.settled(Status.NOT_EVALUABLE, value.reason)
    low, high = value.possible
    status = tiers.status(low)
    if tiers.status(high) is not status:
        return Judgement.settled(Status.NOT_EVALUABLE, value.reason)
    reason = f"{value.reason}; no dose there could change the outcome"
    return Judgement.settled(status, reason)


def margin(value: Value, limit: LimitText) -> Margin | None:
    """Return the distance from a value to a limit, positive inside it; None where undefined."""
    if not value.is_defined:
        return None
    inside = limit.limit - value.value if limit.operator[0] == "<" else value.value - limit.limit
    return Margin(limit, inside, 100 * inside / limit.limit if limit.limit else None)
