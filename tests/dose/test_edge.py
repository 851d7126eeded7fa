"""The edge dose: what the border of the grid cuts bounds what lies beyond, in any orientation."""

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.phantoms import dose, dose_on_grid, linear, round_stack, sphere, structure

from planeval.dose.biology import Conversion, biological_histogram
from planeval.dose.calculation import dose_volume_histogram
from planeval.dose.edge import edge_dose
from planeval.dose.field import trilinear
from planeval.geometry.grid import Grid
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack, PlaneFrame
from planeval.model import Biology, Dose, DoseTerm

RADIUS = 20.0
BALL = structure(round_stack(sphere(RADIUS), 2.0, half_mm=RADIUS), "Ball")
STRAIGHT = np.eye(3)
TURNED = {
    "HFS": ((1, 0, 0), (0, 1, 0), False),
    "HFP": ((-1, 0, 0), (0, -1, 0), False),
    "FFS": ((-1, 0, 0), (0, 1, 0), True),
    "HFDR": ((0, -1, 0), (1, 0, 0), True),
    "sagittal": ((0, 1, 0), (0, 0, -1), False),
    "coronal": ((1, 0, 0), (0, 0, -1), True),
}


def box_grid(low, high, step=(2.5, 2.0, 3.0), axes=STRAIGHT) -> Grid:
    """A grid whose field ends exactly at two corners, (x, y, z) along the given directions."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    counts = np.round((high - low) / step).astype(int)
    steps = (high - low) / counts
    origin = (low + steps / 2) @ axes
    return Grid(
        tuple(origin), tuple(axes[0]), tuple(axes[1]), steps[1], steps[0], counts[1], counts[0],
        tuple(np.arange(counts[2]) * steps[2]),
    )  # fmt: skip


def term_on(grid: Grid, function, **more) -> DoseTerm:
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    points = grid.to_patient(np.stack([k.ravel(), j.ravel(), i.ravel()], axis=1))
    return DoseTerm(grid, function(*points.T).reshape(grid.shape), more.pop("fractions", 5), **more)


def cut_at(z_mm: float, function, **more) -> DoseTerm:
    """A dose around the ball that ends at a height."""
    return term_on(box_grid((-30, -30, -30), (30, 30, z_mm)), function, **more)


def ball_to_edge(function, z_mm=6.0):
    """The ball's DVH without and with its edge dose, and that dose."""
    made = dose(cut_at(z_mm, function))
    edge = edge_dose(BALL, made)
    plain = dose_volume_histogram(BALL, made)
    return plain, plain.with_outside(at_most_gy=edge.value), edge.value


def test_the_edge_dose_of_a_dose_that_falls_along_the_cut_normal_is_exact():
    """D = 60 - z, cut at z = 6: the border has the dose of the last voxel centre, 1.5 mm before."""
    _, _, edge = ball_to_edge(linear(0, 0, -1, at_centre=60))
    assert edge == pytest.approx(60 - 4.5, abs=1e-5)


@pytest.mark.parametrize("gradient", [(0.5, 0), (-0.5, 0), (0, 0.7), (0.4, -0.3)])
def test_across_the_cut_the_edge_dose_is_a_bound_within_one_voxel(gradient):
    """On a disc of radius r the largest D is D0 + |gradient| r; the bound is at most a voxel more."""
    made = dose(cut_at(6.0, linear(*gradient, 0, at_centre=50)))
    # planes every 2 mm, shifted by 1: the cut at 6 lies between the slabs of 5 and 7
    largest = max(np.abs(shapely.get_coordinates(s.area) @ gradient).max() for s in at_height(6.0))
    edge = edge_dose(BALL, made).value
    assert 50 + largest - 1e-4 <= edge <= 50 + largest + np.abs(gradient) @ (2.5, 2.0)


def at_height(z_mm):
    return [s for s in BALL.stack.slabs() if s.low_mm <= z_mm <= s.high_mm]


