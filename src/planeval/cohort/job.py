"""A job: one plan to evaluate, as JSON data that any machine with the files can work on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from planeval.cohort.planfile import CohortPlan
from planeval.dicom import Entry, SliceGeometry
from planeval.model import Finding, Image, Severity
from planeval.model.plain import plain

__all__ = ["JOB_SCHEMA", "digest_of", "entries_of", "findings_of", "inputs_of", "make_job"]

JOB_SCHEMA = "planeval.cohort-job/1"

Json = dict[str, Any]


def make_job(plan: CohortPlan, settings: Mapping[str, Any], known_inputs: str = "") -> Json:
    """Return the job of a plan.

    ``settings`` are the choices of the run that the rows depend on. ``known_inputs`` is the digest
    of the inputs that stored rows were made from: equal inputs need no evaluation.
    """
    return {
        "schema": JOB_SCHEMA,
        "case_id": plan.case_id,
        "plan": plan.file if plan.plan_uid else "",
        "dose": plan.dose_file,
        "entries": [_entry_json(entry) for entry in plan.entries],
        "findings": [plain(finding) for finding in plan.findings],
        "known_inputs": known_inputs,
        **settings,
    }


def entries_of(job: Mapping[str, Any]) -> tuple[Entry, ...]:
    """Return the indexed objects of a job: their headers are not read again."""
    return tuple(_entry(data) for data in job["entries"])


def findings_of(job: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Return what the index found about the files of a job."""
    return tuple(
        Finding(each["code"], Severity(each["severity"]), each["message"], each["where"])
        for each in job["findings"]
    )


def inputs_of(entries: Sequence[Entry]) -> list[tuple[str, str, str]]:
    """Return (kind, UID, SHA-256) of a case's inputs, sorted.

    Whole files, but for image slices: those have one digest over UIDs and geometry, since their
    pixels are not read. Raises OSError where a file cannot be read.
    """
    slices = [entry for entry in entries if entry.kind == "CT"]
    found = [
        (entry.kind, entry.sop_uid, _file_digest(entry.path))
        for entry in entries
        if entry.kind != "CT"
    ]
    for series in sorted({entry.series_uid for entry in slices}):
        own = [(e.sop_uid, repr(e.slice)) for e in slices if e.series_uid == series]
        found.append(("CT geometry", series, Image.geometry_digest(own)))
    return sorted(found)


def digest_of(data: object) -> str:
    """Return the SHA-256 of plain data in canonical JSON."""
    text = json.dumps(plain(data), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _entry_json(entry: Entry) -> Json:
    data = asdict(entry)
    data["path"] = str(entry.path.resolve())
    return {name: value for name, value in data.items() if value not in ("", (), None)}


def _entry(data: Mapping[str, Any]) -> Entry:
    values = dict(data)
    values["path"] = Path(values["path"])
    values["references"] = tuple((role, uid) for role, uid in values.get("references", ()))
    for name in ("groups", "beams"):
        values[name] = tuple(values.get(name, ()))
    if values.get("slice"):
        place = dict(values["slice"])
        place["position_mm"] = tuple(place["position_mm"])
        place["orientation"] = tuple(place["orientation"])
        values["slice"] = SliceGeometry(**place)
    return Entry(**values)
