"""The fractionation that a published parameter set was fitted to: outside it, it says nothing."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["check_fitted", "not_fitted"]

Range = tuple[float, float]

ROUNDING_GY = 1e-9


def check_fitted(fitted_gy: Range) -> None:
    """Raise ValueError for a range of doses per fraction that is none."""
    if not 0 < fitted_gy[0] <= fitted_gy[1]:
        raise ValueError(f"fitted_gy {fitted_gy}: need 0 < low <= high, in Gy per fraction")


def not_fitted(label: str, fitted_gy: Range, fraction_doses_gy: Sequence[float]) -> str:
    """Return why a set does not hold for some deliveries, empty where it holds for all.

    >>> not_fitted("RILD", (1.5, 2.5), [2.0])
    ''
    >>> not_fitted("RILD", (1.5, 2.5), [11.0])
    'RILD: fitted to 1.5 to 2.5 Gy per fraction; here 11'
    """
    low, high = fitted_gy
    outside = [gy for gy in fraction_doses_gy if not low - ROUNDING_GY <= gy <= high + ROUNDING_GY]
    if not outside and fraction_doses_gy:
        return ""
    stated = ", ".join(f"{gy:g}" for gy in outside) or "an unknown dose"
    return f"{label}: fitted to {low:g} to {high:g} Gy per fraction; here {stated}"
