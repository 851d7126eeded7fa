"""Margin audits asked for by a protocol: reading, matching, judging, counting."""

import json
from dataclasses import replace
from importlib import resources

import pytest
import shapely
from tests.protocol.fakes import FakeCase, empty, protocol

from planeval.errors import ProtocolSyntax
from planeval.geometry.drawn import drawn_union
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack
from planeval.model import Status, Structure, Verdict
from planeval.protocol.evaluate import evaluate

ROW = """constraints:
  - {id: a, structure: Liver, metric: "Mean[Gy]", kind: limit, per_protocol: "<= 18", source: src}
"""
PTV = """margins:
  - {id: m, outer: PTV, inner: CTV, mm: {axial: 6, cranio_caudal: [6, 12]}, KIND}
"""


def cube(name, half_mm, kind="", *, spacing=6.0):
    """A cube around the origin whose ends are where half a spacing beyond its planes is."""
    count = round(2 * half_mm / spacing)
    planes = [
        DrawnPlane(
            -half_mm + (k + 0.5) * spacing, shapely.box(-half_mm, -half_mm, half_mm, half_mm)
        )
        for k in range(count)
    ]
    stack = PlanarStack(AXIAL, planes, spacing_mm=spacing)
    return Structure(name, stack, number=1, name_in_file=name, type=kind, origin="drawn")


LIVER = cube("Liver", 60)
CTV, PTV_OK, PTV_SMALL = cube("CTV", 18, "CTV"), cube("PTV", 24, "PTV"), cube("PTV", 21, "PTV")


def judged(structures, kind="kind: recommendation", *, body=PTV, **choices):
    case = FakeCase([LIVER, *structures], {("Liver", "Mean[Gy]"): 10.0}, **choices)
    return evaluate(case, protocol(ROW + body.replace("KIND", kind)))


def test_an_audit_that_counts_decides_with_the_constraints():
    """A PTV that is 3 mm too small fails the plan, in the counts and in the attention list."""
    record = judged([CTV, PTV_SMALL])
    (row,) = record.margins
    assert (row.outcome.status, record.verdict) == (Status.FAIL, Verdict.FAIL)
    assert "recommendations: 1 fail" in record.summary
    (line,) = [each for each in record.attention if each.code == "margin-fail"]
    assert (line.row_id, line.severity) == ("m", "error")
    assert row.rule == "6 mm axial, 6 to 12 mm cranio-caudal"


def test_an_audit_for_information_shows_its_outcome_and_does_not_count():
    """By default it is information: the failure is a warning, the verdict stays."""
    record = judged([CTV, PTV_SMALL], "tolerance_mm: 2.0")
    (row,) = record.margins
    assert (row.outcome.status, record.verdict) == (Status.FAIL, Verdict.PASS)
    assert "fail" not in record.summary
    (line,) = [each for each in record.attention if each.code == "margin-fail"]
    assert line.severity == "warning"
    assert "does not count" in line.text


def test_a_missing_structure_is_not_evaluable_and_never_passes():
    """Without a CTV a counted audit makes the plan incomplete; one for information says so."""
    record = judged([PTV_OK])
    assert record.verdict is Verdict.INCOMPLETE
    assert record.margins[0].outcome.status is Status.NOT_EVALUABLE
    assert "CTV is not in the plan" in record.margins[0].outcome.reason
    assert record.margins[0].report is None
    assert judged([PTV_OK], "tolerance_mm: 2.0").verdict is Verdict.PASS
    unusable = judged([PTV_OK], unusable=[empty("CTV", "CTV")])
    assert "no contours" in unusable.margins[0].outcome.reason


def test_a_counted_audit_follows_the_scope_of_its_protocol():
    """Outside the protocol's range it is not applicable, with its numbers still there."""
    case = FakeCase([LIVER, CTV, PTV_SMALL], {("Liver", "Mean[Gy]"): 10.0})
    scoped = protocol(
        "applies: {fractions: [5, 5]}\n" + ROW + PTV.replace("KIND", "kind: recommendation")
    )
    (row,) = evaluate(case, scoped).margins
    assert row.outcome.status is Status.NOT_APPLICABLE
    assert row.report is not None


def test_what_is_not_drawn_takes_no_part_and_is_named():
    """A thrombus and a limit that the plan lacks are notes."""
    record = judged([CTV, PTV_OK], "thrombus: PVTT, clipped_by: [External]")
    assert record.margins[0].notes == (
        "PVTT is not drawn and takes no part",
        "External is not drawn and takes no part",
    )


ALONG = (
    "margins:\n  - {id: m, outer: CTV, inner: GTV, mm: {all: [6, null]}, thrombus: PVTT, "
    "vessel: V_Portal, along_vessel_mm: 12, KIND}\n"
)


def bar(name, low_mm, high_mm):
    """A vessel of 6 x 6 mm along z through the origin, on planes 6 mm apart."""
    planes = [DrawnPlane(z + 3.0, shapely.box(-3, -3, 3, 3)) for z in range(low_mm, high_mm, 6)]
    stack = PlanarStack(AXIAL, planes, spacing_mm=6.0)
    return Structure(name, stack, number=1, name_in_file=name, origin="drawn")


