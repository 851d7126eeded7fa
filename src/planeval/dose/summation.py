"""Sums of doses: the physical terms of several plans side by side, each in its own frame.

A sum keeps its terms: sampling adds them at every point, EQD2 converts each with its own fractions.
It is defined where all terms are; elsewhere it is outside, never padded with 0. One array is made only
for export.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, count

import numpy as np
from numpy.typing import NDArray

from planeval.dose.biology import Conversion, deliveries, obstacle
from planeval.dose.field import trilinear
from planeval.errors import GeometryError, InconsistentCase
from planeval.geometry.grid import Grid
from planeval.model import Biology, Dose, DoseTerm

__all__ = ["common_grid", "moved", "resampled", "shifted", "sum_of_doses"]

Floats = NDArray[np.float64]

SHIFT_DIRECTIONS = np.concatenate([np.eye(3), -np.eye(3)])
"""Where a registration may be wrong: along the six patient axes."""


def sum_of_doses(doses: Sequence[Dose], *, allow_effective: bool = False) -> Dose:
    """Return the sum of doses whose terms all map to one frame.

    Doses of unknown plans stay deliveries of their own: each takes its own UID in place of the plan's.

    Raises:
        InconsistentCase: PHYSICAL and EFFECTIVE doses together, unless the caller asks for it (then
            the sum is EFFECTIVE).
    """
    types = sorted({dose.type for dose in doses})
    if len(types) > 1 and not allow_effective:
        raise InconsistentCase(
            "the doses are of types PHYSICAL and EFFECTIVE (weighted): their sum means neither; add "
            "them only on purpose (allow_effective=True, --allow-effective)"
        )
    return Dose(
        terms=tuple(_apart(doses)),
        type=types[0],
        summation="SUM",
        sources=tuple(uid for dose in doses for uid in dose.sources),
        comment="; ".join(dict.fromkeys(dose.comment for dose in doses if dose.comment)),
    )


def _apart(doses: Sequence[Dose]) -> Iterator[DoseTerm]:
    """Yield the terms of all doses, those without a plan UID told apart by the dose they are of."""
    taken = {term.plan_uid for dose in doses for term in dose.terms}
    for dose in doses:
        names = chain((" ".join(dose.sources),), (f"dose {number}" for number in count(1)))
        own = next(name for name in names if name and name not in taken)
        taken.add(own)
        for term in dose.terms:
            yield term if term.plan_uid else replace(term, plan_uid=own)


def moved(dose: Dose, matrix: Floats) -> Dose:
    """Return a dose whose frame is mapped by a 4 x 4 matrix."""
    return replace(
        dose,
        terms=tuple(
            replace(term, to_case=matrix if term.to_case is None else matrix @ term.to_case)
            for term in dose.terms
        ),
    )


def shifted(dose: Dose, by_mm: float) -> tuple[Dose, ...]:
    """Return a dose with its registered terms moved along each patient axis, both ways."""
    found = []
    for direction in SHIFT_DIRECTIONS:
        shift = np.eye(4)
        shift[:3, 3] = by_mm * direction
        terms = tuple(
            term if term.to_case is None else replace(term, to_case=shift @ term.to_case)
            for term in dose.terms
        )
        found.append(replace(dose, terms=terms))
    return tuple(found)


def resampled(dose: Dose, grid: Grid, biology: Biology | None = None) -> Floats:
    """Return a dose (or its EQD2 or BED) at the voxel centres of a grid, NaN where it is unknown.

    Raises ValueError where the dose cannot be converted.
    """
    reason = obstacle(dose) if biology else ""
    if reason:
        raise ValueError(reason)

    def at(points: Floats) -> Floats:
        total = np.zeros(len(points))
        for terms in deliveries(dose):
            gy = np.sum([trilinear(term, points) for term in terms], axis=0)
            if biology is not None and biology.alpha_beta_gy is not None:
                by = Conversion(terms[0].fractions or 0, biology.alpha_beta_gy, biology.quantity)
                gy = by(gy)
            total += gy
        return total

    return _on_grid(grid, at)


def common_grid(dose: Dose) -> Grid:
    """Return the finest grid of the sum, cut to a block in which every term is defined.

    Faces that hold most of what is undefined go first. Terms of the case frame are preferred to
    registered ones, whose grids lie at an angle to it.

    Raises :class:`~planeval.errors.GeometryError` where no block of two voxels each way is left.
    """
    grid = min(dose.terms, key=_coarseness).grid
    others = [term for term in dose.terms if term.grid is not grid or term.to_case is not None]
    known = np.ones(grid.shape, dtype=bool)
    for term in others:
        known &= np.isfinite(_on_grid(grid, partial(trilinear, term)))
    low, high = _block(known)
    if (high - low < 2).any():
        raise GeometryError("the doses have no common block of voxels; there is no sum to export")
    (k0, j0, i0), (k1, j1, i1) = low.tolist(), high.tolist()
    origin = grid.to_patient([[k0, j0, i0]])[0]
    offsets = grid.offsets_mm[k0:k1]
    return replace(
        grid,
        origin_mm=tuple(origin.tolist()),
        rows=j1 - j0,
        columns=i1 - i0,
        offsets_mm=tuple(offset - offsets[0] for offset in offsets),
    )


def _coarseness(term: DoseTerm) -> tuple[bool, float]:
    grid = term.grid
    thickness = float(np.abs(np.diff(grid.offsets_mm)).mean()) if len(grid.offsets_mm) > 1 else 0.0
    return term.to_case is not None, grid.row_step_mm * grid.column_step_mm * thickness


def _on_grid(grid: Grid, function: Callable[[Floats], Floats]) -> Floats:
    """Return a function of patient points at the voxel centres, plane by plane."""
    _, rows, columns = grid.shape
    j, i = np.indices((rows, columns)).reshape(2, -1)
    planes = [
        function(grid.to_patient(np.stack([np.full(len(j), k), j, i], axis=1)))
        for k in range(grid.shape[0])
    ]
    return np.stack(planes).reshape(grid.shape)


def _block(known: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut faces off a block until all of it is known: first and one past the last index."""
    low, high = np.zeros(3, dtype=np.int64), np.array(known.shape)
    while (high > low).all():
        inside = known[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        if inside.all():
            break
        faces = [
            (np.mean(~np.take(inside, at, axis=axis)), axis, at)
            for axis in range(3)
            for at in (0, -1)
        ]
        _, axis, at = max(faces)
        if at == 0:
            low[axis] += 1
        else:
            high[axis] -= 1
    return low, high
