"""The public expansion: margins that are what they say, clipping that never eats the structure."""

import math

import numpy as np
import pytest
import shapely
from tests.phantoms import disc, round_stack, sphere, structure

import planeval as pe
from planeval.errors import GeometryError
from planeval.geometry.margin import Margins
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack, PlaneFrame, Slab
from planeval.model import Structure
from planeval.targets.expansion import Avoid, expand, extend_along, grow, margin_text, remove
from planeval.targets.solids import cut_cc


def ball(radius=10.0, centre=(0.0, 0.0, 0.0), name="GTV", **more):
    x, y, z = centre
    heights = [h for h in np.arange(-28.75, 30, 2.5).tolist() if abs(h) < radius]
    planes = [DrawnPlane(z + h, disc(math.sqrt(radius**2 - h**2), (x, y), 24)) for h in heights]
    made = structure(PlanarStack(AXIAL, planes), name)
    return Structure(made.name, made.stack, **more) if more else made


def block(low, high, name="Organ"):
    """A box between two patient points, as slabs."""
    area = shapely.box(low[0], low[1], high[0], high[1])
    return Structure(name, PlanarStack(AXIAL, slabs=[Slab(low[2], high[2], area)]))


def cc(radius):
    return 4 / 3 * math.pi * radius**3 / 1000


def test_isotropic_margin():
    """A ball of 10 mm and 5 mm is a ball of 15 mm."""
    assert pe.expand(ball(), 5, name="CTV").volume_cc == pytest.approx(cc(15), rel=0.01)
    made = pe.expand(ball(), 5)
    assert (made.name, made.expression, made.origin) == ("GTV + 5 mm", "GTV + 5 mm", "derived")


@pytest.mark.parametrize(
    ("side", "axis", "end"),
    [("left", 0, 1), ("right", 0, 0), ("posterior", 1, 1), ("anterior", 1, 0),
     ("superior", 2, 1), ("inferior", 2, 0)],
)  # fmt: skip
def test_each_side_alone(side, axis, end):
    """LPS: left +x, posterior +y, superior +z; the other five surfaces stay."""
    before = np.array(ball().bounds_mm)
    after = np.array(expand(ball(), **{side: 6.0}).bounds_mm)
    moved = after - before
    assert moved[end, axis] == pytest.approx(6.0 if end else -6.0, abs=0.7)
    moved[end, axis] = 0
    # the tips of a ball are between its planes: they may move by the smoothing of its end
    assert moved[:, :2] == pytest.approx(np.zeros((2, 2)), abs=0.1)
    assert moved[:, 2] == pytest.approx(np.zeros(2), abs=1.1)


def test_margins_and_their_text():
    """The expression is one that a structure expression could say."""
    margins = Margins(left=5, right=5, anterior=5, posterior=5, superior=15, inferior=10)
    assert margin_text(margins) == "+ [LR 5, AP 5, S 15, I 10] mm"
    smaller = expand(ball(), -3)
    assert smaller.expression == "GTV - 3 mm"
    assert smaller.volume_cc == pytest.approx(cc(7), rel=0.03)


def test_no_margin_is_the_structure_itself():
    """0 mm is an answer, not an error: the same volume."""
    assert expand(ball(), 0).volume_cc == ball().volume_cc
    assert expand(ball(), superior=0).volume_cc == ball().volume_cc


def test_a_very_large_margin():
    """60 mm around a cube of 10 mm: Steiner's formula."""
    planes = [DrawnPlane(float(z), shapely.box(0, 0, 10, 10)) for z in (-4, -2, 0, 2, 4)]
    made = expand(structure(PlanarStack(AXIAL, planes)), 60)
    a, r = 10, 60
    steiner = a**3 + 6 * a**2 * r + 3 * math.pi * a * r**2 + 4 / 3 * math.pi * r**3
    assert made.volume_cc == pytest.approx(steiner / 1000, rel=0.01)


