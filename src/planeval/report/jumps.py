"""Places worth looking at: the target, the hottest voxel, and where a row's outcome is decided."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from planeval.case import Case
from planeval.errors import PlanevalError
from planeval.model import Status
from planeval.model.margins import MarginRow
from planeval.model.record import EvaluationRecord
from planeval.model.rows import Row
from planeval.report.cells import number_text
from planeval.report.planes import Centre, Vector, hottest_voxel
from planeval.report.status import STATUS_WORDS

__all__ = ["Jump", "jumps_of"]

_SHOWN = (Status.FAIL, Status.NOT_EVALUABLE, Status.ACCEPTABLE)


@dataclass(frozen=True, slots=True)
class Jump:
    """A place in the patient, what is there, and the row it belongs to (empty without one)."""

    text: str
    point_mm: Vector
    row_id: str = ""


def jumps_of(case: Case, record: EvaluationRecord, centre: Centre) -> tuple[Jump, ...]:
    """Return the places, the general ones first, then rows by severity and audited margins.

    A row that limits from above is shown at the hottest point of its structure, one that limits from
    below at the coldest.
    """
    rows = [row for row in record.flat_rows() if row.outcome and _is_of_interest(row)]
    ranked = sorted(
        rows, key=lambda row: STATUS_WORDS[row.outcome.status].rank if row.outcome else 9
    )
    return (
        Jump(centre.reason, centre.point_mm),
        *_hottest(case),
        *(jump for row in ranked if (jump := _row(case, row)) is not None),
        *(jump for margin in record.margins if (jump := _margin(margin)) is not None),
        *_spills(record),
    )


def _is_of_interest(row: Row) -> bool:
    outcome = row.outcome
    return outcome is not None and (outcome.status in _SHOWN or outcome.near_limit)


def _hottest(case: Case) -> Iterator[Jump]:
    if case.dose is None:
        return
    point = hottest_voxel(case.dose)
    dose = case.dose_at(*point)
    if dose.is_defined:
        yield Jump(f"the dose maximum, {number_text(dose.value)} Gy", point)


def _row(case: Case, row: Row) -> Jump | None:
    limit = row.per_protocol or row.acceptable
    name = row.match.name_in_plan
    if limit is None or row.outcome is None or not row.match.is_found or case.dose is None:
        return None
    try:
        dvh = case.dvh(name)
    except PlanevalError:
        return None
    is_upper = limit.operator.startswith("<") != row.metric.startswith("CV")
    spot = dvh.hottest if is_upper else dvh.coldest
    if spot is None:
        return None
    which = "hottest" if is_upper else "coldest"
    word = STATUS_WORDS[row.outcome.status].word
    near = ", near limit" if row.outcome.near_limit else ""
    return Jump(
        f"{word}{near}: {row.structure} {row.metric}, {which} point of {name}",
        spot.position_mm,
        row.id,
    )


def _margin(row: MarginRow) -> Jump | None:
    if row.outcome.status not in _SHOWN or row.report is None or not row.report.regions:
        return None
    worst = max(row.report.regions, key=lambda region: (region.kind == "short", region.depth_mm))
    return Jump(
        f"{STATUS_WORDS[row.outcome.status].word}: margin of {row.outer.name_in_plan}, "
        f"{worst.kind} by {worst.depth_mm:.1f} mm",
        worst.place_mm,
        row.id,
    )


def _spills(record: EvaluationRecord) -> Iterator[Jump]:
    for target in record.targets:
        for spill in target.spills:
            yield Jump(
                f"prescription dose of {target.name} outside the targets, "
                f"{number_text(spill.hottest_gy)} Gy",
                spill.position_mm,
            )
