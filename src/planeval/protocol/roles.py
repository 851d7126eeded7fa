"""Which ROIs are targets, and which of them together are the GTV.

Both questions are answered from RTROIInterpretedType and the name. Where the two disagree, or a
name leaves doubt, nothing is guessed: the ROI is in ``doubtful`` with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from planeval.metrics import recognition
from planeval.metrics.recognition import TARGET_NAME, is_helper, is_phase_copy, is_target_name

__all__ = [
    "Candidate",
    "GtvReading",
    "gtv_of",
    "is_helper",
    "is_phase_copy",
    "is_target",
    "is_target_name",
]

_THROMBUS = re.compile(
    r"(?<![a-z])(?:pvtt|ivctt|hvtt|bdtt|tt)(?![a-z])|thromb|癌栓|瘤栓", re.IGNORECASE
)
_BLAND = re.compile(r"bland|血栓", re.IGNORECASE)
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


def is_target(candidate: Candidate) -> bool:
    """Whether an ROI is a target: by type or by name, copies on phases and helpers left out."""
    return candidate.is_usable and recognition.is_target(candidate.name, candidate.type)


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
    named = TARGET_NAME.match(candidate.name)
    if named is not None:
        return named[1].lower() in ("gtv", "igtv")
    return bool(_THROMBUS.search(candidate.name)) and not _BLAND.search(candidate.name)


def _doubt(candidate: Candidate) -> str:
    """Return why an ROI cannot be taken for a GTV without asking, empty where it can."""
    named = TARGET_NAME.match(candidate.name)
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
