"""The case: what a script author uses, and what it refuses."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from tests.dicom_writer import BeamSpec, CaseWriter, Roi, Rx, axial_grid, box_ring, prism
from tests.phantoms import cylinder, dose, dose_on_grid, linear, round_stack, sphere, structure

import planeval as pe
from planeval.case import Case
from planeval.errors import (
    AmbiguousSelection,
    InconsistentCase,
    MetricSyntax,
    UnknownStructure,
)
from planeval.model import CaseData, Identity


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    writer = CaseWriter(folder)
    grid = axial_grid((24, 40, 40), spacing_mm=(2.5, 2.0, 2.0), origin_mm=(-39, -39, -29))
    outer = prism(box_ring(40, 40), heights=range(-20, 21, 5))
    inner = prism(box_ring(10, 10), heights=[-5, -2.5, 0, 2.5, 5])
    writer.structures(
        [
            Roi("Liver", outer),
            Roi("GTV", inner, type="GTV"),
            Roi("PTV", inner, type="PTV"),
            Roi("Empty"),
        ]
    )
    writer.plan([Rx("PTV", 50.0)], fractions=25)
    _, _, x = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    writer.dose(grid, 10.0 + x)
    return folder


@pytest.fixture(scope="module")
def case(folder):
    return pe.load(folder)


def test_dvhs_side_by_side_are_the_dvhs_one_by_one(folder):
    """Same order, same numbers, and an unknown name is refused as it is for one."""
    one, other = pe.load(folder), pe.load(folder)
    names = list(one.structures)
    for name, dvh in zip(names, one.dvhs(names), strict=True):
        alone = other.dvh(name)
        assert dvh.name == name
        assert np.array_equal(dvh.volume_cc, alone.volume_cc)
        assert float(dvh.mean()) == float(alone.mean())
    with pytest.raises(UnknownStructure, match="no structure named 'nobody'"):
        one.dvhs(["nobody"])


def test_many_dvhs_are_those_of_one_process(folder):
    """In processes of their own, same order and same numbers; and they are remembered."""
    script = (
        "import sys, numpy as np, planeval as pe\n"
        "import planeval.side_by_side as beside, planeval.case\n"
        "beside.cores, planeval.case.WORTH_A_PROCESS = (lambda: 2), 2\n"
        "one, other = pe.load(sys.argv[1]), pe.load(sys.argv[1])\n"
        "dvhs = one.dvhs(one.structures)\n"
        "for name, dvh in zip(one.structures, dvhs, strict=True):\n"
        "    alone = other.dvh(name)\n"
        "    same = np.array_equal(dvh.volume_cc, alone.volume_cc)\n"
        "    same = same and float(dvh.max()) == float(alone.max())\n"
        "    print(name == dvh.name, same, one.dvh(name) is dvh)\n"
        "for asked in (['Mean[Gy]', 'D95%[Gy]', 'EQD2_3:Max[Gy]'], ['Mean[Gy]', 'PaddickCI']):\n"
        "    made = pe.load(sys.argv[1]).values(one.structures, asked)\n"
        "    alone = tuple(tuple(other.metric(m, s) for m in asked) for s in one.structures)\n"
        "    print(repr(made) == repr(alone))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["True"] * 11, done.stderr


def test_values_of_several_structures_are_those_of_each(folder):
    """One tuple per structure in the order asked; what is wrong is refused as for one metric."""
    one, other = pe.load(folder), pe.load(folder)
    asked = ["Volume[cc]", "Mean[Gy]", "V20Gy[%]"]
    found = one.values(["PTV", "Liver - GTV", "PTV"], asked)
    for values, name in zip(found, ("PTV", "Liver - GTV", "PTV"), strict=True):
        for value, metric in zip(values, asked, strict=True):
            alone = other.metric(metric, name)
            assert (value.number, value.low, value.high) == (alone.number, alone.low, alone.high)
    assert one.values(["PTV"], []) == ((),)
    with pytest.raises(MetricSyntax):
        one.values(["PTV"], ["Men"])


def test_a_case_says_what_it_is(case):
    """Plan, prescription, structures in file order, unusable ones apart."""
    assert case.plan.fractions == 25
    assert (case.prescription.target, case.prescription.total_gy) == ("PTV", 50.0)
    assert list(case.structures) == ["Liver", "GTV", "PTV"]
    assert "Empty" in case.data.unusable
    assert "3 structures" in repr(case)
    assert case.image is None


def test_an_expression_is_a_structure(case):
    """Liver - GTV subtracts solids, and asking twice gives the same object."""
    derived = case.structure("Liver - GTV")
    assert derived.volume_cc == pytest.approx(
        case.structures["Liver"].volume_cc - case.structures["GTV"].volume_cc
    )
    assert case.structure("Liver - GTV") is derived
    assert case.dvh("Liver - GTV") is case.dvh(derived)


def test_percent_metrics_use_the_prescription(case):
    """V95% of 50 Gy is V47.5Gy; another prescription can be given."""
    assert float(case.metric("V50%[%]", "Liver")) == float(case.metric("V25Gy[%]", "Liver"))
    assert float(case.metric("D50%[%]", "PTV")) == pytest.approx(
        2 * float(case.metric("D50%[Gy]", "PTV"))
    )
    other = pe.Prescription("", 25.0, 5, "USER", "test")
    assert float(case.metric("V100%[cc]", "Liver", rx=other)) == float(
        case.metric("V25Gy[cc]", "Liver")
    )
    assert float(case.metric("Mean[cGy]", "PTV")) == pytest.approx(
        100 * float(case.metric("Mean[Gy]", "PTV"))
    )


def test_two_levels_without_a_target_of_its_own_are_not_guessed(folder):
    """A percent metric of an organ is undefined where the plan has two dose levels."""
    case = pe.load(folder, rx={"PTV": pe.Rx(50, 25), "GTV": pe.Rx(60, 25)})
    assert case.metric("V95%[%]", "PTV").is_defined
    value = case.metric("V95%[%]", "Liver")
    assert not value.is_defined
    assert "prescription" in value.reason
    with pytest.raises(AmbiguousSelection, match="2 prescriptions"):
        _ = case.prescription


def test_dose_at_a_point(case):
    """The dose of a patient point, undefined outside the grid."""
    assert float(case.dose_at(-39.0, 0, 0)) == pytest.approx(10.0)
    assert float(case.dose_at(1.0, 0, 0)) == pytest.approx(30.0)
    assert "outside the dose grid" in case.dose_at(0, 0, 400).reason


def test_added_structures_live_in_a_new_case(case):
    """with_structures leaves the case alone and refuses a name that is there."""
    ring = structure(round_stack(cylinder(5), 2.5, half_mm=10), "Ring")
    more = case.with_structures(ring)
    assert "Ring" in more.structures
    assert "Ring" not in case.structures
    assert float(more.metric("Volume[cc]", "Ring")) == pytest.approx(ring.volume_cc)
    for name in ("PTV", "Empty"):
        with pytest.raises(ValueError, match=f"already has a structure named '{name}'"):
            case.with_structures(structure(ring.stack, name))


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda c: c.structure("Livr"), UnknownStructure, "Liver"),
        (lambda c: c.structure("Empty"), UnknownStructure, "no contours"),
        (lambda c: c.dvh("Liver - Heart"), UnknownStructure, "Heart"),
        (lambda c: c.metric("D95[Gy]", "PTV"), MetricSyntax, "D95"),
    ],
)
def test_wrong_names_and_metrics_are_refused(case, ask, error, message):
    """Each refusal names what was asked."""
    with pytest.raises(error, match=message):
        ask(case)


def test_a_case_without_dose_says_so(folder):
    """Structures alone are a case; a DVH of them is not."""
    case = pe.load(*(p for p in folder.iterdir() if "RS" in p.name.upper()), need_dose=False)
    with pytest.raises(InconsistentCase, match="has no dose"):
        case.dvh("Liver")
    with pytest.raises(AmbiguousSelection, match="0 plans"):
        _ = case.plan


def test_pickling_keeps_the_data_only(case):
    """A pickled case gives the same numbers."""
    again = pickle.loads(pickle.dumps(case))
    assert float(again.metric("Mean[Gy]", "Liver - GTV")) == float(
        case.metric("Mean[Gy]", "Liver - GTV")
    )


def test_a_scan_lists_what_can_be_loaded(folder):
    """Scan and load_all agree with load."""
    inventory = pe.scan(folder)
    assert [plan.load().plan.label for plan in inventory.plans] == [
        case.plan.label for case in pe.load_all(folder)
    ]
    with pytest.raises(ValueError, match="at least one folder"):
        pe.scan()


def test_the_method_is_part_of_every_structure(folder):
    """Other end caps, another volume; a method that does not exist is refused."""
    none = pe.load(folder, method=pe.Method(caps="none"))
    half = pe.load(folder)
    assert none.structures["GTV"].volume_cc < half.structures["GTV"].volume_cc
    low, high = half.structures["GTV"].volume_band_cc
    assert low == pytest.approx(none.structures["GTV"].volume_cc)
    assert high > half.structures["GTV"].volume_cc
    with pytest.raises(ValueError, match="caps is 'round'"):
        pe.Method(caps="round")


def test_an_evaluation_is_a_table_too(folder, tmp_path):
    """to_frame, to_json and the HTML file come from one record."""
    result = pe.evaluate(pe.load(folder), "hcc-zhai2025")
    frame = result.to_frame()
    assert {"structure", "metric", "value", "unit", "outcome"} <= set(frame.columns)
    result.publish_html(tmp_path / "r.html")
    assert result.record.protocol.id in (tmp_path / "r.html").read_text(encoding="utf-8")
    assert result.to_json() == pe.evaluate(pe.load(folder), "hcc-zhai2025").to_json()


def two_groups(folder, *, split: bool):
    """A plan of two fraction groups, 30 Gy in 5 and 30 Gy in 15, as two doses or as one."""
    writer = CaseWriter(folder)
    grid = axial_grid((12, 20, 20), spacing_mm=(3, 3, 3), origin_mm=(-28, -28, -16))
    writer.structures([Roi("PTV", prism(box_ring(20, 20), heights=[-6, -3, 0, 3, 6]), type="PTV")])
    beams = [BeamSpec(1, group=1), BeamSpec(2, group=2)]
    writer.plan([Rx("PTV", 60.0)], groups={1: 5, 2: 15}, beams=beams)
    gray = np.full(grid.shape, 30.0)
    if split:
        for group in (1, 2):
            writer.dose(grid, gray, summation="FRACTION", group=group, what=f"dose {group}")
    else:
        writer.dose(grid, 2 * gray)
    return pe.load(folder)


def test_each_fraction_group_is_converted_with_its_own_fractions(tmp_path):
    """30/5 + 30/15 at 3 Gy is EQD2 84; 60 Gy of unknown fractions is none."""
    case = two_groups(tmp_path / "split", split=True)
    assert float(case.metric("Mean[Gy]", "PTV")) == pytest.approx(60)
    assert float(case.metric("EQD2_3:D95%[Gy]", "PTV")) == pytest.approx(84.0, abs=1e-4)
    assert float(case.metric("EQD2_3:Mean[cGy]", "PTV")) == pytest.approx(8400, abs=1e-2)
    whole = two_groups(tmp_path / "whole", split=False)
    assert float(whole.metric("Mean[Gy]", "PTV")) == pytest.approx(60)
    value = whole.metric("EQD2_3:Mean[Gy]", "PTV")
    assert "no EQD2_3: the number of fractions of the dose is unknown" in value.reason


def plain_dose(folder, **written):
    writer = CaseWriter(folder)
    grid = axial_grid((12, 20, 20), spacing_mm=(3, 3, 3), origin_mm=(-28, -28, -16))
    writer.structures([Roi("PTV", prism(box_ring(20, 20), heights=[-6, -3, 0, 3, 6]), type="PTV")])
    writer.dose(grid, np.full(grid.shape, 25.0), **written)


def test_the_user_may_state_the_fractions_of_a_dose_without_plan(tmp_path):
    """Without an RTPLAN nobody else knows them; a MULTI_PLAN dose never has one."""
    plain_dose(tmp_path / "plan")
    assert not pe.load(tmp_path / "plan").metric("BED_10:Mean[Gy]", "PTV").is_defined
    case = pe.load(tmp_path / "plan", rx=pe.Rx(25, 5))
    assert float(case.metric("BED_10:Mean[Gy]", "PTV")) == pytest.approx(37.5)
    plain_dose(tmp_path / "multi", summation="MULTI_PLAN")
    value = pe.load(tmp_path / "multi", rx=pe.Rx(25, 5)).metric("BED_10:Mean[Gy]", "PTV")
    assert "MULTI_PLAN" in value.reason


def test_an_exported_eqd2_dose_is_not_converted_again(tmp_path):
    """DoseType EFFECTIVE with alpha/beta in its comment is converted already."""

    def comment(ds):
        ds.DoseComment = "EQD2, alpha/beta 3 Gy, 25 Gy in 5 fractions"

    plain_dose(tmp_path, dose_type="EFFECTIVE", edit=comment)
    case = pe.load(tmp_path, rx=pe.Rx(25, 5))
    assert float(case.metric("Mean[Gy]", "PTV")) == pytest.approx(25)
    value = case.metric("EQD2_3:Mean[Gy]", "PTV")
    assert "nothing is converted twice" in value.reason


def test_another_dose_leaves_the_case_as_it_is():
    """The new case shares structures and coverage; the bands of the old one keep their end caps."""
    first, second = (dose_on_grid(linear(0.2, 0.1, 0.3, level)) for level in (50.0, 70.0))
    ball = structure(round_stack(sphere(12), 3.0, half_mm=12), "Ball")

    def made(term):
        data = CaseData(identity=Identity(), structures={"Ball": ball}, dose=dose(term))
        return Case(data)

    case = made(first)
    other = case.with_dose(dose(second))
    assert other.metric("Mean[Gy]", "Ball").value == pytest.approx(
        made(second).metric("Mean[Gy]", "Ball").value, abs=1e-9
    )
    assert repr(case.metric("D2%[Gy]", "Ball")) == repr(made(first).metric("D2%[Gy]", "Ball"))
    assert case.with_dose(case.dose).metric("Volume[cc]", "Ball").value == pytest.approx(
        ball.volume_cc
    )
