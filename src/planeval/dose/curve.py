"""The cumulative curve of one reading of a structure: V(d), its inverse, and their bounds.

``V(d)`` is the volume with dose >= d: exact at the nodes, linear between them, with a jump where a
noticeable volume has one and the same dose. ``D(x)`` is the largest d with V(d) >= x; on this curve the
two are inverses of each other. The bounding curves add up what each cell holds at least and at most at
every dose (:class:`~planeval.dose.sampling.CellBatch`); nothing lies beyond the extremes of the solid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planeval.dose.sampling import CellBatch
from planeval.geometry.stack import CapReading

__all__ = ["Curve", "CurveSums"]

Floats = NDArray[np.float64]

INTERVALS = 4096
"""Nodes per curve: 0.015 Gy for doses up to 60 Gy. Between them V is linear; against the exact sum over
cells this moves D by less than 0.001 Gy."""

NODES = INTERVALS + 1

BOUND_MARGIN = 1 / 8
"""How far, as a share of the range of doses, the nodes of the bounding curves go beyond it."""

ROUNDING = 1e-12
"""Share of the volume by which sums of bounds may be off."""

POINT_MASS_STEPS = 1e-3
"""A spread narrower than this part of a node step is one dose."""

SAME_DOSE = 1.2e-7
"""Samples are float32: a uniform 47.3 Gy that is stored as 47.2999992 still has V47.3Gy = 100 %."""

JUMP_SHARE = 1e-5
"""Smallest share of the volume at one dose that is kept as a jump of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """V over rising doses; equal neighbouring doses are a jump (inclusive value first).

    ``bound_gy`` are the nodes of the two bounding curves, from the lowest to the highest dose that any
    point of the solid may have; these never rise. ``mean_band_gy`` bounds the mean where the cells do
    not give it exactly.
    """

    dose_gy: Floats
    volume_cc: Floats
    bound_gy: Floats
    lower_cc: Floats
    upper_cc: Floats
    total_cc: float
    mean_gy: float
    min_gy: float
    max_gy: float
    mean_band_gy: tuple[float, float] | None = None

    @property
    def limits_gy(self) -> tuple[float, float]:
        """The lowest and the highest dose that any point of the solid may have."""
        return float(self.bound_gy[0]), float(self.bound_gy[-1])

    def volume_at(self, gy: float) -> float:
        """V(d) in cc."""
        at = int(np.searchsorted(self.dose_gy, gy * (1 - SAME_DOSE), side="left"))
        if at + 1 < len(self.dose_gy) and self.dose_gy[at] == self.dose_gy[at + 1] <= gy:
            return float(self.volume_cc[at])
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
        """What V(d) is at least and at most."""
        if gy * (1 - SAME_DOSE) > self.bound_gy[-1]:
            return 0.0, 0.0
        above = int(np.searchsorted(self.bound_gy, gy, side="left"))
        below = int(np.searchsorted(self.bound_gy, gy, side="right")) - 1
        lower = 0.0 if above >= len(self.bound_gy) else float(self.lower_cc[above])
        upper = float(self.upper_cc[max(below, 0)])
        return lower, upper

    def dose_bounds(self, cc: float) -> tuple[float, float]:
        """What D(x) is at least and at most."""
        last = len(self.bound_gy) - 1
        reached = last - int(np.searchsorted(self.lower_cc[::-1], cc))
        beaten = last + 1 - int(np.searchsorted(self.upper_cc[::-1], cc))
        return float(self.bound_gy[max(reached, 0)]), float(self.bound_gy[min(beaten, last)])


