"""One value against one row."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planeval.model import Status, Value
from planeval.protocol.judge import Comparison, Tiers, judge, margin, parse_comparison
from planeval.units import Unit

GY = Unit.GY
LIVER = Tiers(Comparison("<=", 18), Comparison("<=", 20))
SPARE = Tiers(Comparison(">=", 300))


@pytest.mark.parametrize(
    ("text", "at_limit"), [("< 10", False), ("<= 10", True), ("> 10", False), (">= 10", True)]
)
def test_strict_and_inclusive_comparisons_stay_distinct(text, at_limit):
    """The limit itself satisfies <= and >= only."""
    comparison = parse_comparison(text)
    assert comparison.holds(10.0) is at_limit
    assert str(comparison) == text


@pytest.mark.parametrize(
    "text",
    ["", "18", "= 18", "=< 18", "≤ 18", "<= 18 Gy", "<= -1", "<= 1e3", "<= nan", "<= 18-20", "<=="],
)
def test_other_text_is_no_comparison(text):
    """Everything else is refused with the form that is expected."""
    with pytest.raises(ValueError, match="expected <, <=, > or >= and a number"):
        parse_comparison(text)


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (18.0, Status.PASS),
        (math.nextafter(18.0, 19), Status.ACCEPTABLE),
        (20.0, Status.ACCEPTABLE),
        (math.nextafter(20.0, 21), Status.FAIL),
        (18.004, Status.ACCEPTABLE),
    ],
)
def test_numbers_are_compared_unrounded(number, status):
    """18.004 prints as 18.00 and is still above 18."""
    assert judge(Value.of(number, GY), LIVER).outcome.status is status


@pytest.mark.parametrize(
    ("low", "number", "high", "status", "near"),
    [
        (17.0, 17.5, 17.9, Status.PASS, False),
        (17.9, 17.95, 18.0, Status.PASS, False),
        (17.9, 17.95, 18.01, Status.PASS, True),
        (17.9, 18.05, 18.1, Status.ACCEPTABLE, True),
        (18.5, 19.0, 19.5, Status.ACCEPTABLE, False),
        (19.9, 20.1, 20.2, Status.FAIL, True),
        (20.1, 20.2, 20.3, Status.FAIL, False),
    ],
)
def test_the_band_flags_and_never_decides(low, number, high, status, near):
    """The outcome is that of the best estimate; near-limit says that the band holds another."""
    outcome = judge(Value.of(number, GY, low, high), LIVER).outcome
    assert (outcome.status, outcome.near_limit) == (status, near)


@pytest.mark.parametrize(
    ("tiers", "possible", "status"),
    [
        (LIVER, (33.0, math.inf), Status.FAIL),
        (LIVER, (10.0, math.inf), Status.NOT_EVALUABLE),
        (LIVER, (10.0, 17.0), Status.PASS),
        (LIVER, (18.5, 19.0), Status.ACCEPTABLE),
        (LIVER, (17.0, 19.0), Status.NOT_EVALUABLE),
        (SPARE, (310.0, 500.0), Status.PASS),
        (SPARE, (200.0, 500.0), Status.NOT_EVALUABLE),
        (SPARE, (0.0, 299.0), Status.FAIL),
    ],
)
def test_an_undefined_value_is_what_its_whole_interval_agrees_on(tiers, possible, status):
    """An inside Max above its limit fails; a part that already spares enough passes."""
    value = Value.undefined("12.00 cc lie outside the dose grid", GY, possible)
    outcome = judge(value, tiers).outcome
    assert outcome.status is status
    assert "12.00 cc" in outcome.reason


def test_undefined_without_an_interval_is_not_evaluable():
    """The reason of the value becomes the reason of the row."""
    outcome = judge(Value.undefined("D0.5cc of 0.3 cc", GY), LIVER).outcome
    assert outcome.status is Status.NOT_EVALUABLE
    assert outcome.reason == "D0.5cc of 0.3 cc"


def test_margins_are_positive_inside_the_limit():
    """2 Gy below a ceiling of 20 is +2 Gy, +10 %; 30 cc below a floor of 300 is -30 cc, -10 %."""
    below = margin(Value.of(18.0, GY), Comparison("<=", 20).text_in(GY))
    short = margin(Value.of(270.0, Unit.CC), Comparison(">=", 300).text_in(Unit.CC))
    assert (below.amount, below.percent) == (2.0, 10.0)
    assert (short.amount, short.percent) == (-30.0, -10.0)


def test_margins_without_a_number_or_a_limit_to_divide_by():
    """No number: no margin. A limit of 0: no percentage."""
    assert margin(Value.undefined("empty", GY), Comparison("<=", 20).text_in(GY)) is None
    assert margin(Value.of(1.0, GY), Comparison("<=", 0).text_in(GY)).percent is None


comparisons = st.builds(Comparison, st.sampled_from(["<", "<="]), st.floats(0, 100)) | st.builds(
    Comparison, st.sampled_from([">", ">="]), st.floats(0, 100)
)


@given(comparisons, comparisons, st.floats(-10, 110))
def test_a_stricter_comparison_admits_less(first, second, number):
    """Whatever satisfies a comparison that is not stricter's opposite satisfies the wider one."""
    if first.is_upper is second.is_upper and first.is_stricter_than(second) and first.holds(number):
        assert second.holds(number)


@given(st.floats(0, 50), st.floats(0, 5), st.floats(0, 5))
def test_the_outcome_lies_between_worst_and_best(number, below, above):
    """The status of the estimate is never better than best nor worse than worst."""
    order = [Status.FAIL, Status.ACCEPTABLE, Status.PASS]
    for tiers in (LIVER, SPARE):
        made = judge(Value.of(number, GY, number - below, number + above), tiers)
        ranks = [order.index(s) for s in (made.worst, made.outcome.status, made.best)]
        assert ranks == sorted(ranks)
