"""Typed access to DICOM elements: values with the place they came from, or an error that names it.

Values are decoded here from the stored bytes, not through pydicom's value classes: those build a
Python object per number and reject what a clinic's files contain. DICOM text is untrusted and is
handed on as it is, apart from padding.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field

from planeval.dicom.keywords import spelled, tag_of, vr_of
from planeval.dicom.pydicom_datasets import PYDICOM_FAILURES, quiet_pydicom
from planeval.dicom.stored import BINARY_CODES, Elements, Stored
from planeval.errors import InvalidElement, MissingElement, UnreadableFile

__all__ = ["Item", "TextProblems", "unreadable"]

_COMMON_ENCODINGS = {
    "ISO_IR 6": "iso8859",
    "ISO_IR 100": "latin_1",
    "ISO_IR 192": "utf8",
    "GB18030": "gb18030",
    "GBK": "gbk",
}
_PADDING = b"\0 \t\r\n"
_TEXT_DELIMITERS = {0x0D, 0x0A, 0x09, 0x0C}


@dataclass(slots=True)
class TextProblems:
    """What went wrong while text was decoded: collected for one Finding per file."""

    undeclared: list[str] = field(default_factory=list)
    undecodable: list[str] = field(default_factory=list)

    def add(self, other: TextProblems) -> None:
        """Take over what another reader of the same file met."""
        for mine, theirs in (
            (self.undeclared, other.undeclared),
            (self.undecodable, other.undecodable),
        ):
            mine.extend(each for each in theirs if each not in mine)


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A dataset or sequence item that knows where it is: ``place`` opens every error message."""

    dataset: Elements
    place: str
    encodings: tuple[str, ...] | None = None
    problems: TextProblems = field(default_factory=TextProblems)

    @classmethod
    def root(cls, dataset: Elements, place: str) -> Item:
        """Wrap the dataset of a file and take over its character set."""
        item = cls(dataset, place)
        names = item.texts("SpecificCharacterSet")
        return cls(dataset, place, _python_encodings(names), item.problems)

    def has(self, keyword: str) -> bool:
        """Whether the element is there, even if empty."""
        return tag_of(keyword) in self.dataset

    def raw(self, keyword: str) -> bytes:
        """Return the element's bytes as stored, empty where it is absent."""
        element = self._element(keyword)
        return b"" if element is None else element.value

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
        code = BINARY_CODES.get(vr_of(keyword) if element.vr in (None, "UN") else element.vr)
        if code is not None:
            return self._binary(keyword, element, code)
        raw = element.value.strip(_PADDING)
        if not raw:
            return ()
        try:
            values = tuple(map(float, raw.split(b"\\")))
        except ValueError as error:
            raise self._invalid(keyword, f"{raw[:40]!r} is not a list of numbers") from error
        if not all(map(math.isfinite, values)):
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
        tag = tag_of(keyword)
        if tag not in self.dataset:
            return []
        try:
            found = self.dataset.items(tag)
        except PYDICOM_FAILURES as error:
            raise self._invalid(keyword, error) from error
        if found is None:
            raise self._invalid(keyword, "not a sequence of items")
        return [self._child(dataset) for dataset in found]

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
            f"{self.place}: {spelled(keyword)} is absent or empty; "
            "export the file again with it, the answer depends on it"
        )

    def invalid(self, keyword: str, found: str) -> InvalidElement:
        """Make the error for an element whose value cannot be right."""
        return self._invalid(keyword, found)

    def _invalid(self, keyword: str, found: object) -> InvalidElement:
        return InvalidElement(f"{self.place}: {spelled(keyword)} cannot be read: {found}")

    def _child(self, dataset: Elements) -> Item:
        """Wrap an item of a sequence; it may have a character set of its own."""
        child = Item(dataset, self.place, self.encodings, self.problems)
        if tag_of("SpecificCharacterSet") not in dataset:
            return child
        own = _python_encodings(child.texts("SpecificCharacterSet"))
        return Item(dataset, self.place, own, self.problems)

    def _element(self, keyword: str) -> Stored | None:
        """Return the stored element, None where it is absent."""
        try:
            return self.dataset.stored(tag_of(keyword))
        except PYDICOM_FAILURES as error:
            raise self._invalid(keyword, error) from error

    def _binary(self, keyword: str, element: Stored, code: str) -> tuple[float, ...]:
        """Decode a binary number by its VR."""
        size = struct.calcsize(f"<{code}")
        if len(element.value) % size:
            raise self._invalid(keyword, f"{len(element.value)} bytes for numbers of {size} bytes")
        order = "<" if element.is_little_endian else ">"
        count = len(element.value) // size
        return tuple(float(v) for v in struct.unpack(f"{order}{count}{code}", element.value))

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
            text = _decoded_text(raw, self.encodings)
        except PYDICOM_FAILURES:
            text = raw.decode("latin-1")
            self.problems.undecodable.append(keyword)
            return text
        if "\ufffd" in text:
            self.problems.undecodable.append(keyword)
        return text


def _decoded_text(raw: bytes, encodings: tuple[str, ...]) -> str:
    """Decode text; what its only character set cannot decode becomes a replacement character."""
    if b"\x1b" not in raw:
        return raw.decode(encodings[0], "replace")
    from pydicom.charset import decode_bytes  # noqa: PLC0415 - code extensions are rare

    with quiet_pydicom():
        return str(decode_bytes(raw, list(encodings), _TEXT_DELIMITERS))


def _python_encodings(names: tuple[str, ...]) -> tuple[str, ...] | None:
    """Translate SpecificCharacterSet, None where it is absent or names nothing known."""
    if not any(names):
        return None
    if len(names) == 1 and names[0] in _COMMON_ENCODINGS:
        return (_COMMON_ENCODINGS[names[0]],)
    from pydicom.charset import convert_encodings  # noqa: PLC0415 - other sets are rare

    try:
        with quiet_pydicom():
            found = tuple(convert_encodings(list(names)))
    except PYDICOM_FAILURES:
        return None
    known_default = any(name in ("", "ISO_IR 6", "ISO 2022 IR 6", "ISO_IR 100") for name in names)
    if found == ("iso8859",) and not known_default:
        return None
    return found


def unreadable(place: str, error: object) -> UnreadableFile:
    """Make the error for a file that looks like DICOM but cannot be parsed."""
    return UnreadableFile(
        f"{place}: not readable as DICOM ({error}); the file is damaged or cut off, export it again"
    )
