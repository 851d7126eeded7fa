"""Hot and cold spots of a record's rows: where, near what, and in how many pieces.

A row on a near-maximum (Max, D of at most 1 cc or 5 %) has a hot spot, one on a near-minimum (Min, D of
at least 90 %, DC of at most 1 cc or 5 %) a cold one. Every judged row has its own; others only where
no judged row shows the same place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from planeval.case import Case
from planeval.dose.biology import Conversion, deliveries
from planeval.dose.parts import DosePart
from planeval.errors import GeometryError
from planeval.geometry.nearest import Solid, gap_mm, point_distance_mm
from planeval.metrics import grammar
from planeval.metrics.recognition import outermost
from planeval.model import Metric, MetricKind, Structure
from planeval.model.rows import LimitText, Row
from planeval.model.spots import Beyond, SpotRow
from planeval.protocol.measuring import Measurer
from planeval.units import Unit

__all__ = ["spot_kind", "spot_rows"]

Point = tuple[float, float, float]

NEAR_CC, NEAR_PERCENT = 1.0, 5.0
COLD_PERCENT = 90.0
SHOWN_PARTS = 10
INTO_SLAB_MM = 0.01


def spot_kind(metric: Metric) -> str:
    """Return ``hot``, ``cold``, or nothing for a metric that is about no extreme.

    >>> [spot_kind(grammar.parse(text)) for text in ("D0.03cc[Gy]", "D98%[Gy]", "Mean[Gy]")]
    ['hot', 'cold', '']
    """
    if metric.kind in (MetricKind.MAX, MetricKind.MIN):
        return "hot" if metric.kind is MetricKind.MAX else "cold"
    kinds = (MetricKind.DOSE_AT_VOLUME, MetricKind.COLD_DOSE_AT_VOLUME)
    if metric.argument is None or metric.kind not in kinds:
        return ""
    amount, is_share = metric.argument.value, metric.argument.unit is Unit.PERCENT
    is_little = amount <= NEAR_PERCENT if is_share else metric.argument.to(Unit.CC).value <= NEAR_CC
    if is_little:
        return "hot" if metric.kind is MetricKind.DOSE_AT_VOLUME else "cold"
    is_cold = metric.kind is MetricKind.DOSE_AT_VOLUME and is_share and amount >= COLD_PERCENT
    return "cold" if is_cold else ""


def spot_rows(
    case: Case, measurer: Measurer, rows: Iterable[Row], targets: Sequence[str]
) -> tuple[SpotRow, ...]:
    """Return the hot and cold spots of rows whose structure and dose are known, in row order."""
    if case.data.dose is None:
        return ()
    wanted = [(row, grammar.parse(row.metric)) for row in rows if row.value.is_defined]
    wanted = [pair for pair in wanted if spot_kind(pair[1])]
    judged = {_key(row, metric) for row, metric in wanted if row.outcome is not None}
    finder = _Finder(case, measurer, targets, [row for row, _ in wanted])
    found: list[SpotRow] = []
    shown: set[tuple[str, str, str]] = set()
    for row, metric in wanted:
        key = _key(row, metric)
        if row.outcome is None and (key in judged or key in shown):
            continue
        shown.add(key)
        spot = finder.spot(row, metric)
        found += [spot] if spot is not None else []
    return tuple(found)


def _key(row: Row, metric: Metric) -> tuple[str, str, str]:
    return row.match.name_in_plan, spot_kind(metric), str(metric.biology or "")


@dataclass(frozen=True, slots=True, eq=False)
class _Near:
    """A structure with its slabs, ready to be measured to."""

    name: str
    structure: Structure
    solid: Solid


class _Finder:
    """Finds the spots of rows in one case."""

    def __init__(
        self, case: Case, measurer: Measurer, targets: Sequence[str], rows: Sequence[Row]
    ) -> None:
        self._case = case
        self._measurer = measurer
        solids = [case.structures[name] for name in targets]
        outer = dict.fromkeys(outermost(each, solids).name for each in solids)
        self._targets = set(targets)
        self._outer = list(_ready(case.structures[name] for name in outer))
        organs = dict.fromkeys(
            name
            for row in rows
            if row.outcome is not None
            for name in row.match.plan_names
            if name in case.structures and name not in self._targets
        )
        self._organs = list(_ready(case.structures[name] for name in organs))

    def spot(self, row: Row, metric: Metric) -> SpotRow | None:
        """Return the spot of a row, None where no dose is known in its structure."""
        solid = self._measurer.found_solid(row.match)
        if solid is None:
            return None
        is_hot = spot_kind(metric) == "hot"
        place = self._case.extremes(solid, metric.biology)[0 if is_hot else 1]
        if place is None:
            return None
        point = place.position_mm
        axis, slice_mm = self._slice(solid, _inside(solid, point))
        is_target = set(row.match.plan_names) <= self._targets
        target, target_mm = ("", None) if is_target else _nearest(self._outer, point)
        organ, organ_mm = _nearest(self._organs, point) if is_target and not is_hot else ("", None)
        gap, reason = (None, "") if is_target else self._gap(solid, target)
        return SpotRow(
            row=row.id,
            kind=spot_kind(metric),
            structure=row.structure,
            in_plan=row.match.name_in_plan,
            metric=row.metric,
            number=place.gy,
            unit=Unit.GY,
            position_mm=point,
            slice_axis=axis,
            slice_mm=slice_mm,
            target=target,
            target_mm=target_mm,
            gap_mm=gap,
            organ=organ,
            organ_mm=organ_mm,
            beyond=self._beyond(row, metric, solid),
            reason=reason,
        )

    def _gap(self, solid: Structure, target: str) -> tuple[float | None, str]:
        """Return the smallest distance between a structure and a target, or why it is unknown."""
        try:
            own = Solid(solid.stack, solid.slabs)
            found = [each for each in self._outer if each.name == target]
            return (gap_mm(own, found[0].solid), "") if found else (None, "the plan has no target")
        except GeometryError as error:
            return None, str(error)

    def _slice(self, solid: Structure, point: Point) -> tuple[str, float]:
        """Return axis and place of the image slice, else of the drawn plane, nearest to a point."""
        image = self._case.image
        if image is not None:
            normal = np.asarray(image.grid.normal)
            origin = np.asarray(image.grid.origin_mm)
            offsets = np.asarray(image.grid.offsets_mm)
            along = float((np.asarray(point) - origin) @ normal)
            offset = float(offsets[np.abs(offsets - along).argmin()])
            middle = origin + offset * normal
        else:
            normal = solid.stack.frame.axes[2]
            heights = np.array([plane.offset_mm for plane in solid.stack.planes])
            along = float(np.asarray(point) @ normal)
            nearest = float(heights[np.abs(heights - along).argmin()]) if len(heights) else along
            middle = np.asarray(point) + (nearest - along) * normal
        axis = int(np.argmax(np.abs(normal)))
        return "xyz"[axis], float(middle[axis])

    def _beyond(self, row: Row, metric: Metric, solid: Structure) -> Beyond | None:
        """Return what lies beyond the limit of a judged row, else beyond its own value."""
        if row.outcome is None:
            return None
        limit = _limit_for(row, spot_kind(metric))
        levels = [] if limit is None else [(limit.limit, True)]
        levels += [] if metric.argument is None else [(row.value.value, False)]
        for level, is_limit in levels:
            parts = self._parts(row, metric, solid, level)
            if parts:
                return Beyond(
                    level=level,
                    unit=metric.unit,
                    is_limit=is_limit,
                    volume_cc=sum(part.volume_cc for part in parts),
                    parts=len(parts),
                    parts_cc=tuple(part.volume_cc for part in parts[:SHOWN_PARTS]),
                )
        return None

    def _parts(
        self, row: Row, metric: Metric, solid: Structure, level: float
    ) -> tuple[DosePart, ...]:
        gy = self._physical(row, metric, level)
        if gy is None or not gy > 0:
            return ()
        if spot_kind(metric) == "hot":
            return self._case.hot_parts(solid, gy)
        return self._case.cold_parts(solid, gy)

    def _physical(self, row: Row, metric: Metric, level: float) -> float | None:
        """Return a level of a row as physical Gy; None where several deliveries convert apart."""
        gy = level
        if metric.unit is Unit.CGY:
            gy = level / 100
        elif metric.unit is Unit.PERCENT:
            if row.rx_gy is None:
                return None
            gy = level * row.rx_gy / 100
        if metric.biology is None:
            return gy
        dose = self._case.data.dose
        groups = deliveries(dose) if dose is not None else ()
        ratio = metric.biology.alpha_beta_gy
        if len(groups) != 1 or groups[0][0].fractions is None or ratio is None:
            return None
        return Conversion(groups[0][0].fractions, ratio, metric.biology.quantity).back(gy)


def _inside(solid: Structure, point: Point) -> Point:
    """Return a point moved a little into the slab that holds it.

    Extremes lie on the faces of slabs, where the planes above and below meet: the slice to look at is
    the one whose contour holds the point.
    """
    normal = solid.stack.frame.axes[2]
    own = Solid(solid.stack, solid.slabs)
    sides = [np.asarray(point) + sign * INTO_SLAB_MM * normal for sign in (1, -1)]
    near = [(point_distance_mm(own, (*side.tolist(),)), (*side.tolist(),)) for side in sides]
    return min(near, key=lambda pair: pair[0])[1]


def _limit_for(row: Row, kind: str) -> LimitText | None:
    """Return a row's limit where it is a ceiling of a hot spot or a floor of a cold one."""
    limit = row.per_protocol
    if limit is None:
        return None
    return limit if (limit.operator[0] == "<") == (kind == "hot") else None


def _ready(structures: Iterable[Structure]) -> Iterator[_Near]:
    """Yield structures with a solid."""
    for each in structures:
        try:
            yield _Near(each.name, each, Solid(each.stack, each.slabs))
        except GeometryError:
            continue


def _nearest(others: Sequence[_Near], point: Point) -> tuple[str, float | None]:
    """Return the nearest structure and its distance from a point; nothing without any."""
    found = [(point_distance_mm(each.solid, point), each.name) for each in others]
    if not found:
        return "", None
    distance, name = min(found)
    return name, distance
