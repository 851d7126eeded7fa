"""Three slices through the target: CT at W350/L40, isodose lines and outlines as vectors.

Lengths in a picture are mm, (right, down) from its left upper corner.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planeval.case import Case
from planeval.errors import GeometryError
from planeval.model import Image, Status, Structure
from planeval.model.record import EvaluationRecord
from planeval.report.cells import MINUS, number_text
from planeval.report.colours import ISODOSES, LIMIT_LINE, ink
from planeval.report.curves import Curve
from planeval.report.lines import label_place, outline_on, svg_path, traced
from planeval.report.planes import (
    PicturePlane,
    centre_of,
    dose_on,
    hu_of,
    orthogonal_planes,
    view_box,
)
from planeval.side_by_side import begun

__all__ = [
    "IsodoseLine",
    "Level",
    "Outline",
    "SlicePicture",
    "Slices",
    "grey_pictures",
    "isodose_levels",
    "isodose_lines",
    "outlined_names",
    "outlines_on",
    "reference_dose",
    "slices_begun",
    "slices_of",
]

WINDOW_HU = 350.0
LEVEL_HU = 40.0
"""The display window of the source of the liver protocols (Zhai 2025)."""

BEYOND_GREY = 43
"""Beyond the image: the ground of a picture without CT, which is not the black of air."""

WEBP_QUALITY = 80
MOST_PIXELS = 440
SMALLEST_PIXEL_MM = 0.7
DOSE_STEP_MM = 1.0
SAME_LEVEL_GY = 0.25
"""A limit closer than this to a percent level is not drawn again."""

Floats = NDArray[np.float64]
Spot = tuple[float, float]

_LIBRARIES = ("scipy.ndimage", "skimage.measure")
"""What drawing loads."""


@dataclass(frozen=True, slots=True)
class Level:
    """An isodose level: Gy, its text, its line colour, and whether it is a limit."""

    gy: float
    text: str
    colour: str
    is_limit: bool = False


@dataclass(frozen=True, slots=True)
class Outline:
    """A structure in a picture: its path (SVG), its colour, whether it is a target."""

    name: str
    path: str
    colour: str
    is_target: bool


@dataclass(frozen=True, slots=True)
class IsodoseLine:
    """A level in a picture: its path (SVG) and where its label stands, None without room."""

    level: Level
    path: str
    label: Spot | None


_Lines = tuple[tuple[Outline, ...], tuple[IsodoseLine, ...]]


@dataclass(frozen=True, slots=True)
class SlicePicture:
    """One picture. ``image`` is a data URI, empty without CT; ``cross`` is where the others cut."""

    plane: PicturePlane
    position: str
    image: str
    outlines: tuple[Outline, ...]
    isodoses: tuple[IsodoseLine, ...]
    cross: Spot


@dataclass(frozen=True, slots=True)
class Slices:
    """The three pictures, why they are cut there, and the levels that appear in any of them."""

    pictures: tuple[SlicePicture, ...]
    reason: str
    levels: tuple[Level, ...]
    outlined: tuple[Outline, ...]
    has_ct: bool
    rx_text: str

    @property
    def layer_of(self) -> dict[str, str]:
        """The number of an outline by its name: what a page shows and hides together."""
        return {line.name: str(number) for number, line in enumerate(self.outlined)}


def slices_of(case: Case, record: EvaluationRecord, names: Iterable[str]) -> Slices | None:
    """Return the three pictures with the outlines of these structures; None without any place."""
    with slices_begun(case, record, names) as drawn:
        return drawn()


@contextmanager
def slices_begun(
    case: Case, record: EvaluationRecord, names: Iterable[str]
) -> Iterator[Callable[[], Slices | None]]:
    """Begin to draw what :func:`slices_of` returns beside what follows, and give what waits for it."""
    centre, box = centre_of(case, record), view_box(case)
    if centre is None or box is None:
        yield lambda: None
        return
    rx_gy, rx_text = reference_dose(record)
    levels = isodose_levels(record, rx_gy)
    planes = orthogonal_planes(box, centre.point_mm)
    structures = [case.structures[name] for name in names if name in case.structures]

    def images() -> list[str]:
        return grey_pictures(planes, case.image)

    def lines_on(plane: PicturePlane) -> _Lines:
        return tuple(outlines_on(plane, structures)), tuple(isodose_lines(case, plane, levels))

    def drawn(results: Callable[[], list[Any]]) -> Slices:
        greys, *lines = results()
        pictures = tuple(
            SlicePicture(
                plane,
                f"{'xyz'[plane.axis]} = {round(plane.position_mm, 1) + 0.0:.1f} mm".replace(
                    "-", MINUS
                ),
                grey,
                outlines,
                isodoses,
                _spot(plane.project(np.array([centre.point_mm]))[0]),
            )
            for plane, grey, (outlines, isodoses) in zip(planes, greys, lines, strict=True)
        )
        seen = {line.level for picture in pictures for line in picture.isodoses}
        outlined = {line.name: line for picture in pictures for line in picture.outlines}
        return Slices(
            pictures,
            centre.reason,
            tuple(level for level in levels if level in seen),
            tuple(outlined[each.name] for each in structures if each.name in outlined),
            case.image is not None,
            rx_text,
        )

    parts: list[Callable[[], Any]] = [images, *(partial(lines_on, plane) for plane in planes)]
    with begun(lambda part: part(), parts, _LIBRARIES) as results:
        yield partial(drawn, results)


def outlined_names(curves: Iterable[Curve], case: Case | None) -> list[str]:
    """Return the structures to outline: what the chart shows, and the body."""
    shown = [curve.name for curve in curves if curve.starts_visible]
    body = [
        name
        for name, each in (case.structures.items() if case else ())
        if each.type.upper() == "EXTERNAL"
    ]
    return list(dict.fromkeys([*body, *shown])) if shown else list(case.structures if case else ())


def reference_dose(record: EvaluationRecord) -> tuple[float | None, str]:
    """Return the highest prescription, which 100 % stands for, in Gy and in words."""
    if not record.prescriptions:
        return None, ""
    highest = max(record.prescriptions, key=lambda rx: rx.total_gy)
    target = f" to {highest.target}" if highest.target else ""
    return highest.total_gy, f"{highest.total_gy:.12g} Gy{target}"


def isodose_levels(record: EvaluationRecord, rx_gy: float | None) -> tuple[Level, ...]:
    """Return the levels to draw, hot to cold: percents of the prescription, and limits in Gy.

    Limits are the doses of the judged rows' limit marks: a limit on a mean is no isodose. Without a
    prescription the percents are of the largest dose.
    """
    maximum = record.dose.maximum.number if record.dose else None
    full = rx_gy or maximum or 0.0
    levels = [
        Level(
            full * percent / 100,
            f"{number_text(full * percent / 100)} Gy · {percent:g} %",
            colour,
        )
        for percent, colour in ISODOSES
        if full
    ]
    known = [level.gy for level in levels]
    for gy in sorted(_limit_doses(record)):
        if all(abs(gy - other) > SAME_LEVEL_GY for other in known):
            share = f" · {100 * gy / full:.0f} %" if full else ""
            levels.append(Level(gy, f"{number_text(gy)} Gy{share}, a limit", LIMIT_LINE, True))
            known.append(gy)
    return tuple(sorted(levels, key=lambda level: -level.gy))


def _limit_doses(record: EvaluationRecord) -> set[float]:
    return {
        mark.dose_gy
        for row in record.flat_rows()
        if row.outcome is not None and row.outcome.status is not Status.NOT_APPLICABLE
        for mark in row.marks
        if mark.dose_gy > 0
    }


def _spot(place: Floats) -> Spot:
    return float(place[0]), float(place[1])


def grey_pictures(planes: Sequence[PicturePlane], image: Image | None) -> list[str]:
    """Return an image on planes as grey WebP pictures in data URIs, at the display window.

    Empty where a plane does not meet the image, or there is none.
    """
    if image is None:
        return [""] * len(planes)
    steps = [
        max(SMALLEST_PIXEL_MM, max(plane.width_mm, plane.height_mm) / MOST_PIXELS)
        for plane in planes
    ]
    return [_grey_webp(hu) for hu in hu_of(image, list(zip(planes, steps, strict=True)))]


def _grey_webp(hu: Floats) -> str:
    from PIL import Image as Picture  # noqa: PLC0415 - loads where it is used

    if np.isnan(hu).all():
        return ""
    grey = 255 * np.clip((hu - (LEVEL_HU - WINDOW_HU / 2)) / WINDOW_HU, 0, 1)
    grey = np.nan_to_num(np.round(grey), nan=BEYOND_GREY).astype(np.uint8)
    stream = io.BytesIO()
    Picture.fromarray(grey).save(stream, "WEBP", quality=WEBP_QUALITY, method=4)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def outlines_on(plane: PicturePlane, structures: Iterable[Structure]) -> Iterator[Outline]:
    """Yield the outlines of the structures that a plane cuts."""
    for structure in structures:
        try:
            lines = outline_on(plane, structure)
        except GeometryError:
            continue  # one plane of unknown thickness: the inventory says so
        path = svg_path(lines, closed=True)
        if path:
            target = structure.type.upper() in ("GTV", "CTV", "PTV")
            yield Outline(structure.name, path, ink(structure.colour).dark, target)


def isodose_lines(
    case: Case, plane: PicturePlane, levels: Sequence[Level]
) -> Iterator[IsodoseLine]:
    """Yield the levels that the dose has on a plane, each with its line and a place for its label."""
    if case.dose is None:
        return
    dose = dose_on(plane, case.dose, DOSE_STEP_MM)
    if not np.isfinite(dose).any():
        return
    width, height = plane.width_mm, plane.height_mm
    taken: list[Spot] = [
        (31.0, height - 9), (0, height / 2), (width, height / 2), (width / 2, 0), (width / 2, height)
    ]  # fmt: skip
    for level in levels:
        lines = traced(dose, level.gy, DOSE_STEP_MM)
        path = svg_path(lines, closed=False)
        if path:
            label = label_place(lines, taken, plane)
            taken += [label] if label else []
            yield IsodoseLine(level, path, label)