def test_the_way_along_a_vessel_is_asked_for():
    """12 mm of lumen beyond the GTV: a CTV of 6 mm around it fails, one that follows it passes."""
    gtv, clot, vessel = cube("GTV", 12, "GTV"), bar("PVTT", -12, 12), bar("V_Portal", -42, 42)
    (short,) = judged([gtv, CTV, clot, vessel], body=ALONG).margins
    assert short.rule == "6 or more mm in every direction, and 12 mm along V_Portal"
    assert short.outcome.status is Status.FAIL
    assert short.report.vessel_missing_mm == pytest.approx(6, abs=0.5)
    following = replace(CTV, stack=drawn_union([CTV.stack, bar("", -30, 30).stack]))
    (enough,) = judged([gtv, following, clot, vessel], body=ALONG).margins
    assert enough.outcome.status is Status.PASS
    assert enough.report.vessel_missing_mm == pytest.approx(0, abs=0.3)


def test_a_thrombus_without_its_vessel_never_passes():
    """The way along it is not known: a shell that is right is not evaluable, a short one fails."""
    gtv, clot = cube("GTV", 12, "GTV"), bar("PVTT", -12, 12)
    (row,) = judged([gtv, CTV, clot], body=ALONG).margins
    assert row.outcome.status is Status.NOT_EVALUABLE
    assert "PVTT is drawn and V_Portal is not: the 12 mm along" in row.outcome.reason
    assert row.report.short_percent == 0
    (far,) = judged([gtv, CTV, clot, bar("V_Portal", 30, 60)], body=ALONG).margins
    assert far.outcome.status is Status.NOT_EVALUABLE
    assert "outside the vessel" in far.outcome.reason
    wide = cube("GTV", 18, "GTV")
    (short,) = judged([wide, CTV, clot], body=ALONG).margins
    assert short.outcome.status is Status.FAIL
    (none,) = judged([gtv, CTV, bar("V_Portal", -42, 42)], body=ALONG).margins
    assert none.outcome.status is Status.PASS


def test_a_union_of_rois_keeps_its_planes():
    """GTV is two ROIs on the same planes: the extent is that of the drawn union."""
    gtv = cube("GTV", 12, "GTV")
    node = cube("GTVn", 6, "GTV")
    body = "margins:\n  - {id: m, outer: CTV, inner: GTV, mm: {all: [6, null]}, KIND}\n"
    record = judged([gtv, node, CTV], body=body)
    (row,) = record.margins
    assert row.inner.name_in_plan == "GTV | GTVn"
    assert [axis.extent_mm for axis in row.report.axes] == pytest.approx([6] * 6, abs=0.05)
    assert row.report.long_percent is None


def test_the_json_matches_the_published_schema():
    """Every field of an audit is described."""
    jsonschema = pytest.importorskip("jsonschema")
    text = resources.files("planeval.model").joinpath("evaluation.schema.json").read_text("utf-8")
    record = judged([CTV, PTV_SMALL])
    jsonschema.validate(json.loads(record.to_json()), json.loads(text))
    assert len(record.margins[0].report.marks) > 10


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{id: a, outer: PTV, inner: CTV}", "the id 'a' is used twice"),
        ("{id: m, outer: PTV, inner: PTV}", "cannot have a margin around itself"),
        ("{id: m, outer: PTV, inner: CTV, source: nowhere}", "no source 'nowhere'"),
        ("{id: m, outer: PTV, inner: CTV, mm: {axial: 5}}", "margins need 'all', or 'axial' and"),
        ("{id: m, outer: PTV, inner: CTV, mm: {all: [7, 5]}}", "needs low <= high"),
        ("{id: m, outer: PTV, inner: CTV, mm: {all: -1}}", "greater than or equal to 0"),
        ("{id: m, outer: PTV, inner: CTV, kind: reference}", "margins"),
        ("{id: m, outer: PTV, inner: CTV, tolerance_mm: 0}", "greater than 0"),
        ("{id: m, outer: PTV, inner: CTV, width: 5}", "unknown key 'width'"),
        ("{id: m, outer: PTV, inner: CTV, vessel: V}", "go together, with 'thrombus' and with"),
    ],
)
def test_faults_of_an_entry_name_line_and_reason(entry, message):
    """A wrong entry is a syntax error at its line."""
    with pytest.raises(ProtocolSyntax, match=r"test\.yaml:\d+: margins") as error:
        protocol(ROW + f"margins:\n  - {entry}\n")
    assert message in str(error.value)


def test_six_axes_may_be_given_alone():
    """Left is left: each axis has its own range in the report."""
    body = (
        "margins:\n  - {id: m, outer: PTV, inner: CTV, mm: {left: 1, right: 2, anterior: 3, "
        "posterior: 4, superior: 5, inferior: [6, 7]}}\n"
    )
    (row,) = judged([CTV, PTV_OK], body=body).margins
    assert [axis.rule_low_mm for axis in row.report.axes] == [1, 2, 3, 4, 5, 6]
    assert row.report.axes[5].rule_high_mm == 7
