"""The part of a vessel near a seed, against closed forms and a visibility graph."""

from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.phantoms import disc

from planeval.errors import GeometryError
from planeval.geometry.booleans import combine
from planeval.geometry.stack import (
    AXIAL,
    CapReading,
    DrawnPlane,
    PlanarStack,
    PlaneFrame,
    volume_cc,
)
from planeval.geometry.vessel import vessel_part

NOTHING = PlanarStack(AXIAL)


def flat(area, count=4, spacing=2.0, frame=AXIAL):
    """The same area on planes that fill 0 to count x spacing mm."""
    planes = [DrawnPlane(spacing * (k + 0.5), area) for k in range(count)]
    return PlanarStack(frame, planes, spacing_mm=spacing)


def between(low, high, area, spacing=3.0):
    """An axial prism from low to high."""
    count = round((high - low) / spacing)
    planes = [DrawnPlane(low + spacing * (k + 0.5), area) for k in range(count)]
    return PlanarStack(AXIAL, planes, spacing_mm=spacing)


def tube(direction, radius, start, stop, spacing):
    """A flat-ended tube through the origin in any direction, drawn on axial planes."""
    axis = np.array(direction, float) / np.linalg.norm(direction)
    side = np.linalg.svd(axis[None])[2][1:]
    angles = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    rim = radius * (np.cos(angles)[:, None] * side[0] + np.sin(angles)[:, None] * side[1])
    ends = rim + start * axis, rim + stop * axis
    corners = np.concatenate(ends)
    edges = np.concatenate(
        [
            np.stack([ends[0], ends[1]], axis=1),
            *(np.stack([end, np.roll(end, 1, axis=0)], axis=1) for end in ends),
        ]
    )
    planes = []
    low = np.floor(corners[:, 2].min() / spacing) * spacing
    for z in np.arange(low + spacing / 2, corners[:, 2].max(), spacing):
        # the section of a convex body is the hull of where its edges cross the plane
        cross = (edges[:, 0, 2] - z) * (edges[:, 1, 2] - z) < 0
        a, b = edges[cross, 0], edges[cross, 1]
        points = a + ((z - a[:, 2]) / (b[:, 2] - a[:, 2]))[:, None] * (b - a)
        area = shapely.convex_hull(shapely.multipoints(points[:, :2]))
        if area.geom_type == "Polygon":
            planes.append(DrawnPlane(float(z), area))
    return PlanarStack(AXIAL, planes, spacing_mm=spacing)


def bend(inner, outer, start, stop, points=400):
    """A sector of a ring, of the true area."""
    angles = np.linspace(start, stop, points)
    step = (stop - start) / (points - 1)
    unit = np.column_stack([np.cos(angles), np.sin(angles)]) * np.sqrt(step / np.sin(step))
    return shapely.Polygon(np.concatenate([outer * unit, inner * unit[::-1]]))


def bend_area(inner, outer, length, first=None):
    """Area of a bent duct within a length of one end, its paths pulled around the inner wall.

    With ``first``, only the part beyond that radius.
    """
    rho = np.linspace(inner if first is None else first, outer, 20_001)
    straight = np.sqrt(rho**2 - inner**2)
    angle = np.where(
        length <= straight,
        np.arcsin(np.minimum(length / rho, 1)),
        np.arccos(inner / rho) + (length - straight) / inner,
    )
    return np.trapezoid(rho * angle, rho)


