"""Text to protocol: messages give file, line, path and what was expected."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import ValidationError

from planeval import files
from planeval.files.plain import Limits, plain
from planeval.protocol.rules import faults
from planeval.protocol.schema import ProtocolFile

__all__ = ["LIMITS", "Included", "Protocol", "compiled", "from_compiled", "parse_protocol"]

LIMITS = Limits("a protocol", largest_bytes=500_000, depth=20, entries=50_000)

_ALTERNATIVES = ("row-item", "any-group", "all-group")


@dataclass(frozen=True, slots=True)
class Included:
    """A set that became part of another: id, version, digest, and where it was found."""

    id: str
    version: str
    sha256: str
    origin: str


@dataclass(frozen=True, slots=True, eq=False)
class Protocol:
    """A valid protocol: its content, its SHA-256, the file's base name, its text.

    ``sha256`` is of the file's bytes; with ``includes`` it is of all parts. ``origin`` is shipped,
    site (the site's folder), site-override (the same id as a shipped one), or file.
    """

    file: ProtocolFile
    sha256: str
    name: str
    text: str
    origin: str = "file"
    includes: tuple[Included, ...] = ()

    @property
    def id(self) -> str:
        """The protocol's id."""
        return self.file.id

    def __repr__(self) -> str:
        return f"Protocol({self.file.id!r}, version {self.file.version}, {self.file.review.status})"


def parse_protocol(content: bytes, name: str) -> Protocol:
    """Return the protocol in the bytes of a file called ``name``.

    Raises:
        ProtocolSyntax: with one line per fault: ``name:line: path: what was found and expected``.
    """
    document = files.documents.read_document(content, name, LIMITS)
    try:
        file = ProtocolFile.model_validate(document.data)
    except ValidationError as error:
        raise document.report_validation(error.errors(), _ALTERNATIVES) from None
    found = [(fault.path, fault.message) for fault in faults(file)]
    if found:
        raise document.report(found)
    return Protocol(file, hashlib.sha256(content).hexdigest(), name, document.text)


def compiled(content: bytes, name: str) -> Any:
    """Return the plain content of a valid protocol file: as JSON it is read a hundred times faster.

    Raises as :func:`parse_protocol` does.
    """
    parse_protocol(content, name)
    document = files.documents.read_document(content, name, LIMITS)
    return json.loads(json.dumps(document.data, default=date.isoformat))


def from_compiled(document: Any, content: bytes, name: str) -> Protocol:
    """Return the protocol whose file has these bytes and whose :func:`compiled` content is known."""
    file = ProtocolFile.model_validate(plain(document))
    return Protocol(file, hashlib.sha256(content).hexdigest(), name, content.decode("utf-8-sig"))
