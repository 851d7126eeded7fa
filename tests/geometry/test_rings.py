"""Rings of one plane to an area: holes, islands, keyholes, duplicates, overlaps, crossings."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from planeval.geometry.rings import plane_area, plane_areas

SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10]]


def ring(points):
    return np.asarray(points, dtype=float)


def square(size, at=(0.0, 0.0)):
    return ring(SQUARE) * size / 10 + at


def keyhole(inner):
    """Outer 10 x 10 square, a bridge from its corner to a 2 x 2 hole, and back."""
    return ring([*SQUARE, [0, 0], *inner, inner[0], [0, 0]])


CLOCKWISE_HOLE = [[2, 2], [2, 4], [4, 4], [4, 2]]


@pytest.mark.parametrize("xor", [False, True])
def test_single_ring_is_its_polygon(xor):
    """One simple ring encloses its polygon under either rule, with nothing to note."""
    area, notes = plane_area([square(10)], xor=xor)
    assert area.area == 100
    assert notes == type(notes)()


def test_direction_never_matters():
    """A clockwise ring and a counter-clockwise one enclose the same."""
    one, _ = plane_area([square(10)], xor=False)
    other, _ = plane_area([square(10)[::-1]], xor=False)
    assert one.equals(other)


def test_closing_point_and_repeated_points_change_nothing():
    """A ring that repeats its first point, or any point, is the same ring."""
    area, notes = plane_area([ring([[0, 0], [0, 0], *SQUARE, [0, 0]])], xor=False)
    assert area.area == 100
    assert notes.crossings == 0


def test_nested_ring_is_a_hole_and_an_island_is_solid():
    """Levels of nesting alternate; the note says what filling would add."""
    area, notes = plane_area([square(2, (4, 4)), square(10), square(6, (2, 2))], xor=False)
    assert area.area == pytest.approx(100 - 36 + 4)
    assert notes.nested == 1
    assert notes.filled_extra_mm2 == pytest.approx(32)


def test_hole_that_touches_the_outer_ring_is_still_a_hole():
    """A hole that shares an edge with the outer ring is nested, not overlapping."""
    area, notes = plane_area([square(10), square(4)], xor=False)
    assert area.area == pytest.approx(84)
    assert (notes.nested, notes.overlaps) == (1, 0)


def test_hole_that_juts_out_by_rounding_is_a_hole():
    """A hole whose edge crosses the outer edge by a few micrometres is nested."""
    area, notes = plane_area([square(10), square(4, (-0.001, 3))], xor=False)
    assert area.area == pytest.approx(84, abs=0.01)
    assert (notes.nested, notes.overlaps) == (1, 0)


@pytest.mark.parametrize("hole", [CLOCKWISE_HOLE, CLOCKWISE_HOLE[::-1]])
def test_keyhole_is_a_hole(hole):
    """A bridge to an inner loop makes a hole, whichever way the loop runs."""
    area, _ = plane_area([keyhole(hole)], xor=False)
    assert area.is_valid
    assert area.area == pytest.approx(96)


def test_keyhole_against_the_outer_direction_is_not_ambiguous():
    """Even-odd and non-zero agree on an inner loop that runs the other way."""
    _, notes = plane_area([keyhole(CLOCKWISE_HOLE)], xor=False)
    assert notes.crossings == 0


def test_keyhole_along_the_outer_direction_is_noted():
    """Even-odd and non-zero differ by the hole if the inner loop runs the same way."""
    _, notes = plane_area([keyhole(CLOCKWISE_HOLE[::-1])], xor=False)
    assert notes.crossings == 1
    assert notes.crossing_mm2 == pytest.approx(4)


def test_bow_tie_counts_both_wings():
    """A figure of eight has two solid wings and no ambiguity."""
    area, notes = plane_area([ring([[0, 0], [10, 10], [10, 0], [0, 10]])], xor=False)
    assert area.area == pytest.approx(50)
    assert notes.crossings == 0


def test_small_crossing_is_not_noted():
    """A doubly wound part below 1 mm2 is resolved by even-odd without a word."""
    loop = ring([[0, 0], [10, 0], [10, 10], [0.5, 10], [0.5, 9.5], [1, 9.5], [1, 10], [0, 10]])
    area, notes = plane_area([loop], xor=False)
    assert area.is_valid
    assert notes.crossings == 0


def test_ring_drawn_twice_around_has_no_area_and_says_so():
    """Winding twice is even: nothing by even-odd, everything by non-zero, so it is noted."""
    area, notes = plane_area([ring([*SQUARE, *SQUARE])], xor=False)
    assert area.is_empty
    assert notes.crossing_mm2 == pytest.approx(100)
    assert notes.without_area == 1


def test_spike_has_no_area():
    """An out-and-back spike adds nothing."""
    area, notes = plane_area(
        [ring([[0, 0], [10, 0], [15, 0], [10, 0], [10, 10], [0, 10]])], xor=False
    )
    assert area.area == pytest.approx(100)
    assert area.geom_type == "Polygon"
    assert notes.crossings == 0


def test_line_has_no_area():
    """Points on one line enclose nothing."""
    area, notes = plane_area([ring([[0, 0], [5, 5], [10, 10]])], xor=False)
    assert area.is_empty
    assert notes.without_area == 1


def test_duplicate_counts_once():
    """The same contour twice, even from another start and reversed, is one."""
    area, notes = plane_area([square(10), np.roll(square(10)[::-1], 1, axis=0)], xor=False)
    assert area.area == 100
    assert notes.duplicates == 1


@pytest.mark.parametrize("at", [(0.0, 0.0), (-0.001, -0.001)])
def test_near_duplicate_counts_once(at):
    """Less than 0.1 % of difference is a duplicate, also where it lies all around the other."""
    _, notes = plane_area([square(10), square(10.002, at)], xor=False)
    assert notes.duplicates == 1


def test_slightly_smaller_ring_is_a_thin_wall():
    """More than 0.1 % of difference is not a duplicate but a hole: a shell."""
    area, notes = plane_area([square(10), square(9.9, (0.05, 0.05))], xor=False)
    assert notes.duplicates == 0
    assert area.area == pytest.approx(100 - 9.9**2)


def test_duplicates_cancel_under_xor():
    """Even-odd of two equal rings is nothing; the note says that they are there."""
    area, notes = plane_area([square(10), square(10)], xor=True)
    assert area.is_empty
    assert notes.duplicates == 1


def test_partial_overlap_is_united():
    """Two rings that overlap partly are united, and the shared area is noted."""
    area, notes = plane_area([square(10), square(10, (5, 5))], xor=False)
    assert area.area == pytest.approx(175)
    assert (notes.overlaps, notes.overlap_mm2) == (1, pytest.approx(25))


def test_partial_overlap_is_left_out_under_xor():
    """Even-odd leaves the shared part out."""
    area, _ = plane_area([square(10), square(10, (5, 5))], xor=True)
    assert area.area == pytest.approx(150)


def test_neighbours_with_a_common_edge_are_no_overlap():
    """Rings that touch along an edge are simply both solid."""
    area, notes = plane_area([square(10), square(10, (10, 0))], xor=False)
    assert area.area == pytest.approx(200)
    assert notes.overlaps == 0


def test_hole_in_two_overlapping_parts_is_a_hole_of_both():
    """Overlapping parts are united before the nesting is judged."""
    area, notes = plane_area(
        [square(10), square(10, (5, 0)), square(2, (6, 4)), square(1, (1, 1))], xor=False
    )
    assert area.area == pytest.approx(150 - 4 - 1)
    assert notes.nested == 2


def test_many_planes_at_once_equal_one_by_one():
    """The batch gives what single calls give, each plane by its own rule."""
    rng = np.random.default_rng(1)
    planes = [
        [square(rng.uniform(1, 9), rng.uniform(0, 5, 2)) for _ in range(rng.integers(1, 5))]
        for _ in range(40)
    ]
    rules = [bool(i % 2) for i in range(40)]
    for plane, xor, (area, notes) in zip(planes, rules, plane_areas(planes, rules), strict=True):
        single, single_notes = plane_area(plane, xor=xor)
        assert area.equals(single)
        assert notes == single_notes


def test_xor_agrees_with_point_parity():
    """Even-odd of random crossing rings is the parity of how many rings hold a point."""
    rng = np.random.default_rng(2)
    rings = [square(rng.uniform(3, 9), rng.uniform(0, 6, 2)) for _ in range(6)]
    area, _ = plane_area(rings, xor=True)
    points = rng.uniform(0, 15, (2000, 2))
    inside = sum(shapely.contains_xy(shapely.Polygon(r), points) for r in rings) % 2 == 1
    assert (shapely.contains_xy(area, points) == inside).mean() > 0.999


@st.composite
def russian_dolls(draw):
    """Squares side by side, each with some squares one within the other, in any order."""
    sizes = draw(st.lists(st.lists(st.integers(1, 9), unique=True, max_size=5), max_size=4))
    dolls = [
        square(size, (20.0 * n + 5 - size / 2, 5 - size / 2))
        for n, nested in enumerate(sizes)
        for size in nested
    ]
    return draw(st.permutations(dolls)), sizes


@given(russian_dolls(), st.booleans())
def test_rings_within_rings_alternate_by_either_rule(dolls, xor):
    """However many levels and parts: every second level is a hole, whatever the rule."""
    rings, sizes = dolls
    area, notes = plane_area(rings, xor=xor)
    levels = [sorted(nested, reverse=True) for nested in sizes]
    expected = sum((-1) ** depth * size**2 for one in levels for depth, size in enumerate(one))
    assert area.is_valid
    assert area.area == pytest.approx(expected)
    points = np.random.default_rng(1).uniform((-5, -5), (75, 15), (400, 2))
    inside = sum((shapely.contains_xy(shapely.Polygon(r), points) for r in rings), np.zeros(400))
    assert (shapely.contains_xy(area, points) == (inside % 2 == 1)).all()
    filled = sum(one[0] ** 2 for one in levels if one)
    holes = sum(len(one) // 2 for one in levels)
    assert notes.nested == (0 if xor else holes)
    assert notes.filled_extra_mm2 == pytest.approx(0 if xor or not holes else filled - expected)


def test_parts_side_by_side_have_nothing_to_note():
    """Rings whose boxes overlap, though they lie apart, are no holes: not even by rounding."""
    corner = ring([[0, 0], [40, 0], [40, 0.3], [0.3, 0.3], [0.3, 9.7], [0, 9.7]])
    others = [square(0.1 * n, (2.1 * n, 4.3)) for n in range(3, 18)]
    area, notes = plane_area([corner, *others], xor=False)
    assert len(area.geoms) == 16
    assert notes == type(notes)()


def test_self_crossing_ring_agrees_with_ray_parity():
    """A random tangle encloses the points that a ray crosses it an odd number of times for."""
    rng = np.random.default_rng(3)
    tangle = rng.uniform(0, 10, (15, 2))
    area, _ = plane_area([tangle], xor=False)
    points = rng.uniform(0, 10, (2000, 2))
    start, end = tangle, np.roll(tangle, -1, axis=0)
    spans = (start[:, 1] > points[:, 1:]) != (end[:, 1] > points[:, 1:])
    slope = (end[:, 0] - start[:, 0]) / (end[:, 1] - start[:, 1])
    crossing = points[:, :1] < start[:, 0] + slope * (points[:, 1:] - start[:, 1])
    odd = (spans & crossing).sum(axis=1) % 2 == 1
    assert area.is_valid
    assert (shapely.contains_xy(area, points) == odd).mean() > 0.999


def test_no_rings_no_area():
    """A plane without rings is empty; no planes give no answers."""
    assert plane_area([], xor=False)[0].is_empty
    assert plane_areas([], []) == []


def test_two_points_are_refused():
    """A ring needs three points: the caller drops shorter ones."""
    with pytest.raises(ValueError, match="at least three points"):
        plane_area([ring([[0, 0], [1, 1]])], xor=False)
