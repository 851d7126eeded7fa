"""Hot and cold spots in words, and a picture of those that failed or are near their limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planeval.case import Case
from planeval.model import Status
from planeval.model.record import EvaluationRecord
from planeval.model.rows import Row
from planeval.model.spots import Beyond, SpotRow
from planeval.report import blocks
from planeval.report.blocks import Block, Cell, Column, Figures, Heading, Paragraph, Picture, Table
from planeval.report.cells import MINUS, StatusCell, number_text, status_cell, value_cell
from planeval.report.figures import spot_svg
from planeval.report.planes import Box, PicturePlane, orthogonal_planes
from planeval.report.slices import (
    SlicePicture,
    grey_pictures,
    isodose_levels,
    isodose_lines,
    outlines_on,
)
from planeval.report.text import visible

__all__ = ["SPOT_NOTE", "SpotView", "spot_blocks", "spot_pictures", "spot_views"]

HALF_VIEW_MM = 60.0
"""A picture shows this much to each side of its spot."""

MOST_PICTURES = 8
"""About 25 kB each."""

_WORDS = {"hot": "Hottest", "cold": "Coldest"}
LONGEST_NAME = 64
PICTURES_A_ROW = 3

SPOT_NOTE = (
    "Patient coordinates (DICOM LPS). Distances are exact for the drawn solids. Pieces closer than one "
    "sampling cell count as one."
)

Words = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class SpotView:
    """A spot in words. ``needs_look`` says that its row failed, or is near its limit."""

    row: str
    structure: str
    in_plan: str
    metric: str
    value: str
    status: StatusCell
    kind: str
    place: str
    slice: str
    near: tuple[str, ...]
    beyond: str
    needs_look: bool


@dataclass(frozen=True, slots=True)
class SpotPicture:
    """A slice through a spot as SVG, with its words."""

    row: str
    svg: str
    alt: str
    caption: str


def spot_views(record: EvaluationRecord) -> tuple[SpotView, ...]:
    """Return all spots, those that failed or are near their limit first."""
    rows = {row.id: row for row in record.flat_rows()}
    views = [_view(spot, rows[spot.row]) for spot in record.spots]
    return tuple(sorted(views, key=lambda view: not view.needs_look))


def _view(spot: SpotRow, row: Row) -> SpotView:
    status = status_cell(row.outcome)
    return SpotView(
        row=spot.row,
        structure=spot.structure,
        in_plan=spot.in_plan if spot.in_plan != spot.structure else "",
        metric=spot.metric,
        value=str(value_cell(row.value, (row.per_protocol, row.acceptable))),
        status=status,
        kind=spot.kind,
        place=f"{_WORDS[spot.kind]} point {number_text(spot.number)} {spot.unit} at {_point(spot)}",
        slice=f"slice {spot.slice_axis} = {_mm(spot.slice_mm)} mm",
        near=tuple(_near(spot)),
        beyond=_beyond(spot),
        needs_look=_needs_look(row),
    )


def _needs_look(row: Row) -> bool:
    return row.outcome is not None and (row.outcome.status is Status.FAIL or row.outcome.near_limit)


def _mm(value: float) -> str:
    return f"{round(value, 1) + 0.0:.1f}".replace("-", MINUS)


def _point(spot: SpotRow) -> str:
    x, y, z = (_mm(value) for value in spot.position_mm)
    return f"x {x}, y {y}, z {z} mm"


def _near(spot: SpotRow) -> Iterator[str]:
    """Yield what is near: the target and how close the structure comes to it, or an organ."""
    if spot.target_mm is not None:
        yield (
            f"in {spot.target}"
            if spot.target_mm == 0
            else f"{spot.target_mm:.1f} mm from {spot.target}"
        )
        if spot.gap_mm is not None:
            yield "meets it" if spot.gap_mm == 0 else f"comes within {spot.gap_mm:.1f} mm of it"
        elif spot.reason:
            yield f"its distance from it is unknown: {spot.reason}"
    if spot.organ_mm is not None:
        yield (
            f"in {spot.organ}"
            if spot.organ_mm == 0
            else f"{spot.organ_mm:.1f} mm from {spot.organ}"
        )


def _beyond(spot: SpotRow) -> str:
    """Return how much lies beyond the limit or value, and in how many pieces."""
    if spot.beyond is None:
        return ""
    found: Beyond = spot.beyond
    side = "at or above" if spot.kind == "hot" else "below"
    what = "the limit" if found.is_limit else "the value"
    amount = f"{_cc(found.volume_cc)} {side} {what} of {number_text(found.level)} {found.unit}"
    if found.parts == 1:
        return f"{amount}, in one piece"
    shown = ", ".join(_cc(part) for part in found.parts_cc[:3])
    more = " and more" if found.parts > len(found.parts_cc[:3]) else ""
    return f"{amount}, in {found.parts} pieces ({shown}{more})"


def _cc(volume: float) -> str:
    return f"{number_text(volume)} cc"


def spot_pictures(record: EvaluationRecord, case: Case | None) -> tuple[SpotPicture, ...]:
    """Return an axial picture through every spot that failed or is near its limit.

    At most eight, in the order of the rows; rows that share a place share its picture.
    """
    if case is None or case.dose is None:
        return ()
    rows = {row.id: row for row in record.flat_rows()}
    wanted: dict[tuple[float, float, float], SpotRow] = {}
    for spot in record.spots:
        if _needs_look(rows[spot.row]):
            wanted.setdefault(spot.position_mm, spot)
    if not wanted:
        return ()
    shown = list(wanted.values())[:MOST_PICTURES]
    planes = [_plane(spot) for spot in shown]
    images = grey_pictures(planes, case.image)
    return tuple(
        _picture(case, record, spot, rows[spot.row], plane=plane, image=image)
        for spot, plane, image in zip(shown, planes, images, strict=True)
    )


def _plane(spot: SpotRow) -> PicturePlane:
    """Return the axial plane through a spot, on the slice that it is nearest to."""
    point = np.asarray(spot.position_mm)
    low, high = point - HALF_VIEW_MM, point + HALF_VIEW_MM
    x, y, z = spot.position_mm
    height = spot.slice_mm if spot.slice_axis == "z" else z
    return orthogonal_planes(Box(_vector(low), _vector(high)), (x, y, height))[0]


def _picture(
    case: Case,
    record: EvaluationRecord,
    spot: SpotRow,
    row: Row,
    *,
    plane: PicturePlane,
    image: str,
) -> SpotPicture:
    names = dict.fromkeys([*row.match.plan_names, spot.target, spot.organ])
    structures = [case.structures[name] for name in names if name in case.structures]
    full = max((rx.total_gy for rx in record.prescriptions), default=None)
    cross = plane.project(np.array([spot.position_mm]))[0]
    picture = SlicePicture(
        plane,
        f"z = {_mm(plane.position_mm)} mm",
        image,
        tuple(outlines_on(plane, structures)),
        tuple(isodose_lines(case, plane, isodose_levels(record, full))),
        (float(cross[0]), float(cross[1])),
    )
    title = f"{visible(spot.structure, LONGEST_NAME)} {visible(spot.metric, LONGEST_NAME)}"
    words = f"{_WORDS[spot.kind]} point of {title}, {picture.position}"
    colours = ", ".join(visible(each.name, LONGEST_NAME) for each in picture.outlines)
    outlined = f"; outlined: {colours}" if colours else ""
    return SpotPicture(spot.row, spot_svg(picture), words, f"{words}{outlined}")


def _vector(point: NDArray[np.float64]) -> tuple[float, float, float]:
    return (float(point[0]), float(point[1]), float(point[2]))


def spot_blocks(record: EvaluationRecord, case: Case | None, say: Words) -> Iterator[Block]:
    """Yield the spots of judged rows as a table, and the pictures, for paper."""
    judged = {row.id for row in record.flat_rows() if row.outcome is not None}
    views = [view for view in spot_views(record) if view.row in judged]
    if not views:
        return
    yield Heading(say("Hot and cold spots"))
    pictures = spot_pictures(record, case)
    for start in range(0, len(pictures), PICTURES_A_ROW):
        some = pictures[start : start + PICTURES_A_ROW]
        yield Figures(tuple(Picture(each.svg, each.alt, each.caption, 1.0) for each in some))
    yield _table(views, say)
    yield Paragraph(say(SPOT_NOTE), "muted")


def _table(views: Sequence[SpotView], say: Words) -> Table:
    columns = (
        Column(say("Structure"), 1.6), Column(say("Metric"), 1.2), Column(say("Value"), 1.0, True),
        Column(say("Where"), 2.6), Column(say("Near"), 2.2), Column(say("Beyond"), 2.6),
    )  # fmt: skip
    rows = [
        blocks.Row(
            (
                Cell(visible(view.structure, LONGEST_NAME), strong=True),
                Cell(visible(view.metric, LONGEST_NAME)),
                Cell(view.value, tone=view.status.word.style),
                Cell(view.place, (view.slice,)),
                Cell("; ".join(visible(each) for each in view.near)),
                Cell(view.beyond),
            )
        )
        for view in views
    ]
    return Table(columns, tuple(rows))
