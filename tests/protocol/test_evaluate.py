"""A case judged by a protocol: the record."""

import json
import math
import re
from dataclasses import replace
from importlib import resources

import jsonschema
import numpy as np
import pytest
from tests.protocol.fakes import (
    HEAD,
    RX,
    RX5,
    FakeCase,
    box,
    foreign,
    point,
    protocol,
    uniform_dose,
)

from planeval.model import Finding, Prescription, Severity, Status, TpsDvh, Value, Verdict
from planeval.model.rows import MatchKind, Row, RowGroup
from planeval.protocol import library
from planeval.protocol.evaluate import evaluate
from planeval.units import Unit

LIVER = "hcc-zhai2025"
P, A, F = Status.PASS, Status.ACCEPTABLE, Status.FAIL
E, N = Status.NOT_EVALUABLE, Status.NOT_APPLICABLE


def liver_case(mean=17.0, spare=400.0, **more):
    """Liver 1500 cc, GTV 100 cc inside it, PTV; the numbers of Liver-GTV from a table."""
    structures = [
        box("Liver", 1500, kind="ORGAN"),
        box("GTV", 100, kind="GTV"),
        box("PTV", 200, kind="PTV"),
        box("Stomach", 50, left_mm=500),
        *more.pop("structures", []),
    ]
    values = {("Liver-GTV", "Mean[Gy]"): mean, ("Liver-GTV", "CV5Gy[cc]"): spare}
    values.update(more.pop("values", {}))
    return FakeCase(structures, values, **more)


def judged(case, protocol_id=LIVER, **options):
    return evaluate(case, library.load(protocol_id), **options)


def row_of(record, row_id) -> Row:
    return next(row for row in record.flat_rows() if row.id == row_id)


def texts(record, code):
    return [line.text for line in record.attention if line.code == code]


def one_row(row: str, case, head: str = HEAD, more: str = "", **options):
    record = evaluate(case, protocol(f"{more}constraints:\n  - {row}\n", head), **options)
    return record, record.rows[0]


ROW = '{id: a, structure: Stomach, kind: limit, metric: "Max[Gy]", per_protocol: "<= 30", %s}'


@pytest.mark.parametrize(
    ("mean", "spare", "status", "verdict"),
    [
        (17.0, 400.0, P, Verdict.PASS),
        (17.0, 100.0, P, Verdict.PASS),
        (19.0, 100.0, A, Verdict.ACCEPTABLE),
        (24.0, 300.0, P, Verdict.PASS),
        (24.0, 150.0, F, Verdict.FAIL),
    ],
)
def test_the_liver_rule(mean, spare, status, verdict):
    """Mean <= 18 (20 acceptable) OR 300 cc below 5 Gy; both must fail to fail."""
    record = judged(liver_case(mean, spare))
    assert record.rows[0].outcome.status is status
    assert record.verdict is verdict


def test_a_member_that_fails_inside_a_passing_group_stays_in_view():
    """The value that would fail alone is still a needs-attention line."""
    record = judged(liver_case(24.0, 400.0))
    line = next(line for line in record.attention if line.row_id == "liver-mean")
    assert line.text == (
        "Liver-GTV Mean[Gy] 24.00 Gy, limit <= 18 (acceptable <= 20): FAIL, inside group liver, "
        "which passes"
    )
    assert record.summary == "Constraint compliance: recommendations: 1 pass"


def test_the_row_tells_everything():
    """Structure as written, match, value, limits, margins, source."""
    row = row_of(judged(liver_case(19.0, 100.0)), "liver-mean")
    assert (row.structure, row.match.kind, row.match.expression) == (
        "Liver-GTV", MatchKind.DERIVED, "Liver - GTV",
    )  # fmt: skip
    assert (row.per_protocol.text, row.acceptable.text) == ("<= 18", "<= 20")
    assert (row.margin.amount, row.margin_acceptable.amount) == (-1.0, 1.0)
    assert row.margin_acceptable.percent == 5.0
    assert row.source == "zhai-liver"


def test_nothing_is_evaluable_without_a_liver():
    """The liver is missing: INCOMPLETE, never a pass."""
    case = FakeCase([box("GTV", kind="GTV"), box("PTV", kind="PTV")])
    record = judged(case)
    assert record.verdict is Verdict.INCOMPLETE
    assert "Liver is not in the plan" in record.rows[0].outcome.reason


