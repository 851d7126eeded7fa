"""Where the static dose cloud is unsafe: targets that lie in or move towards lung or air.

The dose follows the patient's density there: a tumour that moves into what was lung when the plan was
made takes part of its dose along, so that scenarios in a dose that stays in space mean little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import shapely

from planeval.errors import GeometryError
from planeval.geometry.booleans import combine
from planeval.geometry.reach import within_reach
from planeval.geometry.stack import PlanarStack, volume_cc
from planeval.metrics.recognition import body_of
from planeval.model import Finding, Severity, Structure
from planeval.model.rows import StructureMatch
from planeval.protocol.anatomy import named_organs

__all__ = ["dose_cloud_findings", "is_ptv", "moving_targets"]

LUNGS = ("Lungs", "Lung_L", "Lung_R")
SMALLEST_CC = 0.01
"""Less than this is where two drawn surfaces touch."""


def moving_targets(targets: Iterable[Structure]) -> tuple[Structure, ...]:
    """Return the targets that are tissue: all but PTVs, or the PTVs where there is nothing else."""
    solids = [each for each in targets if not each.stack.is_empty]
    tissue = [each for each in solids if not is_ptv(each)]
    return tuple(tissue or solids)


def is_ptv(target: Structure) -> bool:
    """Whether a target is a planning volume by type or name: room around tissue, not tissue."""
    return target.type.upper() == "PTV" or target.name.strip().upper().startswith("PTV")


def dose_cloud_findings(
    structures: Mapping[str, Structure],
    targets: Sequence[Structure],
    reach_mm: float,
    matches: Iterable[StructureMatch] = (),
) -> Iterator[Finding]:
    """Yield a warning for every target that comes within the reach of lung or of air outside the body.

    What could not be looked at, for want of a structure, is said as well: it does not count as safe.
    """
    organs = named_organs(structures, matches)
    lungs = [structures[name] for name, organ in organs.items() if organ in LUNGS]
    lungs = [each for each in lungs if not each.stack.is_empty]
    body = body_of(structures.values())
    for target in moving_targets(targets):
        around = within_reach(
            target.stack,
            max(reach_mm, 1e-3),
            caps=target.method.caps,
            between=target.method.between,
        )
        yield from _in_lung(target, around, lungs, reach_mm)
        if body is not None:
            yield from _in_air(target, around, body, reach_mm)
    if not lungs:
        yield Finding(
            "lung-not-checked",
            Severity.WARNING,
            "no lung is drawn (Lungs, Lung_L, Lung_R), so that nobody checked whether a target moves "
            "into lung, where a dose that stays in space is no longer right",
        )
    if body is None:
        yield Finding(
            "air-not-checked",
            Severity.WARNING,
            "the body is not known (no structure, or several, of type EXTERNAL), so that nobody "
            "checked whether a target moves into air",
        )


def _in_lung(
    target: Structure, around: PlanarStack, lungs: Sequence[Structure], reach_mm: float
) -> Iterator[Finding]:
    for lung in lungs:
        common = _volume(around, lung, shapely.intersection)
        if common is None or common >= SMALLEST_CC:
            yield _unsafe(target, reach_mm, _amount(common, f"of {lung.name}"))


def _in_air(
    target: Structure, around: PlanarStack, body: Structure, reach_mm: float
) -> Iterator[Finding]:
    beyond = _volume(around, body, shapely.difference)
    if beyond is None or beyond >= SMALLEST_CC:
        yield _unsafe(target, reach_mm, _amount(beyond, f"outside {body.name}"))


def _volume(
    around: PlanarStack, other: Structure, operation: Callable[[Any, Any], Any]
) -> float | None:
    """Volume in cc, None where the planes are not parallel."""
    method = other.method
    try:
        found = combine(around, other.stack, operation, caps=method.caps, between=method.between)
    except GeometryError:
        return None
    return volume_cc(found)


def _amount(cc: float | None, what: str) -> str:
    if cc is None:
        return f"an unknown part ({what}: planes are not parallel)"
    return f"{cc:.2f} cc {what}"


def _unsafe(target: Structure, reach_mm: float, what: str) -> Finding:
    return Finding(
        "static-dose-unsafe",
        Severity.WARNING,
        f"with the largest mean shift of {reach_mm:.1f} mm it reaches {what}: there the dose moves "
        "with the anatomy, and scenarios in a dose that stays in space can be wrong in both directions; "
        "have the planning system compute the shifted plan",
        target.name,
    )
