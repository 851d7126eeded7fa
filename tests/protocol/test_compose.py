"""Protocols made of others, a site's own folder, and checklists."""

import hashlib
import re

import pytest
from tests.protocol.fakes import HEAD
from tests.protocol.test_evaluate import judged, liver_case, row_of

from planeval.errors import ProtocolError, ProtocolSyntax
from planeval.model import Status, Verdict
from planeval.model.rows import RowKind
from planeval.protocol import library
from planeval.protocol.evaluate import evaluate
from planeval.protocol.rules import outside_of

SITE = """schema: planeval.protocol/1
id: site
title: A site's set
version: "1"
review: {status: reviewed, by: A. Physicist, on: 2026-11-01}
"""
OWN = '  - {id: a, structure: Stomach, kind: limit, metric: "Max[Gy]", per_protocol: "<= 30"}\n'


def write(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_included_rows_keep_conditions_sources_and_words(tmp_path):
    """Every row has the set's id in front, its scope, its source; statements are joined."""
    write(tmp_path, "s.yaml", SITE + "include: [{set: tg101-5fx}, {set: quantec-abdomen}]\n")
    made = library.load("site", tmp_path)
    rows = {row.id: row for row in made.file.constraints}
    stomach = rows["tg101-5fx.stomach-10cc"]
    assert stomach.applies.fractions == (5, 5)
    assert made.file.sources[stomach.source].evidence == "page+repo2"
    assert rows["quantec-abdomen.kidney-v12"].applies.fraction_dose_gy == (1.8, 2.0)
    assert any("TG-101 limits for 5 fractions" in line for line in made.file.opening)
    assert made.file.structures["Liver-GTV"].derive == "Liver - GTV"


def test_a_set_is_as_little_reviewed_as_its_parts(tmp_path):
    """A reviewed file does not vouch for drafts, and never for recalled numbers."""
    for name, status in (("tg101-5fx", "draft"), ("rtog1112-liver", "needs-check")):
        write(tmp_path, "s.yaml", SITE + f"include: [{{set: {name}}}]\n")
        assert library.load("site", tmp_path).file.review.status == status


def test_the_digest_covers_every_part(tmp_path):
    """Own bytes, then id and digest of each part; another part is another digest."""
    content = SITE + "include: [{set: tg101-5fx}]\n"
    write(tmp_path, "s.yaml", content)
    made = library.load("site", tmp_path)
    part = library.load("tg101-5fx")
    own = hashlib.sha256(content.encode()).hexdigest()
    assert made.sha256 == hashlib.sha256(f"{own}\ntg101-5fx {part.sha256}".encode()).hexdigest()
    assert [(each.id, each.sha256) for each in made.includes] == [("tg101-5fx", part.sha256)]


def test_rows_are_picked_and_their_kind_changed(tmp_path):
    """Only the wanted rows, as the site's kind."""
    write(
        tmp_path, "s.yaml",
        SITE + "include: [{set: tg101-5fx, rows: [colon-max], kind: recommendation}]\n"
        f"constraints:\n{OWN}",
    )  # fmt: skip
    items = library.load("site", tmp_path).file.constraints
    assert [item.id for item in items] == ["a", "tg101-5fx.colon-max"]
    assert items[1].kind is RowKind.RECOMMENDATION


def test_groups_are_included_whole(tmp_path):
    """Members and needs_one_of follow the new names, and judge as before."""
    write(tmp_path, "s.yaml", SITE + "include: [{set: hcc-zhai2025, rows: [liver]}]\n")
    record = evaluate(liver_case(24.0, 150.0), library.load("site", tmp_path))
    assert record.verdict is Verdict.FAIL
    assert row_of(record, "hcc-zhai2025.liver-mean").outcome.status is Status.FAIL
    write(tmp_path, "s.yaml", SITE + "include: [{set: hcc-zhai2025-5fx, rows: [intestine]}]\n")
    (group,) = library.load("site", tmp_path).file.constraints
    assert group.all.needs_one_of[0] == "hcc-zhai2025-5fx.bowel-small-max"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("include: [{set: tg101-5fx, rows: [liver]}]\n", "the set 'tg101-5fx' has no row 'liver'"),
        ("include: [{set: tg101-5fx}, {set: tg101-5fx}]\n", "used twice"),
        ("applies: {fractions: [20, 30]}\ninclude: [{set: tg101-5fx}]\n", "never meet"),
        ("include: [{set: site}]\n", "include each other: site > site"),
        ("include: [{set: tg101-5xf}]\n", "did you mean tg101-5fx"),
        ("include: []\n", "absent, or empty"),
    ],
)
def test_what_cannot_be_included_is_said(tmp_path, text, match):
    """With the file and the reason."""
    write(tmp_path, "s.yaml", SITE + text)
    with pytest.raises(ProtocolError, match=match):
        library.load("site", tmp_path)


