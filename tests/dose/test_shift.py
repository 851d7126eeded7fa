"""Shifted doses: closed forms, brute force on structures that really move, and the edge of the grid."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from tests.phantoms import dose, dose_on_grid, linear, round_stack, sphere, structure

from planeval.dose.biology import Conversion, biological_histogram
from planeval.dose.calculation import Coverages, cover_structure, dose_volume_histogram
from planeval.dose.field import DoseField, trilinear
from planeval.dose.shift import shifted_doses
from planeval.dose.summation import moved
from planeval.errors import GeometryError
from planeval.geometry.coverage import cover
from planeval.model import Biology

ASKED = (lambda d: d.mean(), lambda d: d.max(), lambda d: d.d(percent=95), lambda d: d.v(gy=30))
GRADIENT = (0.31, -0.22, 0.17)
ORIENTATIONS = {
    "HFS": ((1, 0, 0), (0, 1, 0), False),
    "FFP": ((1, 0, 0), (0, -1, 0), True),
    "HFP": ((-1, 0, 0), (0, -1, 0), False),
    "FFS": ((-1, 0, 0), (0, 1, 0), True),
    "coronal": ((1, 0, 0), (0, 0, -1), False),
}


def ball(radius_mm=14.0, centre=(2.0, -3.0, 4.0)):
    return structure(round_stack(sphere(radius_mm), 2.0, half_mm=radius_mm, centre=centre))


def shifts(*rows):
    return np.array(rows, dtype=float)


def once(term, *rows, box=None):
    """The dose over the shifts of some fractions; a single one is exact."""
    (found,) = shifted_doses(dose(term), [(shifts(*rows),)], box)
    return found


def on_grid(term, row, **more):
    """The same shift in two fractions, which is averaged on the grid."""
    return once(term, row, row, **more)


def bumpy(x, y, z):
    """A dose like a plan's: a plateau with a penumbra of some mm, and a slope, no symmetry."""
    edge = 1 / (1 + np.exp((np.sqrt((x - 3) ** 2 + (y + 4) ** 2 + 0.8 * z**2) - 16) / 2.6))
    return 50 * edge + 4 + 0.03 * x - 0.02 * y + 0.01 * z


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize(
    "shift", [(3.1, 0, 0), (0, 3.1, 0), (0, 0, 3.1), (-1.3, 2.2, -4.7)], ids=str
)
@pytest.mark.parametrize("way", [once, on_grid])
def test_linear_dose_changes_by_gradient_times_shift(orientation, shift, way):
    """Anatomy that moves to the left gets the dose that lies further left, in every orientation."""
    row, column, descending = ORIENTATIONS[orientation]
    term = dose_on_grid(linear(*GRADIENT), row=row, column=column, descending=descending)
    target = ball()
    before = dose_volume_histogram(target, dose(term)).mean().value
    after = dose_volume_histogram(target, way(term, shift)).mean().value
    assert after - before == pytest.approx(float(np.dot(GRADIENT, shift)), abs=1e-4)


def test_direction_is_that_of_an_asymmetric_phantom():
    """Dose that lies to the left only: anatomy shifted left gets it, shifted right does not."""
    term = dose_on_grid(lambda x, y, z: np.where(x > 14, 60.0, 0.0))
    target = ball(8, (2.0, 0.0, 0.0))
    assert dose_volume_histogram(target, once(term, (25, 0, 0))).mean().value == pytest.approx(
        60, abs=0.5
    )
    assert dose_volume_histogram(target, once(term, (-5, 0, 0))).max().value == 0.0


def test_random_shifts_average_out():
    """Opposite shifts of a linear dose cancel; those of a quadratic one add the variance."""
    pairs = ((2.1, 0.4, -3.3), (-2.1, -0.4, 3.3))
    term = dose_on_grid(linear(*GRADIENT))
    target = ball()
    planned = dose_volume_histogram(target, dose(term))
    averaged = dose_volume_histogram(target, once(term, *pairs))
    for percent in (2, 50, 98):
        assert averaged.d(percent=percent).value == pytest.approx(
            planned.d(percent=percent).value, abs=1e-3
        )
    square = dose_on_grid(lambda x, y, z: 0.02 * z**2, step_mm=(2.5, 2.3, 1.1))
    gain = (
        dose_volume_histogram(target, once(square, (0, 0, 3.3), (0, 0, -3.3))).mean().value
        - dose_volume_histogram(target, dose(square)).mean().value
    )
    assert gain == pytest.approx(0.02 * 3.3**2, abs=1e-4)


def test_uniform_dose_stays():
    """Nothing changes where nothing varies."""
    term = dose_on_grid(lambda x, y, z: 0 * x + 47.3)
    found = dose_volume_histogram(ball(), once(term, (3, 4, 5), (-2, 0.1, -7)))
    assert (found.min().value, found.max().value) == pytest.approx((47.3, 47.3), abs=1e-5)


