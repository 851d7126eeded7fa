"""Lines on a picture: the outlines of solids, isodose lines, their labels, and SVG path data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.model import Structure
from planeval.report.planes import PicturePlane, inside_on

__all__ = ["label_place", "outline_on", "svg_path", "traced"]

OUTLINE_STEP_MM = 0.7
TOLERANCE_MM = 0.15
"""A line may be simplified by this much: less than a third of a pixel."""

LABEL_ROOM = (0.075, 0.028)
LABEL_EDGE = 0.04
"""Room of a label and its distance from the edge, as parts of the picture's width."""

Floats = NDArray[np.float64]
Spot = tuple[float, float]


def outline_on(plane: PicturePlane, structure: Structure) -> list[Floats]:
    """Return the outline of a solid on a plane as rings of picture mm.

    On a plane parallel to the drawn ones these are the drawn contours; across them it is the edge
    of the slabs, followed at 0.7 mm.
    """
    stack = structure.stack
    along = stack.frame.axes[2][plane.axis]
    if abs(along) < 1 - 1e-6:
        return traced(inside_on(plane, structure, OUTLINE_STEP_MM).astype(float), 0.5)
    height = plane.position_mm * along
    rings = []
    for slab in structure.slabs:
        if slab.low_mm <= height < slab.high_mm:
            for part in shapely.get_parts(slab.area):
                for ring in (part.exterior, *part.interiors):
                    flat = shapely.get_coordinates(ring)
                    points = np.column_stack([flat, np.full(len(flat), height)])
                    rings.append(plane.project(stack.frame.to_patient(points)))
    return rings


def traced(values: Floats, level: float, step_mm: float = OUTLINE_STEP_MM) -> list[Floats]:
    """Return the lines of a level in sampled values, as picture mm."""
    from skimage.measure import find_contours  # noqa: PLC0415 - loads where it is used

    return [np.asarray(line[:, ::-1] * step_mm) for line in find_contours(values, level)]


def label_place(lines: Sequence[Floats], taken: Sequence[Spot], plane: PicturePlane) -> Spot | None:
    """Return a point on the longest line that is clear of other labels and of the edges."""
    longest = max(lines, key=len)
    edge = LABEL_EDGE * plane.width_mm
    wide, high = (part * plane.width_mm for part in LABEL_ROOM)
    # each level starts its search a golden angle further, so that labels spread around the target
    start = int(len(taken) * 0.618 * len(longest))
    for offset in range(0, len(longest), max(1, len(longest) // 48)):
        x, y = (float(part) for part in longest[(start + offset) % len(longest)])
        inside = edge < x < plane.width_mm - edge and edge < y < plane.height_mm - edge
        clear = all(abs(x - a) > wide or abs(y - b) > high for a, b in taken)
        if inside and clear:
            return x, y
    return None


def svg_path(lines: Iterable[Floats], *, closed: bool) -> str:
    """Return SVG path data, simplified, to a tenth of a millimetre."""
    parts = []
    for line in lines:
        if len(line) < 3:
            continue
        simple = shapely.get_coordinates(shapely.LineString(line).simplify(TOLERANCE_MM))
        ring = closed or bool(np.allclose(line[0], line[-1]))
        points = simple[:-1] if ring else simple
        if len(points) > 1:
            steps = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
            parts.append(f"M{steps}{'Z' if ring else ''}")
    return "".join(parts)
