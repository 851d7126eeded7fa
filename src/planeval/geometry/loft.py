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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.geometry.interpolate import Blend
from planeval.geometry.rings import simplified
from planeval.geometry.stack import CapReading, PlanarStack, Slab

__all__ = ["Loft", "Piece", "lofts"]

Area = Any
Spacing = Callable[[float, float, float], float]
"""Largest step along a surface that rises by the first and runs sideways by the second length in mm,
around a section of the third as radius."""

ROUND = -np.pi
"""Half the second derivative of a sphere's section area: what two planes alone are taken for."""

BEYOND = 1.1
"""An end whose area vanishes within this many longest tips is a tip; planes are drawn by hand."""

NEARLY_NOTHING = 0.05
"""Share of the end plane's area: a quadratic that comes so close to zero has reached it."""

DERIVED_BEYOND = 1.6
"""The same for a derived slab, whose end is known: by how much the quadratic may miss it."""

OUTLINE_MM = 0.005
"""Outlines keep to within this distance of what was drawn or computed."""

SHAPE_MM = 0.02
"""The same for shapes between planes, whose area is set afterwards."""

SMALL_MM = 0.1
"""Offsets up to this keep the points of an outline."""

AREA_MM, SMALLEST_MM2 = 1e-3, 1e-4
"""A section has its wanted area when its outline is off by this on average; smaller ones are nothing."""

MOST_SHAPES = 30
"""Most sections that one piece is cut into."""

JOIN_MM = 1e-6


@dataclass(frozen=True, slots=True)
class End:
    """How a solid may end beyond its last plane.

    ``flat_mm``: where a flat end lies. ``longest_mm``: the largest distance of a tip, 0 for none.
    ``tip_mm``: where the tip is known to lie.
    """

    flat_mm: float
    longest_mm: float = 0.0
    tip_mm: float | None = None


class Piece:
    """A part of the solid between two heights."""

    is_prism = False

    def __init__(self, low_mm: float, high_mm: float) -> None:
        self.low_mm, self.high_mm = low_mm, high_mm
        self._areas: dict[float, Area] = {}

    def at(self, height_mm: float) -> Area:
        """Return the section at a height between the two."""
        key = round(height_mm, 6)
        if key not in self._areas:
            self._areas[key] = self._section(height_mm)
        return self._areas[key]

    def heights(self, spacing: Spacing) -> NDArray[np.float64]:
        """Return heights close enough together for sections to stand for the piece."""
        raise NotImplementedError

    def _section(self, height_mm: float) -> Area:
        raise NotImplementedError


class _Prism(Piece):
    """The same section at all heights."""

    is_prism = True

    def __init__(self, low_mm: float, high_mm: float, area: Area) -> None:
        super().__init__(min(low_mm, high_mm), max(low_mm, high_mm))
        self.area = area

    def heights(self, spacing: Spacing) -> NDArray[np.float64]:
        """Return both ends."""
        return np.array([self.low_mm, self.high_mm])

    def _section(self, height_mm: float) -> Area:
        return self.area


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """Parts of one plane that belong together."""

    height_mm: float
    area: Area
    area_mm2: float
    parts: frozenset[int]


