"""From an index to the data of one case: everything linked, verified, read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from planeval.dicom.codes import finding
from planeval.dicom.ct import build_image
from planeval.dicom.dose_set import LoadedDose, choose_doses, load_dose
from planeval.dicom.files import DicomFile, open_file
from planeval.dicom.headers import listed_header, object_header
from planeval.dicom.index import Entry, FolderIndex
from planeval.dicom.rtdose import RelativeScale
from planeval.dicom.rtplan import read_plan
from planeval.dicom.rtstruct import referenced_images, structures_begun
from planeval.dicom.selection import Choice, Selection, select
from planeval.dicom.tps_dvh import read_tps_dvhs
from planeval.errors import InconsistentCase
from planeval.model import (
    CaseData,
    Dose,
    Finding,
    Identity,
    Image,
    Method,
    ObjectHeader,
    Plan,
    PointOfInterest,
    Prescription,
    Rx,
    Source,
    StructureSet,
    TpsDvh,
    UnreadDvh,
)
from planeval.side_by_side import in_threads

__all__ = ["read_case"]

Selector = str | Path | None


def read_case(
    index: FolderIndex,
    *,
    plan: Selector = None,
    structures: Selector = None,
    dose: Selector = None,
    rx: Rx | Mapping[str, Rx] | None = None,
    need_dose: bool = True,
    method: Method | None = None,
    accept_mismatch: bool = False,
    relative_reference_gy: float | None = None,
    relative_scale: float | None = None,
) -> CaseData:
    """Read one case. ``plan``, ``structures``, ``dose`` select by UID, label or path.

    ``rx`` replaces the plan's prescriptions: one for the whole plan, or one per target name.
    ``relative_reference_gy`` and ``relative_scale`` (1 or 100) are needed for a RELATIVE dose.

    Raises :class:`~planeval.errors.DataError` where there is no honest answer: two possible
    selections, objects that contradict each other, files that cannot be read.
    """
    choice = Choice(
        plan=_text(plan),
        structures=_text(structures),
        dose=_text(dose),
        need_dose=need_dose,
        accept_mismatch=accept_mismatch,
    )
    findings = list(index.findings)
    found = select(index, choice, findings)
    structure_file = open_file(found.structures.path, found.structures.file)
    image = _image(found, structure_file, findings)
    frame = next((entry.frame_uid for entry in found.doses if entry.frame_uid), "")
    with structures_begun(
        structure_file, frame_uid=frame, image=image.grid if image else None, method=method
    ) as reading:
        names = _by_number(reading.names)
        further: list[Finding] = []
        plan_file = open_file(found.plan.path, found.plan.file) if found.plan else None
        the_plan = read_plan(plan_file, names, further) if plan_file else None
        prescriptions = _prescriptions(the_plan, rx, {name for _, name in reading.names}, further)
        relative = _relative(relative_reference_gy, relative_scale)
        loaded = None
        if found.doses:
            picked = choose_doses(found.doses, the_plan, further, accept_mismatch=accept_mismatch)
            loaded = load_dose(
                picked,
                the_plan,
                further,
                relative=relative,
                reference_gy=max((p.total_gy for p in prescriptions), default=None),
            )
        structure_set = reading.finish()
    findings += [*structure_set.findings, *further]
    the_dose = loaded.dose if loaded else None
    if the_dose is not None and the_plan is None:
        the_dose = _with_stated_fractions(the_dose, prescriptions)
    files = [structure_file, *([plan_file] if plan_file else []), *(loaded.files if loaded else ())]
    dvhs, unread = _tps_dvhs(
        loaded,
        structure_file,
        structure_set,
        names,
        findings,
        prescriptions=prescriptions,
        relative=relative,
    )
    _report_text(files, findings)
    return CaseData(
        identity=_identity(structure_file, found.structures),
        structures={structure.name: structure for structure in structure_set.structures},
        dose=the_dose,
        image=image,
        plans=(the_plan,) if the_plan else (),
        prescriptions=prescriptions,
        unusable={unusable.name: unusable for unusable in structure_set.unusable},
        points=(*structure_set.points, *_plan_points(the_plan)),
        tps_dvhs=dvhs,
        tps_unread=unread,
        sources=_sources(files, found, image),
        findings=tuple(findings),
        frame_uid=frame or structure_set.frame_uid,
        structure_set_label=structure_set.label,
        structure_set_date=structure_set.date,
        headers=_headers(files, found, image),
    )


def _text(selector: Selector) -> str:
    return "" if selector is None else str(selector)


def _relative(reference_gy: float | None, scale: float | None) -> RelativeScale | None:
    if reference_gy is None and scale is None:
        return None
    if reference_gy is None or scale is None:
        raise ValueError("relative_reference_gy and relative_scale are needed together")
    return RelativeScale(reference_gy, scale)


def _image(found: Selection, structure_file: DicomFile, findings: list[Finding]) -> Image | None:
    if not found.images:
        return None
    return build_image(found.images, referenced_images(structure_file), findings)


def _by_number(names: Iterable[tuple[int | None, str]]) -> dict[int, str]:
    """Map ROI numbers to unique names, without the numbers that stand for several ROIs."""
    named = [(number, name) for number, name in names if number is not None]
    counts = Counter(number for number, _ in named)
    return {number: name for number, name in named if counts[number] == 1}


def _prescriptions(
    plan: Plan | None,
    rx: Rx | Mapping[str, Rx] | None,
    known: Collection[str],
    findings: list[Finding],
) -> tuple[Prescription, ...]:
    """Return the user's prescriptions if there are any, else the plan's.

    ``known`` are the names that a target may have.
    """
    stated = plan.prescriptions if plan else ()
    if rx is None:
        return stated
    by_target = {"": rx} if isinstance(rx, Rx) else dict(rx)
    found = []
    for target, given in by_target.items():
        if target and target not in known:
            message = f"prescription to {target!r}, which the structure set does not have"
            findings.append(finding("prescription-unknown-target", message, target))
        fractions = _user_fractions(given, plan)
        found.append(Prescription(target, given.total_gy, fractions, "USER", "command line / API"))
    if stated and {p.total_gy for p in stated} != {p.total_gy for p in found}:
        levels = ", ".join(f"{p.total_gy:g} Gy to {p.target or 'the plan'}" for p in stated)
        message = f"the user's prescription replaces the plan's: {levels}"
        findings.append(finding("prescription-replaced", message, plan.label if plan else ""))
    return tuple(found)


def _user_fractions(given: Rx, plan: Plan | None) -> int | None:
    """Return the fractions of a user's prescription; the plan's must not contradict."""
    planned = plan.fractions if plan else None
    if given.fractions is not None and planned is not None and given.fractions != planned:
        raise InconsistentCase(
            f"{given.fractions} fractions were given, but plan {plan.label if plan else ''} is "
            f"planned for {planned} (NumberOfFractionsPlanned); leave --fx away or choose the plan"
        )
    return given.fractions if given.fractions is not None else planned


def _with_stated_fractions(dose: Dose, prescriptions: Sequence[Prescription]) -> Dose:
    """Return a PLAN dose without an RTPLAN with the fractions that the user states for it."""
    stated = {rx.fractions for rx in prescriptions}
    if dose.summation != "PLAN" or len(stated) != 1:
        return dose
    fractions = stated.pop()
    return replace(dose, terms=tuple(replace(term, fractions=fractions) for term in dose.terms))


def _tps_dvhs(
    loaded: LoadedDose | None,
    structure_file: DicomFile,
    structure_set: StructureSet,
    names: dict[int, str],
    findings: list[Finding],
    *,
    prescriptions: Sequence[Prescription],
    relative: RelativeScale | None,
) -> tuple[tuple[TpsDvh, ...], tuple[UnreadDvh, ...]]:
    """Read the DVHs that came with the doses, of whatever structure set they name."""
    if loaded is None:
        return (), ()
    highest = max(float(term.gy.max()) for term in loaded.dose.terms)
    references = sorted({p.total_gy for p in prescriptions}, reverse=True)
    found: list[TpsDvh] = []
    unread: list[UnreadDvh] = []
    for file in loaded.files:
        if not file.root.has("DVHSequence"):
            continue
        first = file.root.first("ReferencedStructureSetSequence")
        named = first.text("ReferencedSOPInstanceUID") if first else ""
        same_set = named in ("", structure_file.root.text("SOPInstanceUID"))
        volumes = {s.name: s.volume_cc for s in structure_set.structures} if same_set else {}
        more, without = read_tps_dvhs(
            file.root,
            findings,
            names=names if same_set else {},
            volumes_cc=volumes,
            references_gy=references,
            highest_gy=highest,
            relative=relative,
        )
        found += more
        unread += without
    if len(loaded.files) > 1 and found:
        reason = f"it is of one of the {len(loaded.files)} doses that are added up here"
        findings.append(finding("tps-dvh-skipped", f"{len(found)} DVHs: {reason}"))
        unread += [UnreadDvh(each.structure, each.origin, reason) for each in found]
        found = []
    return tuple(found), tuple(unread)


def _plan_points(plan: Plan | None) -> list[PointOfInterest]:
    """List isocentres, each position once, and the coordinates of dose references."""
    if plan is None:
        return []
    points: list[PointOfInterest] = []
    for beam in plan.beams:
        position = beam.isocentre_mm
        if position is not None and position not in [point.position_mm for point in points]:
            name = f"Isocentre {beam.name}".strip()
            points.append(PointOfInterest(name, "ISOCENTRE", position))
    points.extend(
        PointOfInterest(name, "DOSE_REFERENCE", position)
        for name, position in plan.reference_points
    )
    return points


def _identity(file: DicomFile, entry: Entry) -> Identity:
    root = file.root
    return Identity(
        patient_id=entry.patient_id,
        patient_name=root.text("PatientName"),
        birth_date=root.text("PatientBirthDate"),
        sex=root.text("PatientSex"),
        study_uid=entry.study_uid,
        study_date=root.text("StudyDate"),
    )


def _headers(
    files: Sequence[DicomFile], found: Selection, image: Image | None
) -> tuple[ObjectHeader, ...]:
    """List the headers of the objects used, the image series last."""
    entries = _entries(found)
    headers = [object_header(file.root, entries[file.name]) for file in files]
    if image is not None:
        headers.append(listed_header(min(found.images, key=lambda entry: entry.file)))
    return tuple(headers)


def _entries(found: Selection) -> dict[str, Entry]:
    """Return the selected objects by file name."""
    return {entry.file: entry for entry in (found.structures, found.plan, *found.doses) if entry}


def _sources(
    files: Sequence[DicomFile], found: Selection, image: Image | None
) -> tuple[Source, ...]:
    """List every file read with its digest, and the image series with its geometry digest."""
    entries = _entries(found)
    sources = [
        Source(
            kind=entries[file.name].kind,
            file=file.name,
            uid=file.root.text("SOPInstanceUID"),
            digest=digest,
            label=entries[file.name].label,
            date=entries[file.name].date,
            manufacturer=entries[file.name].manufacturer,
        )
        for file, digest in zip(files, in_threads(DicomFile.digest, files), strict=True)
    ]
    if image is not None:
        first = min(found.images, key=lambda entry: entry.file)
        sources.append(
            Source(
                kind="CT",
                file=first.file,
                uid=image.series_uid,
                digest=image.digest,
                label=f"{first.label} ({len(image.paths)} slices)".strip(),
                date=first.date,
                manufacturer=first.manufacturer,
            )
        )
    return tuple(sources)


def _report_text(files: Sequence[DicomFile], findings: list[Finding]) -> None:
    """Report text whose characters are in doubt, once per file."""
    for file in files:
        problems = file.root.problems
        if problems.undeclared:
            listed = ", ".join(sorted(set(problems.undeclared)))
            message = f"text beyond ASCII without a known SpecificCharacterSet ({listed})"
            findings.append(finding("text-undeclared", message, file.name))
        if problems.undecodable:
            listed = ", ".join(sorted(set(problems.undecodable)))
            message = f"text that does not fit its declared character set ({listed})"
            findings.append(finding("text-undecodable", message, file.name))
