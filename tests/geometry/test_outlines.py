"""Outlines give their area back exactly, holes and islands included."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.phantoms import disc, round_stack, sphere

from planeval.errors import GeometryError
from planeval.geometry import outlines
from planeval.geometry.outlines import even_odd_rings, keyhole_rings, section_at
from planeval.geometry.rings import plane_area
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack, Slab

HOLES = shapely.Polygon(
    shapely.box(0, 0, 100, 60).exterior.coords,
    [disc(6, (x, y), 20).exterior.coords for x in (15, 35, 55, 80) for y in (15, 42)],
)
ISLAND = shapely.union(HOLES, disc(2, (15, 15), 12))
SQUEEZED = shapely.Polygon(
    # the hole at the back sees the outer ring only past the one in front of it
    shapely.box(0, 0, 300, 10).exterior.coords,
    [shapely.box(100, 1, 101, 9).exterior.coords, shapely.box(150, 4, 151, 5).exterior.coords],
)


@pytest.mark.parametrize("area", [HOLES, ISLAND, SQUEEZED, disc(20), shapely.box(0, 0, 1, 1)])
@pytest.mark.parametrize(("rings_of", "xor"), [(keyhole_rings, False), (even_odd_rings, True)])
def test_rings_give_the_area_back(area, rings_of, xor):
    """Keyholes read by even-odd and all rings read by XOR are the same area, exactly."""
    again, _notes = plane_area(rings_of(area), xor=xor)
    assert shapely.symmetric_difference(again, area).area == 0


def test_keyholes_add_no_points():
    """A keyhole joins existing vertices: two extra points for each hole, none of them new."""
    (ring,) = keyhole_rings(HOLES)
    own = shapely.get_coordinates(HOLES)
    assert len(ring) == 4 + 8 * 20 + 2 * 8
    assert {tuple(p) for p in ring} == {tuple(p) for p in own}


def test_keyholes_stay_inside():
    """No part of the ring lies outside the area, and keyholes do not cross each other."""
    (ring,) = keyhole_rings(HOLES)
    line = shapely.LineString(np.vstack([ring, ring[:1]]))
    assert shapely.covers(HOLES, line)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_random_swiss_cheese(seed):
    """Any mixture of holes, islands and parts comes back."""
    rng = np.random.default_rng(seed)
    area = shapely.box(0, 0, 60, 40)
    for _ in range(rng.integers(1, 12)):
        shape = disc(rng.uniform(0.5, 12), rng.uniform((0, 0), (60, 40)), int(rng.integers(3, 16)))
        area = shapely.difference(area, shape) if rng.random() < 0.7 else area.union(shape)
    area = outlines.solid_part(shapely.set_precision(area, 1e-4))
    again, _notes = plane_area(keyhole_rings(area), xor=False)
    assert shapely.symmetric_difference(again, area).area <= 1e-9


def test_holes_that_cannot_be_joined_are_refused(monkeypatch):
    """An outline that cannot be made is an error that names the way out."""
    monkeypatch.setattr(outlines, "_bridge", lambda *_: None)
    with pytest.raises(GeometryError, match="write it with XOR contours"):
        keyhole_rings(HOLES)


def test_section_of_drawn_planes_is_what_was_drawn():
    """At a drawn plane the section is the drawn polygon itself, whatever lies between planes."""
    stack = round_stack(sphere(20), 3.0, half_mm=20)
    plane = stack.planes[4]
    height = plane.offset_mm + 0.004
    assert section_at(stack, height, between="interpolated") is plane.area


def test_section_between_and_beyond():
    """Between planes the slab that holds the height counts; beyond the solid there is nothing."""
    low, high = shapely.box(-5, -5, 5, 5), shapely.box(-7, -7, 7, 7)
    stack = PlanarStack(AXIAL, slabs=[Slab(0, 3, low), Slab(3, 5, high)])
    assert section_at(stack, 1.0) is low
    assert section_at(stack, 4.9) is high
    assert section_at(stack, 3.0).area == pytest.approx(12 * 12, rel=0.005)
    assert section_at(stack, 5.0) is high
    assert section_at(stack, 5.1).is_empty


def test_section_uses_the_chosen_caps():
    """Half a spacing beyond the end plane there is a section, with no caps there is none."""
    area = shapely.box(0, 0, 4, 4)
    stack = PlanarStack(AXIAL, [DrawnPlane(0.0, area), DrawnPlane(2.0, area)])
    assert section_at(stack, 2.9).area == 16
    assert section_at(stack, 3.1).is_empty
    assert section_at(stack, 2.9, caps="none").is_empty
