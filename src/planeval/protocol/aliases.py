"""What the structures of a plan may be called in protocols: suggestions to review, and their file.

``planeval names`` writes the file; a person reads it, puts ``yes`` into ``use`` and gives it to
``planeval evaluate --names``. Only rows with ``yes`` are used.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from planeval.errors import ProtocolSyntax
from planeval.files.tables import read_tables
from planeval.model import CaseData
from planeval.protocol.anatomy import anatomy_findings
from planeval.protocol.naming import candidates_of
from planeval.protocol.organs import SPELLINGS, fold, standard_name, why_standard
from planeval.protocol.roles import Candidate, is_target_name

__all__ = ["Suggestion", "alias_csv", "read_aliases", "suggestions"]

COLUMNS = ("plan_name", "use", "protocol_name", "type", "volume_cc", "why", "check")
_NEAR = 0.75
_FORMULA_STARTS = frozenset("=+-@\t\r")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A structure with the TG-263 name that it may have; ``is_sure`` by table, else only near."""

    plan_name: str
    type: str
    volume_cc: float | None
    protocol_name: str
    is_sure: bool
    why: str
    checks: tuple[str, ...] = ()


def suggestions(data: CaseData) -> tuple[Suggestion, ...]:
    """Return one suggestion a structure, in file order; targets and unknown names have none."""
    findings: dict[str, list[str]] = {}
    for finding in anatomy_findings(data.structures):
        findings.setdefault(finding.where, []).append(finding.message)
    made = []
    for roi in candidates_of(data):
        name, sure, why = _suggested(roi)
        structure = data.structures.get(roi.name)
        checks = [*findings.get(roi.name, []), *([roi.reason] if roi.reason else [])]
        made.append(
            Suggestion(
                roi.name,
                roi.type,
                structure.volume_cc if structure else None,
                name,
                sure,
                why,
                tuple(checks),
            )
        )
    return tuple(made)


def _suggested(roi: Candidate) -> tuple[str, bool, str]:
    """Return the TG-263 name of a structure, whether it is sure, and why."""
    name = roi.name
    standard = standard_name(name)
    if standard:
        return standard, True, f"{why_standard(name)} of {standard}"
    if is_target_name(name) or roi.type.upper() in ("GTV", "CTV", "PTV"):
        return "", False, "a target; protocols find it by its type and name"
    known = {
        fold(text): (standard, text)
        for standard, others in SPELLINGS.items()
        for text in (standard, *others)
    }
    near = difflib.get_close_matches(fold(name), known, n=1, cutoff=_NEAR)
    if not near:
        return "", False, "no name of the table is near"
    standard, text = known[near[0]]
    return standard, False, f"near to {text!r}, which means {standard}; never used without a yes"


def alias_csv(made: Iterable[Suggestion]) -> str:
    """Return the file to review: ``use`` is yes only where the table is sure and nothing objects."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in made:
        use = "yes" if each.is_sure and not each.checks else ""
        volume = "" if each.volume_cc is None else f"{each.volume_cc:.2f}"
        cells = (
            each.plan_name, use, each.protocol_name, each.type, volume, each.why,
            "; ".join(each.checks),
        )  # fmt: skip
        writer.writerow([f"'{cell}" if cell[:1] in _FORMULA_STARTS else cell for cell in cells])
    return stream.getvalue()


def read_aliases(path: Path) -> Mapping[str, str]:
    """Return plan name -> protocol name of the rows that a person accepted.

    Raises:
        UnreadableFile: the file cannot be read.
        ProtocolSyntax: a column is missing, a row is half, or a plan name means two things.
    """
    found: dict[str, str] = {}
    for sheet in read_tables(path):
        for column in COLUMNS[:3]:
            if column not in sheet.columns:
                raise ProtocolSyntax(
                    f"{path.name}: no column '{column}'; expected {', '.join(COLUMNS[:3])}"
                )
        for line, cells in sheet.rows:
            if cells.get("use", "").lower() not in ("yes", "y", "1", "true"):
                continue
            plan, protocol = cells.get("plan_name", ""), cells.get("protocol_name", "")
            plan = plan[1:] if plan[:1] == "'" and plan[1:2] in _FORMULA_STARTS else plan
            if not (plan and protocol):
                raise ProtocolSyntax(f"{path.name}:{line}: a row with 'yes' needs both names")
            if found.setdefault(plan, protocol) != protocol:
                raise ProtocolSyntax(
                    f"{path.name}:{line}: {plan!r} is given for {found[plan]!r} and {protocol!r}"
                )
    return found
