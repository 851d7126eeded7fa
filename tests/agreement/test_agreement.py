"""What explains a difference between two DVHs: each rule with a curve made by that rule."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from tests.phantoms import cylinder, dose, dose_on_grid, linear, round_stack, sphere, structure

import planeval as pe
from planeval.agreement import agreement_findings, agreement_rows
from planeval.agreement.numbers import Numbers
from planeval.case import Case
from planeval.dose.calculation import dose_volume_histogram
from planeval.geometry.stack import AXIAL, CapReading, DrawnPlane, PlanarStack
from planeval.model import CaseData, Identity, Prescription, TpsDvh, UnreadDvh, UnusableStructure
from planeval.report.agreement import agreement_lines
from planeval.report.dose_table import dose_table

RX = Prescription("PTV", 60.0, 30, "VOLUME", "test")
SLOPE = linear(0.3, 0.2, 0.9, at_centre=50.0)

BALL = round_stack(sphere(18), 3.0, half_mm=18)
ROD = round_stack(cylinder(15), 3.0, half_mm=15)


def case_of(*solids, half_mm=(40.0, 37.0, 43.0), **changes):
    data = CaseData(
        identity=Identity("P1"),
        structures={each.name: each for each in solids},
        dose=dose(dose_on_grid(lambda *at: np.maximum(SLOPE(*at), 0), half_mm=half_mm)),
        prescriptions=(RX,),
    )
    return Case(replace(data, **changes))


def theirs(dvh, name="PTV", *, step_gy=0.02, scale=1.0, statistics=True, **fields):
    """A planning system's curve with bins, made of a DVH of ours."""
    top = float(dvh.dose_gy[-1]) * scale
    doses = np.arange(0, top + 2 * step_gy, step_gy)
    own = Numbers(dvh.dose_gy * scale, dvh.volume_cc)
    extremes = (float(dvh.dose_gy[0]) * scale, top, own.mean()) if statistics else (None,) * 3
    return TpsDvh(name, doses, own.cc_at(doses), *extremes, includes=(name,), **fields)


def compared(case, *dvhs, levels=None):
    return agreement_rows(Case(replace(case.data, tps_dvhs=dvhs)), levels)


def states(row):
    return {metric.metric.partition("[")[0]: metric.state.value for metric in row.metrics}


def under(case, solid, reading=CapReading.CHOSEN, **method):
    chosen = replace(solid, method=pe.Method(**method)) if method else solid
    return dose_volume_histogram(chosen, case.dose).under(reading)


@pytest.fixture(scope="module")
def ball():
    return case_of(structure(BALL, "PTV"))


@pytest.fixture(scope="module")
def rod():
    return case_of(structure(ROD, "PTV"))


def test_the_same_curve_agrees_in_everything(ball):
    """Every number, the curve, and V at a limit."""
    (row,) = compared(ball, theirs(ball.dvh("PTV")), levels={"PTV": [50.0]})
    assert row.state == "agrees"
    assert set(states(row).values()) == {"agrees"}
    names = ["Volume", "Mean", "Min", "Max", "D95%", "D2%", "V50Gy", "Curve"]
    assert list(states(row)) == names
    assert (row.rules, row.caps) == ((), "")
    assert list(agreement_findings([row])) == []


def test_a_dvh_that_could_not_be_read_is_a_row_with_its_reason(ball):
    """Not compared, and never silent; of asked names only."""
    unread = UnreadDvh("PTV", "DVHSequence of RD.dcm", "DVHType is SPECIAL")
    case = Case(
        replace(ball.data, tps_dvhs=(theirs(ball.dvh("PTV")),), tps_unread=(unread,)), ball.method
    )
    compared_row, row = agreement_rows(case)
    assert compared_row.state == "agrees"
    assert (row.state, row.reason, row.origin) == (
        "not-compared", "DVHType is SPECIAL", "DVHSequence of RD.dcm",
    )  # fmt: skip
    (line,) = [one for one in agreement_lines([row]) if one.word == "not compared"]
    assert line.notes == ("DVHType is SPECIAL",)
    assert list(agreement_findings([row])) == []
    assert agreement_rows(case, names={"Other"}) == ()


