"""Scenarios: what is drawn, in which directions, and how outcomes are summed up."""

from dataclasses import replace

import numpy as np
import pytest
from tests.phantoms import dose, dose_on_grid, linear

from planeval.errors import InconsistentCase
from planeval.metrics.robustness import (
    direction_scenarios,
    drawn_scenarios,
    met_interval,
    over_scenarios,
)
from planeval.model import Outcome, Status, Value
from planeval.model.robustness import Directions, RobustRow, SetupErrors
from planeval.model.rows import LimitText
from planeval.units import Unit

ERRORS = SetupErrors((1.0, 2.0, 3.0), (0.5, 1.5, 2.5), drift_mm=4.0, scenarios=400, seed=11)


def plan(fractions=25, uid="A", group=1):
    term = dose_on_grid(linear(0, 0, 0), step_mm=(10, 10, 10), fractions=fractions)
    return replace(term, plan_uid=uid, fraction_group=group)


def test_standard_deviations_are_those_asked_for():
    """Systematic errors vary between scenarios, random ones within, along the right axes."""
    found = np.array([each.shifts_mm[0] for each in drawn_scenarios(ERRORS, dose(plan()))])
    assert found.shape == (400, 25, 3)
    within = found - found.mean(axis=1, keepdims=True)
    assert within.std(axis=(0, 1), ddof=0) * np.sqrt(25 / 24) == pytest.approx(
        (0.5, 1.5, 2.5), rel=0.03
    )
    between = np.sqrt(np.square((1.0, 2.0, 3.0)) + np.square((0.5, 1.5, 2.5)) / 25)
    assert found.mean(axis=1).std(axis=0) == pytest.approx(between, rel=0.12)
    assert found.mean(axis=(0, 1)) == pytest.approx((0, 0, -4.0), abs=0.4)


def test_the_same_seed_draws_the_same_and_more_scenarios_only_add():
    """Scenario 7 is scenario 7, however many there are."""
    some = drawn_scenarios(replace(ERRORS, scenarios=8), dose(plan()))
    more = drawn_scenarios(ERRORS, dose(plan()))
    other = drawn_scenarios(replace(ERRORS, seed=12, scenarios=8), dose(plan()))
    assert (some[7].shifts_mm[0] == more[7].shifts_mm[0]).all()
    assert (some[7].shifts_mm[0] != other[7].shifts_mm[0]).all()


def test_terms_of_one_delivery_move_together_and_plans_apart():
    """Two beams of a plan, another fraction group of it, and another plan."""
    whole = dose(plan(), plan(), plan(5, group=2), plan(10, "B"))
    only_systematic = replace(ERRORS, random_mm=(0, 0, 0), scenarios=3)
    for scenario in drawn_scenarios(only_systematic, whole):
        first, second, group, other = scenario.shifts_mm
        assert (first == second).all()
        assert (first == group).all()
        assert (first != other).any()
    shifts = drawn_scenarios(replace(ERRORS, scenarios=1), whole)[0].shifts_mm
    assert [len(each) for each in shifts] == [25, 25, 5, 10]
    assert (shifts[0] == shifts[1]).all()


def test_random_errors_need_the_fractions():
    """Nobody states them: an average over an unknown number is refused."""
    with pytest.raises(InconsistentCase, match="fractions of the dose are unknown"):
        drawn_scenarios(ERRORS, dose(plan(None)))
    systematic = replace(ERRORS, random_mm=(0, 0, 0), scenarios=2)
    assert len(drawn_scenarios(systematic, dose(plan(None)))[0].shifts_mm[0]) == 1


@pytest.mark.parametrize("count", [6, 14, 26])
def test_directions_lie_evenly_on_the_ellipsoid(count):
    """Every direction once, each with its opposite, on the ellipsoid of the three distances."""
    distance = (3.0, 4.0, 6.0)
    found = direction_scenarios(Directions(count, distance), dose(plan(None)))
    shifts = np.array([each.mean_mm for each in found])
    assert len({each.name for each in found}) == count
    assert np.linalg.norm(shifts / distance, axis=1) == pytest.approx(1.0)
    assert sorted(map(tuple, (-shifts + 0.0).round(6).tolist())) == sorted(
        map(tuple, (shifts + 0.0).round(6).tolist())
    )


