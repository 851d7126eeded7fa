"""Protocol text to models: every error with its file, line, path and expectation."""

import hashlib
import json
import textwrap

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from tests.protocol.fakes import HEAD, protocol

from planeval.errors import ProtocolSyntax
from planeval.model.rows import RowKind
from planeval.protocol import reading
from planeval.protocol.reading import parse_protocol
from planeval.protocol.rules import metric_of
from planeval.protocol.schema import RowSpec, json_schema

ROW = "constraints:\n  - {id: a, structure: Liver, kind: limit, metric: 'Mean[Gy]', %s}\n"
GOOD = ROW % 'per_protocol: "<= 18"'

SKETCH = """
schema: planeval.protocol/1
id: zhai2025-hcc-conventional
title: HCC, conventional fractionation (Zhai 2025)
version: "1"
review: {status: reviewed, by: "A. Physicist", on: 2026-11-21}      # reviewed | draft
applies: {fractions: [20, 30], total_dose_gy: [50, 65], outside: warn}   # warn | refuse
dose_basis: physical
sources:
  zhai: {doi: 10.3389/fimmu.2025.1594577, locator: s2.3, evidence: quoted, quote: "mean ..."}
structures:
  Liver-GTV: {derive: "Liver - GTV", aliases: ["Liver minus GTV", "正常肝"]}
constraints:
  - any:                                # OR group; all: for AND
      id: liver
      kind: recommendation              # limit | recommendation | reference | ...
      members:
        - {id: liver-mean,  structure: Liver-GTV, metric: "Mean[Gy]",  per_protocol: "<= 18",
           acceptable: "<= 20", source: zhai}
        - {id: liver-spare, structure: Liver-GTV, metric: "CV5Gy[cc]", per_protocol: ">= 300",
           source: zhai}
"""


def fails(text: str, match: str, *, head: str = HEAD) -> str:
    with pytest.raises(ProtocolSyntax, match=match) as caught:
        protocol(textwrap.dedent(text), head)
    return str(caught.value)


def test_the_sketch_is_read():
    """The documented shape: applicability, sources, derived structures, an OR group."""
    made = parse_protocol(SKETCH.encode(), "sketch.yaml")
    group = made.file.constraints[0].any
    assert group.kind is RowKind.RECOMMENDATION
    assert [row.id for row in group.members] == ["liver-mean", "liver-spare"]
    assert made.file.applies.fractions == (20, 30)
    assert made.file.review.on.isoformat() == "2026-11-21"
    assert made.sha256 == hashlib.sha256(SKETCH.encode()).hexdigest()


def test_groups_nest():
    """An OR in an AND in an OR."""
    text = """
    constraints:
      - any:
          id: g
          kind: limit
          members:
            - {id: a, structure: Liver, metric: "Mean[Gy]", per_protocol: "< 18"}
            - all:
                id: h
                members:
                  - {id: b, structure: Liver, metric: "Max[Gy]", per_protocol: "< 60"}
                  - any:
                      id: i
                      members:
                        - {id: c, structure: Liver, metric: "Min[Gy]", per_protocol: "> 1"}
    """
    outer = protocol(textwrap.dedent(text)).file.constraints[0].any
    assert outer.members[1].all.members[1].any.members[0].id == "c"


@pytest.mark.parametrize("comparison", [">= 300", "> 300", ">300", ">5", "<"])
def test_an_unquoted_comparison_says_quote_it(comparison):
    """YAML reads '>' as a block scalar; the message names the line and the cure."""
    text = f"""constraints:
  - id: a
    structure: Liver
    kind: limit
    metric: "CV5Gy[cc]"
    per_protocol: {comparison}
"""
    message = fails(text, "quotes|quote the comparison")
    assert message.startswith("test.yaml:13:")


def test_an_unquoted_comparison_in_a_flow_mapping():
    """The same inside braces."""
    message = fails(ROW % "per_protocol: >= 300", "quote the comparison")
    assert message.startswith("test.yaml:9: ")


