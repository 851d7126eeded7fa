"""Geodesic distance: the shortest way to a seed that stays inside a lumen.

A shortest way is a chain of straight lines that bends only where it is pulled around the wall. So
every node of an isotropic grid keeps a *root*: the last bend of its way, or a point of the seed's
surface, and its distance is the root's distance plus the straight line to it.

1. A node that sees the nearest point of the seed has the exact distance at once.
2. Any other node tries the roots of its 26 neighbours; one that it sees is its own root.
3. If it sees none of them, its way bends near a neighbour, and the bend is pulled taut towards the
   straight line as far as the wall allows, to a small part of a cell.

Nothing is added up along grid directions, so there is no metrication error (Dijkstra over 26
neighbours: up to 10 %) and no source error (first-order fast marching). The idea is that of any-angle
path planning (Nash et al. 2007, Theta*); seeds with a surface and taut bends are added here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planeval.geometry.lumen import Lumen, NodeGrid

__all__ = ["DistanceField", "distance_field"]

Floats = NDArray[Any]
Ints = NDArray[Any]
Bools = NDArray[np.bool_]

IMPROVEMENT = 1e-3
"""Share of a step by which a way must be shorter to replace another."""

TIGHTENINGS = 5
"""Halvings of a bend's play between its node and the straight line."""

SEED_NEIGHBOURS = 12
"""Points of the seed's surface to which a root may slide at a time."""

_OFFSETS = np.array(
    [(k, j, i) for k in (-1, 0, 1) for j in (-1, 0, 1) for i in (-1, 0, 1) if (k, j, i) != (0, 0, 0)]
)


@dataclass(frozen=True, slots=True, eq=False)
class DistanceField:
    """Distances in mm at the nodes of a grid, shape (height, v, u).

    Negative inside the seed (by the distance to its surface), infinite where there is no way within
    the limit. ``inside`` marks the nodes of the lumen; near it, the field goes on outside as if there
    were no wall, so that its level lines cross the wall straight.
    """

    nodes: NodeGrid
    values: Floats
    inside: Bools


def distance_field(
    lumen: Lumen, nodes: NodeGrid, members: Ints, seed: tuple[Lumen, Floats], limit_mm: float
) -> DistanceField:
    """Return the geodesic distance of every member node, as far as ``limit_mm``.

    ``members``: flat indices of the nodes that a way may use. ``seed``: its solid, and points on its
    surface that are closer together than a node step.
    """
    search = _Search(lumen, nodes, members, limit_mm)
    search.start(*seed)
    search.spread()
    values = np.full(int(np.prod(nodes.shape)), np.inf)
    inside = np.zeros(len(values), dtype=bool)
    values[members], inside[members] = search.distance[:-1], True
    search.continue_outside(values)
    return DistanceField(nodes, values.reshape(nodes.shape), inside.reshape(nodes.shape))


