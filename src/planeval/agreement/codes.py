"""Every finding code of the comparison with the planning system's DVHs."""

from __future__ import annotations

from planeval.model import Severity
from planeval.model.finding import FindingCodes

__all__ = ["CODES", "finding"]

_INFO, _WARNING, _ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR

CODES: dict[str, tuple[Severity, str]] = {
    "tps-dvh-differs": (_WARNING, "the planning system's DVH differs and no rule explains it"),
    "tps-dvh-explained": (_INFO, "the planning system's DVHs differ by rules that are known"),
    "tps-export-other-patient": (_ERROR, "a DVH export of another patient; accepted by the user"),
    "tps-export-other-plan": (_WARNING, "a DVH export whose plan has another name"),
    "tps-export-skipped": (_INFO, "structures of a DVH export without a usable curve"),
}
"""Code -> (severity, meaning)."""

finding = FindingCodes(CODES)
