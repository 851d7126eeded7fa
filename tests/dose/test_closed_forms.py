"""DVHs of solids with known answers: the exact contour solid in a linear, hence exactly stored, dose."""

import itertools

import numpy as np
import pytest
import shapely
from tests.oracles import slab_volume_above
from tests.phantoms import (
    cone,
    cylinder,
    dose,
    dose_on_grid,
    linear,
    round_stack,
    sphere,
    structure,
)

from planeval.dose.calculation import dose_volume_histogram
from planeval.geometry.stack import AXIAL, CapReading, DrawnPlane, PlanarStack

SHAPES = {
    "sphere": lambda r: (sphere(r), r),
    "cylinder": lambda r: (cylinder(r), r),
    "cone": lambda r: (cone(r, r), r),
}
GRADIENTS = {
    "AP": (0.0, 1.0, 0.0),
    "SI": (0.0, 0.0, 1.0),
    "in-plane oblique": (0.6, 0.8, 0.0),
    "oblique": (0.48, 0.6, 0.64),
}
CASES = [
    pytest.param(shape, radius, spacing, step, name, id=f"{shape}-{radius}-{spacing}-{step}-{name}")
    for shape, radius, spacing, step, name in itertools.product(
        SHAPES, (6.0, 15.0), (1.0, 3.0), (1.0, 3.0), GRADIENTS
    )
    if not (name == "oblique" and radius > 10 and spacing < 2)
]


@pytest.mark.parametrize(("shape", "radius", "spacing", "step", "gradient_name"), CASES)
def test_dx_mean_and_volume_match_the_contour_solid(shape, radius, spacing, step, gradient_name):
    """Volume within 0.05 %, mean and Dx within 0.02 Gy at 1 Gy/mm, for every shape and gradient."""
    profile, half = SHAPES[shape](radius)
    gradient = GRADIENTS[gradient_name]
    solid = structure(round_stack(profile, spacing, half_mm=half, phase=0.37))
    term = dose_on_grid(
        linear(*gradient), step_mm=(step, 0.9 * step, 1.1 * step), half_mm=(22.0, 23.0, 24.0)
    )
    dvh = dose_volume_histogram(solid, dose(term))
    slabs = [s for s in solid.stack.slabs() if s.readings & CapReading.CHOSEN]
    exact_cc = sum(slab.volume_cc for slab in slabs)
    centroid = sum(
        slab.volume_cc * np.array([slab.area.centroid.x, slab.area.centroid.y,
                                   (slab.low_mm + slab.high_mm) / 2])
        for slab in slabs
    ) / exact_cc  # fmt: skip

    assert dvh.total_cc == pytest.approx(exact_cc, rel=1e-9)
    assert float(dvh.mean()) == pytest.approx(100 + np.dot(gradient, centroid), abs=1e-3)
    cuts = 16 if gradient_name == "oblique" else 1
    for percent in (99, 95, 50, 5, 1):
        d = float(dvh.d(percent=percent))
        above = [
            100 * slab_volume_above(slabs, gradient, 100.0, level, cuts=cuts) / exact_cc
            for level in (d - 0.02, d + 0.02)
        ]
        assert above[1] - 0.005 <= percent <= above[0] + 0.005


@pytest.mark.parametrize("gradient", GRADIENTS.values(), ids=GRADIENTS)
def test_extremes_are_the_extremes_of_the_contour_solid(gradient):
    """Min and Max of a linear dose lie at vertices of the slabs, and are found exactly."""
    solid = structure(round_stack(sphere(11.0), 2.5, half_mm=11.0, phase=0.2))
    term = dose_on_grid(linear(*gradient))
    dvh = dose_volume_histogram(solid, dose(term))
    corners = np.concatenate(
        [
            np.insert(np.array(slab.area.exterior.coords), 2, z, axis=1)
            for slab in solid.stack.slabs()
            if slab.readings & CapReading.CHOSEN
            for z in (slab.low_mm, slab.high_mm)
        ]
    )  # fmt: skip
    exact = 100 + corners @ np.array(gradient)
    assert float(dvh.max()) == pytest.approx(exact.max(), abs=2e-4)
    assert float(dvh.min()) == pytest.approx(exact.min(), abs=2e-4)
    assert dvh.hottest.gy == float(dvh.max())
    x, y, z = dvh.hottest.position_mm
    assert dvh.max().notes == (f"Largest known dose at x {x:.1f}, y {y:.1f}, z {z:.1f} mm",)
    assert 100 + np.dot(gradient, dvh.hottest.position_mm) == pytest.approx(exact.max(), abs=2e-4)


