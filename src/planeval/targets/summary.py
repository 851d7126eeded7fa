"""Points of a surface in plain numbers: spread, histogram, axes, connected regions, marks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from planeval.geometry.solid import EndBand
from planeval.geometry.surface import Surface, SurfacePoints
from planeval.model.margins import (
    AXES,
    AxisMargin,
    HistogramBin,
    MarginMark,
    MarginRegion,
    MarginRule,
    Spread,
)

__all__ = ["axis_margins", "end_room", "histogram_of", "marks_of", "regions_of", "spread_of"]

Floats = NDArray[np.float64]

DIRECTIONS = np.array(
    [[1, 0, 0], [-1, 0, 0], [0, -1, 0], [0, 1, 0], [0, 0, 1], [0, 0, -1]], dtype=float
)
"""The patient axes L, R, A, P, S, I in LPS."""

FACING = math.cos(math.radians(30))
MOST_BINS = 40
BIN_WIDTHS_MM = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
FEWEST_POINTS = 3
MOST_REGIONS = 8
MOST_MARKS = 300


def spread_of(numbers: Floats) -> Spread:
    """Return minimum, 5 %, median, 95 % and maximum."""
    low, p5, median, p95, high = (float(x) for x in np.percentile(numbers, [0, 5, 50, 95, 100]))
    return Spread(low, p5, median, p95, high)


def histogram_of(numbers: Floats) -> tuple[HistogramBin, ...]:
    """Return shares in equal bins at multiples of their width, no more than 40 of them."""
    low, high = float(numbers.min()), float(numbers.max())
    width = next(
        (each for each in BIN_WIDTHS_MM if (high - low) / each <= MOST_BINS - 2), BIN_WIDTHS_MM[-1]
    )
    first, last = math.floor(low / width), math.floor(high / width) + 1
    edges = np.arange(first, last + 1) * width
    counts, _ = np.histogram(numbers, edges)
    return tuple(
        HistogramBin(float(a), float(b), 100.0 * int(count) / len(numbers))
        for a, b, count in zip(edges[:-1], edges[1:], counts, strict=True)
    )


def axis_margins(
    outer: Surface,
    inner: Surface,
    points: SurfacePoints,
    *,
    margin_mm: Floats,
    rule: MarginRule | None,
) -> tuple[AxisMargin, ...]:
    """Return the margin along each patient axis, with what the ends of both solids leave open."""
    ranges = rule.by_axis if rule else {}
    bounds = [np.concatenate([-low, high]) for low, high in (inner.bounds_mm, outer.bounds_mm)]
    beyond = (bounds[1] - bounds[0])[[3, 0, 1, 4, 5, 2]]
    margins = []
    for number, axis in enumerate(AXES):
        facing = points.normals @ DIRECTIONS[number] >= FACING
        spread = None
        if facing.sum() >= FEWEST_POINTS:
            travel = outer.travel_mm(points.points_mm[facing], DIRECTIONS[number])
            lost = ~np.isfinite(travel)
            travel[lost] = margin_mm[facing][lost]
            spread = spread_of(travel)
        out_in, out_out = _room_along(outer, DIRECTIONS[number])
        in_in, in_out = _room_along(inner, DIRECTIONS[number])
        low, high = ranges.get(axis, (None, None))
        margins.append(
            AxisMargin(
                axis=axis,
                spread=spread,
                extent_mm=float(beyond[number]),
                end_less_mm=max(out_in, in_out),
                end_more_mm=max(out_out, in_in),
                rule_low_mm=low,
                rule_high_mm=high if high is not None and math.isfinite(high) else None,
            )
        )
    return tuple(margins)


def _end(surface: Surface, direction: Floats) -> tuple[float, EndBand]:
    """Return the cosine between a direction and the planes' normal, and the end on that side."""
    cosine = float(surface.solid.frame.axes[2] @ direction)
    return abs(cosine), surface.solid.high if cosine > 0 else surface.solid.low


