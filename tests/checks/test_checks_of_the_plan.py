"""Fractions, fraction groups, beams and isocentres, each check fired and silent."""

import pytest
from tests.checks.good_plan import beam_doses, checked, codes, dose_array, only, row, write_good
from tests.dicom_writer import BeamSpec, Rx

import planeval as pe


@pytest.mark.parametrize(("fractions", "gy"), [(1, "55"), (150, "0.367")])
def test_an_unusual_fraction_dose_is_a_warning(tmp_path, fractions, gy):
    """55 Gy in one fraction, or in 150."""
    result = checked(write_good(tmp_path, fractions=fractions))
    assert f"{gy} Gy per fraction" in only(result, "fraction-dose-unusual").message


@pytest.mark.parametrize("fractions", [2, 5, 30, 110])
def test_usual_fraction_doses_are_silent(tmp_path, fractions):
    """From 27.5 Gy down to 0.5 Gy in a fraction."""
    assert codes(checked(write_good(tmp_path, fractions=fractions))) == []


def test_beam_doses_far_from_the_prescription_are_a_warning(tmp_path):
    """5 fractions of 2.2 Gy are not 55 Gy: one of the two numbers is wrong."""
    result = checked(write_good(tmp_path, fractions=5, edit_plan=beam_doses(1.1, 1.1)))
    found = only(result, "beam-doses-differ")
    assert "11 Gy" in found.message
    assert "55 Gy" in found.message


def test_beam_doses_near_the_prescription_are_silent(tmp_path):
    """2.2 Gy by 25, and 107 % of it; a beam that states nothing leaves the sum unknown."""
    for number, doses in enumerate([(1.1, 1.1), (1.177, 1.177)]):
        folder = tmp_path / str(number)
        result = checked(write_good(folder, edit_plan=beam_doses(*doses)))
        assert codes(result) == []
        assert "beams state" in row(result, "fractions").text

    def one_only(ds):
        ds.FractionGroupSequence[0].ReferencedBeamSequence[0].BeamDose = "1.1"

    result = checked(write_good(tmp_path / "one", edit_plan=one_only))
    assert codes(result) == []
    assert "beams state" not in row(result, "fractions").text


def test_the_dose_at_the_beams_point_must_be_there(tmp_path):
    """Where the beams state a point, the dose file is asked there, not the prescription."""
    point = (0.0, 0.0, 0.0)
    good = checked(write_good(tmp_path / "good", edit_plan=beam_doses(1.16, 1.16, point=point)))
    assert codes(good) == []
    assert "58 Gy stated, 58 Gy" in row(good, "beam-point").text
    half = dose_array(top_gy=29.0)
    bad = checked(
        write_good(tmp_path / "bad", gy=half, edit_plan=beam_doses(1.16, 1.16, point=point))
    )
    assert "58 Gy stated, 29 Gy" in only(bad, "beam-dose-point-differs").message


def test_points_of_their_own_are_not_compared(tmp_path):
    """Beams with different points say nothing about the dose at either."""

    def edit(ds):
        beam_doses(1.16, 1.16, point=(0.0, 0.0, 0.0))(ds)
        second = ds.FractionGroupSequence[0].ReferencedBeamSequence[1]
        second.BeamDoseSpecificationPoint = ["30", "0", "0"]

    result = checked(write_good(tmp_path, edit_plan=edit))
    assert codes(result) == []
    assert row(result, "beam-point").state == "not-checked"


def group_doses(*gy):
    def edit(ds):
        for group, each in zip(ds.FractionGroupSequence, gy, strict=True):
            item = type(ds)()
            item.ReferencedDoseReferenceNumber = 1
            item.TargetPrescriptionDose = str(each)
            group.ReferencedDoseReferenceSequence = [item]

    return edit


TWO_GROUPS = {
    "groups": {1: 20, 2: 5},
    "beams": (BeamSpec(1, "A", group=1), BeamSpec(2, "B", group=2)),
}