def test_only_the_cut_counts():
    """A hot spot on the border beside the cut, and one inside the ball, do not raise the ceiling."""

    def field(x, y, z):
        beside = (x > 25) & (z > 3)
        return 10.0 + 50.0 * beside + 40.0 * (x**2 + y**2 + (z + 10) ** 2 < 25)

    assert edge_dose(BALL, dose(cut_at(6.0, field))).value == pytest.approx(10.0)
    assert dose_volume_histogram(BALL, dose(cut_at(6.0, field))).hottest.gy > 45


def test_max_mean_and_min_to_the_edge():
    """Max is the inside's, Min may be anything up to the edge, Mean is a volume-weighted pair."""
    plain, to_edge, edge = ball_to_edge(linear(0, 0, -1, at_centre=60))
    inside, outside = plain.inside_cc, plain.outside_cc
    assert plain.max().possible[1] == math.inf
    assert to_edge.max().possible == (pytest.approx(79, abs=1.1), pytest.approx(80, abs=1.1))
    assert to_edge.min().possible == (0.0, pytest.approx(edge))
    known = plain.mean().possible[0] * plain.total_cc / inside
    low, high = to_edge.mean().possible
    assert low == plain.mean().possible[0]
    # the ends of the interval hold the end caps too, which move the mean by some tenths
    assert high == pytest.approx((known * inside + edge * outside) / (inside + outside), abs=0.6)


def test_volumes_at_doses_above_the_edge_are_known_but_for_the_band():
    """Above the edge dose nothing outside counts as hot and all of it as spared."""
    plain, to_edge, edge = ball_to_edge(linear(0, 0, -1, at_centre=60))
    outside = plain.outside_cc
    above, below = edge + 0.01, edge - 0.01
    (low, high), (least, most) = plain.v(gy=above).possible, to_edge.v(gy=above).possible
    assert (least, most) == (low, pytest.approx(high - outside, abs=0.3))
    assert to_edge.v(gy=below).possible == plain.v(gy=below).possible
    (low, high), (least, most) = plain.cv(gy=above).possible, to_edge.cv(gy=above).possible
    assert (least, most) == (pytest.approx(low + outside, abs=0.3), high)
    assert to_edge.cv(gy=below).possible == plain.cv(gy=below).possible
    share = to_edge.v(gy=above, unit="%").possible
    assert share[1] == pytest.approx(
        100 * to_edge.v(gy=above).possible[1] / plain.total_cc, rel=0.05
    )


def test_doses_at_volumes_stop_at_the_edge():
    """D(x) with a hot rest: between the inside alone and the edge; DC(x) likewise from below."""
    plain, to_edge, edge = ball_to_edge(linear(0, 0, -1, at_centre=60))
    small, large = 1.0, plain.total_cc - 1.0
    assert plain.d(cc=small).possible[1] == math.inf
    alone = plain.d(cc=small).possible[0]
    assert alone <= to_edge.d(cc=small).possible[1] <= alone + 2
    assert to_edge.d(cc=large).possible == (0.0, pytest.approx(edge))
    assert to_edge.dc(cc=small).possible == (0.0, pytest.approx(edge))
    assert plain.dc(cc=large).possible[1] == math.inf
    assert to_edge.dc(cc=large).possible[1] < 79


@pytest.mark.parametrize("ceiling", [0.0, 5.0, 20.0, 62.0, 200.0])
@pytest.mark.parametrize("exponent", [1.0, 8.0, -5.0])
def test_geud_to_the_edge_is_the_power_mean_with_the_rest_at_the_ceiling(ceiling, exponent):
    """(share x inside^a + rest x ceiling^a)^(1/a), within what the end caps change (5 %)."""
    plain, _, _ = ball_to_edge(linear(0, 0, -1, at_centre=60))
    low, high = plain.with_outside(at_most_gy=ceiling).geud(exponent).possible
    least, most = plain.geud(exponent).possible
    assert low == least
    assert high <= most
    share = plain.inside_cc / plain.total_cc
    # what the inside alone has, from the interval without a ceiling
    inside = (most if exponent < 0 else least) * share ** (-1 / exponent)
    powers = share * inside**exponent
    if ceiling > 0:
        powers += (1 - share) * ceiling**exponent
    want = 0.0 if ceiling == 0 and exponent < 0 else powers ** (1 / exponent)
    assert high == pytest.approx(want, rel=0.05)


