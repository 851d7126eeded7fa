"""Which RTDOSE files make up the dose of a plan, and their sum.

One PLAN dose is the dose. Otherwise FRACTION doses count if their fraction groups are exactly the
plan's, else BEAM doses if they cover every treatment beam exactly once. Each is already the dose of
all its fractions and is never multiplied (PS3.3 C.8.8.3.4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planeval.dicom.codes import finding
from planeval.dicom.files import DicomFile, open_file
from planeval.dicom.index import Entry
from planeval.dicom.rtdose import DoseFile, RelativeScale, read_dose_file
from planeval.errors import (
    AmbiguousSelection,
    DataError,
    InconsistentCase,
    MissingElement,
    UnsupportedData,
)
from planeval.geometry.grid import Grid
from planeval.model import Dose, DoseTerm, Finding, Plan

__all__ = ["DoseChoice", "LoadedDose", "choose_doses", "load_dose"]

_USABLE = ("PLAN", "FRACTION", "BEAM", "MULTI_PLAN")
_SAME_GRID_MM = 1e-3
_BEAM_SUM_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class DoseChoice:
    """The files to use, and the complete BEAM set to compare a PLAN dose with."""

    entries: tuple[Entry, ...]
    compare: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class LoadedDose:
    """A dose with the files it came from."""

    dose: Dose
    files: tuple[DicomFile, ...]


def choose_doses(
    candidates: Sequence[Entry],
    plan: Plan | None,
    findings: list[Finding],
    *,
    accept_mismatch: bool = False,
) -> DoseChoice:
    """Choose among the dose files of one plan (or of no known plan).

    Raises :class:`AmbiguousSelection` for two PLAN doses, :class:`InconsistentCase` for a beam or
    group that is missing or doubled, :class:`UnsupportedData` for summation types without a DVH.
    """
    by_type: dict[str, list[Entry]] = {}
    for entry in candidates:
        by_type.setdefault(entry.summation, []).append(entry)
    whole = by_type.get("PLAN", [])
    if len(whole) > 1:
        raise _ambiguous(whole, "PLAN doses")
    if whole:
        beams = by_type.get("BEAM", [])
        complete = bool(beams) and plan is not None and not _beam_problem(beams, plan)
        _report_ignored([e for e in candidates if e not in whole and e not in beams], findings)
        return DoseChoice(tuple(whole), tuple(beams) if complete else ())
    parts = [by_type[kind] for kind in ("FRACTION", "BEAM") if kind in by_type]
    if parts:
        chosen = _complete_set(parts, plan, findings, accept_mismatch=accept_mismatch)
        _report_ignored([e for e in candidates if e not in chosen], findings)
        return DoseChoice(tuple(chosen))
    several = by_type.get("MULTI_PLAN", [])
    if len(several) > 1:
        raise _ambiguous(several, "MULTI_PLAN doses")
    if several:
        message = "DoseSummationType is MULTI_PLAN: the dose of several plans, no fraction count"
        findings.append(finding("dose-multi-plan", message, several[0].file))
        return DoseChoice(tuple(several))
    if "" in by_type:
        raise MissingElement(
            f"{by_type[''][0].file}: DoseSummationType (3004,000A) is absent; whether this is the "
            "dose of a whole plan is unknown"
        )
    listed = ", ".join(f"{entry.file} ({entry.summation})" for entry in candidates)
    raise UnsupportedData(
        f"no usable dose: {listed}; summation types {', '.join(_USABLE)} are read"
    )


def load_dose(
    choice: DoseChoice,
    plan: Plan | None,
    findings: list[Finding],
    *,
    relative: RelativeScale | None = None,
    reference_gy: float | None = None,
) -> LoadedDose:
    """Read the chosen files and add what lies on one grid and belongs to one fraction group.

    ``reference_gy`` is the prescription by which a difference of PLAN and BEAM doses is measured.
    """
    files = [open_file(entry.path, entry.file) for entry in choice.entries]
    read = [read_dose_file(file, relative) for file in files]
    for part in read:
        findings.extend(part.findings)
    types = sorted({part.type for part in read})
    if len(types) > 1:
        raise InconsistentCase(f"doses of types {' and '.join(types)} of one plan cannot be added")
    frames = {part.grid.frame_uid for part in read}
    if len(frames) > 1:
        raise InconsistentCase("the doses of one plan are in different frames of reference")
    terms = _terms(choice.entries, read, plan, findings)
    if choice.compare:
        _compare(terms[0], choice.compare, reference_gy, findings)
    dose = Dose(
        terms=terms,
        type=types[0],
        summation=read[0].summation if len(read) == 1 else "SUM",
        sources=tuple(entry.sop_uid for entry in choice.entries),
        comment="; ".join(dict.fromkeys(part.comment for part in read if part.comment)),
    )
    return LoadedDose(dose, tuple(files))


def _ambiguous(entries: Sequence[Entry], what: str) -> AmbiguousSelection:
    listed = "; ".join(f"{entry.file} ({entry.label or entry.sop_uid})" for entry in entries)
    return AmbiguousSelection(
        f"{len(entries)} {what} of one plan: {listed}; choose one with --dose (file or UID)"
    )


def _report_ignored(entries: Sequence[Entry], findings: list[Finding]) -> None:
    if entries:
        listed = ", ".join(f"{entry.file} ({entry.summation or 'no type'})" for entry in entries)
        findings.append(finding("objects-ignored", f"doses not used: {listed}"))


def _complete_set(
    parts: Sequence[list[Entry]],
    plan: Plan | None,
    findings: list[Finding],
    *,
    accept_mismatch: bool,
) -> list[Entry]:
    """Return the first complete set of FRACTION or BEAM doses."""
    problems = []
    for entries in parts:
        is_beam = entries[0].summation == "BEAM"
        problem = _beam_problem(entries, plan) if is_beam else _group_problem(entries, plan)
        if not problem:
            if plan is None:
                message = (
                    f"{len(entries)} {entries[0].summation} doses without an RTPLAN: "
                    "whether they are the whole treatment is unknown"
                )
                findings.append(finding("dose-completeness-unknown", message))
            return entries
        problems.append(problem)
    text = "; ".join(problems)
    if accept_mismatch:
        findings.append(finding("dose-incomplete", text))
        return parts[0]
    raise InconsistentCase(
        f"{text}; add the missing files, or use --accept-mismatch for what is there"
    )


def _group_problem(entries: Sequence[Entry], plan: Plan | None) -> str:
    """Say how FRACTION doses fail to be the plan's fraction groups, empty if they are."""
    counts = Counter(group for entry in entries for group in set(entry.groups))
    doubled = sorted(group for group, count in counts.items() if count > 1)
    if doubled:
        return f"FRACTION doses: fraction group {_listed(doubled)} is there more than once"
    if plan is None:
        return ""
    if any(not entry.groups for entry in entries):
        return "FRACTION doses: a file does not say which fraction group it is"
    wanted = {group.number for group in plan.fraction_groups}
    missing, unknown = sorted(wanted - set(counts)), sorted(set(counts) - wanted)
    if missing:
        return f"FRACTION doses: fraction group {_listed(missing)} is missing"
    if unknown:
        return f"FRACTION doses: fraction group {_listed(unknown)} is not in the plan"
    return ""


