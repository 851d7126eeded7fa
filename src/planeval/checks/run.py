"""All checks, in the order of the report, and their run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from planeval.case import Case
from planeval.checks import air, devices, dose_grid, objects, plan, solids, target_dose
from planeval.checks.outcome import Check
from planeval.checks.subject import Subject
from planeval.model import CaseData, Finding
from planeval.model.checks import CheckRow

__all__ = ["NO_CHECKS", "PlanChecks", "header_findings", "plan_checks"]

HEADER_CHECKS: tuple[Check[CaseData], ...] = (
    Check(
        "references",
        "References between plan, dose and structures",
        objects.references,
        ("reference-mismatch", "linked-by-frame", "linked-by-presence", "patient-mismatch"),
    ),
    Check("frames", "Frames of reference", objects.frames, ("frame-unknown",)),
    Check("dates", "Order of dates", objects.dates),
    Check("approval", "Approval", objects.approval, ("plan-not-approved",)),
    Check(
        "fractions",
        "Fractions and dose per fraction",
        plan.fractions,
        ("fractions-unknown", "prescription-absent", "prescription-invalid"),
    ),
    Check(
        "fraction-groups",
        "Fraction groups",
        plan.fraction_groups,
        ("fraction-groups-several", "dose-incomplete"),
    ),
    Check("beams", "Beams and monitor units", plan.beams),
    Check("isocentres", "Isocentres", plan.isocentres),
)
"""Checks of what headers say: they cost nothing."""

CASE_CHECKS: tuple[Check[Subject], ...] = (
    Check("beam-point", "Dose at the beams' point", dose_grid.beam_points),
    Check(
        "grid-resolution",
        "Resolution of the dose grid",
        dose_grid.resolution,
        ("dose-several-grids",),
    ),
    Check("grid-coverage", "Extent of the dose grid", dose_grid.coverage, ("dose-zero",)),
    Check("target-dose", "Dose in all of a target", target_dose.covered),
    Check(
        "images",
        "Contours and image slices",
        solids.image_extent,
        (
            "ct-absent-slices",
            "ct-missing-slices",
            "ct-unreferenced-slices",
            "ct-linked-by-frame",
            "ct-ambiguous",
            "ct-unusable",
        ),
    ),
    Check("scan-end", "Organs whole within the scan", solids.cut_by_scan),
    Check("body", "Structures inside the body", solids.outside_body),
    Check("parts", "Connected parts", solids.parts, ("contour-gap",)),
    Check("bolus", "Bolus", devices.bolus),
    Check("couch", "Couch", devices.couch),
    Check("air", "Air in targets", air.air_in_targets),
)
"""Checks of geometry and dose."""


@dataclass(frozen=True, slots=True)
class PlanChecks:
    """What a plan was checked for, every finding of it, and whether HU were read."""

    rows: tuple[CheckRow, ...] = ()
    findings: tuple[Finding, ...] = ()
    read_hu: bool = False


NO_CHECKS = PlanChecks()


def plan_checks(
    case: Case,
    named: Mapping[str, str] | None = None,
    *,
    known: Sequence[Finding] | None = None,
    read_hu: bool = False,
) -> PlanChecks:
    """Check a case for what is wrong with the plan as exported, whatever any protocol says.

    ``named`` is plan name -> TG-263 name of the organs, for checks of anatomy. ``known`` are the
    findings made before (the case's own by default): a check shows those on its matter. With
    ``read_hu`` the HU of the images are read to look for air in targets; without, that check says
    that it was not done.
    """
    before = case.findings if known is None else known
    subject = Subject(case, named or {}, before, read_hu)
    ran = [check.run(case.data, before) for check in HEADER_CHECKS]
    ran += [check.run(subject, before) for check in CASE_CHECKS]
    return PlanChecks(
        tuple(row for row, _findings in ran),
        tuple(each for _row, findings in ran for each in findings),
        read_hu,
    )


def header_findings(data: CaseData) -> tuple[Finding, ...]:
    """Return what the checks of headers find."""
    return tuple(each for check in HEADER_CHECKS for each in check.run(data)[1])
