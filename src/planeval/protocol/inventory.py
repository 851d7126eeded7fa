"""What a record says of the case itself: plans, dose, prescriptions, structures, points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import PureWindowsPath

from planeval.case import Case
from planeval.metrics import grammar
from planeval.model import Dose, Metric, Plan, Prescription, Source, Structure, TpsDvh, Value
from planeval.model.record import (
    Conversion,
    DoseSummary,
    PlanSummary,
    PointRow,
    PrescriptionRow,
    Provenance,
    StructureRow,
    TpsRow,
)
from planeval.protocol.measuring import Measurer
from planeval.units import Unit

__all__ = [
    "conversions",
    "dose_summary",
    "plan_summary",
    "point_rows",
    "prescription_rows",
    "provenance",
    "structure_rows",
    "tps_rows",
]

_VOLUME, _OUTSIDE, _MIN, _MEAN, _MAX, _D50 = (
    grammar.parse(text)
    for text in (
        "Volume[cc]", "OutsideDoseGrid[cc]", "Min[Gy]", "Mean[Gy]", "Max[Gy]", "D50%[Gy]",
    )
)  # fmt: skip


def plan_summary(plan: Plan) -> PlanSummary:
    """Return what identifies a plan."""
    return PlanSummary(
        uid=plan.uid,
        label=plan.label,
        name=plan.name,
        date=plan.date,
        approval=plan.approval,
        intent=plan.intent,
        is_ion=plan.is_ion,
        patient_position=plan.patient_position,
        manufacturer=plan.manufacturer,
        fractions=plan.fractions,
        treatment_beams=len(plan.treatment_beams),
    )


def dose_summary(dose: Dose) -> DoseSummary:
    """Return what was evaluated: the largest voxel only where there is one array to look in."""
    first = dose.terms[0]
    steps = [abs(after - before) for before, after in pairwise(first.grid.offsets_mm)]
    maximum = (
        Value.of(float(first.gy.max()), Unit.GY)
        if len(dose.terms) == 1
        else Value.undefined("the sum of several dose terms has no voxels of its own", Unit.GY)
    )
    return DoseSummary(
        type=dose.type,
        summation=dose.summation,
        uids=dose.sources,
        comment=dose.comment,
        terms=len(dose.terms),
        term_fractions=tuple(term.fractions for term in dose.terms),
        shape=first.grid.shape,
        spacing_mm=(max(steps, default=0.0), first.grid.row_step_mm, first.grid.column_step_mm),
        maximum=maximum,
    )


def conversions(rx: Prescription, alpha_betas: Sequence[float]) -> tuple[Conversion, ...]:
    """Return a prescription as BED and EQD2: BED = D (1 + d / ab), EQD2 = BED / (1 + 2 / ab).

    Empty where the number of fractions is unknown. Plain LQ on the total: no repopulation.

    >>> conversions(Prescription("PTV", 50.0, 5, "USER", "--rx"), [10.0])[0]
    Conversion(quantity='BED', alpha_beta_gy=10.0, gy=100.0)
    """
    if rx.fraction_gy is None:
        return ()
    found = []
    for ratio in alpha_betas:
        bed = rx.total_gy * (1 + rx.fraction_gy / ratio)
        found += [Conversion("BED", ratio, bed), Conversion("EQD2", ratio, bed / (1 + 2 / ratio))]
    return tuple(found)


def prescription_rows(
    case: Case, measurer: Measurer, alpha_betas: Sequence[float]
) -> tuple[PrescriptionRow, ...]:
    """Return the prescriptions, each with the D50% of its target."""
    rows = []
    for rx in case.prescriptions:
        solid = case.structures.get(rx.target)
        if solid is not None:
            d50 = measurer.measure_solid(_D50, solid)
        elif rx.target:
            d50 = Value.undefined(f"{rx.target} is not a structure with a volume", Unit.GY)
        else:
            d50 = Value.undefined("the prescription names no target", Unit.GY)
        rows.append(
            PrescriptionRow(
                target=rx.target,
                total_gy=rx.total_gy,
                fractions=rx.fractions,
                fraction_gy=rx.fraction_gy,
                kind=rx.kind,
                origin=rx.origin,
                conversions=conversions(rx, alpha_betas),
                target_d50=d50,
                d50_percent=100 * d50.value / rx.total_gy if d50.is_defined else None,
            )
        )
    return tuple(rows)


def structure_rows(
    case: Case, measurer: Measurer, matched: Mapping[str, Sequence[str]]
) -> tuple[StructureRow, ...]:
    """Return every ROI of the case; ``matched`` is plan name -> what the protocol took it for."""
    rows = [
        _structure_row(solid, measurer, tuple(matched.get(solid.name, ())))
        for solid in case.structures.values()
    ]
    for roi in case.data.unusable.values():
        none = {
            metric: Value.undefined(roi.reason, metric.unit)
            for metric in (_VOLUME, _OUTSIDE, _MIN, _MEAN, _MAX)
        }
        rows.append(
            StructureRow(
                name=roi.name,
                name_in_file=roi.name,
                number=roi.number,
                type=roi.type,
                origin="drawn",
                expression="",
                colour=(128, 128, 128),
                volume=none[_VOLUME],
                outside=none[_OUTSIDE],
                minimum=none[_MIN],
                mean=none[_MEAN],
                maximum=none[_MAX],
                matched=tuple(matched.get(roi.name, ())),
                reason=roi.reason,
            )
        )
    return tuple(rows)


def _structure_row(solid: Structure, measurer: Measurer, matched: tuple[str, ...]) -> StructureRow:
    def ask(metric: Metric) -> Value:
        return measurer.measure_solid(metric, solid)

    mean, maximum = ask(_MEAN), ask(_MAX)
    error = measurer.grid_error(solid) if mean.is_defined and maximum.is_defined else None
    return StructureRow(
        name=solid.name,
        name_in_file=solid.name_in_file or solid.name,
        number=solid.number,
        type=solid.type,
        origin=solid.origin,
        expression=solid.expression,
        colour=solid.colour,
        volume=ask(_VOLUME),
        outside=ask(_OUTSIDE),
        minimum=ask(_MIN),
        mean=mean,
        maximum=maximum,
        matched=matched,
        grid_mean_gy=error.mean_gy if error else None,
        grid_maximum_gy=error.maximum_gy if error else None,
    )


def point_rows(case: Case) -> tuple[PointRow, ...]:
    """Return the points of the case with their dose."""
    rows = []
    for point in case.data.points:
        dose = (
            case.dose_at(*point.position_mm)
            if case.data.dose is not None
            else Value.undefined("the case has no dose", Unit.GY)
        )
        rows.append(PointRow(point.name, point.kind, point.position_mm, dose))
    return tuple(rows)


def tps_rows(case: Case, rows: Sequence[StructureRow]) -> tuple[TpsRow, ...]:
    """Return the planning system's DVH summaries beside ours, by structure name."""
    ours = {row.name: row for row in rows}
    return tuple(_tps_row(dvh, ours.get(dvh.structure)) for dvh in case.data.tps_dvhs)


