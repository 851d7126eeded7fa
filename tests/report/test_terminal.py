"""Terminal tables."""

import io

import pytest
from rich.console import Console
from tests.report.samples import case, everything_hostile, record

from planeval.model import Value
from planeval.report.terminal import (
    DVH_COLUMNS,
    dvh_table,
    finding_lines,
    value_table,
)
from planeval.report.terminal_evaluation import evaluation_table
from planeval.units import Unit


def printed(renderable, width=120, **options):
    stream = io.StringIO()
    Console(file=stream, width=width, **options).print(renderable)
    return stream.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_it_fits_and_says_everything(width):
    """No line is longer than the terminal, and no status, number or limit is cut off."""
    text = printed(evaluation_table(record()), width)
    assert max(len(line) for line in text.splitlines()) <= width
    words = " ".join(text.split())
    for word in ("FAIL", "Pass", "Acceptable", "Not judged", "18.0004 Gy", "≥ 300 cc", "−0.62 Gy"):
        assert word in words
    assert text.count("near limit") == 2


def test_no_colour_is_needed():
    """Without colour the words and signs remain, and no escape code is written."""
    text = printed(evaluation_table(record()), no_color=True, force_terminal=True)
    assert "✘ Fail" in text
    assert "\x1b[31m" not in text


def test_hostile_names_stay_text():
    """Neither control characters nor rich markup of a file reach the terminal."""
    hostile = everything_hostile("[red]x[/red]\x1b[2J\x07\u202e")
    for renderable in (
        evaluation_table(hostile),
        finding_lines(hostile.findings),
    ):
        text = printed(renderable, 200)
        assert not set(text) & set("\x1b\x07\u202e")
        assert "[red]" in text


def test_dvh_numbers():
    """The table shows what the DVH says."""
    one = case()
    text = printed(dvh_table({"GTV": {name: one.metric(name, "GTV") for name in DVH_COLUMNS}}))
    assert f"{one.dvh('GTV').mean().value:.2f}" in text


def test_findings_come_most_severe_first():
    """A warning stands before a remark."""
    text = printed(finding_lines(record().findings))
    assert text.index("contour-gap") < text.index("(grid)")


def test_units_in_headings_are_not_markup():
    """[cc] in a metric's name is no style of rich."""
    value = Value.of(1.0, Unit.CC)
    text = printed(value_table(["V20Gy[cc]"], {"Liver": [value]}))
    assert "V20Gy[cc]" in text
