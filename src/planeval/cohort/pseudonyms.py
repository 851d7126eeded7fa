"""Pseudonyms: keyed, the same for the same patient in every run with the same key.

An id becomes HMAC-SHA256(key, id), a date the days since the patient's first date, and text from
files loses the names, ids, dates, UIDs and file names that say who the patient is. This is
pseudonymisation, not anonymisation: who holds the key and the files can link the two.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from planeval.cohort.planfile import CohortPlan
from planeval.cohort.tables import TABLES, Role
from planeval.dicom.plan_header import identifying_texts
from planeval.errors import DataError, ReportError
from planeval.report.text import date_text, visible

__all__ = ["AsTheyAre", "Pseudonyms", "read_key"]

_SHORTEST_KEY = 16
_LONG_ENOUGH = 4
"""Letters from which a name is replaced inside words too; a shorter one only where it stands alone."""

_TERM = re.compile(r"[A-Z0-9_ ]{1,16}")
_UID = re.compile(r"(?<![\w.])[0-2](?:\.\d+){4,}(?!\w)")
_DATE = re.compile(
    r"(?<!\d)(?:(?:19|20)\d\d[-./]?(?:0[1-9]|1[0-2])[-./]?(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])[-./](?:0?[1-9]|1[0-2])[-./](?:19|20)\d\d)(?!\d)"
)
_BETWEEN_NAMES = re.compile(r"[\^=\s,.;()/_\-]+")


def read_key(path: str | Path) -> bytes:
    """Return the key in a file. Raises ReportError where there is none, or one too short."""
    try:
        key = Path(path).read_bytes().strip()
    except OSError as error:
        raise ReportError(
            f"key file {Path(path).name}: cannot be read ({error.strerror}); make one with "
            "python -c 'import secrets; print(secrets.token_hex(32))' and keep it apart"
        ) from None
    if len(key) < _SHORTEST_KEY:
        raise ReportError(
            f"key file {Path(path).name}: {len(key)} bytes; a key needs at least {_SHORTEST_KEY}"
        )
    return key


class AsTheyAre:
    """No pseudonyms: ids and texts as in the files, control characters made visible."""

    mark = "none"

    def case_id(self, plan: CohortPlan) -> str:
        """Return the id of a case in the tables."""
        return plan.case_id

    def course_id(self, plan: CohortPlan) -> str:
        """Return the id of a course in the tables."""
        return plan.course_id

    def patient_id(self, patient_id: str) -> str:
        """Return the patient's id in the tables."""
        return visible(patient_id)

    def anchor(self, plan: CohortPlan, plans: Iterable[CohortPlan]) -> str:
        """Return what the rows of a patient depend on beside the files: nothing."""
        return ""

    def rows(
        self, plan: CohortPlan, tables: Mapping[str, list[dict[str, Any]]], anchor: str
    ) -> dict[str, list[dict[str, Any]]]:
        """Return rows as they are stored."""
        return {
            name: [
                _row(name, row, lambda role, text: date_text(text) if role is Role.DATE
                     else visible(text))
                for row in rows
            ]
            for name, rows in tables.items()
        }  # fmt: skip

    def text_without_case(self, text: str) -> str:
        """Return text about a file that belongs to no case."""
        return visible(text)


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Pseudonyms by one key."""

    key: bytes

    @property
    def mark(self) -> str:
        """Which key it was, without saying it."""
        return self._digest("mark", "")[:16]

    def case_id(self, plan: CohortPlan) -> str:
        """Return the id of a case in the tables."""
        return "C-" + self._digest("case", plan.case_id)[:12]

    def course_id(self, plan: CohortPlan) -> str:
        """Return the id of a course in the tables."""
        return "K-" + self._digest("course", plan.course_id)[:10]

    def patient_id(self, patient_id: str) -> str:
        """Return ``PE-`` and 12 hexadecimal digits."""
        return "PE-" + self._digest("patient", patient_id.strip())[:12]

    def anchor(self, plan: CohortPlan, plans: Iterable[CohortPlan]) -> str:
        """Return the first date of a patient among all indexed plans, as DICOM writes it."""
        dates = [
            found
            for one in plans
            if one.patient_id == plan.patient_id
            for found in (one.date, *(entry.date for entry in one.entries))
            if _day(found) is not None
        ]
        return min(dates, default="")

    def rows(
        self, plan: CohortPlan, tables: Mapping[str, list[dict[str, Any]]], anchor: str
    ) -> dict[str, list[dict[str, Any]]]:
        """Return rows in which nothing says who the patient is."""
        scrub = _Scrubber(self, plan)
        first = _day(anchor)

        def change(role: Role, text: str) -> str | None:
            if role is Role.LABEL:
                return None
            if role is Role.DATE:
                day = _day(text)
                return None if day is None or first is None else f"day {(day - first).days}"
            if role is Role.UID:
                return " ".join(self.uid(part) for part in text.split())
            if role is Role.TERM:
                shown = scrub(text)
                return shown if _TERM.fullmatch(shown) else None
            return scrub(text)

        return {name: [_row(name, row, change) for row in rows] for name, rows in tables.items()}

    def text_without_case(self, text: str) -> str:
        """Return nothing of a text about a file: its name may be anybody's."""
        return "a file of the folder; index it without pseudonyms to see which"

    def uid(self, uid: str) -> str:
        """Return a UID for a UID: 2.25. and 128 bits (PS3.5 B.2)."""
        return f"2.25.{int(self._digest('uid', uid)[:32], 16)}"

    def _digest(self, kind: str, text: str) -> str:
        content = f"planeval\0{kind}\0{text}".encode("utf-8", "backslashreplace")
        return hmac.new(self.key, content, hashlib.sha256).hexdigest()


