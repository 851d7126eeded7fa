"""Distances to solids: closed forms, brute force, and turned frames."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.phantoms import round_stack, sphere

from planeval.errors import GeometryError
from planeval.geometry.nearest import Solid, gap_mm, point_distance_mm
from planeval.geometry.stack import AXIAL, CapReading, DrawnPlane, PlanarStack, PlaneFrame

CORONAL = PlaneFrame((1.0, 0.0, 0.0), (0.0, 0.0, -1.0))


def cuboid(low, high, frame=AXIAL):
    """A box in the plane frame, drawn every 2 mm."""
    (u0, v0, w0), (u1, v1, w1) = low, high
    planes = [DrawnPlane(float(w), shapely.box(u0, v0, u1, v1)) for w in np.arange(w0 + 1, w1, 2)]
    stack = PlanarStack(frame, planes, spacing_mm=2.0)
    return Solid(stack, stack.slabs())


@given(st.tuples(*[st.floats(-40, 40)] * 3))
@settings(max_examples=60, deadline=None)
def test_a_point_lies_as_far_from_a_box_as_its_coordinates_say(point):
    """Straight out of a face, an edge or a corner; 0 inside."""
    beyond = np.maximum(np.maximum(np.array((-5, -8, -6)) - point, point - np.array((7, 4, 10))), 0)
    assert point_distance_mm(cuboid((-5, -8, -6), (7, 4, 10)), point) == pytest.approx(
        float(np.linalg.norm(beyond)), abs=1e-9
    )


def test_a_point_is_measured_in_the_frame_of_the_solid():
    """A solid drawn on coronal planes, asked in patient coordinates."""
    solid = cuboid((-5, -5, -6), (5, 5, 6), CORONAL)
    x, y, z = CORONAL.to_patient(np.array([[9.0, 8.0, 6.0]]))[0]
    assert point_distance_mm(solid, (x, y, z)) == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("shift", "gap"),
    [((13, 0, 0), 3), ((13, 14, 0), 5), ((13, 14, 22), 13), ((5, 5, 5), 0), ((0, 0, 10), 0)],
)
def test_boxes_lie_apart_by_face_edge_or_corner(shift, gap):
    """3, 3-4-5 and 3-4-12-13 mm; 0 where they overlap or touch."""
    one = cuboid((0, 0, 0), (10, 10, 10))
    other = cuboid(shift, tuple(10 + each for each in shift))
    assert gap_mm(one, other) == pytest.approx(gap, abs=1e-9)
    assert gap_mm(other, one) == pytest.approx(gap, abs=1e-9)


def test_the_gap_of_balls_is_that_of_all_their_points():
    """Brute force over the surface of one to the slabs of the other."""
    one = round_stack(sphere(9), 1.5, half_mm=9)
    other = round_stack(sphere(7), 2.0, half_mm=7, centre=(14.0, 9.0, 6.0))
    solid, target = (Solid(each, each.slabs()) for each in (one, other))
    points = [
        (x, y, w)
        for slab in other.slabs()
        if slab.readings & CapReading.CHOSEN
        for x, y in shapely.get_coordinates(slab.area.segmentize(0.3))
        for w in (slab.low_mm, slab.high_mm)
    ]
    brute = min(point_distance_mm(solid, point) for point in points)
    assert gap_mm(solid, target) <= brute + 1e-9
    assert gap_mm(solid, target) == pytest.approx(brute, abs=0.05)


def test_what_has_no_answer_is_refused():
    """An empty solid, and planes at an angle."""
    with pytest.raises(GeometryError, match="nothing is solid"):
        Solid(PlanarStack(AXIAL, slabs=()), ())
    with pytest.raises(GeometryError, match="not parallel"):
        gap_mm(cuboid((0, 0, 0), (9, 9, 9)), cuboid((0, 0, 0), (9, 9, 9), CORONAL))
