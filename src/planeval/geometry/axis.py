"""Extension along a thrombus's own principal axis, where nobody drew the vessel.

An assumption, not a measurement: the vessel is taken to go on straight, with the width of the
thrombus's ends. :func:`planeval.geometry.vessel.vessel_part` follows a drawn vessel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.errors import GeometryError
from planeval.geometry.booleans import combine
from planeval.geometry.interpolate import outline
from planeval.geometry.rings import solid_part
from planeval.geometry.stack import PlanarStack, Slab

__all__ = ["AxisPart", "axis_part"]

Area = Any
Floats = NDArray[np.float64]

LEAST_ELONGATION = 1.25
"""Least ratio of the standard deviations along and across for an axis to be one."""

LAYER_MM = 1.0
CUT_LAYER_MM = 0.5
SECTION_STEP_MM = 0.1
LEAST_RISE = 1e-3
LEVEL = 1e-6
LONGEST_MM = 500.0


@dataclass(frozen=True, slots=True, eq=False)
class AxisPart:
    """A thrombus extended straight along its axis.

    ``stack``: the thrombus and both extensions, derived. ``axis``: unit vector in patient LPS, of the
    sign that points to the head (or left, or back, where it is level). ``elongation``: standard
    deviation of the solid along the axis over the larger one across; at least 1.25.
    """

    stack: PlanarStack
    axis: tuple[float, float, float]
    elongation: float


def axis_part(
    thrombus: PlanarStack,
    length_mm: float,
    *,
    caps: Literal["half", "none", "tapered"] = "half",
    between: Literal["prism", "interpolated"] = "prism",
) -> AxisPart:
    """Return the thrombus continued by a length at both ends along its principal axis.

    The axis a is the main eigenvector of the solid's second moments, s the coordinate along it and r
    the radius of the disc of the mean section, V / extent. The *end section* lies r before the
    thrombus's last point; the end is flat at the s at which the end section, carried on from there,
    has the volume of what lies beyond it. The extension is the end section carried on to that s plus
    ``length_mm``; likewise at the other end. So each end adds the end section times the length (if that
    is long enough to pass a round tip). The extension counts in every cap reading.

    Raises :class:`GeometryError` for an empty thrombus, one without a main direction (elongation below
    1.25), and a length beyond 500 mm; ValueError for a negative or non-finite length.

    >>> from planeval.geometry.stack import AXIAL, DrawnPlane, volume_cc
    >>> clot = PlanarStack(AXIAL, [DrawnPlane(2.0 * k, shapely.box(0, 0, 5, 5)) for k in range(10)])
    >>> part = axis_part(clot, 15)
    >>> part.axis, round(volume_cc(part.stack), 2)  # 5 x 5 x (15 + 20 + 15) mm
    ((0.0, 0.0, 1.0), 1.25)
    """
    if not (np.isfinite(length_mm) and length_mm >= 0):
        raise ValueError(f"length_mm is {length_mm}; it must be a length of 0 mm or more")
    if length_mm > LONGEST_MM:
        raise GeometryError(f"an extension of {length_mm:g} mm; at most {LONGEST_MM:g} mm are made")
    slabs = thrombus.chosen_slabs(caps, between)
    volume_mm3 = sum(slab.area.area * (slab.high_mm - slab.low_mm) for slab in slabs)
    if not volume_mm3 > 0:
        raise GeometryError("the thrombus is empty: it has no axis to extend along")
    axis, elongation = _principal_axis(slabs, thrombus.frame.axes)
    if elongation < LEAST_ELONGATION:
        raise GeometryError(
            f"the thrombus is {elongation:.2f} times as long as wide, at least {LEAST_ELONGATION:g} "
            "are needed to tell its direction; draw the vessel and extend along that"
        )
    stack = combine(thrombus, thrombus, shapely.union, caps=caps, between=between)
    for direction in (axis, -axis) if length_mm > 0 else ():
        tube = _continued(slabs, direction, volume_mm3, length_mm)
        stack = combine(stack, PlanarStack(thrombus.frame, slabs=tube), shapely.union)
    x, y, z = (float(c) for c in thrombus.frame.to_patient(axis[None])[0] + 0.0)
    return AxisPart(stack, (x, y, z), elongation)


def _principal_axis(slabs: Sequence[Slab], axes: Floats) -> tuple[Floats, float]:
    """Unit vector in the plane frame along which the solid is longest, and its elongation."""
    weight, first, second = 0.0, np.zeros(3), np.zeros((3, 3))
    for slab in slabs:
        area, mean, square = _area_moments(slab.area)
        height = slab.high_mm - slab.low_mm
        middle = (slab.low_mm + slab.high_mm) / 2
        weight += area * height
        first += height * np.array([*mean, area * middle])
        second[:2, :2] += height * square
        second[:2, 2] += height * middle * mean
        second[2, 2] += area * height * (middle**2 + height**2 / 12)
    second[2, :2] = second[:2, 2]
    centre = first / weight
    variance, vectors = np.linalg.eigh(second / weight - np.outer(centre, centre))
    axis = vectors[:, 2]
    in_patient = axis @ axes
    main = int(np.flatnonzero(np.abs(in_patient[::-1]) > 1e-6)[0])
    axis = axis * np.sign(in_patient[::-1][main])
    return axis, float(np.sqrt(variance[2] / max(float(variance[1]), 1e-12)))


def _area_moments(area: Area) -> tuple[float, Floats, Floats]:
    """Area, first and second moments of a polygon about the origin, by Green's theorem."""
    total, mean, square = 0.0, np.zeros(2), np.zeros((2, 2))
    for part in shapely.get_parts(area):
        oriented = shapely.orient_polygons(part)
        for ring in shapely.get_rings(oriented):
            points = shapely.get_coordinates(ring)
            a, b = points[:-1], points[1:]
            cross = a[:, 0] * b[:, 1] - b[:, 0] * a[:, 1]
            total += cross.sum() / 2
            mean += (cross[:, None] * (a + b)).sum(axis=0) / 6
            both = a + b
            outer = sum(x[:, :, None] * x[:, None, :] for x in (a, b, both))
            square += (cross[:, None, None] * outer).sum(axis=0) / 24
    return float(total), mean, square