def test_an_unquoted_upper_limit_is_plain_text():
    """'<= 18' is text in YAML and means what it says."""
    assert protocol(ROW % "per_protocol: <= 18").file.constraints[0].per_protocol == "<= 18"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (ROW % 'per_protcol: "<= 18"', r"test.yaml:9: constraints\[0\].per_protcol: unknown key "
         "'per_protcol'; did you mean 'per_protocol'"),
        (ROW % 'per_protocol: "<= 18", colour: red', "unknown key 'colour'; known are id, title"),
        (GOOD + "constraint: []\n", "test.yaml:10: constraint: unknown key 'constraint'; did you "
         "mean 'constraints'"),
        (ROW % "per_protocol: 18", r"constraints\[0\].per_protocol: expected text; put it in quotes"
         r" \(found: '18'\)"),
        (ROW % 'per_protocol: "18 Gy"', "'18 Gy' is no comparison; expected <, <=, > or >="),
        (ROW % 'per_protocol: ">= 18", acceptable: "<= 20"', "point in different directions"),
        (ROW % 'per_protocol: "<= 18", acceptable: "<= 17"', "acceptable '<= 17' is stricter than "
         "per_protocol '<= 18'"),
        (ROW % 'per_protocol: "<= 18", acceptable: "< 18"', "'< 18' is stricter"),
        (ROW % 'per_protocol: ">= 300", acceptable: ">= 301"', "'>= 301' is stricter"),
        (ROW % 'acceptable: "<= 20"', "'acceptable' without 'per_protocol'"),
        (ROW % 'notes: ["x"]', "row 'a' is a limit and needs 'per_protocol'"),
        (ROW % 'per_protocol: "<= 18", outside: edges', "outside: Input should be 'unknown' or 'edge'"),
        (GOOD + "outside: none\n", "test.yaml:10: outside: Input should be 'unknown' or 'edge'"),
        (GOOD.replace("Mean[Gy]", "PaddickCI").replace("id: a", "id: a, outside: edge"),
         r"test.yaml:9: constraints\[0\].outside: 'outside: edge' bounds the dose in a structure, and "
         "'PaddickCI' is no metric of it"),
        (GOOD.replace("Mean[Gy]", "Volume[cc]").replace("id: a", "id: a, outside: edge"),
         "'Volume.cc.' is no metric of it"),
        (ROW % 'per_protocol: "<= 18", source: zhai', "no source 'zhai'; known are src"),
        (ROW % 'per_protocol: "<= 18", for_each: target', "needs 'structure' .* not both"),
        (ROW % 'per_protocol: "<= 18", if_absent: not-applicable', "not drawn must not pass"),
        (GOOD.replace("kind: limit, ", ""), "'a' needs 'kind': one of limit, recommendation"),
        (GOOD.replace("limit", "limits"), "Input should be 'limit', 'recommendation'"),
        (GOOD.replace("Mean[Gy]", "Dmean"), r"metric: metric 'Dmean', column 1.*write Mean\[Gy\]"),
        (GOOD.replace("Mean[Gy]", "V20Gy[l]"), "expected cc or % as the unit of V"),
        (GOOD.replace("Mean[Gy]", "EQD2:Mean[Gy]"), "structures.Liver states none; give it "
         "alpha_beta or write EQD2_3:"),
        (GOOD.replace("limit", "information"), "an information row has no comparison"),
        (GOOD + GOOD.partition("\n")[2], "test.yaml:10: .*the id 'a' is used twice"),
        (GOOD.replace("id: a", "id: 'a b'"), "String should match pattern"),
        ("", "test.yaml:1: constraints: this key is needed and absent"),
        ("constraints: []\n", "test.yaml:8: constraints: .*at least 1 item"),
        ("constraints: 5\n", "test.yaml:8: constraints: expected a list"),
        (GOOD + "applies: {fractions: [30, 20]}\n", r"test.yaml:10: applies.fractions: the range "
         r"\[30, 20\] needs 0 < low <= high"),
        (GOOD + "applies: {fractions: [20.5, 30]}\n", "applies.fractions.*expected a whole number"),
        (GOOD + "applies: {total_dose_gy: [.nan, 30]}\n", "finite number"),
        (GOOD + "applies: {child_pugh: [A7]}\n", r"applies.child_pugh\[0\]"),
        (GOOD + "dose_basis: eqd2\n", "Input should be 'physical'"),
        (GOOD + "structures: {Liver: {alpha_beta: 0}}\n", "structures.Liver.alpha_beta: .*than 0"),
        (GOOD + "structures: {X: {derive: 'A - '}}\n", "structures.X.derive: expression"),
        (GOOD + "structures: {X: {derive: 'X - GTV'}}\n", "'X' is derived from itself"),
        (GOOD + "structures: {X: {derive: 'Y - A'}, Y: {derive: 'X - B'}}\n", "from itself"),
        (GOOD + "structures: {X: {derive: 'A - B', role: gtv}}\n", "exclude each other"),
    ],
)  # fmt: skip
def test_every_fault_is_said(text, match):
    """What was found, where, and what was expected."""
    fails(text, f"(?s){match}")


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("Bowel_Small", "Bag_Bowel"),
        ("Bowel_Small", "Jejunum_Ileum"),
        ("Jejunum_Ileum", "小肠"),
        ("SpinalCord", "SpinalCanal"),
        ("SpinalCord", "椎管"),
        ("Liver-GTV", "Liver-PTV"),
        ("Liver", "Liver-GTV"),
        ("Kidney_L", "Kidney_R"),
        ("Kidneys", "左肾"),
        ("Intestine", "Bowel_Small, Bag_Bowel"),
    ],
)
def test_aliases_never_mix_organs(name, alias):
    """An alias that is another organ's own name is an error, however it is spelt."""
    fails(GOOD + f"structures: {{{name}: {{aliases: [{alias}]}}}}\n", "mix different organs")


