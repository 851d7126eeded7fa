"""The DVH chart: curves on shared doses for an interactive chart, and the same as vectors.

A chart shows one plan, or several: then the colour is the structure and the line pattern the plan.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planeval.model.record import EvaluationRecord
from planeval.model.rows import LimitMark, Row
from planeval.report.cells import limit_cell
from planeval.report.colours import DASHES, Ink, ink
from planeval.report.curves import Curve, largest_dose, volume_percent_at
from planeval.report.text import visible

__all__ = [
    "Chart",
    "ChartLine",
    "ChartPlan",
    "ChartStructure",
    "CurveSet",
    "Mark",
    "Tick",
    "chart_data",
    "chart_of",
]

Floats = NDArray[np.float64]

POINTS = 500
"""Doses of the interactive chart: 0.13 Gy apart for 65 Gy."""

LEFT, TOP, WIDTH, HEIGHT = 52.0, 34.0, 880.0, 380.0
"""The plot area of the static chart, in its own units."""

FARTHEST_LIMIT = 1.5
"""A limit beyond this many times the highest dose is not drawn: it would squeeze the curves."""

LONGEST_NAME = 64
ACCEPTABLE_TIER = "acceptable"


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis and its text."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A limit on its curve, which must pass below it (or left), or above (or right).

    ``is_outer`` marks the acceptable tier.
    """

    gy: float
    percent: float
    below: bool
    is_outer: bool
    text: str
    x: float
    y: float


@dataclass(frozen=True, slots=True, eq=False)
class CurveSet:
    """The curves of another plan (or another calculation), drawn over the first in one pattern.

    ``short`` stands beside numbers, ``label`` in the legend.
    """

    short: str
    label: str
    curves: tuple[Curve, ...]
    dash: tuple[int, ...]
    shown: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True)
class ChartPlan:
    """A plan in the legend: its name, its line pattern, whether it starts shown, what to know of it."""

    short: str
    label: str
    dash: tuple[int, ...]
    shown: bool
    note: str


@dataclass(frozen=True, slots=True)
class ChartLine:
    """A curve of the chart; ``path`` is its static form, ``percents`` are V at the shared doses.

    ``plan`` and ``structure`` are its places in the chart's plans and structures.
    """

    name: str
    plan: int
    structure: int
    ink: Ink
    dash: tuple[int, ...]
    width: float
    path: str
    percents: tuple[float, ...]
    total_cc: float
    outside_cc: float
    is_target: bool
    shown: bool
    judged: bool
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class ChartStructure:
    """A structure in the legend, with the numbers of its lines; the first is drawn beside its name."""

    name: str
    lines: tuple[int, ...]
    shown: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """The DVH chart. ``rx_gy`` is what 100 % on the upper axis stands for, None without."""

    plans: tuple[ChartPlan, ...]
    structures: tuple[ChartStructure, ...]
    lines: tuple[ChartLine, ...]
    doses_gy: tuple[float, ...]
    x_ticks: tuple[Tick, ...]
    top_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    rx_gy: float | None
    rx_text: str
    left: float = LEFT
    top: float = TOP
    width: float = WIDTH
    height: float = HEIGHT


