"""Margins between two structures: the rule that asks for them, and what an audit found.

Everything here is plain numbers, as ``evaluation.json`` holds them; :mod:`planeval.targets.audit`
makes them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from planeval.model.outcome import Outcome
from planeval.model.rows import RowKind, StructureMatch

__all__ = [
    "AXES",
    "AxisMargin",
    "HistogramBin",
    "MarginMark",
    "MarginRegion",
    "MarginReport",
    "MarginRow",
    "MarginRule",
    "Spread",
    "SurfaceAgreement",
]

AXES = ("L", "R", "A", "P", "S", "I")
"""Left, right, anterior, posterior, superior, inferior of the patient."""

_NAMES = ("left", "right", "anterior", "posterior", "superior", "inferior")
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class MarginRule:
    """The least and the most margin (mm) along each patient axis; no upper end is infinity.

    In between the axes the rule is the ellipsoid octant of its three neighbours: the rule's solid is
    the Minkowski sum. ``name`` says where the rule comes from.

    >>> MarginRule.of(axial=5, cranio_caudal=(10, 15)).text
    '5 mm axial, 10 to 15 mm cranio-caudal'
    """

    left: Range
    right: Range
    anterior: Range
    posterior: Range
    superior: Range
    inferior: Range
    name: str = ""

    def __post_init__(self) -> None:
        for axis, (low, high) in self.by_axis.items():
            if not (0 <= low <= high and math.isfinite(low)):
                raise ValueError(f"margin {axis} {low:g} to {high:g} mm: need 0 <= low <= high")

    @classmethod
    def of(
        cls,
        axial: float | Range,
        cranio_caudal: float | Range | None = None,
        *,
        name: str = "",
    ) -> MarginRule:
        """Make a rule from one margin, or from one in the axial plane and one along the body."""
        flat = _range(axial)
        along = flat if cranio_caudal is None else _range(cranio_caudal)
        return cls(flat, flat, flat, flat, along, along, name)

    @property
    def by_axis(self) -> dict[str, Range]:
        """The range of each axis letter."""
        return {axis: getattr(self, name) for axis, name in zip(AXES, _NAMES, strict=True)}

    @property
    def least(self) -> dict[str, float]:
        """The lower ends by the names left, right, ..."""
        return {name: getattr(self, name)[0] for name in _NAMES}

    @property
    def most(self) -> dict[str, float] | None:
        """The upper ends by name, None where any axis has none."""
        ends = {name: getattr(self, name)[1] for name in _NAMES}
        return ends if all(math.isfinite(end) for end in ends.values()) else None

    @property
    def text(self) -> str:
        """The rule in words, as short as it can be said."""
        parts = [_range_text(each) for each in self.by_axis.values()]
        if len(set(parts)) == 1:
            return f"{parts[0]} mm in every direction"
        if len(set(parts[:4])) == 1 and parts[4] == parts[5]:
            return f"{parts[0]} mm axial, {parts[4]} mm cranio-caudal"
        shown = (f"{axis} {part}" for axis, part in zip(self.by_axis, parts, strict=True))
        return ", ".join(shown) + " mm"


def _range(margin: float | Range) -> Range:
    if isinstance(margin, tuple):
        return (float(margin[0]), float(margin[1]))
    return (float(margin), float(margin))


def _range_text(ends: Range) -> str:
    low, high = ends
    if low == high:
        return f"{low:g}"
    return f"{low:g} or more" if math.isinf(high) else f"{low:g} to {high:g}"


@dataclass(frozen=True, slots=True)
class Spread:
    """How a distance (mm) varies over a surface, by area."""

    minimum_mm: float
    p5_mm: float
    median_mm: float
    p95_mm: float
    maximum_mm: float


@dataclass(frozen=True, slots=True)
class AxisMargin:
    """The margin along one patient axis.

    ``spread`` is over the inner surface that faces the axis, None where nothing does; ``extent_mm``
    is how much further the outer structure reaches than the inner one. The end planes leave open
    that the margin is up to ``end_less_mm`` less or ``end_more_mm`` more. ``rule_high_mm`` is None
    where the rule has no upper end, both ends are None without a rule.
    """

    axis: str
    spread: Spread | None
    extent_mm: float
    end_less_mm: float
    end_more_mm: float
    rule_low_mm: float | None = None
    rule_high_mm: float | None = None


@dataclass(frozen=True, slots=True)
class HistogramBin:
    """The share (%) of the inner surface with a margin from ``low_mm`` to below ``high_mm``."""

    low_mm: float
    high_mm: float
    percent: float


@dataclass(frozen=True, slots=True)
class MarginRegion:
    """A connected part of a surface that is not as the rule says.

    ``kind`` is short, clipped, long or outside (the inner structure sticks out). ``depth_mm`` is the
    largest amount, ``place_mm`` the patient point where it is, ``slice_mm`` the height of the
    outer structure's drawn plane that is nearest to it, ``axis`` the patient axis it faces.
    """

    kind: str
    area_mm2: float
    depth_mm: float
    place_mm: tuple[float, float, float]
    slice_mm: float
    axis: str


@dataclass(frozen=True, slots=True)
class MarginMark:
    """A point of a surface that is not as the rule says, for a map."""

    kind: str
    place_mm: tuple[float, float, float]
    amount_mm: float


@dataclass(frozen=True, slots=True)
class SurfaceAgreement:
    """How far the outer structure agrees with the rule's solid (its lower ends).

    ``dice`` is None with a ``reason`` where it cannot be had. Differences are outer minus rule.
    """

    surface_dice: float
    tolerance_mm: float
    hausdorff_mm: float
    hd95_mm: float
    mean_distance_mm: float
    volume_difference_cc: float
    volume_difference_percent: float
    centroid_shift_mm: tuple[float, float, float]
    dice: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MarginReport:
    """What margin there is, in plain numbers.

    ``margin`` is the signed distance from the inner surface to the outer one, negative where the
    inner structure sticks out; ``outside_percent`` of the inner surface does, by at most
    ``outside_mm``. With a rule, ``short_percent`` of the rule's surface lies outside the outer
    structure by more than the tolerance and is not clipped, ``clipped_percent`` is so because of
    what clips it, and ``long_percent`` of the outer surface lies beyond the upper ends by more than
    the tolerance. ``short_least_percent`` and ``short_most_percent`` are the short share with the
    ends of both structures where the drawing leaves most and least room.
    """

    inner_area_mm2: float
    margin: Spread
    histogram: tuple[HistogramBin, ...]
    axes: tuple[AxisMargin, ...]
    outside_percent: float
    outside_mm: float
    short_percent: float | None = None
    short_mm: float | None = None
    short_least_percent: float | None = None
    short_most_percent: float | None = None
    clipped_percent: float | None = None
    clipped_mm: float | None = None
    long_percent: float | None = None
    long_mm: float | None = None
    agreement: SurfaceAgreement | None = None
    thrombus: Spread | None = None
    thrombus_short_percent: float | None = None
    vessel_missing_percent: float | None = None
    vessel_missing_mm: float | None = None
    regions: tuple[MarginRegion, ...] = ()
    marks: tuple[MarginMark, ...] = ()


@dataclass(frozen=True, slots=True)
class MarginRow:
    """One pair of structures of a protocol, audited.

    ``rule`` is the rule in words, empty where only containment is judged. Only counted kinds decide
    the verdict. ``report`` is None where there was nothing to measure; the outcome then says why.
    """

    id: str
    kind: RowKind
    outer: StructureMatch
    inner: StructureMatch
    rule: str
    tolerance_mm: float
    outcome: Outcome
    report: MarginReport | None
    title: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()

    @property
    def is_counted(self) -> bool:
        """Whether this row decides the verdict."""
        return self.kind.is_counted
