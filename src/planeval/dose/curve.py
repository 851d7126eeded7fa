"""The cumulative curve of one reading of a structure: V(d), its inverse, and their bounds.

``V(d)`` is the volume with dose >= d: exact at the nodes, linear between them, with a jump where a
noticeable volume has one and the same dose. ``D(x)`` is the largest d with V(d) >= x; on this curve the
two are inverses of each other. The bounds place every cell wholly at its lowest or highest corner.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planeval.geometry.stack import CapReading

__all__ = ["Curve", "curves_of_cells"]

Floats = NDArray[np.float64]

INTERVALS = 4096
"""Nodes per curve: 0.015 Gy for doses up to 60 Gy. Between them V is linear; against the exact sum over
cells this moves D by less than 0.001 Gy."""

POINT_MASS_INTERVALS = 1e-4
"""A spread narrower than this part of a node interval is one dose."""

JUMP_SHARE = 1e-5
"""Smallest share of the volume at one dose that is kept as a jump of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """V over rising doses; equal neighbouring doses are a jump (inclusive value first).

    ``bound_gy`` are the nodes of the two bounding curves.
    """

    dose_gy: Floats
    volume_cc: Floats
    bound_gy: Floats
    lower_cc: Floats
    upper_cc: Floats
    total_cc: float
    mean_gy: float
    mean_low_gy: float
    mean_high_gy: float
    min_gy: float
    max_gy: float

    def volume_at(self, gy: float) -> float:
        """V(d) in cc."""
        if gy <= self.dose_gy[0]:
            return self.total_cc
        if gy > self.dose_gy[-1]:
            return 0.0
        at = int(np.searchsorted(self.dose_gy, gy, side="left"))
        d0, d1 = self.dose_gy[at - 1], self.dose_gy[at]
        v0, v1 = self.volume_cc[at - 1], self.volume_cc[at]
        return float(v0 + (v1 - v0) * (gy - d0) / (d1 - d0))

    def dose_at(self, cc: float) -> float:
        """D(x) in Gy, for 0 < x <= total."""
        at = int(np.searchsorted(-self.volume_cc, -cc, side="right")) - 1
        if at < 0:
            return float(self.dose_gy[0])
        if at >= len(self.dose_gy) - 1:
            return float(self.dose_gy[-1])
        v0, v1 = self.volume_cc[at], self.volume_cc[at + 1]
        d0, d1 = self.dose_gy[at], self.dose_gy[at + 1]
        return float(d0 + (d1 - d0) * (v0 - cc) / (v0 - v1))

    def volume_bounds(self, gy: float) -> tuple[float, float]:
        """V(d) with every cell at its lowest and at its highest corner."""
        above = int(np.searchsorted(self.bound_gy, gy, side="left"))
        below = int(np.searchsorted(self.bound_gy, gy, side="right")) - 1
        lower = 0.0 if above >= len(self.bound_gy) else float(self.lower_cc[above])
        upper = self.total_cc if below < 0 else float(self.upper_cc[below])
        return lower, upper

    def dose_bounds(self, cc: float) -> tuple[float, float]:
        """D(x) with every cell at its lowest and at its highest corner."""
        reached = np.flatnonzero(self.lower_cc >= cc)
        beaten = np.flatnonzero(self.upper_cc < cc)
        lower = self.bound_gy[reached[-1]] if len(reached) else self.bound_gy[0]
        upper = self.bound_gy[beaten[0]] if len(beaten) else self.bound_gy[-1]
        return float(lower), float(upper)


