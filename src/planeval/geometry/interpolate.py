"""Shapes between two drawn planes, and the tapered end of a stack.

Between two areas A (below) and B (above) the shape at fraction t is where the blend of their signed
distances, ``(1 - t) d_A + t d_B``, is positive (shape-based interpolation; Raya and Udupa 1990, IEEE
Trans Med Imaging 9:32). Distances to the polygons are exact at the nodes of a raster (up to a choice
between edges that are equally near within a quarter of its step), and the outline is the zero line
between the nodes. Where only one of the areas has a part, that part shrinks to nothing at the other
plane if it lies more than its own depth outside the other area. So thin parts that shift sideways
from plane to plane lose volume, which prisms do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.geometry.distance import is_inside, outline_distance

__all__ = ["Blend", "between_shapes", "outline", "tapered_end"]

Area = Any

SUB_SLABS = 4
"""Interpolated shapes between two planes; the volume error of a cone falls with its square."""

RASTER_NODES = 72
"""Nodes along the longer side of the interpolation raster."""

TAPER_SLABS = 4


def between_shapes(
    low_mm: float, lower: Area, high_mm: float, upper: Area
) -> Iterator[tuple[float, float, Area]]:
    """Yield (low, high, area) of the slabs that lead from one area to the other."""
    edges = np.linspace(low_mm, high_mm, SUB_SLABS + 1)
    if lower.equals_exact(upper, 0.0):
        yield low_mm, high_mm, lower
        return
    blend = Blend(lower, upper)
    for index in range(SUB_SLABS):
        area = blend.at((index + 0.5) / SUB_SLABS)
        if not area.is_empty:
            yield float(edges[index]), float(edges[index + 1]), area


class Blend:
    """Shapes on the way from one area to another."""

    def __init__(self, lower: Area, upper: Area) -> None:
        self._u, self._v = _raster(shapely.box(*shapely.total_bounds([lower, upper])))
        self._below, self._above = _signed_distances((lower, upper), self._u, self._v)

    def at(self, fraction: float) -> Area:
        """Return the shape at a fraction of the way, 0 to 1."""
        field = (1 - fraction) * self._below + fraction * self._above
        return outline(field, self._u, self._v)


def tapered_end(end_mm: float, tip_mm: float, area: Area) -> Iterator[tuple[float, float, Area]]:
    """Yield (from, to, area) of slabs that shrink from the end plane to nothing at the tip.

    Each part shrinks as a half ellipsoid does: at the fraction s of the way, by the share
    ``1 - sqrt(1 - s^2)`` of the radius of its largest inscribed circle.
    """
    edges = np.linspace(end_mm, tip_mm, TAPER_SLABS + 1)
    parts = shapely.get_parts(area)
    radii = [shapely.length(shapely.maximum_inscribed_circle(part)) for part in parts]
    for index in range(TAPER_SLABS):
        fraction = (index + 0.5) / TAPER_SLABS
        share = 1 - np.sqrt(1 - fraction**2)
        smaller = shapely.union_all(
            [part.buffer(-share * r) for part, r in zip(parts, radii, strict=True)]
        )
        if not smaller.is_empty:
            yield float(edges[index]), float(edges[index + 1]), smaller


def _raster(area: Area) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Raster coordinates around an area with two nodes of margin."""
    u0, v0, u1, v1 = area.bounds
    step = max(u1 - u0, v1 - v0) / (RASTER_NODES - 5)
    return np.arange(u0 - 2 * step, u1 + 2.5 * step, step), np.arange(
        v0 - 2 * step, v1 + 2.5 * step, step
    )


def _signed_distances(
    areas: tuple[Area, Area], u: NDArray[np.float64], v: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Distances to two outlines, positive inside, each of shape (v, u).

    No shape between the two has an outline among nodes that all lie inside both or outside both:
    there the distance only has its sign.
    """
    uu, vv = np.meshgrid(u, v)
    inside = [is_inside(area, u, v) for area in areas]
    near = inside[0] != inside[1]
    around = near.copy()
    for ways in (inside[0], near):
        for one, other in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])):
            change = ways[one] != ways[other]
            around[one] |= change
            around[other] |= change
    near = around
    nodes = np.column_stack([uu[near], vv[near]])
    reach = float(u[-1] - u[0] + v[-1] - v[0])
    fields = []
    for area, mask in zip(areas, inside, strict=True):
        field = np.full(uu.shape, reach)
        field[near] = outline_distance(area, nodes, float(u[1] - u[0]))
        fields.append(np.where(mask, field, -field))
    return fields


def outline(field: NDArray[np.float64], u: NDArray[np.float64], v: NDArray[np.float64]) -> Area:
    """The area where the field is positive, by even-odd of its zero lines."""
    from skimage.measure import find_contours  # noqa: PLC0415 - heavy, and rarely needed

    area = shapely.Polygon()
    for line in find_contours(field, 0.0):
        if len(line) < 4:
            continue
        ring = np.column_stack(
            [
                np.interp(line[:, 1], np.arange(len(u)), u),
                np.interp(line[:, 0], np.arange(len(v)), v),
            ]
        )
        area = shapely.symmetric_difference(area, shapely.make_valid(shapely.Polygon(ring)))
    return area
