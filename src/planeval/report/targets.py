"""Targets as tables of formatted cells, the same for HTML and the terminal."""

from __future__ import annotations

from dataclasses import dataclass

from planeval.model.record import EvaluationRecord
from planeval.model.targets import Spill, TargetRow, TargetValue
from planeval.report.cells import ValueCell, number_text, value_cell

__all__ = ["INDEX_DEFINITIONS", "TargetLine", "TargetTable", "target_tables"]

INDEX_DEFINITIONS = (
    "HI = (D2% - D98%) / D50%, ideal 0 (ICRU 83).",
    "PIV is the volume of the prescription isodose in the parts that touch the target, TVPIV the "
    "volume of the target inside it, TV the volume of the target.",
    "PaddickCI = TVPIV² / (TV x PIV), ideal 1 (Paddick 2000). RTOGCI = PIV / TV, ideal 1 (Shaw 1993).",
    "GradientIndex = V(Rx/2) / V(Rx) (Paddick and Lippitz 2006). R50 = V(Rx/2) / TV. D2cm is the "
    "largest dose in the body more than 20 mm from the target, in % of Rx.",
    "An isodose that also touches another target, or that reaches the edge of the dose grid, gives no "
    "index. Targets of which 90 % or more lies inside another are one target with it.",
    "Below 2 cc the near-minimum and near-maximum are those of 0.035 cc (ICRU 91).",
)


@dataclass(frozen=True, slots=True)
class TargetLine:
    """One target: its name, what stands below the name, its cells, why some are empty."""

    name: str
    notes: tuple[str, ...]
    cells: tuple[tuple[str, ValueCell], ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TargetTable:
    """Targets with the same columns; a cell names its own metric where it is not the column's."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[TargetLine, ...]


_COVERAGE = (
    "Volume[cc]", "V95%[%]", "V100%[%]", "V107%[%]", "D98%[Gy]", "D95%[Gy]", "D50%[Gy]", "D2%[Gy]",
)  # fmt: skip


def target_tables(record: EvaluationRecord) -> tuple[TargetTable, ...]:
    """Return the coverage of every target, and the indices of those that are no part of another."""
    if not record.targets:
        return ()
    coverage = tuple(
        _line(row, row.coverage, _COVERAGE, _coverage_notes(row)) for row in record.targets
    )
    tables = [TargetTable("Coverage", _COVERAGE, coverage)]
    with_indices = [row for row in record.targets if row.indices]
    if with_indices:
        columns = tuple(each.metric for each in with_indices[0].indices)
        lines = tuple(
            _line(row, row.indices, columns, tuple(map(_spill_text, row.spills)))
            for row in with_indices
        )
        tables.append(TargetTable("Indices", columns, lines))
    return tuple(tables)


def _line(
    row: TargetRow,
    values: tuple[TargetValue, ...],
    columns: tuple[str, ...],
    notes: tuple[str, ...],
) -> TargetLine:
    cells = tuple(
        ("" if each.metric == column else each.metric, value_cell(each.value))
        for each, column in zip(values, columns, strict=True)
    )
    reasons = tuple(dict.fromkeys(cell.reason for _, cell in cells if cell.reason))
    return TargetLine(row.name, notes, cells, reasons)


def _coverage_notes(row: TargetRow) -> tuple[str, ...]:
    notes = [f"inside {row.inside}"] if row.inside else []
    notes.append(f"100 % is {row.rx_gy:.12g} Gy" if row.rx_gy is not None else row.rx)
    return tuple(notes)


def _spill_text(spill: Spill) -> str:
    """Return one island of the prescription isodose in words."""
    x, y, z = (f"{c:.1f}" for c in spill.position_mm)
    return (
        f"{number_text(spill.volume_cc)} cc of the prescription isodose touch no target: up to "
        f"{number_text(spill.hottest_gy)} Gy at x {x}, y {y}, z {z} mm"
    )
