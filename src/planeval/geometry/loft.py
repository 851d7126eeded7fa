"""The smooth solid that drawn planes stand for: shapes between planes, and ends that taper.

A stack of prisms is a staircase. Where a solid grows or shrinks, every stair would grow with it, so
a *loft* takes its place. It is made of pieces between two heights:

* between two planes, the blend of their outlines (:class:`~planeval.geometry.interpolate.Blend`),
  offset so that its area follows a quadratic through the areas of the planes around. That is exact for
  spheres, ellipsoids and cones, whose section areas are quadratic; the blend alone leaves chords. At a
  kink the smaller of the two second differences at hand counts;
* beyond the last plane of a part, the same outline, inset so that its area follows the quadratic of
  the last three planes down to nothing. It has to end before the next plane, which has no contour of
  the part. Where the quadratic does not vanish there, the part ends flat.

Parts of neighbouring planes belong together where they overlap. Heights are in mm along the normal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import shapely

from planeval.geometry.loft_pieces import OUTLINE_MM, Between, Piece, Prism, Slice, Tip
from planeval.geometry.rings import simplified
from planeval.geometry.stack import CapReading, PlanarStack, Slab

__all__ = ["Loft", "lofts"]

Area = Any
ROUND = -np.pi
"""Half the second derivative of a sphere's section area: what two planes alone are taken for."""

BEYOND = 1.1
"""An end whose area vanishes within this many longest tips is a tip; planes are drawn by hand."""

NEARLY_NOTHING = 0.05
"""Share of the end plane's area: a quadratic that comes so close to zero has reached it."""

DERIVED_BEYOND = 1.6
"""The same for a derived slab, whose end is known: by how much the quadratic may miss it."""

JOIN_MM = 1e-6

LAST_KEPT = 8


@dataclass(frozen=True, slots=True)
class End:
    """How a solid may end beyond its last plane.

    ``flat_mm``: where a flat end lies. ``longest_mm``: the largest distance of a tip, 0 for none.
    ``tip_mm``: where the tip is known to lie.
    """

    flat_mm: float
    longest_mm: float = 0.0
    tip_mm: float | None = None


@dataclass(frozen=True, slots=True)
class Loft:
    """The pieces of a solid, and the (low, high) intervals of height that it fills."""

    pieces: tuple[Piece, ...]
    runs: tuple[tuple[float, float], ...]

    def at(self, height_mm: float) -> list[Area]:
        """Return the sections of all pieces at a height, each once."""
        found = [
            piece.at(height_mm)
            for piece in self.pieces
            if piece.low_mm <= height_mm <= piece.high_mm
        ]
        return list({id(area): area for area in found}.values())


@lru_cache(maxsize=LAST_KEPT)
def lofts(
    stack: PlanarStack, caps: Literal["half", "none", "tapered"]
) -> Mapping[CapReading, Loft]:
    """Return the loft in every cap reading that has one; what readings share is the same object.

    The last few are kept, as a loft keeps its sections: one that grows is also measured.
    """
    workshop = _Workshop()
    result = {}
    for reading in CapReading:
        runs = _drawn_runs(stack, caps, reading) if stack.planes else _slab_runs(stack, reading)
        made = [tuple(_pieces(run, workshop)) for run in runs]
        filled = [
            (min(p.low_mm for p in pieces), max(p.high_mm for p in pieces))
            for pieces in made
            if pieces
        ]
        if filled:
            result[reading] = Loft(tuple(p for pieces in made for p in pieces), tuple(filled))
    return MappingProxyType(result)


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """Planes without a gap between them, and how the solid ends below and above."""

    heights_mm: tuple[float, ...]
    areas: tuple[Area, ...]
    bottom: End
    top: End


def _drawn_runs(stack: PlanarStack, caps: str, reading: CapReading) -> Iterator[_Run]:
    """Runs between gaps. Beyond a gap's edges the solid ends as it does beyond the stack's."""
    spacing = float(stack.spacing_mm or 0.0)
    rounded = End(spacing / 2, spacing)
    last = {
        CapReading.NONE: End(0.0),
        CapReading.FULL: End(spacing),
        CapReading.CHOSEN: {
            "half": rounded, "none": End(0.0), "tapered": End(spacing / 2, np.inf, spacing / 2),
        }[caps],
    }[reading]  # fmt: skip
    cuts = {gap.low_mm for gap in stack.gaps()}
    planes = list(stack.planes)
    starts = [0, *(n + 1 for n, plane in enumerate(planes) if plane.offset_mm in cuts), len(planes)]
    for start, stop in pairwise(starts):
        run = planes[start:stop]
        yield _Run(
            tuple(plane.offset_mm for plane in run),
            tuple(plane.area for plane in run),
            last if start == 0 else rounded,
            last if stop == len(planes) else rounded,
        )