def test_a_ceiling_of_infinity_is_no_ceiling_and_a_negative_one_no_dose():
    """The default is what it was."""
    plain, _, _ = ball_to_edge(linear(0, 0, -1, at_centre=60))
    same = plain.with_outside(at_most_gy=math.inf)
    for ask in (lambda d: d.max(), lambda d: d.mean(), lambda d: d.d(cc=2), lambda d: d.dc(percent=5),
                lambda d: d.v(gy=58), lambda d: d.cv(gy=58), lambda d: d.geud(-3)):  # fmt: skip
        assert repr(ask(same)) == repr(ask(plain))
        assert ask(same).possible == ask(plain).possible
    with pytest.raises(ValueError, match="at most -1 Gy outside the dose grid: need at least 0 Gy"):
        plain.with_outside(at_most_gy=-1)
    with pytest.raises(ValueError, match="need at least 0 Gy"):
        plain.with_outside(at_most_gy=math.nan)


def test_a_ceiling_above_everything_leaves_what_was_known_without_one():
    """Finite ends of the default interval stay; a low ceiling is the highest that Min can be."""
    plain, _, _ = ball_to_edge(linear(0, 0, -1, at_centre=60))
    high = plain.with_outside(at_most_gy=500.0)
    for ask in (lambda d: d.dc(cc=5), lambda d: d.dc(percent=30), lambda d: d.d(cc=30), lambda d: d.min(),
                lambda d: d.v(gy=58), lambda d: d.cv(gy=58), lambda d: d.geud(-60)):  # fmt: skip
        assert ask(high).possible == pytest.approx(ask(plain).possible, rel=1e-9)
    for ask in (lambda d: d.dc(percent=90), lambda d: d.d(cc=2), lambda d: d.max()):
        assert ask(high).possible == (ask(plain).possible[0], 500.0)
    assert plain.with_outside(at_most_gy=10.0).min().possible == (0.0, 10.0)


def test_the_reason_says_what_was_taken_for_granted():
    """Number and assumption stand in one sentence."""
    _, to_edge, _ = ball_to_edge(linear(0, 0, -1, at_centre=60))
    assert (
        "outside the dose grid: with at most 55.50 Gy there, Max is between" in to_edge.max().reason
    )


@pytest.mark.parametrize("name", TURNED)
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("side", [-1, 1])
def test_every_face_in_every_orientation(name, axis, side):
    """The ball sticks out of one face; the dose falls along that axis, so the edge dose is exact."""
    row, column, descending = TURNED[name]
    gradient, centre = np.zeros(3), np.zeros(3)
    gradient[axis], centre[axis] = -side * 1.0, -side * 30.0
    term = dose_on_grid(
        linear(*gradient, at_centre=60), step_mm=(2.0, 2.0, 2.0), half_mm=(35, 35, 35),
        row=row, column=column, descending=descending, centre=centre,
    )  # fmt: skip
    outermost = float(term.gy.min())
    assert 50 < outermost < 60
    assert edge_dose(BALL, dose(term)).value == pytest.approx(outermost, abs=1e-4)


def tilt(degrees, axis=0):
    a = math.radians(degrees)
    turn = np.array([[1, 0, 0], [0, math.cos(a), -math.sin(a)], [0, math.sin(a), math.cos(a)]])
    return np.roll(turn, (axis, axis), (0, 1))