def _continued(
    slabs: Sequence[Slab], axis: Floats, volume_mm3: float, length_mm: float
) -> list[Slab]:
    """The end section at the axis's positive end, carried on by the length.

    A tube that lies in the planes is tilted by 0.06 degrees: any other one cuts every plane in its
    section slanted.
    """
    if abs(axis[2]) < LEAST_RISE:
        axis = np.array([axis[0], axis[1], LEAST_RISE])
        axis = axis / np.linalg.norm(axis)
    ends = [
        shapely.get_coordinates(slab.area) @ axis[:2] + axis[2] * height
        for slab in slabs
        for height in (slab.low_mm, slab.high_mm)
    ]
    along = np.concatenate(ends)
    radius_mm = float(np.sqrt(volume_mm3 / np.ptp(along) / np.pi))
    start = float(along.max()) - radius_mm
    across = _across(axis)
    section = _section(slabs, axis, across, start)
    rest = _beyond(slabs, axis, start)
    flat = start + sum(s.volume_cc for s in rest) * 1000.0 / section.area
    return _carried(section, (axis, across), (start, flat + length_mm))


def _across(axis: Floats) -> Floats:
    """Two unit vectors across an axis (rows), the first one in the planes."""
    first = np.array([-axis[1], axis[0], 0.0])
    size = float(np.linalg.norm(first))
    first = first / size if size > 1e-9 else np.array([1.0, 0.0, 0.0])
    return np.stack([first, np.cross(axis, first)])


def _section(slabs: Sequence[Slab], axis: Floats, across: Floats, at_mm: float) -> Area:
    """The solid's section across the axis, in mm along the two directions across."""
    if np.hypot(axis[0], axis[1]) < LEVEL:
        height = at_mm * axis[2]
        areas = [slab.area for slab in slabs if slab.low_mm <= height < slab.high_mm]
        own = areas[0] if areas else shapely.Polygon()
        return _checked(shapely.transform(own, lambda uv: uv @ across[:, :2].T))
    points = np.concatenate(
        [
            np.column_stack([xy := shapely.get_coordinates(slab.area), np.full(len(xy), height)])
            for slab in slabs
            for height in (slab.low_mm, slab.high_mm)
        ]
    )
    (p0, q0), (p1, q1) = (
        f((points @ across.T), axis=0) - m for f, m in ((np.min, 1), (np.max, -1))
    )
    p = np.arange(p0, p1 + SECTION_STEP_MM, SECTION_STEP_MM)
    q = np.arange(q0, q1 + SECTION_STEP_MM, SECTION_STEP_MM)
    pp, qq = np.meshgrid(p, q)
    places = at_mm * axis + pp[..., None] * across[0] + qq[..., None] * across[1]
    inside = np.zeros(pp.shape)
    for slab in slabs:
        here = (places[..., 2] >= slab.low_mm) & (places[..., 2] < slab.high_mm)
        shapely.prepare(slab.area)
        inside[here] = shapely.contains_xy(slab.area, places[here][:, 0], places[here][:, 1])
    smooth = np.mean(
        [np.roll(inside, (j, i), (0, 1)) for j in (-1, 0, 1) for i in (-1, 0, 1)], axis=0
    )
    section = shapely.simplify(outline(smooth - 0.5, p, q), SECTION_STEP_MM / 5)
    return _checked(section)


