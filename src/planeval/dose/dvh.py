"""The DVH of a structure, and what it says: D, V, CV, DC, mean, median, extremes, with bands.

Definitions (TG-263 section 9, Mayo 2018): V(d) is the volume with dose >= d; CV(d) the volume with
dose < d; D(x) the largest d with V(d) >= x; DC(x) the smallest d such that the volume at dose <= d is
>= x. Asking for more volume than the structure has is undefined, never Max or Min.

Where ``outside_cc`` of the structure lies beyond the dose grid its dose is unknown in [0, inf), or in
[0, ``outside_gy``] where somebody set that ceiling. Every metric is then undefined, with the interval
that the unknown part leaves as ``possible``: its ends are the metric with all of that part at either
end, as no metric here falls when a dose rises (a cold volume, which never rises, has them the other way
round). Percentages refer to the whole structure.

Bands combine what the cells hold at least and at most at every dose, the readings of the end caps
from no cap to one full plane spacing at each end, and what may lie between the planes
(:mod:`~planeval.dose.between_planes`); ``possible`` holds them as well. They are numerical: the error of
contouring, of the planning system's dose, and of interpolating its grid is not in them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planeval.dose.between_planes import BetweenPlanes, Reference
from planeval.dose.curve import SAME_DOSE, Curve
from planeval.dose.power_mean import power_bounds, power_bounds_with_outside, power_mean
from planeval.geometry.stack import CapReading
from planeval.model import Value
from planeval.units import Unit

__all__ = ["Dvh", "HotSpot"]

Floats = NDArray[np.float64]
Read = Callable[[Curve], float]
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class HotSpot:
    """A dose and the patient point (LPS mm) where it was found."""

    gy: float
    position_mm: tuple[float, float, float]


class Dvh:
    """The cumulative DVH of one structure in one dose.

    ``dose_gy`` and ``volume_cc`` are the curve of the part inside the dose grid; its volume starts at
    the inside volume. ``total_cc`` is the whole structure, ``outside_cc`` the part without dose, and
    ``outside_gy`` the highest dose that this part may have.
    """

    def __init__(
        self,
        name: str,
        curves: dict[CapReading, Curve],
        outside_cc: dict[CapReading, float],
        *,
        hottest: HotSpot | None = None,
        coldest: HotSpot | None = None,
        between: BetweenPlanes | None = None,
        drawn_gy: Interval = (-math.inf, math.inf),
        outside_gy: float = math.inf,
    ) -> None:
        self.name = name
        self.outside_gy = outside_gy
        self.hottest = hottest
        self.coldest = coldest
        self._curves = curves
        self._outside = outside_cc
        self._between = between
        self._drawn = drawn_gy
        self._widened: dict[Reference, dict[CapReading, Curve]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to another process: what follows from the rest is not."""
        return self.__dict__ | {"_widened": {}}

    def under(self, reading: CapReading) -> Dvh:
        """Return the DVH of one reading of the end caps, which then is its only one.

        No cap and full caps are read from the same cells: nothing is computed again.
        """
        curve, outside = self._curves.get(reading), self._outside[reading]
        return Dvh(
            self.name,
            dict.fromkeys(CapReading, curve) if curve else {},
            dict.fromkeys(CapReading, outside),
            hottest=self.hottest,
            coldest=self.coldest,
            outside_gy=self.outside_gy,
        )

    def with_outside(self, *, at_most_gy: float) -> Dvh:
        """Return the DVH with the dose beyond the grid in [0, ``at_most_gy``]; nothing is sampled again.

        Raises ValueError for a ceiling that is no dose.
        """
        if not at_most_gy >= 0:
            raise ValueError(f"at most {at_most_gy} Gy outside the dose grid: need at least 0 Gy")
        return Dvh(
            self.name,
            self._curves,
            self._outside,
            hottest=self.hottest,
            coldest=self.coldest,
            between=self._between,
            drawn_gy=self._drawn,
            outside_gy=at_most_gy,
        )

    @property
    def dose_gy(self) -> Floats:
        """Rising doses of the curve; empty where no part of the structure has dose."""
        curve = self._curves.get(CapReading.CHOSEN)
        return curve.dose_gy if curve else np.zeros(0)

    @property
    def volume_cc(self) -> Floats:
        """Volume with at least that dose, inside the dose grid."""
        curve = self._curves.get(CapReading.CHOSEN)
        return curve.volume_cc if curve else np.zeros(0)

    @property
    def inside_cc(self) -> float:
        """Volume with known dose."""
        return self._inside(CapReading.CHOSEN)

    @property
    def outside_cc(self) -> float:
        """Volume beyond the dose grid."""
        return self._outside[CapReading.CHOSEN]

    @property
    def total_cc(self) -> float:
        """Volume of the structure."""
        return self.inside_cc + self.outside_cc

    def volume(self) -> Value:
        """Volume of the structure; its band: the end caps, and what may lie between the planes."""
        totals = [self._total(reading) for reading in self._outside]
        off = self._between.volume_cc if self._between else 0.0
        return Value.of(self.total_cc, Unit.CC, max(min(totals) - off, 0.0), max(totals) + off)

    def outside(self, unit: Unit = Unit.CC) -> Value:
        """Volume beyond the dose grid, in cc or in percent of the structure."""
        if not self.total_cc > 0:
            return Value.undefined(f"{self.name} has no volume", unit)
        scale = 1.0 if unit is Unit.CC else 100.0 / self.total_cc
        return Value.of(self.outside_cc * scale, unit)

    def mean(self) -> Value:
        """Mean dose: the integral of the trilinear field over the solid, divided by its volume.

        The mean of every cell is exact: its band holds the end caps and what may lie between the
        planes, not the interpolation of the grid.
        """

        def with_outside(curve: Curve, outside_cc: float) -> Interval:
            total = curve.total_cc + outside_cc
            low, high = (gy * curve.total_cc / total for gy in self._mean_bounds(curve))
            if math.isinf(self.outside_gy):
                return low, math.inf
            return low, high + self.outside_gy * outside_cc / total

        return self._dose_value(
            lambda curve: curve.mean_gy, self._mean_bounds, with_outside, "Mean"
        )

    def max(self) -> Value:
        """Largest dose at a point of the closed solid.

        The search is exact where the field is trilinear in every cell; else the band ends at the
        largest corner of a touching cell. It begins at a dose that a drawn plane has, as the edge of
        a slab may overshoot, and goes on to the peak that may lie between planes. A note says where
        that point is.
        """

        def bounds(curve: Curve) -> Interval:
            surely = min(curve.max_gy, max(self._drawn[1], curve.min_gy))
            return surely, curve.limits_gy[1] + self._beyond[1]

        found = self._dose_value(
            lambda curve: curve.max_gy,
            bounds,
            lambda curve, _outside: (bounds(curve)[0], max(bounds(curve)[1], self.outside_gy)),
            "Max",
        )
        if self.hottest is None:
            return found
        x, y, z = (f"{c:.1f}" for c in self.hottest.position_mm)
        return replace(found, notes=(f"Largest known dose at x {x}, y {y}, z {z} mm",))

    def min(self) -> Value:
        """Smallest dose at a point of the closed solid; its band is that of :meth:`max`."""

        def bounds(curve: Curve) -> Interval:
            surely = max(curve.min_gy, min(self._drawn[0], curve.max_gy))
            return max(curve.limits_gy[0] - self._beyond[0], 0.0), surely

        return self._dose_value(
            lambda curve: curve.min_gy,
            bounds,
            lambda curve, _outside: (0.0, min(bounds(curve)[1], self.outside_gy)),
            "Min",
        )

    def median(self) -> Value:
        """The dose that half of the volume reaches: D50%."""
        return self.d(percent=50)

    def d(self, *, cc: float | None = None, percent: float | None = None) -> Value:
        """D(x): the largest dose that at least x of the volume receives."""
        wanted, text = self._volume_argument("D", cc, percent)
        too_much = self._more_than_there_is(wanted, text)
        if too_much is not None:
            return too_much
        return self._dose_value(
            lambda curve: curve.dose_at(wanted(curve)),
            lambda curve: curve.dose_bounds(wanted(curve)),
            lambda curve, outside: _d_with_outside(
                curve, outside, _amount(cc, percent, curve.total_cc + outside), self.outside_gy
            ),
            text,
            reference=Reference.HOT if percent is None else Reference.SHARE,
            exists=lambda curve, reading: wanted(curve) <= self._total(reading) * (1 + 1e-12),
        )

    def dc(self, *, cc: float | None = None, percent: float | None = None) -> Value:
        """DC(x): the smallest dose such that x of the volume receives no more than it."""
        wanted, text = self._volume_argument("DC", cc, percent)
        too_much = self._more_than_there_is(wanted, text)
        if too_much is not None:
            return too_much

        def hot_rest(curve: Curve) -> float:
            return max(curve.total_cc - wanted(curve), 0.0)

        return self._dose_value(
            lambda curve: _cold_dose(curve, hot_rest(curve)),
            lambda curve: _cold_bounds(curve, hot_rest(curve)),
            lambda curve, outside: _dc_with_outside(
                curve, outside, _amount(cc, percent, curve.total_cc + outside), self.outside_gy
            ),
            text,
            reference=Reference.COLD if percent is None else Reference.SHARE,
            exists=lambda curve, reading: wanted(curve) <= self._total(reading) * (1 + 1e-12),
        )

    def geud(self, exponent: float) -> Value:
        """Generalised equivalent uniform dose: the power mean of the dose, (sum v D^a / V)^(1/a).

        a = 1 is the mean; a large a approaches Max, a negative one Min (0 where a part has no dose).
        """
        if not math.isfinite(exponent) or exponent == 0:
            raise ValueError(f"gEUD with a = {exponent}: need a number other than 0")
        return self._dose_value(
            lambda one: power_mean(one, exponent),
            lambda one: power_bounds(one, exponent),
            lambda one, outside: power_bounds_with_outside(one, outside, exponent, self.outside_gy),
            f"gEUD{exponent:g}",
            reference=Reference.SHARE,
        )

    def v(self, *, gy: float, unit: Unit | str = Unit.CC) -> Value:
        """V(d): the volume with dose >= d, in cc or in percent of the structure."""
        return self._volume_value(
            gy, Unit(unit), lambda curve: curve.volume_at(gy), lambda curve: curve.volume_bounds(gy),
            f"V{gy:g}Gy",
        )  # fmt: skip

    def cv(self, *, gy: float, unit: Unit | str = Unit.CC) -> Value:
        """CV(d): the volume with dose < d, in cc or in percent of the structure."""

        def bounds(curve: Curve) -> Interval:
            low, high = curve.volume_bounds(gy)
            return max(curve.total_cc - high, 0.0), curve.total_cc - low

        return self._volume_value(
            gy, Unit(unit), lambda curve: curve.total_cc - curve.volume_at(gy), bounds,
            f"CV{gy:g}Gy", cold=True,
        )  # fmt: skip

    def __repr__(self) -> str:
        outside = f", {self.outside_cc:.2f} cc outside the dose grid" if self.outside_cc else ""
        return f"Dvh({self.name!r}, {self.total_cc:.2f} cc{outside}, mean {self.mean()!r})"

    def _bounding(self, reading: CapReading, reference: Reference) -> Curve:
        """The curve of a reading, its bounds widened by what may lie between the planes."""
        if self._between is None:
            return self._curves[reading]
        if reference not in self._widened:
            self._widened[reference] = self._between.widened(self._curves, reference)
        return self._widened[reference][reading]

    def _mean_bounds(self, curve: Curve) -> Interval:
        low, high = curve.mean_band_gy or (curve.mean_gy, curve.mean_gy)
        off = self._between.mean_gy if self._between else 0.0
        return low - off, high + off

    @property
    def _beyond(self) -> Interval:
        return self._between.beyond_gy if self._between else (0.0, 0.0)

    def _inside(self, reading: CapReading) -> float:
        curve = self._curves.get(reading)
        return curve.total_cc if curve else 0.0

    def _total(self, reading: CapReading) -> float:
        return self._inside(reading) + self._outside[reading]

    def _volume_argument(
        self, kind: str, cc: float | None, percent: float | None
    ) -> tuple[Read, str]:
        """The volume asked for in each reading, and its text. Exactly one argument is needed."""
        if (cc is None) == (percent is None):
            raise ValueError(f"{kind} needs either cc= or percent=")
        amount = cc if cc is not None else float(percent or 0.0)
        if not amount > 0 or (percent is not None and percent > 100):
            raise ValueError(f"{kind} of {amount}: need a volume above 0, and at most 100 percent")
        if cc is not None:
            return (lambda _curve: float(cc)), f"{kind}{cc:g}cc"
        return (lambda curve: amount / 100.0 * curve.total_cc), f"{kind}{amount:g}%"

    def _more_than_there_is(self, wanted: Read, text: str) -> Value | None:
        """The undefined value for a volume larger than the structure, None where it fits."""
        curve = self._curves.get(CapReading.CHOSEN)
        if not self.total_cc > 0:
            return Value.undefined(f"{self.name} has no volume", Unit.GY)
        if curve is None or wanted(curve) <= self.total_cc * (1 + 1e-12):
            return None
        return Value.undefined(
            f"{text} asks for more than the {self.total_cc:.3f} cc of {self.name}", Unit.GY
        )

    def _dose_value(
        self,
        number: Read,
        bounds: Callable[[Curve], Interval],
        with_outside: Callable[[Curve, float], Interval],
        text: str,
        *,
        reference: Reference | None = None,
        exists: Callable[[Curve, CapReading], bool] = lambda _curve, _reading: True,
    ) -> Value:
        """A dose metric: its number and band, or the interval that a part without dose leaves."""
        curve = self._curves.get(CapReading.CHOSEN)
        if not self.total_cc > 0:
            return Value.undefined(f"{self.name} has no volume", Unit.GY)
        if curve is None:
            return self._unknown(text, Unit.GY, (0.0, self.outside_gy))
        known = {
            reading: one if reference is None else self._bounding(reading, reference)
            for reading, one in self._curves.items()
        }
        if self.outside_cc > 0:
            ends = [with_outside(one, self._outside[reading]) for reading, one in known.items()]
            return self._unknown(text, Unit.GY, _hull(ends))
        ends = [bounds(one) for reading, one in known.items() if exists(one, reading)]
        return Value.of(number(curve), Unit.GY, *_hull(ends))

    def _volume_value(
        self, gy: float, unit: Unit, number: Read, bounds: Callable[[Curve], Interval], text: str,
        *, cold: bool = False,
    ) -> Value:  # fmt: skip
        """A volume metric in cc or percent: number and band, or what a part without dose leaves."""
        if unit not in (Unit.CC, Unit.PERCENT):
            raise ValueError(f"{text} comes in cc or %, not in {unit}")
        if not math.isfinite(gy) or gy < 0:
            raise ValueError(f"{text}: need a dose of at least 0 Gy")
        if not self.total_cc > 0:
            return Value.undefined(f"{self.name} has no volume", unit)

        def scaled(volume: float, reading: CapReading) -> float:
            return volume if unit is Unit.CC else 100.0 * volume / self._total(reading)

        if gy == 0:
            total = 0.0 if cold else self.total_cc
            return Value.of(scaled(total, CapReading.CHOSEN), unit)
        # how much of what lies outside surely counts, and how much may
        is_reached = gy * (1 - SAME_DOSE) <= self.outside_gy
        surely, maybe = (float(cold and not is_reached), float(cold or is_reached))
        curve = self._curves.get(CapReading.CHOSEN)
        if curve is None:
            outside = scaled(self.outside_cc, CapReading.CHOSEN)
            return self._unknown(text, unit, (surely * outside, maybe * outside))
        in_cc = Reference.COLD if cold else Reference.HOT
        reference = in_cc if unit is Unit.CC else Reference.SHARE
        known = {reading: bounds(self._bounding(reading, reference)) for reading in self._curves}
        ends = [
            (scaled(low + surely * self._outside[reading], reading),
             scaled(high + maybe * self._outside[reading], reading))
            for reading, (low, high) in known.items()
        ]  # fmt: skip
        if self.outside_cc > 0:
            return self._unknown(text, unit, _hull(ends))
        return Value.of(scaled(number(curve), CapReading.CHOSEN), unit, *_hull(ends))

    def _unknown(self, text: str, unit: Unit, possible: Interval) -> Value:
        low, high = possible
        upper = f"{high:.2f}" if math.isfinite(high) else "any dose"
        ceiling = math.isfinite(self.outside_gy)
        given = f"with at most {self.outside_gy:.2f} Gy there, " if ceiling else ""
        return Value.undefined(
            f"{self.outside_cc:.2f} of {self.total_cc:.2f} cc of {self.name} lie outside the dose "
            f"grid: {given}{text} is between {low:.2f} and {upper}",
            unit,
            possible,
        )


