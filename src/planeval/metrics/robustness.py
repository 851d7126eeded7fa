"""Setup and motion scenarios: how far the anatomy lies from where it was planned, fraction by fraction.

Shifts are patient LPS mm; positive moves the anatomy to the left, to posterior, to superior in a dose
that stays (static dose cloud: the dose in space does not change with the anatomy). A drawn scenario is
one course of treatment:

::

      s_f = S + r_f + drift        S ~ N(0, systematic^2) once for every plan of the dose,
                                   r_f ~ N(0, random^2) for every fraction

per axis, independent, in one standard deviation; the drift is the same caudal offset in all. A shift
set moves the anatomy once, the same in all fractions, to points of an ellipsoid: the ends of the axes
(6), with the corners of the box (14), with the middles of its edges as well (26).

Rotations, deformation and the change of the dose itself are not in it. van Herk et al. 2000 (Int J Radiat
Oncol Biol Phys 47:1121) define systematic and random errors in this way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from planeval.dose.biology import deliveries
from planeval.errors import InconsistentCase
from planeval.model import Dose, Outcome, Status, Value
from planeval.model.robustness import Directions, RobustRow, SetupErrors, Spread, Vector

__all__ = [
    "Scenario",
    "direction_scenarios",
    "drawn_scenarios",
    "met_interval",
    "over_scenarios",
]

Floats = NDArray[np.float64]

_LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))
_CONFIDENCE = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""


@dataclass(frozen=True, slots=True, eq=False)
class Scenario:
    """A name, the mean shift over all fractions, and for every dose term its fractions' shifts.

    ``deliveries_mm`` is the mean shift of each delivery (plan and fraction group). Where the fractions
    of one are unknown the mean over all of them gives every delivery the same weight.
    """

    name: str
    mean_mm: Vector
    shifts_mm: tuple[Floats, ...]
    deliveries_mm: tuple[Vector, ...]


def drawn_scenarios(errors: SetupErrors, dose: Dose) -> tuple[Scenario, ...]:
    """Return scenarios drawn at random; the same seed gives the same ones, and more add to them.

    The terms of one delivery (plan and fraction group) move together; fraction groups of one plan
    share its systematic shift.

    Raises:
        InconsistentCase: random shifts are asked for and a delivery's fractions are unknown.
    """
    groups = deliveries(dose)
    known = [terms[0].fractions for terms in groups]
    counts = [_fractions(fractions, errors, len(groups)) for fractions in known]
    weights = [float(count or 0) for count in known] if all(known) else None
    plans = list(dict.fromkeys(terms[0].plan_uid for terms in groups))
    number_of = {id(term): n for n, terms in enumerate(groups) for term in terms}
    scenarios = []
    for number in range(errors.scenarios):
        # a stream of its own for every scenario: more scenarios do not change the first ones
        source = np.random.default_rng([errors.seed, number])
        systematic = {plan: source.standard_normal(3) * errors.systematic_mm for plan in plans}
        moves = [
            systematic[terms[0].plan_uid]
            + source.standard_normal((count, 3)) * errors.random_mm
            + errors.drift
            for terms, count in zip(groups, counts, strict=True)
        ]
        means = np.array([move.mean(axis=0) for move in moves])
        mean = np.average(means, axis=0, weights=weights)
        shifts = tuple(moves[number_of[id(term)]] for term in dose.terms)
        scenarios.append(
            Scenario(f"#{number + 1}", _vector(mean), shifts, tuple(map(_vector, means)))
        )
    return tuple(scenarios)


def _fractions(known: int | None, errors: SetupErrors, deliveries: int) -> int:
    if not any(errors.random_mm):
        return 1
    if known is None or known < 1:
        what, remedy = "the dose", "state them (--rx with --fx) or give the RTPLAN"
        if deliveries > 1:
            what, remedy = "a part of the sum", "give the RTPLAN of every part"
        raise InconsistentCase(
            f"random shifts are averaged over the fractions, and the fractions of {what} are "
            f"unknown; {remedy}, or ask for systematic errors or a shift set alone"
        )
    return known


def direction_scenarios(directions: Directions, dose: Dose) -> tuple[Scenario, ...]:
    """Return one scenario for every direction of a shift set, the same shift in all fractions."""
    found = []
    parts = len(deliveries(dose))
    for name, unit in _units(directions.count):
        shift = unit * directions.distance_mm + directions.drift
        each = tuple(shift[None] for _ in dose.terms)
        found.append(Scenario(name, _vector(shift), each, (_vector(shift),) * parts))
    return tuple(found)


def _units(count: int) -> Iterator[tuple[str, Floats]]:
    """Yield name and unit vector of the ends of the axes, then corners, then middles of edges."""
    axes = {6: (1,), 14: (1, 3), 26: (1, 3, 2)}[count]
    for wanted in axes:
        for signs in product((1, 0, -1), repeat=3):
            if sum(map(abs, signs)) == wanted:
                letters = [
                    pair[sign > 0] for pair, sign in zip(_LETTERS, signs, strict=True) if sign
                ]
                yield "".join(letters), np.array(signs) / math.sqrt(wanted)


def _vector(values: Floats) -> Vector:
    x, y, z = (float(value) + 0.0 for value in values)
    return (x, y, z)


def met_interval(met: int, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a probability that came true ``met`` times (Wilson 1927).

    >>> tuple(round(end, 3) for end in met_interval(95, 100))
    (0.888, 0.978)
    """
    if of < 1:
        return (0.0, 1.0)
    share, z2 = met / of, _CONFIDENCE**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _CONFIDENCE * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    return (max(0.0, middle - half), min(1.0, middle + half))


def over_scenarios(
    row: RobustRow,
    seen: Sequence[tuple[Value | None, Outcome | None]],
    names: Sequence[str],
    *,
    is_sample: bool,
) -> RobustRow:
    """Return a row with what its value and outcome come to in the scenarios, in their order.

    A share of a sample is a probability; a share of directions is not.
    """
    values = [value for value, _ in seen if value is not None]
    numbers = tuple(value.number for value in values)
    outcomes = [outcome for _, outcome in seen if outcome is not None]
    summed = replace(
        row,
        numbers=numbers,
        undefined=sum(number is None for number in numbers),
        spread=_spread([number for number in numbers if number is not None]),
    )
    worst = _worst(row, numbers)
    if worst is not None:
        summed = replace(summed, worst=numbers[worst], worst_in=names[worst])
    statuses = [outcome.status for outcome in outcomes]
    if all(status is Status.NOT_APPLICABLE for status in statuses):
        return summed
    met = sum(status in (Status.PASS, Status.ACCEPTABLE) for status in statuses)
    summed = replace(
        summed, met=met, counts=tuple((status, statuses.count(status)) for status in Status)
    )
    if not is_sample:
        return summed
    of = len(statuses)
    return replace(summed, probability=met / of, probability_band=met_interval(met, of))


def _spread(numbers: Sequence[float]) -> Spread | None:
    if not numbers:
        return None
    return Spread(*(float(q) for q in np.quantile(numbers, (0, 0.05, 0.5, 0.95, 1))))


def _worst(row: RobustRow, numbers: Sequence[float | None]) -> int | None:
    """Return in which scenario the number lies furthest to the wrong side, the first of equals."""
    known = [(number, n) for n, number in enumerate(numbers) if number is not None]
    if row.limit is None or not known:
        return None
    if row.limit.operator in ("<", "<="):
        return max(known, key=lambda pair: pair[0])[1]
    return min(known, key=lambda pair: pair[0])[1]