def test_no_shift_is_the_planned_dose():
    """A scenario without a shift gives every number of the plan."""
    term = dose_on_grid(bumpy, descending=True)
    target = ball()
    planned = dose_volume_histogram(target, dose(term))
    again = dose_volume_histogram(target, once(term, (0, 0, 0), (0, 0, 0), box=target.bounds_mm))
    for ask in (lambda d: d.mean(), lambda d: d.max(), lambda d: d.min(), lambda d: d.d(cc=0.03)):
        assert ask(again).value == pytest.approx(ask(planned).value, abs=1e-5)


def test_whole_voxels_equal_a_structure_that_really_moved():
    """Shifts by whole voxels: the same as moving the contours, to rounding."""
    term = dose_on_grid(bumpy)
    shift = (2 * 2.5, -1 * 2.3, 3 * 1.7)
    centre = np.array([2.0, -3.0, 4.0])
    really = dose_volume_histogram(ball(centre=tuple(centre + shift)), dose(term))
    found = dose_volume_histogram(ball(centre=tuple(centre)), on_grid(term, shift))
    for ask in ASKED:
        assert ask(found).value == pytest.approx(ask(really).value, abs=2e-3)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_single_shift_equals_a_structure_that_really_moved(orientation):
    """Any one shift, in every orientation: the same as moving the contours, to rounding."""
    row, column, descending = ORIENTATIONS[orientation]
    term = dose_on_grid(bumpy, row=row, column=column, descending=descending)
    shift = np.array((2.17, -3.9, 4.43))
    centre = np.array([2.0, -3.0, 4.0])
    really = dose_volume_histogram(ball(centre=tuple(centre + shift)), dose(term))
    found = dose_volume_histogram(ball(centre=tuple(centre)), once(term, shift))
    for ask in ASKED:
        assert ask(found).value == pytest.approx(ask(really).value, abs=1e-3)


def test_any_shifts_are_near_a_structure_that_really_moved_in_every_fraction():
    """Brute force, fraction by fraction: at a penumbra of 7 mm (80 to 20 %) within 2 % of the dose."""
    term = dose_on_grid(bumpy)
    rows = shifts((1.2, -0.7, 2.9), (-2.1, 1.9, 0.6), (3.3, 0.2, -1.4))
    target = ball()
    points = np.random.default_rng(5).uniform(-12, 12, (4000, 3)) + np.array((2, -3, 4))
    exact = np.mean([trilinear(term, points + row) for row in rows], axis=0)
    found = trilinear(once(term, *rows).terms[0], points)
    assert np.abs(found - exact).max() < 0.8
    assert abs((found - exact).mean()) < 0.3
    exactly = [dose_volume_histogram(target, moved(dose(term), _matrix(-row))) for row in rows]
    mean = np.mean([each.mean().value for each in exactly])
    assert dose_volume_histogram(target, once(term, *rows)).mean().value == pytest.approx(
        mean, abs=0.35
    )


def _matrix(shift):
    matrix = np.eye(4)
    matrix[:3, 3] = shift
    return matrix


@given(st.tuples(*[st.floats(-6, 6)] * 3))
@settings(max_examples=40, deadline=None)
def test_the_stated_bound_of_the_approximation_holds(shift):
    """Off by no more than a quarter of the second differences, axis by axis added up."""
    term = dose_on_grid(bumpy, step_mm=(3.0, 3.0, 3.0), half_mm=(30, 30, 30))
    second = sum(np.abs(np.diff(term.gy, 2, axis=axis)).max() for axis in range(3))
    points = np.random.default_rng(1).uniform(-15, 15, (500, 3))
    found = trilinear(on_grid(term, shift).terms[0], points)
    assert np.abs(found - trilinear(term, points + shift)).max() <= second / 4 + 1e-3


def test_a_registered_term_moves_with_the_patient_not_with_its_grid():
    """A term in a turned frame: the shift is one of the case frame."""
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xyz", (20, -35, 50), degrees=True).as_matrix()
    turn[:3, 3] = (3, -4, 5)
    term = replace(dose_on_grid(linear(*GRADIENT), half_mm=(60, 60, 60)), to_case=turn)
    points = np.random.default_rng(2).uniform(-10, 10, (50, 3))
    shift = np.array((2.2, -1.1, 3.4))
    for way in (once, on_grid):
        found = trilinear(way(term, shift).terms[0], points)
        assert found == pytest.approx(trilinear(term, points + shift), abs=1e-4)


def test_terms_have_shifts_of_their_own():
    """Two terms, of which only the second one moves."""
    first, second = dose_on_grid(linear(0.2, 0, 0)), dose_on_grid(linear(0, 0.3, 0))
    (found,) = shifted_doses(dose(first, second), [(shifts((0, 0, 0)), shifts((9, 2, 0)))])
    target = ball()
    gain = (
        dose_volume_histogram(target, found).mean().value
        - dose_volume_histogram(target, dose(first, second)).mean().value
    )
    assert gain == pytest.approx(0.6, abs=1e-3)


