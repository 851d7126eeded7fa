"""Typed access to DICOM elements: values with the place they came from, or an error that names it.

Values are decoded here from the raw bytes that pydicom keeps, not through its value classes: those
build a Python object per number and reject what a clinic's files contain. Only sequences are parsed
by pydicom. DICOM text is untrusted and is handed on as it is, apart from padding.
"""

from __future__ import annotations

import functools
import math
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

from planeval.errors import InvalidElement, MissingElement, UnreadableFile

__all__ = ["PYDICOM_FAILURES", "Item", "TextProblems", "unreadable"]

PYDICOM_FAILURES = (
    ArithmeticError,
    AttributeError,
    BytesLengthException,
    EOFError,
    InvalidDicomError,
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
"""What pydicom raises on bytes that it cannot make sense of (NameError: from a cut file)."""

_BINARY = {"US": "H", "SS": "h", "UL": "L", "SL": "l"}
_PADDING = b"\0 \t\r\n"
_TEXT_DELIMITERS = {0x0D, 0x0A, 0x09, 0x0C}


@dataclass(slots=True)
class TextProblems:
    """What went wrong while text was decoded: collected for one Finding per file."""

    undeclared: list[str] = field(default_factory=list)
    undecodable: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A dataset or sequence item that knows where it is: ``place`` opens every error message."""

    dataset: Dataset
    place: str
    encodings: tuple[str, ...] | None = None
    problems: TextProblems = field(default_factory=TextProblems)

    @classmethod
    def root(cls, dataset: Dataset, place: str) -> Item:
        """Wrap the dataset of a file and take over its character set."""
        item = cls(dataset, place)
        names = item.texts("SpecificCharacterSet")
        return cls(dataset, place, _python_encodings(names), item.problems)

    def has(self, keyword: str) -> bool:
        """Whether the element is there, even if empty."""
        return _tag(keyword) in self.dataset

    def raw(self, keyword: str) -> bytes:
        """Return the element's bytes as stored, empty where it is absent."""
        return _stored(self._element(keyword))

    def text(self, keyword: str) -> str:
        """Return the element's text without padding, empty where it is absent."""
        return self._decoded(keyword, self.raw(keyword).strip(_PADDING))

    def texts(self, keyword: str) -> tuple[str, ...]:
        """Return the values of a multi-valued text element."""
        raw = self.raw(keyword).strip(_PADDING)
        if not raw:
            return ()
        return tuple(part.strip() for part in self._decoded(keyword, raw).split("\\"))

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """Return the numbers of a DS, IS or binary element, empty where it is absent.

        Raises :class:`InvalidElement` for text that is not a number and for values not finite.
        """
        element = self._element(keyword)
        if element is None:
            return ()
        code = _BINARY.get(_known_vr(keyword) if element.VR in (None, "UN") else str(element.VR))
        if code is not None:
            return self._binary(keyword, element, code)
        raw = _stored(element).strip(_PADDING)
        if not raw:
            return ()
        try:
            values = tuple(float(part) for part in raw.decode("ascii").split("\\"))
        except (ValueError, UnicodeDecodeError) as error:
            raise self._invalid(keyword, f"{raw[:40]!r} is not a list of numbers") from error
        if not all(math.isfinite(value) for value in values):
            raise self._invalid(keyword, f"{raw[:40]!r} holds a value that is not finite")
        return values

    def number(self, keyword: str) -> float | None:
        """Return the one number of an element, None where it is absent or empty."""
        values = self.numbers(keyword)
        if len(values) > 1:
            raise self._invalid(keyword, f"{len(values)} values where one is expected")
        return values[0] if values else None

    def integer(self, keyword: str) -> int | None:
        """Return the one whole number of an element, None where it is absent or empty."""
        value = self.number(keyword)
        if value is not None and value != int(value):
            raise self._invalid(keyword, f"{value} is not a whole number")
        return None if value is None else int(value)

    def vector(self, keyword: str, length: int) -> tuple[float, ...] | None:
        """Return exactly ``length`` numbers, None where the element is absent or empty."""
        values = self.numbers(keyword)
        if values and len(values) != length:
            raise self._invalid(keyword, f"{len(values)} values where {length} are expected")
        return values or None

    def point(self, keyword: str) -> tuple[float, float, float] | None:
        """Return a patient point in mm, None where the element is absent or empty."""
        values = self.vector(keyword, 3)
        return None if values is None else (values[0], values[1], values[2])

    def items(self, keyword: str) -> list[Item]:
        """Return the items of a sequence, empty where it is absent."""
        tag = _tag(keyword)
        if tag not in self.dataset:
            return []
        try:
            value = self.dataset[tag].value
        except PYDICOM_FAILURES as error:
            raise self._invalid(keyword, error) from error
        if value is None or value == b"":
            return []
        if isinstance(value, (bytes, str)):
            raise self._invalid(keyword, "not a sequence of items")
        return [self._child(dataset) for dataset in value]

    def first(self, keyword: str) -> Item | None:
        """Return the first item of a sequence, None where there is none."""
        items = self.items(keyword)
        return items[0] if items else None

    def at(self, place: str) -> Item:
        """Return the same item under a more precise place."""
        return Item(self.dataset, place, self.encodings, self.problems)

    def required_number(self, keyword: str) -> float:
        """Return the one number of an element that must be there."""
        value = self.number(keyword)
        if value is None:
            raise self.missing(keyword)
        return value

    def required_integer(self, keyword: str) -> int:
        """Return the one whole number of an element that must be there."""
        value = self.integer(keyword)
        if value is None:
            raise self.missing(keyword)
        return value

    def required_vector(self, keyword: str, length: int) -> tuple[float, ...]:
        """Return ``length`` numbers of an element that must be there."""
        value = self.vector(keyword, length)
        if value is None:
            raise self.missing(keyword)
        return value

    def missing(self, keyword: str) -> MissingElement:
        """Make the error for an element that the answer depends on."""
        return MissingElement(
            f"{self.place}: {_spelled(keyword)} is absent or empty; "
            "export the file again with it, the answer depends on it"
        )

    def invalid(self, keyword: str, found: str) -> InvalidElement:
        """Make the error for an element whose value cannot be right."""
        return self._invalid(keyword, found)

    def _invalid(self, keyword: str, found: object) -> InvalidElement:
        return InvalidElement(f"{self.place}: {_spelled(keyword)} cannot be read: {found}")

    def _child(self, dataset: Dataset) -> Item:
        """Wrap an item of a sequence; it may have a character set of its own."""
        child = Item(dataset, self.place, self.encodings, self.problems)
        if _tag("SpecificCharacterSet") not in dataset:
            return child
        own = _python_encodings(child.texts("SpecificCharacterSet"))
        return Item(dataset, self.place, own, self.problems)

    def _element(self, keyword: str) -> Any:
        """Return pydicom's element, raw as a rule, None where it is absent."""
        tag = _tag(keyword)
        if tag not in self.dataset:
            return None
        try:
            return self.dataset.get_item(tag)
        except PYDICOM_FAILURES as error:
            raise self._invalid(keyword, error) from error

    def _binary(self, keyword: str, element: Any, code: str) -> tuple[float, ...]:
        """Decode a binary number by its VR."""
        value = element.value
        if not isinstance(value, bytes):
            values = value if isinstance(value, (MultiValue, list, tuple)) else [value]
            return tuple(float(v) for v in values if v is not None)
        size = struct.calcsize(f"<{code}")
        if len(value) % size:
            raise self._invalid(keyword, f"{len(value)} bytes for numbers of {size} bytes")
        order = "<" if getattr(element, "is_little_endian", True) else ">"
        return tuple(float(v) for v in struct.unpack(f"{order}{len(value) // size}{code}", value))

    def _decoded(self, keyword: str, raw: bytes) -> str:
        """Decode text by the declared character set; say so where that fails or is not declared."""
        if raw.isascii() and b"\x1b" not in raw:
            return raw.decode("ascii")
        if self.encodings is None:
            self.problems.undeclared.append(keyword)
            try:
                return raw.decode("utf-8")
            except UnicodeDecodeError:
                return raw.decode("latin-1")
        try:
            text = str(decode_bytes(raw, list(self.encodings), _TEXT_DELIMITERS))
        except PYDICOM_FAILURES:
            text = raw.decode("latin-1")
            self.problems.undecodable.append(keyword)
            return text
        if "\ufffd" in text:
            self.problems.undecodable.append(keyword)
        return text


def _python_encodings(names: tuple[str, ...]) -> tuple[str, ...] | None:
    """Translate SpecificCharacterSet, None where it is absent or names nothing known."""
    if not any(names):
        return None
    try:
        found = tuple(convert_encodings(list(names)))
    except PYDICOM_FAILURES:
        return None
    known_default = any(name in ("", "ISO_IR 6", "ISO 2022 IR 6", "ISO_IR 100") for name in names)
    if found == ("iso8859",) and not known_default:
        return None
    return found


def _stored(element: Any) -> bytes:
    """Return an element's bytes; pydicom has converted a few, whose text is as good."""
    value = None if element is None else element.value
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    if isinstance(value, (MultiValue, list, tuple)):
        return b"\\".join(str(part).encode() for part in value)
    return str(value).encode()


@functools.cache
def _tag(keyword: str) -> BaseTag:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ValueError(f"{keyword} is not a DICOM keyword")
    return Tag(tag)


@functools.cache
def _known_vr(keyword: str) -> str:
    return str(dictionary_VR(_tag(keyword)))


def _spelled(keyword: str) -> str:
    """Spell an element as keyword and tag, for messages."""
    tag = _tag(keyword)
    return f"{keyword} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


def unreadable(place: str, error: object) -> UnreadableFile:
    """Make the error for a file that looks like DICOM but cannot be parsed."""
    return UnreadableFile(
        f"{place}: not readable as DICOM ({error}); the file is damaged or cut off, export it again"
    )
