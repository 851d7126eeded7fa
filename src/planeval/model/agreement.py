"""How a planning system's own DVH compares with ours, and what explains a difference."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from planeval.model.value import Value
from planeval.units import Unit

__all__ = ["Agreement", "AgreementMetric", "AgreementRow", "Rule"]


class Agreement(StrEnum):
    """Whether two DVHs of a structure say the same."""

    AGREES = "agrees"
    EXPLAINED = "explained"
    DIFFERS = "differs"
    NOT_COMPARED = "not-compared"


class Rule(StrEnum):
    """What explains a difference: with this choice, or within what it leaves open, there is none."""

    END_CAPS = "end-caps"
    SHAPE = "shape-between-planes"
    GRID = "dose-grid-coverage"
    BIN = "bin-width"
    SAMPLING = "sampling"
    LOW_DOSE = "low-dose"


@dataclass(frozen=True, slots=True, eq=False)
class AgreementMetric:
    """One number of both: ``difference`` is ours minus theirs, ``tolerance`` what counts as the same.

    ``metric`` is a TG-263 expression, or ``Curve``: then ``difference`` is the largest distance of
    the curves in percentage points of the volume and ``at_gy`` the dose where it is.
    """

    metric: str
    unit: Unit
    theirs: float | None
    ours: Value
    difference: float | None
    tolerance: float
    state: Agreement
    rule: Rule | None = None
    at_gy: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class AgreementRow:
    """One DVH of the planning system beside ours.

    ``structure`` is the plan's name, or the combination that the DVH is of. ``bin_gy`` is the step
    of its curve, ``caps`` the reading of end caps that comes nearest to its volume, ``rules`` what
    explains the differences. ``reason`` says why nothing was compared.
    """

    structure: str
    origin: str
    state: Agreement
    metrics: tuple[AgreementMetric, ...] = ()
    rules: tuple[Rule, ...] = ()
    bin_gy: float | None = None
    caps: str = ""
    note: str = ""
    reason: str = ""