def test_a_name_with_two_meanings_is_refused_unless_this_file_decides(tmp_path):
    """Two sets derive a structure differently."""
    row = (
        "constraints:\n  - {id: %s, structure: X, kind: limit, metric: 'Max[Gy]', "
        "per_protocol: '< 1'}\n"
    )
    for name, derive in (("one", "A - B"), ("two", "A - C")):
        head = HEAD.replace("id: test", f"id: {name}")
        text = head + f'structures: {{X: {{derive: "{derive}"}}}}\n' + row % name
        write(tmp_path, f"{name}.yaml", text)
    both = SITE + "include: [{set: one}, {set: two}]\n"
    write(tmp_path, "s.yaml", both)
    with pytest.raises(ProtocolSyntax, match="'X' differently"):
        library.load("site", tmp_path)
    write(tmp_path, "s.yaml", both + 'structures: {X: {derive: "A - D"}}\n')
    assert library.load("site", tmp_path).file.structures["X"].derive == "A - D"


def test_a_site_set_takes_the_place_of_a_shipped_one_and_says_so(tmp_path):
    """Same id: the site's file is loaded, and the record names it with its digest."""
    shipped = library.load("hcc-zhai2025").text
    write(tmp_path, "ours.yaml", shipped.replace('version: "1.0"', 'version: "9"'))
    made = library.load("hcc-zhai2025", tmp_path)
    assert (made.file.version, made.origin) == ("9", "site-override")
    record = evaluate(liver_case(), made)
    (line,) = [each for each in record.attention if each.code == "protocol-override"]
    assert made.sha256 in line.text
    entries = {entry.id: entry.origin for entry in library.available(tmp_path)}
    assert entries["hcc-zhai2025"] == "site-override"


def test_the_folder_comes_from_the_environment(tmp_path, monkeypatch):
    """PLANEVAL_PROTOCOLS; a folder given in the call wins."""
    write(tmp_path, "s.yaml", SITE + f"constraints:\n{OWN}")
    monkeypatch.setenv("PLANEVAL_PROTOCOLS", str(tmp_path))
    assert library.load("site").origin == "site"
    monkeypatch.setenv("PLANEVAL_PROTOCOLS", str(tmp_path / "gone"))
    with pytest.raises(ProtocolError, match=r"protocol folder .*gone cannot be read"):
        library.available()
    assert library.load("site", tmp_path).origin == "site"


def test_one_id_in_two_files_is_refused(tmp_path):
    """Nobody would know which of them judged."""
    for name in ("a.yaml", "b.yml"):
        write(tmp_path, name, SITE + f"constraints:\n{OWN}")
    with pytest.raises(ProtocolSyntax, match=re.escape("b.yml: the id 'site' is also that of a.y")):
        library.available(tmp_path)


def test_a_checklist_is_carried_and_never_judged():
    """Questions stand in the record; the verdict is the rows' alone."""
    text = HEAD + (
        "checklist:\n  - {id: ct, question: 'Contrast phase right?', notes: [look], source: src}\n"
        f"constraints:\n{OWN}"
    )
    record = evaluate(liver_case(), library.load_text(text.encode(), "t.yaml"))
    assert record.verdict is Verdict.PASS
    (check,) = record.protocol.checklist
    assert (check.question, check.notes, check.source) == (
        "Contrast phase right?",
        ("look",),
        "src",
    )
    with pytest.raises(ProtocolSyntax, match=r"checklist\[0\].source: there is no source 'x'"):
        library.load_text(text.replace("source: src", "source: x").encode(), "t.yaml")


def test_recalled_sets_are_refused_and_never_decide():
    """needs-check: refused; on request shown with outcomes, out of the verdict."""
    case = liver_case(values={("Stomach", "D0.5cc[Gy]"): 60.0})
    with pytest.raises(ProtocolError, match="rtog1112-liver is needs-check"):
        judged(case, "rtog1112-liver")
    record = judged(case, "rtog1112-liver", allow_unverified=True)
    assert record.verdict is Verdict.NOT_ASSESSED
    assert all(not row.is_counted for row in record.flat_rows())
    assert "unverified, not counted" in record.summary
    assert any(line.code == "unverified" and "Stomach" in line.text for line in record.attention)


def test_included_rows_keep_what_their_set_says_of_dose_outside_the_grid(tmp_path):
    """A site that trusts the edge does not lend its trust to others' rows, nor takes theirs away."""
    trusting = SITE.replace("id: site", "id: trusting") + "outside: edge\n"
    rows = OWN + OWN.replace("id: a", "id: b, outside: unknown")
    write(tmp_path, "trusting.yaml", f"{trusting}constraints:\n{rows}")
    write(tmp_path, "plain.yaml", SITE.replace("id: site", "id: plain") + f"constraints:\n{OWN}")
    for own, wanted in (
        ("outside: edge\n", ["edge", "edge", "unknown", "unknown"]),
        ("", ["unknown", "edge", "unknown", "unknown"]),
    ):
        include = "include: [{set: trusting}, {set: plain}]\n"
        write(tmp_path, "s.yaml", f"{SITE}{own}{include}constraints:\n{OWN}")
        file = library.load("site", tmp_path).file
        assert [outside_of(row, file).value for row in file.constraints] == wanted
