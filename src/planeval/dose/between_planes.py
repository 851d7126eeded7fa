"""What lies between the planes: how far the numbers of a structure may be off for lack of it.

Slabs stand for a solid of which only some sections are known. Along the height, the volume of the solid
with dose >= d is the integral of a section area F(z; d); slabs of thickness h take F to be that of
their own plane. The next term of both the midpoint rule and the trapezoid rule (the slabs between the
first and the last plane, whose ends own half a slab each) is a second difference of neighbouring
sections:

::

    midpoint   + h (F(z-h) - 2 F(z) + F(z+h)) / 24
    trapezoid  - h (F(z-h) - 2 F(z) + F(z+h)) / 12

Which of them holds depends on where the solid ends, which nobody knows. The reach of a volume is
therefore the larger one without its sign, added up over all sections so that nothing cancels, times
:data:`CAUTION`. The same holds for the volume at a dose, for its share of the whole, and for the
integral of the dose, so for the mean. The end sections have no neighbour beyond; they take the second
difference of the section next to them. Where the planes end is the business of the cap readings.
What a section lacks lies between it and its neighbours: it may have their doses, so that the volume at
a dose gains or loses it wherever the three disagree which share of them reaches that dose.

The largest dose of a section, as a function of the height, may peak between two planes: by an eighth
of its second difference (the vertex of a parabola half a step away).

This is an estimate from the drawn planes, not a bound: whatever is thinner than the plane spacing can
hide between two planes. docs/accuracy.md shows how often random smooth solids lie in the band.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planeval.dose.curve import Curve
from planeval.dose.sampling import CellBatch
from planeval.geometry.coverage import Coverage
from planeval.geometry.stack import CapReading
from planeval.model import Structure

__all__ = ["BetweenPlanes", "PlaneSums", "Reference", "spans_of"]

Floats = NDArray[np.float64]
Interval = tuple[float, float]

CAUTION = 1.5
"""What the second differences are multiplied with: the next terms of both rules are not small where an
end is blunt. Decided by the coverage of random smooth solids."""

TRAPEZOID = 1 / 12
VERTEX = 1 / 8

LEVELS = 128
"""Doses at which the sections are compared."""

FEWEST = 3
"""Sections without which there is no second difference."""


class Reference(Enum):
    """What a volume at a dose is asked as: hot volume, cold volume, or a share of the whole."""

    HOT = "hot"
    COLD = "cold"
    SHARE = "share"


@dataclass(frozen=True, slots=True, eq=False)
class BetweenPlanes:
    """How far volumes and doses may lie from those of the slabs.

    ``hot_cc`` (sections, levels) is what each section holds at or above each of ``level_gy``, the
    lowest of which all reach. ``beyond_gy`` says by how much the smallest dose may be lower and the
    largest higher.
    """

    level_gy: Floats
    hot_cc: Floats
    beyond_gy: Interval

    @property
    def volume_cc(self) -> float:
        """How far the volume may be off."""
        return float(_reach(self.hot_cc[:, :1])[0])

    @property
    def mean_gy(self) -> float:
        """How far the mean may be off: the mean is the integral of the share over the dose."""
        integral = self._apart()[:, 1:] @ np.diff(self.level_gy)
        return float(_reach(integral[:, None])[0] / self.hot_cc[:, 0].sum())

    def converted(self, convert: Callable[[Any], Any], extremes_gy: Interval) -> BetweenPlanes:
        """Return it in a dose that rises with this one; ``extremes_gy`` are those of the slabs."""
        (low, high), (below, above) = extremes_gy, self.beyond_gy
        beyond = (
            convert(low) - convert(max(low - below, 0.0)),
            convert(high + above) - convert(high),
        )
        return BetweenPlanes(convert(self.level_gy), self.hot_cc, beyond)

    def at_levels(self, reference: Reference) -> Floats:
        """How far the volume at each level may be off, in cc."""
        whole = self.hot_cc[:, :1]
        match reference:
            case Reference.HOT:
                sections = self.hot_cc
            case Reference.COLD:
                sections = whole - self.hot_cc
            case Reference.SHARE:
                sections = self._apart()
        return _reach(sections) + _term(_bends(whole) * self._disagreement())

    def _apart(self) -> Floats:
        """What each section holds at each level more than its part of the whole."""
        whole = self.hot_cc[:, :1]
        return np.asarray(self.hot_cc - self.hot_cc.sum(axis=0) / whole.sum() * whole)

    def _disagreement(self) -> Floats:
        """How far the shares at each level differ between each section and its neighbours."""
        whole = self.hot_cc[:, :1]
        share = np.divide(self.hot_cc, whole, out=np.zeros_like(self.hot_cc), where=whole > 0)
        share = np.concatenate([share[:1], share, share[-1:]])
        three = np.stack([share[:-2], share[1:-1], share[2:]])
        return np.asarray(three.max(axis=0) - three.min(axis=0))

    def widened(
        self, curves: dict[CapReading, Curve], reference: Reference
    ) -> dict[CapReading, Curve]:
        """Return curves whose bounds hold what may lie between the planes as well."""
        off_cc = self.at_levels(reference)
        return {
            reading: self._widened(curve, off_cc, reference) for reading, curve in curves.items()
        }

    def _widened(self, curve: Curve, off_cc: Floats, reference: Reference) -> Curve:
        low, high = curve.limits_gy
        off = np.interp(curve.bound_gy, self.level_gy, off_cc)
        least = np.maximum(curve.lower_cc - off, 0.0)
        most = curve.upper_cc + off
        if reference is not Reference.HOT:
            # all of it is all of it, at the lowest dose
            most = np.minimum(most, curve.total_cc)
        below, above = self.beyond_gy
        return replace(
            curve,
            bound_gy=np.concatenate([[max(low - below, 0.0)], curve.bound_gy, [high + above]]),
            lower_cc=_falling(np.concatenate([least[:1], least, [0.0]])[::-1])[::-1],
            upper_cc=-_falling(-np.concatenate([most[:1], most, most[-1:]])),
        )


def _falling(volumes: Floats) -> Floats:
    """Bounds of a falling curve, each as good as those beside it allow."""
    return np.maximum.accumulate(volumes)


def _bends(sections: Floats) -> Floats:
    """Sizes of the second differences along the first axis; the ends take their neighbour's."""
    bends = np.abs(np.diff(sections, n=2, axis=0))
    return np.concatenate([bends[:1], bends, bends[-1:]])