def _row(table: str, row: Mapping[str, Any], change: Any) -> dict[str, Any]:
    """Return a row with every text changed by the role of its column."""
    roles = {column.name: column.role for column in TABLES[table].columns}
    kept = (Role.OWN, Role.KEY, Role.PATIENT)
    return {
        name: change(roles[name], value)
        if isinstance(value, str) and roles[name] not in kept
        else value
        for name, value in row.items()
    }


def _day(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8])) if len(text) >= 8 else None
    except ValueError:
        return None


class _Scrubber:
    """Replaces what says who the patient of one plan is."""

    def __init__(self, pseudonyms: Pseudonyms, plan: CohortPlan) -> None:
        self._pseudonyms = pseudonyms
        persons, others = [plan.patient_name], [plan.patient_id]
        for entry in plan.entries:
            if entry.kind == "CT":
                continue
            try:
                found = identifying_texts(entry.path, entry.file)
            except DataError:
                continue  # the header that named the patient was read for the index
            persons += found[0]
            others += found[1]
        files = {text for entry in plan.entries for text in (entry.file, Path(entry.file).name)}
        names = {name for person in persons for name in _names(person)}
        self._patterns = [
            (_any_of(sorted(files, key=len, reverse=True), "anywhere"), "[file]"),
            (_any_of(sorted(filter(None, map(str.strip, others)), key=len, reverse=True)), "[id]"),
            (_any_of(sorted(names, key=len, reverse=True)), "[name]"),
        ]

    def __call__(self, text: str) -> str:
        shown = unicodedata.normalize("NFC", text)
        shown = _UID.sub(lambda found: self._pseudonyms.uid(found[0]), shown)
        for pattern, instead in self._patterns:
            if pattern is not None:
                shown = pattern.sub(instead, shown)
        # a date inside a UID made here is no date
        parts = re.split(r"(2\.25\.\d+)", shown)
        shown = "".join(p if p.startswith("2.25.") else _DATE.sub("[date]", p) for p in parts)
        return visible(shown)


def _names(person: str) -> Iterable[str]:
    """Yield the parts of a person's name, and its parts run together, with and without accents."""
    for group in person.split("="):
        parts = [part for part in _BETWEEN_NAMES.split(unicodedata.normalize("NFC", group)) if part]
        joined = ["".join(parts), "".join(reversed(parts))] if len(parts) > 1 else []
        for name in (*parts, *joined):
            yield name
            yield "".join(
                sign
                for sign in unicodedata.normalize("NFKD", name)
                if not unicodedata.combining(sign)
            )


def _any_of(texts: Iterable[str], where: str = "") -> re.Pattern[str] | None:
    """Return a pattern of any of some texts: short ones only as words of their own."""
    parts = []
    for text in texts:
        escaped = re.escape(unicodedata.normalize("NFC", text))
        if where or len(text) >= _LONG_ENOUGH or (len(text) > 1 and not text.isascii()):
            parts.append(escaped)
        elif text:
            parts.append(rf"(?<![^\W_]){escaped}(?![^\W_])")
    return re.compile("|".join(parts), re.IGNORECASE) if parts else None
