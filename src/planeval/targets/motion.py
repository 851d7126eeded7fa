"""Motion on a 4D-CT: how far a target moves from phase to phase, and the margins that follow.

All phases lie in one frame of reference (as a 4D-CT does). Nothing is registered: what moves is what
was drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from planeval.model import Finding, Severity, Structure
from planeval.targets.expansion import SIDES
from planeval.targets.solids import check_not_empty, common_frame, union

__all__ = [
    "AXES",
    "AxisMotion",
    "Motion",
    "PhasePlace",
    "VanHerk",
    "igtv",
    "measure_motion",
    "van_herk_margin",
]

AXES = ("left-right", "anterior-posterior", "superior-inferior")
"""The patient axes x, y, z in LPS."""

_SIDE_AXIS = {
    "left": (0, 1), "right": (0, -1), "posterior": (1, 1), "anterior": (1, -1),
    "superior": (2, 1), "inferior": (2, -1),
}  # fmt: skip

FEW_FRACTIONS = 10
BREATHING_SD = 0.36
"""Standard deviation of breathing per mm peak-to-peak: van Herk et al. 2003, Int J Radiat Oncol Biol
Phys 57:1460 (a sinus of peak-to-peak A has A / (2 sqrt 2) = 0.354 A; the trace breathes out longer)."""


@dataclass(frozen=True, slots=True)
class PhasePlace:
    """Where the target is in one phase: centre of volume and bounds in LPS mm, and its volume."""

    name: str
    volume_cc: float
    centroid_mm: tuple[float, float, float]
    low_mm: tuple[float, float, float]
    high_mm: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class AxisMotion:
    """Motion along one patient axis, in mm relative to the reference phase.

    ``centroid`` and the two surfaces are (smallest, largest) displacements; the surfaces are the
    outermost points towards the negative (right, anterior, inferior) and the positive side.
    """

    axis: str
    centroid: tuple[float, float]
    negative_surface: tuple[float, float]
    positive_surface: tuple[float, float]

    @property
    def peak_to_peak_mm(self) -> float:
        """The range of the centre of volume."""
        return self.centroid[1] - self.centroid[0]

    @property
    def surface_peak_to_peak_mm(self) -> float:
        """The larger of the ranges of the two surfaces."""
        return max(
            self.negative_surface[1] - self.negative_surface[0],
            self.positive_surface[1] - self.positive_surface[0],
        )


@dataclass(frozen=True, slots=True)
class Motion:
    """What the phases say. The first phase is the reference.

    ``three_d_mm`` is the largest distance between the centres of any two phases.
    """

    phases: tuple[PhasePlace, ...]
    axes: tuple[AxisMotion, AxisMotion, AxisMotion]
    three_d_mm: float
    findings: tuple[Finding, ...]

    def margins_mm(self) -> dict[str, float]:
        """Return the motion margin by side: how far the target gets beyond its reference place.

        The larger of what the centre and the outermost surface of that side do, never below 0.
        """
        found = {}
        for side in SIDES:
            axis, sign = _SIDE_AXIS[side]
            moved = self.axes[axis]
            surface = moved.positive_surface if sign > 0 else moved.negative_surface
            reach = (moved.centroid[1], surface[1]) if sign > 0 else (
                -moved.centroid[0], -surface[0],
            )  # fmt: skip
            found[side] = max(0.0, *reach)
        return found

    def ranges_mm(self) -> dict[str, float]:
        """Return the peak-to-peak range of the centre along the axis of each side."""
        return {side: self.axes[_SIDE_AXIS[side][0]].peak_to_peak_mm for side in SIDES}


def measure_motion(phases: Mapping[str, Structure]) -> Motion:
    """Measure the motion of a target drawn on several phases; the first is the reference.

    Raises :class:`~planeval.errors.GeometryError` where phases lie in different frames or are empty,
    ValueError for fewer than two.
    """
    if len(phases) < 2:
        raise ValueError("motion takes the target on at least two phases")
    common_frame(list(phases.values()))
    for structure in phases.values():
        check_not_empty(structure)
    places = tuple(_place(name, structure) for name, structure in phases.items())
    centres = np.array([place.centroid_mm for place in places])
    lows = np.array([place.low_mm for place in places])
    highs = np.array([place.high_mm for place in places])
    axes = [
        AxisMotion(axis, *(_range(values[:, number]) for values in (centres, lows, highs)))
        for number, axis in enumerate(AXES)
    ]
    three_d = max(math.dist(one, other) for one, other in combinations(centres.tolist(), 2))
    return Motion(places, (axes[0], axes[1], axes[2]), three_d, _doubts(places, phases))


def _range(along: NDArray[np.float64]) -> tuple[float, float]:
    """Return the smallest and largest displacement from the first value."""
    shift = along - along[0]
    return float(shift.min()), float(shift.max())


def _place(name: str, structure: Structure) -> PhasePlace:
    low, high = structure.bounds_mm
    return PhasePlace(name, structure.volume_cc, structure.centroid_mm, low, high)


def _doubts(places: Sequence[PhasePlace], phases: Mapping[str, Structure]) -> tuple[Finding, ...]:
    """Say what makes the measurement less sure: other volumes, coarse planes, few phases."""
    found = []
    volumes = [place.volume_cc for place in places]
    if max(volumes) > 1.2 * min(volumes):
        message = (
            f"the target's volume differs between phases ({min(volumes):.1f} to {max(volumes):.1f} "
            "cc): what looks like motion may be delineation"
        )
        found.append(Finding("motion-volume-differs", Severity.WARNING, message))
    spacings = [structure.stack.spacing_mm for structure in phases.values()]
    widest = max((spacing for spacing in spacings if spacing), default=0.0)
    if widest > 0:
        message = (
            f"drawn on planes up to {widest:g} mm apart: surfaces towards head and feet move in "
            "such steps; the centre of volume is finer"
        )
        found.append(Finding("motion-plane-spacing", Severity.INFO, message))
    if len(places) == 2:
        message = "two phases: what lies outside their ends is not seen"
        found.append(Finding("motion-few-phases", Severity.INFO, message))
    return tuple(found)


def igtv(phases: Sequence[Structure], name: str = "IGTV") -> Structure:
    """Return the union of a target over all phases (an IGTV of GTVs, an ITV of CTVs)."""
    return union(phases, name)


@dataclass(frozen=True, slots=True)
class VanHerk:
    """A margin by van Herk's formula, with what went into it."""

    margin_mm: float
    formula: str
    inputs: tuple[tuple[str, float], ...]
    findings: tuple[Finding, ...]


