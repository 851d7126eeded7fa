"""What a cohort asks of every plan: a protocol, more metrics from a file, or both.

The metrics of a file become information rows behind the protocol's own: they are matched and
measured in the same way and never count.
"""

from __future__ import annotations

import csv
import functools
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from planeval.errors import ProtocolSyntax
from planeval.protocol.library import load
from planeval.protocol.reading import Included, Protocol, from_compiled, parse_protocol

__all__ = ["asked_of", "protocol_of", "structure_names"]

EACH_TARGET = "[targets]"
"""In the structure column of a metrics file: a row for every target of the plan."""

_Key = tuple[str, str, str, tuple[tuple[str, str], ...]]
_COLUMNS = {"structure", "metric"}


def asked_of(protocol: str | Path | None, metrics: str | Path | None) -> dict[str, Any]:
    """Return what a job says of its protocol: names and texts, so that no file need travel.

    Raises:
        ProtocolError: there is no such protocol, or it is not valid, or the metrics file is not.
        ValueError: neither a protocol nor metrics are asked for.
    """
    if protocol is None and metrics is None:
        raise ValueError("a cohort needs a protocol, a metrics file, or both")
    main = load(protocol) if protocol is not None else None
    rows = _metric_rows(Path(metrics)) if metrics is not None else []
    asked = {
        "protocol_id": main.id if main else "",
        "protocol_name": main.name if main else "",
        "protocol_sha256": main.sha256 if main else "",
        "protocol": _document(main) if main else "",
        "metrics": rows,
    }
    _protocol(_key(asked))
    return asked


def protocol_of(job: Mapping[str, Any]) -> Protocol:
    """Return the protocol of a job, made once per process."""
    return _protocol(_key(job))


def structure_names(asked: Mapping[str, Any]) -> set[str]:
    """Return every structure name that a mapping may lead to."""
    file = _protocol(_key(asked)).file
    names = {"GTV", *file.structures}
    names |= {spec.rx for spec in file.structures.values() if spec.rx}
    for item in json.loads(json.dumps([one.model_dump(mode="json") for one in file.constraints])):
        names |= _names_in(item)
    return names


def _names_in(item: Any) -> set[str]:
    """Return the structures named anywhere inside a constraint."""
    if isinstance(item, list):
        return set().union(*map(_names_in, item)) if item else set()
    if not isinstance(item, dict):
        return set()
    own = {item[key] for key in ("structure", "rx") if isinstance(item.get(key), str)}
    return own.union(*(_names_in(part) for part in item.values()))


def _document(protocol: Protocol) -> str:
    """Return a whole protocol as text: the sets that it includes are rows of it already."""
    content = {
        "file": protocol.file.model_dump(mode="json", by_alias=True, exclude_unset=True),
        "text": protocol.text,
        "origin": protocol.origin,
        "includes": [asdict(part) for part in protocol.includes],
    }
    return json.dumps(content, ensure_ascii=True, sort_keys=True)


def _key(job: Mapping[str, Any]) -> _Key:
    rows = tuple((structure, metric) for structure, metric in job["metrics"])
    return job["protocol_name"], job["protocol_sha256"], job["protocol"], rows


def _main(name: str, sha256: str, document: str) -> Protocol:
    """Return the protocol of a :func:`_document`: no YAML is read."""
    content = json.loads(document)
    return replace(
        from_compiled(content["file"], content["text"].encode(), name),
        sha256=sha256,
        origin=content["origin"],
        includes=tuple(Included(**part) for part in content["includes"]),
    )


@functools.lru_cache(maxsize=4)
def _protocol(key: _Key) -> Protocol:
    name, sha256, document, rows = key
    main = _main(name, sha256, document) if document else None
    if not rows:
        if main is None:
            raise ValueError("neither a protocol nor metrics")
        return main
    structures = (
        {
            structure: spec.model_dump(mode="json", exclude_defaults=True)
            for structure, spec in main.file.structures.items()
        }
        if main
        else {}
    )
    extra = parse_protocol(_extra_text(rows, structures).encode(), "metrics file")
    if main is None:
        return extra
    file = main.file.model_copy(
        update={"constraints": main.file.constraints + extra.file.constraints}
    )
    return replace(main, file=file)


def _extra_text(rows: tuple[tuple[str, str], ...], structures: Mapping[str, Any]) -> str:
    """Return metric rows as a protocol that only informs (JSON is YAML)."""
    constraints = [
        {
            "id": f"metrics.{number}",
            "kind": "information",
            "metric": metric,
            **({"for_each": "target"} if name == EACH_TARGET else {"structure": name}),
        }
        for number, (name, metric) in enumerate(rows, start=1)
    ]
    return json.dumps(
        {
            "schema": "planeval.protocol/1",
            "id": "metrics",
            "version": "1",
            "title": "Metrics asked for",
            "review": {"status": "draft"},
            "structures": structures,
            "constraints": constraints,
        },
        ensure_ascii=False,
        indent=1,
    )


def _metric_rows(path: Path) -> list[tuple[str, str]]:
    """Return (structure, metric) pairs of a CSV file with these two columns."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ProtocolSyntax(f"metrics file {path.name}: cannot be read: {error}") from None
    reader = csv.DictReader(io.StringIO(text))
    found = {(name or "").strip() for name in reader.fieldnames or ()}
    if not found >= _COLUMNS:
        raise ProtocolSyntax(
            f"metrics file {path.name}: columns are {', '.join(sorted(found)) or 'none'}; "
            f'it needs structure and metric, such as "Liver - GTV",CV5Gy[cc]'
        )
    rows = [((row["structure"] or "").strip(), (row["metric"] or "").strip()) for row in reader]
    if not rows or not all(name and metric for name, metric in rows):
        raise ProtocolSyntax(f"metrics file {path.name}: every line needs a structure and a metric")
    return list(dict.fromkeys(rows))
