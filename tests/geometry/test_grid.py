"""Grids of any orientation: index and patient point are inverses, bad geometry is refused."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planeval.errors import GeometryError
from planeval.geometry.grid import Grid

ANGLE = np.deg2rad(20)
ORIENTATIONS = {
    "HFS": ((1, 0, 0), (0, 1, 0)),
    "HFP": ((-1, 0, 0), (0, -1, 0)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
    "oblique": ((np.cos(ANGLE), np.sin(ANGLE), 0), (-np.sin(ANGLE), np.cos(ANGLE), 0)),
}
OFFSETS = {"even": (0, 2.3, 4.6), "irregular": (0, 2, 5.5), "descending": (0, -3, -4)}


def grid(row=(1, 0, 0), column=(0, 1, 0), offsets=(0, 2.3, 4.6), **changes):
    values = {
        "origin_mm": (-31.0, 12.5, 7.25), "row": row, "column": column, "row_step_mm": 3.7,
        "column_step_mm": 1.1, "rows": 5, "columns": 7, "offsets_mm": offsets,
    }  # fmt: skip
    return Grid(**{**values, **changes})


@pytest.mark.parametrize("orientation", ORIENTATIONS.values(), ids=ORIENTATIONS)
@pytest.mark.parametrize("offsets", OFFSETS.values(), ids=OFFSETS)
@given(index=st.tuples(*(st.floats(-1, n) for n in (3, 5, 7))))
@settings(max_examples=25, deadline=None)
def test_index_and_point_are_inverses(orientation, offsets, index):
    """to_index(to_patient(index)) is the index, also between and beyond voxels."""
    one = grid(*orientation, offsets)
    back = one.to_index(one.to_patient([index]))[0]
    assert back == pytest.approx(index, abs=1e-9)


@pytest.mark.parametrize("orientation", ORIENTATIONS.values(), ids=ORIENTATIONS)
def test_a_step_in_each_index_moves_along_its_own_direction(orientation):
    """I follows the row direction, j the column direction, k the normal (PS3.3 C.7.6.2.1.1)."""
    one = grid(*orientation)
    start, i, j, k = one.to_patient([[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]])
    assert start == pytest.approx(one.origin_mm)
    assert i - start == pytest.approx(1.1 * np.array(orientation[0], float))
    assert j - start == pytest.approx(3.7 * np.array(orientation[1], float))
    assert k - start == pytest.approx(2.3 * np.cross(*orientation))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"row": (1, 0.1, 0)}, "not of length 1"),
        ({"row": (np.nan, 0, 0)}, "not of length 1"),
        ({"column": (1, 0, 0)}, "not at right angles"),
        ({"rows": 0}, "no voxels"),
        ({"row_step_mm": 0.0}, "must be positive"),
        ({"offsets_mm": (0, 2, 1)}, "neither rise nor fall"),
        ({"offsets_mm": (0, 0, 1)}, "neither rise nor fall"),
    ],
)
def test_impossible_geometry_is_refused(changes, message):
    """Every invariant has a message with what was wrong."""
    with pytest.raises(GeometryError, match=message):
        grid(**changes)


def test_a_pickled_grid_is_the_same_grid():
    """Pickling goes through the constructor and loses nothing."""
    one = grid()
    again = pickle.loads(pickle.dumps(one))
    assert again.shape == one.shape
    assert again.to_patient([[1, 2, 3]]).tolist() == one.to_patient([[1, 2, 3]]).tolist()


def test_is_axial_and_repr():
    """Repr says what a physicist asks first."""
    assert grid(*ORIENTATIONS["HFP"]).is_axial
    assert not grid(*ORIENTATIONS["oblique"]).is_axial
    assert "3x5x7, 2.3 x 3.7 x 1.1 mm" in repr(grid())
    assert "2..3.5" in repr(grid(offsets=(0, 2, 5.5)))
    assert "one plane" in repr(grid(offsets=(0,)))
