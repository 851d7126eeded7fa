"""Dose: absolute Gy on a grid, one term per physical delivery."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from planeval.geometry.grid import Grid

__all__ = ["Dose", "DoseTerm", "Outside"]


class Outside(StrEnum):
    """What the dose beyond the dose grid may be.

    UNKNOWN: in [0, inf). EDGE: in [0, highest dose where the grid's border cuts the structure].
    """

    UNKNOWN = "unknown"
    EDGE = "edge"


@dataclass(frozen=True, slots=True, eq=False)
class DoseTerm:
    """One dose array: absolute Gy of all fractions, shape (k, j, i), on its grid.

    ``to_case`` maps patient mm of the term's frame to the case frame (4 x 4), None for the same
    frame. ``fractions`` is None where nobody states it. Terms of one plan and ``fraction_group`` are
    delivered together: their doses add up within each fraction. ``plan_uid`` is empty where no plan is
    known; in a sum it is then the UID of the dose.
    """

    grid: Grid
    gy: NDArray[np.floating]
    fractions: int | None = None
    plan_uid: str = ""
    to_case: NDArray[np.float64] | None = None
    fraction_group: int | None = None

    def __post_init__(self) -> None:
        if self.gy.shape != self.grid.shape:
            raise ValueError(f"dose array {self.gy.shape} does not fit its grid {self.grid.shape}")
        if not np.isfinite(self.gy.max()) or not np.isfinite(self.gy.min()):
            raise ValueError("dose array holds values that are not finite")
        if self.gy.min() < 0:
            raise ValueError(f"dose array holds negative dose ({self.gy.min():g} Gy)")
        array = self.gy.view()
        array.setflags(write=False)
        object.__setattr__(self, "gy", array)


@dataclass(frozen=True, slots=True, eq=False)
class Dose:
    """The dose of a case: a tuple of terms that are never merged, and what the file says of it.

    ``type`` is PHYSICAL or EFFECTIVE (DoseType 3004,0004); ``summation`` is DoseSummationType, or
    ``SUM`` where planeval added several; ``sources`` are the SOP instance UIDs it came from.
    """

    terms: tuple[DoseTerm, ...]
    type: str = "PHYSICAL"
    summation: str = "PLAN"
    sources: tuple[str, ...] = ()
    comment: str = ""

    def __post_init__(self) -> None:
        if not self.terms:
            raise ValueError("a Dose needs at least one term")

    def __repr__(self) -> str:
        grids = ", ".join(repr(term.grid) for term in self.terms)
        return f"Dose({self.type}, {self.summation}, {grids})"