def test_an_unusable_part_makes_the_derived_structure_not_evaluable():
    """A liver in another frame has no volume to take the GTV from."""
    case = FakeCase([box("GTV", kind="GTV")], unusable=[foreign("Liver")])
    record = judged(case)
    assert "Liver has no volume: it lies in another frame" in record.rows[0].outcome.reason


def test_without_a_dose_everything_counted_is_not_evaluable():
    """Volumes are still known."""
    record = judged(liver_case(dose=()))
    assert record.verdict is Verdict.INCOMPLETE
    assert "the case has no dose" in record.rows[0].outcome.reason
    assert row_of(record, "liver-volume").value.value == pytest.approx(1500)
    assert record.dose is None


@pytest.mark.parametrize(
    ("rx", "verdict", "words"),
    [
        ((RX5,), Verdict.NOT_ASSESSED, "does not apply to this plan: 5 fractions"),
        ((replace(RX, fractions=None),), Verdict.INCOMPLETE, "needs the number of fractions"),
        ((), Verdict.INCOMPLETE, "needs the prescribed dose"),
        ((replace(RX, total_gy=70.0),), Verdict.NOT_ASSESSED, "70 Gy prescribed"),
    ],
)
def test_scope_known_and_outside_or_unknown(rx, verdict, words):
    """Outside is not assessed, unknown is incomplete; values are shown either way (warn)."""
    record = judged(liver_case(rx=rx, dose=uniform_dose(None)))
    assert record.verdict is verdict
    assert any(words in text for text in texts(record, "applicability"))
    assert row_of(record, "liver-mean").value.value == 17.0


def test_outside_refuse_shows_no_value():
    """``outside: refuse`` keeps numbers of another schedule off the page."""
    row = ROW % "applies: {fractions: [5, 5], outside: refuse}"
    _, made = one_row(row, liver_case())
    assert made.outcome.status is N
    assert "not shown outside its scope: 25 fractions" in made.value.reason


def test_a_row_adds_conditions_to_those_of_the_protocol():
    """Both must apply; the protocol's own scope is not lifted by a row."""
    head = HEAD + "applies: {fractions: [20, 30]}\n"
    _, made = one_row(ROW % "applies: {child_pugh: [A]}", liver_case(), head)
    assert "needs the Child-Pugh class" in made.outcome.reason
    _, made = one_row(ROW % "applies: {child_pugh: [A]}", liver_case(), head, child_pugh="A5")
    assert made.outcome.status is P
    _, made = one_row(
        ROW % "applies: {fractions: [1, 90]}", liver_case(rx=(RX5,), dose=uniform_dose(5)), head
    )
    assert made.outcome.status is N


INTESTINE = ("Bowel_Small", "Jejunum_Ileum", "Duodenum")


def intestine(drawn, values=None, unusable=(), **options):
    structures = [box(name, left_mm=100.0 * n) for n, name in enumerate(drawn)]
    structures += [box("Colon", left_mm=900), box("GTV", kind="GTV"), box("PTV", kind="PTV")]
    numbers = {(name, "Max[Gy]"): gy for name, gy in (values or {}).items()}
    case = FakeCase(structures, numbers, rx=(RX5,), dose=uniform_dose(5), unusable=unusable)
    return judged(case, "hcc-zhai2025-5fx", **options)


@pytest.mark.parametrize(
    ("drawn", "status"),
    [
        ((), E),
        (("Bowel_Small",), P),
        (("Jejunum_Ileum",), P),
        (("Duodenum",), E),
        (("Bowel_Small", "Jejunum_Ileum"), P),
        (("Bowel_Small", "Duodenum"), P),
        (("Jejunum_Ileum", "Duodenum"), P),
        (INTESTINE, P),
    ],
)
def test_every_combination_of_drawn_intestine(drawn, status):
    """Bowel_Small or Jejunum_Ileum must be drawn; the duodenum alone is not the intestine."""
    record = intestine(drawn, dict.fromkeys(drawn, 18.6))
    group = record.rows[0]
    assert group.outcome.status is status
    assert record.verdict is (Verdict.PASS if status is P else Verdict.INCOMPLETE)
    for member in group.members:
        assert member.outcome.status is (P if member.structure in drawn else N)
    absent = [name for name in INTESTINE if name not in drawn]
    note = f"not drawn, so not judged: {', '.join(absent)}"
    assert (note in group.notes) is bool(absent)
    assert any(note in text for text in texts(record, "match")) is bool(absent)


