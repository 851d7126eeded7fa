"""The protocols that come with planeval, and protocols from files."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from planeval.errors import ProtocolError, ProtocolSyntax
from planeval.protocol.reading import MAX_BYTES, Protocol, parse_protocol

__all__ = ["Entry", "available", "load", "schema_text"]

_PACKAGE = "planeval.protocol"


@dataclass(frozen=True, slots=True)
class Entry:
    """A shipped protocol in a list."""

    id: str
    title: str
    version: str
    review: str


def available() -> list[Entry]:
    """Return the shipped protocols, sorted by id."""
    protocols = [load(name) for name in sorted(_shipped())]
    return [
        Entry(each.id, each.file.title, each.file.version, each.file.review.status)
        for each in protocols
    ]


def load(id_or_path: str | Path) -> Protocol:
    """Return a protocol by the id of a shipped one, or from a YAML file.

    Text that ends in .yaml or .yml, or that holds a path separator, is a file; a Path always is.

    Raises:
        ProtocolError: there is no such protocol or file; the message lists what there is.
        ProtocolSyntax: the file is not a valid protocol.
    """
    text = str(id_or_path)
    if isinstance(id_or_path, Path) or _looks_like_a_file(text):
        return _load_file(Path(id_or_path))
    shipped = _shipped()
    if text not in shipped:
        near = difflib.get_close_matches(text, shipped, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else "give one of them, or the path of a file"
        known = ", ".join(sorted(shipped))
        raise ProtocolError(f"no protocol {text!r}; shipped are {known}; {hint}")
    return parse_protocol(shipped[text], f"{text}.yaml")


def schema_text() -> str:
    """Return the published JSON Schema of protocol files."""
    schema = resources.files(_PACKAGE).joinpath("protocol.schema.json")
    return schema.read_text(encoding="utf-8")


def _looks_like_a_file(text: str) -> bool:
    return text.lower().endswith((".yaml", ".yml")) or "/" in text or "\\" in text


def _shipped() -> dict[str, bytes]:
    """Return the bytes of every shipped file by its id, which is the file's stem."""
    folder = resources.files(_PACKAGE).joinpath("library")
    return {
        entry.name.removesuffix(".yaml"): entry.read_bytes()
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    }


def _load_file(path: Path) -> Protocol:
    """Read a protocol file, not more of it than a protocol may have."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ProtocolError(
            f"protocol file {path.name!r} cannot be read: {error.strerror}; shipped protocols "
            f"are {', '.join(sorted(_shipped()))}"
        ) from None
    if len(content) > MAX_BYTES:
        raise ProtocolSyntax(f"{path.name}: more than {MAX_BYTES} bytes; this is no protocol")
    return parse_protocol(content, path.name)
