"""The three cases of `test_data` and the cohort of small patients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.uid import UID

from phantom.anatomy import Anatomy, ct_noise, ct_values_hu
from phantom.contours import Contours
from phantom.dicom_files import (
    Identity,
    Treatment,
    write_ct,
    write_dose,
    write_plan,
    write_structures,
)
from phantom.dose import Arcs, Grid
from phantom.oracle import outside_grid
from phantom.planning import (
    Drawing,
    DrawnPatient,
    Fit,
    draw,
    draw_phase,
    model_dose,
    shape_maxima,
)
from phantom.shapes import Array, Point


def _planes(lowest_mm: float, step_mm: float, count: int) -> Array:
    """Plane heights, exact to 0.01 mm."""
    return np.round(lowest_mm + step_mm * np.arange(count), 2)


def _grid_around(
    drawn: DrawnPatient, spacing_mm: float, low_z_mm: float, high_z_mm: float, offset: Point
) -> Grid:
    """A dose grid over the whole trunk in plane and a range in z, its origin off the CT lattice."""
    ox, oy, _ = drawn.patient.anatomy.origin_mm
    half_x, half_y = (h + 3.0 for h in drawn.patient.body_half_axes_mm)
    origin = (
        round(ox - half_x + offset[0], 2),
        round(oy - half_y + offset[1], 2),
        round(low_z_mm + offset[2], 2),
    )
    counts = (
        int((high_z_mm - origin[2]) / spacing_mm) + 1,
        int(2 * half_y / spacing_mm) + 1,
        int(2 * half_x / spacing_mm) + 1,
    )
    return Grid(origin, (spacing_mm,) * 3, counts)


def _partial_arcs(isocentre_mm: Point) -> tuple[Arcs, ...]:
    """There and back over the patient's right side."""
    return (Arcs(181.0, 209.0, isocentre_mm), Arcs(30.0, -209.0, isocentre_mm))


def _clear(path: Path) -> Path:
    """An empty folder where the DICOM files of a case go; other files are left alone."""
    path.mkdir(parents=True, exist_ok=True)
    for old in sorted(path.rglob("*")):
        if old.is_file() and old.suffix in ("", ".dcm"):
            old.unlink()
    return path


@dataclass(frozen=True, slots=True)
class CtLattice:
    """The pixels of a CT series: corner of the first pixel's centre, spacing, rows and columns."""

    corner_mm: tuple[float, float]
    spacing_mm: float
    rows: int
    columns: int
    seed: int


def _write_ct_series(
    who: Identity,
    drawn: DrawnPatient,
    planes_mm: Array,
    lattice: CtLattice,
    path_of: Callable[[int], Path],
) -> dict[float, UID]:
    """Render and write every slice; the UID of each by its z."""
    x_mm = lattice.corner_mm[0] + lattice.spacing_mm * np.arange(lattice.columns)
    y_mm = lattice.corner_mm[1] + lattice.spacing_mm * np.arange(lattice.rows)
    uids = {}
    for number, z in enumerate(planes_mm.tolist(), start=1):
        noise = ct_noise(lattice.seed + number, (lattice.rows, lattice.columns))
        points = drawn.patient.slice_points(x_mm, y_mm, z)
        hu = np.rint(ct_values_hu(drawn.patient, points, noise_hu=noise)).astype(np.int16)
        spacing = (lattice.spacing_mm, round(float(planes_mm[1] - planes_mm[0]), 2))
        corner = (*lattice.corner_mm, z)
        uids[z] = write_ct(
            who, path_of(number), hu, number=number, corner_mm=corner, spacing_mm=spacing
        )
    return uids


def hepatic_pvtt(folder: Path) -> None:
    """HCC with thrombus in the right portal branch, 55 Gy in 25 fractions, everything in order."""
    who = Identity(
        key="hepatic-pvtt",
        patient_name="Phantom^Hepatic=肝^模型",
        patient_id="PE-0001",
        sex="M",
        birth_date="19600101",
        plan_label="HCC 55/25",
        plan_name="VMAT liver and thrombus",
        description="Synthetic liver",
    )
    anatomy = Anatomy(
        seed=11,
        scale=0.97,
        origin_mm=(3.0, -148.0, -412.0),
        tumour_center_mm=(-95.0, 4.0, 17.0),
        tumour_radii_mm=(21.0, 23.0, 20.0),
    )
    planes = _planes(-505.5, 3.0, 64)
    drawing = Drawing(planes, (-497.0, -327.0), 1.5, 1.0)
    drawn = draw(anatomy, drawing)
    for name, shift in (("GTV_T00", (0.3, -1.5, -5.5)), ("GTV_T50", (-0.2, 1.0, 4.5))):
        drawn.contours[name] = draw_phase(drawn, drawing, shift)
    grid = _grid_around(drawn, 2.5, -502.0, -322.0, (0.4, 0.7, 0.9))
    arcs = _partial_arcs(drawn.isocentre_mm)
    model = model_dose(drawn, grid, arcs[0], step_deg=4.0, seed=21)
    dose_gy = Fit.of(drawn, model, grid, total_gy=55.0).with_liver_mean(16.8)
    _clear(folder)
    lattice = CtLattice((-199.2, -302.5), 1.953125, 160, 208, seed=1000)
    uids = _write_ct_series(
        who, drawn, planes, lattice, lambda number: folder / "CT" / f"CT_{number:03d}.dcm"
    )
    rois = drawn.rois(marker="Isocentre_Mark")
    treatment = Treatment(55.0, 25, "PTV", arcs, drawn.isocentre_mm)
    write_structures(who, folder / "RS.dcm", rois, uids)
    write_plan(who, folder / "RP.dcm", treatment, rois, drawn.target_points_mm)
    scaling = 0.001
    stored = np.rint(dose_gy / scaling).astype(np.uint16)
    write_dose(who, folder / "RD.dcm", grid, stored, scaling_gy=scaling)


