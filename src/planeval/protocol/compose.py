"""Protocols made of other protocols: ``include`` becomes rows, and nothing is lost on the way.

An included row keeps its conditions (they are narrowed by those of the including file), its source
and its words; its id and its source get the included set's id in front. The result is as little
reviewed as the least reviewed part, and its digest covers every part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from planeval.errors import ProtocolSyntax
from planeval.model.rows import RowKind
from planeval.protocol.applicability import narrowed
from planeval.protocol.reading import Included, Protocol
from planeval.protocol.rules import faults, group_of
from planeval.protocol.schema import (
    AnyOf,
    CheckSpec,
    IncludeSpec,
    Item,
    ProtocolFile,
    Review,
    RowSpec,
    SourceSpec,
    StructureSpec,
)

__all__ = ["composed"]

_REVIEW_RANK = ("needs-check", "draft", "reviewed")


def composed(protocol: Protocol, find: Callable[[str], Protocol]) -> Protocol:
    """Return the protocol with its included sets as rows of its own; ``find`` loads a set by id.

    Raises:
        ProtocolSyntax: an included set has no such row, its conditions never meet those of this
            file, the same structure means two things, or a row would be there twice.
    """
    own = protocol.file
    if not own.include:
        return protocol
    parts = [(spec, find(spec.set)) for spec in own.include]
    try:
        items = [item for spec, part in parts for item in _items(spec, part.file, own)]
        structures = _structures(own.structures, [part.file for _, part in parts])
    except ValueError as error:
        raise ProtocolSyntax(f"{protocol.name}: include: {error}") from None
    file = own.model_copy(
        update={
            "include": (),
            "review": _least_reviewed([own.review, *(part.file.review for _, part in parts)]),
            "opening": _joined([own, *(part.file for _, part in parts)], "opening"),
            "readings": _joined([own, *(part.file for _, part in parts)], "readings"),
            "sources": dict(own.sources) | _sources([part.file for _, part in parts]),
            "structures": structures,
            "constraints": (*own.constraints, *items),
            "checklist": (*own.checklist, *_checks([part.file for _, part in parts])),
        }
    )
    for fault in faults(file):
        raise ProtocolSyntax(f"{protocol.name}: include: {fault.message}")
    included = tuple(
        Included(part.id, part.file.version, part.sha256, part.origin) for _, part in parts
    )
    return replace(protocol, file=file, sha256=_digest(protocol, included), includes=included)


def _digest(protocol: Protocol, included: Sequence[Included]) -> str:
    """Return one digest of the file's bytes and of every included set, in order."""
    lines = [protocol.sha256, *(f"{part.id} {part.sha256}" for part in included)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _items(spec: IncludeSpec, part: ProtocolFile, own: ProtocolFile) -> Iterable[Item]:
    """Return the chosen items of a set as items of the including file."""
    by_id = {_id_of(item): item for item in part.constraints}
    for wanted in spec.rows:
        if wanted not in by_id:
            raise ValueError(
                f"the set '{part.id}' has no row '{wanted}'; it has {', '.join(by_id)}"
            )
    inherited: dict[str, Any] = {"applies": narrowed(own.applies, part.applies)}
    if part.outside is not own.outside:
        inherited["outside"] = part.outside
    for wanted in spec.rows or by_id:
        yield _renamed(by_id[wanted], part.id, inherited, spec.kind)


def _id_of(item: Item) -> str:
    return item.id if isinstance(item, RowSpec) else group_of(item).id


def _renamed(item: Item, prefix: str, inherited: Mapping[str, Any], kind: RowKind | None) -> Item:
    """Return an item with the set's id before its own, its source's and its members' ids.

    ``inherited`` are the keys that a row has from its file where it does not state them.
    """
    inner = item if isinstance(item, RowSpec) else group_of(item)
    update: dict[str, Any] = {"id": f"{prefix}.{inner.id}"}
    if inner.source is not None:
        update["source"] = f"{prefix}.{inner.source}"
    if kind is not None and inner.kind is not None:
        update["kind"] = kind
    if isinstance(item, RowSpec):
        update |= {key: value for key, value in inherited.items() if getattr(item, key) is None}
        if item.applies:
            update["applies"] = narrowed(inherited["applies"], item.applies)
        return item.model_copy(update=update)
    group = group_of(item)
    update["members"] = tuple(_renamed(each, prefix, inherited, None) for each in group.members)
    update["needs_one_of"] = tuple(f"{prefix}.{name}" for name in group.needs_one_of)
    key = "any" if isinstance(item, AnyOf) else "all"
    return item.model_copy(update={key: group.model_copy(update=update)})


def _sources(parts: Iterable[ProtocolFile]) -> dict[str, SourceSpec]:
    return {f"{part.id}.{key}": source for part in parts for key, source in part.sources.items()}


def _checks(parts: Iterable[ProtocolFile]) -> Iterable[CheckSpec]:
    for part in parts:
        for check in part.checklist:
            source = None if check.source is None else f"{part.id}.{check.source}"
            yield check.model_copy(update={"id": f"{part.id}.{check.id}", "source": source})


def _structures(
    own: Mapping[str, StructureSpec], parts: Iterable[ProtocolFile]
) -> dict[str, StructureSpec]:
    """Return the structures of all files; the including file's own words stand.

    Raises ValueError where two included sets mean different things by a name.
    """
    found: dict[str, StructureSpec] = {}
    for part in parts:
        for name, spec in part.structures.items():
            first = found.setdefault(name, spec)
            if name not in own and _meaning(first) != _meaning(spec):
                raise ValueError(
                    f"included sets define the structure '{name}' differently; define it in this "
                    "file, whose words then stand"
                )
            aliases = tuple(dict.fromkeys((*first.aliases, *spec.aliases)))
            found[name] = first.model_copy(update={"aliases": aliases})
    return found | dict(own)


def _meaning(spec: StructureSpec) -> dict[str, Any]:
    return spec.model_dump(exclude={"aliases"})


def _least_reviewed(reviews: Sequence[Review]) -> Review:
    return min(reviews, key=lambda review: _REVIEW_RANK.index(review.status))


def _joined(files: Iterable[ProtocolFile], name: str) -> tuple[str, ...]:
    """Return the statements of all files, each once."""
    return tuple(dict.fromkeys(text for file in files for text in getattr(file, name)))
