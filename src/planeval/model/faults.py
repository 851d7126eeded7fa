"""What became of faults that a self-test put into copies of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from planeval.model.plain import json_text

__all__ = ["FaultResult", "Noticed", "SelfTest"]


class Noticed(StrEnum):
    """What became of a fault.

    REFUSED: the plan is no longer read. FLAGGED: a warning, an error or an attention line is new.
    NUMBERS: values change and nothing says so. NOT_MADE: these files cannot have this fault.
    """

    REFUSED = "refused"
    FLAGGED = "flagged"
    NUMBERS = "seen in the numbers"
    NOT_NOTICED = "not noticed"
    NOT_MADE = "not made"


@dataclass(frozen=True, slots=True)
class FaultResult:
    """A fault, what became of it, and the words that say so."""

    code: str
    text: str
    noticed: Noticed
    evidence: str


@dataclass(frozen=True, slots=True)
class SelfTest:
    """The faults in the order in which they were tried; ``summary`` is of the plan without any."""

    protocol: str
    summary: str
    results: tuple[FaultResult, ...]
    schema: str = "planeval.selftest/1"

    @property
    def is_clean(self) -> bool:
        """Whether every fault that could be made was refused or flagged."""
        return all(
            each.noticed in (Noticed.REFUSED, Noticed.FLAGGED, Noticed.NOT_MADE)
            for each in self.results
        )

    @property
    def unnoticed(self) -> tuple[FaultResult, ...]:
        """The faults that changed nothing."""
        return tuple(each for each in self.results if each.noticed is Noticed.NOT_NOTICED)

    def to_json(self) -> str:
        """Return the whole as JSON."""
        return json_text(self)
