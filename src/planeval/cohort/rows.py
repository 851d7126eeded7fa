"""An evaluation as rows of the cohort's tables: plain values, numbers to 9 significant digits.

Nothing is computed here but the DVH on the common doses, which is read from the case's own curve.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from planeval.cohort.liver import LiverShares
from planeval.cohort.margin_rows import margin_constraint, margin_lines
from planeval.model import Method, Severity, Status, Value
from planeval.model.plain import plain
from planeval.model.record import EvaluationRecord, PrescriptionRow, StructureRow
from planeval.model.rows import Row, RowGroup
from planeval.pipeline import Evaluation
from planeval.protocol.organs import standard_name
from planeval.report.curves import Curve, curves_of, is_target, volume_percent_at
from planeval.report.levels import LEVEL_METRIC, LEVEL_NOTE

__all__ = ["method_stamp", "rows_of"]

_OLDEST_YEARS = 89
"""Ages above are all given as 90: so few people are older that the age would name them."""

Rows = dict[str, list[dict[str, Any]]]


def rows_of(evaluation: Evaluation, dvh_step_gy: float) -> Rows:
    """Return the rows of one plan by table, without ``case_id`` and ``patient_id``."""
    record, method = evaluation.record, method_stamp(evaluation.record.provenance.method)
    curves = curves_of(evaluation.case, record)
    structures = [_solid(row) for row in record.structures]
    shares = LiverShares(evaluation)
    tables = {
        "cases": [_case(evaluation)],
        "prescriptions": [_prescription(row) for row in record.prescriptions],
        "targets": [
            {
                "target": row.name,
                **solid,
                **_rx_of(row.name, record.prescriptions),
                **shares.of(row.name),
            }
            for row, solid in zip(record.structures, structures, strict=True)
            if is_target(row.name, row.type)
        ],
        "structures": [
            {"plan_name": row.name, **solid, "is_target": is_target(row.name, row.type)}
            for row, solid in zip(record.structures, structures, strict=True)
        ],
        "metrics": [
            {"protocol": record.protocol.id, **line}
            for item in record.rows + record.information
            for line in _metrics(item, "")
        ]
        + [{"protocol": record.protocol.id, **line} for line in _target_values(record)],
        "constraints": [
            {"protocol": record.protocol.id, **line}
            for item in record.rows
            for line in _constraints(item, "")
        ]
        + [{"protocol": record.protocol.id, **margin_constraint(row)} for row in record.margins],
        "margins": [
            {"protocol": record.protocol.id, **line}
            for row in record.margins
            for line in margin_lines(row)
        ],
        "dvh": [line for curve in curves for line in _dvh(curve, record, dvh_step_gy)],
        "matches": _matches(record),
        "findings": [
            {"code": f.code, "severity": f.severity.value, "place": f.where, "message": f.message}
            for f in record.findings
        ],
    }
    for name in ("targets", "structures", "metrics", "constraints", "margins", "dvh"):
        for line in tables[name]:
            line["method"] = method
    return {name: [_plain(row) for row in rows] for name, rows in tables.items()}


def method_stamp(method: Method) -> str:
    """Return every numerical choice in one word.

    >>> method_stamp(Method())
    'caps=half;between=prism;lattice_cells=10000'
    """
    return ";".join(f"{name}={value}" for name, value in method.to_dict().items())


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as JSON data in which an empty text is nothing."""
    return {name: None if value == "" else plain(value) for name, value in row.items()}


def _case(evaluation: Evaluation) -> dict[str, Any]:
    record = evaluation.record
    plan = record.plans[0] if record.plans else None
    image = evaluation.case.data.image
    highest = max(record.prescriptions, key=lambda rx: rx.total_gy, default=None)
    of_plan = (
        {
            "plan_label": plan.label, "plan_name": plan.name, "plan_date": plan.date,
            "approval": plan.approval, "intent": plan.intent, "is_ion": plan.is_ion,
            "patient_position": plan.patient_position, "manufacturer": plan.manufacturer,
            "treatment_beams": plan.treatment_beams,
        }
        if plan
        else {}
    )  # fmt: skip
    return {
        **of_plan,
        "plan_uid": " ".join(record.provenance.plan_uids),
        "dose_uids": " ".join(record.provenance.dose_uids),
        "structure_set_uid": record.provenance.structure_set_uid,
        "study_uid": record.provenance.study_uid,
        "frame_uid": record.provenance.frame_uid,
        "study_date": record.identity.study_date,
        "structure_set_label": record.structure_set_label,
        "structure_set_date": record.structure_set_date,
        "sex": record.identity.sex,
        "age_years": _age(record.identity.birth_date, record.identity.study_date),
        "dose_origin": "planned",
        **_dose(record),
        "image_slices": len(image.paths) if image else 0,
        "prescriptions": len(record.prescriptions),
        "rx_gy": highest.total_gy if highest else None,
        "rx_fractions": highest.fractions if highest else None,
        "rx_fraction_gy": highest.fraction_gy if highest else None,
        **_verdict(record),
        "structures": len(record.structures),
        "findings_error": _count(record, Severity.ERROR),
        "findings_warning": _count(record, Severity.WARNING),
        "method": method_stamp(record.provenance.method),
        "planeval": record.provenance.planeval_version,
    }


