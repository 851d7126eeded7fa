"""Expanding one structure: margins, clipping and avoidance, and the part of a vessel beside it.

Clipping and avoidance act on what the margin adds, never on the structure itself: a tumour is not
cut away because it grows out of the liver. What each step removes is kept in cc.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from planeval.errors import GeometryError
from planeval.geometry import margin as geometry
from planeval.geometry import vessel as geometry_vessel
from planeval.geometry.axis import axis_part
from planeval.geometry.margin import Margins
from planeval.geometry.stack import PlanarStack
from planeval.model import Finding, Severity, Structure
from planeval.model.metric import decimal_text
from planeval.targets.solids import (
    check_not_empty,
    common_frame,
    derived,
    intersection,
    union,
    without,
)

__all__ = [
    "Avoid",
    "Expanded",
    "Extension",
    "Removal",
    "expand",
    "extend_along",
    "extend_straight",
    "grow",
    "margin_text",
    "remove",
    "vessel_part",
]

LONGEST_MM = 100.0
"""A longer margin is a slip of the pen: no protocol in radiotherapy asks for it."""

ROUNDING_CC = 1e-9
"""A smaller change of volume is rounding, not a removal."""

SIDES = ("left", "right", "anterior", "posterior", "superior", "inferior")


@dataclass(frozen=True, slots=True, eq=False)
class Avoid:
    """An organ that a target stays out of, with a distance that is kept from it."""

    structure: Structure
    gap_mm: float = 0.0


@dataclass(frozen=True, slots=True)
class Removal:
    """What one clipping or avoiding step took away."""

    by: str
    cc: float


@dataclass(frozen=True, slots=True, eq=False)
class Expanded:
    """A structure with what was removed on the way to it, step by step."""

    structure: Structure
    removals: tuple[Removal, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Extension:
    """A part of a vessel, how far it reaches along the lumen, and what the user must know."""

    structure: Structure
    reach_mm: float
    findings: tuple[Finding, ...] = ()


def expand(
    structure: Structure,
    margin_mm: float | None = None,
    *,
    left: float | None = None,
    right: float | None = None,
    anterior: float | None = None,
    posterior: float | None = None,
    superior: float | None = None,
    inferior: float | None = None,
    clip_to: Structure | None = None,
    avoid: Structure | Sequence[Structure] = (),
    gap_mm: float = 0.0,
    name: str = "",
) -> Structure:
    """Return a structure grown by a margin (or shrunk by a negative one) in mm.

    The margin is the Minkowski sum with an ellipsoid octant for each combination of the six patient
    sides, whatever the patient's position; ``margin_mm`` is the same to all sides. ``clip_to`` keeps
    what the margin adds inside another structure, ``avoid`` keeps it out of organs, ``gap_mm`` away
    from them. The structure itself is never cut.

    Raises:
        ValueError: no margin, both ways of giving one, a margin of more than 100 mm, a negative gap.
        GeometryError: the structure is empty, its sides have mixed signs, it shrinks to nothing, or
            it does not share frame or planes with the others.
    """
    sides = dict(zip(SIDES, (left, right, anterior, posterior, superior, inferior), strict=True))
    given = {side: length for side, length in sides.items() if length is not None}
    if margin_mm is not None and given:
        raise ValueError("give either one margin for all sides or margins by side, not both")
    if margin_mm is None and not given:
        raise ValueError("give a margin in mm: one for all sides, or left, right, anterior, ...")
    margins = Margins(**given) if margin_mm is None else Margins.isotropic(margin_mm)
    organs = [avoid] if isinstance(avoid, Structure) else list(avoid)
    avoided = [Avoid(organ, gap_mm) for organ in organs]
    return grow(structure, margins, clip_to=clip_to, avoid=avoided, name=name).structure


def grow(
    structure: Structure,
    margins: Margins,
    *,
    clip_to: Structure | None = None,
    avoid: Sequence[Avoid] = (),
    name: str = "",
) -> Expanded:
    """Return :func:`expand` with the volume that each clipping and avoiding step removed."""
    check_not_empty(structure)
    lengths = [getattr(margins, side) for side in SIDES]
    if max(map(abs, lengths)) > LONGEST_MM:
        raise ValueError(f"a margin of {max(lengths, key=abs):g} mm; at most {LONGEST_MM:g} mm")
    text = f"{structure.name} {margin_text(margins)}"
    whole = derived(structure, _grown(structure, margins), name or text, text)
    if min(lengths) < 0:
        return remove(whole, clip_to=clip_to, avoid=avoid, name=whole.name)
    return remove(whole, clip_to=clip_to, avoid=avoid, name=whole.name, keep=structure)


def _grown(structure: Structure, margins: Margins) -> PlanarStack:
    """Return the grown stack, with the structure's name in every error."""
    method = structure.method
    if not any(getattr(margins, side) for side in SIDES):
        return structure.stack
    try:
        stack = geometry.expand(structure.stack, margins, caps=method.caps, between=method.between)
    except GeometryError as error:
        raise GeometryError(f"structure {structure.name!r}: {error}") from error
    if stack.is_empty:
        raise GeometryError(
            f"structure {structure.name!r} shrinks to nothing by {margin_text(margins)}"
        )
    return stack


