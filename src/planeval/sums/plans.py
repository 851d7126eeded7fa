"""Plan sums: several cases of one patient as one case that keeps every physical dose.

The first case leads: its frame of reference, its structures, its image. Doses of another frame are
moved by a rigid registration. What each plan was prescribed stays a prescription of its own, except
that plans with the same target add up to one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

from planeval.case import Case
from planeval.dose.field import DoseField
from planeval.dose.summation import moved, sum_of_doses
from planeval.errors import GeometryError, InconsistentCase
from planeval.geometry.stack import AXIAL
from planeval.model import (
    CaseData,
    Dose,
    Finding,
    PointOfInterest,
    Prescription,
    Registration,
    Rx,
    Severity,
    Source,
    Structure,
)
from planeval.sums.frames import (
    check_patients,
    moved_finding,
    registration_between,
    registrations_of,
)
from planeval.sums.parts import dose_of, label

__all__ = ["plan_sum"]

VOLUME_SHARE = 0.01
"""Structures of one name in two structure sets whose volumes differ by more are named."""


def plan_sum(
    cases: Sequence[Case],
    *,
    registrations: Sequence[Registration | str | Path] = (),
    rx: Rx | Mapping[str, Rx] | None = None,
    allow_effective: bool = False,
    registration_mm: float = 2.0,
) -> Case:
    """Return the sum of two or more cases of one patient, in the frame of the first.

    ``registrations`` are read objects, REG files, or folders that hold some. ``rx`` states the
    prescriptions of the sum and replaces the plans' own. ``registration_mm`` is how far a registered
    dose may be off: it widens every dose band of the sum by a shift of the moved doses along each
    patient axis.

    Raises:
        InconsistentCase: another patient, a case without dose, a plan that is there twice, frames
            without a registration between them, PHYSICAL and EFFECTIVE doses (unless
            ``allow_effective``), doses that do not overlap.
        AmbiguousSelection: two registrations that differ by more than 1 mm inside the body.
        UnsupportedData: a MULTI_PLAN dose, whose parts are unknown; a registration that is not rigid.
    """
    if len(cases) < 2:
        raise ValueError(f"a plan sum needs at least two cases; {len(cases)} given")
    if not 0 <= registration_mm <= 100:
        raise ValueError(f"registration_mm is {registration_mm}; need 0 to 100 mm")
    first, *others = cases
    doses = [dose_of(case) for case in cases]
    _check_methods(cases)
    findings = [*_patient_findings(cases)]
    _check_plans(cases)
    known, refused = registrations_of(registrations)
    check_patients(known, first)
    used: list[Registration] = []
    for number, case in enumerate(others, start=1):
        registration = registration_between(first, case, known, refused=refused, findings=findings)
        if registration is not None:
            used.append(registration)
            doses[number] = moved(doses[number], registration.matrix)
            findings.append(moved_finding(case, registration, registration_mm))
    dose = sum_of_doses(doses, allow_effective=allow_effective)
    _check_overlap(dose)
    data = _together(cases, dose, _by_case(first, others, used))
    findings = [*data.findings, *findings, *_structure_findings(cases)]
    prescriptions = data.prescriptions if rx is None else tuple(_stated(rx))
    return Case(
        replace(
            data,
            prescriptions=prescriptions,
            findings=tuple(findings),
            registrations=tuple(used),
            registration_mm=registration_mm if used else 0.0,
            sources=(*data.sources, *_registration_sources(used)),
        ),
        first.method,
    )


def _check_methods(cases: Sequence[Case]) -> None:
    if len({case.method for case in cases}) > 1:
        raise ValueError("the cases were loaded with different methods; load them with one")


def _patient_findings(cases: Sequence[Case]) -> Iterator[Finding]:
    """Refuse different patients; yield what leaves the identity in doubt."""
    ids = {case.patient_id for case in cases}
    if len(ids - {""}) > 1:
        raise InconsistentCase(
            f"different patients: {', '.join(sorted(map(repr, ids)))}; a sum needs one PatientID"
        )
    if "" in ids:
        yield Finding(
            "patient-id-missing", Severity.WARNING,
            "PatientID is empty in one of the summed cases; that it is the same patient is unproven",
        )  # fmt: skip
    births = {case.data.identity.birth_date for case in cases} - {""}
    if len(births) > 1:
        yield Finding(
            "patient-birth-date", Severity.ERROR,
            "the summed cases have one PatientID and different birth dates: check that they belong "
            "to one patient",
        )  # fmt: skip


def _check_plans(cases: Sequence[Case]) -> None:
    """Refuse a plan or a dose that is there twice."""
    for one, other in combinations(cases, 2):
        plans = {plan.uid for plan in one.plans} & {plan.uid for plan in other.plans}
        doses = set(dose_of(one).sources) & set(dose_of(other).sources)
        if plans - {""} or doses - {""}:
            raise InconsistentCase(
                f"{label(one)} is there twice (the same plan or dose UID): its dose would count twice"
            )


def _check_overlap(dose: Dose) -> None:
    try:
        DoseField(dose, AXIAL)
    except GeometryError as error:
        raise InconsistentCase(
            f"the doses cannot be added: {error}; check the frames of reference and registrations"
        ) from error


def _by_case(
    first: Case, others: Sequence[Case], used: Sequence[Registration]
) -> list[Registration | None]:
    """Return the registration of every case, None where it shares the first one's frame."""
    waiting = list(used)
    return [
        None,
        *(None if c.data.frame_uid == first.data.frame_uid else waiting.pop(0) for c in others),
    ]


