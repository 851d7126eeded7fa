"""One plan of a cohort as its headers describe it: what it is, what belongs to it, who it is about."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

from planeval.dicom import Entry
from planeval.model import Finding

__all__ = ["Code", "CohortPlan", "error_code", "raw_case_id"]


class Code(StrEnum):
    """Why a plan is taken, or not."""

    TAKEN = "taken"
    COPY = "copy"
    VERIFICATION = "verification"
    REJECTED = "rejected"
    NOT_APPROVED = "not-approved"
    SUPERSEDED = "superseded"
    PROBLEM = "problem"
    SAME_UID = "same-uid"
    TIED = "tied"
    NOT_SELECTED = "not-selected"


@dataclass(frozen=True, slots=True, eq=False)
class CohortPlan:
    """A plan (or a dose without a plan) of the indexed folders.

    ``targets`` are (name, Gy) as prescribed. ``entries`` are the objects that make up the case;
    where they cannot be linked, ``problem`` says why and they hold the plan alone. ``course_id``
    is shared by the versions of one course. ``files`` are all paths that mean this plan, copies
    included.
    """

    case_id: str
    patient_id: str
    patient_name: str
    course_id: str
    plan_uid: str
    file: str
    label: str
    name: str
    date: str
    time: str
    approval: str
    intent: str
    fractions: int | None
    targets: tuple[tuple[str, float], ...]
    verifies: tuple[str, ...]
    rois: tuple[str, ...]
    entries: tuple[Entry, ...]
    dose_file: str = ""
    findings: tuple[Finding, ...] = ()
    problem: str = ""
    problem_code: str = ""
    code: Code = Code.TAKEN
    reason: str = ""

    @property
    def is_taken(self) -> bool:
        """Whether the cohort evaluates it."""
        return self.code is Code.TAKEN

    @property
    def when(self) -> tuple[str, str]:
        """Date and time, which order the versions of a course."""
        return self.date, self.time

    def count(self, kind: str) -> int:
        """Return how many linked objects are of a kind."""
        return sum(entry.kind == kind for entry in self.entries)


def raw_case_id(patient_id: str, *uids: str) -> str:
    """Return the id of a case: the same for the same patient and objects, wherever the files are.

    >>> raw_case_id("P1", "1.2.3")
    'C-d30965709cf1'
    """
    text = "\0".join(("planeval case", patient_id, *uids))
    return "C-" + hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:12]


def error_code(error: BaseException) -> str:
    """Return the stable code of an error: its class in lower case with hyphens.

    >>> error_code(ValueError())
    'value-error'
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(error).__name__).lower()
