"""TCP, Poisson and linear-quadratic: a model's estimate, for information, never a limit.

::

    TCP = exp(- integral over the target of rho exp(-alpha BED) dV)

where ``rho`` is the density of clonogenic cells and BED = sum over the deliveries of D (1 + d / ab),
voxel by voxel, without repopulation and without a spread of radiosensitivities. A uniform BED leaves
rho V exp(-alpha BED) cells; TCP is the Poisson probability that none is left. The coldest part of a
target decides. Published sets exist for other forms of the model too: one belongs here only if it was
fitted with exactly this formula.

A parameter set is data that somebody published for one tumour and population. planeval ships none,
because no set was read in its source; a user's own set states where it was read. Outside the
fractionation that a set was fitted to there is no value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planeval.dose.dvh import Dvh
from planeval.metrics.fitted import check_fitted, not_fitted
from planeval.model import Biology, Value
from planeval.units import Unit

__all__ = ["PoissonSet", "control_probability"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PoissonSet:
    """Published parameters of the Poisson model.

    ``alpha_per_gy`` with its interval is the linear term, ``clonogens_per_cc`` the density of cells;
    ``fitted_gy`` is the range of dose per fraction of the patients behind it. ``source`` says where
    the set was read.

    Raises ValueError for parameters that no set can have, or without a source.
    """

    tumour: str
    endpoint: str
    population: str
    alpha_per_gy: float
    alpha_interval_per_gy: tuple[float, float]
    alpha_beta_gy: float
    clonogens_per_cc: float
    fitted_gy: tuple[float, float]
    source: str

    def __post_init__(self) -> None:
        sizes = (self.alpha_per_gy, self.alpha_beta_gy, self.clonogens_per_cc)
        if not all(math.isfinite(size) and size > 0 for size in sizes):
            raise ValueError("alpha, alpha/beta and the density of clonogens must be above 0")
        low, high = self.alpha_interval_per_gy
        if not 0 < low <= self.alpha_per_gy <= high < math.inf:
            raise ValueError(
                f"alpha {self.alpha_per_gy} per Gy does not lie in its interval {low} to {high}"
            )
        check_fitted(self.fitted_gy)
        if not all(text.strip() for text in (self.source, self.tumour, self.endpoint)):
            raise ValueError("a parameter set names its tumour, its endpoint and its source")

    @property
    def biology(self) -> Biology:
        """The conversion of the dose that the set works on."""
        return Biology("BED", self.alpha_beta_gy)

    @property
    def label(self) -> str:
        """What was estimated, in words."""
        return f"{self.tumour}, {self.endpoint} ({self.population}; {self.source})"


def control_probability(
    parameters: PoissonSet, bed: Dvh, fraction_doses_gy: Sequence[float]
) -> Value:
    """Return TCP in percent from a target's DVH in BED with the set's alpha/beta.

    ``fraction_doses_gy`` are the prescribed doses per fraction of the deliveries. The band is the
    interval of alpha alone, not that of the dose. Undefined where a part of the target has no dose:
    it may be the part that decides.
    """
    reason = not_fitted(parameters.label, parameters.fitted_gy, fraction_doses_gy)
    if reason:
        return Value.undefined(reason, Unit.PERCENT)
    mean = bed.mean()
    if not mean.is_defined:
        return Value.undefined(mean.reason, Unit.PERCENT)

    def control(alpha_per_gy: float) -> float:
        left = parameters.clonogens_per_cc * _surviving_cc(bed, alpha_per_gy)
        return 100.0 * math.exp(-left)

    slow, fast = parameters.alpha_interval_per_gy
    made = Value.of(control(parameters.alpha_per_gy), Unit.PERCENT, control(slow), control(fast))
    return replace(made, notes=(f"Model output, not a limit: {parameters.label}",))


def _surviving_cc(bed: Dvh, alpha_per_gy: float) -> float:
    """Integral of exp(-alpha BED) over the volume; between two nodes of the curve it is even."""
    dose, volume = bed.dose_gy, bed.volume_cc
    parts = volume[:-1] - volume[1:]
    low, width = dose[:-1], alpha_per_gy * np.diff(dose)
    # mean of exp(-alpha D) over an even spread: 1 where the spread has no width
    even = np.where(width > 1e-9, -np.expm1(-width) / np.maximum(width, 1e-9), 1.0)
    return float(parts @ (np.exp(-alpha_per_gy * low) * even))
