"""Hot and cold spots in a record: where a row's dose is, what is near, how much lies beyond."""

from __future__ import annotations

from dataclasses import dataclass

from planeval.units import Unit

__all__ = ["Beyond", "SpotRow"]

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Beyond:
    """The volume of a structure beyond a dose, and whether it is one piece.

    ``level`` is the row's limit, or its value where nothing lies beyond the limit (``is_limit``).
    ``parts_cc`` are the volumes of the connected parts, the largest first, cut after the tenth;
    ``parts`` is how many there are.
    """

    level: float
    unit: Unit
    is_limit: bool
    volume_cc: float
    parts: int
    parts_cc: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SpotRow:
    """The hottest (or coldest) point of a row's structure.

    ``number`` is its dose in the row's quantity and ``unit``. ``position_mm`` is in LPS, ``slice_mm``
    the place of the nearest image slice (else drawn plane) along ``slice_axis``. ``target`` is the
    nearest target, ``target_mm`` its distance from the point (0 inside), and ``gap_mm`` the smallest
    distance between it and the structure. For a cold spot in a target ``organ`` is the nearest organ
    with a limit, ``organ_mm`` its distance from the point. None with a ``reason`` where unknown.
    """

    row: str
    kind: str
    structure: str
    in_plan: str
    metric: str
    number: float
    unit: Unit
    position_mm: Vector
    slice_axis: str
    slice_mm: float
    target: str = ""
    target_mm: float | None = None
    gap_mm: float | None = None
    organ: str = ""
    organ_mm: float | None = None
    beyond: Beyond | None = None
    reason: str = ""
