"""Sums of a planar area and a convex polygon: what it covers when its origin moves over the area.

The boundary of the sum of a polygon and a convex polygon is part of their *convolution*: every edge
of the ring moved by the vertex of the convex polygon that lies furthest to its right, and between two
edges the stretch of the convex polygon whose directions lie between theirs, forwards at a left turn
and backwards at a right turn (Guibas, Ramshaw and Stolfi 1983, FOCS 24:100). The sum is where the
convolution winds at least once; a polygon buffer of 0 resolves exactly that.

An area shrinks as its complement grows: with a box around it as the outer ring, joined to the area's
ring by a slit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.geometry.rings import solid_part

__all__ = ["Convex", "Outline", "grown", "shrunk"]

Area = Any
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Ring = Floats
T = TypeVar("T")

FIRST = 4
"""Sums, spread over all, that are united before the others are tried for what they add."""

ROUNDING = 1e-6
"""By so much of itself an area may be larger than it can be."""

_NOTHING = shapely.Polygon()


@dataclass(frozen=True, slots=True, eq=False)
class Convex:
    """A convex polygon, a segment or a point around an origin: vertices (m, 2) turning left.

    Scaled copies share their edge directions, and with them the order of every convolution.
    """

    vertices: Floats
    directions: Floats = field(repr=False)

    @classmethod
    def hull(cls, points: Floats) -> Convex:
        """Return the convex hull of points."""
        area = shapely.convex_hull(shapely.multipoints(points))
        if area.geom_type == "Polygon":
            vertices = shapely.get_coordinates(shapely.orient_polygons(area))[:-1]
        else:
            vertices = shapely.get_coordinates(area)
        # start with the edge of the smallest direction
        directions = _directions(vertices)
        first = int(np.argmin(directions))
        return cls(np.roll(vertices, -first, axis=0), np.roll(directions, -first))

    def scaled(self, factor: float) -> Convex:
        """Return the polygon with all lengths multiplied by a factor > 0."""
        return Convex(factor * self.vertices, self.directions)

    @property
    def size_mm(self) -> tuple[float, float]:
        """Extents along u and v."""
        size = np.ptp(self.vertices, axis=0)
        return float(size[0]), float(size[1])


class Outline:
    """The rings of an area, prepared for many sums."""

    def __init__(self, area: Area) -> None:
        self.area = area
        parts = shapely.get_parts(shapely.orient_polygons(area))
        self.parts = [
            (_Ring(shapely.get_coordinates(part.exterior)), [_Ring(h) for h in _holes(part)])
            for part in parts
            if not part.is_empty
        ]
        self.has_holes = any(holes for _exterior, holes in self.parts)


def _holes(part: Area) -> list[Floats]:
    """Rings of the holes, turning left."""
    return [shapely.get_coordinates(ring)[::-1] for ring in part.interiors]


class _Ring:
    """A simple closed ring turning left; remembers how it convolves."""

    def __init__(self, closed: Floats) -> None:
        moved = (np.diff(closed, axis=0) != 0).any(axis=1)
        self.points = closed[:-1][moved]
        self._low, self._high = self.points.min(axis=0), self.points.max(axis=0)
        self._orders: dict[int, tuple[Floats, tuple[Ints, Ints]]] = {}
        self._around: _Ring | None = None

    def convolved(self, convex: Convex) -> Floats:
        """The convolution's vertices; it crosses itself where the ring turns right."""
        if len(convex.vertices) == 1:
            return np.asarray(self.points + convex.vertices)
        key = id(convex.directions)
        if key not in self._orders:
            # the directions are kept alive: their id must not be given to others
            self._orders[key] = convex.directions, _order(self.points, convex.directions)
        point, vertex = self._orders[key][1]
        return np.asarray(self.points[point] + convex.vertices[vertex])

    def may_hold(self, convex: Convex) -> bool:
        """Whether the convex polygon's extents fit into the ring's."""
        u, v = self._high - self._low
        width, height = convex.size_mm
        return bool(width < u and height < v)

    @property
    def around(self) -> _Ring:
        """A box around the ring, joined to it by a slit: the ring of the space outside."""
        if self._around is None:
            (u0, v0), (u1, v1) = self._low - 10.0, self._high + 10.0
            first = int(np.argmin(self.points[:, 0]))
            inner = np.roll(self.points, -first, axis=0)[::-1]
            inner = np.concatenate([inner[-1:], inner])
            v = inner[0, 1]
            box = [(u0, v), (u0, v0), (u1, v0), (u1, v1), (u0, v1), (u0, v)]
            self._around = _Ring(np.concatenate([box, inner, box[:1]]))
        return self._around


