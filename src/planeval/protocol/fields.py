"""The parts that every model of the protocol file is made of: checked texts."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from planeval.errors import MetricSyntax
from planeval.metrics import grammar
from planeval.protocol.judge import parse_comparison

__all__ = [
    "ComparisonText",
    "Identifier",
    "MetricText",
    "Positive",
    "StructureName",
    "Text",
]

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
StructureName = Annotated[str, Field(min_length=1, max_length=200)]


def _checked_comparison(text: str) -> str:
    parse_comparison(text)
    return text


def _checked_metric(text: str) -> str:
    try:
        grammar.parse(text, allow_bare_biology=True)
    except MetricSyntax as error:
        raise ValueError(str(error)) from None
    return text


ComparisonText = Annotated[
    str, Field(examples=["<= 18", ">= 300", "< 10"]), AfterValidator(_checked_comparison)
]
MetricText = Annotated[
    str,
    Field(json_schema_extra=grammar.json_schema(allow_bare_biology=True)),
    AfterValidator(_checked_metric),
]
Positive = Annotated[float, Field(gt=0, le=1000)]
