"""Stored elements: what a DICOM dataset gives, whoever parsed it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

__all__ = ["BINARY_CODES", "Elements", "Stored"]

BINARY_CODES = {"US": "H", "SS": "h", "UL": "L", "SL": "l"}
"""Code of the struct module for the numbers of a binary VR."""


class Stored(NamedTuple):
    """The bytes of one element; ``vr`` is None where the file does not state it."""

    vr: str | None
    value: bytes
    is_little_endian: bool = True


class Elements(Protocol):
    """A dataset or a sequence item."""

    def __contains__(self, tag: int) -> bool:
        """Whether an element is there, even if empty."""

    def stored(self, tag: int) -> Stored | None:
        """Return an element as it is stored, None where it is absent."""

    def items(self, tag: int) -> list[Elements] | None:
        """Return the items of a sequence that is there, None where the element is not a sequence."""
