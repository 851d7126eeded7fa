"""From a case to its targets: CTV by a rule, motion from a 4D-CT, PTV, in the order of the clinic.

Three ways to a PTV, never mixed (:class:`PtvBy`)::

    margin   PTV = CTV + margins given (cranio-caudal 10-15 mm, or the rule's default with a warning)
    itv      ITV = union of the CTVs of all phases;  PTV = ITV + set-up margin
    motion   PTV = CTV of the reference phase + measured motion margin (+ set-up margin)

Where the set-up errors of a clinic are given, van Herk's formula makes the margin: without motion on an
ITV, with the measured motion of each axis on the CTV of the reference phase.

Each target is drawn on the image's slices before the next one is made of it, so that a PTV is grown
from the CTV that the planning system gets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from planeval.errors import UnknownStructure
from planeval.geometry.grid import Grid
from planeval.model import Finding, Severity, Structure
from planeval.targets.expansion import SIDES, Avoid
from planeval.targets.motion import Motion, VanHerk, igtv, measure_motion, van_herk_margin
from planeval.targets.rulebook import Rule, load_rule
from planeval.targets.rules import (
    INSIDE_CC,
    INSIDE_SHARE,
    Expansion,
    Given,
    LengthUsed,
    Step,
    apply_rule,
)
from planeval.targets.solids import cut_cc, draw, moved

__all__ = ["Errors", "Phase", "PtvBy", "TargetRequest", "TargetSet", "make_targets"]

DRAWN_SHARE, DRAWN_CC = 0.01, 0.05
"""From which change on it is said that a target drawn on planes has another volume."""

REFERENCE = "reference"
"""The name of the phase that the plan is made on."""


class PtvBy(StrEnum):
    """Where the PTV's margin comes from."""

    MARGIN = "margin"
    ITV = "itv"
    MOTION = "motion"


@dataclass(frozen=True, slots=True, eq=False)
class Phase:
    """The rule's inputs on one phase of a 4D-CT: ``gtv`` at least.

    Inputs that it lacks are those of the reference phase, moved by the shift of the GTV's centre, where
    the request allows that.
    """

    name: str
    inputs: Mapping[str, Structure]


@dataclass(frozen=True, slots=True)
class Errors:
    """Standard deviations for van Herk's formula in mm, and the number of fractions if known."""

    systematic_mm: float
    random_mm: float
    penumbra_mm: float
    fractions: int | None = None

    def margin(self, motion_mm: float | None = None) -> VanHerk:
        """Return the formula's margin, with peak-to-peak motion where no ITV holds it."""
        return van_herk_margin(
            systematic_mm=self.systematic_mm,
            random_mm=self.random_mm,
            penumbra_mm=self.penumbra_mm,
            motion_mm=motion_mm,
            fractions=self.fractions,
        )


@dataclass(frozen=True, slots=True, eq=False)
class TargetRequest:
    """What is wanted: the rule, its inputs on the reference phase, lengths, phases and the PTV.

    ``crop`` and ``avoid`` act on the CTV's shell as the rule says. ``ptv_avoid`` and ``ptv_crop``
    never act on the PTV: they make PTV_Eval. ``ptv_lengths`` are the margins of the PTV rule;
    ``setup_mm`` is the set-up margin on an ITV or beside a motion margin; ``errors`` makes it by van
    Herk's formula instead. ``rigid`` allows inputs that a phase lacks to move with its GTV.
    ``image`` is the grid on whose slices targets are drawn; without it the GTV's planes are used.
    """

    rule: str | Rule
    inputs: Mapping[str, Structure]
    lengths: Mapping[str, float] = field(default_factory=dict)
    facts: tuple[str, ...] = ()
    crop: Structure | None = None
    avoid: tuple[Avoid, ...] = ()
    phases: tuple[Phase, ...] = ()
    rigid: bool = False
    ptv_by: PtvBy = PtvBy.MARGIN
    ptv_lengths: Mapping[str, Given] = field(default_factory=dict)
    setup_mm: Given | None = None
    errors: Errors | None = None
    ptv_avoid: tuple[Avoid, ...] = ()
    ptv_crop: Structure | None = None
    image: Grid | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TargetSet:
    """The targets made, in the order GTV to PTV, with everything that went into them."""

    structures: tuple[Structure, ...]
    steps: tuple[Step, ...]
    lengths: tuple[LengthUsed, ...]
    findings: tuple[Finding, ...]
    rules: tuple[Rule, ...]
    motion: Motion | None = None
    ptv_by: PtvBy = PtvBy.MARGIN


