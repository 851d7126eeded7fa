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
enough together for the union to miss about 0.02 mm between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import shapely

from planeval.errors import GeometryError
from planeval.geometry.element import Element, Lengths
from planeval.geometry.loft import lofts
from planeval.geometry.rings import simplified, solid_part
from planeval.geometry.stack import CapReading, PlanarStack, PlaneFrame, Slab
from planeval.geometry.sweep import Sweep
from planeval.side_by_side import in_processes

__all__ = ["LONGEST_MM", "Margins", "expand"]

Area = Any

LONGEST_MM = 200.0
"""A longer margin is a mistake, such as cm taken for mm."""

THICKEST_MM, THINNEST_MM = 1.5, 0.25
"""Slabs of the result: the plane spacing divided by an odd number, or times one, within these."""

SIMPLER_MM = 0.01
"""Outlines of the result keep to within this distance of what was computed."""

TOUCH_MM = 1e-6


@dataclass(frozen=True, slots=True)
class Margins:
    """Six lengths in mm, outward positive: all >= 0 grow, all <= 0 shrink.

    Patient axes (LPS): left +x, posterior +y, superior +z, for every patient position and plane.
    A length below a millionth of a mm is 0.

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
        for name, length in self._named().items():
            if 0 < abs(length) < TOUCH_MM:  # nothing but rounding of an expression's arithmetic
                object.__setattr__(self, name, 0.0)

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


SHARES = 4
"""Sections are made in so many shares of equal work, side by side."""


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
    sweep = Sweep(lofts(stack, caps), _element(margins, stack.frame), inward=margins.is_inward)
    by_height = _Own(own)
    intervals = _intervals(stack, own, sweep)

    def made(nth: int) -> list[Slab]:
        """Every second interval: neighbours are about as much work as each other."""
        return [
            slab
            for low, high in intervals[nth::SHARES]
            for slab in _slabs(sweep, by_height, low, high)
        ]

    slabs = [slab for share in in_processes(made, range(SHARES)) for slab in share]
    return PlanarStack(stack.frame, spacing_mm=stack.spacing_mm, slabs=slabs)


def _element(margins: Margins, frame: PlaneFrame) -> Element:
    """The body that moves over the solid, or over its complement (reflected) to shrink it."""
    plus = abs(margins.left), abs(margins.posterior), abs(margins.superior)
    minus = abs(margins.right), abs(margins.anterior), abs(margins.inferior)
    return Element(Lengths(minus, plus) if margins.is_inward else Lengths(plus, minus), frame)


def _intervals(stack: PlanarStack, own: Sequence[Slab], sweep: Sweep) -> list[tuple[float, float]]:
    """Heights of the result's slabs, rising, before its ends are cut."""
    thickness, centre = _slab_lattice(stack, own)
    ends = [sweep.ends(reading) for reading in sweep.readings]
    ends += [(slab.low_mm, slab.high_mm) for slab in own]
    lowest, highest = min(low for low, _ in ends), max(high for _, high in ends)
    first = int(np.floor((lowest - centre) / thickness + 0.5))
    last = int(np.ceil((highest - centre) / thickness - 0.5))
    middles = centre + thickness * np.arange(first, last + 1)
    return [(m - thickness / 2, m + thickness / 2) for m in middles.tolist()]


class _Own:
    """The solid's own slabs, found by height."""

    def __init__(self, slabs: Sequence[Slab]) -> None:
        self._slabs = slabs
        self._low = np.array([slab.low_mm for slab in slabs]) + TOUCH_MM
        self._high = np.array([slab.high_mm for slab in slabs]) - TOUCH_MM
        self._readings = np.array([int(slab.readings) for slab in slabs])

    def within(self, low_mm: float, high_mm: float, reading: CapReading) -> list[Slab]:
        """Slabs of a reading that share an interval of height."""
        is_near = (self._low < high_mm) & (self._high > low_mm)
        is_near &= (self._readings & int(reading)) != 0
        return [self._slabs[index] for index in np.flatnonzero(is_near).tolist()]


def _slabs(sweep: Sweep, own: _Own, low_mm: float, high_mm: float) -> Iterator[Slab]:
    """The slabs of the result between two heights: one for all cap readings, or several."""
    made: dict[tuple[float, float, int], tuple[Area, CapReading]] = {}
    made_of: dict[tuple[int, ...], Area] = {}
    for reading in sweep.readings:
        within = own.within(low_mm, high_mm, reading)
        low, high = _cut_height(low_mm, high_mm, within, sweep, reading)
        if high - low < TOUCH_MM:
            continue
        area = sweep.section((low + high) / 2, reading)
        key = (id(area), *(id(slab.area) for slab in within))
        if key not in made_of:
            made_of[key] = _bounded(area, [slab.area for slab in within], inward=sweep.inward)
        area = made_of[key]
        if not area.is_empty:
            before = made.get((low, high, id(area)), (area, CapReading(0)))[1]
            made[low, high, id(area)] = area, before | reading
    for (low, high, _), (area, readings) in made.items():
        yield Slab(low, high, area, readings)


def _cut_height(
    low_mm: float, high_mm: float, own: Sequence[Slab], sweep: Sweep, reading: CapReading
) -> tuple[float, float]:
    """The part of an interval of height that the result fills.

    A grown solid reaches at least as far as its own slabs, a shrunk one at most.
    """
    bottom, top = sweep.ends(reading)
    lowest = min((slab.low_mm for slab in own), default=np.inf)
    highest = max((slab.high_mm for slab in own), default=-np.inf)
    if sweep.inward:
        return max(low_mm, bottom, lowest), min(high_mm, top, highest)
    return max(low_mm, min(bottom, lowest)), min(high_mm, max(top, highest))


def _bounded(area: Area, own: Sequence[Area], *, inward: bool) -> Area:
    """Let a grown section contain the solid's own, and a shrunk one lie within it."""
    area = simplified(area, SIMPLER_MM)
    if not inward:
        missing = [part for part in own if not area.covers(part)]
        return solid_part(shapely.union_all([area, *missing])) if missing else area
    for part in own:
        area = area if part.covers(area) else solid_part(shapely.intersection(area, part))
    return area if own else shapely.Polygon()


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