@pytest.mark.parametrize("level", [92.0, 98.5, 100.0, 106.0])
def test_vx_is_within_a_tenth_of_a_percentage_point(level):
    """V(d) and CV(d) of a cone against polygon clipping; together they are the whole."""
    gradient = (0.6, 0.8, 0.0)
    solid = structure(round_stack(cone(9.0, 9.0), 2.0, half_mm=9.0))
    dvh = dose_volume_histogram(solid, dose(dose_on_grid(linear(*gradient))))
    slabs = [s for s in solid.stack.slabs() if s.readings & CapReading.CHOSEN]
    exact = 100 * slab_volume_above(slabs, gradient, 100.0, level) / dvh.total_cc
    assert float(dvh.v(gy=level, unit="%")) == pytest.approx(exact, abs=0.1)
    assert float(dvh.v(gy=level)) + float(dvh.cv(gy=level)) == pytest.approx(dvh.total_cc)


def test_uniform_dose_is_a_step():
    """All of a structure in one dose: every D is that dose, V is all at it and nothing above."""
    solid = structure(round_stack(sphere(8.0), 2.0, half_mm=8.0))
    dvh = dose_volume_histogram(solid, dose(dose_on_grid(lambda x, y, z: 50.0 + 0 * x)))
    for value in (
        dvh.mean(),
        dvh.min(),
        dvh.max(),
        dvh.median(),
        dvh.d(cc=0.03),
        dvh.d(percent=100),
    ):
        assert float(value) == 50.0
    assert float(dvh.v(gy=50.0, unit="%")) == pytest.approx(100.0)
    assert float(dvh.v(gy=50.001)) == 0.0
    assert float(dvh.cv(gy=50.0)) == 0.0


@pytest.mark.parametrize("gy", [47.3, 0.1, 33.333333, 68.1])
def test_a_uniform_dose_reaches_itself_in_any_number(gy):
    """Rounding of the stored dose never empties V at a uniform dose, nor fills V above it."""
    solid = structure(round_stack(sphere(8.0), 2.0, half_mm=8.0))
    dvh = dose_volume_histogram(solid, dose(dose_on_grid(lambda x, y, z: gy + 0 * x)))
    assert float(dvh.v(gy=gy, unit="%")) == pytest.approx(100.0)
    assert float(dvh.cv(gy=gy)) == pytest.approx(0.0)
    assert float(dvh.v(gy=gy * 1.00001)) == 0.0


def test_two_plateaus_keep_their_inclusive_step():
    """V at the dose of a plateau includes the plateau; just above it does not."""
    solid = structure(round_stack(cylinder(10.0), 2.0, half_mm=10.0))
    term = dose_on_grid(lambda x, y, z: np.where(z > 0, 40.0, 20.0))
    dvh = dose_volume_histogram(solid, dose(term))
    assert float(dvh.v(gy=20.0, unit="%")) == pytest.approx(100.0)
    assert float(dvh.v(gy=20.001, unit="%")) < 60
    assert float(dvh.v(gy=40.0, unit="%")) > 40
    assert float(dvh.d(percent=40)) == pytest.approx(40.0)
    assert float(dvh.d(percent=99)) == pytest.approx(20.0)


def test_d_and_v_are_inverses():
    """V(D(x)) = x and D(V(d)) = d along the whole curve."""
    solid = structure(round_stack(sphere(12.0), 2.5, half_mm=12.0))
    dvh = dose_volume_histogram(
        solid, dose(dose_on_grid(lambda x, y, z: 60 - 0.01 * (x * x + y * y)))
    )
    for cc in np.linspace(0.02, 0.98, 25) * dvh.total_cc:
        assert float(dvh.v(gy=float(dvh.d(cc=cc)))) == pytest.approx(cc, rel=1e-9)
        assert float(dvh.d(cc=cc)) == pytest.approx(float(dvh.dc(cc=dvh.total_cc - cc)), abs=1e-9)


def test_the_band_of_extremes_knows_the_cells_of_the_structure_only():
    """A hot spot in the bounding box of a structure, outside it, is not in the band of its Max."""
    corner = shapely.union(shapely.box(-20, -20, 20, -16), shapely.box(-20, -20, -16, 20))
    solid = structure(PlanarStack(AXIAL, [DrawnPlane(float(z), corner) for z in (-4, -2, 0, 2)]))
    term = dose_on_grid(lambda x, y, z: np.where((x > 5) & (y > 5), 60.0, 10.0 + x / 10))
    dvh = dose_volume_histogram(solid, dose(term))
    assert float(dvh.max()) == pytest.approx(12.0, abs=1e-3)
    assert dvh.max().high < 12.5
    term = dose_on_grid(lambda x, y, z: np.where((x > 5) & (y > 5), 1.0, 30.0 + x / 10))
    dvh = dose_volume_histogram(solid, dose(term))
    assert float(dvh.min()) == pytest.approx(28.0, abs=1e-3)
    assert dvh.min().low > 27.5
