"""Constraint tables of others: what is read as it stands, and what a person must read."""

import csv
import io
import json

import pytest
from tests.protocol.fakes import HEAD
from tests.protocol.test_evaluate import liver_case

from planeval.errors import UnsupportedData
from planeval.model import Verdict
from planeval.protocol import library
from planeval.protocol.difference import differences
from planeval.protocol.evaluate import evaluate
from planeval.protocol.importing import template_text
from planeval.protocol.tables import draft_of

TABLE = """\
id,structure,metric,op,per_protocol,acceptable_or_mandatory,fractions,note
a,Liver-GTV,Mean[Gy],<=,18,20,20-30,two tiers
b,Stomach,D0.5cc[Gy],<,30,,5,strict
c,Kidney_L,Mean[Gy],<,15-18,,,a range
d,Esophagus / Stomach,D0.5cc[Gy],<=,30,,,two organs
e,Heart,V30[%],<,46,,,no unit
f,Heart,V30Gy[%],,46,,,no operator
g,Heart,V30Gy[%],<,46,40,,narrower
h,Heart,V30Gy[%],<,46,,conv.,no number
i,Colon,Max[Gy],≤,33,,,another sign
"""


def draft(tmp_path, text, name="t.csv", **options):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return draft_of(path, "ours", "Ours", **options)


def queue(made):
    return {row["row"][3:4]: row["reason"] for row in csv.DictReader(io.StringIO(made.review_csv))}


def test_rows_that_can_be_read_become_a_draft(tmp_path):
    """Tiers, strictness, fractions, notes; the source is the file with its digest."""
    made = draft(tmp_path, TABLE, kind="limit")
    assert (made.taken, made.queued) == (3, 6)
    file = library.load_text(made.text.encode(), "ours.yaml").file
    liver, stomach, colon = file.constraints
    assert (liver.per_protocol, liver.acceptable, liver.applies.fractions) == (
        "<= 18", "<= 20", (20, 30),
    )  # fmt: skip
    assert (stomach.per_protocol, stomach.notes) == ("< 30", ("strict",))
    assert colon.per_protocol == "<= 33"
    assert file.review.status == "draft"
    assert file.sources["imported-repo"].locator.startswith("sha256 ")


def test_the_others_wait_with_their_reason(tmp_path):
    """Nothing is guessed: each has its words and why."""
    reasons = queue(draft(tmp_path, TABLE))
    assert list(reasons) == list("cdefgh")
    assert "'15-18' is no single number" in reasons["c"]
    assert "several structures" in reasons["d"]
    assert "expected Gy" in reasons["e"]
    assert "has no operator" in reasons["f"]
    assert "not wider" in reasons["g"]
    assert "expected a number or a range" in reasons["h"]


def test_columns_of_another_house(tmp_path):
    """Unit in a column of its own, goal and variation, and a whole objective in one cell."""
    text = (
        "Structure Id;Metric;Unit;Comparator;Goal;Variation;Objective\n"
        "Heart;V30Gy;%;<;46;50;\nColon;;;;;;Max[Gy] <= 33\n"
    )
    made = draft(tmp_path, text)
    heart, colon = library.load_text(made.text.encode(), "x.yaml").file.constraints
    assert (heart.metric, heart.per_protocol, heart.acceptable) == ("V30Gy[%]", "< 46", "< 50")
    assert (colon.metric, colon.per_protocol) == ("Max[Gy]", "<= 33")


def test_imported_limits_judge(tmp_path):
    """A draft is a protocol: the plan passes or fails by it."""
    text = TABLE.splitlines()[0] + "\ni,Stomach,Max[Gy],≤,33,,,\n"
    made = draft(tmp_path, text, kind="limit")
    protocol = library.load_text(made.text.encode(), "ours.yaml")
    for gy, verdict in ((33.0, Verdict.PASS), (33.1, Verdict.FAIL)):
        assert (
            evaluate(liver_case(values={("Stomach", "Max[Gy]"): gy}), protocol).verdict is verdict
        )


def test_clinical_criteria(tmp_path):
    """PortPy: goal is per protocol, limit acceptable; percent of the prescription stays that."""

    def criterion(kind, name, limits, **what):
        return {"type": kind, "parameters": {"structure_name": name} | what, "constraints": limits}

    criteria = [
        criterion("max_dose", "Cord", {"limit_dose_gy": 50, "goal_dose_gy": 48}),
        criterion("max_dose", "PTV", {"limit_dose_perc": 115}),
        criterion("dose_volume_V", "Heart", {"limit_volume_perc": 50}, dose_gy=30),
        criterion("unheard_of", "Heart", {}),
    ]
    made = draft(tmp_path, json.dumps({"criteria": criteria}), "c.json")
    rows = library.load_text(made.text.encode(), "x.yaml").file.constraints
    assert [(row.structure, row.metric, row.per_protocol, row.acceptable) for row in rows] == [
        ("Cord", "Max[Gy]", "<= 48", "<= 50"),
        ("PTV", "Max[Gy]", "<= 115 % of Rx", None),
        ("Heart", "V30Gy[%]", "<= 50", None),
    ]
    assert (made.queued, "unheard_of" in made.review_csv) == (1, True)


