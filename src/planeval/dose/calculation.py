"""From a structure and a dose to its DVH: lattice, coverage, samples, curve."""

from __future__ import annotations

import math

import numpy as np
import shapely

from planeval.dose.curve import CurveSums
from planeval.dose.dvh import Dvh, HotSpot
from planeval.dose.extremes import Extreme, ExtremeSearch
from planeval.dose.field import DoseField
from planeval.dose.sampling import sample
from planeval.geometry.coverage import Coverage, cover
from planeval.geometry.stack import CapReading, PlaneFrame
from planeval.model import Dose, Structure

__all__ = ["cover_structure", "dose_volume_histogram"]

LARGEST_DIVISION = 16
"""A dose voxel is never cut into more than 16 x 16 in-plane cells."""


def cover_structure(structure: Structure, field: DoseField) -> Coverage:
    """Return the coverage of a structure on the field's lattice.

    The lattice divides the dose voxels in plane until the structure has about
    ``Method.lattice_cells`` cells: a small structure needs small cells, a large one does not.
    """
    method = structure.method
    slabs = structure.stack.slabs(method.caps, method.between)
    areas = [slab.area for slab in slabs]
    if not areas:
        return cover((), field.lattice((0, 0, 0), (0, 0, 0)))
    bounds = shapely.bounds(areas)
    low = (bounds[:, 0].min(), bounds[:, 1].min(), min(slab.low_mm for slab in slabs))
    high = (bounds[:, 2].max(), bounds[:, 3].max(), max(slab.high_mm for slab in slabs))
    cells = float(shapely.area(areas).sum()) / field.cell_area_mm2()
    divide = math.ceil(math.sqrt(method.lattice_cells / max(cells, 1e-6)))
    return cover(slabs, field.lattice(low, high, int(np.clip(divide, 1, LARGEST_DIVISION))))


def dose_volume_histogram(structure: Structure, dose: Dose) -> Dvh:
    """Return the DVH of a structure in a dose."""
    field = DoseField(dose, structure.stack.frame)
    coverage = cover_structure(structure, field)
    sums = CurveSums(*field.range_gy(coverage.lattice))
    search = ExtremeSearch()
    for batch in sample(coverage, field):
        sums.add(batch)
        search.look(batch)
    curves = {}
    for reading in CapReading:
        hottest, coldest = search.hottest(reading), search.coldest(reading)
        if hottest is not None and coldest is not None and sums.has_cells(reading):
            curves[reading] = sums.curve(reading, (coldest.gy, hottest.gy))
    outside = {
        reading: coverage.outside_cc[reading] + sums.undefined_cc(reading) for reading in CapReading
    }
    frame = structure.stack.frame
    return Dvh(
        structure.name,
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
