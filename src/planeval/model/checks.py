"""What a plan was checked for, and what became of each check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["CheckRow", "CheckState"]


class CheckState(StrEnum):
    """Whether a check found something. What could not be looked at is never clean."""

    CLEAN = "clean"
    FOUND = "found"
    UNCHECKED = "not-checked"


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One plan check: a stable id, a title, its state, and what was seen or why it was not checked.

    ``codes`` are those of the findings that it made or that the readers had made before.
    """

    id: str
    title: str
    state: CheckState
    text: str
    codes: tuple[str, ...] = ()
