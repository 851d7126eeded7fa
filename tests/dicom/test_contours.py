"""ContourData from raw bytes: the same numbers as float() gives, and a reason for the rest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planeval.dicom.contours import parse_contours
from planeval.dicom.decimals import parse_numbers

TEXTS = st.one_of(
    st.decimals(min_value=-9999, max_value=9999, places=3).map(str),
    st.floats(min_value=-1e6, max_value=1e6, allow_nan=False).map(lambda v: f"{v:.10g}"),
    st.integers(-5000, 5000).map(str),
    st.sampled_from(["-0", "+1.5", ".5", "5.", "1e2", "-1.25E-03", " 7.5", "7.5 ", "0.00"]),
)


@given(st.lists(TEXTS, min_size=1, max_size=60))
def test_numbers_equal_float(texts):
    """Every decimal string gives exactly the value that float() gives."""
    numbers = parse_numbers("\\".join(texts).encode())
    assert numbers is not None
    assert numbers.tolist() == [float(text) for text in texts]


@pytest.mark.parametrize("decimals", [1, 2, 4, 8, 12])
def test_long_plain_data_equals_float(decimals):
    """Long runs of plain decimals, as contours have them, are exact too."""
    values = np.random.default_rng(decimals).uniform(-500, 500, 100_000)
    texts = [f"{value:.{decimals}f}" for value in values]
    numbers = parse_numbers("\\".join(texts).encode())
    assert numbers is not None
    assert numbers.tolist() == [float(text) for text in texts]


@pytest.mark.parametrize(
    "text",
    [
        b"1.0\\2.0\\",
        b"\\1.0",
        b"1.\\-.",
        b"-",
        b"1.0\\abc\\2.0",
        b"1.0\\\\2.0",
        b"1.0.0\\2",
        b"1-2\\3",
        b"--1\\2",
        b"1\\2\\-",
        b"1,5\\2",
    ],
)
def test_text_that_is_not_numbers_is_none(text):
    """Anything that float() would refuse is refused."""
    assert parse_numbers(text) is None


def test_padding_is_no_number():
    """Trailing blanks and NULs pad a value to even length."""
    (points,) = parse_contours([b"1\\2\\3\\4\\5\\6 \0"])
    assert isinstance(points, np.ndarray)
    assert points.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_broken_contour_does_not_harm_its_neighbours():
    """The reason belongs to the broken contour; the others keep their points."""
    first, second, third = parse_contours([b"1\\2\\3", b"1\\x\\3", b"4\\5\\6"])
    assert np.array_equal(first, [[1, 2, 3]])
    assert "not a number" in str(second)
    assert np.array_equal(third, [[4, 5, 6]])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"1\\2\\3\\4", "4 numbers, not a multiple of 3"),
        (b"1\\2\\nan", "not finite"),
        (b"1\\2\\1e999", "not finite"),
    ],
)
def test_impossible_points_have_a_reason(data, reason):
    """Counts that are not threefold and values that are not finite are told."""
    (found,) = parse_contours([data])
    assert reason in str(found)


def test_empty_value_has_no_points():
    """An empty ContourData has no points and no error."""
    empty, other = parse_contours([b"", b"1\\2\\3"])
    assert len(empty) == 0
    assert len(other) == 1
