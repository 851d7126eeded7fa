"""From a structure and a dose to its DVH: lattice, coverage, samples, curve."""

from __future__ import annotations

import math

import numpy as np
import shapely

from planeval.dose.dvh import Dvh
from planeval.dose.field import DoseField
from planeval.dose.sampling import DoseSamples, sample
from planeval.geometry.coverage import Coverage, cover
from planeval.model import Dose, Structure

__all__ = ["cover_structure", "dose_volume_histogram", "sample_structure"]

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


def sample_structure(structure: Structure, dose: Dose) -> DoseSamples:
    """Return the dose samples of a structure."""
    field = DoseField(dose, structure.stack.frame)
    return sample(cover_structure(structure, field), field)


def dose_volume_histogram(structure: Structure, dose: Dose) -> Dvh:
    """Return the DVH of a structure in a dose."""
    samples = sample_structure(structure, dose)
    return Dvh.of_samples(structure.name, samples, structure.stack.frame)
