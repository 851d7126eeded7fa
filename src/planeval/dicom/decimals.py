"""Backslash-separated decimal text to numbers, exactly as ``float`` reads it, for millions of them.

Contours are plain decimals such as ``-123.45``. Eight digits fit one 64-bit word, and all words of
a block of text become integers together, by three multiplications each (joining digits to pairs,
pairs to fours, fours to eight). Up to fifteen digits make an integer that a double holds exactly;
its quotient by a power of ten up to 10^15, exact too, is the correctly rounded value: the one that
``float`` returns. Numbers of any other form (exponents, more digits, blanks) are read by ``float``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from planeval.side_by_side import in_threads

__all__ = ["parse_numbers"]

Positions = NDArray[np.int64]
Words = NDArray[np.uint64]

_BLOCK_BYTES = 1 << 18
"""Text parsed at a time: few enough for the processor's cache, and enough for two threads."""

_WORD = 8
_MOST_DIGITS = 15
_SEPARATOR, _POINT, _MINUS, _ZERO = (np.uint8(ord(c)) for c in "\\.-0")
_TENS = 10 ** np.arange(_MOST_DIGITS + 1, dtype=np.uint64)

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

    >>> parse_numbers(b"1.5\\-20.25\\3e2")
    array([  1.5 , -20.25, 300.  ])
    """
    if not text:
        return np.zeros(0)
    parsed = in_threads(_parse_block, list(_blocks(text)))
    known = [numbers for numbers in parsed if numbers is not None]
    return np.concatenate(known) if len(known) == len(parsed) else None


def _blocks(text: bytes) -> Iterator[bytes]:
    """Yield the text in parts that end where a number ends."""
    start = 0
    while start <= len(text):
        cut = text.find(b"\\", start + _BLOCK_BYTES)
        stop = len(text) if cut < 0 else cut
        yield text[start:stop]
        start = stop + 1


def _parse_block(text: bytes) -> NDArray[np.float64] | None:
    """Parse one block: plain decimals together, the others one by one."""
    padded = b"0" * (2 * _WORD) + text + b"\\"
    padded += b"0" * (2 * _WORD - len(padded) % _WORD)
    characters = np.frombuffer(padded, dtype=np.uint8)[2 * _WORD :][: len(text) + 1]
    points, ends = _points_and_ends(characters)
    starts = np.concatenate([[0], ends[:-1] + 1])
    is_negative = characters[starts] == _MINUS
    before = points - starts - is_negative
    behind = np.maximum(ends - points - 1, 0)
    is_plain = (before >= 0) & (before + behind >= 1) & (before + behind <= _MOST_DIGITS)
    expected = len(ends) + np.count_nonzero(is_negative) + np.count_nonzero(points != ends)
    is_digit = np.asarray(characters - _ZERO < 10)
    if np.count_nonzero(is_digit) + expected != len(characters):
        is_plain &= ~_has_others(is_digit, starts[is_negative], points, ends)
    if not is_plain.all():
        before, behind = np.where(is_plain, before, 0), np.where(is_plain, behind, 0)
    words = np.frombuffer(padded, dtype="<u8")
    whole = _integers(words, points + 2 * _WORD, before) * _TENS[behind]
    whole += _integers(words, ends + 2 * _WORD, behind)
    values = np.asarray(whole.astype(np.float64) / _TENS[behind])
    np.negative(values, where=is_negative, out=values)
    for index in np.flatnonzero(~is_plain):
        number = _float(text[starts[index] : ends[index]])
        if number is None:
            return None
        values[index] = number
    return values


def _points_and_ends(characters: NDArray[np.uint8]) -> tuple[Positions, Positions]:
    """Return where the whole part and the text of each number end; both are one without a point."""
    marks = np.flatnonzero((characters == _SEPARATOR) | (characters == _POINT))
    is_end = characters[marks] == _SEPARATOR
    ends = marks[np.flatnonzero(is_end)]
    points = ends.copy()
    at = np.flatnonzero(~is_end)
    # as many ends lie before a point as marks that are not points
    points[at - np.arange(len(at))] = marks[at]
    return points, ends


def _has_others(
    is_digit: NDArray[np.bool_], signs: Positions, points: Positions, ends: Positions
) -> NDArray[np.bool_]:
    """For each number: does it hold more than digits, a leading sign and its point?"""
    is_known = is_digit.copy()
    for positions in (signs, points, ends):
        is_known[positions] = True
    found = np.zeros(len(ends), dtype=bool)
    found[np.searchsorted(ends, np.flatnonzero(~is_known))] = True
    return found


def _integers(words: Words, stops: Positions, counts: Positions) -> Words:
    """Return the integers that the ``counts`` digits before each stop spell.

    ``words`` are the text's words of eight characters, the first in the lowest byte. Digits beyond
    the last eight are a second word, for the numbers that have them.
    """
    # the eight characters before a stop: the end of one word and the start of the next
    start = stops - _WORD
    first, within = start >> 3, start & 7
    low = (8 * within).astype(np.uint64)
    found: Words = words[first] >> low
    found |= words[first + 1] << (np.uint64(8 * _WORD) - low)
    spare = (8 * (_WORD - np.minimum(counts, _WORD))).astype(np.uint64)
    found >>= spare
    found <<= spare
    for mask, factor, shift in _STEPS:
        found &= mask
        found *= factor
        found >>= shift
    long = np.flatnonzero(counts > _WORD)
    if len(long):
        found[long] += _integers(words, stops[long] - _WORD, counts[long] - _WORD) * _TENS[_WORD]
    return found


def _float(text: bytes) -> float | None:
    """Read one number of any notation; underscores, which Python allows, are not decimal text."""
    try:
        return None if b"_" in text else float(text)
    except ValueError:
        return None