def _checked(section: Area) -> Area:
    if not section.area > 0:
        raise GeometryError(
            "the thrombus has no section near its end: it is in pieces or very thin; "
            "draw the vessel and extend along that"
        )
    return section


def _carried(
    section: Area, directions: tuple[Floats, Floats], between_mm: tuple[float, float]
) -> list[Slab]:
    """The tube of a section across an axis, from one coordinate along it to another."""
    axis, across = directions
    points = shapely.get_coordinates(section)
    heights = [at * axis[2] + points @ across[:, 2] for at in between_mm]
    low, high = float(np.min(heights)), float(np.max(heights))
    edges = np.linspace(low, high, int(np.ceil((high - low) / LAYER_MM - 1e-9)) + 1).tolist()
    to_plane = np.linalg.inv(across[:, :2])
    made = []
    for bottom, top in pairwise(edges):
        middle = (bottom + top) / 2
        area = shapely.transform(section, lambda pq, w=middle: (pq - across[:, 2] * w) @ to_plane.T)
        for sign, at in zip((1.0, -1.0), between_mm, strict=True):
            area = _ahead_of(area, sign * axis, sign * at, middle)
        if area.area > 0:
            made.append(Slab(bottom, top, area))
    return made


def _beyond(slabs: Sequence[Slab], axis: Floats, least_mm: float) -> list[Slab]:
    """The part of a solid whose coordinate along an axis is at least a value, in thin slabs."""
    kept = []
    for slab in _layers(slabs, CUT_LAYER_MM):
        low, high = slab.low_mm, slab.high_mm
        if np.hypot(axis[0], axis[1]) < LEVEL:
            start = least_mm * axis[2]
            low, high = (max(low, start), high) if axis[2] > 0 else (low, min(high, start))
        area = _ahead_of(slab.area, axis, least_mm, (low + high) / 2)
        if area.area > 0 and low < high:
            kept.append(Slab(low, high, area))
    return kept


def _ahead_of(area: Area, axis: Floats, least_mm: float, height_mm: float) -> Area:
    """The part of an area at a height whose coordinate along an axis is at least a value."""
    needed = least_mm - axis[2] * height_mm
    if np.hypot(axis[0], axis[1]) < LEVEL:
        return area if needed <= 0 else shapely.Polygon()
    return solid_part(shapely.intersection(area, _half_plane(area, axis[:2], needed)))


def _half_plane(area: Area, normal: Floats, least: float) -> Area:
    """The part of the plane with ``normal . p >= least``, as far as an area goes."""
    across = float(np.hypot(*normal))
    unit = normal / across
    side = np.array([-unit[1], unit[0]])
    u0, v0, u1, v1 = area.bounds
    size = 2 * (np.hypot(u1 - u0, v1 - v0) + 1)
    centre = np.array([(u0 + u1) / 2, (v0 + v1) / 2])
    foot = centre + (least / across - centre @ unit) * unit
    corners = [foot - size * side, foot + size * side]
    far = size + abs(least / across - centre @ unit)
    return shapely.Polygon([*corners, *(corner + far * unit for corner in corners[::-1])])


def _layers(slabs: Sequence[Slab], most_mm: float) -> list[Slab]:
    """The same solid in slabs of at most a thickness."""
    made = []
    for slab in slabs:
        count = int(np.ceil((slab.high_mm - slab.low_mm) / most_mm - 1e-9))
        edges = np.linspace(slab.low_mm, slab.high_mm, count + 1).tolist()
        made += [Slab(a, b, slab.area) for a, b in pairwise(edges)]
    return made
