"""Which prescription of a table the plan could have, in words: information beside a row."""

from __future__ import annotations

from dataclasses import dataclass

from planeval.model.record import EvaluationRecord
from planeval.model.rows import LevelChoice, Row, ScaledLevel
from planeval.report.cells import limit_cell, value_cell

__all__ = ["LEVEL_METRIC", "LEVEL_NOTE", "LevelLine", "level_line", "level_lines"]

LEVEL_METRIC = "HighestLevelMet[Gy]"
"""What a table of values calls the level."""

LEVEL_NOTE = (
    "highest prescription of the table whose limit is met if the whole dose is scaled to it"
)

ASSUMPTION = (
    "Information, not an outcome: it assumes that the whole dose is multiplied by level / "
    "prescription; a new plan for that level may differ."
)


@dataclass(frozen=True, slots=True)
class LevelLine:
    """The answer in a sentence, what it rests on, and the lines of the table that were tried."""

    answer: str
    basis: str
    tried: tuple[str, ...]


def level_line(row: Row) -> LevelLine | None:
    """Return what a row says of the levels of its table, None where its table chooses none."""
    choice = row.level_choice
    if choice is None:
        return None
    evidence = f" Evidence of the table: {row.evidence}." if row.evidence else ""
    warning = " Nobody has read it in its source." if row.is_unverified else ""
    return LevelLine(
        _answer(row, choice),
        f"{ASSUMPTION}{evidence}{warning}",
        tuple(_tried(row.metric, each) for each in choice.levels),
    )


def level_lines(record: EvaluationRecord) -> tuple[tuple[str, LevelLine], ...]:
    """Return (structure, line) of every row whose table chooses a prescription."""
    found = ((row.structure, level_line(row)) for row in record.flat_rows())
    return tuple((structure, line) for structure, line in found if line is not None)


def _answer(row: Row, choice: LevelChoice) -> str:
    """Return the answer: the level and the number that meets it, or why there is none."""
    start = "Prescription of the table if the plan is scaled"
    if choice.from_gy is not None:
        start += f" from {choice.from_gy:.12g} Gy"
    level = choice.level
    if level.number is None:
        return f"{start}: {level.reason}."
    met = next(each for each in choice.levels if each.rx_gy == level.number)
    sides = _sides(row.metric, met)
    text = f"{start}: {level.number:.12g} Gy is the highest whose limit is met ({sides})."
    if not choice.near_limit:
        return text
    span = [f"{level.low:.12g} to {level.high:.12g} Gy"] if level.low < level.high else []
    return f"{text} It changes within the value's numeric band: {', '.join([*span, *level.notes])}."


def _tried(metric: str, level: ScaledLevel) -> str:
    """Return one line of the table: level, scaled value, limit, whether it is met."""
    near = ", near the limit" if level.near_limit else ""
    met = "met" if level.is_met else "not met"
    return f"{level.rx_gy:.12g} Gy: {_sides(metric, level)}, {met}{near}"


def _sides(metric: str, level: ScaledLevel) -> str:
    limits = (level.per_protocol,)
    return f"{metric} {value_cell(level.value, limits)}, limit {limit_cell(level.per_protocol)}"
