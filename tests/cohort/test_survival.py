"""Kaplan-Meier and log-rank against the published leukaemia trial (Freireich 1963, Gehan 1965)."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planeval.cohort.survival import kaplan_meier, log_rank

TREATED = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+"
PLACEBO = "1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23"


def read(text):
    """Times and events; a plus is a patient censored."""
    words = text.split()
    return [float(word.rstrip("+")) for word in words], [not word.endswith("+") for word in words]


def test_the_published_curve():
    """The estimates printed in every textbook, their standard error, and the medians."""
    curve = kaplan_meier(*read(TREATED))
    assert curve.times.tolist() == [6, 7, 10, 13, 16, 22, 23]
    expected = [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448]
    assert curve.survival == pytest.approx(expected, abs=5e-4)
    assert curve.at_risk.tolist() == [21, 17, 15, 12, 11, 7, 6]
    assert (curve.n, curve.events, curve.median) == (21, 9, 23)
    assert kaplan_meier(*read(PLACEBO)).median == 8


def test_the_published_test():
    """Chi-squared 16.79, one degree of freedom."""
    chi_squared, p = log_rank(read(TREATED), read(PLACEBO))
    assert chi_squared == pytest.approx(16.79, abs=0.005)
    assert p == pytest.approx(math.erfc(math.sqrt(chi_squared / 2)))


def test_the_band_is_greenwood_on_the_log_log_scale():
    """At 10 weeks: S 0.7529, Greenwood's standard error 0.0963."""
    curve = kaplan_meier(*read(TREATED))
    survival, error = curve.survival[2], 0.0963
    width = 1.96 * error / (survival * abs(math.log(survival)))
    assert curve.low[2] == pytest.approx(survival ** math.exp(width), abs=2e-3)
    assert curve.high[2] == pytest.approx(survival ** math.exp(-width), abs=2e-3)


def test_without_censoring_it_is_the_share_alive():
    """The empirical distribution function."""
    curve = kaplan_meier([1, 2, 2, 5], [True] * 4)
    assert curve.survival.tolist() == pytest.approx([0.75, 0.25, 0.0])
    assert curve.low[-1] == curve.high[-1] == 0


def test_nobody_and_no_event():
    """An empty group and a group without events have no steps; there is nothing to test."""
    assert kaplan_meier([], []).times.size == 0
    assert kaplan_meier([3, 4], [False, False]).median is None
    assert log_rank(([], []), ([1.0], [True])) is None
    assert log_rank(([3.0], [False]), ([4.0], [False])) is None


@pytest.mark.parametrize("times", [[-1.0], [math.nan], [math.inf]])
def test_impossible_times_are_refused(times):
    """A negative or missing time is a wrong call."""
    with pytest.raises(ValueError, match="a time of 0 or more"):
        kaplan_meier(times, [True])


patients = st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=15)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(patients, patients)
def test_laws(first, second):
    """Survival falls within its band; the test does not care which group is which."""
    one = ([float(t) for t, _e in first], [e for _t, e in first])
    other = ([float(t) for t, _e in second], [e for _t, e in second])
    curve = kaplan_meier(*one)
    assert np.all(np.diff(curve.survival) <= 0)
    assert np.all((curve.low <= curve.survival) & (curve.survival <= curve.high))
    forth, back = log_rank(one, other), log_rank(other, one)
    assert (forth is None) == (back is None)
    if forth and back:
        assert forth[0] == pytest.approx(back[0])
        assert 0 <= forth[1] <= 1
