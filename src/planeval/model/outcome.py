"""Outcomes: what became of one constraint, one group and the whole protocol."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Outcome", "Status", "Verdict"]


class Status(StrEnum):
    """What became of a row. Absence is never a pass."""

    PASS = "PASS"
    ACCEPTABLE = "ACCEPTABLE"
    FAIL = "FAIL"
    NOT_EVALUABLE = "NOT_EVALUABLE"
    NOT_APPLICABLE = "NOT_APPLICABLE"


class Verdict(StrEnum):
    """The whole: FAIL, INCOMPLETE (something counted could not be evaluated), NOT_ASSESSED, ..."""

    FAIL = "FAIL"
    INCOMPLETE = "INCOMPLETE"
    NOT_ASSESSED = "NOT_ASSESSED"
    ACCEPTABLE = "ACCEPTABLE"
    PASS = "PASS"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A status with its reason, and whether the numeric band could change it.

    >>> Outcome(Status.NOT_EVALUABLE, "Esophagus is missing").status.value
    'NOT_EVALUABLE'
    """

    status: Status
    reason: str = ""
    near_limit: bool = False

    def __post_init__(self) -> None:
        if self.status in (Status.NOT_EVALUABLE, Status.NOT_APPLICABLE) and not self.reason:
            raise ValueError(f"{self.status} needs a reason")
