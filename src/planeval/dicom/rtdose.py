"""RTDOSE: one file to absolute Gy on a grid (PS3.3 C.8.8.3).

What a set of files adds up to is decided in :mod:`planeval.dicom.dose_set`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planeval.dicom.codes import finding
from planeval.dicom.elements import Item
from planeval.dicom.files import DicomFile
from planeval.dicom.pixels import stored_pixels
from planeval.errors import GeometryError, UnsupportedData
from planeval.geometry.grid import Grid
from planeval.model import Finding

__all__ = ["DoseFile", "RelativeScale", "read_dose_file"]

_ABSOLUTE_MM = 0.01
"""How close the first plane offset and the z of the image position must be to be the same."""


@dataclass(frozen=True, slots=True)
class RelativeScale:
    """How to read a RELATIVE dose: the Gy that 100 % stands for, and the stored value of 100 %."""

    reference_gy: float
    hundred_percent: float

    def __post_init__(self) -> None:
        if not 0 < self.reference_gy < 1000:
            raise ValueError(f"relative reference of {self.reference_gy} Gy: need a dose above 0")
        if self.hundred_percent not in (1, 100):
            raise ValueError(f"relative scale is {self.hundred_percent}; choose 1 or 100")


@dataclass(frozen=True, slots=True, eq=False)
class DoseFile:
    """One RTDOSE as Gy, read-only float32, shape (k, j, i)."""

    grid: Grid
    gy: NDArray[np.float32]
    type: str
    summation: str
    comment: str
    findings: tuple[Finding, ...]


def read_dose_file(file: DicomFile, relative: RelativeScale | None = None) -> DoseFile:
    """Read one RTDOSE.

    float32 keeps 24 bits: stored integers times DoseGridScaling are right to 2e-7 of themselves.

    Raises :class:`UnsupportedData` for RELATIVE dose without ``relative``, DoseType ERROR and a
    single plane; :class:`MissingElement` and :class:`InvalidElement` as the elements demand.
    """
    root = file.root
    findings: list[Finding] = []
    dose_type = _dose_type(root, findings)
    factor = _factor(root, relative, findings)
    grid = _grid(root, findings)
    stored = stored_pixels(file, grid.shape)
    if stored.dtype.kind == "i" and stored.size and stored.min() < 0:
        raise root.invalid("PixelData", f"it holds negative dose ({stored.min() * factor:g} Gy)")
    gy = stored.astype(np.float32)
    gy *= np.float32(factor)
    largest = gy.max()
    if not np.isfinite(largest):
        raise root.invalid("DoseGridScaling", f"{factor} gives doses that are not finite")
    if largest == 0:
        findings.append(finding("dose-zero", "the dose is 0 Gy in every voxel", file.name))
    gy.setflags(write=False)
    return DoseFile(
        grid=grid,
        gy=gy,
        type=dose_type,
        summation=root.text("DoseSummationType"),
        comment=root.text("DoseComment"),
        findings=tuple(findings),
    )


def _dose_type(root: Item, findings: list[Finding]) -> str:
    """Return PHYSICAL or EFFECTIVE; refuse the rest."""
    dose_type = root.text("DoseType")
    if not dose_type:
        message = "DoseType (3004,0004) is absent; the dose is taken as PHYSICAL"
        findings.append(finding("dose-type-missing", message, root.place))
        return "PHYSICAL"
    if dose_type == "EFFECTIVE":
        message = "DoseType is EFFECTIVE: weighted dose (Gy RBE), not absorbed dose"
        findings.append(finding("dose-effective", message, root.place))
    elif dose_type != "PHYSICAL":
        raise UnsupportedData(
            f"{root.place}: DoseType is {dose_type}; only PHYSICAL and EFFECTIVE dose is evaluated"
        )
    return dose_type


def _factor(root: Item, relative: RelativeScale | None, findings: list[Finding]) -> float:
    """Return Gy per stored integer."""
    scaling = root.required_number("DoseGridScaling")
    if not scaling > 0:
        raise root.invalid("DoseGridScaling", f"{scaling} is not above 0")
    units = root.text("DoseUnits")
    if not units:
        raise root.missing("DoseUnits")
    if units == "GY":
        return scaling
    if units != "RELATIVE":
        raise UnsupportedData(f"{root.place}: DoseUnits is {units}; GY is needed")
    if relative is None:
        raise UnsupportedData(
            f"{root.place}: the dose is RELATIVE; say which dose 100 % stands for and how 100 % is "
            "stored: --relative-reference GY --relative-scale 1|100"
        )
    stored, gy = relative.hundred_percent, relative.reference_gy
    message = f"the dose is RELATIVE; {stored:g} was read as {gy:g} Gy"
    findings.append(finding("dose-relative", message, root.place))
    return scaling * relative.reference_gy / relative.hundred_percent


def _grid(root: Item, findings: list[Finding]) -> Grid:
    """Return the dose grid; a single plane is refused."""
    frames = root.integer("NumberOfFrames")
    if frames is None or frames < 2:
        raise UnsupportedData(
            f"{root.place}: the dose is a single plane; a DVH needs a volume of dose"
        )
    position = root.point("ImagePositionPatient")
    if position is None:
        raise root.missing("ImagePositionPatient")
    cosines = root.required_vector("ImageOrientationPatient", 6)
    spacing = root.required_vector("PixelSpacing", 2)
    offsets = root.numbers("GridFrameOffsetVector")
    if not offsets:
        raise root.missing("GridFrameOffsetVector")
    if len(offsets) != frames:
        raise root.invalid(
            "GridFrameOffsetVector", f"{len(offsets)} values for {frames} frames (NumberOfFrames)"
        )
    try:
        return Grid(
            origin_mm=position,
            row=(cosines[0], cosines[1], cosines[2]),
            column=(cosines[3], cosines[4], cosines[5]),
            row_step_mm=spacing[0],
            column_step_mm=spacing[1],
            rows=root.required_integer("Rows"),
            columns=root.required_integer("Columns"),
            offsets_mm=_offsets(root, offsets, position[2], cosines, findings),
            frame_uid=root.text("FrameOfReferenceUID"),
        )
    except GeometryError as error:
        raise root.invalid("GridFrameOffsetVector", str(error)) from error


def _offsets(
    root: Item,
    offsets: tuple[float, ...],
    position_z: float,
    cosines: tuple[float, ...],
    findings: list[Finding],
) -> tuple[float, ...]:
    """Return plane offsets along row x column from either form of GridFrameOffsetVector.

    PS3.3 C.8.8.3.2: (a) the first value is 0 and the others are offsets along the normal, in any
    orientation; (b) the first value is the z of ImagePositionPatient, the orientation is
    (+-1, 0, 0, 0, +-1, 0), and the values are patient z.
    """
    is_axial = bool(np.allclose(np.abs(cosines), [1, 0, 0, 0, 1, 0], atol=1e-4))
    downward = is_axial and cosines[0] * cosines[4] < 0
    if abs(offsets[0]) < 1e-6:
        if downward and abs(position_z) < _ABSOLUTE_MM:
            message = (
                "GridFrameOffsetVector starts with 0 and so does z, with the normal pointing down: "
                "read as offsets along the normal"
            )
            findings.append(finding("dose-offsets-ambiguous", message, root.place))
        return offsets
    if not is_axial:
        raise root.invalid(
            "GridFrameOffsetVector",
            f"it starts with {offsets[0]:g}; in this orientation it must start with 0",
        )
    if abs(offsets[0] - position_z) > _ABSOLUTE_MM:
        raise root.invalid(
            "GridFrameOffsetVector",
            f"it starts with {offsets[0]:g}, which is neither 0 nor the z of "
            f"ImagePositionPatient, {position_z:g}",
        )
    sign = -1.0 if downward else 1.0
    return tuple(sign * (offset - offsets[0]) for offset in offsets)
