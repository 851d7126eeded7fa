"""Body, parts, images, bolus, couch and air: each check fired and silent."""

import numpy as np
import pytest
from tests.checks.good_plan import (
    BODY_HEIGHTS,
    CT,
    HEIGHTS,
    body,
    checked,
    codes,
    cord,
    only,
    ptv,
    row,
    write_good,
)
from tests.dicom_writer import Roi, axial_grid, box_ring, prism

import planeval as pe


def test_an_organ_outside_the_body_is_told_in_cc(tmp_path):
    """10 of 20 mm beyond the side: half of the volume."""
    liver = Roi("Kidney_L", prism(box_ring(20, 60, (50, 0)), BODY_HEIGHTS), type="ORGAN")
    result = checked(write_good(tmp_path, rois=[body(), ptv(), cord(), liver]))
    found = only(result, "structure-outside-body")
    assert "52.20 of 104.40 cc (50.0 %)" in found.message  # 20 x 60 x 29 slices of 3 mm
    assert found.where == "Kidney_L"


def test_a_target_outside_the_body_has_a_code_of_its_own(tmp_path):
    """2 of 24 mm of the PTV beyond the skin."""
    rois = [body(), ptv(centre=(40.0, 0.0)), cord()]
    result = checked(write_good(tmp_path, rois=rois))
    assert "target-outside-body" in codes(result)
    found = next(f for f in result.findings if f.code == "target-outside-body")
    assert "1.30 of 15.55 cc" in found.message  # 2 x 24 x 27 mm


def test_outlines_that_nearly_agree_and_things_beside_the_body_are_silent(tmp_path):
    """A tenth of a millimetre over the skin, a couch, a ring, the skin itself."""
    lung = Roi("Lung_L", prism(box_ring(50.1, 60, (25.05, 0)), BODY_HEIGHTS), type="ORGAN")
    ring = Roi("Ring_PTV", prism(box_ring(120, 120), HEIGHTS), type="")
    prv = Roi("SpinalCord_PRV05", prism(box_ring(20, 30, (0, 35)), BODY_HEIGHTS), type="ORGAN")
    couch = Roi("CouchSurface", prism(box_ring(100, 5, (0, 52)), BODY_HEIGHTS), type="SUPPORT")
    result = checked(write_good(tmp_path, rois=[body(), ptv(), cord(), lung, ring, prv, couch]))
    assert codes(result) == ["couch-present"]
    assert "CouchSurface" in result.findings[0].message


def test_without_a_body_the_check_says_so(tmp_path):
    """No EXTERNAL: not clean."""
    result = checked(write_good(tmp_path, rois=[ptv(), cord()]))
    assert row(result, "body").state == "not-checked"
    assert "EXTERNAL" in row(result, "body").text


def test_an_organ_in_two_parts_is_told(tmp_path):
    """A forgotten 2 x 2 mm contour beside the cord: 0.012 cc."""
    stray = prism(box_ring(2, 2, (30, 30)), [0.0])
    result = checked(write_good(tmp_path, rois=[body(), ptv(), cord(extra=stray)]))
    found = only(result, "parts-unexpected")
    assert "2 separate parts" in found.message
    assert "0.01 cc" in found.message


def test_paired_organs_may_have_two_parts(tmp_path):
    """Lungs: two are fine, three are not."""

    def lungs(*centres):
        contours = [p for x in centres for p in prism(box_ring(10, 10, (x, -30)), BODY_HEIGHTS)]
        return Roi("Lungs", contours, type="ORGAN")

    two = checked(write_good(tmp_path / "2", rois=[body(), ptv(), cord(), lungs(-30, 30)]))
    assert codes(two) == []
    three = checked(write_good(tmp_path / "3", rois=[body(), ptv(), cord(), lungs(-30, 0, 30)]))
    assert "3 separate parts" in only(three, "parts-unexpected").message


def test_missing_planes_do_not_make_parts(tmp_path):
    """The reader tells the gap; two pieces that continue each other are one organ."""
    heights = [z for z in BODY_HEIGHTS if z not in (0.0, 3.0)]
    spine = Roi("SpinalCord", prism(box_ring(10, 10, (0, 35)), heights), type="ORGAN")
    result = checked(write_good(tmp_path, rois=[body(), ptv(), spine]))
    assert codes(result) == []
    assert row(result, "parts").codes == ("contour-gap",)


def test_a_crumb_of_a_target_is_told_and_a_second_lesion_is_not(tmp_path):
    """4 x 3 x 3 mm is 0.04 cc beside 15.6; 10 x 10 x 27 mm is a lesion."""

    def target(width, height, heights):
        more = prism(box_ring(width, height, (35, -25)), heights)
        return Roi("PTV", [*prism(box_ring(24, 24), HEIGHTS), *more], type="PTV")

    crumb = checked(write_good(tmp_path / "c", rois=[body(), target(4, 3, [0.0]), cord()]))
    assert "1 are crumbs" in next(
        f.message for f in crumb.findings if f.code == "target-stray-part"
    )
    lesion = checked(write_good(tmp_path / "l", rois=[body(), target(10, 10, HEIGHTS), cord()]))
    assert "target-stray-part" not in codes(lesion)


def test_contours_beyond_the_scan_are_told_in_mm(tmp_path):
    """The cord goes on for 12 mm beyond the last slice: 10.5 mm beyond its voxels."""
    heights = [float(z) for z in range(-42, 58, 3)]
    spine = Roi("SpinalCord", prism(box_ring(10, 10, (0, 35)), heights), type="ORGAN")
    outer = Roi("External", prism(box_ring(100, 90), heights), type="EXTERNAL")
    found = only(
        checked(write_good(tmp_path, ct=CT, rois=[outer, ptv(), spine])), "structure-beyond-image"
    )
    assert found.where == "SpinalCord"
    assert "10.5 mm" in found.message


