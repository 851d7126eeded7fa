"""Surfaces of solids: even points with normals, signed distances, and how far two solids agree.

A surface is the zero of a :class:`~planeval.geometry.solid.Solid`, as triangles. Side walls and the
horizontal faces where a solid ends belong to it alike. Distances are from points to triangles, not
to voxels; the sign says on which side of the field the point lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.geometry.booleans import combine
from planeval.geometry.solid import Solid, smooth_slabs, solid_of
from planeval.geometry.stack import PlanarStack, volume_cc

__all__ = [
    "Agreement",
    "Surface",
    "SurfacePoints",
    "agreement",
    "surface_of",
]

Floats = NDArray[np.float64]

NEIGHBOURS = 4
"""Triangles, by their centres, among which the nearest is looked for."""

LEAF_SIZE = 48
"""Large leaves are fastest where many triangles are equally near, as between round surfaces."""

HALVINGS = 8
"""Half a lattice step of 1 mm, halved as often, is 0.002 mm."""

MOST_POINTS = 5000
FINEST_POINTS_MM = 0.25

CURVE_BITS = 12

LAST_KEPT = 6


@dataclass(frozen=True, slots=True, eq=False)
class SurfacePoints:
    """Evenly spread points of a surface in patient mm, outward unit normals, and the area of each."""

    points_mm: Floats
    normals: Floats
    area_mm2: float

    @property
    def total_mm2(self) -> float:
        """The area of the surface."""
        return self.area_mm2 * len(self.points_mm)


class Surface:
    """The surface of a solid as triangles with outward normals, in patient mm."""

    def __init__(self, solid: Solid) -> None:
        self.solid = solid
        self._corners, self._normals, self._areas = _triangles(solid)

    @property
    def area_mm2(self) -> float:
        """The whole area, ends included."""
        return float(self._areas.sum())

    @cached_property
    def volume_cc(self) -> float:
        """The volume inside the triangles."""
        return float(self._cones().sum() / 1000.0)

    @cached_property
    def centroid_mm(self) -> tuple[float, float, float]:
        """The centre of volume."""
        cones = self._cones()
        x, y, z = cones @ self._corners.sum(axis=1) / 4 / cones.sum()
        return (float(x), float(y), float(z))

    @cached_property
    def bounds_mm(self) -> tuple[Floats, Floats]:
        """Lowest and highest patient (x, y, z)."""
        points = self._corners.reshape(-1, 3)
        return points.min(axis=0), points.max(axis=0)

    def points(self, spacing_mm: float | None = None) -> SurfacePoints:
        """Return points that each stand for the same area, about ``spacing_mm`` squared.

        By default as many as 5000, but none closer than 0.25 mm.
        """
        finest = max(FINEST_POINTS_MM, float(np.sqrt(self.area_mm2 / MOST_POINTS)))
        count = max(16, round(self.area_mm2 / (spacing_mm or finest) ** 2))
        order = _near_each_other(self._corners.mean(axis=1))
        summed = np.cumsum(self._areas[order])
        marks = (np.arange(count) + 0.5) * summed[-1] / count
        chosen = order[np.searchsorted(summed, marks)]
        # a place inside the triangle that differs from point to point, the same in every run
        first, second = np.modf(np.outer([0.754877666, 0.569840296], np.arange(1, count + 1)))[0]
        flip = first + second > 1
        first, second = np.where(flip, 1 - first, first), np.where(flip, 1 - second, second)
        a, b, c = np.moveaxis(self._corners[chosen], 1, 0)
        places = a + first[:, None] * (b - a) + second[:, None] * (c - a)
        return SurfacePoints(places, self._normals[chosen], self.area_mm2 / count)

    def depth_mm(self, points_xyz: Floats) -> Floats:
        """Return the signed distance of patient points to the surface: positive inside."""
        distance, _ = self.nearest(points_xyz)
        return np.where(self.solid.at(points_xyz) >= 0, distance, -distance)

    def nearest(self, points_xyz: Floats) -> tuple[Floats, Floats]:
        """Return the distance of each point to the surface, and the surface point that is nearest."""
        _, near = self._tree.query(points_xyz, k=min(NEIGHBOURS, len(self._areas)))
        near = near.reshape(len(points_xyz), -1)
        feet = _feet(points_xyz[:, None, :], self._corners[near])
        distances = np.linalg.norm(points_xyz[:, None, :] - feet, axis=2)
        best = np.argmin(distances, axis=1)
        rows = np.arange(len(best))
        return distances[rows, best], feet[rows, best]

    def travel_mm(self, points_xyz: Floats, direction: Sequence[float]) -> Floats:
        """Return how far each point can go along a direction before it leaves the solid.

        From outside it is the way back to the solid, negative; minus infinity where the line never
        meets it.
        """
        way = np.asarray(direction, float)
        inside = self.solid.at(points_xyz) >= 0
        result = np.full(len(points_xyz), -np.inf)
        for chosen, sign in ((inside, 1.0), (~inside, -1.0)):
            if chosen.any():
                result[chosen] = sign * self._crossing(points_xyz[chosen], sign * way, sign)
        return result

    def _crossing(self, start: Floats, way: Floats, sign: float) -> Floats:
        """Return the distance to the first place along the way where the field changes sign."""
        low, high = self.bounds_mm
        step = self.solid.step_mm / 2
        longest = float(np.linalg.norm(high - low)) + float(np.abs(start - (low + high) / 2).max())
        steps = np.full(len(start), -1)
        open_, before = np.arange(len(start)), sign * self.solid.at(start)
        for number in range(1, int(longest / step) + 2):
            now = sign * self.solid.at(start[open_] + number * step * way)
            crossed = (now < 0) & (before >= 0) if sign > 0 else (now <= 0) & (before > 0)
            steps[open_[crossed]] = number
            open_, before = open_[~crossed], now[~crossed]
            if not len(open_):
                break
        done = np.full(len(start), np.inf)
        met = steps > 0
        done[met] = self._refined(start[met], way, sign, step * steps[met] - step, step)
        return done

    def _refined(
        self, start: Floats, way: Floats, sign: float, from_mm: Floats, step_mm: float
    ) -> Floats:
        """Return where the field changes sign within a step, by halving: it may jump there."""
        low, high = from_mm, from_mm + step_mm
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            before = sign * self.solid.at(start + middle[:, None] * way) > 0
            low, high = np.where(before, middle, low), np.where(before, high, middle)
        return np.asarray((low + high) / 2)

    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import KDTree  # noqa: PLC0415 - heavy

        return KDTree(self._corners.mean(axis=1), leafsize=LEAF_SIZE)

    def _cones(self) -> Floats:
        """Return the signed volume between each triangle and the origin, in mm3."""
        a, b, c = np.moveaxis(self._corners, 1, 0)
        return np.asarray((a * np.cross(b, c)).sum(axis=1) / 6)


@lru_cache(maxsize=LAST_KEPT)
def surface_of(stack: PlanarStack, step_mm: float | None = None) -> Surface:
    """Return the surface of a stack's solid; see :func:`planeval.geometry.solid.solid_of`.

    The last few are kept: a CTV is the outer volume of one audit and the inner one of the next.
    """
    return Surface(solid_of(stack, step_mm))


def _triangles(solid: Solid) -> tuple[Floats, Floats, Floats]:
    """Return corners (n, 3, 3), outward normals and areas of the triangles of a surface."""
    from skimage.measure import marching_cubes  # noqa: PLC0415 - heavy

    vertices, faces, _, _ = marching_cubes(solid.values, 0.0)
    k, j, i = vertices.T.astype(float)
    heights = np.interp(k, np.arange(len(solid.w)), solid.w)
    places = np.column_stack(
        [solid.u[0] + i * solid.step_mm, solid.v[0] + j * solid.step_mm, heights]
    )
    corners = solid.frame.to_patient(places)[faces]
    a, b, c = np.moveaxis(corners, 1, 0)
    across = np.cross(b - a, c - a)
    if (a * across).sum() < 0:
        corners, across = corners[:, ::-1], -across
    areas = np.linalg.norm(across, axis=1) / 2
    solid_ones = areas > 1e-12
    corners, across, areas = corners[solid_ones], across[solid_ones], areas[solid_ones]
    return corners, across / (2 * areas[:, None]), areas


def _near_each_other(places: Floats) -> NDArray[np.intp]:
    """Return an order of places in which neighbours lie near each other: along a Z-order curve.

    Equal steps along it are then spread evenly over the surface.
    """
    low = places.min(axis=0)
    scale = (2**CURVE_BITS - 1) / max(float((places.max(axis=0) - low).max()), 1e-9)
    cells = ((places - low) * scale).astype(np.int64)
    codes = np.zeros(len(places), dtype=np.int64)
    for bit in range(CURVE_BITS):
        for axis in range(3):
            codes |= ((cells[:, axis] >> bit) & 1) << (3 * bit + axis)
    return np.argsort(codes, kind="stable")


def _feet(points: Floats, corners: Floats) -> Floats:
    """Return the nearest place on each triangle, (..., 3) and (..., 3, 3) -> (..., 3).

    Inside the triangle's prism it is the foot of the perpendicular, else the nearest of three edges.
    """
    a, b, c = corners[..., 0, :], corners[..., 1, :], corners[..., 2, :]
    ab, ac, ap = b - a, c - a, points - a
    d00, d01, d11 = _dot(ab, ab), _dot(ab, ac), _dot(ac, ac)
    d20, d21 = _dot(ap, ab), _dot(ap, ac)
    scale = np.maximum(d00 * d11 - d01**2, 1e-30)
    second = (d11 * d20 - d01 * d21) / scale
    third = (d00 * d21 - d01 * d20) / scale
    within = (second >= 0) & (third >= 0) & (second + third <= 1)
    foot = a + second[..., None] * ab + third[..., None] * ac
    best = np.where(within, _square(points - foot), np.inf)
    for start, end in ((a, b), (b, c), (c, a)):
        along = end - start
        share = np.clip(_dot(points - start, along) / np.maximum(_dot(along, along), 1e-30), 0, 1)
        place = start + share[..., None] * along
        distance = _square(points - place)
        closer = distance < best
        foot = np.where(closer[..., None], place, foot)
        best = np.where(closer, distance, best)
    return np.asarray(foot)


def _dot(one: Floats, other: Floats) -> Floats:
    return np.asarray((one * other).sum(axis=-1))


def _square(vectors: Floats) -> Floats:
    return _dot(vectors, vectors)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two solids agree.

    ``dice`` is 2 |A and B| / (|A| + |B|) of the smooth solids, by polygons in slabs of 1.5 mm
    (prisms of plane thickness would differ by 3 % where nothing does); None where the planes are
    not parallel. ``surface_dice`` is the share of both surfaces that lies within ``tolerance_mm`` of
    the other (Nikolov et al. 2021, J Med Internet Res 23:e26151). ``hausdorff_mm`` is the largest
    distance from either surface to the other, ``hd95_mm`` the larger of the two 95th percentiles by
    area, ``mean_distance_mm`` the mean over both areas. Differences and the shift of the centroid
    (patient x, y, z) are first minus second.
    """

    tolerance_mm: float
    dice: float | None
    surface_dice: float
    hausdorff_mm: float
    hd95_mm: float
    mean_distance_mm: float
    volume_difference_cc: float
    volume_difference_percent: float
    centroid_shift_mm: tuple[float, float, float]


