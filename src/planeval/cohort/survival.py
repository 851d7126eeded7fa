"""Time to event: the product-limit estimate and the log-rank test, both of SciPy.

Kaplan and Meier 1958 (doi 10.1080/01621459.1958.10501452): S(t) = prod over event times u <= t of
(1 - d_u / n_u), n_u at risk just before u (a patient censored at u is still at risk at u). Band: 95 %
by Greenwood's variance on the log(-log S) scale. Log-rank: Mantel 1966, observed minus expected over
all event times with the hypergeometric variance, tied events together.

What is here beside the calls: numbers at risk, the steps (event times only), the median, and the
edges where the formulas divide by zero.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LogRank", "Survival", "kaplan_meier", "log_rank"]

Floats = NDArray[np.float64]
FollowUp = tuple[Sequence[float], Sequence[bool]]
"""Times, and whether the event happened then; otherwise the patient is censored."""

_ROUNDING = 1e-12
"""A product of shares that is 0.5 on paper may come out this much above it."""


@dataclass(frozen=True, slots=True, eq=False)
class Survival:
    """A product-limit curve: after each of ``times`` the survival is ``survival``.

    ``at_risk`` is just before each time. ``low`` and ``high`` are the 95 % band.
    ``censored`` are the times of patients without the event.
    """

    n: int
    events: int
    times: Floats
    survival: Floats
    low: Floats
    high: Floats
    at_risk: NDArray[np.int64]
    censored: Floats

    @property
    def median(self) -> float | None:
        """The first time at which survival is 0.5 or less, None where it stays above."""
        below = np.flatnonzero(self.survival <= 0.5 + _ROUNDING)
        return float(self.times[below[0]]) if len(below) else None


@dataclass(frozen=True, slots=True)
class LogRank:
    """A log-rank test of one group against another.

    ``z`` is (observed - expected) / sqrt(variance) of the first group's events: above 0, its hazard
    is the higher one. ``p`` is two-sided.
    """

    z: float
    p: float

    @property
    def chi_squared(self) -> float:
        """The statistic as most programs print it: z squared, one degree of freedom."""
        return self.z**2


def kaplan_meier(times: Sequence[float], events: Sequence[bool]) -> Survival:
    """Return the product-limit estimate.

    The band is 0 to 0 where the survival is 0: there Greenwood's variance is undefined.

    >>> kaplan_meier([1, 2, 3, 4], [True, False, True, False]).survival.round(3).tolist()
    [0.75, 0.375]
    """
    from scipy import stats  # noqa: PLC0415 - heavy

    time, event = _checked(times, events)
    if not len(time):
        none = np.zeros(0)
        return Survival(0, 0, none, none, none, none, np.zeros(0, dtype=np.int64), none)
    curve = stats.ecdf(stats.CensoredData.right_censored(time, ~event)).sf
    steps = np.isin(curve.quantiles, time[event])
    points = np.asarray(curve.quantiles[steps], dtype=np.float64)
    survival = np.asarray(curve.probabilities[steps], dtype=np.float64)
    with warnings.catch_warnings():
        # undefined before the first event and where nobody is left: neither is taken from it
        warnings.filterwarnings("ignore", "The confidence interval is undefined", RuntimeWarning)
        band = curve.confidence_interval(0.95, method="log-log")
    low, high = (
        np.where(np.isnan(side.probabilities), curve.probabilities, side.probabilities)[steps]
        for side in (band.low, band.high)
    )
    at_risk = len(time) - np.searchsorted(np.sort(time), points, side="left")
    return Survival(
        len(time), int(event.sum()), points, survival, low, high, at_risk, np.sort(time[~event])
    )


def log_rank(first: FollowUp, second: FollowUp) -> LogRank | None:
    """Return the log-rank test of two groups.

    None where there is nothing to compare: a group is empty, or no event time has both at risk.
    """
    from scipy import stats  # noqa: PLC0415 - heavy

    groups = [_checked(*first), _checked(*second)]
    if not all(len(time) for time, _event in groups):
        return None
    one, other = (stats.CensoredData.right_censored(time, ~event) for time, event in groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        # without a variance the statistic is 0 / 0
        found = stats.logrank(one, other)
    if not np.isfinite(found.statistic):
        return None
    return LogRank(float(found.statistic), float(found.pvalue))


def _checked(times: Sequence[float], events: Sequence[bool]) -> tuple[Floats, NDArray[np.bool_]]:
    time, event = np.asarray(times, dtype=np.float64), np.asarray(events, dtype=bool)
    if time.shape != event.shape or not np.all(np.isfinite(time)) or np.any(time < 0):
        raise ValueError("each patient needs a time of 0 or more, and whether the event happened")
    return time, event
