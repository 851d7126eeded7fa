"""Resolution and extent of the dose grid, each check fired and silent."""

from tests.checks.good_plan import body, checked, codes, cord, dose_array, only, ptv, write_good
from tests.dicom_writer import axial_grid

import planeval as pe
from planeval.checks import plan_checks


def on_grid(spacing_mm, shape=(15, 20, 20), origin_mm=(-50, -50, -35)):
    grid = axial_grid(shape, spacing_mm=spacing_mm, origin_mm=origin_mm)
    return {"dose_grid": grid, "gy": dose_array(grid)}


def test_four_millimetres_are_coarse_for_sbrt_only(tmp_path):
    """TG-101 discourages more than 3 mm at 5 Gy and more in a fraction; 25 fractions may have 5."""
    grid = on_grid((4.0, 4.0, 4.0), shape=(20, 28, 28))
    result = checked(write_good(tmp_path / "sbrt", fractions=5, **grid))
    assert "4 x 4 x 4 mm" in only(result, "dose-grid-coarse").message
    assert codes(checked(write_good(tmp_path / "long", **grid))) == []


def test_three_millimetres_are_fine_for_sbrt(tmp_path):
    """The limit itself is not beyond it."""
    grid = on_grid((3.0, 3.0, 3.0), shape=(25, 36, 36))
    assert codes(checked(write_good(tmp_path, fractions=5, **grid))) == []


def test_a_target_of_two_voxels_is_told(tmp_path):
    """A 6 mm target on a 2.5 mm grid; its name and width are in the message."""
    small = ptv(6.0)
    result = checked(write_good(tmp_path, rois=[body(), small, cord()]))
    assert "PTV (6.0 mm)" in only(result, "dose-grid-coarse").message


def test_a_target_beyond_the_grid_is_told_in_cc(tmp_path):
    """Half of a target of 24 x 24 x 27 mm at the end of the grid; the dose there stays low."""
    grid = axial_grid((29, 56, 28), spacing_mm=(2.5, 2, 2), origin_mm=(1, -55, -35))
    case = write_good(tmp_path, dose_grid=grid, gy=dose_array(grid, centre=(40, 0, 0), width_mm=20))
    result = checked(case)
    found = only(result, "target-outside-dose-grid")
    assert "7.78 of 15.55 cc" in found.message  # 12 x 24 x 27 mm


def test_high_dose_on_the_border_is_told_with_its_place(tmp_path):
    """A hill that ends with the grid, inside the body: the caudal face holds its top."""
    result = checked(write_good(tmp_path, gy=dose_array(centre=(1, 1, -30))))
    found = only(result, "dose-grid-cut")
    assert "58.00 Gy" in found.message
    assert "x 1.0, y 1.0, z -35.0 mm" in found.message


def test_high_dose_on_the_border_outside_the_body_is_silent(tmp_path):
    """A beam enters through air: the body ends 15 mm before the border."""
    grid = axial_grid((29, 56, 66), spacing_mm=(2.5, 2, 2), origin_mm=(-65, -55, -35))
    gy = dose_array(grid, centre=(-20, 0, 0), width_mm=52)
    assert gy[:, :, 0].max() > 30
    gy[:, :, -10:] = 0
    gy[:, :2], gy[:, -2:], gy[:2], gy[-2:] = 0, 0, 0, 0
    result = checked(write_good(tmp_path, dose_grid=grid, gy=gy))
    assert codes(result) == []


def test_without_a_body_every_border_counts(tmp_path):
    """The same beam, and nobody knows where the body ends."""
    grid = axial_grid((29, 56, 66), spacing_mm=(2.5, 2, 2), origin_mm=(-65, -55, -35))
    gy = dose_array(grid, centre=(-20, 0, 0), width_mm=52)
    result = checked(write_good(tmp_path, rois=[ptv(), cord()], dose_grid=grid, gy=gy))
    assert "dose-grid-cut" in codes(result)


def test_a_case_without_a_dose_says_so(tmp_path):
    """Nothing that was not looked at is clean."""
    case = pe.load(write_good(tmp_path), need_dose=False)
    without = pe.Case(__import__("dataclasses").replace(case.data, dose=None))
    rows = {row.id: row for row in plan_checks(without).rows}
    for check in ("grid-resolution", "grid-coverage", "beam-point"):
        assert (rows[check].state, rows[check].text) == ("not-checked", "the case has no dose")
