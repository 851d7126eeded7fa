"""What is within reach of a solid: Steiner's formula, spheres, and distances of random points."""

import numpy as np
import pytest
import shapely
from tests.phantoms import round_stack, sphere

from planeval.errors import GeometryError
from planeval.geometry.reach import within_reach
from planeval.geometry.stack import AXIAL, CapReading, DrawnPlane, PlanarStack, volume_cc


def test_a_box_follows_steiners_formula():
    """V + S r + pi r2 (a + b + c) + 4/3 pi r3 within 0.3 %."""
    planes = [DrawnPlane(float(z), shapely.box(0, 0, 30, 14)) for z in (1, 3, 5, 7, 9)]
    a, b, c, r = 30, 14, 10, 8.0
    volume = a * b * c + 2 * (a * b + a * c + b * c) * r + np.pi * r**2 * (a + b + c)
    volume += 4 / 3 * np.pi * r**3
    grown = within_reach(PlanarStack(AXIAL, planes), r)
    assert volume_cc(grown) == pytest.approx(volume / 1000, rel=3e-3)


def test_a_sphere_becomes_a_larger_one():
    """8 mm and 20 mm are 28 mm, up to the steps of the planes."""
    grown = within_reach(round_stack(sphere(8.0), 1.0, half_mm=8.0), 20.0)
    assert volume_cc(grown) == pytest.approx(4 / 3 * np.pi * 28**3 / 1000, rel=0.025)


def test_random_points_agree_with_their_distance():
    """Points around two islands with a hole: inside exactly where some slab is near enough."""
    area = shapely.union(
        shapely.box(0, 0, 20, 20).difference(shapely.box(4, 4, 16, 16)), shapely.box(30, 5, 36, 9)
    )
    stack = PlanarStack(AXIAL, [DrawnPlane(float(z), area) for z in (0, 3, 6, 9)])
    grown = within_reach(stack, 5.0)
    random = np.random.default_rng(5)
    points = random.uniform((-8, -8, -9), (44, 28, 18), (4000, 3))
    flat = shapely.distance(shapely.points(points[:, :2]), area)
    away = np.hypot(flat, np.maximum(np.abs(points[:, 2] - 4.5) - 6.0, 0))
    inside = np.zeros(len(points), dtype=bool)
    for slab in grown.slabs():
        here = (points[:, 2] >= slab.low_mm) & (points[:, 2] < slab.high_mm)
        inside[here] |= shapely.contains_xy(slab.area, *points[here, :2].T)
    clear = np.abs(away - 5.0) > 0.6
    assert clear.sum() > 2000
    assert (inside == (away < 5.0))[clear].all()


@pytest.mark.parametrize("distance", [2.0, 9.0, 30.0])
@pytest.mark.parametrize(
    "widths",
    [
        [10, 10, 10, 10, 10],
        [4, 8, 12, 16, 20],
        [20, 16, 12, 8, 4],
        [4, 14, 20, 14, 4],
        [20, 6, 6, 6, 20],
        [20, 0, 8, 0, 20],
    ],
    ids=["equal", "widening", "narrowing", "barrel", "waist", "gaps"],
)
def test_what_a_neighbour_hides_is_not_missed(widths, distance):
    """Every section is the union of all polygons, each grown to its own radius."""
    planes = [
        DrawnPlane(3.0 * n, shapely.box(-width, -2 - n % 2, width, 2))
        for n, width in enumerate(widths)
        if width
    ]
    stack = PlanarStack(AXIAL, planes)
    grown = within_reach(stack, distance).slabs()
    assert grown
    for slab in grown:
        z = (slab.low_mm + slab.high_mm) / 2
        parts = []
        for own in stack.chosen_slabs():
            away = max(own.low_mm - z, z - own.high_mm, 0.0)
            if away < distance:
                radius = np.sqrt(distance**2 - away**2)
                parts.append(own.area.buffer(radius, quad_segs=16))
        assert shapely.union_all(parts).symmetric_difference(slab.area).area < 1e-9


def test_caps_of_the_solid_count_as_chosen():
    """Without caps the reach starts at the end planes."""
    stack = PlanarStack(AXIAL, [DrawnPlane(float(z), shapely.box(0, 0, 9, 9)) for z in (0, 4, 8)])
    for caps, end in (("half", 10.0), ("none", 8.0)):
        slabs = within_reach(stack, 5.0, caps=caps).slabs()
        assert max(slab.high_mm for slab in slabs) == pytest.approx(end + 5.0)
        assert all(slab.readings & CapReading.NONE for slab in slabs)


def test_nothing_reaches_nothing():
    """Empty solids and distances of 0 are refused."""
    with pytest.raises(GeometryError, match="nothing is solid"):
        within_reach(PlanarStack(AXIAL), 5.0)
    with pytest.raises(ValueError, match="above 0"):
        within_reach(round_stack(sphere(5), 1, half_mm=5), 0.0)