def _hull(intervals: list[Interval]) -> Interval:
    """The interval that holds all of some."""
    return min(low for low, _ in intervals), max(high for _, high in intervals)


def _amount(cc: float | None, percent: float | None, total_cc: float) -> float:
    return cc if cc is not None else float(percent or 0) / 100.0 * total_cc


def _d_with_outside(curve: Curve, outside_cc: float, cc: float, ceiling_gy: float) -> Interval:
    """What D(x) may be with a further volume at no dose, and at the ceiling.

    At the ceiling the further volume counts for every dose up to it, and for none above.
    """
    rest = cc - outside_cc
    alone = curve.dose_bounds(cc) if cc <= curve.total_cc else (0.0, 0.0)
    together = curve.dose_bounds(rest)[1] if rest > 0 else math.inf
    return alone[0], max(alone[1], min(together, ceiling_gy))


def _dc_with_outside(curve: Curve, outside_cc: float, cc: float, ceiling_gy: float) -> Interval:
    """What DC(x) may be with a further volume at no dose, and at the ceiling."""
    rest = cc - outside_cc
    low, high = _cold_bounds(curve, curve.total_cc - rest) if rest > 0 else (0.0, 0.0)
    alone = _cold_bounds(curve, curve.total_cc - cc)[1] if cc <= curve.total_cc else math.inf
    return low, min(alone, max(high, ceiling_gy))


def _cold_dose(curve: Curve, hot_cc: float) -> float:
    """The smallest dose that leaves no more than ``hot_cc`` above it."""
    if hot_cc <= 0:
        return curve.max_gy
    at = int(np.searchsorted(-curve.volume_cc, -hot_cc, side="left"))
    if at == 0:
        return float(curve.dose_gy[0])
    if at >= len(curve.dose_gy):
        return float(curve.dose_gy[-1])
    v0, v1 = curve.volume_cc[at - 1], curve.volume_cc[at]
    d0, d1 = curve.dose_gy[at - 1], curve.dose_gy[at]
    return float(d0 + (d1 - d0) * (v0 - hot_cc) / (v0 - v1))


def _cold_bounds(curve: Curve, hot_cc: float) -> Interval:
    if hot_cc <= 0:
        return curve.max_gy, curve.limits_gy[1]
    return curve.dose_bounds(hot_cc)