def curves_of_cells(
    cc: Floats,
    spread: tuple[Floats, Floats],
    corners: tuple[Floats, Floats],
    mean_gy: Floats,
    readings: NDArray[np.uint8],
    extremes_gy: dict[CapReading, tuple[float, float]],
) -> dict[CapReading, Curve]:
    """Build the curves of all cap readings of one structure.

    Cells come with their volume, the ends of their even spread, their corner doses, their mean and
    the readings they belong to; ``extremes_gy`` are the proven (min, max) per reading. Cells are
    summed once per group of readings, on shared nodes.
    """
    low = min(extremes[0] for extremes in extremes_gy.values())
    high = max(extremes[1] for extremes in extremes_gy.values())
    start, stop = np.clip(spread[0], low, high), np.clip(spread[1], low, high)
    nodes = _nodes(low, high)
    bound = _nodes(float(corners[0].min()), float(corners[1].max()))
    groups = {
        int(group): _sum_group(
            cc, start, stop, corners, mean_gy, np.flatnonzero(readings == group), nodes, bound
        )
        for group in np.unique(readings)
    }
    curves = {}
    for reading, extremes in extremes_gy.items():
        sums = [group for bits, group in groups.items() if bits & reading]
        if sums and sum(group.cc for group in sums) > 0:
            curves[reading] = _curve(sums, nodes, bound, extremes)
    return curves


@dataclass(frozen=True, slots=True, eq=False)
class _GroupSum:
    """What the cells of one group of readings add to a curve."""

    cc: float
    smooth_cc: Floats
    jump_gy: Floats
    jump_cc: Floats
    lower_cc: Floats
    upper_cc: Floats
    mean: float
    mean_low: float
    mean_high: float


def _nodes(low: float, high: float) -> Floats:
    return np.linspace(low, high, INTERVALS + 1) if high > low else np.array([low])


def _sum_group(
    cc: Floats, start: Floats, stop: Floats, corners: tuple[Floats, Floats], mean: Floats,
    member: NDArray[np.int64], nodes: Floats, bound: Floats,
) -> _GroupSum:  # fmt: skip
    if len(member) < len(cc):
        cc, start, stop, mean = cc[member], start[member], stop[member], mean[member]
        corners = (corners[0][member], corners[1][member])
    smooth, jump_gy, jump_cc = _cumulative(cc, start, stop, nodes)
    lower, upper = _bounds(cc, *corners, bound)
    return _GroupSum(
        float(cc.sum()), smooth, jump_gy, jump_cc, lower, upper,
        float(cc @ mean), float(cc @ corners[0]), float(cc @ corners[1]),
    )  # fmt: skip


def _curve(
    sums: Sequence[_GroupSum], nodes: Floats, bound: Floats, extremes: tuple[float, float]
) -> Curve:
    """Add up the groups of one reading."""
    jump_gy, at = np.unique(np.concatenate([group.jump_gy for group in sums]), return_inverse=True)
    jump_cc = np.bincount(
        at, weights=np.concatenate([group.jump_cc for group in sums]), minlength=len(jump_gy)
    )
    smooth = np.sum([group.smooth_cc for group in sums], axis=0)
    dose, volume = _with_jumps(nodes, smooth, jump_gy, jump_cc)
    dose, volume = _between(dose, volume, *extremes)
    total = sum(group.cc for group in sums)
    return Curve(
        dose,
        volume,
        bound,
        np.sum([group.lower_cc for group in sums], axis=0),
        np.sum([group.upper_cc for group in sums], axis=0),
        total,
        sum(group.mean for group in sums) / total,
        sum(group.mean_low for group in sums) / total,
        sum(group.mean_high for group in sums) / total,
        *extremes,
    )


def _between(dose: Floats, volume: Floats, low: float, high: float) -> tuple[Floats, Floats]:
    """Cut a curve to the extremes of its own reading."""
    inside = (dose >= low) & (dose <= high)
    dose, volume = dose[inside], volume[inside]
    if not len(dose) or dose[0] > low:
        dose = np.concatenate([[low], dose])
        volume = np.concatenate([[volume[0] if len(volume) else 0.0], volume])
    if dose[-1] < high:
        dose, volume = np.append(dose, high), np.append(volume, 0.0)
    return dose, volume