def reachable_area(area, seed, length, step=0.2):
    """Area within a length of a convex seed, by the visibility graph of the area's corners."""
    room = area.buffer(1e-6)
    shapely.prepare(room)

    def sees(a, b):
        return shapely.covers(room, shapely.linestrings(np.stack([a, b], axis=1)))

    def to_seed(points):
        lines = shapely.shortest_line(shapely.points(points), seed)
        clear = shapely.covers(room, lines)
        return np.where(clear, shapely.length(lines), np.inf)

    corners = shapely.get_coordinates(area)
    reach = to_seed(corners)
    n = len(corners)
    a, b = (x.ravel() for x in np.meshgrid(np.arange(n), np.arange(n)))
    link = np.full(n * n, np.inf)
    clear = sees(corners[a], corners[b])
    link[clear] = np.linalg.norm(corners[a] - corners[b], axis=1)[clear]
    for _ in range(n):
        reach = np.minimum(reach, (reach[None, :] + link.reshape(n, n)).min(axis=1))
    u0, v0, u1, v1 = area.bounds
    u, v = np.meshgrid(np.arange(u0 + step / 2, u1, step), np.arange(v0 + step / 2, v1, step))
    points = np.column_stack([u.ravel(), v.ravel()])
    points = points[shapely.contains_xy(area, points)]
    best = to_seed(points)
    for corner, mm in zip(corners, reach, strict=True):
        way = mm + np.linalg.norm(points - corner, axis=1)
        better = np.flatnonzero(way < np.minimum(best, length))
        clear = sees(points[better], np.broadcast_to(corner, (len(better), 2)))
        best[better[clear]] = way[better[clear]]
    return float((best <= length).sum() * step**2)


HAIRPIN = shapely.union_all(
    [shapely.box(0, 0, 40, 8), shapely.box(32, 0, 40, 21), shapely.box(0, 13, 40, 21)]
)
"""Two legs of 8 mm, 5 mm apart, joined at the right."""


LEG = shapely.union(shapely.box(0, 0, 20, 6), shapely.box(14, 0, 20, 16))
"""A short leg and a bend."""


@pytest.mark.parametrize(
    ("length", "spacing"), [(0, 3.0), (0.3, 3.0), (5, 3.0), (15, 1.5), (60, 3.0)]
)
def test_a_straight_tube_extends_by_the_length_at_both_ends(length, spacing):
    """A section times (18 + 2 L) mm, each flat end within 0.03 mm; or the whole tube."""
    area = disc(6)
    vessel, clot = between(-63, 63, area, spacing), between(-9, 9, area, spacing)
    part = vessel_part(vessel, clot, length)
    assert volume_cc(part.stack) == pytest.approx(
        area.area * min(18 + 2 * length, 126) / 1e3, abs=2 * 0.03 * area.area / 1e3
    )
    assert part.bridged_mm == part.left_out_cc == 0
    assert part.reach_mm == pytest.approx(min(length, 54), abs=0.5)


@pytest.mark.parametrize(
    ("direction", "spacing"),
    [((1, 0, 0), 3.0), ((1, 0, 1), 2.0), ((1, 2, 3), 1.5), ((3, 1, 0.8), 2.0)],
)
def test_a_tube_in_any_direction_extends_as_much(direction, spacing):
    """Within 1 % of 28 mm of the drawn tube, on planes that cut it at any angle."""
    vessel, clot = tube(direction, 4, -18, 18, spacing), tube(direction, 4, -4, 4, spacing)
    part = vessel_part(vessel, clot, 10)
    assert volume_cc(part.stack) == pytest.approx(volume_cc(vessel) * 28 / 36, rel=1e-2)


@pytest.mark.parametrize(
    ("inner", "outer", "length"), [(4, 10, 5), (4, 12, 12), (10, 16, 15), (15, 22, 15)]
)
def test_in_a_bend_the_way_hugs_the_inner_wall(inner, outer, length):
    """A quarter ring and more: within 0.5 % of the closed form of the taut string."""
    vessel, clot = (flat(bend(inner, outer, -0.4, stop), count=2) for stop in (4, 0))
    own = 0.4 / 2 * (outer**2 - inner**2)
    exact = 4 * (bend_area(inner, outer, length) + own) / 1000
    assert volume_cc(vessel_part(vessel, clot, length).stack) == pytest.approx(exact, rel=5e-3)


