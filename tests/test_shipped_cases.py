"""The shipped cases against the right answers that their generator wrote down beside them.

expected.json comes from a dense-point estimate that shares no code with the package.
"""

import json
from pathlib import Path

import pytest

import planeval as pe

TEST_DATA = Path(__file__).parents[1] / "test_data"
CASES = ("hepatic-pvtt", "sbrt-5fx", "fails-on-purpose")
PROTOCOLS = {
    "hepatic-pvtt": "hcc-zhai2025",
    "sbrt-5fx": "hcc-zhai2025-5fx",
    "fails-on-purpose": str(TEST_DATA / "fails-on-purpose" / "protocol.yaml"),
}
VERDICTS = {"hepatic-pvtt": "PASS", "sbrt-5fx": "PASS", "fails-on-purpose": "FAIL"}


def expected(name):
    return json.loads((TEST_DATA / name / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def cases():
    return {name: pe.load(TEST_DATA / name) for name in CASES}


@pytest.mark.parametrize("name", CASES)
def test_every_structure_has_its_expected_volume_and_dose(cases, name):
    """Volume, volume outside the grid, mean and max of each ROI lie within the stated tolerance."""
    wrong = []
    for roi, answers in expected(name)["structures"].items():
        dvh = cases[name].dvh(roi)
        found = {
            "volume_cc": dvh.volume(), "outside_dose_grid_cc": dvh.outside(),
            "mean_gy": dvh.mean(), "max_gy": dvh.max(),
        }  # fmt: skip
        for quantity, answer in answers.items():
            value = found[quantity]
            if answer is None:
                if value.is_defined:
                    wrong.append(f"{roi} {quantity} is {value}, must be undefined")
            elif abs(value.value - answer["value"]) > answer["tolerance"]:
                wrong.append(f"{roi} {quantity} is {value}, expected {answer}")
    assert not wrong


@pytest.mark.parametrize("name", CASES)
def test_every_case_gets_its_verdict(cases, name):
    """The verdict is the one of the manifest, through the public API."""
    result = pe.evaluate(cases[name], PROTOCOLS[name])
    assert result.verdict == VERDICTS[name]


@pytest.mark.parametrize("name", ["hepatic-pvtt", "sbrt-5fx"])
def test_the_targets_have_the_margins_they_were_grown_by(cases, name):
    """CTV and PTV are audited in the report of every shipped case that asks for it."""
    rows = {row.id: row for row in pe.evaluate(cases[name], PROTOCOLS[name]).record.margins}
    for answer in expected(name)["margins"]:
        row = rows[answer["id"]]
        assert (row.outcome.status, row.outcome.near_limit) == (answer["outcome"], False)
        if answer["median_mm"]:
            wanted = answer["median_mm"]
            assert row.report.margin.median_mm == pytest.approx(
                wanted["value"], abs=wanted["tolerance"]
            )
        extents = {axis.axis: axis.extent_mm for axis in row.report.axes}
        for axis, wanted in answer["extents_mm"].items():
            assert extents[axis] == pytest.approx(wanted["value"], abs=wanted["tolerance"]), axis


def test_both_members_of_the_failing_liver_rule_fail(cases):
    """Mean 24 Gy and CV5Gy 150 cc: the OR group fails, esophagus and colon are not evaluable."""
    result = pe.evaluate(cases["fails-on-purpose"], PROTOCOLS["fails-on-purpose"])
    rows = {row.id: row for row in result.record.flat_rows()}
    assert float(rows["liver-mean"].value) == pytest.approx(24.0, abs=0.1)
    assert float(rows["liver-spare"].value) == pytest.approx(150, abs=3)
    assert {rows[r].outcome.status for r in ("liver-mean", "liver-spare")} == {pe.Status.FAIL}
    assert rows["esophagus-max"].outcome.status == pe.Status.NOT_EVALUABLE
    assert rows["colon-max"].outcome.status == pe.Status.NOT_EVALUABLE
    assert "outside the dose grid" in rows["colon-max"].outcome.reason


def test_the_papers_point_doses_come_out(cases):
    """27.5 Gy in 5 fractions: intestine 18.6 Gy, colon 23.8 Gy (Zhai 2025, section 4)."""
    assert float(cases["sbrt-5fx"].metric("Max[Gy]", "Bowel_Small")) == pytest.approx(
        18.6, abs=0.05
    )
    assert float(cases["sbrt-5fx"].metric("Max[Gy]", "Colon")) == pytest.approx(23.8, abs=0.05)
