"""Plain DICOM files: the elements of little-endian data by their place, nothing converted.

This covers what nearly every export is: a preamble, file meta information, and elements in implicit or
explicit little-endian encoding, in rising order and of known length (PS3.5 section 7). Whatever is
not exactly that raises :class:`NotPlain` and is left to pydicom, so that there is one judge of odd
and damaged files. Reading thousands of contours this way takes a tenth of the time.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

from planeval.dicom.pydicom_datasets import items_of_sequence
from planeval.dicom.stored import Elements, Stored

__all__ = ["CutOff", "NotPlain", "PlainDataset", "plain_file", "plain_header"]

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
_COMPRESSED = ("1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.5")
"""Encapsulated pixel data behind explicit little-endian elements."""

_UNDEFINED = 0xFFFFFFFF
_DELIMITER_GROUP = 0xFFFE
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LAST_TAG = 0xFFFFFFFF
_BEFORE_FIRST_TAG = 0x0001FFFF
_META_STOP = 0x00030000
_TRANSFER_SYNTAX = 0x00020010

_TAG_AND_LENGTH = struct.Struct("<HHL")
_LENGTH = struct.Struct("<L")
_SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())


class NotPlain(Exception):  # noqa: N818 - a signal to the caller, not an error
    """The data is cut off, or holds something that is left to pydicom."""


class CutOff(NotPlain):
    """The data ends within an element."""


class _Place(NamedTuple):
    """Where the value of an element lies, and its items where they had to be parsed to know that."""

    vr: str | None
    start: int
    stop: int
    items: list[PlainDataset] | None = None


class PlainDataset:
    """Elements of a file or of a sequence item; the file's bytes are shared by all of them."""

    __slots__ = ("_content", "_is_implicit", "_places")

    def __init__(self, content: bytes, is_implicit: bool, places: Mapping[int, _Place]) -> None:
        self._content = content
        self._is_implicit = is_implicit
        self._places = places

    def __contains__(self, tag: int) -> bool:
        return tag in self._places

    def stored(self, tag: int) -> Stored | None:
        """Return the element as it is stored, None where it is absent."""
        place = self._places.get(tag)
        if place is None:
            return None
        return Stored(place.vr, self._content[place.start : place.stop])

    def items(self, tag: int) -> list[Elements] | None:
        """Return the items of a sequence that is there, None where the element is not a sequence."""
        place = self._places[tag]
        if place.items is not None:
            return list(place.items)
        if place.vr not in (None, "SQ", "UN"):
            return None
        try:
            if place.vr == "UN":
                raise NotPlain
            parser = _Parser(self._content, self._is_implicit)
            return list(parser.items(place.start, place.stop)[0])
        except (NotPlain, struct.error):
            value = self._content[place.start : place.stop]
            return items_of_sequence(value, is_implicit=self._is_implicit)


def plain_file(content: bytes) -> tuple[PlainDataset, str]:
    """Return the elements of a whole, uncompressed file, and its transfer syntax.

    Raises :class:`NotPlain`.
    """
    syntax, start = _meta_information(content)
    if syntax not in (IMPLICIT, EXPLICIT):
        raise NotPlain
    dataset, _ = _Parser(content, syntax == IMPLICIT).root(start, _LAST_TAG)
    return dataset, syntax


def plain_header(content: bytes, stop_at: int, *, is_whole: bool) -> PlainDataset:
    """Return the elements before ``stop_at``; the content is the start of a file, or all of it.

    Raises :class:`NotPlain`; :class:`CutOff` where more of the file may help.
    """
    syntax, start = _meta_information(content)
    if syntax not in (IMPLICIT, EXPLICIT) and not syntax.startswith(_COMPRESSED):
        raise NotPlain
    dataset, stop = _Parser(content, syntax == IMPLICIT).root(start, stop_at)
    if stop == len(content) and not is_whole:
        raise CutOff
    return dataset


def _meta_information(content: bytes) -> tuple[str, int]:
    """Transfer syntax, and where the file meta information ends."""
    if content[128:132] != b"DICM":
        raise NotPlain
    meta, stop = _Parser(content, is_implicit=False).root(132, _META_STOP)
    syntax = meta.stored(_TRANSFER_SYNTAX)
    if syntax is None:
        raise NotPlain
    return syntax.value.rstrip(b"\0 ").decode("latin-1"), stop


class _Parser:
    """Walks through the elements of one file."""

    def __init__(self, content: bytes, is_implicit: bool) -> None:
        self.content = content
        self.is_implicit = is_implicit

    def root(self, start: int, stop_at: int) -> tuple[PlainDataset, int]:
        """Parse the elements of a file up to a tag, or to the end; and where they end."""
        try:
            return self.elements(start, len(self.content), stop_at)
        except struct.error as error:
            raise CutOff from error
        except RecursionError as error:
            raise NotPlain from error

    def elements(
        self, start: int, end: int, stop_at: int = _LAST_TAG, *, is_open: bool = False
    ) -> tuple[PlainDataset, int]:
        """Parse elements up to ``end``, or of an open item up to its delimiter; and where they end."""
        content, is_implicit = self.content, self.is_implicit
        places: dict[int, _Place] = {}
        dataset = PlainDataset(content, is_implicit, places)
        if is_implicit and _is_vr(content[start + 4 : start + 6]):
            raise NotPlain
        position, last = start, _BEFORE_FIRST_TAG
        while position < end:
            group, number, length = _TAG_AND_LENGTH.unpack_from(content, position)
            tag = group << 16 | number
            if tag >= stop_at:
                return dataset, position
            if group == _DELIMITER_GROUP and is_open and tag == _ITEM_END:
                return dataset, position + 8
            if tag <= last or group == _DELIMITER_GROUP:
                raise NotPlain
            last, position = tag, position + 8
            vr = None
            if not is_implicit:
                code = content[position - 4 : position - 2]
                if code in _SHORT_VRS:
                    length >>= 16
                elif code in _LONG_VRS:
                    (length,) = _LENGTH.unpack_from(content, position)
                    position += 4
                else:
                    raise NotPlain
                vr = code.decode("ascii")
            stop = position + length
            if length == _UNDEFINED:
                if vr not in (None, "SQ"):
                    raise NotPlain
                found, stop = self.items(position, end, is_open=True)
                places[tag] = _Place(vr, position, stop, found)
            elif stop > end:
                raise CutOff
            else:
                places[tag] = _Place(vr, position, stop)
            position = stop
        if is_open:
            raise CutOff
        return dataset, position

    def items(
        self, start: int, end: int, *, is_open: bool = False
    ) -> tuple[list[PlainDataset], int]:
        """Parse sequence items up to ``end``, or of an open sequence up to its delimiter."""
        found: list[PlainDataset] = []
        position = start
        while position < end:
            group, number, length = _TAG_AND_LENGTH.unpack_from(self.content, position)
            tag, position = group << 16 | number, position + 8
            if is_open and tag == _SEQUENCE_END:
                return found, position
            if tag != _ITEM:
                raise NotPlain
            is_item_open = length == _UNDEFINED
            stop = end if is_item_open else position + length
            if stop > end:
                raise CutOff
            item, position = self.elements(position, stop, is_open=is_item_open)
            found.append(item)
        if is_open:
            raise CutOff
        return found, position


def _is_vr(code: bytes) -> bool:
    """Whether two bytes are capital letters, as an explicit VR is (and no length in practice)."""
    return code.isalpha() and code.isupper()
