"""From a structure and a dose to its DVH: lattice, coverage, samples, curve."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely

from planeval.dose.curve import Curve, CurveSums
from planeval.dose.dvh import Dvh, HotSpot
from planeval.dose.extremes import Extreme, ExtremeSearch
from planeval.dose.field import DoseField
from planeval.dose.sampling import CellBatch, sample
from planeval.geometry.coverage import Coverage, Lattice, cover
from planeval.geometry.stack import CapReading, PlanarStack, PlaneFrame, Slab
from planeval.model import Dose, Method, Structure

__all__ = ["Cover", "Coverages", "Histogram", "cover_structure", "dose_volume_histogram", "gather"]

Cover = Callable[[Structure, DoseField], Coverage]

SAME_LINE_MM = 1e-9

LARGEST_DIVISION = 16
"""A dose voxel is never cut into more than 16 x 16 in-plane cells."""


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """What the cells of a structure add up to, per cap reading, and its extremes."""

    curves: dict[CapReading, Curve]
    outside_cc: dict[CapReading, float]
    hottest: HotSpot | None
    coldest: HotSpot | None

    def dvh(self, name: str) -> Dvh:
        """Return it as the DVH of a structure."""
        return Dvh(name, self.curves, self.outside_cc, self.hottest, self.coldest)


def cover_structure(structure: Structure, field: DoseField) -> Coverage:
    """Return the coverage of a structure on the field's lattice.

    The lattice divides the dose voxels in plane until the structure has about
    ``Method.lattice_cells`` cells: a small structure needs small cells, a large one does not.
    """
    slabs = structure.stack.slabs(structure.method.caps, structure.method.between)
    return cover(slabs, _lattice(structure, slabs, field))


class Coverages:
    """Covers structures, and remembers: another dose on the same lattice needs no new coverage.

    What a structure is remembered by is its solid, not its name. Only the chosen reading of the end
    caps is kept, which takes a third less time: bands then hold the cells alone.
    """

    def __init__(self) -> None:
        self._slabs: dict[tuple[PlanarStack, Method], Sequence[Slab]] = {}
        self._known: dict[tuple[PlanarStack, Method], Coverage] = {}

    def __call__(self, structure: Structure, field: DoseField) -> Coverage:
        """Return the coverage of a structure on the field's lattice."""
        key = (structure.stack, structure.method)
        if key not in self._slabs:
            self._slabs[key] = structure.stack.slabs(key[1].caps, key[1].between)
        lattice = _lattice(structure, self._slabs[key], field)
        known = self._known.get(key)
        if known is None or not _is_same(known.lattice, lattice):
            known = self._known[key] = _chosen(cover(self._slabs[key], lattice))
        return known


def _chosen(coverage: Coverage) -> Coverage:
    """The chosen cap reading of a coverage, as one group of layers."""
    chosen = CapReading.CHOSEN
    return Coverage(
        coverage.lattice,
        tuple(
            replace(layer, readings=chosen) for layer in coverage.layers if layer.readings & chosen
        ),
        {chosen: coverage.inside_cc[chosen]},
        {chosen: coverage.outside_cc[chosen]},
    )


def _is_same(one: Lattice, other: Lattice) -> bool:
    """Whether two lattices have the same lines, but for rounding."""
    return all(
        len(mine) == len(theirs) and np.allclose(mine, theirs, rtol=0, atol=SAME_LINE_MM)
        for mine, theirs in (
            (one.u_mm, other.u_mm), (one.v_mm, other.v_mm), (one.w_mm, other.w_mm),
        )
    )  # fmt: skip


def _lattice(structure: Structure, slabs: Sequence[Slab], field: DoseField) -> Lattice:
    """The lattice of a structure in a field."""
    method = structure.method
    areas = [slab.area for slab in slabs]
    if not areas:
        return field.lattice((0, 0, 0), (0, 0, 0))
    bounds = shapely.bounds(areas)
    low = (bounds[:, 0].min(), bounds[:, 1].min(), min(slab.low_mm for slab in slabs))
    high = (bounds[:, 2].max(), bounds[:, 3].max(), max(slab.high_mm for slab in slabs))
    cells = float(shapely.area(areas).sum()) / field.cell_area_mm2()
    divide = math.ceil(math.sqrt(method.lattice_cells / max(cells, 1e-6)))
    return field.lattice(low, high, int(np.clip(divide, 1, LARGEST_DIVISION)))


def dose_volume_histogram(
    structure: Structure, dose: Dose, covered: Cover = cover_structure
) -> Dvh:
    """Return the DVH of a structure in a dose; ``covered`` finds its coverage."""
    frame = structure.stack.frame
    field = DoseField(dose, frame)
    coverage = covered(structure, field)
    cells = sample(coverage, field)
    found = gather(coverage, cells, frame, range_gy=field.range_gy(coverage.lattice))
    return found.dvh(structure.name)


def gather(
    coverage: Coverage,
    cells: Iterable[CellBatch],
    frame: PlaneFrame,
    *,
    range_gy: tuple[float, float],
) -> Histogram:
    """Add up the cells of a coverage; ``range_gy`` must bound every corner dose."""
    sums = CurveSums(*range_gy)
    search = ExtremeSearch()
    for batch in cells:
        sums.add(batch)
        search.look(batch)
    curves = {}
    for reading in coverage.outside_cc:
        hottest, coldest = search.hottest(reading), search.coldest(reading)
        if hottest is not None and coldest is not None and sums.has_cells(reading):
            curves[reading] = sums.curve(
                reading, (coldest.gy, hottest.gy), search.limits_gy(reading)
            )
    outside = {
        reading: cc + sums.undefined_cc(reading) for reading, cc in coverage.outside_cc.items()
    }
    return Histogram(
        curves,
        outside,
        _spot(search.hottest(CapReading.CHOSEN), frame),
        _spot(search.coldest(CapReading.CHOSEN), frame),
    )


def _spot(extreme: Extreme | None, frame: PlaneFrame) -> HotSpot | None:
    """An extreme with its place in patient mm."""
    if extreme is None:
        return None
    x, y, z = frame.to_patient(np.array([extreme.place_uvw]))[0]
    return HotSpot(extreme.gy, (float(x), float(y), float(z)))
