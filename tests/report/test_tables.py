"""Tidy CSV."""

import csv
import io

import numpy as np
import pytest
from tests.report.samples import everything_hostile, record

from planeval.report.curves import DVH_COLUMNS, Curve, dvh_csv
from planeval.report.tables import METRIC_COLUMNS, metrics_csv


def lines_of(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_one_line_for_every_row_group_and_companion():
    """9 rows and 4 information rows, what stands beside two of them: nothing lost or doubled."""
    lines = lines_of(metrics_csv(record()))
    assert len(lines) == 12 + 2 + 2
    assert list(lines[0]) == list(METRIC_COLUMNS)
    assert [line["beside"] for line in lines if line["beside"]] == ["Max[Gy]"] * 2


def test_members_name_their_group():
    """A reader can rebuild the groups."""
    groups = {line["row_id"]: line["group_id"] for line in lines_of(metrics_csv(record()))}
    assert groups["liver-inner"] == "liver"
    assert groups["Liver - GTV-CV5Gy[cc]"] == "liver-inner"
    assert groups["Colon-Max[Gy]"] == ""


def test_numbers_have_nine_digits_and_missing_ones_have_reasons():
    """An empty cell always has its reason beside it."""
    lines = {line["row_id"]: line for line in lines_of(metrics_csv(record()))}
    assert lines["info-GTV-D98%[Gy]"]["value"] == "54.1234568"
    cut = lines["Stomach-V20Gy[cc]"]
    assert (cut["value"], cut["possible_low"], cut["possible_high"]) == ("", "2", "9")
    assert "outside the dose grid" in cut["reason"]
    assert cut["outcome"] == "NOT_EVALUABLE"


def test_values_equal_those_of_the_json():
    """CSV and JSON are written from the same digits."""
    lines = {line["row_id"]: line for line in lines_of(metrics_csv(record())) if not line["beside"]}
    data = record().to_dict()
    colon = next(item for item in data["rows"] if item["id"] == "Colon-Max[Gy]")
    assert float(lines["Colon-Max[Gy]"]["value"]) == colon["value"]["number"]
    assert float(lines["Colon-Max[Gy]"]["margin"]) == colon["margin"]["amount"]


def test_no_cell_is_a_formula_or_holds_a_control_character():
    """A hostile name stays text in a spreadsheet, and on one line."""
    text = metrics_csv(everything_hostile("=HYPERLINK(1)\r\n\x1b[2J\u202e"))
    for line in lines_of(text):
        for cell in line.values():
            assert not cell.startswith(("=", "+", "@"))
            assert cell.isprintable()
    assert "\r" not in text


def test_the_same_record_gives_the_same_text():
    """CSV is reproducible."""
    assert metrics_csv(record()) == metrics_csv(record())


def curve(doses, volumes, name="S", total=None):
    doses, volumes = np.asarray(doses, float), np.asarray(volumes, float)
    return Curve(name, "", (1, 2, 3), doses, volumes, total or float(volumes[0]))


def test_dvh_lines_keep_ends_and_jumps():
    """At most 1000 nodes, among them the first, the last and both sides of a jump."""
    doses = np.sort(np.append(np.linspace(0, 60, 4000), [30.0, 30.0]))
    volumes = np.where(np.arange(len(doses)) <= np.flatnonzero(doses == 30.0)[0], 100.0, 40.0)
    volumes = volumes - doses / 10
    lines = lines_of(dvh_csv([curve(doses, volumes)]))
    assert len(lines) <= 1000
    assert list(lines[0]) == list(DVH_COLUMNS)
    assert (lines[0]["dose_gy"], lines[-1]["dose_gy"]) == ("0", "60")
    at_jump = [line["volume_cc"] for line in lines if line["dose_gy"] == "30"]
    assert at_jump == ["97", "37"]


def test_thinned_lines_stay_on_the_curve():
    """Straight lines between the kept nodes miss the curve by less than 0.1 % of the volume."""
    doses = np.linspace(0, 60, 4097)
    volumes = 250 / (1 + np.exp((doses - 50) / 0.8))
    lines = lines_of(dvh_csv([curve(doses, volumes)]))
    kept = np.array([[float(line["dose_gy"]), float(line["volume_cc"])] for line in lines])
    error = np.abs(np.interp(doses, kept[:, 0], kept[:, 1]) - volumes)
    assert error.max() < 0.25


def test_percent_is_of_the_whole_structure():
    """A structure half outside the dose grid starts at 50 %."""
    (first, _) = lines_of(dvh_csv([curve([1, 2], [50, 10], total=100.0)]))
    assert float(first["volume_percent"]) == pytest.approx(50)


def test_structure_names_are_text():
    """A structure called =1+1 is no formula."""
    (first, _) = lines_of(dvh_csv([curve([1, 2], [50, 10], name="=1+1")]))
    assert first["structure"] == "'=1+1"
    (first, _) = lines_of(dvh_csv([curve([1, 2], [50, 10], name='90%s, "hot"')]))
    assert first["structure"] == '90%s, "hot"'