def liver(heights):
    """A small liver beside the target."""
    return Roi("Liver", prism(box_ring(40, 40, (-20, 0)), heights), type="ORGAN")


@pytest.mark.parametrize(
    ("heights", "ends"),
    [
        (range(-45, 13, 3), "first slice"),
        (range(-12, 46, 3), "last slice"),
        (range(-45, 46, 3), "first and the last slice"),
        (range(-12, 49, 3), "last slice"),
    ],
)
def test_a_liver_that_ends_with_the_scan_is_told(tmp_path, heights, ends):
    """Drawn on the first or the last slice, or beyond: its spared volume is a lower bound."""
    outer = Roi("External", prism(box_ring(100, 90), range(-45, 49, 3)), type="EXTERNAL")
    result = checked(write_good(tmp_path, ct=CT, rois=[outer, ptv(), liver(heights), cord()]))
    found = next(f for f in result.findings if f.code == "organ-cut-by-scan")
    assert f"up to the {ends}" in found.message
    assert "CV (spared volume) is at least" in found.message
    assert found.where == "Liver"


def test_a_liver_one_slice_inside_the_scan_is_silent_and_a_cord_may_be_cut(tmp_path):
    """-42 to 42 mm on slices from -45 to 45 mm; nobody draws a whole cord."""
    spine = Roi("SpinalCord", prism(box_ring(10, 10, (0, 35)), range(-45, 46, 3)), type="ORGAN")
    rois = [body(), ptv(), liver(range(-42, 43, 3)), spine]
    result = checked(write_good(tmp_path, ct=CT, rois=rois))
    assert "organ-cut-by-scan" not in codes(result)
    assert row(result, "scan-end").state == "clean"
    bare = checked(write_good(tmp_path / "bare", rois=[body(), ptv(), liver(HEIGHTS)]))
    assert row(bare, "scan-end").state == "not-checked"


def test_contours_between_slices_are_told(tmp_path):
    """A structure set of another scan: every plane 1.5 mm from the slices, 3 mm apart."""
    shifted = [z + 1.5 for z in HEIGHTS]
    result = checked(write_good(tmp_path, ct=CT, rois=[body(), ptv(heights=shifted), cord()]))
    assert "1.50 mm" in only(result, "contours-off-slices").message


def test_contours_a_little_off_their_slices_are_silent(tmp_path):
    """Positions are written with few decimals: 0.05 mm is nothing."""
    shifted = [z + 0.05 for z in HEIGHTS]
    assert (
        codes(checked(write_good(tmp_path, ct=CT, rois=[body(), ptv(heights=shifted), cord()])))
        == []
    )


def bolus_of(number):
    def edit(ds):
        item = type(ds)()
        item.ReferencedROINumber = number
        ds.BeamSequence[0].NumberOfBoli = 1
        ds.BeamSequence[0].ReferencedBolusSequence = [item]

    return edit


def test_bolus_of_plan_and_structures_must_fit(tmp_path):
    """Drawn and named: for the record; named only: an error; drawn only: a warning."""
    drawn = [
        body(),
        ptv(),
        cord(),
        Roi("B1", prism(box_ring(50, 5, (0, -48)), HEIGHTS), type="BOLUS"),
    ]
    both = checked(write_good(tmp_path / "both", rois=drawn, edit_plan=bolus_of(4)))
    assert only(both, "bolus-present").severity is pe.Severity.INFO
    lost = only(checked(write_good(tmp_path / "lost", edit_plan=bolus_of(4))), "bolus-unknown")
    assert lost.severity is pe.Severity.ERROR
    loose = only(checked(write_good(tmp_path / "loose", rois=drawn)), "bolus-not-used")
    assert (loose.severity, loose.where) == (pe.Severity.WARNING, "B1")


def half_air():
    """HU of water where x < 0, of air elsewhere."""
    x = CT.origin_mm[0] + CT.column_step_mm * np.arange(CT.columns)
    return np.where(x < 0, 0.0, -1000.0)[None, None, :] + np.zeros(CT.shape)


def test_air_in_a_target_is_told_when_hu_are_read(tmp_path):
    """Half of the target: 7.8 of 15.6 cc."""
    result = checked(write_good(tmp_path, ct=CT, hu=half_air()), read_hu=True)
    found = only(result, "target-in-air")
    assert "7.78 of 15.55 cc (50.0 %)" in found.message


@pytest.mark.parametrize("hu", [0.0, -850.0])
def test_water_and_lung_are_no_air(tmp_path, hu):
    """Lung tissue of -850 HU is where a liver target may well reach."""
    assert codes(checked(write_good(tmp_path, ct=CT, hu=np.full(CT.shape, hu)), read_hu=True)) == []


def test_hu_are_not_read_unless_asked(tmp_path):
    """The row says that it was not checked; files that are gone do not matter."""
    case = pe.load(write_good(tmp_path, ct=CT, hu=half_air()))
    for path in case.image.paths:
        path.unlink()
    result = pe.plan_checks(case)
    assert row(result, "air").state == "not-checked"
    assert "--check-hu" in row(result, "air").text


def test_air_counts_in_a_turned_image(tmp_path):
    """Descending slices of another spacing: the same share."""
    grid = axial_grid((46, 60, 60), spacing_mm=(2, 2, 2), origin_mm=(-59, -59, -45))
    x = grid.origin_mm[0] + 2.0 * np.arange(60)
    hu = np.where(x < 0, 0.0, -1000.0)[None, None, :] + np.zeros(grid.shape)
    case = write_good(tmp_path, ct=grid, hu=hu)
    found = [f for f in checked(case, read_hu=True).findings if f.code == "target-in-air"]
    assert "50.0 %" in found[0].message
