"""Untrusted text at every door."""

import json

import pytest

from planeval.report.text import (
    csv_text,
    date_text,
    file_name,
    person_name,
    script_json,
    visible,
)


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ("\x00", r"\x00"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\r\n", r"\x0d\x0a"),
        ("\x9b", r"\x9b"),
        ("\u202e", r"\u202e"),
        ("\u2066", r"\u2066"),
        ("\u200b", r"\u200b"),
        ("\ufeff", r"\ufeff"),
        ("\u2028", r"\u2028"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_hidden_characters_are_written_out(hidden, shown):
    """Nothing that moves a cursor, reverses text or hides itself survives as itself."""
    assert visible(f"A{hidden}B") == f"A{shown}B"


@pytest.mark.parametrize("text", ["Liver-GTV", "肝脏", "Ösophagus", "e\u0301", "ตับ", "<b>&'\""])
def test_readable_text_stays(text):
    """Names of any script and HTML signs are left alone: escaping HTML is the page's job."""
    assert visible(text) == text


def test_stacked_marks_are_written_out():
    """A letter with fifty accents would cover the lines above it."""
    assert visible("a" + "\u0301" * 50).count("\u0301") == 4


def test_long_text_is_cut_and_says_so():
    """A cut never looks like the whole name."""
    assert visible("W" * 500, 64) == "W" * 64 + "… (500 characters)"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "＝", "  ="])
def test_formulas_become_text(start):
    """A spreadsheet that opens the CSV runs nothing."""
    assert csv_text(f"{start}cmd|' /C calc'!A1").startswith("'")


def test_ordinary_text_gets_no_quote():
    """Names stay as they are in CSV."""
    assert csv_text("Liver - GTV") == "Liver - GTV"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/b\\c:d", "a_b_c_d"),
        ("../../etc/passwd", "etc_passwd"),
        (".hidden", "hidden"),
        ("CON", "_CON"),
        ("com1.html", "_com1.html"),
        ("肝脏 plan", "肝脏_plan"),
        ("\u202egnp", "gnp"),
        ("...", "unnamed"),
        ("x. ", "x"),
    ],
)
def test_file_names_are_safe(text, expected):
    """No folder, device, hidden file or bidirectional trick comes out of a plan label."""
    assert file_name(text) == expected


def test_file_names_are_short():
    """A plan label of any length gives a name that every file system takes."""
    assert len(file_name("W" * 5000)) == 80


def test_script_json_holds_no_markup_and_reads_back():
    """JSON in a script element cannot end the element, and means the same."""
    data = {"name": "</script><!-- & \u2028 \u2029", "肝": [1.5, None]}
    text = script_json(data)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == data


def test_script_json_survives_a_lone_surrogate():
    """Text from a broken file is still valid JSON and valid UTF-8."""
    assert json.loads(script_json(["\ud800"]).encode("utf-8")) == ["\ud800"]


def test_person_names_show_every_group():
    """Alphabetic, ideographic and phonetic groups all stand in the identity strip."""
    assert person_name("Yamada^Tarou=山田^太郎=やまだ^たろう") == (
        "Yamada, Tarou · 山田 太郎 · やまだ たろう"
    )


def test_an_empty_name_is_empty():
    """Nothing is invented for a missing name."""
    assert person_name("^^=^") == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [("20240115", "2024-01-15"), ("20240115093000.5", "2024-01-15 09:30"), ("soon", "soon")],
)
def test_dates(text, expected):
    """A DICOM date gets hyphens; other text is not repaired."""
    assert date_text(text) == expected
