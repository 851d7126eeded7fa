"""Which objects of an index belong together: by reference, and by frame only where there is none.

Two possible answers are never decided silently: the error names the option that chooses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from planeval.dicom.codes import finding
from planeval.dicom.index import Entry, FolderIndex
from planeval.errors import AmbiguousSelection, InconsistentCase, MissingElement
from planeval.model import Finding

__all__ = ["Choice", "Selection", "candidate_doses", "select"]

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user chose (UID, label or path, empty for nothing) and what they accept."""

    plan: str = ""
    structures: str = ""
    dose: str = ""
    need_dose: bool = True
    accept_mismatch: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """The objects of one case. ``doses`` are candidates: their summation types decide."""

    plan: Entry | None
    structures: Entry
    doses: tuple[Entry, ...]
    images: tuple[Entry, ...]


def select(index: FolderIndex, choice: Choice, findings: list[Finding]) -> Selection:
    """Select the objects of one case.

    Raises :class:`AmbiguousSelection` with the candidates, :class:`InconsistentCase` where
    references or patients contradict, :class:`MissingElement` where a needed object is not there.
    """
    dose = _chosen(index, "RTDOSE", choice.dose, "--dose") if choice.dose else None
    structures = (
        _chosen(index, "RTSTRUCT", choice.structures, "--structures") if choice.structures else None
    )
    plan = _plan(index, choice, dose, structures, findings)
    if dose is not None:
        _check_reference(dose, "plan", plan, choice, findings)
    doses = (dose,) if dose else _doses(index, plan, structures, choice, findings)
    if not doses and choice.need_dose:
        raise _no_dose(index, plan)
    structures = structures or _structures(index, plan, doses, choice, findings)
    if plan is not None:
        _check_reference(plan, "structures", structures, choice, findings)
    images = _images(index, structures, doses, findings)
    used = [entry for entry in (plan, structures, *doses, *images[:1]) if entry]
    _check_patients(used, choice, findings)
    _check_frames(structures, doses, findings)
    return Selection(plan, structures, tuple(doses), images)


def candidate_doses(index: FolderIndex, plan: Entry) -> tuple[Entry, ...]:
    """Return the doses that refer to a plan."""
    return tuple(
        entry for entry in index.of_kind("RTDOSE") if plan.sop_uid in entry.referenced("plan")
    )