def _beam_problem(entries: Sequence[Entry], plan: Plan | None) -> str:
    """Say how BEAM doses fail to cover every treatment beam exactly once, empty if they do."""
    counts = Counter(beam for entry in entries for beam in entry.beams)
    doubled = sorted(beam for beam, count in counts.items() if count > 1)
    if doubled:
        return f"BEAM doses: beam {_listed(doubled)} is there more than once"
    if plan is None:
        return ""
    if any(not entry.beams for entry in entries):
        return "BEAM doses: a file does not say which beam it is"
    delivered = {number for group in plan.fraction_groups for number in group.beam_numbers}
    wanted = {
        beam.number
        for beam in plan.treatment_beams
        if beam.number in delivered or not plan.fraction_groups
    }
    missing = sorted(wanted - set(counts))
    unknown = sorted(set(counts) - {beam.number for beam in plan.beams})
    if missing:
        return f"BEAM doses: beam {_listed(missing)} is missing"
    if unknown:
        return f"BEAM doses: beam {_listed(unknown)} is not in the plan"
    return ""


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _terms(
    entries: Sequence[Entry],
    read: Sequence[DoseFile],
    plan: Plan | None,
    findings: list[Finding],
) -> tuple[DoseTerm, ...]:
    """Make one term per fraction group and grid."""
    sums: list[tuple[Grid, int | None, NDArray[np.float32]]] = []
    for entry, part in zip(entries, read, strict=True):
        group = _group_of(entry, plan)
        for index, (grid, other, gy) in enumerate(sums):
            if other == group and _is_same_grid(grid, part.grid):
                sums[index] = (grid, other, gy + part.gy)
                break
        else:
            sums.append((part.grid, group, part.gy))
    if len(entries) > 1:
        message = f"{len(entries)} {read[0].summation} doses are added"
        findings.append(finding("dose-summed", message))
    if len(sums) > len({group for _grid, group, _gy in sums}):
        message = "the doses lie on different grids; the sum is defined where all of them are"
        findings.append(finding("dose-several-grids", message))
    return tuple(
        DoseTerm(
            grid,
            gy,
            fractions=_fractions(group, read[0].summation, plan),
            plan_uid=_uid(plan),
            fraction_group=group,
        )
        for grid, group, gy in sums
    )


