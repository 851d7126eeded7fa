"""The levels of a dose table in every report: information, with what it rests on."""

import csv
import io
from dataclasses import replace

import pytest
from tests.report import samples

from planeval.model import Value
from planeval.model.rows import LevelChoice
from planeval.report.html import render_html
from planeval.report.levels import level_line, level_lines
from planeval.report.pages import page_of
from planeval.report.tables import metrics_csv
from planeval.report.terminal_evaluation import evaluation_table
from planeval.units import Unit

ANSWER = (
    "Prescription of the table if the plan is scaled from 40 Gy: 45 Gy is the highest whose limit "
    "is met (Max[Gy] 45.00 Gy, limit ≤ 45 Gy). It changes within the value's numeric band: 40 to "
    "45 Gy."
)


@pytest.fixture(scope="module")
def record():
    return samples.record()


@pytest.fixture(scope="module")
def row(record):
    return next(each for each in record.flat_rows() if each.level_choice is not None)


def test_the_sentence_says_the_level_its_number_and_its_band(row):
    """And that it is an assumption of a table that nobody has read."""
    line = level_line(row)
    assert line.answer == ANSWER
    assert line.basis.startswith("Information, not an outcome: it assumes that the whole dose")
    assert line.basis.endswith("Evidence of the table: check. Nobody has read it in its source.")
    assert line.tried == (
        "50 Gy: Max[Gy] 50.00 Gy, limit ≤ 45 Gy, not met",
        "45 Gy: Max[Gy] 45.00 Gy, limit ≤ 45 Gy, met, near the limit",
    )


def test_no_level_shows_its_reason(row):
    """Never a number."""
    none = LevelChoice(Value.undefined("no level of the table is met", Unit.GY), 40.0)
    line = level_line(replace(row, level_choice=none, evidence="page", in_verdict=True))
    assert line.answer == (
        "Prescription of the table if the plan is scaled from 40 Gy: no level of the table is met."
    )
    assert line.basis.endswith("Evidence of the table: page.")
    assert level_line(replace(row, level_choice=None)) is None


def test_an_end_of_the_band_without_a_level_is_said(row):
    """Where no lower level is met there is no span to print."""
    level = Value.of(45.0, Unit.GY, notes=("none is met at the upper end of the value's band",))
    line = level_line(replace(row, level_choice=replace(row.level_choice, level=level)))
    assert line.answer.endswith(
        "It changes within the value's numeric band: none is met at the upper end of the value's "
        "band."
    )


def test_html_terminal_and_pages_show_it(record, row):
    """The same words in each."""
    from rich.console import Console

    line = level_line(row)
    html = render_html(record)
    assert "45 Gy is the highest whose limit is met" in html
    assert "Levels of the table" in html
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(evaluation_table(record))
    shown = " ".join(console.export_text().split())
    for text in (line.answer, line.basis, *line.tried):
        assert text in shown
    page = str(page_of(record))
    assert "45 Gy is the highest whose limit is met" in page
    assert line.tried[1] in page
    assert level_lines(record) == ((row.structure, line),)


def test_csv_has_a_line_beside_the_row(record):
    """Level, its band, the prescription that was scaled, and no outcome."""
    lines = [
        line
        for line in csv.DictReader(io.StringIO(metrics_csv(record)))
        if line["metric"] == "HighestLevelMet[Gy]"
    ]
    assert len(lines) == 1
    line = lines[0]
    assert (line["value"], line["low"], line["high"], line["rx_gy"]) == ("45", "40", "45", "40")
    assert (line["beside"], line["outcome"], line["unit"]) == ("Max[Gy]", "", "Gy")
    assert "if the whole dose is scaled" in line["notes"]