def test_directions_are_named_by_where_the_anatomy_goes():
    """L is +x, P is +y, S is +z; the drift is towards the feet."""
    found = {
        each.name: each.mean_mm
        for each in direction_scenarios(Directions(14, (5, 5, 5), drift_mm=2.0), dose(plan()))
    }
    assert found["L"] == (5, 0, -2)
    assert found["P"] == (0, 5, -2)
    assert found["S"] == (0, 0, 3)
    assert found["RAI"] == pytest.approx((-2.8868, -2.8868, -4.8868), abs=1e-4)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Directions(8), "choose 6, 14 or 26"),
        (lambda: Directions(6, (0, 0, 0)), "above 0 mm"),
        (lambda: SetupErrors((1, -1, 1)), "three lengths"),
        (lambda: SetupErrors((1, float("nan"), 1)), "three lengths"),
        (lambda: SetupErrors(scenarios=0), "need 1 to"),
        (lambda: SetupErrors(seed=-1), "seed"),
        (lambda: SetupErrors(drift_mm=float("inf")), "drift"),
    ],
)
def test_impossible_setups_are_refused(make, words):
    """Each with what was expected."""
    with pytest.raises(ValueError, match=words):
        make()


def test_interval_of_a_probability():
    """Wilson's interval: all of 100 is not certainty; none of 10 leaves up to 28 %."""
    low, high = met_interval(100, 100)
    assert (round(low, 4), high) == (0.9630, 1.0)
    assert met_interval(0, 10)[1] == pytest.approx(0.2775, abs=1e-4)
    assert met_interval(0, 0) == (0.0, 1.0)


def row(operator="<=", limit=18.0):
    return RobustRow(
        "r", "limit", "row", "Liver", "Liver", "Mean[Gy]", "Gy", "",
        LimitText(f"{operator} {limit}", operator, limit, Unit.GY), None, None,
    )  # fmt: skip


SEEN = [
    (Value.of(17.0, Unit.GY), Outcome(Status.PASS)),
    (Value.of(19.0, Unit.GY), Outcome(Status.ACCEPTABLE)),
    (Value.of(21.0, Unit.GY), Outcome(Status.FAIL)),
    (Value.undefined("outside", Unit.GY), Outcome(Status.NOT_EVALUABLE, "outside")),
]


def test_what_cannot_be_evaluated_never_counts_as_met():
    """Two of four: a missing number lowers the probability, and is counted by itself."""
    found = over_scenarios(row(), SEEN, list("abcd"), is_sample=True)
    assert (found.met, found.probability, found.undefined) == (2, 0.5, 1)
    assert dict(found.counts)[Status.NOT_EVALUABLE] == 1
    assert found.numbers == (17.0, 19.0, 21.0, None)
    assert (found.spread.lowest, found.spread.median, found.spread.highest) == (17, 19, 21)


def test_the_worst_is_on_the_wrong_side_of_the_limit():
    """The highest under a ceiling, the lowest above a floor."""
    names = list("abcd")
    assert over_scenarios(row(), SEEN, names, is_sample=True).worst_in == "c"
    assert over_scenarios(row(">="), SEEN, names, is_sample=True).worst_in == "a"


def test_directions_are_no_sample():
    """They are counted, and have no probability."""
    found = over_scenarios(row(), SEEN, list("abcd"), is_sample=False)
    assert (found.met, found.probability, found.probability_band) == (2, None, None)


def test_what_does_not_apply_is_neither_met_nor_missed():
    """A row without its organ: no share of anything."""
    seen = [
        (Value.undefined("not drawn", Unit.GY), Outcome(Status.NOT_APPLICABLE, "not drawn"))
    ] * 3
    found = over_scenarios(row(), seen, list("abc"), is_sample=True)
    assert (found.met, found.probability, found.spread, found.counts) == (None, None, None, ())