@pytest.mark.parametrize(
    ("margins", "message"),
    [
        ({}, "give a margin in mm"),
        ({"margin_mm": 5, "superior": 5}, "not both"),
        ({"margin_mm": 101}, "at most 100 mm"),
        ({"left": 5, "right": -5}, "sign"),
        ({"margin_mm": math.nan}, "nan"),
    ],
)
def test_calls_that_are_wrong(margins, message):
    """A margin is said once, for all sides or by side, with one sign, and not in cm by mistake."""
    with pytest.raises(ValueError, match=message):
        expand(ball(), **margins)


def test_clipping_acts_on_what_is_added_only():
    """A tumour that grows out of the liver keeps its outer part; the margin beyond is removed."""
    liver = block((-50, -50, -50), (0, 50, 50), "Liver")
    made = grow(ball(), Margins.isotropic(5), clip_to=liver, name="CTV")
    assert made.structure.volume_cc == pytest.approx(cc(15) / 2 + cc(10) / 2, rel=0.01)
    (removal,) = made.removals
    assert removal.by == "outside Liver"
    assert removal.cc == pytest.approx((cc(15) - cc(10)) / 2, rel=0.03)
    assert made.structure.expression == "GTV + 5 mm; outside Liver removed"


def test_every_avoided_organ_is_accounted_for():
    """What each organ takes is counted once, in order, with its gap; the sum is what is missing."""
    right = block((-50, -50, -50), (-12, 50, 50), "Bowel")
    front = block((-50, -50, -50), (50, -14, 50), "Stomach")
    whole = expand(ball(), 5)
    made = grow(ball(), Margins.isotropic(5), avoid=[Avoid(right), Avoid(front, 3.0)])
    assert [each.by for each in made.removals] == ["Bowel", "Stomach with 3 mm"]
    assert sum(each.cc for each in made.removals) == pytest.approx(
        whole.volume_cc - made.structure.volume_cc
    )
    cap = math.pi * 3**2 * (3 * 15 - 3) / 3 / 1000  # beyond x = -12 of a ball of 15
    assert made.removals[0].cc == pytest.approx(cap, rel=0.05)
    assert np.array(made.structure.bounds_mm)[0, 1] == pytest.approx(-11, abs=0.05)


def test_an_avoided_organ_never_takes_the_tumour():
    """Bowel drawn over the tumour cuts the margin, not the tumour."""
    over = block((-50, -50, -50), (5, 50, 50), "Bowel")
    made = expand(ball(), 5, avoid=over, gap_mm=2)
    assert cut_cc(ball(), made) == pytest.approx(0, abs=1e-6)
    assert made.volume_cc > ball().volume_cc
    inside = expand(ball(), 5, avoid=[over], clip_to=over)
    assert inside.volume_cc == pytest.approx(ball().volume_cc, rel=1e-6)


def test_remove_cuts_everything_where_nothing_is_kept():
    """For PTV_Eval the organ comes out of the structure itself."""
    made = remove(ball(), avoid=[Avoid(block((-50, -50, -50), (0, 50, 50)))], name="PTV_Eval")
    assert made.structure.volume_cc == pytest.approx(ball().volume_cc / 2, rel=1e-3)
    assert made.structure.name == "PTV_Eval"


def test_refusals():
    """Empty structures, other frames, other planes, negative gaps and vanishing solids are refused."""
    empty = Structure("Empty", PlanarStack(AXIAL))
    with pytest.raises(GeometryError, match="'Empty' is empty"):
        expand(empty, 5)
    with pytest.raises(GeometryError, match="'Empty' is empty"):
        expand(ball(), 5, avoid=empty)
    with pytest.raises(GeometryError, match="different frames of reference"):
        expand(ball(frame_uid="1.1"), 5, clip_to=ball(frame_uid="1.2"))
    sagittal = structure(
        round_stack(sphere(9), 2, half_mm=9, frame=PlaneFrame((0, 1, 0), (0, 0, 1)))
    )
    with pytest.raises(GeometryError, match="not parallel"):
        expand(ball(), 5, clip_to=sagittal)
    with pytest.raises(ValueError, match="gap of -1 mm"):
        expand(ball(), 5, avoid=ball(name="Organ"), gap_mm=-1)
    with pytest.raises(GeometryError, match="shrinks to nothing by - 30 mm"):
        expand(ball(), -30)
    unknown = Structure("One", PlanarStack(AXIAL, [DrawnPlane(0, disc(9))]))
    with pytest.raises(GeometryError, match="one drawn plane"):
        expand(unknown, 5)


