"""What a DVH does not know it does not say: too much volume, parts outside, empty structures."""

import math

import numpy as np
import pytest
import shapely
from tests.phantoms import cylinder, dose, dose_on_grid, linear, round_stack, structure

from planeval.dose.calculation import dose_volume_histogram
from planeval.errors import UndefinedMetric
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack

TUBE = structure(round_stack(cylinder(8.0), 2.0, half_mm=10.0), "Tube")


def half_outside():
    """The tube in a linear dose (falling towards +z) that ends at z = 0."""
    term = dose_on_grid(
        linear(0, 0, -1.0, at_centre=20.0), step_mm=(2.0, 2.0, 2.0), half_mm=(20, 20, 10),
        centre=(0, 0, -10),
    )  # fmt: skip
    return dose_volume_histogram(TUBE, dose(term)), term


def test_more_volume_than_there_is_is_undefined():
    """D5cc of 4 cc is neither Max nor Min nor 0."""
    dvh = dose_volume_histogram(TUBE, dose(dose_on_grid(linear(0, 1, 0))))
    value = dvh.d(cc=dvh.total_cc * 1.01)
    assert not value.is_defined
    assert "asks for more than" in value.reason
    assert not dvh.dc(cc=1000).is_defined
    for ask in (float, lambda v: v.value, lambda v: v < 5, lambda v: v >= 5):
        with pytest.raises(UndefinedMetric, match="asks for more than"):
            ask(value)


def test_all_of_the_volume_is_defined():
    """D(V) is Min and DC(V) is Max."""
    dvh = dose_volume_histogram(TUBE, dose(dose_on_grid(linear(0, 1, 0))))
    assert float(dvh.d(cc=dvh.total_cc)) == pytest.approx(float(dvh.min()))
    assert float(dvh.d(percent=100)) == pytest.approx(float(dvh.min()))
    assert float(dvh.dc(percent=100)) == pytest.approx(float(dvh.max()))


def test_a_part_outside_makes_every_metric_an_interval():
    """The interval is what the unknown part leaves: [as if cold, as if hot]."""
    dvh, _ = half_outside()
    inside, outside, total = dvh.inside_cc, dvh.outside_cc, dvh.total_cc
    assert inside + outside == pytest.approx(total)
    assert outside > 0
    hot, cold = dvh.hottest.gy, dvh.coldest.gy
    cap_cc = np.pi * 8**2 * 1.0 / 1000  # half a spacing at the end that has dose
    # the hottest point lies on the cap of the last plane, which may not be there
    assert dvh.max().possible == (pytest.approx(hot - 1), math.inf)
    assert dvh.min().possible == (0.0, pytest.approx(cold))
    assert dvh.mean().possible[1] == math.inf
    low, high = dvh.v(gy=cold).possible
    assert (low, high) == pytest.approx((inside - cap_cc, total + 2 * cap_cc), rel=1e-3)
    low, high = dvh.v(gy=cold, unit="%").possible
    assert low < 100 * inside / total < high
    assert high == pytest.approx(100)
    low, high = dvh.cv(gy=hot + 1).possible
    assert low <= inside < total <= high
    assert dvh.d(cc=inside + 0.3).possible[0] == 0.0
    assert dvh.d(cc=outside / 2).possible[1] == math.inf
    low, high = dvh.d(cc=inside - 2 * cap_cc).possible
    assert low >= cold - 1e-4
    assert high > low
    assert dvh.dc(cc=inside + 0.3).possible[1] == math.inf
    assert dvh.dc(cc=outside / 2).possible[0] == 0.0
    assert f"{outside:.2f} of {total:.2f} cc of Tube lie outside" in dvh.mean().reason
    assert float(dvh.v(gy=0)) == pytest.approx(total)


def test_a_structure_wholly_outside_has_no_dose_at_all():
    """Nothing known: intervals are [0, inf), the curve is empty, the volume is still there."""
    term = dose_on_grid(linear(0, 0, 0), centre=(500, 0, 0))
    dvh = dose_volume_histogram(TUBE, dose(term))
    assert dvh.inside_cc == 0
    assert len(dvh.dose_gy) == 0
    assert dvh.hottest is None
    assert dvh.mean().possible == (0.0, math.inf)
    assert dvh.max().possible == (0.0, math.inf)
    assert dvh.d(cc=1).possible == (0.0, math.inf)
    assert float(dvh.outside("%")) == pytest.approx(100)
    assert float(dvh.volume()) == pytest.approx(TUBE.volume_cc)


def test_an_empty_structure_has_no_metric():
    """Every metric says that there is no volume."""
    dvh = dose_volume_histogram(
        structure(PlanarStack(AXIAL), "Nothing"), dose(dose_on_grid(linear(0, 0, 0)))
    )
    for value in (
        dvh.mean(),
        dvh.max(),
        dvh.d(cc=1),
        dvh.v(gy=5),
        dvh.dc(percent=5),
        dvh.outside(),
    ):
        assert "Nothing has no volume" in value.reason


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda d: d.d(), "either cc= or percent="),
        (lambda d: d.d(cc=1, percent=1), "either cc= or percent="),
        (lambda d: d.d(cc=0), "above 0"),
        (lambda d: d.d(percent=101), "at most 100"),
        (lambda d: d.v(gy=-1), "at least 0 Gy"),
        (lambda d: d.v(gy=math.nan), "at least 0 Gy"),
        (lambda d: d.v(gy=1, unit="Gy"), "comes in cc or %"),
    ],
)
def test_wrong_questions_are_value_errors(ask, message):
    """A wrong call is not an undefined value."""
    dvh = dose_volume_histogram(TUBE, dose(dose_on_grid(linear(0, 1, 0))))
    with pytest.raises(ValueError, match=message):
        ask(dvh)


def test_the_band_contains_the_value_and_the_cap_readings():
    """Volume from no caps to full caps; every dose and volume metric lies in its band."""
    dvh = dose_volume_histogram(TUBE, dose(dose_on_grid(linear(0.2, 1, 0.5))))
    spacing_cc = np.pi * 8**2 * 2.0 / 1000
    volume = dvh.volume()
    assert (volume.low, volume.high) == pytest.approx(
        (volume.value - spacing_cc, volume.value + spacing_cc)
    )
    for value in (
        dvh.mean(),
        dvh.d(percent=95),
        dvh.d(cc=0.5),
        dvh.v(gy=100),
        dvh.cv(gy=98),
        dvh.max(),
    ):
        assert value.low <= value.value <= value.high
        assert value.high > value.low


def test_two_islands_far_apart_are_one_structure():
    """Parts on the same planes and a gap between planes lose nothing."""
    both = shapely.union(shapely.box(-30, -30, -20, -20), shapely.box(15, 15, 25, 25))
    planes = [DrawnPlane(z, both) for z in (-6.0, -4.0, -2.0, 4.0, 6.0)]
    solid = structure(PlanarStack(AXIAL, planes))
    dvh = dose_volume_histogram(solid, dose(dose_on_grid(linear(1, 0, 0))))
    assert dvh.total_cc == pytest.approx(0.2 * 10)
    assert float(dvh.v(gy=100, unit="%")) == pytest.approx(50)