class _Between(Piece):
    """From one plane to the next: a blend whose area is ``linear + bend (z - low) (z - high)``."""

    def __init__(self, lower: Slice, upper: Slice, bend: float) -> None:
        super().__init__(lower.height_mm, upper.height_mm)
        self._ends = lower, upper
        self._bend = bend
        self._blend: Blend | None = None

    def heights(self, spacing: Spacing) -> NDArray[np.float64]:
        """Return heights in equal steps."""
        lower, upper = self._ends
        rise = self.high_mm - self.low_mm
        sideways = abs(upper.area_mm2 - lower.area_mm2) / max(lower.area.length, upper.area.length)
        radius = np.sqrt(max(lower.area_mm2, upper.area_mm2) / np.pi)
        count = int(np.ceil(np.hypot(rise, sideways) / spacing(rise, sideways, radius)))
        return np.linspace(self.low_mm, self.high_mm, min(max(count, 1), MOST_SHAPES) + 1)

    def _section(self, height_mm: float) -> Area:
        lower, upper = self._ends
        fraction = (height_mm - self.low_mm) / (self.high_mm - self.low_mm)
        for end, at in ((lower, 0.0), (upper, 1.0)):
            if abs(fraction - at) < JOIN_MM:
                return end.area
        if self._blend is None:
            self._blend = Blend(lower.area, upper.area)
        wanted = (1 - fraction) * lower.area_mm2 + fraction * upper.area_mm2
        wanted += self._bend * (height_mm - self.low_mm) * (height_mm - self.high_mm)
        shape = simplified(self._blend.at(fraction), SHAPE_MM)
        return _of_area(shape, max(wanted, 0.0))


class _Tip(Piece):
    """From an end plane to a point: the area is a quadratic of the distance."""

    def __init__(self, end: Slice, tip_mm: float, shares: Callable[[float], float]) -> None:
        super().__init__(min(end.height_mm, tip_mm), max(end.height_mm, tip_mm))
        self._end, self._tip, self._share = end, tip_mm, shares

    def heights(self, spacing: Spacing) -> NDArray[np.float64]:
        """Dense towards the tip, so that a round end is cut in about equal steps along its surface."""
        length = self._tip - self._end.height_mm
        radius = np.sqrt(self._end.area_mm2 / np.pi)
        steps = np.hypot(length, radius) / spacing(abs(length), radius, radius)
        count = int(np.clip(np.ceil(steps), 4, MOST_SHAPES))
        left = 1 - np.append(np.arange(count), count - 0.25) / count
        return np.sort(self._tip - length * left**2)

    def _section(self, height_mm: float) -> Area:
        along = (height_mm - self._end.height_mm) / (self._tip - self._end.height_mm)
        if along < JOIN_MM:
            return self._end.area
        return _of_area(self._end.area, self._end.area_mm2 * max(self._share(along), 0.0))


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


def lofts(stack: PlanarStack, caps: Literal["half", "none", "tapered"]) -> dict[CapReading, Loft]:
    """Return the loft in every cap reading that has one; what readings share is the same object."""
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
    return result


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
        lambda: _Between(lower, upper, bend), [lower.area, upper.area],
        "between", lower.height_mm, upper.height_mm, id(lower.area), id(upper.area), round(bend, 9),
    )  # fmt: skip


def _prism(one_mm: float, other_mm: float, area: Area, workshop: _Workshop) -> Piece:
    return workshop.once(  # type: ignore[no-any-return]
        lambda: _Prism(one_mm, other_mm, area), [area], "prism", one_mm, other_mm, id(area)
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
        lambda: _Tip(last, tip_mm, share), [last.area],
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


def _of_area(shape: Area, wanted_mm2: float) -> Area:
    """Offset a shape so that its area becomes the wanted one."""
    if wanted_mm2 < SMALLEST_MM2 or shape.is_empty:
        return shapely.Polygon()
    result, offset, remains, vanishes = shape, 0.0, 0.0, -np.inf
    for _round in range(10):
        area, length = result.area, result.length
        if area == 0:
            vanishes, offset = offset, (offset + remains) / 2
        else:
            missing = wanted_mm2 - area
            if abs(missing) < AREA_MM * length + 1e-5 * wanted_mm2:
                break
            # exact for a disc
            step = (np.sqrt(max(length**2 + 4 * np.pi * missing, 0.0)) - length) / (2 * np.pi)
            remains, offset = offset, max(offset + step, (offset + vanishes) / 2)
        # a small offset keeps its corners; a large one must not let them run away
        style = "mitre" if abs(offset) < SMALL_MM else "round"
        result = shapely.buffer(shape, offset, quad_segs=4, join_style=style)
    return result if abs(offset) < SMALL_MM else simplified(result, OUTLINE_MM)
