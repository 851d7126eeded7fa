"""gEUD and effective volume: closed forms on uniform and linear dose, limits, parts outside."""

import math

import numpy as np
import pytest
import shapely
from tests.oracles import sampled_doses
from tests.phantoms import cylinder, dose, dose_on_grid, linear, round_stack, structure

from planeval.dose.biology import biological_histogram
from planeval.dose.calculation import dose_volume_histogram
from planeval.dose.field import trilinear
from planeval.geometry.stack import AXIAL, CapReading, DrawnPlane, PlanarStack
from planeval.metrics import parse
from planeval.metrics.dose_volume import measure
from planeval.model import Biology

BOX = structure(
    PlanarStack(AXIAL, [DrawnPlane(float(z), shapely.box(-9, -7, 11, 8)) for z in (-4, -2, 0, 2)]),
    "Box",
)
EXPONENTS = (-20.0, -5.0, -1.0, -0.5, 0.5, 1.0, 1.03, 2.0, 8.0, 40.0)


def of(function, **grid):
    return dose_volume_histogram(BOX, dose(dose_on_grid(function, half_mm=(16, 16, 16), **grid)))


@pytest.mark.parametrize("a", EXPONENTS)
def test_a_linear_dose_follows_its_integral(a):
    """Even from p to q Gy: ((q^(a+1) - p^(a+1)) / ((a+1) (q - p)))^(1/a)."""
    dvh = of(linear(1.5, 0, 0, at_centre=40.0))
    p, q = 40 - 1.5 * 9, 40 + 1.5 * 11
    mean = (
        math.log(q / p) / (q - p) if a == -1 else (q ** (a + 1) - p ** (a + 1)) / (a + 1) / (q - p)
    )
    value = dvh.geud(a)
    assert float(value) == pytest.approx(mean ** (1 / a), rel=2e-4)
    assert value.low <= mean ** (1 / a) <= value.high


@pytest.mark.parametrize("a", EXPONENTS)
def test_a_uniform_dose_is_its_own_equivalent(a):
    """Whatever the exponent."""
    assert float(of(lambda x, y, z: 47.3 + 0 * x).geud(a)) == pytest.approx(47.3, rel=1e-6)


def test_it_agrees_with_brute_force_on_a_bumpy_dose():
    """Dense samples of a wavy field, and the order of the exponents."""
    term = dose_on_grid(
        lambda x, y, z: 30 + 20 * np.cos(0.3 * x) * np.sin(0.2 * y + 0.1 * z), half_mm=(16, 16, 16)
    )
    slabs = [s for s in BOX.stack.slabs() if s.readings & CapReading.CHOSEN]
    gy, cc = sampled_doses(slabs, lambda points: trilinear(term, points), step_mm=0.5)
    dvh = dose_volume_histogram(BOX, dose(term))
    found = [float(dvh.geud(a)) for a in EXPONENTS]
    expected = [np.average(gy**a, weights=cc) ** (1 / a) for a in EXPONENTS]
    # negative exponents hang on the coldest cells, whose spread is not even
    for a, one, other in zip(EXPONENTS, found, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-2 if a < -1 else 2e-3)
    assert found == sorted(found)
    assert float(dvh.min()) < found[0]
    assert found[-1] < float(dvh.max())


def test_no_dose_somewhere_makes_a_negative_exponent_zero():
    """A cold spot of 0 Gy leaves nothing of a tumour's equivalent dose."""
    dvh = of(lambda x, y, z: np.where(x > 0, 50.0, 0.0))
    assert float(dvh.geud(-10.0)) == 0.0
    assert float(dvh.geud(1.0)) == pytest.approx(float(dvh.mean()), rel=1e-3)


def test_a_part_outside_leaves_an_interval():
    """At no dose it lowers the equivalent, at any dose it may raise it without end."""
    tube = structure(round_stack(cylinder(8.0), 2.0, half_mm=10.0), "Tube")
    term = dose_on_grid(lambda x, y, z: 20 + 0 * x, half_mm=(20, 20, 10), centre=(0, 0, -10))
    dvh = dose_volume_histogram(tube, dose(term))
    share = dvh.inside_cc / dvh.total_cc
    # the share of the tube that lies inside hangs on the end caps a little
    low, high = dvh.geud(4.0).possible
    assert 20 * share**0.25 * 0.999 < low <= 20 * share**0.25
    assert high == math.inf
    low, high = dvh.geud(-4.0).possible
    assert low == 0.0
    assert 20 * share**-0.25 <= high < 20 * share**-0.25 * 1.001
    far = dose_on_grid(lambda x, y, z: 20 + 0 * x, centre=(500, 0, 0))
    assert dose_volume_histogram(tube, dose(far)).geud(2.0).possible == (0.0, math.inf)


def test_metrics_in_text():
    """GEUD in Gy, cGy and % of Rx, in EQD2, and Veff with its n."""
    term = dose_on_grid(linear(1.5, 0, 0, at_centre=40.0), half_mm=(16, 16, 16), fractions=5)
    dvh = dose_volume_histogram(BOX, dose(term))
    geud = float(dvh.geud(8.0))
    assert float(measure(parse("gEUD8[Gy]"), dvh)) == geud
    assert float(measure(parse("gEUD8[cGy]"), dvh)) == pytest.approx(100 * geud)
    assert float(measure(parse("gEUD8[%]"), dvh, 50.0)) == pytest.approx(2 * geud)
    assert float(measure(parse("Veff1[%]"), dvh, 50.0)) == pytest.approx(
        float(dvh.mean()) * 2, rel=1e-5
    )
    small = measure(parse("Veff0.25[%]"), dvh, 50.0)
    assert float(small) == pytest.approx(100 * (float(dvh.geud(4.0)) / 50) ** 4)
    assert small.low < float(small) < small.high
    converted = biological_histogram(BOX, dose(term), Biology("EQD2", 3.0))
    assert float(measure(parse("EQD2_3:gEUD1[Gy]"), converted)) == pytest.approx(
        float(converted.mean()), rel=1e-4
    )
    assert not measure(parse("Veff1[%]"), dvh).is_defined


@pytest.mark.parametrize("a", [0.0, math.nan, math.inf])
def test_wrong_exponents_are_wrong_calls(a):
    """An exponent of 0 is a geometric mean that nobody asked for."""
    with pytest.raises(ValueError, match="need a number other than 0"):
        of(lambda x, y, z: 20 + 0 * x).geud(a)
