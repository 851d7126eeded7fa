"""Whether a structure can be what its name says: its volume and its side of the body, as a check.

Geometry never chooses a structure; it only contradicts a name. The volumes are ours, wide on purpose
and for adults: outside them a name, a unit or a contour is more likely wrong than the patient is
unusual. Organs that a scan often cuts (heart, lungs, bowel) have no lower bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from planeval.model import Finding, Severity, Structure
from planeval.model.rows import MatchKind, StructureMatch
from planeval.protocol.organs import standard_name

__all__ = ["VOLUMES_CC", "anatomy_findings", "is_paired", "named_organs", "objections"]

VOLUMES_CC: Mapping[str, tuple[float, float]] = {
    "Liver": (400.0, 5000.0),
    "Liver-GTV": (300.0, 5000.0),
    "Stomach": (15.0, 3000.0),
    "Duodenum": (5.0, 400.0),
    "Esophagus": (2.0, 150.0),
    "Kidney_L": (30.0, 600.0),
    "Kidney_R": (30.0, 600.0),
    "Kidneys": (60.0, 1200.0),
    "Spleen": (20.0, 3000.0),
    "Pancreas": (10.0, 400.0),
    "Gallbladder": (1.0, 400.0),
    "SpinalCord": (1.0, 150.0),
    "SpinalCanal": (2.0, 400.0),
    "Heart": (0.0, 2000.0),
    "Lungs": (0.0, 12000.0),
    "Lung_L": (0.0, 7000.0),
    "Lung_R": (0.0, 7000.0),
}
"""Lowest and highest plausible volume; what is not here is not checked."""

_PAIRED = ("Kidney", "Lung", "Glnd_Adrenal")
_MIDDLES = ("External", "SpinalCord", "SpinalCanal")
_CLEARLY_MM = 10.0
"""How far beyond the middle a structure's centre lies before its side is doubted."""

_NAMED_KINDS = (MatchKind.EXACT, MatchKind.TG263, MatchKind.ALIAS, MatchKind.MAP)


def named_organs(
    structures: Mapping[str, Structure], matches: Iterable[StructureMatch] = ()
) -> dict[str, str]:
    """Return plan name -> TG-263 name: by the protocol's match where there is one, else by name."""
    found = {name: standard_name(name) for name in structures if standard_name(name)}
    for match in matches:
        standard = standard_name(match.protocol_name)
        if match.kind in _NAMED_KINDS and len(match.plan_names) == 1 and standard:
            found[match.plan_names[0]] = standard
    return {name: standard for name, standard in found.items() if name in structures}


def anatomy_findings(
    structures: Mapping[str, Structure], matches: Iterable[StructureMatch] = ()
) -> Iterator[Finding]:
    """Yield a warning for every structure whose volume or side contradicts what it is taken for."""
    named = named_organs(structures, matches)
    middle = _middle_mm(structures, named)
    for name, standard in named.items():
        for code, text in objections(structures[name], standard, middle):
            yield Finding(code, Severity.WARNING, text, name)


def objections(
    structure: Structure, standard: str, middle_mm: float | None
) -> Iterator[tuple[str, str]]:
    """Yield (code, words) of what speaks against a structure being an organ."""
    if structure.stack.is_empty:
        return
    low, high = VOLUMES_CC.get(standard, (0.0, float("inf")))
    volume = structure.volume_cc
    if not low <= volume <= high:
        yield (
            "implausible-volume",
            f"taken for {standard} with {volume:.1f} cc; expected {low:g} to {high:g} cc in an "
            "adult. Check the name, the contours and their spacing",
        )
    side = _side(standard)
    if side and middle_mm is not None:
        (left, *_), (right, *_) = structure.bounds_mm
        offset = (left + right) / 2 - middle_mm
        if side * offset < -_CLEARLY_MM:
            word, other = ("left", "right") if side > 0 else ("right", "left")
            yield (
                "wrong-side",
                f"taken for {standard} and lies {abs(offset):.0f} mm {other} of the body's middle; "
                f"a {word} organ is expected on the {word}. Check the name and the orientation",
            )


def is_paired(standard: str) -> bool:
    """Whether a TG-263 name is of an organ of one side, whose side can be checked."""
    return _side(standard) != 0


def _side(standard: str) -> int:
    """Return 1 for a left, -1 for a right organ of a pair, 0 for any other (LPS: left is +x)."""
    organ, _, side = standard.rpartition("_")
    if not organ.startswith(_PAIRED):
        return 0
    return {"L": 1, "R": -1}.get(side, 0)


def _middle_mm(structures: Mapping[str, Structure], named: Mapping[str, str]) -> float | None:
    """Return x of the body's middle: of the body, else of the cord or canal; None without them."""
    for wanted in _MIDDLES:
        for name, structure in structures.items():
            is_it = named.get(name) == wanted or (
                wanted == "External" and structure.type.upper() == "EXTERNAL"
            )
            if is_it and not structure.stack.is_empty:
                (low, *_), (high, *_) = structure.bounds_mm
                return (low + high) / 2
    return None
