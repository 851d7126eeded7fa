"""BED and EQD2 at the sampled points: closed forms, brute force on random fields, refusals."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracles import sampled_doses
from tests.phantoms import (
    cone,
    cylinder,
    dose,
    dose_on_grid,
    linear,
    round_stack,
    sphere,
    structure,
)

from planeval.dose.biology import biological_histogram, deliveries, obstacle
from planeval.dose.calculation import dose_volume_histogram
from planeval.dose.field import trilinear
from planeval.geometry.stack import AXIAL, CapReading, DrawnPlane, PlanarStack
from planeval.model import Biology, Dose

BALL = structure(round_stack(sphere(9.0), 2.0, half_mm=9.0), "Ball")
TUBE = structure(round_stack(cylinder(8.0), 2.0, half_mm=10.0), "Tube")
BOX = structure(
    PlanarStack(AXIAL, [DrawnPlane(float(z), shapely.box(-9, -7, 11, 8)) for z in (-4, -2, 0, 2)]),
    "Box",
)


def uniform(gy: float, fractions: int | None, plan: str = "A", **more):
    term = dose_on_grid(lambda x, y, z: gy + 0 * x, fractions=fractions, **more)
    return replace(term, plan_uid=plan)


def lq(gy, fractions, alpha_beta, quantity="EQD2"):
    """The formula, written down a second time."""
    bed = gy + gy * gy / fractions / alpha_beta
    return bed * alpha_beta / (alpha_beta + 2) if quantity == "EQD2" else bed


@pytest.mark.parametrize(
    ("terms", "biology", "expected"),
    [
        ([(25, 5)], Biology("BED", 10), 37.5),
        ([(25, 5)], Biology("EQD2", 10), 31.25),
        ([(50, 5)], Biology("BED", 10), 100.0),
        ([(50, 5)], Biology("EQD2", 10), 83.3333),
        ([(55, 25)], Biology("BED", 10), 67.1),
        ([(55, 25)], Biology("EQD2", 10), 55.9167),
        ([(30, 5), (30, 15)], Biology("EQD2", 3), 84.0),
        ([(50, 25)], Biology("EQD2", 3), 50.0),
    ],
)
def test_published_values_come_out(terms, biology, expected):
    """A uniform dose converts to the value of the formula, in every metric."""
    parts = [uniform(gy, n, plan=str(at)) for at, (gy, n) in enumerate(terms)]
    dvh = biological_histogram(BALL, dose(*parts), biology)
    for value in (dvh.mean(), dvh.min(), dvh.max(), dvh.median(), dvh.d(percent=95)):
        assert float(value) == pytest.approx(expected, abs=1e-4)
        assert (value.low, value.high) == pytest.approx((expected, expected), abs=1e-4)
    assert float(dvh.v(gy=expected - 1e-3, unit="%")) == pytest.approx(100)
    assert float(dvh.cv(gy=expected + 1e-3, unit="%")) == pytest.approx(100)


@pytest.mark.parametrize("quantity", ["EQD2", "BED"])
def test_one_delivery_converts_every_quantile_exactly(quantity):
    """With one delivery D, DC, Min, Max, V and CV are the converted ones of the physical curve."""
    solid = structure(round_stack(cone(11.0, 9.0), 2.0, half_mm=9.0))
    total = dose(
        dose_on_grid(linear(0.7, 1.1, 0.4, at_centre=60.0), half_mm=(20, 20, 20), fractions=5)
    )
    physical = dose_volume_histogram(solid, total)
    converted = biological_histogram(solid, total, Biology(quantity, 3.0))
    asks = [
        lambda d: d.d(percent=95), lambda d: d.d(cc=0.03), lambda d: d.dc(cc=0.5),
        lambda d: d.min(), lambda d: d.max(), lambda d: d.median(),
    ]  # fmt: skip
    for ask in asks:
        before, after = ask(physical), ask(converted)
        for one, other in (
            (before.value, after.value),
            (before.low, after.low),
            (before.high, after.high),
        ):
            assert other == pytest.approx(lq(one, 5, 3.0, quantity), rel=1e-4)
    level = lq(61.0, 5, 3.0, quantity)
    assert float(converted.v(gy=level)) == pytest.approx(float(physical.v(gy=61.0)), rel=1e-6)
    assert float(converted.cv(gy=level)) == pytest.approx(float(physical.cv(gy=61.0)), rel=1e-6)
    assert converted.hottest.position_mm == physical.hottest.position_mm


@pytest.mark.parametrize("gradient", [(2.0, 0, 0), (0, -1.5, 0), (0, 0, 2.5), (1.1, -0.7, 0.9)])
@pytest.mark.parametrize("step", [1.5, 4.0])
def test_mean_of_a_linear_dose_is_exact(gradient, step):
    """E(D + D2/nab) of a linear dose over a box is the formula of its mean and its variance."""
    total = dose(
        dose_on_grid(
            linear(*gradient, at_centre=60.0),
            step_mm=(step,) * 3,
            half_mm=(16, 16, 16),
            fractions=5,
        )
    )
    sides = np.array([[-9, 11], [-7, 8], [-5, 3]])
    mean = 60.0 + np.dot(gradient, sides.mean(axis=1))
    variance = (np.square(gradient) * np.square(np.ptp(sides, axis=1))).sum() / 12
    expected = lq(mean, 5, 3.0) + variance / (5 * 3.0) * 3 / 5
    value = biological_histogram(BOX, total, Biology("EQD2", 3.0)).mean()
    assert float(value) == pytest.approx(expected, abs=2e-4)
    assert value.low < expected < value.high


def test_mean_of_a_linear_dose_is_exact_within_cut_cells():
    """The moments of partly covered cells count too: a ball in a steep gradient."""
    total = dose(
        dose_on_grid(linear(1.5, -2.0, 0.0, at_centre=60.0), half_mm=(12, 12, 12), fractions=5)
    )
    solid = structure(round_stack(sphere(6.0), 2.0, half_mm=6.0), lattice_cells=1)
    slabs = [s for s in solid.stack.slabs() if s.readings & CapReading.CHOSEN]
    gy, cc = sampled_doses(slabs, lambda p: 60 + 1.5 * p[:, 0] - 2.0 * p[:, 1], step_mm=0.08)
    expected = np.average(lq(gy, 5, 3.0), weights=cc)
    value = biological_histogram(solid, total, Biology("EQD2", 3.0)).mean()
    assert float(value) == pytest.approx(expected, abs=5e-3)


def bumpy(seed: int, scale: float):
    """A smooth random dose of 0 to about 2 x scale Gy."""
    random = np.random.default_rng(seed)
    waves = random.normal(0, 0.12, (5, 3))
    phases = random.uniform(0, 2 * np.pi, 5)

    def function(x, y, z):
        points = np.stack([x, y, z], axis=-1)
        return scale * (1 + np.cos(points @ waves.T + phases).mean(axis=-1))

    return function


def brute_force(solid, terms, biology, step_mm=0.4):
    """Converted doses and cc of a dense lattice: every term interpolated, converted, added."""
    slabs = [s for s in solid.stack.slabs() if s.readings & CapReading.CHOSEN]

    def at(points):
        return sum(
            lq(trilinear(term, points), term.fractions, biology.alpha_beta_gy, biology.quantity)
            for term in terms
        )

    return sampled_doses(slabs, at, step_mm=step_mm)


def two_terms(seed: int, *, turned: bool = False):
    row, column = ((0.8, 0.6, 0.0), (-0.6, 0.8, 0.0)) if turned else ((1, 0, 0), (0, 1, 0))
    first = dose_on_grid(bumpy(seed, 15.0), fractions=5)
    second = dose_on_grid(
        bumpy(seed + 1, 25.0), step_mm=(3.0, 2.6, 3.1), centre=(3, -2, 1), fractions=25,
        row=row, column=column,
    )  # fmt: skip
    return [replace(first, plan_uid="A"), replace(second, plan_uid="B")]


@pytest.mark.parametrize("turned", [False, True], ids=["aligned", "turned"])
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("biology", [Biology("EQD2", 3.0), Biology("BED", 10.0)], ids=str)
def test_sums_agree_with_brute_force(seed, biology, turned):
    """Two deliveries on different grids, 5 and 25 fractions: Mean, D, V and extremes."""
    terms = two_terms(seed, turned=turned)
    dvh = biological_histogram(TUBE, dose(*terms), biology)
    gy, cc = brute_force(TUBE, terms, biology)
    # a turned grid is sampled at the corners of half-voxel cells
    tolerance = 0.2 if turned else 0.06
    assert float(dvh.mean()) == pytest.approx(np.average(gy, weights=cc), abs=0.02)
    order = np.argsort(gy)[::-1]
    above = np.cumsum(cc[order]) / cc.sum()
    for percent in (98, 50, 2):
        expected = gy[order][np.searchsorted(above, percent / 100)]
        assert float(dvh.d(percent=percent)) == pytest.approx(expected, abs=tolerance)
    level = float(np.median(gy))
    assert float(dvh.v(gy=level, unit="%")) == pytest.approx(50, abs=0.5)
    assert dvh.max().high >= gy.max() - (tolerance if turned else 0)
    assert gy.max() - (tolerance if turned else 1e-3) <= float(dvh.max()) <= dvh.max().high
    assert dvh.min().low <= gy.min() + (tolerance if turned else 0)
    assert float(dvh.min()) <= gy.min() + tolerance


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1.5, 3.0, 10.0]))
def test_bands_hold_the_truth_of_random_sums(seed, alpha_beta):
    """Brute force lies within every band, and D falls as its volume rises."""
    terms = two_terms(seed)
    biology = Biology("EQD2", alpha_beta)
    dvh = biological_histogram(BOX, dose(*terms), biology)
    gy, cc = brute_force(BOX, terms, biology, step_mm=0.5)
    mean = np.average(gy, weights=cc)
    assert float(dvh.mean()) == pytest.approx(mean, rel=1e-3)
    assert dvh.mean().low - 2e-3 <= mean <= dvh.mean().high + 2e-3
    for percent in (98, 50, 2):
        band = dvh.d(percent=percent)
        assert band.low <= np.percentile(gy, 100 - percent) <= band.high
    for low, high in itertools.pairwise(dvh.d(percent=p).value for p in (99, 80, 50, 20, 1)):
        assert low <= high
    assert dvh.min().value <= dvh.d(percent=50).value <= dvh.max().value


def test_the_hottest_point_of_a_sum_is_that_of_the_converted_dose():
    """20 Gy in 1 fraction outweigh 30 Gy in 30: Max lies where EQD2 is highest, not the Gy."""
    few = dose_on_grid(lambda x, y, z: np.where(x > 0, 20.0, 0.0), fractions=1)
    many = dose_on_grid(lambda x, y, z: np.where(x > 0, 0.0, 30.0), fractions=30)
    total = dose(replace(few, plan_uid="A"), replace(many, plan_uid="B"))
    assert dose_volume_histogram(BALL, total).hottest.position_mm[0] < 0
    dvh = biological_histogram(BALL, total, Biology("EQD2", 3.0))
    assert dvh.hottest.position_mm[0] > 0
    assert float(dvh.max()) == pytest.approx(lq(20.0, 1, 3.0), abs=1e-3)


def test_dose_is_interpolated_before_it_is_converted():
    """Halfway between voxels of 0 and 40 Gy lie 20 Gy, and their EQD2: not half of 40's."""
    total = dose(
        dose_on_grid(
            lambda x, y, z: np.where(np.round((x + 100) / 8) % 2 == 0, 40.0, 0.0),
            step_mm=(8.0, 8.0, 8.0), fractions=5,
        ),
    )  # fmt: skip
    mean = biological_histogram(
        structure(round_stack(cylinder(24.0), 3.0, half_mm=18.0)), total, Biology("BED", 3.0)
    ).mean()
    gy, cc = brute_force(
        structure(round_stack(cylinder(24.0), 3.0, half_mm=18.0)), total.terms, Biology("BED", 3.0)
    )
    assert float(mean) == pytest.approx(np.average(gy, weights=cc), rel=2e-3)


