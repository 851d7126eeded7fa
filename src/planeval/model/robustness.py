"""Robustness: what a plan comes to in scenarios of setup and motion, as a record.

A constraint is met in a scenario where its outcome there is PASS or ACCEPTABLE; a scenario in which it
cannot be evaluated never counts as met.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from planeval.model.case import Identity
from planeval.model.finding import Finding
from planeval.model.outcome import Outcome, Status, Verdict
from planeval.model.plain import json_text, plain
from planeval.model.record import Provenance
from planeval.model.rows import LimitText
from planeval.model.value import Value

__all__ = [
    "Directions",
    "RobustRow",
    "RobustnessRecord",
    "ScenarioRow",
    "ScenarioSet",
    "SetupErrors",
    "Spread",
    "Vector",
]

Vector = tuple[float, float, float]

SCHEMA = "planeval.robustness/1"
MOST_SCENARIOS = 10_000
LARGEST_MM = 100.0
COUNTS = (6, 14, 26)


@dataclass(frozen=True, slots=True)
class SetupErrors:
    """Errors to draw from: standard deviations in mm along x (left), y (posterior), z (superior).

    ``systematic_mm`` is drawn once a scenario, ``random_mm`` once a fraction. ``drift_mm`` is a fixed
    offset towards the feet in all of them.

    >>> SetupErrors((2, 2, 3), (1, 1, 2), drift_mm=1.5).drift
    (0.0, 0.0, -1.5)
    """

    systematic_mm: Vector = (0.0, 0.0, 0.0)
    random_mm: Vector = (0.0, 0.0, 0.0)
    drift_mm: float = 0.0
    scenarios: int = 100
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("systematic_mm", "random_mm"):
            object.__setattr__(self, name, _lengths(name, getattr(self, name)))
        _check_drift(self.drift_mm)
        if not 1 <= self.scenarios <= MOST_SCENARIOS:
            raise ValueError(f"{self.scenarios} scenarios: need 1 to {MOST_SCENARIOS}")
        if self.seed < 0:
            raise ValueError(f"seed {self.seed}: need a whole number of at least 0")

    @property
    def drift(self) -> Vector:
        """The drift as a shift of the anatomy: towards the feet is -z."""
        return _caudal(self.drift_mm)


@dataclass(frozen=True, slots=True)
class Directions:
    """A shift set: 6, 14 or 26 directions, each as far as ``distance_mm`` says along x, y, z.

    Unequal distances are the half axes of an ellipsoid.
    """

    count: int = 14
    distance_mm: Vector = (5.0, 5.0, 5.0)
    drift_mm: float = 0.0

    def __post_init__(self) -> None:
        if self.count not in COUNTS:
            raise ValueError(f"a shift set of {self.count}: choose 6, 14 or 26 directions")
        object.__setattr__(self, "distance_mm", _lengths("distance_mm", self.distance_mm))
        if not any(self.distance_mm):
            raise ValueError("a shift set needs a distance above 0 mm")
        _check_drift(self.drift_mm)

    @property
    def drift(self) -> Vector:
        """The drift as a shift of the anatomy: towards the feet is -z."""
        return _caudal(self.drift_mm)


def _lengths(name: str, values: Vector) -> Vector:
    x, y, z = (float(value) for value in values)
    if not all(math.isfinite(value) and 0 <= value <= LARGEST_MM for value in (x, y, z)):
        raise ValueError(f"{name} {values}: need three lengths of 0 to {LARGEST_MM:g} mm")
    return (x, y, z)


def _check_drift(drift_mm: float) -> None:
    if not (math.isfinite(drift_mm) and abs(drift_mm) <= LARGEST_MM):
        raise ValueError(f"a drift of {drift_mm} mm: need -{LARGEST_MM:g} to {LARGEST_MM:g} mm")


def _caudal(drift_mm: float) -> Vector:
    return (0.0, 0.0, 0.0 - drift_mm)


@dataclass(frozen=True, slots=True)
class Spread:
    """The numbers of a metric over the scenarios in which it is defined; quantiles are linear."""

    lowest: float
    p5: float
    median: float
    p95: float
    highest: float


@dataclass(frozen=True, slots=True)
class RobustRow:
    """One row, group or target metric in all scenarios.

    ``planned`` and ``planned_outcome`` are without any shift; ``numbers`` are in scenario order, None
    where undefined. ``met`` of ``counts`` scenarios came to PASS or ACCEPTABLE; ``probability`` is
    their share with its 95 % interval, None for rows that are not judged or do not apply, and for
    shift sets, whose directions are no sample. ``worst`` is the number furthest to the wrong side of
    the limit, found in scenario ``worst_in``; without a limit it is None.
    """

    id: str
    kind: str
    type: str
    structure: str
    in_plan: str
    metric: str
    unit: str
    title: str
    limit: LimitText | None
    planned: Value | None
    planned_outcome: Outcome | None
    counts: tuple[tuple[Status, int], ...] = ()
    met: int | None = None
    probability: float | None = None
    probability_band: tuple[float, float] | None = None
    spread: Spread | None = None
    undefined: int = 0
    worst: float | None = None
    worst_in: str = ""
    numbers: tuple[float | None, ...] = ()
    is_counted: bool = True
    depth: int = 0


@dataclass(frozen=True, slots=True)
class ScenarioRow:
    """One scenario: its mean shift in LPS mm and what the counted rows come to.

    ``deliveries_mm`` is the mean shift of every part of a sum, in the order of the record's
    ``deliveries``; empty where there is one.
    """

    name: str
    mean_mm: Vector
    verdict: Verdict
    deliveries_mm: tuple[Vector, ...] = ()


@dataclass(frozen=True, slots=True)
class ScenarioSet:
    """What a drawn sample (``drawn``) or a shift set (``directions``) comes to.

    ``verdict_met`` scenarios come to PASS or ACCEPTABLE as a whole (dose rows only: margins between
    targets do not depend on a shift).
    """

    type: str
    setup: SetupErrors | Directions
    scenarios: tuple[ScenarioRow, ...]
    rows: tuple[RobustRow, ...]
    targets: tuple[RobustRow, ...]
    verdict_met: int
    verdict_probability: float | None = None
    verdict_band: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class RobustnessRecord:
    """One plan and one protocol in scenarios of setup and motion.

    ``planned_verdict`` is that of the dose rows without a shift. ``assumptions`` are the sentences
    that a reader must know. ``deliveries`` names the parts of a sum (plan, fraction group, fractions),
    which drawn scenarios move one by one; empty where there is one.
    """

    identity: Identity
    plans: tuple[str, ...]
    protocol: str
    protocol_version: str
    planned_verdict: Verdict
    sets: tuple[ScenarioSet, ...]
    findings: tuple[Finding, ...]
    assumptions: tuple[str, ...]
    provenance: Provenance
    deliveries: tuple[str, ...] = ()
    schema: str = SCHEMA

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data: numbers to 9 significant digits, enums as text, no NaN."""
        data: dict[str, Any] = plain(self)
        return data

    def to_json(self) -> str:
        """Return robustness.json: sorted keys, LF, the same text for the same record."""
        return json_text(self)