def _together(
    cases: Sequence[Case], dose: Dose, registrations: Sequence[Registration | None]
) -> CaseData:
    """Return the data of the sum: the first case's, with what the others add to it."""
    first = cases[0].data
    structures: dict[str, Structure] = dict(first.structures)
    unusable = dict(first.unusable)
    points: dict[tuple[str, str], PointOfInterest] = {}
    for case, registration in zip(cases, registrations, strict=True):
        for point in case.points:
            moved_point = point
            if registration is not None:
                x, y, z = registration.apply(point.position_mm)[0].tolist()
                moved_point = replace(point, position_mm=(x, y, z))
            points.setdefault((point.kind, f"{point.name} {moved_point.position_mm}"), moved_point)
        if registration is None:
            for name, structure in case.structures.items():
                if name not in unusable:
                    structures.setdefault(name, structure)
            for name, reason in case.data.unusable.items():
                if name not in structures:
                    unusable.setdefault(name, reason)
    return replace(
        first,
        structures=structures,
        unusable=unusable,
        dose=dose,
        plans=tuple(plan for case in cases for plan in case.plans),
        prescriptions=_prescriptions(cases, structures),
        points=tuple(points.values()),
        tps_dvhs=(),
        tps_unread=(),
        headers=(),
        sources=_unique_sources(cases),
        findings=tuple(dict.fromkeys(each for case in cases for each in case.findings)),
    )


def _unique_sources(cases: Sequence[Case]) -> tuple[Source, ...]:
    return tuple(dict.fromkeys(source for case in cases for source in case.data.sources))


def _registration_sources(used: Sequence[Registration]) -> Iterator[Source]:
    for each in used:
        if each.uid:
            yield Source("REG", each.file, each.uid, each.digest, each.comment, each.date)


def _prescriptions(
    cases: Sequence[Case], structures: Mapping[str, Any]
) -> tuple[Prescription, ...]:
    """Return every plan's prescriptions; those of several plans to one drawn target add up."""
    found: dict[tuple[str, int], list[tuple[Case, Prescription]]] = {}
    for number, case in enumerate(cases):
        for nth, rx in enumerate(case.prescriptions):
            shared = rx.target in structures and [p.target for p in case.prescriptions].count(
                rx.target
            ) == 1  # fmt: skip
            key = (rx.target, -1) if shared else (rx.target, 1000 * number + nth)
            found.setdefault(key, []).append((case, rx))
    return tuple(_added(parts) for parts in found.values())


def _added(parts: Sequence[tuple[Case, Prescription]]) -> Prescription:
    """Return one prescription for a target, with its plans in the origin."""
    origins = [f"{rx.origin} of {label(case)}" for case, rx in parts]
    first = parts[0][1]
    if len(parts) == 1:
        return replace(first, origin=origins[0])
    counts = [rx.fractions for _, rx in parts]
    doses = {rx.fraction_gy for _, rx in parts}
    same = len(doses) == 1 and None not in doses
    listed = " + ".join(
        f"{rx.total_gy:g} Gy ({origin})" for (_, rx), origin in zip(parts, origins, strict=True)
    )
    return Prescription(
        first.target,
        sum(rx.total_gy for _, rx in parts),
        sum(count for count in counts if count is not None) if same else None,
        "SUM",
        listed,
    )


def _stated(rx: Rx | Mapping[str, Rx]) -> Iterator[Prescription]:
    for target, given in ({"": rx} if isinstance(rx, Rx) else dict(rx)).items():
        yield Prescription(target, given.total_gy, given.fractions, "USER", "stated for the sum")


def _structure_findings(cases: Sequence[Case]) -> Iterator[Finding]:
    """Yield structures that the others draw differently, and those that stay behind."""
    first = cases[0]
    for case in cases[1:]:
        if case.data.frame_uid != first.data.frame_uid:
            yield Finding(
                "structures-not-moved", Severity.INFO,
                f"the structures of {label(case)} lie in another frame and are not part of the sum; "
                f"those of {label(first)} are",
            )  # fmt: skip
            continue
        for name in first.structures.keys() & case.structures.keys():
            one, other = first.structures[name].volume_cc, case.structures[name].volume_cc
            if abs(one - other) > VOLUME_SHARE * max(one, other):
                yield Finding(
                    "structure-differs", Severity.WARNING,
                    f"{one:.2f} cc in {label(first)}, which is used, and {other:.2f} cc in "
                    f"{label(case)}",
                    name,
                )  # fmt: skip
