"""Which registration moves a case into the frame of another, and what is said about it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from planeval.case import Case
from planeval.dicom import read_registrations
from planeval.errors import AmbiguousSelection, InconsistentCase
from planeval.model import Finding, Registration, Severity
from planeval.sums.parts import dose_of, label

__all__ = ["check_patients", "moved_finding", "registration_between", "registrations_of"]

Floats = NDArray[np.float64]

AGREEMENT_MM = 1.0
"""Two registrations of the same frames that differ by more inside the body: somebody must choose."""


def registrations_of(
    given: Sequence[Registration | str | Path],
) -> tuple[list[Registration], tuple[str, ...]]:
    """Return the registrations, read where they are files, and why others were refused."""
    objects = [each for each in given if isinstance(each, Registration)]
    paths = [each for each in given if not isinstance(each, Registration)]
    read, refused = read_registrations(*paths)
    by_content = {each.matrix.tobytes() + each.uid.encode(): each for each in (*objects, *read)}
    return list(by_content.values()), refused


def check_patients(known: Sequence[Registration], case: Case) -> None:
    """Refuse a registration of another patient."""
    for each in known:
        if each.patient_id and case.patient_id and each.patient_id != case.patient_id:
            raise InconsistentCase(
                f"registration {each.file} is of patient {each.patient_id!r}, the plans are of "
                f"{case.patient_id!r}"
            )


def registration_between(
    first: Case,
    case: Case,
    known: Sequence[Registration],
    *,
    refused: Sequence[str],
    findings: list[Finding],
) -> Registration | None:
    """Return the registration from a case into the first one's frame, None in the same frame."""
    source, target = case.data.frame_uid, first.data.frame_uid
    if not source or not target:
        raise InconsistentCase(
            f"{label(first if not target else case)} states no frame of reference: whether the doses "
            "lie in one frame is unknown"
        )
    if source == target:
        return None
    fitting = [found for each in known if (found := each.between(source, target)) is not None]
    if not fitting:
        why = f" ({'; '.join(refused)})" if refused else ""
        raise InconsistentCase(
            f"{label(case)} lies in frame of reference {source}, {label(first)} in {target}, and no "
            f"registration between them was given{why}; add the REG object (--registration)"
        )
    worst = _disagreement_mm(case, fitting)
    if worst > AGREEMENT_MM:
        listed = ", ".join(
            f"{each.file or each.uid} ({each.date or 'no date'})" for each in fitting
        )
        raise AmbiguousSelection(
            f"{len(fitting)} registrations between the frames of {label(first)} and {label(case)} "
            f"differ by up to {worst:.1f} mm: {listed}; give one of them"
        )
    if len(fitting) > 1:
        message = f"{len(fitting)} registrations agree within {worst:.2f} mm; the first is applied"
        findings.append(Finding("registrations-several", Severity.INFO, message, fitting[0].file))
    return fitting[0]


def _disagreement_mm(case: Case, registrations: Sequence[Registration]) -> float:
    """Return how far two registrations move a point of the body apart, at most.

    The difference of two rigid maps is affine, so that it is largest at a corner of the body's box.
    """
    corners = _body_corners(case)
    places = [each.apply(corners) for each in registrations]
    return max(
        (
            float(np.linalg.norm(one - other, axis=1).max())
            for one, other in combinations(places, 2)
        ),
        default=0.0,
    )


def _body_corners(case: Case) -> Floats:
    """Return the corners of a box around the body, else around all structures."""
    solids = [each for each in case.structures.values() if not each.stack.is_empty]
    body = [each for each in solids if each.type.upper() == "EXTERNAL"] or solids
    if not body:
        grid = dose_of(case).terms[0].grid
        ends = [(0.0, float(size - 1)) for size in grid.shape]
        return grid.to_patient(np.array(list(product(*ends))))
    low = np.min([each.bounds_mm[0] for each in body], axis=0)
    high = np.max([each.bounds_mm[1] for each in body], axis=0)
    return np.array(list(product(*zip(low, high, strict=True))))


def moved_finding(case: Case, registration: Registration, accuracy_mm: float) -> Finding:
    """Return what a reader must know of a dose that was moved."""
    shift = ", ".join(f"{c:.1f}" for c in registration.matrix[:3, 3])
    matrix = "; ".join(" ".join(f"{c:.6g}" for c in row) for row in registration.matrix[:3])
    parts = (registration.date, registration.comment)
    words = f" ({', '.join(part for part in parts if part)})" if any(parts) else ""
    return Finding(
        "dose-registered",
        Severity.WARNING,
        f"the dose of {label(case)} was moved by registration {registration.file or 'given'}{words}: "
        f"rotation {registration.angle_degrees:.2f} degrees, shift ({shift}) mm, matrix [{matrix}]; "
        f"bands hold shifts of {accuracy_mm:g} mm along each axis",
        registration.file,
    )
