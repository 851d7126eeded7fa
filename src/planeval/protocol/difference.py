"""What two protocols differ in: rows by id, and everything else by its key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from planeval.protocol.reading import Protocol
from planeval.protocol.rules import group_of
from planeval.protocol.schema import AnyOf, Item, RowSpec

__all__ = ["Difference", "differences"]

_ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Difference:
    """A place in a protocol with its two texts; one of them is ``absent`` where it is new."""

    place: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.place}: {self.before} -> {self.after}"


def differences(first: Protocol, second: Protocol) -> tuple[Difference, ...]:
    """Return what differs, rows in the order of the files, then everything else.

    Includes are compared as the rows that they became. The digest and the id are not compared.
    """
    old, new = _places(first), _places(second)
    return tuple(
        Difference(place, old.get(place, _ABSENT), new.get(place, _ABSENT))
        for place in dict.fromkeys((*old, *new))
        if old.get(place) != new.get(place)
    )


def _places(protocol: Protocol) -> dict[str, str]:
    """Return every statement of a protocol by its place, in words."""
    found: dict[str, str] = {}
    for item in protocol.file.constraints:
        found.update(_item(item, ""))
    rest = protocol.file.model_dump(
        mode="json", by_alias=True, exclude={"id", "constraints", "include"}, exclude_defaults=True
    )
    for key, value in rest.items():
        found.update(_flat(key, value))
    return found


def _item(item: Item, group: str) -> Iterator[tuple[str, str]]:
    spec = item if isinstance(item, RowSpec) else group_of(item)
    place = f"{group}{spec.id}"
    data = spec.model_dump(
        mode="json", by_alias=True, exclude={"id", "members"}, exclude_defaults=True
    )
    for key, value in data.items():
        yield from _flat(f"{place}.{key}", value)
    if isinstance(item, RowSpec):
        return
    yield f"{place}.joined", "any" if isinstance(item, AnyOf) else "all"
    for member in group_of(item).members:
        yield from _item(member, f"{place}/")


def _flat(place: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield the leaves of plain data; a list of texts is one leaf an entry."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{place}.{key}", inner)
    elif isinstance(value, list) and any(isinstance(each, Mapping | str) for each in value):
        yield from _listed(place, value)
    else:
        yield place, str(value)


def _listed(place: str, values: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for number, inner in enumerate(values, 1):
        name = inner.get("id", number) if isinstance(inner, Mapping) else number
        yield from _flat(f"{place}[{name}]", inner)
