"""From a folder to cases: what every front door starts with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Case is asked of the package when its data is read, so that its modules may load beside the reading
import planeval as pe
from planeval import agreement, checks
from planeval.dicom import (
    FolderIndex,
    PlanEntry,
    list_plans,
    read_case,
    read_headers,
    scan_folder,
)
from planeval.errors import DataError, UnreadableFile
from planeval.model import Finding, Method, Rx, Severity

__all__ = ["Inventory", "PlanInFolder", "load", "load_all", "scan"]

Prescribed = Rx | Mapping[str, Rx] | None


@dataclass(frozen=True, slots=True, eq=False)
class PlanInFolder:
    """One plan (or dose without a plan) that a folder holds; ``entry`` says what belongs to it."""

    index: FolderIndex
    entry: PlanEntry

    def findings(self) -> tuple[Finding, ...]:
        """Return what was found while linking, and by the plan checks that headers allow.

        Reads the RTPLAN, which is small; one that cannot be read is a finding.
        """
        linked = self.entry.findings
        if not self.entry.plan_file:
            return linked
        try:
            return (*linked, *checks.header_findings(read_headers(self.index, self.entry)))
        except DataError as error:
            where = self.entry.plan_file
            return (*linked, Finding("unreadable-file", Severity.WARNING, str(error), where))

    def load(self, *, rx: Prescribed = None, method: Method | None = None) -> pe.Case:
        """Read this plan as a case; raises what :func:`load` raises."""
        chosen = method or Method()
        return pe.Case(
            read_case(
                self.index,
                plan=self.entry.plan_uid or None,
                structures=None if self.entry.plan_uid else self.entry.structures_uid,
                dose=None if self.entry.plan_uid else self.entry.dose_uid,
                rx=rx,
                method=chosen,
            ),
            chosen,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Inventory:
    """What a folder holds, from headers only."""

    index: FolderIndex
    plans: tuple[PlanInFolder, ...]
    findings: tuple[Finding, ...]


def scan(*paths: str | Path) -> Inventory:
    """Look through folders or files and list the plans that can be evaluated.

    Raises :class:`~planeval.errors.UnreadableFile` where a path does not exist.
    """
    index = scan_folder(*_existing(paths))
    plans = tuple(PlanInFolder(index, entry) for entry in list_plans(index))
    return Inventory(index, plans, index.findings)


def load(
    *paths: str | Path,
    plan: str | None = None,
    structures: str | None = None,
    dose: str | None = None,
    rx: Prescribed = None,
    method: Method | None = None,
    need_dose: bool = True,
    accept_mismatch: bool = False,
    relative_reference_gy: float | None = None,
    relative_scale: int | None = None,
    tps_dvhs: Sequence[str | Path] = (),
) -> pe.Case:
    """Read the plan of a folder (or of some files) as a case.

    ``plan``, ``structures`` and ``dose`` choose among several by UID, label or path; ``rx`` states
    a prescription (``Rx(55, 25)``, or one per target). A RELATIVE dose needs
    ``relative_reference_gy``, the dose that 100 % stands for, and ``relative_scale`` 1 or 100.
    ``tps_dvhs`` are DVH text exports of Eclipse to compare with.

    Raises:
        AmbiguousSelection: more than one possible answer; the message lists them.
        InconsistentCase: objects of different patients, frames or references.
        DataError: anything in the files that has no honest reading.
    """
    chosen = method or Method()
    data = read_case(
        scan_folder(*_existing(paths)),
        plan=plan,
        structures=structures,
        dose=dose,
        rx=rx,
        need_dose=need_dose,
        method=chosen,
        accept_mismatch=accept_mismatch,
        relative_reference_gy=relative_reference_gy,
        relative_scale=relative_scale,
    )
    case = pe.Case(data, chosen)
    if not tps_dvhs:
        return case
    return agreement.with_tps_dvhs(case, *tps_dvhs, accept_mismatch=accept_mismatch)


def load_all(*paths: str | Path, method: Method | None = None) -> list[pe.Case]:
    """Read every plan of a folder; the first one that cannot be read raises its error."""
    return [plan.load(method=method) for plan in scan(*paths).plans]


def _existing(paths: tuple[str | Path, ...]) -> list[Path]:
    """The paths, or an error that names the one that is not there."""
    if not paths:
        raise ValueError("give at least one folder or file")
    for path in map(Path, paths):
        if not path.exists():
            raise UnreadableFile(f"{path}: there is no such file or folder")
    return [Path(path) for path in paths]
