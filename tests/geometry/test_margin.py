"""Margins against closed forms, a point-membership oracle, every patient axis, and laws."""

import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.phantoms import disc, round_stack, sphere

from planeval.errors import GeometryError
from planeval.geometry.booleans import combine
from planeval.geometry.margin import LONGEST_MM, Margins, expand
from planeval.geometry.stack import (
    AXIAL,
    CapReading,
    DrawnPlane,
    PlanarStack,
    PlaneFrame,
    Slab,
    volume_cc,
)

SIDES = ("left", "right", "anterior", "posterior", "superior", "inferior")
ELL = shapely.Polygon([(0, 0), (30, 0), (30, 12), (12, 12), (12, 30), (0, 30)])
RING = shapely.box(-20, -15, 20, 15).difference(shapely.box(-8, -6, 8, 6))
FLIPPED = PlaneFrame((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0))  # normal -z, as of a prone feet-first image
CORONAL = PlaneFrame((1.0, 0.0, 0.0), (0.0, 0.0, -1.0))  # normal +y
SAGITTAL = PlaneFrame((0.0, 1.0, 0.0), (0.0, 0.0, -1.0))  # normal -x
TURNED = PlaneFrame((0.8, 0.6, 0.0), (-0.6, 0.8, 0.0))  # axial, rows at an angle
OBLIQUE = PlaneFrame((np.cos(0.3), 0.0, np.sin(0.3)), (0.0, 1.0, 0.0))


def drum(area, height_mm=24.0, spacing_mm=3.0, *, frame=AXIAL, low_mm=0.0):
    """The same area on every plane; flat ends half a spacing beyond the last, at known heights."""
    heights = low_mm + spacing_mm * (np.arange(round(height_mm / spacing_mm)) + 0.5)
    return PlanarStack(frame, [DrawnPlane(float(z), area) for z in heights], spacing_mm=spacing_mm)


def mm3(stack, reading=CapReading.CHOSEN):
    return 1000 * volume_cc(stack, reading)


def agrees(stack, volume_mm3, surface_mm2):
    """Within 0.5 % of the volume, or 0.05 mm of mean surface shift."""
    return abs(mm3(stack) - volume_mm3) < max(0.005 * volume_mm3, 0.05 * surface_mm2)


def spheroid_sum(radius, across, along):
    """Volume and surface of a sphere grown by a spheroid: Steiner's formula of the spheroid."""
    mu = np.linspace(-1, 1, 20001)
    support = np.sqrt(across**2 * (1 - mu**2) + along**2 * mu**2)
    meridian = np.hypot(across * mu, along * np.sqrt(1 - mu**2))
    surface = 2 * np.pi * across * np.trapezoid(meridian, mu)
    width = 2 * np.pi * np.trapezoid(support, mu)
    volume = 4 / 3 * np.pi * across**2 * along
    total = volume + surface * radius + width * radius**2 + 4 / 3 * np.pi * radius**3
    return total, surface + 2 * width * radius + 4 * np.pi * radius**2


def box_sum(sizes, margins):
    """Volume of a box grown by ellipsoid octants."""
    x, y, z = sizes
    a, b = margins.left + margins.right, margins.anterior + margins.posterior
    c = margins.superior + margins.inferior
    flat = x * y * z + a * y * z + b * x * z + c * x * y
    return flat + np.pi / 4 * (a * b * z + a * c * y + b * c * x) + np.pi / 6 * a * b * c


def bounds_mm(stack):
    """Lowest and highest patient (x, y, z)."""
    corners = []
    for slab in stack.slabs():
        if slab.readings & CapReading.CHOSEN:
            uv = shapely.get_coordinates(slab.area)
            for height in (slab.low_mm, slab.high_mm):
                corners.append(np.column_stack([uv, np.full(len(uv), height)]))
    points = stack.frame.to_patient(np.concatenate(corners))
    return points.min(axis=0), points.max(axis=0)


