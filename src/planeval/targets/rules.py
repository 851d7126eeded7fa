"""Applying a target rule: its steps in order, each with the volume it made and what was removed.

After every step it is checked that what the rule says must lie inside the result does: a tumour never
leaves its CTV, a CTV never leaves its PTV.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from planeval.errors import GeometryError, UnknownStructure
from planeval.geometry.margin import Margins
from planeval.model import Finding, Severity, Structure
from planeval.model.metric import decimal_text
from planeval.targets.expansion import (
    LONGEST_MM,
    SIDES,
    Avoid,
    Expanded,
    Removal,
    extend_along,
    extend_straight,
    grow,
    remove,
)
from planeval.targets.rulebook import Rule
from planeval.targets.schema import StepSpec
from planeval.targets.solids import check_not_empty, common_frame, cut_cc, union

__all__ = ["INSIDE_CC", "INSIDE_SHARE", "Expansion", "Given", "LengthUsed", "Step", "apply_rule"]

Given = float | Mapping[str, float]
"""A length in mm for all sides, or one for each side."""

INSIDE_SHARE = 1e-4
INSIDE_CC = 0.005
"""Volume outside a containing structure that is rounding of polygon operations, not a fault."""


@dataclass(frozen=True, slots=True)
class LengthUsed:
    """A length of a rule as it was used; ``origin`` says who chose it."""

    rule: str
    name: str
    mm: float
    origin: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it made, how, its volume, and what clipping and avoidance removed on the way."""

    rule: str
    make: str
    text: str
    volume_cc: float
    removals: tuple[Removal, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Expansion:
    """What a rule made: its output structures by name, the steps, the lengths, the findings."""

    structures: Mapping[str, Structure]
    steps: tuple[Step, ...]
    lengths: tuple[LengthUsed, ...]
    findings: tuple[Finding, ...]

    def __or__(self, later: Expansion) -> Expansion:
        """Return this expansion followed by a later one."""
        return Expansion(
            {**self.structures, **later.structures},
            self.steps + later.steps,
            self.lengths + later.lengths,
            tuple(dict.fromkeys(self.findings + later.findings)),
        )


def apply_rule(
    rule: Rule,
    inputs: Mapping[str, Structure],
    *,
    lengths: Mapping[str, Given] | None = None,
    origins: Mapping[str, str] | None = None,
    crop: Structure | None = None,
    avoid: Sequence[Avoid] = (),
    facts: Collection[str] = (),
) -> Expansion:
    """Make the structures of a rule from its inputs.

    ``lengths`` replaces lengths of the rule in mm, for all sides or by side; ``origins`` says where
    they come from ("measured on a 4D-CT") instead of "given". ``crop`` and ``avoid`` act on the
    steps that the rule marks.
    ``facts`` are statements that the rule asks for, such as ``vessel_has_thrombus``.

    Raises:
        UnknownStructure: a needed input is absent, or there is one that the rule does not know.
        ValueError: a length that the rule does not know, or that is negative.
        GeometryError: an input is empty, inputs lie in different frames, a result does not hold
            what it must contain, or a step has no answer.
    """
    _check_inputs(rule, inputs, facts)
    used = _Lengths(rule, lengths or {}, origins or {})
    common_frame(list(inputs.values()))
    for structure in inputs.values():
        check_not_empty(structure)
    run = _Run(rule, inputs, used, crop=crop, avoid=avoid)
    for step in rule.file.steps:
        run.take(step)
    outputs = {}
    for output in rule.file.outputs:
        if output.make in run.known:
            outputs[output.name] = replace(
                run.known[output.make], name=output.name, type=output.type, colour=output.colour
            )
    return Expansion(outputs, tuple(run.steps), tuple(used.used), (*used.findings, *run.findings))


class _Run:
    """One application of a rule, step by step."""

    def __init__(
        self,
        rule: Rule,
        inputs: Mapping[str, Structure],
        lengths: _Lengths,
        *,
        crop: Structure | None,
        avoid: Sequence[Avoid],
    ) -> None:
        self.rule, self.lengths = rule, lengths
        self.crop, self.avoid = crop, avoid
        self.known = dict(inputs)
        self.steps: list[Step] = []
        self.findings: list[Finding] = []

    def take(self, step: StepSpec) -> None:
        """Make one step, check what it must contain, and note it."""
        made = self._made(step)
        if made is None:
            return
        structure = made.structure
        for name in step.contains:
            outside = cut_cc(self.known[name], structure)
            if outside > max(INSIDE_CC, INSIDE_SHARE * structure.volume_cc):
                raise GeometryError(
                    f"rule {self.rule.id!r}, step {step.make!r}: {outside:.2f} cc of "
                    f"{self.known[name].name!r} lie outside the result, which must contain it"
                )
        self.known[step.make] = structure
        text, removals = structure.expression, made.removals
        self.steps.append(Step(self.rule.id, step.make, text, structure.volume_cc, removals))

    def _made(self, step: StepSpec) -> Expanded | None:
        """Make what a step says; None where the user avoids nothing and nothing is to be cut."""
        if step.unite:
            parts = [self.known[name] for name in step.unite if name in self.known]
            return Expanded(union(parts, step.make))
        if step.grow:
            return self._grown(step, self.known[step.grow])
        if step.along and step.from_ and step.length:
            return Expanded(self._along(step, step.along, self.known[step.from_]))
        return self._cut(step, self.known[str(step.cut_from)])

    def _grown(self, step: StepSpec, source: Structure) -> Expanded:
        margins = self.lengths.margins(step)
        if not step.clip:
            return grow(source, margins, name=step.make)
        return grow(source, margins, clip_to=self.crop, avoid=self.avoid, name=step.make)

    def _along(self, step: StepSpec, vessel: str, seed: Structure) -> Structure:
        thrombus = self.known.get(step.holding or "")
        lump = self.known.get(step.else_straight or "")
        length = self.lengths.mm(str(step.length))
        if vessel in self.known:
            part = extend_along(self.known[vessel], seed, length, thrombus=thrombus, name=step.make)
        elif lump is not None:
            part = extend_straight(lump, length, name=step.make)
        else:
            raise UnknownStructure(
                f"rule {self.rule.id!r} got no {vessel} and no {step.else_straight or 'other'} to "
                "continue in its place; draw one of them"
            )
        self.findings.extend(part.findings)
        return part.structure

    def _cut(self, step: StepSpec, source: Structure) -> Expanded | None:
        if self.crop is None and not self.avoid:
            return None
        whole = replace(source, expression=source.name)
        cut = remove(whole, clip_to=self.crop, avoid=self.avoid, name=step.make)
        check_not_empty(cut.structure)
        return cut


class _Lengths:
    """The lengths of one application: the user's where given, else the rule's."""

    def __init__(self, rule: Rule, given: Mapping[str, Given], origins: Mapping[str, str]) -> None:
        unknown = sorted(set(given) - set(rule.file.lengths))
        if unknown:
            known = ", ".join(rule.file.lengths) or "none"
            raise ValueError(f"rule {rule.id!r} has no length {unknown[0]!r}; it has: {known}")
        self.used: list[LengthUsed] = []
        self.findings: list[Finding] = []
        self._mm: dict[tuple[str, str], float] = {}
        for name in rule.file.lengths:
            self._take(rule, name, given.get(name), origins.get(name, "given"))

    def _take(self, rule: Rule, name: str, given: Given | None, origin: str) -> None:
        spec = rule.file.lengths[name]
        where = f"{rule.id}: {name}"
        by_side: dict[str, float | None] = {"": given if not isinstance(given, Mapping) else None}
        if isinstance(given, Mapping) and len(set(given.values())) == 1 and len(given) > 1:
            by_side = {"": next(iter(given.values()))}
        elif isinstance(given, Mapping):
            by_side = dict(given)
            used = {side for step in rule.file.steps for side in _sides_of(step, name)}
            if set(given) != used:
                listed = ", ".join(side for side in SIDES if side in used)
                raise ValueError(f"{name} by side needs exactly {listed}")
        for side, value in by_side.items():
            mm = spec.mm if value is None else float(value)
            if not 0 <= mm <= LONGEST_MM:
                raise ValueError(f"{name} is {mm:g} mm; need 0 to {LONGEST_MM:g}")
            self._mm[name, side] = mm
            label = f"{name} ({side})" if side else name
            source = "default of the rule" if value is None else origin
            self.used.append(LengthUsed(rule.id, label, mm, source))
            if spec.between and not spec.between[0] <= mm <= spec.between[1]:
                low, high = spec.between
                message = (
                    f"{label} is {decimal_text(mm)} mm; the rule's source says {low:g}-{high:g}"
                )
                self.findings.append(
                    Finding("target-length-range", Severity.WARNING, message, where)
                )
        if given is None and spec.when_default:
            span = (
                f"; its source says {spec.between[0]:g}-{spec.between[1]:g}" if spec.between else ""
            )
            message = (
                f"{decimal_text(spec.mm)} mm, the default of the rule, because none was given{span}"
            )
            severity = Severity(spec.when_default)
            self.findings.append(Finding("target-length-default", severity, message, where))

    def mm(self, name: str, side: str = "") -> float:
        """Return a length, the one of a side where there is one."""
        return self._mm[(name, side) if (name, side) in self._mm else (name, "")]

    def margins(self, step: StepSpec) -> Margins:
        """Return the margins of a step that grows; a side that it does not name is 0."""
        by = step.by if isinstance(step.by, Mapping) else dict.fromkeys(SIDES, str(step.by))
        return Margins(**{side: self.mm(name, side) for side, name in by.items()})


def _sides_of(step: StepSpec, length: str) -> tuple[str, ...]:
    """Return the sides that a step grows by a length."""
    if isinstance(step.by, Mapping):
        return tuple(side for side, name in step.by.items() if name == length)
    return SIDES if step.by == length else ()


def _check_inputs(rule: Rule, inputs: Mapping[str, Structure], facts: Collection[str]) -> None:
    """Refuse an input that is absent without the fact that excuses it, and one too many."""
    for name, spec in rule.file.inputs.items():
        if name in inputs or spec.optional or (spec.unless and spec.unless in facts):
            continue
        reason = spec.refusal or f"it is needed: {spec.text}"
        raise UnknownStructure(f"rule {rule.id!r} got no {name}: {reason}")
    unknown = sorted(set(inputs) - set(rule.file.inputs))
    if unknown:
        known = ", ".join(rule.file.inputs)
        raise UnknownStructure(f"rule {rule.id!r} has no use for {unknown[0]!r}; it takes {known}")