def test_score_templates(tmp_path):
    """A curve with one marked point is a limit with two tiers; any other curve waits."""

    def template(points):
        return {
            "Structure": {"StructureId": "Duodenum"}, "MetricType": "DoseAtVolume", "InputValue": 0.5,
            "InputUnit": "CC", "OutputUnit": "Gy", "ScorePoints": points,
        }  # fmt: skip

    def point(x, score, **more):
        return {"PointX": x, "Score": score} | more

    marked = [point(30, 10), point(32, 5, Variation=True), point(35, 0)]
    rising = [point(90, 0), point(95, 5, Variation=True), point(98, 9)]
    data = {"ScoreTemplates": [template(marked), template(rising), template(marked[:1])]}
    made = draft(tmp_path, json.dumps(data), "s.json")
    rows = library.load_text(made.text.encode(), "x.yaml").file.constraints
    assert [(row.metric, row.per_protocol, row.acceptable) for row in rows] == [
        ("D0.5cc[Gy]", "<= 30", "<= 32"),
        ("D0.5cc[Gy]", ">= 98", ">= 95"),
    ]
    assert made.queued == 1


def test_a_list_of_constraints_and_nothing_known(tmp_path):
    """The columns of a table as keys; other JSON is refused by name."""
    rows = [{"structure_id": "Colon", "metric": "Max[Gy]", "comparator": "<=", "goal": 33}]
    assert draft(tmp_path, json.dumps({"Constraints": rows}), "l.json").taken == 1
    with pytest.raises(UnsupportedData, match="expected a list of constraints"):
        draft(tmp_path, '{"a": 1}', "n.json")


def test_the_template_is_valid_and_judges_nothing_yet():
    """A new protocol can be loaded at once; its example row does not count."""
    text = template_text("ours", 'A "quoted" title', ["tg101-5fx"])
    made = library.load_text(text.encode(), "ours.yaml")
    assert made.file.title == 'A "quoted" title'
    assert [part.id for part in made.includes] == ["tg101-5fx"]
    alone = library.load_text(template_text("ours", "x", []).encode(), "ours.yaml")
    assert evaluate(liver_case(), alone).verdict is Verdict.NOT_ASSESSED


def test_differences_of_protocols():
    """A changed limit, a new row, a changed group, and nothing for the same."""
    body = (
        "constraints:\n  - any:\n      id: g\n      kind: limit\n      members:\n"
        "        - {id: a, structure: Liver, metric: 'Mean[Gy]', per_protocol: '<= 18'}\n"
    )
    first = library.load_text((HEAD + body).encode(), "a.yaml")
    changed = (HEAD + body).replace("<= 18", "<= 20").replace("any:", "all:")
    changed += "  - {id: b, structure: Colon, kind: reference, metric: 'Max[Gy]'}\n"
    second = library.load_text(changed.encode(), "b.yaml")
    assert differences(first, first) == ()
    assert [str(each) for each in differences(first, second)] == [
        "g.joined: any -> all",
        "g/a.per_protocol: <= 18 -> <= 20",
        "b.structure: absent -> Colon",
        "b.metric: absent -> Max[Gy]",
        "b.kind: absent -> reference",
    ]


def test_the_evidence_of_a_table_is_kept(tmp_path):
    """Recalled stays recalled; a flag that nobody knows, or quoted without words, waits."""
    text = (
        "id,structure,metric,op,limit,evidence\n"
        "a,Colon,Max[Gy],<,33,CHECK (recalled)\nb,Colon,Max[Gy],<,34,PAGE+REPO2\n"
        "c,Colon,Max[Gy],<,35,SEED\nd,Colon,Max[Gy],<,36,\n"
    )
    made = draft(tmp_path, text, kind="limit")
    file = library.load_text(made.text.encode(), "x.yaml").file
    flags = [file.sources[row.source].evidence for row in file.constraints]
    assert flags == ["check", "page+repo2", "repo"]
    assert "evidence 'SEED'" in queue(made)["c"]
    record = evaluate(liver_case(), library.load_text(made.text.encode(), "x.yaml"))
    assert record.verdict is Verdict.INCOMPLETE
