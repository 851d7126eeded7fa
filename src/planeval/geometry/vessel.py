"""The part of a vessel within a length of a seed, measured along the lumen.

::

      vessel  =====================================
      thrombus          #########
      result     -------#########-------            length_mm on either side, in every branch

Every path stays inside the *domain* (vessel united with thrombus), so it follows bends, never crosses
from one leg of a hairpin to the other and never leaves the vessel's end. The lumen's wall is the
domain's own polygons; only the ends of the result are new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.errors import GeometryError
from planeval.geometry.booleans import combine
from planeval.geometry.geodesic import DistanceField
from planeval.geometry.interpolate import outline
from planeval.geometry.reframe import in_frame
from planeval.geometry.rings import solid_part
from planeval.geometry.stack import CapReading, PlanarStack, Slab, volume_cc
from planeval.geometry.tracing import traced
from planeval.geometry.vessel_pieces import Pieces

__all__ = ["VesselPart", "vessel_part"]

Area = Any
Floats = NDArray[Any]
Ints = NDArray[Any]

LONGEST_MM = 500.0
SUB_SLAB_MM = 1.0
THINNEST_MM = 0.05
UNEVEN_MM = 0.02
CONTINUED_STEPS = 3


@dataclass(frozen=True, slots=True, eq=False)
class VesselPart:
    """The part of a vessel near a seed.

    ``stack``: the part, derived, in the domain's plane frame, with the seed's share of the domain.
    ``bridged_mm``: the widest gap that a path crossed, 0 if none. ``left_out_cc``: the domain's
    volume in pieces that are not connected with the seed. ``reach_mm``: the largest distance present,
    to about half a node step; below the asked length the vessel ends first. ``step_mm``: the node
    step used.
    """

    stack: PlanarStack
    bridged_mm: float
    left_out_cc: float
    reach_mm: float
    step_mm: float


def vessel_part(
    vessel: PlanarStack,
    seed: PlanarStack,
    length_mm: float,
    *,
    thrombus: PlanarStack | None = None,
    bridge_mm: float = 2.0,
    caps: Literal["half", "none", "tapered"] = "half",
    between: Literal["prism", "interpolated"] = "prism",
) -> VesselPart:
    """Return the points of a vessel whose shortest path inside it to the seed is at most a length.

    The domain is the vessel united with ``thrombus``; without a thrombus, the seed is taken for it
    and the domain is the vessel alone. The result holds

    * the seed's share of the domain (seed united with thrombus, within the domain), and
    * every point of the domain's pieces that hold thrombus whose shortest path to that share, inside
      the domain, is at most ``length_mm``: up and down the stream, into every branch, lumen only.

    A gap of at most ``bridge_mm`` between a piece without thrombus and one that is reached is bridged:
    paths cross it and its length counts, but it does not become part of the result. Distances are
    measured in the solid that the method chose (``caps``, ``between``); the other cap readings of the
    domain are cut by the same distances, continued.

    Raises :class:`GeometryError` for an empty vessel, seed or thrombus, planes that are not parallel,
    a seed that is not in the vessel (nor within ``bridge_mm`` of it), a length beyond 500 mm, and more
    lumen than can be traced; ValueError for a negative or non-finite length or bridge.

    >>> from planeval.geometry.stack import AXIAL, DrawnPlane
    >>> lumen = shapely.box(0, 0, 8, 8)
    >>> vessel = PlanarStack(AXIAL, [DrawnPlane(3.0 * k, lumen) for k in range(20)])
    >>> clot = PlanarStack(AXIAL, [DrawnPlane(3.0 * k, lumen) for k in range(9, 12)])  # 9 mm
    >>> round(volume_cc(vessel_part(vessel, clot, 10).stack), 2)  # 8 x 8 x (10 + 9 + 10) mm
    1.86
    """
    _check_lengths(length_mm, bridge_mm)
    seed = in_frame(seed, vessel.frame)
    holder = seed if thrombus is None else in_frame(thrombus, vessel.frame)
    for name, stack in (("vessel", vessel), ("seed", seed), ("thrombus", holder)):
        if not volume_cc(stack, caps=caps, between=between) > 0:
            raise GeometryError(f"the {name} is empty: there is nothing to extend along the vessel")

    def united(one: PlanarStack, other: PlanarStack) -> PlanarStack:
        return combine(one, other, shapely.union, caps=caps, between=between)

    ways = united(vessel, holder)
    source = seed if thrombus is None else united(seed, holder)
    core = combine(source, ways, shapely.intersection, caps=caps, between=between)
    pieces = Pieces(_chosen(ways.slabs()))
    holding = pieces.touched_by(_chosen(holder.slabs(caps, between)))
    bridges = _bridges(pieces, holding, bridge_mm)
    connected = holding | set(bridges)
    tube = _chosen(vessel.slabs(caps, between))
    _check_contact(pieces, (holding, connected), tube, bridge_mm)
    wanted = tube if thrombus is None else pieces.slabs
    trace = traced(
        pieces, (holding, bridges), (_chosen(core.slabs()), wanted), (length_mm, bridge_mm)
    )
    others = [slab for slab in ways.slabs() if not slab.readings & CapReading.CHOSEN]
    open_ = (*pieces.slabs_of(connected), *others) if length_mm > 0 else ()
    extension = PlanarStack(ways.frame, slabs=_cut_at(trace.field, open_, length_mm))
    part = combine(extension, core, shapely.union)
    if thrombus is None:
        part = combine(part, vessel, shapely.intersection, caps=caps, between=between)
    left_out = set(range(pieces.count)) - connected
    return VesselPart(
        stack=part,
        bridged_mm=trace.bridged_mm,
        left_out_cc=float(pieces.volumes_cc()[list(left_out)].sum()),
        reach_mm=trace.reach_mm,
        step_mm=trace.field.nodes.step_mm,
    )


def _check_lengths(length_mm: float, bridge_mm: float) -> None:
    for name, mm in (("length_mm", length_mm), ("bridge_mm", bridge_mm)):
        if not (np.isfinite(mm) and mm >= 0):
            raise ValueError(f"{name} is {mm}; it must be a length of 0 mm or more")
    if length_mm > LONGEST_MM:
        raise GeometryError(
            f"{length_mm:g} mm along a vessel; at most {LONGEST_MM:g} mm are traced"
        )


def _chosen(slabs: Sequence[Slab]) -> tuple[Slab, ...]:
    return tuple(slab for slab in slabs if slab.readings & CapReading.CHOSEN)


def _bridges(pieces: Pieces, holding: set[int], bridge_mm: float) -> dict[int, float]:
    """Pieces reached over gaps, nearest first, and the gap that each needs."""
    bridges: dict[int, float] = {}
    while gaps := pieces.gaps_mm(holding | set(bridges), bridge_mm):
        piece = min(gaps, key=lambda one: gaps[one])
        bridges[piece] = gaps[piece]
    return bridges


def _check_contact(
    pieces: Pieces,
    reached: tuple[set[int], set[int]],
    vessel: tuple[Slab, ...],
    bridge_mm: float,
) -> None:
    """Refuse a seed that has nothing to do with the vessel."""
    holding, connected = reached
    if pieces.touched_by(vessel) & connected:
        return
    gap = min(pieces.gaps_mm(holding, LONGEST_MM).values(), default=np.inf)
    raise GeometryError(
        f"the seed lies outside the vessel: the gap is {gap:.1f} mm, and at most {bridge_mm:g} mm are "
        "bridged; check that the vessel and the thrombus belong together"
    )


def _cut_at(field: DistanceField, slabs: Sequence[Slab], length_mm: float) -> Iterator[Slab]:
    """Cut slabs by a level of the distances: thin slabs, in an odd number each, readings kept."""
    for slab in slabs:
        nearest, farthest = _range_in(field, slab)
        is_near = farthest < length_mm - field.nodes.step_mm and _is_framed(field, slab.area)
        if slab.readings & CapReading.CHOSEN and is_near:
            yield slab
        elif nearest < length_mm + field.nodes.step_mm:
            thickness = slab.high_mm - slab.low_mm
            count = 2 * max(0, int(np.ceil((thickness / SUB_SLAB_MM - 1) / 2 - 1e-9))) + 1
            edges = np.linspace(slab.low_mm, slab.high_mm, count + 1)
            within = cache(partial(_area_within, field, slab.area, length_mm))
            for low, high in pairwise(edges.tolist()):
                yield from _cut_evenly(Slab(low, high, slab.area, slab.readings), within)


def _range_in(field: DistanceField, slab: Slab) -> tuple[float, float]:
    """Smallest and largest distance of the lumen's nodes in and next to the slab's layers."""
    first, last = (
        _layers_at(field, height)[0][end] for height, end in ((slab.low_mm, 0), (slab.high_mm, 1))
    )
    values = field.values[first : last + 1][field.inside[first : last + 1]]
    return float(values.min(initial=np.inf)), float(values.max(initial=-np.inf))


def _is_framed(field: DistanceField, area: Area) -> bool:
    """Whether the nodes reach around an area: of what lies beyond them no distance is known."""
    u, v = field.nodes.axis(0), field.nodes.axis(1)
    u0, v0, u1, v1 = area.bounds
    return bool(u[0] <= u0 and u1 <= u[-1] and v[0] <= v0 and v1 <= v[-1])


def _cut_evenly(slab: Slab, within: Callable[[float], Area]) -> Iterator[Slab]:
    """Cut a slab once, or, where a level runs along the planes, in ever thinner halves.

    Cutting at the middle height is right where the area changes evenly from the bottom to the top.
    ``within`` gives the part of the slab's area at a height that is kept.
    """
    low, high, thickness = slab.low_mm, slab.high_mm, slab.high_mm - slab.low_mm
    middle = (low + high) / 2
    at_low, area, at_high = within(low), within(middle), within(high)
    error_mm3 = abs((at_low.area + at_high.area) / 2 - area.area) * thickness
    if error_mm3 > UNEVEN_MM * slab.area.area and thickness > THINNEST_MM:
        for one, other in ((low, middle), (middle, high)):
            yield from _cut_evenly(Slab(one, other, slab.area, slab.readings), within)
    elif not area.is_empty:
        yield Slab(low, high, area, slab.readings)


def _area_within(field: DistanceField, area: Area, length_mm: float, height_mm: float) -> Area:
    """The part of an area at a height whose distance is at most the length."""
    level, owner = _level(field, height_mm, length_mm)
    u, v = field.nodes.axis(0), field.nodes.axis(1)
    step = field.nodes.step_mm
    framed = np.pad(length_mm - level, 1, constant_values=-step)
    near = outline(framed, _padded(u, step), _padded(v, step))
    shapely.prepare(near)
    if shapely.covers(near, area):
        return area
    found = shapely.get_parts(solid_part(shapely.intersection(area, near)))
    # the level line may graze another lumen behind a thin wall: such parts have no node of their own
    place = shapely.get_coordinates(shapely.point_on_surface(found))
    column = np.clip(np.rint((place[:, 0] - u[0]) / step).astype(int), 0, len(u) - 1)
    row = np.clip(np.rint((place[:, 1] - v[0]) / step).astype(int), 0, len(v) - 1)
    kept = found[owner[row, column] <= length_mm + step]
    return shapely.multipolygons(kept) if len(kept) else shapely.Polygon()


def _padded(axis: Floats, step_mm: float) -> Floats:
    return np.concatenate([[axis[0] - step_mm], axis, [axis[-1] + step_mm]])


def _level(field: DistanceField, height_mm: float, length_mm: float) -> tuple[Floats, Floats]:
    """Distances at a height, and at each node the distance of the nearest node inside the lumen.

    Between two layers of nodes the distance is linear; where only one of them knows it, it is that
    one's. Outside the lumen it is continued by the nearest known node, no further than a few steps.
    """
    from scipy.ndimage import distance_transform_edt  # noqa: PLC0415 - heavy, and rarely needed

    far = length_mm + 2 * field.nodes.step_mm
    layers, shares = _layers_at(field, height_mm)
    values, inside = field.values[layers], field.inside[layers]
    known = (np.isfinite(values) | inside) & (shares[:, None, None] > 0)
    weight = np.where(known, shares[:, None, None], 0.0)
    total = weight.sum(axis=0)
    capped = np.minimum(values, far)
    level = (weight * capped).sum(axis=0) / np.maximum(total, 1e-12)
    if not (total > 0).any():
        return np.full(total.shape, far), np.full(total.shape, far)
    away, nearest = distance_transform_edt(total == 0, return_indices=True)
    level = np.where(away <= CONTINUED_STEPS, level[tuple(nearest)], far)
    is_inside = (inside & (shares[:, None, None] > 0)).any(axis=0)
    own = np.where(inside, capped, far).min(axis=0)
    if not is_inside.any():
        return level, level
    nearest = distance_transform_edt(~is_inside, return_distances=False, return_indices=True)
    return level, own[tuple(nearest)]


def _layers_at(field: DistanceField, height_mm: float) -> tuple[Ints, Floats]:
    """The two layers of nodes around a height and their weights, within the layers with a lumen."""
    held = np.flatnonzero(field.inside.any(axis=(1, 2)))
    place = (height_mm - field.nodes.first[2]) / field.nodes.step_mm
    place = float(np.clip(place, held[0], held[-1]))
    lower = min(int(place), field.inside.shape[0] - 2)
    share = place - lower
    return np.array([lower, lower + 1]), np.array([1 - share, share])