def _chosen(index: FolderIndex, kind: str, text: str, option: str) -> Entry:
    """Return the one object that a UID, a path or a label names."""
    candidates = index.of_kind(kind)
    for matches in (
        [e for e in candidates if e.file == text or _is_path(e, text)],
        [e for e in candidates if e.sop_uid == text],
        [e for e in candidates if Path(e.file).name == text],
        [e for e in candidates if e.label == text],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise AmbiguousSelection(
                f"{option} {text!r} fits {len(matches)} objects: {_listed(matches)}; "
                "choose one by its file"
            )
    raise AmbiguousSelection(
        f"{option} {text!r} fits no {kind} of the folder; there are: "
        f"{_listed(candidates) or 'none'}"
    )


def _is_path(entry: Entry, text: str) -> bool:
    try:
        return Path(text).exists() and Path(text).resolve() == entry.path.resolve()
    except (OSError, ValueError):
        return False


def _listed(entries: Sequence[Entry]) -> str:
    shown = "; ".join(
        f"{entry.file} ({', '.join(filter(None, (entry.label, entry.date, entry.patient_id)))})"
        for entry in entries[:_SHOWN]
    )
    more = len(entries) - _SHOWN
    return f"{shown}; and {more} more" if more > 0 else shown


def _plan(
    index: FolderIndex,
    choice: Choice,
    dose: Entry | None,
    structures: Entry | None,
    findings: list[Finding],
) -> Entry | None:
    """Return the chosen plan, the one that the other choices lead to, or the only one."""
    plans = index.of_kind("RTPLAN")
    if choice.plan:
        return _chosen(index, "RTPLAN", choice.plan, "--plan")
    if dose is not None and dose.referenced("plan"):
        named = [entry for entry in plans if entry.sop_uid in dose.referenced("plan")]
        return named[0] if len(named) == 1 else None
    if structures is not None and len(plans) > 1:
        named = [entry for entry in plans if structures.sop_uid in entry.referenced("structures")]
        plans = tuple(named) or plans
    if len(plans) > 1 and choice.need_dose:
        with_dose = [entry for entry in plans if candidate_doses(index, entry)]
        if len(with_dose) == 1:
            others = _listed([entry for entry in plans if entry not in with_dose])
            message = f"{with_dose[0].file} is the only plan with a dose; not used: {others}"
            findings.append(finding("plan-chosen", message))
            return with_dose[0]
    if len(plans) > 1:
        raise AmbiguousSelection(
            f"{len(plans)} plans: {_listed(plans)}; choose one with --plan (label, UID or file)"
        )
    return plans[0] if plans else None


def _doses(
    index: FolderIndex,
    plan: Entry | None,
    structures: Entry | None,
    choice: Choice,
    findings: list[Finding],
) -> tuple[Entry, ...]:
    """Return the doses of the plan; without a plan, the doses of the only plan they refer to."""
    doses = index.of_kind("RTDOSE")
    if plan is None:
        if structures is not None:
            same = [e for e in doses if e.frame_uid in (*structures.referenced("frame"), "")]
            doses = tuple(same)
        groups = {(entry.patient_id, entry.referenced("plan")) for entry in doses}
        if len(groups) > 1:
            raise AmbiguousSelection(
                f"{len(doses)} doses of {len(groups)} plans, none of which is in the folder: "
                f"{_listed(doses)}; choose one with --dose (file or UID)"
            )
        return doses
    own = candidate_doses(index, plan)
    if own or not doses:
        return own
    unbound = [entry for entry in doses if not entry.referenced("plan")]
    fitting = tuple(e for e in unbound if _may_share_frame(e, plan))
    if fitting:
        message = "the dose does not name its plan; linked by frame of reference"
        findings.append(finding("linked-by-frame", message, fitting[0].file))
        return fitting
    if choice.accept_mismatch and len(doses) == 1:
        _check_reference(doses[0], "plan", plan, choice, findings)
        return doses
    known = {entry.sop_uid for entry in index.of_kind("RTPLAN")}
    strays = [entry for entry in doses if not known & set(entry.referenced("plan"))]
    if not strays or not choice.need_dose:
        return ()
    raise InconsistentCase(
        f"no dose of plan {plan.label or plan.file}: {_listed(strays)} refer to other plans; "
        "choose with --plan or --dose, or use --accept-mismatch"
    )


def _may_share_frame(one: Entry, other: Entry) -> bool:
    return one.patient_id == other.patient_id and (
        not one.frame_uid or not other.frame_uid or one.frame_uid == other.frame_uid
    )


def _structures(
    index: FolderIndex,
    plan: Entry | None,
    doses: Sequence[Entry],
    choice: Choice,
    findings: list[Finding],
) -> Entry:
    """Return the structure set that the plan (or the dose) refers to, else the one of its frame."""
    sets = index.of_kind("RTSTRUCT")
    if not sets:
        raise MissingElement("no RTSTRUCT in the folder; a DVH needs structures")
    named_by = [entry for entry in (plan, *doses) if entry and entry.referenced("structures")]
    for entry in named_by:
        wanted = entry.referenced("structures")
        found = [candidate for candidate in sets if candidate.sop_uid in wanted]
        if len(found) == 1:
            return found[0]
        if len(found) > 1:
            raise AmbiguousSelection(
                f"{entry.file} refers to {len(found)} structure sets: {_listed(found)}; "
                "choose one with --structures (file, label or UID)"
            )
    leader = plan or (doses[0] if doses else None)
    if named_by and not choice.accept_mismatch:
        wanted = named_by[0].referenced("structures")
        raise InconsistentCase(
            f"{named_by[0].file} refers to structure set {wanted[0]}, which is not in the folder; "
            f"there are: {_listed(sets)}; add the file, or choose one with --structures and "
            "--accept-mismatch"
        )
    frame = next((entry.frame_uid for entry in (*doses, plan) if entry and entry.frame_uid), "")
    same = [entry for entry in sets if frame and frame in entry.referenced("frame")]
    if leader is not None:
        same = [entry for entry in same if entry.patient_id == leader.patient_id] or same
    found = same or ([] if frame else list(sets))
    if not found:
        raise InconsistentCase(
            f"no structure set in frame of reference {frame} of the dose; "
            f"there are: {_listed(sets)}"
        )
    if len(found) > 1:
        raise AmbiguousSelection(
            f"{len(found)} structure sets fit: {_listed(found)}; "
            "choose one with --structures (file, label or UID)"
        )
    if leader is not None and not named_by:
        code = "linked-by-frame" if same else "linked-by-presence"
        message = f"{leader.file} names no structure set; {found[0].file} is used"
        findings.append(finding(code, message, found[0].file))
    return found[0]


def _images(
    index: FolderIndex, structures: Entry, doses: Sequence[Entry], findings: list[Finding]
) -> tuple[Entry, ...]:
    """Return the slices of the series that the structure set was drawn on; none is fine."""
    slices = index.of_kind("CT")
    named = structures.referenced("series")
    own = tuple(entry for entry in slices if entry.series_uid in named)
    frame = next((entry.frame_uid for entry in doses if entry.frame_uid), structures.frame_uid)
    in_frame = [entry for entry in own if entry.frame_uid == frame]
    if in_frame:
        own = tuple(in_frame)
    if not own:
        own = tuple(
            entry
            for entry in slices
            if frame and entry.frame_uid == frame and entry.patient_id == structures.patient_id
        )
        if own and len({entry.series_uid for entry in own}) == 1:
            message = "the structure set does not name this image series; it has the same frame"
            findings.append(finding("ct-linked-by-frame", message, own[0].label))
    series = {entry.series_uid for entry in own}
    if len(series) > 1:
        message = f"{len(series)} image series share the frame of reference"
        findings.append(finding("ct-ambiguous", message))
        return ()
    return own


def _check_reference(
    entry: Entry, role: str, other: Entry | None, choice: Choice, findings: list[Finding]
) -> None:
    """Refuse a reference that names another object than the one used."""
    wanted = entry.referenced(role)
    if not wanted or other is None or other.sop_uid in wanted:
        return
    message = f"{entry.file} refers to {role} {wanted[0]}, but {other.file} is {other.sop_uid}"
    if not choice.accept_mismatch:
        raise InconsistentCase(
            f"{message}; choose the object it belongs to, or use --accept-mismatch"
        )
    findings.append(finding("reference-mismatch", message, entry.file))


def _check_patients(entries: Sequence[Entry], choice: Choice, findings: list[Finding]) -> None:
    """Refuse objects of different patients.

    Only objects of one and the same frame of reference, whose UID is unique in the world, may be
    accepted under two PatientIDs (a renamed phantom).
    """
    by_id: dict[str, Entry] = {}
    for entry in entries:
        by_id.setdefault(entry.patient_id, entry)
    known = {patient: entry for patient, entry in by_id.items() if patient}
    if len(known) > 1:
        listed = ", ".join(f"{entry.file} is of {patient!r}" for patient, entry in known.items())
        frames = {entry.frame_uid for entry in entries}
        if not (choice.accept_mismatch and len(frames) == 1 and "" not in frames):
            raise InconsistentCase(f"different patients: {listed}; PatientID must be the same")
        findings.append(finding("patient-mismatch", f"different patients: {listed}"))
    if known and "" in by_id:
        message = "PatientID is empty; that it is the same patient is unproven"
        findings.append(finding("patient-id-missing", message, by_id[""].file))


def _check_frames(structures: Entry, doses: Sequence[Entry], findings: list[Finding]) -> None:
    """Refuse a dose and structures that share no frame of reference."""
    frames = structures.referenced("frame")
    for entry in doses:
        if not entry.frame_uid:
            message = "FrameOfReferenceUID is absent; the frame of the structures is assumed"
            findings.append(finding("frame-unknown", message, entry.file))
        elif frames and entry.frame_uid not in frames:
            raise InconsistentCase(
                f"{entry.file} is in frame of reference {entry.frame_uid}, {structures.file} in "
                f"{', '.join(frames)}; a registration (REG) would be needed"
            )


def _no_dose(index: FolderIndex, plan: Entry | None) -> MissingElement:
    of_plan = f" of plan {plan.label or plan.file}" if plan else ""
    there = ", ".join(sorted({entry.kind for entry in index.entries})) or "no DICOM objects"
    return MissingElement(f"no RTDOSE{of_plan} in the folder (there: {there}); a DVH needs a dose")
