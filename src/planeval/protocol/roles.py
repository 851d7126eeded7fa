"""Which ROIs are targets, and which of them together are the GTV.

Both questions are answered from RTROIInterpretedType and the name. Where the two disagree, or a
name leaves doubt, nothing is guessed: the ROI is in ``doubtful`` with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = [
    "Candidate",
    "GtvReading",
    "gtv_of",
    "is_helper",
    "is_phase_copy",
    "is_target",
    "is_target_name",
]

_TARGET_TYPES = ("GTV", "CTV", "ITV", "PTV")
_TARGET_NAME = re.compile(r"\s*[_-]?(igtv|gtv|ctv|itv|ptv)", re.IGNORECASE)
_THROMBUS = re.compile(
    r"(?<![a-z])(?:pvtt|ivctt|hvtt|bdtt|tt)(?![a-z])|thromb|癌栓|瘤栓", re.IGNORECASE
)
_BLAND = re.compile(r"bland|血栓", re.IGNORECASE)
_PHASE = re.compile(
    r"(?:(?<![a-z0-9])|(?<=tv))t\s?[0-9]0(?![0-9])|\d{1,3}\s*[%％]|phase|(?<![a-z])ph\s*\d|4d"
    r"|(?<![a-z])(?:mip|minip|aip|avg|ave|inhale|exhale|insp|expir)(?![a-z])"
    r"|时相|呼吸相|吸气|呼气|吸末|呼末",
    re.IGNORECASE,
)
_DERIVED = re.compile(
    r"\+\s*\d|\d\s*mm|(?<![a-z])(?:ring|shell|opt|eval|avoid|prv|dummy|minus|sub)(?![a-z])"
    r"|\s[-|&+]\s",
    re.IGNORECASE,
)
_STALE = re.compile(r"(?<![a-z])(?:old|copy|backup|bak|test)(?![a-z])|备份|旧", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An ROI of the plan: unique name, interpreted type, and whether it has a solid or nothing."""

    name: str
    type: str = ""
    is_usable: bool = True
    is_empty: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class GtvReading:
    """The ROIs whose union is the GTV, those left out and those in doubt, each with the reason."""

    members: tuple[str, ...]
    excluded: dict[str, str] = field(default_factory=dict)
    doubtful: dict[str, str] = field(default_factory=dict)


def is_phase_copy(name: str) -> bool:
    """Whether a name says that the ROI was drawn on one phase or projection of a 4D-CT.

    >>> is_phase_copy("GTV_T50"), is_phase_copy("GTV 50%"), is_phase_copy("GTV_T2")
    (True, True, False)
    """
    return _PHASE.search(name) is not None


def is_target_name(name: str) -> bool:
    """Whether a name begins as targets do: GTV, IGTV, CTV, ITV or PTV."""
    return _TARGET_NAME.match(name) is not None


def is_helper(name: str) -> bool:
    """Whether a name says that the ROI was made from others: rings, margins, optimisation."""
    return _DERIVED.search(name) is not None


def is_target(candidate: Candidate) -> bool:
    """Whether an ROI is a target: by type or by name, copies on phases and helpers left out."""
    named = _TARGET_NAME.match(candidate.name) is not None
    if not (named or candidate.type.upper() in _TARGET_TYPES) or not candidate.is_usable:
        return False
    return not (is_phase_copy(candidate.name) or is_helper(candidate.name))


def gtv_of(candidates: Iterable[Candidate]) -> GtvReading:
    """Return which ROIs make up the GTV: tumour, nodes and tumour thrombus.

    A copy on another breathing phase is left out where an unmarked GTV is there; where all carry
    the mark of a phase, each is in doubt. ROIs without contours are left out; an ROI whose
    contours could not be used is in doubt.
    """
    members: list[str] = []
    phases: dict[str, str] = {}
    excluded: dict[str, str] = {}
    doubtful: dict[str, str] = {}
    for candidate in candidates:
        if not _speaks_of_gtv(candidate):
            continue
        doubt = _doubt(candidate)
        if candidate.is_empty:
            excluded[candidate.name] = "it has no contours"
        elif is_phase_copy(candidate.name):
            phases[candidate.name] = "its name says that it belongs to one phase of a 4D-CT"
        elif is_helper(candidate.name):
            excluded[candidate.name] = "its name says that it was made from a GTV"
        elif doubt:
            doubtful[candidate.name] = doubt
        else:
            members.append(candidate.name)
    (excluded if members else doubtful).update(phases)
    return GtvReading(tuple(members), excluded, doubtful)


def _speaks_of_gtv(candidate: Candidate) -> bool:
    """Whether the type or the name brings an ROI into question."""
    if candidate.type.upper() == "GTV":
        return True
    named = _TARGET_NAME.match(candidate.name)
    if named is not None:
        return named[1].lower() in ("gtv", "igtv")
    return bool(_THROMBUS.search(candidate.name)) and not _BLAND.search(candidate.name)


def _doubt(candidate: Candidate) -> str:
    """Return why an ROI cannot be taken for a GTV without asking, empty where it can."""
    named = _TARGET_NAME.match(candidate.name)
    name = named[1].upper() if named else ""
    kind = candidate.type.upper()
    if not candidate.is_usable:
        return candidate.reason or "it has no volume"
    if name == "IGTV":
        return "an internal GTV covers motion and is not the GTV of the planning image"
    if name in ("CTV", "ITV", "PTV"):
        return f"its name says {name} and its type {kind}"
    if name == "GTV" and kind in ("CTV", "PTV"):
        return f"its name says GTV and its type {kind}"
    if _STALE.search(candidate.name):
        return "its name says that it is a copy or out of date"
    if _BLAND.search(candidate.name):
        return "its name speaks of a clot that is not tumour"
    return ""
