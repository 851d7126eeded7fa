"""Signed distance from the nodes of a lattice to the outline of an area.

Within six steps of the outline distances are exact, up to a choice between edges that are equally
near within a quarter of a step (in slits narrower than two steps). Further away a node takes the
distance to the outline near that lattice node beside the outline that is nearest, which is too long
by less than half a step: these values only say how steeply a blend of two areas falls, not where it
vanishes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["signed_distance"]

Area = Any
Floats = NDArray[np.float64]

EXACT_STEPS = 6.0


def signed_distance(area: Area, u: Floats, v: Floats) -> Floats:
    """Return the distance to the outline at the nodes, positive inside, shape (v, u).

    ``u`` and ``v`` rise in equal steps. Raises ValueError for an empty area.
    """
    if area.is_empty:
        raise ValueError("an empty area has no outline to measure to")
    step = float(u[1] - u[0])
    uu, vv = np.meshgrid(u, v)
    nodes = np.column_stack([uu.ravel(), vv.ravel()])
    feet, distance = _near_feet(area, nodes, step)
    _fill_far(feet, distance, nodes, uu.shape)
    shapely.prepare(area)
    inside = shapely.contains_xy(area, uu, vv)
    distance = distance.reshape(uu.shape)
    return np.asarray(np.where(inside, distance, -distance))


def _near_feet(area: Area, nodes: Floats, step: float) -> tuple[Floats, Floats]:
    """Return the nearest outline point of each node and its distance, infinite where far."""
    from scipy.spatial import KDTree  # noqa: PLC0415 - heavy, and rarely needed

    start, end = _edges(area)
    place, edge = _points_along(start, end, step / 2)
    tree = KDTree(place, leafsize=32)
    reach, nearest = tree.query(nodes, distance_upper_bound=EXACT_STEPS * step)
    near = np.flatnonzero(np.isfinite(reach))
    if not len(near):
        near = np.arange(len(nodes))
        nearest = tree.query(nodes)[1]
    feet, distance = np.full_like(nodes, np.nan), np.full(len(nodes), np.inf)
    one = edge[nearest[near]]
    # the nearest outline point lies on the edge of the nearest sample, or on the one beyond its end
    for number in (one, np.minimum(one + 1, len(start) - 1), np.maximum(one - 1, 0)):
        foot = _foot(nodes[near], start[number], end[number])
        away = np.hypot(*(nodes[near] - foot).T)
        closer = away < distance[near]
        distance[near[closer]] = away[closer]
        feet[near[closer]] = foot[closer]
    return feet, distance


def _fill_far(feet: Floats, distance: Floats, nodes: Floats, shape: tuple[int, ...]) -> None:
    """Give far nodes the distance to the foot of the nearest near node."""
    from scipy.ndimage import distance_transform_edt  # noqa: PLC0415 - heavy, and rarely needed

    far = ~np.isfinite(distance)
    if not far.any():
        return
    beside = distance <= 1.01 * np.abs(np.diff(nodes[:2, 0]))[0]
    row, column = distance_transform_edt(
        ~beside.reshape(shape), return_distances=False, return_indices=True
    )
    seed = (row * shape[1] + column).ravel()[far]
    distance[far] = np.hypot(*(nodes[far] - feet[seed]).T)


def _edges(area: Area) -> tuple[Floats, Floats]:
    """Start and end points of every edge of the outline, ring after ring."""
    points, ring = shapely.get_coordinates(
        shapely.get_rings(shapely.get_parts(area)), return_index=True
    )
    same = ring[1:] == ring[:-1]
    return points[:-1][same], points[1:][same]


def _points_along(start: Floats, end: Floats, step: float) -> tuple[Floats, NDArray[np.intp]]:
    """Points no further apart than ``step`` along every edge, and the edge of each."""
    length = np.hypot(*(end - start).T)
    count = np.maximum(1, np.ceil(length / step)).astype(int)
    edge = np.repeat(np.arange(len(start)), count)
    nth = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    share = ((nth + 0.5) / count[edge])[:, None]
    return start[edge] + share * (end[edge] - start[edge]), edge


def _foot(nodes: Floats, start: Floats, end: Floats) -> Floats:
    """Return the point of each node's own edge that is nearest to it."""
    along = end - start
    square = np.maximum((along**2).sum(axis=1), 1e-30)
    share = np.clip(((nodes - start) * along).sum(axis=1) / square, 0.0, 1.0)
    return np.asarray(start + share[:, None] * along)
