"""What may lie between the planes: bands hold the ideal solid, and hold nothing where nothing is open."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.phantoms import cylinder, dose, dose_on_grid, linear, round_stack, structure

from planeval.dose.between_planes import BetweenPlanes, Reference
from planeval.dose.biology import Conversion, biological_histogram
from planeval.dose.calculation import dose_volume_histogram
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack
from planeval.model import Biology

ALONG = dose_on_grid(linear(0, 1, 0))


def shifted_ball(phase, *, radius=12.0, spacing=4.0):
    """A ball drawn every ``spacing`` mm at a phase 0..1."""
    first = np.ceil(-radius / spacing - phase)
    heights = (first + phase + np.arange(2 * radius / spacing + 1)) * spacing
    planes = [
        DrawnPlane(float(z), shapely.Point(0, 0).buffer(np.sqrt(radius**2 - z**2), 90))
        for z in heights
        if abs(z) < radius - 0.05
    ]
    return structure(PlanarStack(AXIAL, planes, spacing_mm=spacing))


def sections(areas, levels=(0.0, 1.0)):
    """Sections of given volumes, all of which have the same dose."""
    hot = np.column_stack([areas, np.zeros(len(areas))])
    return BetweenPlanes(np.array(levels), hot, (0.0, 0.0))


def test_the_reach_of_a_volume_is_the_term_of_the_trapezoid_rule():
    """Second differences of a parabola are constant: 1.5/12 of each, the ends like their neighbours."""
    areas = 100.0 - np.arange(-4, 5) ** 2
    assert sections(areas).volume_cc == pytest.approx(1.5 / 12 * 2 * 9)


def test_parallel_walls_leave_nothing_between_planes():
    """The sections of a cylinder say the same: its volume band is that of the caps."""
    tube = structure(round_stack(cylinder(8.0), 2.0, half_mm=10.0), caps="half")
    dvh = dose_volume_histogram(tube, dose(ALONG))
    cap_cc = np.pi * 64 * 2.0 / 1000
    volume = dvh.volume()
    assert (volume.low, volume.high) == pytest.approx(
        (volume.value - cap_cc, volume.value + cap_cc), rel=1e-3
    )
    assert dvh.mean().high - dvh.mean().low < 1e-3


@given(phase=st.floats(0, 0.999), axis=st.sampled_from([(0, 1, 0), (0, 0, 1), (0.48, 0.6, 0.64)]))
@settings(max_examples=30, deadline=None)
def test_bands_hold_the_ideal_ball(phase, axis):
    """Volume, mean, Max, Min, D50% and V of a ball in a linear dose, in closed form, at any phase."""
    dvh = dose_volume_histogram(shifted_ball(phase), dose(dose_on_grid(linear(*axis))))
    volume = 4 / 3 * np.pi * 12**3 / 1000
    # the cap of a ball above a height t from its centre
    above_cc = np.pi * (12 - 6) ** 2 * (2 * 12 + 6) / 3 / 1000
    for value, exact in (
        (dvh.volume(), volume),
        (dvh.mean(), 100.0),
        (dvh.max(), 112.0),
        (dvh.min(), 88.0),
        (dvh.median(), 100.0),
        (dvh.v(gy=106), above_cc),
        (dvh.v(gy=106, unit="%"), 100 * above_cc / volume),
        (dvh.cv(gy=94), above_cc),
        (dvh.d(cc=above_cc), 106.0),
        (dvh.dc(cc=above_cc), 94.0),
    ):
        # the phantom's outline is a polygon
        assert value.low - 2e-3 * exact <= exact <= value.high + 2e-3 * exact


def test_the_bands_of_a_fine_drawing_are_narrow():
    """What is open between planes falls with the square of their distance."""
    widths = []
    for spacing in (4.0, 2.0, 1.0):
        between = dose_volume_histogram(shifted_ball(0.4, spacing=spacing), dose(ALONG))._between
        widths.append(between.volume_cc)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.35)
    assert widths[1] / widths[2] == pytest.approx(4, rel=0.35)


def test_a_slab_that_overshoots_lowers_the_band_of_max():
    """The edge of an oblique staircase is hotter than the solid: a drawn plane says what is sure."""
    dvh = dose_volume_histogram(
        shifted_ball(0.5, spacing=4.0), dose(dose_on_grid(linear(0, 0.707, 0.707)))
    )
    highest = dvh.max()
    assert highest.value > 112.0
    assert highest.low <= 112.0 <= highest.high


def test_the_band_of_max_goes_on_to_the_peak_between_planes():
    """Planes 2 mm off the equator are 0.17 mm short of it, and the dose rises by 1 Gy per mm."""
    highest = dose_volume_histogram(shifted_ball(0.5), dose(ALONG)).max()
    assert highest.value == pytest.approx(100 + np.sqrt(144 - 4), abs=0.02)
    assert 111.98 <= highest.high < 112.6


def test_all_of_the_volume_stays_all_of_it_as_a_share():
    """V at less than Min is 100 % and no band; in cc it has the band of the volume."""
    dvh = dose_volume_histogram(shifted_ball(0.3), dose(ALONG))
    share = dvh.v(gy=50, unit="%")
    assert (share.low, share.high) == pytest.approx((100, 100), abs=0.01)
    volume, inside = dvh.volume(), dvh.v(gy=50)
    assert (inside.low, inside.high) == pytest.approx((volume.low, volume.high), rel=1e-4)
    assert dvh.cv(gy=50).value == pytest.approx(0)


def test_two_planes_have_nothing_to_compare():
    """Fewer than three sections have no second difference: the caps alone remain."""
    stack = PlanarStack(AXIAL, [DrawnPlane(z, shapely.box(-5, -5, 5, 5)) for z in (0.0, 3.0)])
    dvh = dose_volume_histogram(structure(stack), dose(ALONG))
    assert dvh._between is None
    assert dvh.volume().high > dvh.volume().value


def test_a_solid_without_planes_is_compared_by_its_slabs():
    """A derived solid (slabs only) has the reach of the planes it was made of."""
    drawn = shifted_ball(0.4)
    derived = structure(PlanarStack(AXIAL, slabs=drawn.stack.slabs()))
    one, other = (dose_volume_histogram(each, dose(ALONG)) for each in (drawn, derived))
    assert other._between.volume_cc == pytest.approx(one._between.volume_cc, rel=0.05)
    assert (other.mean().low, other.mean().high) == pytest.approx(
        (one.mean().low, one.mean().high), abs=0.02
    )


def test_a_converted_dose_has_a_converted_band():
    """The reach of the mean in EQD2 is that of the same sections at converted doses."""
    term = dose_on_grid(linear(0, 0, 1, at_centre=50.0), fractions=5)
    solid = shifted_ball(0.4)
    physical = dose_volume_histogram(solid, dose(term))
    converted = biological_histogram(solid, dose(term), Biology("EQD2", 3.0))
    convert = Conversion(5, 3.0, "EQD2")
    slope = convert(50.5) - convert(49.5)
    assert physical._between.mean_gy > 0.01
    assert converted._between.mean_gy == pytest.approx(slope * physical._between.mean_gy, rel=0.3)
    for ask in ("max", "min"):
        before, after = getattr(physical, ask)(), getattr(converted, ask)()
        assert after.high == pytest.approx(convert(before.high), rel=1e-4)
        assert after.low == pytest.approx(convert(before.low), rel=1e-4)


def test_shares_disagree_where_a_dose_ends_between_planes():
    """Volume that a section lacks may have its neighbours' doses: the reach is largest there."""
    areas = np.array([10.0, 40.0, 50.0, 40.0, 10.0])
    hot = np.column_stack([areas, [10.0, 40.0, 50.0, 0.0, 0.0], np.zeros(5)])
    between = BetweenPlanes(np.array([0.0, 1.0, 2.0]), hot, (0.0, 0.0))
    mixed = BetweenPlanes(
        np.array([0.0, 1.0, 2.0]), np.column_stack([areas, areas / 2, np.zeros(5)]), (0.0, 0.0)
    )
    assert mixed.at_levels(Reference.SHARE)[1] == pytest.approx(0)
    # second differences 20, 60, 50 of the hot parts (ends as their neighbours): 200 x 1.5 / 12, and
    # those of the whole, 20 each, in the two sections beside the change
    assert between.at_levels(Reference.HOT)[1] == pytest.approx(25 + 5)
