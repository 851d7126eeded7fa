"""Files written by hand, before and after YAML: how large they may be, and their plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

__all__ = ["Limits", "plain"]


class Limits(NamedTuple):
    """What a file written by hand never exceeds, and what it is called."""

    what: str
    largest_bytes: int
    depth: int
    entries: int


def plain(node: Any) -> Any:
    """Return dictionaries, tuples and plain scalars; sequences are tuples, as the models keep."""
    match node:
        case Mapping():
            return {plain(key): plain(value) for key, value in node.items()}
        case str():
            return str(node)
        case Sequence():
            return tuple(plain(value) for value in node)
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
