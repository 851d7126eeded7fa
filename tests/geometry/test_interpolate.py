"""Shapes between drawn planes and the tapered end, against closed forms."""

from itertools import pairwise

import numpy as np
import pytest
import shapely
from tests.phantoms import disc

from planeval.geometry.interpolate import between_shapes, tapered_end
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack, volume_cc


def volume(slabs):
    return sum(abs(high - low) * area.area for low, high, area in slabs)


def test_between_two_discs_lies_a_cone():
    """Radius 10 to 16 over 3 mm: the frustum's volume to 0.2 %, in slabs that fill the height."""
    slabs = list(between_shapes(5.0, disc(10.0), 8.0, disc(16.0)))
    assert volume(slabs) == pytest.approx(np.pi * 3 * (100 + 160 + 256) / 3, rel=2e-3)
    assert slabs[0][0] == 5.0
    assert slabs[-1][1] == 8.0
    assert all(a[1] == b[0] for a, b in pairwise(slabs))


def test_equal_shapes_stay_one_prism():
    """The same outline on both planes needs no interpolation and loses nothing."""
    square = shapely.box(0, 0, 7, 3)
    assert list(between_shapes(0.0, square, 2.0, shapely.box(0, 0, 7, 3))) == [(0.0, 2.0, square)]


def test_a_hole_closes_gradually():
    """A ring below a full disc: the hole of radius 4 shrinks on the way up."""
    ring = disc(12.0).difference(disc(4.0))
    holes = [
        np.pi * 144 - area.area for _low, _high, area in between_shapes(0.0, ring, 4.0, disc(12.0))
    ]
    assert holes == sorted(holes, reverse=True)
    assert holes[0] > 20


def test_one_outline_branches_into_two():
    """Two discs above one that holds both: two parts near the top, one near the bottom."""
    two = disc(3.0, (-5.0, 0.0)).union(disc(3.0, (5.0, 0.0)))
    areas = [area for _low, _high, area in between_shapes(0.0, disc(9.0), 2.0, two)]
    assert shapely.get_num_geometries(areas[0]) == 1
    assert shapely.get_num_geometries(areas[-1]) == 2
    assert areas[0].area > areas[-1].area


def test_shapes_that_do_not_meet_shrink_to_nothing():
    """Far apart, each part fades out within half the distance: never a bridge between them."""
    slabs = list(between_shapes(0.0, disc(3.0, (-20.0, 0.0)), 2.0, disc(3.0, (20.0, 0.0))))
    assert all(area.disjoint(shapely.box(-10, -5, 10, 5)) for _low, _high, area in slabs)
    assert volume(slabs) < 2.0 * np.pi * 9


def test_a_tapered_end_of_a_disc_is_half_an_ellipsoid():
    """Two thirds of the prism of the same height, to 2 % in four slabs; outward in either direction."""
    for tip in (1.5, -1.5):
        slabs = list(tapered_end(0.0, tip, disc(10.0)))
        assert volume(slabs) == pytest.approx(2 / 3 * 1.5 * np.pi * 100, rel=0.02)
        assert slabs[-1][1] == tip


def test_each_part_tapers_by_its_own_width():
    """A thin part beside a thick one does not vanish early."""
    both = disc(10.0).union(disc(1.0, (30.0, 0.0)))
    last = list(tapered_end(0.0, 2.0, both))[-1][2]
    assert shapely.get_num_geometries(last) == 2


@pytest.mark.parametrize(
    ("caps", "share"), [("none", 2.0), ("tapered", 2.0 + 2 / 3), ("half", 3.0)]
)
def test_caps_of_a_stack(caps, share):
    """Three discs 2 mm apart: 4 mm between the ends, and one spacing in caps at most."""
    stack = PlanarStack(AXIAL, [DrawnPlane(z, disc(10.0)) for z in (0.0, 2.0, 4.0)])
    expected = np.pi * 100 * 2.0 * share / 1000
    assert volume_cc(stack, caps=caps, between="interpolated") == pytest.approx(expected, rel=5e-3)
