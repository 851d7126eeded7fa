"""Datasets that pydicom parses: files without preamble, other syntaxes, odd and damaged ones.

pydicom is imported where it is needed: importing it takes longer than reading a plain case.
"""

from __future__ import annotations

import logging
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

from planeval.dicom.stored import BINARY_CODES, Elements, Stored

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = [
    "PYDICOM_FAILURES",
    "PydicomDataset",
    "header_by_pydicom",
    "items_of_sequence",
    "parse_by_pydicom",
    "quiet_pydicom",
]

PYDICOM_FAILURES = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What pydicom raises on bytes that it cannot make sense of (NameError: from a cut file), once
:func:`quiet_pydicom` has made its own errors ValueErrors."""


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Keep pydicom's warnings and log lines off the terminal, and its value checks off.

    What matters in them is found and reported by the readers themselves.
    """
    from pydicom import config  # noqa: PLC0415 - see the module's first lines
    from pydicom.errors import BytesLengthException, InvalidDicomError  # noqa: PLC0415

    logger = logging.getLogger("pydicom")
    level, mode = logger.level, config.settings.reading_validation_mode
    logger.setLevel(logging.CRITICAL + 1)
    config.settings.reading_validation_mode = config.IGNORE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (BytesLengthException, InvalidDicomError) as error:
        raise ValueError(str(error)) from error
    finally:
        logger.setLevel(level)
        config.settings.reading_validation_mode = mode


class PydicomDataset:
    """A dataset that pydicom has parsed."""

    __slots__ = ("dataset",)

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __contains__(self, tag: int) -> bool:
        return tag in self.dataset

    def stored(self, tag: int) -> Stored | None:
        """Return the element as it is stored, None where it is absent."""
        if tag not in self.dataset:
            return None
        with quiet_pydicom():
            element = self.dataset.get_item(tag)
        vr = None if element.VR is None else str(element.VR)
        value = element.value
        if isinstance(value, bytes):
            return Stored(vr, value, getattr(element, "is_little_endian", True) is True)
        return Stored(vr, _bytes(value, vr))

    def items(self, tag: int) -> list[Elements] | None:
        """Return the items of a sequence that is there, None where the element is not a sequence."""
        with quiet_pydicom():
            value = self.dataset[tag].value
        if value is None or value == b"":
            return []
        if isinstance(value, (bytes, str)):
            return None
        return [PydicomDataset(item) for item in value]


def parse_by_pydicom(content: bytes, *, has_mark: bool) -> Dataset:
    """Parse a whole file."""
    from pydicom.filereader import dcmread  # noqa: PLC0415

    with quiet_pydicom():
        return dcmread(BytesIO(content), force=not has_mark)


def header_by_pydicom(
    file: BinaryIO, *, has_mark: bool, tags: list[int], stop_at: int
) -> PydicomDataset:
    """Parse some elements of a file, and nothing from element ``stop_at`` on."""
    from pydicom.filereader import read_partial  # noqa: PLC0415

    def reached(tag: Any, _vr: str | None, _length: int) -> bool:
        return int(tag) >= stop_at

    with quiet_pydicom():
        return PydicomDataset(
            read_partial(file, stop_when=reached, force=not has_mark, specific_tags=tags)
        )


def items_of_sequence(value: bytes, *, is_implicit: bool) -> list[Elements]:
    """Parse the value of a little-endian sequence."""
    from pydicom.charset import default_encoding  # noqa: PLC0415
    from pydicom.filereader import read_sequence  # noqa: PLC0415

    with quiet_pydicom():
        found = read_sequence(BytesIO(value), is_implicit, True, len(value), default_encoding)
        return [PydicomDataset(item) for item in found]


def _bytes(value: Any, vr: str | None) -> bytes:
    """Return the bytes of a value that pydicom has converted, as it does a few."""
    if value is None:
        return b""
    values = value if isinstance(value, (list, tuple)) or hasattr(value, "append") else [value]
    code = BINARY_CODES.get(vr or "")
    if code is not None:
        return struct.pack(f"<{len(values)}{code}", *values)
    return b"\\".join(str(part).encode() for part in values)
