"""The margin audit on solids whose margins are written down."""

import numpy as np
import pytest
import shapely
from tests.phantoms import disc, round_stack, sphere, structure

from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack, PlaneFrame
from planeval.model import Status, Structure
from planeval.model.margins import AXES, MarginRule
from planeval.targets.audit import margin_audit

SAGITTAL = PlaneFrame((0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def box(name, low, high, spacing=4.0, **data):
    """A box whose ends are where half a spacing beyond its end planes is."""
    count = round((high[2] - low[2]) / spacing)
    heights = low[2] + (np.arange(count) + 0.5) * spacing
    area = shapely.box(low[0], low[1], high[0], high[1])
    planes = [DrawnPlane(float(z), area) for z in heights]
    return Structure(name, PlanarStack(AXIAL, planes, spacing_mm=spacing), **data)


INNER = box("CTV", (-20, -16, -16), (20, 16, 16))
MARGINS = {"L": 7, "R": 5, "A": 4, "P": 8, "S": 12, "I": 8}
OUTER = box("PTV", (-25, -20, -24), (27, 24, 28))


@pytest.fixture(scope="module")
def ball():
    return structure(round_stack(sphere(14), 4.0, half_mm=14), "CTV")


@pytest.fixture(scope="module")
def shell():
    return structure(round_stack(sphere(20), 4.0, half_mm=20), "PTV")


@pytest.fixture(scope="module")
def in_range(ball, shell):
    return margin_audit(shell, ball, MarginRule.of(6))


def test_six_different_margins_of_a_box_come_out_by_axis():
    """Each axis has its own margin, and the extent says the same."""
    report = margin_audit(OUTER, INNER).report
    for axis in report.axes:
        assert axis.spread.median_mm == pytest.approx(MARGINS[axis.axis], abs=0.05), axis
        assert axis.extent_mm == pytest.approx(MARGINS[axis.axis], abs=0.05), axis
    assert report.margin.minimum_mm == pytest.approx(4, abs=0.05)
    assert report.inner_area_mm2 == pytest.approx(2 * (40 * 32 + 40 * 32 + 32 * 32), rel=0.01)


@pytest.mark.parametrize("spacing", [1.5, 3.0, 5.0])
@pytest.mark.parametrize("frame", [AXIAL, SAGITTAL])
def test_the_margin_of_spheres_knows_neither_spacing_nor_orientation(spacing, frame):
    """14 mm in 20 mm: 6 mm in every direction within 0.25 mm, median within 0.03 mm."""
    inner = structure(round_stack(sphere(14), spacing, half_mm=14, frame=frame), "CTV")
    outer = structure(round_stack(sphere(20), spacing, half_mm=20, phase=0.2, frame=frame), "PTV")
    report = margin_audit(outer, inner).report
    assert report.margin.median_mm == pytest.approx(6, abs=0.03)
    assert (report.margin.minimum_mm, report.margin.maximum_mm) == pytest.approx((6, 6), abs=0.25)
    for axis in report.axes:
        assert axis.spread.minimum_mm == pytest.approx(6, abs=0.15)
        assert axis.extent_mm == pytest.approx(6, abs=0.2 if spacing < 4 else 0.45)


def test_structures_drawn_in_different_directions_are_compared():
    """An axial PTV around a sagittal CTV has the margin it has."""
    inner = structure(round_stack(sphere(14), 3.0, half_mm=14, frame=SAGITTAL), "CTV")
    outer = structure(round_stack(sphere(20), 3.0, half_mm=20), "PTV")
    assert margin_audit(outer, inner).report.margin.median_mm == pytest.approx(6, abs=0.05)


def test_a_shifted_sphere_lacks_on_one_side_what_it_has_on_the_other(ball):
    """3 mm to the left: 9 mm there, 3 mm on the right, short by 3 mm on the right."""
    outer = structure(round_stack(sphere(20), 4.0, half_mm=20, centre=(3.0, 0, 0)), "PTV")
    audit = margin_audit(outer, ball, MarginRule.of(6), tolerance_mm=1.0)
    by_axis = {axis.axis: axis.spread for axis in audit.report.axes}
    assert by_axis["L"].minimum_mm == pytest.approx(9, abs=0.3)
    assert by_axis["R"].minimum_mm == pytest.approx(3, abs=0.1)
    # sqrt(400 + 9 + 120 cos a) > 21 on the 20 mm sphere: a cap of (1 - 32/120) / 2 of it
    assert audit.report.short_percent == pytest.approx(100 * (1 - 32 / 120) / 2, abs=1.5)
    assert audit.report.long_percent == pytest.approx(100 * (1 - 32 / 120) / 2, abs=1.5)
    assert audit.report.short_mm == pytest.approx(3, abs=0.15)
    assert audit.outcome.status is Status.FAIL
    short, long = audit.report.regions[0], audit.report.regions[-1]
    assert (short.kind, short.axis, long.kind, long.axis) == ("short", "R", "long", "L")
    assert short.place_mm[0] == pytest.approx(-20, abs=0.5)


def test_the_rule_itself_is_in_range(in_range):
    """Grown by 6 mm, asked for 6 mm: nothing short or long, and the rule's solid agrees."""
    report = in_range.report
    assert in_range.outcome.status is Status.PASS
    assert (report.short_percent, report.long_percent, report.clipped_percent) == (0, 0, 0)
    assert report.regions == report.marks == ()
    assert report.agreement.surface_dice == pytest.approx(1.0)
    assert report.agreement.hd95_mm < 0.2
    assert report.agreement.dice == pytest.approx(1, abs=0.02)
    assert report.agreement.volume_difference_percent == pytest.approx(0, abs=1)


def test_ranges_are_short_below_and_long_above(ball, shell):
    """6 mm against 2 to 9 is in range; 10 or more is short; at most 2 is long."""
    inside = margin_audit(shell, ball, MarginRule.of((2, 9)), tolerance_mm=1.0)
    assert inside.outcome.status is Status.PASS
    short = margin_audit(shell, ball, MarginRule.of((10, float("inf"))), tolerance_mm=1.0)
    assert (short.outcome.status, short.report.long_percent) == (Status.FAIL, None)
    assert short.report.short_mm == pytest.approx(4, abs=0.2)
    long = margin_audit(shell, ball, MarginRule.of((0, 2)), tolerance_mm=1.0)
    assert (long.outcome.status, long.report.short_percent) == (Status.ACCEPTABLE, 0)
    assert long.report.long_mm == pytest.approx(4, abs=0.2)
    assert "long" in long.outcome.reason


def dented(depth_mm, low=-6.0, high=6.0):
    """The outer box with a dent on its left, 14 mm x (high - low), from z = -8 to 8."""
    planes = [
        DrawnPlane(
            plane.offset_mm,
            plane.area.difference(shapely.box(27 - depth_mm, low, 40, high))
            if abs(plane.offset_mm) < 8
            else plane.area,
        )
        for plane in OUTER.stack.planes
    ]
    return Structure("PTV", PlanarStack(AXIAL, planes, spacing_mm=4.0))


def test_a_dent_is_found_with_its_depth_area_and_place():
    """4 mm deep, about 12 x 16 mm, on the left: one region, there, and nothing else."""
    rule = MarginRule((7, 7), (5, 5), (4, 4), (8, 8), (12, 12), (8, 8))
    audit = margin_audit(dented(4.0), INNER, rule, tolerance_mm=1.0)
    (region,) = [each for each in audit.report.regions if each.kind == "short"]
    assert (region.axis, region.kind) == ("L", "short")
    assert region.depth_mm == pytest.approx(4, abs=0.25)
    assert 100 < region.area_mm2 < 215
    x, y, z = region.place_mm
    assert x == pytest.approx(27, abs=0.3)
    assert abs(y) < 6.5
    assert abs(z) < 9
    assert region.slice_mm in [plane.offset_mm for plane in OUTER.stack.planes]
    marks = np.array([mark.place_mm for mark in audit.report.marks if mark.kind == "short"])
    assert (marks[:, 0] > 26).all()


def test_what_a_limit_cuts_off_is_clipped_and_no_omission():
    """A PTV cut at the skin, flat to the left: ACCEPTABLE with the skin, FAIL without."""
    cut = box("PTV", (-25, -20, -24), (22, 24, 28))
    skin = box("External", (-60, -60, -60), (22, 60, 60))
    rule = MarginRule((7, 7), (5, 5), (4, 4), (8, 8), (12, 12), (8, 8))
    without = margin_audit(cut, INNER, rule)
    assert without.outcome.status is Status.FAIL
    audit = margin_audit(cut, INNER, rule, clipped_by=[skin])
    assert audit.outcome.status is Status.ACCEPTABLE
    assert audit.report.short_percent == 0
    assert audit.report.clipped_percent == pytest.approx(without.report.short_percent)
    assert audit.report.clipped_mm == pytest.approx(5, abs=0.1)
    assert "short" not in {mark.kind for mark in audit.report.marks}


def test_what_lacks_before_the_limit_is_an_omission():
    """The skin is 5 mm further out than the PTV reaches: clipping explains nothing."""
    cut = box("PTV", (-25, -20, -24), (21, 24, 28))
    skin = box("External", (-60, -60, -60), (26, 60, 60))
    rule = MarginRule((7, 7), (5, 5), (4, 4), (8, 8), (12, 12), (8, 8))
    audit = margin_audit(cut, INNER, rule, clipped_by=[skin])
    assert audit.outcome.status is Status.FAIL
    assert audit.report.clipped_percent == 0


def test_an_avoided_organ_explains_what_lies_inside_it():
    """The PTV leaves the bowel out: clipped where the bowel is, nothing elsewhere."""
    bowel = box("Bowel", (22, -60, -60), (60, 60, 60))
    cut = box("PTV", (-25, -20, -24), (22, 24, 28))
    rule = MarginRule((7, 7), (5, 5), (4, 4), (8, 8), (12, 12), (8, 8))
    audit = margin_audit(cut, INNER, rule, clipped_by=[bowel])
    assert (audit.outcome.status, audit.report.short_percent) == (Status.ACCEPTABLE, 0)


def test_an_inner_structure_that_sticks_out_fails_with_and_without_a_rule():
    """4 mm beyond the outer box on the left: FAIL, with the depth and the place."""
    wide = box("CTV", (-20, -16, -16), (31, 16, 16))
    audit = margin_audit(OUTER, wide)
    assert audit.outcome.status is Status.FAIL
    assert "sticks out" in audit.outcome.reason
    assert audit.report.outside_mm == pytest.approx(4, abs=0.05)
    assert audit.report.margin.minimum_mm == pytest.approx(-4, abs=0.05)
    assert audit.report.regions[0].axis == "L"
    by_axis = {axis.axis: axis.spread.median_mm for axis in audit.report.axes}
    assert by_axis["L"] == pytest.approx(-4, abs=0.05)
    limit = box("External", (-60, -60, -60), (27, 60, 60))
    ruled = margin_audit(OUTER, wide, MarginRule.of((0, 20)), clipped_by=[limit])
    assert ruled.outcome.status is Status.FAIL


def test_the_same_structure_twice_has_no_margin_and_sticks_out_nowhere(ball):
    """Numbers around zero do not make a failure."""
    audit = margin_audit(ball, ball)
    assert audit.outcome.status is Status.PASS
    assert audit.report.margin.median_mm == pytest.approx(0, abs=0.01)
    assert audit.report.outside_percent == 0


def test_flat_ends_wider_than_the_tolerance_are_near_the_limit():
    """Planes 6 mm apart leave 3 mm open at a flat end: more than the tolerance of 2 mm."""
    coarse = [
        box("CTV", (-20, -16, -18), (20, 16, 18), 6.0),
        box("PTV", (-26, -22, -24), (26, 22, 24), 6.0),
    ]
    rule = MarginRule.of((6, 12))
    audit = margin_audit(coarse[1], coarse[0], rule)
    assert (audit.outcome.status, audit.outcome.near_limit) == (Status.PASS, True)
    assert "open by up to 3.0 mm" in audit.outcome.reason
    assert audit.report.short_most_percent > 1 > audit.report.short_least_percent
    fine = margin_audit(coarse[1], coarse[0], rule, tolerance_mm=4.0)
    assert not fine.outcome.near_limit


def test_the_thrombus_is_summarised_alone():
    """The margin at the thrombus end of a GTV is not hidden in the median of the whole."""
    thrombus = box("PVTT", (20, -4, -4), (40, 4, 4))
    tumour = PlanarStack(
        AXIAL,
        [
            DrawnPlane(
                plane.offset_mm,
                shapely.union(plane.area, shapely.box(20, -4, 40, 4))
                if abs(plane.offset_mm) < 4
                else plane.area,
            )
            for plane in INNER.stack.planes
        ],
        spacing_mm=4.0,
    )
    outer = box("CTV", (-30, -26, -28), (42, 26, 28))
    gtv = Structure("GTV", tumour)
    report = margin_audit(outer, gtv, thrombus=thrombus).report
    assert report.thrombus.minimum_mm == pytest.approx(2, abs=0.1)
    assert report.thrombus.median_mm > report.margin.median_mm


def test_the_part_along_a_vessel_is_required(ball, shell):
    """What the rule adds along a vessel is short where the outer structure does not hold it."""
    part = structure(
        PlanarStack(
            AXIAL, [DrawnPlane(4.0 * k, disc(4.0, (24.0, 0.0))) for k in (-1, 0, 1)], spacing_mm=4.0
        ),
        "part",
    )
    audit = margin_audit(shell, ball, MarginRule.of((5, float("inf"))), vessel_part=part)
    assert audit.outcome.status is Status.FAIL
    assert audit.report.vessel_missing_percent > 30
    assert audit.report.vessel_missing_mm == pytest.approx(8, abs=1.0)


EMPTY = Structure("PTV", PlanarStack(AXIAL))
ONE_PLANE = Structure("CTV", PlanarStack(AXIAL, [DrawnPlane(0.0, disc(5.0))]))


@pytest.mark.parametrize(
    ("outer", "inner", "reason"),
    [
        (EMPTY, INNER, "PTV is empty"),
        (OUTER, EMPTY, "PTV is empty"),
        (OUTER, ONE_PLANE, "no stated thickness"),
        (
            box("PTV", (-25, -20, -24), (27, 24, 28), frame_uid="1.2"),
            box("CTV", (-20, -16, -16), (20, 16, 16), frame_uid="1.3"),
            "different frames",
        ),
    ],
)
def test_what_cannot_be_measured_is_not_evaluable(outer, inner, reason):
    """Nothing missing passes, and the reason says what is missing."""
    audit = margin_audit(outer, inner, MarginRule.of(5))
    assert audit.outcome.status is Status.NOT_EVALUABLE
    assert reason in audit.outcome.reason
    assert audit.report is None


@pytest.mark.parametrize("tolerance", [0.0, -1.0, float("nan")])
def test_a_tolerance_must_be_positive(tolerance):
    """A wrong call is a ValueError."""
    with pytest.raises(ValueError, match="must be positive"):
        margin_audit(OUTER, INNER, tolerance_mm=tolerance)


@pytest.mark.parametrize("ends", [(5, 3), (-1, 3), (float("inf"), float("inf"))])
def test_a_rule_needs_rising_ends(ends):
    """No negative, falling or infinite lower end."""
    with pytest.raises(ValueError, match="need 0 <= low <= high"):
        MarginRule.of(ends)


def test_points_and_amounts_are_kept_for_pictures(in_range):
    """Arrays of the same length, in patient mm; the repr says the outcome."""
    assert len(in_range.margin_mm) == len(in_range.inner_points.points_mm)
    assert len(in_range.short_mm) == len(in_range.rule_points.points_mm) == len(in_range.is_clipped)
    assert "PASS, median 6.0 mm" in repr(in_range)
    assert [axis.axis for axis in in_range.report.axes] == list(AXES)
    assert sum(each.percent for each in in_range.report.histogram) == pytest.approx(100)