@pytest.mark.parametrize(
    ("group", "match"),
    [
        ("any: {id: g, kind: limit, members: []}", r"members: .*at least 1 item"),
        ("any: {id: g, members: [{ROW}]}", "'g' needs 'kind'"),
        ("any: {id: g, kind: limit, members: [{KIND}]}", "members have the kind of their group"),
        ("any: {id: g, kind: limit, members: [{BARE}]}", "row 'm' is a limit and needs"),
        ("any: {id: g, kind: limit, needs_one_of: [m], members: [{ROW}]}", "belongs to an 'all'"),
        (
            "all: {id: g, kind: limit, needs_one_of: [x], members: [{ROW}]}",
            "names 'x', which is no",
        ),
        ("all: {id: g, kind: limit, members: [{ABSENT}]}", "what is not drawn must not pass"),
        ("all: {id: g, kind: limit, members: [{EACH}]}", "'for_each' rows stand outside groups"),
        ("any: {id: g, kind: limit, members: [{any: {id: g, members: [{ROW}]}}]}", "'g' is used"),
        ("any: {id: g, kind: limit, members: [{ROW}], all: {}}", "unknown key 'all'"),
    ],
)
def test_faults_of_groups(group, match):
    """Groups keep their rules at every depth."""
    row = "id: m, structure: Liver, metric: 'Mean[Gy]'"
    for word, text in {
        "{ROW}": f"{{{row}, per_protocol: '< 1'}}",
        "{KIND}": f"{{{row}, per_protocol: '< 1', kind: limit}}",
        "{BARE}": f"{{{row}}}",
        "{ABSENT}": f"{{{row}, per_protocol: '< 1', if_absent: not-applicable}}",
        "{EACH}": "{id: m, for_each: target, metric: 'Mean[Gy]', per_protocol: '< 1'}",
    }.items():
        group = group.replace(word, text)
    fails(f"constraints:\n  - {group}\n", f"(?s){match}")


