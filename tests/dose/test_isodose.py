"""Isodose volumes: closed forms about a sphere, connected parts, what meets them, the grid's edge."""

import numpy as np
import pytest
from tests.phantoms import (
    cylinder,
    dose,
    dose_on_grid,
    linear,
    round_stack,
    sphere,
    structure,
)

from planeval.dose.calculation import dose_volume_histogram
from planeval.dose.field import trilinear
from planeval.dose.isodose import IsodoseMap
from planeval.geometry.stack import AXIAL


def falloff(x, y, z, centre=(0.0, 0.0, 0.0), slope=2.0):
    """60 Gy at the centre, falling linearly with distance."""
    away = np.sqrt((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2)
    return np.maximum(60 - slope * away, 0)


def gaussian(x, y, z):
    """A Gaussian of 12 mm about the origin."""
    return 60 * np.exp(-(x * x + y * y + z * z) / (2 * 12.0**2))


@pytest.mark.parametrize(
    ("function", "level", "radius"),
    [
        (falloff, 40.0, 10.0),
        (falloff, 20.0, 20.0),
        (gaussian, 30.0, 12.0 * np.sqrt(2 * np.log(2))),
        (gaussian, 50.0, 12.0 * np.sqrt(2 * np.log(1.2))),
    ],
)
@pytest.mark.parametrize("step", [1.0, 2.5])
def test_volume_of_a_sphere(function, level, radius, step):
    """4/3 pi r3 up to what the grid's own interpolation takes away: about 0.8 (step / radius)^2."""
    term = dose_on_grid(function, step_mm=(step,) * 3, half_mm=(32, 32, 32))
    (part,) = IsodoseMap(dose(term), AXIAL).at(level).parts
    exact = 4 / 3 * np.pi * radius**3 / 1000
    assert part.volume_cc == pytest.approx(exact, rel=0.8 * (step / radius) ** 2 + 1e-3)
    assert part.low_cc < part.volume_cc < part.high_cc
    assert part.high_cc - part.low_cc < 0.5 * exact
    assert not part.is_cut
    assert np.linalg.norm(part.hottest_mm) < 1.8 * step


def test_volume_agrees_with_the_dvh_of_a_block_around_it():
    """A cylinder around the isodose, sampled as a structure, holds the same V(d)."""
    term = dose_on_grid(gaussian, half_mm=(34, 34, 34))
    (part,) = IsodoseMap(dose(term), AXIAL).at(25.0).parts
    block = structure(round_stack(cylinder(26.0), 2.0, half_mm=24.0))
    assert part.volume_cc == pytest.approx(
        float(dose_volume_histogram(block, dose(term)).v(gy=25.0)), rel=2e-3
    )


def test_volume_agrees_with_dense_sampling_of_the_same_field():
    """Points every 0.2 mm of the trilinear field, on a coarse grid with a cut surface."""
    term = dose_on_grid(falloff, step_mm=(4.0, 3.0, 2.5), half_mm=(24, 24, 24))
    (part,) = IsodoseMap(dose(term), AXIAL).at(40.0).parts
    axis = np.arange(-12, 12, 0.2) + 0.1
    points = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    dense = np.count_nonzero(trilinear(term, points) >= 40.0) * 0.2**3 / 1000
    assert part.volume_cc == pytest.approx(dense, rel=2e-3)
    assert part.low_cc < dense < part.high_cc


def test_a_linear_dose_is_cut_exactly():
    """Above the middle plane of a linear dose lies the part of the grid that the plane cuts off."""
    term = dose_on_grid(linear(0, 0, 1.0, at_centre=100.0), step_mm=(2.0, 2.0, 2.0))
    (part,) = IsodoseMap(dose(term), AXIAL).at(100.0).parts
    k, j, i = term.grid.shape
    x0, y0, _ = term.grid.to_patient([[0, 0, 0]])[0]
    x1, y1, z1 = term.grid.to_patient([[k - 1, j - 1, i - 1]])[0]
    # half a voxel beyond the outer centres; there the dose stays that of the outer plane
    expected = (x1 - x0 + 2) * (y1 - y0 + 2) * (z1 + 1) / 1000
    assert part.volume_cc == pytest.approx(expected, rel=1e-5)
    assert part.is_cut


def two_peaks(gap_mm):
    def function(x, y, z):
        left, right = (falloff(x, y, z, centre=(s * gap_mm / 2, 0, 0)) for s in (-1, 1))
        return np.maximum(left, right)

    return dose(dose_on_grid(function, step_mm=(2.0, 2.0, 2.0), half_mm=(50, 30, 30)))


def test_parts_are_told_apart_and_joined():
    """Two spheres of 10 mm: apart at 40 mm distance, one at 16 mm."""
    apart = IsodoseMap(two_peaks(40.0), AXIAL).at(40.0)
    assert len(apart.parts) == 2
    assert [part.volume_cc for part in apart.parts] == pytest.approx([4.189, 4.189], rel=0.025)
    assert sorted(round(part.hottest_mm[0] / 20) for part in apart.parts) == [-1, 1]
    assert len(IsodoseMap(two_peaks(16.0), AXIAL).at(40.0).parts) == 1


def test_what_meets_a_part():
    """A ball in the left peak meets it with its whole volume and leaves the right one alone."""
    isodose = IsodoseMap(two_peaks(40.0), AXIAL).at(40.0)
    inside = structure(round_stack(sphere(6.0), 2.0, half_mm=6.0, centre=(-20, 0, 0)))
    ((number, cc),) = isodose.met_by(inside).items()
    assert cc == pytest.approx(inside.volume_cc, rel=1e-6)
    assert isodose.parts[number - 1].hottest_mm[0] < 0
    between = structure(round_stack(sphere(5.0), 2.0, half_mm=5.0))
    assert isodose.met_by(between) == {}
    across = structure(round_stack(sphere(6.0), 2.0, half_mm=6.0, centre=(-20, 10, 0)))
    ((_, cc),) = isodose.met_by(across).items()
    whole = float(dose_volume_histogram(across, two_peaks(40.0)).v(gy=40.0))
    assert cc == pytest.approx(whole, rel=0.02)


def test_an_isodose_at_the_edge_of_the_grid_is_cut():
    """20 mm of radius in a grid of 15 mm: the volume beyond is unknown, and said to be."""
    term = dose_on_grid(falloff, step_mm=(2.0, 2.0, 2.0), half_mm=(30, 30, 15))
    isodoses = IsodoseMap(dose(term), AXIAL)
    assert isodoses.at(20.0).parts[0].is_cut
    assert not isodoses.at(45.0).parts[0].is_cut


def test_beside_a_turned_grid_the_edge_is_known():
    """Where an oblique term ends there is no dose: a part that reaches it is cut."""
    turned = dose_on_grid(
        falloff, step_mm=(2.0, 2.0, 2.0), half_mm=(22, 22, 22),
        row=(0.8, 0.6, 0.0), column=(-0.6, 0.8, 0.0),
    )  # fmt: skip
    isodoses = IsodoseMap(dose(turned), AXIAL)
    (part,) = isodoses.at(40.0).parts
    assert part.volume_cc == pytest.approx(4.189, rel=0.03)
    assert not part.is_cut
    assert isodoses.at(10.0).parts[0].is_cut


def test_uniform_dose_and_levels_never_reached():
    """A uniform dose is one cut part at its own dose and none above; 0 Gy is no isodose."""
    isodoses = IsodoseMap(dose(dose_on_grid(lambda x, y, z: 47.3 + 0 * x)), AXIAL)
    assert len(isodoses.at(47.3).parts) == 1
    assert isodoses.at(47.301).parts == ()
    assert isodoses.at(47.301).met_by(structure(round_stack(sphere(5), 1, half_mm=5))) == {}
    with pytest.raises(ValueError, match="need a dose above 0"):
        isodoses.at(0.0)
