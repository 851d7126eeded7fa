"""Where the checks appear: evaluation, JSON, report, terminal of inspect, the shipped cases."""

import json
from pathlib import Path

import pytest
from tests.checks.good_plan import CT, write_good
from tests.dicom_writer import BeamSpec

import planeval as pe
from planeval import cli

TEST_DATA = Path(__file__).parents[2] / "test_data"
SHIPPED = ("hepatic-pvtt", "sbrt-5fx", "fails-on-purpose")


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory):
    """A plan whose second beam has no monitor units."""
    folder = tmp_path_factory.mktemp("spoilt")
    return write_good(
        folder, ct=CT, beams=(BeamSpec(1, "Arc 1"), BeamSpec(2, "Arc 2", meterset=None))
    )


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_cases_raise_no_alarm(name):
    """No check finds anything in them, with or without HU."""
    case = pe.load(TEST_DATA / name)
    assert pe.plan_checks(case, read_hu=True).findings == ()


def test_findings_and_rows_are_in_the_record(spoilt):
    """The JSON has the rows, the attention list the warning."""
    result = pe.evaluate(pe.load(spoilt), "hcc-zhai2025")
    assert "beam-without-meterset" in [line.code for line in result.record.attention]
    rows = {row["id"]: row for row in json.loads(result.to_json())["checks"]}
    assert rows["beams"]["state"] == "found"
    assert rows["beams"]["codes"] == ["beam-without-meterset"]
    assert rows["prescription"]["state"] == "clean"
    assert rows["sides"]["state"] == "not-checked"


def test_reading_hu_is_an_option_of_the_record(spoilt):
    """Whoever reads the record knows that HU were read."""
    result = pe.evaluate(pe.load(spoilt), "hcc-zhai2025", check_hu=True)
    assert ("check-hu", "yes") in result.record.provenance.options
    assert {row.id: row.state for row in result.record.checks}["air"] == "clean"


def test_the_html_report_shows_the_checks(spoilt, tmp_path):
    """Folded, what found something first, with its code."""
    pe.evaluate(pe.load(spoilt), "hcc-zhai2025").publish_html(tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    section = text.split('id="checks-title"')[1].split("</section>")[0]
    assert "<details>" in section
    assert "1 see findings" in section
    assert section.index("Beams and monitor units") < section.index("Approval")
    assert "beam-without-meterset" in section


def test_inspect_tells_what_headers_say(spoilt, capsys):
    """No dose, no contour is read for it."""
    assert cli.main(["inspect", str(spoilt)]) == 0
    assert "beam-without-meterset" in capsys.readouterr().out
    (plan,) = pe.scan(spoilt).plans
    assert [each.code for each in plan.findings()] == ["beam-without-meterset"]


def test_inspect_says_which_plan_cannot_be_read(tmp_path):
    """A meterset that is no number does not end the listing."""

    def broken(ds):
        ds.FractionGroupSequence[0].ReferencedBeamSequence[0].add_new(0x300A0086, "OB", b"many")

    folder = write_good(tmp_path, edit_plan=broken)
    (plan,) = pe.scan(folder).plans
    assert [each.code for each in plan.findings()] == ["unreadable-file"]