def _slab_runs(stack: PlanarStack, reading: CapReading) -> Iterator[_Run]:
    """Runs of slabs that touch; the middle of a slab plays the plane, its far side is the end."""
    slabs = [slab for slab in stack.slabs() if slab.readings & reading]
    cuts = [n + 1 for n, (a, b) in enumerate(pairwise(slabs)) if b.low_mm - a.high_mm > JOIN_MM]
    for start, stop in pairwise([0, *cuts, len(slabs)]):
        run = slabs[start:stop]
        if run:
            yield _Run(
                tuple((slab.low_mm + slab.high_mm) / 2 for slab in run),
                tuple(slab.area for slab in run),
                _known_end(run[0]),
                _known_end(run[-1]),
            )


def _known_end(slab: Slab) -> End:
    half = (slab.high_mm - slab.low_mm) / 2
    return End(half, half * DERIVED_BEYOND / BEYOND, half)


class _Workshop:
    """Makes parts, groups and pieces, each once."""

    def __init__(self) -> None:
        self._made: dict[tuple[object, ...], Any] = {}
        self._kept: list[Any] = []

    def once(self, make: Callable[[], Any], kept: Sequence[Any], *key: object) -> Any:
        """Make a thing unless it is made; ``kept`` are the objects whose ids are in the key."""
        if key not in self._made:
            self._kept.extend(kept)
            self._made[key] = make()
        return self._made[key]

    def parts(self, area: Area) -> tuple[Area, ...]:
        """Separate parts of an area, outlines simplified."""
        return self.once(lambda: _parts(area), [area], "parts", id(area))  # type: ignore[no-any-return]

    def overlap(self, one: Area, other: Area) -> bool:
        """Whether two parts share an area."""
        return one is other or self.once(
            lambda: bool(shapely.relate_pattern(one, other, "T********")),
            [one, other], "overlap", id(one), id(other),
        )  # fmt: skip

    def joined(self, parts: Sequence[Area]) -> Area:
        """One area of several parts."""
        if len(parts) == 1:
            return parts[0]
        return self.once(
            lambda: shapely.multipolygons(list(parts)), parts, "joined", *map(id, parts)
        )


def _parts(area: Area) -> tuple[Area, ...]:
    simple = simplified(area, OUTLINE_MM)
    return tuple(part for part in shapely.get_parts(simple) if part.area > 0)


_Joint = tuple[frozenset[int], frozenset[int]]


class _Levels:
    """The parts of a run's planes and which of them belong together."""

    def __init__(self, run: _Run, workshop: _Workshop) -> None:
        self.heights = run.heights_mm
        self._workshop = workshop
        self.parts: list[tuple[Area, ...]] = []
        before = None
        for area in run.areas:
            if before is None or not area.equals_exact(before, 0.0):
                before = area
            self.parts.append(workshop.parts(before))
        self.joints = [self._joints(n) for n in range(len(self.parts) - 1)]

    def _joints(self, level: int) -> list[_Joint]:
        """Groups of parts that overlap between a level and the next; one side may be empty."""
        lower, upper = self.parts[level], self.parts[level + 1]
        groups: list[tuple[set[int], set[int]]] = [(set(), {n}) for n in range(len(upper))]
        for m, part in enumerate(lower):
            own: tuple[set[int], set[int]] = ({m}, set())
            apart = []
            for group in groups:
                if any(self._workshop.overlap(part, upper[n]) for n in group[1]):
                    own[0].update(group[0])
                    own[1].update(group[1])
                else:
                    apart.append(group)
            groups = [*apart, own]
        return [(frozenset(low), frozenset(high)) for low, high in groups]

    def slice(self, level: int, parts: frozenset[int]) -> Slice:
        """Return parts of a level as one slice."""
        area = self._workshop.joined([self.parts[level][n] for n in sorted(parts)])
        return Slice(self.heights[level], area, float(area.area), parts)

    def history(self, level: int, parts: frozenset[int], direction: int) -> list[Slice]:
        """Up to two slices that follow in a direction (-1 down, 1 up).

        Where parts merge with others, what lies nearer to them counts.
        """
        found: list[Slice] = []
        share = 1.0
        while len(found) < 2:
            between = level - 1 if direction < 0 else level
            joints = self.joints[between] if 0 <= between < len(self.joints) else []
            side = 1 if direction < 0 else 0
            joint = next((joint for joint in joints if joint[side] >= parts), None)
            if joint is None or not joint[1 - side]:
                break
            merged = self.slice(level + direction, joint[1 - side])
            others = joint[side] - parts
            if others:
                own = self.slice(level, parts).area
                near = _nearer(merged.area, own, [self.parts[level][n] for n in others])
                share *= near / merged.area_mm2
            level, parts = level + direction, joint[1 - side]
            found.append(replace(merged, area_mm2=share * merged.area_mm2))
        return found


def _nearer(area: Area, own: Area, others: Sequence[Area]) -> float:
    """Size of the part of an area that lies on this side of the middle between own and each other."""
    u0, v0, u1, v1 = shapely.total_bounds([area, own, *others])
    far = float(u1 - u0 + v1 - v0)
    for other in others:
        start, end = shapely.get_coordinates(shapely.shortest_line(own, other))
        middle, way = (start + end) / 2, end - start
        if not way.any():
            continue
        way = far * way / np.hypot(*way)
        across = np.array([-way[1], way[0]])
        side = np.stack([middle + across, middle - across])
        area = shapely.difference(area, shapely.Polygon([*side, *(side + way)[::-1]]))
    return float(area.area)


