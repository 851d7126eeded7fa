"""Connected parts of a structure above or below a dose: one hot spot, or many crumbs.

A cell of the structure's lattice holds the volume that its even spread of dose gives it, as in the DVH,
so that the parts add up to V(d) or CV(d). Cells that touch, also across an edge or a corner, belong
together: two spots closer than one cell count as one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planeval.dose.calculation import cover_structure
from planeval.dose.field import DoseField
from planeval.dose.isodose import share_above
from planeval.dose.sampling import sample
from planeval.geometry.coverage import Lattice
from planeval.geometry.stack import CapReading
from planeval.model import Dose, Structure

__all__ = ["DosePart", "cold_parts", "hot_parts"]

Floats = NDArray[Any]
Share = Callable[[Floats, Floats], Floats]

SMALLEST_CC = 1e-9
"""Less than this in a cell is rounding."""


@dataclass(frozen=True, slots=True)
class DosePart:
    """A connected part: its volume, and its centre of volume in patient LPS mm."""

    volume_cc: float
    centre_mm: tuple[float, float, float]


def hot_parts(structure: Structure, dose: Dose, gy: float) -> tuple[DosePart, ...]:
    """Return the connected parts of a structure at or above a dose, largest first.

    Tissue outside the dose grid is in none. Raises ValueError for a dose not above 0.
    """
    _check(gy)
    return _parts(structure, dose, lambda start, stop: share_above(gy, start, stop))


def cold_parts(structure: Structure, dose: Dose, gy: float) -> tuple[DosePart, ...]:
    """Return the connected parts of a structure below a dose, largest first.

    Tissue outside the dose grid is in none. Raises ValueError for a dose not above 0.
    """
    _check(gy)
    return _parts(structure, dose, lambda start, stop: 1.0 - share_above(gy, start, stop))


def _check(gy: float) -> None:
    if not gy > 0:
        raise ValueError(f"parts at {gy} Gy: need a dose above 0")


def _parts(structure: Structure, dose: Dose, share: Share) -> tuple[DosePart, ...]:
    from scipy.ndimage import label  # noqa: PLC0415 - heavy

    field = DoseField(dose, structure.stack.frame)
    coverage = cover_structure(structure, field)
    lattice = coverage.lattice
    shape = (len(lattice.w_mm) - 1, lattice.rows, lattice.columns)
    held = np.zeros(int(np.prod(shape)))
    for cells in sample(coverage, field):
        if cells.readings & CapReading.CHOSEN:
            layer, cell = cells.places(slice(None))
            interval = np.array([one.interval for one in cells.doses.layers])[layer]
            volume = cells.cc * share(cells.from_gy, cells.to_gy)
            place = interval * (lattice.rows * lattice.columns) + cell
            held += np.bincount(place, weights=volume, minlength=len(held))
    held = np.where(held > SMALLEST_CC, held, 0.0).reshape(shape)
    labels, count = label(held > 0, np.ones((3, 3, 3), dtype=int))
    if not count:
        return ()
    volumes, centres = _summed(labels, held, lattice, int(count))
    points = structure.stack.frame.to_patient(centres).tolist()
    order = np.argsort(-volumes, kind="stable").tolist()
    return tuple(DosePart(float(volumes[n]), (*points[n],)) for n in order)


def _summed(labels: Floats, held: Floats, lattice: Lattice, count: int) -> tuple[Floats, Floats]:
    """Volume and centre (u, v, w) of every part."""
    at = np.nonzero(labels)
    part, cc = labels[at] - 1, held[at]
    volumes = np.bincount(part, weights=cc, minlength=count)
    middles = [(lines[1:] + lines[:-1]) / 2 for lines in (lattice.u_mm, lattice.v_mm, lattice.w_mm)]
    sums = [
        np.bincount(part, weights=cc * middle[index], minlength=count)
        for middle, index in zip(middles, at[::-1], strict=True)
    ]
    return volumes, np.stack(sums, axis=1) / volumes[:, None]
