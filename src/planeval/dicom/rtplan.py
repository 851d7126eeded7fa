"""RTPLAN and RT Ion Plan: what was ordered and how it is delivered (PS3.3 C.8.8.10 to C.8.8.14).

Prescriptions are the TARGET dose references with a TargetPrescriptionDose, to an ROI (VOLUME) or a
SITE. Nothing is derived from the dose, from beam doses or from points.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from planeval.dicom.codes import finding
from planeval.dicom.elements import Item
from planeval.dicom.files import DicomFile
from planeval.model import Beam, BeamDose, Finding, FractionGroup, Plan, Prescription

__all__ = ["read_plan"]

ION_CLASS = "1.2.840.10008.5.1.4.1.1.481.8"


def read_plan(file: DicomFile, roi_names: Mapping[int, str], findings: list[Finding]) -> Plan:
    """Read a plan; ``roi_names`` gives the structure set's unique names by ROI number."""
    root = file.root
    is_ion = root.text("SOPClassUID") == ION_CLASS
    groups = root.items("FractionGroupSequence")
    fraction_groups = tuple(_fraction_group(group) for group in groups)
    label = root.text("RTPlanLabel")
    where = label or file.name
    _report_groups(fraction_groups, where, findings)
    approval = root.text("ApprovalStatus")
    if approval != "APPROVED":
        message = f"ApprovalStatus is {approval or 'not stated'}"
        findings.append(finding("plan-not-approved", message, where))
    setup = root.first("PatientSetupSequence")
    return Plan(
        uid=root.text("SOPInstanceUID"),
        label=label,
        name=root.text("RTPlanName"),
        date=root.text("RTPlanDate"),
        approval=approval,
        intent=root.text("PlanIntent"),
        is_ion=is_ion,
        patient_position=setup.text("PatientPosition") if setup else "",
        manufacturer=root.text("Manufacturer"),
        structure_set_uid=_first_reference(root, "ReferencedStructureSetSequence"),
        dose_uids=tuple(
            item.text("ReferencedSOPInstanceUID") for item in root.items("ReferencedDoseSequence")
        ),
        fraction_groups=fraction_groups,
        beams=_beams(root, groups, is_ion=is_ion),
        prescriptions=_prescriptions(root, groups, roi_names, findings),
        reference_points=_reference_points(root),
    )


def _first_reference(root: Item, keyword: str) -> str:
    first = root.first(keyword)
    return first.text("ReferencedSOPInstanceUID") if first else ""


def _report_groups(groups: tuple[FractionGroup, ...], where: str, findings: list[Finding]) -> None:
    if not groups or any(group.fractions is None for group in groups):
        message = "NumberOfFractionsPlanned (300A,0078) is absent"
        findings.append(finding("fractions-unknown", message, where))
    if len(groups) > 1:
        listed = ", ".join(f"{group.number}: {group.fractions} fractions" for group in groups)
        findings.append(finding("fraction-groups-several", f"fraction groups {listed}", where))


def _fraction_group(group: Item) -> FractionGroup:
    fractions = group.integer("NumberOfFractionsPlanned")
    numbers = [
        beam.integer("ReferencedBeamNumber") for beam in group.items("ReferencedBeamSequence")
    ]
    return FractionGroup(
        number=group.required_integer("FractionGroupNumber"),
        fractions=fractions if fractions and fractions > 0 else None,
        beam_numbers=tuple(number for number in numbers if number is not None),
        beam_doses=tuple(_beam_doses(group)),
        target_doses=tuple(_target_doses(group)),
    )


def _beam_doses(group: Item) -> Iterator[BeamDose]:
    for beam in group.items("ReferencedBeamSequence"):
        number, gy = beam.integer("ReferencedBeamNumber"), beam.number("BeamDose")
        if number is not None and gy is not None:
            yield BeamDose(number, gy, beam.point("BeamDoseSpecificationPoint"))


def _target_doses(group: Item) -> Iterator[tuple[int, float]]:
    for reference in group.items("ReferencedDoseReferenceSequence"):
        number = reference.integer("ReferencedDoseReferenceNumber")
        gy = reference.number("TargetPrescriptionDose")
        if number is not None and gy is not None:
            yield number, gy