class _Search:
    """The ways found so far; the last entry of every array stands for "no node"."""

    def __init__(self, lumen: Lumen, nodes: NodeGrid, members: Ints, limit_mm: float) -> None:
        self.lumen, self.nodes, self.members, self.limit_mm = lumen, nodes, members, limit_mm
        count = len(members)
        self.point = np.vstack([nodes.points(members), np.zeros(3)])
        self.distance = np.full(count + 1, np.inf)
        self.root = np.zeros((count + 1, 3))
        self.root_mm = np.full(count + 1, np.inf)
        self.root_seed = np.full(count + 1, -1)
        self.number = np.full(int(np.prod(nodes.shape)), count, dtype=np.int32)
        self.number[members] = np.arange(count)
        _planes, rows, columns = nodes.shape
        self.offsets = (_OFFSETS[:, 0] * rows + _OFFSETS[:, 1]) * columns + _OFFSETS[:, 2]

    def start(self, solid: Lumen, surface: Floats) -> None:
        """Give every node that sees the nearest point of the seed its exact distance."""
        from scipy.spatial import KDTree  # noqa: PLC0415 - heavy, and rarely needed

        tree = KDTree(surface)
        reach = self.limit_mm + 2 * self.nodes.step_mm
        length, nearest = tree.query(self.point[:-1], distance_upper_bound=reach)
        near = np.flatnonzero(np.isfinite(length))
        is_seed = solid.holds(self.point[near])
        seen = is_seed | self.lumen.sees(self.point[near], surface[nearest[near]])
        found = near[seen]
        self.distance[found] = np.where(is_seed, -1.0, 1.0)[seen] * length[found]
        self.root[found], self.root_mm[found] = surface[nearest[found]], 0.0
        self.root_seed[found] = nearest[found]
        self.exact = np.zeros(len(self.distance), dtype=bool)
        self.exact[found] = True
        self.surface = surface
        hidden = near[~seen]
        self.beside: Ints = np.zeros((0, 0), dtype=np.int64)
        if len(hidden) and len(found):
            self.beside = tree.query(surface, k=min(SEED_NEIGHBOURS, len(surface)))[1]
            self.beside = self.beside.reshape(len(surface), -1)

    def spread(self) -> None:
        """Carry the ways on into what does not see the seed's nearest point, until none shortens."""
        changed = np.flatnonzero(self.exact)
        bound = 0.0
        waiting: Ints = np.zeros(0, dtype=np.int64)
        while len(changed) or len(waiting):
            around = self._around(changed).ravel()
            waiting = np.union1d(waiting, around[~self.exact[around] & (around < len(self.members))])
            if not len(waiting):
                return
            neighbours = self._around(waiting)
            ways = self._ways(waiting, neighbours)
            best = ways.min(axis=1)
            useful = best < np.minimum(self.distance[waiting], self.limit_mm) - self._eps
            waiting, neighbours, ways = waiting[useful], neighbours[useful], ways[useful]
            best = best[useful]
            if not len(waiting):
                return
            bound = max(bound, float(best.min())) + self.nodes.step_mm
            due = best <= bound
            changed = self._improved(waiting[due], neighbours[due], ways[due])
            waiting = waiting[~due]

    @property
    def _eps(self) -> float:
        return IMPROVEMENT * self.nodes.step_mm

    def _around(self, numbers: Ints) -> Ints:
        """Numbers of the 26 neighbours of each node."""
        return np.asarray(self.number[self.members[numbers][:, None] + self.offsets])

    def _ways(self, numbers: Ints, neighbours: Ints) -> Floats:
        """Length of the way over each neighbour's root, if the root were seen."""
        along = self.point[numbers][:, None, :] - self.root[neighbours]
        return np.asarray(self.root_mm[neighbours] + np.sqrt((along**2).sum(axis=2)))

    def _improved(self, numbers: Ints, neighbours: Ints, ways: Floats) -> Ints:
        """Give nodes shorter ways where there are; return those that changed."""
        rows = np.arange(len(numbers))
        before = self.distance[numbers].copy()
        over = neighbours[rows, ways.argmin(axis=1)]
        root, root_mm, seed = self.root[over], self.root_mm[over], self.root_seed[over]
        slid = self._slid(self.point[numbers], seed)
        slid_root = np.where(slid[:, None] >= 0, self.surface[slid], root)
        open_ = self._take(numbers, slid_root, root_mm, slid)
        again = ~open_ & (slid != seed)
        open_[again] = self._take(numbers[again], root[again], root_mm[again], seed[again])
        hidden = np.flatnonzero(~open_)
        self._bend(numbers[hidden], neighbours[hidden])
        return np.asarray(numbers[self.distance[numbers] < before - self._eps])

    def _slid(self, points: Floats, seed: Ints) -> Ints:
        """Slide roots on the seed's surface towards the point nearest to each node."""
        for _ in range(3):
            beside = self.beside[seed]
            along = self.surface[beside] - points[:, None, :]
            nearest = (along**2).sum(axis=2).argmin(axis=1)
            seed = np.where(seed >= 0, beside[np.arange(len(seed)), nearest], -1)
        return seed

    def _take(self, numbers: Ints, root: Floats, root_mm: Floats, seed: Ints) -> Bools:
        """Take roots that are seen and give a shorter way; return which are seen."""
        seen = self.lumen.sees(self.point[numbers], root)
        length = root_mm + np.sqrt(((self.point[numbers] - root) ** 2).sum(axis=1))
        better = seen & (length < self.distance[numbers])
        which = numbers[better]
        self.distance[which] = length[better]
        self.root[which], self.root_mm[which] = root[better], root_mm[better]
        self.root_seed[which] = seed[better]
        return seen

    def _bend(self, numbers: Ints, neighbours: Ints) -> None:
        """Bend the way at the best neighbour, pulled taut around the wall."""
        if not len(numbers):
            return
        steps = np.sqrt(((self.point[neighbours] - self.point[numbers][:, None, :]) ** 2).sum(2))
        ways = self.distance[neighbours] + steps
        for _ in range(3):
            column = ways.argmin(axis=1)
            over = neighbours[np.arange(len(numbers)), column]
            useful = ways[np.arange(len(numbers)), column] < self.distance[numbers]
            seen = np.zeros(len(numbers), dtype=bool)
            seen[useful] = self.lumen.sees(self.point[numbers[useful]], self.point[over[useful]])
            self._bend_at(numbers[seen], over[seen])
            ways[np.arange(len(numbers)), column] = np.inf

    def _bend_at(self, numbers: Ints, over: Ints) -> None:
        here, origin, node = self.point[numbers], self.root[over], self.point[over]
        # a node inside the seed is a root itself; any other bends between its root and here
        along = here - origin
        share = ((node - origin) * along).sum(axis=1) / np.maximum((along**2).sum(axis=1), 1e-12)
        towards = origin + np.clip(share, 0, 1)[:, None] * along - node
        low, high = np.zeros(len(numbers)), np.ones(len(numbers))
        for _ in range(TIGHTENINGS):
            middle = (low + high) / 2
            bend = node + middle[:, None] * towards
            clear = self.lumen.sees(bend, origin) & self.lumen.sees(here, bend)
            low, high = np.where(clear, middle, low), np.where(clear, high, middle)
        bend = node + low[:, None] * towards
        bend_mm = self.root_mm[over] + np.sqrt(((bend - origin) ** 2).sum(axis=1))
        length = bend_mm + np.sqrt(((here - bend) ** 2).sum(axis=1))
        better = length < self.distance[numbers]
        which = numbers[better]
        self.distance[which] = length[better]
        self.root[which], self.root_mm[which] = bend[better], bend_mm[better]
        self.root_seed[which] = -1

    def continue_outside(self, values: Floats) -> None:
        """Continue the field over the wall: outside nodes beside the lumen take the nearest way.

        The way leads over the root of the neighbour that is nearest to the seed, seen or not.
        """
        reached = self.members[np.isfinite(self.distance[:-1])]
        around = np.unique((reached[:, None] + self.offsets).ravel())
        outside = around[self.number[around] == len(self.members)]
        points = self.nodes.points(outside)
        neighbours = self.number[outside[:, None] + self.offsets]
        along = points[:, None, :] - self.root[neighbours]
        ways = self.root_mm[neighbours] + np.sqrt((along**2).sum(axis=2))
        sign = np.where(self.distance[neighbours] < 0, -1.0, 1.0)
        values[outside] = (ways * sign).min(axis=1)
