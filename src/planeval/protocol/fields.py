"""The parts that every model of the protocol file is made of: strict mappings and checked texts."""

from __future__ import annotations

import difflib
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from planeval.errors import MetricSyntax
from planeval.metrics import grammar
from planeval.protocol.judge import parse_comparison

__all__ = [
    "ComparisonText",
    "Identifier",
    "MetricText",
    "Positive",
    "Strict",
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


class Strict(BaseModel):
    """A mapping of known keys; an unknown one is an error with a suggestion."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, populate_by_name=False
    )

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        known = [field.alias or name for name, field in cls.model_fields.items()]
        for key in data if isinstance(data, dict) else ():
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.6)
                hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
                raise PydanticCustomError(
                    "unknown_key",
                    "unknown key '{key}'; {hint}",
                    {"key": str(key)[:80], "hint": hint},
                )
        return data