class TestClosedForms:
    """Volume within 0.5 % or 0.05 mm of mean surface shift, whichever is larger."""

    @pytest.mark.parametrize("spacing", [1.0, 2.0, 3.0, 5.0])
    @pytest.mark.parametrize(("radius", "phase"), [(5.0, 0.13), (12.0, 0.41), (30.0, 0.87)])
    def test_sphere_and_ball(self, radius, phase, spacing):
        """A sphere grown by 5 mm is a sphere, whatever planes it was drawn on."""
        drawn = round_stack(sphere(radius), spacing, half_mm=radius, phase=phase)
        grown = radius + 5
        ball = 4 / 3 * np.pi * grown**3
        assert agrees(expand(drawn, Margins.isotropic(5)), ball, 4 * np.pi * grown**2)

    @pytest.mark.parametrize("spacing", [1.0, 3.0, 5.0])
    def test_sphere_and_spheroid(self, spacing):
        """5 mm across and 15 mm along: Steiner's formula of the spheroid."""
        drawn = round_stack(sphere(10), spacing, half_mm=10, phase=0.3)
        grown = expand(drawn, Margins(5, 5, 5, 5, 15, 15))
        assert agrees(grown, *spheroid_sum(10, 5, 15))

    @pytest.mark.parametrize("spacing", [1.0, 2.0, 3.0, 5.0])
    def test_box_and_octants(self, spacing):
        """Six different margins of a box: faces, quarter ellipses on edges, octants on corners."""
        margins = Margins(2, 3, 4, 5, 6, 7)
        box = drum(shapely.box(-10, -4, 10, 20), 6 * spacing, spacing)
        expected = box_sum((20, 24, 6 * spacing), margins)
        assert mm3(expand(box, margins)) == pytest.approx(expected, rel=0.004)

    @pytest.mark.parametrize("spacing", [1.0, 5.0])
    def test_re_entrant_corner(self, spacing):
        """An L grown by 8 mm: discs of every radius over its ends, the corner stays sharp."""
        steps = (np.arange(400) + 0.5) / 50
        ends = 2 * sum(ELL.buffer(np.sqrt(64 - z * z), quad_segs=90).area for z in steps) / 50
        exact = 30 * ELL.buffer(8, quad_segs=90).area + ends
        grown = expand(drum(ELL, 30, spacing), Margins.isotropic(8))
        assert mm3(grown) == pytest.approx(exact, rel=0.004)

    @pytest.mark.parametrize("tilt", [0.0, np.pi / 2])
    @pytest.mark.parametrize("spacing", [2.0, 3.0, 5.0])
    def test_two_merging_spheres(self, tilt, spacing):
        """Side by side or one above the other: two balls without their common lens."""
        apart, x, z = 18.0, 18 * np.cos(tilt), 18 * np.sin(tilt)
        planes = []
        for height in (np.arange(-40, 41) + 0.37) * spacing:
            discs = [
                disc(sphere(10)(height - middle), (side, 0.0))
                for side, middle in ((0.0, 0.0), (x, z))
                if abs(height - middle) < 10
            ]
            if discs:
                planes.append(DrawnPlane(float(height), shapely.union_all(discs)))
        lens = np.pi * (30 - apart) ** 2 * (apart**2 + 60 * apart) / (12 * apart)
        exact = 8 / 3 * np.pi * 15**3 - lens
        drawn = PlanarStack(AXIAL, planes, spacing_mm=spacing)
        assert agrees(expand(drawn, Margins.isotropic(5)), exact, 0.8 * 8 * np.pi * 15**2)

    @pytest.mark.parametrize("spacing", [2.0, 5.0])
    def test_chains_keep_their_accuracy(self, spacing):
        """5 mm and then 5 mm across, 10 mm along: derived slabs grow as well as drawn planes."""
        drawn = round_stack(sphere(12), spacing, half_mm=12, phase=0.2)
        twice = expand(expand(drawn, Margins.isotropic(5)), Margins(5, 5, 5, 5, 10, 10))
        assert agrees(twice, *spheroid_sum(17, 5, 10))

    @pytest.mark.parametrize("spacing", [1.0, 3.0, 5.0])
    def test_shrinking_a_sphere(self, spacing):
        """A sphere shrunk by 4 mm is a sphere."""
        drawn = round_stack(sphere(14), spacing, half_mm=14, phase=0.6)
        smaller = expand(drawn, Margins.isotropic(-4))
        assert agrees(smaller, 4 / 3 * np.pi * 10**3, 4 * np.pi * 10**2)

    def test_a_large_margin(self):
        """60 mm around a small sphere."""
        drawn = round_stack(sphere(8), 5.0, half_mm=8, phase=0.3)
        assert mm3(expand(drawn, Margins.isotropic(60))) == pytest.approx(
            4 / 3 * np.pi * 68**3, rel=0.005
        )


