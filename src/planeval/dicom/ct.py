"""CT: one grid from all slices of a series, and HU when they are asked for.

The grid comes from every slice's own position, not from two slices and a count. Where the slices do
not make one volume there is no image, and a finding says why: a DVH does not need it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from planeval.dicom.codes import finding
from planeval.dicom.files import DicomFile, open_file
from planeval.dicom.index import Entry, SliceGeometry
from planeval.dicom.pixels import stored_pixels
from planeval.errors import GeometryError, InconsistentCase, UnreadableFile
from planeval.geometry.grid import Grid, usual_step
from planeval.geometry.stack import PARALLEL_TOLERANCE
from planeval.model import Finding, Image
from planeval.model.image import Window

__all__ = ["build_image", "read_hu"]

SAME_POSITION_MM = 0.01
SHEAR_MM = 0.1
"""Largest sideways step between the first and any other slice that still counts as one column."""

IRREGULAR_SHARE = 0.01


def build_image(
    entries: Sequence[Entry], referenced: Set[str], findings: list[Finding]
) -> Image | None:
    """Make the image of one series, None with a finding where its slices do not make a volume.

    ``referenced`` are the slices the structure set was drawn on; they decide between duplicates.
    """
    where = entries[0].label or "image series"
    made = _volume(entries, referenced, where, findings)
    if isinstance(made, str):
        message = f"{made}; the case goes on without an image"
        findings.append(finding("ct-unusable", message, where))
        return None
    slices, grid = made
    return Image(
        grid=grid,
        series_uid=slices[0].series_uid,
        sop_uids=tuple(entry.sop_uid for entry in slices),
        paths=tuple(entry.path for entry in slices),
        digest=Image.geometry_digest([(e.sop_uid, _geometry_text(_own(e))) for e in slices]),
        reader=read_hu,
        description=entries[0].label,
    )


def _volume(
    entries: Sequence[Entry], referenced: Set[str], where: str, findings: list[Finding]
) -> tuple[list[Entry], Grid] | str:
    """Return the slices of the volume in order and their grid, or why there is none."""
    broken = [entry for entry in entries if entry.slice is None]
    if broken:
        return f"{len(broken)} slices without geometry: {broken[0].problem}"
    scouts = [entry for entry in entries if _own(entry).is_localizer]
    if scouts:
        message = f"{len(scouts)} localizer images are left out"
        findings.append(finding("ct-localizer", message, where))
    slices = [entry for entry in entries if not _own(entry).is_localizer]
    if not slices:
        return "the series holds localizer images only"
    strange = _strange(slices)
    if strange:
        return strange
    chosen = _without_duplicates(_by_height(slices), referenced, where, findings)
    if isinstance(chosen, str):
        return chosen
    sheared = _sheared(chosen)
    if sheared:
        return sheared
    grid = _grid(chosen)
    if isinstance(grid, str):
        return grid
    _report_slices(chosen, referenced, where, findings)
    return chosen, grid


def read_hu(
    paths: tuple[Path, ...], grid: Grid, windows: Sequence[Window]
) -> list[NDArray[np.int16]]:
    """Read the Hounsfield units of blocks of voxels, each (k, j, i), in one pass over their slices.

    Every slice that is read must lie where the grid says; raises :class:`InconsistentCase` where a
    file has changed since the grid was made.
    """
    spans = [
        tuple(range(*part.indices(size)) for part, size in zip(window, grid.shape, strict=True))
        for window in windows
    ]
    blocks = [np.empty(tuple(map(len, span)), dtype=np.int16) for span in spans]
    for k in sorted(set().union(*(span[0] for span in spans))):
        file = open_file(paths[k], paths[k].name)
        _check_place(file, grid, k)
        stored = stored_pixels(file, grid.shape[1:])
        for window, (height, _, _), block in zip(windows, spans, blocks, strict=True):
            if k in height and block.size:
                block[k - height.start] = _hounsfield(file, stored[window[1:]])
    return blocks


def _check_place(file: DicomFile, grid: Grid, k: int) -> None:
    position = file.root.point("ImagePositionPatient")
    rows, columns = file.root.integer("Rows"), file.root.integer("Columns")
    if (
        position is None
        or not np.abs(position - grid.to_patient([[k, 0, 0]])[0]).max() <= SHEAR_MM
        or (rows, columns) != grid.shape[1:]
    ):
        raise InconsistentCase(
            f"{file.name}: the slice is not where it was when the folder was read; "
            "load the case again"
        )


def _hounsfield(file: DicomFile, stored: NDArray[np.integer]) -> NDArray[np.float64]:
    """Stored integers as whole Hounsfield units that fit 16 bits."""
    slope = file.root.number("RescaleSlope")
    intercept = file.root.number("RescaleIntercept")
    values = stored * (1.0 if slope is None else slope) + (intercept or 0.0)
    if values.min() < -32768 or values.max() > 32767:
        raise UnreadableFile(
            f"{file.name}: HU from {values.min():g} to {values.max():g} do not fit 16 bits; "
            "check RescaleSlope and RescaleIntercept"
        )
    return np.asarray(np.round(values))


def _own(entry: Entry) -> SliceGeometry:
    """Return the geometry of an entry that is known to have one."""
    if entry.slice is None:
        raise ValueError(f"{entry.file} has no slice geometry")
    return entry.slice


def _strange(slices: Sequence[Entry]) -> str:
    """Say how slices differ in direction, size or pixel spacing, empty if they do not."""
    first = _own(slices[0])
    cosines = np.array([_own(entry).orientation for entry in slices])
    away = np.abs(cosines - first.orientation).max(axis=1) > PARALLEL_TOLERANCE
    turned = [entry for entry, is_away in zip(slices, away, strict=True) if is_away]
    if turned:
        return f"{len(turned)} of {len(slices)} slices have another orientation ({turned[0].file})"
    sizes = Counter(
        (g.rows, g.columns, round(g.row_step_mm, 4), round(g.column_step_mm, 4))
        for g in map(_own, slices)
    )
    if len(sizes) > 1:
        listed = ", ".join(f"{n} of {r}x{c} at {dr}x{dc} mm" for (r, c, dr, dc), n in sizes.items())
        return f"slices of different size: {listed}"
    frames = {entry.frame_uid for entry in slices}
    if len(frames) > 1:
        return f"slices of {len(frames)} frames of reference"
    return ""


def _normal(geometry: SliceGeometry) -> NDArray[np.float64]:
    return np.asarray(np.cross(geometry.orientation[:3], geometry.orientation[3:]))


def _by_height(slices: Sequence[Entry]) -> list[Entry]:
    normal = _normal(_own(slices[0]))
    return sorted(slices, key=lambda entry: float(np.dot(_own(entry).position_mm, normal)))


def _heights(slices: Sequence[Entry]) -> NDArray[np.float64]:
    normal = _normal(_own(slices[0]))
    return np.array([float(np.dot(_own(entry).position_mm, normal)) for entry in slices])


def _without_duplicates(
    slices: Sequence[Entry], referenced: Set[str], where: str, findings: list[Finding]
) -> list[Entry] | str:
    """Keep one slice per position: the referenced one. Says why where that does not decide."""
    groups: list[list[Entry]] = []
    heights = _heights(slices)
    for entry, height, before in zip(slices, heights, [np.nan, *heights[:-1]], strict=True):
        if height - before <= SAME_POSITION_MM:
            groups[-1].append(entry)
        else:
            groups.append([entry])
    chosen = []
    doubled = 0
    for group in groups:
        own = [entry for entry in group if entry.sop_uid in referenced]
        if len(group) > 1:
            doubled += 1
            if len(own) != 1:
                return (
                    f"{len(group)} different slices at one position ({group[0].file}, "
                    f"{group[1].file}), and the structure set does not say which is meant"
                )
        chosen.append(own[0] if len(group) > 1 else group[0])
    if doubled:
        message = f"{doubled} positions hold several slices; those the structure set names are used"
        findings.append(finding("ct-duplicate-slices", message, where))
    return chosen


def _sheared(slices: Sequence[Entry]) -> str:
    """Say how far the slices slide sideways (gantry tilt), empty if they do not."""
    first = _own(slices[0])
    axes = np.array([first.orientation[:3], first.orientation[3:]])
    moves = np.array([np.subtract(_own(e).position_mm, first.position_mm) for e in slices]) @ axes.T
    largest = float(np.abs(moves).max())
    if largest <= SHEAR_MM:
        return ""
    return f"the slices are sheared: they slide sideways by up to {largest:.2f} mm (gantry tilt)"


def _report_slices(
    slices: Sequence[Entry], referenced: Set[str], where: str, findings: list[Finding]
) -> None:
    """Report missing, irregular and unreferenced slices."""
    heights = _heights(slices)
    steps = np.diff(heights)
    if len(steps):
        usual = usual_step(heights)
        ratio = steps / usual
        missing = int(np.round(ratio - 1)[ratio > 1.5].sum())
        if missing:
            message = f"about {missing} slices are missing (usual spacing {usual:g} mm)"
            findings.append(finding("ct-missing-slices", message, where))
        elif np.abs(ratio - 1).max() > IRREGULAR_SHARE:
            message = f"slice spacing from {steps.min():g} to {steps.max():g} mm"
            findings.append(finding("ct-irregular-spacing", message, where))
    if referenced:
        own = {entry.sop_uid for entry in slices}
        if own - referenced:
            message = f"{len(own - referenced)} slices are not referenced by the structure set"
            findings.append(finding("ct-unreferenced-slices", message, where))
        if referenced - own:
            message = f"{len(referenced - own)} slices that the structure set names are not there"
            findings.append(finding("ct-absent-slices", message, where))


def _grid(slices: Sequence[Entry]) -> Grid | str:
    """Make the grid of slices sorted by height."""
    first = _own(slices[0])
    heights = _heights(slices)
    row, column = first.orientation[:3], first.orientation[3:]
    try:
        return Grid(
            origin_mm=first.position_mm,
            row=(row[0], row[1], row[2]),
            column=(column[0], column[1], column[2]),
            row_step_mm=first.row_step_mm,
            column_step_mm=first.column_step_mm,
            rows=first.rows,
            columns=first.columns,
            offsets_mm=tuple(float(h) for h in heights - heights[0]),
            frame_uid=slices[0].frame_uid,
        )
    except GeometryError as error:
        return str(error)


def _geometry_text(geometry: SliceGeometry) -> str:
    numbers = (
        *geometry.position_mm,
        *geometry.orientation,
        geometry.row_step_mm,
        geometry.column_step_mm,
        geometry.rows,
        geometry.columns,
    )
    return " ".join(f"{number:.6g}" for number in numbers)