@pytest.mark.parametrize("hot", INTESTINE)
@pytest.mark.parametrize(
    "drawn", [INTESTINE, ("Bowel_Small", "Duodenum"), ("Jejunum_Ileum", "Duodenum"), ("Duodenum",)]
)
def test_any_drawn_intestine_above_35_gy_fails(drawn, hot):
    """One structure beyond the limit fails the row, whatever else is drawn or missing."""
    record = intestine(drawn, dict.fromkeys(drawn, 18.6) | {hot: 35.01})
    expected = F if hot in drawn else E if drawn == ("Duodenum",) else P
    assert record.rows[0].outcome.status is expected


def test_a_group_line_does_not_repeat_its_members():
    """Each reason stands once in the list."""
    record = judged(FakeCase([box("GTV", kind="GTV"), box("PTV", kind="PTV")]))
    group, first, second = texts(record, "not-evaluable")
    assert group == "Liver: mean dose or spared volume: NOT EVALUABLE"
    assert "Liver is not in the plan" in first
    assert "Liver is not in the plan" in second


def test_no_intestine_says_what_is_needed():
    """The reason names the structures, any of which would do."""
    record = intestine(())
    assert (
        "NOT EVALUABLE (needs Bowel_Small or Jejunum_Ileum: none is drawn)"
        in (texts(record, "not-evaluable")[0])
    )
    assert record.rows[0].outcome.reason == "needs Bowel_Small or Jejunum_Ileum: none is drawn"


def test_ambiguity_is_not_absence():
    """Two ROIs that could be the duodenum keep the row from passing."""
    record = intestine(("Bowel_Small", "duodenum", "DUODENUM"), {"Bowel_Small": 10})
    assert record.rows[0].outcome.status is E


def test_an_unusable_roi_is_not_absent_and_an_empty_one_is():
    """A duodenum in another frame was drawn; an empty template ROI was not."""
    empties = [replace(foreign("Duodenum"), is_empty=True, reason="it has no contours")]
    assert intestine(("Bowel_Small",), unusable=[foreign("Duodenum")]).rows[0].outcome.status is E
    assert intestine(("Bowel_Small",), unusable=empties).rows[0].outcome.status is P
    only_empty = [replace(empties[0], name="Bowel_Small")]
    assert intestine(("Duodenum",), unusable=only_empty).rows[0].outcome.status is E


def test_intestine_outside_its_fractionation_does_not_apply():
    """At 25 fractions nothing is needed and nothing is judged."""
    record = judged(liver_case(), "hcc-zhai2025-5fx")
    assert record.rows[0].outcome.status is N
    assert record.verdict is Verdict.NOT_ASSESSED


def test_the_papers_five_fraction_plan_passes():
    """27.5 Gy in 5: intestine 18.6 Gy, colon 23.8 Gy, with D0.03cc beside each Max."""
    record = intestine(INTESTINE, dict.fromkeys(INTESTINE, 18.6) | {"Colon": 23.8})
    assert record.verdict is Verdict.PASS
    colon = row_of(record, "colon-max")
    assert [c.metric for c in colon.companions] == ["D0.03cc[Gy]"]
    assert colon.margin.amount == pytest.approx(9.2)
    assert record.protocol.opening[0] == (
        "Liver, stomach, cord and kidneys are NOT judged by this set."
    )


def test_esophagus_values_are_never_judged():
    """Reference rows have a margin and no outcome, whatever the dose."""
    case = liver_case(structures=[box("Esophagus")], values={("Esophagus", "Max[Gy]"): 60.0})
    record = judged(case)
    row = row_of(record, "esophagus-max")
    assert row.outcome is None
    assert row.margin.amount == -27.0
    assert record.verdict is Verdict.PASS