def test_the_dose_table_tells_of_dvhs_that_could_not_be_read(ball):
    """Also where none of them could: the planning system had DVHs, and none is compared."""
    unread = UnreadDvh("PTV", "DVHSequence of RD.dcm", "DVHType is SPECIAL")
    table = dose_table(Case(replace(ball.data, tps_dvhs=(), tps_unread=(unread,)), ball.method))
    assert [(row.state, row.reason) for row in table.agreement] == [
        ("not-compared", "DVHType is SPECIAL")
    ]


@pytest.mark.parametrize("reading", [CapReading.NONE, CapReading.FULL])
def test_other_end_caps_are_told_as_such(rod, reading):
    """A rod of 11 planes: without caps it is 9 % shorter, and its ends are the coldest and hottest."""
    solid = rod.structures["PTV"]
    (row,) = compared(rod, theirs(under(rod, solid, reading)))
    assert row.state == "explained"
    assert {rule.value for rule in row.rules} == {"end-caps"}
    assert row.caps == (
        "no end caps" if reading is CapReading.NONE else "a full spacing at each end"
    )
    (found,) = agreement_findings([row])
    assert (found.code, found.severity) == ("tps-dvh-explained", pe.Severity.INFO)
    assert "PTV (end-caps)" in found.message


def test_half_of_a_case_without_caps_is_told_as_such():
    """The same when the case itself was read without caps."""
    solid = structure(ROD, "PTV", caps="none")
    case = case_of(solid)
    (row,) = compared(case, theirs(under(case, solid, caps="half")))
    assert {rule.value for rule in row.rules} == {"end-caps"}


def test_shapes_between_planes_are_told_as_such():
    """A slanted thin rod: interpolated shapes lose what prisms keep."""
    slanted = _slanted()
    case = case_of(structure(slanted, "PTV"))
    other = under(case, case.structures["PTV"], caps="half", between="interpolated")
    low = case.structures["PTV"].volume_band_cc[0]
    assert other.total_cc < low - 0.1
    (row,) = compared(case, theirs(other))
    assert states(row)["Volume"] == "explained"
    assert "shape-between-planes" in {rule.value for rule in row.rules}


def _slanted():
    planes = [
        DrawnPlane(4.0 * k, shapely.box(7.5 * k - 4, -14, 7.5 * k + 4, 14)) for k in range(-3, 4)
    ]
    return PlanarStack(AXIAL, planes)


@pytest.mark.parametrize("factor", [0.97, 1.02, 1.1])
def test_a_dose_that_is_scaled_is_not_explained(ball, factor):
    """2 % of 60 Gy: mean and D are a warning with both numbers."""
    (row,) = compared(ball, theirs(ball.dvh("PTV"), scale=factor))
    assert row.state == "differs"
    assert states(row)["Mean"] == "differs"
    assert states(row)["Volume"] == "agrees"
    (found,) = agreement_findings([row])
    assert (found.code, found.severity, found.where) == (
        "tps-dvh-differs", pe.Severity.WARNING, "PTV",
    )  # fmt: skip
    assert f"Mean 50.00 against {50 * factor:.2f} Gy" in found.message


def test_a_dose_that_is_shifted_is_not_explained(ball):
    """1 Gy more everywhere."""
    dvh = ball.dvh("PTV")
    moved = theirs(dvh)
    moved = replace(moved, dose_gy=np.concatenate([[0.0], moved.dose_gy[1:] + 1.0]), mean_gy=51.0)
    (row,) = compared(ball, moved)
    assert row.state == "differs"
    assert states(row)["D95%"] == "differs"


def test_another_structure_is_not_explained(ball):
    """A ball of 16 mm under the name of one of 18 mm: end caps do not make 30 %."""
    small = structure(round_stack(sphere(16), 3.0, half_mm=16), "PTV")
    (row,) = compared(ball, theirs(dose_volume_histogram(small, ball.dose)))
    assert states(row)["Volume"] == "differs"