def remove(
    structure: Structure,
    *,
    clip_to: Structure | None = None,
    avoid: Sequence[Avoid] = (),
    name: str = "",
    keep: Structure | None = None,
) -> Expanded:
    """Return what is left of a structure inside ``clip_to`` and outside every avoided organ.

    ``keep`` is never removed.
    """
    common_frame([structure, *([clip_to] if clip_to else []), *(each.structure for each in avoid)])
    result, removals = structure, []
    steps = [(clip_to, f"outside {clip_to.name}")] if clip_to is not None else []
    for organ in avoid:
        if organ.gap_mm < 0:
            raise ValueError(
                f"a gap of {organ.gap_mm:g} mm to {organ.structure.name!r}; need 0 or more"
            )
        check_not_empty(organ.structure)
        wider = organ.structure
        if organ.gap_mm > 0:
            wider = grow(organ.structure, Margins.isotropic(organ.gap_mm)).structure
        near = f" with {decimal_text(organ.gap_mm)} mm" if organ.gap_mm else ""
        steps.append((wider, f"{organ.structure.name}{near}"))
    for index, (other, text) in enumerate(steps):
        is_clip = index == 0 and clip_to is not None
        cut = intersection([result, other], name) if is_clip else without([result, other], name)
        if keep is not None:
            cut = union([keep, cut], name)
        taken = result.volume_cc - cut.volume_cc
        removals.append(Removal(text, taken if taken > ROUNDING_CC else 0.0))
        result = cut
    made = [structure.expression or structure.name, *(f"{each.by} removed" for each in removals)]
    named = replace(
        result,
        name=name or structure.name,
        colour=structure.colour,
        origin="derived",
        expression="; ".join(made),
    )
    return Expanded(named, tuple(removals))


def margin_text(margins: Margins) -> str:
    """Return a margin as structure expressions spell it: ``+ 5 mm``, ``+ [LR 5, AP 5, SI 15] mm``."""
    lengths = {side: getattr(margins, side) for side in SIDES}
    sign = "-" if min(lengths.values()) < 0 else "+"
    shown = {side: abs(length) for side, length in lengths.items()}
    if len(set(shown.values())) == 1:
        return f"{sign} {decimal_text(shown['left'])} mm"
    parts = []
    for letters, one, other in (
        ("LR", "left", "right"), ("AP", "anterior", "posterior"), ("SI", "superior", "inferior"),
    ):  # fmt: skip
        if shown[one] == shown[other]:
            parts.append((letters, shown[one]))
        else:
            parts += [(letters[0], shown[one]), (letters[1], shown[other])]
    listed = ", ".join(f"{side} {decimal_text(length)}" for side, length in parts if length)
    return f"{sign} [{listed}] mm"


