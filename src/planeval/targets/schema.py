"""A target rule as a file: what it needs, its lengths, and its steps in order."""

from __future__ import annotations

import difflib
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from planeval.files.strict import Strict

__all__ = ["InputSpec", "LengthSpec", "OutputSpec", "RuleFile", "StepSpec"]

Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Millimetres = Annotated[float, Field(ge=0, le=100)]
Side = Literal["left", "right", "anterior", "posterior", "superior", "inferior"]
Part = Annotated[int, Field(ge=0, le=255)]


class SourceSpec(Strict):
    """Where the rule was read."""

    citation: Text
    doi: str = ""
    section: str = ""


class InputSpec(Strict):
    """A structure that the rule starts from.

    It is needed, unless it is ``optional`` or the user states the fact that ``unless`` names;
    ``refusal`` says why.
    """

    text: Text
    optional: bool = False
    unless: Word | None = None
    refusal: str = ""


class LengthSpec(Strict):
    """A length in mm: its default, the range of the source, and how loud the default is said."""

    mm: Millimetres
    text: Text
    between: tuple[Millimetres, Millimetres] | None = None
    when_default: Literal["info", "warning"] | None = None

    @model_validator(mode="after")
    def _in_range(self) -> LengthSpec:
        if self.between and not self.between[0] <= self.mm <= self.between[1]:
            raise ValueError(f"the default {self.mm:g} lies outside between {list(self.between)}")
        return self


class StepSpec(Strict):
    """One step: exactly one of unite, grow, along, cut_from.

    ``unite`` joins structures. ``grow`` adds a margin; with ``clip`` the user's crop and avoided
    organs act on what it adds. ``along`` follows a vessel from a seed; where that vessel is not
    given, ``else_straight`` is continued along its own principal axis. ``cut_from`` takes the organs
    that the user avoids from a structure, and makes nothing where there are none.
    ``contains`` names what must lie inside the result.
    """

    make: Word
    unite: tuple[Word, ...] | None = Field(default=None, min_length=1)
    grow: Word | None = None
    by: Word | dict[Side, Word] | None = None
    clip: bool = False
    along: Word | None = None
    from_: Word | None = Field(default=None, alias="from")
    holding: Word | None = None
    else_straight: Word | None = None
    length: Word | None = None
    cut_from: Word | None = None
    contains: tuple[Word, ...] = ()

    @model_validator(mode="after")
    def _one_kind(self) -> StepSpec:
        kinds = [kind for kind in _NEEDS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            found = " and ".join(kinds) or "none"
            raise ValueError(f"expected one of {', '.join(_NEEDS)} (found: {found})")
        for key in ("by", "from_", "holding", "else_straight", "length"):
            is_given, spelled = getattr(self, key) is not None, key.rstrip("_")
            if is_given and key not in (*_NEEDS[kinds[0]], *_MAY[kinds[0]]):
                raise ValueError(f"'{spelled}' does not go with '{kinds[0]}'")
            if not is_given and key in _NEEDS[kinds[0]]:
                raise ValueError(f"'{kinds[0]}' needs '{spelled}'")
        if self.clip and kinds[0] != "grow":
            raise ValueError(f"'clip' does not go with '{kinds[0]}'")
        return self

    def structures(self) -> tuple[str, ...]:
        """Return the names of the structures that the step uses."""
        single = (
            self.grow, self.along, self.from_, self.holding, self.else_straight, self.cut_from,
        )  # fmt: skip
        return (*(self.unite or ()), *(name for name in single if name), *self.contains)

    def lengths(self) -> tuple[str, ...]:
        """Return the names of the lengths that the step uses."""
        by = tuple(self.by.values()) if isinstance(self.by, dict) else (self.by,)
        return tuple(name for name in (*by, self.length) if name)


_NEEDS: dict[str, tuple[str, ...]] = {
    "unite": (), "grow": ("by",), "along": ("from_", "length"), "cut_from": (),
}  # fmt: skip
_MAY: dict[str, tuple[str, ...]] = {
    "unite": (), "grow": (), "along": ("holding", "else_straight"), "cut_from": (),
}  # fmt: skip


class OutputSpec(Strict):
    """A structure of the rule that is handed out, with its TG-263 name, type and colour."""

    make: Word
    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_+\-~^!]{0,15}$")]
    type: Literal["GTV", "CTV", "PTV"]
    colour: tuple[Part, Part, Part]


class RuleFile(Strict):
    """A whole rule."""

    schema_: Literal["planeval.target-rule/1"] = Field(alias="schema")
    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    title: Text
    version: Text
    sources: tuple[SourceSpec, ...] = Field(min_length=1)
    notes: tuple[Text, ...] = ()
    inputs: dict[Word, InputSpec] = Field(min_length=1)
    lengths: dict[Word, LengthSpec] = Field(default_factory=dict)
    steps: tuple[StepSpec, ...] = Field(min_length=1)
    outputs: tuple[OutputSpec, ...] = Field(min_length=1)

    @field_validator("steps")
    @classmethod
    def _made_once(cls, steps: tuple[StepSpec, ...]) -> tuple[StepSpec, ...]:
        made = [step.make for step in steps]
        repeated = sorted({name for name in made if made.count(name) > 1})
        if repeated:
            raise ValueError(f"'{repeated[0]}' is made twice")
        return steps

    def faults(self) -> list[tuple[tuple[str | int, ...], str]]:
        """Return what takes the whole file to see, as (path, message)."""
        found: list[tuple[tuple[str | int, ...], str]] = []
        known = set(self.inputs)
        for index, step in enumerate(self.steps):
            if step.make in self.inputs:
                found.append((("steps", index, "make"), f"'{step.make}' is an input"))
            for name in step.structures():
                if name not in known:
                    found.append((("steps", index), _unknown("structure", name, known)))
            for name in step.lengths():
                if name not in self.lengths:
                    found.append((("steps", index), _unknown("length", name, set(self.lengths))))
            known.add(step.make)
        made = {step.make for step in self.steps}
        for index, output in enumerate(self.outputs):
            if output.make not in made:
                found.append((("outputs", index, "make"), _unknown("step", output.make, made)))
        used = {name for step in self.steps for name in step.lengths()}
        for name in self.lengths:
            if name not in used:
                found.append((("lengths", name), "no step uses this length"))
        return found


def _unknown(kind: str, name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    listed = ", ".join(sorted(known)) or "none"
    hint = f"did you mean '{near[0]}'?" if near else f"known before it: {listed}"
    return f"no {kind} '{name}' before this step; {hint}"
