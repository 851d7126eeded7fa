"""From shapes and sampled fields to planar contours, as a planner would have drawn them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from shapely.geometry import LinearRing, Polygon
from skimage.measure import find_contours

from phantom.anatomy import Patient
from phantom.shapes import Array

# One closed loop of (x, y) millimetres; all loops of a structure by the z of their plane.
Contours = dict[float, list[Array]]

SMALLEST_AREA_MM2 = 25.0


def loops_at_zero(values: Array, x_mm: Array, y_mm: Array, *, tolerance_mm: float) -> list[Array]:
    """The outer zero lines of a field sampled on (y, x), below zero inside.

    Thinned so that no point moves by more than `tolerance_mm` and rounded to 0.01 mm. Specks below
    25 mm2 are dropped and enclosed voids are filled: nobody draws them.
    """
    rings = []
    for rows_columns in find_contours(values, 0.0):
        x = np.interp(rows_columns[:, 1], np.arange(x_mm.size), x_mm)
        y = np.interp(rows_columns[:, 0], np.arange(y_mm.size), y_mm)
        ring = Polygon(LinearRing(np.column_stack([x, y])).simplify(tolerance_mm))
        rounded = Polygon(np.round(np.asarray(ring.exterior.coords), 2))
        if rounded.is_valid and rounded.area >= SMALLEST_AREA_MM2:
            rings.append(rounded)
    outer = [r for r in rings if not any(o is not r and o.contains(r) for o in rings)]
    return [np.asarray(r.exterior.coords)[:-1] for r in outer]


def draw_organs(
    patient: Patient,
    names: Iterable[str],
    planes_mm: Array,
    *,
    step_mm: float,
    drawn_mm: tuple[float, float],
    tolerance_mm: float,
) -> dict[str, Contours]:
    """Contours of the named organs on the given planes; all but the body stay within `drawn_mm`."""
    half_width, half_depth = patient.body_half_axes_mm
    ox, oy, _ = patient.anatomy.origin_mm
    x_mm = np.arange(ox - half_width - 22.0, ox + half_width + 23.0, step_mm)
    y_mm = np.arange(oy - half_depth - 22.0, oy + half_depth + 23.0, step_mm)
    drawn: dict[str, Contours] = {name: {} for name in names}
    for z in planes_mm.tolist():
        points = patient.slice_points(x_mm, y_mm, z)
        for name, planes in drawn.items():
            if name != "External" and not drawn_mm[0] <= z <= drawn_mm[1]:
                continue
            values = points.of(patient.organs[name])
            loops = loops_at_zero(values, x_mm, y_mm, tolerance_mm=tolerance_mm)
            if loops:
                planes[z] = loops
    return drawn


def draw_field(
    slice_at: Callable[[float], Array],
    axes_mm: tuple[Array, Array],
    planes_mm: Array,
    *,
    tolerance_mm: float,
) -> Contours:
    """Contours of a field given slice by slice on (x, y) axes."""
    drawn = {}
    for z in planes_mm.tolist():
        loops = loops_at_zero(slice_at(z), *axes_mm, tolerance_mm=tolerance_mm)
        if loops:
            drawn[z] = loops
    return drawn
