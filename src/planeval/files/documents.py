"""Hand-written YAML as plain data, read with limits and with the line of every key.

YAML 1.2 by ruamel. Aliases, which can multiply a file, tags, deep nesting and several documents are
refused before anything is built.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
from planeval.files.plain import Limits, plain

__all__ = ["Document", "Path", "read_document"]


_SHOWN_FAULTS = 20
_UNQUOTED = re.compile(r":\s*[<>]=?\s*[0-9]")

Path = tuple[str | int, ...]
"""Where something stands in a document: keys and list positions."""

_EXPECTED = {
    "string_type": "expected text; put it in quotes",
    "bool_type": "expected true or false",
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "tuple_type": "expected a list in [ ]",
    "dict_type": "expected a mapping of keys",
    "model_type": "expected a mapping of keys",
    "model_attributes_type": "expected a mapping of keys",
    "missing": "this key is needed and absent",
    "too_short": "expected at least 1 item",
}
"""pydantic's kinds of faults in the words of a file."""


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A document's text and plain data; sequences are tuples. ``name`` is the file's base name."""

    name: str
    text: str
    data: dict[str, Any]
    _tree: CommentedMap

    def report(self, faults: Iterable[tuple[Path, str]]) -> ProtocolSyntax:
        """Make one error of all faults: ``name:line: path: message``, in the order of lines."""
        lines = sorted((self._line(path), _spelled(path), text) for path, text in faults)
        shown = [
            f"{self.name}:{line}: {path}: {text}" for line, path, text in lines[:_SHOWN_FAULTS]
        ]
        if len(lines) > _SHOWN_FAULTS:
            shown.append(f"and {len(lines) - _SHOWN_FAULTS} more")
        return ProtocolSyntax("\n".join(shown))

    def report_validation(
        self, errors: Iterable[Mapping[str, Any]], tags: Sequence[str] = ()
    ) -> ProtocolSyntax:
        """Make one error of the errors of a pydantic ValidationError.

        ``tags`` are names of alternatives that pydantic puts into a path and the file has not.
        """
        # a list whose items are all at fault is also reported as too short: that is no news
        return self.report(
            (_place(error, tags), _message(error))
            for error in errors
            if not (error["type"] == "too_short" and error["input"])
        )

    def _line(self, path: Path) -> int:
        """Return the line of the deepest part of a path that is there, counted from 1."""
        node: Any = self._tree
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


def read_document(content: bytes, name: str, limits: Limits) -> Document:
    """Read the bytes of a file called ``name``.

    Raises :class:`~planeval.errors.ProtocolSyntax` with the line where it is not readable YAML, or
    not a single mapping without anchors, tags and excess.
    """
    if len(content) > limits.largest_bytes:
        raise ProtocolSyntax(
            f"{name}: {len(content)} bytes; {limits.what} has at most {limits.largest_bytes}"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProtocolSyntax(f"{name}: byte {error.start} is not UTF-8; save it as UTF-8") from None
    try:
        _check_events(_reader().parse(text), name, limits)
        tree = _reader().load(text)
    except DuplicateKeyError as error:
        key = re.search(r'duplicate key "(.*?)"', str(error.problem))
        which = f" '{key[1]}'" if key else ""
        raise ProtocolSyntax(f"{name}:{_marked(error)}: the key{which} is there twice") from None
    except MarkedYAMLError as error:
        raise ProtocolSyntax(_yaml_fault(error, text, name)) from None
    except (YAMLError, ValueError) as error:
        raise ProtocolSyntax(f"{name}: this is not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(tree, CommentedMap):
        raise ProtocolSyntax(f"{name}:1: expected a mapping that begins with 'schema:'")
    return Document(name, text, plain(tree), tree)


def _reader() -> YAML:
    """Return a reader of YAML 1.2 that keeps line numbers."""
    return YAML(typ="rt", pure=True)


def _check_events(events: Iterable[Event], name: str, limits: Limits) -> None:
    """Refuse, before anything is built, what could grow or run: depth, size, aliases, tags."""
    depth = documents = 0
    for count, event in enumerate(events):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        documents += isinstance(event, DocumentStartEvent)
        problem = _event_fault(event)
        if depth > limits.depth:
            problem = f"nested deeper than {limits.depth} levels"
        elif count > limits.entries:
            problem = f"more than {limits.entries} entries"
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
    line = _marked(error)
    lines = text.splitlines()
    for number in (line, line - 1):
        if 0 < number <= len(lines) and _UNQUOTED.search(lines[number - 1]):
            shown = lines[number - 1].strip()
            return (
                f'{name}:{number}: quote the comparison, as in per_protocol: ">= 300" '
                f"(found: {shown})"
            )
    return f"{name}:{line}: this is not YAML: {error.problem or error.context}"


def _marked(error: MarkedYAMLError) -> int:
    """Return the line, counted from 1, that a YAML error points at."""
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def _place(error: Mapping[str, Any], tags: Sequence[str]) -> Path:
    """Return the path of a fault in the document."""
    path = tuple(part for part in error["loc"] if part not in tags and part != "[key]")
    return (*path, error["ctx"]["key"]) if error["type"] == "unknown_key" else path


def _message(error: Mapping[str, Any]) -> str:
    if error["type"] == "unknown_key":
        return str(error["msg"])
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    expected = _EXPECTED.get(error["type"], str(error["msg"]))
    shown = error["input"]
    if error["type"] == "missing" or isinstance(shown, dict | tuple):
        return expected
    return f"{expected} (found: {str(shown)[:80]!r})"


def _spelled(path: Path) -> str:
    """Return a path as text: steps[0].by.left."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".") or "the file"