def test_parts_of_one_fraction_are_added_before_they_are_converted():
    """Two beams of one fraction group on different grids are one delivery of 20 + 30 Gy."""
    one = replace(uniform(20.0, 5), fraction_group=1)
    other = replace(uniform(30.0, 5, step_mm=(3.0, 3.0, 3.0)), fraction_group=1)
    total = dose(one, other)
    assert len(deliveries(total)) == 1
    value = biological_histogram(BALL, total, Biology("BED", 10.0)).mean()
    assert float(value) == pytest.approx(lq(50.0, 5, 10.0, "BED"), abs=1e-4)
    apart = dose(one, replace(other, fraction_group=2))
    value = biological_histogram(BALL, apart, Biology("BED", 10.0)).mean()
    assert float(value) == pytest.approx(28.0 + 48.0, abs=1e-4)


def test_a_part_outside_leaves_an_interval():
    """Outside the grid EQD2 is unknown in [0, inf), as dose is."""
    term = dose_on_grid(
        linear(0, 0, -1.0, at_centre=20.0), step_mm=(2.0, 2.0, 2.0), half_mm=(20, 20, 10),
        centre=(0, 0, -10), fractions=5,
    )  # fmt: skip
    terms = [replace(term, plan_uid="A"), uniform(10.0, 25, plan="B")]
    for total in (dose(term), dose(*terms)):
        physical = dose_volume_histogram(TUBE, total)
        dvh = biological_histogram(TUBE, total, Biology("EQD2", 3.0))
        assert dvh.outside_cc == pytest.approx(physical.outside_cc)
        assert not dvh.mean().is_defined
        assert dvh.max().possible[1] == np.inf
        low, high = dvh.v(gy=5).possible
        assert high >= low + physical.outside_cc