@pytest.mark.parametrize("kind", ["reference", "risk-level", "information"])
def test_uncounted_kinds_never_decide(kind):
    """A protocol of such rows alone is not assessed, even where they look perfect."""
    limit = "" if kind == "information" else ', per_protocol: "<= 30"'
    row = f'{{id: a, structure: Stomach, kind: {kind}, metric: "Max[Gy]"{limit}}}'
    record = evaluate(liver_case(), protocol(f"constraints:\n  - {row}\n"))
    assert record.verdict is Verdict.NOT_ASSESSED
    assert record.summary == "Constraint compliance: nothing counted in this protocol"


def test_point_doses_of_tg101_are_printed_at_its_own_volume():
    """0.035 cc for that report, 0.03 cc otherwise, any other where the source says so."""
    for source, volume in (
        ("{doi: 10.1118/1.3438081, evidence: page}", "0.035"),
        ("{doi: 10.1000/y, evidence: page}", "0.03"),
        ("{doi: 10.1000/y, evidence: page, point_volume_cc: 0.5}", "0.5"),
    ):
        head = HEAD.replace("sources:\n", f"sources:\n  t: {source}\n")
        _, row = one_row(ROW % "source: t", liver_case(), head)
        assert row.companions[0].metric == f"D{volume}cc[Gy]"


@pytest.mark.parametrize("evidence", ["check", "conflict"])
def test_unverified_limits_are_not_judged(evidence):
    """Numbers that nobody has read cannot pass or fail a plan unless somebody takes that on."""
    head = HEAD.replace("sources:\n", f"sources:\n  t: {{citation: x, evidence: {evidence}}}\n")
    _, row = one_row(ROW % "source: t", liver_case(), head)
    assert row.outcome.status is E
    assert f"evidence '{evidence}'" in row.outcome.reason
    record, row = one_row(ROW % "source: t", liver_case(), head, allow_unverified=True)
    assert row.outcome.status is P
    assert ("allow-unverified", "yes") in record.provenance.options


def test_part_outside_the_grid_is_not_evaluable_and_a_hot_inside_fails():
    """The colon cut by the grid: within its limit inside, so nobody knows; above it, it fails."""
    for low, status in ((10.0, E), (31.0, F)):
        value = Value.undefined("12.30 cc lie outside the dose grid", Unit.GY, (low, math.inf))
        record, row = one_row(
            ROW % "notes: [x]", liver_case(values={("Stomach", "Max[Gy]"): value})
        )
        assert row.outcome.status is status
        assert "12.30 cc" in row.outcome.reason
        assert any("12.30 cc" in line.text for line in record.attention)


def test_near_limit_is_flagged_and_listed():
    """A band over the limit does not change the outcome and is said."""
    value = Value.of(29.9, Unit.GY, 29.5, 30.2)
    record, row = one_row(ROW % "notes: [x]", liver_case(values={("Stomach", "Max[Gy]"): value}))
    assert (row.outcome.status, row.outcome.near_limit) == (P, True)
    assert texts(record, "near-limit")[0].startswith("Stomach Max[Gy] 29.90 Gy, limit <= 30: PASS")


def test_a_value_that_rounds_to_the_limit_shows_its_digits():
    """18.004 against 18 is printed as 18.004."""
    record = judged(liver_case(20.004, 100.0))
    assert "Mean[Gy] 20.004 Gy" in texts(record, "fail")[1]


PERCENT = '{id: a, structure: %s, kind: limit, metric: "D95%%[%%]", per_protocol: ">= 95", %s}'
TWO = (Prescription("PTV", 55.0, 25, "VOLUME", "x"), Prescription("PTV2", 50.0, 25, "VOLUME", "x"))


@pytest.mark.parametrize(
    ("rx", "name", "key", "used"),
    [
        (TWO, "PTV", "", 55.0),
        (TWO, "PTV2", "", 50.0),
        ((RX,), "Stomach", "", 55.0),
        ((replace(RX, target=""),), "Stomach", "", 55.0),
        (TWO, "Stomach", "rx: PTV2", 50.0),
        (TWO, "Stomach", "", None),
        ((), "PTV", "", None),
        (TWO, "PTV", "rx: PTV3", None),
        ((TWO[0], replace(TWO[0], total_gy=60.0)), "PTV", "", None),
    ],
)
def test_which_prescription_a_percent_metric_uses(rx, name, key, used):
    """The row's, the structure's own, the plan's only level, else not evaluable."""
    values = {(name, "D95%[%]"): 96.0}
    case = liver_case(rx=rx, structures=[box("PTV2", kind="PTV")], values=values)
    _, row = one_row(PERCENT % (name, key), case)
    assert row.rx_gy == used
    assert row.outcome.status is (E if used is None else P)
    if used is not None:
        assert (name, "D95%[%]", used) in case.asked
    else:
        assert re.search(r"prescription|levels", row.value.reason)


