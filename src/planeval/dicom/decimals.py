"""Backslash-separated decimal text to numbers, exactly as ``float`` reads it, for millions of them.

Contours are plain decimals such as ``-123.45``. Eight characters fit one 64-bit word: the digits before
the point move up over it, and all words of a block of text become integers together, by three
multiplications each (joining digits to pairs, pairs to fours, fours to eight). Longer numbers are joined
from several words. Up to fifteen digits make an integer that a double holds exactly; its quotient by a
power of ten up to 10^15, exact too, is the correctly rounded value: the one that ``float`` returns.
Numbers of any other form (exponents, more digits, blanks) are read by ``float``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["parse_numbers"]

Positions = NDArray[np.int64]
Words = NDArray[np.uint64]

_BLOCK_BYTES = 1 << 16
"""Text parsed at a time: few enough for the processor's cache. A second thread would only wait: each
step is too short to be worth handing over the interpreter."""

_WORD = 8
_SHORT, _MOST_DIGITS = _WORD - 1, 15
"""Digits that fit one word beside their point, and the most that a double always holds."""

_SEPARATOR, _POINT, _MINUS, _ZERO = (np.uint8(ord(c)) for c in "\\.-0")
_TENS = 10 ** np.arange(_MOST_DIGITS + 1, dtype=np.uint64)
_EXACT_TENS = _TENS.astype(np.float64)
_LAST = np.array([(1 << 64) - (1 << 8 * (_WORD - n)) for n in range(_WORD + 1)], dtype=np.uint64)
"""The last n characters of a word, which are its highest bytes."""

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
    parsed = [_parse_block(block) for block in _blocks(text)]
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
    characters = np.frombuffer(padded, dtype=np.uint8)[2 * _WORD :]
    points, ends = _points_and_ends(characters)
    starts = np.concatenate([[0], ends[:-1] + 1])
    is_negative = characters[starts] == _MINUS
    before = points - starts - is_negative
    behind = np.maximum(ends - points - 1, 0)
    count = before + behind
    is_plain = (before >= 0) & (count >= 1) & (count <= _MOST_DIGITS)
    expected = len(ends) + np.count_nonzero(is_negative) + np.count_nonzero(points != ends)
    is_digit = np.asarray(characters - _ZERO < 10)
    if np.count_nonzero(is_digit) + expected != len(characters):
        is_plain &= ~_has_others(is_digit, starts[is_negative], points, ends)
    is_short = is_plain & (count <= _SHORT)
    # the word that ends before each character, wherever it lies in memory
    words = np.ndarray((len(characters) + 1,), "<u8", padded, _WORD, strides=(1,))
    values = np.zeros(len(ends))
    for integers, which in ((_short, is_short), (_long, is_plain ^ is_short)):
        if which.any():
            at = slice(None) if which.all() else which
            values[at] = integers(words, points[at], ends[at], before[at], behind[at])
            values[at] /= _EXACT_TENS[behind[at]]
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
    at = np.flatnonzero(characters[marks] == _SEPARATOR)
    ends = marks[at]
    has_point = np.diff(at, prepend=-1) > 1
    return np.where(has_point, marks[at - 1], ends), ends


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


def _short(
    words: Words, points: Positions, ends: Positions, before: Positions, behind: Positions
) -> Words:
    """Return the integers that the digits of numbers spell, where they fit one word with the point."""
    # the word of an integer ends with its separator, in the place of a point
    found = words[np.maximum(ends, points + 1)]
    fraction = _LAST[behind]
    whole = _LAST[before + behind] ^ fraction
    fraction &= found
    found <<= np.uint64(_WORD)
    found &= whole
    found |= fraction
    return _joined(found)


def _long(
    words: Words, points: Positions, ends: Positions, before: Positions, behind: Positions
) -> Words:
    """Return the integers that the digits of numbers spell, of any length."""
    whole = _spelled(words, points, before) * _TENS[behind]
    return np.asarray(whole + _spelled(words, ends, behind))


def _spelled(words: Words, stops: Positions, counts: Positions) -> Words:
    """Return the integers that the ``counts`` digits before each stop spell."""
    found = _joined(words[stops] & _LAST[np.minimum(counts, _WORD)])
    more = np.flatnonzero(counts > _WORD)
    if len(more):
        found[more] += _spelled(words, stops[more] - _WORD, counts[more] - _WORD) * _TENS[_WORD]
    return found


def _joined(words: Words) -> Words:
    """Return the integers that words of eight digits spell, the first in the lowest byte."""
    for mask, factor, shift in _STEPS:
        words &= mask
        words *= factor
        words >>= shift
    return words


def _float(text: bytes) -> float | None:
    """Read one number of any notation; underscores, which Python allows, are not decimal text."""
    try:
        return None if b"_" in text else float(text)
    except ValueError:
        return None