def _dose(record: EvaluationRecord) -> dict[str, Any]:
    dose = record.dose
    if dose is None:
        return {}
    return {
        "dose_type": dose.type,
        "dose_summation": dose.summation,
        "dose_terms": dose.terms,
        "dose_max_gy": dose.maximum.number,
        "dose_spacing_k_mm": dose.spacing_mm[0],
        "dose_spacing_j_mm": dose.spacing_mm[1],
        "dose_spacing_i_mm": dose.spacing_mm[2],
    }


def _verdict(record: EvaluationRecord) -> dict[str, Any]:
    counted = [count for count in record.counts if count.kind.is_counted]
    tally = {
        f"counted_{status.value.lower()}": sum(count.count(status) for count in counted)
        for status in Status
    }
    applies = record.protocol.applies
    return {
        "protocol": record.protocol.id,
        "protocol_version": record.protocol.version,
        "protocol_sha256": record.protocol.sha256,
        "protocol_applies": applies.status.value,
        "protocol_applies_reason": applies.reason,
        "verdict": record.verdict.value,
        "summary": record.summary,
        **tally,
        "near_limits": sum(
            bool(item.outcome and item.outcome.near_limit and item.is_counted)
            for item in (*record.rows, *record.margins)
        ),
    }


def _count(record: EvaluationRecord, severity: Severity) -> int:
    return sum(finding.severity is severity for finding in record.findings)


def _age(birth: str, study: str) -> int | None:
    """Return the whole years between two DICOM dates, at most 90; None where one is unknown."""
    if not (len(birth) == len(study) == 8 and birth.isdecimal() and study.isdecimal()):
        return None
    years = int(study[:4]) - int(birth[:4]) - (study[4:] < birth[4:])
    return min(years, _OLDEST_YEARS + 1) if years >= 0 else None


def _prescription(row: PrescriptionRow) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for conversion in row.conversions:
        name = conversion.quantity.lower()
        found.setdefault(f"{name}_gy", conversion.gy)
        found.setdefault(f"{name}_alpha_beta_gy", conversion.alpha_beta_gy)
    return {
        "target": row.target,
        "kind": row.kind,
        "origin": row.origin,
        "total_gy": row.total_gy,
        "fractions": row.fractions,
        "fraction_gy": row.fraction_gy,
        **found,
        "target_d50_gy": row.target_d50.number,
        "d50_percent": row.d50_percent,
        "reason": row.target_d50.reason,
    }


def _rx_of(name: str, prescriptions: Sequence[PrescriptionRow]) -> dict[str, Any]:
    """Return the highest prescription to a target itself."""
    own = [rx for rx in prescriptions if rx.target == name]
    best = max(own, key=lambda rx: rx.total_gy, default=None)
    return {
        "rx_gy": best.total_gy if best else None,
        "rx_fractions": best.fractions if best else None,
    }


def _solid(row: StructureRow) -> dict[str, Any]:
    """Return what the tables of targets and of structures share."""
    return {
        "type": row.type,
        "matched": " | ".join(row.matched),
        "origin": row.origin,
        "volume_cc": row.volume.number,
        "volume_low_cc": _low(row.volume),
        "volume_high_cc": _high(row.volume),
        "outside_cc": row.outside.number,
        "min_gy": row.minimum.number,
        "mean_gy": row.mean.number,
        "mean_low_gy": _low(row.mean),
        "mean_high_gy": _high(row.mean),
        "max_gy": row.maximum.number,
        "max_low_gy": _low(row.maximum),
        "max_high_gy": _high(row.maximum),
        "reason": row.reason or row.volume.reason or row.mean.reason,
    }


def _low(value: Value) -> float | None:
    return value.low if value.is_defined else None


def _high(value: Value) -> float | None:
    return value.high if value.is_defined else None


def _value(value: Value) -> dict[str, Any]:
    possible = value.possible or (None, None)
    return {
        "value": value.number,
        "unit": value.unit.value,
        "low": _low(value),
        "high": _high(value),
        "possible_low": possible[0],
        "possible_high": possible[1],
        "reason": value.reason,
    }


