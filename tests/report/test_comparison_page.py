"""The comparison as HTML, CSV and terminal table: same numbers, safe, offline."""

import csv
import io
import re
from dataclasses import replace

import pytest
from rich.console import Console
from tests.report.samples import case, everything_hostile, record, rows
from tests.report.test_html import Page

from planeval.model import Outcome, Status, Value
from planeval.protocol.comparison import compare_records
from planeval.report.comparison import change_lines, comparison_chart
from planeval.report.comparison_html import SCRIPTS, render_comparison
from planeval.report.comparison_table import COMPARISON_COLUMNS, comparison_csv, comparison_table
from planeval.units import Unit

HOSTILE = "<script>alert(1)</script><img src=x onerror=y>'\"&{{7*7}}\u202e\x1b[31m\u2028=1+1"


def second():
    """The sample record with the colon spared."""
    spared = replace(rows()[2], value=Value.of(32.0, Unit.GY), outcome=Outcome(Status.PASS))
    return record(rows=(*rows()[:2], spared, *rows()[3:]))


@pytest.fixture(scope="module")
def compared():
    return compare_records([record(), second()])


@pytest.fixture(scope="module")
def page(compared):
    return Page(render_comparison(compared, [record(), second()], [case(), case()]))


def test_what_changes_stands_first(page):
    """Plans, what else differs, changes, differences, DVH, the rest."""
    places = [
        page.words.index(word)
        for word in (
            "Comparison of plans", "What else differs", "Which constraints change outcome",
            "Differences Constraints", "Dose-volume histograms", "Beside the constraints",
            "Inputs and provenance", "Not a medical device",
        )
    ]  # fmt: skip
    assert places == sorted(places)
    assert "0 worse, 1 better, 0 other" in page.words


def test_a_change_is_a_word_and_a_shape(compared, page):
    """From what to what, in which plan, linked to its row."""
    (line,) = change_lines(compared)
    assert (line.before.word.word, line.after.word.word) == ("Fail", "Pass")
    text = render_comparison(compared, [record(), second()])
    assert re.search(
        r'class="status c-better"><svg[^>]*><use href="#shape-better"/></svg>better', text
    )
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert line.anchor in ids
    assert len(ids) == len(set(ids))


def test_the_policy_fits_and_nothing_is_loaded(page):
    """The same shell as the report."""
    assert len([1 for attributes, _ in page.scripts if "type" not in attributes]) == len(SCRIPTS)
    for tag, attributes in page.elements:
        assert "src" not in attributes
        if tag != "a" and "href" in attributes:
            assert attributes["href"].startswith(("#", "data:"))


def test_hostile_text_stays_text():
    """In every field of both plans, in HTML, CSV and terminal."""
    spoiled = everything_hostile(HOSTILE)
    result = compare_records([spoiled, spoiled])
    text = render_comparison(result, [spoiled, spoiled], [case(), case()])
    found = Page(text)
    assert "img" not in {tag for tag, _ in found.elements}
    assert len(found.scripts) == len(SCRIPTS) + 1
    assert not set(text) & set("\u202e\x1b\u2028")
    cells = [cell for line in csv.reader(io.StringIO(comparison_csv(result))) for cell in line]
    assert not any(cell.startswith(("=", "@", "\t")) for cell in cells)
    console = Console(width=140, file=io.StringIO(), color_system=None)
    console.print(comparison_table(result))
    assert "\x1b" not in console.file.getvalue()


def test_csv_has_a_line_for_every_row_and_plan(compared):
    """Groups have no value, rows have both plans' numbers."""
    lines = list(csv.DictReader(io.StringIO(comparison_csv(compared))))
    assert tuple(lines[0]) == COMPARISON_COLUMNS
    assert len(lines) == 2 * len(compared.rows)
    colon = [line for line in lines if line["structure"] == "Colon"]
    assert [line["value"] for line in colon] == ["33.62", "32"]
    assert (colon[1]["difference"], colon[1]["trend"], colon[1]["change"]) == (
        "-1.62", "better", "better",
    )  # fmt: skip
    group = next(line for line in lines if line["row_id"] == "constraint/liver")
    assert (group["value"], group["reason"], group["metric"]) == ("", "", "any")


def test_the_terminal_table_has_the_numbers(compared):
    """Value and outcome of each plan, and the difference."""
    console = Console(width=120, file=io.StringIO())
    console.print(comparison_table(compared))
    shown = console.file.getvalue()
    for text in ("33.62 Gy", "32.00 Gy", "−1.62 Gy", "▲ better outcome", "Fail -> Pass"):
        assert text in shown


def test_curves_of_one_structure_meet_under_one_name():
    """A plan that names the colon otherwise is drawn in the colon's colour."""
    theirs = record(rows=tuple(
        replace(each, match=replace(each.match, plan_names=("Dickdarm",)))
        if getattr(each, "structure", "") == "Colon" else each for each in rows()
    ))  # fmt: skip
    known = {("Dickdarm" if name == "Colon" else name): replace(each, name=name)
             for name, each in case().structures.items()}  # fmt: skip
    other = type(case())(replace(case().data, structures=known))
    result = compare_records([record(), theirs])
    chart = comparison_chart(result, [case(), other], [record(), theirs])
    colon = next(each for each in chart.structures if each.name == "Colon")
    assert len(colon.lines) == 2
    assert "Dickdarm" not in {each.name for each in chart.structures}


def test_labels_speak_chinese(compared):
    """Numbers and names stay."""
    words = Page(render_comparison(compared, [record(), second()], language="zh")).words
    assert "剂量约束" in words
    assert "−1.62 Gy" in words
