"""The solid that drawn planes stand for, as a field whose zero is its surface.

Between two planes the field is the blend of their signed distances, ``(1 - t) d_A + t d_B`` (see
:mod:`planeval.geometry.interpolate`), positive inside. It is linear in height, and at the nodes of
an in-plane lattice it is made of exact distances to the polygons. So the surface is known to a small
part of the lattice step, on the drawn planes and between them, whatever the plane spacing.

A part of a plane that overlaps nothing on the next one ends there, as every part does on the last
plane. Where an end lies is only known within one plane spacing h. The areas of the last three planes
are extrapolated (two: linearly) to the height where they vanish, which is exact for an ellipsoid.
Below h that is the tip, and the part shrinks towards it like a paraboloid; beyond 2 h it ends flat at
h/2 as the default cap does; in between the end moves from the one to the other. ``EndBand`` says how
far the true end may be off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.errors import GeometryError
from planeval.geometry.distance import signed_distance
from planeval.geometry.stack import CapReading, PlanarStack, PlaneFrame

__all__ = ["EndBand", "Solid", "solid_of"]

Area = object
Floats = NDArray[np.float64]

LATTICE_NODES = 64
"""Nodes along the longer side of a solid; docs/margin-audit.md shows the error this leaves."""

FINEST_MM, COARSEST_MM = 0.1, 1.5
EDGE_MM = 0.02
"""Layers of the field stand this close to both sides of a flat end, so that its rim stays sharp."""

BEYOND_MM = -1e3

TIP_PART = 0.25
"""Part of a plane spacing within which a tip that the areas lead to is taken to be known."""


@dataclass(frozen=True, slots=True)
class EndBand:
    """One end of a solid: the last drawn plane, the end taken, and how far the true one may be off.

    A flat end lies anywhere between the plane and one spacing beyond. A tip that the areas lead to
    is taken to be right within a quarter of a spacing.
    """

    drawn_mm: float
    taken_mm: float
    inward_mm: float
    outward_mm: float


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """A field over (height, v, u) nodes of a plane frame, positive inside, zero on the surface.

    ``low`` and ``high`` are the ends along the frame's normal.
    """

    frame: PlaneFrame
    u: Floats
    v: Floats
    w: Floats
    values: Floats
    low: EndBand
    high: EndBand

    @property
    def step_mm(self) -> float:
        """The in-plane distance of nodes."""
        return float(self.u[1] - self.u[0])

    def at(self, points_xyz: Floats) -> Floats:
        """Return the field at patient points (n, 3), far outside beyond the lattice."""
        from scipy.ndimage import map_coordinates  # noqa: PLC0415 - loads where it is used

        places = self.frame.to_plane(points_xyz)
        layers = np.interp(places[:, 2], self.w, np.arange(len(self.w)), left=-1.0, right=-1.0)
        index = np.stack(
            [
                layers,
                (places[:, 1] - self.v[0]) / self.step_mm,
                (places[:, 0] - self.u[0]) / self.step_mm,
            ]
        )
        found = map_coordinates(
            self.values, index, order=1, mode="constant", cval=BEYOND_MM, prefilter=False
        )
        return np.asarray(found)


@dataclass(frozen=True, slots=True, eq=False)
class _Plane:
    """An area at a height, and how far the solid may reach beyond it where nothing follows.

    ``below`` and ``above`` are that reach, ``linked`` says that the next plane belongs to the same
    run of planes, without a gap.
    """

    height_mm: float
    area: object
    below_mm: float
    above_mm: float
    linked: bool


def solid_of(stack: PlanarStack, step_mm: float | None = None) -> Solid:
    """Return the solid of a stack: drawn planes, or the slabs of a derived one.

    ``step_mm`` is the in-plane distance of nodes, by default the longer side / 64, between 0.1 and
    1.5 mm. The slabs of a derived stack count as planes at their middle heights.

    Raises :class:`GeometryError` for an empty stack and for one plane of unknown thickness.
    """
    planes = _drawn(stack) if stack.planes else _from_slabs(stack)
    if not planes:
        raise GeometryError("there is nothing solid: no contour encloses an area")
    u0, v0, u1, v1 = shapely.total_bounds([plane.area for plane in planes])
    step = step_mm or float(np.clip(max(u1 - u0, v1 - v0) / LATTICE_NODES, FINEST_MM, COARSEST_MM))
    u = np.arange(u0 - 2.3 * step, u1 + 2.3 * step, step)
    v = np.arange(v0 - 2.7 * step, v1 + 2.7 * step, step)
    layers = _Layers(planes, u, v)
    w, values = layers.stacked()
    low, high = layers.ends()
    return Solid(stack.frame, u, v, w, values, low, high)


def _drawn(stack: PlanarStack) -> list[_Plane]:
    spacing = stack.spacing_mm
    if spacing is None:
        raise GeometryError(
            "one drawn plane and no stated thickness (ContourSlabThickness, slice spacing): "
            "where its solid ends is unknown"
        )
    planes = [plane for plane in stack.planes if not plane.area.is_empty]
    gaps = {(gap.low_mm, gap.high_mm) for gap in stack.gaps()}
    followed = [
        (here.offset_mm, there.offset_mm) not in gaps
        for here, there in zip(planes[:-1], planes[1:], strict=True)
    ]
    return [
        _Plane(plane.offset_mm, plane.area, spacing, spacing, linked)
        for plane, linked in zip(planes, [*followed, False], strict=True)
    ]


def _from_slabs(stack: PlanarStack) -> list[_Plane]:
    """Return planes at the middle heights of slabs; a thick slab has one near each of its faces."""
    slabs = [slab for slab in stack.slabs() if slab.readings & CapReading.CHOSEN]
    runs: list[tuple[float, float, object]] = []
    for slab in sorted(slabs, key=lambda each: each.low_mm):
        if runs and runs[-1][2] is slab.area and np.isclose(runs[-1][1], slab.low_mm):
            runs[-1] = (runs[-1][0], slab.high_mm, slab.area)
        else:
            runs.append((slab.low_mm, slab.high_mm, slab.area))
    if not runs:
        return []
    usual = float(np.median([high - low for low, high, _ in runs]))
    planes = []
    for number, (low, high, area) in enumerate(runs):
        linked = number + 1 < len(runs) and bool(np.isclose(runs[number + 1][0], high))
        inset = min(high - low, usual) / 2
        heights = [low + inset, high - inset] if high - low > 2 * inset + 1e-6 else [low + inset]
        for at, height in enumerate(heights):
            last = at == len(heights) - 1
            planes.append(_Plane(height, area, 2 * inset, 2 * inset, linked or not last))
    return planes


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """A part of a plane: its polygon and its signed distance at the nodes."""

    area: object
    distance: Floats


class _Layers:
    """The field of a run of planes, interval after interval."""

    def __init__(self, planes: Sequence[_Plane], u: Floats, v: Floats) -> None:
        self._planes = planes
        self._u, self._v = u, v
        self._step = float(u[1] - u[0])
        self._whole = [signed_distance(plane.area, u, v) for plane in planes]
        self._heights: list[float] = []
        self._values: list[Floats] = []
        self._tips: list[_Cap] = []

    def stacked(self) -> tuple[Floats, Floats]:
        """Return the heights of the layers, rising, and the field on them."""
        first, last = self._planes[0], self._planes[-1]
        self._add_end(0, -1, first.height_mm - first.below_mm)
        for number, plane in enumerate(self._planes[:-1]):
            self._append(plane.height_mm, self._whole[number])
            self._add_interval(number)
        self._append(last.height_mm, self._whole[-1])
        self._add_end(len(self._planes) - 1, 1, last.height_mm + last.above_mm)
        order = np.argsort(self._heights, kind="stable")
        return np.asarray(self._heights)[order], np.stack([self._values[i] for i in order])

    def ends(self) -> tuple[EndBand, EndBand]:
        """Return the lower and the upper end, as the field has them."""
        first, last = self._planes[0], self._planes[-1]
        return (
            self._tips[0].band(first.height_mm, -1, first.below_mm),
            self._tips[1].band(last.height_mm, 1, last.above_mm),
        )

    def _append(self, height_mm: float, values: Floats) -> None:
        self._heights.append(height_mm)
        self._values.append(values)

    def _add_end(self, number: int, direction: int, furthest_mm: float) -> None:
        """Add the layers beyond the first or the last plane, and one that is empty."""
        plane = self._planes[number]
        caps = self._caps(number, direction, self._parts(number))
        self._tips.append(max(caps, key=lambda cap: cap.end_mm))
        reach = abs(furthest_mm - plane.height_mm)
        away = {cut for cap in caps for cut in cap.cuts(reach, self._step)} | {reach + self._step}
        for distance in sorted(away):
            values = reduce(np.maximum, [cap.at(distance) for cap in caps])
            self._append(plane.height_mm + direction * distance, values)

    def _add_interval(self, number: int) -> None:
        """Add the layers between a plane and the next: what goes on is blended, what ends is capped."""
        lower, upper = self._planes[number], self._planes[number + 1]
        width = upper.height_mm - lower.height_mm
        below, above = self._parts(number), self._parts(number + 1)
        meets = np.array([[a.area.intersects(b.area) for b in above] for a in below])  # type: ignore[attr-defined]
        if not lower.linked:
            meets[:] = False
        ending = [part for part, met in zip(below, meets.any(axis=1), strict=True) if not met]
        starting = [part for part, met in zip(above, meets.any(axis=0), strict=True) if not met]
        up = self._caps(number, 1, ending, width)
        down = self._caps(number + 1, -1, starting, width)
        blended = None
        if meets.any():
            blended = (
                _joined(below, meets.any(axis=1), self._whole[number]),
                _joined(above, meets.any(axis=0), self._whole[number + 1]),
            )
        cuts = set(np.linspace(0, width, max(2, int(np.ceil(width / self._step))) + 1)[1:-1].tolist())
        for cap in up:
            cuts |= set(cap.cuts(width, self._step))
        for cap in down:
            cuts |= {width - cut for cut in cap.cuts(width, self._step)}
        for cut in sorted(cut for cut in cuts if 1e-6 < cut < width - 1e-6):
            fields = [cap.at(cut) for cap in up] + [cap.at(width - cut) for cap in down]
            if blended is not None:
                share = cut / width
                fields.append((1 - share) * blended[0] + share * blended[1])
            self._append(lower.height_mm + cut, reduce(np.maximum, fields))

    def _parts(self, number: int) -> list[_Part]:
        areas = shapely.get_parts(self._planes[number].area)
        if len(areas) == 1:
            return [_Part(areas[0], self._whole[number])]
        return [_Part(area, signed_distance(area, self._u, self._v)) for area in areas]

    def _caps(
        self, number: int, direction: int, parts: Sequence[_Part], room_mm: float = np.inf
    ) -> list[_Cap]:
        """Return the caps of parts that end at a plane, upwards (1) or downwards (-1)."""
        plane = self._planes[number]
        reach = min(plane.above_mm if direction > 0 else plane.below_mm, room_mm)
        return [
            _Cap.of(part, list(self._profile(number, -direction, part)), reach) for part in parts
        ]

    def _profile(self, number: int, backward: int, part: _Part) -> Iterator[tuple[float, float]]:
        """Yield (distance from the plane, area) of a part on its own and the two planes behind it."""
        siblings = [each for each in shapely.get_parts(self._planes[number].area)]
        area, other = part.area, [each for each in siblings if not each.equals(part.area)]
        start = self._planes[number].height_mm
        yield 0.0, area.area  # type: ignore[attr-defined]
        for _ in range(2):
            link = number if backward > 0 else number - 1
            number += backward
            if not 0 <= number < len(self._planes) or not self._planes[link].linked:
                return
            parts = shapely.get_parts(self._planes[number].area)
            mine = [each for each in parts if each.intersects(area)]
            if not mine:
                return
            shared = [each for each in other if any(each.intersects(piece) for piece in mine)]
            area = shapely.union_all(mine)
            taken = sum(each.area for each in shared)
            yield abs(self._planes[number].height_mm - start), max(area.area - taken, 0.0)


def _joined(parts: Sequence[_Part], chosen: NDArray[np.bool_], whole: Floats) -> Floats:
    """Return the signed distance of the chosen parts together."""
    if chosen.all():
        return whole
    picked = [part.distance for part, wanted in zip(parts, chosen, strict=True) if wanted]
    return np.asarray(reduce(np.maximum, picked))


@dataclass(frozen=True, slots=True, eq=False)
class _Cap:
    """The end of a part: it shrinks towards ``tip_mm`` and is cut flat at ``end_mm``."""

    distance: Floats
    depth_mm: float
    tip_mm: float
    end_mm: float

    @classmethod
    def of(cls, part: _Part, profile: Sequence[tuple[float, float]], reach_mm: float) -> _Cap:
        """Return the cap that the areas behind a part lead to."""
        tip = max(vanishing_distance(profile), 1e-3)
        late = float(np.clip(2 - tip / reach_mm, 0.0, 1.0))
        end = min(tip, reach_mm * (1 + late) / 2)
        return cls(part.distance, max(float(part.distance.max()), 1e-3), tip, end)

    def at(self, away_mm: float) -> Floats:
        """Return the field at a distance from the part's plane."""
        share = min(away_mm / self.tip_mm, 1.0)
        shrunk = self.distance - self.depth_mm * (1 - np.sqrt(1 - share))
        return np.minimum(shrunk, self.end_mm - away_mm)

    def band(self, plane_mm: float, direction: int, reach_mm: float) -> EndBand:
        """Return what is known of this end beyond a plane."""
        known = TIP_PART * reach_mm if self.tip_mm <= reach_mm else reach_mm
        return EndBand(
            plane_mm,
            plane_mm + direction * self.end_mm,
            min(known, self.end_mm),
            min(known, max(reach_mm - self.end_mm, 0.0)),
        )

    def cuts(self, room_mm: float, step_mm: float) -> list[float]:
        """Return the distances at which the field is needed."""
        inner = np.linspace(0, self.end_mm, max(3, int(np.ceil(self.end_mm / step_mm))) + 1)[1:-1]
        sides = (self.end_mm - EDGE_MM, self.end_mm + EDGE_MM)
        return [cut for cut in (*inner.tolist(), *sides) if 0 < cut < room_mm + EDGE_MM * 2]


def vanishing_distance(profile: Sequence[tuple[float, float]]) -> float:
    """Return how far beyond the first of up to three planes their areas vanish, inf where never.

    ``profile`` has (distance behind the end plane, area), the end plane first. The areas of an
    ellipsoid are a parabola of the height, so three planes find its tip exactly.

    >>> vanishing_distance([(0, 175.0), (5, 300.0), (10, 375.0)]), vanishing_distance([(0, 9.0)])
    (5.0, inf)
    """
    behind = np.array([distance for distance, _ in profile])
    areas = np.array([area for _, area in profile])
    if len(areas) < 2 or areas[1] <= areas[0]:
        return np.inf
    line = float(areas[0] * behind[1] / (areas[1] - areas[0]))
    if len(areas) < 3:
        return line
    bend, slope, start = np.polyfit(behind, areas, 2)
    if bend >= 0:
        return line
    root = (-slope + np.sqrt(slope**2 - 4 * bend * start)) / (2 * bend)
    return float(-root)