def _directions(points: Floats) -> Floats:
    """Direction of every edge of a ring, 0 to 2 pi."""
    edge = np.roll(points, -1, axis=0) - points
    return np.asarray(np.arctan2(edge[:, 1], edge[:, 0]) % (2 * np.pi))


def _order(points: Floats, directions: Floats) -> tuple[Ints, Ints]:
    """Vertices of ring and convex polygon that add up to the vertices of the convolution."""
    edge = np.roll(points, -1, axis=0) - points
    count = len(directions)
    rightmost = np.searchsorted(directions, _directions(points), side="right") % count
    before, edge_before = np.roll(rightmost, 1), np.roll(edge, 1, axis=0)
    turn = edge_before[:, 0] * edge[:, 1] - edge_before[:, 1] * edge[:, 0]
    is_back = (turn == 0) & ((edge * edge_before).sum(axis=1) < 0)
    is_left = (turn > 0) | is_back
    more = np.where(is_left, (rightmost - before) % count, rightmost != before)
    point = np.repeat(np.arange(len(points)), more + 1)
    nth = np.arange(len(point)) - np.repeat(np.cumsum(more + 1) - more - 1, more + 1)
    ahead = np.where(is_left[point], before[point] + nth, rightmost[point])
    return point, np.where(nth == 0, before[point], ahead % count)


def grown(outlines: Sequence[Outline], elements: Sequence[Convex], base: Area = _NOTHING) -> Area:
    """Return the union of a base and all sums ``outline + element``.

    Where the sums add nothing, it is the base itself.
    """
    sums = [
        (exterior.convolved(element), holes, element)
        for outline, element in zip(outlines, elements, strict=True)
        for exterior, holes in outline.parts
    ]
    area = base
    if area.is_empty:
        first, sums = _spread(sums)
        area = shapely.union_all(_areas(first))
    left = _uncovered(sums, area) if sums else []
    return shapely.union_all([area, *_areas(left)]) if left else area


_Sum = tuple[Floats, "list[_Ring]", Convex]


def _uncovered(sums: Sequence[_Sum], area: Area) -> list[_Sum]:
    """The sums that are not seen to lie inside an area, which takes their outlines alone."""
    if any(len(part.interiors) for part in shapely.get_parts(area)):
        return list(sums)
    shapely.prepare(area)
    covered = shapely.contains_properly(area, _linear_rings([curve for curve, _, _ in sums]))
    return [one for one, is_covered in zip(sums, covered.tolist(), strict=True) if not is_covered]


def _areas(sums: Sequence[_Sum]) -> list[Area]:
    areas = _resolved([curve for curve, _, _ in sums])
    for index, (_curve, holes, element) in enumerate(sums):
        left = _inside(holes, element)
        if not left.is_empty:
            areas[index] = solid_part(shapely.difference(areas[index], left))
    return areas


def shrunk(
    outlines: Sequence[Outline], elements: Sequence[Convex], base: Area | None = None
) -> Area:
    """Return what remains of a base, or of everything, and of all areas as their complements grow.

    Where the complements take nothing, it is the base itself.
    """
    pairs = list(zip(outlines, elements, strict=True))
    first: list[tuple[Outline, Convex]] = []
    if base is None:
        first, pairs = _spread(pairs)
    area = _cut(base, first)
    return _cut(area, _cutting(pairs, area))


