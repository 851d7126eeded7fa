"""Constraint lists and score cards in JSON as raw rows, for :mod:`planeval.protocol.importing`.

Three shapes are known: a list of constraints with named columns (ClearPlan-like), clinical criteria
with a limit and a goal (PortPy), and score templates with score points (PlanScoreCard). A score
curve is a limit only where one point is marked as the start of the acceptable range; every other
curve stays raw and ends in the review queue.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from planeval.errors import UnreadableFile, UnsupportedData
from planeval.protocol.importing import RawRow

__all__ = ["raw_rows"]

_LISTS = ("constraints", "Constraints", "rows", "rules")
_SIMPLE = {"MaxDose": "Max", "MinDose": "Min", "MeanDose": "Mean"}
_UNITS = {
    "gy": "Gy",
    "cgy": "cGy",
    "%": "%",
    "percent": "%",
    "relative": "%",
    "cc": "cc",
    "cm3": "cc",
}


def raw_rows(content: bytes, name: str) -> tuple[RawRow, ...]:
    """Return the rows of a JSON file as they stand.

    Raises:
        UnreadableFile: the file is no JSON.
        UnsupportedData: none of the known shapes.
    """
    try:
        data = json.loads(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise UnreadableFile(f"{name}: this is not JSON: {error}") from None
    if isinstance(data, Mapping):
        if isinstance(data.get("ScoreTemplates"), list):
            return tuple(_score_cards(data["ScoreTemplates"]))
        if isinstance(data.get("criteria"), list):
            return tuple(_criteria(data["criteria"]))
        data = next((data[key] for key in _LISTS if isinstance(data.get(key), list)), data)
    if isinstance(data, list) and all(isinstance(each, Mapping) for each in data):
        return tuple(
            RawRow(f"{name} item {number}", {str(key): _text(value) for key, value in each.items()})
            for number, each in enumerate(data, 1)
        )
    raise UnsupportedData(f"{name}: expected a list of constraints, 'criteria' or 'ScoreTemplates'")


def _text(value: Any) -> str:
    """Return a JSON value as the text of a cell."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.12g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _criteria(criteria: Sequence[Any]) -> Iterator[RawRow]:
    """Yield clinical criteria: the goal is per protocol and the limit acceptable."""
    for number, each in enumerate(criteria, 1):
        entry = _mapping(each)
        what, limits = _mapping(entry.get("parameters")), _mapping(entry.get("constraints"))
        cells = {"structure": _text(what.get("structure_name")), "op": "<="}
        cells |= _criterion(_text(entry.get("type")), what, limits)
        if "metric" not in cells:
            cells["objective"] = json.dumps(entry, ensure_ascii=False)
        yield RawRow(f"criterion {number}", cells)


def _criterion(kind: str, what: Mapping[str, Any], limits: Mapping[str, Any]) -> dict[str, str]:
    """Return metric and limits of a criterion, nothing where its shape is another."""
    if kind in ("max_dose", "mean_dose"):
        metric, quantity = ("Max[Gy]" if kind == "max_dose" else "Mean[Gy]"), "dose"
    elif kind == "dose_volume_D" and "volume_perc" in what:
        metric, quantity = f"D{_text(what['volume_perc'])}%[Gy]", "dose"
    elif kind == "dose_volume_V" and "dose_gy" in what:
        metric, quantity = f"V{_text(what['dose_gy'])}Gy[%]", "volume"
    else:
        return {}
    suffix = {"dose": ("gy", ""), "volume": ("perc", "")}[quantity]
    goal, limit = (
        _text(limits.get(f"{tier}_{quantity}_{suffix[0]}")) for tier in ("goal", "limit")
    )
    if quantity == "dose" and not (goal or limit):
        goal, limit = (_text(limits.get(f"{tier}_dose_perc")) for tier in ("goal", "limit"))
        goal, limit = (f"{each} % of Rx" if each else "" for each in (goal, limit))
    if not (goal or limit):
        return {}
    return {"metric": metric, "per_protocol": goal or limit, "acceptable": limit if goal else ""}


def _score_cards(templates: Sequence[Any]) -> Iterator[RawRow]:
    for number, each in enumerate(templates, 1):
        entry = _mapping(each)
        structure = _mapping(entry.get("Structure"))
        cells = {
            "structure": _text(
                structure.get("TemplateStructureId") or structure.get("StructureId")
            ),
            "note": _text(entry.get("MetricComment")),
        }
        metric, limits = _score_metric(entry), _score_limits(entry.get("ScorePoints"))
        if metric and limits:
            cells |= {"metric": metric} | limits
        else:
            cells["objective"] = json.dumps(entry, ensure_ascii=False)
        yield RawRow(f"score template {number}", cells)


def _score_metric(entry: Mapping[str, Any]) -> str:
    """Return the metric of a score template, empty where it has no form in our grammar."""
    kind = _text(entry.get("MetricType"))
    given, answer = (
        _UNITS.get(_text(entry.get(key)).lower(), "") for key in ("InputUnit", "OutputUnit")
    )
    number = _text(entry.get("InputValue"))
    if kind in _SIMPLE and answer:
        return f"{_SIMPLE[kind]}[{answer}]"
    if kind in ("DoseAtVolume", "VolumeAtDose") and number and given and answer:
        return f"{'D' if kind == 'DoseAtVolume' else 'V'}{number}{given}[{answer}]"
    return ""


def _score_limits(points: Any) -> dict[str, str]:
    """Return the limits of a score curve: full score per protocol, the marked point acceptable."""
    if not isinstance(points, list) or not all(isinstance(each, Mapping) for each in points):
        return {}
    marked = [each for each in points if each.get("Variation") is True]
    numbers = [(each.get("PointX"), each.get("Score")) for each in points]
    if len(marked) != 1 or not all(
        isinstance(part, int | float) and not isinstance(part, bool)
        for pair in numbers
        for part in pair
    ):
        return {}
    full = max(score for _, score in numbers)
    best = [x for x, score in numbers if score == full]
    worst = [x for x, score in numbers if score != full]
    if not worst or not (max(best) < min(worst) or min(best) > max(worst)):
        return {}
    operator, edge = ("<=", max(best)) if max(best) < min(worst) else (">=", min(best))
    return {"op": operator, "per_protocol": _text(edge), "acceptable": _text(marked[0]["PointX"])}
