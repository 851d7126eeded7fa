"""Sections of a grown or shrunk solid at any height: an element swept over the solid's sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely

from planeval.geometry.element import Element
from planeval.geometry.loft import Loft
from planeval.geometry.loft_pieces import Piece
from planeval.geometry.minkowski import Convex, Outline, grown, shrunk
from planeval.geometry.stack import CapReading

__all__ = ["Sweep"]

Area = Any

TOUCH_MM = 1e-6
BESIDE_MM = 1e-5
"""How far beside the end of a part the section without it is taken."""

_NOTHING = shapely.Polygon()


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """A section of the solid that stands for the heights between two, in some cap readings (bits)."""

    low_mm: float
    high_mm: float
    area: Area
    readings: int


class Sweep:
    """A solid, in its cap readings, and the element that moves over it.

    Where ``inward``, the element moves over the complement and the solid keeps what it leaves. What
    cap readings have in common is computed once.
    """

    def __init__(
        self, solids: Mapping[CapReading, Loft], element: Element, *, inward: bool
    ) -> None:
        self.solids, self.element, self.inward = solids, element, inward
        self.readings = tuple(solids)
        self._pieces = _shared(solids)
        self._outlines: dict[int, Outline] = {}
        self._joined: dict[tuple[int, ...], Area] = {}
        self._results: dict[tuple[float, ...], Area] = {}
        self._groups: dict[float, dict[int, list[_Source]]] = {}
        self._piece_low = np.array([piece.low_mm for piece, _ in self._pieces])
        self._piece_high = np.array([piece.high_mm for piece, _ in self._pieces])
        self._sources = self._sections() if inward else self._plates()
        self._low = np.array([source.low_mm for source in self._sources])
        self._high = np.array([source.high_mm for source in self._sources])

    def ends(self, reading: CapReading) -> tuple[float, float]:
        """Return the lowest and highest height that the result can have."""
        runs = self.solids[reading].runs
        low, high = min(low for low, _ in runs), max(high for _, high in runs)
        if self.inward:
            return low + self.element.up_mm, high - self.element.down_mm
        return low - self.element.down_mm, high + self.element.up_mm

    def section(self, height_mm: float, reading: CapReading) -> Area:
        """Return the section of the result; the same object for readings that do not differ."""
        if self.inward and not self._surrounds(height_mm, reading):
            return _NOTHING
        area: Area = None
        key: tuple[float, ...] = (height_mm,)
        for group, sources in self._grouped(height_mm).items():
            if group & int(reading):
                key = (*key, group)
                if key not in self._results:
                    make = self._left if self.inward else self._covered
                    self._results[key] = make(height_mm, sources, area)
                area = self._results[key]
        return _NOTHING if area is None else area

    def _grouped(self, height_mm: float) -> dict[int, list[_Source]]:
        """Sources within reach by their readings; what most readings have in common comes first."""
        if height_mm not in self._groups:
            groups: dict[int, list[_Source]] = {}
            for source in (*self._exact(height_mm), *self._near(height_mm)):
                groups.setdefault(source.readings, []).append(source)
            order = sorted(groups, key=lambda group: (-group.bit_count(), group))
            self._groups[height_mm] = {group: groups[group] for group in order}
        return self._groups[height_mm]

    def _covered(self, height_mm: float, sources: Sequence[_Source], base: Area) -> Area:
        return grown(*self._pairs(height_mm, sources), _NOTHING if base is None else base)

    def _left(self, height_mm: float, sources: Sequence[_Source], base: Area) -> Area:
        return shrunk(*self._pairs(height_mm, sources), base)

    def _pairs(
        self, height_mm: float, sources: Sequence[_Source]
    ) -> tuple[list[Outline], list[Convex]]:
        """Sources within reach as outlines with their elements, the nearest first."""
        up, down = self.element.up_mm, self.element.down_mm
        outlines, elements = [], []
        seen = set()
        for source in sorted(sources, key=lambda s: _distance(s, height_mm)):
            low = min(max(height_mm - source.high_mm, -down), up)
            high = max(min(height_mm - source.low_mm, up), -down)
            key = (id(source.area), round(low, 6), round(high, 6))
            element = self.element.between(low, high)
            if element is None or key in seen:
                continue
            seen.add(key)
            if id(source.area) not in self._outlines:
                self._outlines[id(source.area)] = Outline(source.area)
            outlines.append(self._outlines[id(source.area)])
            elements.append(element)
        return outlines, elements

    def _near(self, height_mm: float) -> list[_Source]:
        up, down = self.element.up_mm + TOUCH_MM, self.element.down_mm + TOUCH_MM
        is_near = (height_mm - self._high <= up) & (height_mm - self._low >= -down)
        return [self._sources[index] for index in np.flatnonzero(is_near).tolist()]

    def _exact(self, height_mm: float) -> list[_Source]:
        """The solid's own sections at the height, and at the ends of the reach if they may matter."""
        heights = {height_mm}
        if self.element.is_thin:
            heights |= {height_mm - self.element.up_mm, height_mm + self.element.down_mm}
        if self.inward:
            return [source for z in sorted(heights) for source in self._at(z)]
        found = []
        for z in sorted(heights):
            for index in np.flatnonzero((self._piece_low <= z) & (z <= self._piece_high)).tolist():
                piece, readings = self._pieces[index]
                area = piece.at(z)
                if not area.is_empty:
                    found.append(_Source(z, z, area, readings))
        return found

    def _plates(self) -> list[_Source]:
        """Sections of every piece on its own: what any piece covers belongs to the result."""
        found = []
        for piece, readings in self._pieces:
            heights = piece.heights(self.element.spacing_mm).tolist()
            if piece.is_prism:
                found.append(_Source(heights[0], heights[-1], piece.at(heights[0]), readings))
            else:
                found += [_Source(z, z, piece.at(z), readings) for z in heights]
        return _merged([source for source in found if not source.area.is_empty])

    def _sections(self) -> list[_Source]:
        """Sections of the whole solid: its complement is where no piece is."""
        # what ends flat is there on one side of its end and not on the other
        flat = [piece for piece, _ in self._pieces if piece.is_prism]
        ends = {z for piece in flat for z in (piece.low_mm, piece.high_mm)}
        heights = {z + side for z in ends for side in (-BESIDE_MM, BESIDE_MM)}
        for piece, _ in self._pieces:
            heights.update(piece.heights(self.element.spacing_mm).tolist())
        found: list[_Source] = []
        before: dict[tuple[int, int], int] = {}
        for z in sorted({round(z, 6) for z in heights}):
            now = {}
            for source in self._at(z):
                key = (id(source.area), source.readings)
                if key in before:
                    # the same area at two heights that follow each other: it is there between them
                    now[key] = before[key]
                    found[now[key]] = replace(found[now[key]], high_mm=z)
                else:
                    now[key] = len(found)
                    found.append(source)
            before = now
        return found

    def _at(self, height_mm: float) -> list[_Source]:
        """The whole solid's sections at a height, one for every set of readings that share it."""
        found: dict[int, _Source] = {}
        for reading, solid in self.solids.items():
            if any(low <= height_mm <= high for low, high in solid.runs):
                area = self._union(solid.at(height_mm))
                before = found[id(area)].readings if id(area) in found else 0
                found[id(area)] = _Source(height_mm, height_mm, area, before | int(reading))
        return list(found.values())

    def _union(self, areas: Sequence[Area]) -> Area:
        """One area of the parts at a height."""
        if len(areas) == 1:
            return areas[0]
        key = tuple(sorted(map(id, areas)))
        if key not in self._joined:
            self._joined[key] = shapely.union_all(areas)
        return self._joined[key]

    def _surrounds(self, height_mm: float, reading: CapReading) -> bool:
        """Whether the solid has a section at every height within reach."""
        low = height_mm - self.element.up_mm + TOUCH_MM
        high = height_mm + self.element.down_mm - TOUCH_MM
        return any(bottom <= low and high <= top for bottom, top in self.solids[reading].runs)


def _shared(solids: Mapping[CapReading, Loft]) -> list[tuple[Piece, int]]:
    """Every piece once, with the readings that it belongs to."""
    found: dict[int, tuple[Piece, int]] = {}
    for reading, solid in solids.items():
        for piece in solid.pieces:
            before = found[id(piece)][1] if id(piece) in found else 0
            found[id(piece)] = piece, before | int(reading)
    return list(found.values())


def _merged(sources: Sequence[_Source]) -> list[_Source]:
    """Join sources of the same area that touch."""
    merged: dict[tuple[int, int], list[_Source]] = {}
    for source in sorted(sources, key=lambda s: (s.low_mm, s.high_mm)):
        same = merged.setdefault((id(source.area), source.readings), [])
        if same and source.low_mm <= same[-1].high_mm + TOUCH_MM:
            same[-1] = replace(same[-1], high_mm=max(same[-1].high_mm, source.high_mm))
        else:
            same.append(source)
    return [source for same in merged.values() for source in same]


def _distance(source: _Source, height_mm: float) -> float:
    return max(source.low_mm - height_mm, height_mm - source.high_mm, 0.0)