def sbrt_5fx(folder: Path) -> None:
    """A small nodule near the gut, 27.5 Gy in 5 fractions, exported by a medium-minded system.

    Bowel and colon receive the maxima 18.6 and 23.8 Gy of the published five-fraction plan.
    """
    who = Identity(
        key="sbrt-5fx",
        patient_name="Phantom^Stereotactic",
        patient_id="PE-0002",
        sex="F",
        birth_date="19550505",
        plan_label="SBRT 27.5/5",
        plan_name="VMAT SBRT segment VI",
        description="Synthetic liver SBRT",
    )
    anatomy = Anatomy(
        seed=5,
        scale=0.88,
        origin_mm=(-4.0, 12.0, 31.0),
        tumour_center_mm=(-92.0, -26.0, -29.0),
        tumour_radii_mm=(15.0, 16.0, 14.0),
        thrombus=False,
        loop_mm=(-55.5, -36.5, -55.0),
        flexure_mm=(-92.0, -44.0, -83.2),
    )
    planes = _planes(-48.5, 3.0, 50)
    drawing = Drawing(planes, (-43.0, 93.0), 1.5, 0.8)
    drawn = draw(anatomy, drawing)
    grid = _grid_around(drawn, 2.0, -48.0, 98.0, (0.3, 0.8, 0.6))
    arcs = _partial_arcs(drawn.isocentre_mm)
    model = model_dose(drawn, grid, arcs[0], step_deg=5.0, seed=31)
    fitted = Fit.of(drawn, model, grid, total_gy=27.5).dose_gy(0.62)
    wanted = {
        "Bowel_Small": (drawn.contours["Bowel_Small"], 18.6),
        "Colon": (drawn.contours["Colon"], 23.8),
    }
    dose_gy = shape_maxima(fitted, grid, model.distance_mm, wanted)
    _clear(folder)
    study = folder / "DICOM" / "PAT00002" / "STD00001"
    lattice = CtLattice((-202.7, -148.9), 2.5, 128, 160, seed=2000)
    uids = _write_ct_series(
        who, drawn, planes, lattice, lambda number: study / "SER00001" / f"IMG{number:05d}"
    )
    rois = drawn.rois()
    treatment = Treatment(27.5, 5, "PTV", arcs, drawn.isocentre_mm)
    write_structures(who, study / "SER00002" / "IMG00001", rois, uids)
    write_plan(who, study / "SER00003" / "IMG00001", treatment, rois, drawn.target_points_mm)
    scaling = 0.0005
    stored = np.rint(dose_gy / scaling).astype(np.uint16)
    write_dose(
        who,
        study / "SER00004" / "IMG00001",
        grid,
        stored,
        scaling_gy=scaling,
        descending_absolute=True,
    )


def fails_on_purpose(folder: Path) -> None:
    """A large tumour: both liver rules fail, no oesophagus, the colon leaves the dose grid."""
    who = Identity(
        key="fails-on-purpose",
        patient_name="Phantom^Failing",
        patient_id="PE-0003",
        sex="M",
        birth_date="19481231",
        plan_label="HCC 55/25 X",
        plan_name="Fails on purpose",
        description="Synthetic liver",
    )
    anatomy = Anatomy(
        seed=8,
        origin_mm=(0.0, 0.0, 0.0),
        tumour_center_mm=(-82.0, -2.0, 14.0),
        tumour_radii_mm=(37.0, 40.0, 34.0),
        thrombus=False,
    )
    drawing = Drawing(_planes(-120.0, 3.0, 69), (-121.0, 85.0), 1.5, 1.0)
    drawn = draw(anatomy, drawing, without=("Esophagus", "V_Portal"))
    edge_mm = _height_below_which(drawn.contours["Colon"], 0.30)
    grid = _grid_around(drawn, 3.0, edge_mm + 1.5, 92.0, (0.2, 0.6, 0.0))
    arcs = _partial_arcs(drawn.isocentre_mm)
    model = model_dose(drawn, grid, arcs[0], step_deg=5.0, seed=41)
    fit = Fit.of(drawn, model, grid, total_gy=55.0)
    dose_gy = fit.with_liver_mean_and_spared(24.0, 150.0)
    if outside_grid(fit.liver_mm, grid).any():
        raise RuntimeError("the liver must lie inside the dose grid")
    _clear(folder)
    rois = drawn.rois()
    treatment = Treatment(55.0, 25, "PTV", arcs, drawn.isocentre_mm)
    write_structures(who, folder / "RS.dcm", rois)
    write_plan(who, folder / "RP.dcm", treatment, rois, drawn.target_points_mm)
    scaling = 0.001
    stored = np.rint(dose_gy / scaling).astype(np.uint16)
    write_dose(who, folder / "RD.dcm", grid, stored, scaling_gy=scaling)


