"""The protocols that come with planeval, those of a site, and protocols from files.

A site keeps its own sets in a folder: ``--protocol-dir`` or the environment variable
``PLANEVAL_PROTOCOLS``. A set there with the id of a shipped one takes its place; the record and the
report say so with its digest.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from planeval.errors import ProtocolError, ProtocolSyntax
from planeval.protocol.compose import composed
from planeval.protocol.reading import (
    LIMITS,
    Protocol,
    compiled,
    from_compiled,
    parse_protocol,
)

__all__ = [
    "SITE_VARIABLE",
    "Entry",
    "available",
    "compiled_library",
    "load",
    "load_text",
    "schema_text",
]

SITE_VARIABLE = "PLANEVAL_PROTOCOLS"

_PACKAGE = "planeval.protocol"
_COMPILED = "compiled.json"
_MOST_FILES = 500
_DEEPEST_INCLUDE = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """A protocol in a list."""

    id: str
    title: str
    version: str
    review: str
    purpose: str
    origin: str
    sha256: str


def available(folder: Path | None = None) -> list[Entry]:
    """Return the shipped protocols and those of the site's folder, sorted by id.

    Raises:
        ProtocolError: the folder cannot be read.
        ProtocolSyntax: a file in it is no valid protocol, or two have the same id.
    """
    shelf = _Shelf(folder)
    return [
        Entry(
            each.id,
            each.file.title,
            each.file.version,
            each.file.review.status,
            each.file.purpose,
            each.origin,
            each.sha256,
        )
        for each in (shelf.load(name) for name in shelf.ids())
    ]


def load(id_or_path: str | Path, folder: Path | None = None) -> Protocol:
    """Return a protocol by its id, or from a YAML file, with the sets that it includes.

    Text that ends in .yaml or .yml, or that holds a path separator, is a file; a Path always is.
    ``folder`` is the site's; without it the environment variable decides.

    Raises:
        ProtocolError: there is no such protocol or file; the message lists what there is.
        ProtocolSyntax: the file is not a valid protocol.
    """
    text = str(id_or_path)
    shelf = _Shelf(folder)
    if isinstance(id_or_path, Path) or _looks_like_a_file(text):
        path = Path(id_or_path)
        return composed(parse_protocol(_content(path, shelf), path.name), shelf.load)
    return shelf.load(text)


def load_text(content: bytes, name: str, folder: Path | None = None) -> Protocol:
    """Return the protocol in the bytes of a file that need not exist, such as a draft."""
    return composed(parse_protocol(content, name), _Shelf(folder).load)


def schema_text() -> str:
    """Return the published JSON Schema of protocol files."""
    schema = resources.files(_PACKAGE).joinpath("protocol.schema.json")
    return schema.read_text(encoding="utf-8")


def _looks_like_a_file(text: str) -> bool:
    return text.lower().endswith((".yaml", ".yml")) or "/" in text or "\\" in text


class _Shelf:
    """Every protocol that has an id: shipped ones, and the site's in front of them."""

    def __init__(self, folder: Path | None) -> None:
        self._shipped = _shipped()
        self._site = _site(folder or _site_folder())

    def ids(self) -> list[str]:
        """Return the ids, sorted."""
        return sorted({*self._shipped, *self._site})

    def load(self, name: str) -> Protocol:
        """Return the protocol of an id, its includes resolved."""
        return self._load(name, ())

    def _load(self, name: str, above: tuple[str, ...]) -> Protocol:
        if name in above or len(above) > _DEEPEST_INCLUDE:
            raise ProtocolSyntax(f"protocols include each other: {' > '.join((*above, name))}")
        found = self._find(name)
        inner: Callable[[str], Protocol] = lambda other: self._load(other, (*above, name))  # noqa: E731 - one argument of two is bound
        return composed(found, inner)

    def _find(self, name: str) -> Protocol:
        if name in self._site:
            origin = "site-override" if name in self._shipped else "site"
            return replace(self._site[name], origin=origin)
        if name in self._shipped:
            return _parsed(name, self._shipped[name])
        ids = self.ids()
        near = difflib.get_close_matches(name, ids, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else "give one of them, or the path of a file"
        raise ProtocolError(f"no protocol {name!r}; there are {', '.join(ids)}; {hint}")


def _shipped() -> dict[str, bytes]:
    """Return the bytes of every shipped file by its id, which is the file's stem."""
    folder = resources.files(_PACKAGE).joinpath("library")
    return {
        entry.name.removesuffix(".yaml"): entry.read_bytes()
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    }


@cache
def _parsed(name: str, content: bytes) -> Protocol:
    """Return a shipped protocol, read once: a cohort asks for it for every plan.

    Parsing all of the YAML takes longer than the DVHs of a plan; what it holds is therefore shipped
    as JSON too. A file that is not the one it was made of is parsed.
    """
    file = f"{name}.yaml"
    ready = _compiled().get(name)
    if ready is not None and ready["sha256"] == hashlib.sha256(content).hexdigest():
        found = from_compiled(ready["document"], content, file)
    else:
        found = parse_protocol(content, file)
    return replace(found, origin="shipped")


@cache
def _compiled() -> dict[str, dict[str, Any]]:
    """Return the digest and the content as JSON of every shipped protocol, by id."""
    text = resources.files(_PACKAGE).joinpath("library", _COMPILED).read_text(encoding="utf-8")
    return dict(json.loads(text))


def compiled_library() -> str:
    """Return the text of the shipped JSON: each shipped protocol's digest and content, one a line."""
    lines = []
    for name, content in sorted(_shipped().items()):
        document = compiled(content, f"{name}.yaml")
        entry = {"sha256": hashlib.sha256(content).hexdigest(), "document": document}
        lines.append(f"{json.dumps(name)}: {json.dumps(entry, ensure_ascii=False)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _site_folder() -> Path | None:
    text = os.environ.get(SITE_VARIABLE, "")
    return Path(text) if text else None


def _site(folder: Path | None) -> dict[str, Protocol]:
    """Return the site's protocols by their ids."""
    if folder is None:
        return {}
    try:
        files = sorted(
            each for each in folder.iterdir() if each.suffix.lower() in (".yaml", ".yml")
        )
    except OSError as error:
        raise ProtocolError(
            f"the protocol folder {folder} cannot be read: {error.strerror}; give another with "
            f"--protocol-dir, or unset {SITE_VARIABLE}"
        ) from None
    found: dict[str, Protocol] = {}
    for path in files[:_MOST_FILES]:
        protocol = parse_protocol(_content(path), path.name)
        if protocol.id in found:
            raise ProtocolSyntax(
                f"{path.name}: the id '{protocol.id}' is also that of {found[protocol.id].name} in "
                "the same folder"
            )
        found[protocol.id] = protocol
    return found


def _content(path: Path, shelf: _Shelf | None = None) -> bytes:
    """Read a protocol file, not more of it than a protocol may have."""
    try:
        with path.open("rb") as stream:
            content = stream.read(LIMITS.largest_bytes + 1)
    except OSError as error:
        known = f"; known protocols are {', '.join(shelf.ids())}" if shelf else ""
        raise ProtocolError(
            f"protocol file {path.name!r} cannot be read: {error.strerror}{known}"
        ) from None
    if len(content) > LIMITS.largest_bytes:
        raise ProtocolSyntax(
            f"{path.name}: more than {LIMITS.largest_bytes} bytes; this is no protocol"
        )
    return content
