"""NTCP after Lyman, Kutcher and Burman: a model's estimate, for information, never a limit.

::

    NTCP = Phi((gEUD - TD50) / (m TD50)),   gEUD with a = 1/n on dose normalised to d_ref per fraction

Normalisation is linear-quadratic with the set's own alpha/beta: BED / (1 + d_ref / ab), so that a
point that received d_ref in every fraction keeps its dose. A parameter set is data that somebody
published for one organ, endpoint and population; planeval ships none, because no set was read in its
source. Outside the fractionation that a set was fitted to there is no value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from planeval.dose.dvh import Dvh
from planeval.metrics.fitted import check_fitted, not_fitted
from planeval.model import Biology, Value
from planeval.units import Unit

__all__ = ["LkbSet", "complication_probability"]


@dataclass(frozen=True, slots=True)
class LkbSet:
    """Published parameters of the LKB model.

    ``td50_gy`` with its interval is at ``reference_gy`` per fraction; ``fitted_gy`` is the range of
    dose per fraction of the patients behind it. ``source`` says where the set was read.

    Raises ValueError for parameters that no set can have, or without a source.
    """

    organ: str
    endpoint: str
    population: str
    n: float
    m: float
    td50_gy: float
    td50_interval_gy: tuple[float, float]
    alpha_beta_gy: float
    reference_gy: float
    fitted_gy: tuple[float, float]
    source: str

    def __post_init__(self) -> None:
        sizes = (self.n, self.m, self.td50_gy, self.alpha_beta_gy, self.reference_gy)
        if not all(math.isfinite(size) and size > 0 for size in sizes):
            raise ValueError("n, m, TD50, alpha/beta and the reference dose must be above 0")
        low, high = self.td50_interval_gy
        if not 0 < low <= self.td50_gy <= high:
            raise ValueError(f"TD50 {self.td50_gy} Gy does not lie in its interval {low} to {high}")
        check_fitted(self.fitted_gy)
        if not (self.source.strip() and self.organ.strip() and self.endpoint.strip()):
            raise ValueError("a parameter set names its organ, its endpoint and its source")

    @property
    def biology(self) -> Biology:
        """The conversion on which the set's dose is normalised."""
        return Biology("BED", self.alpha_beta_gy)

    @property
    def label(self) -> str:
        """What was estimated, in words."""
        return f"{self.organ}, {self.endpoint} ({self.population}; {self.source})"


def complication_probability(
    parameters: LkbSet, bed: Dvh, fraction_doses_gy: Sequence[float]
) -> Value:
    """Return NTCP in percent from a DVH in BED with the set's alpha/beta.

    ``fraction_doses_gy`` are the prescribed doses per fraction of the deliveries. The band joins that
    of the dose with the interval of TD50.
    """
    reason = not_fitted(parameters.label, parameters.fitted_gy, fraction_doses_gy)
    if reason:
        return Value.undefined(reason, Unit.PERCENT)
    uniform = bed.geud(1 / parameters.n)
    if not uniform.is_defined:
        return Value.undefined(uniform.reason, Unit.PERCENT)

    def probability(bed_gy: float, td50_gy: float) -> float:
        gy = bed_gy / (1 + parameters.reference_gy / parameters.alpha_beta_gy)
        return 50 * (1 + math.erf((gy - td50_gy) / (parameters.m * td50_gy * math.sqrt(2))))

    early, late = parameters.td50_interval_gy
    made = Value.of(
        probability(uniform.value, parameters.td50_gy),
        Unit.PERCENT,
        probability(uniform.low, late),
        probability(uniform.high, early),
    )
    return replace(made, notes=(f"Model output, not a limit: {parameters.label}",))
