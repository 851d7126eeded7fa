"""Surfaces, distances and agreement of solids against closed forms and brute force."""

from itertools import pairwise

import numpy as np
import pytest
import shapely
from scipy.spatial import KDTree
from tests.phantoms import cylinder, disc, round_stack, sphere

from planeval.errors import GeometryError
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack, PlaneFrame, Slab
from planeval.geometry.surface import agreement, surface_of

SAGITTAL = PlaneFrame((0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
TILTED = PlaneFrame((0.8, 0.0, 0.6), (0.0, 1.0, 0.0))


def box_stack(low, high, spacing=3.0):
    """A box drawn so that half a spacing beyond the end planes is its real end."""
    count = round((high[2] - low[2]) / spacing)
    heights = low[2] + (np.arange(count) + 0.5) * spacing
    area = shapely.box(low[0], low[1], high[0], high[1])
    return PlanarStack(AXIAL, [DrawnPlane(float(z), area) for z in heights], spacing_mm=spacing)


@pytest.mark.parametrize("spacing", [1.0, 2.0, 3.0, 5.0])
@pytest.mark.parametrize("phase", [0.05, 0.5])
def test_a_sphere_has_its_area_volume_and_ends(spacing, phase):
    """Whatever the spacing: area within 0.5 %, volume within 0.8 %, the poles within 0.05 mm."""
    surface = surface_of(round_stack(sphere(15), spacing, half_mm=15, phase=phase))
    assert surface.area_mm2 == pytest.approx(4 * np.pi * 225, rel=0.005)
    assert surface.volume_cc == pytest.approx(4 / 3 * np.pi * 3.375, rel=0.008)
    low, high = surface.bounds_mm
    assert (low[2], high[2]) == pytest.approx((-15, 15), abs=0.05)
    assert [*low, *high] == pytest.approx([-15] * 3 + [15] * 3, abs=0.25)
    assert surface.centroid_mm == pytest.approx((0, 0, 0), abs=0.03)


def test_a_box_ends_flat_and_has_horizontal_faces():
    """Faces have their areas and their normals; the rim is sharp."""
    surface = surface_of(box_stack((-20, -10, -15), (20, 10, 15)))
    points = surface.points()
    assert surface.area_mm2 == pytest.approx(2 * (40 * 20 + 40 * 30 + 20 * 30), rel=0.01)
    top = points.normals[:, 2] > 0.99
    assert top.sum() * points.area_mm2 == pytest.approx(800, rel=0.02)
    assert points.points_mm[top][:, 2] == pytest.approx(15, abs=0.03)
    assert points.total_mm2 == pytest.approx(surface.area_mm2)


def test_points_are_even_and_normals_point_outwards():
    """Every octant of a sphere has an eighth of the points; normals are radial."""
    points = surface_of(round_stack(sphere(15), 3.0, half_mm=15)).points()
    octants = (points.points_mm > 0) @ [1, 2, 4]
    assert np.bincount(octants) == pytest.approx(len(octants) / 8, rel=0.06)
    around = surface_of(round_stack(sphere(15), 3.0, half_mm=15)).points(0.3).points_mm
    away = KDTree(points.points_mm).query(around)[0]
    assert away.max() < 1.6 * np.sqrt(points.area_mm2), "a hole"
    radial = points.points_mm / np.linalg.norm(points.points_mm, axis=1)[:, None]
    assert np.percentile((radial * points.normals).sum(axis=1), [0, 1]) == pytest.approx(
        1, abs=0.15
    )
    assert np.percentile((radial * points.normals).sum(axis=1), 1) > 0.985


@pytest.mark.parametrize("frame", [AXIAL, SAGITTAL, TILTED])
@pytest.mark.parametrize("spacing", [1.5, 3.0, 5.0])
def test_the_distance_between_spheres_does_not_know_the_planes(frame, spacing):
    """Spheres of 12 and 18 mm, the outer one shifted: the margin is the closed form's everywhere.

    Whichever way and however far apart the planes lie, no point is off by more than 0.2 mm.
    """
    inner = surface_of(round_stack(sphere(12), spacing, half_mm=12, frame=frame))
    stack = round_stack(sphere(18), spacing, half_mm=18, phase=0.2, frame=frame)
    outer = surface_of(stack)
    points = inner.points()
    expected = 18 - np.linalg.norm(points.points_mm, axis=1)
    assert np.abs(outer.depth_mm(points.points_mm) - expected).max() < 0.2


def test_distances_match_brute_force_on_an_odd_solid():
    """Against a million dense points of an L-shaped prism: outside, inside, at corners."""
    shape = shapely.union(shapely.box(0, 0, 30, 12), shapely.box(0, 0, 12, 30))
    heights = (np.arange(10) + 0.5) * 2.0
    stack = PlanarStack(AXIAL, [DrawnPlane(float(z), shape) for z in heights], spacing_mm=2.0)
    rng = np.random.default_rng(3)
    queries = rng.uniform((-8, -8, -8), (38, 38, 28), (150, 3))
    found = surface_of(stack).depth_mm(queries)
    flat = [shapely.distance(shape, shapely.Point(q)) for q in queries[:, :2]]
    inside = shapely.contains_xy(shape, *queries[:, :2].T) & (queries[:, 2] % 20 == queries[:, 2])
    out = np.hypot(flat, np.maximum(0, np.abs(queries[:, 2] - 10) - 10))
    wall = [shapely.distance(shape.boundary, shapely.Point(q)) for q in queries[:, :2]]
    depth = np.minimum(wall, 10 - np.abs(queries[:, 2] - 10))
    assert found == pytest.approx(np.where(inside, depth, -out), abs=0.3)
    assert np.median(np.abs(found - np.where(inside, depth, -out))) < 0.02


def test_travel_is_the_way_along_a_direction():
    """From inside it is the way out, from outside the way back, and never where there is none."""
    surface = surface_of(box_stack((-20, -10, -15), (20, 10, 15)))
    start = np.array([[0.0, 0, 0], [5.0, 3.0, 2.0], [24.0, 0, 0], [0, 30.0, 0]])
    assert surface.travel_mm(start, (1, 0, 0)) == pytest.approx([20, 15, -4, -np.inf], abs=0.05)
    assert surface.travel_mm(start[:2], (0, 0, -1)) == pytest.approx([15, 17], abs=0.05)


def test_parts_that_end_between_planes_keep_their_ends():
    """Two columns of different height in one structure: each ends half a spacing beyond itself."""
    both = shapely.union(disc(8.0), disc(8.0, (40.0, 0.0)))
    planes = [DrawnPlane(3.0 * k, both if k < 5 else disc(8.0)) for k in range(10)]
    surface = surface_of(PlanarStack(AXIAL, planes, spacing_mm=3.0))
    points = surface.points()
    short = points.points_mm[:, 0] > 20
    assert points.points_mm[short][:, 2].max() == pytest.approx(13.5, abs=0.05)
    assert points.points_mm[~short][:, 2].max() == pytest.approx(28.5, abs=0.05)


def test_a_gap_is_not_filled():
    """Planes that are missing leave two solids with ends of their own."""
    planes = [DrawnPlane(float(z), disc(10.0)) for z in (0, 3, 6, 21, 24, 27)]
    surface = surface_of(PlanarStack(AXIAL, planes, spacing_mm=3.0))
    assert surface.depth_mm(np.array([[0.0, 0, 13.5], [0, 0, 3]])) == pytest.approx(
        [-6, 4.5], abs=0.1
    )


def test_a_derived_stack_is_measured_by_its_slabs():
    """One thick slab is a box; thin slabs of a ball are a ball."""
    slab = Slab(0.0, 40.0, disc(10.0))
    low, high = surface_of(PlanarStack(AXIAL, slabs=[slab])).bounds_mm
    assert (low[2], high[2]) == pytest.approx((0, 40), abs=0.03)
    edges = np.linspace(-15, 15, 31)
    slabs = [Slab(a, b, disc(sphere(15)((a + b) / 2))) for a, b in pairwise(edges.tolist())]
    ball = surface_of(PlanarStack(AXIAL, slabs=slabs))
    distance = np.linalg.norm(ball.points().points_mm, axis=1)
    assert np.abs(distance - 15).max() < 0.6
    assert np.percentile(np.abs(distance - 15), 95) < 0.15


def test_concentric_spheres_agree_as_the_closed_form_says():
    """Dice 2 a^3 / (a^3 + b^3), all distances b - a, shifted centre."""
    one = round_stack(sphere(16), 2.0, half_mm=16)
    other = round_stack(sphere(14), 2.0, half_mm=14)
    found = agreement(one, other, tolerance_mm=1.0)
    assert found.dice == pytest.approx(2 * 14**3 / (14**3 + 16**3), rel=0.01)
    assert found.surface_dice == 0.0
    assert found.mean_distance_mm == pytest.approx(2.0, abs=0.05)
    assert found.hd95_mm == pytest.approx(2.0, abs=0.1)
    assert found.hausdorff_mm == pytest.approx(2.0, abs=0.2)
    assert found.volume_difference_cc == pytest.approx(4 / 3 * np.pi * (4.096 - 2.744), rel=0.01)


def test_a_shift_shows_in_both_directions():
    """The same cylinder 3 mm to the left: centroid 3 mm, largest distance 3 mm, sharp tolerance."""
    one = round_stack(cylinder(12), 3.0, half_mm=15, centre=(3.0, 0.0, 0.0))
    other = round_stack(cylinder(12), 3.0, half_mm=15)
    found = agreement(one, other, tolerance_mm=3.05)
    assert found.centroid_shift_mm == pytest.approx((3, 0, 0), abs=0.03)
    assert found.hausdorff_mm == pytest.approx(3, abs=0.1)
    assert found.surface_dice == pytest.approx(1.0, abs=0.01)
    narrow = agreement(one, other, tolerance_mm=1.0)
    # on the wall |3 cos a| <= 1 holds for this share of the angles; the end discs overlap
    assert 0.2 < narrow.surface_dice < 0.65


def test_planes_that_are_not_parallel_have_no_dice():
    """Distances are fine in any frame; an exact Dice needs parallel planes."""
    one = round_stack(sphere(10), 2.0, half_mm=10)
    other = round_stack(sphere(10), 2.0, half_mm=10, frame=SAGITTAL)
    found = agreement(one, other, tolerance_mm=1.0)
    assert found.dice is None
    assert found.hausdorff_mm < 0.3


def test_nothing_solid_is_refused():
    """An empty stack, and one plane whose thickness nobody states, have no surface."""
    with pytest.raises(GeometryError, match="nothing solid"):
        surface_of(PlanarStack(AXIAL))
    with pytest.raises(GeometryError, match="no stated thickness"):
        surface_of(PlanarStack(AXIAL, [DrawnPlane(0.0, disc(5.0))]))


def test_ends_know_how_much_the_drawing_leaves_open():
    """A tapered tip is known within a quarter spacing, a flat end within half a spacing each way."""
    ball = surface_of(round_stack(sphere(15), 4.0, half_mm=15)).solid.high
    assert ball.outward_mm <= 1.0
    assert ball.inward_mm <= 1.0
    flat = surface_of(box_stack((-20, -10, -16), (20, 10, 16), 4.0)).solid.high
    assert (flat.drawn_mm, flat.taken_mm) == pytest.approx((14, 16))
    assert (flat.inward_mm, flat.outward_mm) == pytest.approx((2, 2))