def _height_below_which(contours: Contours, fraction: float) -> float:
    """The z below which about a fraction of a structure's volume lies, to 0.1 mm."""
    heights = sorted(contours)
    areas = [sum(_area_mm2(loop) for loop in contours[z]) for z in heights]
    return round(float(np.interp(fraction, np.cumsum(areas) / sum(areas), heights)) + 1.5, 1)


def _area_mm2(loop: Array) -> float:
    """The area of a closed loop."""
    x, y = loop.T
    return 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


TUMOUR_SITES: list[Point] = [(-97, 3, 17), (-84, -20, 34), (-100, 14, -12), (-60, -40, 20)]
CONVENTIONAL = [(50.0, 20), (50.0, 25), (55.0, 25), (56.0, 28), (60.0, 30), (65.0, 30)]
FIVE_FRACTIONS = [(27.5, 5), (35.0, 5), (40.0, 5), (45.0, 5)]


def cohort_patient(folder: Path, number: int) -> None:
    """One small patient: no CT, coarse planes, its own body, tumour and prescription."""
    random = np.random.default_rng(9000 + number)
    five = random.random() < 0.3
    schedules = FIVE_FRACTIONS if five else CONVENTIONAL
    total_gy, fractions = schedules[int(random.integers(len(schedules)))]
    site = int(random.integers(len(TUMOUR_SITES)))
    radius = float(random.uniform(13.0, 20.0) if five else random.uniform(18.0, 36.0))
    thrombus = bool(site == 0 and not five and radius > 26.0)
    anatomy = Anatomy(
        seed=9000 + number,
        scale=float(round(random.uniform(0.9, 1.04), 3)),
        origin_mm=(0.0, -140.0, float(10 * random.integers(-60, 60))),
        tumour_center_mm=TUMOUR_SITES[site],
        tumour_radii_mm=(radius, radius * 1.05, radius * 0.95),
        thrombus=thrombus,
    )
    z0 = anatomy.origin_mm[2]
    drawing = Drawing(
        _planes(z0 - 95.0, 5.0, 37), (z0 - 91.0, z0 + 81.0), 4.0, 2.5, tolerance_mm=0.5
    )
    drawn = draw(anatomy, drawing, without=("V_Portal", "Lungs"))
    grid = _grid_around(drawn, 5.0, z0 - 96.0, z0 + 88.0, (1.2, 0.7, 0.9))
    arcs = _partial_arcs(drawn.isocentre_mm)
    model = model_dose(drawn, grid, arcs[0], step_deg=15.0, seed=9500 + number)
    fit = Fit.of(drawn, model, grid, total_gy=total_gy, step_mm=4.0)
    dose_gy = fit.dose_gy(float(random.uniform(0.45, 0.75)))
    who = Identity(
        key=f"cohort {number}",
        patient_name=f"Phantom^Cohort{number:04d}",
        patient_id=f"PE-C{number:04d}",
        sex="MF"[int(random.integers(2))],
        birth_date=f"{int(random.integers(1935, 1985))}0615",
        plan_label=f"LIVER {total_gy:g}/{fractions}",
        plan_name="Cohort plan",
        description="Synthetic liver cohort",
    )
    rois = drawn.rois()
    treatment = Treatment(total_gy, fractions, "PTV", arcs, drawn.isocentre_mm)
    write_structures(who, folder / "RS.dcm", rois)
    write_plan(who, folder / "RP.dcm", treatment, rois, drawn.target_points_mm)
    scaling = 0.002
    stored = np.rint(dose_gy / scaling).astype(np.uint16)
    write_dose(who, folder / "RD.dcm", grid, stored, scaling_gy=scaling)


def write_cohort(folder: Path, count: int) -> None:
    """Write patients 1 to count, one folder each."""
    for number in range(1, count + 1):
        cohort_patient(folder / f"PE-C{number:04d}", number)
