"""Contour points from raw bytes: all ContourData of a file in one conversion.

pydicom's own route makes a decimal object per coordinate, which costs seconds on a clinical set.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from planeval.dicom.decimals import parse_numbers

__all__ = ["parse_contours"]

_PADDING = b" \0\r\n\t"


def parse_contours(data: Sequence[bytes]) -> list[NDArray[np.float64] | str]:
    r"""Return the (n, 3) points of each ContourData value, or the reason why it has none.

    >>> parse_contours([b"1\\2\\3.5 ", b"1\\2"])
    [array([[1. , 2. , 3.5]]), 'holds 2 numbers, not a multiple of 3']
    """
    stripped = [value.strip(_PADDING) for value in data]
    counts = [value.count(b"\\") + 1 if value else 0 for value in stripped]
    numbers = parse_numbers(b"\\".join(value for value in stripped if value))
    if numbers is None or len(numbers) != sum(counts):
        return [_one(value, count) for value, count in zip(stripped, counts, strict=True)]
    ends = np.cumsum(counts)
    finite = bool(np.isfinite(numbers).all())
    return [
        _points(numbers[end - count : end], finite) for end, count in zip(ends, counts, strict=True)
    ]


def _one(value: bytes, count: int) -> NDArray[np.float64] | str:
    """Parse a single value, to tell the broken contour from its neighbours."""
    numbers = parse_numbers(value)
    if numbers is None or len(numbers) != count:
        return f"holds text that is not a number ({value[:60].decode('ascii', 'replace')!r}...)"
    return _points(numbers, bool(np.isfinite(numbers).all()))


def _points(numbers: NDArray[np.float64], finite: bool) -> NDArray[np.float64] | str:
    if len(numbers) % 3:
        return f"holds {len(numbers)} numbers, not a multiple of 3"
    if not finite and not np.isfinite(numbers).all():
        return "holds a coordinate that is not finite"
    return numbers.reshape(-1, 3)
