"""The margin audit: which margin do a plan's target volumes really have?

*The margin* at a point of the inner structure's surface is the distance to the outer structure's
surface, negative where the inner one sticks out. *Along an axis* it is the distance that the surface
facing the axis (within 30 degrees) can travel along it before it leaves the outer structure. This is
how far the inner structure can move that way and still be covered; a slanted surface has more of it
than of distance, by 1 / cos of the slant.

*Short* is judged on the rule's solid: the inner structure grown by the lower ends of the rule (with
what it must hold along a vessel). The points of its surface that lie outside the outer structure by
more than the tolerance are short, unless clipping explains them. *Long* are the points of the outer
surface that lie outside the solid of the upper ends by more than the tolerance. In between is in
range.

What becomes of it:

* FAIL: more than 1 % of the rule's surface is short, or more than 0.1 % of the inner surface sticks
  out of the outer structure by more than 1 mm. Clipping explains neither the second nor an avoided
  organ's effect on it: the inner structure is never removed.
* ACCEPTABLE: not so, but more than 1 % of the surface is long, or missing because of clipping.
* PASS: in range. Without a rule: the inner structure lies inside.
* NOT_EVALUABLE: a structure is empty, has one plane of unknown thickness, or lies in another frame.

The end of a stack is only known within a plane spacing. The shares are also computed with the ends
where the drawing leaves most and least room; where that changes the outcome it is near the limit.
docs/margin-audit.md shows the closed forms and the real contours behind these numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.errors import GeometryError
from planeval.geometry.booleans import combine
from planeval.geometry.margin import Margins, expand
from planeval.geometry.stack import PlanarStack
from planeval.geometry.surface import Agreement, Surface, SurfacePoints, agreement, surface_of
from planeval.model import Outcome, Status, Structure
from planeval.model.margins import MarginReport, MarginRule, SurfaceAgreement
from planeval.targets.clipping import clipped_points
from planeval.targets.reach import beyond_reach_mm
from planeval.targets.summary import (
    axis_margins,
    end_room,
    histogram_of,
    marks_of,
    regions_of,
    spread_of,
)

__all__ = ["MarginAudit", "margin_audit"]

Floats = NDArray[np.float64]

ALLOWED_PERCENT = 1.0
"""Share of a surface that may be off by more than the tolerance."""

OUTSIDE_MM = 1.0
OUTSIDE_PERCENT = 0.1
"""The inner structure sticks out where this share of it does by more than this; see the docs."""

NEAR_THROMBUS_MM = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class MarginAudit:
    """What an audit found: the outcome, plain numbers, and the points behind them.

    ``report`` is None where nothing could be measured; the outcome says why. ``inner_points`` are
    even points of the inner surface with ``margin_mm`` at each; ``rule_points`` those of the rule's
    solid with ``short_mm`` (how far outside the outer structure they lie; negative inside) and
    ``is_clipped``.
    """

    outer: str
    inner: str
    rule: MarginRule | None
    tolerance_mm: float
    outcome: Outcome
    report: MarginReport | None = None
    inner_points: SurfacePoints | None = None
    margin_mm: Floats | None = None
    rule_points: SurfacePoints | None = None
    short_mm: Floats | None = None
    is_clipped: NDArray[np.bool_] | None = None

    def __repr__(self) -> str:
        found = ""
        if self.report is not None:
            margin = self.report.margin
            found = f", median {margin.median_mm:.1f} mm, least {margin.minimum_mm:.1f} mm"
        return f"MarginAudit({self.outer!r} around {self.inner!r}: {self.outcome.status}{found})"


def margin_audit(
    outer: Structure,
    inner: Structure,
    rule: MarginRule | None = None,
    *,
    thrombus: Structure | None = None,
    vessel_part: Structure | None = None,
    clipped_by: Sequence[Structure] = (),
    tolerance_mm: float = 2.0,
) -> MarginAudit:
    """Return which margin ``outer`` has around ``inner``, and how that agrees with a rule.

    Args:
        outer: the volume that holds the other, such as the PTV.
        inner: the volume inside, such as the CTV.
        rule: the margins that are asked for; without one only containment is judged.
        thrombus: a part of the inner structure whose margin is also summarised alone.
        vessel_part: what the rule adds along a vessel: required as the margins are, never long.
        clipped_by: structures that may cut the outer one. One that holds more than half of the
            inner surface limits it from outside (liver, body); any other is avoided (bowel).
        tolerance_mm: by how much a surface may be off the rule.

    Raises ValueError for a tolerance that is not positive.
    """
    if not tolerance_mm > 0:
        raise ValueError(f"tolerance_mm is {tolerance_mm:g}; it must be positive")
    empty = MarginAudit(outer.name, inner.name, rule, tolerance_mm, Outcome(Status.PASS))
    given = [outer, inner, *(each for each in (thrombus, vessel_part) if each), *clipped_by]
    reason = _unusable(given)
    if reason:
        return replace(empty, outcome=Outcome(Status.NOT_EVALUABLE, reason))
    try:
        pair = _Pair(outer, inner)
        lump, part = (
            None if each is None else surface_of(each.stack) for each in (thrombus, vessel_part)
        )
        demand = None if rule is None else _Demand(pair, rule, vessel_part)
    except GeometryError as error:
        reason = f"{outer.name} around {inner.name} cannot be measured: {error}"
        return replace(empty, outcome=Outcome(Status.NOT_EVALUABLE, reason))
    report = pair.report(rule, thrombus=lump, vessel=part, tolerance_mm=tolerance_mm)
    result = replace(empty, inner_points=pair.points, margin_mm=pair.margin_mm)
    if demand is None:
        return replace(result, report=report, outcome=_outcome(report, tolerance_mm))
    found = demand.measured(report, clipped_by, thrombus=lump, tolerance_mm=tolerance_mm)
    return replace(
        result,
        report=found,
        outcome=_outcome(found, tolerance_mm),
        rule_points=demand.points,
        short_mm=demand.short_mm,
        is_clipped=demand.clipped,
    )


def _unusable(structures: Sequence[Structure]) -> str:
    """Return why structures cannot be compared, empty where they can."""
    for each in structures:
        if each.stack.is_empty:
            return f"{each.name} is empty"
    frames = {each.frame_uid for each in structures if each.frame_uid}
    if len(frames) > 1:
        return f"{structures[0].name} and {structures[1].name} lie in different frames of reference"
    return ""


class _Pair:
    """The two surfaces, and the margin at every point of the inner one."""

    def __init__(self, outer: Structure, inner: Structure) -> None:
        self.outer, self.inner = outer, inner
        self.outside, self.inside = surface_of(outer.stack), surface_of(inner.stack)
        self.points = self.inside.points()
        self.margin_mm = self.outside.depth_mm(self.points.points_mm)

    @property
    def slices_mm(self) -> tuple[float, ...]:
        """Heights of the outer structure's drawn planes, empty where it is derived."""
        return tuple(plane.offset_mm for plane in self.outer.stack.planes)

    def report(
        self,
        rule: MarginRule | None,
        *,
        thrombus: Surface | None,
        vessel: Surface | None,
        tolerance_mm: float,
    ) -> MarginReport:
        """Return what needs no rule."""
        margin, points = self.margin_mm, self.points
        out = -margin > OUTSIDE_MM
        report = MarginReport(
            inner_area_mm2=self.inside.area_mm2,
            margin=spread_of(margin),
            histogram=histogram_of(margin),
            axes=axis_margins(self.outside, self.inside, points, margin_mm=margin, rule=rule),
            outside_percent=_percent(out),
            outside_mm=_largest(-margin),
            regions=regions_of("outside", points, -margin, out, self.outside, self.slices_mm),
            marks=marks_of("outside", points, -margin, out),
        )
        if thrombus is not None:
            near = np.abs(thrombus.depth_mm(points.points_mm)) <= NEAR_THROMBUS_MM
            report = replace(report, thrombus=spread_of(margin[near]) if near.any() else None)
        if vessel is not None:
            missing = -self.outside.depth_mm(vessel.points().points_mm)
            report = replace(
                report,
                vessel_missing_mm=_largest(missing),
                vessel_missing_percent=_percent(missing > tolerance_mm),
            )
        return report


