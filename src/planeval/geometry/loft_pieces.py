"""Pieces of a smooth solid between two heights: a prism, a blend between two sections, a tip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.geometry.interpolate import Blend
from planeval.geometry.rings import simplified

__all__ = ["OUTLINE_MM", "Between", "Piece", "Prism", "Slice", "Spacing", "Tip"]

Area = Any
Spacing = Callable[[float, float, float], float]
"""Largest step along a surface that rises by the first and runs sideways by the second length in mm,
around a section of the third as radius."""

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

SAME_HEIGHT = 1e-6
"""Fractions of a piece's height closer than this to an end are the end."""


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """Parts of one plane that belong together."""

    height_mm: float
    area: Area
    area_mm2: float
    parts: frozenset[int]


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


class Prism(Piece):
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


class Between(Piece):
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
            if abs(fraction - at) < SAME_HEIGHT:
                return end.area
        if self._blend is None:
            self._blend = Blend(lower.area, upper.area)
        wanted = (1 - fraction) * lower.area_mm2 + fraction * upper.area_mm2
        wanted += self._bend * (height_mm - self.low_mm) * (height_mm - self.high_mm)
        shape = simplified(self._blend.at(fraction), SHAPE_MM)
        return _of_area(shape, max(wanted, 0.0))


class Tip(Piece):
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
        if along < SAME_HEIGHT:
            return self._end.area
        return _of_area(self._end.area, self._end.area_mm2 * max(self._share(along), 0.0))


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
