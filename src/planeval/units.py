"""The seven units of planeval, and the only place that converts between them.

Dose is Gy (cGy is read), volume is cc (mm3 is read), length is mm, a share is percent, and an index
such as HI has no unit. Inside planeval every dose is Gy and every volume is cc.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Quantity", "Unit"]


class Unit(StrEnum):
    """A unit as it is written in metrics, tables and files."""

    GY = "Gy"
    CGY = "cGy"
    CC = "cc"
    MM3 = "mm3"
    MM = "mm"
    PERCENT = "%"
    NONE = "1"


_SCALE_TO_BASE: dict[Unit, tuple[Unit, float]] = {
    Unit.GY: (Unit.GY, 1.0),
    Unit.CGY: (Unit.GY, 0.01),
    Unit.CC: (Unit.CC, 1.0),
    Unit.MM3: (Unit.CC, 0.001),
    Unit.MM: (Unit.MM, 1.0),
    Unit.PERCENT: (Unit.PERCENT, 1.0),
    Unit.NONE: (Unit.NONE, 1.0),
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit.

    >>> Quantity(2500, Unit.CGY).to(Unit.GY)
    Quantity(value=25.0, unit=<Unit.GY: 'Gy'>)
    """

    value: float
    unit: Unit

    def to(self, unit: Unit) -> Quantity:
        """Return the same quantity in another unit of the same dimension.

        Raises:
            ValueError: the units measure different things; a share (%) needs a reference and is
                never converted here.
        """
        base, scale = _SCALE_TO_BASE[self.unit]
        wanted_base, wanted_scale = _SCALE_TO_BASE[unit]
        if base is not wanted_base:
            raise ValueError(f"cannot convert {self.unit} to {unit}: different dimensions")
        if unit is self.unit:
            return self
        return Quantity(self.value * scale / wanted_scale, unit)

    def __str__(self) -> str:
        suffix = "" if self.unit is Unit.NONE else f" {self.unit}"
        return f"{self.value:g}{suffix}"
