"""The body far from a target: all of it, or no more than where its largest dose can be.

The largest dose of the far body is that of a small part of it, just beyond the target's reach. Any
lattice node there bounds that dose from below; the far body outside the box of all doses that high
cannot hold the maximum, and need not be computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.dose.isodose import IsodoseMap
from planeval.geometry.booleans import combine
from planeval.geometry.reach import within_reach
from planeval.geometry.rings import solid_part
from planeval.geometry.stack import DrawnPlane, PlanarStack, Slab
from planeval.model import Method, Structure

__all__ = ["FAR_MM", "body_beyond", "hottest_beyond"]

FAR_MM = 20.0
"""D2cm is asked of the body beyond this distance from its target."""

EVERY = 2
"""Every second node along each axis is looked at: the bound is a little lower, the look eight times
shorter."""

BELOW = 0.9
"""The box holds doses from this share of the bound on, so that the numbers beside the maximum (bands,
the sections next to it) are those of the whole far body too."""

MORE_PLANES = 2
"""So many plane spacings more are kept, so that where the box cuts is no end of the body."""


def body_beyond(body: Structure, target: Structure) -> Structure:
    """Return the body without everything within 20 mm of the target.

    Raises :class:`~planeval.errors.GeometryError` for planes that are not parallel.
    """
    return _without(body, body.stack, _near(target), target)


def hottest_beyond(body: Structure, target: Structure, doses: IsodoseMap) -> Structure:
    """Return as much of :func:`body_beyond` as has the same largest dose.

    ``doses`` are those on the target's planes; the body must lie within them. Raises as
    :func:`body_beyond` does.
    """
    near = _near(target)
    stack = body.stack
    if target.stack.frame.is_same(stack.frame):
        least = _a_far_dose(stack, near, target.method, doses)
        box = doses.box(BELOW * least) if least > 0 else None
        stack = _cut(stack, box) if box is not None else stack
    return _without(body, stack, near, target)


def _near(target: Structure) -> PlanarStack:
    method = target.method
    return within_reach(target.stack, FAR_MM, caps=method.caps, between=method.between)


def _without(
    body: Structure, stack: PlanarStack, near: PlanarStack, target: Structure
) -> Structure:
    method = target.method
    rest = combine(stack, near, shapely.difference, caps=method.caps, between=method.between)
    name = f"{body.name} - ({target.name} + {FAR_MM:g} mm)"
    return Structure(name, rest, origin="derived", method=method)


def _a_far_dose(stack: PlanarStack, near: PlanarStack, method: Method, doses: IsodoseMap) -> float:
    """Return the largest dose at every second node that lies in the far body, 0 without any."""
    inside = _Sections(stack.chosen_slabs(method.caps, method.between))
    reach = _Sections(near.chosen_slabs())
    nodes, lattice = doses.nodes, doses.lattice
    v, u = (
        m.ravel() for m in np.meshgrid(lattice.v_mm[::EVERY], lattice.u_mm[::EVERY], indexing="ij")
    )
    largest = 0.0
    for k in range(0, len(lattice.w_mm), EVERY):
        gy = np.nan_to_num(nodes[k, ::EVERY, ::EVERY].ravel())
        height = float(lattice.w_mm[k])
        rivals = np.flatnonzero(gy > largest)
        rivals = rivals[inside.holds(height, u[rivals], v[rivals])]
        rivals = rivals[~reach.holds(height, u[rivals], v[rivals])]
        largest = max(largest, float(gy[rivals].max(initial=0.0)))
    return largest


@dataclass(frozen=True, slots=True, eq=False)
class _Sections:
    """The sections of a solid, asked for points."""

    slabs: tuple[Slab, ...]

    def holds(self, height_mm: float, u: NDArray[Any], v: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether points at a height lie in the solid, its faces included."""
        found = np.zeros(len(u), dtype=bool)
        for slab in self.slabs:
            if slab.low_mm <= height_mm <= slab.high_mm:
                found |= shapely.intersects_xy(slab.area, u, v)
        return found


def _cut(stack: PlanarStack, box: tuple[NDArray[np.float64], NDArray[np.float64]]) -> PlanarStack:
    """Cut a stack to a box (u, v, w low and high), but for some planes more at its ends."""
    (u0, v0, w0), (u1, v1, w1) = box[0].tolist(), box[1].tolist()
    more = MORE_PLANES * (stack.spacing_mm or 0.0)
    window = shapely.box(u0, v0, u1, v1)
    if stack.planes:
        planes = [p for p in stack.planes if w0 - more <= p.offset_mm <= w1 + more]
        areas = map(solid_part, shapely.intersection([p.area for p in planes], window))
        cut = [
            DrawnPlane(plane.offset_mm, area)
            for plane, area in zip(planes, areas, strict=True)
            if not area.is_empty
        ]
        return PlanarStack(stack.frame, cut, spacing_mm=stack.spacing_mm)
    slabs = [s for s in stack.slabs() if s.low_mm <= w1 and s.high_mm >= w0]
    areas = map(solid_part, shapely.intersection([s.area for s in slabs], window))
    return PlanarStack(
        stack.frame,
        slabs=[
            Slab(s.low_mm, s.high_mm, area, s.readings)
            for s, area in zip(slabs, areas, strict=True)
            if not area.is_empty
        ],
    )
