"""Which dose files make up a plan's dose: complete sets are added, everything else is refused."""

import numpy as np
import pytest
from tests.dicom_writer import BeamSpec, CaseWriter, Roi, Rx, axial_grid, box_ring, prism

from planeval.dicom import read_case, scan_folder
from planeval.errors import AmbiguousSelection, InconsistentCase, MissingElement, UnsupportedData

GRID = axial_grid((5, 6, 7), spacing_mm=(5, 5, 5), origin_mm=(-15, -12, -10))
BEAMS = (
    BeamSpec(1, "a"),
    BeamSpec(2, "b"),
    BeamSpec(3, "setup", "SETUP", None),
    BeamSpec(4, "off", "TREATMENT", 0.0),
)


def start(folder, *, beams=BEAMS, groups=None, plan=True):
    writer = CaseWriter(folder)
    writer.structures([Roi("PTV", prism(box_ring(10, 10), [-5, 0, 5]))])
    if plan:
        writer.plan([Rx("PTV", 50.0)], beams=beams, groups=groups)
    else:
        writer.plan_uid = writer.uid("a plan elsewhere")
    return writer


def level(gy, grid=GRID):
    return np.full(grid.shape, float(gy))


def read(folder, **options):
    return read_case(scan_folder(folder), **options)


def codes(case):
    return [found.code for found in case.findings]


def test_one_plan_dose_is_the_dose(tmp_path):
    """A PLAN dose is used alone, with the plan's fractions, never multiplied."""
    start(tmp_path).dose(GRID, level(50))
    case = read(tmp_path)
    (term,) = case.dose.terms
    assert term.gy.max() == pytest.approx(50)
    assert (term.fractions, term.plan_uid) == (25, case.plans[0].uid)
    assert (case.dose.summation, case.dose.type) == ("PLAN", "PHYSICAL")
    assert codes(case) == []


def test_two_plan_doses_are_ambiguous(tmp_path):
    """Two PLAN doses of one plan: choose."""
    writer = start(tmp_path)
    writer.dose(GRID, level(50), what="one")
    writer.dose(GRID, level(51), what="two")
    with pytest.raises(AmbiguousSelection, match=r"2 PLAN doses.*--dose"):
        read(tmp_path)
    assert read(tmp_path, dose="RD.two.dcm").dose.terms[0].gy.max() == pytest.approx(51)


def test_complete_beams_are_added(tmp_path):
    """BEAM doses of every treatment beam are one term; SETUP and meterset 0 need none."""
    writer = start(tmp_path)
    writer.dose(GRID, level(20), summation="BEAM", beams=[1], what="b1")
    writer.dose(GRID, level(30), summation="BEAM", beams=[2], what="b2")
    case = read(tmp_path)
    (term,) = case.dose.terms
    assert term.gy.max() == pytest.approx(50, rel=1e-6)
    assert term.fractions == 25
    assert case.dose.summation == "SUM"
    assert codes(case) == ["dose-summed"]


def test_missing_beam_refuses_and_names_it(tmp_path):
    """A beam without a dose is named."""
    start(tmp_path).dose(GRID, level(20), summation="BEAM", beams=[1])
    with pytest.raises(InconsistentCase, match="beam 2 is missing"):
        read(tmp_path)


def test_missing_beam_accepted_is_an_error_finding(tmp_path):
    """With the user's consent the part is read, and an error-level finding says so."""
    start(tmp_path).dose(GRID, level(20), summation="BEAM", beams=[1])
    case = read(tmp_path, accept_mismatch=True)
    assert "dose-incomplete" in codes(case)


def test_choosing_one_beam_of_a_plan_refuses(tmp_path):
    """--dose does not make a part the whole."""
    writer = start(tmp_path)
    writer.dose(GRID, level(20), summation="BEAM", beams=[1], what="b1")
    writer.dose(GRID, level(30), summation="BEAM", beams=[2], what="b2")
    with pytest.raises(InconsistentCase, match="beam 2 is missing"):
        read(tmp_path, dose="RD.b1.dcm")


def test_doubled_beam_refuses(tmp_path):
    """A beam that is there twice would be counted twice."""
    writer = start(tmp_path)
    writer.dose(GRID, level(20), summation="BEAM", beams=[1], what="b1")
    writer.dose(GRID, level(30), summation="BEAM", beams=[2], what="b2")
    writer.dose(GRID, level(31), summation="BEAM", beams=[2], what="b2 again")
    with pytest.raises(InconsistentCase, match="beam 2 is there more than once"):
        read(tmp_path)


