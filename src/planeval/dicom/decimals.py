"""Backslash-separated decimal text to numbers, exactly as ``float`` reads it, for millions of them.

Contours are plain decimals such as ``-123.45``. Each half of such a number, before and behind the
point, has at most eight digits and fits one 64-bit word: all words of a block are turned into integers
together, by three multiplications (Lemire 2018, "Quickly parsing eight digits"). The digits of a
number together are an integer below 10^15, and its quotient by a power of ten below 10^22 is the
correctly rounded value, the one that ``float`` returns. Text of any other form goes to ``float``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["parse_numbers"]

_BLOCK_BYTES = 1 << 17
"""Text parsed at a time: its words stay in the processor's cache."""

_WORD = 8
_MOST_DIGITS = 15
_SEPARATOR, _POINT, _MINUS, _ZERO = (np.uint8(ord(c)) for c in "\\.-0")
_TENS = 10 ** np.arange(_WORD + 1, dtype=np.uint64)

_STEPS = tuple(
    (np.uint64(mask), np.uint64(factor), np.uint64(shift))
    for mask, factor, shift in (
        (0x0F0F0F0F0F0F0F0F, 1 + (10 << 8), 8),
        (0x00FF00FF00FF00FF, 1 + (100 << 16), 16),
        (0x0000FFFF0000FFFF, 1 + (10000 << 32), 32),
    )
)
"""Mask, factor and shift that join digits to pairs, pairs to fours, fours to eight."""


def parse_numbers(text: bytes) -> NDArray[np.float64] | None:
    r"""Return the numbers of backslash-separated text, None if some of it is not a number.

    >>> parse_numbers(b"1.5\\-20.25\\0.0")
    array([  1.5 , -20.25,   0.  ])
    """
    if not text:
        return np.zeros(0)
    parsed = []
    start = 0
    while start <= len(text):
        cut = text.find(b"\\", start + _BLOCK_BYTES)
        stop = len(text) if cut < 0 else cut
        block = text[start:stop]
        numbers = _parse_plain(block)
        if numbers is None:
            numbers = _parse_any(block)
        if numbers is None:
            return None
        parsed.append(numbers)
        start = stop + 1
    return np.concatenate(parsed)


def _parse_any(text: bytes) -> NDArray[np.float64] | None:
    """Parse any notation, blanks around numbers included, one by one."""
    if b"_" in text:
        return None
    try:
        return np.array([float(number) for number in text.split(b"\\")])
    except ValueError:
        return None


def _parse_plain(text: bytes) -> NDArray[np.float64] | None:
    """Parse plain decimals of at most eight digits on each side of the point, else None."""
    padded = b"0" * _WORD + text
    characters = np.frombuffer(padded, dtype=np.uint8)[_WORD:]
    separators = np.flatnonzero(characters == _SEPARATOR)
    points = np.flatnonzero(characters == _POINT)
    ends = np.append(separators, len(text))
    if len(points) != len(ends):
        points = _points_or_ends(points, ends)
    starts = np.concatenate([[0], separators + 1])
    is_negative = characters[np.minimum(starts, len(text) - 1)] == _MINUS
    before = points - starts - is_negative
    behind = np.maximum(ends - points - 1, 0)
    together = before + behind
    if (
        before.min() < 0
        or max(before.max(), behind.max()) > _WORD
        or together.min() < 1
        or together.max() > _MOST_DIGITS
    ):
        return None
    digits = np.count_nonzero(characters - _ZERO < 10)
    signs = np.count_nonzero(is_negative) + np.count_nonzero(points != ends)
    if digits + len(separators) + signs != len(text):
        return None
    words = np.ndarray((len(text) + 1,), dtype="<u8", buffer=padded, strides=(1,))
    whole = _digits_before(words, points, before) * _TENS[behind]
    whole += _digits_before(words, ends, behind)
    values = whole.astype(np.float64) / _TENS[behind]
    return np.negative(values, where=is_negative, out=values)


def _points_or_ends(points: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where the whole part of each number ends: at its point, or at its end without one."""
    found = ends.copy()
    found[np.searchsorted(ends, points)] = points
    return found


def _digits_before(
    words: NDArray[np.uint64], ends: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Return the integers that the ``counts`` digits ending at each position spell.

    ``words[p]`` holds the eight characters before position p, the first one in its lowest byte.
    """
    spare = (np.uint64(8) * (_WORD - counts).astype(np.uint64)).astype(np.uint64)
    found = (words[ends] >> spare) << spare
    for mask, factor, shift in _STEPS:
        found &= mask
        found *= factor
        found >>= shift
    return found
