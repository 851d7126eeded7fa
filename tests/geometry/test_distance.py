"""Signed distances at lattice nodes against brute force."""

import numpy as np
import pytest
import shapely

from planeval.geometry.distance import signed_distance

U = np.arange(-20.0, 41.0, 1.0)
V = np.arange(-15.0, 31.0, 1.0)

SHAPES = {
    "square": shapely.box(0, 0, 20, 10),
    "ring": shapely.Point(8, 6).buffer(12).difference(shapely.Point(9, 6).buffer(5)),
    "two parts": shapely.union_all([shapely.box(-9, -9, 0, 0), shapely.box(12, 8, 25, 20)]),
    "notched": shapely.box(0, 0, 20, 20).difference(shapely.box(8, 5, 9.5, 20)),
}


def brute(area, u, v):
    uu, vv = np.meshgrid(u, v)
    points = shapely.points(uu, vv)
    away = shapely.distance(area.boundary, points)
    return np.where(shapely.contains(area, points), away, -away)


@pytest.mark.parametrize("name", SHAPES)
def test_near_the_outline_distances_are_exact(name):
    """Within 1.5 steps no node differs from the distance to the nearest edge; in a slit by 0.2."""
    expected = brute(SHAPES[name], U, V)
    found = signed_distance(SHAPES[name], U, V)
    near = np.abs(expected) < 1.5
    assert np.abs(found - expected)[near].max() < (0.2 if name == "notched" else 1e-9)


@pytest.mark.parametrize("name", SHAPES)
def test_far_from_the_outline_they_are_right_within_little_more_than_half_a_step(name):
    """Far nodes are never too near, and too far by less than 0.6 steps."""
    expected = brute(SHAPES[name], U, V)
    extra = np.abs(signed_distance(SHAPES[name], U, V)) - np.abs(expected)
    assert extra.min() > -1e-9
    assert extra.max() < 0.6


def test_an_empty_area_has_no_distance():
    """There is nothing to measure to."""
    with pytest.raises(ValueError, match="no outline"):
        signed_distance(shapely.Polygon(), U, V)
