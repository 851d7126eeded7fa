"""The connected pieces of a solid, exactly from its polygons, and the gaps between them.

Two parts of neighbouring slabs belong together where they share area; touching in a line or a point is
no connection (the gap is then 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.geometry.rings import solid_part
from planeval.geometry.stack import Slab

__all__ = ["Pieces"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SAME_HEIGHT_MM = 1e-6
SHARED_MM2 = 1e-3
"""Area that two parts must share to be connected."""


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Every polygon part of slabs that do not overlap, and the number of its connected piece."""

    slabs: tuple[Slab, ...]
    part: NDArray[np.object_] = field(init=False, repr=False)
    slab: Ints = field(init=False, repr=False)
    """Slab of each part."""
    piece: Ints = field(init=False, repr=False)
    count: int = field(init=False)

    def __post_init__(self) -> None:
        areas = np.array([slab.area for slab in self.slabs], dtype=object)
        part, slab = shapely.get_parts(areas, return_index=True)
        pairs = _connected_pairs(self.slabs, part, slab)
        count, piece = _components(len(part), pairs)
        for name, value in (("part", part), ("slab", slab), ("piece", piece), ("count", count)):
            object.__setattr__(self, name, value)

    @property
    def low_mm(self) -> Floats:
        """Lower height of each part."""
        return np.array([slab.low_mm for slab in self.slabs])[self.slab]

    @property
    def high_mm(self) -> Floats:
        """Upper height of each part."""
        return np.array([slab.high_mm for slab in self.slabs])[self.slab]

    def volumes_cc(self) -> Floats:
        """Volume of each piece."""
        cc = shapely.area(self.part) * (self.high_mm - self.low_mm) / 1000.0
        return np.asarray(np.bincount(self.piece, weights=cc, minlength=self.count), dtype=float)

    def touched_by(self, slabs: Sequence[Slab]) -> set[int]:
        """Pieces that share volume with other slabs."""
        touched: set[int] = set()
        low, high = self.low_mm, self.high_mm
        for slab in slabs:
            shared = np.minimum(high, slab.high_mm) - np.maximum(low, slab.low_mm)
            beside = np.flatnonzero(shared > SAME_HEIGHT_MM)
            area = shapely.area(shapely.intersection(self.part[beside], slab.area))
            touched.update(self.piece[beside[area > SHARED_MM2]].tolist())
        return touched

    def slabs_of(self, pieces: set[int]) -> tuple[Slab, ...]:
        """The slabs without the parts of all other pieces."""
        if len(pieces) == self.count:
            return self.slabs
        wanted = np.isin(self.piece, list(pieces))
        kept = []
        for number in np.unique(self.slab[wanted]).tolist():
            slab, own = self.slabs[number], self.slab == number
            area = (
                slab.area
                if wanted[own].all()
                else solid_part(shapely.multipolygons(self.part[own & wanted]))
            )
            kept.append(Slab(slab.low_mm, slab.high_mm, area, slab.readings))
        return tuple(kept)

    def gaps_mm(self, pieces: set[int], widest_mm: float) -> dict[int, float]:
        """The gap from any of the pieces to each other piece that is at most so far away."""
        inside = np.isin(self.piece, list(pieces))
        own, other = np.flatnonzero(inside), np.flatnonzero(~inside)
        tree = shapely.STRtree(self.part[other])
        a, b = tree.query(self.part[own], predicate="dwithin", distance=widest_mm)
        a, b = own[a], other[b]
        low, high = self.low_mm, self.high_mm
        rise = np.maximum(np.maximum(low[a] - high[b], low[b] - high[a]), 0.0)
        near = rise <= widest_mm
        a, b, rise = a[near], b[near], rise[near]
        gap = np.hypot(shapely.distance(self.part[a], self.part[b]), rise)
        found: dict[int, float] = {}
        for piece, mm in zip(self.piece[b].tolist(), gap.tolist(), strict=True):
            if mm <= min(widest_mm, found.get(piece, widest_mm)):
                found[piece] = mm
        return found


def _connected_pairs(
    slabs: Sequence[Slab], part: NDArray[np.object_], slab: Ints
) -> NDArray[np.int64]:
    """Pairs of parts of neighbouring slabs that share area."""
    low = np.array([one.low_mm for one in slabs])
    high = np.array([one.high_mm for one in slabs])
    pairs = [np.zeros((0, 2), dtype=np.int64)]
    for number in np.flatnonzero(np.abs(low[1:] - high[:-1]) < SAME_HEIGHT_MM).tolist():
        lower, upper = np.flatnonzero(slab == number), np.flatnonzero(slab == number + 1)
        a, b = (grid.ravel() for grid in np.meshgrid(lower, upper, indexing="ij"))
        meet = shapely.intersects(part[a], part[b])
        a, b = a[meet], b[meet]
        shared = shapely.area(shapely.intersection(part[a], part[b])) > SHARED_MM2
        pairs.append(np.column_stack([a[shared], b[shared]]))
    return np.concatenate(pairs)


def _components(count: int, pairs: NDArray[np.int64]) -> tuple[int, Ints]:
    """Number the connected groups of ``count`` things."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - heavy, and rarely needed
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    number, piece = connected_components(graph, directed=False)
    return int(number), np.asarray(piece, dtype=np.int64)
