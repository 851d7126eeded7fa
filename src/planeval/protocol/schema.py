"""The protocol file as models; the published ``protocol.schema.json`` is made of them.

A model knows what can be wrong within itself; what takes the whole file to see is in
:mod:`planeval.protocol.rules`, and :mod:`planeval.protocol.reading` reads text into the models with
file and line in every message.
"""

from __future__ import annotations

import math
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from planeval.errors import ExpressionSyntax
from planeval.expression import parse as parse_expression
from planeval.files.strict import Strict
from planeval.model import Outside
from planeval.model.margins import MarginRule
from planeval.model.rows import UNVERIFIED, RowKind
from planeval.protocol.fields import (
    ComparisonText,
    Identifier,
    MetricText,
    Positive,
    StructureName,
    Text,
)
from planeval.protocol.judge import Tiers
from planeval.protocol.limit_table import LimitTable, check_tiers, tiers_of

__all__ = [
    "AllOf",
    "AnyOf",
    "Applies",
    "CheckSpec",
    "GroupSpec",
    "IncludeSpec",
    "Item",
    "MarginSpec",
    "MarginValues",
    "ProtocolFile",
    "Review",
    "RowSpec",
    "SourceSpec",
    "StructureSpec",
    "json_schema",
]

_TG101_DOI = "10.1118/1.3438081"


class Review(Strict):
    """Who has read the rows in their sources. Only ``reviewed`` needs a name and a date."""

    status: Literal["reviewed", "draft", "needs-check"]
    by: str = ""
    on: date | None = Field(default=None, strict=False)

    @model_validator(mode="after")
    def _signed(self) -> Review:
        if self.status == "reviewed" and not (self.by and self.on):
            raise ValueError("status 'reviewed' needs 'by' and 'on': who read it, and when")
        return self


