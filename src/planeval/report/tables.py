"""Tidy CSV: one row per metric, one per node of a DVH, one per margin and axis.

UTF-8, LF, a decimal point, 9 significant digits as in the JSON, empty where there is no number (the
reason stands beside it). Text cells that a spreadsheet would run get a single quote in front.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields

from planeval.model import Value
from planeval.model.margins import MarginRow, Spread
from planeval.model.record import EvaluationRecord
from planeval.model.rows import Margin, Row, RowGroup
from planeval.model.targets import TargetRow
from planeval.report.cells import plain_number
from planeval.report.levels import LEVEL_METRIC, LEVEL_NOTE
from planeval.report.text import csv_text

__all__ = [
    "MARGIN_COLUMNS",
    "METRIC_COLUMNS",
    "margins_csv",
    "metrics_csv",
]

METRIC_COLUMNS = (
    "patient_id",
    "plan_uid",
    "protocol",
    "row_id",
    "group_id",
    "kind",
    "structure",
    "plan_name",
    "match",
    "metric",
    "value",
    "unit",
    "low",
    "high",
    "possible_low",
    "possible_high",
    "reason",
    "outcome",
    "near_limit",
    "outcome_reason",
    "per_protocol",
    "acceptable",
    "margin",
    "margin_percent",
    "margin_acceptable",
    "rx_gy",
    "beside",
    "source",
    "notes",
)

MARGIN_COLUMNS = (
    "patient_id",
    "plan_uid",
    "protocol",
    "row_id",
    "kind",
    "outer",
    "outer_plan_name",
    "inner",
    "inner_plan_name",
    "axis",
    "rule_low_mm",
    "rule_high_mm",
    "minimum_mm",
    "p5_mm",
    "median_mm",
    "p95_mm",
    "maximum_mm",
    "extent_mm",
    "end_less_mm",
    "end_more_mm",
    "tolerance_mm",
    "short_percent",
    "clipped_percent",
    "long_percent",
    "outside_percent",
    "outcome",
    "near_limit",
    "outcome_reason",
)


def metrics_csv(record: EvaluationRecord) -> str:
    """Return one line per row, and one per companion value (``beside`` names its row's metric).

    Groups have lines of their own, without a value: ``group_id`` joins their members to them. Lines of
    kind ``target`` are the coverage and the indices of targets.
    """
    case = _case_columns(record)
    rows = (
        line for item in record.rows + record.information for line in _item_lines(item, group_id="")
    )
    lines = (case | line for line in (*rows, *_target_lines(record.targets)))
    return _csv(METRIC_COLUMNS, lines)


def margins_csv(record: EvaluationRecord) -> str:
    """Return one line per margin audit and patient axis, and one (axis ``all``) over all directions.

    An audit without numbers has its ``all`` line alone, with the reason.
    """
    case = _case_columns(record)
    lines = (case | line for row in record.margins for line in _margin_lines(row))
    return _csv(MARGIN_COLUMNS, lines)


def _margin_lines(row: MarginRow) -> Iterator[dict[str, str]]:
    report = row.report
    common = {
        "row_id": csv_text(row.id),
        "kind": row.kind.value,
        "outer": csv_text(row.outer.protocol_name),
        "outer_plan_name": csv_text(row.outer.name_in_plan),
        "inner": csv_text(row.inner.protocol_name),
        "inner_plan_name": csv_text(row.inner.name_in_plan),
        "tolerance_mm": plain_number(row.tolerance_mm),
    }
    yield {
        **common,
        "axis": "all",
        **(_spread(report.margin) if report else {}),
        "short_percent": plain_number(report.short_percent if report else None),
        "clipped_percent": plain_number(report.clipped_percent if report else None),
        "long_percent": plain_number(report.long_percent if report else None),
        "outside_percent": plain_number(report.outside_percent if report else None),
        "outcome": row.outcome.status.value,
        "near_limit": str(row.outcome.near_limit).lower(),
        "outcome_reason": csv_text(row.outcome.reason),
    }
    for axis in report.axes if report else ():
        yield {
            **common,
            "axis": axis.axis,
            "rule_low_mm": plain_number(axis.rule_low_mm),
            "rule_high_mm": plain_number(axis.rule_high_mm),
            **_spread(axis.spread),
            "extent_mm": plain_number(axis.extent_mm),
            "end_less_mm": plain_number(axis.end_less_mm),
            "end_more_mm": plain_number(axis.end_more_mm),
        }


def _spread(spread: Spread | None) -> dict[str, str]:
    if spread is None:
        return {}
    return {field.name: plain_number(getattr(spread, field.name)) for field in fields(spread)}


def _case_columns(record: EvaluationRecord) -> dict[str, str]:
    return {
        "patient_id": csv_text(record.identity.patient_id),
        "plan_uid": csv_text(" ".join(record.provenance.plan_uids)),
        "protocol": csv_text(record.protocol.id),
    }


def _csv(columns: tuple[str, ...], lines: Iterable[Mapping[str, str]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return stream.getvalue()


def _item_lines(item: Row | RowGroup, group_id: str) -> Iterator[dict[str, str]]:
    if isinstance(item, Row):
        yield from _row_lines(item, group_id)
        return
    yield _common(item, group_id) | {"match": "", "metric": item.mode.value}
    for member in item.members:
        yield from _item_lines(member, item.id)


def _common(item: Row | RowGroup, group_id: str) -> dict[str, str]:
    """Return what rows and groups share."""
    outcome = item.outcome
    return {
        "row_id": csv_text(item.id),
        "group_id": csv_text(group_id),
        "kind": item.kind.value,
        "outcome": outcome.status.value if outcome else "",
        "near_limit": str(outcome.near_limit).lower() if outcome else "",
        "outcome_reason": csv_text(outcome.reason) if outcome else "",
        "source": csv_text(item.source),
        "notes": csv_text(" | ".join(item.notes)),
    }


def _row_lines(row: Row, group_id: str) -> Iterator[dict[str, str]]:
    where = {
        "structure": csv_text(row.structure),
        "plan_name": csv_text(row.match.name_in_plan),
        "match": row.match.kind.value,
    }
    yield {
        **_common(row, group_id),
        **where,
        "metric": csv_text(row.metric),
        **_value(row.value),
        "notes": csv_text(
            " | ".join(filter(None, (*row.value.notes, row.outside_text, *row.notes)))
        ),
        "per_protocol": csv_text(row.per_protocol.text) if row.per_protocol else "",
        "acceptable": csv_text(row.acceptable.text) if row.acceptable else "",
        "margin": _amount(row.margin),
        "margin_percent": plain_number(row.margin.percent) if row.margin else "",
        "margin_acceptable": _amount(row.margin_acceptable),
        "rx_gy": plain_number(row.rx_gy),
    }
    for companion in row.companions:
        yield {
            "row_id": csv_text(row.id),
            "group_id": csv_text(group_id),
            "kind": row.kind.value,
            **where,
            "metric": csv_text(companion.metric),
            **_value(companion.value),
            "beside": csv_text(row.metric),
            "notes": csv_text(companion.note),
        }
    if row.level_choice is not None:
        level = row.level_choice.level
        yield {
            "row_id": csv_text(row.id),
            "group_id": csv_text(group_id),
            "kind": row.kind.value,
            **where,
            "metric": LEVEL_METRIC,
            **_value(level),
            "beside": csv_text(row.metric),
            "rx_gy": plain_number(row.level_choice.from_gy),
            "notes": csv_text(" | ".join((LEVEL_NOTE, *level.notes))),
        }


def _target_lines(targets: Iterable[TargetRow]) -> Iterator[dict[str, str]]:
    """Yield the coverage and the indices of targets: lines of kind target, without an outcome."""
    for row in targets:
        for each in (*row.coverage, *row.indices):
            yield {
                "kind": "target",
                "structure": csv_text(row.name),
                "plan_name": csv_text(row.name),
                "metric": csv_text(each.metric),
                **_value(each.value),
                "rx_gy": plain_number(row.rx_gy),
                "notes": csv_text(" | ".join(each.value.notes)),
            }


def _value(value: Value) -> dict[str, str]:
    possible = value.possible or (None, None)
    return {
        "value": plain_number(value.number),
        "unit": value.unit.value,
        "low": plain_number(value.low if value.is_defined else None),
        "high": plain_number(value.high if value.is_defined else None),
        "possible_low": plain_number(possible[0]),
        "possible_high": plain_number(possible[1]),
        "reason": csv_text(value.reason),
    }


def _amount(margin: Margin | None) -> str:
    return plain_number(margin.amount) if margin else ""
