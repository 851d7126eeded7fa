"""Whether the dose grid is fine enough and large enough for the targets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.case import Case
from planeval.checks.codes import finding
from planeval.checks.outcome import Seen, listed
from planeval.checks.plan import SAME_POINT_MM, stated_dose
from planeval.checks.subject import Subject
from planeval.geometry.stack import PlanarStack
from planeval.model import Dose, DoseTerm, Finding, Structure

__all__ = ["beam_points", "coverage", "resolution"]

_NO_DOSE = "the case has no dose"
_NO_TARGET = "there is no target with a volume"

COARSE_MM = 5.0
COARSE_SBRT_MM = 3.0
"""AAPM TG-101 (Benedict et al. 2010, doi 10.1118/1.3438081), for SBRT: 2 mm or finer is recommended,
more than 3 mm discouraged. The limit for other fractionations is ours."""
SBRT_FRACTION_GY = 5.0
FEWEST_VOXELS = 3.0
"""A target with fewer voxels across has hardly one whose neighbours are all in it."""
LEAST_OUTSIDE_CC = 0.01
CUT_SHARE = 0.5
"""Dose on the grid's border, as a share of the prescription, above which the dose is cut off: R50 and
the gradient index need everything from half the prescription on."""
POINT_SHARE = 0.1

Floats = NDArray[np.float64]


def resolution(subject: Subject) -> Seen | str:
    """The largest voxel step against the fractionation and the narrowest target."""
    case = subject.case
    if case.dose is None:
        return _NO_DOSE
    step = max(_steps(term)[0] for term in case.dose.terms)
    text = " x ".join(f"{each:g}" for each in _steps(case.dose.terms[0])[1])
    found = []
    fraction = max((rx.fraction_gy or 0.0 for rx in case.prescriptions), default=0.0)
    limit = COARSE_SBRT_MM if fraction >= SBRT_FRACTION_GY else COARSE_MM
    if step > limit * 1.001:
        why = f" at {fraction:.3g} Gy per fraction (AAPM TG-101)" if limit < COARSE_MM else ""
        message = f"voxels of {text} mm; expected at most {limit:g} mm{why}"
        found.append(finding("dose-grid-coarse", message))
    narrow = [
        f"{each.name} ({width:.1f} mm)"
        for each in subject.targets()
        if (width := _width_mm(each)) < FEWEST_VOXELS * step
    ]
    if narrow:
        message = (
            f"voxels of {text} mm; fewer than {FEWEST_VOXELS:g} lie across {listed(narrow)}, whose "
            "dose hangs on the interpolation of the grid"
        )
        found.append(finding("dose-grid-coarse", message))
    return Seen(f"voxels of {text} mm", tuple(found))


def _steps(term: DoseTerm) -> tuple[float, tuple[float, float, float]]:
    """Return the largest step of a grid, and its plane, row and column steps in mm."""
    planes = float(np.abs(np.diff(term.grid.offsets_mm)).max(initial=0.0))
    steps = (planes, term.grid.row_step_mm, term.grid.column_step_mm)
    return max(steps), steps


def _width_mm(structure: Structure) -> float:
    low, high = structure.bounds_mm
    return min(b - a for a, b in zip(low, high, strict=True))


def coverage(subject: Subject) -> Seen | str:
    """Targets inside the dose grid, and no high dose of the patient on its border."""
    case, targets = subject.case, subject.targets()
    if case.dose is None:
        return _NO_DOSE
    found = []
    for target in targets:
        dvh = case.dvh(target)
        if dvh.outside_cc > LEAST_OUTSIDE_CC:
            message = (
                f"{dvh.outside_cc:.2f} of {dvh.total_cc:.2f} cc lie outside the dose grid; their "
                "dose is unknown"
            )
            found.append(finding("target-outside-dose-grid", message, target.name))
    found += _cut(case.dose, _reference_gy(case), subject.body())
    return Seen(f"{len(targets)} targets, six faces of the grid", tuple(found))


def _reference_gy(case: Case) -> float | None:
    levels = [rx.total_gy for rx in case.prescriptions]
    return max(levels) if levels and case.dose and len(case.dose.terms) == 1 else None


def _cut(dose: Dose, reference_gy: float | None, body: Structure | str) -> Iterator[Finding]:
    """Yield a finding where the border of a grid holds high dose, inside the body if it is known."""
    for term in dose.terms:
        reference = reference_gy or float(term.gy.max())
        indices = _border(term, CUT_SHARE * reference)
        if not len(indices):
            continue
        points = term.grid.to_patient(indices)
        if term.to_case is not None:
            points = points @ term.to_case[:3, :3].T + term.to_case[:3, 3]
        if not isinstance(body, str):
            inside = _inside(body, points)
            indices, points = indices[inside], points[inside]
        if len(indices):
            gy = term.gy[tuple(indices.T)]
            x, y, z = points[int(gy.argmax())]
            what = "prescribed" if reference_gy else "of its largest dose"
            message = (
                f"the border of the dose grid holds up to {gy.max():.2f} Gy "
                f"({100 * gy.max() / reference:.0f} % of the {reference:g} Gy {what}) at "
                f"x {x:.1f}, y {y:.1f}, z {z:.1f} mm: the dose goes on beyond it"
            )
            yield finding("dose-grid-cut", message)


def _border(term: DoseTerm, gy: float) -> NDArray[np.int64]:
    """Return (k, j, i) of the voxels on the six faces with at least a dose."""
    hot = term.gy >= gy
    inner = np.zeros_like(hot)
    inner[1:-1, 1:-1, 1:-1] = True
    return np.argwhere(hot & ~inner)


def _inside(body: Structure, points: Floats) -> NDArray[np.bool_]:
    """Whether patient points lie in the body."""
    u, v, w = body.stack.frame.to_plane(points).T
    heights = np.round(w, 3)
    found = np.zeros(len(points), dtype=bool)
    for height in np.unique(heights):
        at = heights == height
        area = _section(body.stack, float(height), body)
        found[at] = shapely.contains_xy(area, u[at], v[at])
    return found


def _section(stack: PlanarStack, height_mm: float, structure: Structure) -> object:
    method = structure.method
    return stack.section(height_mm, caps=method.caps, between=method.between)


def beam_points(subject: Subject) -> Seen | str:
    """The dose at the point where the beams state theirs must be what they state.

    Only where all beams share one point; a dose of another plan, or scaled by mistake, shows here.
    """
    case = subject.case
    if case.dose is None:
        return _NO_DOSE
    if len(case.plans) != 1:
        return "the case has no plan, or several"
    doses = [each for group in case.plan.fraction_groups for each in group.beam_doses]
    points = [each.point_mm for each in doses if each.point_mm is not None]
    stated = stated_dose(case.plan)
    if stated is None or not points or len(points) < len(doses):
        return "the beams do not state their dose at a point"
    if any(math.dist(points[0], other) > SAME_POINT_MM for other in points):
        return "the beams state their doses at different points"
    there = case.dose_at(*points[0])
    place = _place(points[0])
    if not there.is_defined:
        return f"the beams' point {place} lies outside the dose grid"
    text = f"{stated:.4g} Gy stated, {there.value:.4g} Gy in the dose file at {place}"
    if abs(there.value - stated) <= POINT_SHARE * stated:
        return Seen(text)
    message = f"{text}; check that dose and plan belong together"
    return Seen(text, (finding("beam-dose-point-differs", message, case.plan.label),))


def _place(point: Sequence[float]) -> str:
    x, y, z = point
    return f"({x:.1f}, {y:.1f}, {z:.1f}) mm"
