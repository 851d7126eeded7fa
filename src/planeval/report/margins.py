"""The margin section: a table by axis, a histogram, and small pictures of where a margin is off.

The numbers are the record's. The pictures show the outlines of both structures on a few planes, and
the marks of the record that lie near each plane.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from planeval.case import Case
from planeval.errors import GeometryError, ProtocolError
from planeval.model import Structure
from planeval.model.margins import (
    AxisMargin,
    HistogramBin,
    MarginMark,
    MarginRegion,
    MarginReport,
    MarginRow,
    Spread,
)
from planeval.model.record import EvaluationRecord
from planeval.model.rows import StructureMatch
from planeval.report.cells import DASH, MINUS, StatusCell, status_cell
from planeval.report.lines import outline_on, svg_path
from planeval.report.planes import Box, PicturePlane, orthogonal_planes
from planeval.report.wording import KIND_WORDS

__all__ = [
    "MARK_WORDS",
    "MarginPicture",
    "MarginView",
    "axis_cells",
    "margin_views",
    "mm_text",
    "sentence",
    "spread_text",
]

MARK_WORDS = {
    "short": "short: the rule asks for more",
    "clipped": "missing because it is clipped",
    "long": "long: beyond the rule",
    "outside": "the inner structure sticks out",
}

AXIS_WORDS = {
    "L": "left", "R": "right", "A": "anterior", "P": "posterior", "S": "superior", "I": "inferior",
}  # fmt: skip

AROUND_MM = 6.0
AXIAL_PICTURES = 4
NEAR_PLANE_MM = 2.0
"""Marks this near to a picture's plane are drawn on it."""

MOST_REGIONS = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of the histogram, in parts of a picture 100 wide and 40 high, and its words."""

    x: float
    width: float
    height: float
    text: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A mark on a picture, in picture mm."""

    kind: str
    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class MarginPicture:
    """Outlines of the outer and the inner structure on a plane, and marks near it."""

    plane: PicturePlane
    position: str
    outer: str
    inner: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class MarginView:
    """One audit as the page shows it."""

    row: MarginRow
    status: StatusCell
    kind: str
    counts: bool
    sentence: str
    axes: tuple[tuple[str, ...], ...]
    facts: tuple[tuple[str, str], ...]
    regions: tuple[str, ...]
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    pictures: tuple[MarginPicture, ...]
    kinds_shown: tuple[str, ...]


def mm_text(number: float | None) -> str:
    """Return mm with one decimal, a dash where there is none.

    >>> mm_text(4.96), mm_text(None), mm_text(-0.04)
    ('5.0', '—', '0.0')
    """
    if number is None:
        return DASH
    return f"{round(number, 1) + 0.0:.1f}".replace("-", MINUS)


def spread_text(spread: Spread | None) -> str:
    """Return median and the middle 90 %: ``5.0 (4.9 to 5.7)``."""
    if spread is None:
        return DASH
    return f"{mm_text(spread.median_mm)} ({mm_text(spread.p5_mm)} to {mm_text(spread.p95_mm)})"


def rule_text(axis: AxisMargin) -> str:
    """Return the rule of one axis."""
    if axis.rule_low_mm is None:
        return DASH
    if axis.rule_high_mm is None:
        return f"≥ {axis.rule_low_mm:g}"
    if axis.rule_high_mm == axis.rule_low_mm:
        return f"{axis.rule_low_mm:g}"
    return f"{axis.rule_low_mm:g} to {axis.rule_high_mm:g}"


def axis_cells(report: MarginReport) -> tuple[tuple[str, ...], ...]:
    """Return axis, rule, least, median with the middle 90 %, extent, and what the ends leave open."""
    return tuple(
        (
            f"{axis.axis} {AXIS_WORDS[axis.axis]}",
            rule_text(axis),
            mm_text(axis.spread.minimum_mm if axis.spread else None),
            spread_text(axis.spread),
            mm_text(axis.extent_mm),
            f"{MINUS}{mm_text(axis.end_less_mm)}, +{mm_text(axis.end_more_mm)}"
            if axis.end_less_mm or axis.end_more_mm
            else DASH,
        )
        for axis in report.axes
    )