def _term(bends: Floats) -> Floats:
    """The missing term of the rules, added up over the sections."""
    return np.asarray(CAUTION * TRAPEZOID * bends.sum(axis=0))


def _reach(sections: Floats) -> Floats:
    return _term(_bends(sections))


class PlaneSums:
    """Adds up cells by section: even parts of the solid's height, one plane spacing thick.

    ``spans`` are those of :func:`spans_of`.
    """

    def __init__(
        self, structure: Structure, spans: Mapping[int, Interval], range_gy: Interval
    ) -> None:
        self._edges = _section_edges(structure, spans)
        low, high = range_gy
        self._low, self._step = low, (high - low) / LEVELS
        count = max(len(self._edges) - 1, 0)
        self._hot = np.zeros((count, LEVELS))
        self._extremes = np.tile([np.inf, -np.inf], (count, 1))

    @property
    def is_useful(self) -> bool:
        """Whether there are enough sections."""
        return len(self._edges) > FEWEST

    def add(self, batch: CellBatch) -> None:
        """Add the cells of a batch."""
        if not self.is_useful or not batch.readings & CapReading.CHOSEN or not len(batch.cc):
            return
        layers = batch.doses.layers
        lattice = batch.doses.lattice
        starts = np.arange(len(layers) + 1) * (lattice.rows * lattice.columns)
        level = self._levels(batch.mean_gy)
        full = np.searchsorted(batch.position[: batch.full], starts)
        partial = batch.full + np.searchsorted(batch.position[batch.full :], starts)
        of_layer = np.arange(len(layers)) * LEVELS
        level[: batch.full] += np.repeat(of_layer, np.diff(full))
        level[batch.full :] += np.repeat(of_layer, np.diff(partial))
        held = np.bincount(level, weights=batch.cc, minlength=len(layers) * LEVELS)
        share = self._shares([(one.low_mm, one.high_mm) for one in layers])
        self._share_out(share, held.reshape(len(layers), LEVELS))
        if layers[0].sheet is not None:
            self._look(batch, partial, share)

    def result(self) -> BetweenPlanes | None:
        """What was found; None where there are too few sections to compare."""
        if not self.is_useful:
            return None
        hot = np.cumsum(self._hot[:, ::-1], axis=1)[:, ::-1]
        levels: Floats = self._low + self._step * np.arange(LEVELS, dtype=np.float64)
        below, above = (_peak(sign * self._extremes[:, n]) for n, sign in ((0, -1.0), (1, 1.0)))
        return BetweenPlanes(levels, hot, (below, above))

    def _levels(self, gy: NDArray[np.float32]) -> NDArray[np.intp]:
        """The level below each dose."""
        if self._step == 0:
            return np.zeros(len(gy), dtype=np.intp)
        steps = (gy - np.float32(self._low)) * np.float32(1 / self._step)
        return np.clip(steps, 0, LEVELS - 1, out=steps).astype(np.intp)

    def _shares(self, heights: list[tuple[float, float]]) -> Floats:
        """Which share of each layer (rows) lies in each section (columns)."""
        low, high = np.array(heights).T
        edges = np.clip(self._edges, low[:, None], high[:, None])
        return np.asarray(np.diff(edges, axis=1) / (high - low)[:, None], dtype=np.float64)

    def _share_out(self, share: Floats, held: NDArray[Any]) -> None:
        """Give every section its share of what the layers hold.

        The matrix product would say the same: it is nearly empty, and the linear algebra's own
        threads, which it wakes, take from the processor what everything else needs.
        """
        section, layer = np.nonzero(share.T)
        if len(section):
            first = np.flatnonzero(np.diff(section, prepend=-1))
            parts = share[layer, section][:, None] * held[layer]
            self._hot[section[first]] += np.add.reduceat(parts, first, axis=0)

    def _look(self, batch: CellBatch, ends: NDArray[Any], share: Floats) -> None:
        """Note the extremes along the outline of every section."""
        section = share.argmax(axis=1)
        some = np.flatnonzero(np.diff(ends))
        if not len(some):
            return
        first = ends[some]
        lowest = np.minimum.reduceat(batch.from_gy, first)
        highest = np.maximum.reduceat(batch.to_gy, first)
        np.minimum.at(self._extremes[:, 0], section[some], lowest)
        np.maximum.at(self._extremes[:, 1], section[some], highest)


