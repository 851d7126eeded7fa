"""Power means of a DVH: the generalised equivalent uniform dose.

::

    gEUD_a = (sum over v of D^a / V)^(1/a)        Niemierko 1999, Med Phys 26:1100 (abstract)

On a curve whose volume is even between two doses p < q, the mean of D^a there is
(q^(a+1) - p^(a+1)) / ((a+1) (q - p)), so that nothing is binned.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from planeval.dose.curve import Curve

__all__ = ["power_bounds", "power_bounds_with_outside", "power_mean"]

Floats = NDArray[np.float64]


def power_mean(curve: Curve, exponent: float) -> float:
    """Return gEUD of a curve in Gy; a part without dose makes it 0 for a negative exponent."""
    return _mean(curve.dose_gy, curve.volume_cc, curve.total_cc, exponent)


def power_bounds(curve: Curve, exponent: float) -> tuple[float, float]:
    """Return gEUD with the least and with the largest volumes at every dose."""
    low, high = (
        _steps(curve.bound_gy, volumes, curve.total_cc, exponent)
        for volumes in (curve.lower_cc, curve.upper_cc)
    )
    return low, high


def power_bounds_with_outside(
    curve: Curve, outside_cc: float, exponent: float, ceiling_gy: float = math.inf
) -> tuple[float, float]:
    """Return what gEUD may be with a further volume at no dose and at a ceiling (any dose without)."""
    share = curve.total_cc / (curve.total_cc + outside_cc)
    alone = tuple(known * share ** (1 / exponent) for known in power_bounds(curve, exponent))
    if math.isinf(ceiling_gy):
        return (alone[0], math.inf) if exponent > 0 else (0.0, alone[1])
    high = _of_two(power_bounds(curve, exponent)[1], ceiling_gy, share, exponent)
    return (alone[0] if exponent > 0 else 0.0), high


def _of_two(gy: float, other_gy: float, share: float, exponent: float) -> float:
    """Power mean of a share of the volume at one dose and the rest at another."""
    scale = max(gy, other_gy) if exponent > 0 else min(gy, other_gy)
    if scale <= 0:
        return 0.0
    total = share * (gy / scale) ** exponent + (1 - share) * (other_gy / scale) ** exponent
    return float(scale * total ** (1 / exponent))


def _mean(dose: Floats, volume: Floats, total: float, exponent: float) -> float:
    """Power mean of a cumulative curve, even between its nodes; equal doses are a jump."""
    top = float(dose[-1])
    if top <= 0:
        return 0.0
    low, high = dose[:-1] / top, dose[1:] / top
    parts = volume[:-1] - volume[1:]
    # at a jump the nodes of one dose need not fall one by one; together they do
    held = parts != 0
    powers = _mean_power(low[held], high[held], exponent)
    return _rooted(float(parts[held] @ powers), total, exponent) * top


def _steps(dose: Floats, volume: Floats, total: float, exponent: float) -> float:
    """Power mean of volumes that have the dose of their node each."""
    top = float(dose[-1])
    if top <= 0:
        return 0.0
    parts = volume - np.append(volume[1:], 0.0)
    held = parts > 0
    with np.errstate(divide="ignore"):
        powers = (dose[held] / top) ** exponent
    return _rooted(float(parts[held] @ powers), total, exponent) * top


def _mean_power(low: Floats, high: Floats, exponent: float) -> Floats:
    """Mean of x^a between two doses, 0 <= low <= high <= 1."""
    width = high - low
    narrow = width <= 1e-9 * high
    with np.errstate(divide="ignore", invalid="ignore"):
        if exponent == -1:
            spread = (np.log(high) - np.log(low)) / width
        else:
            spread = (high ** (exponent + 1) - low ** (exponent + 1)) / ((exponent + 1) * width)
        return np.where(narrow, ((low + high) / 2) ** exponent, spread)


def _rooted(total_power: float, total: float, exponent: float) -> float:
    if math.isinf(total_power):
        return 0.0
    return float((total_power / total) ** (1 / exponent))
