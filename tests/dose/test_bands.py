"""Bands against brute force: they hold the dense truth of any solid in any stored field, tightly."""

import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.oracles import sampled_doses
from tests.phantoms import dose, dose_on_grid, linear, round_stack, sphere, structure

from planeval.dose import sampling
from planeval.dose.calculation import cover_structure, dose_volume_histogram
from planeval.dose.field import DoseField, trilinear
from planeval.dose.sampling import sample
from planeval.geometry.stack import AXIAL, CapReading, DrawnPlane, PlanarStack
from planeval.model import DoseTerm


def random_case(seed, *, noise=1.0):
    """A solid of star-shaped planes, one with a hole, in a field of independent voxels."""
    rng = np.random.default_rng(seed)
    planes = []
    for z in np.arange(-6.0, 7.0, rng.uniform(1.7, 3.4)):
        angles = np.linspace(0, 2 * np.pi, 23, endpoint=False)
        radii = rng.uniform(5.0, 13.0, 23)
        ring = np.column_stack([radii * np.cos(angles) + 1, radii * np.sin(angles) - 2])
        area = shapely.Polygon(ring)
        if rng.random() < 0.4:
            area = area.difference(shapely.Point(1, -2).buffer(3.0))
        planes.append(DrawnPlane(float(z), area))
    solid = structure(PlanarStack(AXIAL, planes), caps="none", lattice_cells=1)
    term = dose_on_grid(linear(0.4, -0.3, 0.5, 40.0), step_mm=(3.0,) * 3, half_mm=(24.0,) * 3)
    gy = term.gy + noise * rng.uniform(-4, 4, term.gy.shape).astype(np.float32)
    return solid, dose(DoseTerm(term.grid, gy))


def truth(solid, field_dose, step_mm=0.35):
    """Dense doses of the solid, hottest first, and the volume at or above each."""
    slabs = [
        slab for slab in solid.stack.slabs("none", "prism") if slab.readings & CapReading.CHOSEN
    ]
    gy, cc = sampled_doses(
        slabs, lambda points: trilinear(field_dose.terms[0], points), step_mm=step_mm
    )
    order = np.argsort(-gy)
    return gy[order], np.cumsum(cc[order])


def corner_doses(solid, field_dose):
    """Doses at the corners of the slabs."""
    points = [
        np.column_stack([uv, np.full(len(uv), z)])
        for slab in solid.stack.slabs("none", "prism")
        if slab.readings & CapReading.CHOSEN
        for uv in [shapely.get_coordinates(slab.area)]
        for z in (slab.low_mm, slab.high_mm)
    ]
    return trilinear(field_dose.terms[0], np.concatenate(points))


def inner_band(dvh, what):
    """The band of the cells alone, without the readings of the end caps."""
    return what(dvh._curves[CapReading.CHOSEN])


@given(seed=st.integers(0, 10_000), noise=st.sampled_from([0.0, 0.3, 1.0]))
@example(seed=1943, noise=0.0)
@settings(max_examples=12, deadline=None)
def test_bands_hold_the_dense_truth(seed, noise):
    """V, D, Min and Max of a dense sampling lie inside the bands of the cells."""
    solid, field_dose = random_case(seed, noise=noise)
    dvh = dose_volume_histogram(solid, field_dose)
    gy, cc = truth(solid, field_dose)
    total = dvh.total_cc
    cc *= total / cc[-1]
    sampling_cc, sampling_gy = 0.004 * total, 0.15 * (1 + noise)
    for level in np.quantile(gy, [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98]):
        low, high = inner_band(dvh, lambda curve, level=level: curve.volume_bounds(level))
        at = int(np.searchsorted(-gy, -level, side="right"))
        found = cc[at - 1] if at else 0.0
        assert low - sampling_cc <= found <= high + sampling_cc
        assert low <= float(dvh.v(gy=level)) <= high + 1e-9
    for percent in (2, 10, 50, 90, 98):
        low, high = inner_band(
            dvh, lambda curve, percent=percent: curve.dose_bounds(percent / 100 * total)
        )
        found = gy[min(int(np.searchsorted(cc, percent / 100 * total)), len(gy) - 1)]
        assert low - sampling_gy <= found <= high + sampling_gy
    assert gy[0] <= float(dvh.max()) + 1e-5
    assert gy[-1] >= float(dvh.min()) - 1e-5
    # the tips of the stars are thinner than the sampling: their corners are points of the solid too
    at_corners = corner_doses(solid, field_dose)
    assert at_corners.max() <= float(dvh.max()) + 1e-5
    assert float(dvh.max()) - max(gy[0], at_corners.max()) < 2.5 * (0.01 + noise)


def columns_above(corners, level, cuts):
    """Share at or above a level of upright columns through a unit cell, rising, by midpoints."""
    at = (np.arange(cuts) + 0.5) / cuts
    x, y, z = np.meshgrid(at, at, at, indexing="ij")
    field = sum(
        corners[i, j, k] * (x if i else 1 - x) * (y if j else 1 - y) * (z if k else 1 - z)
        for i in (0, 1)
        for j in (0, 1)
        for k in (0, 1)
    )
    return np.sort((field >= level).mean(axis=2).ravel())