def chart_of(
    curves: Sequence[Curve],
    record: EvaluationRecord,
    others: Sequence[CurveSet] = (),
    *,
    label: tuple[str, str] = ("", "this plan"),
) -> Chart | None:
    """Return the chart of these curves with the limits of the record; None without a curve.

    ``others`` are drawn over them. Where some of those show from the start, a line's pattern says the
    plan, and the curves of the first plan, which ``label`` names (short and in full), are solid.
    """
    highest = largest_dose([*curves, *(curve for each in others for curve in each.curves)])
    if not curves or highest <= 0:
        return None
    marks = _marks(record, {curve.name for curve in curves})
    end, step = _dose_axis(highest, [mark.dose_gy for each in marks.values() for mark, _ in each])
    doses = np.linspace(0.0, end, POINTS)
    lines = _Lines(curves, others, doses, marks).made()
    rx = max((each.total_gy for each in record.prescriptions), default=None)
    return Chart(
        (
            ChartPlan(*label, (), True, ""),
            *(
                ChartPlan(each.short, each.label, each.dash, each.shown, each.note)
                for each in others
            ),
        ),
        _structures(lines),
        lines,
        tuple(np.round(doses, 4).tolist()),
        tuple(
            Tick(LEFT + WIDTH * gy / end, f"{gy:g}") for gy in np.arange(0, end + step / 2, step)
        ),
        _percent_ticks(rx, end),
        tuple(
            Tick(TOP + HEIGHT * (1 - percent / 100), str(percent)) for percent in range(0, 101, 20)
        ),
        rx,
        f"% of {rx:.12g} Gy" if rx else "",
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Lines:
    """What the lines of a chart are made from."""

    curves: Sequence[Curve]
    others: Sequence[CurveSet]
    doses: Floats
    marks: dict[str, list[tuple[LimitMark, str]]]

    def made(self) -> tuple[ChartLine, ...]:
        """Return the lines of all plans, plan by plan."""
        everything = not any(curve.starts_visible for curve in self.curves)
        first = {curve.name: curve for curve in self.curves}
        names = dict.fromkeys([*first, *(c.name for each in self.others for c in each.curves)])
        places = {name: place for place, name in enumerate(names)}
        by_plan = any(each.shown for each in self.others)
        turns = iter(range(len(self.curves)))
        lines = [
            self._line(
                curve, (0, places[curve.name]), () if by_plan else _dash(curve, turns),
                everything or curve.starts_visible,
            )
            for curve in self.curves
        ]  # fmt: skip
        for number, each in enumerate(self.others, start=1):
            for curve in each.curves:
                base = first.get(curve.name)
                starts = each.shown and base is not None and (everything or base.starts_visible)
                look = curve if base is None else replace(curve, colour=base.colour, type=base.type)
                lines.append(self._line(look, (number, places[curve.name]), each.dash, starts))
        return tuple(lines)

    def _line(
        self, curve: Curve, place: tuple[int, int], dash: tuple[int, ...], shown: bool
    ) -> ChartLine:
        doses = self.doses
        percents = volume_percent_at(curve, doses)
        marks = [] if place[0] else self.marks.get(curve.name, [])
        end = float(doses[-1])
        return ChartLine(
            curve.name,
            *place,
            ink(curve.colour),
            dash,
            2.6 if curve.is_target else 1.5,
            _path(doses, percents, curve),
            tuple(np.round(percents, 3).tolist()),
            curve.total_cc,
            curve.outside_cc,
            curve.is_target,
            shown,
            curve.judged,
            tuple(_mark(mark, text, curve, end) for mark, text in marks if mark.dose_gy <= end),
        )


def _structures(lines: Sequence[ChartLine]) -> tuple[ChartStructure, ...]:
    """Return one entry a structure; it starts as its first line does."""
    by_place: dict[int, list[int]] = {}
    for number, line in enumerate(lines):
        by_place.setdefault(line.structure, []).append(number)
    return tuple(
        ChartStructure(lines[found[0]].name, tuple(found), lines[found[0]].shown)
        for _, found in sorted(by_place.items())
    )


def chart_data(chart: Chart) -> dict[str, Any]:
    """Return what the interactive chart needs, as plain data; names are made visible text."""
    return {
        "doses": chart.doses_gy,
        "rx": chart.rx_gy,
        "rxText": chart.rx_text,
        "plans": [
            {"label": visible(plan.label, LONGEST_NAME), "shown": plan.shown}
            for plan in chart.plans
        ],
        "structures": [
            {"name": visible(each.name, LONGEST_NAME), "shown": each.shown}
            for each in chart.structures
        ],
        "series": [
            {
                "name": visible(line.name, LONGEST_NAME),
                "plan": line.plan,
                "structure": line.structure,
                "light": line.ink.light,
                "dark": line.ink.dark,
                "dash": line.dash,
                "width": line.width,
                "target": line.is_target,
                "judged": line.judged,
                "cc": float(f"{line.total_cc:.9g}"),
                "percent": line.percents,
                "marks": [
                    {
                        "gy": mark.gy,
                        "percent": float(f"{mark.percent:.9g}"),
                        "below": mark.below,
                        "hollow": mark.is_outer,
                        "text": visible(mark.text),
                    }
                    for mark in line.marks
                ],
            }
            for line in chart.lines
        ],
    }


def _dose_axis(highest: float, limits: Sequence[float]) -> tuple[float, float]:
    """Return the end of the dose axis and its step: the curves, and limits not far beyond them."""
    near = [gy for gy in limits if gy <= FARTHEST_LIMIT * highest]
    step = _step(max(highest, *near, 0.0) / 8)
    return math.ceil(max(highest * 1.01, *near, 0.0) / step) * step, step


def _step(rough: float) -> float:
    """Return the nearest larger round step: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)


def _percent_ticks(rx_gy: float | None, end: float) -> tuple[Tick, ...]:
    if not rx_gy:
        return ()
    step = 20 if 100 * end / rx_gy < 250 else 50
    percents = range(0, int(100 * end / rx_gy) + 1, step)
    return tuple(
        Tick(LEFT + WIDTH * percent * rx_gy / 100 / end, str(percent)) for percent in percents
    )


def _dash(curve: Curve, turns: Iterator[int]) -> tuple[int, ...]:
    """Targets are solid; the others take the patterns in turn."""
    return () if curve.is_target else DASHES[next(turns) % len(DASHES)]


def _path(doses: Floats, percents: Floats, curve: Curve) -> str:
    """Return the static curve, down to the last dose of the structure."""
    last = float(curve.dose_gy[-1])
    kept = doses < last
    x = LEFT + WIDTH * np.append(doses[kept], last) / doses[-1]
    ends = np.append(percents[kept], volume_percent_at(curve, np.array([last])))
    y = TOP + HEIGHT * (1 - ends / 100)
    steps = [f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True)]
    unique = [step for step, before in zip(steps, [None, *steps], strict=False) if step != before]
    return "M" + "L".join([*unique, f"{x[-1]:.1f} {TOP + HEIGHT:.1f}"])


def _mark(mark: LimitMark, text: str, curve: Curve, end: float) -> Mark:
    percent = min(100.0 * mark.volume_cc / curve.total_cc, 100.0)
    return Mark(
        mark.dose_gy,
        percent,
        mark.below,
        mark.tier == ACCEPTABLE_TIER,
        text,
        LEFT + WIDTH * mark.dose_gy / end,
        TOP + HEIGHT * (1 - percent / 100),
    )


def _marks(
    record: EvaluationRecord, names: Collection[str]
) -> dict[str, list[tuple[LimitMark, str]]]:
    """Return the limit marks of all rows by the curve they belong to, each with its words."""
    found: dict[str, list[tuple[LimitMark, str]]] = {}
    for row in record.flat_rows():
        for mark in row.marks:
            name = mark.structure if mark.structure in names else row.match.name_in_plan
            found.setdefault(name, []).append((mark, _mark_text(row, mark)))
    return found


def _mark_text(row: Row, mark: LimitMark) -> str:
    limit = row.acceptable if mark.tier == ACCEPTABLE_TIER else row.per_protocol
    return f"{row.structure} {row.metric} {limit_cell(limit)} ({mark.tier.replace('_', ' ')})"
