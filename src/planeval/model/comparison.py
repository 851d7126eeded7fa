"""A comparison: several plans of one patient judged by one protocol, row beside row.

The first plan is the one that the others are compared with. As in a record, text from DICOM is kept as
it was read, and nothing depends on the clock, the machine or the place of the files.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from planeval.model.case import Identity
from planeval.model.finding import Finding
from planeval.model.outcome import Outcome, Verdict
from planeval.model.plain import json_text, plain
from planeval.model.rows import LimitText, RowKind
from planeval.model.value import Value

__all__ = [
    "COMPARISON_SCHEMA",
    "Change",
    "ComparedPlan",
    "ComparedRow",
    "ComparedValue",
    "ComparisonRecord",
    "Trend",
]

COMPARISON_SCHEMA = "planeval.comparison/1"


class Trend(StrEnum):
    """Where a value moved, seen from the limit: BETTER is away from breaking it."""

    BETTER = "better"
    WORSE = "worse"
    EQUAL = "equal"
    NO_LIMIT = "no limit"
    UNKNOWN = "unknown"


class Change(StrEnum):
    """What became of an outcome. OTHER is a change into or out of "not evaluable" or "not applicable"."""

    NONE = "none"
    BETTER = "better"
    WORSE = "worse"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ComparedPlan:
    """One plan of a comparison. ``letter`` names it in tables: A is the first.

    ``evaluation_sha256`` is the digest of its evaluation.json.
    """

    letter: str
    label: str
    plan_uids: tuple[str, ...]
    dose_uids: tuple[str, ...]
    structure_set_uid: str
    structure_set_label: str
    frame_uid: str
    prescription: str
    fractions: int | None
    verdict: Verdict
    summary: str
    evaluation_sha256: str


@dataclass(frozen=True, slots=True)
class ComparedValue:
    """What a row came to in one plan, and how that differs from the first plan.

    ``difference`` is this value minus the first plan's in the unit of the row; its band is what the
    two numeric bands leave, and it is undefined where one of the values is. ``outcome`` is None for
    rows that are never judged.
    """

    plan: str
    name_in_plan: str
    value: Value
    outcome: Outcome | None
    per_protocol: LimitText | None
    acceptable: LimitText | None
    difference: Value
    trend: Trend
    change: Change

    @property
    def is_within_bands(self) -> bool:
        """Whether the numeric bands of the two values overlap: neither is surely the larger."""
        return self.difference.is_defined and self.difference.low <= 0 <= self.difference.high


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """One row (or group) of the protocol in every plan; ``plans`` are in the order of the plans.

    ``mode`` is ``any`` or ``all`` for a group and empty for a row, ``depth`` 0 outside any group,
    ``section`` is constraint, margin, target or information.
    """

    id: str
    section: str
    kind: RowKind
    structure: str
    metric: str
    title: str
    mode: str
    depth: int
    is_counted: bool
    is_unverified: bool
    plans: tuple[ComparedValue, ...]

    @property
    def changes_outcome(self) -> bool:
        """Whether some plan has another outcome than the first."""
        return any(each.change is not Change.NONE for each in self.plans)

    @property
    def decides(self) -> bool:
        """Whether the verdict rests on this row by itself, not only through its group."""
        return self.is_counted and not self.depth

    @property
    def limits_differ(self) -> bool:
        """Whether the plans are judged by different limits (a limit that depends on the plan)."""
        return len({(each.per_protocol, each.acceptable) for each in self.plans}) > 1


@dataclass(frozen=True, slots=True, eq=False)
class ComparisonRecord:
    """Everything that comparison.json holds."""

    identity: Identity
    protocol_id: str
    protocol_version: str
    protocol_sha256: str
    plans: tuple[ComparedPlan, ...]
    rows: tuple[ComparedRow, ...]
    findings: tuple[Finding, ...]
    planeval_version: str
    schema: str = COMPARISON_SCHEMA

    @property
    def changes(self) -> tuple[ComparedRow, ...]:
        """The rows and groups whose outcome changes, those that decide the verdict first."""
        found = [row for row in self.rows if row.changes_outcome]
        return tuple(sorted(found, key=lambda row: not row.decides))

    @property
    def is_worse(self) -> bool:
        """Whether a row or group that decides has a worse outcome in a later plan than in the first."""
        return any(
            each.change is Change.WORSE for row in self.rows if row.decides for each in row.plans
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data: numbers to 9 significant digits, enums as text, no NaN."""
        data: dict[str, Any] = plain(self)
        return data

    def to_json(self) -> str:
        """Return comparison.json: sorted keys, LF, the same text for the same plans."""
        return json_text(self)
