"""Margin audits in HTML, terminal and CSV."""

import csv
import io
import re
from dataclasses import replace
from functools import cache

import pytest
from tests.report.samples import case, record

from planeval.model import Outcome, Status
from planeval.model.margins import MarginRow, MarginRule
from planeval.model.rows import MatchKind, RowKind, StructureMatch
from planeval.report.html import render_html
from planeval.report.margins import AXIS_WORDS, margin_views, mm_text
from planeval.report.tables import MARGIN_COLUMNS, margins_csv
from planeval.report.terminal_evaluation import evaluation_table
from planeval.targets.audit import margin_audit

RULE = MarginRule.of(14)


@cache
def audited(kind=RowKind.INFORMATION):
    """The sample record with its PTV audited: 10 mm in plane where 14 mm are asked for."""
    structures = case().structures
    audit = margin_audit(structures["PTV"], structures["GTV"], RULE)
    row = MarginRow(
        "ptv-margin", kind,
        StructureMatch("PTV", MatchKind.EXACT, ("PTV",)),
        StructureMatch("GTV", MatchKind.EXACT, ("GTV",)),
        RULE.text, 2.0, audit.outcome, audit.report, source="src", notes=("a <b>note</b>",),
    )  # fmt: skip
    lost = replace(
        row, id="lost", report=None, outcome=Outcome(Status.NOT_EVALUABLE, "CTV is missing")
    )
    return replace(record(), margins=(row, lost))


@pytest.fixture(scope="module")
def section():
    text = render_html(audited(), case())
    start = text.index('<section id="margins"')
    return text[start : text.index("</section>", start)]


def test_the_page_has_outcome_rule_numbers_and_pictures(section):
    """Word and shape of the status, the rule, a line per axis, six pictures, folded details."""
    assert "PTV around GTV" in section
    assert "14 mm in every direction" in section
    assert section.count("Fail") == 1
    assert "information, does not count" in section
    for axis, word in AXIS_WORDS.items():
        assert f"{axis} {word}" in section
    assert section.count('<figure class="map">') == 6
    assert section.count("<details>") == 1
    assert "CTV is missing" in section


def test_short_marks_have_a_shape_a_word_and_an_amount(section):
    """Colour never stands alone: triangles, a key in words, a title with the amount."""
    assert 'class="k-short"' in section
    assert "short: the rule asks for more" in section
    amounts = [float(each) for each in re.findall(r"<title>short ([\d.]+) mm</title>", section)]
    assert amounts
    assert all(2.0 <= amount < 5.0 for amount in amounts)


def test_text_of_a_protocol_is_escaped(section):
    """A note is text."""
    assert "<b>note" not in section
    assert "&lt;b&gt;note" in section


def test_without_a_case_there_are_no_pictures_and_the_numbers_stay():
    """The table comes from the record alone."""
    (view, lost) = margin_views(audited(), None)
    assert view.pictures == ()
    assert len(view.axes) == 6
    assert (lost.axes, lost.bars) == ((), ())


def test_a_record_without_audits_has_no_section():
    """Nothing asked for, nothing shown."""
    assert 'id="margins"' not in render_html(record(), case())


def test_the_table_has_a_line_per_axis_and_one_over_all():
    """Numbers as in the JSON; an audit without numbers has its reason."""
    rows = list(csv.DictReader(io.StringIO(margins_csv(audited()))))
    assert tuple(rows[0]) == MARGIN_COLUMNS
    assert [row["axis"] for row in rows] == ["all", "L", "R", "A", "P", "S", "I", "all"]
    report = audited().margins[0].report
    assert float(rows[0]["median_mm"]) == pytest.approx(report.margin.median_mm, abs=1e-6)
    assert float(rows[1]["rule_low_mm"]) == 14
    assert rows[0]["outcome"] == "FAIL"
    assert (rows[-1]["outcome_reason"], rows[-1]["median_mm"]) == ("CTV is missing", "")


def test_the_terminal_shows_the_audits():
    """Outcome, sentence and the axes."""
    from rich.console import Console

    stream = io.StringIO()
    Console(file=stream, width=120, no_color=True).print(evaluation_table(audited()))
    text = stream.getvalue()
    assert "Margins between targets" in text
    assert "PTV around GTV: ✘ Fail (information, does not count)" in text
    assert "S superior" in text


def test_millimetres_have_a_real_minus():
    """One decimal, no minus zero."""
    assert [mm_text(each) for each in (-1.26, -0.01, 12.0)] == ["−1.3", "0.0", "12.0"]
