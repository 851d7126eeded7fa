"""Whether what a plan orders holds together: doses, fraction groups, beams, isocentres."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import combinations

from planeval.checks.codes import finding
from planeval.checks.outcome import Seen, listed
from planeval.model import Beam, CaseData, Finding, FractionGroup, Plan

__all__ = ["beams", "fraction_groups", "fractions", "isocentres", "stated_dose"]

FRACTION_GY = (0.5, 34.0)
"""Fraction doses of current practice: 0.5 Gy for benign disease, 34 Gy for a lung tumour in one
fraction (RTOG 0915). Trigeminal radiosurgery goes higher."""

BEAM_SHARE = (0.9, 1.3)
"""What the beams state, as a share of the prescription: the range in which a target's D50% is accepted
as well, because nobody says where the beams' point lies."""

_GROUP_SHARE = 0.01
_IMAGING = re.compile(
    r"cbct|setup|set-up|set up|(?<![a-z])(?:kv|drr|mv image|image|imaging|portal)(?![a-z])",
    re.IGNORECASE,
)
SAME_POINT_MM = 1.0
CLOSE_MM = 20.0
"""Isocentres of one plan that lie nearer than this, and are not the same, were hardly meant."""


def fractions(data: CaseData) -> Seen | str:
    """Total dose, number of fractions and the beams' own doses must fit together."""
    known = [rx for rx in data.prescriptions if rx.fraction_gy is not None]
    if not known:
        return "no prescription with a number of fractions"
    low, high = FRACTION_GY
    found = []
    for rx in known:
        each = rx.fraction_gy or 0.0
        if not low <= each <= high:
            message = (
                f"{rx.total_gy:g} Gy in {rx.fractions} fractions is {each:.3g} Gy per fraction; "
                f"expected {low:g} to {high:g} Gy"
            )
            found.append(finding("fraction-dose-unusual", message, rx.target))
    texts = [f"{rx.total_gy:g} Gy in {rx.fractions} fractions" for rx in known]
    for plan in data.plans:
        stated, message = _beam_doses(plan)
        texts += [stated] if stated else []
        found += [finding("beam-doses-differ", message, plan.label)] if message else []
    return Seen("; ".join(dict.fromkeys(texts)), tuple(found))


def _beam_doses(plan: Plan) -> tuple[str, str]:
    """Return what the beams of a plan state, and what is wrong with it."""
    total = stated_dose(plan)
    if total is None:
        return "", ""
    text = f"beams state {total:.4g} Gy in all fractions"
    points = [each.point_mm for group in plan.fraction_groups for each in group.beam_doses]
    levels = [rx.total_gy for rx in plan.prescriptions]
    if not levels or any(point is not None for point in points):
        return text, ""  # at a point of their own it need not be the prescription
    if BEAM_SHARE[0] * min(levels) <= total <= BEAM_SHARE[1] * max(levels):
        return text, ""
    message = (
        f"fractions times beam doses are {total:.4g} Gy, the prescription is "
        f"{listed(f'{level:g}' for level in levels)} Gy; check fractions and beam doses"
    )
    return text, message


def stated_dose(plan: Plan) -> float | None:
    """Return fractions times the sum of beam doses, in Gy over all groups.

    None where a beam that delivers does not state one, or the fractions are unknown.
    """
    total = 0.0
    for group in plan.fraction_groups:
        stated = {each.beam: each.gy for each in group.beam_doses}
        wanted = {beam.number for beam in _delivering(plan, group) if (beam.meterset or 0) > 0}
        if group.fractions is None or wanted - set(stated):
            return None
        total += group.fractions * sum(stated.values())
    return total if total > 0 else None


def _delivering(plan: Plan, group: FractionGroup) -> list[Beam]:
    return [beam for beam in plan.beams if beam.delivers and beam.number in group.beam_numbers]


def fraction_groups(data: CaseData) -> Seen | str:
    """Fraction groups must deliver beams that are there, and prescribe the total together."""
    groups = [group for plan in data.plans for group in plan.fraction_groups]
    if not groups:
        return "there is no fraction group"
    found = [each for plan in data.plans for each in _group_findings(plan)]
    counts = (
        f"{group.fractions if group.fractions is not None else 'unknown'} fractions of "
        f"{len(group.beam_numbers)} beams"
        for group in groups
    )
    return Seen(listed(counts), tuple(found))