def test_a_quarter_torus_lies_between_its_bounds():
    """Each way is at least as long as around the innermost wall, at most as long as in its plane."""
    big, small, length, spacing = 12.0, 5.0, 14.0, 1.0
    heights = np.arange(-4.5, 5, spacing)
    half = np.sqrt(25 - heights**2)
    vessel, clot = (
        PlanarStack(
            AXIAL,
            [
                DrawnPlane(float(z), bend(big - s, big + s, -0.4, stop))
                for z, s in zip(heights, half, strict=True)
            ],
        )
        for stop in (2.5, 0)
    )
    added = volume_cc(vessel_part(vessel, clot, length).stack) - volume_cc(clot)
    least = sum(bend_area(big - s, big + s, length) for s in half) / 1000
    most = sum(bend_area(big - small, big + s, length, big - s) for s in half) / 1000
    assert least < added < most
    assert most < 1.05 * least


@pytest.mark.parametrize(("gap", "length"), [(5.0, 10), (5.0, 40), (0.4, 32)])
def test_a_hairpin_is_followed_around_its_end(gap, length):
    """The other leg is reached around the end only, whether 5 or 0.4 mm beside; by visibility graph."""
    area = shapely.union_all(
        [
            shapely.box(0, 0, 40, 8),
            shapely.box(32, 0, 40, 16 + gap),
            shapely.box(0, 8 + gap, 40, 16 + gap),
        ]
    )
    seed = shapely.box(10, 0, 15, 8)
    part = vessel_part(flat(area, count=2), flat(seed, count=2), length)
    exact = reachable_area(area, seed, length) * 4 / 1000
    assert volume_cc(part.stack) == pytest.approx(exact, rel=8e-3)


def test_every_branch_is_followed():
    """A fork with branches of different width and angle; by visibility graph."""
    stem = shapely.LineString([(-40, 0), (0, 0)]).buffer(5, cap_style="flat")
    left = shapely.LineString([(-3, 0), (25, 25)]).buffer(3.5, cap_style="flat")
    right = shapely.LineString([(-3, 0), (30, -12)]).buffer(2.5, cap_style="flat")
    area, seed = shapely.union_all([stem, left, right]), shapely.box(-20, -5, -8, 5)
    part = vessel_part(flat(area, count=2), flat(seed, count=2), 25)
    exact = reachable_area(area, seed, 25) * 4 / 1000
    assert volume_cc(part.stack) == pytest.approx(exact, rel=5e-3)


def test_a_thrombus_of_half_the_lumen():
    """Iso-distance from a half disc: straight ahead of it, rounded in the free half."""
    vessel = between(-45, 45, disc(6))
    half = shapely.intersection(disc(6), shapely.box(-10, -10, 0, 10))
    part = vessel_part(vessel, between(-9, 9, half), 10)
    u = np.linspace(0, 6, 20_001)
    free = np.trapezoid(2 * np.sqrt(36 - u**2) * (18 + 2 * np.sqrt(100 - u**2)), u)
    exact = (np.pi * 18 * (18 + 20) + free) / 1000
    assert volume_cc(part.stack) == pytest.approx(exact, rel=2e-3)


def test_a_vessel_that_is_not_connected_stays_out():
    """Of two tubes 3 mm apart only the one with thrombus extends; the other one's volume is stated."""
    near, far = disc(5), disc(5, (13, 0))
    vessel = between(-30, 30, shapely.union(near, far))
    part = vessel_part(vessel, between(-6, 6, near), 10)
    assert volume_cc(part.stack) == pytest.approx(near.area * 32 / 1000, rel=1e-3)
    assert part.left_out_cc == pytest.approx(far.area * 60 / 1000)


def test_a_thin_wall_is_a_wall():
    """Two tubes 0.1 mm apart, not bridged: nothing of the other one is grazed."""
    near, far = shapely.box(0, 0, 8, 8), shapely.box(8.1, 0, 16, 8)
    vessel = between(-21, 21, shapely.union(near, far))
    part = vessel_part(vessel, between(-6, 6, near), 7.3, bridge_mm=0)
    assert volume_cc(part.stack) == pytest.approx(64 * 26.6 / 1000, rel=2e-3)
    assert volume_cc(combine(part.stack, between(-21, 21, far), shapely.intersection)) == 0


