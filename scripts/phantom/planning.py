"""From a patient to a plan: structures with targets, and a dose fitted to wanted numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq

from phantom.anatomy import Anatomy, Patient
from phantom.contours import Contours, draw_field, draw_organs
from phantom.dicom_files import Roi
from phantom.dose import Arcs, DoseModel, Grid, arc_bath, plateau, signed_distance_mm
from phantom.oracle import highest_gy, lattice_points
from phantom.shapes import Array, Point
from phantom.targets import Targets, grow_targets

ROI_STYLE: dict[str, tuple[str, tuple[int, int, int]]] = {
    "External": ("EXTERNAL", (0, 200, 120)),
    "Liver": ("ORGAN", (150, 90, 40)),
    "GTV": ("GTV", (255, 60, 60)),
    "PVTT": ("GTV", (255, 140, 0)),
    "V_Portal": ("ORGAN", (60, 120, 255)),
    "CTV": ("CTV", (255, 120, 200)),
    "PTV": ("PTV", (255, 0, 0)),
    "Esophagus": ("ORGAN", (230, 200, 120)),
    "Stomach": ("ORGAN", (240, 160, 90)),
    "Duodenum": ("ORGAN", (200, 220, 80)),
    "Bowel_Small": ("AVOIDANCE", (120, 200, 80)),
    "Colon": ("AVOIDANCE", (80, 160, 120)),
    "Kidney_L": ("ORGAN", (200, 160, 220)),
    "Kidney_R": ("ORGAN", (160, 120, 220)),
    "SpinalCord": ("AVOIDANCE", (255, 255, 0)),
    "Heart": ("ORGAN", (220, 100, 140)),
    "Lungs": ("ORGAN", (90, 200, 240)),
    "GTV_T00": ("GTV", (180, 40, 40)),
    "GTV_T50": ("GTV", (120, 40, 40)),
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """Where contours are drawn: planes, the range for everything but the body, and fineness."""

    planes_mm: Array
    drawn_mm: tuple[float, float]
    step_mm: float
    target_step_mm: float
    tolerance_mm: float = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class DrawnPatient:
    """A patient with every contour and the targets as fields."""

    patient: Patient
    targets: Targets
    contours: dict[str, Contours]
    target_points_mm: Array
    isocentre_mm: Point

    def rois(self, *, marker: str | None = None) -> list[Roi]:
        """All drawn structures in the customary order, and a point at the isocentre."""
        rois = [
            Roi(name, kind, colour, self.contours[name])
            for name, (kind, colour) in ROI_STYLE.items()
            if self.contours.get(name)
        ]
        if marker:
            rois.append(Roi(marker, "ISOCENTER", (255, 255, 255), {}, self.isocentre_mm))
        return rois


def draw(anatomy: Anatomy, drawing: Drawing, *, without: tuple[str, ...] = ()) -> DrawnPatient:
    """Draw all organs and grow and draw the targets."""
    patient = Patient.build(anatomy)
    names = [name for name in patient.organs if name not in without]
    contours = draw_organs(
        patient,
        names,
        drawing.planes_mm,
        step_mm=drawing.step_mm,
        drawn_mm=drawing.drawn_mm,
        tolerance_mm=drawing.tolerance_mm,
    )
    targets = grow_targets(patient, step_mm=drawing.target_step_mm)
    for name, field in (("CTV", targets.ctv), ("PTV", targets.ptv)):
        x_mm, y_mm, _ = field.axes_mm
        contours[name] = draw_field(
            field.slice_at, (x_mm, y_mm), drawing.planes_mm, tolerance_mm=drawing.tolerance_mm
        )
    filling = lattice_points(contours["PTV"], step_mm=2.0, layers=1)[0]
    x, y, z = np.round(filling.mean(axis=0), 1).tolist()
    return DrawnPatient(patient, targets, contours, filling, (x, y, z))


def draw_phase(drawn: DrawnPatient, drawing: Drawing, shift_mm: Point) -> Contours:
    """The tumour of another breathing phase: the same shape, moved and drawn anew."""
    moved = replace(
        drawn.patient.placement,
        origin_mm=tuple(np.add(drawn.patient.anatomy.origin_mm, shift_mm).tolist()),
    )
    patient = replace(drawn.patient, placement=moved)
    organs = draw_organs(
        patient,
        ["GTV"],
        drawing.planes_mm,
        step_mm=drawing.step_mm,
        drawn_mm=drawing.drawn_mm,
        tolerance_mm=drawing.tolerance_mm,
    )
    return organs["GTV"]


def model_dose(
    drawn: DrawnPatient, grid: Grid, arcs: Arcs, *, step_deg: float, seed: int
) -> DoseModel:
    """Plateau, bath and distance for this patient on a dose grid."""
    x, y, _ = drawn.patient.anatomy.origin_mm
    bath = arc_bath(
        grid,
        drawn.target_points_mm,
        arcs,
        body_mm=(x, y, *drawn.patient.body_half_axes_mm),
        step_deg=step_deg,
        seed=seed,
    )
    distance_mm = signed_distance_mm(drawn.targets.ptv, grid)
    return DoseModel(plateau(grid, seed + 1), bath, distance_mm)


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Finds the mix of plateau and bath that gives wanted numbers; always PTV D95% = Rx."""

    model: DoseModel
    grid: Grid
    total_gy: float
    ptv_mm: Array
    liver_mm: Array
    liver_cc: float

    @classmethod
    def of(
        cls,
        drawn: DrawnPatient,
        model: DoseModel,
        grid: Grid,
        *,
        total_gy: float,
        step_mm: float = 2.0,
    ) -> Fit:
        """The fit of a drawn patient; the liver is judged without gross tumour."""
        gross = [drawn.contours[name] for name in ("GTV", "PVTT") if drawn.contours.get(name)]
        liver, cc = lattice_points(drawn.contours["Liver"], *gross, step_mm=step_mm)
        ptv = lattice_points(drawn.contours["PTV"], step_mm=step_mm)[0]
        return cls(model, grid, total_gy, ptv, liver, cc)

    def dose_gy(self, bath_scale: float, bath_power: float = 1.0) -> Array:
        """The dose of one mix, normalised to the PTV."""
        relative = self.model.relative(bath_scale, bath_power)
        return relative * self.total_gy / np.percentile(self.grid.sample(relative, self.ptv_mm), 5)

    def with_liver_mean(self, mean_gy: float, bath_power: float = 1.0) -> Array:
        """The dose whose mean in the liver without gross tumour is as wanted."""

        def excess(bath_scale: float) -> float:
            dose_gy = self.dose_gy(bath_scale, bath_power)
            return float(self.grid.sample(dose_gy, self.liver_mm).mean()) - mean_gy

        return self.dose_gy(brentq(excess, 0.02, 3.0, xtol=1e-5), bath_power)

    def with_liver_mean_and_spared(self, mean_gy: float, spared_cc: float) -> Array:
        """The dose with a wanted mean and a wanted volume below 5 Gy."""

        def excess(bath_power: float) -> float:
            dose_gy = self.with_liver_mean(mean_gy, bath_power)
            below = self.grid.sample(dose_gy, self.liver_mm) < 5.0
            return np.count_nonzero(below) * self.liver_cc - spared_cc

        return self.with_liver_mean(mean_gy, brentq(excess, 0.15, 2.5, xtol=2e-4))


def shape_maxima(
    dose_gy: Array,
    grid: Grid,
    distance_mm: Array,
    wanted_gy: dict[str, tuple[Contours, float]],
) -> Array:
    """Push or pull the dose locally, outside the PTV, until each structure's maximum is as wanted.

    Each step scales the dose around the structure's hottest point by a wide Gaussian bump, as an
    optimiser's point objective would.
    """
    z, y, x = np.meshgrid(*grid.axes_mm[::-1], indexing="ij")
    free = np.clip(distance_mm / 4.0, 0.0, 1.0)
    for _ in range(60):
        worst = 0.0
        for contours, limit_gy in wanted_gy.values():
            highest, (px, py, pz) = highest_gy(contours, grid, dose_gy)
            worst = max(worst, abs(highest - limit_gy))
            bump = np.exp(-((x - px) ** 2 + (y - py) ** 2 + (z - pz) ** 2) / (2.0 * 14.0**2))
            dose_gy = dose_gy * (1.0 + (limit_gy / highest - 1.0) * bump * free)
        if worst < 0.003:
            break
    return dose_gy