def _group_findings(plan: Plan) -> Iterator[Finding]:
    numbers = {beam.number for beam in plan.beams}
    named = {number for group in plan.fraction_groups for number in group.beam_numbers}
    for group in plan.fraction_groups:
        unknown = sorted(set(group.beam_numbers) - numbers)
        if unknown and numbers:
            message = f"fraction group {group.number} delivers beam {listed(unknown)}, not there"
            yield finding("fraction-group-unknown-beam", message, plan.label)
    left = [beam for beam in plan.beams if beam.delivers and beam.number not in named]
    if left:
        message = f"no fraction group delivers treatment beam {listed(map(_name, left))}"
        yield finding("beam-without-fraction-group", message, plan.label)
    yield from _group_doses(plan)


def _group_doses(plan: Plan) -> Iterator[Finding]:
    """Yield targets whose groups prescribe another sum, read as total or as dose per fraction."""
    for rx in plan.prescriptions:
        parts = [
            (gy, group.fractions)
            for group in plan.fraction_groups
            for number, gy in group.target_doses
            if number == rx.reference
        ]
        sums = (sum(gy for gy, _n in parts), sum(gy * (n or 0) for gy, n in parts))
        if parts and all(abs(each - rx.total_gy) > _GROUP_SHARE * rx.total_gy for each in sums):
            message = (
                f"the fraction groups prescribe {listed(f'{gy:g} Gy' for gy, _n in parts)} to "
                f"{rx.target or 'the plan'}, its dose reference {rx.total_gy:g} Gy"
            )
            yield finding("fraction-group-doses-differ", message, plan.label)


def _name(beam: Beam) -> str:
    return f"{beam.number} ({beam.name})" if beam.name else str(beam.number)


def beams(data: CaseData) -> Seen | str:
    """Every treatment beam of a fraction group needs a meterset above 0.

    A beam without one whose name speaks of set-up imaging was hardly meant to treat: some systems
    export such fields as TREATMENT.
    """
    found, count = [], 0
    for plan in data.plans:
        named = {number for group in plan.fraction_groups for number in group.beam_numbers}
        treating = [beam for beam in plan.beams if beam.delivers and beam.number in named]
        without = [beam for beam in treating if not (beam.meterset or 0) > 0]
        imaging = [beam for beam in without if _IMAGING.search(beam.name)]
        lost = [beam for beam in without if beam not in imaging]
        count += len(treating) - len(imaging)
        if lost:
            message = (
                f"treatment beam {listed(map(_name, lost))} has no meterset (MU): it delivers no "
                "dose, or the export lost it"
            )
            found.append(finding("beam-without-meterset", message, plan.label))
        if imaging:
            message = (
                f"beam {listed(map(_name, imaging))} is TREATMENT without a meterset (MU); by the "
                "name it is for set-up imaging"
            )
            found.append(finding("imaging-beam-as-treatment", message, plan.label))
    if not count and not found:
        return "no treatment beam in a fraction group"
    return Seen(f"{count} treatment beams", tuple(found))


def isocentres(data: CaseData) -> Seen | str:
    """Several isocentres are news; two that nearly coincide are doubtful."""
    found, counts = [], []
    for plan in data.plans:
        points = _distinct(
            [
                beam.isocentre_mm
                for beam in plan.beams
                if beam.delivers and beam.isocentre_mm is not None
            ]
        )
        if not points:
            continue
        counts.append(len(points))
        pairs = [math.dist(one, other) for one, other in combinations(points, 2)]
        if pairs:
            code = "isocentres-close" if min(pairs) < CLOSE_MM else "isocentres-several"
            message = (
                f"{len(points)} isocentres, {min(pairs):.1f} to {max(pairs):.1f} mm apart: "
                f"{listed(map(_place, points))}"
            )
            found.append(finding(code, message, plan.label))
    if not counts:
        return "no treatment beam states an isocentre"
    return Seen(f"{listed(counts)} isocentre{'s' if max(counts) > 1 else ''}", tuple(found))


def _distinct(
    points: Sequence[tuple[float, float, float]],
) -> list[tuple[float, float, float]]:
    kept: list[tuple[float, float, float]] = []
    for point in points:
        if all(math.dist(point, other) > SAME_POINT_MM for other in kept):
            kept.append(point)
    return kept


def _place(point: tuple[float, float, float]) -> str:
    x, y, z = point
    return f"({x:.1f}, {y:.1f}, {z:.1f}) mm"
