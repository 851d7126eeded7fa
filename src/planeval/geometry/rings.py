"""From the contours of one plane to the area they enclose.

Two readings: *XOR* (even-odd of all rings) and *nested* (a ring inside another is a hole, an island
inside it is solid again; duplicates count once; partly overlapping rings are united). Either way a
single ring encloses by even-odd, so that its direction never matters and a keyhole is a hole.

Most planes hold one simple ring; validity is therefore tested for all rings of a file at once, and
only rings that cross or touch themselves, and planes of several rings, take the longer way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["RingNotes", "plane_area", "plane_areas", "simplified", "solid_part"]

Area = Any
Ring = NDArray[np.float64]

SAME_SHARE = 0.001
"""Share of an area below which a difference between two rings does not count."""

CROSSING_MM2 = 1.0
"""Smallest part of a self-crossing ring whose two readings are worth a word."""

_NOTHING = shapely.Polygon()


@dataclass(frozen=True, slots=True)
class RingNotes:
    """What was found while the rings of one plane were combined.

    ``filled_extra_mm2``: by how much the area would grow if nested rings were not holes.
    ``overlap_mm2``: area that partly overlapping rings share (0 under XOR).
    ``crossing_mm2``: area on which the even-odd and the non-zero reading of self-crossing rings
    differ. ``without_area`` counts rings that enclose nothing.
    """

    nested: int = 0
    filled_extra_mm2: float = 0.0
    duplicates: int = 0
    overlaps: int = 0
    overlap_mm2: float = 0.0
    crossings: int = 0
    crossing_mm2: float = 0.0
    without_area: int = 0


_NO_NOTES = RingNotes()


def plane_area(rings: Sequence[Ring], *, xor: bool) -> tuple[Area, RingNotes]:
    """Return the area that the (n, 2) rings of one plane enclose, and what was found on the way.

    The area is a valid Polygon or MultiPolygon, empty if the rings enclose nothing. Rings are open
    or closed, of at least three points.

    >>> outer = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], dtype=float)
    >>> area, notes = plane_area([outer, outer * 0.5 + 1], xor=False)
    >>> area.area, notes.nested, notes.filled_extra_mm2
    (75.0, 1, 25.0)
    """
    return plane_areas([rings], [xor])[0]


def plane_areas(
    rings_by_plane: Sequence[Sequence[Ring]], xor: Sequence[bool]
) -> list[tuple[Area, RingNotes]]:
    """Return :func:`plane_area` of many planes, each with its own rule.

    Raises ValueError for a ring of fewer than three points.
    """
    rings = [ring for plane in rings_by_plane for ring in plane]
    polygons = _polygons(rings)
    simple = shapely.is_valid(polygons) if rings else np.zeros(0, bool)
    bounds = shapely.bounds(polygons)
    results: list[tuple[Area, RingNotes]] = []
    start = 0
    for plane, by_xor in zip(rings_by_plane, xor, strict=True):
        part = slice(start, start + len(plane))
        start += len(plane)
        if len(plane) == 1 and simple[part.start]:
            results.append((polygons[part.start], _NO_NOTES))
            continue
        found = None
        if simple[part].all():
            found = _clearly_placed(polygons[part], bounds[part], by_xor)
        results.append(found or _combined(rings[part], polygons[part], simple[part], by_xor))
    return results


def _polygons(rings: Sequence[Ring]) -> NDArray[np.object_]:
    """Make one polygon of each ring, valid or not, in one call."""
    if not rings:
        return np.zeros(0, dtype=object)
    sizes = np.array([len(ring) for ring in rings])
    if sizes.min() < 3:
        raise ValueError("a ring needs at least three points")
    points = np.concatenate(rings)
    owners = np.repeat(np.arange(len(rings)), sizes)
    return np.asarray(shapely.polygons(shapely.linearrings(points, indices=owners)))


def _clearly_placed(
    polygons: NDArray[np.object_], bounds: NDArray[np.float64], xor: bool
) -> tuple[Area, RingNotes] | None:
    """Combine simple rings of which any two lie apart or one well inside the other.

    Both rules then enclose the same, without any polygon operation: every second level is a hole. None
    where two rings touch, cross, or differ by so little that they may be one drawn twice.
    """
    if not len(polygons):
        return None
    if _boxes_are_apart(bounds):
        return shapely.multipolygons(polygons), _NO_NOTES
    mm2 = shapely.area(polygons)
    order = np.argsort(-mm2, kind="stable")
    polygons, mm2 = polygons[order], mm2[order]
    numbers = np.arange(len(polygons))
    large, small = np.nonzero(numbers[:, None] < numbers)
    is_inside = shapely.contains_properly(polygons[large], polygons[small])
    if (mm2[large] - mm2[small] < SAME_SHARE * mm2[large])[is_inside].any():
        return None
    if shapely.intersects(polygons[large[~is_inside]], polygons[small[~is_inside]]).any():
        return None
    large, small = large[is_inside], small[is_inside]
    depth = np.bincount(small, minlength=len(polygons))
    rings = shapely.get_exterior_ring(polygons)
    shells = np.flatnonzero(depth % 2 == 0)
    solid = [
        shapely.polygons(rings[n], rings[small[(large == n) & (depth[small] == depth[n] + 1)]])
        for n in shells
    ]
    area = solid[0] if len(solid) == 1 else shapely.multipolygons(solid)
    if xor:
        return area, _NO_NOTES
    nested = len(polygons) - len(shells)
    extra = float(mm2[depth == 0].sum() - area.area) if nested else 0.0
    return area, RingNotes(nested=nested, filled_extra_mm2=extra)


def _combined(
    rings: Sequence[Ring], polygons: NDArray[np.object_], simple: NDArray[np.bool_], xor: bool
) -> tuple[Area, RingNotes]:
    """Combine the rings of one plane by the rule."""
    areas: list[Area] = []
    crossings, crossing_mm2, without_area = 0, 0.0, 0
    for ring, polygon, is_simple in zip(rings, polygons, simple, strict=True):
        area, crossing = (polygon, 0.0) if is_simple else _even_odd(ring)
        crossings += crossing > 0
        crossing_mm2 += crossing
        if area.is_empty or area.area == 0:
            without_area += 1
        else:
            areas.append(area)
    area, notes = _by_xor(areas) if xor else _by_nesting(areas)
    return solid_part(area), RingNotes(
        nested=notes.nested,
        filled_extra_mm2=notes.filled_extra_mm2,
        duplicates=notes.duplicates,
        overlaps=notes.overlaps,
        overlap_mm2=notes.overlap_mm2,
        crossings=crossings,
        crossing_mm2=crossing_mm2,
        without_area=without_area,
    )


def _by_xor(areas: Sequence[Area]) -> tuple[Area, RingNotes]:
    """Even-odd of all areas; two equal ones cancel each other, which is noted."""
    result = _NOTHING
    for area in areas:
        result = shapely.symmetric_difference(result, area)
    duplicates = sum(_are_same(a, b) for a, b in combinations(areas, 2))
    return result, RingNotes(duplicates=duplicates)


def _by_nesting(areas: Sequence[Area]) -> tuple[Area, RingNotes]:
    """Unite overlapping areas; then every second level of nesting is a hole."""
    distinct: list[Area] = []
    for area in areas:
        if not any(_are_same(area, other) for other in distinct):
            distinct.append(area)
    clusters, overlaps, overlap_mm2 = _united(distinct)
    clusters.sort(key=lambda area: -area.area)
    result, nested, filled = _NOTHING, 0, 0.0
    for index, area in enumerate(clusters):
        depth = sum(_is_inside(area, larger) for larger in clusters[:index])
        nested += depth % 2
        filled += 0.0 if depth else area.area
        if index == 0:
            result = area
        elif depth % 2:
            result = shapely.difference(result, area)
        else:
            result = shapely.union(result, area)
    return result, RingNotes(
        nested=nested,
        filled_extra_mm2=float(filled - result.area) if nested else 0.0,
        duplicates=len(areas) - len(distinct),
        overlaps=overlaps,
        overlap_mm2=overlap_mm2,
    )


def _united(areas: Sequence[Area]) -> tuple[list[Area], int, float]:
    """Unite partly overlapping areas until any two are nested or apart."""
    clusters, overlaps, overlap_mm2 = list(areas), 0, 0.0
    while True:
        pair = next(
            (
                (i, j, shared)
                for i, j in combinations(range(len(clusters)), 2)
                if (shared := _partly_shared(clusters[i], clusters[j])) > 0
            ),
            None,
        )
        if pair is None:
            return clusters, overlaps, overlap_mm2
        i, j, shared = pair
        overlaps, overlap_mm2 = overlaps + 1, overlap_mm2 + shared
        clusters[i] = shapely.union(clusters[i], clusters[j])
        del clusters[j]


def _partly_shared(one: Area, other: Area) -> float:
    """Area that two areas share if they overlap partly, 0 if they are nested or apart."""
    if not _boxes_meet(one, other) or not one.intersects(other):
        return 0.0
    if one.contains_properly(other) or other.contains_properly(one):
        return 0.0
    shared = float(shapely.intersection(one, other).area)
    smaller = min(one.area, other.area)
    return shared if SAME_SHARE * smaller < shared < (1 - SAME_SHARE) * smaller else 0.0


def _is_inside(small: Area, large: Area) -> bool:
    """Whether (nearly all of) the smaller area lies inside the larger."""
    if not _boxes_meet(small, large):
        return False
    if large.contains_properly(small):
        return True
    if not small.intersects(large):
        return False
    return bool(shapely.intersection(small, large).area >= (1 - SAME_SHARE) * small.area)


def _are_same(one: Area, other: Area) -> bool:
    """Whether two areas differ by less than 0.1 % of their area."""
    allowed = SAME_SHARE * max(one.area, other.area)
    if abs(one.area - other.area) >= allowed or not _boxes_meet(one, other):
        return False
    return bool(shapely.symmetric_difference(one, other).area < allowed)


def _boxes_are_apart(bounds: NDArray[np.float64]) -> bool:
    """Whether no two bounding boxes touch: then the areas are separate parts, whatever the rule."""
    low, high = bounds[:, None, :2], bounds[:, 2:]
    meet = (low <= high).all(axis=2)
    return bool(np.count_nonzero(meet & meet.T) == len(bounds))


def _boxes_meet(one: Area, other: Area) -> bool:
    a, b = one.bounds, other.bounds
    return bool(a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3])


def _even_odd(ring: Ring) -> tuple[Area, float]:
    """Resolve a ring that crosses or touches itself: the even-odd area, and where non-zero differs.

    The ring's segments are noded into faces; a face is solid if the ring winds around it an odd
    number of times. The second value adds the faces of more than 1 mm2 with an even winding other
    than 0, if they make up more than 0.1 % of the non-zero area.
    """
    closed = np.concatenate([ring, ring[:1]])
    moved = np.concatenate([[True], (np.diff(closed, axis=0) != 0).any(axis=1)])
    closed = closed[moved]
    if len(closed) < 4:
        return _NOTHING, 0.0
    faces = shapely.get_parts(shapely.polygonize([shapely.node(shapely.LineString(closed))]))
    if not len(faces):
        return _NOTHING, 0.0
    winding = _winding(closed, shapely.get_coordinates(shapely.point_on_surface(faces)))
    areas = shapely.area(faces)
    odd = winding % 2 == 1
    doubtful = ~odd & (winding != 0) & (areas > CROSSING_MM2)
    crossing = float(areas[doubtful].sum())
    if crossing <= SAME_SHARE * float(areas[winding != 0].sum()):
        crossing = 0.0
    return shapely.union_all(faces[odd]) if odd.any() else _NOTHING, crossing


def _winding(closed: Ring, points: Ring) -> NDArray[np.int64]:
    """How often a closed line winds around each point (counter-clockwise positive)."""
    start, end = closed[:-1], closed[1:]
    px, py = points[:, :1], points[:, 1:]
    side = (end[:, 0] - start[:, 0]) * (py - start[:, 1]) - (px - start[:, 0]) * (
        end[:, 1] - start[:, 1]
    )
    upward = (start[:, 1] <= py) & (end[:, 1] > py) & (side > 0)
    downward = (start[:, 1] > py) & (end[:, 1] <= py) & (side < 0)
    return np.asarray(upward.sum(axis=1) - downward.sum(axis=1), dtype=np.int64)


def solid_part(area: Area) -> Area:
    """Drop the points and lines that a polygon operation may leave."""
    if area.geom_type in ("Polygon", "MultiPolygon"):
        return area
    parts = [part for part in shapely.get_parts(area) if part.geom_type == "Polygon"]
    return shapely.union_all(parts) if parts else _NOTHING


def simplified(area: Area, tolerance_mm: float) -> Area:
    """Return a valid area of fewer points, whose outline keeps to within the tolerance."""
    # the quick way is ten times faster and seldom lets an outline cross itself
    simple = shapely.simplify(area, tolerance_mm, preserve_topology=False)
    if simple.is_valid and len(shapely.get_parts(simple)) == len(shapely.get_parts(area)):
        return simple
    return shapely.simplify(area, tolerance_mm)
