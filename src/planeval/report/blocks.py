"""The neutral page: headings, paragraphs, tables and figures of finished text.

Every renderer that has no layout of its own is fed with these. All text is made visible when a block
is built into plain data, so that a renderer needs no knowledge of what is untrusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from planeval.report.text import visible

__all__ = [
    "Block",
    "Bullets",
    "Cell",
    "Checks",
    "Column",
    "Figures",
    "Heading",
    "Page",
    "Pairs",
    "Paragraph",
    "Picture",
    "Row",
    "Signatures",
    "Table",
    "plain_data",
]


@dataclass(frozen=True, slots=True)
class Cell:
    """Text of a table cell; ``small`` stands below it. ``tone`` is a status style or severity."""

    text: str = ""
    small: tuple[str, ...] = ()
    tone: str = ""
    strong: bool = False
    span: int = 1
    swatch: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its head, its share of the width, whether it holds numbers."""

    text: str
    share: float = 1.0
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row of cells; ``tone`` is head (of a section), group, member, beside, or nothing."""

    cells: tuple[Cell, ...]
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 1 or 2."""

    text: str
    level: int = 1
    breaks: bool = False
    type: str = "heading"


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph; ``tone`` is a status style, muted, or nothing."""

    text: str
    tone: str = ""
    strong: bool = False
    type: str = "paragraph"


@dataclass(frozen=True, slots=True)
class Bullets:
    """Lines of (tone, text)."""

    items: tuple[Cell, ...]
    type: str = "bullets"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Terms with their text, in two columns unless the texts are long (``wide``)."""

    items: tuple[tuple[str, str], ...]
    wide: bool = False
    type: str = "pairs"


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose head repeats on every page."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    type: str = "table"


@dataclass(frozen=True, slots=True)
class Picture:
    """An SVG with its words; ``share`` of the row that it stands in."""

    svg: str
    alt: str
    caption: str = ""
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Pictures side by side."""

    items: tuple[Picture, ...]
    type: str = "figures"


@dataclass(frozen=True, slots=True)
class Checks:
    """Questions with a box for yes and one for no."""

    yes: str
    no: str
    items: tuple[Cell, ...]
    type: str = "checks"


@dataclass(frozen=True, slots=True)
class Signatures:
    """Lines to sign: roles, and what stands over the columns."""

    columns: tuple[str, ...]
    roles: tuple[str, ...]
    type: str = "signatures"


Block = Heading | Paragraph | Bullets | Pairs | Table | Figures | Checks | Signatures


@dataclass(frozen=True, slots=True)
class Page:
    """A whole document: title, the line at the foot of every page, and its blocks."""

    title: str
    language: str
    foot: str
    blocks: tuple[Block, ...]


def plain_data(item: Any) -> Any:
    """Return blocks as JSON data; every text is made visible, SVG made by planeval stays."""
    if isinstance(item, str):
        return visible(item)
    if isinstance(item, Sequence):
        return [plain_data(each) for each in item]
    if is_dataclass(item):
        return {each.name: _field(each.name, getattr(item, each.name)) for each in fields(item)}
    return item


def _field(name: str, value: Any) -> Any:
    return value if name in ("svg", "swatch") else plain_data(value)