def agreement(
    first: PlanarStack,
    second: PlanarStack,
    *,
    tolerance_mm: float,
    surfaces: tuple[Surface, Surface] | None = None,
) -> Agreement:
    """Return how far two solids agree; ``surfaces`` are theirs where they are known already."""
    one, other = surfaces or (surface_of(first), surface_of(second))
    forth = one.points()
    back = other.points()
    there, here = other.nearest(forth.points_mm)[0], one.nearest(back.points_mm)[0]
    weights = np.concatenate(
        [np.full(len(there), forth.area_mm2), np.full(len(here), back.area_mm2)]
    )
    both = np.concatenate([there, here])
    share = 1.0 / weights.sum()
    smooth = [smooth_slabs(stack) for stack in (first, second)]
    sizes = [volume_cc(stack) for stack in smooth]
    dice = None
    if first.frame.is_same(second.frame):
        common = combine(smooth[0], smooth[1], shapely.intersection)
        dice = 2 * volume_cc(common) / sum(sizes)
    shift = np.asarray(one.centroid_mm) - np.asarray(other.centroid_mm)
    return Agreement(
        tolerance_mm=tolerance_mm,
        dice=dice,
        surface_dice=float(weights[both <= tolerance_mm].sum() * share),
        hausdorff_mm=float(both.max()),
        hd95_mm=max(float(np.percentile(there, 95)), float(np.percentile(here, 95))),
        mean_distance_mm=float(both @ weights * share),
        volume_difference_cc=sizes[0] - sizes[1],
        volume_difference_percent=100 * (sizes[0] / sizes[1] - 1),
        centroid_shift_mm=(float(shift[0]), float(shift[1]), float(shift[2])),
    )
