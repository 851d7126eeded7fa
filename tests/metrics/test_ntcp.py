"""LKB: values of the formula, normalisation, and where a set says nothing."""

import math
from dataclasses import replace

import numpy as np
import pytest
from tests.dicom_writer import CaseWriter, Roi, Rx, axial_grid, box_ring, prism

import planeval as pe
from planeval.metrics.ntcp import LkbSet

SET = LkbSet(
    organ="Liver", endpoint="an endpoint", population="nobody: made up for this test", n=0.5, m=0.2,
    td50_gy=40.0, td50_interval_gy=(35.0, 45.0), alpha_beta_gy=2.5, reference_gy=1.5,
    fitted_gy=(1.0, 4.0), source="invented",
)  # fmt: skip


def case_of(folder, gy, fractions, rx=None):
    writer = CaseWriter(folder)
    grid = axial_grid((12, 20, 20), spacing_mm=(3, 3, 3), origin_mm=(-28, -28, -16))
    writer.structures([Roi("Liver", prism(box_ring(20, 20), heights=[-6, -3, 0, 3, 6]))])
    writer.plan([Rx("Liver", rx or gy)], fractions=fractions)
    writer.dose(grid, np.full(grid.shape, gy))
    return pe.load(folder)


def phi(x):
    return 50 * (1 + math.erf(x / math.sqrt(2)))


def test_a_uniform_dose_at_td50_is_half(tmp_path):
    """40 Gy in steps of 1.5 Gy is TD50 itself: 50 %, one m further 84 %."""
    at = {gy: case_of(tmp_path / f"{gy}", gy, round(gy / 1.5)) for gy in (39.0, 48.0)}
    for gy, case in at.items():
        d = gy / case.plan.fractions
        normalised = gy * (1 + d / 2.5) / (1 + 1.5 / 2.5)
        value = case.ntcp(SET, "Liver")
        assert float(value) == pytest.approx(phi((normalised - 40) / 8), abs=1e-3)
        assert value.low == pytest.approx(phi((normalised - 45) / 9), abs=1e-2)
        assert value.high == pytest.approx(phi((normalised - 35) / 7), abs=1e-2)
        assert "not a limit" in value.notes[0]
        assert "invented" in value.notes[0]


def test_fractionation_counts(tmp_path):
    """The same 36 Gy in 12 fractions weighs more than in 24."""
    few, many = (case_of(tmp_path / f"{n}", 36.0, n) for n in (12, 24))
    assert float(few.ntcp(SET, "Liver")) > float(many.ntcp(SET, "Liver")) + 10


def test_outside_its_fit_a_set_says_nothing(tmp_path):
    """8 Gy per fraction, and unknown fractions, have no value."""
    value = case_of(tmp_path / "few", 40.0, 5).ntcp(SET, "Liver")
    assert "fitted to 1 to 4 Gy per fraction; here 8" in value.reason
    value = case_of(tmp_path / "none", 40.0, None).ntcp(SET, "Liver")
    assert "fractions of the dose is unknown" in value.reason


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"n": 0.0}, "above 0"),
        ({"m": math.nan}, "above 0"),
        ({"td50_gy": 50.0}, "does not lie in its interval"),
        ({"fitted_gy": (3.0, 2.0)}, "low <= high"),
        ({"source": " "}, "its source"),
    ],
)
def test_a_set_without_sense_or_source_is_refused(change, match):
    """Nothing is estimated from numbers nobody published."""
    with pytest.raises(ValueError, match=match):
        replace(SET, **change)