class _Demand:
    """The rule's solids around the inner structure, and where the outer one differs from them."""

    def __init__(self, pair: _Pair, rule: MarginRule, vessel_part: Structure | None) -> None:
        self._pair = pair
        self._stack = _grown(pair.inner, rule.least, vessel_part)
        self._surface = surface_of(self._stack)
        self._rule = rule
        self.points = self._surface.points()
        distance, self._feet = pair.outside.nearest(self.points.points_mm)
        inside = pair.outside.solid.at(self.points.points_mm) >= 0
        self.short_mm = np.where(inside, -distance, distance)
        self.clipped = np.zeros(len(distance), dtype=bool)

    def measured(
        self,
        report: MarginReport,
        clipped_by: Sequence[Structure],
        *,
        thrombus: Surface | None,
        tolerance_mm: float,
    ) -> MarginReport:
        """Return the report with what the rule finds short, clipped and long."""
        pair, points, short = self._pair, self.points, self.short_mm
        more, less = end_room(pair.outside, pair.inside, points, self._feet)
        over = np.flatnonzero(short > tolerance_mm)
        if len(over):
            self.clipped[over] = clipped_points(
                points.points_mm[over],
                self._feet[over],
                clipped_by,
                inner_mm=pair.points.points_mm,
                tolerance_mm=tolerance_mm,
            )
        free = ~self.clipped
        too_short, cut = (short > tolerance_mm) & free, (short > tolerance_mm) & self.clipped
        regions = [
            regions_of(kind, points, short, chosen, pair.outside, pair.slices_mm)
            for kind, chosen in (("short", too_short), ("clipped", cut))
        ]
        marks = [
            marks_of("short", points, short, too_short),
            marks_of("clipped", points, short, cut),
        ]
        found = replace(
            report,
            short_percent=_percent(too_short),
            short_mm=_largest(short[free]),
            short_least_percent=_percent((short - more > tolerance_mm) & free),
            short_most_percent=_percent((short + less > tolerance_mm) & free),
            clipped_percent=_percent(cut),
            clipped_mm=_largest(short[cut]),
            agreement=self._agreement(tolerance_mm),
        )
        if thrombus is not None:
            along = thrombus.nearest(points.points_mm)[0]
            nearer = along <= pair.inside.nearest(points.points_mm)[0] + NEAR_THROMBUS_MM / 2
            if nearer.any():
                found = replace(found, thrombus_short_percent=_percent(too_short[nearer]))
        if self._rule.most is not None:
            outer = pair.outside.points()
            beyond = self._beyond_mm(outer, tolerance_mm)
            too_long = beyond > tolerance_mm
            regions.append(
                regions_of("long", outer, beyond, too_long, pair.outside, pair.slices_mm)
            )
            marks.append(marks_of("long", outer, beyond, too_long))
            found = replace(found, long_percent=_percent(too_long), long_mm=_largest(beyond))
        return replace(
            found,
            regions=(*report.regions, *(each for group in regions for each in group)),
            marks=(*report.marks, *(each for group in marks for each in group)),
        )

    def _beyond_mm(self, outer: SurfacePoints, tolerance_mm: float) -> Floats:
        """Return how far points of the outer surface lie outside the solid of the upper ends.

        What lies within the tolerance of the lower ends' solid is within that of the upper ends'.
        """
        beyond = -self._surface.depth_mm(outer.points_mm)
        most = self._rule.most
        far = np.flatnonzero(beyond > tolerance_mm)
        if most is not None and most != self._rule.least and len(far):
            reached = beyond_reach_mm(outer.points_mm[far], self._pair.points, most)
            beyond[far] = np.minimum(beyond[far], reached)
        return beyond

    def _agreement(self, tolerance_mm: float) -> SurfaceAgreement:
        outer = self._pair.outer
        found: Agreement = agreement(
            outer.stack,
            self._stack,
            tolerance_mm=tolerance_mm,
            surfaces=(self._pair.outside, self._surface),
        )
        return SurfaceAgreement(
            surface_dice=found.surface_dice,
            tolerance_mm=tolerance_mm,
            hausdorff_mm=found.hausdorff_mm,
            hd95_mm=found.hd95_mm,
            mean_distance_mm=found.mean_distance_mm,
            volume_difference_cc=found.volume_difference_cc,
            volume_difference_percent=found.volume_difference_percent,
            centroid_shift_mm=found.centroid_shift_mm,
            dice=found.dice,
            reason="" if found.dice is not None else "their planes are not parallel",
        )


