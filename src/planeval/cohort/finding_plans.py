"""Find every plan below some folders, whatever their order: from headers, patient by patient.

Files are read once. Copies and re-exports of one object count once; objects of different PatientIDs
are never combined.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from planeval.cohort.courses import Approval, choose, course_id
from planeval.cohort.planfile import Code, CohortPlan, error_code, raw_case_id
from planeval.dicom import Entry, FolderIndex, PlanEntry, list_plans, scan_folder
from planeval.dicom.plan_header import PlanHeader, read_plan_header, read_roi_names
from planeval.dicom.same_content import same_content
from planeval.dicom.selection import Choice, Selection, select
from planeval.errors import DataError, UnreadableFile
from planeval.model import Finding, Severity

__all__ = ["CohortIndex", "find_plans"]


@dataclass(frozen=True, slots=True, eq=False)
class CohortIndex:
    """What the folders hold. ``findings`` are about files: unreadable ones, copies, conflicts."""

    plans: tuple[CohortPlan, ...]
    findings: tuple[Finding, ...]
    objects: int
    other_files: int

    @property
    def taken(self) -> tuple[CohortPlan, ...]:
        """The plans that a cohort evaluates by default."""
        return tuple(plan for plan in self.plans if plan.is_taken)


def find_plans(*roots: str | Path, approval: Approval = "approved") -> CohortIndex:
    """Find the plans below folders and choose among the versions of each course.

    Raises :class:`~planeval.errors.UnreadableFile` where a folder does not exist.
    """
    if not roots:
        raise ValueError("give at least one folder")
    for root in map(Path, roots):
        if not root.exists():
            raise UnreadableFile(f"{root}: there is no such file or folder")
    index = scan_folder(*map(Path, roots))
    entries, repeats = _without_re_exports(index.entries)
    findings = _without_solved(index.findings, repeats)
    plans: list[CohortPlan] = []
    for objects in _by_patient(entries).values():
        plans += _plans_of(FolderIndex(tuple(objects)), findings)
    plans += list(_copies(plans, findings))
    plans.sort(key=lambda plan: (plan.patient_id, plan.course_id, plan.when, plan.file))
    return CohortIndex(
        tuple(choose(plans, approval)), tuple(findings), len(index.entries), index.other_files
    )


def _without_re_exports(entries: Sequence[Entry]) -> tuple[list[Entry], dict[str, str]]:
    """Drop objects that are there twice with the same content; return also file -> kept file."""
    kept: dict[tuple[str, str, str], list[Entry]] = defaultdict(list)
    repeats: dict[str, str] = {}
    for entry in entries:
        known = kept[entry.patient_id, entry.kind, entry.sop_uid]
        same = next((one for one in known if entry.sop_uid and _same_object(one, entry)), None)
        if same is None:
            known.append(entry)
        else:
            repeats[entry.file] = same.file
    return [entry for entry in entries if entry.file not in repeats], repeats


def _same_object(one: Entry, other: Entry) -> bool:
    """Whether two entries of one UID are one object; slices by their place, never by pixels."""
    if one.kind == "CT":
        return one.slice == other.slice and one.series_uid == other.series_uid
    return same_content(one.path, other.path)


def _without_solved(findings: Iterable[Finding], repeats: Mapping[str, str]) -> list[Finding]:
    """Replace the conflicts that turned out to be re-exports."""
    others = [f for f in findings if not (f.code == "duplicate-uid" and f.where in repeats)]
    return others + [
        Finding("duplicate-file", Severity.INFO, f"a re-export of {kept}; used once", file)
        for file, kept in repeats.items()
    ]


def _by_patient(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Group objects by PatientID; one without an ID goes to the only patient of its frame."""
    groups: dict[str, list[Entry]] = defaultdict(list)
    nameless: list[Entry] = []
    for entry in entries:
        (groups[entry.patient_id] if entry.patient_id else nameless).append(entry)
    owners: dict[str, set[str]] = defaultdict(set)
    for patient, objects in groups.items():
        for entry in objects:
            for frame in {entry.frame_uid, *entry.referenced("frame")} - {""}:
                owners[frame].add(patient)
    for entry in nameless:
        found = owners.get(entry.frame_uid, set())
        groups[next(iter(found)) if len(found) == 1 else ""].append(entry)
    return groups


