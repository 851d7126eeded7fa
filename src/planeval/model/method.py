"""The method: every numerical choice behind a number."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

__all__ = ["Method"]

_CAPS = ("half", "none", "tapered")
_BETWEEN = ("prism", "interpolated")


@dataclass(frozen=True, slots=True)
class Method:
    """Every numerical choice; part of every result, so that two numbers can be compared.

    ``caps``: what lies beyond the first and last drawn plane. ``half``: half a plane spacing of the
    end contour; ``none``: nothing; ``tapered``: half a spacing that shrinks towards the end.
    ``between``: what lies between two drawn planes. ``prism``: each plane owns the space to the
    midpoints of its neighbours; ``interpolated``: shapes change gradually from plane to plane.
    ``lattice_cells``: the in-plane sampling lattice divides the dose voxels until a structure
    has at least this many cells; larger is finer and slower.

    docs/accuracy.md shows the closed-form tests that decided the defaults.
    """

    caps: Literal["half", "none", "tapered"] = "half"
    between: Literal["prism", "interpolated"] = "prism"
    lattice_cells: int = 10_000

    def __post_init__(self) -> None:
        if self.caps not in _CAPS:
            raise ValueError(f"caps is {self.caps!r}; choose one of {', '.join(_CAPS)}")
        if self.between not in _BETWEEN:
            raise ValueError(f"between is {self.between!r}; choose one of {', '.join(_BETWEEN)}")
        if not 1 <= self.lattice_cells <= 10_000_000:
            raise ValueError(f"lattice_cells is {self.lattice_cells}; need 1 to 10,000,000")

    def to_dict(self) -> dict[str, object]:
        """Return the choices as plain values, for files."""
        return asdict(self)