@given(
    corners=st.lists(st.floats(0, 10), min_size=8, max_size=8),
    share=st.sampled_from([1.0, 0.7, 0.2]),
)
@settings(max_examples=60, deadline=None)
def test_the_lines_bound_every_cell(corners, share):
    """For any corners, and whichever columns are covered, the volume lies between the two lines."""
    cube = np.array(corners).reshape(2, 2, 2)
    floor, ceiling = (
        [np.array([cube[i, j, k]], dtype=np.float32) for j in (0, 1) for i in (0, 1)]
        for k in (0, 1)
    )
    moments = np.array([[0.5], [0.5], [0.25], [1 / 3], [1 / 3]], dtype=np.float32)
    cell = sampling._spread(floor, ceiling, moments, np.array([share], dtype=np.float32))
    centre, reach, width = (float(each[0]) for each in (cell.centre, cell.reach, cell.width))
    for level in np.linspace(cube.min() - 0.1, cube.max() + 0.1, 15):
        columns = columns_above(cube, level, 28)
        covered = round(share * len(columns))
        coldest, hottest = (
            part.sum() / len(columns) for part in (columns[:covered], columns[-covered:])
        )
        start, stop = centre - reach, centre + reach
        # an upright line stands a hair beyond the one dose that a cell may have
        least = share * np.clip((start + width - level - 1e-5) / max(width, 1e-9), 0, 1)
        most = share * np.clip((stop - level + 1e-5) / max(width, 1e-9), 0, 1)
        assert least <= coldest + 0.02
        assert most >= hottest - 0.02


def test_a_dose_along_one_axis_has_no_band_in_full_cells():
    """Where the dose rises along one axis a cell's volume is known at every dose, not in a voxel."""
    for gradient in ((1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0)):
        term = dose_on_grid(linear(*gradient, 50.0), step_mm=(3.0,) * 3, half_mm=(30.0,) * 3)
        field_dose = dose(term)
        first, last = term.grid.origin_mm[0] + 18, term.grid.origin_mm[0] + 42
        planes = [
            DrawnPlane(float(z), shapely.box(first, first, last, last))
            for z in np.arange(first, last + 1, 3.0)
        ]
        solid = structure(PlanarStack(AXIAL, planes), caps="none", lattice_cells=1)
        dvh = dose_volume_histogram(solid, field_dose)
        low, high = inner_band(dvh, lambda curve: curve.volume_bounds(50.4))
        # one node of the bounding curves at either end
        assert high - low < 0.002 * dvh.total_cc
        assert low <= dvh.total_cc * (last - 0.4) / 24 <= high


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_bands_are_narrower_than_corner_doses_alone(seed):
    """The lines leave less than half of what placing cells at their corners leaves."""
    solid, field_dose = random_case(seed, noise=0.05)
    field = DoseField(field_dose, AXIAL)
    dvh = dose_volume_histogram(solid, field_dose)
    level = float(dvh.median())
    old = 0.0
    for batch in sample(cover_structure(solid, field), field):
        if batch.readings & CapReading.CHOSEN:
            old += float(batch.cc[(batch.low_gy < level) & (batch.high_gy >= level)].sum())
    low, high = inner_band(dvh, lambda curve: curve.volume_bounds(level))
    assert high - low < 0.5 * old


@given(seed=st.integers(0, 10_000))
@settings(max_examples=8, deadline=None)
def test_extremes_are_exact(seed):
    """Max and Min are those of a search along the outline and over all nodes inside."""
    solid, field_dose = random_case(seed)
    dvh = dose_volume_histogram(solid, field_dose)
    term = field_dose.terms[0]
    hottest, coldest = -np.inf, np.inf
    for slab in solid.stack.slabs("none", "prism"):
        if not slab.readings & CapReading.CHOSEN:
            continue
        line = shapely.segmentize(slab.area, 0.03)
        outline = shapely.get_coordinates(line)
        lines = term.grid.origin_mm[0] + 3.0 * np.arange(17)
        nodes = np.stack(np.meshgrid(lines, lines), -1).reshape(-1, 2)
        nodes = nodes[shapely.contains_xy(slab.area, nodes)]
        heights = [slab.low_mm, slab.high_mm, *lines]
        for z in heights:
            if slab.low_mm <= z <= slab.high_mm:
                points = np.concatenate([outline, nodes])
                gy = trilinear(term, np.column_stack([points, np.full(len(points), z)]))
                hottest, coldest = max(hottest, gy.max()), min(coldest, gy.min())
    assert float(dvh.max()) == pytest.approx(hottest, abs=0.03)
    assert float(dvh.min()) == pytest.approx(coldest, abs=0.03)
    assert float(dvh.max()) >= hottest - 1e-5
    assert float(dvh.min()) <= coldest + 1e-5
    for spot in (dvh.hottest, dvh.coldest):
        assert spot is not None
        there = float(trilinear(term, np.array([spot.position_mm]))[0])
        assert there == pytest.approx(spot.gy, abs=1e-4)
    for value in (dvh.max(), dvh.min()):
        inside = inner_band(dvh, lambda curve: curve.limits_gy)
        assert inside[0] <= float(value) <= inside[1]
    assert inner_band(dvh, lambda curve: curve.limits_gy) == (dvh.coldest.gy, dvh.hottest.gy)


def test_uniform_dose_has_no_band():
    """Every metric of a uniform dose is that dose, or all of the volume, without a band."""
    solid = structure(round_stack(sphere(12), 2.0, half_mm=12), caps="none")
    dvh = dose_volume_histogram(solid, dose(dose_on_grid(linear(0, 0, 0, 47.3))))
    for value in (dvh.max(), dvh.min(), dvh.d(percent=95), dvh.median()):
        assert (value.low, value.high) == pytest.approx((47.3, 47.3), abs=1e-5)
    curve = dvh._curves[CapReading.CHOSEN]
    assert curve.volume_bounds(47.2) == pytest.approx((dvh.total_cc,) * 2)
    assert curve.volume_bounds(47.4) == (0.0, 0.0)
