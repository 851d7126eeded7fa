"""The self-test: faults in copies of a user's own plan, and whether planeval notices them.

Margin audits take no part: they would take most of the time.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from planeval.case import Case
from planeval.dicom import Entry, scan_folder
from planeval.dicom.faults import FAULTS, CopiedPlan, Fault, put
from planeval.errors import InconsistentCase, PlanevalError
from planeval.loading import load
from planeval.model import Severity, Value
from planeval.model.faults import FaultResult, Noticed, SelfTest
from planeval.model.record import EvaluationRecord
from planeval.pipeline import Evaluation, evaluate, only_protocol
from planeval.protocol.choosing import propose
from planeval.protocol.library import load as load_protocol
from planeval.protocol.reading import Protocol

__all__ = ["self_test"]

SMALL_CHANGE = 1e-6
"""Relative change of a value that is rounding."""


def self_test(
    *paths: str | Path,
    protocol: str | Path | None = None,
    protocol_dir: Path | None = None,
    mapping: Mapping[str, str] | None = None,
    on_fault: Callable[[str], None] | None = None,
    **reading: Any,
) -> SelfTest:
    """Put every fault into a copy of a plan and evaluate it; the plan's own files are only read.

    ``on_fault`` hears what is about to be tried; ``reading`` are the options of
    :func:`planeval.load`. Raises what :func:`planeval.load` and
    :func:`planeval.evaluate` raise for the plan as it is.
    """
    case = load(*paths, **reading)
    name = protocol or only_protocol(propose(case, folder=protocol_dir))
    chosen = load_protocol(name, protocol_dir)
    plain = replace(chosen, file=chosen.file.model_copy(update={"margins": ()}))
    judge = _Judge(plain, mapping or {}, reading)
    before = judge.of(case).record
    organ = _organ(case, before)
    uids = {source.uid for source in case.data.sources}
    entries = [e for e in scan_folder(*map(Path, paths)).entries if e.sop_uid in uids]
    results = []
    for fault in FAULTS:
        if on_fault:
            on_fault(fault.text)
        with _copied(entries, case, organ) as (folder, plan):
            results.append(_tried(fault, plan, folder, judge, before))
    return SelfTest(before.protocol.id, before.summary, tuple(results))


class _Judge:
    """The same question to every copy."""

    def __init__(
        self, protocol: Protocol, mapping: Mapping[str, str], reading: Mapping[str, Any]
    ) -> None:
        self._protocol, self._mapping = protocol, mapping
        # a copy holds one plan: nothing is left to choose
        self._reading = {
            name: value
            for name, value in reading.items()
            if name not in ("plan", "structures", "dose")
        }
        self._is_complete = reading.get("dose") is not None

    def of(self, case: Case) -> Evaluation:
        return evaluate(
            case, self._protocol, mapping=self._mapping, dose_is_complete=self._is_complete
        )

    def of_folder(self, folder: Path) -> Evaluation:
        return self.of(load(folder, **self._reading))


def _tried(
    fault: Fault, plan: CopiedPlan, folder: Path, judge: _Judge, before: EvaluationRecord
) -> FaultResult:
    reason = put(fault, plan)
    if reason:
        return FaultResult(fault.code, fault.text, Noticed.NOT_MADE, reason)
    try:
        after = judge.of_folder(folder).record
    except PlanevalError as error:
        return FaultResult(fault.code, fault.text, Noticed.REFUSED, str(error))
    for noticed, evidence in (
        (Noticed.FLAGGED, _flagged(before, after)),
        (Noticed.NUMBERS, _changed(before, after)),
    ):
        if evidence:
            return FaultResult(fault.code, fault.text, noticed, evidence)
    return FaultResult(fault.code, fault.text, Noticed.NOT_NOTICED, "nothing changed")


def _flagged(before: EvaluationRecord, after: EvaluationRecord) -> str:
    """Return what is new among findings, attention lines and outcomes, the gravest first."""
    loud = (Severity.ERROR, Severity.WARNING)
    known = {(f.code, f.where) for f in before.findings}
    new = [
        (loud.index(f.severity), f"{f.where}: {f.message}" if f.where else f.message)
        for f in after.findings
        if f.severity in loud and (f.code, f.where) not in known
    ]
    lines = {(line.code, line.row_id) for line in before.attention}
    new += [
        (loud.index(line.severity), line.text)
        for line in after.attention
        if line.severity in loud and (line.code, line.row_id) not in lines
    ]
    texts = list(dict.fromkeys(text for _, text in sorted(new, key=lambda each: each[0])))
    more = f" (and {len(texts) - 1} more)" if len(texts) > 1 else ""
    return f"{texts[0]}{more}" if texts else ""


def _changed(before: EvaluationRecord, after: EvaluationRecord) -> str:
    """Return the value that changed most, against the largest of its metric; empty where none did."""
    then = _values(before)
    scale: dict[str, float] = {}
    for (_structure, metric), value in then.items():
        scale[metric] = max(scale.get(metric, 0.0), abs(value.number or 0.0))
    largest, text = SMALL_CHANGE, ""
    for name, new in _values(after).items():
        old = then.get(name)
        if old is not None and (change := _change(old, new, scale[name[1]])) > largest:
            largest, text = change, f"{' '.join(name)}: {old!r}, then {new!r}"
    return text


def _values(record: EvaluationRecord) -> dict[tuple[str, str], Value]:
    """Return the values of the rows and of the inventory by structure and metric."""
    found = {(row.structure, row.metric): row.value for row in record.flat_rows()}
    for row in record.structures:
        found |= {(row.name, "Mean[Gy]"): row.mean, (row.name, "Max[Gy]"): row.maximum}
        found |= {(row.name, "Min[Gy]"): row.minimum, (row.name, "Volume[cc]"): row.volume}
    return found


def _change(old: Value, new: Value, scale: float) -> float:
    one, other = old.number, new.number
    if one is None or other is None:
        return 0.0 if one is other else 1.0
    return abs(other - one) / max(scale, 1e-9)


def _organ(case: Case, record: EvaluationRecord) -> int | None:
    """Return the number of the first drawn structure that a counted row stands on."""
    for row in record.flat_rows():
        for name in row.match.plan_names if row.is_counted else ():
            structure = case.structures.get(name)
            if structure is not None and structure.number is not None:
                return structure.number
    return None


@contextmanager
def _copied(
    entries: Sequence[Entry], case: Case, organ: int | None
) -> Iterator[tuple[Path, CopiedPlan]]:
    """Give a folder with copies of the case's files."""
    with tempfile.TemporaryDirectory(prefix="planeval-") as name:
        folder = Path(name)
        copies: dict[str, list[Path]] = {}
        for number, entry in enumerate(entries):
            copies.setdefault(entry.kind, []).append(_copy(entry.path, folder, number))
        for number, path in enumerate(case.image.paths if case.image else ()):
            copies.setdefault("image", []).append(_copy(path, folder, number, "CT"))
        if not copies.get("RTSTRUCT"):
            raise InconsistentCase("the files of the plan have changed since they were read")
        yield (
            folder,
            CopiedPlan(
                copies["RTSTRUCT"][0],
                tuple(copies.get("RTDOSE", ())),
                tuple(copies.get("RTPLAN", ())),
                tuple(copies.get("image", ())),
                organ,
            ),
        )


def _copy(path: Path, folder: Path, number: int, kind: str = "RT") -> Path:
    """Copy a file under a plain name: what the user called it may be anything."""
    return Path(shutil.copyfile(path, folder / f"{kind}_{number:05d}.dcm"))