def _grown(
    inner: Structure, margins: dict[str, float], vessel_part: Structure | None
) -> PlanarStack:
    """Return the rule's solid: the inner structure grown, united with the part along the vessel."""
    method = inner.method
    parts = [
        expand(inner.stack, Margins(**margins), caps=method.caps, between=method.between),
        *([vessel_part.stack] if vessel_part is not None else []),
    ]

    def united(one: PlanarStack, other: PlanarStack) -> PlanarStack:
        return combine(one, other, shapely.union, caps=method.caps, between=method.between)

    return reduce(united, parts)


def _percent(chosen: NDArray[np.bool_]) -> float:
    return 100.0 * float(chosen.mean())


def _largest(amounts: Floats) -> float:
    return max(0.0, float(amounts.max())) if len(amounts) else 0.0


def _outcome(report: MarginReport, tolerance_mm: float) -> Outcome:
    """Return what becomes of a pair, as the module says."""
    if report.outside_percent > OUTSIDE_PERCENT:
        reason = (
            f"{report.outside_percent:.1f} % of the inner surface sticks out of the outer "
            f"structure, by up to {report.outside_mm:.1f} mm"
        )
        return Outcome(Status.FAIL, reason)
    if report.short_percent is None:
        return Outcome(Status.PASS)
    status, reason = _status(report, report.short_percent, tolerance_mm)
    ends = [
        _status(report, percent or 0.0, tolerance_mm)[0]
        for percent in (report.short_least_percent, report.short_most_percent)
    ]
    near = ends[0] is not ends[1]
    if near:
        open_mm = max(max(axis.end_less_mm, axis.end_more_mm) for axis in report.axes)
        hint = f"where the first and last plane end is open by up to {open_mm:.1f} mm"
        reason = f"{reason}; {hint}" if reason else hint
    return Outcome(status, reason, near_limit=near)


def _status(report: MarginReport, short_percent: float, tolerance_mm: float) -> tuple[Status, str]:
    """Return the outcome of a share that is short, and why it is no pass."""
    if short_percent > ALLOWED_PERCENT:
        return Status.FAIL, (
            f"{short_percent:.1f} % of the rule's surface is short by more than "
            f"{tolerance_mm:g} mm, at most {report.short_mm or 0.0:.1f} mm"
        )
    reasons: list[str] = []
    if (report.long_percent or 0.0) > ALLOWED_PERCENT:
        reasons.append(
            f"{report.long_percent:.1f} % of the surface is long by more than {tolerance_mm:g} mm, "
            f"at most {report.long_mm or 0.0:.1f} mm"
        )
    if (report.clipped_percent or 0.0) > ALLOWED_PERCENT:
        reasons.append(
            f"{report.clipped_percent:.1f} % of the rule's surface is clipped by more than "
            f"{tolerance_mm:g} mm"
        )
    return (Status.ACCEPTABLE, "; ".join(reasons)) if reasons else (Status.PASS, "")
