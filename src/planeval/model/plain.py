"""Frozen values as plain JSON data: the one place where a record becomes text.

Numbers are judged unrounded and written to 9 significant digits. JSON knows no infinity and no NaN:
both become null, and the field beside it says why (``reason``) or what null means.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

from planeval.model.value import Value

__all__ = ["json_text", "plain"]


def plain(item: object) -> Any:
    """Return ``item`` as dictionaries, lists, text, numbers, booleans and None.

    A dataclass becomes a dictionary of its fields, an enum its text, a tuple a list. Text that
    is not valid Unicode (a lone surrogate from a broken file) is written as its escape.

    >>> plain((1 / 3, float("inf"), "Liver"))
    [0.333333333, None, 'Liver']
    """
    match item:
        case None | bool() | int():
            return item
        case Enum():
            return item.value
        case str():
            return item.encode("utf-8", "backslashreplace").decode("utf-8")
        case float():
            return float(f"{item:.9g}") + 0.0 if math.isfinite(item) else None
        case Value():
            return _value(item)
        case Mapping():
            return {plain(str(key)): plain(part) for key, part in item.items()}
        case tuple() | list():
            return [plain(part) for part in item]
        case _ if dataclasses.is_dataclass(item):
            return {
                field.name: plain(getattr(item, field.name)) for field in dataclasses.fields(item)
            }
        case _:
            raise TypeError(f"{type(item).__name__} has no plain form")


def _value(value: Value) -> dict[str, Any]:
    """Return a Value; in ``possible`` a null end is unbounded."""
    possible = None if value.possible is None else plain(value.possible)
    return {
        "number": plain(value.number),
        "low": plain(value.low) if value.is_defined else None,
        "high": plain(value.high) if value.is_defined else None,
        "unit": value.unit.value,
        "reason": plain(value.reason),
        "possible": possible,
        "notes": plain(value.notes),
    }


def json_text(data: object) -> str:
    r"""Return JSON with sorted keys, two blanks of indent, LF line ends and a final one.

    >>> json_text({"b": "肝", "a": 1})
    '{\n  "a": 1,\n  "b": "肝"\n}\n'
    """
    text = json.dumps(plain(data), ensure_ascii=False, allow_nan=False, indent=2, sort_keys=True)
    return text + "\n"