def test_a_tumour_beside_another_vessel_does_not_extend_there():
    """GTV in both tubes, thrombus in one: the other tube keeps its share of the GTV and no more."""
    near, far = disc(5), disc(5, (13, 0))
    vessel = between(-30, 30, shapely.union(near, far))
    tumour = between(-6, 6, shapely.box(-10, -10, 25, 10))
    part = vessel_part(vessel, tumour, 10, thrombus=between(-3, 3, near))
    exact = near.area * 32 + far.area * 12
    assert volume_cc(part.stack) == pytest.approx(exact / 1000, rel=1e-3)


@pytest.mark.parametrize(("gap", "bridged", "left_out"), [(0.0, 0, 0), (1.5, 1.5, 0), (3.0, 0, 30)])
def test_a_gap_of_at_most_two_millimetres_is_bridged(gap, bridged, left_out):
    """A tube interrupted 4 mm beyond the thrombus: the gap costs its length and is not filled."""
    vessel = shapely.union(shapely.box(-20, 0, 4, 8), shapely.box(4 + gap, 0, 34 + gap, 8))
    part = vessel_part(flat(vessel), flat(shapely.box(-6, 0, 0, 8)), 12)
    forward = 12 - bridged if left_out == 0 else 4
    assert volume_cc(part.stack) == pytest.approx(64 * (12 + 6 + forward) / 1000, rel=5e-3)
    assert part.bridged_mm == pytest.approx(bridged)
    assert part.left_out_cc == pytest.approx(left_out * 64 / 1000)


def test_a_gap_between_planes_is_bridged():
    """A vessel that begins 1.5 mm above the thrombus."""
    clot, vessel = between(-9, 0, disc(5)), between(1.5, 31.5, disc(5))
    part = vessel_part(vessel, clot, 10, thrombus=clot)
    assert part.bridged_mm == pytest.approx(1.5)
    assert volume_cc(part.stack) == pytest.approx(disc(5).area * (9 + 8.5) / 1000, rel=5e-3)
    with pytest.raises(GeometryError, match=r"lies outside the vessel: the gap is 1\.5 mm"):
        vessel_part(vessel, clot, 10, bridge_mm=1.0)


def test_a_vessel_shorter_than_the_length_says_how_far_it_reaches():
    """The whole vessel, and the distance of its farthest point."""
    vessel, clot = between(-12, 24, disc(5)), between(-6, 6, disc(5))
    part = vessel_part(vessel, clot, 40)
    assert volume_cc(part.stack) == pytest.approx(volume_cc(vessel))
    assert part.reach_mm == pytest.approx(18, abs=0.5)


def test_a_one_slice_vessel_and_seed():
    """One plane of stated thickness is a solid like any other."""
    vessel, clot = (flat(shapely.box(0, 0, end, 8), count=1) for end in (60, 10))
    assert volume_cc(vessel_part(vessel, clot, 15).stack) == pytest.approx(25 * 16 / 1000, rel=1e-3)


def test_caps_keep_their_readings():
    """Where the vessel ends within the length, the result has the vessel's own band."""
    vessel, clot = between(-12, 24, disc(5)), between(-3, 3, disc(5))
    part = vessel_part(vessel, clot, 40).stack
    for reading in CapReading:
        assert volume_cc(part, reading) == pytest.approx(volume_cc(vessel, reading), rel=1e-6)


@pytest.mark.parametrize(
    "frame",
    [
        PlaneFrame((1, 0, 0), (0, -1, 0)),
        PlaneFrame((-1, 0, 0), (0, 1, 0)),
        PlaneFrame((0, 1, 0), (-1, 0, 0)),
    ],
)
def test_a_seed_in_another_frame_of_the_same_planes(frame):
    """A seed drawn in a turned, mirrored or upside-down frame is the same seed."""
    vessel, clot = flat(HAIRPIN), flat(shapely.box(3, 0, 9, 8), count=2)
    expected = vessel_part(vessel, clot, 12)
    turn = frame.axes @ AXIAL.axes.T
    moved = PlanarStack(
        frame,
        [
            DrawnPlane(
                p.offset_mm * turn[2, 2], shapely.transform(p.area, lambda x: x @ turn[:2, :2].T)
            )
            for p in clot.planes
        ],
    )
    part = vessel_part(vessel, moved, 12)
    assert volume_cc(part.stack) == pytest.approx(volume_cc(expected.stack), rel=1e-6)
    # and the vessel may be in that frame instead
    assert volume_cc(vessel_part(moved, vessel, 0).stack) == pytest.approx(volume_cc(clot))


