"""Whether the structures can be: inside the body, in one piece, on the images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.checks.codes import finding
from planeval.checks.outcome import Seen, listed
from planeval.checks.subject import Subject
from planeval.errors import GeometryError
from planeval.geometry.booleans import combine
from planeval.geometry.grid import Grid, usual_step
from planeval.geometry.outlines import slice_heights
from planeval.geometry.parts import part_volumes_cc
from planeval.geometry.stack import volume_cc
from planeval.metrics.recognition import is_target
from planeval.model import Finding, Structure

__all__ = ["cut_by_scan", "image_extent", "outside_body", "parts"]

OUTSIDE_SHARE, OUTSIDE_CC = 0.01, 0.1
"""What of a structure may lie outside the body: outlines of skin are redrawn and simplified."""

ONE_PIECE = (
    "Liver", "Stomach", "Esophagus", "Heart", "Spleen", "Pancreas", "Gallbladder", "Bladder",
    "Kidney_L", "Kidney_R", "Lung_L", "Lung_R", "SpinalCord", "SpinalCanal", "A_Aorta",
)  # fmt: skip
_TWO_PIECES = ("Kidneys", "Lungs")
MOST_PARTS = dict.fromkeys(ONE_PIECE, 1) | dict.fromkeys(_TWO_PIECES, 2)
"""How many parts an organ can have at most; what is not here is not checked."""

WHOLE = ("Liver", "Liver-GTV", "Kidney_L", "Kidney_R", "Kidneys", "Lung_L", "Lung_R", "Lungs")
"""Organs judged by their mean, by a share of their volume, or by the volume that is spared."""

LEAST_PART_CC = 0.005
"""Smaller parts are rounding of contours, not something drawn."""
STRAY_SHARE, STRAY_CC = 0.01, 0.1
"""A part of a target below both is more likely a forgotten contour than a lesion."""

SAME_MM = 1e-6

OFF_SLICE_SHARE = 0.25
"""A contour plane farther from every slice than this share of their spacing is between slices."""


def outside_body(subject: Subject) -> Seen | str:
    """Organs and targets lie inside the body, but for what redrawn outlines leave."""
    body = subject.body()
    if isinstance(body, str):
        return body
    solids = [each for each in subject.anatomy() if each is not body]
    found, strange = [], 0
    for solid in solids:
        cc = _outside_cc(solid, body)
        if cc is None:
            strange += 1
        elif cc > max(OUTSIDE_CC, OUTSIDE_SHARE * solid.volume_cc):
            code = "structure-outside-body"
            if is_target(solid.name, solid.type):
                code = "target-outside-body"
            message = (
                f"{cc:.2f} of {solid.volume_cc:.2f} cc "
                f"({100 * cc / solid.volume_cc:.1f} %) lie outside {body.name}"
            )
            found.append(finding(code, message, solid.name))
    rest = f"; {strange} not comparable (other planes)" if strange else ""
    return Seen(f"{len(solids) - strange} structures against {body.name}{rest}", tuple(found))


def _outside_cc(solid: Structure, body: Structure) -> float | None:
    """Return the volume outside the body, None where the planes are not parallel."""
    method = solid.method
    try:
        if solid.stack.frame.is_same(body.stack.frame) and _is_covered(solid, body):
            return 0.0  # as most organs: what is left of them need not be made
        rest = combine(
            solid.stack,
            body.stack,
            shapely.difference,
            caps=method.caps,
            between=method.between,
        )
    except GeometryError:
        return None
    return volume_cc(rest)


def _is_covered(solid: Structure, body: Structure) -> bool:
    """Whether slabs of the body cover every slab of a solid over all of its height."""
    inner, outer = (
        each.stack.chosen_slabs(solid.method.caps, solid.method.between) for each in (solid, body)
    )
    low, high = (np.array([getattr(s, end) for s in outer]) for end in ("low_mm", "high_mm"))
    shapely.prepare([slab.area for slab in outer])
    for slab in inner:
        beside = np.flatnonzero((low < slab.high_mm) & (high > slab.low_mm)).tolist()
        height = sum(
            min(outer[n].high_mm, slab.high_mm) - max(outer[n].low_mm, slab.low_mm) for n in beside
        )
        if height < slab.high_mm - slab.low_mm - SAME_MM:
            return False
        if not all(outer[n].area.covers(slab.area) for n in beside):
            return False
    return True


def parts(subject: Subject) -> Seen | str:
    """Organs in as many parts as they can have, and targets without crumbs."""
    found, looked = [], 0
    for solid in subject.anatomy():
        most = MOST_PARTS.get(subject.named.get(solid.name, ""))
        target = is_target(solid.name, solid.type)
        if most is None and not target:
            continue
        looked += 1
        method = solid.method
        volumes = part_volumes_cc(solid.stack, caps=method.caps, between=method.between)
        found += list(_part_findings(solid.name, volumes, None if target else most))
    if not looked:
        return "no target, and no organ whose number of parts is known"
    return Seen(f"{looked} structures", tuple(found))


def _part_findings(name: str, volumes: tuple[float, ...], most: int | None) -> Iterator[Finding]:
    """Yield what is wrong with the parts of an organ, or of a target where ``most`` is None."""
    real = [cc for cc in volumes if cc >= LEAST_PART_CC]
    sizes = listed(f"{cc:.2f} cc" for cc in real)
    if most is None:
        crumbs = [cc for cc in real[1:] if cc < min(STRAY_CC, STRAY_SHARE * real[0])]
        if crumbs:
            message = f"{len(real)} separate parts, of which {len(crumbs)} are crumbs: {sizes}"
            yield finding("target-stray-part", message, name)
    elif len(real) > most:
        usual = "one part" if most == 1 else f"{most} parts"
        message = f"{len(real)} separate parts where {usual} is expected at most: {sizes}"
        yield finding("parts-unexpected", message, name)


def image_extent(subject: Subject) -> Seen | str:
    """Contours lie within the image series, and on its slices."""
    image = subject.case.image
    if image is None:
        return "there is no image series"
    if subject.has("ct-absent-slices") or subject.has("ct-missing-slices"):
        return "slices of the image series are absent"
    beyond, off, looked = [], [], 0
    for solid in subject.anatomy():
        if not solid.stack.planes:
            continue
        looked += 1
        excess = _beyond_mm(solid, image.grid)
        if excess > 0:
            message = f"contours lie up to {excess:.1f} mm beyond the image series"
            beyond.append(finding("structure-beyond-image", message, solid.name))
        elif distance := _off_slices_mm(solid, image.grid):
            off.append((solid.name, distance))
    if off:
        message = (
            f"most contours of {listed(name for name, _mm in off)} lie between slices, up to "
            f"{max(mm for _name, mm in off):.2f} mm from the nearest; were they drawn on these "
            "images?"
        )
        beyond.append(finding("contours-off-slices", message))
    return Seen(f"{looked} structures on {image.grid.shape[0]} slices", tuple(beyond))


def cut_by_scan(subject: Subject) -> Seen | str:
    """Organs that are judged as a whole do not end where the scan ends.

    An organ that is drawn on the first or last slice may go on beyond it. The volume that is spared
    (CV) is then at least what is stated, as more organ cannot make it less; means and percentages
    are those of the drawn part, and what the rest receives is unknown.
    """
    image = subject.case.image
    if image is None:
        return "there is no image series"
    organs = [
        solid
        for solid in subject.anatomy()
        if subject.named.get(solid.name) in WHOLE and solid.stack.planes
    ]
    found = []
    for organ in organs:
        ends = _ends_of_scan(organ, image.grid)
        if ends:
            message = (
                f"drawn up to the {' and the '.join(ends)} slice of the image series, and may go on "
                "beyond: CV (spared volume) is at least what is stated; mean and percent volumes are "
                "those of the drawn part"
            )
            found.append(finding("organ-cut-by-scan", message, organ.name))
    if not organs:
        return "no liver, kidney or lung"
    return Seen(f"{len(organs)} organs on {image.grid.shape[0]} slices", tuple(found))


def _ends_of_scan(solid: Structure, grid: Grid) -> list[str]:
    """Return which end slices ('first', 'last') of a grid a structure is drawn on or beyond."""
    planes = solid.stack.planes
    points = np.concatenate(
        [
            np.column_stack([uv, np.full(len(uv), plane.offset_mm)])
            for plane in (planes[0], planes[-1])
            if len(uv := shapely.get_coordinates(plane.area))
        ]
    )
    slices = grid.to_index(solid.stack.frame.to_patient(points))[:, 0]
    touched = (("first", slices.min() < 0.5), ("last", slices.max() > grid.shape[0] - 1.5))
    return [name for name, touches in touched if touches]


def _beyond_mm(solid: Structure, grid: Grid) -> float:
    """Return how far contours reach beyond the voxels of a grid, 0 where they do not."""
    planes = solid.stack.planes
    u0, v0, u1, v1 = shapely.total_bounds([plane.area for plane in planes])
    heights = (planes[0].offset_mm, planes[-1].offset_mm)
    corners = np.array([(u, v, w) for u in (u0, u1) for v in (v0, v1) for w in heights])
    indices = grid.to_index(solid.stack.frame.to_patient(corners))
    steps = np.array([_slice_step(grid), grid.row_step_mm, grid.column_step_mm])
    low = (-0.5 - indices).max(axis=0)
    high = (indices - (np.array(grid.shape) - 0.5)).max(axis=0)
    excess = np.maximum(low, high)
    # a contour may run along the edge of a voxel: half a voxel more is needed in plane
    excess[1:] -= 0.5
    return float((excess * steps).max()) if (excess > 0.01).any() else 0.0


def _slice_step(grid: Grid) -> float:
    offsets = np.asarray(grid.offsets_mm)
    return usual_step(offsets) if len(offsets) > 1 else 1.0


def _off_slices_mm(solid: Structure, grid: Grid) -> float:
    """Return the largest distance to the nearest slice if most contour planes lie between slices."""
    heights = slice_heights(solid.stack, grid)
    if not len(heights):
        return 0.0
    planes = np.array([plane.offset_mm for plane in solid.stack.planes])
    distance: NDArray[np.float64] = np.abs(planes[:, None] - heights[None, :]).min(axis=1)
    off = distance > OFF_SLICE_SHARE * _slice_step(grid)
    return float(distance.max()) if off.mean() > 0.5 else 0.0
