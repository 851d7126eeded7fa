"""Signed distance from the nodes of a lattice to the outline of an area.

Within one and a half steps of the outline distances are exact, up to a choice between edges that
are equally near within a quarter of a step (in slits narrower than two steps). Further away a node
takes the distance to the outline near that lattice node beside the outline that is nearest, which is
too long by less than 0.6 steps: these values only say how steeply a blend of two areas falls, not
where it vanishes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["is_inside", "outline_distance", "signed_distance"]

Area = Any
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NODES_AROUND = 2
"""Nodes beside the node next to an outline point for which distances are exact: 1.5 steps or more."""


def signed_distance(area: Area, u: Floats, v: Floats) -> Floats:
    """Return the distance to the outline at the nodes, positive inside, shape (v, u).

    ``u`` and ``v`` rise in equal steps. Raises ValueError for an empty area.
    """
    if area.is_empty:
        raise ValueError("an empty area has no outline to measure to")
    outline = _Outline(area, float(u[1] - u[0]))
    uu, vv = np.meshgrid(u, v)
    nodes = np.column_stack([uu.ravel(), vv.ravel()])
    near = outline.near(u, v)
    if not near.any():
        near[:] = True
    feet, distance = np.full_like(nodes, np.nan), np.full(len(nodes), np.inf)
    feet[near.ravel()], distance[near.ravel()] = outline.feet(nodes[near.ravel()])
    _fill_far(feet, distance, nodes, uu.shape)
    distance = distance.reshape(uu.shape)
    return np.asarray(np.where(is_inside(area, u, v), distance, -distance))


def outline_distance(area: Area, nodes: Floats, step: float) -> Floats:
    """Return the distance of nodes (n, 2) to an outline, exact up to a choice between two edges.

    The edges are equally near within a quarter of ``step``.
    """
    return _Outline(area, step).feet(nodes)[1]


def is_inside(area: Area, u: Floats, v: Floats) -> Bools:
    """Return which lattice nodes lie inside, by the parity of the edges to the left in their row."""
    start, end = _edges(area)
    step = v[1] - v[0]
    first, last = (
        np.clip(np.ceil((side[:, 1] - v[0]) / step), 0, len(v)).astype(int) for side in (start, end)
    )
    count = np.abs(last - first)
    edge, nth = _numbered(count)
    row = np.minimum(first, last)[edge] + nth
    share = (v[row] - start[edge, 1]) / (end[edge, 1] - start[edge, 1])
    crossing = start[edge, 0] + share * (end[edge, 0] - start[edge, 0])
    column = np.clip(np.ceil((crossing - u[0]) / step), 0, len(u)).astype(int)
    # one column more than the lattice has, for what crosses beyond it
    wide = len(u) + 1
    crossed = np.bincount(row * wide + column, minlength=wide * len(v)).reshape(len(v), wide)
    return np.asarray(np.cumsum(crossed[:, :-1], axis=1) % 2 == 1)


class _Outline:
    """The edges of an area and points along them, no further apart than half a step."""

    def __init__(self, area: Area, step: float) -> None:
        start, end = _edges(area)
        self._step = step
        self._places, self._edge = _points_along(start, end, step / 2)
        self._start, self._along = start.T, (end - start).T
        self._square = np.maximum(self._along[0] ** 2 + self._along[1] ** 2, 1e-30)

    def near(self, u: Floats, v: Floats) -> Bools:
        """Return which nodes of a lattice lie so near that their distance is computed exactly."""
        from scipy.ndimage import maximum_filter1d  # noqa: PLC0415 - heavy, and rarely needed

        marks = np.zeros((len(v), len(u)), dtype=np.uint8)
        column, row = (
            np.clip(np.rint((along - ticks[0]) / self._step), 0, len(ticks) - 1).astype(int)
            for along, ticks in zip(self._places.T, (u, v), strict=True)
        )
        marks[row, column] = 1
        for axis in (0, 1):
            marks = maximum_filter1d(marks, 2 * NODES_AROUND + 1, axis=axis, mode="constant")
        return marks.astype(bool)

    def feet(self, nodes: Floats) -> tuple[Floats, Floats]:
        """Return the nearest outline point of each node and its distance."""
        from scipy.spatial import KDTree  # noqa: PLC0415 - heavy, and rarely needed

        _far, nearest = KDTree(self._places, leafsize=16).query(nodes)
        one, last = self._edge[nearest], len(self._square) - 1
        x, y = nodes.T
        foot_x, foot_y, square = x, y, np.full(len(nodes), np.inf)
        # the nearest outline point lies on the edge of the nearest sample, or on one beside it
        for edge in (one, np.minimum(one + 1, last), np.maximum(one - 1, 0)):
            (x0, y0), (dx, dy) = self._start[:, edge], self._along[:, edge]
            share = ((x - x0) * dx + (y - y0) * dy) / self._square[edge]
            share = np.clip(share, 0.0, 1.0)
            near_x, near_y = x0 + share * dx, y0 + share * dy
            away = (x - near_x) ** 2 + (y - near_y) ** 2
            closer = away < square
            foot_x, foot_y = np.where(closer, near_x, foot_x), np.where(closer, near_y, foot_y)
            square = np.where(closer, away, square)
        return np.column_stack([foot_x, foot_y]), np.sqrt(square)


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
    edge, nth = _numbered(count)
    share = ((nth + 0.5) / count[edge])[:, None]
    return start[edge] + share * (end[edge] - start[edge]), edge


def _numbered(count: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the number of each edge, repeated by its count, and 0, 1, ... within the repeats."""
    edge = np.repeat(np.arange(len(count)), count)
    return edge, np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