def margin_views(record: EvaluationRecord, case: Case | None) -> tuple[MarginView, ...]:
    """Return the audits of a record; pictures need the case."""
    return tuple(_view(row, case) for row in record.margins)


def _view(row: MarginRow, case: Case | None) -> MarginView:
    report = row.report
    pictures = tuple(_pictures(row, report, case)) if report and case else ()
    return MarginView(
        row=row,
        status=status_cell(row.outcome),
        kind=KIND_WORDS[row.kind] if row.is_counted else "information, does not count",
        counts=row.is_counted,
        sentence=sentence(row),
        axes=axis_cells(report) if report else (),
        facts=tuple(_facts(report)) if report else (),
        regions=tuple(map(_region_text, report.regions[:MOST_REGIONS])) if report else (),
        bars=tuple(_bars(report.histogram)) if report else (),
        ticks=tuple(_ticks(report.histogram)) if report else (),
        pictures=pictures,
        kinds_shown=tuple(
            kind for kind in MARK_WORDS if any(dot.kind == kind for p in pictures for dot in p.dots)
        ),
    )


def sentence(row: MarginRow) -> str:
    """Return the audit in a line: rule, margin, shares."""
    rule = f"Rule: {row.rule}, ± {row.tolerance_mm:g} mm" if row.rule else "No rule: inside or not"
    report = row.report
    if report is None:
        return f"{rule}."
    margin = report.margin
    parts = [
        f"{rule}. Margin to the nearest surface: median {mm_text(margin.median_mm)} mm, "
        f"5 % {mm_text(margin.p5_mm)}, least {mm_text(margin.minimum_mm)}"
    ]
    for word, percent in (
        ("short", report.short_percent),
        ("clipped", report.clipped_percent),
        ("long", report.long_percent),
    ):
        if percent is not None:
            parts.append(f"{word} {percent:.1f} %")
    return "; ".join(parts) + "."


def _facts(report: MarginReport) -> Iterator[tuple[str, str]]:
    """Yield what folds away: thrombus, vessel, agreement with the rule's solid."""
    if report.thrombus is not None:
        short = report.thrombus_short_percent
        suffix = "" if short is None else f"; {short:.1f} % short"
        yield "Along the thrombus, mm", spread_text(report.thrombus) + suffix
    if report.vessel_missing_percent is not None:
        yield (
            "Part along the vessel outside",
            f"{report.vessel_missing_percent:.1f} %, up to {mm_text(report.vessel_missing_mm)} mm",
        )
    yield "Inner surface", f"{report.inner_area_mm2 / 100:.1f} cm²"
    if report.outside_mm:
        yield (
            "Inner structure outside",
            f"{report.outside_percent:.1f} % by more than 1 mm, at most {mm_text(report.outside_mm)} mm",
        )
    agreement = report.agreement
    if agreement is not None:
        dice = f"{agreement.dice:.3f}" if agreement.dice is not None else agreement.reason
        yield "Dice with the rule's solid", dice
        yield f"Surface Dice at {agreement.tolerance_mm:g} mm", f"{agreement.surface_dice:.3f}"
        yield (
            "Distance to it: mean, 95 %, largest",
            f"{mm_text(agreement.mean_distance_mm)}, {mm_text(agreement.hd95_mm)}, "
            f"{mm_text(agreement.hausdorff_mm)} mm",
        )
        percent = f"{agreement.volume_difference_percent:+.1f} %"
        volume = f"{agreement.volume_difference_cc:+.2f} cc ({percent})"
        yield "Volume, outer minus rule", volume.replace("-", MINUS)
        shift = ", ".join(mm_text(each) for each in agreement.centroid_shift_mm)
        yield "Shift of the centre x, y, z", f"{shift} mm"


