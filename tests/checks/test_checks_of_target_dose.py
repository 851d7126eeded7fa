"""A target that is cold in a part: fired, silent, and not looked at."""

from tests.checks.good_plan import (
    body,
    checked,
    codes,
    cord,
    dose_array,
    only,
    ptv,
    row,
    write_good,
)
from tests.dicom_writer import Rx


def test_a_dose_that_moved_by_half_the_target_is_told(tmp_path):
    """The hill 19 mm to the side: the middle of the PTV has its dose, a side has not."""
    result = checked(write_good(tmp_path, gy=dose_array(centre=(19.0, 0.0, 0.0))))
    found = only(result, "target-cold")
    assert found.where == "PTV"
    assert "D95% is" in found.message
    assert "of the 55 Gy prescribed while D50% is" in found.message


def test_a_covered_target_and_a_dose_that_is_another_one_are_silent(tmp_path):
    """As planned; and at half the dose, which the prescription line of an evaluation tells."""
    good = checked(write_good(tmp_path / "good"))
    assert codes(good) == []
    assert row(good, "target-dose").text == "D95% of the prescription: PTV 101 %"
    half = checked(write_good(tmp_path / "half", gy=dose_array(top_gy=29.0)))
    assert "target-cold" not in codes(half)
    assert row(half, "target-dose").state == "not-checked"


def test_a_target_of_no_known_prescription_is_not_judged(tmp_path):
    """Two levels, neither of them this target's: nothing to compare with."""
    rois = [body(), ptv(), cord()]
    levels = (Rx("Other_1", 55.0), Rx("Other_2", 40.0))
    result = checked(write_good(tmp_path, rois=rois, rx=levels, gy=dose_array(centre=(19, 0, 0))))
    assert "target-cold" not in codes(result)