class TestPatientAxes:
    """Each margin moves its own side, in every orientation of the planes."""

    @pytest.mark.parametrize("frame", [AXIAL, FLIPPED, CORONAL, SAGITTAL, TURNED, OBLIQUE])
    @pytest.mark.parametrize("side", SIDES)
    def test_one_margin_moves_one_side(self, side, frame):
        """Growing one side by 6 mm moves that bound of the patient box, and no other."""
        solid = drum(shapely.box(-10, -12, 10, 12), 24, 3.0, frame=frame, low_mm=-12)
        low, high = bounds_mm(solid)
        grown_low, grown_high = bounds_mm(expand(solid, Margins(**{side: 6.0})))
        expected = {name: 6.0 if name == side else 0.0 for name in SIDES}
        # the edges of slabs stand out of a solid that lies at an angle to them
        off = 0.5 if frame is OBLIQUE else 1e-4
        assert (grown_high - high) == pytest.approx(
            [expected["left"], expected["posterior"], expected["superior"]], abs=off
        )
        assert (low - grown_low) == pytest.approx(
            [expected["right"], expected["anterior"], expected["inferior"]], abs=off
        )

    @pytest.mark.parametrize("frame", [AXIAL, FLIPPED, CORONAL, SAGITTAL])
    @pytest.mark.parametrize("side", SIDES)
    def test_one_margin_shrinks_one_side(self, side, frame):
        """Shrinking one side by 5 mm moves that face inwards: exactly a thinner box."""
        solid = drum(shapely.box(-10, -12, 10, 12), 24, 3.0, frame=frame, low_mm=-12)
        low, high = bounds_mm(solid)
        small_low, small_high = bounds_mm(expand(solid, Margins(**{side: -5.0})))
        expected = {name: 5.0 if name == side else 0.0 for name in SIDES}
        assert (high - small_high) == pytest.approx(
            [expected["left"], expected["posterior"], expected["superior"]], abs=1e-4
        )
        assert (small_low - low) == pytest.approx(
            [expected["right"], expected["anterior"], expected["inferior"]], abs=1e-4
        )

    @pytest.mark.parametrize("margins", [Margins(1, 6, 3, 2, 8, 4), Margins(-1, -4, -2, 0, -3, -5)])
    def test_the_same_solid_in_a_flipped_frame(self, margins):
        """Planes with mirrored rows and a reversed normal give the same solid in the patient."""
        areas = [
            shapely.union(disc(8 + 0.5 * k, (k, 2.0)), disc(5, (-6, -k / 2))) for k in range(9)
        ]
        straight = PlanarStack(AXIAL, [DrawnPlane(2.5 * k, a) for k, a in enumerate(areas)])
        mirrored = PlanarStack(
            FLIPPED,
            [
                DrawnPlane(-2.5 * k, shapely.transform(a, lambda uv: uv * [-1, 1]))
                for k, a in enumerate(areas)
            ],
        )
        one, other = expand(straight, margins), expand(mirrored, margins)
        assert mm3(one) == pytest.approx(mm3(other), rel=2e-3)
        for height in np.arange(-3, 23, 1.9):
            there = shapely.transform(other.section(-height), lambda uv: uv * [-1, 1])
            here = one.section(height)
            assert shapely.symmetric_difference(here, there).area < 0.05 * max(here.length, 1)

    def test_an_oblique_frame_keeps_the_volume(self):
        """A sphere drawn on tilted planes and grown by 3/3/9 mm: the tilt changes nothing."""
        drawn = round_stack(sphere(12), 2.0, half_mm=12, phase=0.3, frame=OBLIQUE)
        grown = expand(drawn, Margins(3, 3, 3, 3, 9, 9))
        assert agrees(grown, *spheroid_sum(12, 3, 9))
        low, high = bounds_mm(grown)
        assert high == pytest.approx([15, 15, 21], abs=0.35)
        assert low == pytest.approx([-15, -15, -21], abs=0.35)