@pytest.mark.parametrize(
    ("total", "match"),
    [
        (dose(uniform(20, None)), "fractions of the dose is unknown"),
        (dose(uniform(20, 0)), "fractions of the dose is unknown"),
        (dose(uniform(20, 5), uniform(20, None, plan="B")), "fractions of every delivery"),
        (dose(uniform(20, 5), uniform(20, 6)), "fractions of every delivery"),
        (Dose((uniform(20, None),), summation="MULTI_PLAN"), "MULTI_PLAN"),
        (Dose((uniform(20, 5),), type="EFFECTIVE", comment="EQD2 a/b=3 Gy, 5 fx"), "twice"),
        (Dose((uniform(20, 5),), type="EFFECTIVE", comment="BED_10"), "twice"),
    ],
)
def test_what_cannot_be_converted_says_why(total, match):
    """Unknown fractions, sums without parts, and what is EQD2 already."""
    assert match in obstacle(total)
    with pytest.raises(ValueError, match=match):
        biological_histogram(BALL, total, Biology("EQD2", 3.0))


def test_effective_dose_is_converted_where_it_is_not_converted_yet():
    """Gy(RBE) of an ion plan may become EQD2; its comment is no alpha/beta."""
    total = Dose((uniform(25, 5),), type="EFFECTIVE", comment="RBE 1.1")
    assert obstacle(total) == ""
    value = biological_histogram(BALL, total, Biology("BED", 10.0)).mean()
    assert float(value) == pytest.approx(37.5)


def test_alpha_beta_is_never_implied():
    """A prefix without its number converts nothing."""
    with pytest.raises(ValueError, match="states no alpha/beta"):
        biological_histogram(BALL, dose(uniform(20, 5)), Biology("EQD2", None))