@pytest.mark.parametrize(("degrees", "axis"), [(12, 0), (30, 1), (-20, 2)])
def test_a_grid_at_an_angle_gives_a_bound_of_everything_its_lattice_leaves_out(degrees, axis):
    """At every point of the ball near the border: no true dose that counts as outside is higher."""
    axes = tilt(degrees, axis)
    grid = box_grid((-40, -40, -40), (40, 40, 6), (2.5, 2.5, 2.5), axes)
    term = term_on(grid, lambda x, y, z: 60 - 0.9 * z + 0.3 * x + 5 * np.sin(y / 4))
    edge = edge_dose(BALL, dose(term)).value
    points = np.random.default_rng(1).uniform(-RADIUS, RADIUS, (200_000, 3))
    points = points[(points**2).sum(axis=1) < (RADIUS - 0.1) ** 2]
    depth = 6 - (points @ axes.T)[:, 2]
    layer = trilinear(term, points[(depth >= 0) & (depth < 0.87 * 2.5)])
    assert layer.max() <= edge <= layer.max() + 5


@pytest.mark.parametrize("degrees", [12, -25])
def test_a_grid_at_an_angle_counts_its_second_voxel_plane(degrees):
    """A dose that falls along the grid's own normal: the bound is that of the plane 1.5 steps deep."""
    axes = tilt(degrees)
    grid = box_grid((-40, -40, -40), (40, 40, 6), (2.5, 2.5, 2.5), axes)
    term = term_on(grid, lambda x, y, z: 60 - np.stack([x, y, z], axis=-1) @ axes[2])
    second = 6 - 1.5 * grid.offsets_mm[1]
    assert edge_dose(BALL, dose(term)).value == pytest.approx(60 - second, abs=1e-4)


def test_what_the_lattice_leaves_out_within_the_grid_has_an_edge_too():
    """A brick that ends short of an oblique border: a part may count as outside, and then is bounded."""
    axes = tilt(20)
    grid = box_grid((-40, -40, -40), (40, 40, 6), (2.5, 2.5, 2.5), axes)
    made = dose(term_on(grid, lambda x, y, z: 60 - z))
    deepest = 0.0
    for depth in np.arange(0.3, 1.5, 0.3):
        v, w = (np.array([0.0, 0.0, 6 - depth]) @ axes)[1:]
        planes = [DrawnPlane(w - n / 5, shapely.box(-3, v - 6, 3, v)) for n in range(16)]
        stack = PlanarStack(AXIAL, planes, spacing_mm=0.2)
        brick = structure(stack, "Brick", caps="none", lattice_cells=1)
        if dose_volume_histogram(brick, made).outside_cc > 0:
            deepest = depth
            assert edge_dose(brick, made).is_defined
    assert deepest > 0.8


def test_the_interval_of_a_grid_at_an_angle_holds_the_truth():
    """The same field on a larger grid at the same angle: every metric lies between the ends."""
    axes = tilt(15)
    small, whole = (
        dose(term_on(box_grid((-40, -40, -40), (40, 40, top), (2.5, 2.5, 2.5), axes),
                     lambda x, y, z: 80 * np.exp(-(x**2 + y**2 + (z + 15) ** 2) / 900)))
        for top in (5, 40)
    )  # fmt: skip
    truth, plain = dose_volume_histogram(BALL, whole), dose_volume_histogram(BALL, small)
    assert truth.outside_cc == 0
    to_edge = plain.with_outside(at_most_gy=edge_dose(BALL, small).value)
    for ask in ASKED:
        low, high = ask(to_edge).possible
        assert low <= float(ask(truth)) <= high


