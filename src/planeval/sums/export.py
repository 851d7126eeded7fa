"""The dose of a case as one RTDOSE file."""

from __future__ import annotations

from pathlib import Path

from planeval.case import Case
from planeval.dicom.write_dose import write_dose_file
from planeval.dose.biology import deliveries
from planeval.dose.summation import common_grid, resampled
from planeval.errors import InconsistentCase
from planeval.metrics import grammar
from planeval.model import Biology, Dose
from planeval.sums.parts import dose_of

__all__ = ["write_dose"]


def write_dose(path: str | Path, case: Case, *, biology: str = "") -> Path:
    """Write the dose of a case as one RTDOSE of summation type MULTI_PLAN (PLAN for one plan).

    The grid is the finest of the case's terms, cut to where all of them are defined. ``biology``
    such as ``EQD2_3`` writes the converted dose: DoseType EFFECTIVE, alpha/beta and fractions in
    DoseComment.

    Raises:
        GeometryError: the doses have no block of voxels in common.
        ReportError: the file cannot be written.
        InconsistentCase: the dose cannot be converted, or there is none.
    """
    dose = dose_of(case)
    wanted = _biology(biology)
    grid = common_grid(dose)
    try:
        gy = resampled(dose, grid, wanted)
    except ValueError as error:
        raise InconsistentCase(f"no {biology}: {error}") from error
    return write_dose_file(
        Path(path),
        grid=grid,
        gy=gy,
        case=case.data,
        comment=_comment(dose, wanted),
        dose_type="EFFECTIVE" if wanted else dose.type,
    )


def _biology(text: str) -> Biology | None:
    """Return the conversion that a text such as ``EQD2_3`` asks for."""
    return grammar.parse(f"{text}:Mean[Gy]").biology if text else None


def _comment(dose: Dose, biology: Biology | None) -> str:
    """Return what the exported dose is, in the 64 characters of DoseComment."""
    counts = "+".join(str(terms[0].fractions or "?") for terms in deliveries(dose))
    if biology is None:
        return f"planeval sum, fractions {counts}"[:64]
    return f"{biology.quantity} a/b={biology.alpha_beta_gy:g} Gy, fractions {counts}"[:64]
