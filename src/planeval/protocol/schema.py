"""The protocol file as models; the published ``protocol.schema.json`` is made of them.

A model knows what can be wrong within itself; what takes the whole file to see is in
:mod:`planeval.protocol.rules`, and :mod:`planeval.protocol.reading` reads text into the models with
file and line in every message.
"""

from __future__ import annotations

import difflib
import math
from datetime import date
from itertools import pairwise
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
from planeval.model.rows import UNVERIFIED, RowKind
from planeval.protocol.judge import Tiers, parse_comparison

__all__ = [
    "AllOf",
    "AnyOf",
    "Applies",
    "CheckSpec",
    "GroupSpec",
    "IncludeSpec",
    "Item",
    "LimitTable",
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


class SourceSpec(_Strict):
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


class LimitLevel(_Strict):
    """One line of a limit table: at one number, or from a number to below another."""

    at: Annotated[float, Field(gt=0, le=1000)] | None = None
    from_: Annotated[float, Field(ge=0, le=1000)] | None = Field(default=None, alias="from")
    below: Annotated[float, Field(gt=0, le=1000)] | None = None
    per_protocol: ComparisonText
    acceptable: ComparisonText | None = None

    @model_validator(mode="after")
    def _one_place(self) -> LimitLevel:
        if (self.at is None) == (self.from_ is None and self.below is None):
            raise ValueError("a level needs 'at', or 'from' and 'below'")
        if self.at is None and not (self.from_ or 0.0) < (self.below or math.inf):
            raise ValueError("a level needs 'from' lower than 'below'")
        _check_tiers(self.per_protocol, self.acceptable)
        return self

    @property
    def span(self) -> tuple[float, float]:
        """The numbers that it holds for: low, and high (itself not included unless low is high)."""
        if self.at is not None:
            return self.at, self.at
        return self.from_ or 0.0, math.inf if self.below is None else self.below

    @property
    def tiers(self) -> Tiers:
        """The comparisons of this level."""
        return _tiers(self.per_protocol, self.acceptable)


def _tiers(per_protocol: str, acceptable: str | None) -> Tiers:
    outer = None if acceptable is None else parse_comparison(acceptable)
    return Tiers(parse_comparison(per_protocol), outer)


class LimitTable(_Strict):
    """A limit that depends on the plan: one line for every prescription or effective volume.

    ``by: prescription`` looks up the Gy of the row's prescription. ``by: effective-volume`` looks
    up 100 x mean dose / prescription in %, the effective volume for a volume exponent n of 1, of
    ``structure`` (the row's own without it). Where no line holds, the row does not apply.
    """

    by: Literal["prescription", "effective-volume"]
    structure: StructureName | None = None
    levels: tuple[LimitLevel, ...] = Field(min_length=1, max_length=50)

    @model_validator(mode="after")
    def _rising(self) -> LimitTable:
        if self.by == "prescription" and self.structure is not None:
            raise ValueError("'structure' belongs to a table by effective-volume; remove it")
        spans = sorted(level.span for level in self.levels)
        for (low, high), (after, _) in pairwise(spans):
            if after < high or after == low:
                raise ValueError(f"two levels of the table hold for {after:g}")
        if len({parse_comparison(each.per_protocol).is_upper for each in self.levels}) > 1:
            raise ValueError("the levels of a table point in different directions")
        return self


def _check_tiers(per_protocol: str | None, acceptable: str | None) -> None:
    """Raise ValueError where the acceptable tier is not the wider one of the same direction."""
    if acceptable is None:
        return
    if per_protocol is None:
        raise ValueError("'acceptable' without 'per_protocol'")
    first, second = parse_comparison(per_protocol), parse_comparison(acceptable)
    if first.is_upper is not second.is_upper:
        raise ValueError(
            f"per_protocol '{first}' and acceptable '{second}' point in different directions"
        )
    if first.of_rx is not second.of_rx:
        raise ValueError(
            f"per_protocol '{first}' and acceptable '{second}' differ in what they refer to"
        )
    if second.is_stricter_than(first):
        raise ValueError(
            f"acceptable '{second}' is stricter than per_protocol '{first}'; it must be the "
            "wider one"
        )


class RowSpec(_Strict):
    """One constraint or information line.

    ``structure`` or ``for_each: target``; ``kind`` stands on rows that are not in a group.
    ``per_protocol`` (and ``acceptable``) are the limits, ``limits`` stands in their place where they
    depend on the plan. ``if_absent: not-applicable`` lets a member of an ``all`` group with
    ``needs_one_of`` drop out where its structure is not drawn.
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
        if self.limits is not None and (self.per_protocol or self.acceptable):
            raise ValueError(f"row '{self.id}': 'limits' stands in place of 'per_protocol'")
        try:
            _check_tiers(self.per_protocol, self.acceptable)
        except ValueError as error:
            raise ValueError(f"row '{self.id}': {error}") from None
        return self

    @property
    def tiers(self) -> Tiers | None:
        """The comparisons, None for a row that only informs or whose limits are a table."""
        return None if self.per_protocol is None else _tiers(self.per_protocol, self.acceptable)

    @property
    def has_limit(self) -> bool:
        """Whether the row compares its value with anything."""
        return self.per_protocol is not None or self.limits is not None


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


class IncludeSpec(_Strict):
    """Another protocol whose rows become part of this one.

    ``set`` is the id of a shipped or site protocol. ``rows`` picks outermost rows and groups by id;
    all without it. ``kind`` makes limits of them, or takes limits down to mere information.
    """

    set: Identifier
    rows: tuple[Identifier, ...] = ()
    kind: RowKind | None = Field(default=None, strict=False)


class CheckSpec(_Strict):
    """A question that a person answers with yes or no; it never takes part in the verdict."""

    id: Identifier
    question: Text
    notes: tuple[Text, ...] = ()
    source: Identifier | None = None


class ProtocolFile(_Strict):
    """A protocol.

    ``purpose: disease`` is a set for a disease and fractionation, which planeval may choose by
    itself; ``organs`` is a table of organ limits that a user asks for. ``include`` takes in rows of
    other protocols; ``checklist`` are questions for a person. ``opening`` are statements that head
    every report; ``readings`` are the choices made where the sources leave room.
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
    prescription_alpha_beta: tuple[Positive, ...] = (10.0, 3.0)
    opening: tuple[Text, ...] = ()
    readings: tuple[Text, ...] = ()
    sources: dict[Identifier, SourceSpec] = Field(default_factory=dict)
    structures: dict[StructureName, StructureSpec] = Field(default_factory=dict)
    include: tuple[IncludeSpec, ...] = Field(default=(), max_length=50)
    constraints: tuple[Item, ...] = Field(default=(), max_length=500)
    checklist: tuple[CheckSpec, ...] = Field(default=(), max_length=100)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of protocol files; ``protocol.schema.json`` holds it."""
    schema = ProtocolFile.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
