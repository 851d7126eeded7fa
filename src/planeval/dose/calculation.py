"""From a structure and a dose to its DVH: lattice, coverage, samples, curve."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely

from planeval.dose.between_planes import BetweenPlanes, PlaneSums, spans_of
from planeval.dose.curve import Curve, CurveSums
from planeval.dose.dvh import Dvh, HotSpot
from planeval.dose.extremes import Extreme, ExtremeSearch
from planeval.dose.field import DoseField
from planeval.dose.sampling import CellBatch, sample
from planeval.geometry.coverage import Coverage, Lattice, cover
from planeval.geometry.stack import CapReading, PlanarStack, PlaneFrame, Slab
from planeval.model import Dose, Method, Structure

__all__ = ["Cover", "Coverages", "Histogram", "cover_structure", "dose_volume_histogram", "gather"]

Cover = Callable[[Structure, DoseField], Coverage]

SAME_LINE_MM = 1e-9

LARGEST_DIVISION = 16
"""A dose voxel is never cut into more than 16 x 16 in-plane cells."""

ANY_DOSE = (-math.inf, math.inf)

ON_BOUNDARY_MM = 1e-3
"""Points this close to a slab belong to it: places on outlines are float32."""


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """What the cells of a structure add up to, per cap reading, and its extremes.

    ``drawn_gy`` are doses at points of the drawn planes below and above the extremes of the slabs: no
    reading of the planes has a larger minimum or a smaller maximum.
    """

    curves: dict[CapReading, Curve]
    outside_cc: dict[CapReading, float]
    hottest: HotSpot | None
    coldest: HotSpot | None
    between: BetweenPlanes | None
    drawn_gy: tuple[float, float]

    def dvh(self, name: str) -> Dvh:
        """Return it as the DVH of a structure."""
        return Dvh(
            name,
            self.curves,
            self.outside_cc,
            hottest=self.hottest,
            coldest=self.coldest,
            between=self.between,
            drawn_gy=self.drawn_gy,
        )


def cover_structure(structure: Structure, field: DoseField) -> Coverage:
    """Return the coverage of a structure on the field's lattice.

    The lattice divides the dose voxels in plane until the structure has about
    ``Method.lattice_cells`` cells: a small structure needs small cells, a large one does not.
    """
    slabs = structure.stack.slabs(structure.method.caps, structure.method.between)
    return cover(slabs, _lattice(structure, slabs, field))


class Coverages:
    """Covers structures, and remembers: another dose on the same lattice needs no new coverage.

    What a structure is remembered by is its solid, not its name. Only the chosen reading of the end
    caps is kept, which takes a third less time: bands then hold the cells alone.
    """

    def __init__(self) -> None:
        self._slabs: dict[tuple[PlanarStack, Method], Sequence[Slab]] = {}
        self._known: dict[tuple[PlanarStack, Method], Coverage] = {}

    def __call__(self, structure: Structure, field: DoseField) -> Coverage:
        """Return the coverage of a structure on the field's lattice."""
        key = (structure.stack, structure.method)
        if key not in self._slabs:
            self._slabs[key] = structure.stack.slabs(key[1].caps, key[1].between)
        lattice = _lattice(structure, self._slabs[key], field)
        known = self._known.get(key)
        if known is None or not _is_same(known.lattice, lattice):
            known = self._known[key] = _chosen(cover(self._slabs[key], lattice))
        return known


def _chosen(coverage: Coverage) -> Coverage:
    """The chosen cap reading of a coverage, as one group of layers."""
    chosen = CapReading.CHOSEN
    return Coverage(
        coverage.lattice,
        tuple(
            replace(layer, readings=chosen) for layer in coverage.layers if layer.readings & chosen
        ),
        {chosen: coverage.inside_cc[chosen]},
        {chosen: coverage.outside_cc[chosen]},
    )


def _is_same(one: Lattice, other: Lattice) -> bool:
    """Whether two lattices have the same lines, but for rounding."""
    return all(
        len(mine) == len(theirs) and np.allclose(mine, theirs, rtol=0, atol=SAME_LINE_MM)
        for mine, theirs in (
            (one.u_mm, other.u_mm), (one.v_mm, other.v_mm), (one.w_mm, other.w_mm),
        )
    )  # fmt: skip


def _lattice(structure: Structure, slabs: Sequence[Slab], field: DoseField) -> Lattice:
    """The lattice of a structure in a field."""
    method = structure.method
    areas = [slab.area for slab in slabs]
    if not areas:
        return field.lattice((0, 0, 0), (0, 0, 0))
    bounds = shapely.bounds(areas)
    low = (bounds[:, 0].min(), bounds[:, 1].min(), min(slab.low_mm for slab in slabs))
    high = (bounds[:, 2].max(), bounds[:, 3].max(), max(slab.high_mm for slab in slabs))
    cells = float(shapely.area(areas).sum()) / field.cell_area_mm2()
    divide = math.ceil(math.sqrt(method.lattice_cells / max(cells, 1e-6)))
    return field.lattice(low, high, int(np.clip(divide, 1, LARGEST_DIVISION)))


