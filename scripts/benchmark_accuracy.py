"""An independent dense reference for DVHs: sampled even-odd polygons as slabs, trilinear dose.

Nothing of planeval is used but its answers. The solid is what planeval's default method means: a
contour plane owns the space to the midpoints of its neighbours, end planes (and planes beside a gap
of more than 1.5 nominal spacings) own half a nominal spacing; all contours of a plane combine by
even-odd, which is the rule for CLOSED_PLANAR too as long as contours nest and do not cross.

Sampling: a square lattice per plane whose step puts ``samples`` samples into the mean plane of the
ROI (0.03 mm for a tiny target, 1 mm for a body), in or out by the parity of the edges crossed along
the lattice row; ``per_slab`` heights in every slab. Doses are counted in bins of 0.002 Gy. Planes
must be axial, and at least two; an ROI that leaves the dose grid is named without doses.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

import planeval as pe

__all__ = ["compare"]

Floats = NDArray[np.float64]

BIN_GY = 0.002
GOLDEN = 0.618034
PERCENTS = (99, 95, 50, 5, 1)
VOLUME_AIM_PERCENT, DOSE_AIM_PERCENT, DOSE_AIM_GY = 0.05, 0.1, 0.02


@dataclass(frozen=True)
class Plane:
    """The slab of one contour plane: low and high z in mm, and the (n, 2) contours."""

    low: float
    high: float
    contours: list[Floats]


@dataclass(frozen=True)
class DoseGrid:
    """Voxel centres along each axis in mm, and doses (k, j, i) in Gy."""

    z: Floats
    y: Floats
    x: Floats
    gy: Floats


@dataclass(frozen=True)
class Reference:
    """What the dense sampling gives for one ROI."""

    volume_cc: float
    outside_cc: float
    dose_gy: dict[str, float]


def compare(folder: Path, *, samples: int, per_slab: int) -> int:
    """Print the differences of every ROI; 1 where one is beyond the aims."""
    files = _files(folder)
    grid = _dose_grid(files["RTDOSE"])
    case = pe.load(folder, method=pe.Method(caps="half", between="prism"))
    print("planeval, (planeval - reference); volume in cc and %, doses in Gy; ! is beyond the aim:")
    print(f"volume {VOLUME_AIM_PERCENT} %, dose {DOSE_AIM_PERCENT} % or {DOSE_AIM_GY} Gy")
    names = [*(f"D{percent}%" for percent in PERCENTS), "Mean"]
    print(f"{'ROI':14} {'cc':>10} {'(%)':>10} " + "".join(f"{name:>18}" for name in names))
    flagged = 0
    for name, planes in _rois(files["RTSTRUCT"]):
        reference = _sample(planes, grid, samples, per_slab)
        line = _line(case.dvh(name), reference)
        print(f"{name:14} {line}", flush=True)
        flagged += "!" in line
    print(f"{flagged} ROIs beyond the aims" if flagged else "all ROIs within the aims")
    return int(flagged > 0)


def _files(folder: Path) -> dict[str, Dataset]:
    found: dict[str, Dataset] = {}
    for path in sorted(folder.iterdir()):
        item = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["Modality"])
        if item.Modality in ("RTSTRUCT", "RTDOSE"):
            if item.Modality in found:
                raise SystemExit(f"{folder} has several {item.Modality} files, expected one")
            found[item.Modality] = pydicom.dcmread(path)
    if len(found) != 2:
        raise SystemExit(f"{folder} has no RTSTRUCT or no RTDOSE; `benchmark.py make` writes both")
    return found


def _dose_grid(dose: Dataset) -> DoseGrid:
    if [float(v) for v in dose.ImageOrientationPatient] != [1, 0, 0, 0, 1, 0]:
        raise SystemExit("the dose grid is not axial (1, 0, 0, 0, 1, 0); this reference needs that")
    x0, y0, z0 = (float(v) for v in dose.ImagePositionPatient)
    row_mm, column_mm = (float(v) for v in dose.PixelSpacing)
    offsets = np.array(dose.GridFrameOffsetVector, dtype=float)
    return DoseGrid(
        z=z0 + offsets - offsets[0],
        y=y0 + row_mm * np.arange(dose.Rows),
        x=x0 + column_mm * np.arange(dose.Columns),
        gy=dose.pixel_array * float(dose.DoseGridScaling),
    )


def _rois(structures: Dataset) -> list[tuple[str, list[Plane]]]:
    names = {roi.ROINumber: str(roi.ROIName) for roi in structures.StructureSetROISequence}
    found = []
    for roi in structures.ROIContourSequence:
        contours = defaultdict(list)
        for contour in roi.get("ContourSequence", []):
            if contour.ContourGeometricType.startswith("CLOSED"):
                xyz = np.array(contour.ContourData, dtype=float).reshape(-1, 3)
                contours[xyz[0, 2]].append(xyz[:, :2])
        name = names[roi.ReferencedROINumber]
        if len(contours) < 2:
            print(
                f"{name} left out: closed contours on {len(contours)} planes, expected two or more"
            )
        else:
            found.append((name, _slabs(contours)))
    return found


def _slabs(contours: dict[float, list[Floats]]) -> list[Plane]:
    z = np.array(sorted(contours))
    distances = np.diff(z)
    nominal = Counter(distances.round(3).tolist()).most_common(1)[0][0]
    half = np.where(distances > 1.5 * nominal, nominal / 2, distances / 2)
    below = np.concatenate([[nominal / 2], half])
    above = np.concatenate([half, [nominal / 2]])
    return [
        Plane(at - low, at + high, contours[at])
        for at, low, high in zip(z, below, above, strict=True)
    ]


def _sample(planes: list[Plane], grid: DoseGrid, samples: int, per_slab: int) -> Reference:
    step = float(np.mean([_area(plane) for plane in planes]) / samples) ** 0.5
    counts = np.zeros(int(grid.gy.max() / BIN_GY) + 2)
    total_gy_cc = outside_cc = 0.0
    for index, plane in enumerate(planes):
        # Another phase in every plane: one fixed phase would favour one side of round outlines.
        x, y, inside = _inside(plane.contours, step, index * GOLDEN % 1)
        cc = step * step * (plane.high - plane.low) / per_slab / 1000
        for part in range(per_slab):
            z = plane.low + (part + 0.5) / per_slab * (plane.high - plane.low)
            gy = _dose_plane(grid, z, y, x)[inside]
            known = gy[np.isfinite(gy)]
            outside_cc += cc * (len(gy) - len(known))
            counts += cc * np.bincount((known / BIN_GY).astype(int), minlength=len(counts))
            total_gy_cc += cc * float(known.sum())
    volume = float(counts.sum())
    doses = {f"D{percent}%": _dose_at(counts, percent / 100 * volume) for percent in PERCENTS}
    return Reference(volume + outside_cc, outside_cc, {**doses, "Mean": total_gy_cc / volume})


def _area(plane: Plane) -> float:
    """Area of the contour with the most points: enough to choose a step by."""
    x, y = max(plane.contours, key=len).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _inside(
    contours: list[Floats], step: float, phase: float
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Lattice axes over the contours, and which lattice points an even-odd fill covers."""
    every = np.concatenate(contours)
    low, high = every.min(axis=0) - step, every.max(axis=0) + step
    x = np.arange(low[0] + phase * step, high[0], step)
    y = np.arange(low[1] + phase * step, high[1], step)
    toggles = np.zeros((len(y), len(x) + 1), dtype=np.int32)
    start = every
    end = np.concatenate([np.roll(contour, -1, axis=0) for contour in contours])
    bottom, top = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    first, last = np.searchsorted(y, bottom), np.searchsorted(y, top)  # rows in [bottom, top)
    edge = np.repeat(np.arange(len(start)), last - first)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(last - first) - last, last - first)
    along = (y[row] - start[edge, 1]) / (end[edge, 1] - start[edge, 1])
    crossing = start[edge, 0] + along * (end[edge, 0] - start[edge, 0])
    np.add.at(toggles, (row, np.searchsorted(x, crossing)), 1)
    return x, y, np.cumsum(toggles[:, :-1], axis=1) % 2 == 1


