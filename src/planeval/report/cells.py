"""Formatted cells: the one place where a number becomes the text of a report.

Two decimals are shown. A value that rounds to the wrong side of its limit, or onto it, shows as
many digits as it takes to see the side; a value that would round to 0 without being
0 shows two digits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planeval.model import Outcome, Status, Value
from planeval.report.status import NOT_JUDGED, STATUS_WORDS, StatusWord
from planeval.units import Unit

if TYPE_CHECKING:  # a DVH has no limits
    from planeval.model.rows import LimitText, Margin

__all__ = [
    "DASH",
    "MINUS",
    "StatusCell",
    "ValueCell",
    "grid_text",
    "limit_cell",
    "margin_cell",
    "number_text",
    "plain_number",
    "signed_cell",
    "status_cell",
    "value_cell",
]

DASH = "—"
MINUS = "−"
SHOWN_DECIMALS = 2
MOST_DECIMALS = 9


def number_text(number: float, limits: Iterable[float] = ()) -> str:
    """Return a number with 2 decimals, or more where rounding would hide which side it is on.

    >>> number_text(18.0, [18]), number_text(18.0004, [18]), number_text(0.0004)
    ('18.00', '18.0004', '0.0004')
    """
    if number != 0 and abs(number) < 0.5 * 10**-SHOWN_DECIMALS:
        text = f"{number:.2g}"
    else:
        compared = tuple(limits)
        text = repr(number)
        for decimals in range(SHOWN_DECIMALS, MOST_DECIMALS + 1):
            rounded = round(number, decimals)
            if all(_side(rounded, limit) == _side(number, limit) for limit in compared):
                text = f"{rounded + 0.0:.{decimals}f}"
                break
    return text.replace("-", MINUS) if "e" not in text else text


def _side(number: float, limit: float) -> int:
    """Return -1 below the limit, 0 on it, 1 above it."""
    return (number > limit) - (number < limit)


def plain_number(number: float | None) -> str:
    """Return a number as files hold it: 9 significant digits, empty where there is none.

    >>> plain_number(1 / 3), plain_number(None), plain_number(-0.0)
    ('0.333333333', '', '0')
    """
    if number is None or not math.isfinite(number):
        return ""
    return f"{float(f'{number:.9g}') + 0.0:.9g}"


@dataclass(frozen=True, slots=True)
class ValueCell:
    """A value as every report shows it.

    ``text`` is the number, or a dash; ``band`` the numeric band where it shows at these digits;
    ``reason`` why there is no number; ``data`` the number to 9 significant digits, as in the JSON.
    """

    text: str
    unit: str
    band: str = ""
    reason: str = ""
    data: str = ""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.text} {self.unit}".rstrip() if self.data else DASH


def value_cell(value: Value, limits: Iterable[LimitText | None] = ()) -> ValueCell:
    """Return the cell of a value that is judged by these limits."""
    unit = _unit_text(value.unit)
    if value.number is None:
        return ValueCell(DASH, unit, reason=value.reason, notes=value.notes)
    levels = [limit.limit for limit in limits if limit is not None]
    text = number_text(value.number, levels)
    low, high = number_text(value.low, levels), number_text(value.high, levels)
    band = "" if low == high == text else f"{low} to {high}"
    return ValueCell(text, unit, band, data=plain_number(value.number), notes=value.notes)


def _unit_text(unit: Unit) -> str:
    return "" if unit is Unit.NONE else unit.value


_SIGNS = {"<": "<", "<=": "≤", ">": ">", ">=": "≥"}


def limit_cell(limit: LimitText | None) -> str:
    """Return a limit with its sign and unit, a dash where there is none.

    >>> from planeval.model.rows import LimitText
    >>> limit_cell(LimitText("<= 18", "<=", 18.0, Unit.GY))
    '≤ 18 Gy'
    """
    if limit is None:
        return DASH
    text = f"{_SIGNS.get(limit.operator, limit.operator)} {limit.limit:.12g}"
    return f"{text} {_unit_text(limit.unit)}".rstrip()


def margin_cell(margin: Margin | None) -> str:
    """Return a margin with its sign: + inside the limit, minus beyond it; a dash without one.

    >>> from planeval.model.rows import LimitText, Margin
    >>> margin_cell(Margin(LimitText("<= 18", "<=", 18.0, Unit.GY), 1.5, 8.333))
    '+1.50 Gy (+8.3 %)'
    """
    if margin is None:
        return DASH
    text = f"{_signed(number_text(margin.amount))} {_unit_text(margin.limit.unit)}".rstrip()
    if margin.percent is None or margin.limit.unit is Unit.PERCENT:
        return text
    small = 0 < abs(margin.percent) < 0.05
    percent = f"{margin.percent:.1g}" if small else f"{margin.percent:.1f}"
    return f"{text} ({_signed(percent.replace('-', MINUS))} %)"


def signed_cell(difference: Value) -> str:
    """Return a difference with its sign and unit, ≈ 0 where no digit of it shows, a dash without one.

    >>> signed_cell(Value.of(-1.5, Unit.GY)), signed_cell(Value.undefined("no dose", Unit.GY))
    ('−1.50 Gy', '—')
    """
    if difference.number is None:
        return DASH
    small = 0 < abs(difference.number) < 0.5 * 10**-SHOWN_DECIMALS
    text = "≈ 0" if small else _signed(number_text(difference.number))
    return f"{text} {_unit_text(difference.unit)}".rstrip()


def grid_text(mean_gy: float | None, maximum_gy: float | None) -> str:
    """Return what grid interpolation may change of Mean and Max; a dash where nobody knows.

    >>> grid_text(0.124, 0.4), grid_text(0.00001, 0.0), grid_text(None, None)
    ('+0.12 / ±0.40', '≈ 0 / ±0.00', '—')
    """
    if mean_gy is None or maximum_gy is None:
        return DASH
    mean = "≈ 0" if abs(mean_gy) < 0.5 * 10**-SHOWN_DECIMALS else _signed(number_text(mean_gy))
    return f"{mean} / ±{maximum_gy:.{SHOWN_DECIMALS}f}"


def _signed(text: str) -> str:
    if text.strip("0.") == "":
        return text
    return text if text.startswith((MINUS, "-")) else f"+{text}"


@dataclass(frozen=True, slots=True)
class StatusCell:
    """A status as every report shows it: word, sign, style, reason, near-limit flag."""

    word: StatusWord
    reason: str = ""
    near_limit: bool = False


def status_cell(outcome: Outcome | None) -> StatusCell:
    """Return the cell of an outcome; None is a row that is never judged."""
    if outcome is None:
        return StatusCell(NOT_JUDGED)
    return StatusCell(STATUS_WORDS[Status(outcome.status)], outcome.reason, outcome.near_limit)
