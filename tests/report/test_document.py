"""Lines and blocks of a record."""

from dataclasses import replace

from tests.report.samples import match, record, row

from planeval.model import Outcome, Status, Value
from planeval.model.rows import GroupMode, RowGroup, RowKind
from planeval.report.document import (
    anchors,
    constraint_sections,
    information_matrices,
    summary_text,
    unjudged_by_reason,
)
from planeval.units import Unit

FIVE = Value.of(5.0, Unit.GY)


def test_rows_stand_under_their_organ_in_protocol_order():
    """Liver - GTV is a liver row; the reference row joins the esophagus."""
    sections = constraint_sections(record())
    assert [section.organ for section in sections] == [
        "Esophagus", "Liver", "Colon", "Stomach", "Kidney_L", "Gallbladder",
    ]  # fmt: skip
    assert [line.metric for line in sections[0].lines] == ["Max[Gy]", "V32Gy[cc]"]


def test_the_most_severe_row_comes_first_within_an_organ():
    """FAIL, not evaluable, acceptable, pass, not applicable, not judged; near-limit before calm."""
    statuses = [Status.NOT_APPLICABLE, Status.PASS, Status.ACCEPTABLE, Status.NOT_EVALUABLE]
    made = [
        row("Liver", f"V{n}Gy[cc]", FIVE, status, reason="why")
        for n, status in enumerate([*statuses, Status.FAIL], 1)
    ]
    made.append(row("Liver", "V9Gy[cc]", FIVE, Status.PASS, near=True))
    (section,) = constraint_sections(record(rows=tuple(made)))
    assert [line.metric for line in section.lines] == [
        "V5Gy[cc]", "V4Gy[cc]", "V3Gy[cc]", "V9Gy[cc]", "V2Gy[cc]", "V1Gy[cc]",
    ]  # fmt: skip


def test_a_group_stays_one_block():
    """A group's head and members follow each other, deeper by one level each, closed at the end."""
    liver = constraint_sections(record())[1].lines
    assert [(line.mode, line.depth, line.last) for line in liver] == [
        ("OR", 0, False), ("", 1, False), ("AND", 1, False), ("", 2, True),
    ]  # fmt: skip
    assert [line.status.word.word for line in liver] == ["Acceptable", "Acceptable", "Fail", "Fail"]


def test_a_group_of_several_organs_stands_under_its_title():
    """Intestine is no organ name of any of its rows."""
    members = tuple(row(name, "Max[Gy]", FIVE, Status.PASS) for name in ("Duodenum", "Colon"))
    group = RowGroup("i", RowKind.LIMIT, GroupMode.ALL, members, Outcome(Status.PASS), "Intestine")
    assert [each.organ for each in constraint_sections(record(rows=(group,)))] == ["Intestine"]


def test_names_of_the_plan_show_only_where_they_differ():
    """An exact match needs no second name."""
    alias = row("Liver", "Mean[Gy]", FIVE, Status.PASS, match=match("Liver", expression="肝脏"))
    (section,) = constraint_sections(record(rows=(alias,)))
    assert section.lines[0].in_plan == "肝脏"
    assert constraint_sections(record())[0].lines[0].in_plan == ""


def test_structures_with_the_same_information_share_a_table():
    """GTV and PTV are two rows of one table."""
    (matrix,) = information_matrices(record())
    assert matrix.metrics == ("D98%[Gy]", "V95%[%]")
    assert [name for name, _, _ in matrix.rows] == ["GTV", "PTV"]


def test_every_row_and_group_has_its_own_link():
    """Links are numbered, so that ids may hold anything."""
    found = anchors(record())
    assert {"liver", "liver-inner", "Colon-Max[Gy]", "info-GTV-D98%[Gy]"} <= set(found)
    assert len(set(found.values())) == len(found)


def test_the_summary_loses_the_heading_that_every_report_prints():
    """Otherwise the words would stand there twice."""
    assert summary_text(record()).startswith("limits:")
    assert summary_text(replace(record(), summary="nothing")) == "nothing"


def test_unjudged_organs_are_grouped_by_reason():
    """One reason is said once."""
    assert unjudged_by_reason(record()) == {"no counted row names it": ["Duodenum"]}