def test_irregular_planes_are_kept():
    """Planes at uneven distances, and dose that changes across them."""
    term = dose_on_grid(linear(0, 0, 0.4), half_mm=(30, 30, 24))
    uneven = np.cumsum(np.tile([1.0, 2.4, 1.7], 10))[: term.gy.shape[0]]
    grid = replace(term.grid, offsets_mm=tuple(uneven))
    k, j, i = np.indices(grid.shape).reshape(3, -1)
    points = grid.to_patient(np.stack([k, j, i], axis=1))
    term = replace(term, grid=grid, gy=linear(0, 0, 0.4)(*points.T).reshape(grid.shape))
    middle = (0.0, 0.0, float(points[:, 2].mean()))
    target = ball(8, middle)
    gain = (
        dose_volume_histogram(target, on_grid(term, (0, 0, 2.6))).mean().value
        - dose_volume_histogram(target, dose(term)).mean().value
    )
    assert gain == pytest.approx(0.4 * 2.6, abs=1e-4)


def test_what_leaves_the_grid_is_outside_and_never_zero():
    """One fraction in five moves the top beyond the grid: that part has no known dose."""
    term = dose_on_grid(lambda x, y, z: 0 * x + 30.0)
    top = DoseField(dose(term), ball().stack.frame)._w[-1]
    target = ball(10, (0.0, 0.0, float(top) - 11))
    rows = [(0, 0, 0)] * 4 + [(0, 0, 6.0)]
    found = dose_volume_histogram(target, once(term, *rows))
    assert dose_volume_histogram(target, dose(term)).outside_cc == 0
    exact = np.pi * 5**2 * (10 - 5 / 3) / 1000  # the cap above the height that stays inside
    assert exact <= found.outside_cc <= exact + 1.0
    assert not found.mean().is_defined
    assert found.inside_cc + found.outside_cc == pytest.approx(target.volume_cc, rel=1e-6)
    assert found.max().possible[0] == pytest.approx(30, abs=1e-4)


def test_the_outer_half_voxel_is_constant_in_every_fraction():
    """Within the field the rule of the field holds, up to its very edge."""
    term = dose_on_grid(linear(0, 0, 0.5))
    height = float(term.grid.to_patient([[term.gy.shape[0] - 1, 0, 0]])[0, 2])
    point = np.array([[0.0, 0.0, height]])
    value = trilinear(on_grid(term, (0, 0, -1.7)).terms[0], point - (0, 0, 1.7))
    assert value == pytest.approx(linear(0, 0, 0.5)(0, 0, height - 3.4), abs=1e-4)


def test_a_shift_beyond_the_grid_is_refused():
    """Nothing is left: no honest answer."""
    with pytest.raises(GeometryError, match="leaves no dose"):
        on_grid(dose_on_grid(linear(0, 0, 0)), (200, 0, 0))


def test_a_structure_far_from_the_dose_is_outside():
    """The window is moved to where dose is; the structure has none."""
    found = dose_volume_histogram(
        ball(5, (70.0, 0, 0)),
        on_grid(dose_on_grid(bumpy), (1, 0, 0), box=((65, -5, -5), (75, 5, 5))),
    )
    assert found.inside_cc == 0


def test_many_scenarios_at_once_are_those_one_by_one(monkeypatch):
    """Scenarios share their neighbours in one product, in portions, and do not mix."""
    monkeypatch.setattr("planeval.dose.shift.VALUES_AT_ONCE", 100_000)
    monkeypatch.setattr("planeval.dose.shift.NEIGHBOURS_AT_ONCE", 30_000)
    term = dose_on_grid(bumpy)
    source = np.random.default_rng(3)
    scenarios = [(source.normal(0, 3, (n, 3)),) for n in (3, 5, 2, 4)]
    together = list(shifted_doses(dose(term), scenarios))
    points = source.uniform(-10, 10, (200, 3))
    for (rows,), found in zip(scenarios, together, strict=True):
        alone = trilinear(once(term, *rows).terms[0], points)
        assert trilinear(found.terms[0], points) == pytest.approx(alone, abs=1e-5)


def test_biology_converts_the_average():
    """EQD2 of the averaged physical dose, not the average of EQD2."""
    term = dose_on_grid(lambda x, y, z: 0.05 * (z + 20) ** 2, fractions=5)
    rows = ((0, 0, 0.0), (0, 0, 6.8))
    target = ball(5, (0, 0, 2.0))
    found = biological_histogram(target, once(term, *rows), Biology("EQD2", 3.0)).max().value
    physical = dose_volume_histogram(target, once(term, *rows)).max().value
    assert found == pytest.approx(Conversion(5, 3.0, "EQD2")(physical), rel=1e-5)


def test_coverage_is_used_again(monkeypatch):
    """One covering a structure for all scenarios on one lattice."""
    calls = []

    def counted(*given):
        calls.append(given)
        return cover(*given)

    monkeypatch.setattr("planeval.dose.calculation.cover", counted)
    term, target, covered = dose_on_grid(bumpy), ball(), Coverages()
    scenarios = [(shifts((n, 0.3 * n, -n), (0, 1, n)),) for n in range(5)]
    for found in shifted_doses(dose(term), scenarios, target.bounds_mm):
        dose_volume_histogram(target, found, covered)
    assert len(calls) == 1
    dose_volume_histogram(target, dose(term), cover_structure)
    assert len(calls) == 2