def test_wide_bins_are_told_as_such(ball):
    """Bins of 2 Gy whose volumes stand at the middle: every dose is half a bin off."""
    doses = np.arange(0, 90, 2.0)
    own = Numbers(ball.dvh("PTV").dose_gy, ball.dvh("PTV").volume_cc)
    wide = TpsDvh("PTV", doses, own.cc_at(doses - 1), includes=("PTV",))
    (row,) = compared(ball, wide, levels={"PTV": [50.0]})
    assert row.state == "explained"
    assert {rule.value for rule in row.rules} <= {"bin-width", "end-caps"}
    by_name = {metric.metric.partition("[")[0]: metric.rule for metric in row.metrics}
    assert by_name["Mean"] == "bin-width"
    assert by_name["Curve"] == "bin-width"
    assert row.bin_gy == pytest.approx(2.0)


def test_extremes_of_samples_are_told_as_such(ball):
    """A coarse sampling misses the pole: its minimum is higher, its maximum lower."""
    dvh = ball.dvh("PTV")
    inner = {"minimum_gy": float(dvh.d(percent=99.5)), "maximum_gy": float(dvh.d(percent=0.5))}
    (row,) = compared(ball, replace(theirs(dvh), **inner))
    rules = {metric.metric: metric.rule for metric in row.metrics if metric.rule}
    assert set(rules) <= {"Min[Gy]", "Max[Gy]"}
    assert set(rules.values()) <= {"sampling", "end-caps"}
    far = {"minimum_gy": float(dvh.d(percent=80)), "maximum_gy": float(dvh.d(percent=20))}
    (row,) = compared(ball, replace(theirs(dvh), **far))
    assert (states(row)["Min"], states(row)["Max"]) == ("differs", "differs")


def test_extremes_beyond_ours_are_not_sampling(ball):
    """Nobody samples a higher dose than there is."""
    dvh = ball.dvh("PTV")
    (row,) = compared(ball, replace(theirs(dvh), maximum_gy=float(dvh.dose_gy[-1]) + 3))
    assert states(row)["Max"] == "differs"


def test_the_part_outside_the_grid_is_told_as_such():
    """A system that counts the outside as 0 Gy, and one that leaves it out."""
    solid = structure(BALL, "PTV")
    case = case_of(solid, half_mm=(40.0, 37.0, 9.0))
    dvh = case.dvh("PTV")
    assert dvh.outside_cc > 1
    inside = Numbers(dvh.dose_gy, dvh.volume_cc)
    doses = np.arange(0, 80, 0.02)
    (left_out,) = compared(case, TpsDvh("PTV", doses, inside.cc_at(doses), includes=("PTV",)))
    assert {rule.value for rule in left_out.rules} == {"dose-grid-coverage"}
    assert "agrees" not in states(left_out).values()
    cold = inside.with_cold(dvh.outside_cc)
    (as_cold,) = compared(case, TpsDvh("PTV", doses, cold.cc_at(doses), includes=("PTV",)))
    assert "dose-grid-coverage" in {rule.value for rule in as_cold.rules}
    assert states(as_cold)["Volume"] == "agrees"


def test_missing_tissue_without_dose_is_told_as_such():
    """A body of which another system leaves out a third that has next to nothing."""
    body = structure(round_stack(cylinder(35), 3.0, half_mm=30), "BODY")
    hill = dose_on_grid(lambda x, y, z: 60 * np.exp(-(((x**2 + y**2) / 200) ** 2)))
    case = case_of(body, dose=dose(hill))
    whole = Numbers(case.dvh("BODY").dose_gy, case.dvh("BODY").volume_cc)
    doses = np.arange(0, 62, 0.02)
    volume = np.minimum(whole.cc_at(doses), whole.total_cc * 0.7)
    assert whole.v_percent(3.0) < 60
    (row,) = compared(case, TpsDvh("BODY", doses, volume, includes=("BODY",)))
    by_name = {metric.metric: metric for metric in row.metrics}
    assert by_name["Volume[cc]"].rule == "low-dose"
    assert by_name["D2%[Gy]"].state in ("agrees", "explained")


