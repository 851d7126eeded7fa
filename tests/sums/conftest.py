"""Two plans of one patient, in one frame of reference or in two."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from tests.dicom_writer import CaseWriter, Roi, Rx, axial_grid, box_ring, prism

import planeval as pe
from planeval.geometry.grid import Grid

HEIGHTS = [-6, -3, 0, 3, 6]


def rigid(degrees=(10.0, -6.0, 17.0), shift=(12.0, -8.0, 5.0)):
    """A rigid 4 x 4 matrix that no inversion, transposition or swap of axes leaves as it is."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    matrix[:3, 3] = shift
    return matrix


def first_dose(x, y, z):
    """A linear dose, which the grid holds exactly."""
    return 30 + 0.11 * x - 0.07 * y + 0.05 * z


def second_dose(x, y, z):
    """Another one, given in the frame of the first plan."""
    return 60 - 0.13 * x + 0.19 * y - 0.23 * z


@dataclass
class Export:
    """A written plan: its folder and writer."""

    folder: Path
    writer: CaseWriter

    def load(self, **options) -> pe.Case:
        return pe.load(self.folder, **options)


def write(folder, label, dose, *, fractions=25, grid: Grid | None = None, to_first=None, **more):
    """A plan with a liver and a PTV; ``to_first`` maps its frame into that of the first plan."""
    grid = grid or axial_grid((26, 30, 32), spacing_mm=(3, 3, 3), origin_mm=(-46, -43, -38))
    writer = CaseWriter(folder, label=more.pop("frame", ""), patient_id=more.pop("patient", "P1"))
    target = more.pop("target", "PTV")
    rois = [
        Roi("Liver", prism(box_ring(36, 30), heights=HEIGHTS)),
        Roi(target, prism(box_ring(12, 10, (4, -3)), heights=HEIGHTS), type="PTV"),
    ]
    writer.structures(rois, what=f"structures {label}")
    writer.plan([Rx(target, more.pop("rx", 50.0))], fractions=fractions, label=label, what=label)
    k, j, i = np.indices(grid.shape).reshape(3, -1)
    points = grid.to_patient(np.stack([k, j, i], axis=1))
    if to_first is not None:
        points = points @ to_first[:3, :3].T + to_first[:3, 3]
    writer.dose(grid, dose(*points.T).reshape(grid.shape), what=f"dose {label}", **more)
    return Export(folder, writer)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    return write(tmp_path_factory.mktemp("first"), "A", first_dose)


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    """In the same frame, on another grid, in 5 fractions."""
    grid = axial_grid((20, 36, 34), spacing_mm=(4, 2.5, 2.6), origin_mm=(-42, -41, -37))
    return write(tmp_path_factory.mktemp("second"), "B", second_dose, fractions=5, grid=grid)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """In a frame of its own, turned and shifted."""
    folder = tmp_path_factory.mktemp("elsewhere")
    grid = axial_grid((36, 40, 40), spacing_mm=(3, 3, 3), origin_mm=(-68, -52, -57))
    return write(
        folder, "C", second_dose, fractions=5, grid=grid, to_first=rigid(), frame="elsewhere"
    )