class CurveSums:
    """Adds up batches of cells, and turns the sums into the curves of all cap readings.

    ``low_gy`` and ``high_gy`` must bound every corner dose. Cells are summed once per group of
    readings, on shared nodes. The nodes of the bounding curves begin and end a little beyond them:
    the straight lines that bound a cell do.
    """

    def __init__(self, low_gy: float, high_gy: float) -> None:
        self._low = low_gy
        self._step = (high_gy - low_gy) / INTERVALS
        self._bound_low = low_gy - BOUND_MARGIN * (high_gy - low_gy)
        self._bound_step = self._step * (1 + 2 * BOUND_MARGIN)
        self._groups: dict[CapReading, _GroupSum] = {}

    def add(self, batch: CellBatch) -> None:
        """Add the cells of a batch."""
        group = self._groups.setdefault(batch.readings, _GroupSum())
        group.undefined_cc += batch.undefined_cc
        cc = batch.cc
        if not len(cc):
            return
        group.cc += float(cc.sum())
        group.cc_gy += float((cc * batch.mean_gy).sum())
        self._add_spreads(group, batch)
        self._add_bounds(group, batch)

    def curve(
        self,
        reading: CapReading,
        extremes_gy: tuple[float, float],
        limits_gy: tuple[float, float],
    ) -> Curve:
        """The curve of a reading that has cells.

        ``extremes_gy`` are its proven (min, max), ``limits_gy`` what no dose goes beyond.
        """
        total = sum(
            (group for readings, group in self._groups.items() if readings & reading), _GroupSum()
        )
        nodes: Floats = self._low + self._step * np.arange(NODES, dtype=np.float64)
        jumps = np.array(sorted(total.points), dtype=np.float64)
        jump_cc = np.array([total.points[gy] for gy in jumps], dtype=np.float64)
        is_jump = (jump_cc >= JUMP_SHARE * total.cc) | (self._step == 0)
        self._spread_loose(total, jumps[~is_jump], jump_cc[~is_jump])
        dose, volume = _with_jumps(nodes, _ramps(total.hinges), jumps[is_jump], jump_cc[is_jump])
        dose, volume = _between(dose, volume, extremes_gy, total.cc)
        return Curve(
            dose, volume, *self._bounds(total, limits_gy), total.cc, total.cc_gy / total.cc,
            *extremes_gy,
        )  # fmt: skip

    def _bounds(
        self, total: _GroupSum, limits_gy: tuple[float, float]
    ) -> tuple[Floats, Floats, Floats]:
        """Nodes, least and largest volumes between the limits: all at the lower, none above."""
        low, high = limits_gy
        nodes = self._bound_low + self._bound_step * np.arange(NODES, dtype=np.float64)
        least = np.maximum(_ramps(total.lower) - ROUNDING * total.cc, 0.0)
        most = np.minimum(_ramps(total.upper) + ROUNDING * total.cc, total.cc)
        inside = (nodes > low) & (nodes < high)
        at_high = most[max(int(np.searchsorted(nodes, high)) - 1, 0)]
        return (
            np.concatenate([[low], nodes[inside], [high]]),
            np.concatenate([[total.cc], least[inside], [0.0]]),
            np.concatenate([[total.cc], most[inside], [at_high]]),
        )

    def has_cells(self, reading: CapReading) -> bool:
        """Whether any volume of a reading has a dose."""
        return any(group.cc > 0 for bits, group in self._groups.items() if bits & reading)

    def undefined_cc(self, reading: CapReading) -> float:
        """Volume of a reading inside the lattice whose dose is not defined."""
        return sum(
            group.undefined_cc for readings, group in self._groups.items() if readings & reading
        )

    def _in_steps(self, gy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Doses in node steps from the first node, 0 to INTERVALS."""
        if self._step == 0:
            return np.zeros(len(gy), dtype=np.float32)
        steps = (gy - np.float32(self._low)) * np.float32(1 / self._step)
        return np.clip(steps, 0, INTERVALS, out=steps)

    def _add_spreads(self, group: _GroupSum, batch: CellBatch) -> None:
        start, stop = self._in_steps(batch.from_gy), self._in_steps(batch.to_gy)
        cc, width = batch.cc, stop - start
        is_point = width <= POINT_MASS_STEPS
        if is_point.any():
            group.add_points(batch.mean_gy[is_point], cc[is_point])
            keep = ~is_point
            start, stop, width, cc = start[keep], stop[keep], width[keep], cc[keep]
        weight = cc / width
        _add_hinges(group.hinges, stop, weight)
        _add_hinges(group.hinges, start, -weight)

    def _add_bounds(self, group: _GroupSum, batch: CellBatch) -> None:
        """Add the lines that bound the cells, their ends rounded outward to nodes.

        A line that would go on above the last node ends there upright; what one holds below the
        first node, or the lower one above the last, is dropped.
        """
        if self._bound_step == 0:
            group.add_line(group.lower, np.zeros(1), np.ones(1), batch.cc.sum(keepdims=True))
            group.add_line(group.upper, np.zeros(1), np.ones(1), batch.cc.sum(keepdims=True))
            return
        scale = np.float32(1 / self._bound_step)
        centre = (batch.centre_gy - np.float32(self._bound_low)) * scale
        reach, width = batch.reach_gy * scale, batch.width_gy * scale
        start = centre - reach
        group.add_line(group.lower, np.floor(start), np.floor(start + width), batch.cc)
        stop = centre + reach
        start, stop = np.ceil(stop - width), np.ceil(stop)
        if stop.max() > NODES:
            beyond = stop > NODES
            start, stop = np.where(beyond, INTERVALS, start), np.where(beyond, NODES, stop)
        group.add_line(group.upper, start, stop, batch.cc)

    def _spread_loose(self, total: _GroupSum, gy: Floats, cc: Floats) -> None:
        """Many small volumes of one dose each are a smooth curve: spread each over one step."""
        if not len(gy):
            return
        steps = (gy - self._low) / self._step
        start, stop = np.maximum(steps - 0.5, 0), np.minimum(steps + 0.5, INTERVALS)
        weight = cc / (stop - start)
        _add_hinges(total.hinges, stop, weight)
        _add_hinges(total.hinges, start, -weight)


class _GroupSum:
    """What the cells of one group of readings add to a curve."""

    __slots__ = (
        "cc", "cc_gy", "hinges", "lower", "points", "undefined_cc", "upper",
    )  # fmt: skip

    def __init__(self) -> None:
        self.cc = self.cc_gy = self.undefined_cc = 0.0
        self.hinges = np.zeros(NODES + 1)
        self.lower = np.zeros(NODES + 1)
        self.upper = np.zeros(NODES + 1)
        self.points: dict[float, float] = {}

    @staticmethod
    def add_line(
        hinges: Floats, start: NDArray[np.floating], stop: NDArray[np.floating], cc: Floats
    ) -> None:
        """Add volumes that fall evenly from one node to another; upright ones take one step."""
        stop = np.maximum(stop, start + 1)
        weight = cc / (stop - start)
        for at, sign in ((stop, 1), (start, -1)):
            node = at.astype(np.intp)
            if at.min() < 0 or at.max() > NODES:
                np.clip(node, 0, NODES, out=node)
            hinges += sign * np.bincount(node, weights=weight, minlength=NODES + 1)

    def add_points(self, gy: NDArray[np.floating], cc: Floats) -> None:
        """Add volumes that have one dose each."""
        values, at = np.unique(gy, return_inverse=True)
        for value, volume in zip(values.tolist(), np.bincount(at, weights=cc), strict=True):
            self.points[value] = self.points.get(value, 0.0) + float(volume)

    def __add__(self, other: _GroupSum) -> _GroupSum:
        total = _GroupSum()
        for name in self.__slots__:
            if name != "points":
                setattr(total, name, getattr(self, name) + getattr(other, name))
        for points in (self.points, other.points):
            for value, volume in points.items():
                total.points[value] = total.points.get(value, 0.0) + volume
        return total


def _add_hinges(hinges: Floats, at: NDArray[np.floating], weight: Floats) -> None:
    """Add weighted hinges at places in node steps, each shared linearly by its two nodes."""
    below = at.astype(np.intp)
    upper = np.bincount(below, weights=weight * (at - below), minlength=NODES)
    hinges[:NODES] += np.bincount(below, weights=weight, minlength=NODES) - upper
    hinges[1:] += upper


def _ramps(hinges: Floats) -> Floats:
    """Sum of the falling ramps of all cells at the nodes, exactly.

    A ramp is the difference of two hinges, cc / width x ((stop - d)+ - (start - d)+). A hinge at c
    is linear on either side, so sharing its weight linearly between the two nodes around c and
    summing twice gives its value at every node.
    """
    slopes = np.cumsum(hinges[::-1])[::-1]
    values = np.cumsum(slopes[::-1])[::-1][1:]
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


def _between(
    dose: Floats, volume: Floats, extremes: tuple[float, float], total: float
) -> tuple[Floats, Floats]:
    """Cut a curve to the proven extremes: all volume at the lowest, none above the highest dose."""
    low, high = extremes
    at_ends = np.interp([low, high], dose, volume)
    inside = (dose > low) & (dose < high)
    at_high = volume[dose == high]
    return (
        np.concatenate([[low, low], dose[inside], [high, high]]),
        np.concatenate(
            [[total, min(total, at_ends[0])], volume[inside],
             [at_high[0] if len(at_high) else at_ends[1], 0.0]]
        ),
    )  # fmt: skip
