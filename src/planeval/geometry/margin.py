"""Margins: a solid grown or shrunk by up to six lengths in patient axes.

Growing is the Minkowski sum of the solid with a convex body of eight ellipsoid octants, whose
semi-axes are the margins: a point belongs to the result if it lies within reach of a point of the
solid. Shrinking grows the complement with the point-reflected body: ``superior=-5`` moves surfaces
that face superior inwards.

What grows is not the staircase of slabs but the smooth solid behind it (:mod:`~planeval.geometry.loft`).
Its section at height z' reaches height z with the body's section at z - z'::

    grown(z)  = union over z' of         section(z') + element(z - z')
    shrunk(z) = intersection over z' of  section(z') shrunk by element(z - z')

Sums in a plane are exact for polygons (:mod:`~planeval.geometry.minkowski`); the heights z' lie close
enough together for the union to miss about 0.01 mm between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.errors import GeometryError
from planeval.geometry.element import Element, Lengths
from planeval.geometry.loft import Loft, Prism, lofts
from planeval.geometry.minkowski import Convex, Outline, grown, shrunk
from planeval.geometry.rings import solid_part
from planeval.geometry.stack import CapReading, PlanarStack, Slab

__all__ = ["LONGEST_MM", "Margins", "expand"]

Area = Any
Floats = NDArray[np.float64]

LONGEST_MM = 200.0
"""A longer margin is a mistake, such as cm taken for mm."""

THICKEST_MM, THINNEST_MM = 1.5, 0.25
"""Slabs of the result: the plane spacing divided by an odd number, within these."""

SCALLOP_MM = 0.01
"""How much of the result may be missing between two heights of the solid, on average."""

SIMPLER_MM = 0.01
"""Outlines of the result keep to within this distance of what was computed."""

TOUCH_MM = 1e-6

_NOTHING = shapely.Polygon()


@dataclass(frozen=True, slots=True)
class Margins:
    """Six lengths in mm, outward positive: all >= 0 grow, all <= 0 shrink.

    Patient axes (LPS): left +x, posterior +y, superior +z, for every patient position and plane.

    Raises:
        ValueError: a length is no number or longer than 200 mm, or the signs are mixed.

    >>> Margins(superior=15, inferior=15)
    Margins(left=0.0, right=0.0, anterior=0.0, posterior=0.0, superior=15, inferior=15)
    >>> Margins.isotropic(5) == Margins(5, 5, 5, 5, 5, 5)
    True
    """

    left: float = 0.0
    right: float = 0.0
    anterior: float = 0.0
    posterior: float = 0.0
    superior: float = 0.0
    inferior: float = 0.0

    def __post_init__(self) -> None:
        for name, length in self._named().items():
            if not abs(length) <= LONGEST_MM:
                raise ValueError(
                    f"margin {name} is {length} mm; expected a number from -{LONGEST_MM:g} to "
                    f"{LONGEST_MM:g} mm"
                )
        if min(self._named().values()) < 0 < max(self._named().values()):
            raise ValueError(
                f"margins of mixed signs ({self}): a solid grows or shrinks; do one after the other, "
                "in the order that is meant"
            )

    @classmethod
    def isotropic(cls, margin_mm: float) -> Margins:
        """Return the same margin in all directions."""
        return cls(*(margin_mm,) * 6)

    @property
    def is_zero(self) -> bool:
        """Whether nothing moves."""
        return not any(self._named().values())

    @property
    def is_inward(self) -> bool:
        """Whether the solid shrinks."""
        return min(self._named().values()) < 0

    def __str__(self) -> str:
        moved = {name: length for name, length in self._named().items() if length}
        return ", ".join(f"{name} {length:g} mm" for name, length in moved.items()) or "0 mm"

    def _named(self) -> dict[str, float]:
        return {side.name: getattr(self, side.name) for side in fields(self)}


def expand(
    stack: PlanarStack,
    margins: Margins,
    *,
    caps: Literal["half", "none", "tapered"] = "half",
    between: Literal["prism", "interpolated"] = "prism",
) -> PlanarStack:
    """Return the solid grown by margins, or shrunk by negative ones.

    The result has slabs of the plane spacing, or an odd part of it (at most 1.5 mm), so that every
    plane, continued beyond the ends, is the middle of a slab; the first and last slab are cut at
    the very end of the solid. It contains the solid of ``caps`` and ``between`` (a shrunk one lies
    within it) in every cap reading. Margins of 0 return the stack itself. Missing planes (gaps) are
    not bridged, but may be covered. A solid that shrinks to nothing is an empty stack.

    Raises:
        GeometryError: nothing is solid, or one plane has no stated thickness.

    >>> from planeval.geometry.stack import AXIAL, DrawnPlane, volume_cc
    >>> cube = PlanarStack(AXIAL, [DrawnPlane(z, shapely.box(0, 0, 20, 20)) for z in (2, 6, 10, 14, 18)])
    >>> round(volume_cc(cube), 3), round(volume_cc(expand(cube, Margins(superior=10))), 3)
    (8.0, 12.0)
    >>> round(volume_cc(expand(cube, Margins.isotropic(-2))), 3)
    4.096
    """
    own = stack.slabs(caps, between)
    if not own:
        raise GeometryError(f"an empty structure has no margin ({margins}): nothing is solid")
    if margins.is_zero:
        return stack
    return _Expansion(stack, own, margins, lofts(stack, caps)).result()


class _Expansion:
    """One solid on its way to another."""

    def __init__(
        self,
        stack: PlanarStack,
        own: Sequence[Slab],
        margins: Margins,
        solids: dict[CapReading, Loft],
    ) -> None:
        self.frame, self.spacing_mm = stack.frame, stack.spacing_mm
        self.own, self.solids, self.inward = own, solids, margins.is_inward
        plus = abs(margins.left), abs(margins.posterior), abs(margins.superior)
        minus = abs(margins.right), abs(margins.anterior), abs(margins.inferior)
        # a shrunk solid is what the reflected body leaves when it moves over the complement
        self.element = Element(
            Lengths(minus, plus) if self.inward else Lengths(plus, minus), stack.frame
        )
        self.thickness_mm, self.centre_mm = _slab_lattice(stack, own)
        self.step_mm = _step(self.element, self.thickness_mm)
        collect = _sections if self.inward else _plates
        self.sources = {reading: collect(solid, self.step_mm) for reading, solid in solids.items()}
        self._outlines: dict[int, Outline] = {}
        self._made: dict[tuple[object, ...], Area] = {}

    def result(self) -> PlanarStack:
        """Every slab of the lattice, in every cap reading."""
        slabs: list[Slab] = []
        ends = {reading: self._ends(solid) for reading, solid in self.solids.items()}
        lowest, highest = (
            min(low for low, _ in ends.values()),
            max(high for _, high in ends.values()),
        )
        first = int(np.floor((lowest - self.centre_mm) / self.thickness_mm + 0.5))
        last = int(np.ceil((highest - self.centre_mm) / self.thickness_mm - 0.5))
        for number in range(first, last + 1):
            middle = self.centre_mm + number * self.thickness_mm
            low, high = middle - self.thickness_mm / 2, middle + self.thickness_mm / 2
            cut: dict[tuple[float, float, int], tuple[Area, CapReading]] = {}
            for reading, (bottom, top) in ends.items():
                a, b = max(low, bottom), min(high, top)
                if b - a < TOUCH_MM:
                    continue
                area = self._area(a, b, reading)
                if not area.is_empty:
                    readings = cut.get((a, b, id(area)), (area, CapReading(0)))[1]
                    cut[a, b, id(area)] = area, readings | reading
            slabs.extend(Slab(a, b, area, found) for (a, b, _), (area, found) in cut.items())
        return PlanarStack(self.frame, spacing_mm=self.spacing_mm, slabs=slabs)

    def _ends(self, solid: Loft) -> tuple[float, float]:
        low, high = min(low for low, _ in solid.runs), max(high for _, high in solid.runs)
        if self.inward:
            return low + self.element.up_mm, high - self.element.down_mm
        return low - self.element.down_mm, high + self.element.up_mm

    def _area(self, low_mm: float, high_mm: float, reading: CapReading) -> Area:
        """The area of the result between two heights; the same object where nothing differs."""
        own = [
            slab.area
            for slab in self.own
            if slab.readings & reading
            and slab.low_mm < high_mm - TOUCH_MM
            and slab.high_mm > low_mm + TOUCH_MM
        ]
        near = self._near((low_mm + high_mm) / 2, reading)
        key = (*map(id, own), None, *((id(n.area), n.low_mm, n.high_mm) for n in near))
        if key not in self._made:
            make = self._shrunk if self.inward else self._grown
            self._made[key] = solid_part(make(near, own))
        return self._made[key]

    def _near(self, height_mm: float, reading: CapReading) -> list[_Source]:
        """The sources within reach of a height, with their heights seen from there.

        The solid's own section at the height is among them, and those at the very ends of the reach.
        None are returned where a shrinking solid has no section at some height within reach.
        """
        solid, up, down = self.solids[reading], self.element.up_mm, self.element.down_mm
        if self.inward and not any(
            low <= height_mm - up + TOUCH_MM and height_mm + down - TOUCH_MM <= high
            for low, high in solid.runs
        ):
            return []
        exact = dict.fromkeys((height_mm, height_mm - up, height_mm + down))
        if self.inward:
            added = [_Source(z, z, area) for z in exact for area in [solid.at(z)]]
        else:
            added = [
                _Source(z, z, piece.at(z))
                for z in exact
                for piece in solid.pieces
                if piece.low_mm <= z <= piece.high_mm
            ]
        found = {}
        for source in (*self.sources[reading], *added):
            offset_low, offset_high = height_mm - source.high_mm, height_mm - source.low_mm
            if offset_low <= up and offset_high >= -down and not source.area.is_empty:
                seen = _Source(max(offset_low, -down), min(offset_high, up), source.area)
                found[id(source.area), round(seen.low_mm, 6), round(seen.high_mm, 6)] = seen
            elif self.inward and offset_low < up and offset_high > -down:
                return []
        return list(found.values())

    def _pairs(self, near: Sequence[_Source]) -> tuple[list[Outline], list[Convex]]:
        pairs = []
        for source in near:
            key = id(source.area)
            if key not in self._outlines:
                self._outlines[key] = Outline(source.area)
            element = self.element.between(source.low_mm, source.high_mm)
            if element is not None:
                pairs.append((self._outlines[key], element))
        return [outline for outline, _ in pairs], [element for _, element in pairs]

    def _grown(self, near: Sequence[_Source], own: Sequence[Area]) -> Area:
        area = shapely.union_all(grown(*self._pairs(near)))
        area = shapely.simplify(area, SIMPLER_MM)
        missing = [part for part in own if not area.covers(part)]
        return shapely.union_all([area, *missing]) if missing else area

    def _shrunk(self, near: Sequence[_Source], own: Sequence[Area]) -> Area:
        area = None
        for outline, element in zip(*self._pairs(near), strict=True):
            left = shrunk(outline, element)
            area = left if area is None else shapely.intersection(area, left)
            if area.is_empty:
                return _NOTHING
        if area is None:
            return _NOTHING
        area = shapely.simplify(area, SIMPLER_MM)
        for part in own:
            area = area if part.covers(area) else shapely.intersection(area, part)
        return area if own else _NOTHING


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """A section of the solid that stands for the heights between two."""

    low_mm: float
    high_mm: float
    area: Area


def _plates(solid: Loft, step_mm: float) -> list[_Source]:
    """Sections of every piece on its own: what grows from any piece belongs to the result."""
    found: list[_Source] = []
    for piece in solid.pieces:
        if isinstance(piece, Prism):
            found.append(_Source(piece.low_mm, piece.high_mm, piece.area))
        else:
            found += [_Source(z, z, piece.at(z)) for z in piece.heights(step_mm).tolist()]
    return _merged(found)


def _sections(solid: Loft, step_mm: float) -> list[_Source]:
    """Sections of the whole solid: its complement is where no piece is."""
    heights = {round(z, 6) for piece in solid.pieces for z in piece.heights(step_mm).tolist()}
    # a part that ends flat is there on one side of its end and not on the other
    for piece in solid.pieces:
        heights |= {
            round(z + side, 6) for z in (piece.low_mm, piece.high_mm) for side in (-1e-5, 1e-5)
        }
    inside = [z for z in sorted(heights) if any(low <= z <= high for low, high in solid.runs)]
    return _merged([_Source(z, z, solid.at(z)) for z in inside])


def _merged(sources: Sequence[_Source]) -> list[_Source]:
    """Join sources of the same area that touch."""
    merged: dict[int, list[_Source]] = {}
    for source in sorted(sources, key=lambda s: (s.low_mm, s.high_mm)):
        same = merged.setdefault(id(source.area), [])
        if same and source.low_mm <= same[-1].high_mm + TOUCH_MM:
            high = max(same[-1].high_mm, source.high_mm)
            same[-1] = _Source(same[-1].low_mm, high, source.area)
        else:
            same.append(source)
    return [source for same in merged.values() for source in same]


def _step(element: Element, thickness_mm: float) -> float:
    """An odd part of the thickness, small enough for what the union misses between two heights.

    Between heights d apart, a surface at 45 degrees misses on average d^2 / (15 r), where r is the
    element's radius of curvature there.
    """
    middle = element.between(0.0, 0.0)
    across = max(middle.size_mm) / 2
    reach = min([mm for mm in (element.up_mm, element.down_mm) if mm > 0], default=0.0)
    if across == 0 or reach == 0:
        return thickness_mm
    tilted = (across * reach) ** 2 / ((across**2 + reach**2) / 2) ** 1.5
    radius = min(tilted, reach**2 / across)
    wanted = max(np.sqrt(15 * SCALLOP_MM * radius), THINNEST_MM)
    return thickness_mm / _odd(thickness_mm / wanted)


def _odd(ratio: float) -> int:
    """The smallest odd number that is at least the ratio."""
    return 2 * max(0, int(np.ceil((ratio - 1) / 2 - 1e-9))) + 1


def _slab_lattice(stack: PlanarStack, own: Sequence[Slab]) -> tuple[float, float]:
    """Thickness of the result's slabs, and the middle of one of them."""
    if stack.planes:
        plane = stack.planes[len(stack.planes) // 2]
        spacing, centre = float(stack.spacing_mm or 0.0), plane.offset_mm
    else:
        slabs = [slab for slab in own if slab.readings & CapReading.CHOSEN] or list(own)
        sizes = np.array([slab.high_mm - slab.low_mm for slab in slabs])
        steps, counts = np.unique(np.round(sizes, 3), return_counts=True)
        usual = np.flatnonzero(np.round(sizes, 3) == steps[np.argmax(counts)])
        slab = slabs[int(usual[len(usual) // 2])]
        spacing, centre = slab.high_mm - slab.low_mm, (slab.high_mm + slab.low_mm) / 2
    spacing *= _odd(THINNEST_MM / spacing)
    return spacing / _odd(spacing / THICKEST_MM), centre
