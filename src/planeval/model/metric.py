"""A metric: the parsed form of a TG-263 / Mayo expression such as ``D0.03cc[Gy]``.

The text form is made here and read by :mod:`planeval.metrics.grammar`; ``parse(str(m)) == m``.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from planeval.units import Quantity, Unit

__all__ = ["Biology", "Metric", "MetricKind", "decimal_text"]


class MetricKind(StrEnum):
    """What is measured; the value is the spelling in metric text."""

    MEAN = "Mean"
    MAX = "Max"
    MIN = "Min"
    MEDIAN = "Median"
    VOLUME = "Volume"
    DOSE_AT_VOLUME = "D"
    COLD_DOSE_AT_VOLUME = "DC"
    VOLUME_AT_DOSE = "V"
    COLD_VOLUME_AT_DOSE = "CV"
    OUTSIDE = "OutsideDoseGrid"
    GEUD = "gEUD"
    VEFF = "Veff"
    HOMOGENEITY = "HI"
    PADDICK = "PaddickCI"
    RTOG_CONFORMITY = "RTOGCI"
    GRADIENT = "GradientIndex"
    R50 = "R50"
    D2CM = "D2cm"
    PRESCRIBED_ISODOSE = "PIV"
    COVERED_TARGET = "TVPIV"

    @property
    def is_index(self) -> bool:
        """Whether it describes a target and its isodoses, not one structure's dose alone."""
        return self in _INDICES


_INDICES = frozenset(
    {
        MetricKind.HOMOGENEITY,
        MetricKind.PADDICK,
        MetricKind.RTOG_CONFORMITY,
        MetricKind.GRADIENT,
        MetricKind.R50,
        MetricKind.D2CM,
        MetricKind.PRESCRIBED_ISODOSE,
        MetricKind.COVERED_TARGET,
    }
)


@dataclass(frozen=True, slots=True)
class Biology:
    """A voxelwise LQ conversion asked for by a prefix: ``EQD2_3`` or ``BED_10``.

    ``alpha_beta_gy`` is None only in a protocol row that leaves it to the structure.
    """

    quantity: str
    alpha_beta_gy: float | None

    def __str__(self) -> str:
        if self.alpha_beta_gy is None:
            return self.quantity
        return f"{self.quantity}_{decimal_text(self.alpha_beta_gy)}"


@dataclass(frozen=True, slots=True)
class Metric:
    """Kind, argument (dose or volume, where the kind takes one), unit of the answer, and biology.

    >>> str(Metric(MetricKind.VOLUME_AT_DOSE, Unit.CC, Quantity(20, Unit.GY)))
    'V20Gy[cc]'
    """

    kind: MetricKind
    unit: Unit
    argument: Quantity | None = None
    biology: Biology | None = None

    def __str__(self) -> str:
        prefix = f"{self.biology}:" if self.biology else ""
        argument = ""
        if self.argument is not None:
            argument = decimal_text(self.argument.value) + _suffix(self.argument.unit)
        answer = "" if self.unit is Unit.NONE else f"[{self.unit}]"
        return f"{prefix}{self.kind}{argument}{answer}"


def _suffix(unit: Unit) -> str:
    """Return the unit as it is written, nothing for a number without unit."""
    return "" if unit is Unit.NONE else str(unit)


def decimal_text(value: float) -> str:
    """Return the shortest text without exponent that reads back as the same number.

    >>> decimal_text(1e-05), decimal_text(20.0)
    ('0.00001', '20')
    """
    return format(Decimal(repr(float(value))).normalize(), "f")