def test_volumes_that_planeval_gave_are_not_compared(ball):
    """Percent of our own volume always agree with it: that would prove nothing."""
    (row,) = compared(ball, theirs(ball.dvh("PTV"), volume_is_ours=True))
    assert states(row)["Volume"] == "not-compared"
    assert row.state == "agrees"


def test_a_rounded_volume_is_as_good_as_its_rounding(ball):
    """The last digit of an export is part of the tolerance."""
    dvh = theirs(ball.dvh("PTV"))
    off = replace(dvh, volume_cc=dvh.volume_cc + 0.45)
    assert states(compared(ball, off)[0])["Volume"] != "agrees"
    assert states(compared(ball, replace(off, rounding_cc=0.5))[0])["Volume"] == "agrees"


def test_a_combination_is_compared_with_the_same_combination():
    """INCLUDED twice and EXCLUDED once: the union without the third."""
    left = structure(round_stack(cylinder(8), 3.0, half_mm=15, centre=(-10, 0, 0)), "A + B")
    right = structure(round_stack(cylinder(8), 3.0, half_mm=15, centre=(10, 0, 0)), 'R "x"')
    core = structure(round_stack(cylinder(4), 3.0, half_mm=15, centre=(10, 0, 0)), "Core")
    case = case_of(left, right, core)
    solid = case.structure('("A + B" | "R ""x""") - Core')
    assert solid.volume_cc == pytest.approx(
        left.volume_cc + right.volume_cc - core.volume_cc, rel=1e-6
    )
    made = theirs(case.dvh(solid), "A + B + R - Core")
    made = replace(made, includes=("A + B", 'R "x"'), excludes=("Core",))
    (row,) = compared(case, made)
    assert row.state == "agrees"
    assert row.structure == "A + B + R - Core"


def test_what_cannot_be_compared_says_why(ball):
    """An unknown name, an ROI without a volume, an empty curve, a case without a dose."""
    dvh = theirs(ball.dvh("PTV"))
    empty = UnusableStructure("Areola", 9, "ORGAN", "it has no contours", is_empty=True)
    case = Case(replace(ball.data, unusable={"Areola": empty}))
    other, areola, blank = compared(
        case,
        replace(dvh, structure="X", includes=("X",)),
        replace(dvh, structure="Areola", includes=("Areola",)),
        replace(dvh, dose_gy=np.zeros(1), volume_cc=np.zeros(1)),
    )
    assert "X is not a structure" in other.reason
    assert "Areola has no volume: it has no contours" in areola.reason
    assert "no volume" in blank.reason
    assert {row.state.value for row in (other, areola, blank)} == {"not-compared"}
    (none,) = compared(Case(replace(ball.data, dose=None)), dvh)
    assert none.reason == "the case has no dose"


def test_names_choose_what_is_compared(ball):
    """Structures that nobody asked for cost nothing."""
    case = Case(replace(ball.data, tps_dvhs=(theirs(ball.dvh("PTV")),)))
    assert agreement_rows(case, names={"Liver"}) == ()
    assert len(agreement_rows(case, names={"PTV"})) == 1


def test_numbers_of_a_triangle():
    """V(d) = 4 (1 - d/20)^2 would be curved; a straight fall has mean 10 and D50 10."""
    curve = Numbers(np.array([0.0, 20.0]), np.array([4.0, 0.0]))
    assert (curve.mean(), curve.d(50), curve.d(100), curve.v_percent(5)) == (10.0, 10.0, 0.0, 75.0)
    step = Numbers(np.array([0.0, 10.0, 10.0]), np.array([4.0, 4.0, 0.0]))
    assert (step.v_percent(10.0), step.v_percent(10.01), step.mean()) == (100.0, 0.0, 10.0)
