"""The rows of an evaluation: one constraint against one structure, and groups of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from planeval.model.dose import Outside
from planeval.model.outcome import Outcome
from planeval.model.value import Value
from planeval.units import Unit

__all__ = [
    "UNVERIFIED",
    "Companion",
    "GroupMode",
    "LevelChoice",
    "LimitMark",
    "LimitText",
    "Margin",
    "MatchKind",
    "Row",
    "RowGroup",
    "RowKind",
    "ScaledLevel",
    "StructureMatch",
    "flat_rows",
]


UNVERIFIED = ("conflict", "check")
"""Evidence flags of numbers that nobody has read, or that transcriptions disagree about."""


class RowKind(StrEnum):
    """What a row of a protocol is. Only the first two count in the verdict."""

    LIMIT = "limit"
    RECOMMENDATION = "recommendation"
    REFERENCE = "reference"
    RISK_LEVEL = "risk-level"
    INFORMATION = "information"

    @property
    def is_counted(self) -> bool:
        """Whether rows of this kind decide the verdict."""
        return self in (RowKind.LIMIT, RowKind.RECOMMENDATION)


class GroupMode(StrEnum):
    """How a group joins its members: any (OR) or all (AND)."""

    ANY = "any"
    ALL = "all"


class MatchKind(StrEnum):
    """How a protocol name found its structure in the plan."""

    EXACT = "exact"
    TG263 = "TG-263"
    ALIAS = "alias"
    MAP = "map"
    DERIVED = "derived"
    ROLE = "role"
    AMBIGUOUS = "ambiguous"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class StructureMatch:
    """How ``protocol_name`` was found in the plan.

    ``plan_names`` are the ROIs used (several for a role or a derived structure, none where missing
    or ambiguous); ``expression`` is what is evaluated, as a structure expression over plan names.
    ``evidence`` says in words why; ``candidates`` are the ROIs a reader may want to map by hand.
    """

    protocol_name: str
    kind: MatchKind
    plan_names: tuple[str, ...] = ()
    expression: str = ""
    evidence: str = ""
    candidates: tuple[str, ...] = ()

    @property
    def is_found(self) -> bool:
        """Whether there is a structure to evaluate."""
        return self.kind not in (MatchKind.MISSING, MatchKind.AMBIGUOUS)

    @property
    def name_in_plan(self) -> str:
        """The ROI, or the expression over ROIs, that is evaluated; empty where not found."""
        return self.expression or ", ".join(self.plan_names)


@dataclass(frozen=True, slots=True)
class LimitText:
    """One comparison of a row: its text as written, and its parts (``operator`` is < <= > >=)."""

    text: str
    operator: str
    limit: float
    unit: Unit


@dataclass(frozen=True, slots=True)
class Margin:
    """The distance from a value to a limit: positive inside the limit, negative beyond it.

    ``amount`` is in the metric's unit, ``percent`` in % of the limit (None for a limit of 0).
    """

    limit: LimitText
    amount: float
    percent: float | None


@dataclass(frozen=True, slots=True)
class LimitMark:
    """Where a limit lies in a cumulative DVH: the curve of ``structure`` must stay on one side.

    The point is (``dose_gy``, ``volume_cc``); ``below`` says that the curve must pass below or left
    of it (an upper limit on hot dose or volume), else above or right of it.
    """

    structure: str
    dose_gy: float
    volume_cc: float
    below: bool
    tier: str


@dataclass(frozen=True, slots=True)
class Companion:
    """A value printed beside a row and never judged, such as D0.03cc beside Max."""

    metric: str
    value: Value
    note: str = ""


@dataclass(frozen=True, slots=True)
class ScaledLevel:
    """One prescription of a table: the value with the whole dose scaled to it, and its limit.

    ``near_limit`` says that ``is_met`` changes within the value's band.
    """

    rx_gy: float
    value: Value
    per_protocol: LimitText
    is_met: bool
    near_limit: bool = False


@dataclass(frozen=True, slots=True)
class LevelChoice:
    """The highest prescription of a table whose limit is met if the plan is scaled to it.

    Information, never an outcome. ``level`` is in Gy and undefined where none is met or the question
    has no answer; its band holds the levels that the value's band leaves open. ``near_limit`` says
    that there is another answer within it, none among them. ``levels`` are the lines of the table,
    the highest first; ``from_gy`` is the prescription that the plan was scaled from.
    """

    level: Value
    from_gy: float | None = None
    near_limit: bool = False
    levels: tuple[ScaledLevel, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One constraint, reference or information line.

    ``structure`` is the name as the protocol writes it. ``outcome`` is None for rows that are never
    judged (reference, risk-level, information). ``margin`` is to the per-protocol limit,
    ``margin_acceptable`` to the acceptable one. ``rx`` says which prescription a percent metric
    refers to, ``rx_gy`` its dose. ``outside`` is the reading of tissue outside the dose grid, and
    ``outside_gy`` the highest dose there by that reading, where the value rests on it.
    ``evidence`` is the flag of the row's source. ``in_verdict`` is False for a row that is judged on
    request although nobody has read its limit: its outcome is shown and never counts.
    ``level_choice`` is the other reading of a table of limits by prescription.
    """

    id: str
    kind: RowKind
    structure: str
    match: StructureMatch
    metric: str
    value: Value
    outcome: Outcome | None = None
    title: str = ""
    per_protocol: LimitText | None = None
    acceptable: LimitText | None = None
    margin: Margin | None = None
    margin_acceptable: Margin | None = None
    companions: tuple[Companion, ...] = ()
    marks: tuple[LimitMark, ...] = ()
    rx: str = ""
    rx_gy: float | None = None
    outside: Outside = Outside.UNKNOWN
    outside_gy: float | None = None
    source: str = ""
    notes: tuple[str, ...] = ()
    evidence: str = ""
    in_verdict: bool = True
    level_choice: LevelChoice | None = None
    type: str = "row"

    @property
    def outside_text(self) -> str:
        """What the value takes for granted of the dose outside the grid; empty where nothing is."""
        if self.outside_gy is None:
            return ""
        prefix, colon, _ = self.metric.partition(":")
        unit = f"Gy {prefix}" if colon else "Gy"
        return f"outside the dose grid at most {self.outside_gy:.2f} {unit}, its own cut edge (protocol)"

    @property
    def is_counted(self) -> bool:
        """Whether this row decides the verdict (alone or through its group)."""
        return self.kind.is_counted and self.in_verdict

    @property
    def is_unverified(self) -> bool:
        """Whether nobody has read the row's number in a text that no other contradicts."""
        return self.evidence in UNVERIFIED or not self.in_verdict


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Rows and groups joined by any (OR) or all (AND), with the outcome of the whole.

    A group with a member that is out of the verdict is out of it as well.
    """

    id: str
    kind: RowKind
    mode: GroupMode
    members: tuple[Row | RowGroup, ...]
    outcome: Outcome | None = None
    title: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()
    in_verdict: bool = True
    type: str = "group"

    @property
    def is_counted(self) -> bool:
        """Whether this group decides the verdict."""
        return self.kind.is_counted and self.in_verdict


def flat_rows(items: Iterable[Row | RowGroup]) -> Iterator[Row]:
    """Yield every row of some rows and groups in reading order, groups opened."""
    for item in items:
        if isinstance(item, Row):
            yield item
        else:
            yield from flat_rows(item.members)