def _dose_plane(grid: DoseGrid, z: float, y: Floats, x: Floats) -> Floats:
    """Trilinear doses on a lattice at one height, NaN more than half a voxel beyond the grid."""
    k, along_z = _bracket(grid.z, np.array([z]))
    plane = grid.gy[k[0]] * (1 - along_z) + grid.gy[k[0] + 1] * along_z
    j, along_y = _bracket(grid.y, y)
    rows = plane[j] * (1 - along_y)[:, None] + plane[j + 1] * along_y[:, None]
    i, along_x = _bracket(grid.x, x)
    gy: Floats = rows[:, i] * (1 - along_x) + rows[:, i + 1] * along_x
    return gy


def _bracket(centres: Floats, at: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Lower voxel and weight of the upper one: constant over the outer half voxel, NaN beyond."""
    lower = np.clip(np.searchsorted(centres, at, side="right") - 1, 0, len(centres) - 2)
    weight = ((at - centres[lower]) / (centres[lower + 1] - centres[lower])).clip(-0.5, 1.5)
    beyond = (at < 1.5 * centres[0] - 0.5 * centres[1]) | (
        at > 1.5 * centres[-1] - 0.5 * centres[-2]
    )
    return lower, np.where(beyond, np.nan, weight.clip(0, 1))


def _dose_at(counts: Floats, volume: float) -> float:
    """The dose that the hottest ``volume`` reaches, linear within a bin."""
    hotter = np.cumsum(counts[::-1])[::-1]
    index = int(np.flatnonzero(hotter >= volume)[-1])
    return float(BIN_GY * (index + (hotter[index] - volume) / counts[index]))


def _line(dvh: pe.Dvh, reference: Reference) -> str:
    percent = 100 * (dvh.total_cc / reference.volume_cc - 1)
    flag = "!" if abs(percent) > VOLUME_AIM_PERCENT else " "
    text = f"{dvh.total_cc:10.3f} ({percent:+8.4f}){flag}"
    if dvh.outside_cc > 0 or reference.outside_cc > 0:
        return text + (
            f" leaves the dose grid: {dvh.outside_cc:.3f} cc, reference {reference.outside_cc:.3f}"
        )
    values = {f"D{percent}%": dvh.d(percent=percent) for percent in PERCENTS}
    values["Mean"] = dvh.mean()
    for name, value in values.items():
        if not value.is_defined:
            return f"{text} ! {name}: {value.reason}"
        expected = reference.dose_gy[name]
        difference = float(value) - expected
        beyond = abs(difference) > max(DOSE_AIM_GY, DOSE_AIM_PERCENT / 100 * expected)
        text += f"{float(value):8.3f} ({difference:+.4f})" + ("!" if beyond else " ")
    return text
