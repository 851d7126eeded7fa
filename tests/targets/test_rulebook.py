"""Target rules are data: the shipped ones say what the paper says, and a bad file says where."""

import re
from pathlib import Path

import pytest

import planeval.targets
from planeval.errors import ProtocolError, ProtocolSyntax
from planeval.targets.rulebook import available_rules, load_rule

GOOD = """\
schema: planeval.target-rule/1
id: mine
title: A rule
version: "1"
sources:
  - citation: ours
inputs:
  gtv:
    text: tumour
lengths:
  shell:
    mm: 3
    text: margin
steps:
  - make: ctv
    grow: gtv
    by: shell
outputs:
  - make: ctv
    name: CTV
    type: CTV
    colour: [1, 2, 3]
"""


def written(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_shipped_rules_hold_the_numbers_of_the_source():
    """5 mm around the tumour, 10-15 mm along the vessel, PTV 5 mm and 10-15 mm (Zhai 2025)."""
    rules = {rule.id: rule.file for rule in available_rules()}
    assert sorted(rules) == ["hepatic", "metastasis", "ptv"]
    assert rules["hepatic"].lengths["shell"].mm == rules["metastasis"].lengths["shell"].mm == 5
    vessel = rules["hepatic"].lengths["along_vessel"]
    assert (vessel.mm, vessel.between) == (15, (10, 15))
    assert rules["ptv"].lengths["axial"].mm == 5
    height = rules["ptv"].lengths["cranio_caudal"]
    assert (height.mm, height.between, height.when_default) == (15, (10, 15), "warning")
    assert all("10.3389/fimmu.2025.1594577" in str(rule.sources) for rule in rules.values())


def test_clipping_is_allowed_on_the_shell_only():
    """Neither gross tumour nor vessel part nor PTV is marked for clipping."""
    clipped = {
        (rule.id, step.make) for rule in available_rules() for step in rule.file.steps if step.clip
    }
    assert clipped == {("hepatic", "shell"), ("metastasis", "ctv")}


def test_a_file_of_ones_own(tmp_path):
    """A valid file loads by path; its digest is that of its bytes."""
    rule = load_rule(written(tmp_path, GOOD))
    assert rule.id == "mine"
    assert len(rule.sha256) == 64
    assert load_rule(str(tmp_path / "mine.yaml")).sha256 == rule.sha256


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    by: shell\n", "", r"mine.yaml:15: steps\[0\]: 'grow' needs 'by'"),
        ("by: shell", "by: shel", r"no length 'shel' before this step; did you mean 'shell'\?"),
        ("grow: gtv", "grow: gtw", r"mine.yaml:15: steps\[0\]: no structure 'gtw'.*mean 'gtv'"),
        ("grow: gtv", "growth: gtv", r"mine.yaml:16: steps\[0\].growth: unknown key 'growth'.*'grow'"),
        ("    grow: gtv\n", "    grow: gtv\n    unite: [gtv]\n", "expected one of.*unite and grow"),
        ("    grow: gtv\n    by: shell", "    unite: [gtv]\n    clip: true", "'clip' does not go with"),
        ("    by: shell", "    by: shell\n    holding: gtv", "'holding' does not go with 'grow'"),
        ("mm: 3", "mm: 300", r"mine.yaml:12: lengths.shell.mm: .*less than or equal to 100"),
        ("mm: 3", "mm: yes", r"lengths.shell.mm: expected a number \(found: 'yes'\)"),
        ("mm: 3", "mm: 3\n    between: [5, 9]", r"mine.yaml:11: .*the default 3 lies outside"),
        ("id: mine", "id: MINE", "mine.yaml:2: id: "),
        ("colour: [1, 2, 3]", "colour: [1, 2, 333]", r"outputs\[0\].colour\[2\]"),
        ("name: CTV", "name: CTV 1 too long", r"outputs\[0\].name"),
        ("outputs:\n  - make: ctv", "outputs:\n  - make: ptv", "no step 'ptv'"),
        ("make: ctv\n    grow", "make: gtv\n    grow", "'gtv' is an input"),
        ("steps:\n", "steps:\n  - make: ctv\n    unite: [gtv]\n", "'ctv' is made twice"),
        ("lengths:\n", "lengths:\n  idle: {mm: 1, text: t}\n", "lengths.idle: no step uses this length"),
        ("title: A rule", "title: A rule\ntitle: B", "the key 'title' is there twice"),
        ("title: A rule", "title: &a A", "anchors and aliases"),
        ("title: A rule", "title: !x A", "tags are not read"),
        ("title: A rule", "title: {", "this is not YAML"),
        ("schema: planeval.target-rule/1", "schema: planeval.protocol/1", "mine.yaml:1: schema"),
        ("inputs:\n  gtv:\n    text: tumour", "inputs: 3", "expected a mapping of keys"),
    ],
)  # fmt: skip
def test_a_bad_file_says_where(tmp_path, old, new, message):
    """Every fault has file, line, place, and what was expected."""
    assert old in GOOD
    with pytest.raises(ProtocolSyntax, match=message):
        load_rule(written(tmp_path, GOOD.replace(old, new, 1)))


def test_what_is_no_rule_file(tmp_path):
    """Lists, other encodings, endless files and depth are refused by name."""
    for content, message in (
        (b"- a\n", "expected a mapping"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"a: " + b"x" * 200_000, "a rule has at most 100000"),
        (b"a: " + b"[" * 40 + b"]" * 40, "nested deeper than 12 levels"),
        (b"a: 1\n---\nb: 2\n", "one document"),
    ):
        path = tmp_path / "x.yaml"
        path.write_bytes(content)
        with pytest.raises(ProtocolSyntax, match=message):
            load_rule(path)
    with pytest.raises(
        ProtocolError, match="shipped are hepatic, metastasis, ptv; did you mean hep"
    ):
        load_rule("hepatik")
    with pytest.raises(ProtocolError, match=re.escape("'none.yaml' cannot be read")):
        load_rule(tmp_path / "none.yaml")


def test_shipped_files_are_in_the_package():
    """The library lies inside the package, beside the code that reads it."""
    folder = Path(planeval.targets.__file__).parent / "library"
    assert {path.stem for path in folder.glob("*.yaml")} == {rule.id for rule in available_rules()}