def _outcome(item: Row | RowGroup) -> dict[str, Any]:
    if item.outcome is None:
        return {}
    return {
        "outcome": item.outcome.status.value,
        "near_limit": item.outcome.near_limit,
        "outcome_reason": item.outcome.reason,
    }


def _metrics(item: Row | RowGroup, group_id: str) -> Iterator[dict[str, Any]]:
    """Yield one line per value: rows, and the companions printed beside them."""
    if isinstance(item, RowGroup):
        for member in item.members:
            yield from _metrics(member, item.id)
        return
    base = {
        "row_id": item.id,
        "group_id": group_id,
        "kind": item.kind.value,
        "structure": item.structure,
        "plan_name": item.match.name_in_plan,
        "match": item.match.kind.value,
        "source": item.source,
    }
    yield {
        **base,
        "metric": item.metric,
        **_value(item.value),
        **_outcome(item),
        "rx_gy": item.rx_gy,
        "notes": " | ".join((*item.value.notes, *item.notes)),
    }
    for companion in item.companions:
        yield {
            **base,
            "metric": companion.metric,
            **_value(companion.value),
            "beside": item.metric,
            "notes": companion.note,
        }
    if item.level_choice is not None:
        level = item.level_choice.level
        yield {
            **base,
            "metric": LEVEL_METRIC,
            **_value(level),
            "beside": item.metric,
            "rx_gy": item.level_choice.from_gy,
            "notes": " | ".join((LEVEL_NOTE, *level.notes)),
        }


def _target_values(record: EvaluationRecord) -> Iterator[dict[str, Any]]:
    """Yield coverage and indices of every target, which no row asks for and nobody judges."""
    for target in record.targets:
        for each in (*target.coverage, *target.indices):
            yield {
                "row_id": f"target {each.metric}",
                "kind": "target",
                "structure": target.name,
                "plan_name": target.name,
                "metric": each.metric,
                **_value(each.value),
                "rx_gy": target.rx_gy,
                "notes": " | ".join(each.value.notes),
            }


def _constraints(item: Row | RowGroup, group_id: str) -> Iterator[dict[str, Any]]:
    """Yield one line per judged or reference row, and one per group before its members."""
    base = {
        "row_id": item.id,
        "group_id": group_id,
        "kind": item.kind.value,
        "is_counted": item.is_counted,
        "source": item.source,
        **_outcome(item),
    }
    if isinstance(item, RowGroup):
        yield {**base, "mode": item.mode.value}
        for member in item.members:
            yield from _constraints(member, item.id)
        return
    yield {
        **base,
        "structure": item.structure,
        "plan_name": item.match.name_in_plan,
        "metric": item.metric,
        **_value(item.value),
        "per_protocol": item.per_protocol.text if item.per_protocol else None,
        "acceptable": item.acceptable.text if item.acceptable else None,
        "margin": item.margin.amount if item.margin else None,
        "margin_percent": item.margin.percent if item.margin else None,
        "margin_acceptable": item.margin_acceptable.amount if item.margin_acceptable else None,
    }


def _dvh(curve: Curve, record: EvaluationRecord, step_gy: float) -> Iterator[dict[str, Any]]:
    """Yield the curve at 0, step, 2 step, ... up to the first dose that nothing reaches.

    ``structure`` is what the protocol takes the ROI for, else its TG-263 name, else a target's own
    name, else nothing; an ROI with several protocol names has a line for each.
    """
    if not curve.total_cc > 0:
        return
    last = math.floor(float(curve.dose_gy[-1]) / step_gy) + 1
    doses = np.arange(last + 1, dtype=np.float64) * step_gy
    percent = volume_percent_at(curve, doses)
    names = [
        match.protocol_name
        for match in record.matches
        if match.is_found and match.name_in_plan == curve.name
    ]
    own = standard_name(curve.name) or (curve.name if curve.is_target else "")
    for name in names or [own]:
        yield {
            "structure": name,
            "plan_name": curve.name,
            "type": curve.type,
            "total_cc": curve.total_cc,
            "outside_cc": curve.outside_cc,
            "step_gy": step_gy,
            "volume_percent": percent.tolist(),
        }


def _matches(record: EvaluationRecord) -> list[dict[str, Any]]:
    return [
        {
            "protocol_name": match.protocol_name,
            "kind": match.kind.value,
            "plan_name": match.name_in_plan,
            "evidence": match.evidence,
            "candidates": " | ".join(match.candidates),
        }
        for match in record.matches
    ]
