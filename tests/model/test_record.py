"""The record and its plain form."""

import dataclasses
import json
import math
from importlib import resources

import pytest

from planeval.model import Status, Value
from planeval.model import margins as margins_module
from planeval.model import record as record_module
from planeval.model import rows as rows_module
from planeval.model.margins import MarginRule
from planeval.model.plain import json_text, plain
from planeval.model.record import EvaluationRecord, KindCount
from planeval.model.rows import MatchKind, RowKind, StructureMatch
from planeval.units import Unit


def schema() -> dict:
    text = resources.files("planeval.model").joinpath("evaluation.schema.json").read_text("utf-8")
    return json.loads(text)


def classes() -> list[type]:
    found = {
        each
        for module in (record_module, rows_module, margins_module)
        for each in vars(module).values()
        if dataclasses.is_dataclass(each) and isinstance(each, type) and each is not MarginRule
    }
    return sorted(found, key=lambda each: each.__name__)


@pytest.mark.parametrize("cls", classes())
def test_the_schema_has_the_fields_of_every_class(cls):
    """Each field is there and required, and nothing else is allowed."""
    published = schema()
    part = published if cls is EvaluationRecord else published["$defs"][cls.__name__]
    names = {field.name for field in dataclasses.fields(cls)}
    assert set(part["properties"]) == set(part["required"]) == names
    assert part["additionalProperties"] is False


def test_numbers_are_written_to_nine_digits():
    """Judged unrounded, written rounded; minus zero is zero."""
    assert plain([2 / 3, 123456789.123, -0.0]) == [0.666666667, 123456789.0, 0.0]
    assert math.copysign(1, plain(-0.0)) == 1


def test_what_json_cannot_say_is_null():
    """NaN and infinity never reach a file; an undefined value keeps its reason."""
    assert plain([math.nan, math.inf]) == [None, None]
    value = plain(Value.undefined("no dose", Unit.GY, (1.0, math.inf)))
    assert value["number"] is value["low"] is value["high"] is None
    assert (value["reason"], value["possible"]) == ("no dose", [1.0, None])


def test_broken_text_survives():
    """A lone surrogate and a control character stay visible and can be written as UTF-8."""
    text = json_text({"name": "a\ud800\x07肝"})
    assert text.encode("utf-8")
    assert json.loads(text) == {"name": "a\\ud800\x07肝"}


def test_unknown_objects_are_refused():
    """Nothing slips into a file by its repr."""
    with pytest.raises(TypeError, match="object has no plain form"):
        plain(object())


def test_keys_are_sorted_at_every_level():
    """The order of construction never shows."""
    assert json_text({"b": {"d": 1, "c": 2}, "a": 0}).replace(" ", "") == (
        '{\n"a":0,\n"b":{\n"c":2,\n"d":1\n}\n}\n'
    )


def test_only_limits_and_recommendations_count():
    """The other kinds never decide."""
    assert [kind for kind in RowKind if kind.is_counted] == [
        RowKind.LIMIT,
        RowKind.RECOMMENDATION,
    ]


def test_a_match_tells_its_name_in_the_plan():
    """The expression where there is one, else the ROI; nothing where it is not found."""
    derived = StructureMatch("Liver-GTV", MatchKind.DERIVED, ("肝", "GTV"), "肝 - GTV")
    assert (derived.name_in_plan, derived.is_found) == ("肝 - GTV", True)
    missing = StructureMatch("Liver", MatchKind.MISSING, evidence="not there")
    assert (missing.name_in_plan, missing.is_found) == ("", False)


def test_counts_of_absent_statuses_are_zero():
    """A tally needs no entry for every status."""
    assert KindCount(RowKind.LIMIT, ((Status.PASS, 2),)).count(Status.FAIL) == 0
