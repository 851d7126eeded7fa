"""One line per case with names that REDCap accepts, and the data dictionary that describes them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

from planeval.cohort.store import Store
from planeval.report.cells import plain_number
from planeval.report.text import csv_text

__all__ = ["redcap_name", "wide_files"]

LONGEST_NAME = 26
_REASON = "_na"
_FIRST = ("record_id", "patient_id", "verdict")
_DICTIONARY = (
    "Variable / Field Name", "Form Name", "Section Header", "Field Type", "Field Label",
    "Choices, Calculations, OR Slider Labels", "Field Note",
    "Text Validation Type OR Show Slider Number", "Text Validation Min", "Text Validation Max",
    "Identifier?", "Branching Logic (Show field only if...)", "Required Field?",
    "Custom Alignment", "Question Number (surveys only)", "Matrix Group Name",
    "Matrix Ranking?", "Field Annotation",
)  # fmt: skip
_FORM = "planeval"

_LINES = """
FROM (
  SELECT m.*, CASE WHEN several THEN row_id ELSE '' END AS row
  FROM metrics m JOIN (
    SELECT structure, metric, unit, bool_or(n > 1) AS several FROM (
      SELECT structure, metric, unit, count(DISTINCT coalesce(value, -1)) AS n
      FROM metrics WHERE beside IS NULL GROUP BY case_id, structure, metric, unit
    ) GROUP BY ALL
  ) USING (structure, metric, unit) WHERE beside IS NULL
)
"""
"""The values: of several rows that ask the same, one, unless they differ (by their prescription)."""

Key = tuple[str, str, str, str]


def wide_files(store: Store) -> dict[str, str]:
    """Return wide.csv and wide_dictionary.csv: a value and the reason for its absence per metric."""
    keys: list[Key] = [
        (row[0], row[1], row[2], row[3])
        for row in store.query(
            f"SELECT DISTINCT structure, metric, unit, row {_LINES} ORDER BY ALL"
        )
    ]
    names = _unique(keys)
    header = [*_FIRST, *(n + end for n in names.values() for end in ("", _REASON))]
    lines = [header]
    for case_id, patient_id, verdict in store.query(
        "SELECT case_id, patient_id, verdict FROM cases ORDER BY case_id"
    ):
        values = {
            (row[0], row[1], row[2], row[3]): (row[4], row[5])
            for row in store.query(
                "SELECT structure, metric, unit, row, first(value ORDER BY seq), "
                f"first(reason ORDER BY seq) {_LINES} WHERE case_id = ? GROUP BY ALL",
                [case_id],
            )
        }
        lines.append([case_id, csv_text(patient_id or ""), verdict, *_cells(keys, values)])
    return {"wide.csv": _csv(lines), "wide_dictionary.csv": _csv(_dictionary(names))}


def redcap_name(text: str) -> str:
    """Return text as a REDCap field name: a-z, 0-9 and _, a letter first, at most 23 characters.

    Three characters are left for ``_na``.

    >>> redcap_name("Liver - GTV CV5Gy [cc]")
    'liver_gtv_cv5gy_cc'
    """
    name = re.sub(r"[^a-z0-9]+", "_", text.lower().replace("%", "pc")).strip("_")
    if not name[:1].isalpha():
        name = "m_" + name
    return name[: LONGEST_NAME - len(_REASON)].rstrip("_")


def _unique(keys: Iterable[Key]) -> dict[Key, str]:
    """Return a name per metric; a name that is taken gets a number."""
    names: dict[Key, str] = {}
    used = set(_FIRST)
    for key in keys:
        base = redcap_name(f"{key[0]} {key[1]}")
        name, number = base, 1
        while name in used or name + _REASON in used:
            number += 1
            end = f"_{number}"
            name = base[: LONGEST_NAME - len(_REASON) - len(end)].rstrip("_") + end
        used |= {name, name + _REASON}
        names[key] = name
    return names


def _cells(keys: Sequence[Key], values: dict[Key, tuple[Any, Any]]) -> list[str]:
    cells = []
    for key in keys:
        number, reason = values.get(key, (None, "not asked of this plan"))
        cells += [plain_number(number), csv_text(reason or "")]
    return cells


def _dictionary(names: dict[Key, str]) -> list[list[str]]:
    lines = [list(_DICTIONARY)]
    for name, label in zip(_FIRST, ("Case", "Patient", "Verdict"), strict=True):
        lines.append(_field(name, label, identifier="y" if name == "patient_id" else ""))
    for (structure, metric, unit, row_id), name in names.items():
        label = csv_text(f"{structure} {metric}")
        lines.append(
            _field(
                name,
                label,
                note=f"unit {unit or 'none'}" + (f"; row {row_id}" if row_id else ""),
                kind="number",
            )
        )
        lines.append(_field(name + _REASON, f"{label}: why there is no value"))
    return lines


def _field(
    name: str, label: str, *, note: str = "", kind: str = "", identifier: str = ""
) -> list[str]:
    return [name, _FORM, "", "text", label, "", csv_text(note), kind, "", "", identifier, *[""] * 7]


def _csv(lines: Iterable[Sequence[str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(lines)
    return stream.getvalue()
