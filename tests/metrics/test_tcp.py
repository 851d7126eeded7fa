"""Poisson TCP: closed forms of uniform and linear doses, and where a set says nothing."""

import math
from dataclasses import replace

import numpy as np
import pytest
import shapely
from tests.dicom_writer import CaseWriter, Roi, Rx, axial_grid, box_ring, prism
from tests.phantoms import dose, dose_on_grid, linear, structure

import planeval as pe
from planeval.dose.biology import biological_histogram
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack
from planeval.metrics.tcp import PoissonSet, control_probability

SET = PoissonSet(
    tumour="Tumour", endpoint="local control", population="nobody: made up for this test",
    alpha_per_gy=0.3, alpha_interval_per_gy=(0.25, 0.35), alpha_beta_gy=10.0,
    clonogens_per_cc=1e7, fitted_gy=(1.5, 3.0), source="invented",
)  # fmt: skip
BOX = structure(
    PlanarStack(AXIAL, [DrawnPlane(z, shapely.box(-10, -10, 10, 10)) for z in (-3.0, 0.0, 3.0)])
)
VOLUME_CC = 20 * 20 * 9 / 1000


def bed_of(function):
    return biological_histogram(BOX, dose(dose_on_grid(function, fractions=25)), SET.biology)


@pytest.mark.parametrize("gy", [50.0, 54.0, 60.0])
def test_a_uniform_dose_is_the_poisson_formula(gy):
    """exp(-rho V exp(-alpha BED)), and the interval of alpha is the band."""
    value = control_probability(SET, bed_of(linear(0, 0, 0, gy)), [gy / 25])
    bed = gy * (1 + gy / 25 / 10)
    expected = [
        100 * math.exp(-1e7 * VOLUME_CC * math.exp(-alpha * bed)) for alpha in (0.25, 0.3, 0.35)
    ]
    assert [value.low, value.value, value.high] == pytest.approx(expected, rel=1e-3, abs=1e-9)
    assert "not a limit" in value.notes[0]
    assert "invented" in value.notes[0]


def test_a_linear_dose_is_the_integral():
    """Survivors of a dose that rises across the box, by a fine sum."""
    value = control_probability(SET, bed_of(linear(0.4, 0, 0, 58.0)), [2.32])
    gy = 58.0 + 0.4 * (np.arange(-10, 10, 0.001) + 0.0005)
    left = 1e7 * VOLUME_CC * np.exp(-0.3 * gy * (1 + gy / 250)).mean()
    assert float(value) == pytest.approx(100 * math.exp(-left), rel=2e-3)


def test_a_cold_edge_costs_more_than_a_hot_one_gains():
    """The same mean with a slope has less control."""
    flat, sloped = (bed_of(linear(slope, 0, 0, 56.0)) for slope in (0, 0.6))
    assert float(control_probability(SET, sloped, [2.24])) < float(
        control_probability(SET, flat, [2.24])
    )


def test_outside_its_fit_and_outside_the_grid_it_says_nothing():
    """5.5 Gy per fraction, unknown fractions, a part of the target without dose."""
    bed = bed_of(linear(0, 0, 0, 55.0))
    assert "fitted to 1.5 to 3 Gy" in control_probability(SET, bed, [5.5]).reason
    assert "an unknown dose" in control_probability(SET, bed, []).reason
    far = dose_on_grid(linear(0, 0, 0, 55.0), centre=(38, 0, 0))
    cut = biological_histogram(BOX, dose(far), SET.biology)
    assert "outside the dose grid" in control_probability(SET, cut, [2.2]).reason


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"alpha_per_gy": 0.0}, "must be above 0"),
        ({"clonogens_per_cc": math.nan}, "must be above 0"),
        ({"alpha_interval_per_gy": (0.31, 0.35)}, "does not lie in its interval"),
        ({"fitted_gy": (3.0, 2.0)}, "0 < low <= high"),
        ({"source": " "}, "its source"),
    ],
)
def test_impossible_sets_are_refused(changes, match):
    """No set without a source, nor with parameters that no set can have."""
    with pytest.raises(ValueError, match=match):
        replace(SET, **changes)


def test_a_case_knows_its_fractions(tmp_path):
    """`case.tcp` converts the dose itself; without fractions there is none."""
    grid = axial_grid((12, 20, 20), spacing_mm=(3, 3, 3), origin_mm=(-28, -28, -16))
    for fractions in (25, None):
        writer = CaseWriter(tmp_path / str(fractions))
        writer.structures(
            [Roi("GTV", prism(box_ring(20, 20), heights=[-6, -3, 0, 3, 6]), type="GTV")]
        )
        writer.plan([Rx("GTV", 55.0)], fractions=fractions)
        writer.dose(grid, np.full(grid.shape, 55.0))
        value = pe.load(tmp_path / str(fractions)).tcp(SET, "GTV")
        if fractions is None:
            assert "fractions of the dose is unknown" in value.reason
        else:
            left = 1e7 * 6.0 * math.exp(-0.3 * 55 * 1.22)
            assert float(value) == pytest.approx(100 * math.exp(-left), rel=1e-2)