def element_at(margins, offset_mm, count=720):
    """Where the octant body lies at a height above its centre: a polygon in (x, y), None beyond."""
    reach = margins.superior if offset_mm > 0 else margins.inferior
    if abs(offset_mm) > 0 and abs(offset_mm) >= reach:
        return None
    scale = np.sqrt(1 - (offset_mm / reach) ** 2) if offset_mm else 1.0
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    x, y = scale * np.cos(angle), scale * np.sin(angle)
    return np.column_stack(
        [
            x * np.where(x > 0, margins.left, margins.right),
            y * np.where(y > 0, margins.posterior, margins.anterior),
        ]
    )


class TestMembership:
    """Random points against brute force: does the reversed element touch the solid?"""

    @pytest.mark.parametrize(
        "margins",
        [
            Margins(2, 7, 5, 3, 9, 4),
            Margins(0, 6, 0, 3, 5, 0),
            Margins(0, 0, 4, 0, 0, 8),
            Margins(3, 3, 0, 0, 0, 0),
            Margins(0, 0, 0, 0, 7, 2),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("area", [ELL, RING], ids=["L", "ring"])
    def test_points_of_a_grown_drum(self, area, margins):
        """A point p belongs to the result if p - element(z - z') meets the solid for some z'."""
        solid = drum(area)
        grown = expand(solid, margins)
        rng = np.random.default_rng(5)
        low, high = np.array([*area.bounds[:2], 0]) - 10, np.array([*area.bounds[2:], 24]) + 10
        checked = 0
        for x, y, z in rng.uniform(low, high, (150, 3)):
            offset = z - np.clip(z, 0, 24)
            section = grown.section(z)
            if section.boundary.distance(shapely.Point(x, y)) < 0.3 or self.near_step(z, margins):
                continue
            element = element_at(margins, offset)
            meets = element is not None and area.intersects(
                shapely.convex_hull(shapely.MultiPoint([x, y] - element))
            )
            assert section.contains(shapely.Point(x, y)) == meets
            checked += 1
        assert checked > 50

    @staticmethod
    def near_step(z, margins):
        """Slabs are 1 mm thick: beyond the solid's ends the section at their middle is meant."""
        beyond = max(z - 24, -z)
        reach = margins.superior if z > 24 else margins.inferior
        return beyond > 0 and beyond > 0.5 and beyond > 0.6 * reach - 1

    @pytest.mark.parametrize(
        "margins", [Margins(-2, -4, -1, -3, -5, -2), Margins(0, -3, -2, 0, 0, -4)], ids=str
    )
    @pytest.mark.parametrize("area", [ELL, RING], ids=["L", "ring"])
    def test_points_of_a_shrunk_drum(self, area, margins):
        """A point stays if the element around it lies wholly inside the solid."""
        shrunk = expand(drum(area), margins)
        lengths = Margins(**{side: abs(getattr(margins, side)) for side in SIDES})
        rng = np.random.default_rng(6)
        checked = 0
        for x, y, z in rng.uniform([*area.bounds[:2], 0], [*area.bounds[2:], 24], (200, 3)):
            section = shrunk.section(z)
            if section.boundary.distance(shapely.Point(x, y)) < 0.1:
                continue
            rises = z + lengths.superior <= 24 and z - lengths.inferior >= 0
            around = shapely.convex_hull(
                shapely.MultiPoint(np.add([x, y], element_at(lengths, 0.0)))
            )
            inside = rises and area.covers(around)
            assert section.contains(shapely.Point(x, y)) == inside
            checked += 1
        assert checked > 100


class TestShape:
    """What the result is made of."""

    def test_zero_is_the_same_solid(self):
        """Nothing moves, nothing is recomputed."""
        solid = drum(ELL)
        assert expand(solid, Margins()) is solid
        assert expand(solid, Margins.isotropic(-0.0)) is solid

    @pytest.mark.parametrize("spacing", [0.8, 1.25, 2.5, 3.0, 5.0])
    def test_planes_are_the_middle_of_slabs(self, spacing):
        """Every plane, continued beyond the ends, is the middle of a slab of at most 1.5 mm."""
        solid = drum(ELL, 8 * spacing, spacing)
        slabs = expand(solid, Margins.isotropic(7)).slabs()
        thickness = [s.high_mm - s.low_mm for s in slabs]
        assert max(thickness) <= 1.5
        middles = [(s.low_mm + s.high_mm) / 2 for s in slabs]
        for plane in spacing * (np.arange(-1, 9) + 0.5):
            assert min(abs(m - plane) for m in middles) < 1e-9

    def test_ends_are_cut_exactly(self):
        """The first and last slab end where the solid does, whatever the lattice."""
        slabs = expand(drum(ELL), Margins(1, 1, 1, 1, 4.3, 2.7)).slabs()
        chosen = [s for s in slabs if s.readings & CapReading.CHOSEN]
        assert min(s.low_mm for s in chosen) == pytest.approx(-2.7)
        assert max(s.high_mm for s in chosen) == pytest.approx(28.3)

    def test_cap_readings_grow_too(self):
        """No caps, chosen and full caps differ by half a spacing at each end, before and after."""
        solid = drum(ELL)
        grown = expand(solid, Margins.isotropic(4))
        none, chosen, full = (mm3(grown, reading) for reading in CapReading)
        area = ELL.buffer(4, quad_segs=60).area
        assert chosen - none == pytest.approx(3 * area, rel=0.01)
        assert full - chosen == pytest.approx(3 * area, rel=0.01)

    @pytest.mark.parametrize("caps", ["half", "none", "tapered"])
    @pytest.mark.parametrize("margin", [0.4, 3.0])
    def test_the_source_is_inside_in_every_reading(self, caps, margin):
        """Staircase and all, for every choice of end caps."""
        drawn = round_stack(sphere(11), 5.0, half_mm=11, phase=0.3)
        grown = expand(drawn, Margins.isotropic(margin), caps=caps)
        left = combine(drawn, grown, shapely.difference, caps=caps)
        assert all(mm3(left, reading) < 1e-3 for reading in CapReading)

    def test_a_hole_is_swallowed(self):
        """A hole 12 mm wide is gone after 7 mm, but not after 5 mm."""
        solid = drum(RING, 60)
        assert mm3(expand(solid, Margins(5, 5, 5, 5))) == pytest.approx(
            60 * (RING.buffer(5, quad_segs=60).area), rel=2e-3
        )
        assert not expand(solid, Margins.isotropic(7)).section(30).interiors

    def test_shrinking_to_nothing(self):
        """An empty stack, not an error."""
        gone = expand(drum(ELL), Margins.isotropic(-8))
        assert gone.is_empty
        assert volume_cc(gone) == 0

    def test_a_gap_is_not_bridged(self):
        """Planes missing for 30 mm: a margin of 4 mm leaves them missing, 20 mm covers them."""
        heights = [0, 3, 6, 9, 39, 42, 45, 48]
        broken = PlanarStack(AXIAL, [DrawnPlane(float(z), ELL) for z in heights])
        assert expand(broken, Margins.isotropic(4)).section(24).is_empty
        assert not expand(broken, Margins.isotropic(20)).section(24).is_empty

    def test_one_plane_of_known_thickness(self):
        """A single slice is a slab of its thickness."""
        solid = PlanarStack(AXIAL, [DrawnPlane(7.0, shapely.box(0, 0, 20, 10))], spacing_mm=4.0)
        grown = expand(solid, Margins(2, 3, 4, 5, 6, 7))
        assert mm3(grown) == pytest.approx(
            box_sum((20, 10, 4), Margins(2, 3, 4, 5, 6, 7)), rel=5e-3
        )

    def test_outlines_stay_small(self):
        """Vertex counts stay near those that were drawn."""
        drawn = round_stack(sphere(25), 3.0, half_mm=25, phase=0.3)
        grown = expand(drawn, Margins(5, 5, 5, 5, 15, 15))
        counts = [shapely.get_num_coordinates(slab.area) for slab in grown.slabs()]
        assert max(counts) < 300

    def test_a_ring_between_two_margins(self):
        """10 mm minus 5 mm around a sphere is a shell of the difference of two spheres."""
        drawn = round_stack(sphere(12), 3.0, half_mm=12, phase=0.3)
        outer, inner = (expand(drawn, Margins.isotropic(m)) for m in (10, 5))
        shell = combine(outer, inner, shapely.difference)
        assert mm3(shell) == pytest.approx(4 / 3 * np.pi * (22**3 - 17**3), rel=5e-3)


class TestGuards:
    """Wrong calls and questions without an answer."""

    def test_mixed_signs(self):
        with pytest.raises(ValueError, match=r"mixed signs .*left 5 mm, superior -3 mm"):
            Margins(left=5, superior=-3)

    @pytest.mark.parametrize("length", [np.nan, np.inf, -np.inf, LONGEST_MM + 1, -LONGEST_MM - 1])
    def test_no_length(self, length):
        with pytest.raises(ValueError, match=r"margin anterior is .*expected a number from -200"):
            Margins(anterior=length)

    def test_nothing_solid(self):
        with pytest.raises(
            GeometryError, match=r"empty structure has no margin .*nothing is solid"
        ):
            expand(PlanarStack(AXIAL), Margins.isotropic(5))

    @pytest.mark.parametrize("margin", [0, 5])
    def test_unknown_thickness(self, margin):
        single = PlanarStack(AXIAL, [DrawnPlane(0.0, ELL)])
        with pytest.raises(GeometryError, match="no stated thickness"):
            expand(single, Margins.isotropic(margin))


class TestSection:
    """The area of a solid at a height."""

    def test_prisms_and_ends(self):
        """Each plane's area to the midpoints; nothing beyond the caps."""
        planes = [DrawnPlane(float(z), disc(5 + z)) for z in (0, 2, 4)]
        solid = PlanarStack(AXIAL, planes)
        assert solid.section(0.9) is planes[0].area
        assert solid.section(1.1) is planes[1].area
        assert solid.section(5.1).is_empty
        assert solid.section(4.9, caps="none").is_empty

    def test_a_slab_owns_its_lower_boundary(self):
        """At a boundary the slab above counts; at the top the one below."""
        low, high = shapely.box(0, 0, 1, 1), shapely.box(0, 0, 2, 2)
        solid = PlanarStack(AXIAL, slabs=[Slab(0.0, 1.0, low), Slab(1.0, 2.0, high)])
        assert solid.section(1.0) is high
        assert solid.section(2.0) is high
        assert solid.section(0.0) is low


BLOBS = st.lists(
    st.tuples(st.floats(4, 12), st.floats(-4, 4), st.floats(-4, 4)), min_size=2, max_size=5
)
LENGTHS = st.floats(0, 8) | st.just(0.0)
GROWTHS = st.builds(Margins, LENGTHS, LENGTHS, LENGTHS, LENGTHS, LENGTHS, LENGTHS)


def blob(discs, shift=(0.0, 0.0, 0.0)):
    """Discs on planes 3 mm apart: a lumpy solid."""
    x, y, z = shift
    planes = [
        DrawnPlane(3.0 * k + z, disc(r, (u + x, v + y), 60)) for k, (r, u, v) in enumerate(discs)
    ]
    return PlanarStack(AXIAL, planes, spacing_mm=3.0)


def outside_mm3(small, large):
    """How much of one solid is outside the other."""
    return mm3(combine(small, large, shapely.difference))


def tolerance_mm3(solid):
    """A shell of 0.03 mm: outlines are simplified to 0.01 mm, slabs are 1 mm thick."""
    perimeter = sum(s.area.length * (s.high_mm - s.low_mm) for s in solid.slabs())
    return 0.05 * perimeter + 1


def test_a_length_that_is_only_rounding_is_none():
    """1e-157 mm once made a curvature that no number holds."""
    assert Margins(anterior=2e-157, superior=1.0) == Margins(superior=1.0)
    assert Margins.isotropic(-1e-9).is_zero


@settings(max_examples=12, deadline=None)
@given(BLOBS, GROWTHS)
def test_growing_contains_the_source(discs, margins):
    """Every solid lies within itself grown."""
    solid = blob(discs)
    assert outside_mm3(solid, expand(solid, margins)) < 1e-3


@settings(max_examples=8, deadline=None)
@given(BLOBS, GROWTHS, st.sampled_from(SIDES), st.floats(0.5, 5))
def test_larger_margins_give_larger_solids(discs, margins, side, more):
    """Growth is monotone in every margin."""
    solid = blob(discs)
    lengths = {name: getattr(margins, name) for name in SIDES}
    larger = Margins(**(lengths | {side: lengths[side] + more}))
    one, other = expand(solid, margins), expand(solid, larger)
    assert mm3(one) <= mm3(other) + 1
    assert outside_mm3(one, other) < tolerance_mm3(one)


@settings(max_examples=6, deadline=None)
@given(BLOBS, GROWTHS, st.tuples(*[st.floats(-300, 300)] * 3))
def test_moving_the_solid_moves_the_result(discs, margins, shift):
    """Growth commutes with translation, anywhere in the patient."""
    here, there = expand(blob(discs), margins), expand(blob(discs, shift), margins)
    assert mm3(there) == pytest.approx(mm3(here), rel=2e-4, abs=0.5)


@settings(max_examples=5, deadline=None)
@given(st.floats(1, 6), st.floats(-25, 25), st.floats(-25, 25))
@example(5.558935214140538, 0.0, 0.0)  # rounding misleads the buffer of one section
def test_closing_contains_the_source(margin, x, y):
    """Grown and then shrunk by the same margin, a solid keeps what it had."""
    solid = drum(shapely.union(ELL, shapely.box(x, y, x + 18, y + 9)), 12)
    closed = expand(expand(solid, Margins.isotropic(margin)), Margins.isotropic(-margin))
    assert outside_mm3(solid, closed) < 0.01 * mm3(solid)


@settings(max_examples=6, deadline=None)
@given(GROWTHS, st.floats(-25, 25), st.floats(-25, 25))
def test_growth_distributes_over_union(margins, x, y):
    """(A | B) grown is A grown | B grown."""
    one, other = drum(ELL, 12), drum(shapely.box(x, y, x + 18, y + 9), 12)
    together = expand(combine(one, other, shapely.union), margins)
    apart = combine(expand(one, margins), expand(other, margins), shapely.union)
    assert mm3(together) == pytest.approx(mm3(apart), rel=2e-3)


@pytest.mark.parametrize("pair", [(1.0, 2.5), (2.5, 5.0)])
def test_spacings_agree(pair):
    """The same solid on other planes has the same margin."""
    volumes = [
        mm3(
            expand(
                round_stack(sphere(15), spacing, half_mm=15, phase=0.21),
                Margins(4, 2, 6, 3, 10, 5),
            )
        )
        for spacing in pair
    ]
    assert volumes[0] == pytest.approx(volumes[1], rel=3e-3)