@pytest.mark.parametrize(
    ("head", "match"),
    [
        (HEAD.replace("draft", "reviewed"), "status 'reviewed' needs 'by' and 'on'"),
        (HEAD.replace("protocol/1", "protocol/2"), "schema: Input should be 'planeval.protocol/1'"),
        (
            HEAD.replace('"1"', "1.0"),
            r"test.yaml:4: version: expected text; put it in quotes \(found",
        ),
        (HEAD.replace('quote: "words"', 'quote: " "'), "evidence 'quoted' needs the words"),
        (HEAD.replace("doi: 10.1000/x, ", ""), "a source needs 'doi' or 'citation'"),
        (HEAD.replace("10.1000/x", "doi.org/x"), "sources.src.doi"),
        (
            HEAD.replace("id: test", "id: test\nid: again"),
            "test.yaml:3: the key 'id' is there twice",
        ),
        (HEAD.replace("id: test", "id: &x test"), "test.yaml:2: anchors and aliases"),
        (HEAD.replace("id: test", "id: !!python/name:os.system test"), "test.yaml:2: tags are not"),
        (HEAD.replace("id: test", "id: [test"), "test.yaml:[23]: this is not YAML"),
        ("a: 1\n---\n" + HEAD, "one document a file"),
        ("[1, 2]\n", "expected a mapping"),
        ("", "expected a mapping|absent"),
    ],
)
def test_faults_of_the_head(head, match):
    """Review, schema, version, sources, and YAML that is not read."""
    body = GOOD if "schema" in head else ""
    fails(body, match, head=head)


def test_all_faults_are_reported_in_the_order_of_their_lines():
    """One run shows everything that is wrong."""
    text = """
    constraints:
      - {id: a, structure: Liver, kind: limit, metric: "Mean[Gy]", per_protocol: "18"}
      - {id: b, structure: Liver, kind: limit, metric: "Meen[Gy]", per_protocol: "<= 18"}
    """
    lines = [line for line in fails(text, "no comparison").splitlines() if "test.yaml" in line]
    assert [line.split(":")[1] for line in lines] == ["10", "11"]


def test_many_faults_are_cut():
    """A hopeless file does not fill the screen."""
    rows = "".join(f"  - {{id: r{n}}}\n" for n in range(60))
    assert "more" in fails("constraints:\n" + rows, "absent").splitlines()[-1]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"x" * (reading.LIMITS.largest_bytes + 1), "a protocol has at most"),
        (b"id: \xff\xfe", "byte 4 is not UTF-8"),
        (b"[" * 2000, "nested deeper than 20 levels"),
        (b"a: " + b"{b: " * 25 + b"1" + b"}" * 25, "nested deeper"),
        (b"- 1\n" * 60_000, "more than 50000 entries"),
        (b"a: &a [x, x]\nb: [*a, *a]\n", "bad.yaml:1: anchors and aliases"),
        (b"a: \x00", "bad.yaml: this is not YAML|not YAML"),
        (b"? [a, b]\n: 1\n", "unknown key"),
    ],
)
def test_hostile_files_are_refused_before_they_grow(content, match):
    """Size, depth, entries, aliases, control characters, keys that are no text."""
    with pytest.raises(ProtocolSyntax, match=match):
        parse_protocol(content, "bad.yaml")


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode()))
def test_any_bytes_are_read_or_refused(content):
    """Nothing but ProtocolSyntax comes out."""
    with pytest.raises(ProtocolSyntax):
        parse_protocol(content, "x.yaml")


def test_bare_biology_takes_the_alpha_beta_of_its_structure():
    """EQD2: becomes EQD2_2.5: with structures.Liver.alpha_beta 2.5."""
    text = GOOD.replace("Mean[Gy]", "EQD2:Mean[Gy]") + "structures: {Liver: {alpha_beta: 2.5}}\n"
    made = protocol(text)
    assert str(metric_of(made.file.constraints[0], made.file)) == "EQD2_2.5:Mean[Gy]"


def test_a_byte_order_mark_is_read_over():
    """Windows editors write one."""
    assert parse_protocol(b"\xef\xbb\xbf" + (HEAD + GOOD).encode(), "x.yaml").id == "test"


def test_rows_are_values():
    """A row cannot be changed after it was read."""
    row = protocol(GOOD).file.constraints[0]
    assert isinstance(row, RowSpec)
    with pytest.raises(ValueError, match="frozen"):
        row.metric = "Max[Gy]"


def test_the_published_schema_accepts_what_the_reader_accepts():
    """The JSON Schema is valid and agrees on the sketch and on an unknown key."""
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    data = json.loads(json.dumps(YAML(typ="safe", pure=True).load(SKETCH), default=str))
    jsonschema.validate(data, schema)
    data["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError, match="surprise"):
        jsonschema.validate(data, schema)
