"""From an ROI's contours and plane frame to its planar stack, with what was found on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planeval.dicom.codes import finding
from planeval.dicom.frames import height_ranges
from planeval.geometry.grid import Grid, usual_step
from planeval.geometry.rings import RingNotes, plane_areas
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack, PlaneFrame
from planeval.model import Finding

__all__ = ["Solid", "make_solids"]

Points = NDArray[np.float64]

SAME_PLANE_MM = 0.01
"""Contours whose heights differ by no more lie in one plane."""

_PARALLEL = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """What a stack is made from: (n, 3) contours, flat in ``frame``, and what the file states."""

    name: str
    frame: PlaneFrame
    contours: Sequence[Points]
    is_xor: bool
    stated_spacing_mm: float | None = None
    slab_thickness_mm: float | None = None


def make_solids(
    solids: Sequence[Solid], image: Grid | None
) -> list[tuple[PlanarStack | str, list[Finding]]]:
    """Return the stack of each solid, or the reason why it has none, with what was found on the way.

    The rings of all solids are combined in one batch.
    """
    planes: list[list[Points]] = []
    rules: list[bool] = []
    heights: list[list[float]] = []
    for solid in solids:
        grouped = _by_height(solid)
        heights.append([height for height, _rings in grouped])
        planes.extend(rings for _height, rings in grouped)
        rules.extend([solid.is_xor] * len(grouped))
    areas = iter(plane_areas(planes, rules))
    made: list[tuple[PlanarStack | str, list[Finding]]] = []
    for solid, own in zip(solids, heights, strict=True):
        results = [next(areas) for _height in own]
        drawn = [
            DrawnPlane(height, area)
            for height, (area, _notes) in zip(own, results, strict=True)
            if not area.is_empty
        ]
        findings: list[Finding] = []
        made.append(
            (_made(solid, drawn, [notes for _, notes in results], image, findings), findings)
        )
    return made


def _made(
    solid: Solid,
    drawn: Sequence[DrawnPlane],
    notes: Sequence[RingNotes],
    image: Grid | None,
    findings: list[Finding],
) -> PlanarStack | str:
    """Make the stack of a solid's planes."""
    if not drawn:
        _report_rings(solid, notes, 1.0, findings)
        return "its contours enclose no area"
    stack = _stack(solid, drawn, image, findings)
    if stack.spacing_mm is None:
        return (
            "it is drawn on one plane, and neither ContourSlabThickness nor an image states "
            "how thick it is: its volume is unknown"
        )
    _report_rings(solid, notes, stack.spacing_mm, findings)
    _report_stack(solid, stack, findings)
    return stack


def _by_height(solid: Solid) -> list[tuple[float, list[Points]]]:
    """Group a solid's rings by the height of their plane, rising; rings are in plane mm."""
    if solid.frame is AXIAL:
        flat = list(solid.contours)
    else:
        flat = [solid.frame.to_plane(points) for points in solid.contours]
    low, high = height_ranges(flat)
    heights = (low + high) / 2
    order = np.argsort(heights, kind="stable")
    groups: list[list[int]] = []
    for index in order:
        if groups and heights[index] - heights[groups[-1][0]] <= SAME_PLANE_MM:
            groups[-1].append(int(index))
        else:
            groups.append([int(index)])
    return [
        (float(heights[group[len(group) // 2]]), [flat[index][:, :2] for index in sorted(group)])
        for group in groups
    ]


def _stack(
    solid: Solid, drawn: Sequence[DrawnPlane], image: Grid | None, findings: list[Finding]
) -> PlanarStack:
    """Make the stack with the plane spacing that is stated, or that a single plane needs."""
    spacing = solid.stated_spacing_mm
    if len(drawn) == 1 and spacing is None:
        spacing, origin = solid.slab_thickness_mm, "ContourSlabThickness"
        if not spacing:
            spacing, origin = _image_spacing(solid.frame, image), "the image's slice spacing"
        if spacing:
            message = f"drawn on one plane; {spacing:g} mm thick by {origin}"
            findings.append(finding("single-plane", message, solid.name))
    return PlanarStack(solid.frame, drawn, spacing_mm=spacing or None)


def _image_spacing(frame: PlaneFrame, image: Grid | None) -> float | None:
    """Return the median slice spacing of an image whose planes are parallel to the frame's."""
    if image is None or len(image.offsets_mm) < 2:
        return None
    if abs(abs(float(frame.axes[2] @ image.axes[2])) - 1) > _PARALLEL:
        return None
    return usual_step(np.asarray(image.offsets_mm))


def _report_rings(
    solid: Solid, notes: Sequence[RingNotes], spacing_mm: float, findings: list[Finding]
) -> None:
    """Report what was found in the planes of one solid, in cc where that can be said."""
    per_cc = spacing_mm / 1000.0
    nested = sum(n.nested for n in notes)
    if nested:
        cc = sum(n.filled_extra_mm2 for n in notes) * per_cc
        message = (
            f"{nested} nested contours are taken as holes; filled, the volume is {cc:.2f} cc more"
        )
        findings.append(finding("nested-contours", message, solid.name))
    duplicates = sum(n.duplicates for n in notes)
    if duplicates:
        effect = "they cancel by the XOR rule" if solid.is_xor else "each counts once"
        message = f"{duplicates} contours repeat another of the same plane; {effect}"
        findings.append(finding("duplicate-contour", message, solid.name))
    overlaps = sum(n.overlaps for n in notes)
    if overlaps:
        cc = sum(n.overlap_mm2 for n in notes) * per_cc
        message = f"{overlaps} pairs of contours overlap partly ({cc:.2f} cc) and are united"
        findings.append(finding("overlapping-contours", message, solid.name))
    crossings = sum(n.crossings for n in notes)
    if crossings:
        cc = sum(n.crossing_mm2 for n in notes) * per_cc
        message = (
            f"{crossings} contours wind around a part twice; it is left out by the even-odd rule "
            f"({cc:.2f} cc)"
        )
        findings.append(finding("self-crossing-contour", message, solid.name))
    without_area = sum(n.without_area for n in notes)
    if without_area:
        message = f"{without_area} contours enclose no area and are left out"
        findings.append(finding("contour-dropped", message, solid.name))


def _report_stack(solid: Solid, stack: PlanarStack, findings: list[Finding]) -> None:
    """Report gaps and planes that are not axial."""
    gaps = stack.gaps()
    if gaps:
        places = ", ".join(f"{gap.low_mm:.1f} to {gap.high_mm:.1f} mm" for gap in gaps[:5])
        cc = sum(gap.filling_cc for gap in gaps)
        message = (
            f"{len(gaps)} gaps between planes ({places}{', ...' if len(gaps) > 5 else ''}) are not "
            f"filled; filling would add about {cc:.2f} cc"
        )
        findings.append(finding("contour-gap", message, solid.name))
    if solid.frame is not AXIAL:
        normal = ", ".join(f"{c:.4f}" for c in stack.frame.axes[2])
        message = f"drawn in planes with normal ({normal}), not in axial ones"
        findings.append(finding("oblique-contours", message, solid.name))