def _uid(plan: Plan | None) -> str:
    return plan.uid if plan else ""


def _group_of(entry: Entry, plan: Plan | None) -> int | None:
    """Return the fraction group a dose belongs to, None for a whole plan or an unknown one."""
    if entry.summation == "FRACTION":
        return entry.groups[0] if len(entry.groups) == 1 else None
    if entry.summation == "BEAM" and plan is not None:
        groups = {
            group.number
            for group in plan.fraction_groups
            if set(group.beam_numbers) & set(entry.beams)
        }
        return next(iter(groups)) if len(groups) == 1 else None
    return None


def _fractions(group: int | None, summation: str, plan: Plan | None) -> int | None:
    """Return the fractions of a term: its group's, or the plan's only count."""
    if plan is None or summation == "MULTI_PLAN":
        return None
    if group is None:
        return plan.fractions
    return next((g.fractions for g in plan.fraction_groups if g.number == group), None)


def _is_same_grid(one: Grid, other: Grid) -> bool:
    """Whether two grids have the same voxels within a thousandth of a millimetre."""
    return one.shape == other.shape and all(
        np.allclose(a, b, atol=_SAME_GRID_MM, rtol=0)
        for a, b in (
            (one.origin_mm, other.origin_mm),
            (one.offsets_mm, other.offsets_mm),
            ((one.row_step_mm, one.column_step_mm), (other.row_step_mm, other.column_step_mm)),
            (one.axes * 100, other.axes * 100),
        )
    )


def _compare(
    term: DoseTerm,
    beams: Sequence[Entry],
    reference_gy: float | None,
    findings: list[Finding],
) -> None:
    """Compare a PLAN dose with the sum of its BEAM doses, voxel by voxel."""
    total = np.zeros(term.grid.shape, dtype=np.float32)
    for entry in beams:
        try:
            part = read_dose_file(open_file(entry.path, entry.file))
        except DataError as error:
            findings.append(finding("dose-beam-sum-unchecked", str(error), entry.file))
            return
        if not _is_same_grid(part.grid, term.grid):
            message = "a BEAM dose lies on another grid than the PLAN dose"
            findings.append(finding("dose-beam-sum-unchecked", message, entry.file))
            return
        total += part.gy
    difference = float(np.abs(total - term.gy).max())
    scale = reference_gy or float(term.gy.max())
    if difference > _BEAM_SUM_SHARE * scale:
        message = (
            f"the PLAN dose and the sum of its {len(beams)} BEAM doses differ by up to "
            f"{difference:.3f} Gy ({100 * difference / scale:.1f} % of {scale:g} Gy)"
        )
        findings.append(finding("dose-beam-sum-differs", message))