class Applies(Strict):
    """When rows apply: inclusive ranges. ``outside: warn`` still shows values, without an outcome.

    ``fraction_dose_gy`` is the dose a fraction of the highest prescription. ``child_pugh`` lists
    classes (A, B, C) or scores (A5).
    """

    fractions: tuple[int, int] | None = Field(default=None, examples=[[20, 30]])
    total_dose_gy: tuple[float, float] | None = Field(default=None, examples=[[50, 65]])
    fraction_dose_gy: tuple[float, float] | None = Field(default=None, examples=[[1.8, 2.0]])
    child_pugh: tuple[Annotated[str, Field(pattern=r"^(A[56]?|B[789]?|C(1[0-5])?)$")], ...] = ()
    outside: Literal["warn", "refuse"] = "warn"

    @field_validator("fractions", "total_dose_gy", "fraction_dose_gy")
    @classmethod
    def _rising(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0 < value[0] <= value[1]:
            raise ValueError(f"the range {list(value)} needs 0 < low <= high")
        return value


class SourceSpec(Strict):
    """Where rows come from. ``point_volume_cc`` is the volume its point doses are printed beside.

    ``evidence``: quoted (the words stand here), page (seen in a public page), repo2 and repo (two
    or one transcriptions), page+repo2 (both), conflict (transcriptions disagree), check (recalled:
    nobody has looked).
    """

    doi: Annotated[str, Field(pattern=r"^10\.\d{4,9}/\S+$")] | None = None
    citation: str = ""
    locator: str = ""
    quote: str = ""
    evidence: Literal["quoted", "page", "page+repo2", "repo2", "repo", "conflict", "check"]
    point_volume_cc: Positive | None = None

    @model_validator(mode="after")
    def _has_quote(self) -> SourceSpec:
        if self.evidence == "quoted" and not self.quote.strip():
            raise ValueError("evidence 'quoted' needs the words in 'quote'")
        if not (self.doi or self.citation):
            raise ValueError("a source needs 'doi' or 'citation'")
        return self

    @property
    def is_verified(self) -> bool:
        """Whether somebody has seen the number in some text that does not contradict another."""
        return self.evidence not in UNVERIFIED

    @property
    def point_dose_volume_cc(self) -> float:
        """The volume of the near-maximum printed beside a Max row: TG-101 uses 0.035 cc."""
        return self.point_volume_cc or (0.035 if self.doi == _TG101_DOI else 0.03)


class StructureSpec(Strict):
    """A name of the protocol: how to derive or find it, and what belongs to it.

    ``role: gtv`` is the union of all GTVs including thrombus; it is the default for the name GTV.
    ``role: drawn`` is one ROI.
    """

    derive: str | None = None
    aliases: tuple[StructureName, ...] = ()
    alpha_beta: Positive | None = None
    role: Literal["gtv", "drawn"] | None = None
    rx: StructureName | None = None

    @field_validator("derive")
    @classmethod
    def _parses(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                parse_expression(value)
            except ExpressionSyntax as error:
                raise ValueError(str(error)) from None
        return value


class RowSpec(Strict):
    """One constraint or information line.

    ``structure`` or ``for_each: target``; ``kind`` stands on rows that are not in a group.
    ``per_protocol`` (and ``acceptable``) are the limits, ``limits`` stands in their place where they
    depend on the plan. ``if_absent: not-applicable`` lets a member of an ``all`` group with
    ``needs_one_of`` drop out where its structure is not drawn. ``outside: edge`` takes the dose beyond
    the dose grid to be at most that on the surface where the grid cuts the structure; without it
    the file's ``outside`` holds.
    """

    id: Identifier
    title: str = ""
    structure: StructureName | None = None
    for_each: Literal["target"] | None = None
    metric: MetricText
    kind: RowKind | None = Field(default=None, strict=False)
    per_protocol: ComparisonText | None = None
    acceptable: ComparisonText | None = None
    limits: LimitTable | None = None
    rx: StructureName | None = None
    outside: Outside | None = Field(default=None, strict=False)
    if_absent: Literal["not-evaluable", "not-applicable"] = "not-evaluable"
    applies: Applies | None = None
    source: Identifier | None = None
    notes: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> RowSpec:
        if (self.structure is None) == (self.for_each is None):
            raise ValueError(f"row '{self.id}' needs 'structure' (or 'for_each: target'), not both")
        if self.limits is not None and (self.per_protocol or self.acceptable):
            raise ValueError(f"row '{self.id}': 'limits' stands in place of 'per_protocol'")
        try:
            check_tiers(self.per_protocol, self.acceptable)
        except ValueError as error:
            raise ValueError(f"row '{self.id}': {error}") from None
        return self

    @property
    def tiers(self) -> Tiers | None:
        """The comparisons, None for a row that only informs or whose limits are a table."""
        return None if self.per_protocol is None else tiers_of(self.per_protocol, self.acceptable)

    @property
    def has_limit(self) -> bool:
        """Whether the row compares its value with anything."""
        return self.per_protocol is not None or self.limits is not None


class GroupSpec(Strict):
    """Rows and groups under ``any:`` (OR) or ``all:`` (AND).

    ``needs_one_of`` names members of an ``all`` group of which at least one must be drawn.
    """

    id: Identifier
    title: str = ""
    kind: RowKind | None = Field(default=None, strict=False)
    members: tuple[Item, ...] = Field(min_length=1)
    needs_one_of: tuple[Identifier, ...] = ()
    source: Identifier | None = None
    notes: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _needs_known_members(self) -> GroupSpec:
        rows = {item.id for item in self.members if isinstance(item, RowSpec)}
        for name in self.needs_one_of:
            if name not in rows:
                raise ValueError(
                    f"group '{self.id}': needs_one_of names '{name}', which is no row of it"
                )
        return self


class AnyOf(Strict):
    """An OR group."""

    any: GroupSpec

    @model_validator(mode="after")
    def _no_needs(self) -> AnyOf:
        if self.any.needs_one_of:
            raise ValueError(f"group '{self.any.id}': 'needs_one_of' belongs to an 'all' group")
        return self


class AllOf(Strict):
    """An AND group."""

    all: GroupSpec


def _kind_of_item(item: Any) -> str:
    """Tell rows from groups by their keys."""
    if isinstance(item, AnyOf) or (isinstance(item, dict) and "any" in item):
        return "any-group"
    if isinstance(item, AllOf) or (isinstance(item, dict) and "all" in item):
        return "all-group"
    return "row-item"


Item = Annotated[
    Annotated[RowSpec, Tag("row-item")]
    | Annotated[AnyOf, Tag("any-group")]
    | Annotated[AllOf, Tag("all-group")],
    Discriminator(_kind_of_item),
]


class IncludeSpec(Strict):
    """Another protocol whose rows become part of this one.

    ``set`` is the id of a shipped or site protocol. ``rows`` picks outermost rows and groups by id;
    all without it. ``kind`` makes limits of them, or takes limits down to mere information.
    """

    set: Identifier
    rows: tuple[Identifier, ...] = ()
    kind: RowKind | None = Field(default=None, strict=False)


class CheckSpec(Strict):
    """A question that a person answers with yes or no; it never takes part in the verdict."""

    id: Identifier
    question: Text
    notes: tuple[Text, ...] = ()
    source: Identifier | None = None


MarginMm = Annotated[float, Field(ge=0, le=100)]
MarginRange = MarginMm | tuple[MarginMm, MarginMm | None]


class MarginValues(Strict):
    """Margins in mm: a number, ``[low, high]``, or ``[low, null]`` for low or more.

    Either ``all``, or ``axial`` and ``cranio_caudal``, or the six patient axes.
    """

    all: MarginRange | None = None
    axial: MarginRange | None = None
    cranio_caudal: MarginRange | None = None
    left: MarginRange | None = None
    right: MarginRange | None = None
    anterior: MarginRange | None = None
    posterior: MarginRange | None = None
    superior: MarginRange | None = None
    inferior: MarginRange | None = None

    @model_validator(mode="after")
    def _one_form(self) -> MarginValues:
        given = tuple(name for name in type(self).model_fields if getattr(self, name) is not None)
        if given not in (("all",), ("axial", "cranio_caudal"), _SIX_AXES):
            raise ValueError(
                "margins need 'all', or 'axial' and 'cranio_caudal', or all six of "
                f"{', '.join(_SIX_AXES)} (found: {', '.join(given) or 'nothing'})"
            )
        for name in given:
            low, high = self.ends(name)
            if not low <= high:
                raise ValueError(f"the margin '{name}' needs low <= high")
        return self

    def ends(self, name: str) -> tuple[float, float]:
        """Return the least and the most margin under a key, infinity for no upper end."""
        value: float | tuple[float, float | None] = getattr(self, name)
        if not isinstance(value, tuple):
            return (value, value)
        return (value[0], math.inf if value[1] is None else value[1])

    def rule(self, name: str) -> MarginRule:
        """Return the rule that these margins are."""
        if self.all is not None:
            return MarginRule.of(self.ends("all"), name=name)
        if self.axial is not None:
            return MarginRule.of(self.ends("axial"), self.ends("cranio_caudal"), name=name)
        left, right, front, back, top, bottom = (self.ends(axis) for axis in _SIX_AXES)
        return MarginRule(left, right, front, back, top, bottom, name)


_SIX_AXES = ("left", "right", "anterior", "posterior", "superior", "inferior")


class MarginSpec(Strict):
    """A margin audit: which margin ``outer`` has around ``inner``, and against which rule.

    Without ``mm`` only containment is judged. ``clipped_by`` may cut the outer structure (liver
    edge, skin, an avoided organ). With ``along_vessel_mm`` the outer structure must also hold the
    lumen of ``vessel`` within that length of the inner one, where a ``thrombus`` lies in it. Only the
    kinds limit and recommendation count in the verdict.
    """

    id: Identifier
    title: str = ""
    outer: StructureName
    inner: StructureName
    kind: Literal["limit", "recommendation", "information"] = "information"
    mm: MarginValues | None = None
    tolerance_mm: Annotated[float, Field(gt=0, le=50)] = 2.0
    thrombus: StructureName | None = None
    vessel: StructureName | None = None
    along_vessel_mm: Annotated[float, Field(gt=0, le=100)] | None = None
    clipped_by: tuple[StructureName, ...] = ()
    source: Identifier | None = None
    notes: tuple[Text, ...] = ()

    @property
    def structures(self) -> tuple[str, ...]:
        """Every structure name of the entry."""
        optional = tuple(each for each in (self.thrombus, self.vessel) if each)
        return (self.outer, self.inner, *optional, *self.clipped_by)

    @model_validator(mode="after")
    def _vessel_is_whole(self) -> MarginSpec:
        given = [self.vessel is not None, self.along_vessel_mm is not None]
        if any(given) and not (all(given) and self.thrombus and self.mm):
            raise ValueError(
                "'vessel' and 'along_vessel_mm' go together, with 'thrombus' and with 'mm'"
            )
        return self

    @property
    def rule(self) -> MarginRule | None:
        """The rule, None where there is only containment to judge."""
        return None if self.mm is None else self.mm.rule(self.id)


class ProtocolFile(Strict):
    """A protocol.

    ``purpose: disease`` is a set for a disease and fractionation, which planeval may choose by
    itself; ``organs`` is a table of organ limits that a user asks for. ``include`` takes in rows of
    other protocols; ``checklist`` are questions for a person. ``outside`` is what rows on dose take the
    dose beyond the dose grid to be, where they do not say: unknown, or at most that of the structure's
    own cut ``edge`` (rows of included sets keep what their set says). ``opening`` are statements that
    head every report; ``readings`` are the choices made where the sources leave room.
    ``prescription_alpha_beta`` are the values for the BED and EQD2 beside the prescription.
    """

    schema_: Literal["planeval.protocol/1"] = Field(alias="schema")
    id: Identifier
    title: Text
    version: Identifier
    review: Review
    purpose: Literal["disease", "organs"] = "disease"
    applies: Applies = Applies()
    dose_basis: Literal["physical"] = "physical"
    outside: Outside = Field(default=Outside.UNKNOWN, strict=False)
    prescription_alpha_beta: tuple[Positive, ...] = (10.0, 3.0)
    opening: tuple[Text, ...] = ()
    readings: tuple[Text, ...] = ()
    sources: dict[Identifier, SourceSpec] = Field(default_factory=dict)
    structures: dict[StructureName, StructureSpec] = Field(default_factory=dict)
    include: tuple[IncludeSpec, ...] = Field(default=(), max_length=50)
    constraints: tuple[Item, ...] = Field(default=(), max_length=500)
    margins: tuple[MarginSpec, ...] = Field(default=(), max_length=20)
    checklist: tuple[CheckSpec, ...] = Field(default=(), max_length=100)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of protocol files; ``protocol.schema.json`` holds it."""
    schema = ProtocolFile.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
