"""A solid as a field whose zero is its surface.

The solid is the loft of :mod:`planeval.geometry.loft`: shapes between the drawn planes, and ends that
taper or are flat. Its sections at rising heights become layers of exact signed distances to their
polygons at the nodes of an in-plane lattice, positive inside; between two layers the field is linear.
So the surface is known to a small part of the lattice step, on the drawn planes and between them,
whatever the plane spacing and whichever way the planes lie.

Where an end lies is only known within one plane spacing. :class:`EndBand` says how far it may be off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.errors import GeometryError
from planeval.geometry.distance import signed_distance
from planeval.geometry.loft import Loft, lofts
from planeval.geometry.stack import ALWAYS, CapReading, PlanarStack, PlaneFrame, Slab

__all__ = ["EndBand", "Solid", "smooth_slabs", "solid_of"]

Area = Any
Floats = NDArray[np.float64]

LATTICE_NODES = 64
"""Nodes along the longer side of a solid; docs/margin-audit.md shows the error this leaves."""

FINEST_MM, COARSEST_MM = 0.1, 1.5
EDGE_MM = 0.02
"""Layers stand this close to both sides of a height where the section jumps, such as a flat end."""

JUMP_SHARE = 0.05
"""A section that changes by more of its area over such a step jumps."""

SECTION_MM = 1.5
"""Sections of the loft stand this close together; between them a sphere of 20 mm loses 0.02 mm."""

TIP_SHARE = 0.4
"""An end whose section at nine tenths of its way has less than this of the end plane's is a tip."""

TIP_PART = 0.25
"""Part of a plane spacing within which a tip that the areas lead to is taken to be known."""

SLAB_MM = 1.5

BEYOND_MM = -1e3


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


def solid_of(
    stack: PlanarStack,
    step_mm: float | None = None,
    *,
    caps: Literal["half", "none", "tapered"] = "half",
) -> Solid:
    """Return the solid of a stack: drawn planes, or the slabs of a derived one.

    ``step_mm`` is the in-plane distance of nodes, by default the longer side / 64, between 0.1 and
    1.5 mm.

    Raises :class:`GeometryError` for an empty stack and for one plane of unknown thickness.
    """
    readings = _chosen(stack, caps)
    loft = readings[CapReading.CHOSEN]
    u0, v0, u1, v1 = shapely.total_bounds([area for _, area in _sections(loft, np.inf)])
    step = step_mm or float(np.clip(max(u1 - u0, v1 - v0) / LATTICE_NODES, FINEST_MM, COARSEST_MM))
    u = np.arange(u0 - 2.3 * step, u1 + 2.3 * step, step)
    v = np.arange(v0 - 2.7 * step, v1 + 2.7 * step, step)
    w, values = _layers(_sections(loft, step), u, v)
    low, high = (_end(readings, side) for side in (0, 1))
    return Solid(stack.frame, u, v, w, values, low, high)


def smooth_slabs(stack: PlanarStack) -> PlanarStack:
    """Return the smooth solid of a stack as slabs of about 1.5 mm, each its middle section.

    A derived stack whose slabs are as thin stays as it is. Raises :class:`GeometryError` as
    :func:`solid_of` does.
    """
    chosen = stack.chosen_slabs()
    thickness = [slab.high_mm - slab.low_mm for slab in chosen]
    if not stack.planes and chosen and np.median(thickness) <= SLAB_MM:
        return PlanarStack(stack.frame, slabs=[replace(s, readings=ALWAYS) for s in chosen])
    loft = _chosen(stack, "half")[CapReading.CHOSEN]
    slabs = []
    for low, high in loft.runs:
        edges = np.linspace(low, high, max(2, round((high - low) / SLAB_MM)) + 1)
        for bottom, top in pairwise(edges.tolist()):
            area = _joined(loft.at((bottom + top) / 2))
            if not area.is_empty:
                slabs.append(Slab(bottom, top, area))
    return PlanarStack(stack.frame, slabs=slabs)


def _chosen(
    stack: PlanarStack, caps: Literal["half", "none", "tapered"]
) -> Mapping[CapReading, Loft]:
    """Return the lofts of a stack that has one. Raises :class:`GeometryError` else."""
    if stack.planes and stack.spacing_mm is None:
        raise GeometryError(
            "one drawn plane and no stated thickness (ContourSlabThickness, slice spacing): "
            "where its solid ends is unknown"
        )
    readings = {} if stack.is_empty else lofts(stack, caps)
    if CapReading.CHOSEN not in readings:
        raise GeometryError("there is nothing solid: no contour encloses an area")
    return readings


