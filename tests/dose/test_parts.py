"""Connected parts of a structure beyond a dose."""

import numpy as np
import pytest
from tests.phantoms import cylinder, dose, dose_on_grid, linear, round_stack, sphere, structure

from planeval.dose.calculation import dose_volume_histogram
from planeval.dose.parts import cold_parts, hot_parts


def ball():
    return structure(round_stack(sphere(24), 2.0, half_mm=24, centre=(1.0, -2.0, 3.0)))


def peaks(*places, width=5.0):
    """Gaussian peaks of 60 Gy over 5 Gy."""

    def at(x, y, z):
        total = 5.0 + 0 * x
        for cx, cy, cz in places:
            square = (x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2
            total = total + 60 * np.exp(-square / (2 * width**2))
        return total

    return at


def test_two_peaks_are_two_parts_where_they_are():
    """Largest first, each around its peak, and together V(d)."""
    term = dose_on_grid(
        lambda x, y, z: peaks((-9, 0, 2))(x, y, z) + peaks((12, 3, -8), width=4)(x, y, z)
    )
    found = hot_parts(ball(), dose(term), 40)
    assert len(found) == 2
    assert found[0].volume_cc > found[1].volume_cc
    assert found[0].centre_mm == pytest.approx((-9, 0, 2), abs=0.4)
    assert found[1].centre_mm == pytest.approx((12, 3, -8), abs=0.4)
    whole = dose_volume_histogram(ball(), dose(term)).v(gy=40).value
    assert sum(part.volume_cc for part in found) == pytest.approx(whole, rel=2e-3)


def test_peaks_that_meet_at_the_level_are_one_part():
    """The same two peaks below the saddle between them."""
    term = dose_on_grid(peaks((-8, 0, 0), (8, 0, 0)))
    assert len(hot_parts(ball(), dose(term), 45)) == 2
    assert len(hot_parts(ball(), dose(term), 25)) == 1


def test_a_part_of_known_volume():
    """A linear dose through a cylinder: the part above is the rest of the cylinder."""
    solid = structure(round_stack(cylinder(10), 2.0, half_mm=21))
    (part,) = hot_parts(solid, dose(dose_on_grid(linear(0, 0, 0.5))), 105)
    low, high = (each[2] for each in solid.bounds_mm)
    assert part.volume_cc == pytest.approx(np.pi * 100 * (high - 10) / 1000, rel=1e-3)
    assert part.centre_mm == pytest.approx((0, 0, (high + 10) / 2), abs=0.3)
    cold = cold_parts(solid, dose(dose_on_grid(linear(0, 0, 0.5))), 105)
    assert sum(each.volume_cc for each in cold) == pytest.approx(
        np.pi * 100 * (10 - low) / 1000, rel=1e-3
    )


def test_cold_parts_are_the_rest():
    """Above and below together are the structure."""
    term = dose_on_grid(peaks((-9, 0, 2), (12, 3, -8)))
    both = [*hot_parts(ball(), dose(term), 30), *cold_parts(ball(), dose(term), 30)]
    assert sum(part.volume_cc for part in both) == pytest.approx(ball().volume_cc, rel=1e-6)


def test_nothing_beyond_is_no_part():
    """A level above the maximum, and one that is no dose."""
    term = dose_on_grid(linear(0, 0, 0))
    assert hot_parts(ball(), dose(term), 101) == ()
    assert cold_parts(ball(), dose(term), 99) == ()
    with pytest.raises(ValueError, match="above 0"):
        hot_parts(ball(), dose(term), 0)
