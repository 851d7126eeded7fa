"""Opening DICOM files: whole or header only, with every pydicom failure turned into ours.

A file counts as DICOM if it has the DICM mark after a preamble, or if its first bytes are a
plausible element of group 0002 or 0008 (files exported without preamble).
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from planeval.dicom.elements import Item, unreadable
from planeval.dicom.plain import CutOff, NotPlain, PlainDataset, plain_file, plain_header
from planeval.dicom.pydicom_datasets import (
    PYDICOM_FAILURES,
    PydicomDataset,
    header_by_pydicom,
    parse_by_pydicom,
)
from planeval.errors import UnreadableFile

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["DicomFile", "looks_like_dicom", "open_file", "open_header"]

_HEADER_BYTES = 1 << 13
"""What is read of a file first: the header of an image slice fits; for others it grows."""

UNDEFINED_LENGTH = 0xFFFFFFFF
_VR_PAIRS = frozenset(
    b"AE AS AT CS DA DS DT FL FD IS LO LT OB OW PN SH SL SQ SS ST TM UI UL UN US UT".split()
)


@dataclass(frozen=True, slots=True, eq=False)
class DicomFile:
    """A whole file in memory: its parsed root and its transfer syntax."""

    path: Path
    name: str
    root: Item
    content: bytes = field(repr=False)
    syntax: str

    def digest(self) -> str:
        """Compute the SHA-256 of the file as it was read."""
        return hashlib.sha256(self.content).hexdigest()


def looks_like_dicom(start: bytes) -> bool:
    r"""Whether the first bytes of a file are DICOM, with or without preamble.

    >>> looks_like_dicom(b"\0" * 128 + b"DICM")
    True
    >>> looks_like_dicom(b"%PDF-1.7 and more text")
    False
    """
    if start[128:132] == b"DICM":
        return True
    if len(start) < 12:
        return False
    for order in "<>":
        group, element = struct.unpack(f"{order}HH", start[:4])
        if group in (0x0002, 0x0008) and element <= 0x0070:
            if start[4:6] in _VR_PAIRS:
                return True
            (length,) = struct.unpack(f"{order}L", start[4:8])
            if order == "<" and length <= 1024:
                return True
    return False


def open_file(path: Path, name: str) -> DicomFile:
    """Read a whole DICOM file. Raises :class:`UnreadableFile`, never a pydicom error."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableFile(f"{name}: cannot be opened ({error.strerror})") from error
    dataset, syntax = _parsed(content, name)
    return DicomFile(path, name, Item.root(dataset, name), content, syntax)


def _parsed(content: bytes, name: str) -> tuple[PlainDataset | PydicomDataset, str]:
    """Parse a whole file: its dataset and transfer syntax."""
    try:
        return plain_file(content)
    except NotPlain:
        has_mark = content[128:132] == b"DICM"
    if not has_mark and not looks_like_dicom(content[:132]):
        raise UnreadableFile(f"{name}: not a DICOM file")
    try:
        dataset = parse_by_pydicom(content, has_mark=has_mark)
        syntax = str(dataset.file_meta.get("TransferSyntaxUID", ""))
    except PYDICOM_FAILURES as error:
        raise unreadable(name, error) from error
    _refuse_cut_values(dataset, name)
    _refuse_cut_sequence(dataset, content, name)
    return PydicomDataset(dataset), syntax or _guessed_syntax(dataset.original_encoding)


def open_header(path: Path, name: str, tags: list[int], stop_at: int) -> Item:
    """Read some elements of a file, and nothing from element ``stop_at`` on.

    Raises :class:`UnreadableFile`, never a pydicom error.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_HEADER_BYTES)
            is_whole = len(start) < _HEADER_BYTES
            while True:
                try:
                    return Item.root(plain_header(start, stop_at, is_whole=is_whole), name)
                except CutOff:
                    if is_whole:
                        break
                except NotPlain:
                    break
                more = file.read(7 * len(start))
                is_whole = len(more) < 7 * len(start)
                start += more
            file.seek(0)
            has_mark = start[128:132] == b"DICM"
            dataset = header_by_pydicom(file, has_mark=has_mark, tags=tags, stop_at=stop_at)
    except PYDICOM_FAILURES as error:
        raise unreadable(name, error) from error
    return Item.root(dataset, name)


def _guessed_syntax(encoding: tuple[bool | None, bool | None]) -> str:
    """Name the uncompressed syntax of a file without file meta information."""
    implicit, little = encoding
    if implicit:
        return "1.2.840.10008.1.2"
    return "1.2.840.10008.1.2.1" if little else "1.2.840.10008.1.2.2"


def _refuse_cut_values(dataset: Dataset, name: str) -> None:
    """Refuse a file that ends within an element: pydicom hands out what is left of it."""
    for element in dataset._dict.values():
        length, value = getattr(element, "length", None), element.value
        if length in (None, UNDEFINED_LENGTH) or not isinstance(value, bytes):
            continue
        if len(value) != length:
            raise UnreadableFile(
                f"{name}: the file ends within element {element.tag}: {len(value)} of {length} "
                "bytes are there; the copy is incomplete, export or transfer it again"
            )


def _refuse_cut_sequence(dataset: Dataset, content: bytes, name: str) -> None:
    """Refuse a file that ends within a sequence of undefined length.

    pydicom takes the end of the file for the end of the sequence; a complete file that ends with
    such a sequence ends with its delimitation item (FFFE,E0DD).
    """
    elements = dataset._dict
    if not elements or not getattr(elements[max(elements)], "is_undefined_length", False):
        return
    if content[-8:] not in (b"\xfe\xff\xdd\xe0\0\0\0\0", b"\xff\xfe\xe0\xdd\0\0\0\0"):
        raise UnreadableFile(
            f"{name}: the file ends within sequence {elements[max(elements)].tag}; the copy is "
            "incomplete, export or transfer it again"
        )
