"""Limits that depend on the plan, and what two tiers of a limit must agree in."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from planeval.files.strict import Strict
from planeval.protocol.fields import ComparisonText, StructureName
from planeval.protocol.judge import Tiers, parse_comparison

__all__ = ["LimitLevel", "LimitTable", "check_tiers", "tiers_of"]


class LimitLevel(Strict):
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
        check_tiers(self.per_protocol, self.acceptable)
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
        return tiers_of(self.per_protocol, self.acceptable)


def tiers_of(per_protocol: str, acceptable: str | None) -> Tiers:
    """Return the comparisons of two texts."""
    outer = None if acceptable is None else parse_comparison(acceptable)
    return Tiers(parse_comparison(per_protocol), outer)


class LimitTable(Strict):
    """A limit that depends on the plan: one line for every prescription or effective volume.

    ``by: prescription`` looks up the Gy of the row's prescription. ``by: effective-volume`` looks
    up 100 x mean dose / prescription in %, the effective volume for a volume exponent n of 1, of
    ``structure`` (the row's own without it). Where no line holds, the row does not apply.

    ``selects: prescription`` says that the table chooses the prescription: beside the outcome the
    row tells, as information, the highest level whose limit is met if the plan is scaled to it.
    """

    by: Literal["prescription", "effective-volume"]
    selects: Literal["prescription"] | None = None
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

    @model_validator(mode="after")
    def _can_select(self) -> LimitTable:
        if self.selects is None:
            return self
        if self.by != "prescription" or any(level.at is None for level in self.levels):
            raise ValueError("'selects' needs a table by prescription whose levels all have 'at'")
        if not parse_comparison(self.levels[0].per_protocol).is_upper:
            raise ValueError("'selects' needs upper limits: more dose always meets a lower one")
        return self


def check_tiers(per_protocol: str | None, acceptable: str | None) -> None:
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