def _room_along(surface: Surface, direction: Floats) -> tuple[float, float]:
    """Return how far an end may lie inwards and outwards along a direction that it faces."""
    cosine, end = _end(surface, direction)
    if cosine < FACING:
        return 0.0, 0.0
    return end.inward_mm * cosine, end.outward_mm * cosine


def end_room(
    outer: Surface, inner: Surface, points: SurfacePoints, feet_mm: Floats
) -> tuple[Floats, Floats]:
    """Return by how much each point may be less, and more, outside the outer solid.

    It concerns points beyond the inner solid's end planes, and those whose nearest outer point lies
    beyond the outer solid's end planes, in proportion to how much they face the end. Both ends come
    from the same habit of drawing, so that the larger of the two counts and not their sum.
    """
    better, worse = np.zeros(len(feet_mm)), np.zeros(len(feet_mm))
    for surface, places, is_outer in ((outer, feet_mm, True), (inner, points.points_mm, False)):
        normal = surface.solid.frame.axes[2]
        heights, slope = places @ normal, points.normals @ normal
        for end, sign in ((surface.solid.high, 1.0), (surface.solid.low, -1.0)):
            faces = np.where(sign * (heights - end.drawn_mm) > -1e-6, sign * slope, 0.0)
            share = np.where(faces > 0.5, faces, 0.0)
            away, back = (
                (end.outward_mm, end.inward_mm) if is_outer else (end.inward_mm, end.outward_mm)
            )
            better = np.maximum(better, share * away)
            worse = np.maximum(worse, share * back)
    return better, worse


def marks_of(
    kind: str, points: SurfacePoints, amount_mm: Floats, chosen: NDArray[np.bool_]
) -> tuple[MarginMark, ...]:
    """Return at most 300 of the chosen points, evenly taken."""
    picked = np.flatnonzero(chosen)
    if len(picked) > MOST_MARKS:
        picked = picked[np.linspace(0, len(picked) - 1, MOST_MARKS).astype(int)]
    return tuple(
        MarginMark(kind, _rounded(points.points_mm[index]), round(float(amount_mm[index]), 2))
        for index in picked.tolist()
    )


def regions_of(
    kind: str,
    points: SurfacePoints,
    amount_mm: Floats,
    chosen: NDArray[np.bool_],
    outer: Surface,
    slices_mm: Sequence[float],
) -> tuple[MarginRegion, ...]:
    """Return the largest connected parts of the chosen points, the deepest first."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - heavy
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 - heavy
    from scipy.spatial import KDTree  # noqa: PLC0415 - heavy

    picked = np.flatnonzero(chosen)
    if not len(picked):
        return ()
    places = points.points_mm[picked]
    reach = 2.5 * math.sqrt(points.area_mm2)
    pairs = KDTree(places).query_pairs(reach, output_type="ndarray")
    links = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(picked), len(picked)))
    count, labels = connected_components(links, directed=False)
    regions = []
    for label in range(count):
        members = picked[labels == label]
        if len(members) >= FEWEST_POINTS:
            deepest = members[np.argmax(amount_mm[members])]
            place = points.points_mm[deepest]
            height = float(outer.solid.frame.axes[2] @ place)
            nearest = min(slices_mm, key=lambda each: abs(each - height)) if slices_mm else height
            facing = AXES[int(np.argmax(DIRECTIONS @ points.normals[members].mean(axis=0)))]
            regions.append(
                MarginRegion(
                    kind,
                    len(members) * points.area_mm2,
                    float(amount_mm[deepest]),
                    _rounded(place),
                    float(nearest),
                    facing,
                )
            )
    largest = sorted(regions, key=lambda each: -each.area_mm2)[:MOST_REGIONS]
    return tuple(sorted(largest, key=lambda each: -each.depth_mm))


def _rounded(point: Floats) -> tuple[float, float, float]:
    x, y, z = (round(float(each), 2) + 0.0 for each in point)
    return (x, y, z)
