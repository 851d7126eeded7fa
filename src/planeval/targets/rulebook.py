"""The target rules that come with planeval, and rules from files."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from planeval.errors import ProtocolError
from planeval.files.documents import read_document
from planeval.files.plain import Limits
from planeval.targets.schema import RuleFile

__all__ = ["Rule", "available_rules", "load_rule"]

LIMITS = Limits("a rule", largest_bytes=100_000, depth=12, entries=10_000)


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A valid rule: its content, the SHA-256 of its bytes, the file's base name."""

    file: RuleFile
    sha256: str
    name: str

    @property
    def id(self) -> str:
        """The rule's id."""
        return self.file.id

    def __repr__(self) -> str:
        return f"Rule({self.file.id!r}, version {self.file.version})"


def available_rules() -> tuple[Rule, ...]:
    """Return the shipped rules, sorted by id."""
    return tuple(_parsed(content, f"{name}.yaml") for name, content in sorted(_shipped().items()))


def load_rule(id_or_path: str | Path) -> Rule:
    """Return a rule by the id of a shipped one, or from a YAML file.

    Text that ends in .yaml or .yml, or that holds a path separator, is a file; a Path always is.

    Raises:
        ProtocolError: there is no such rule or file; the message lists what there is.
        ProtocolSyntax: the file is not a valid rule; one line per fault, with file and line.
    """
    text, shipped = str(id_or_path), _shipped()
    if isinstance(id_or_path, Path) or text.lower().endswith((".yaml", ".yml")) or "/" in text:
        return _parsed(_read(Path(id_or_path)), Path(id_or_path).name)
    if text not in shipped:
        near = difflib.get_close_matches(text, shipped, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else "give one of them, or the path of a file"
        raise ProtocolError(f"no target rule {text!r}; shipped are {', '.join(shipped)}; {hint}")
    return _parsed(shipped[text], f"{text}.yaml")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(LIMITS.largest_bytes + 1)
    except OSError as error:
        raise ProtocolError(
            f"rule file {path.name!r} cannot be read: {error.strerror}; shipped rules are "
            f"{', '.join(sorted(_shipped()))}"
        ) from None


def _parsed(content: bytes, name: str) -> Rule:
    document = read_document(content, name, LIMITS)
    try:
        file = RuleFile.model_validate(document.data)
    except ValidationError as error:
        raise document.report_validation(error.errors()) from None
    faults = file.faults()
    if faults:
        raise document.report(faults)
    return Rule(file, hashlib.sha256(content).hexdigest(), name)


def _shipped() -> dict[str, bytes]:
    """Return the bytes of every shipped file by its id, which is the file's stem."""
    folder = resources.files("planeval.targets").joinpath("library")
    return {
        entry.name.removesuffix(".yaml"): entry.read_bytes()
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".yaml")
    }