def test_a_non_axial_structure_grows_in_its_own_planes():
    """A ball drawn sagittally is the same ball: margins are in patient axes."""
    sagittal = structure(
        round_stack(sphere(10), 2, half_mm=10, frame=PlaneFrame((0, 1, 0), (0, 0, 1)))
    )
    made = expand(sagittal, superior=10)
    low, high = made.bounds_mm
    assert high[2] == pytest.approx(20, abs=0.2)
    assert low[2] == pytest.approx(-10, abs=0.2)


def test_one_plane_of_known_thickness():
    """A disc of one plane grows to both sides of it."""
    one = structure(PlanarStack(AXIAL, [DrawnPlane(0.0, disc(10))], spacing_mm=3.0))
    low, high = expand(one, 5).bounds_mm
    assert (low[2], high[2]) == pytest.approx((-6.5, 6.5), abs=0.1)
    assert (low[0], high[0]) == pytest.approx((-15, 15), abs=0.1)


def tube(length, name="V_Portal", start=0.0, radius=6.0):
    """A straight vessel along z."""
    planes = [DrawnPlane(start + z, disc(radius, points=48)) for z in np.arange(1.0, length, 2.0)]
    return structure(PlanarStack(AXIAL, planes), name)


def test_vessel_part_is_a_length_of_lumen():
    """A clot of 10 mm in a tube: the clot and 15 mm to both sides."""
    vessel, clot = tube(80), tube(10, "PVTT", start=34.0)
    made = pe.vessel_part(vessel, clot, 15)
    assert made.volume_cc == pytest.approx(math.pi * 36 * 40 / 1000, rel=0.025)
    assert made.expression == "V_Portal within 15 mm of PVTT along the lumen"


def test_a_vessel_that_ends_first_is_said():
    """8 mm of vessel are left on both sides: the part ends there, and the user hears of it."""
    made = extend_along(tube(26), tube(10, "PVTT", start=8.0), 15)
    assert made.structure.volume_cc == pytest.approx(tube(26).volume_cc, rel=0.01)
    assert [f.code for f in made.findings] == ["target-vessel-ends"]


def test_a_piece_without_thrombus_is_left_out():
    """A second tube far away is not extended into."""
    far = tube(30, start=200.0)
    vessel = Structure(
        "V", PlanarStack(AXIAL, [*tube(60).stack.planes, *far.stack.planes], spacing_mm=2.0)
    )
    made = extend_along(vessel, tube(10, "PVTT", start=24.0), 10)
    assert [f.code for f in made.findings] == ["target-vessel-left-out"]
    assert made.structure.volume_cc == pytest.approx(math.pi * 36 * 30 / 1000, rel=0.025)


def test_a_small_gap_is_bridged_with_a_word():
    """The thrombus is drawn 1 mm beside the vessel's end: the way goes across, and is said."""
    vessel = tube(40)
    clot = tube(10, "PVTT", start=41.0)
    made = extend_along(vessel, clot, 12, thrombus=clot)
    assert "target-gap-bridged" in [f.code for f in made.findings]


def test_a_tumour_outside_the_vessel_is_refused():
    """Nothing is extended along a vessel that the tumour does not touch."""
    with pytest.raises(GeometryError, match="'V_Portal' from 'GTV'"):
        extend_along(tube(40), ball(centre=(60, 0, 20)), 15)
