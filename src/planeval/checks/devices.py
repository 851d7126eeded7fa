"""Bolus and couch: what is drawn of them, and what the plan names."""

from __future__ import annotations

from planeval.checks.codes import finding
from planeval.checks.outcome import Seen, listed
from planeval.checks.subject import BOLUS_WORDS, COUCH_WORDS, Subject
from planeval.model import Finding

__all__ = ["bolus", "couch"]


def bolus(subject: Subject) -> Seen | str:
    """A bolus that a beam names must be drawn, and a drawn one should be named by a beam."""
    data = subject.case.data
    if not data.plans:
        return "there is no plan"
    drawn = {s.number: s.name for s in data.structures.values() if _is_bolus(s.name, s.type)}
    drawn |= {u.number: u.name for u in data.unusable.values() if _is_bolus(u.name, u.type)}
    rois = {each.number for each in data.structures.values()}
    rois |= {each.number for each in data.unusable.values()}
    named: dict[int | None, list[str]] = {}
    for plan in data.plans:
        for beam in plan.beams:
            for number in beam.boli:
                named.setdefault(number, []).append(beam.name or str(beam.number))
    found: list[Finding] = []
    unknown = [number for number in named if number is not None and number not in rois]
    if unknown:
        message = f"beams name ROI {listed(unknown)} as bolus, which is not there"
        found.append(finding("bolus-unknown", message))
    if named and not unknown:
        beams = dict.fromkeys(name for names in named.values() for name in names)
        message = f"beam {listed(beams)} has a bolus; check that dose and structures hold it"
        found.append(finding("bolus-present", message))
    loose = [name for number, name in drawn.items() if number not in named]
    if loose and None not in named:
        message = "drawn as a bolus, and no beam of the plan names it; the dose may lack it"
        found += [finding("bolus-not-used", message, name) for name in loose]
    return Seen(f"{len(drawn)} drawn, {len(named)} named by beams", tuple(found))


def couch(subject: Subject) -> Seen | str:
    """Support structures that are drawn; whether the dose was computed with them no file says."""
    structures = subject.case.structures.values()
    found = [
        each.name
        for each in structures
        if each.type.upper() in ("SUPPORT", "FIXATION") or _speaks(each.name, COUCH_WORDS)
    ]
    if found:
        text = f"support structures: {listed(found)}"
        return Seen(text, (finding("couch-present", text),))
    return "no support structure is drawn; whether the dose was computed with a couch is unknown"


def _is_bolus(name: str, kind: str) -> bool:
    return kind.upper() == "BOLUS" or (not kind and _speaks(name, BOLUS_WORDS))


def _speaks(name: str, words: tuple[str, ...]) -> bool:
    return any(word in name.casefold() for word in words)
