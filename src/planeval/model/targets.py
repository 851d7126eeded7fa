"""Targets in a record: coverage, indices and spilled dose, for information."""

from __future__ import annotations

from dataclasses import dataclass

from planeval.model.value import Value

__all__ = ["Spill", "TargetRow", "TargetValue"]


@dataclass(frozen=True, slots=True)
class TargetValue:
    """A metric of a target and its value."""

    metric: str
    value: Value


@dataclass(frozen=True, slots=True)
class Spill:
    """A part of the prescription isodose that touches no target, and where it is hottest (LPS mm)."""

    volume_cc: float
    hottest_gy: float
    position_mm: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class TargetRow:
    """One target: its prescription, how it is covered, and how the dose conforms to it.

    ``inside`` names the target that this one is nested in: then it has no indices of its own.
    ``rx`` says in words which prescription 100 % is, ``rx_gy`` its dose (None where none is known).
    """

    name: str
    type: str
    inside: str
    rx: str
    rx_gy: float | None
    coverage: tuple[TargetValue, ...]
    indices: tuple[TargetValue, ...] = ()
    spills: tuple[Spill, ...] = ()