def test_a_structure_entry_may_name_its_prescription():
    """``structures.Stomach.rx`` serves every row of the structure."""
    case = liver_case(rx=TWO, structures=[box("PTV2", kind="PTV")])
    _, row = one_row(PERCENT % ("Stomach", ""), case, more="structures: {Stomach: {rx: PTV2}}\n")
    assert row.rx == "PTV2, 50 Gy"


def test_information_rows_for_every_target():
    """Six lines a target, phase copies left out, ids numbered."""
    case = liver_case(structures=[box("GTV_T50", kind="GTV")])
    record = judged(case)
    rows = [row for row in record.flat_rows() if row.id.startswith("target-")]
    assert len(rows) == 12
    assert {row.structure for row in rows} == {"GTV", "PTV"}
    v95 = next(row for row in rows if row.id == "target-v95.2")
    assert (v95.structure, v95.rx_gy, v95.outcome) == ("PTV", 55.0, None)
    metrics = {row.metric for row in record.information if isinstance(row, Row)}
    assert {"D98%[Gy]", "D95%[Gy]", "D50%[Gy]", "D2%[Gy]", "V95%[%]", "V100%[%]"} <= metrics
    assert {"Volume[cc]", "Mean[Gy]", "CV5Gy[cc]", "CV15Gy[cc]", "V30Gy[%]"} <= metrics


def test_a_counted_target_row_without_targets_is_not_evaluable():
    """No PTV in the plan is a gap, not nothing to do."""
    row = '{id: a, for_each: target, kind: limit, metric: "Min[Gy]", per_protocol: ">= 1"}'
    record, made = one_row(row, FakeCase([box("Liver")]))
    assert made.outcome.status is E
    assert record.verdict is Verdict.INCOMPLETE


def test_a_drawn_liver_gtv_is_shown_beside_the_derived_one():
    """Its value stands beside; a volume that differs by more than 1 % is a finding."""
    drawn = box("Liver-GTV", 1300)
    record = judged(liver_case(structures=[drawn]))
    row = row_of(record, "liver-mean")
    assert row.companions[-1].note == "drawn Liver-GTV"
    assert [f.code for f in record.findings] == ["derived-structure-differs"]
    assert "1300.00 cc and the derived Liver - GTV 1400.00 cc" in record.findings[0].message
    same = judged(liver_case(structures=[box("Liver-GTV", 1400.5)]))
    assert same.findings == ()


@pytest.mark.parametrize(
    ("d50", "warned"), [(55.0, False), (49.5, False), (71.5, False), (49.4, True), (71.6, True)]
)
def test_a_target_dose_far_from_its_prescription_is_said(d50, warned):
    """D50% outside 90 to 130 %: the cheapest test for a wrong dose, plan or target."""
    record = judged(liver_case(values={("PTV", "D50%[Gy]"): d50}))
    assert bool(texts(record, "prescription")) is warned
    assert record.prescriptions[0].d50_percent == pytest.approx(100 * d50 / 55)


@pytest.mark.parametrize(
    ("possible", "severity"),
    [
        ((20.0, 49.0), Severity.ERROR),
        ((72.0, math.inf), Severity.ERROR),
        ((40.0, 60.0), Severity.WARNING),
        (None, Severity.WARNING),
    ],
)
def test_an_unknown_d50_is_judged_by_what_it_can_be(possible, severity):
    """Cut by the grid and yet surely wrong, or only not comparable."""
    value = Value.undefined("cut", Unit.GY, possible)
    record = judged(liver_case(values={("PTV", "D50%[Gy]"): value}))
    lines = [line for line in record.attention if line.code == "prescription"]
    assert [line.severity for line in lines] == [severity]


