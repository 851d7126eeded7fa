"""Coverage against shapely's own clipping, cell by cell, and its conservation laws."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from planeval.geometry import coverage as coverage_module
from planeval.geometry.coverage import Lattice, cover
from planeval.geometry.stack import CapReading, Slab

U = np.concatenate([[-31.3], np.arange(-30, 31, 2.5), [31.0]])  # half cells at the ends
V = np.arange(-27.0, 28.0, 1.7)
W = np.array([-10.0, -4.0, 0.5, 3.0, 11.0])
LATTICE = Lattice(U, V, W)

KEYED = shapely.Point(3.3, -2.1).buffer(11.7).difference(shapely.Point(5, -3).buffer(3.2))
AREAS = {
    "ring with a far island": KEYED.union(shapely.box(20, 1, 26.5, 4.2)),
    "clockwise triangle": shapely.Polygon([(-20, -20), (0, 15), (21, -13)]).reverse(),
    "on the lattice lines": shapely.box(-10, V[3], 5, V[9]),
    "inside one cell": shapely.box(0.1, V[16] + 0.2, 0.7, V[16] + 0.9),
    "thin and slanted": shapely.LineString([(-28, -20), (25, 22)]).buffer(0.3),
}


def clipped(area, row, column, lattice=LATTICE):
    cell = shapely.box(
        lattice.u_mm[column], lattice.v_mm[row], lattice.u_mm[column + 1], lattice.v_mm[row + 1]
    )
    return cell.area, cell.intersection(area)


@pytest.mark.parametrize("area", AREAS.values(), ids=AREAS)
def test_every_cell_agrees_with_clipping(area):
    """Share and centroid of each partial cell, and the list of full cells, are those of shapely."""
    sheet = cover([Slab(-2.0, 2.0, area)], LATTICE).layers[-1].sheet
    full, partial = (
        set(np.flatnonzero(sheet.full).tolist()),
        dict(zip(sheet.partial.tolist(), range(999_999), strict=False)),
    )
    for cell in range(LATTICE.rows * LATTICE.columns):
        row, column = divmod(cell, LATTICE.columns)
        cell_mm2, part = clipped(area, row, column)
        share = part.area / cell_mm2
        if cell in partial:
            n = partial[cell]
            assert sheet.share[n] == pytest.approx(share, abs=1e-12)
            x = (part.centroid.x - U[column]) / (U[column + 1] - U[column])
            y = (part.centroid.y - V[row]) / (V[row + 1] - V[row])
            if share > 1e-6:
                assert sheet.moments[:2, n] == pytest.approx((x, y), abs=1e-7)
        else:
            assert share == pytest.approx(1.0 if cell in full else 0.0, abs=1e-12)


@given(
    radii=st.lists(st.floats(0.5, 14.0), min_size=3, max_size=24),
    centre=st.tuples(st.floats(-40, 40), st.floats(-40, 40)),
    low=st.floats(-15, 5),
    thickness=st.floats(0.1, 14),
)
@settings(max_examples=150, deadline=None)
def test_inside_and_outside_add_up_to_the_volume(radii, centre, low, thickness):
    """A star-shaped slab anywhere, also half or wholly beyond the lattice, loses nothing."""
    angles = np.linspace(0, 2 * np.pi, len(radii), endpoint=False)
    area = shapely.Polygon(
        np.column_stack([centre[0] + radii * np.cos(angles), centre[1] + radii * np.sin(angles)])
    )
    slab = Slab(low, low + thickness, shapely.make_valid(area))
    result = cover([slab], LATTICE)
    box = shapely.box(U[0], V[0], U[-1], V[-1])
    height = max(0.0, min(slab.high_mm, W[-1]) - max(slab.low_mm, W[0]))
    inside = slab.area.intersection(box).area * height / 1000
    for reading in CapReading:
        assert result.inside_cc[reading] == pytest.approx(inside, rel=1e-9, abs=1e-12)
        assert inside + result.outside_cc[reading] == pytest.approx(slab.volume_cc, rel=1e-8)


def test_blocks_and_pieces_are_the_same_solid():
    """Cells full through an interval become one block; nothing is counted twice or lost."""
    slabs = [Slab(-9.0, -2.0, KEYED), Slab(-2.0, 2.2, KEYED.buffer(-1)), Slab(2.2, 8.0, KEYED)]
    result = cover(slabs, LATTICE)
    cell_mm2 = LATTICE.cell_mm2
    blocks = [layer for layer in result.layers if layer.sheet is None]
    assert {layer.interval for layer in blocks} == {1, 2}
    total = sum(
        (
            cell_mm2[layer.full].sum()
            + (layer.sheet.share @ cell_mm2[layer.sheet.partial] if layer.sheet else 0.0)
        )
        * (layer.high_mm - layer.low_mm)
        for layer in result.layers
    )
    assert total / 1000 == pytest.approx(sum(slab.volume_cc for slab in slabs), rel=1e-12)


def test_polygons_covered_together_or_apart_are_the_same(monkeypatch):
    """How many polygons are covered in one pass changes nothing."""
    slabs = [Slab(n, n + 1.0, area) for n, area in enumerate(AREAS.values())]
    together = cover(slabs, LATTICE)
    monkeypatch.setattr(coverage_module, "CELLS_AT_ONCE", 2 * LATTICE.rows * LATTICE.columns)
    apart = cover(slabs, LATTICE)
    assert together.inside_cc == apart.inside_cc
    for one, other in zip(together.layers, apart.layers, strict=True):
        assert (one.full == other.full).all()
        assert (one.sheet is None) == (other.sheet is None)
        if one.sheet is not None and other.sheet is not None:
            assert (one.sheet.partial == other.sheet.partial).all()
            assert (one.sheet.share == other.sheet.share).all()
            assert (one.sheet.outline == other.sheet.outline).all()


def test_nothing_covers_nothing():
    """An empty solid has no layers and no volume."""
    result = cover([], LATTICE)
    assert result.layers == ()
    assert set(result.inside_cc.values()) == {0.0}
