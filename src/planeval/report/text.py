"""Untrusted text at every door: what DICOM says stays data, whatever it holds.

A name from a file may carry control characters that move a terminal's cursor, bidirectional
overrides that reverse what stands beside it, stacks of combining marks, or half a million
letters. :func:`visible` makes such things readable instead of active; the other functions add what
their door needs.
"""

from __future__ import annotations

import json
import re
import unicodedata

__all__ = ["csv_text", "date_text", "file_name", "person_name", "prose", "script_json", "visible"]

LONGEST_TEXT = 2000
"""Characters of one text in a report; more is cut, and the cut is said."""

LONGEST_MARKS = 4
"""Combining marks on one letter; scripts in use need fewer."""

LONGEST_FILE_NAME = 80

_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_FORMULA_STARTS = frozenset("=+-@\t\r＝＋－＠")
_WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
_SCRIPT_ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


def visible(text: str, longest: int = LONGEST_TEXT) -> str:
    r"""Return text in which every control, format or unassigned character is written out.

    The result has at most ``longest`` characters of the text, then says how many there were.

    >>> visible("PTV\x1b[2J\u202egnp")
    'PTV\\x1b[2J\\u202egnp'
    >>> visible("A" * 500, 4)
    'AAAA… (500 characters)'
    """
    shown = _spelled_out(text[:longest])
    return shown if len(text) <= longest else f"{shown}… ({len(text)} characters)"


def _spelled_out(text: str) -> str:
    """Return the text with hidden characters and surplus combining marks as escapes."""
    if text.isascii() and text.isprintable():
        return text
    parts = []
    marks = 0
    for sign in text:
        category = unicodedata.category(sign)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        hidden = category in _HIDDEN_CATEGORIES or marks > LONGEST_MARKS
        parts.append(_escape(sign) if hidden else sign)
    return "".join(parts)


def _escape(sign: str) -> str:
    code = ord(sign)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def prose(text: str) -> str:
    r"""Return running text of a protocol on one line; anything hidden in it is written out.

    >>> prose("Liver mean\n  dose")
    'Liver mean dose'
    """
    return visible(re.sub(r"[ \t\r\n]+", " ", text).strip())


def person_name(text: str) -> str:
    """Return a DICOM person name (PS3.5 6.2.1): its groups side by side, family name first.

    >>> person_name("Zhang^San^^^=张^三")
    'Zhang, San · 张 三'
    """
    groups = []
    for index, group in enumerate(text.split("=")):
        parts = [part.strip() for part in group.split("^") if part.strip()]
        if parts:
            groups.append((", " if index == 0 else " ").join(parts[:2]) + _rest(parts[2:]))
    return visible(" · ".join(groups), 200)


def _rest(parts: list[str]) -> str:
    return "".join(f" {part}" for part in parts)


def date_text(text: str) -> str:
    """Return a DICOM date or date and time with hyphens; anything else as it is.

    >>> date_text("20250314"), date_text("about 2025")
    ('2025-03-14', 'about 2025')
    """
    found = re.fullmatch(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:([0-9]{2})([0-9]{2})[0-9.]*)?", text)
    if found is None:
        return visible(text, 64)
    year, month, day, hour, minute = found.groups()
    time = f" {hour}:{minute}" if hour else ""
    return f"{year}-{month}-{day}{time}"


def csv_text(text: str) -> str:
    """Return text for a CSV cell: hidden characters written out, a formula made text.

    A spreadsheet runs a cell that starts with = + - @, a tab or a carriage return, so such a cell
    gets a single quote in front. Numbers must not pass through here.

    >>> csv_text("=1+1"), csv_text("PTV - GTV")
    ("'=1+1", 'PTV - GTV')
    """
    starts = {text[:1], text.lstrip()[:1]}
    return ("'" if starts & _FORMULA_STARTS else "") + visible(text)


def file_name(text: str, fallback: str = "unnamed") -> str:
    """Return text as a file name without folder: letters and digits of any script, ``-_.``.

    Never empty, hidden, a device name of Windows, or longer than 80 characters.

    >>> file_name("../Plan 1: 肝?"), file_name("nul.txt")
    ('Plan_1_肝', '_nul.txt')
    """
    kept = re.sub(r"[^\w.\-]+", "_", unicodedata.normalize("NFC", text[: 4 * LONGEST_FILE_NAME]))
    name = kept.strip("._-")[:LONGEST_FILE_NAME].rstrip("._-")
    if _WINDOWS_DEVICES.match(name):
        name = "_" + name
    return name or fallback


def script_json(data: object) -> str:
    r"""Return JSON that is safe inside a ``<script type="application/json">`` element.

    >>> script_json({"name": "</script>"})
    '{"name":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace").decode("utf-8").translate(_SCRIPT_ESCAPES)