def test_targets_without_a_prescription_are_compared_with_the_only_level():
    """The GTV is checked against the plan's 55 Gy, and not where there are two levels."""
    values = {("GTV", "D50%[Gy]"): 20.0}
    assert (
        "GTV: D50% is 36.4 % of the 55 Gy"
        in texts(judged(liver_case(values=values)), "prescription")[0]
    )
    two = liver_case(values=values, rx=TWO, structures=[box("PTV2", kind="PTV")])
    assert not [t for t in texts(judged(two), "prescription") if t.startswith("GTV")]


def test_a_prescription_to_a_missing_target_is_said():
    """Its D50% cannot be compared with anything."""
    record = judged(liver_case(rx=(replace(RX, target="PTV9"),)))
    assert "D50% cannot be compared" in texts(record, "prescription")[0]


def test_prescriptions_carry_bed_and_eqd2():
    """55 Gy in 25: BED10 67.1, EQD2_10 55.9, alpha/beta shown; unknown fractions give none."""
    record = judged(liver_case())
    found = {(c.quantity, c.alpha_beta_gy): c.gy for c in record.prescriptions[0].conversions}
    assert found["BED", 10.0] == pytest.approx(67.1)
    assert found["EQD2", 10.0] == pytest.approx(55.9167, abs=1e-4)
    assert found["EQD2", 3.0] == pytest.approx(57.2)
    unknown = judged(liver_case(rx=(replace(RX, fractions=None),)))
    assert unknown.prescriptions[0].conversions == ()


def test_organs_that_no_limit_judges_are_listed():
    """Stomach in every report of the liver protocol; Liver is judged through Liver-GTV."""
    record = judged(liver_case(structures=[box("GTV ring", kind=""), box("External", kind="")]))
    assert [organ.name for organ in record.not_judged] == ["Stomach"]
    outside = judged(liver_case(rx=(RX5,), dose=uniform_dose(5)))
    assert {o.name: o.reason for o in outside.not_judged}["Liver"] == "its rows do not apply here"


def test_effective_dose_is_said_in_every_dose_row():
    """An RBE-weighted dose is not physical Gy."""
    record = judged(liver_case(dose=uniform_dose(kind="EFFECTIVE")))
    assert "EFFECTIVE" in row_of(record, "liver-mean").notes[-1]
    assert not row_of(record, "liver-volume").notes


def test_marks_lie_where_the_limit_is_in_the_dvh():
    """Mean has none; CV5Gy >= 300 cc is the point (5 Gy, V - 300 cc) to stay below."""
    record = judged(liver_case())
    assert row_of(record, "liver-mean").marks == ()
    mark = row_of(record, "liver-spare").marks[0]
    assert (mark.dose_gy, mark.below) == (5.0, True)
    assert mark.volume_cc == pytest.approx(1100)


def test_attention_is_ordered_most_urgent_first():
    """Data errors, scope, failures, gaps, warnings, review."""
    findings = (
        Finding("w", Severity.WARNING, "a warning"),
        Finding("i", Severity.INFO, "an info"),
        Finding("e", Severity.ERROR, "an error", "RD"),
    )
    record = judged(liver_case(24.0, 150.0, findings=findings))
    codes = [line.code for line in record.attention]
    assert codes == ["e", "fail", "fail", "fail", "w", "protocol-review"]
    assert record.attention[0].text == "RD: an error"


def full_record():
    """A record in which every optional part occurs."""
    tps = TpsDvh("Liver", np.array([0.0]), np.array([1490.0]), 0.1, 60.0, 12.0, "DVHSequence", "")
    case = liver_case(
        structures=[box("Liver-GTV", 1300), box("a\u0007<b>\ud800", 10)],
        values={
            ("Stomach", "Max[Gy]"): Value.undefined("cut", Unit.GY, (1.0, math.inf)),
            ("Stomach", "Mean[Gy]"): 1 / 3,
        },
        unusable=[foreign("Colon")],
        points=(point(),),
        tps_dvhs=(tps,),
    )
    return judged(case, mapping={"Stomach": "Esophagus"}, child_pugh="A5")