def vessel_part(
    vessel: Structure, seed: Structure, length_mm: float, *, name: str = ""
) -> Structure:
    """Return the part of a vessel's lumen within a length of the seed, measured along the lumen.

    Both directions and every branch, never across a wall and never beyond the vessel's end; the
    vessel's pieces that the seed does not touch are left out. See :func:`extend_along` for the
    thrombus rule and for what was found on the way.

    Raises :class:`GeometryError` where the seed does not lie in the vessel.
    """
    return extend_along(vessel, seed, length_mm, name=name).structure


def extend_along(
    vessel: Structure,
    seed: Structure,
    length_mm: float,
    *,
    thrombus: Structure | None = None,
    name: str = "",
) -> Extension:
    """Return the vessel part with its reach; with a ``thrombus`` only parts that hold it extend.

    The domain is the vessel united with the thrombus; paths start at the seed's share of it.
    """
    together = [vessel, seed, *([thrombus] if thrombus else [])]
    common_frame(together)
    for structure in together:
        check_not_empty(structure)
    method = vessel.method
    names = f"{vessel.name!r} from {seed.name!r}"
    try:
        part = geometry_vessel.vessel_part(
            vessel.stack,
            seed.stack,
            length_mm,
            thrombus=thrombus.stack if thrombus else None,
            caps=method.caps,
            between=method.between,
        )
    except GeometryError as error:
        raise GeometryError(f"extension along {names}: {error}") from error
    text = f"{vessel.name} within {decimal_text(length_mm)} mm of {seed.name} along the lumen"
    found = _vessel_findings(part, vessel.name, length_mm)
    return Extension(derived(vessel, part.stack, name or text, text), part.reach_mm, found)


def extend_straight(thrombus: Structure, length_mm: float, *, name: str = "") -> Extension:
    """Return a thrombus continued straight by a length at both ends of its principal axis.

    For want of a drawn vessel: the finding says that it is an assumption, and along which axis. See
    :func:`planeval.geometry.axis.axis_part`. Raises :class:`GeometryError` for an empty thrombus
    and one too round to have a direction.
    """
    check_not_empty(thrombus)
    method = thrombus.method
    try:
        part = axis_part(thrombus.stack, length_mm, caps=method.caps, between=method.between)
    except GeometryError as error:
        raise GeometryError(f"extension of {thrombus.name!r}: {error}") from error
    text = f"{thrombus.name} continued straight by {decimal_text(length_mm)} mm at both ends"
    left, posterior, superior = part.axis
    message = (
        f"no vessel is given: {text} along its own principal axis (left {left:.2f}, posterior "
        f"{posterior:.2f}, superior {superior:.2f}; {part.elongation:.1f} times as long as wide). "
        "That is an assumption; draw the vessel to follow its lumen"
    )
    found = Finding("target-straight-extension", Severity.WARNING, message, thrombus.name)
    return Extension(derived(thrombus, part.stack, name or text, text), length_mm, (found,))


def _vessel_findings(
    part: geometry_vessel.VesselPart, where: str, length_mm: float
) -> tuple[Finding, ...]:
    """Say what was bridged, left out, and where the vessel ended first."""
    found = []
    if part.bridged_mm > 0:
        message = f"gaps of up to {part.bridged_mm:.1f} mm between vessel and thrombus are bridged"
        found.append(Finding("target-gap-bridged", Severity.WARNING, message, where))
    if part.left_out_cc > 0.005:
        message = (
            f"{part.left_out_cc:.2f} cc of the vessel are not connected to the thrombus and are not "
            "extended into"
        )
        found.append(Finding("target-vessel-left-out", Severity.INFO, message, where))
    if part.reach_mm < length_mm - 1.0:
        message = (
            f"the drawn vessel ends {part.reach_mm:.1f} mm from the tumour along the lumen; "
            f"{decimal_text(length_mm)} mm were asked for"
        )
        found.append(Finding("target-vessel-ends", Severity.WARNING, message, where))
    return tuple(found)