def _cumulative(
    cc: Floats, start: Floats, stop: Floats, nodes: Floats
) -> tuple[Floats, Floats, Floats]:
    """V of the smooth part at the nodes, and the doses and volumes of the jumps."""
    low, high = float(nodes[0]), float(nodes[-1])
    step = (high - low) / INTERVALS
    width = stop - start
    is_point = width <= POINT_MASS_INTERVALS * step
    if not is_point.any():
        return _ramps(cc, start, stop, nodes, step), np.zeros(0), np.zeros(0)
    at, mass = np.unique(start[is_point], return_inverse=True)
    jump_cc = np.bincount(mass, weights=cc[is_point], minlength=len(at))
    is_jump = (jump_cc >= JUMP_SHARE * cc.sum()) | (step == 0)
    # many small equal doses are a smooth curve: each is spread over one node interval
    loose = at[~is_jump]
    start = np.concatenate([start[~is_point], np.maximum(loose - step / 2, low)])
    stop = np.concatenate([stop[~is_point], np.minimum(loose + step / 2, high)])
    smooth = _ramps(np.concatenate([cc[~is_point], jump_cc[~is_jump]]), start, stop, nodes, step)
    return smooth, at[is_jump], jump_cc[is_jump]


def _ramps(cc: Floats, start: Floats, stop: Floats, nodes: Floats, step: float) -> Floats:
    """Sum of the falling ramps of all cells at the nodes, exactly.

    A ramp is the difference of two hinges, cc / width x ((stop - d)+ - (start - d)+). A hinge at c is
    linear on either side, so sharing its weight linearly between the two nodes around c and summing
    twice gives its value at every node.
    """
    if not len(cc):
        return np.zeros(len(nodes))
    weight = cc / (stop - start)
    hinges = np.zeros(len(nodes) + 1)
    for place, sign in ((stop, 1.0), (start, -1.0)):
        at = (place - nodes[0]) / step
        below = np.minimum(at.astype(np.int64), len(nodes) - 1)
        share = at - below
        hinges += np.bincount(below, weights=sign * weight * (1 - share), minlength=len(hinges))
        hinges[1:] += np.bincount(below, weights=sign * weight * share, minlength=len(nodes))
    slopes = np.cumsum(hinges[::-1])[::-1]
    values = np.cumsum(slopes[::-1])[::-1][1:] * step
    values = np.append(values, 0.0)[: len(nodes)]
    values[-1] = 0.0
    return np.maximum.accumulate(np.maximum(values, 0.0)[::-1])[::-1]


def _with_jumps(
    nodes: Floats, smooth: Floats, jumps: Floats, jump_cc: Floats
) -> tuple[Floats, Floats]:
    """Add point masses: two entries at each, with and without its own volume."""
    if not len(jumps):
        return nodes, smooth
    above = np.append(np.cumsum(jump_cc[::-1])[::-1], 0.0)
    plain = ~np.isin(nodes, jumps)
    at_nodes = smooth[plain] + above[np.searchsorted(jumps, nodes[plain], side="left")]
    at_jumps = np.interp(jumps, nodes, smooth)
    dose = np.concatenate([nodes[plain], jumps, jumps])
    volume = np.concatenate([at_nodes, at_jumps + above[:-1], at_jumps + above[1:]])
    order = np.lexsort((-volume, dose))
    return dose[order], volume[order]


def _bounds(cc: Floats, low: Floats, high: Floats, nodes: Floats) -> tuple[Floats, Floats]:
    """V with every cell at its lowest, and at its highest corner; rounded outward to the nodes."""
    if len(nodes) == 1:
        total = np.array([float(cc.sum())])
        return total, total
    scale = INTERVALS / (nodes[-1] - nodes[0])
    floor = ((low - nodes[0]) * scale).astype(np.int64)
    ceiling = np.ceil((high - nodes[0]) * scale).astype(np.int64)
    lower, upper = (
        np.cumsum(
            np.bincount(np.clip(at, 0, INTERVALS), weights=cc, minlength=INTERVALS + 1)[::-1]
        )[::-1]
        for at in (floor, ceiling)
    )
    return lower, upper