def test_unknown_beam_refuses(tmp_path):
    """A beam the plan does not have cannot belong to it."""
    writer = start(tmp_path)
    writer.dose(GRID, level(20), summation="BEAM", beams=[1, 2], what="b1")
    writer.dose(GRID, level(30), summation="BEAM", beams=[9], what="b9")
    with pytest.raises(InconsistentCase, match="beam 9 is not in the plan"):
        read(tmp_path)


def test_beam_dose_without_number_refuses(tmp_path):
    """A BEAM dose that names no beam proves nothing."""
    start(tmp_path).dose(GRID, level(20), summation="BEAM")
    with pytest.raises(InconsistentCase, match="does not say which beam"):
        read(tmp_path)


def test_one_file_for_several_beams(tmp_path):
    """A BEAM dose may hold several beams."""
    start(tmp_path).dose(GRID, level(50), summation="BEAM", beams=[1, 2])
    assert read(tmp_path).dose.terms[0].gy.max() == pytest.approx(50)


def test_fraction_groups_stay_apart(tmp_path):
    """FRACTION doses of two groups are two terms, each with its own fractions."""
    beams = (BeamSpec(1, group=1), BeamSpec(2, group=2))
    writer = start(tmp_path, beams=beams, groups={1: 20, 2: 5})
    writer.dose(GRID, level(40), summation="FRACTION", group=1, what="g1")
    writer.dose(GRID, level(10), summation="FRACTION", group=2, what="g2")
    case = read(tmp_path)
    assert [(t.gy.max(), t.fractions) for t in case.dose.terms] == [(40, 20), (10, 5)]
    assert "fraction-groups-several" in codes(case)
    assert "dose-several-grids" not in codes(case)


def test_missing_fraction_group_refuses(tmp_path):
    """FRACTION doses must be exactly the plan's groups."""
    beams = (BeamSpec(1, group=1), BeamSpec(2, group=2))
    writer = start(tmp_path, beams=beams, groups={1: 20, 2: 5})
    writer.dose(GRID, level(40), summation="FRACTION", group=1)
    with pytest.raises(InconsistentCase, match="fraction group 2 is missing"):
        read(tmp_path)


def test_incomplete_fractions_fall_back_to_complete_beams(tmp_path):
    """Where FRACTION doses are incomplete, complete BEAM doses count."""
    beams = (BeamSpec(1, group=1), BeamSpec(2, group=2))
    writer = start(tmp_path, beams=beams, groups={1: 20, 2: 5})
    writer.dose(GRID, level(39), summation="FRACTION", group=1, what="g1")
    writer.dose(GRID, level(40), summation="BEAM", beams=[1], what="b1")
    writer.dose(GRID, level(10), summation="BEAM", beams=[2], what="b2")
    case = read(tmp_path)
    assert [(t.gy.max(), t.fractions) for t in case.dose.terms] == [(40, 20), (10, 5)]
    assert "objects-ignored" in codes(case)


@pytest.mark.parametrize(
    ("group", "message"), [(3, "group 3 is not in the plan"), (None, "does not say which")]
)
def test_foreign_fraction_group_refuses(tmp_path, group, message):
    """A group that the plan does not have, or none, is refused."""
    writer = start(tmp_path)
    writer.dose(GRID, level(50), summation="FRACTION", group=1, what="g1")
    writer.dose(GRID, level(10), summation="FRACTION", group=group, what="g?")
    with pytest.raises(InconsistentCase, match=message):
        read(tmp_path)


def test_different_grids_stay_apart(tmp_path):
    """Beams on different grids are separate terms with the plan's fractions."""
    other = axial_grid((5, 6, 7), spacing_mm=(5, 5, 5), origin_mm=(-15, -12, -9))
    writer = start(tmp_path)
    writer.dose(GRID, level(20), summation="BEAM", beams=[1], what="b1")
    writer.dose(other, level(30), summation="BEAM", beams=[2], what="b2")
    case = read(tmp_path)
    assert [(t.gy.max(), t.fractions) for t in case.dose.terms] == [(20, 25), (30, 25)]
    assert "dose-several-grids" in codes(case)


