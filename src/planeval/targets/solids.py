"""Booleans of named structures: one frame of reference, one method, volumes that are accounted for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
import shapely

from planeval.errors import GeometryError
from planeval.geometry.booleans import combine
from planeval.geometry.grid import Grid
from planeval.geometry.outlines import (
    SAME_HEIGHT_MM,
    continued,
    extent_mm,
    section_at,
    slice_heights,
)
from planeval.geometry.rings import solid_part
from planeval.geometry.stack import CapReading, DrawnPlane, PlanarStack, Slab, volume_cc
from planeval.model import Structure

__all__ = [
    "check_not_empty",
    "common_frame",
    "cut_cc",
    "derived",
    "draw",
    "intersection",
    "moved",
    "union",
    "without",
]

Vector = tuple[float, float, float]

SAME_SHARE = 1e-6
"""Share of a volume below which a difference between two solids is rounding."""


def common_frame(structures: Sequence[Structure]) -> str:
    """Return the frame of reference that the structures state, empty where none does.

    Raises :class:`GeometryError` where two of them state different frames.
    """
    stated = [structure for structure in structures if structure.frame_uid]
    for structure in stated:
        if structure.frame_uid != stated[0].frame_uid:
            raise GeometryError(
                f"structures {stated[0].name!r} and {structure.name!r} lie in different frames of "
                f"reference ({stated[0].frame_uid} and {structure.frame_uid}): they need a "
                "registration before they can be combined"
            )
    return stated[0].frame_uid if stated else ""


def check_not_empty(structure: Structure) -> None:
    """Raise :class:`GeometryError` for a structure without volume: it has no margin."""
    if not structure.volume_cc > 0:
        raise GeometryError(
            f"structure {structure.name!r} is empty: nothing can be expanded from it; draw it, or "
            "leave it away"
        )


def derived(source: Structure, stack: PlanarStack, name: str, expression: str) -> Structure:
    """Return a structure made of a source, in its colour and under its method."""
    return Structure(
        name=name,
        stack=stack,
        colour=source.colour,
        origin="derived",
        expression=expression,
        frame_uid=source.frame_uid,
        method=source.method,
    )


def union(structures: Sequence[Structure], name: str) -> Structure:
    """Return what is in any of the structures."""
    return _combined(structures, shapely.union, name, " | ")


def intersection(structures: Sequence[Structure], name: str) -> Structure:
    """Return what is in all of the structures."""
    return _combined(structures, shapely.intersection, name, " & ")


def without(structures: Sequence[Structure], name: str) -> Structure:
    """Return what is in the first structure and in none of the others."""
    return _combined(structures, shapely.difference, name, " - ")


def _combined(
    structures: Sequence[Structure], operation: Callable[[Any, Any], Any], name: str, sign: str
) -> Structure:
    first = structures[0]
    if len(structures) == 1:
        return derived(first, first.stack, name, first.name)
    frame_uid = common_frame(structures)
    method = first.method

    def joined(one: PlanarStack, other: PlanarStack) -> PlanarStack:
        return combine(one, other, operation, caps=method.caps, between=method.between)

    text = sign.join(structure.name for structure in structures)
    try:
        stack = reduce(joined, (structure.stack for structure in structures))
    except GeometryError as error:
        raise GeometryError(f"{text}: {error}") from error
    drawn = _on_planes(structures, operation, stack)
    return Structure(
        name=name,
        stack=stack if drawn is None else drawn,
        colour=first.colour,
        origin="derived",
        expression=text,
        frame_uid=frame_uid,
        method=method,
    )


def _on_planes(
    structures: Sequence[Structure], operation: Callable[[Any, Any], Any], solid: PlanarStack
) -> PlanarStack | None:
    """Return the same solid as drawn planes, None where it is not what planes stand for.

    Structures drawn on the same slices are combined slice by slice: then a margin knows what was
    drawn and smooths between slices, where slabs would be stairs. The slabs decide: the planes are
    taken only if they stand for exactly the same solid.
    """
    stacks, method = [structure.stack for structure in structures], structures[0].method
    spacing = stacks[0].spacing_mm
    if not all(stack.planes and stack.spacing_mm for stack in stacks) or not spacing:
        return None
    if any(abs((stack.spacing_mm or 0.0) - spacing) > SAME_HEIGHT_MM for stack in stacks):
        return None
    heights = np.sort([plane.offset_mm for stack in stacks for plane in stack.planes])
    heights = heights[np.append(True, np.diff(heights) > SAME_HEIGHT_MM)]
    planes = []
    for height in heights.tolist():
        areas = [_drawn_at(stack, height) for stack in stacks]
        area = solid_part(reduce(operation, areas))
        if not area.is_empty:
            planes.append(DrawnPlane(height, area))
    if not planes:
        return None
    found = PlanarStack(stacks[0].frame, planes, spacing_mm=spacing)
    choice: dict[str, Any] = {"caps": method.caps, "between": method.between}
    differs = combine(found, solid, shapely.symmetric_difference, **choice)
    is_same = volume_cc(differs) <= SAME_SHARE * max(volume_cc(solid, **choice), 1e-3)
    return found if is_same else None


def _drawn_at(stack: PlanarStack, height_mm: float) -> Any:
    for plane in stack.planes:
        if abs(plane.offset_mm - height_mm) <= SAME_HEIGHT_MM:
            return plane.area
    return shapely.Polygon()


def draw(structure: Structure, image: Grid | None, like: Structure) -> Structure:
    """Return a structure drawn on the slices of an image: what a planning system will get of it.

    Without an image, or with slices that are not parallel, the planes of ``like`` are used. Planes go
    on beyond the ends. A solid that meets no plane is returned as it is.
    """
    stack, method = structure.stack, structure.method
    known = slice_heights(stack, image) if image is not None else np.zeros(0)
    if len(known) < 2:
        known = np.array([plane.offset_mm for plane in like.stack.planes])
    if len(known) < 2 or not like.stack.frame.is_same(stack.frame):
        return structure
    choice: dict[str, Any] = {"caps": method.caps, "between": method.between}
    sections = [
        DrawnPlane(height, area)
        for height in continued(known, *extent_mm(stack, **choice)).tolist()
        if not (area := section_at(stack, height, **choice)).is_empty
    ]
    if not sections:
        return structure
    spacing = float(np.median(np.diff(np.sort(known))))
    return replace(structure, stack=PlanarStack(stack.frame, sections, spacing_mm=spacing))


def cut_cc(inner: Structure, outer: Structure) -> float:
    """Return the volume of ``inner`` that lies outside ``outer``, in the method's own reading."""
    rest = without([inner, outer], inner.name)
    method = inner.method
    return volume_cc(rest.stack, CapReading.CHOSEN, caps=method.caps, between=method.between)


def moved(structure: Structure, shift_mm: Vector, name: str) -> Structure:
    """Return the structure moved by a patient LPS vector."""
    stack = structure.stack
    du, dv, dw = stack.frame.to_plane(np.asarray(shift_mm, float)[None])[0].tolist()

    def shifted(area: Any) -> Any:
        return shapely.affinity.translate(area, du, dv)

    planes = [DrawnPlane(plane.offset_mm + dw, shifted(plane.area)) for plane in stack.planes]
    slabs = [
        Slab(slab.low_mm + dw, slab.high_mm + dw, shifted(slab.area), slab.readings)
        for slab in (stack.slabs() if not planes else ())
    ]
    copy = PlanarStack(
        stack.frame, planes, spacing_mm=stack.spacing_mm if planes else None, slabs=slabs
    )
    text = "[" + ", ".join(f"{part:.1f}" for part in shift_mm) + "]"
    return derived(structure, copy, name, f"{structure.name} moved by {text} mm")