def test_fraction_groups_that_prescribe_another_sum_are_a_warning(tmp_path):
    """40 + 11 Gy are not 55; 44 + 11 are, and so are 2.2 Gy in each fraction of both."""
    result = checked(write_good(tmp_path / "bad", edit_plan=group_doses(40, 11), **TWO_GROUPS))
    assert "40 Gy, 11 Gy" in only(result, "fraction-group-doses-differ").message
    for name, doses in (("total", (44, 11)), ("each", (2.2, 2.2))):
        good = checked(write_good(tmp_path / name, edit_plan=group_doses(*doses), **TWO_GROUPS))
        assert codes(good) == []


def test_a_fraction_group_with_a_beam_that_is_not_there_is_an_error(tmp_path):
    """The number of a reference is a fact."""

    def edit(ds):
        ds.FractionGroupSequence[0].ReferencedBeamSequence[1].ReferencedBeamNumber = 7

    result = checked(write_good(tmp_path, edit_plan=edit))
    assert codes(result) == ["fraction-group-unknown-beam", "beam-without-fraction-group"]
    assert result.findings[0].severity is pe.Severity.ERROR
    assert "beam 7" in result.findings[0].message


def test_a_treatment_beam_that_no_group_delivers_is_a_warning(tmp_path):
    """Its dose is ordered nowhere; a set-up beam need not be in a group."""
    beams = (BeamSpec(1, "Arc 1"), BeamSpec(2, "Arc 2", group=9))
    result = checked(write_good(tmp_path / "bad", beams=beams))
    assert "2 (Arc 2)" in only(result, "beam-without-fraction-group").message
    beams = (BeamSpec(1, "Arc 1"), BeamSpec(2, "AP", delivery_type="SETUP", group=9))
    assert codes(checked(write_good(tmp_path / "good", beams=beams))) == []


@pytest.mark.parametrize("meterset", [None, 0.0])
def test_a_treatment_beam_without_mu_is_a_warning(tmp_path, meterset):
    """Absent and zero alike; set-up beams have none."""
    beams = (BeamSpec(1, "Arc 1"), BeamSpec(2, "Arc 2", meterset=meterset))
    result = checked(write_good(tmp_path / "bad", beams=beams))
    assert "2 (Arc 2)" in only(result, "beam-without-meterset").message
    beams = (BeamSpec(1, "Arc 1"), BeamSpec(2, "AP", delivery_type="SETUP", meterset=meterset))
    assert codes(checked(write_good(tmp_path / "good", beams=beams))) == []


def test_an_imaging_beam_exported_as_treatment_is_for_the_record(tmp_path):
    """CBCT without monitor units: by its name it was not meant to treat."""
    beams = (BeamSpec(1, "Arc 1"), BeamSpec(2, "CBCT", meterset=None))
    found = only(checked(write_good(tmp_path, beams=beams)), "imaging-beam-as-treatment")
    assert found.severity is pe.Severity.INFO


def test_isocentres_near_each_other_are_doubtful_and_far_ones_are_news(tmp_path):
    """4 mm apart is a warning, 60 mm is for the record, 0.1 mm is one isocentre."""

    def beams(x):
        return (BeamSpec(1, "A"), BeamSpec(2, "B", isocentre_mm=(x, 0.0, 0.0)))

    near = only(checked(write_good(tmp_path / "near", beams=beams(4.0))), "isocentres-close")
    assert near.severity is pe.Severity.WARNING
    assert "4.0" in near.message
    far = only(checked(write_good(tmp_path / "far", beams=beams(60.0))), "isocentres-several")
    assert far.severity is pe.Severity.INFO
    assert codes(checked(write_good(tmp_path / "same", beams=beams(0.1)))) == []


def test_several_levels_bound_what_beams_may_state(tmp_path):
    """With 55 and 45 Gy prescribed, 45 Gy of beam doses fit."""
    rx = (Rx("PTV", 55.0), Rx("node", 45.0, kind="SITE"))
    assert codes(checked(write_good(tmp_path, rx=rx, edit_plan=beam_doses(0.9, 0.9)))) == []