def make_targets(request: TargetRequest) -> TargetSet:
    """Make CTV and PTV, with IGTV and ITV where phases are given.

    Raises:
        UnknownStructure: an input of the rule is absent, on a phase too.
        ValueError: choices that exclude each other, such as phases without a way to use them.
        GeometryError: from the rule; structures of different frames; empty structures.
    """
    _check(request)
    rule = request.rule if isinstance(request.rule, Rule) else load_rule(request.rule)
    made = _apply(rule, request, request.inputs)
    motion, extra, findings = None, Expansion({}, (), (), ()), list(made.findings)
    if request.phases:
        gtvs = {REFERENCE: request.inputs["gtv"]}
        gtvs |= {phase.name: phase.inputs["gtv"] for phase in request.phases}
        motion = measure_motion(gtvs)
        findings.extend(motion.findings)
        extra = _over_phases(rule, request, made, list(gtvs.values()))
        findings.extend(extra.findings)
    ptv_rule = load_rule("ptv")
    source = {**made.structures, **extra.structures}
    ptv = _ptv(ptv_rule, request, source["ITV" if request.ptv_by is PtvBy.ITV else "CTV"], motion)
    findings.extend(ptv.findings)
    whole = made | extra | ptv
    return TargetSet(
        structures=tuple(whole.structures.values()),
        steps=whole.steps,
        lengths=whole.lengths,
        findings=tuple(dict.fromkeys(findings)),
        rules=(rule, ptv_rule),
        motion=motion,
        ptv_by=request.ptv_by,
    )


def _check(request: TargetRequest) -> None:
    """Refuse choices that exclude each other."""
    if request.ptv_by is not PtvBy.MARGIN and not request.phases:
        raise ValueError(f"a PTV by {request.ptv_by.value} needs the GTV on other phases")
    if request.phases and request.ptv_by is PtvBy.MARGIN:
        raise ValueError(
            "phases are given: say how the PTV uses them, by an ITV or by a motion margin (never both)"
        )
    has_setup = request.setup_mm is not None or request.errors is not None
    if request.setup_mm is not None and request.errors is not None:
        raise ValueError("the set-up margin is given, and errors to compute it from: choose one")
    if request.ptv_by is PtvBy.ITV and not has_setup:
        raise ValueError("PTV = ITV + set-up margin: give the set-up margin, it has no default")
    if request.ptv_by is not PtvBy.MARGIN and request.ptv_lengths:
        raise ValueError(
            "the PTV's margins are given and its motion is measured: choose one (an ITV takes a "
            "set-up margin)"
        )
    if request.ptv_by is PtvBy.MARGIN and has_setup:
        raise ValueError(
            "a set-up margin of its own goes with phases; give the PTV's margins whole"
        )
    names = [phase.name for phase in request.phases]
    repeated = sorted({name for name in (*names, REFERENCE) if (*names, REFERENCE).count(name) > 1})
    if repeated:
        raise ValueError(f"two phases are called {repeated[0]!r}")
    for phase in request.phases:
        if "gtv" not in phase.inputs:
            raise UnknownStructure(f"phase {phase.name!r} has no GTV")


def _apply(rule: Rule, request: TargetRequest, inputs: Mapping[str, Structure]) -> Expansion:
    made = apply_rule(
        rule,
        inputs,
        lengths=request.lengths,
        crop=request.crop,
        avoid=request.avoid,
        facts=request.facts,
    )
    return _drawn(made, request, rule, inputs)


def _drawn(
    made: Expansion, request: TargetRequest, rule: Rule, inputs: Mapping[str, Structure]
) -> Expansion:
    """Draw what was made on the slices; say where that leaves out what must be inside."""
    structures, steps, findings = {}, [], []
    inner = [inputs[name] for name in ("gtv", "thrombus", "ctv") if name in inputs]
    for name, structure in made.structures.items():
        drawn = draw(structure, request.image, request.inputs["gtv"])
        structures[name] = drawn
        if drawn is structure:
            continue
        change = drawn.volume_cc - structure.volume_cc
        if abs(change) > max(DRAWN_CC, DRAWN_SHARE * structure.volume_cc):
            message = (
                f"drawn on the planes it has {change:+.2f} cc more than the solid "
                f"({structure.volume_cc:.2f} cc), which ends or changes between them"
            )
            findings.append(Finding("target-drawn-volume", Severity.INFO, message, name))
        text = f"{name} drawn on {len(drawn.stack.planes)} planes"
        steps.append(Step(rule.id, name, text, drawn.volume_cc))
        for source in () if name == "PTV_Eval" else inner:
            outside = cut_cc(source, drawn)
            if outside > max(INSIDE_CC, INSIDE_SHARE * source.volume_cc):
                message = (
                    f"{outside:.2f} cc of {source.name} lie outside its contours: it is drawn on "
                    "other planes than the slices"
                )
                findings.append(Finding("target-drawn-short", Severity.WARNING, message, name))
    return replace(
        made,
        structures=structures,
        steps=(*made.steps, *steps),
        findings=(*made.findings, *findings),
    )