def _tps_row(dvh: TpsDvh, row: StructureRow | None) -> TpsRow:
    absent = f"{dvh.structure} is not a structure of this case"
    no_gy, no_cc = Value.undefined(absent, Unit.GY), Value.undefined(absent, Unit.CC)
    return TpsRow(
        structure=dvh.structure,
        origin=dvh.origin,
        scale_note=dvh.scale_note,
        volume_cc=float(dvh.volume_cc[0]) if len(dvh.volume_cc) else None,
        minimum_gy=dvh.minimum_gy,
        mean_gy=dvh.mean_gy,
        maximum_gy=dvh.maximum_gy,
        volume=row.volume if row else no_cc,
        minimum=row.minimum if row else no_gy,
        mean=row.mean if row else no_gy,
        maximum=row.maximum if row else no_gy,
    )


def provenance(
    case: Case, protocol_sha256: str, version: str, options: Sequence[tuple[str, str]]
) -> Provenance:
    """Return what the numbers depend on. Files are named without their folders."""
    data = case.data
    dose = data.dose
    return Provenance(
        planeval_version=version,
        protocol_sha256=protocol_sha256,
        method=case.method,
        plan_uids=tuple(plan.uid for plan in data.plans),
        dose_uids=dose.sources if dose else (),
        structure_set_uid=_uid_of(data.sources, "RTSTRUCT"),
        image_series_uid=data.image.series_uid if data.image else "",
        study_uid=data.identity.study_uid,
        frame_uid=data.frame_uid,
        sources=tuple(
            Source(
                kind=source.kind,
                file=PureWindowsPath(source.file).name,
                uid=source.uid,
                digest=source.digest,
                label=source.label,
                date=source.date,
                manufacturer=source.manufacturer,
            )
            for source in sorted(data.sources, key=lambda each: (each.kind, each.uid))
        ),
        options=tuple(options),
    )


def _uid_of(sources: Sequence[Source], kind: str) -> str:
    """Return the UID of the only source of a kind."""
    uids = [source.uid for source in sources if source.kind == kind]
    return uids[0] if len(uids) == 1 else ""