def test_the_json_fits_its_published_schema():
    """evaluation.schema.json describes every field and allows no other."""
    text = resources.files("planeval.model").joinpath("evaluation.schema.json").read_text("utf-8")
    schema = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(schema)
    data = json.loads(full_record().to_json())
    jsonschema.validate(data, schema)
    assert data["schema"] == "planeval.evaluation/1"
    data["rows"][0]["members"][0]["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, schema)


def test_the_json_is_the_same_every_time():
    """Two evaluations of the same input give the same bytes; no path, no NaN, no infinity."""
    first, second = full_record().to_json(), full_record().to_json()
    assert first == second
    assert first.endswith("}\n")
    first.encode("utf-8")
    assert not re.search(r"NaN|Infinity|deep/|\r", first)
    data = json.loads(first)
    assert data["provenance"]["sources"][0]["file"] == "RS.dcm"
    stomach = next(s for s in data["structures"] if s["name"] == "Stomach")
    assert stomach["mean"]["number"] == 0.333333333
    assert stomach["maximum"]["possible"] == [1.0, None]


def test_provenance_names_what_the_numbers_depend_on():
    """Version, hash, method, UIDs, digests, and the user's choices."""
    made = full_record().provenance
    assert made.protocol_sha256 == library.load(LIVER).sha256
    assert made.structure_set_uid == "1.2.9"
    assert made.dose_uids == ("1.2.3",)
    assert made.options == (("map", "Stomach=Esophagus"), ("child-pugh", "A5"))


def test_the_inventory_holds_every_roi_and_point():
    """Usable ones with numbers, others with the reason; TPS values beside ours."""
    record = full_record()
    rows = {row.name: row for row in record.structures}
    assert rows["Colon"].reason == "it lies in another frame of reference"
    assert not rows["Colon"].mean.is_defined
    assert "part of Liver-GTV (derived)" in rows["GTV"].matched
    assert record.points[0].dose.value == 6.0
    assert record.tps[0].volume_cc == 1490.0
    assert record.tps[0].volume.value == pytest.approx(1500)


def test_groups_stay_nested_in_the_record():
    """A group inside a group keeps its own outcome and its members."""
    text = """constraints:
  - all:
      id: g
      kind: limit
      members:
        - {id: a, structure: Stomach, metric: "Max[Gy]", per_protocol: "<= 30"}
        - any:
            id: h
            members:
              - {id: b, structure: Stomach, metric: "Mean[Gy]", per_protocol: "<= 0.5"}
              - {id: c, structure: Spleen, metric: "Mean[Gy]", per_protocol: "<= 0.5"}
"""
    record = evaluate(liver_case(), protocol(text))
    group = record.rows[0]
    assert isinstance(group.members[1], RowGroup)
    assert group.members[1].outcome.status is E
    assert group.outcome.status is E
    assert [row.id for row in record.flat_rows()] == ["a", "b", "c"]
    assert record.counts[0].count(E) == 1


EQD2_ROWS = """
structures: {Liver: {alpha_beta: 2.5}}
constraints:
  - {id: own, structure: Liver, metric: "EQD2:Mean[Gy]", kind: limit, per_protocol: "<= 20",
     source: src}
  - {id: stated, structure: Liver, metric: "BED_10:D95%[Gy]", kind: information}
  - {id: plain, structure: Liver, metric: "Mean[Gy]", kind: information}
"""


def test_the_row_says_which_alpha_beta_converts_it():
    """The number stands in the metric, its origin in a note; the limit is named as unconverted."""
    case = FakeCase([box("Liver")], {("Liver", "EQD2_2.5:Mean[Gy]"): 19.0})
    record = evaluate(case, protocol(EQD2_ROWS))
    own, stated, plain = (row_of(record, name) for name in ("own", "stated", "plain"))
    assert own.metric == "EQD2_2.5:Mean[Gy]"
    assert own.outcome.status is P
    assert own.notes == (
        "EQD2 with alpha/beta 2.5 Gy (from structures.Liver.alpha_beta), every point converted with "
        "25 fractions; no repair or time factor. The limit is one of this quantity as the protocol "
        "writes it.",
    )
    assert "BED with alpha/beta 10 Gy (stated in the row)" in stated.notes[0]
    assert plain.notes == ()


def test_weighted_dose_is_said_beside_its_conversion():
    """EFFECTIVE input may be converted; the row says both."""
    case = FakeCase([box("Liver")], dose=uniform_dose(kind="EFFECTIVE"))
    notes = row_of(evaluate(case, protocol(EQD2_ROWS)), "own").notes
    assert [note.split()[0] for note in notes] == ["EQD2", "the"]
    assert "EFFECTIVE" in notes[1]
