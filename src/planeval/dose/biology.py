"""BED and EQD2: the linear-quadratic model at the sampled points, one delivery at a time.

::

    BED  = sum over c of  D_c (1 + D_c / (n_c ab))        EQD2 = BED / (1 + 2 / ab)

``c`` is a delivery (a plan, or a fraction group of a plan), ``D_c`` its physical dose at the point,
``n_c`` its NumberOfFractionsPlanned. Dose is interpolated and then converted, never the other way
round. There is no incomplete-repair and no time factor (Fowler 1989, Br J Radiol 62:679, without them).

A conversion rises with dose. With one delivery the converted curve is therefore the physical one with
every dose converted, exactly; the corner doses of a cell bound it as before. With several deliveries
each is sampled on the common lattice, converted, and then added; a sum of convex functions of linear
doses is largest at a corner, and no smaller than the sum of the deliveries' own lowest corners. A
dose that is linear in a cell gives the cell's mean exactly from its variance; the band of Mean holds
what the variance can be, whatever the dose does between the corners.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planeval.dose.calculation import Cover, Histogram, cover_structure, gather
from planeval.dose.curve import Curve
from planeval.dose.dvh import Dvh, HotSpot
from planeval.dose.field import DoseField
from planeval.dose.sampling import CellBatch, LayerDoses, sample
from planeval.geometry.coverage import Coverage, Lattice
from planeval.geometry.stack import CapReading, PlaneFrame
from planeval.model import Biology, Dose, DoseTerm, Structure

__all__ = ["Conversion", "biological_histogram", "deliveries", "obstacle"]

Floats = NDArray[Any]

_CONVERTED = re.compile(
    r"EQD\s?2|\bBED(?:_?\d|\b)|(?:alpha|α|\ba)\s*/\s*(?:beta|β|b\b)", re.IGNORECASE
)
"""What the comment of an exported EQD2 or BED dose says."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """The conversion of one delivery's dose.

    >>> Conversion(5, 10.0, "BED")(25.0), Conversion(5, 10.0, "EQD2")(25.0)
    (37.5, 31.25)
    """

    fractions: int
    alpha_beta_gy: float
    quantity: str

    @property
    def bed_per_gy(self) -> float:
        """BED that is one Gy of the quantity: 1 for BED, 1 + 2 / ab for EQD2."""
        return 1.0 if self.quantity == "BED" else 1.0 + 2.0 / self.alpha_beta_gy

    @property
    def curvature(self) -> float:
        """What a variance of the dose adds to the converted mean, per Gy2."""
        return 1.0 / (self.fractions * self.alpha_beta_gy * self.bed_per_gy)

    def __call__(self, gy: Any) -> Any:
        """Return doses (a number or an array) converted."""
        return gy * (1.0 + gy / (self.fractions * self.alpha_beta_gy)) / self.bed_per_gy

    def back(self, gy: float) -> float:
        """Return the physical dose that converts to a dose of at least 0.

        >>> Conversion(5, 10.0, "BED").back(37.5)
        25.0
        """
        whole = self.fractions * self.alpha_beta_gy
        return whole / 2 * (math.sqrt(1.0 + 4.0 * gy * self.bed_per_gy / whole) - 1.0)

    def spot(self, found: HotSpot | None) -> HotSpot | None:
        """Return a point with its dose converted."""
        return None if found is None else replace(found, gy=float(self(found.gy)))


def deliveries(dose: Dose) -> tuple[tuple[DoseTerm, ...], ...]:
    """Return the terms that are delivered together: those of one plan and fraction group."""
    together: dict[tuple[str, int | None], list[DoseTerm]] = {}
    for term in dose.terms:
        together.setdefault((term.plan_uid, term.fraction_group), []).append(term)
    return tuple(tuple(terms) for terms in together.values())


def obstacle(dose: Dose) -> str:
    """Return why a dose cannot be converted, empty where it can."""
    if dose.type == "EFFECTIVE" and _CONVERTED.search(dose.comment):
        return (
            f"the dose is EFFECTIVE and its comment ({dose.comment[:80]!r}) says that it is "
            "converted already; nothing is converted twice"
        )
    for terms in deliveries(dose):
        counts = {term.fractions for term in terms}
        if len(counts) > 1 or not all(count is not None and count >= 1 for count in counts):
            return f"{_why_unknown(dose)}; BED and EQD2 need the fractions of every delivery"
    return ""


def _why_unknown(dose: Dose) -> str:
    if dose.summation == "MULTI_PLAN":
        return "the dose is a MULTI_PLAN sum without its parts, so that no fraction count belongs to it"
    return (
        "the number of fractions of the dose is unknown (no NumberOfFractionsPlanned, no RTPLAN, or "
        "one dose of a plan with several fraction groups)"
    )


def biological_histogram(
    structure: Structure, dose: Dose, biology: Biology, *, covered: Cover = cover_structure
) -> Dvh:
    """Return the DVH of a structure in BED or EQD2; ``covered`` finds its coverage.

    Raises ValueError where :func:`obstacle` has a reason or alpha/beta is open.
    """
    reason = obstacle(dose)
    if reason or biology.alpha_beta_gy is None:
        raise ValueError(reason or f"{biology} states no alpha/beta")
    frame = structure.stack.frame
    field = DoseField(dose, frame)
    coverage = covered(structure, field)
    parts = deliveries(dose)
    conversions = tuple(
        Conversion(terms[0].fractions or 0, biology.alpha_beta_gy, biology.quantity)
        for terms in parts
    )
    if len(parts) == 1:
        found = _of_one(structure, coverage, field, conversions[0])
    else:
        fields = [_Part(Dose(terms), frame, field) for terms in parts]
        found = _of_several(structure, coverage, _Sum(dose, frame, fields, conversions))
    return found.dvh(structure.name)


class _MeanSums:
    """Sums of the converted mean of cells and of its bounds, per group of cap readings.

    E f(D) = f(E D) + curvature x Var D, and 0 <= Var D <= (high - mean) (mean - low): a dose within
    [low, high] of a given mean varies most where it takes its ends only (Bhatia and Davis 2000).
    """

    def __init__(self) -> None:
        self._groups: dict[CapReading, NDArray[np.float64]] = {}

    def add(self, cells: CellBatch, parts: Sequence[tuple[Conversion, CellBatch]]) -> Floats:
        """Add the cells of a batch and return their converted means."""
        middle, lowest, highest = (np.zeros(len(cells.cc)) for _ in range(3))
        for convert, part in parts:
            mean = part.mean_gy.astype(np.float64)
            flat = convert(mean)
            largest = np.maximum((part.high_gy - mean) * (mean - part.low_gy), 0.0)
            variance = np.minimum(part.half_gy.astype(np.float64) ** 2 / 3.0, largest)
            middle += flat + convert.curvature * variance
            lowest += flat
            highest += flat + convert.curvature * largest
        sums = np.array([cells.cc @ values for values in (middle, lowest, highest)])
        known = self._groups.get(cells.readings)
        self._groups[cells.readings] = sums if known is None else known + sums
        return middle

    def put_into(self, curve: Curve, reading: CapReading) -> Curve:
        """Return a curve with the mean of its reading."""
        groups = [sums for readings, sums in self._groups.items() if readings & reading]
        middle, lowest, highest = (float(each) for each in np.sum(groups, axis=0) / curve.total_cc)
        return replace(curve, mean_gy=middle, mean_band_gy=(lowest, highest))


def _of_one(
    structure: Structure, coverage: Coverage, field: DoseField, convert: Conversion
) -> Histogram:
    """Convert the physical curves of one delivery."""
    means = _MeanSums()

    def watched() -> Iterator[CellBatch]:
        for cells in sample(coverage, field):
            means.add(cells, [(convert, cells)])
            yield cells

    found = gather(structure, coverage, field, watched())
    curves = {
        reading: means.put_into(
            replace(
                curve,
                dose_gy=convert(curve.dose_gy),
                bound_gy=convert(curve.bound_gy),
                min_gy=float(convert(curve.min_gy)),
                max_gy=float(convert(curve.max_gy)),
            ),
            reading,
        )
        for reading, curve in found.curves.items()
    }
    between = found.between
    if between is not None and found.coldest is not None and found.hottest is not None:
        between = between.converted(convert, (found.coldest.gy, found.hottest.gy))
    return Histogram(
        curves,
        found.outside_cc,
        hottest=convert.spot(found.hottest),
        coldest=convert.spot(found.coldest),
        between=between,
        drawn_gy=_converted(found.drawn_gy, convert),
    )


def _converted(interval: tuple[float, float], convert: Conversion) -> tuple[float, float]:
    """An interval of doses converted; an open end stays open."""
    low, high = (gy if math.isinf(gy) else float(convert(gy)) for gy in interval)
    return low, high


class _Part(DoseField):
    """One delivery of a dose, unknown wherever the whole is."""

    def __init__(self, dose: Dose, frame: PlaneFrame, whole: DoseField) -> None:
        super().__init__(dose, frame)
        self._whole = whole

    def nodes(self, lattice: Lattice, first: int, last: int) -> NDArray[np.float32]:
        """Dose of the delivery at the nodes; NaN where any delivery is unknown."""
        own = super().nodes(lattice, first, last)
        if self._whole.is_exact:
            return own
        known = np.isfinite(self._whole.nodes(lattice, first, last))
        return np.where(known, own, np.float32(np.nan))


class _Sum(DoseField):
    """The converted sum of deliveries at the nodes of a lattice."""

    def __init__(
        self, dose: Dose, frame: PlaneFrame, parts: Sequence[_Part], by: Sequence[Conversion]
    ) -> None:
        super().__init__(dose, frame)
        self.parts = tuple(parts)
        self.conversions = tuple(by)

    def nodes(self, lattice: Lattice, first: int, last: int) -> NDArray[np.float32]:
        """Converted dose at the nodes, each delivery by its own fractions."""
        return np.asarray(
            sum(
                convert(part.nodes(lattice, first, last))
                for convert, part in zip(self.conversions, self.parts, strict=True)
            ),
            dtype=np.float32,
        )

    def range_gy(self, lattice: Lattice) -> tuple[float, float]:
        """Bounds of the converted dose on a lattice."""
        ranges = [part.range_gy(lattice) for part in self.parts]
        low, high = (
            sum(
                float(convert(ends[n]))
                for convert, ends in zip(self.conversions, ranges, strict=True)
            )
            for n in (0, 1)
        )
        return low, high


@dataclass(frozen=True, slots=True, eq=False)
class _SumDoses(LayerDoses):
    """Node doses of several deliveries: interpolated one by one, converted, then added."""

    parts: tuple[LayerDoses, ...]
    conversions: tuple[Conversion, ...]

    def sides(self, number: Any, row: Any, column: Any) -> tuple[Floats, Floats]:
        """Converted doses on the floor and on the ceiling of layers, at nodes."""
        pairs = [part.sides(number, row, column) for part in self.parts]
        floor, ceiling = (
            sum(by(pair[n]) for by, pair in zip(self.conversions, pairs, strict=True))
            for n in (0, 1)
        )
        return floor, ceiling

    def at(self, number: Any, row: Any, column: Any, place: tuple[Any, Any]) -> Floats:
        """Converted doses on floor and ceiling at local places of cells."""
        return np.asarray(
            sum(
                by(part.at(number, row, column, place))
                for by, part in zip(self.conversions, self.parts, strict=True)
            )
        )


def _of_several(structure: Structure, coverage: Coverage, field: _Sum) -> Histogram:
    """Sample every delivery on the common lattice, convert, and add."""
    means = _MeanSums()

    def combined() -> Iterator[CellBatch]:
        samplings = [sample(coverage, each) for each in (field, *field.parts)]
        for whole, *parts in zip(*samplings, strict=True):
            converted = list(zip(field.conversions, parts, strict=True))
            yield _combined(whole, converted, means.add(whole, converted))

    found = gather(structure, coverage, field, combined())
    curves = {reading: means.put_into(curve, reading) for reading, curve in found.curves.items()}
    return replace(found, curves=curves)


def _combined(
    whole: CellBatch, parts: Sequence[tuple[Conversion, CellBatch]], mean: Floats
) -> CellBatch:
    """Return the cells of a sum.

    Its lowest and its highest dose alone bound a cell. The spread around the exact mean follows the
    converted nodes, in which the deliveries' gradients strengthen or cancel each other.
    """
    low = np.sum([by(part.low_gy) for by, part in parts], axis=0)
    high = np.sum([by(part.high_gy) for by, part in parts], axis=0)
    high = np.maximum(np.minimum(high, whole.high_gy), low)
    mean = np.clip(mean, low, high)
    doses = whole.doses
    return replace(
        whole,
        doses=_SumDoses(
            doses.layers,
            doses.lattice,
            doses.planes,
            doses.below,
            doses.floor,
            doses.ceiling,
            False,
            tuple(part.doses for _, part in parts),
            tuple(by for by, _ in parts),
        ),
        mean_gy=mean.astype(np.float32),
        from_gy=np.maximum(mean - whole.half_gy, low).astype(np.float32),
        to_gy=np.minimum(mean + whole.half_gy, high).astype(np.float32),
        low_gy=low.astype(np.float32),
        high_gy=high.astype(np.float32),
        centre_gy=((low + high) / 2).astype(np.float32),
        reach_gy=((high - low) / 2).astype(np.float32),
        width_gy=np.zeros(len(low), dtype=np.float32),
    )