def test_plan_and_beams_that_agree(tmp_path):
    """PLAN beside a complete, equal BEAM set: PLAN is used, no finding."""
    writer = start(tmp_path)
    writer.dose(GRID, level(50), what="whole")
    writer.dose(GRID, level(20), summation="BEAM", beams=[1], what="b1")
    writer.dose(GRID, level(30.4), summation="BEAM", beams=[2], what="b2")
    case = read(tmp_path)
    assert case.dose.summation == "PLAN"
    assert codes(case) == []


def test_plan_and_beams_that_differ(tmp_path):
    """More than 1 % of the prescription between PLAN and its beams is a finding."""
    writer = start(tmp_path)
    writer.dose(GRID, level(50), what="whole")
    writer.dose(GRID, level(20), summation="BEAM", beams=[1], what="b1")
    writer.dose(GRID, level(30.6), summation="BEAM", beams=[2], what="b2")
    case = read(tmp_path)
    assert codes(case) == ["dose-beam-sum-differs"]
    assert "1.2 % of 50 Gy" in case.findings[0].message


def test_plan_and_beams_on_other_grids(tmp_path):
    """Beams on another grid cannot be compared voxel by voxel; that is said."""
    other = axial_grid((5, 6, 8), spacing_mm=(5, 5, 5), origin_mm=(-15, -12, -10))
    writer = start(tmp_path)
    writer.dose(GRID, level(50), what="whole")
    writer.dose(other, level(50, other), summation="BEAM", beams=[1, 2], what="b1")
    assert codes(read(tmp_path)) == ["dose-beam-sum-unchecked"]


def test_plan_beside_an_incomplete_beam_set(tmp_path):
    """An incomplete BEAM set says nothing about the PLAN dose."""
    writer = start(tmp_path)
    writer.dose(GRID, level(50), what="whole")
    writer.dose(GRID, level(3), summation="BEAM", beams=[1], what="b1")
    assert codes(read(tmp_path)) == []


@pytest.mark.parametrize(
    "summation",
    ["FRACTION_SESSION", "BEAM_SESSION", "CONTROL_POINT", "BRACHY", "RECORD", "PLAN_OVERVIEW"],
)
def test_other_summation_types_are_refused_by_name(tmp_path, summation):
    """Types without a plan's dose are named."""
    start(tmp_path).dose(GRID, level(2), summation=summation)
    with pytest.raises(UnsupportedData, match=rf"RD\.dose\.dcm \({summation}\)"):
        read(tmp_path)


def test_absent_summation_type_is_missed(tmp_path):
    """Without a type nobody knows whether the dose is whole."""

    def edit(ds):
        del ds.DoseSummationType

    start(tmp_path).dose(GRID, level(50), edit=edit)
    with pytest.raises(MissingElement, match="DoseSummationType"):
        read(tmp_path)


def test_multi_plan_has_no_fractions(tmp_path):
    """A MULTI_PLAN dose is read without a fraction count."""
    start(tmp_path).dose(GRID, level(50), summation="MULTI_PLAN")
    case = read(tmp_path)
    assert case.dose.terms[0].fractions is None
    assert codes(case) == ["dose-multi-plan"]


def test_effective_and_physical_parts_are_refused(tmp_path):
    """Weighted and absorbed dose of one plan cannot be added."""
    writer = start(tmp_path)
    writer.dose(GRID, level(20), summation="BEAM", beams=[1], what="b1")
    writer.dose(GRID, level(30), summation="BEAM", beams=[2], what="b2", dose_type="EFFECTIVE")
    with pytest.raises(InconsistentCase, match="EFFECTIVE and PHYSICAL"):
        read(tmp_path)


def test_parts_without_a_plan_are_of_unknown_completeness(tmp_path):
    """Without an RTPLAN beams are added, and the finding says what is unknown."""
    writer = start(tmp_path, plan=False)
    writer.dose(GRID, level(20), summation="BEAM", beams=[1], what="b1")
    writer.dose(GRID, level(30), summation="BEAM", beams=[2], what="b2")
    case = read(tmp_path)
    assert case.dose.terms[0].gy.max() == pytest.approx(50, rel=1e-6)
    assert case.dose.terms[0].fractions is None
    assert codes(case) == ["linked-by-frame", "dose-completeness-unknown", "dose-summed"]


def test_plan_dose_without_a_plan_is_fine(tmp_path):
    """One PLAN dose needs no RTPLAN."""
    start(tmp_path, plan=False).dose(GRID, level(50))
    case = read(tmp_path)
    assert case.plans == ()
    assert codes(case) == ["linked-by-frame"]
