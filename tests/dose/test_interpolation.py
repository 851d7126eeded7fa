"""What the interpolation of a dose grid leaves out: closed forms, and a Gaussian dose."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from tests.phantoms import dose, dose_on_grid, linear, round_stack, sphere, structure

from planeval.case import Case
from planeval.dose.interpolation import grid_error
from planeval.dose.summation import moved
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack
from planeval.model import CaseData, Dose, DoseTerm, Identity

BALL = structure(round_stack(sphere(15), 1.5, half_mm=15), "Ball")
STEPS = (2.0, 3.0, 2.5)
"""x, y, z"""


def quadratic(x, y, z):
    """Second derivatives 0.02, -0.012 and 0.006 Gy/mm2 along x, y, z."""
    return 60 + 0.01 * x**2 - 0.006 * y**2 + 0.003 * z**2 + 0.2 * x - 0.1 * y


def by_hand(part):
    """Sum of h^2 f'' over the axes."""
    return sum(part(h**2 * second) for h, second in zip(STEPS, (0.02, -0.012, 0.006), strict=True))


def case_of(the_dose, solid=BALL):
    return Case(CaseData(Identity("P1"), {solid.name: solid}, dose=the_dose))


def test_a_linear_dose_has_none():
    """Interpolation is exact."""
    found = grid_error(BALL, dose(dose_on_grid(linear(0.3, -0.2, 0.5))), (0.0, 0.0, 0.0))
    assert (found.mean_gy, found.maximum_gy) == pytest.approx((0, 0), abs=1e-4)


def test_a_quadratic_dose_by_hand():
    """The mean by a twelfth, the maximum by an eighth, with the step of each axis."""
    found = grid_error(BALL, dose(dose_on_grid(quadratic, step_mm=STEPS)), (1.0, 2.0, 3.0))
    assert found.mean_gy == pytest.approx(-by_hand(float) / 12, abs=1e-5)
    assert found.maximum_gy == pytest.approx(by_hand(abs) / 8, abs=1e-5)


def test_the_mean_is_what_a_fine_grid_gives():
    """Mean of the coarse grid plus the estimate is the mean of a grid five times as fine."""
    coarse, fine = (
        case_of(dose(dose_on_grid(quadratic, step_mm=step)))
        for step in ((4.0, 5.0, 4.5), (0.8, 1.0, 0.9))
    )
    error = coarse.grid_error("Ball")
    truth = float(fine.metric("Mean[Gy]", "Ball")) + fine.grid_error("Ball").mean_gy
    measured = truth - float(coarse.metric("Mean[Gy]", "Ball"))
    assert abs(measured) > 0.01
    assert error.mean_gy == pytest.approx(measured, abs=2e-3)


@pytest.mark.parametrize("centre", [(0.0, 0.0, 0.0), (8.0, -5.0, 6.0)])
def test_a_gaussian_dose(centre):
    """60 Gy, sigma 15 mm, 3 mm voxels: the mean to a tenth of its error, Max within the estimate."""

    def field(x, y, z):
        a, b, c = centre
        return 60 * np.exp(-((x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2) / (2 * 15**2))

    coarse = case_of(dose(dose_on_grid(field, step_mm=(3, 3, 3))))
    fine = case_of(dose(dose_on_grid(field, step_mm=(0.75, 0.75, 0.75))))
    error = coarse.grid_error("Ball")
    means, highest = (
        [float(case.metric(text, "Ball")) for case in (coarse, fine)]
        for text in ("Mean[Gy]", "Max[Gy]")
    )
    assert error.mean_gy == pytest.approx(means[1] - means[0], rel=0.15)
    assert means[1] - means[0] > 0.2
    assert 0 <= highest[1] - highest[0] <= error.maximum_gy


def test_planes_at_any_distance():
    """Irregular planes: the step of the cell, the second derivative of its neighbours."""
    term = dose_on_grid(quadratic, step_mm=STEPS)
    uneven = np.cumsum(np.tile([1.0, 2.4, 1.7], 20))[: term.gy.shape[0]]
    uneven -= uneven[len(uneven) // 2] + term.grid.origin_mm[2]
    offsets = tuple((uneven - uneven[0]).tolist())
    origin = (*term.grid.origin_mm[:2], float(uneven[0] + term.grid.origin_mm[2]))
    grid = replace(term.grid, origin_mm=origin, offsets_mm=offsets)
    k, j, i = np.indices(grid.shape).reshape(3, -1)
    points = grid.to_patient(np.stack([k, j, i], axis=1))
    made = DoseTerm(grid, quadratic(*points.T).reshape(grid.shape))
    at = grid.to_patient(np.array([[len(offsets) // 2 + 0.7, 6.3, 7.4]]))[0]
    step = offsets[len(offsets) // 2 + 1] - offsets[len(offsets) // 2]
    found = grid_error(BALL, dose(made), tuple(at.tolist()))
    by_axis = (2.0**2 * 0.02, 3.0**2 * 0.012, step**2 * 0.006)
    assert found.maximum_gy == pytest.approx(sum(by_axis) / 8, abs=1e-4)


def test_a_sum_adds_its_terms_and_a_turned_term_keeps_its_axes():
    """Two of the same dose bend twice as much; a quarter turn swaps which step meets which bend."""
    one = dose(dose_on_grid(quadratic, step_mm=STEPS))
    both = Dose((*one.terms, *one.terms), summation="SUM")
    single, double = (grid_error(BALL, each, (1.0, 2.0, 3.0)) for each in (one, both))
    assert double.mean_gy == pytest.approx(2 * single.mean_gy)
    assert double.maximum_gy == pytest.approx(2 * single.maximum_gy)
    quarter = np.eye(4)
    quarter[:2, :2] = [[0, -1], [1, 0]]
    turned = grid_error(BALL, moved(one, quarter), (1.0, 2.0, 3.0))
    assert turned.mean_gy == pytest.approx(single.mean_gy, abs=1e-5)
    away = np.eye(4)
    away[:3, 3] = (300, 0, 0)
    assert grid_error(BALL, moved(one, away), (1.0, 2.0, 3.0)) is None


def test_without_known_dose_there_is_no_estimate():
    """No hottest point, a point beyond the grid, or a grid without second differences."""
    whole = dose(dose_on_grid(quadratic, step_mm=STEPS))
    assert grid_error(BALL, whole, None) is None
    assert grid_error(BALL, whole, (500.0, 0.0, 0.0)) is None
    thin = dose_on_grid(quadratic, step_mm=STEPS)
    two = replace(thin.grid, offsets_mm=thin.grid.offsets_mm[:2])
    assert grid_error(BALL, dose(DoseTerm(two, thin.gy[:2])), (0.0, 0.0, 0.0)) is None
    far = case_of(
        whole, structure(round_stack(sphere(5), 1.0, half_mm=5, centre=(400, 0, 0)), "Far")
    )
    assert far.grid_error("Far") is None


def test_a_thin_ring_is_found():
    """No lattice point lies in it: a point on its surface stands for each section."""
    ring = shapely.Point(0, 0).buffer(14).difference(shapely.Point(0, 0).buffer(13.9))
    stack = PlanarStack(AXIAL, [DrawnPlane(float(z), ring) for z in (-2, 0, 2)])
    found = case_of(dose(dose_on_grid(quadratic, step_mm=STEPS)), structure(stack, "Ring"))
    assert found.grid_error("Ring").mean_gy == pytest.approx(-by_hand(float) / 12, abs=1e-5)
