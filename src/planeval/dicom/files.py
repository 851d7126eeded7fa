"""Opening DICOM files: whole or header only, with every pydicom failure turned into ours.

A file counts as DICOM if it has the DICM mark after a preamble, or if its first bytes are a
plausible element of group 0002 or 0008 (files exported without preamble).
"""

from __future__ import annotations

import hashlib
import logging
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pydicom import config
from pydicom.filereader import dcmread, read_partial
from pydicom.tag import BaseTag

from planeval.dicom.elements import PYDICOM_FAILURES, Item, unreadable
from planeval.errors import UnreadableFile

__all__ = ["DicomFile", "looks_like_dicom", "open_file", "open_header", "quiet_pydicom"]

UNDEFINED_LENGTH = 0xFFFFFFFF
_VR_PAIRS = frozenset(
    b"AE AS AT CS DA DS DT FL FD IS LO LT OB OW PN SH SL SQ SS ST TM UI UL UN US UT".split()
)


@dataclass(frozen=True, slots=True, eq=False)
class DicomFile:
    """A whole file in memory: its parsed root, its SHA-256, its transfer syntax."""

    path: Path
    name: str
    root: Item
    digest: str
    syntax: str


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Keep pydicom's warnings and log lines off the terminal, and its value checks off.

    What matters in them is found and reported by the readers themselves.
    """
    logger = logging.getLogger("pydicom")
    level, mode = logger.level, config.settings.reading_validation_mode
    logger.setLevel(logging.CRITICAL + 1)
    config.settings.reading_validation_mode = config.IGNORE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        config.settings.reading_validation_mode = mode


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
    has_mark = content[128:132] == b"DICM"
    if not has_mark and not looks_like_dicom(content[:132]):
        raise UnreadableFile(f"{name}: not a DICOM file")
    try:
        dataset = dcmread(BytesIO(content), force=not has_mark)
        syntax = str(dataset.file_meta.get("TransferSyntaxUID", ""))
    except PYDICOM_FAILURES as error:
        raise unreadable(name, error) from error
    if not syntax:
        syntax = _guessed_syntax(dataset.original_encoding)
    _refuse_cut_values(dataset, name)
    _refuse_cut_sequence(dataset, content, name)
    digest = hashlib.sha256(content).hexdigest()
    return DicomFile(path, name, Item.root(dataset, name), digest, syntax)


def open_header(path: Path, name: str, tags: list[int], stop_at: int) -> Item:
    """Read some elements of a file, and nothing from element ``stop_at`` on.

    Raises :class:`UnreadableFile`, never a pydicom error.
    """

    def reached(tag: BaseTag, _vr: str | None, _length: int) -> bool:
        return int(tag) >= stop_at

    try:
        with path.open("rb") as file:
            has_mark = file.read(132)[128:] == b"DICM"
            file.seek(0)
            dataset = read_partial(
                file,
                stop_when=reached,
                force=not has_mark,
                specific_tags=tags,
            )
    except PYDICOM_FAILURES as error:
        raise unreadable(name, error) from error
    return Item.root(dataset, name)


def _guessed_syntax(encoding: tuple[bool | None, bool | None]) -> str:
    """Name the uncompressed syntax of a file without file meta information."""
    implicit, little = encoding
    if implicit:
        return "1.2.840.10008.1.2"
    return "1.2.840.10008.1.2.1" if little else "1.2.840.10008.1.2.2"


def _refuse_cut_values(dataset: object, name: str) -> None:
    """Refuse a file that ends within an element: pydicom hands out what is left of it."""
    for element in dataset._dict.values():  # type: ignore[attr-defined]
        length, value = getattr(element, "length", None), element.value
        if length in (None, UNDEFINED_LENGTH) or not isinstance(value, bytes):
            continue
        if len(value) != length:
            raise UnreadableFile(
                f"{name}: the file ends within element {element.tag}: {len(value)} of {length} "
                "bytes are there; the copy is incomplete, export or transfer it again"
            )


def _refuse_cut_sequence(dataset: object, content: bytes, name: str) -> None:
    """Refuse a file that ends within a sequence of undefined length.

    pydicom takes the end of the file for the end of the sequence; a complete file that ends with
    such a sequence ends with its delimitation item (FFFE,E0DD).
    """
    elements = dataset._dict  # type: ignore[attr-defined]
    if not elements or not getattr(elements[max(elements)], "is_undefined_length", False):
        return
    if content[-8:] not in (b"\xfe\xff\xdd\xe0\0\0\0\0", b"\xff\xfe\xe0\xdd\0\0\0\0"):
        raise UnreadableFile(
            f"{name}: the file ends within sequence {elements[max(elements)].tag}; the copy is "
            "incomplete, export or transfer it again"
        )
