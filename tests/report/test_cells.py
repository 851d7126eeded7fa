"""Numbers as text: two decimals, more where the side of a limit would be lost."""

import math

import pytest
from tests.report.samples import limit

from planeval.model import Outcome, Status, Value
from planeval.model.rows import Margin
from planeval.report.cells import (
    limit_cell,
    margin_cell,
    number_text,
    plain_number,
    status_cell,
    value_cell,
)
from planeval.units import Unit


@pytest.mark.parametrize(
    ("number", "limits", "text"),
    [
        (18.0, [18], "18.00"),
        (17.996, [18], "17.996"),
        (18.00000004, [18], "18.00000004"),
        (18.0 + 1e-12, [18], "18.000000000001"),
        (300.0, [300], "300.00"),
        (-0.001, [0], "−0.001"),
        (-0.0, [], "0.00"),
        (0.00012, [], "0.00012"),
        (1e-7, [], "1e-07"),
        (12345.678, [], "12345.68"),
    ],
)
def test_digits(number, limits, text):
    """The text never stands on another side of a limit than the number, and is never a false 0."""
    assert number_text(number, limits) == text


def test_text_reads_back_on_the_same_side():
    """For any tiny distance from a limit the printed number compares as the number does."""
    for exponent in range(1, 15):
        for sign in (-1, 1):
            number = 20 + sign * 10.0**-exponent
            printed = float(number_text(number, [20]))
            assert math.copysign(1, printed - 20) == sign
            assert printed != 20


def test_an_undefined_value_is_a_dash_with_its_reason():
    """Nothing is 0 by accident."""
    cell = value_cell(Value.undefined("Liver is empty", Unit.GY))
    assert (str(cell), cell.reason, cell.data) == ("—", "Liver is empty", "")


def test_the_band_shows_only_where_it_differs():
    """A band of no width at the shown digits is not printed."""
    assert value_cell(Value.of(1.0, Unit.GY, 0.999999, 1.000001)).band == ""
    assert value_cell(Value.of(1.0, Unit.GY, 0.99, 1.01)).band == "0.99 to 1.01"


def test_strict_and_inclusive_limits_stay_distinct():
    """< and ≤ are different limits."""
    assert limit_cell(limit("<", 10, Unit.CC)) == "< 10 cc"
    assert limit_cell(limit("<=", 10, Unit.CC)) == "≤ 10 cc"
    assert limit_cell(None) == "—"


@pytest.mark.parametrize(
    ("amount", "percent", "text"),
    [
        (1.5, 8.3333, "+1.50 Gy (+8.3 %)"),
        (-0.0004, -0.00222, "−0.0004 Gy (−0.002 %)"),
        (0.0, 0.0, "0.00 Gy (0.0 %)"),
        (1.0, None, "+1.00 Gy"),
    ],
)
def test_margins(amount, percent, text):
    """A margin carries its sign, and a small one is not rounded away."""
    assert margin_cell(Margin(limit("<=", 18), amount, percent)) == text


def test_statuses_are_words_signs_and_styles():
    """No two statuses share a word or a sign."""
    cells = [status_cell(Outcome(status, "why")) for status in Status] + [status_cell(None)]
    assert len({cell.word.word for cell in cells}) == len(Status) + 1
    assert len({cell.word.sign for cell in cells}) == len(Status) + 1


def test_plain_numbers_are_those_of_the_json():
    """Files hold 9 significant digits, and nothing for what is not finite."""
    assert [plain_number(n) for n in (2 / 3, math.inf, math.nan)] == ["0.666666667", "", ""]
