"""Margin audits of a record as rows: one per audit and axis, and one per audit among the constraints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from planeval.model.margins import MarginRow, Spread

__all__ = ["margin_constraint", "margin_lines"]


def margin_lines(row: MarginRow) -> Iterator[dict[str, Any]]:
    """Yield a line over all directions (axis ``all``), then one per patient axis."""
    report = row.report
    common = {
        "row_id": row.id,
        "kind": row.kind.value,
        "outer_name": row.outer.protocol_name,
        "outer_plan_name": row.outer.name_in_plan,
        "inner_name": row.inner.protocol_name,
        "inner_plan_name": row.inner.name_in_plan,
        "rule": row.rule,
        "tolerance_mm": row.tolerance_mm,
    }
    whole = {
        **common, "axis": "all", "outcome": row.outcome.status.value,
        "near_limit": row.outcome.near_limit, "outcome_reason": row.outcome.reason,
    }  # fmt: skip
    if report is None:
        yield whole
        return
    shares = ("short_percent", "clipped_percent", "long_percent", "outside_percent", "outside_mm")
    yield whole | _spread(report.margin) | {name: getattr(report, name) for name in shares}
    for axis in report.axes:
        own = {
            field.name: getattr(axis, field.name)
            for field in fields(axis)
            if field.name != "spread"
        }
        yield common | own | _spread(axis.spread)


def margin_constraint(row: MarginRow) -> dict[str, Any]:
    """Return an audit as a line of the constraints: its rule, its outcome, no single value."""
    return {
        "row_id": row.id,
        "kind": row.kind.value,
        "is_counted": row.is_counted,
        "structure": row.outer.protocol_name,
        "plan_name": row.outer.name_in_plan,
        "metric": f"margin around {row.inner.protocol_name}",
        "per_protocol": row.rule or "contains it",
        "outcome": row.outcome.status.value,
        "near_limit": row.outcome.near_limit,
        "outcome_reason": row.outcome.reason,
        "reason": "a margin has a value for every direction; see the table of margins",
        "source": row.source,
    }


def _spread(spread: Spread | None) -> dict[str, Any]:
    if spread is None:
        return {}
    return {field.name: getattr(spread, field.name) for field in fields(spread)}
