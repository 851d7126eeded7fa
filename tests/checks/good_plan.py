"""A small plan in which every check is silent, and the places where a test can spoil it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tests.dicom_writer import BeamSpec, CaseWriter, Roi, Rx, axial_grid, box_ring, prism

import planeval as pe
from planeval.checks import PlanChecks, plan_checks
from planeval.protocol.anatomy import named_organs

CT = axial_grid((31, 60, 60), spacing_mm=(3, 2, 2), origin_mm=(-59, -59, -45))
DOSE = axial_grid((29, 56, 56), spacing_mm=(2.5, 2, 2), origin_mm=(-55, -55, -35))
BODY_HEIGHTS = [float(z) for z in range(-42, 43, 3)]
HEIGHTS = [float(z) for z in range(-12, 13, 3)]


def body(**changes):
    return Roi("External", prism(box_ring(100, 90), BODY_HEIGHTS), type="EXTERNAL", **changes)


def ptv(width_mm: float = 24.0, *, centre=(0.0, 0.0), heights=HEIGHTS):
    return Roi("PTV", prism(box_ring(width_mm, width_mm, centre), heights), type="PTV")


def cord(extra: Sequence = ()):
    ring = box_ring(10, 10, (0, 35))
    return Roi("SpinalCord", [*prism(ring, BODY_HEIGHTS), *extra], type="ORGAN")


def dose_array(grid=DOSE, *, top_gy: float = 58.0, centre=(0.0, 0.0, 0.0), width_mm=30.0):
    """A smooth hill: nearly flat over the target and next to nothing at the border."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    points = grid.to_patient(np.stack([k.ravel(), j.ravel(), i.ravel()], axis=1))
    distance = np.linalg.norm(points - np.asarray(centre), axis=1)
    return (top_gy * np.exp(-((distance / width_mm) ** 6))).reshape(grid.shape)


def beam_doses(*gy: float, point=None):
    """An edit of the plan that states the beams' doses in one fraction."""

    def edit(ds):
        references = ds.FractionGroupSequence[0].ReferencedBeamSequence
        for reference, each in zip(references, gy, strict=True):
            reference.BeamDose = str(each)
            if point is not None:
                reference.BeamDoseSpecificationPoint = [str(c) for c in point]

    return edit


def write_good(
    folder: Path,
    *,
    rois: Sequence[Roi] | None = None,
    hu=None,
    ct=None,
    dose_grid=DOSE,
    gy=None,
    rx: Sequence[Rx] = (Rx("PTV", 55.0),),
    beams: Sequence[BeamSpec] = (BeamSpec(1, "Arc 1"), BeamSpec(2, "Arc 2")),
    fractions: int = 25,
    groups=None,
    edit_ct=None,
    edit_structures=None,
    edit_plan=None,
    edit_dose=None,
    what: str = "plan",
) -> Path:
    """Write the plan; everything can be replaced. Images are written only where ``ct`` is given."""
    writer = CaseWriter(folder)
    if ct is not None:
        writer.ct(ct, hu, edit=edit_ct)
    writer.structures([body(), ptv(), cord()] if rois is None else rois, edit=edit_structures)
    writer.plan(rx, fractions=fractions, groups=groups, beams=beams, edit=edit_plan, what=what)
    values = dose_array(dose_grid) if gy is None else gy

    def dated(ds):
        ds.ContentDate = "20250104"
        if edit_dose is not None:
            edit_dose(ds)

    writer.dose(dose_grid, values, edit=dated, what=f"dose of {what}")
    return folder


def checked(folder: Path, *, read_hu: bool = False, **loading) -> PlanChecks:
    """Load a case and run the checks with the names of its organs."""
    case = pe.load(folder, **loading)
    return plan_checks(case, named_organs(case.structures), read_hu=read_hu)


def codes(result: PlanChecks) -> list[str]:
    return [each.code for each in result.findings]


def row(result: PlanChecks, check: str):
    return next(each for each in result.rows if each.id == check)


def only(result: PlanChecks, code: str):
    """The one finding of the checks, which must be of a code."""
    (found,) = result.findings
    assert found.code == code, result.findings
    return found
