"""The dose field in every orientation: the same patient dose gives the same DVH, however it is stored."""

import numpy as np
import pytest
from tests.phantoms import dose, dose_on_grid, linear, round_stack, sphere, structure

from planeval.dose.calculation import dose_volume_histogram
from planeval.dose.field import DoseField, trilinear
from planeval.errors import GeometryError
from planeval.geometry.grid import Grid
from planeval.geometry.stack import AXIAL
from planeval.model import DoseTerm

ANGLE = np.deg2rad(20)
ORIENTATIONS = {
    "HFS": ((1, 0, 0), (0, 1, 0)),
    "HFP": ((-1, 0, 0), (0, -1, 0)),
    "FFS": ((-1, 0, 0), (0, 1, 0)),
    "FFP": ((1, 0, 0), (0, -1, 0)),
    "decubitus": ((0, 1, 0), (-1, 0, 0)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
    "oblique": (
        (float(np.cos(ANGLE)), float(np.sin(ANGLE)), 0),
        (-float(np.sin(ANGLE)), float(np.cos(ANGLE)), 0),
    ),
}
# values are a function of patient x, y and z, each with its own weight: no swap or flip can hide
COORDINATE_DOSE = linear(0.31, 0.17, -0.23, at_centre=60.0)
BALL = structure(round_stack(sphere(12.0), 2.5, half_mm=12.0, phase=0.3, centre=(3.0, -4.0, 2.0)))


@pytest.mark.parametrize("descending", [False, True], ids=["rising", "descending"])
@pytest.mark.parametrize("orientation", ORIENTATIONS.values(), ids=ORIENTATIONS)
def test_the_dvh_does_not_depend_on_how_the_dose_is_stored(orientation, descending):
    """Mean, extremes and D50% are those of the patient-space dose, in every frame."""
    row, column = orientation
    term = dose_on_grid(COORDINATE_DOSE, row=row, column=column, descending=descending)
    dvh = dose_volume_histogram(BALL, dose(term))
    assert dvh.outside_cc == 0
    centre = 60 + 0.31 * 3.0 + 0.17 * 4.0 * -1 - 0.23 * 2.0
    steepness = np.linalg.norm([0.31, 0.17, 0.23])
    assert float(dvh.mean()) == pytest.approx(
        centre, abs=0.06
    )  # the slabs' centroid is off by phase
    assert float(dvh.max()) == pytest.approx(centre + 12 * steepness, abs=0.35)
    reference = dose_volume_histogram(BALL, dose(dose_on_grid(COORDINATE_DOSE)))
    for percent in (2, 50, 98):
        assert float(dvh.d(percent=percent)) == pytest.approx(
            float(reference.d(percent=percent)), abs=0.02
        )
    assert float(dvh.mean()) == pytest.approx(float(reference.mean()), abs=2e-3)


@pytest.mark.parametrize("orientation", ORIENTATIONS.values(), ids=ORIENTATIONS)
def test_a_point_has_its_patient_dose(orientation):
    """trilinear() of a linear dose is exact at any point inside, NaN outside."""
    row, column = orientation
    term = dose_on_grid(COORDINATE_DOSE, row=row, column=column)
    points = np.array([[3.3, -7.1, 4.9], [-12.0, 6.5, -20.1], [500.0, 0, 0]])
    found = trilinear(term, points)
    assert found[:2] == pytest.approx(COORDINATE_DOSE(*points[:2].T), abs=1e-9)
    assert np.isnan(found[2])


def test_the_outer_half_voxel_is_constant_and_beyond_is_unknown():
    """Half a voxel beyond the last centre the dose is the last voxel's; beyond that there is none."""
    grid = Grid((0, 0, 0), (1, 0, 0), (0, 1, 0), 2.0, 4.0, 3, 3, (0.0, 3.0))
    gy = np.arange(18, dtype=float).reshape(2, 3, 3)
    term = DoseTerm(grid, gy)
    inside = trilinear(term, np.array([[-2.0, -1.0, -1.5], [10.0, 5.0, 4.5]]))
    assert inside.tolist() == [0.0, 17.0]
    outside = trilinear(term, np.array([[-2.01, 0, 0], [0, 5.01, 0], [0, 0, 4.51]]))
    assert np.isnan(outside).all()


def test_terms_on_different_grids_add_where_both_are_defined():
    """Two grids of different steps and orientation: the sum is exact, and ends where one ends."""
    first = dose_on_grid(linear(0.1, 0, 0, 20), half_mm=(30, 30, 30))
    second = dose_on_grid(
        linear(0, 0.2, 0, 30), step_mm=(3.1, 1.9, 2.2), half_mm=(40, 40, 9.0), row=(-1, 0, 0),
        column=(0, -1, 0),
    )  # fmt: skip
    field = DoseField(dose(first, second), AXIAL)
    assert field.is_exact
    dvh = dose_volume_histogram(BALL, dose(first, second))
    assert 0 < dvh.outside_cc < dvh.total_cc
    assert not dvh.mean().is_defined
    whole = dose_volume_histogram(
        BALL, dose(first, dose_on_grid(linear(0, 0.2, 0, 30), step_mm=(3.1, 1.9, 2.2)))
    )
    assert float(whole.mean()) == pytest.approx(50 + 0.1 * 3 - 0.2 * 4, abs=0.02)


def test_grids_that_do_not_meet_are_refused():
    """A sum of doses without a common region has no answer."""
    near, far = dose_on_grid(linear(0, 0, 0)), dose_on_grid(linear(0, 0, 0), centre=(500, 0, 0))
    with pytest.raises(GeometryError, match="no common region"):
        DoseField(dose(near, far), AXIAL)


def test_a_rigid_transform_moves_the_dose():
    """to_case shifts and turns a term: the dose arrives where the transform says."""
    turn = np.eye(4)
    turn[:2, :2] = [[0, -1], [1, 0]]
    turn[:3, 3] = (5.0, -2.0, 1.0)
    still = dose_on_grid(COORDINATE_DOSE)
    moved = DoseTerm(still.grid, still.gy, 25, "", turn)
    point = np.array([[2.0, 3.0, 4.0]])
    assert trilinear(moved, point @ turn[:3, :3].T + turn[:3, 3]) == pytest.approx(
        trilinear(still, point)
    )
    dvh = dose_volume_histogram(BALL, dose(moved))
    inverse = np.linalg.inv(turn)
    centre = inverse[:3, :3] @ np.array([3.0, -4.0, 2.0]) + inverse[:3, 3]
    assert float(dvh.mean()) == pytest.approx(float(COORDINATE_DOSE(*centre)), abs=0.06)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda gy: gy[:-1], "does not fit its grid"),
        (lambda gy: np.where(gy > 60, np.nan, gy), "not finite"),
        (lambda gy: gy - 70, "negative dose"),
    ],
)
def test_a_dose_term_that_cannot_be_is_refused(change, message):
    """Shape, finite values and sign are invariants."""
    term = dose_on_grid(COORDINATE_DOSE)
    with pytest.raises(ValueError, match=message):
        DoseTerm(term.grid, change(np.array(term.gy)))


def test_a_dose_term_cannot_be_written_to():
    """A stored dose is read-only."""
    with pytest.raises(ValueError, match="read-only"):
        dose_on_grid(COORDINATE_DOSE).gy[0, 0, 0] = 1.0
