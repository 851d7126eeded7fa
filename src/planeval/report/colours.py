"""Colours that can be told apart: structures on light and dark paper, isodose lines on grey.

Colour never stands alone: statuses carry a word and a shape, curves a dash pattern and a name,
isodose lines their dose.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

__all__ = ["DASHES", "Ink", "ink", "isodose_colour"]

DASHES: tuple[tuple[int, ...], ...] = ((), (7, 3), (2, 3), (9, 3, 2, 3), (4, 2))
"""Dash patterns of curves that are not targets, in turn."""

LIGHT_PAPER = (0.20, 0.42)
DARK_PAPER = (0.58, 0.80)
"""Lightest and darkest HLS lightness of a curve: 3:1 or more against the paper for most hues."""

ISODOSES: tuple[tuple[float, str], ...] = (
    (107.0, "#ff8fe5"),
    (105.0, "#ff6b6b"),
    (100.0, "#ffd23f"),
    (95.0, "#ffa040"),
    (80.0, "#8be04e"),
    (50.0, "#35d0c8"),
    (20.0, "#6aa8ff"),
)
"""Percent of the prescription and its line colour on a dark picture, hot to cold."""

LIMIT_LINE = "#ffffff"
"""An isodose at an absolute limit of the protocol is white and dashed."""


@dataclass(frozen=True, slots=True)
class Ink:
    """A structure's colour on light and on dark paper, as CSS text."""

    light: str
    dark: str


def ink(colour: tuple[int, int, int]) -> Ink:
    """Return the file's colour, made dark enough for light paper and light enough for dark paper.

    >>> ink((255, 255, 0))
    Ink(light='#999900', dark='#ffff29')
    """
    red, green, blue = (min(max(part, 0), 255) / 255 for part in colour)
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    # yellow and cyan look lighter than other hues of the same lightness
    bright = 0.3 * red + 0.59 * green + 0.11 * blue > 0.6
    return Ink(
        _hex(hue, _within(lightness, LIGHT_PAPER, 0.30 if bright else None), saturation),
        _hex(hue, _within(lightness, DARK_PAPER), saturation),
    )


def _within(lightness: float, span: tuple[float, float], most: float | None = None) -> float:
    return min(max(lightness, span[0]), span[1] if most is None else most)


def _hex(hue: float, lightness: float, saturation: float) -> str:
    parts = colorsys.hls_to_rgb(hue, lightness, saturation)
    return "#" + "".join(f"{round(part * 255):02x}" for part in parts)


def isodose_colour(percent: float) -> str:
    """Return the line colour of a percent level: that of the nearest level of the palette."""
    return min(ISODOSES, key=lambda level: abs(level[0] - percent))[1]
