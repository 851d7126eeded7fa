"""Text to protocol: YAML 1.2 with limits; messages give file, line, path and what was expected."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    NodeEvent,
)

from planeval.errors import ProtocolSyntax
from planeval.protocol.rules import faults
from planeval.protocol.schema import ProtocolFile

__all__ = ["Included", "Protocol", "compiled", "from_compiled", "parse_protocol"]

MAX_BYTES = 500_000
MAX_DEPTH = 20
MAX_NODES = 50_000
"""A protocol is written by hand. Aliases, which can multiply a file, are not read at all."""

_SHOWN_FAULTS = 20
_UNQUOTED = re.compile(r":\s*[<>]=?\s*[0-9]")


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
    document = _read_yaml(content, name)
    try:
        file = ProtocolFile.model_validate(_plain(document))
    except ValidationError as error:
        # A list whose items are all at fault is also reported as too short: that is no news.
        found = [
            (_location(fault), _message(fault))
            for fault in error.errors()
            if not (fault["type"] == "too_short" and fault["input"])
        ]
        raise ProtocolSyntax(_report(found, document, name)) from None
    found = [(fault.path, fault.message) for fault in faults(file)]
    if found:
        raise ProtocolSyntax(_report(found, document, name))
    return Protocol(file, hashlib.sha256(content).hexdigest(), name, content.decode("utf-8-sig"))


def compiled(content: bytes, name: str) -> Any:
    """Return the plain content of a valid protocol file: as JSON it is read a hundred times faster.

    Raises as :func:`parse_protocol` does.
    """
    parse_protocol(content, name)
    document = _plain(_read_yaml(content, name))
    return json.loads(json.dumps(document, default=date.isoformat))


def from_compiled(document: Any, content: bytes, name: str) -> Protocol:
    """Return the protocol whose file has these bytes and whose :func:`compiled` content is known."""
    file = ProtocolFile.model_validate(_plain(document))
    return Protocol(file, hashlib.sha256(content).hexdigest(), name, content.decode("utf-8-sig"))


def _read_yaml(content: bytes, name: str) -> CommentedMap:
    """Return the document with its line numbers."""
    if len(content) > MAX_BYTES:
        raise ProtocolSyntax(f"{name}: {len(content)} bytes; a protocol has at most {MAX_BYTES}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProtocolSyntax(f"{name}: byte {error.start} is not UTF-8; save it as UTF-8") from None
    try:
        _check_events(_reader().parse(text), name)
        document = _reader().load(text)
    except DuplicateKeyError as error:
        found = re.search(r'duplicate key "(.*?)"', str(error.problem))
        key = f" '{found[1]}'" if found else ""
        raise ProtocolSyntax(f"{name}:{_line_of(error)}: the key{key} is there twice") from None
    except MarkedYAMLError as error:
        raise ProtocolSyntax(_yaml_fault(error, text, name)) from None
    except (YAMLError, ValueError) as error:
        raise ProtocolSyntax(f"{name}: this is not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(document, CommentedMap):
        raise ProtocolSyntax(f"{name}:1: expected a mapping that begins with 'schema:'")
    return document


def _reader() -> YAML:
    """Return a reader of YAML 1.2 that keeps line numbers."""
    return YAML(typ="rt", pure=True)


def _check_events(events: Iterable[Event], name: str) -> None:
    """Refuse, before anything is built, what could grow or run: depth, size, aliases, tags."""
    depth = documents = 0
    for count, event in enumerate(events):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        documents += isinstance(event, DocumentStartEvent)
        problem = _event_fault(event)
        if depth > MAX_DEPTH:
            problem = f"nested deeper than {MAX_DEPTH} levels"
        elif count > MAX_NODES:
            problem = f"more than {MAX_NODES} entries"
        elif documents > 1:
            problem = "one document a file; remove the '---'"
        if problem:
            raise ProtocolSyntax(f"{name}:{event.start_mark.line + 1}: {problem}")


def _event_fault(event: Event) -> str:
    """Return what is wrong with one event, empty where nothing is."""
    if not isinstance(event, NodeEvent):
        return ""
    if event.anchor is not None:
        return "anchors and aliases ('&', '*') are not read; write the value out"
    if getattr(event, "tag", None) is not None:
        return "tags are not read; remove the '!'"
    return ""


def _yaml_fault(error: MarkedYAMLError, text: str, name: str) -> str:
    """Return the message for broken YAML; the usual cause is a comparison without quotes."""
    line = _line_of(error)
    lines = text.splitlines()
    for number in (line, line - 1):
        if 0 < number <= len(lines) and _UNQUOTED.search(lines[number - 1]):
            shown = lines[number - 1].strip()
            return (
                f'{name}:{number}: quote the comparison, as in per_protocol: ">= 300" '
                f"(found: {shown})"
            )
    return f"{name}:{line}: this is not YAML: {error.problem or error.context}"


def _line_of(error: MarkedYAMLError) -> int:
    """Return the line, counted from 1, that a YAML error points at."""
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def _plain(node: Any) -> Any:
    """Return dictionaries, tuples and plain scalars; sequences are tuples, as the models keep."""
    match node:
        case Mapping():
            return {key: _plain(value) for key, value in node.items()}
        case str():
            return str(node)
        case Sequence():
            return tuple(_plain(value) for value in node)
        case bool() | None:
            return node
        case datetime():
            return node.isoformat()
        case date():
            return date(node.year, node.month, node.day)
        case int():
            return int(node)
        case float():
            return float(node)
        case _:
            return node


_TAGS = ("row-item", "any-group", "all-group")


def _location(fault: Mapping[str, Any]) -> tuple[str | int, ...]:
    """Return the path of a fault in the document."""
    path = tuple(part for part in fault["loc"] if part not in _TAGS and part != "[key]")
    if fault["type"] == "unknown_key":
        return (*path, fault["ctx"]["key"])
    return path


_EXPECTED = {
    "string_type": "expected text; put it in quotes",
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "tuple_type": "expected a list in [ ]",
    "dict_type": "expected a mapping of keys",
    "model_type": "expected a mapping of keys",
    "model_attributes_type": "expected a mapping of keys",
    "missing": "this key is needed and absent",
    "too_short": "expected at least 1 item",
}


def _message(fault: Mapping[str, Any]) -> str:
    """Return a validation fault in the words of this file."""
    if fault["type"] == "unknown_key":
        return str(fault["msg"])
    if fault["type"] == "value_error":
        return str(fault["ctx"]["error"])
    expected = _EXPECTED.get(fault["type"], str(fault["msg"]))
    shown = fault["input"]
    if fault["type"] == "missing" or isinstance(shown, dict | tuple):
        return expected
    return f"{expected} (found: {str(shown)[:80]!r})"


def _report(
    found: Sequence[tuple[tuple[str | int, ...], str]], document: CommentedMap, name: str
) -> str:
    """Return all faults in the order of their lines, one a line."""
    lines = sorted((_line_at(document, path), _path_text(path), text) for path, text in found)
    shown = [f"{name}:{line}: {path}: {text}" for line, path, text in lines[:_SHOWN_FAULTS]]
    if len(lines) > _SHOWN_FAULTS:
        shown.append(f"and {len(lines) - _SHOWN_FAULTS} more")
    return "\n".join(shown)


def _path_text(path: Sequence[str | int]) -> str:
    """Return a path as text: constraints[0].any.members[1].metric."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".") or "the file"


def _line_at(document: CommentedMap, path: Sequence[str | int]) -> int:
    """Return the line of the deepest part of a path that the document has, counted from 1."""
    node: Any = document
    line = 0
    for part in path:
        if isinstance(node, CommentedMap) and part in node:
            line = node.lc.key(part)[0]
        elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
            line = node.lc.item(part)[0]
        else:
            break
        node = node[part]
    return int(line) + 1
