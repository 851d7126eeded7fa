"""Time to event: the product-limit estimate and the log-rank test.

Kaplan and Meier 1958 (doi 10.1080/01621459.1958.10501452): S(t) = prod over event times u <= t of
(1 - d_u / n_u), n_u at risk just before u (a patient censored at u is still at risk at u). Band: 95 %
by Greenwood's variance on the log(-log S) scale. Log-rank: Mantel 1966, observed minus expected over
all event times with the hypergeometric variance, tied events together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Survival", "kaplan_meier", "log_rank"]

Floats = NDArray[np.float64]

_NORMAL_95 = 1.959963984540054


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
        below = np.flatnonzero(self.survival <= 0.5)
        return float(self.times[below[0]]) if len(below) else None


def kaplan_meier(times: Sequence[float], events: Sequence[bool]) -> Survival:
    """Return the product-limit estimate.

    >>> kaplan_meier([1, 2, 3, 4], [True, False, True, False]).survival.tolist()
    [0.75, 0.375]
    """
    time, event = _checked(times, events)
    points = np.unique(time[event])
    died = np.array([np.sum(event & (time == point)) for point in points], dtype=np.int64)
    at_risk = np.array([np.sum(time >= point) for point in points], dtype=np.int64)
    survival = np.cumprod(1.0 - died / at_risk, dtype=np.float64)
    low, high = _band(survival, died, at_risk)
    return Survival(
        len(time), int(event.sum()), points, survival, low, high, at_risk, np.sort(time[~event])
    )


def log_rank(
    first: tuple[Sequence[float], Sequence[bool]], second: tuple[Sequence[float], Sequence[bool]]
) -> tuple[float, float] | None:
    """Return chi-squared (one degree of freedom) and p of two groups of (times, events).

    None where there is nothing to compare: a group is empty, or no event time has both at risk.
    """
    from scipy.special import chdtrc  # noqa: PLC0415 - heavy

    one, other = _checked(*first), _checked(*second)
    points = np.unique(np.concatenate([one[0][one[1]], other[0][other[1]]]))
    difference = variance = 0.0
    for point in points:
        n_one, n_other = int(np.sum(one[0] >= point)), int(np.sum(other[0] >= point))
        n = n_one + n_other
        d_one = int(np.sum(one[1] & (one[0] == point)))
        d = d_one + int(np.sum(other[1] & (other[0] == point)))
        difference += d_one - d * n_one / n
        if n > 1:
            variance += d * (n_one / n) * (n_other / n) * (n - d) / (n - 1)
    if variance == 0:
        return None
    chi_squared = difference**2 / variance
    return chi_squared, float(chdtrc(1, chi_squared))


def _checked(times: Sequence[float], events: Sequence[bool]) -> tuple[Floats, NDArray[np.bool_]]:
    time, event = np.asarray(times, dtype=np.float64), np.asarray(events, dtype=bool)
    if time.shape != event.shape or not np.all(np.isfinite(time)) or np.any(time < 0):
        raise ValueError("each patient needs a time of 0 or more, and whether the event happened")
    return time, event


def _band(
    survival: Floats, died: NDArray[np.int64], at_risk: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Return the 95 % band on the log(-log S) scale; where S is 0 it is 0 to 0."""
    inside = (survival > 0) & (survival < 1)
    low, high = survival.copy(), survival.copy()
    if not inside.any():
        return low, high
    with np.errstate(divide="ignore"):
        terms = np.cumsum(died / (at_risk * (at_risk - died).astype(np.float64)))
    log = np.log(survival[inside])
    width = _NORMAL_95 * np.sqrt(terms[inside]) / np.abs(log)
    low[inside], high[inside] = np.exp(log * np.exp(width)), np.exp(log * np.exp(-width))
    return low, high