def test_planes_that_are_not_parallel_are_refused():
    """An axial seed and a sagittal vessel."""
    sagittal = PlaneFrame((0, 1, 0), (0, 0, 1))
    with pytest.raises(GeometryError, match="planes that are not parallel"):
        vessel_part(flat(HAIRPIN, frame=sagittal), flat(shapely.box(0, 0, 5, 5)), 5)


def test_what_has_no_answer_is_refused():
    """Empty solids, a seed elsewhere, lengths that are none or too long."""
    vessel, clot = between(-12, 24, disc(5)), between(-3, 3, disc(5))
    with pytest.raises(GeometryError, match="the vessel is empty"):
        vessel_part(NOTHING, clot, 5)
    with pytest.raises(GeometryError, match="the seed is empty"):
        vessel_part(vessel, NOTHING, 5)
    with pytest.raises(GeometryError, match="the thrombus is empty"):
        vessel_part(vessel, clot, 5, thrombus=NOTHING)
    with pytest.raises(GeometryError, match=r"outside the vessel: the gap is 15\.0 mm"):
        vessel_part(vessel, between(-3, 3, disc(5, (25, 0))), 5)
    with pytest.raises(GeometryError, match="at most 500 mm"):
        vessel_part(vessel, clot, 501)
    for wrong in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="length_mm is"):
            vessel_part(vessel, clot, wrong)
    with pytest.raises(ValueError, match="bridge_mm is"):
        vessel_part(vessel, clot, 5, bridge_mm=-1)


def test_too_much_lumen_is_refused_before_it_is_traced():
    """A "vessel" of many litres."""
    vessel = between(-300, 300, disc(250), spacing=10)
    with pytest.raises(GeometryError, match="use a shorter length"):
        vessel_part(vessel, between(-100, 100, disc(240), spacing=10), 100)


@settings(max_examples=5, deadline=None, phases=[Phase.generate])
@given(
    st.floats(1, 15),
    st.floats(0.5, 10),
    st.floats(1, 6),
    st.sampled_from(["prism", "interpolated"]),
)
def test_laws(first, more, size, mode):
    """Within the domain, the seed's share inside, growing with the length."""
    vessel = flat(LEG, count=2)
    clot = flat(shapely.box(12, -2, 12 + size, 4), count=1)
    parts = [
        vessel_part(vessel, clot, length, between=mode).stack
        for length in (0.0, first, first + more)
    ]
    assert volume_cc(combine(parts[-1], vessel, shapely.difference)) == pytest.approx(0, abs=1e-9)
    share = combine(clot, vessel, shapely.intersection)
    assert volume_cc(parts[0]) == pytest.approx(volume_cc(share))
    for small, large in pairwise(parts):
        assert volume_cc(combine(small, large, shapely.difference)) < 1e-3 * volume_cc(large)


def test_a_far_branch_in_the_planes_of_the_seed_stays_out():
    """Two legs of a U in the same planes: where the seed fills one, the other is far along the lumen.

    The nodes lie around the seed only; a part of the plane that they do not reach is not near.
    """
    near, far = disc(5, (0, 0), 48), disc(5, (90, 0), 48)
    floor = shapely.union(shapely.union(near, far), shapely.box(0, -3, 90, 3))
    planes = [DrawnPlane(2.0 * k, floor if k < 3 else near | far) for k in range(25)]
    seed = PlanarStack(AXIAL, [DrawnPlane(2.0 * k, near) for k in range(15, 25)], spacing_mm=2.0)
    part = vessel_part(PlanarStack(AXIAL, planes), seed, 10).stack
    reach = max(slab.area.bounds[2] for slab in part.slabs())
    assert reach == pytest.approx(5, abs=0.1)
    assert volume_cc(part) == pytest.approx(np.pi * 25 * (20 + 10) / 1000, rel=0.02)
