"""A thrombus continued along its own axis, against closed forms."""

import numpy as np
import pytest
import shapely
from tests.geometry.test_vessel import tube
from tests.phantoms import disc, round_stack, sphere

from planeval.errors import GeometryError
from planeval.geometry.axis import axis_part
from planeval.geometry.booleans import combine
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack, PlaneFrame, volume_cc


def capsule(z):
    """Radius of a 20 mm rod of radius 5 mm with round ends."""
    return float(np.sqrt(max(25 - max(abs(z) - 10, 0) ** 2, 0)))


@pytest.mark.parametrize("length", [0, 3.3, 15, 60])
def test_a_cylinder_grows_by_its_section_at_both_ends(length):
    """Its axis along the planes' normal."""
    planes = [DrawnPlane(3.0 * k, disc(4)) for k in range(10)]
    part = axis_part(PlanarStack(AXIAL, planes), length)
    assert volume_cc(part.stack) == pytest.approx(disc(4).area * (30 + 2 * length) / 1000, rel=3e-3)
    assert part.axis == pytest.approx((0, 0, 1))
    assert part.elongation == pytest.approx(30 / np.sqrt(12) / 2, rel=1e-3)


@pytest.mark.parametrize("direction", [(1, 0, 0), (0.3, -1, 0), (1, 0, 1), (-1, 2, 3), (3, 1, 0.8)])
def test_a_cylinder_in_any_direction_grows_as_much(direction):
    """Within 2 % of what the drawn tube has per length, and the axis within a degree."""
    clot = tube(direction, 5, -15, 15, 1.5)
    part = axis_part(clot, 15)
    assert volume_cc(part.stack) == pytest.approx(2 * volume_cc(clot), rel=2e-2)
    axis = np.array(direction) / np.linalg.norm(direction)
    assert abs(axis @ part.axis) > np.cos(np.radians(1))
    assert part.axis[2] > 1e-6 or part.axis[1] >= 0


def test_a_round_tip_is_passed_by_the_full_section():
    """A capsule grows by its full section times the length at either end."""
    clot = round_stack(capsule, 1.0, half_mm=15)
    part = axis_part(clot, 12)
    assert volume_cc(part.stack) - volume_cc(clot) == pytest.approx(
        2 * np.pi * 25 * 12e-3, rel=1.2e-2
    )


def test_the_thrombus_is_part_of_the_result():
    """Nothing of it is lost, and the result is the same solid in an upside-down frame."""
    clot = tube((1, 2, 3), 4, -12, 12, 2.0)
    part = axis_part(clot, 7)
    assert volume_cc(combine(clot, part.stack, shapely.difference)) == pytest.approx(0, abs=1e-9)
    turned = PlanarStack(
        PlaneFrame((1, 0, 0), (0, -1, 0)),
        [
            DrawnPlane(-p.offset_mm, shapely.transform(p.area, lambda x: x * [1, -1]))
            for p in clot.planes
        ],
    )
    other = axis_part(turned, 7)
    assert other.axis == pytest.approx(part.axis, abs=1e-6)
    assert volume_cc(other.stack) == pytest.approx(volume_cc(part.stack), rel=1e-4)


def test_no_direction_no_extension():
    """A ball has no axis, nothing has none, and lengths have limits."""
    with pytest.raises(GeometryError, match=r"times as long as wide, at least 1\.25"):
        axis_part(round_stack(sphere(10), 1.0, half_mm=10), 15)
    with pytest.raises(GeometryError, match="the thrombus is empty"):
        axis_part(PlanarStack(AXIAL), 15)
    rod = round_stack(capsule, 1.0, half_mm=15)
    with pytest.raises(GeometryError, match="at most 500 mm"):
        axis_part(rod, 501)
    with pytest.raises(ValueError, match="length_mm is -1"):
        axis_part(rod, -1)


def test_a_thrombus_in_pieces_has_no_end_section():
    """Two rods one behind the other, cut where there is nothing."""
    planes = [DrawnPlane(float(k), disc(4)) for k in (*range(30), *range(33, 35))]
    with pytest.raises(GeometryError, match="no section near its end"):
        axis_part(PlanarStack(AXIAL, planes), 10)
