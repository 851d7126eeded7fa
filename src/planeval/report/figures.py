"""The DVH and the slices as SVG that stands by itself: every style in place, for paper."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from planeval.report.chart import Chart, ChartLine
from planeval.report.slices import SlicePicture

__all__ = ["GROUND", "dvh_svg", "slice_svg", "spot_svg", "swatch_svg"]

GROUND = "#2b2b2b"
"""Behind a slice: the grey of a picture without CT."""

_GRID, _TEXT = "#d5dbe2", "#30343a"
_FONT = 'font-family="Liberation Sans, Arial, Helvetica, DejaVu Sans" '
_TARGET_MM, _OUTLINE_MM, _ISODOSE_MM = 1.3, 0.8, 0.7


def dvh_svg(chart: Chart) -> str:
    """Return the curves that the page shows first, with axes and limit marks."""
    body = "".join([*_axes(chart), *(part for line in chart.lines for part in _curve(line))])
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 950 460">{body}</svg>'


def _axes(chart: Chart) -> Iterator[str]:
    low, right = chart.top + chart.height, chart.left + chart.width
    for tick in chart.x_ticks:
        yield _path(f"M{tick.at:.1f} {chart.top}V{low}", _GRID, 0.8)
        yield _label(tick.at, low + 16, tick.text)
    for tick in chart.top_ticks:
        yield _label(tick.at, chart.top - 6, tick.text)
    for tick in chart.y_ticks:
        yield _path(f"M{chart.left} {tick.at:.1f}H{right}", _GRID, 0.8)
        yield _label(chart.left - 6, tick.at + 4, tick.text, "end")
    middle = chart.left + chart.width / 2
    yield _label(middle, low + 36, "Gy")
    yield _label(middle, 11, chart.rx_text)
    yield _label(chart.left - 34, chart.top - 6, "%")


def _curve(line: ChartLine) -> Iterator[str]:
    if not line.shown:
        return
    dash = f' stroke-dasharray="{" ".join(map(str, line.dash))}"' if line.dash else ""
    yield _path(line.path, line.ink.light, line.width, dash)
    for mark in line.marks:
        flip = "" if mark.below else " scale(1 -1)"
        fill = "#ffffff" if mark.is_outer else line.ink.light
        yield (
            f'<path d="M-6 -6H6L0 4Z" transform="translate({mark.x:.1f} {mark.y:.1f}){flip}" '
            f'fill="{fill}" stroke="{line.ink.light}" stroke-width="1.6"/>'
        )


def swatch_svg(colour: str, dash: tuple[int, ...], width: float, ground: str = "") -> str:
    """Return a short line as a legend shows it, on the ground of the picture that it is from."""
    pattern = f' stroke-dasharray="{" ".join(map(str, dash))}"' if dash else ""
    line = _path("M1 5H35", colour, width, pattern)
    ground = f'<rect width="36" height="10" fill="{ground}"/>' if ground else ""
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 36 10">{ground}{line}</svg>'


def slice_svg(picture: SlicePicture) -> str:
    """Return one slice: image, outlines, isodose lines, orientation letters, scale bar."""
    width, height = picture.plane.width_mm, picture.plane.height_mm
    body = "".join(_picture_parts(picture, width, height))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width:.1f} {height:.1f}">{body}</svg>'
    )


def spot_svg(picture: SlicePicture) -> str:
    """Return one slice with a ring around the place where the other planes would cut it."""
    width, height = picture.plane.width_mm, picture.plane.height_mm
    x, y = picture.cross
    ring = (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{0.035 * width:.1f}" fill="none" stroke="{{}}" '
        f'stroke-width="{{}}"/>'
    )
    body = "".join(_picture_parts(picture, width, height))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width:.1f} {height:.1f}">{body}{ring.format("#000000", 1.6)}'
        f"{ring.format('#ffffff', 0.8)}</svg>"
    )


def _picture_parts(picture: SlicePicture, width: float, height: float) -> Iterator[str]:
    yield f'<rect width="{width:.1f}" height="{height:.1f}" fill="{GROUND}"/>'
    if picture.image:
        yield (
            f'<image xlink:href="{escape(picture.image)}" width="{width:.1f}" '
            f'height="{height:.1f}" preserveAspectRatio="none"/>'
        )
    for outline in picture.outlines:
        yield _path(outline.path, outline.colour, _TARGET_MM if outline.is_target else _OUTLINE_MM)
    for line in picture.isodoses:
        dash = ' stroke-dasharray="4 2.5"' if line.level.is_limit else ""
        yield _path(line.path, line.level.colour, _ISODOSE_MM, dash)
    size = 0.03 * width
    for line in picture.isodoses:
        if line.label:
            text = f"{line.level.gy:.4g}"
            yield _written(line.label, text, line.level.colour, 0.8 * size)
    left, right, top, bottom = picture.plane.letters
    places = (
        ((0.02 * width, height / 2), left),
        ((0.98 * width, height / 2), right),
        ((width / 2, 0.045 * width), top),
        ((width / 2, height - 0.015 * width), bottom),
    )
    for place, letter in places:
        yield _written(place, letter, "#ffffff", 1.3 * size)
    yield _path(f"M6 {height - 6:.1f}h50m-50 -2.5v5m50 -5v5", "#ffffff", 0.9)
    yield _written((31.0, height - 9), "50 mm", "#ffffff", size)


def _path(path: str, colour: str, width: float, more: str = "") -> str:
    return (
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}" '
        f'stroke-linejoin="round"{more}/>'
    )


def _label(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="13" {_FONT}fill="{_TEXT}" '
        f'text-anchor="{anchor}">{text}</text>'
    )


def _written(place: tuple[float, float], text: str, colour: str, size: float) -> str:
    """Return text on a picture with a dark rim, readable on any grey."""
    common = (
        f'x="{place[0]:.1f}" y="{place[1]:.1f}" font-size="{size:.1f}" {_FONT}text-anchor="middle"'
    )
    return (
        f'<text {common} fill="none" stroke="#000000" stroke-width="{0.22 * size:.2f}">{text}</text>'
        f'<text {common} fill="{colour}">{text}</text>'
    )