def _pieces(run: _Run, workshop: _Workshop) -> Iterator[Piece]:
    """The pieces of a run, from below."""
    levels = _Levels(run, workshop)
    last = len(levels.parts) - 1
    for n in range(len(levels.parts[0])):
        yield from _ending(levels, 0, frozenset([n]), run.bottom, workshop)
    for level, joints in enumerate(levels.joints):
        distance = levels.heights[level + 1] - levels.heights[level]
        inside = End(distance / 2, distance)
        for lower, upper in joints:
            if not upper:
                yield from _ending(levels, level, lower, inside, workshop, up=True)
            elif not lower:
                yield from _ending(levels, level + 1, upper, inside, workshop)
            else:
                yield _joining(levels, level, (lower, upper), workshop)
    for n in range(len(levels.parts[last])):
        yield from _ending(levels, last, frozenset([n]), run.top, workshop, up=True)


def _joining(levels: _Levels, level: int, joint: _Joint, workshop: _Workshop) -> Piece:
    """The piece between two groups of parts."""
    lower, upper = levels.slice(level, joint[0]), levels.slice(level + 1, joint[1])
    if lower.area is upper.area:
        return _prism(lower.height_mm, upper.height_mm, lower.area, workshop)
    below = levels.history(level, joint[0], -1)[:1]
    above = levels.history(level + 1, joint[1], 1)[:1]
    bends = [_bend(*below, lower, upper)] if below else []
    bends += [_bend(lower, upper, *above)] if above else []
    if not bends:
        alone = _vanishing(lower, [upper]), _vanishing(upper, [lower])
        reach = upper.height_mm - lower.height_mm
        is_round = all(way is not None and way[0] <= BEYOND * reach for way in alone)
        bends = [ROUND if is_round else 0.0]
    bend = min(bends, key=abs)
    return workshop.once(  # type: ignore[no-any-return]
        lambda: Between(lower, upper, bend), [lower.area, upper.area],
        "between", lower.height_mm, upper.height_mm, id(lower.area), id(upper.area), round(bend, 9),
    )  # fmt: skip


def _prism(one_mm: float, other_mm: float, area: Area, workshop: _Workshop) -> Piece:
    return workshop.once(  # type: ignore[no-any-return]
        lambda: Prism(one_mm, other_mm, area), [area], "prism", one_mm, other_mm, id(area)
    )


def _ending(
    levels: _Levels, level: int, parts: frozenset[int], end: End, workshop: _Workshop,
    *, up: bool = False,
) -> Iterator[Piece]:  # fmt: skip
    """The piece beyond the last plane of a group of parts, flat or tapered to a tip.

    There is none where a flat end lies in the plane itself, unless the plane is all there is.
    """
    sign = 1 if up else -1
    last = levels.slice(level, parts)
    if np.isinf(end.longest_mm):
        way: tuple[float, float, float] | None = (1.0, 0.0, -last.area_mm2)
    else:
        behind = levels.history(level, parts, -sign)
        if behind and end.flat_mm == 0:
            return
        way = _vanishing(last, behind)
    if way is None or way[0] > BEYOND * end.longest_mm:
        yield _prism(last.height_mm, last.height_mm + sign * end.flat_mm, last.area, workshop)
        return
    reach, slope, curve = way
    length = end.tip_mm if end.tip_mm is not None else min(reach, end.longest_mm)
    tip_mm = last.height_mm + sign * length

    def share(along: float) -> float:
        return 1 + (slope * along * reach + curve * (along * reach) ** 2) / last.area_mm2

    yield workshop.once(
        lambda: Tip(last, tip_mm, share), [last.area],
        "tip", last.height_mm, tip_mm, id(last.area), round(reach, 9), round(slope, 9),
    )  # fmt: skip


def _bend(*slices: Slice) -> float:
    """Second divided difference of three section areas."""
    (z0, a0), (z1, a1), (z2, a2) = ((s.height_mm, s.area_mm2) for s in slices)
    return ((a2 - a1) / (z2 - z1) - (a1 - a0) / (z1 - z0)) / (z2 - z0)


def _vanishing(last: Slice, history: Sequence[Slice]) -> tuple[float, float, float] | None:
    """Distance beyond the last plane at which the area is zero, its slope and half its curvature.

    None without a plane behind the last one, and where the area never vanishes.
    """
    if not history:
        return None
    behind = abs(last.height_mm - history[0].height_mm)
    curve = _bend(history[1], history[0], last) if len(history) > 1 else ROUND
    slope = (last.area_mm2 - history[0].area_mm2) / behind + curve * behind
    square = slope**2 - 4 * curve * last.area_mm2
    if square < 0:
        lowest = last.area_mm2 - slope**2 / (4 * curve)
        if slope >= 0 or lowest > NEARLY_NOTHING * last.area_mm2:
            return None
        return -slope / (2 * curve), slope, curve
    # of the two roots the smaller positive one, in the form that loses no digits
    root = np.sqrt(square)
    if slope < root:
        return float(2 * last.area_mm2 / (root - slope)), slope, curve
    return None
