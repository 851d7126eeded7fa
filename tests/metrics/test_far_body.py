"""The body far from a target: the part that is looked at has the largest dose of all of it."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.phantoms import cylinder, dose, dose_on_grid, round_stack, sphere

from planeval.case import Case
from planeval.dose.isodose import IsodoseMap
from planeval.geometry.booleans import combine
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack
from planeval.metrics.far_body import FAR_MM, body_beyond, hottest_beyond
from planeval.model import CaseData, Identity, Structure

BODY = Structure("BODY", round_stack(cylinder(44.0), 4.0, half_mm=42.0), type="EXTERNAL")
TARGET = Structure("PTV", round_stack(sphere(8.0), 4.0, half_mm=8.0), type="PTV")


def hills(*peaks):
    """A sum of Gaussian hills: (gy, width in mm, x, y, z) each."""

    def function(x, y, z):
        return sum(
            gy * np.exp(-((x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2) / (2 * width**2))
            for gy, width, a, b, c in peaks
        )

    return function


def dose_of(*peaks, half_mm=(50.0, 50.0, 46.0)):
    return dose(dose_on_grid(hills(*peaks), step_mm=(3.0, 3.0, 4.0), half_mm=half_mm))


def both(plan_dose, body=BODY, target=TARGET):
    """Largest dose, its place and cc: of all of the far body, and of the part that is looked at."""
    found = []
    for far in (
        body_beyond(body, target),
        hottest_beyond(body, target, IsodoseMap(plan_dose, AXIAL)),
    ):
        dvh = Case(CaseData(identity=Identity("P"), structures={}, dose=plan_dose)).dvh(far)
        found.append((float(dvh.max()), dvh.hottest.position_mm, far.volume_cc))
    return found


centres = st.floats(-40.0, 40.0)


@settings(max_examples=6, deadline=None)
@given(
    far=st.tuples(st.floats(1.0, 70.0), st.floats(4.0, 15.0), centres, centres, centres),
    near=st.tuples(st.floats(20.0, 70.0), st.floats(6.0, 18.0), *[st.floats(-6.0, 6.0)] * 3),
)
def test_the_part_has_the_largest_dose_of_the_whole(far, near):
    """Wherever the dose beyond 20 mm is largest: around the target, far away, at the skin."""
    (whole, _, whole_cc), (part, _, part_cc) = both(dose_of(near, far))
    assert part == pytest.approx(whole, rel=1e-6)
    assert part_cc <= whole_cc * (1 + 1e-9)


def test_it_is_a_small_part_and_at_the_same_place():
    """One hill on the target: the largest far dose is just beyond 20 mm, and little is kept."""
    (whole, place, whole_cc), (part, same, part_cc) = both(dose_of((60.0, 10.0, 2.0, 0.0, 0.0)))
    assert part == pytest.approx(whole, rel=1e-6)
    assert same == pytest.approx(place, abs=1e-6)
    assert np.hypot(*place[:2]) == pytest.approx(8.0 + FAR_MM, abs=1.0)
    assert part_cc < 0.5 * whole_cc


def test_a_derived_body_is_cut_as_well():
    """A body made of slabs has no planes; its slabs are cut."""
    hole = round_stack(sphere(5.0), 2.0, half_mm=5.0, centre=(0.0, 34.0, 0.0))
    derived = replace(BODY, stack=combine(BODY.stack, hole, shapely.difference), origin="derived")
    (whole, _, whole_cc), (part, _, part_cc) = both(dose_of((60.0, 10.0, 0.0, 4.0, 0.0)), derived)
    assert part == pytest.approx(whole, rel=1e-6)
    assert part_cc < 0.5 * whole_cc


def test_without_dose_in_the_far_body_all_of_it_is_kept():
    """No dose bounds anything: nothing is cut away."""
    flat = dose(
        dose_on_grid(
            lambda x, y, z: 0 * x * y * z, step_mm=(3.0, 3.0, 4.0), half_mm=(50.0, 50.0, 46.0)
        )
    )
    (whole, _, whole_cc), (part, _, part_cc) = both(flat)
    assert (part, part_cc) == (whole, pytest.approx(whole_cc))


def test_a_body_that_the_dose_grid_cuts_is_asked_whole():
    """The part outside may hold the largest dose, wherever that is: it must not be cut away."""
    long = PlanarStack(
        AXIAL, [DrawnPlane(z, shapely.box(-30, -30, 30, 30)) for z in np.arange(-80.0, 41, 4)]
    )
    case = Case(
        CaseData(
            identity=Identity("P"),
            structures={"BODY": Structure("BODY", long, type="EXTERNAL"), "PTV": TARGET},
            dose=dose_of((60.0, 10.0, 0.0, 0.0, 0.0)),
        )
    )
    value = case.metric("D2cm[Gy]", "PTV")
    assert not value.is_defined
    assert "outside the dose grid" in value.reason
    assert value.possible[1] == float("inf")


def test_the_box_holds_every_dose_from_a_level_on():
    """A cone of 60 Gy that falls by 2 Gy per mm has 40 Gy within 10 mm, and the box holds that."""

    def cone(x, y, z):
        return np.maximum(60 - 2 * np.sqrt((x - 3) ** 2 + y**2 + z**2), 0.0)

    doses = IsodoseMap(
        dose(dose_on_grid(cone, step_mm=(2.0, 2.0, 2.0), half_mm=(30.0, 30.0, 30.0))), AXIAL
    )
    low, high = doses.box(40.0)
    assert np.all(low <= [-7.0, -10.0, -10.0])
    assert np.all(high >= [13.0, 10.0, 10.0])
    assert np.all(high - low <= 20.0 + 2 * 2 * 2.0)
    assert doses.box(61.0) is None