def _peak(largest: Floats) -> float:
    """By how much the largest value of sections may be exceeded between them."""
    largest = largest[np.isfinite(largest)]
    if len(largest) < FEWEST:
        return 0.0
    return float((largest + CAUTION * VERTEX * _bends(largest)).max() - largest.max())


def _section_edges(structure: Structure, spans: Mapping[int, Interval]) -> Floats:
    """Heights that cut a solid into even parts, each as thick as its planes lie apart.

    A derived solid has no planes: then half of its height lies in slabs at least that thick.
    """
    if not spans:
        return np.zeros(0)
    low, high = min(span[0] for span in spans.values()), max(span[1] for span in spans.values())
    thickness = np.sort([top - bottom for bottom, top in spans.values()])
    half = np.searchsorted(np.cumsum(thickness), thickness.sum() / 2)
    stack = structure.stack
    step = stack.spacing_mm if stack.planes and stack.spacing_mm else float(thickness[half])
    return np.linspace(low, high, max(1, round((high - low) / step)) + 1)


def spans_of(coverage: Coverage) -> dict[int, Interval]:
    """From where to where each polygon is solid in the chosen reading, by the polygon's id."""
    spans: dict[int, Interval] = {}
    chosen = int(CapReading.CHOSEN)
    for layer in coverage.layers:
        if layer.sheet is None or not int(layer.readings) & chosen:
            continue
        low, high = spans.get(id(layer.sheet.area), (np.inf, -np.inf))
        spans[id(layer.sheet.area)] = min(low, layer.low_mm), max(high, layer.high_mm)
    return spans
