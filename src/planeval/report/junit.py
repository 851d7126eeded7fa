"""JUnit XML: one test case per counted row or group, for the tools that read nothing else."""

from __future__ import annotations

from xml.etree import ElementTree

from planeval.model import Status
from planeval.model.record import EvaluationRecord
from planeval.model.rows import Row, RowGroup
from planeval.report.cells import limit_cell, value_cell
from planeval.report.text import visible

__all__ = ["junit_xml"]

_TAGS = {
    Status.FAIL: "failure",
    Status.NOT_EVALUABLE: "error",
    Status.NOT_APPLICABLE: "skipped",
}


def junit_xml(record: EvaluationRecord) -> str:
    """Return the outcomes as JUnit XML.

    FAIL is a failure, NOT_EVALUABLE an error, NOT_APPLICABLE skipped; ACCEPTABLE and PASS are
    passed, the tier stands in ``system-out``. Members of groups and uncounted rows are not in it.
    """
    items = [item for item in record.rows if item.is_counted and item.outcome is not None]
    statuses = [item.outcome.status for item in items if item.outcome is not None]
    suite = ElementTree.Element(
        "testsuite",
        {
            "name": _safe(f"planeval {record.protocol.id} {record.protocol.version}"),
            "tests": str(len(items)),
            "failures": str(statuses.count(Status.FAIL)),
            "errors": str(statuses.count(Status.NOT_EVALUABLE)),
            "skipped": str(statuses.count(Status.NOT_APPLICABLE)),
        },
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (
        ("verdict", record.verdict.value),
        ("patient_id", record.identity.patient_id),
        ("plan_uid", " ".join(record.provenance.plan_uids)),
        ("protocol_sha256", record.protocol.sha256),
        ("planeval", record.provenance.planeval_version),
    ):
        ElementTree.SubElement(properties, "property", {"name": name, "value": _safe(value)})
    for item in items:
        _case(suite, item, record.protocol.id)
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _case(suite: ElementTree.Element, item: Row | RowGroup, protocol: str) -> None:
    case = ElementTree.SubElement(
        suite, "testcase", {"name": _safe(item.id), "classname": _safe(f"planeval.{protocol}")}
    )
    outcome = item.outcome
    if outcome is None:
        return
    words = "\n".join(_lines(item))
    tag = _TAGS.get(outcome.status)
    if tag is not None:
        message = outcome.reason or words.splitlines()[0]
        found = ElementTree.SubElement(case, tag, {"message": _safe(message)})
        if tag != "skipped":
            found.set("type", outcome.status.value)
            found.text = _safe(words)
    ElementTree.SubElement(case, "system-out").text = _safe(f"{outcome.status.value}\n{words}")


def _lines(item: Row | RowGroup) -> list[str]:
    """Return a row, or the rows of a group, with value, limits and outcome."""
    if isinstance(item, RowGroup):
        head = f"{item.mode.value} of:"
        return [head, *(line for member in item.members for line in _lines(member))]
    limits = ", ".join(limit_cell(each) for each in (item.per_protocol, item.acceptable) if each)
    status = item.outcome.status.value if item.outcome else "not judged"
    value = value_cell(item.value, (item.per_protocol, item.acceptable))
    return [f"{item.structure} {item.metric}: {value}, limit {limits or 'none'}: {status}"]


def _safe(text: str) -> str:
    """Return text without the characters that XML 1.0 forbids; lines stay."""
    return "\n".join(visible(line) for line in text.split("\n"))
