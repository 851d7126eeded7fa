"""Curves that are drawn over those of a plan: a reference plan's, and the planning system's own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from planeval.case import Case
from planeval.errors import InconsistentCase
from planeval.model import TpsDvh
from planeval.report.chart import CurveSet
from planeval.report.curves import Curve, curve_of

__all__ = ["overlays_of", "reference_curves", "tps_curves"]

REFERENCE_DASH = (8, 4)
TPS_DASH = (1, 3)
GREY = (120, 120, 120)
"""A structure that only the planning system has a curve of."""


def overlays_of(
    case: Case | None, curves: Sequence[Curve], reference: Case | None = None
) -> tuple[CurveSet, ...]:
    """Return what is drawn over the curves of a case, the reference plan first."""
    if case is None:
        return ()
    found = [reference_curves(case, reference, curves)] if reference else []
    stored = tps_curves(case, curves)
    return (*found, *([stored] if stored else []))


def reference_curves(case: Case, reference: Case, curves: Sequence[Curve]) -> CurveSet:
    """Return the curves of a reference plan for the structures (and expressions) of these curves.

    A structure that the reference plan lacks has no curve. The structures are found by name.

    Raises :class:`~planeval.errors.InconsistentCase` where the reference plan has no dose, or belongs
    to another patient.
    """
    _check_patient(case, reference)
    label = ", ".join(plan.label for plan in reference.plans) or "a dose without a plan"
    if reference.dose is None:
        raise InconsistentCase(
            f"the reference plan ({label}) has no dose; export its RTDOSE as well"
        )
    found = (curve_of(reference, curve.name, curve.judged) for curve in curves)
    drawn = tuple(curve for curve in found if curve is not None)
    return CurveSet(
        "ref",
        f"reference plan {label}",
        drawn,
        REFERENCE_DASH,
        note="; ".join(_differences(case, reference, len(curves) - len(drawn))),
    )


def _check_patient(case: Case, reference: Case) -> None:
    """Refuse the plan of somebody else: by PatientID, or by the birth date beside it."""
    for what, ours, theirs in (
        ("PatientID", case.patient_id.strip(), reference.patient_id.strip()),
        ("birth date", case.data.identity.birth_date, reference.data.identity.birth_date),
    ):
        if ours and theirs and ours != theirs:
            raise InconsistentCase(
                f"the reference plan belongs to another patient ({what} {theirs!r} where the plan has "
                f"{ours!r}); give a plan of this patient"
            )


def _differences(case: Case, reference: Case, missing: int) -> list[str]:
    """Say in words what else than the dose may differ."""
    said = []
    if not (case.patient_id.strip() and reference.patient_id.strip()):
        said.append("PatientID is empty: that it is the same patient is unproven")
    ours, theirs = (_structure_set(each) for each in (case, reference))
    if ours != theirs:
        said.append("with the contours of its own structure set")
    if case.data.frame_uid != reference.data.frame_uid:
        said.append("in a frame of reference of its own, nothing registered")
    if case.method != reference.method:
        said.append("sampled with other end caps")
    if missing:
        said.append(f"{missing} structures are not in it")
    return said


def _structure_set(case: Case) -> str:
    return next((each.uid for each in case.data.sources if each.kind == "RTSTRUCT"), "")


def tps_curves(case: Case, curves: Sequence[Curve]) -> CurveSet | None:
    """Return the DVHs that came from the planning system, None where there are none.

    Their percent axis refers to the volume that the planning system found. They start hidden.
    """
    known = {curve.name: curve for curve in curves}
    drawn = tuple(
        _tps_curve(each, known.get(each.structure))
        for each in case.data.tps_dvhs
        if len(each.volume_cc) > 1 and each.volume_cc[0] > 0
    )
    if not drawn:
        return None
    origins = ", ".join(dict.fromkeys(each.origin for each in case.data.tps_dvhs if each.origin))
    note = f"{origins}; percent is of the volume that the planning system found"
    return CurveSet("TPS", "the planning system's own DVH", drawn, TPS_DASH, False, note)


def _tps_curve(stored: TpsDvh, own: Curve | None) -> Curve:
    volume = np.minimum.accumulate(stored.volume_cc)
    return Curve(
        stored.structure,
        own.type if own else "",
        own.colour if own else GREY,
        stored.dose_gy,
        volume,
        float(volume[0]),
        judged=own.judged if own else False,
    )
