"""Which points need the surface of a clipping structure, and which lie clear of it."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.phantoms import cone, round_stack, sphere, structure

from planeval.geometry.booleans import combine
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack
from planeval.geometry.surface import surface_of
from planeval.targets import clipping

HOLLOW = combine(
    round_stack(sphere(24), 4.0, half_mm=24),
    round_stack(sphere(9), 4.0, half_mm=9),
    shapely.difference,
)
GAP = PlanarStack(
    AXIAL,
    [DrawnPlane(float(z), shapely.box(-20, -15, 20, 15)) for z in (-12, -9, -6, 6, 9, 12)],
    spacing_mm=3.0,
)
SOLIDS = {
    "ball": structure(round_stack(sphere(20), 5.0, half_mm=20)),
    "cone": structure(round_stack(cone(18, 20), 3.0, half_mm=20)),
    "blended": structure(round_stack(sphere(20), 5.0, half_mm=20), between="interpolated"),
    "hollow": structure(HOLLOW),
    "gap": structure(GAP),
}  # fmt: skip


@pytest.mark.parametrize("name", SOLIDS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**20))
def test_what_is_clear_is_so_by_the_surface_as_well(name, seed):
    """The surface, computed for all points, never contradicts the shortcut; it spares most of them."""
    solid = SOLIDS[name]
    points = np.random.default_rng(seed).uniform(-30, 30, (800, 3))
    depth = surface_of(solid.stack).depth_mm(points)
    for inside, sign in ((True, 1.0), (False, -1.0)):
        clear = clipping._clear(solid, points, inside=inside)
        assert (sign * depth[clear] > 0).all()
        assert clear.sum() > 0.2 * (sign * depth > 3).sum()


@pytest.mark.parametrize("name", SOLIDS)
@pytest.mark.parametrize("inner_mm", [2.0, 60.0], ids=["limit", "avoided"])
def test_the_shortcut_changes_nothing(name, inner_mm, monkeypatch):
    """Clipped are the same points as where every one of them is measured to the surface."""
    solid, random = SOLIDS[name], np.random.default_rng(5)
    points = random.uniform(-28, 28, (600, 3))
    feet = points + random.normal(0, 3, points.shape)
    middle = np.array([inner_mm + 10 * (name == "hollow"), 0, 8])
    inner = middle + random.normal(0, 1, (50, 3))
    found = clipping.clipped_points(points, feet, [solid], inner_mm=inner, tolerance_mm=2.0)
    monkeypatch.setattr(
        clipping, "_clear", lambda _solid, places, inside: np.zeros(len(places), dtype=bool)
    )
    all_measured = clipping.clipped_points(points, feet, [solid], inner_mm=inner, tolerance_mm=2.0)
    assert found.any()
    assert np.mean(found != all_measured) < 0.004