def _beams(root: Item, groups: list[Item], *, is_ion: bool) -> tuple[Beam, ...]:
    """List the beams with the meterset that their fraction group gives them."""
    metersets: dict[int | None, float | None] = {}
    for group in groups:
        for reference in group.items("ReferencedBeamSequence"):
            number = reference.integer("ReferencedBeamNumber")
            metersets.setdefault(number, reference.number("BeamMeterset"))
    points = "IonControlPointSequence" if is_ion else "ControlPointSequence"
    beams = []
    for item in root.items("IonBeamSequence" if is_ion else "BeamSequence"):
        number = item.required_integer("BeamNumber")
        first = item.first(points)
        beams.append(
            Beam(
                number=number,
                name=item.text("BeamName") or item.text("BeamDescription"),
                delivery_type=item.text("TreatmentDeliveryType"),
                radiation=item.text("RadiationType"),
                machine=item.text("TreatmentMachineName"),
                meterset=metersets.get(number),
                isocentre_mm=first.point("IsocenterPosition") if first else None,
                technique=item.text("ScanMode") if is_ion else item.text("BeamType"),
                boli=tuple(
                    bolus.integer("ReferencedROINumber")
                    for bolus in item.items("ReferencedBolusSequence")
                ),
            )
        )
    return tuple(beams)


def _prescriptions(
    root: Item, groups: list[Item], roi_names: Mapping[int, str], findings: list[Finding]
) -> tuple[Prescription, ...]:
    found: list[Prescription] = []
    for reference in root.items("DoseReferenceSequence"):
        if reference.text("DoseReferenceType") != "TARGET":
            continue
        kind = reference.text("DoseReferenceStructureType")
        total = reference.number("TargetPrescriptionDose")
        if total is None or kind not in ("VOLUME", "SITE"):
            continue
        description = reference.text("DoseReferenceDescription")
        if not total > 0:
            message = f"TargetPrescriptionDose of {total:g} Gy to {description!r} is left out"
            findings.append(finding("prescription-invalid", message, root.place))
            continue
        number = reference.integer("DoseReferenceNumber")
        target, kind = _target(reference, kind, description, roi_names, findings)
        prescription = Prescription(
            target=target,
            total_gy=total,
            fractions=_fractions_of(number, groups),
            kind=kind,
            origin=f"RTPLAN dose reference {number}",
            reference=number,
        )
        if not any(
            (other.target, other.total_gy, other.kind) == (target, total, kind) for other in found
        ):
            found.append(prescription)
    if not found:
        message = "no TARGET dose reference with a TargetPrescriptionDose to an ROI or a site"
        findings.append(finding("prescription-absent", message, root.place))
    return tuple(found)


def _target(
    reference: Item,
    kind: str,
    description: str,
    roi_names: Mapping[int, str],
    findings: list[Finding],
) -> tuple[str, str]:
    """Return the target's name and the kind: VOLUME needs an ROI that is there."""
    if kind == "SITE":
        return description, kind
    number = reference.integer("ReferencedROINumber")
    if number is None:
        message = f"a VOLUME prescription ({description!r}) names no ROI; taken as a site"
        findings.append(finding("prescription-without-roi", message, reference.place))
        return description, "SITE"
    if number in roi_names:
        return roi_names[number], kind
    message = f"a prescription ({description!r}) names ROI number {number}, which is not there"
    findings.append(finding("prescription-unknown-roi", message, reference.place))
    return description or f"ROI {number}", kind


def _fractions_of(number: int | None, groups: list[Item]) -> int | None:
    """Return the fractions of the only group, or of the only one that serves a dose reference."""
    serving = groups
    if len(groups) > 1:
        serving = [
            group
            for group in groups
            if number
            in [
                item.integer("ReferencedDoseReferenceNumber")
                for item in group.items("ReferencedDoseReferenceSequence")
            ]
        ]
    if len(serving) != 1:
        return None
    fractions = serving[0].integer("NumberOfFractionsPlanned")
    return fractions if fractions and fractions > 0 else None


def _reference_points(root: Item) -> tuple[tuple[str, tuple[float, float, float]], ...]:
    """List the dose references that are coordinates."""
    found = []
    for reference in root.items("DoseReferenceSequence"):
        point = reference.point("DoseReferencePointCoordinates")
        if reference.text("DoseReferenceStructureType") == "COORDINATES" and point is not None:
            number = reference.integer("DoseReferenceNumber")
            name = reference.text("DoseReferenceDescription") or f"dose reference {number}"
            found.append((name, point))
    return tuple(found)
