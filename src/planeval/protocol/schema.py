"""The protocol file as models; the published ``protocol.schema.json`` is made of them.

A model knows what can be wrong within itself; what takes the whole file to see is in
:mod:`planeval.protocol.rules`, and :mod:`planeval.protocol.reading` reads text into the models with
file and line in every message.
"""

from __future__ import annotations

import difflib
import math
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from planeval.errors import ExpressionSyntax, MetricSyntax
from planeval.expression import parse as parse_expression
from planeval.metrics import grammar
from planeval.model.margins import MarginRule
from planeval.model.rows import RowKind
from planeval.protocol.judge import Comparison, Tiers, parse_comparison

__all__ = [
    "AllOf",
    "AnyOf",
    "Applies",
    "GroupSpec",
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
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
StructureName = Annotated[str, Field(min_length=1, max_length=200)]


def _checked_comparison(text: str) -> str:
    parse_comparison(text)
    return text


def _checked_metric(text: str) -> str:
    try:
        grammar.parse(text, allow_bare_biology=True)
    except MetricSyntax as error:
        raise ValueError(str(error)) from None
    return text


ComparisonText = Annotated[
    str, Field(examples=["<= 18", ">= 300", "< 10"]), AfterValidator(_checked_comparison)
]
MetricText = Annotated[
    str,
    Field(json_schema_extra=grammar.json_schema(allow_bare_biology=True)),
    AfterValidator(_checked_metric),
]
Positive = Annotated[float, Field(gt=0, le=1000)]


class _Strict(BaseModel):
    """A mapping of known keys; an unknown one is an error with a suggestion."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, populate_by_name=False
    )

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        known = [field.alias or name for name, field in cls.model_fields.items()]
        for key in data if isinstance(data, dict) else ():
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.6)
                hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
                raise PydanticCustomError(
                    "unknown_key",
                    "unknown key '{key}'; {hint}",
                    {"key": str(key)[:80], "hint": hint},
                )
        return data


class Review(_Strict):
    """Who has read the rows in their sources. Only ``reviewed`` needs a name and a date."""

    status: Literal["reviewed", "draft", "needs-check"]
    by: str = ""
    on: date | None = None

    @model_validator(mode="after")
    def _signed(self) -> Review:
        if self.status == "reviewed" and not (self.by and self.on):
            raise ValueError("status 'reviewed' needs 'by' and 'on': who read it, and when")
        return self


class Applies(_Strict):
    """When rows apply: inclusive ranges. ``outside: warn`` still shows values, without an outcome.

    ``child_pugh`` lists classes (A, B, C) or scores (A5).
    """

    fractions: tuple[int, int] | None = Field(default=None, examples=[[20, 30]])
    total_dose_gy: tuple[float, float] | None = Field(default=None, examples=[[50, 65]])
    child_pugh: tuple[Annotated[str, Field(pattern=r"^(A[56]?|B[789]?|C(1[0-5])?)$")], ...] = ()
    outside: Literal["warn", "refuse"] = "warn"

    @field_validator("fractions", "total_dose_gy")
    @classmethod
    def _rising(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not 0 < value[0] <= value[1]:
            raise ValueError(f"the range {list(value)} needs 0 < low <= high")
        return value


class SourceSpec(_Strict):
    """Where rows come from. ``point_volume_cc`` is the volume its point doses are printed beside.

    ``evidence``: quoted (the words stand here), page (seen in a public page), repo2 and repo (two
    or one transcriptions), conflict (transcriptions disagree), check (nobody has looked).
    """

    doi: Annotated[str, Field(pattern=r"^10\.\d{4,9}/\S+$")] | None = None
    citation: str = ""
    locator: str = ""
    quote: str = ""
    evidence: Literal["quoted", "page", "repo2", "repo", "conflict", "check"]
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
        return self.evidence not in ("conflict", "check")

    @property
    def point_dose_volume_cc(self) -> float:
        """The volume of the near-maximum printed beside a Max row: TG-101 uses 0.035 cc."""
        return self.point_volume_cc or (0.035 if self.doi == _TG101_DOI else 0.03)


class StructureSpec(_Strict):
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


class RowSpec(_Strict):
    """One constraint or information line.

    ``structure`` or ``for_each: target``; ``kind`` stands on rows that are not in a group.
    ``if_absent: not-applicable`` lets a member of an ``all`` group with ``needs_one_of`` drop out
    where its structure is not drawn.
    """

    id: Identifier
    title: str = ""
    structure: StructureName | None = None
    for_each: Literal["target"] | None = None
    metric: MetricText
    kind: RowKind | None = Field(default=None, strict=False)
    per_protocol: ComparisonText | None = None
    acceptable: ComparisonText | None = None
    rx: StructureName | None = None
    outside: Literal["unknown"] = "unknown"
    if_absent: Literal["not-evaluable", "not-applicable"] = "not-evaluable"
    applies: Applies | None = None
    source: Identifier | None = None
    notes: tuple[Text, ...] = ()

    @field_validator("outside", mode="before")
    @classmethod
    def _supported(cls, value: Any) -> Any:
        if value == "edge":
            raise ValueError(
                "'outside: edge' is not available: a structure cut by the dose grid is judged by "
                "what its missing part leaves open; remove the key"
            )
        return value

    @model_validator(mode="after")
    def _whole(self) -> RowSpec:
        if (self.structure is None) == (self.for_each is None):
            raise ValueError(f"row '{self.id}' needs 'structure' (or 'for_each: target'), not both")
        if self.acceptable is None:
            return self
        if self.per_protocol is None:
            raise ValueError(f"row '{self.id}' has 'acceptable' without 'per_protocol'")
        first, second = parse_comparison(self.per_protocol), parse_comparison(self.acceptable)
        if first.is_upper is not second.is_upper:
            raise ValueError(
                f"row '{self.id}': per_protocol '{first}' and acceptable '{second}' point in "
                "different directions"
            )
        if second.is_stricter_than(first):
            raise ValueError(
                f"row '{self.id}': acceptable '{second}' is stricter than per_protocol '{first}'; "
                "it must be the wider one"
            )
        return self

    @property
    def tiers(self) -> Tiers | None:
        """The comparisons, None for a row that only informs."""
        if self.per_protocol is None:
            return None
        return Tiers(parse_comparison(self.per_protocol), self.acceptable_comparison)

    @property
    def acceptable_comparison(self) -> Comparison | None:
        """The wider comparison, where the row has one."""
        return None if self.acceptable is None else parse_comparison(self.acceptable)


class GroupSpec(_Strict):
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


class AnyOf(_Strict):
    """An OR group."""

    any: GroupSpec

    @model_validator(mode="after")
    def _no_needs(self) -> AnyOf:
        if self.any.needs_one_of:
            raise ValueError(f"group '{self.any.id}': 'needs_one_of' belongs to an 'all' group")
        return self


class AllOf(_Strict):
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


MarginMm = Annotated[float, Field(ge=0, le=100)]
MarginRange = MarginMm | tuple[MarginMm, MarginMm | None]


class MarginValues(_Strict):
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


class MarginSpec(_Strict):
    """A margin audit: which margin ``outer`` has around ``inner``, and against which rule.

    Without ``mm`` only containment is judged. ``clipped_by`` may cut the outer structure (liver
    edge, skin, an avoided organ). Only the kinds limit and recommendation count in the verdict.
    """

    id: Identifier
    title: str = ""
    outer: StructureName
    inner: StructureName
    kind: Literal["limit", "recommendation", "information"] = "information"
    mm: MarginValues | None = None
    tolerance_mm: Annotated[float, Field(gt=0, le=50)] = 2.0
    thrombus: StructureName | None = None
    clipped_by: tuple[StructureName, ...] = ()
    source: Identifier | None = None
    notes: tuple[Text, ...] = ()

    @property
    def structures(self) -> tuple[str, ...]:
        """Every structure name of the entry."""
        optional = (self.thrombus,) if self.thrombus else ()
        return (self.outer, self.inner, *optional, *self.clipped_by)

    @property
    def rule(self) -> MarginRule | None:
        """The rule, None where there is only containment to judge."""
        return None if self.mm is None else self.mm.rule(self.id)


class ProtocolFile(_Strict):
    """A protocol.

    ``opening`` are statements that head every report; ``readings`` are the choices made where the
    sources leave room. ``prescription_alpha_beta`` are the values for the BED and EQD2 beside the
    prescription.
    """

    schema_: Literal["planeval.protocol/1"] = Field(alias="schema")
    id: Identifier
    title: Text
    version: Identifier
    review: Review
    applies: Applies = Applies()
    dose_basis: Literal["physical"] = "physical"
    prescription_alpha_beta: tuple[Positive, ...] = (10.0, 3.0)
    opening: tuple[Text, ...] = ()
    readings: tuple[Text, ...] = ()
    sources: dict[Identifier, SourceSpec] = Field(default_factory=dict)
    structures: dict[StructureName, StructureSpec] = Field(default_factory=dict)
    constraints: tuple[Item, ...] = Field(min_length=1, max_length=500)
    margins: tuple[MarginSpec, ...] = Field(default=(), max_length=20)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of protocol files; ``protocol.schema.json`` holds it."""
    schema = ProtocolFile.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