ASKED = (
    lambda d: d.max(), lambda d: d.mean(), lambda d: d.min(), lambda d: d.median(),
    lambda d: d.d(cc=0.5), lambda d: d.d(percent=95), lambda d: d.dc(cc=2), lambda d: d.dc(percent=80),
    lambda d: d.v(gy=20), lambda d: d.v(gy=35, unit="%"), lambda d: d.cv(gy=20),
    lambda d: d.cv(gy=35, unit="%"), lambda d: d.geud(6), lambda d: d.geud(-4),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    cut=st.integers(6, 18),
    low=st.tuples(st.floats(-14, -2), st.floats(-14, -2)),
    size=st.tuples(st.floats(4, 21), st.floats(4, 21)),
    height=st.integers(3, 8),
    fall=st.tuples(st.floats(0.0, 0.2), st.floats(0.0, 0.2), st.floats(0.01, 0.3)),
)
def test_law_within_the_default_and_around_the_truth(cut, low, size, height, fall):
    """For a dose that falls off outward: default interval >= edge interval, which holds the truth.

    The voxel planes on both sides of the cut are equal, so that the field inside is the same with and
    without the part that is cut off.
    """
    grid = box_grid((-20, -20, -20), (20, 20, 40), (2.0, 2.0, 2.0))

    def field(x, y, z):
        return 70 * np.exp(-fall[0] * abs(x) - fall[1] * abs(y) - fall[2] * np.maximum(z + 12, 0))

    array = term_on(grid, field).gy.copy()
    array[cut + 1 :] = np.minimum(array[cut + 1 :], array[cut])
    array[cut + 1] = array[cut]
    short = Grid(grid.origin_mm, grid.row, grid.column, 2.0, 2.0, grid.rows, grid.columns,
                 grid.offsets_mm[: cut + 1])  # fmt: skip
    inside, whole = dose(DoseTerm(short, array[: cut + 1])), dose(DoseTerm(grid, array))
    border = -20 + 2.0 * (cut + 1)
    square = shapely.box(*low, low[0] + size[0], low[1] + size[1])
    planes = [DrawnPlane(border + 2.5 * (n - height / 2) + 0.3, square) for n in range(height)]
    solid = structure(PlanarStack(AXIAL, planes), "Brick")
    plain, truth = dose_volume_histogram(solid, inside), dose_volume_histogram(solid, whole)
    edge = edge_dose(solid, inside)
    assert truth.outside_cc == 0 < plain.outside_cc
    to_edge = plain.with_outside(at_most_gy=edge.value)
    for ask in ASKED:
        if not ask(truth).is_defined:
            continue
        wide, narrow, true = ask(plain).possible, ask(to_edge).possible, ask(truth).value
        assert wide[0] <= narrow[0] <= narrow[1] <= wide[1]
        assert narrow[0] - 1e-4 <= true <= narrow[1] + 1e-4


def test_nothing_cut_gives_no_edge_dose():
    """A ball wholly outside, and one wholly inside."""
    field = linear(0, 0, 0, at_centre=10)
    beyond = dose(term_on(box_grid((60, 60, 60), (90, 90, 90)), field))
    assert "33.55 cc of Ball lie in parts wholly outside" in edge_dose(BALL, beyond).reason
    around = dose(term_on(box_grid((-40, -40, -40), (40, 40, 40)), field))
    assert "border of the dose grid does not cut Ball" in edge_dose(BALL, around).reason


def test_a_part_wholly_outside_has_no_cut_of_its_own():
    """Two bricks, one cut and one beyond: nothing speaks for the second."""
    pair = shapely.union(shapely.box(-25, -5, -5, 5), shapely.box(35, -5, 45, 5))
    solid = structure(
        PlanarStack(AXIAL, [DrawnPlane(float(z), pair) for z in range(-10, 20, 5)]), "Pair"
    )
    made = dose(cut_at(6.0, linear(0, 0, 0, at_centre=10)))
    reason = edge_dose(solid, made).reason
    assert reason == (
        "3.00 cc of Pair lie in parts wholly outside the dose grid, which its border does not cut"
    )
    near = structure(
        PlanarStack(AXIAL, [DrawnPlane(float(z), pair.geoms[0]) for z in range(-10, 20, 5)])
    )
    assert edge_dose(near, made).value == pytest.approx(10)


