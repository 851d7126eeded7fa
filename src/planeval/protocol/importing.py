"""Constraint tables of others as a draft protocol, and what could not be read as a review queue.

A row becomes a row of the protocol only where every part of it can be read as it stands: a metric of
our grammar, a comparison, a plain structure name. Nothing is guessed or mended; every other row goes
to the queue with its own words and the reason.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML

from planeval.errors import MetricSyntax
from planeval.metrics import grammar
from planeval.model.rows import RowKind
from planeval.protocol.judge import parse_comparison

__all__ = ["COLUMNS", "ImportedRow", "Queued", "RawRow", "draft_text", "imported", "template_text"]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "constraint_id"),
    "structure": ("structure", "structure_id", "organ", "roi", "roi_name", "结构"),
    "metric": ("metric", "objective_metric", "dvh_metric"),
    "unit": ("unit", "output_unit"),
    "objective": ("objective", "constraint", "raw_objective"),
    "op": ("op", "operator", "comparator"),
    "per_protocol": ("per_protocol", "goal", "limit", "optimal", "value"),
    "acceptable": ("acceptable", "variation", "mandatory", "acceptable_or_mandatory"),
    "kind": ("kind", "planeval_kind"),
    "fractions": ("fractions", "fx"),
    "note": ("note", "notes", "comment"),
    "source": ("source", "reference", "reference_codes"),
    "evidence": ("evidence", "evidence_flag"),
}
"""What a column may be called (case, blanks and underscores do not matter)."""

_OBJECTIVE = re.compile(r"\s*(\S+\])\s*(<=|>=|<|>|≤|≥)\s*([0-9.]+)\s*")
_SIGNS = {"≤": "<=", "≥": ">="}
_SEVERAL = re.compile(r"[/;]| and |、|，")
_FLAGS = ("page", "page+repo2", "repo2", "repo", "conflict", "check")
_RANGE = re.compile(r"([0-9]{1,3})(?:\s*[-–]\s*([0-9]{1,3}))?(?:\s*fx)?")
_DEGREES = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class RawRow:
    """A row as a file holds it: where it stands, and its cells by column name."""

    place: str
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """A row of the draft: the keys of the protocol file, in their order, and its evidence."""

    keys: dict[str, Any]
    evidence: str


@dataclass(frozen=True, slots=True)
class Queued:
    """A row that a person must read: where it stands, its words, why it was not taken."""

    place: str
    words: str
    reason: str


class _Unread(Exception):  # noqa: N818 - never leaves this module
    """Why a row cannot be taken as it stands."""


def imported(
    rows: Iterable[RawRow], default_kind: RowKind
) -> tuple[tuple[ImportedRow, ...], tuple[Queued, ...]]:
    """Return the rows that can be read as they stand, and the queue of all others."""
    taken: list[ImportedRow] = []
    queue: list[Queued] = []
    used: set[str] = set()
    for row in rows:
        cells = _known(row.cells)
        if not any(cells.values()):
            queue.append(Queued(row.place, _words(row), "no column of this table is known"))
            continue
        try:
            taken.append(_row(cells, default_kind, used))
        except _Unread as problem:
            queue.append(Queued(row.place, _words(row), str(problem)))
    return tuple(taken), tuple(queue)


def _known(cells: Mapping[str, str]) -> dict[str, str]:
    """Return the cells under our names; the first column of a meaning counts."""
    by_fold = {_fold(name): text.strip() for name, text in reversed(list(cells.items()))}
    return {
        name: next((by_fold[_fold(other)] for other in others if by_fold.get(_fold(other))), "")
        for name, others in COLUMNS.items()
    }


def _fold(text: str) -> str:
    return re.sub(r"[\s_-]+", "", text).casefold()


def _words(row: RawRow) -> str:
    return "; ".join(f"{name}={text}" for name, text in row.cells.items() if text)


def _row(cells: Mapping[str, str], default_kind: RowKind, used: set[str]) -> ImportedRow:
    metric, operator, first = _parts(cells)
    keys: dict[str, Any] = {
        "id": "",
        "structure": _structure(cells["structure"]),
        "metric": _metric(metric),
        "kind": _kind(cells["kind"], default_kind).value,
        "per_protocol": _comparison(operator, first, "limit"),
    }
    if cells["acceptable"]:
        keys["acceptable"] = _comparison(operator, cells["acceptable"], "acceptable limit")
        _check_wider(keys["per_protocol"], keys["acceptable"])
    if cells["fractions"]:
        keys["applies"] = {"fractions": _fractions(cells["fractions"]), "outside": "warn"}
    notes = [cells["note"], f"source as given: {cells['source']}" if cells["source"] else ""]
    if any(notes):
        keys["notes"] = [note[:2000] for note in notes if note]
    keys["id"] = _identifier(cells["id"] or f"{keys['structure']}-{metric}", used)
    return ImportedRow(keys, _evidence(cells["evidence"]))


def _parts(cells: Mapping[str, str]) -> tuple[str, str, str]:
    """Return metric, operator and limit, from their own columns or from one objective."""
    if cells["metric"]:
        metric = cells["metric"]
        if cells["unit"] and "[" not in metric:
            metric = f"{metric}[{cells['unit']}]"
        return metric, cells["op"], cells["per_protocol"]
    if not cells["objective"]:
        raise _Unread("no metric")
    found = _OBJECTIVE.fullmatch(cells["objective"])
    if found is None:
        raise _Unread(f"objective {cells['objective']!r}: expected such as D0.03cc[Gy] <= 30")
    return found[1], found[2], found[3]


def _structure(text: str) -> str:
    if not text:
        raise _Unread("no structure")
    if _SEVERAL.search(text) or "(" in text:
        raise _Unread(f"structure {text!r} speaks of several structures or of a condition")
    return text


def _metric(text: str) -> str:
    try:
        return str(grammar.parse(text, allow_bare_biology=True))
    except MetricSyntax as error:
        raise _Unread(str(error).splitlines()[0]) from None


def _kind(text: str, default: RowKind) -> RowKind:
    if not text:
        return default
    try:
        return RowKind(text.lower())
    except ValueError:
        raise _Unread(f"kind {text!r}: expected one of {', '.join(RowKind)}") from None


def _comparison(operator: str, text: str, what: str) -> str:
    """Return a comparison: one that stands in the cell, or the operator with a bare number."""
    if not text:
        raise _Unread(f"no {what}")
    written = text.replace("≤", "<=").replace("≥", ">=")
    if not re.match(r"\s*[<>]", written):
        if not operator:
            raise _Unread(f"{what} {text!r} has no operator")
        written = f"{_SIGNS.get(operator, operator)} {written}"
    try:
        return str(parse_comparison(written))
    except ValueError:
        raise _Unread(f"{what} {text!r} is no single number") from None


def _evidence(text: str) -> str:
    """Return the evidence flag of a cell; a table without one is one transcription."""
    flag = text.split(maxsplit=1)[0].rstrip(":;,").lower() if text else "repo"
    if flag not in _FLAGS:
        raise _Unread(f"evidence {text!r}: expected one of {', '.join(_FLAGS)}")
    return flag


def _check_wider(per_protocol: str, acceptable: str) -> None:
    first, second = parse_comparison(per_protocol), parse_comparison(acceptable)
    if first.is_upper is not second.is_upper or second.is_stricter_than(first):
        raise _Unread(f"acceptable {acceptable} is not wider than the limit {per_protocol}")


def _fractions(text: str) -> list[int]:
    found = _RANGE.fullmatch(text)
    if found is None or not 0 < int(found[1]) <= int(found[2] or found[1]):
        raise _Unread(f"fractions {text!r}: expected a number or a range such as 3-5")
    return [int(found[1]), int(found[2] or found[1])]


def _identifier(text: str, used: set[str]) -> str:
    """Return an id that the file has not yet."""
    base = _DEGREES.sub("-", text.casefold()).strip("-")[:70] or "row"
    name, number = base, 2
    while name in used:
        name, number = f"{base}-{number}", number + 1
    used.add(name)
    return name


def draft_text(
    protocol_id: str, title: str, rows: Sequence[ImportedRow], *, citation: str, locator: str
) -> str:
    """Return a draft protocol of imported rows; its source is the file, once for every evidence."""
    flags = dict.fromkeys(row.evidence for row in rows)
    document = {
        "schema": "planeval.protocol/1",
        "id": protocol_id,
        "title": title,
        "version": "0.1",
        "review": {"status": "draft"},
        "purpose": "organs",
        "dose_basis": "physical",
        "sources": {
            _source_key(flag): {"citation": citation, "locator": locator, "evidence": flag}
            for flag in flags
        },
        "constraints": [row.keys | {"source": _source_key(row.evidence)} for row in rows],
    }
    yaml = YAML()
    yaml.width = 98
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(document, stream)
    return "# Imported by planeval; every row is a draft until somebody has read its source.\n" + (
        stream.getvalue()
    )


def _source_key(flag: str) -> str:
    return f"imported-{flag.replace('+', '-')}"


def template_text(protocol_id: str, title: str, includes: Sequence[str]) -> str:
    """Return a new protocol to fill in: valid as it is, with what each part is for."""
    included = "".join(f"  - {{set: {name}}}\n" for name in includes)
    include = (
        f"include:\n{included}"
        if includes
        else "# include: [{set: tg101-5fx, rows: [colon-max]}]\n"
    )
    return f"""\
# A protocol of your own. planeval protocol validate FILE checks it; planeval protocol list shows it
# where its folder is given with --protocol-dir or PLANEVAL_PROTOCOLS.
schema: planeval.protocol/1
id: {protocol_id}
title: {json.dumps(title, ensure_ascii=False)}
version: "0.1"
review: {{status: draft}}          # reviewed needs by: and on: (who read the sources, and when)
purpose: disease                 # organs: never chosen by itself
# applies: {{fractions: [5, 5], outside: warn}}
dose_basis: physical
{include}sources:
  own:
    citation: "name the document"
    locator: "page or table"
    evidence: check              # quoted, page, repo: until then the row stays out of the verdict
structures:
  GTV: {{role: gtv}}
  Liver-GTV: {{derive: "Liver - GTV"}}
constraints:
  - id: example
    structure: Liver
    metric: "Mean[Gy]"
    kind: reference              # limit or recommendation counts
    per_protocol: "<= 28"        # always in quotes
    source: own
checklist:
  - {{id: phase, question: "Is the planning image the phase that was prescribed?"}}
"""