def _plans_of(index: FolderIndex, findings: Sequence[Finding]) -> Iterator[CohortPlan]:
    """Yield the plans of one patient's objects."""
    by_file = {entry.file: entry for entry in index.entries}
    rois: dict[str, dict[int, str]] = {}
    plans = [
        _described(entry, _selection(index, entry), by_file, rois, findings)
        for entry in list_plans(index)
    ]
    used = Counter(plan.case_id for plan in plans)
    for plan in plans:
        if used[plan.case_id] == 1:
            yield plan
            continue
        reason = "several files with different content carry the UID of this plan or dose"
        own = raw_case_id(plan.patient_id, plan.plan_uid, *(each.file for each in plan.entries))
        yield replace(plan, code=Code.SAME_UID, reason=reason, case_id=own)


def _selection(index: FolderIndex, entry: PlanEntry) -> Selection | DataError:
    """Return the objects of a plan, or why they cannot be told."""
    choice = (
        Choice(plan=entry.plan_file)
        if entry.plan_uid
        else Choice(dose=entry.dose_file, structures=entry.structures_file)
    )
    try:
        return select(index, choice, [])
    except DataError as error:
        return error


def _described(
    entry: PlanEntry,
    found: Selection | DataError,
    by_file: Mapping[str, Entry],
    rois: dict[str, dict[int, str]],
    findings: Sequence[Finding],
) -> CohortPlan:
    """Return one plan with what its header and its structure set's header say."""
    file = entry.plan_file or entry.dose_file
    problem, code = ("", "") if isinstance(found, Selection) else (str(found), error_code(found))
    structures = _structures(found, by_file, file)
    header = PlanHeader(date=entry.date)
    numbers: dict[int, str] = {}
    try:
        if entry.plan_uid:
            header = read_plan_header(by_file[file].path, file)
        if structures is not None:
            if structures.file not in rois:
                rois[structures.file] = read_roi_names(structures.path, structures.file)
            numbers = rois[structures.file]
    except DataError as error:
        problem, code = str(error), error_code(error)
    objects = _objects(found) if isinstance(found, Selection) else (by_file[file],)
    used = {each.file for each in objects}
    plan = CohortPlan(
        case_id=raw_case_id(
            entry.patient_id, entry.plan_uid or f"{entry.dose_uid} {entry.structures_uid}"
        ),
        patient_id=entry.patient_id,
        patient_name=entry.patient_name,
        course_id="",
        plan_uid=entry.plan_uid,
        file=file,
        label=entry.label,
        name=header.name,
        date=header.date or entry.date,
        time=header.time,
        approval=header.approval,
        intent=header.intent,
        fractions=header.fractions,
        targets=tuple((_target(key, numbers), gy) for key, gy in header.targets),
        verifies=header.verifies,
        rois=tuple(dict.fromkeys(numbers.values())),
        entries=objects,
        dose_file="" if entry.plan_uid else entry.dose_file,
        findings=tuple(f for f in findings if f.where in used),
        problem=problem,
        problem_code=code,
    )
    frames = [each.frame_uid for each in (structures, *objects) if each]
    return replace(plan, course_id=course_id(plan, next(filter(None, frames), "")))


def _structures(
    found: Selection | DataError, by_file: Mapping[str, Entry], file: str
) -> Entry | None:
    """Return the structure set of a plan; of one that cannot be linked, the only one it names."""
    if isinstance(found, Selection):
        return found.structures
    wanted = by_file[file].referenced("structures")
    named = [e for e in by_file.values() if e.kind == "RTSTRUCT" and e.sop_uid in wanted]
    return named[0] if len(named) == 1 else None


def _objects(found: Selection) -> tuple[Entry, ...]:
    plan = (found.plan,) if found.plan else ()
    return (*plan, found.structures, *found.doses, *found.images)


def _target(key: int | str, numbers: Mapping[int, str]) -> str:
    """Return the name of a prescribed target: of its ROI, else as the plan describes it."""
    return numbers.get(key, f"ROI {key}") if isinstance(key, int) else key


def _copies(plans: Sequence[CohortPlan], findings: Iterable[Finding]) -> Iterator[CohortPlan]:
    """Yield an entry for every further file of a plan, so that none is missing from the list."""
    by_file = {plan.file: plan for plan in plans}
    for finding in findings:
        if finding.code != "duplicate-file":
            continue
        original = finding.message.removeprefix("a copy of ").removeprefix("a re-export of ")
        kept = by_file.get(original.removesuffix("; used once"))
        if kept is not None:
            yield replace(kept, file=finding.where, code=Code.COPY, reason=finding.message)
