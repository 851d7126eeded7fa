"""Slabs, gaps, caps and booleans of planar stacks, against arithmetic."""

import itertools
import pickle

import numpy as np
import pytest
import shapely

from planeval.errors import GeometryError
from planeval.geometry.booleans import combine
from planeval.geometry.stack import (
    AXIAL,
    CapReading,
    DrawnPlane,
    PlanarStack,
    PlaneFrame,
    Slab,
    volume_cc,
)

BOX = shapely.box(-13, 4, 17, 24)  # 30 x 20 mm
HOLE = shapely.box(-3, 9, 7, 19)  # 10 x 10 mm
FLAT = (1.0, 0.0, 0.0), (0.0, 0.0, -1.0)


def stack(heights, area=BOX, **options):
    return PlanarStack(AXIAL, [DrawnPlane(float(z), area) for z in heights], **options)


@pytest.mark.parametrize(
    ("caps", "none", "chosen", "full"),
    [("half", 10, 15, 20), ("none", 10, 10, 20), ("tapered", 10, None, 20)],
)
def test_end_caps_and_their_readings(caps, none, chosen, full):
    """Three planes 5 mm apart: 10 mm between them, h/2 or nothing or a taper beyond each end."""
    one = stack([7.3, 12.3, 17.3])
    cc = {r: volume_cc(one, r, caps=caps) for r in CapReading}
    assert cc[CapReading.NONE] == pytest.approx(0.6 * none)
    assert cc[CapReading.FULL] == pytest.approx(0.6 * full)
    if chosen is not None:
        assert cc[CapReading.CHOSEN] == pytest.approx(0.6 * chosen)
    else:
        assert 0.6 * 10.5 < cc[CapReading.CHOSEN] < 0.6 * 15


def test_the_nominal_spacing_is_the_most_frequent_one():
    """Irregular planes: each owns up to the midpoints, the ends own h/2 of the most frequent h."""
    one = stack([0, 3, 6, 10, 13])  # 4 mm is no gap beside 3 mm
    assert one.spacing_mm == pytest.approx(3)
    assert volume_cc(one) == pytest.approx(0.6 * 16)
    assert one.gaps() == ()


@pytest.mark.parametrize(
    ("heights", "gaps", "solid_mm"),
    [
        ([0, 3, 9, 12], 1, 12),  # one plane missing: both sides own 1.5 mm
        ([0, 3, 7.4, 10.4], 0, 13.4),  # 4.4 <= 1.5 x 3
        ([0, 3, 7.6, 10.6], 1, 12),  # 4.6 > 1.5 x 3
        ([0, 3, 6, 12, 18, 24], 0, 30),  # every second slice from there on: h is 6
    ],
)
def test_a_gap_is_more_than_one_and_a_half_spacings(heights, gaps, solid_mm):
    """A distance above 1.5 x max(h, its neighbours) stays open, and the filling is stated."""
    one = stack(heights)
    assert len(one.gaps()) == gaps
    assert volume_cc(one) == pytest.approx(0.6 * solid_mm)
    for gap in one.gaps():
        assert gap.filling_cc == pytest.approx(0.6 * (gap.high_mm - gap.low_mm - one.spacing_mm))


