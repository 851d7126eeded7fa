"""What every part of a sum asks of a case: its dose, and the name that messages give it."""

from __future__ import annotations

from planeval.case import Case
from planeval.errors import InconsistentCase, UnsupportedData
from planeval.model import Dose

__all__ = ["dose_of", "label"]


def dose_of(case: Case) -> Dose:
    """Return the dose to add. Raises for a case without one, and for MULTI_PLAN."""
    if case.dose is None:
        raise InconsistentCase(f"{label(case)} has no dose; export the RTDOSE with the plan")
    if case.dose.summation == "MULTI_PLAN":
        raise UnsupportedData(
            f"the dose of {label(case)} is MULTI_PLAN: which plans it holds already is unknown, so "
            "that adding another could count one twice; add the plans' own doses"
        )
    return case.dose


def label(case: Case) -> str:
    """Return how messages name a case."""
    plans = ", ".join(repr(plan.label) for plan in case.plans)
    return f"plan {plans}" if plans else f"the dose of {case.patient_id!r} without a plan"
