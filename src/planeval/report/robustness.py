"""A robustness record in words and cells, for the terminal and for its own page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from planeval.model import Status, Verdict
from planeval.model.robustness import (
    RobustnessRecord,
    RobustRow,
    ScenarioRow,
    ScenarioSet,
    SetupErrors,
    Vector,
)
from planeval.model.rows import GroupMode
from planeval.report.cells import (
    DASH,
    StatusCell,
    limit_cell,
    number_text,
    status_cell,
    value_cell,
)
from planeval.report.text import visible
from planeval.report.wording import GROUP_WORDS, VERDICT_WORDS

__all__ = ["RobustLine", "SetView", "Strip", "set_views", "shift_text"]

STRIP_WIDTH = 120.0
_EDGE = 4.0
SAME = 1e-6
"""Numbers closer than this are one number with rounding."""


@dataclass(frozen=True, slots=True)
class Strip:
    """A picture of a spread: places in 0..120 of its whole, its middle 90 %, median, plan, limit.

    ``lowest`` to ``highest`` is a thin line, ``p5`` to ``p95`` a bar.
    """

    lowest: float
    p5: float
    median: float
    p95: float
    highest: float
    planned: float | None
    limit: float | None
    text: str


@dataclass(frozen=True, slots=True)
class RobustLine:
    """A row, a group or a target metric as every report shows it."""

    title: str
    in_plan: str
    metric: str
    limit: str
    planned: str
    status: StatusCell | None
    middle: str
    median: str
    worst: str
    worst_in: str
    met: str
    met_style: str
    interval: str
    notes: tuple[str, ...]
    strip: Strip | None
    depth: int
    is_group: bool
    is_counted: bool


@dataclass(frozen=True, slots=True)
class SetView:
    """A set of scenarios: what it is, what it comes to, and its tables."""

    title: str
    setup: tuple[str, ...]
    summary: str
    is_sample: bool
    rows: tuple[RobustLine, ...]
    targets: tuple[RobustLine, ...]
    scenarios: tuple[tuple[str, str, str], ...]


def set_views(record: RobustnessRecord) -> tuple[SetView, ...]:
    """Return every set of scenarios in words and cells."""
    return tuple(_view(each, record.deliveries) for each in record.sets)


def _view(scenarios: ScenarioSet, deliveries: Sequence[str]) -> SetView:
    shifts = {each.name: each.mean_mm for each in scenarios.scenarios}
    is_sample = isinstance(scenarios.setup, SetupErrors)
    count = len(scenarios.scenarios)
    return SetView(
        title=f"{count} drawn scenarios" if is_sample else f"Shift set of {count} directions",
        setup=_setup(scenarios),
        summary=_summary(scenarios),
        is_sample=is_sample,
        rows=tuple(_line(row, shifts, is_sample=is_sample) for row in scenarios.rows),
        targets=tuple(_line(row, shifts, is_sample=is_sample) for row in scenarios.targets),
        scenarios=tuple(
            (each.name, _shifts_text(each, deliveries), VERDICT_WORDS[each.verdict].word)
            for each in scenarios.scenarios
        ),
    )


def _setup(scenarios: ScenarioSet) -> tuple[str, ...]:
    """Return the choices behind a set, one sentence each."""
    setup = scenarios.setup
    if isinstance(setup, SetupErrors):
        sentences = [
            f"Systematic error (1 SD), once a scenario: {_lengths(setup.systematic_mm)}.",
            f"Random error (1 SD), once a fraction: {_lengths(setup.random_mm)}.",
            f"Seed {setup.seed}.",
        ]
    else:
        sentences = [f"Distance in every direction: {_lengths(setup.distance_mm)}."]
    if setup.drift_mm:
        sentences.append(f"Drift towards the feet: {setup.drift_mm:g} mm.")
    return tuple(sentences)


def _lengths(mm: Vector) -> str:
    if len(set(mm)) == 1:
        return f"{mm[0]:g} mm along each axis"
    return (
        f"{mm[0]:g} mm left-right, {mm[1]:g} mm anterior-posterior, {mm[2]:g} mm superior-inferior"
    )


def shift_text(mm: Vector) -> str:
    """Return a shift by the sides that the anatomy moves to.

    >>> shift_text((2.0, -1.25, 0.0))
    'L 2.0, A 1.2 mm'
    """
    sides = [
        f"{pair[value > 0]} {abs(value):.1f}"
        for value, pair in zip(mm, (("R", "L"), ("A", "P"), ("I", "S")), strict=True)
        if abs(value) >= 0.05
    ]
    return f"{', '.join(sides)} mm" if sides else "no shift"


def _shifts_text(scenario: ScenarioRow, deliveries: Sequence[str]) -> str:
    """Return the mean shift of a scenario, and that of each part of a sum where they differ."""
    text = shift_text(scenario.mean_mm)
    if len(set(scenario.deliveries_mm)) < 2:
        return text
    parts = zip(deliveries, scenario.deliveries_mm, strict=True)
    return f"{text} ({'; '.join(f'{visible(name)}: {shift_text(mm)}' for name, mm in parts)})"


def _summary(scenarios: ScenarioSet) -> str:
    """Return the headline: how often all counted rows are met."""
    count = len(scenarios.scenarios)
    if not any(row.is_counted and row.met is not None for row in scenarios.rows):
        return "The protocol has no counted dose row for this plan."
    text = f"All counted dose rows met in {scenarios.verdict_met} of {count}"
    rest = _not_met(scenarios)
    if scenarios.verdict_probability is None or scenarios.verdict_band is None:
        return f"{text} directions.{rest}"
    share = _percent(scenarios.verdict_probability)
    return f"{text} scenarios: {share} ({_band(scenarios.verdict_band)}).{rest}"


def _not_met(scenarios: ScenarioSet) -> str:
    """Return how many of the others fail, and how many could not be evaluated."""
    failed = sum(each.verdict is Verdict.FAIL for each in scenarios.scenarios)
    unknown = len(scenarios.scenarios) - scenarios.verdict_met - failed
    if not failed + unknown:
        return ""
    return f" {failed} fail, {unknown} could not be evaluated."


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _band(band: tuple[float, float]) -> str:
    return f"95 % interval {100 * band[0]:.0f} to {100 * band[1]:.0f} %"


def _line(row: RobustRow, shifts: dict[str, Vector], *, is_sample: bool) -> RobustLine:
    is_group = row.metric == ""
    levels = [row.limit.limit] if row.limit else []
    unit = f" {row.unit}" if row.unit else ""
    spread = row.spread
    middle = median = worst = DASH
    if spread is not None:
        ends = (spread.p5, spread.p95) if is_sample else (spread.lowest, spread.highest)
        low, high = (number_text(end, levels) for end in ends)
        middle = f"{low} to {high}{unit}"
        median = f"{number_text(spread.median, levels)}{unit}"
    if row.worst is not None:
        worst = f"{number_text(row.worst, levels)}{unit}"
    return RobustLine(
        title=_title(row),
        in_plan=row.in_plan if row.in_plan != row.structure else "",
        metric=row.metric,
        limit=limit_cell(row.limit),
        planned=str(value_cell(row.planned, [row.limit])) if row.planned else "",
        status=status_cell(row.planned_outcome) if row.planned_outcome and row.is_counted else None,
        middle=middle,
        median=median,
        worst=worst,
        worst_in=f"{row.worst_in}: {shift_text(shifts[row.worst_in])}" if row.worst_in else "",
        met=_met(row),
        met_style=_met_style(row),
        interval=_band(row.probability_band) if row.probability_band else "",
        notes=_notes(row),
        strip=_strip(row),
        depth=row.depth,
        is_group=is_group,
        is_counted=row.is_counted,
    )


def _title(row: RobustRow) -> str:
    if row.metric:
        return row.structure
    word, meaning = GROUP_WORDS[GroupMode(row.type)]
    return f"{word} ({meaning}): {row.title or row.id}"


def _met(row: RobustRow) -> str:
    """Return how often a row is met, as a share of a sample or as a count of directions."""
    if row.met is None:
        return DASH
    of = sum(count for _, count in row.counts)
    if row.probability is not None:
        return f"{_percent(row.probability)} ({row.met} of {of})"
    return f"{row.met} of {of}"


def _met_style(row: RobustRow) -> str:
    """Return the colour of a share: all met, none met, or between."""
    if row.met is None:
        return "none"
    of = sum(count for _, count in row.counts)
    if row.met == of:
        return "pass"
    return "fail" if row.met < of / 2 else "acceptable"


def _notes(row: RobustRow) -> tuple[str, ...]:
    notes = []
    counts = dict(row.counts)
    unknown = counts.get(Status.NOT_EVALUABLE, 0)
    if unknown:
        outside = f" ({row.undefined} leave the dose grid)" if row.undefined else ""
        notes.append(f"{unknown} not evaluable{outside}, counted as not met")
    if counts.get(Status.ACCEPTABLE, 0):
        notes.append(f"{counts[Status.ACCEPTABLE]} of these acceptable only")
    if row.undefined and not unknown and row.planned is not None and row.planned.is_defined:
        notes.append(f"no number in {row.undefined}: part of it leaves the dose grid")
    if not row.is_counted and row.limit is not None:
        notes.append(row.title)
    return tuple(notes)


def _strip(row: RobustRow) -> Strip | None:
    """Return the picture of a spread, None where there is none or nothing varies."""
    spread = row.spread
    if spread is None:
        return None
    planned = row.planned.number if row.planned else None
    limit = row.limit.limit if row.limit else None
    shown: Sequence[float] = [
        number for number in (spread.lowest, spread.highest, planned, limit) if number is not None
    ]
    low, high = min(shown), max(shown)
    if high - low <= SAME * max(abs(high), 1.0):
        return None

    def at(number: float) -> float:
        return round(_EDGE + (STRIP_WIDTH - 2 * _EDGE) * (number - low) / (high - low), 1)

    return Strip(
        at(spread.lowest),
        at(spread.p5),
        at(spread.median),
        at(spread.p95),
        at(spread.highest),
        None if planned is None else at(planned),
        None if limit is None else at(limit),
        f"{number_text(spread.lowest)} to {number_text(spread.highest)} {row.unit}".strip(),
    )