def test_one_plane_needs_a_thickness():
    """A single plane has a volume only where somebody stated its thickness."""
    assert volume_cc(stack([4.0], spacing_mm=2.5)) == pytest.approx(0.6 * 2.5)
    with pytest.raises(GeometryError, match="one drawn plane and no stated thickness"):
        volume_cc(stack([4.0]))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: stack([1, 1]), GeometryError, "same height 1 mm"),
        (lambda: stack([1, 2], spacing_mm=0.0), GeometryError, "must be positive"),
        (
            lambda: PlanarStack(AXIAL, [DrawnPlane(0, BOX)], slabs=[Slab(0, 1, BOX)]),
            ValueError,
            "not both",
        ),
        (lambda: PlaneFrame((1, 0, 0), (1, 0, 0)), GeometryError, "not unit and orthogonal"),
    ],
)  # fmt: skip
def test_impossible_stacks_are_refused(make, error, message):
    """Every invariant fires."""
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("phase", [0.0, 0.7, 1.25])
def test_booleans_of_different_plane_spacings(phase):
    """5 mm outer minus 2.5 mm inner at any phase: volumes subtract, planes are never matched."""
    outer = stack(np.arange(0, 41, 5))
    inner = stack(np.arange(10, 20.1, 2.5) + phase, HOLE)
    difference = combine(outer, inner, shapely.difference)
    common = combine(outer, inner, shapely.intersection)
    union = combine(outer, inner, shapely.union)
    assert volume_cc(difference) == pytest.approx(volume_cc(outer) - volume_cc(inner))
    assert volume_cc(common) == pytest.approx(volume_cc(inner))
    assert volume_cc(union) == pytest.approx(volume_cc(outer))


def test_a_derived_stack_keeps_the_cap_readings_of_its_operands():
    """Outer minus inner with both ends open: each reading is the difference of the readings."""
    outer, inner = stack([0, 5, 10]), stack([0, 2.5, 5, 7.5, 10], HOLE)
    difference = combine(outer, inner, shapely.difference)
    for reading in CapReading:
        assert volume_cc(difference, reading) == pytest.approx(
            volume_cc(outer, reading) - volume_cc(inner, reading)
        )


def test_slabs_of_one_reading_rise_and_never_overlap():
    """The solid of a reading is a sequence of disjoint slabs."""
    difference = combine(stack([0, 5, 10]), stack([1, 4, 7], HOLE), shapely.difference)
    for reading in CapReading:
        slabs = [s for s in difference.slabs() if s.readings & reading]
        assert all(a.high_mm <= b.low_mm for a, b in itertools.pairwise(slabs))


def test_touching_solids_leave_no_lines_behind():
    """An intersection that is only an edge is empty."""
    left, right = (
        stack([0, 5], shapely.box(0, 0, 10, 10)),
        stack([0, 5], shapely.box(10, 0, 20, 10)),
    )
    assert combine(left, right, shapely.intersection).is_empty


def test_planes_that_are_not_parallel_are_refused():
    """Axial and coronal planes have no common slabs."""
    coronal = PlanarStack(PlaneFrame(*FLAT), [DrawnPlane(0.0, BOX), DrawnPlane(5.0, BOX)])
    with pytest.raises(GeometryError, match="not parallel"):
        combine(stack([0, 5]), coronal, shapely.union)


def test_stacks_survive_pickling():
    """Drawn and derived stacks keep their volume."""
    for one in (stack([0, 5, 10]), combine(stack([0, 5]), stack([1, 3], HOLE), shapely.difference)):
        assert volume_cc(pickle.loads(pickle.dumps(one))) == pytest.approx(volume_cc(one))


def test_pickling_keeps_what_is_shared():
    """Slabs of one area share it again, and the axial frame stays itself: both are known by identity."""
    one = PlanarStack(AXIAL, slabs=[Slab(0, 1, BOX), Slab(1, 2, HOLE), Slab(2, 3, BOX)])
    again = pickle.loads(pickle.dumps(one))
    assert again.frame is AXIAL
    first, second, third = again.slabs()
    assert first.area is third.area
    assert first.area.equals_exact(BOX, 0)
    assert second.area.equals_exact(HOLE, 0)


def test_asked_again_a_stack_says_the_same():
    """One choice of end caps never answers for another, whatever was asked before."""
    one = stack([0, 5, 10])
    cc = {
        (caps, between): volume_cc(stack([0, 5, 10]), caps=caps, between=between)
        for caps in ("half", "none", "tapered")
        for between in ("prism", "interpolated")
    }
    assert cc["none", "prism"] < cc["tapered", "prism"] < cc["half", "prism"]
    for _ in range(2):
        for (caps, between), expected in cc.items():
            assert volume_cc(one, caps=caps, between=between) == expected
