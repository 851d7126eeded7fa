"""Which structures are targets, which of them are one target, and which one is the body.

Answered from RTROIInterpretedType and the name, without guessing: a target that says otherwise in its
name is for the protocol (:mod:`planeval.protocol.roles`) to doubt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
import shapely

from planeval.errors import GeometryError
from planeval.geometry.booleans import combine
from planeval.geometry.stack import volume_cc
from planeval.model import Structure

__all__ = [
    "TARGET_NAME",
    "TARGET_TYPES",
    "body_of",
    "is_helper",
    "is_inside",
    "is_phase_copy",
    "is_target",
    "is_target_name",
    "outermost",
    "targets_of",
]

TARGET_TYPES = ("GTV", "CTV", "ITV", "PTV")
TARGET_NAME = re.compile(r"\s*[_-]?(igtv|gtv|ctv|itv|ptv)", re.IGNORECASE)
_PHASE = re.compile(
    r"(?:(?<![a-z0-9])|(?<=tv))t\s?[0-9]0(?![0-9])|\d{1,3}\s*[%％]|phase|(?<![a-z])ph\s*\d|4d"
    r"|(?<![a-z])(?:mip|minip|aip|avg|ave|inhale|exhale|insp|expir)(?![a-z])"
    r"|时相|呼吸相|吸气|呼气|吸末|呼末",
    re.IGNORECASE,
)
_DERIVED = re.compile(
    r"\+\s*\d|\d\s*mm|(?<![a-z])(?:ring|shell|opt|eval|avoid|prv|dummy|minus|sub)(?![a-z])"
    r"|\s[-|&+]\s",
    re.IGNORECASE,
)
_BODY_NAME = re.compile(r"\s*(?:external|body|体表|外轮廓)\s*", re.IGNORECASE)

NESTED_SHARE = 0.9
"""A target of which at least this part lies inside another is nested in it: a CTV in its PTV, cropped
at the skin or at an organ."""


def is_phase_copy(name: str) -> bool:
    """Whether a name says that the ROI was drawn on one phase or projection of a 4D-CT.

    >>> is_phase_copy("GTV_T50"), is_phase_copy("GTV 50%"), is_phase_copy("GTV_T2")
    (True, True, False)
    """
    return _PHASE.search(name) is not None


def is_target_name(name: str) -> bool:
    """Whether a name begins as targets do: GTV, IGTV, CTV, ITV or PTV."""
    return TARGET_NAME.match(name) is not None


def is_helper(name: str) -> bool:
    """Whether a name says that the ROI was made from others: rings, margins, optimisation."""
    return _DERIVED.search(name) is not None


def is_target(name: str, kind: str) -> bool:
    """Whether a structure is a target by type or name; copies on phases and helpers are not.

    >>> is_target("PTV_50", ""), is_target("Lesion 1", "GTV"), is_target("PTV_Eval", "PTV")
    (True, True, False)
    """
    if not (is_target_name(name) or kind.upper() in TARGET_TYPES):
        return False
    return not (is_phase_copy(name) or is_helper(name))


def targets_of(structures: Iterable[Structure]) -> tuple[Structure, ...]:
    """Return the targets that hold a volume."""
    return tuple(
        each for each in structures if is_target(each.name, each.type) and not each.stack.is_empty
    )


def body_of(structures: Iterable[Structure]) -> Structure | None:
    """Return the body: the only EXTERNAL by type, else the only one by name, else None."""
    solids = [each for each in structures if not each.stack.is_empty]
    for found in (
        [each for each in solids if each.type.upper() == "EXTERNAL"],
        [each for each in solids if _BODY_NAME.fullmatch(each.name)],
    ):
        if found:
            return found[0] if len(found) == 1 else None
    return None


def is_inside(inner: Structure, outer: Structure) -> bool:
    """Whether at least 90 % of a structure lies inside a larger one."""
    if inner is outer or inner.volume_cc > outer.volume_cc or not _boxes_meet(inner, outer):
        return False
    method = outer.method
    try:
        common = combine(
            inner.stack,
            outer.stack,
            shapely.intersection,
            caps=method.caps,
            between=method.between,
        )
    except GeometryError:
        return False
    return volume_cc(common) >= NESTED_SHARE * inner.volume_cc


def outermost(target: Structure, targets: Sequence[Structure]) -> Structure:
    """Return the largest target that a target is nested in, itself where there is none."""
    around = [each for each in targets if is_inside(target, each)]
    return max([target, *around], key=lambda each: each.volume_cc)


def _boxes_meet(one: Structure, other: Structure) -> bool:
    if one.stack.is_empty or other.stack.is_empty:
        return False
    (low, high), (floor, ceiling) = one.bounds_mm, other.bounds_mm
    return bool((np.array(low) < ceiling).all() and (np.array(floor) < high).all())