def van_herk_margin(
    *,
    systematic_mm: float,
    random_mm: float,
    penumbra_mm: float,
    motion_mm: float | None = None,
    fractions: int | None = None,
) -> VanHerk:
    """Return M = 2.5 S + 1.64 (sqrt(s^2 + sp^2) - sp) in mm.

    S and s are the standard deviations of systematic and random set-up errors, sp that of the
    penumbra. ``motion_mm`` is the peak-to-peak breathing amplitude A and makes
    s^2 = set-up^2 + (0.36 A)^2; leave it away where an ITV holds the motion already. None of
    them has a default: they belong to a clinic. The formula gives 90 % of patients at least
    95 % of the dose in many fractions; below 10 there is a warning.

    Source: van Herk et al. 2000, Int J Radiat Oncol Biol Phys 47:1121; breathing: 2003, 57:1460.

    Raises ValueError for a negative length.

    >>> round(van_herk_margin(systematic_mm=2, random_mm=3, penumbra_mm=3.2).margin_mm, 2)
    6.95
    """
    inputs = {"S": systematic_mm, "s": random_mm, "sp": penumbra_mm, "A": motion_mm or 0.0}
    for name, value in inputs.items():
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} is {value} mm; a standard deviation or range is 0 or more")
    square = random_mm**2
    formula = "M = 2.5 S + 1.64 (sqrt(s^2 + sp^2) - sp)"
    if motion_mm is None:
        del inputs["A"]
    else:
        square += (BREATHING_SD * motion_mm) ** 2
        formula += ", s^2 = setup^2 + (0.36 A)^2"
    margin = 2.5 * systematic_mm + 1.64 * (math.sqrt(square + penumbra_mm**2) - penumbra_mm)
    findings = []
    if fractions is not None and fractions < FEW_FRACTIONS:
        message = (
            f"{fractions} fractions: random errors of few fractions act partly as systematic ones; "
            "the formula's margin is too small"
        )
        findings.append(Finding("margin-few-fractions", Severity.WARNING, message))
    return VanHerk(margin, formula, tuple(inputs.items()), tuple(findings))