def _region_text(region: MarginRegion) -> str:
    x, y, z = (mm_text(each) for each in region.place_mm)
    return (
        f"{region.kind} by up to {mm_text(region.depth_mm)} mm, {AXIS_WORDS[region.axis]}, "
        f"{region.area_mm2 / 100:.1f} cm² around ({x}, {y}, {z}), "
        f"slice {mm_text(region.slice_mm)}"
    )


def _bars(bins: tuple[HistogramBin, ...]) -> Iterator[Bar]:
    highest = max((each.percent for each in bins), default=0.0) or 1.0
    width = 100.0 / max(len(bins), 1)
    for number, each in enumerate(bins):
        text = f"{each.low_mm:g} to {each.high_mm:g} mm: {each.percent:.1f} %"
        yield Bar(number * width, width, 36.0 * each.percent / highest, text.replace("-", MINUS))


def _ticks(bins: tuple[HistogramBin, ...]) -> Iterator[tuple[float, str]]:
    every = max(1, len(bins) // 6)
    for number in range(0, len(bins) + 1, every):
        edge = bins[number].low_mm if number < len(bins) else bins[-1].high_mm
        yield 100.0 * number / len(bins), f"{edge:g}".replace("-", MINUS)


def _pictures(row: MarginRow, report: MarginReport, case: Case) -> Iterator[MarginPicture]:
    """Yield axial planes, and the coronal and sagittal plane through the worst place or the centre.

    The axial ones lie where the margin is off, else evenly through the inner structure.
    """
    solids = [_solid(case, match) for match in (row.outer, row.inner)]
    outer, inner = solids
    if outer is None or inner is None:
        return
    (x0, y0, z0), (x1, y1, z1) = outer.bounds_mm
    box = Box(
        (x0 - AROUND_MM, y0 - AROUND_MM, z0 - AROUND_MM),
        (x1 + AROUND_MM, y1 + AROUND_MM, z1 + AROUND_MM),
    )
    low, high = (np.asarray(corner) for corner in inner.bounds_mm)
    worst = [region.place_mm for region in report.regions if region.kind != "long"]
    middle = worst[0] if worst else tuple((low + high) / 2)
    heights = [min(max(place[2], z0 + 0.5), z1 - 0.5) for place in worst] + [
        float(low[2] + share * (high[2] - low[2])) for share in (0.5, 0.15, 0.85, 0.35, 0.65)
    ]
    chosen: list[float] = []
    for height in heights:
        if len(chosen) < AXIAL_PICTURES and all(
            abs(height - other) > 2 * NEAR_PLANE_MM for other in chosen
        ):
            chosen.append(height)
    x, y, _ = (float(each) for each in middle)
    planes = [orthogonal_planes(box, (x, y, height))[0] for height in sorted(chosen, reverse=True)]
    planes += orthogonal_planes(box, (x, y, float(middle[2])))[1:]
    for plane in planes:
        yield MarginPicture(
            plane,
            f"{'xyz'[plane.axis]} = {mm_text(plane.position_mm)} mm",
            svg_path(outline_on(plane, outer), closed=True),
            svg_path(outline_on(plane, inner), closed=True),
            tuple(_dots(plane, report.marks)),
        )


def _solid(case: Case, match: StructureMatch) -> Structure | None:
    name = match.name_in_plan
    if name in case.structures:
        return case.structures[name]
    try:
        return case.structure(f"({name})")
    except (GeometryError, ProtocolError):
        return None


def _dots(plane: PicturePlane, marks: Iterable[MarginMark]) -> Iterator[Dot]:
    for mark in marks:
        if abs(mark.place_mm[plane.axis] - plane.position_mm) <= NEAR_PLANE_MM:
            x, y = plane.project(np.array([mark.place_mm]))[0]
            yield Dot(mark.kind, float(x), float(y), f"{mark.kind} {mm_text(mark.amount_mm)} mm")