def dose_volume_histogram(
    structure: Structure, dose: Dose, covered: Cover = cover_structure
) -> Dvh:
    """Return the DVH of a structure in a dose; ``covered`` finds its coverage."""
    field = DoseField(dose, structure.stack.frame)
    coverage = covered(structure, field)
    return gather(structure, coverage, field, sample(coverage, field)).dvh(structure.name)


def gather(
    structure: Structure, coverage: Coverage, field: DoseField, cells: Iterable[CellBatch]
) -> Histogram:
    """Add up the cells of a structure's coverage, sampled from a field.

    A coverage of one cap reading alone gives bands of the cells alone.
    """
    range_gy = field.range_gy(coverage.lattice)
    has_all_readings = len(coverage.outside_cc) == len(CapReading)
    sums = CurveSums(*range_gy)
    search = ExtremeSearch()
    spans = spans_of(coverage)
    planes = PlaneSums(structure, spans, range_gy)
    for batch in cells:
        sums.add(batch)
        search.look(batch)
        if has_all_readings:
            planes.add(batch)
    curves = {}
    for reading in coverage.outside_cc:
        hottest, coldest = search.hottest(reading), search.coldest(reading)
        if hottest is not None and coldest is not None and sums.has_cells(reading):
            curves[reading] = sums.curve(
                reading, (coldest.gy, hottest.gy), search.limits_gy(reading)
            )
    outside = {
        reading: cc + sums.undefined_cc(reading) for reading, cc in coverage.outside_cc.items()
    }
    frame = structure.stack.frame
    return Histogram(
        curves,
        outside,
        _spot(search.hottest(CapReading.CHOSEN), frame),
        _spot(search.coldest(CapReading.CHOSEN), frame),
        planes.result() if curves and has_all_readings else None,
        _on_planes(structure, spans, coverage, field, search) if has_all_readings else ANY_DOSE,
    )


def _on_planes(
    structure: Structure,
    spans: Mapping[int, tuple[float, float]],
    coverage: Coverage,
    field: DoseField,
    search: ExtremeSearch,
) -> tuple[float, float]:
    """Doses straight above or below the coldest and hottest points, on planes of the structure.

    Every point of a drawn plane belongs to the solid, whatever its ends and the space between planes.
    """
    drawn = {id(plane.area): plane.offset_mm for plane in structure.stack.planes}
    # a derived solid has no planes: the middles of its slabs stand for them
    middles = {area: (low + high) / 2 for area, (low, high) in spans.items()}
    heights = {**middles, **drawn}
    found = []
    for ask in (search.coldest, search.hottest):
        places = {extreme for reading in CapReading if (extreme := ask(reading)) is not None}
        doses = [
            gy
            for extreme in places
            for gy in _doses_above(
                field, extreme.place_uvw, _planes_at(coverage, heights, extreme.place_uvw)
            )
            if math.isfinite(gy)
        ]
        found.append(doses or [extreme.gy for extreme in places] or [0.0])
    return min(found[0]), max(found[1])


def _doses_above(
    field: DoseField, place: tuple[float, float, float], heights: Iterable[float]
) -> list[float]:
    """Doses of a field straight above or below a point (u, v, w), at some heights."""
    u, v, _ = place
    line = Lattice(np.array([u]), np.array([v]), np.array(sorted(set(heights))))
    return field.nodes(line, 0, len(line.w_mm)).ravel().tolist() if len(line.w_mm) else []


def _planes_at(
    coverage: Coverage, heights: dict[int, float], place: tuple[float, float, float]
) -> Iterator[float]:
    """Heights of the planes whose slabs hold a point; several where they share a boundary."""
    u, v, w = place
    point = shapely.Point(u, v)
    below, above = w - ON_BOUNDARY_MM, w + ON_BOUNDARY_MM
    for layer in coverage.layers:
        if above < layer.low_mm or below > layer.high_mm or layer.sheet is None:
            continue
        area = layer.sheet.area
        if id(area) in heights and shapely.dwithin(area, point, ON_BOUNDARY_MM):
            yield heights[id(area)]


def _spot(extreme: Extreme | None, frame: PlaneFrame) -> HotSpot | None:
    """An extreme with its place in patient mm."""
    if extreme is None:
        return None
    x, y, z = frame.to_patient(np.array([extreme.place_uvw]))[0]
    return HotSpot(extreme.gy, (float(x), float(y), float(z)))
