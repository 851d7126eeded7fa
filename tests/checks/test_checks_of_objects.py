"""Frames, references, dates and approval: facts are errors, guesses warnings, a good plan silent."""

import pytest
from tests.checks.good_plan import CT, checked, codes, only, row, write_good

import planeval as pe
from planeval.checks import CODES, plan_checks


def test_a_good_plan_is_silent(tmp_path):
    """No check finds anything; what cannot be looked at says so and is not clean."""
    result = checked(write_good(tmp_path, ct=CT), read_hu=True)
    assert result.findings == ()
    states = {each.id: each.state.value for each in result.rows}
    unchecked = {name for name, state in states.items() if state == "not-checked"}
    assert unchecked == {"beam-point", "couch", "scan-end"}
    assert set(states.values()) == {"clean", "not-checked"}


def test_images_in_another_frame_are_an_error(tmp_path):
    """The series is the one that the structure set names, its frame of reference is not."""

    def moved(ds):
        ds.FrameOfReferenceUID = "1.2.3.4"

    found = only(checked(write_good(tmp_path, ct=CT, edit_ct=moved)), "image-frame-differs")
    assert found.severity is pe.Severity.ERROR
    assert "1.2.3.4" in found.message


def test_a_plan_in_another_frame_is_an_error(tmp_path):
    """FrameOfReferenceUID of the RTPLAN against dose and structures."""

    def moved(ds):
        ds.FrameOfReferenceUID = "1.2.3.4"

    found = only(checked(write_good(tmp_path, edit_plan=moved)), "plan-frame-differs")
    assert found.severity is pe.Severity.ERROR


def test_a_dose_of_other_structures_is_an_error(tmp_path):
    """The plan's reference chooses the structure set; the dose's must not contradict."""

    def other(ds):
        item = type(ds)()
        item.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.481.3"
        item.ReferencedSOPInstanceUID = "1.2.3.4"
        ds.ReferencedStructureSetSequence = [item]

    found = only(checked(write_good(tmp_path, edit_dose=other)), "dose-names-other-structures")
    assert found.severity is pe.Severity.ERROR


def test_a_plan_that_names_another_dose_is_an_error(tmp_path):
    """ReferencedDoseSequence of the plan names none of the doses evaluated."""

    def other(ds):
        item = type(ds)()
        item.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.481.2"
        item.ReferencedSOPInstanceUID = "1.2.3.4"
        ds.ReferencedDoseSequence = [item]

    found = only(checked(write_good(tmp_path, edit_plan=other)), "plan-names-other-dose")
    assert found.severity is pe.Severity.ERROR
    assert "1.2.3.4" in found.message


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        ({"edit_structures": ("StructureSetDate", "20250202")}, "changed after planning"),
        ({"edit_plan": ("RTPlanDate", "20250202")}, "plan may have changed"),
        ({"edit_ct": ("StudyDate", "20250202")}, "contours may not be of these images"),
    ],
)
def test_dates_out_of_order_are_a_warning(tmp_path, spoilt, words):
    """Images, structures, plan, dose: an earlier step of a later day."""
    ((where, (keyword, day)),) = spoilt.items()
    edit = {where: lambda ds: setattr(ds, keyword, day)}
    result = checked(write_good(tmp_path, ct=CT if where == "edit_ct" else None, **edit))
    found = only(result, "dates-out-of-order")
    assert words in found.message
    assert "2025-02-02" in found.message


def test_dates_of_one_day_and_dates_that_are_none_are_silent(tmp_path):
    """Times are not compared, and text that is no date says nothing."""

    def no_date(ds):
        ds.StructureSetDate = "20250103"
        ds.StructureSetTime = "235959"

    def odd(ds):
        ds.RTPlanDate = "20251345"

    assert codes(checked(write_good(tmp_path / "a", edit_structures=no_date))) == []
    assert codes(checked(write_good(tmp_path / "b", edit_plan=odd))) == []


def test_a_plan_changed_after_its_review_is_a_warning(tmp_path):
    """ReviewDate before RTPlanDate; the same day is fine."""

    def reviewed(day):
        return lambda ds: setattr(ds, "ReviewDate", day)

    late = checked(write_good(tmp_path / "late", edit_plan=reviewed("20250102")))
    assert only(late, "plan-changed-after-approval").severity is pe.Severity.WARNING
    assert codes(checked(write_good(tmp_path / "same", edit_plan=reviewed("20250103")))) == []


def test_rejected_and_unapproved_objects_are_told(tmp_path):
    """A rejected plan or structure set is a warning, unapproved structures are for the record."""

    def status(text):
        return lambda ds: setattr(ds, "ApprovalStatus", text)

    plan = checked(write_good(tmp_path / "p", edit_plan=status("REJECTED")))
    assert only(plan, "plan-rejected").severity is pe.Severity.WARNING
    drawn = checked(write_good(tmp_path / "s", edit_structures=status("REJECTED")))
    assert only(drawn, "structures-rejected").severity is pe.Severity.WARNING
    waiting = checked(write_good(tmp_path / "u", edit_structures=status("UNAPPROVED")))
    assert only(waiting, "structures-not-approved").severity is pe.Severity.INFO


def test_what_the_readers_found_shows_in_the_row_of_its_check(tmp_path):
    """A plan that is not approved is the reader's finding; the check is not clean."""

    def status(ds):
        ds.ApprovalStatus = "UNAPPROVED"

    result = checked(write_good(tmp_path, edit_plan=status))
    assert result.findings == ()
    assert row(result, "approval").codes == ("plan-not-approved",)
    assert row(result, "approval").state == "found"


def test_a_sum_of_plans_says_what_it_does_not_check(tmp_path):
    """Headers of several plans are not mixed: the rows are not clean."""
    first, second = (
        pe.load(write_good(tmp_path / name, what=name)) for name in ("first", "second")
    )
    result = plan_checks(pe.plan_sum([first, second]))
    for check in ("references", "frames", "dates"):
        assert row(result, check).state == "not-checked"
        assert "sum of plans" in row(result, check).text


def test_every_code_has_a_meaning_and_a_severity():
    """The table is complete, and no code is one of the readers'."""
    from planeval.dicom import CODES as READERS

    assert not set(CODES) & set(READERS)
    for code, (severity, meaning) in CODES.items():
        assert isinstance(severity, pe.Severity), code
        assert meaning, code
