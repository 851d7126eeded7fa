"""How accurate the margin audit is: closed forms, and margins that planning systems have grown.

Everything printed is a summary number; no contour leaves the data folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import shapely
import SimpleITK as sitk  # noqa: N813 (its usual name)

from accuracy_tables import table
from planeval.dicom.files import open_file
from planeval.dicom.rtstruct import read_structure_set
from planeval.geometry.rings import plane_area
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack, PlaneFrame
from planeval.model import Structure
from planeval.model.margins import MarginRule
from planeval.targets.audit import MarginAudit, margin_audit

__all__ = ["closed_forms", "real_contours"]

SAGITTAL = PlaneFrame((0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
TILTED = PlaneFrame((0.8, 0.0, 0.6), (0.0, 1.0, 0.0))
SPACINGS_MM = (1.0, 2.0, 3.0, 5.0)
AXES = ("L", "R", "A", "P", "S", "I")
HEAD = [
    "pair",
    "planes mm",
    "median",
    "5 to 95 %",
    "least",
    *AXES,
    "short %",
    "long %",
    "HD95",
    "Dice",
]


def closed_forms() -> None:
    """Spheres of 20 and 27 mm, the outer one off by 3 mm: error of the signed distance in mm."""
    rows = []
    for name, frame in (("axial", AXIAL), ("sagittal", SAGITTAL), ("tilted 37°", TILTED)):
        for spacing in SPACINGS_MM:
            inner = _sphere(20.0, spacing, 0.37, frame)
            outer = _sphere(27.0, spacing, 0.12, frame, shift=(3.0, 0.0, 0.0))
            audit = margin_audit(outer, inner)
            if audit.inner_points is None or audit.margin_mm is None:
                raise RuntimeError(audit.outcome.reason)
            centre = outer.stack.frame.to_patient(np.array([[3.0, 0.0, 0.0]]))
            exact = 27.0 - np.linalg.norm(audit.inner_points.points_mm - centre, axis=1)
            error = audit.margin_mm - exact
            rows.append(
                [
                    name,
                    f"{spacing:g}",
                    *(f"{x:+.3f}" for x in np.percentile(error, [0, 5, 50, 95, 100])),
                ]
            )
    print(table(["planes", "spacing mm", "least", "5 %", "median", "95 %", "largest"], rows))


def _sphere(
    radius: float,
    spacing: float,
    phase: float,
    frame: PlaneFrame,
    shift: tuple[float, ...] = (0, 0, 0),
) -> Structure:
    """A sphere drawn every ``spacing``, its centre shifted in the (u, v, height) of the planes."""
    heights = (np.arange(-60, 61) + phase) * spacing
    planes = [
        DrawnPlane(
            float(z),
            shapely.Point(*shift[:2]).buffer(float(np.sqrt(radius**2 - z**2)), quad_segs=64),
        )
        for z in heights
        if abs(z) < radius
    ]
    return Structure("sphere", PlanarStack(frame, planes, spacing_mm=spacing))


def real_contours(data_dir: Path) -> None:
    """Print one line per pair of structures whose margin is known."""
    rows = [_row(*pair) for make in (_brain, _prostate, _thorax) for pair in make(data_dir)]
    print(table(HEAD, rows))


Pair = tuple[str, Structure, Structure, MarginRule]


def _row(name: str, outer: Structure, inner: Structure, rule: MarginRule) -> list[str]:
    audit: MarginAudit = margin_audit(outer, inner, rule, tolerance_mm=1.0)
    report = audit.report
    if report is None:
        return [name, audit.outcome.reason]
    margin, agreement = report.margin, report.agreement
    axes = [f"{axis.spread.median_mm:.1f}" if axis.spread else "" for axis in report.axes]
    return [
        name, f"{outer.stack.spacing_mm:g}", f"{margin.median_mm:.2f}",
        f"{margin.p5_mm:.2f} to {margin.p95_mm:.2f}", f"{margin.minimum_mm:.2f}", *axes,
        f"{report.short_percent or 0.0:.1f}", f"{report.long_percent or 0.0:.1f}",
        f"{agreement.hd95_mm:.2f}" if agreement else "",
        f"{agreement.dice:.3f}" if agreement and agreement.dice is not None else "",
    ]  # fmt: skip


def _structures(path: Path) -> dict[str, Structure]:
    return {each.name: each for each in read_structure_set(open_file(path, path.name)).structures}


def _brain(data_dir: Path) -> Iterator[Pair]:
    """GTV -> PTV 2 mm, grown in Eclipse; numbered alike."""
    found = _structures(data_dir / "brain-srs" / "eclipse-ptv" / "RS.dcm")
    found |= {
        name: each
        for name, each in _structures(data_dir / "brain-srs" / "eclipse-gtv" / "RS.dcm").items()
        if name not in found
    }
    gtvs = {
        name.upper().replace("GTV", ""): each
        for name, each in found.items()
        if "GTV" in name.upper()
    }
    for name, ptv in found.items():
        key = name.upper().replace("PTV", "")
        if "PTV" in name.upper() and key in gtvs:
            yield f"brain {name} around {gtvs[key].name}", ptv, gtvs[key], MarginRule.of(2)


def _prostate(data_dir: Path) -> Iterator[Pair]:
    """The bladder and its masks, grown and shrunk by 5 mm in another program on the CT grid."""
    folder = data_dir / "eclipse-prostate"
    found: dict[str, Structure] = {}
    for path in sorted((folder / "dicom").rglob("*.dcm")):
        if open_file(path, path.name).root.text("Modality") == "RTSTRUCT":
            found |= _structures(path)
    by_name = {name.upper(): each for name, each in found.items()}
    mask = "EclipseProstate_{}_5_5_5_{}.seg.nrrd"
    for organ, kind in (("Bladder", "Expanded"), ("Rectum", "Expanded"), ("Bladder", "Shrunk")):
        drawn = next(each for name, each in by_name.items() if organ.upper() in name)
        made = _from_mask(folder / "masks" / mask.format(kind, organ))
        pair = (made, drawn) if kind == "Expanded" else (drawn, made)
        yield f"{organ} {kind.lower()} mask, 5 mm", *pair, MarginRule.of(5)


def _from_mask(path: Path) -> Structure:
    """Outlines at half height between the voxels of a mask, one plane per slice."""
    from skimage.measure import find_contours  # noqa: PLC0415 - only here

    image = sitk.ReadImage(str(path))
    # the file holds a window of the labelmap and says where in it, not where in space
    first = [int(number) for number in image.GetMetaData("Segmentation_Extent").split()[::2]]
    image = image[:, :, :, 0] if image.GetDimension() == 4 else image
    voxels = np.pad(sitk.GetArrayFromImage(image) > 0, ((0, 0), (1, 1), (1, 1)))
    planes = []
    for k, layer in enumerate(voxels):
        rings = []
        for line in find_contours(layer.astype(float), 0.5):
            points = [
                image.TransformContinuousIndexToPhysicalPoint(
                    (i - 1 + first[0], j - 1 + first[1], float(k))
                )
                for j, i in line[:-1].tolist()
            ]
            # the files are 4-D and in RAS, which the reader turns into LPS in 3-D files alone
            rings.append(-np.array(points)[:, :2])
        if rings:
            z = image.TransformIndexToPhysicalPoint((0, 0, k + first[2]))[2]
            planes.append(DrawnPlane(float(z), plane_area(rings, xor=True)[0]))
    return Structure(path.stem, PlanarStack(AXIAL, planes))


def _thorax(data_dir: Path) -> Iterator[Pair]:
    """CTV -> PTV, about 6 mm in plane and 12 mm cranio-caudal."""
    by_start: dict[str, Structure] = {}
    for path in sorted((data_dir / "thorax-liver").glob("*.dcm")):
        if not path.name.startswith("CT_"):
            file = open_file(path, path.name)
            if file.root.text("Modality") == "RTSTRUCT":
                by_start |= {name[:3].upper(): each for name, each in _structures(path).items()}
    yield "thorax PTV around CTV", by_start["PTV"], by_start["CTV"], MarginRule.of((5, 7), (12, 13))