def _cut(area: Area | None, pairs: Sequence[tuple[Outline, Convex]]) -> Area:
    for outline, element in pairs:
        left = _shrunk(outline, element)
        area = left if area is None else solid_part(shapely.intersection(area, left))
        if area.is_empty:
            return area
    return _NOTHING if area is None else area


def _cutting(pairs: Sequence[tuple[Outline, Convex]], area: Area) -> list[tuple[Outline, Convex]]:
    """The pairs that are not seen to leave an area as it is.

    They do if the area grown by the mirrored element lies inside the outline. The curve around it
    is that of the mirrored area, mirrored.
    """
    if area.is_empty:
        return []
    parts = shapely.get_parts(shapely.orient_polygons(area))
    rings = [_Ring(-shapely.get_coordinates(part.exterior)) for part in parts]
    left = []
    for outline, element in pairs:
        curves = _linear_rings([-ring.convolved(element) for ring in rings])
        shapely.prepare(outline.area)
        if outline.has_holes or not shapely.contains_properly(outline.area, curves).all():
            left.append((outline, element))
    return left


def _spread(items: Sequence[T]) -> tuple[list[T], list[T]]:
    """Split a sequence into a few items spread over all of it, and the others."""
    chosen = set(np.linspace(0, len(items) - 1, FIRST).astype(int).tolist()) if items else set()
    return (
        [item for n, item in enumerate(items) if n in chosen],
        [item for n, item in enumerate(items) if n not in chosen],
    )


def _shrunk(outline: Outline, element: Convex) -> Area:
    """Return what remains of an area when the space around it and in its holes grows."""
    area = _inside([exterior for exterior, _holes in outline.parts], element)
    holes = [hole.convolved(element) for _exterior, holes in outline.parts for hole in holes]
    if holes and not area.is_empty:
        area = solid_part(shapely.difference(area, shapely.union_all(_resolved(holes))))
    return area


def _inside(rings: Sequence[_Ring], element: Convex) -> Area:
    """What remains inside rings when the space around each grows by the element."""
    if not rings:
        return _NOTHING
    large = [ring for ring in rings if ring.may_hold(element)]
    around = _resolved([ring.around.convolved(element) for ring in large])
    inside = [
        shapely.Polygon(hole) for part in shapely.get_parts(around) for hole in part.interiors
    ]
    return shapely.union_all(inside) if inside else _NOTHING


def _resolved(rings: Sequence[Floats]) -> list[Area]:
    """Areas around which each ring winds at least once.

    A convolution winds nowhere backwards, so that none of these areas is larger than what its ring
    encloses, counted as often as it winds. Where the buffer breaks that, as it does where rounding
    misleads it (it then fills a hole), the faces between the crossings are asked one by one.
    """
    if not rings:
        return []
    curves = shapely.polygons(_linear_rings(rings))
    areas = shapely.buffer(curves, 0.0)
    too_large = shapely.area(areas) > shapely.area(curves) * (1 + ROUNDING)
    for n in np.flatnonzero(too_large).tolist():
        areas[n] = _by_winding(rings[n])
    return list(areas)


def _by_winding(ring: Floats) -> Area:
    """The faces between the crossings of a ring around which it winds at least once."""
    noded = shapely.node(_linear_rings([ring])[0])
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(noded)))
    inside = shapely.get_coordinates(shapely.point_on_surface(faces))
    around = ring[None] - inside[:, None]
    angle = np.arctan2(around[..., 1], around[..., 0])
    turn = np.diff(angle, axis=1, append=angle[:, :1])
    winding = np.rint(((turn + np.pi) % (2 * np.pi) - np.pi).sum(axis=1) / (2 * np.pi))
    return shapely.union_all(faces[winding >= 1])


def _linear_rings(rings: Sequence[Floats]) -> Any:
    index = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    return shapely.linearrings(np.concatenate(rings), indices=index)
