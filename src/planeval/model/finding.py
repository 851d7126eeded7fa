"""Findings: what the reader of an answer must know although the answer stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "FindingCodes", "Severity"]


class Severity(StrEnum):
    """How much a finding matters: an error leads page one, info is for the record."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """A stable code, how much it matters, one sentence, and where it was found.

    ``where`` names the object (structure, file, row), never a path of this machine.

    >>> print(Finding("contour-gap", Severity.WARNING, "2 planes are missing", "Liver"))
    warning contour-gap (Liver): 2 planes are missing
    """

    code: str
    severity: Severity
    message: str
    where: str = ""

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        return f"{self.severity} {self.code}{place}: {self.message}"


@dataclass(frozen=True, slots=True)
class FindingCodes:
    """The codes of one part of planeval: code -> (severity, meaning); calling it makes a finding.

    >>> codes = FindingCodes({"late": (Severity.INFO, "it came late")})
    >>> print(codes("late", "by two days"))
    info late: by two days
    """

    meanings: Mapping[str, tuple[Severity, str]]

    def __call__(self, code: str, message: str, where: str = "") -> Finding:
        """Make a finding of a listed code with its own severity."""
        severity, _meaning = self.meanings[code]
        return Finding(code, severity, message, where)