def _over_phases(
    rule: Rule, request: TargetRequest, made: Expansion, gtvs: Sequence[Structure]
) -> Expansion:
    """Make the IGTV, and the ITV where the PTV is made of it: unions over reference and phases."""
    whole_gtv = replace(igtv(gtvs), type="GTV", colour=(200, 160, 0))
    found = _named(whole_gtv)
    if request.ptv_by is not PtvBy.ITV:
        return found
    ctvs = [made.structures["CTV"]]
    for phase in request.phases:
        inputs, assumed = _phase_inputs(request, phase)
        own = _apply(rule, request, inputs)
        ctvs.append(replace(own.structures["CTV"], name=f"CTV of {phase.name}"))
        steps = tuple(replace(step, rule=f"{step.rule}, phase {phase.name}") for step in own.steps)
        said = tuple(
            replace(each, where=f"{each.where}, phase {phase.name}")
            for each in own.findings
            if each.code != "target-length-default"
        )
        found |= Expansion({}, steps, (), (*assumed, *said))
    return found | _named(replace(igtv(ctvs, "ITV"), type="CTV", colour=(170, 110, 255)))


def _named(union: Structure) -> Expansion:
    """Return the expansion of one union over phases."""
    step = Step("4D-CT", union.name, union.expression, union.volume_cc)
    return Expansion({union.name: union}, (step,), (), ())


def _phase_inputs(
    request: TargetRequest, phase: Phase
) -> tuple[dict[str, Structure], list[Finding]]:
    """Return a phase's inputs; what it lacks moves with its GTV, if that is allowed."""
    inputs = dict(phase.inputs)
    findings: list[Finding] = []
    missing = [name for name in request.inputs if name not in inputs]
    if not missing:
        return inputs, findings
    if not request.rigid:
        raise UnknownStructure(
            f"phase {phase.name!r} has no {' and no '.join(missing)}: name them for the phase, or "
            "allow those of the reference phase to move with its GTV"
        )
    start, end = request.inputs["gtv"].centroid_mm, inputs["gtv"].centroid_mm
    shift = (end[0] - start[0], end[1] - start[1], end[2] - start[2])
    for name in missing:
        inputs[name] = moved(
            request.inputs[name], shift, f"{request.inputs[name].name} ({phase.name})"
        )
    message = (
        f"{' and '.join(missing)} of the reference phase are taken to move with the GTV by "
        f"({shift[0]:.1f}, {shift[1]:.1f}, {shift[2]:.1f}) mm; they were not drawn on this phase"
    )
    findings.append(Finding("target-phase-assumed", Severity.WARNING, message, phase.name))
    return inputs, findings


def _ptv(rule: Rule, request: TargetRequest, source: Structure, motion: Motion | None) -> Expansion:
    """Make the PTV by the one way that was chosen."""
    lengths, origin = request.ptv_lengths, "given"
    notes: tuple[Finding, ...] = ()
    if motion is not None:
        sides, origin, notes = _measured(request, motion)
        lengths = {
            "axial": {side: sides[side] for side in SIDES[:4]},
            "cranio_caudal": {side: sides[side] for side in SIDES[4:]},
        }
        rule = _without_range(rule)
    result = apply_rule(
        rule,
        {"ctv": source},
        lengths=lengths,
        origins=dict.fromkeys(rule.file.lengths, origin),
        crop=request.ptv_crop,
        avoid=request.ptv_avoid,
    )
    result = _drawn(result, request, rule, {"ctv": source})
    return replace(result, findings=(*result.findings, *notes))


def _measured(
    request: TargetRequest, motion: Motion
) -> tuple[dict[str, float], str, tuple[Finding, ...]]:
    """Return the PTV's margin by side, where it comes from, and what the user must know."""
    by_itv = request.ptv_by is PtvBy.ITV
    if request.errors is not None:
        ranges = dict.fromkeys(SIDES) if by_itv else motion.ranges_mm()
        made = {side: request.errors.margin(ranges[side]) for side in SIDES}
        one = made["superior"]
        shown = ", ".join(f"{name} {value:g}" for name, value in one.inputs)
        origin = f"{one.formula} with {shown} mm" + ("" if by_itv else " (A of each axis)")
        return {side: each.margin_mm for side, each in made.items()}, origin, one.findings
    setup = _by_side(request.setup_mm or 0.0)
    if by_itv:
        return setup, "set-up margin on the ITV", ()
    measured = motion.margins_mm()
    sides = {side: measured[side] + setup[side] for side in SIDES}
    if request.setup_mm is not None:
        return sides, "measured on the phases + set-up margin", ()
    message = "the PTV's margin holds the measured motion only, nothing for set-up"
    notes = (Finding("target-no-setup", Severity.WARNING, message, "PTV"),)
    return sides, "measured on the phases", notes


def _by_side(setup_mm: Given) -> dict[str, float]:
    if isinstance(setup_mm, Mapping):
        return {side: float(setup_mm.get(side, 0.0)) for side in SIDES}
    return dict.fromkeys(SIDES, float(setup_mm))


def _without_range(rule: Rule) -> Rule:
    """Return a rule without the ranges of its lengths: they are about margins not measured."""
    lengths = {
        name: spec.model_copy(update={"between": None}) for name, spec in rule.file.lengths.items()
    }
    return replace(rule, file=rule.file.model_copy(update={"lengths": lengths}))