def test_terms_on_one_grid_add_up():
    """Two beams on one grid, one of them stored head to foot: the sum's highest dose on the cut."""
    one = cut_at(6.0, linear(0.5, 0, 0, at_centre=20))
    other = cut_at(6.0, linear(-0.5, 0, 0, at_centre=30))
    grid = other.grid
    end = tuple(grid.to_patient([[grid.shape[0] - 1, 0, 0]])[0])
    flipped = DoseTerm(
        Grid(end, grid.row, grid.column, grid.row_step_mm, grid.column_step_mm, grid.rows, grid.columns,
             tuple(-o for o in grid.offsets_mm)),
        other.gy[::-1],
        5,
    )  # fmt: skip
    for second in (other, flipped):
        assert edge_dose(BALL, Dose((one, second))).value == pytest.approx(50, abs=1e-4)


def test_a_sum_of_grids_with_different_borders_has_no_edge_dose():
    """Beyond the first grid the second is known and may be higher."""
    one, other = (cut_at(z, linear(0, 0, 0, at_centre=20)) for z in (6.0, 12.0))
    value = edge_dose(BALL, Dose((one, other)))
    assert "a sum of grids with different borders" in value.reason
    shift = np.eye(4)
    shift[0, 3] = 1.0
    moved = DoseTerm(one.grid, one.gy, 5, to_case=shift)
    assert not edge_dose(BALL, Dose((one, moved))).is_defined
    assert edge_dose(BALL, Dose((moved,))).value == pytest.approx(20)


def test_eqd2_and_bed_convert_the_edge_and_add_deliveries_after():
    """One plan: EQD2 of the ceiling. Two plans: each converted with its own fractions."""
    one = cut_at(6.0, linear(0, 0, -1, at_centre=60), fractions=5, plan_uid="a")
    other = cut_at(6.0, linear(0, 0, -0.5, at_centre=30), fractions=20, plan_uid="b")
    for biology in (Biology("EQD2", 3.0), Biology("BED", 10.0)):
        first = Conversion(5, biology.alpha_beta_gy, biology.quantity)(55.5)
        second = Conversion(20, biology.alpha_beta_gy, biology.quantity)(27.75)
        assert edge_dose(BALL, dose(one), biology).value == pytest.approx(first, rel=1e-5)
        both = Dose((one, other))
        assert edge_dose(BALL, both, biology).value == pytest.approx(first + second, rel=1e-5)
    together = Dose((one, DoseTerm(other.grid, other.gy, 5, plan_uid="a")))
    want = Conversion(5, 3.0, "EQD2")(55.5 + 27.75)
    assert edge_dose(BALL, together, Biology("EQD2", 3.0)).value == pytest.approx(want, rel=1e-5)


def test_a_converted_dvh_with_its_ceiling_is_the_converted_interval():
    """One delivery: converting commutes with every order statistic."""
    made, biology = dose(cut_at(6.0, linear(0, 0, -1, at_centre=60))), Biology("EQD2", 3.0)
    convert = Conversion(5, 3.0, "EQD2")
    physical = dose_volume_histogram(BALL, made).with_outside(
        at_most_gy=edge_dose(BALL, made).value
    )
    converted = biological_histogram(BALL, made, biology).with_outside(
        at_most_gy=edge_dose(BALL, made, biology).value
    )
    for ask in (lambda d: d.max(), lambda d: d.d(cc=30), lambda d: d.dc(cc=1)):
        want = [float(convert(gy)) for gy in ask(physical).possible]
        assert ask(converted).possible == pytest.approx(want, rel=1e-3)


def test_sagittal_planes_in_an_axial_dose():
    """Drawn planes need not be the dose's: the border's faces turn with the frame."""
    frame = PlaneFrame((0, 1, 0), (0, 0, 1))
    ball = structure(round_stack(sphere(RADIUS), 2.0, half_mm=RADIUS, frame=frame), "Ball")
    made = dose(cut_at(6.0, linear(0, 0, -1, at_centre=60)))
    assert edge_dose(ball, made).value == pytest.approx(55.5, abs=1e-5)