def _sections(loft: Loft, step_mm: float) -> list[tuple[float, Area]]:
    """Return (height, area) of sections, rising; two of them where the section jumps.

    Pieces join at heights where their sections are known without computing a shape in between. A
    height where the pieces below and above have different areas is a jump. An infinite step gives
    the ends of pieces alone.
    """
    found: dict[float, Area] = {}
    bounds = sorted({edge for piece in loft.pieces for edge in (piece.low_mm, piece.high_mm)})
    last = -np.inf
    for height in bounds:
        below = [
            piece.at(height) for piece in loft.pieces if piece.low_mm < height <= piece.high_mm
        ]
        above = [
            piece.at(height) for piece in loft.pieces if piece.low_mm <= height < piece.high_mm
        ]
        sizes = [sum(area.area for area in areas) for areas in (below, above)]
        if abs(sizes[0] - sizes[1]) > JUMP_SHARE * max(sizes):
            found[height - EDGE_MM] = _joined(below)
            found[height + EDGE_MM] = _joined(above)
        elif height - last >= SECTION_MM - EDGE_MM or height in (bounds[0], bounds[-1]):
            found[height] = _joined(below)
            last = height
    if np.isfinite(step_mm):
        known = np.array(list(found))
        for piece in loft.pieces:
            for height in piece.heights(lambda *_: max(step_mm, SECTION_MM)).tolist():
                if (
                    piece.low_mm < height < piece.high_mm
                    and height not in found
                    and np.abs(known - height).min() > 1.01 * EDGE_MM
                ):
                    found[height] = _joined(loft.at(height))
    return sorted(found.items(), key=lambda each: each[0])


def _joined(areas: Sequence[Area]) -> Area:
    """Return one area of the sections of several pieces."""
    solid = [area for area in areas if not area.is_empty]
    return solid[0] if len(solid) == 1 else shapely.union_all(solid)


def _layers(sections: list[tuple[float, Area]], u: Floats, v: Floats) -> tuple[Floats, Floats]:
    """Return heights and fields of sections, with layers of nothing beyond the first and last.

    Where a section is empty beside one that is not, its field is the other's turned to the outside:
    the surface then lies halfway between the two.
    """
    ends = (
        [(sections[0][0] - EDGE_MM, shapely.Polygon())],
        [(sections[-1][0] + EDGE_MM, shapely.Polygon())],
    )
    rows = [*ends[0], *sections, *ends[1]]
    known = [None if area.is_empty else signed_distance(area, u, v) for _, area in rows]
    step = float(u[1] - u[0])
    heights, fields = [], []
    for number, (height, _) in enumerate(rows):
        field = known[number]
        if field is None:
            beside = [f for f in known[max(number - 1, 0) : number + 2] if f is not None]
            field = (
                -np.abs(np.maximum.reduce(beside)) if beside else np.full((len(v), len(u)), -step)
            )
        heights.append(height)
        fields.append(field)
    return _filled(np.array(heights), np.stack(fields), step)


def _filled(heights: Floats, fields: Floats, step: float) -> tuple[Floats, Floats]:
    """Put layers in between, linear in height, where two lie further apart than 1.5 steps."""
    all_heights, all_fields = [heights[:1]], [fields[:1]]
    for (low, high), (below, above) in zip(pairwise(heights), pairwise(fields), strict=True):
        count = max(1, int(np.ceil((high - low) / (1.5 * step))))
        shares = np.arange(1, count + 1) / count
        all_heights.append(low + shares * (high - low))
        all_fields.append(below + shares[:, None, None] * (above - below))
    return np.concatenate(all_heights), np.concatenate(all_fields)


def _end(readings: Mapping[CapReading, Loft], side: int) -> EndBand:
    """Return the lower (0) or upper (1) end: with no caps, as chosen, with one spacing more."""
    pick = max if side else min
    chosen = readings[CapReading.CHOSEN]
    taken = pick(run[side] for run in chosen.runs)
    ends = [
        pick(run[side] for run in readings.get(reading, chosen).runs)
        for reading in (CapReading.NONE, CapReading.FULL)
    ]
    drawn, furthest = ends
    reach = abs(furthest - drawn)
    near, plane = (_joined(chosen.at(at)).area for at in (0.9 * taken + 0.1 * drawn, drawn))
    known = TIP_PART * reach if near < TIP_SHARE * plane else reach
    return EndBand(drawn, taken, min(known, abs(taken - drawn)), min(known, abs(furthest - taken)))
