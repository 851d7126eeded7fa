"""Figures of the cohort report as plain geometry: a template draws it, so every text is escaped there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from planeval.cohort.population import Band, Distribution
from planeval.cohort.survival import Survival

__all__ = ["Axis", "DvhFigure", "StepFigure", "StripFigure", "dvh_figure", "step_figure",
           "strip_figure"]  # fmt: skip

Floats = NDArray[np.float64]

WIDTH, HEIGHT = 340.0, 210.0
LEFT, RIGHT, TOP, BOTTOM = 40.0, 12.0, 10.0, 34.0
STRIP_HEIGHT = 64.0
_MOST_POINTS = 400


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear axis: where a number lies in the picture, and its ticks as (position, text)."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the position of a number."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Round numbers along the axis."""
        step = _round_step((self.high - self.low) / 5)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [(self.at(n * step), f"{n * step:g}") for n in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class DvhFigure:
    """Bands of a DVH: two filled areas and the median."""

    x: Axis
    y: Axis
    outer: Markup
    inner: Markup
    median: Markup


@dataclass(frozen=True, slots=True)
class StripFigure:
    """One metric: a dot per plan, box and median, and the limits as (position, text, tier)."""

    x: Axis
    dots: tuple[tuple[float, float, str, str, str], ...]
    box: tuple[float, float, float]
    limits: tuple[tuple[float, str, str], ...]


@dataclass(frozen=True, slots=True)
class StepFigure:
    """Survival curves: a path, a band and censoring marks for each."""

    x: Axis
    y: Axis
    curves: tuple[tuple[Markup, Markup, tuple[tuple[float, float], ...]], ...]


def dvh_figure(band: Band) -> DvhFigure:
    """Return the figure of a DVH band."""
    x = Axis(0.0, max(float(band.dose_gy[-1]), 1.0), LEFT, WIDTH - RIGHT)
    y = Axis(0.0, 100.0, HEIGHT - BOTTOM, TOP)
    p5, p25, p50, p75, p95 = band.percent
    return DvhFigure(
        x, y, _area(x, y, band.dose_gy, p5, p95), _area(x, y, band.dose_gy, p25, p75),
        _line(x, y, band.dose_gy, p50),
    )  # fmt: skip


def strip_figure(found: Distribution, limits: Iterable[tuple[float, str, str]]) -> StripFigure:
    """Return the figure of a distribution; ``limits`` are (number, text, tier)."""
    marked = list(limits)
    numbers = [value for _case, _patient, value, _outcome in found.values]
    low = min([*numbers, *(limit for limit, _text, _tier in marked)])
    high = max([*numbers, *(limit for limit, _text, _tier in marked)])
    room = 0.05 * (high - low) or max(abs(high) * 0.05, 0.5)
    start = max(0.0, low - room) if low >= 0 else low - room
    x = Axis(start, high + room, 14.0, 2 * WIDTH - RIGHT)
    shown = found.values[:: max(1, math.ceil(len(found.values) / _MOST_POINTS))]
    dots = tuple(
        (x.at(value), 14.0 + (number * 7919 % 17) * 0.9, case, outcome, f"{value:.4g}")
        for number, (case, _patient, value, outcome) in enumerate(shown)
    )
    spread = found.spread
    return StripFigure(
        x, dots, (x.at(spread.lower_quartile), x.at(spread.median), x.at(spread.upper_quartile)),
        tuple((x.at(limit), text, tier) for limit, text, tier in marked),
    )  # fmt: skip


def step_figure(curves: Sequence[Survival]) -> StepFigure:
    """Return the figure of survival curves."""
    ends = [float(t) for curve in curves for t in (*curve.times, *curve.censored)]
    x = Axis(0.0, max([*ends, 1e-9]), LEFT, 2 * WIDTH - RIGHT)
    y = Axis(0.0, 100.0, HEIGHT - BOTTOM, TOP)
    return StepFigure(x, y, tuple(_steps(x, y, curve) for curve in curves))


def _steps(
    x: Axis, y: Axis, curve: Survival
) -> tuple[Markup, Markup, tuple[tuple[float, float], ...]]:
    last = max([0.0, *curve.times.tolist(), *curve.censored.tolist()])
    line = [(0.0, 100.0)]
    band_high, band_low = [(0.0, 100.0)], [(0.0, 100.0)]
    for time, level, low, high in zip(
        *(a.tolist() for a in (curve.times, curve.survival, curve.low, curve.high)), strict=True
    ):
        for points, value in ((line, level), (band_high, high), (band_low, low)):
            points += [(time, points[-1][1]), (time, 100.0 * value)]
    for points in (line, band_high, band_low):
        points.append((last, points[-1][1]))
    marks = []
    for time in curve.censored.tolist():
        below = np.flatnonzero(curve.times <= time)
        level = 100.0 * float(curve.survival[below[-1]]) if len(below) else 100.0
        marks.append((x.at(time), y.at(level)))
    return (
        _path(x, y, line), _path(x, y, band_high + band_low[::-1]) + "Z", tuple(marks),
    )  # fmt: skip


def _area(x: Axis, y: Axis, doses: Floats, low: Floats, high: Floats) -> Markup:
    forth = list(zip(doses.tolist(), high.tolist(), strict=True))
    back = list(zip(doses.tolist(), low.tolist(), strict=True))
    return _path(x, y, forth + back[::-1]) + "Z"


def _line(x: Axis, y: Axis, doses: Floats, values: Floats) -> Markup:
    return _path(x, y, list(zip(doses.tolist(), values.tolist(), strict=True)))


def _path(x: Axis, y: Axis, points: Sequence[tuple[float, float]]) -> Markup:
    """Return a path of numbers: markup, since untrusted text is cut to a readable length."""
    return Markup("M" + "L".join(f"{x.at(a):g} {y.at(b):g}" for a, b in points))


def _round_step(width: float) -> float:
    """Return 1, 2 or 5 times a power of ten, at least ``width``."""
    power = 10.0 ** math.floor(math.log10(width)) if width > 0 else 1.0
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= width * (1 - 1e-9))
