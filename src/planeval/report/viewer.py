"""All slices in three planes: what a page needs to cut and draw them by itself.

The page holds the CT and the dose as volumes and the structures as the polygons of their slabs. It draws
outlines from those polygons (across the drawn planes as the edges of the slabs) and isodose lines from
the dose, so that every line is a vector in every plane.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.case import Case
from planeval.errors import GeometryError
from planeval.model import Structure
from planeval.model.record import EvaluationRecord
from planeval.report.colours import ink
from planeval.report.curves import is_target
from planeval.report.jumps import Jump, jumps_of
from planeval.report.lines import outline_on
from planeval.report.planes import Box, centre_of, orthogonal_planes, view_box
from planeval.report.slices import Level, isodose_levels, reference_dose
from planeval.report.text import visible
from planeval.report.volume import (
    CODE_HU,
    CtVolume,
    DoseVolume,
    ct_volume,
    dose_volume,
    packed,
    slice_heights,
)

__all__ = ["Viewer", "ViewerStructure", "viewer_data", "viewer_of"]

LONGEST_NAME = 64
UNIT_MM = 0.1
"""Coordinates of outlines are whole numbers of this."""

AROUND_MM = 2.0
TOLERANCE_MM = 0.1
"""An outline may be simplified by this much: an eighth of a pixel, or less."""

Floats = NDArray[np.float64]
Slab = list[Any]


@dataclass(frozen=True, slots=True, eq=False)
class ViewerStructure:
    """A structure of the viewer; ``slabs`` are (low mm, high mm, rings), each ring flat differences."""

    name: str
    colour: str
    is_target: bool
    shown: bool
    slabs: tuple[Slab, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Viewer:
    """Everything of the scrollable slices. ``box`` is what the volumes fill, in patient mm."""

    box: Box
    heights_mm: Floats
    ct: CtVolume | None
    dose: DoseVolume | None
    structures: tuple[ViewerStructure, ...]
    levels: tuple[Level, ...]
    rx_gy: float | None
    rx_text: str
    jumps: tuple[Jump, ...]


def viewer_of(case: Case, record: EvaluationRecord, shown: Iterable[str]) -> Viewer | None:
    """Return the viewer with every structure; None where there is nothing to cut.

    ``shown`` are the structures that are drawn from the start.
    """
    centre, box = centre_of(case, record), view_box(case)
    if centre is None or box is None:
        return None
    heights = slice_heights(box, case.image, case.dose)
    ct = ct_volume(box, heights, case.image) if case.image else None
    rx_gy, rx_text = reference_dose(record)
    whole = _box(box, heights, ct)
    first = set(shown)
    return Viewer(
        whole,
        heights,
        ct,
        dose_volume(whole, case.dose) if case.dose else None,
        tuple(
            ViewerStructure(
                each.name,
                ink(each.colour).dark,
                is_target(each.name, each.type),
                each.name in first,
                tuple(_slabs(each, whole, heights)),
            )
            for each in case.structures.values()
        ),
        isodose_levels(record, rx_gy),
        rx_gy,
        rx_text,
        jumps_of(case, record, centre),
    )


def _box(box: Box, heights: Floats, ct: CtVolume | None) -> Box:
    """Return the box of whole pixels and whole slices."""
    ends = (
        float(heights[0] - (heights[1] - heights[0]) / 2),
        float(heights[-1] + (heights[-1] - heights[-2]) / 2),
    )
    (x0, y0), (x1, y1) = box.low[:2], box.high[:2]
    if ct is not None:
        x0, y0 = ct.corner_mm
        x1, y1 = x0 + ct.columns * ct.pixel_mm[0], y0 + ct.rows * ct.pixel_mm[1]
    return Box((x0, y0, ends[0]), (x1, y1, ends[1]))


def _slabs(structure: Structure, box: Box, heights: Floats) -> list[Slab]:
    """Return the solid as slabs along z, from the feet up."""
    stack = structure.stack
    along = stack.frame.axes[2][2]
    try:
        if abs(along) < 1 - 1e-6:
            return _cut_slabs(structure, box, heights)
        slabs = structure.slabs
    except GeometryError:
        return []  # one plane of unknown thickness: the inventory says so
    plane = orthogonal_planes(box, (0.0, 0.0, 0.0))[0]
    found = []
    for slab in slabs:
        ends = sorted((slab.low_mm * along, slab.high_mm * along))
        rings = []
        for part in shapely.get_parts(slab.area):
            for ring in (part.exterior, *part.interiors):
                flat = shapely.get_coordinates(ring)
                points = np.column_stack([flat, np.full(len(flat), slab.low_mm)])
                rings.append(plane.project(stack.frame.to_patient(points)))
        found.append(_slab(ends, rings))
    return sorted((each for each in found if each[2]), key=lambda slab: float(slab[0]))


def _cut_slabs(structure: Structure, box: Box, heights: Floats) -> list[Slab]:
    """Return what axial planes cut from a solid that was drawn in other planes."""
    edges = np.concatenate([[box.low[2]], (heights[1:] + heights[:-1]) / 2, [box.high[2]]])
    low, high = (np.asarray(corner) for corner in structure.bounds_mm)
    around = Box(tuple(low - AROUND_MM), tuple(high + AROUND_MM))
    shift = low[:2] - AROUND_MM - np.asarray(box.low[:2])
    found = []
    for height, foot, head in zip(heights, edges[:-1], edges[1:], strict=True):
        if low[2] <= height <= high[2]:
            plane = orthogonal_planes(around, (0.0, 0.0, float(height)))[0]
            rings = [ring + shift for ring in outline_on(plane, structure)]
            found.append(_slab((float(foot), float(head)), rings))
    return [each for each in found if each[2]]


def _slab(ends: Sequence[float], rings: Iterable[Floats]) -> Slab:
    flat = [_flat(ring) for ring in rings if len(ring) > 3]
    return [round(ends[0], 3), round(ends[1], 3), [ring for ring in flat if len(ring) > 4]]


def _flat(ring: Floats) -> list[int]:
    """Return a ring as x, y of its first point and the differences to the next ones."""
    simple = shapely.get_coordinates(
        shapely.LineString(ring).simplify(TOLERANCE_MM, preserve_topology=False)
    )
    whole = np.round(simple[:-1] / UNIT_MM).astype(int)
    steps = np.diff(whole, axis=0, prepend=0)
    flat: list[int] = steps.ravel().tolist()
    return flat


def viewer_data(viewer: Viewer) -> dict[str, Any]:
    """Return what the page's script needs, as plain data; names are made visible text."""
    slabs = json.dumps([each.slabs for each in viewer.structures], separators=(",", ":"))
    ct, dose = viewer.ct, viewer.dose
    return {
        "low": viewer.box.low,
        "high": viewer.box.high,
        "z": viewer.heights_mm.round(4).tolist(),
        "ct": ct
        and {
            "columns": ct.columns,
            "rows": ct.rows,
            "perPicture": ct.slices_a_picture,
            "means": ct.means,
            "hu": CODE_HU.round(1).tolist(),
            "pictures": ct.pictures,
        },
        "dose": dose
        and {
            "x": dose.x_mm.round(4).tolist(),
            "y": dose.y_mm.round(4).tolist(),
            "z": dose.z_mm.round(4).tolist(),
            "step": dose.step_gy,
            "codes": dose.packed(),
        },
        "rx": viewer.rx_gy,
        "levels": [
            {"gy": each.gy, "colour": each.colour, "limit": each.is_limit, "text": each.text}
            for each in viewer.levels
        ],
        "structures": [
            {
                "name": visible(each.name, LONGEST_NAME),
                "colour": each.colour,
                "target": each.is_target,
                "shown": each.shown,
            }
            for each in viewer.structures
        ],
        "unit": UNIT_MM,
        "slabs": packed(slabs.encode("ascii")),
        "jumps": [each.point_mm for each in viewer.jumps],
    }
