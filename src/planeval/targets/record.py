"""What a making of targets leaves on file: expansion.json, without clock, path or host."""

from __future__ import annotations

from dataclasses import dataclass, replace

from planeval import __version__
from planeval.case import Case
from planeval.dicom.write import WrittenSet
from planeval.model import Finding, Method, Source
from planeval.model.plain import json_text
from planeval.targets.motion import Motion
from planeval.targets.rules import LengthUsed, Step
from planeval.targets.workflow import TargetSet

__all__ = ["SCHEMA", "TargetRecord", "TargetRow", "record_of"]

SCHEMA = "planeval.expansion/1"


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A target made: name, type, how, its volume, and what its contours stand for if written."""

    name: str
    type: str
    made_of: str
    volume_cc: float
    number: int | None = None
    drawn_cc: float | None = None
    contours: int | None = None


@dataclass(frozen=True, slots=True)
class RuleUsed:
    """A rule by id and version, with the SHA-256 of its file."""

    id: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class TargetRecord:
    """The targets, the steps to them, and what the reader must know."""

    patient_id: str
    study_uid: str
    structures: tuple[TargetRow, ...]
    steps: tuple[Step, ...]
    lengths: tuple[LengthUsed, ...]
    rules: tuple[RuleUsed, ...]
    ptv_by: str
    motion: Motion | None
    findings: tuple[Finding, ...]
    method: Method
    sources: tuple[Source, ...]
    planeval_version: str = __version__
    schema: str = SCHEMA

    def to_json(self) -> str:
        """Return expansion.json: the same text for the same input, version and options."""
        return json_text(self)


def record_of(targets: TargetSet, case: Case, written: WrittenSet | None = None) -> TargetRecord:
    """Return the record of targets made from a case, with what was written of them."""
    rows = tuple(
        TargetRow(each.name, each.type, each.expression, each.volume_cc)
        for each in targets.structures
    )
    findings = targets.findings
    if written is not None:
        by_name = {each.name: each for each in written.structures}
        rows = tuple(
            replace(
                row,
                number=by_name[row.name].number,
                drawn_cc=by_name[row.name].drawn_cc,
                contours=by_name[row.name].contours,
            )
            if row.name in by_name
            else row
            for row in rows
        )
        findings += written.findings
    return TargetRecord(
        patient_id=case.patient_id,
        study_uid=case.data.identity.study_uid,
        structures=rows,
        steps=targets.steps,
        lengths=targets.lengths,
        rules=tuple(RuleUsed(r.id, r.file.version, r.sha256) for r in targets.rules),
        ptv_by=targets.ptv_by.value,
        motion=targets.motion,
        findings=findings,
        method=case.method,
        sources=case.data.sources,
    )
