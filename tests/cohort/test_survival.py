"""Kaplan-Meier and log-rank against the published leukaemia trial (Freireich 1963, Gehan 1965)."""

import math
from fractions import Fraction

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
    """Chi-squared 16.79294099 (R's survdiff), one degree of freedom."""
    found = log_rank(read(TREATED), read(PLACEBO))
    assert found.chi_squared == pytest.approx(16.79294099, abs=1e-7)
    assert found.p == pytest.approx(math.erfc(math.sqrt(found.chi_squared / 2)))
    assert found.z < 0, "the treated have fewer relapses than expected"


def test_the_band_is_greenwood_on_the_log_log_scale():
    """The band that R's survival 3.5-3 prints for the treated (survfit, conf.type "log-log")."""
    curve = kaplan_meier(*read(TREATED))
    low = [0.61971796, 0.56314656, 0.50319951, 0.43161022, 0.36751086, 0.26777894, 0.18805201]
    high = [0.95155175, 0.92280902, 0.88936184, 0.84906596, 0.80491219, 0.74679072, 0.68014263]
    assert curve.low == pytest.approx(low, abs=1e-8)
    assert curve.high == pytest.approx(high, abs=1e-8)


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


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
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
        assert forth.z == pytest.approx(-back.z)
        assert 0 <= forth.p <= 1


def by_hand(times, events):
    """The product over event times, with exact fractions."""
    level, found = Fraction(1), []
    for point in sorted({t for t, e in zip(times, events, strict=True) if e}):
        at_risk = sum(t >= point for t in times)
        died = sum(e and t == point for t, e in zip(times, events, strict=True))
        level *= 1 - Fraction(died, at_risk)
        found.append((point, at_risk, level))
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(patients)
def test_the_estimate_is_the_product_over_event_times(group):
    """Times, numbers at risk, survival and median, ties and censoring at event times included."""
    times, events = [float(t) for t, _e in group], [e for _t, e in group]
    curve, expected = kaplan_meier(times, events), by_hand(times, events)
    assert curve.times.tolist() == [point for point, _n, _level in expected]
    assert curve.at_risk.tolist() == [n for _point, n, _level in expected]
    assert curve.survival == pytest.approx([float(level) for _point, _n, level in expected])
    below = [point for point, _n, level in expected if level <= Fraction(1, 2)]
    assert curve.median == (below[0] if below else None)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(patients, patients)
def test_the_test_is_observed_minus_expected(first, second):
    """Mantel's sum with exact fractions; None exactly where its variance is 0."""
    excess = variance = Fraction(0)
    for point in {t for t, e in first + second if e}:
        at_risk = [sum(t >= point for t, _e in group) for group in (first, second)]
        died = [sum(e and t == point for t, e in group) for group in (first, second)]
        n, d = sum(at_risk), sum(died)
        excess += died[0] - Fraction(d * at_risk[0], n)
        if n > 1:
            variance += Fraction(d * at_risk[0] * at_risk[1] * (n - d), n * n * (n - 1))
    found = log_rank(*(([float(t) for t, _e in g], [e for _t, e in g]) for g in (first, second)))
    assert (found is None) == (variance == 0)
    if found:
        assert found.z == pytest.approx(float(excess) / math.sqrt(variance), abs=1e-9)
