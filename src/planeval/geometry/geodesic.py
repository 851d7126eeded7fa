"""Geodesic distance: the shortest way to a seed that stays inside a lumen.

A shortest way is a chain of straight lines that bends only where it is pulled around the wall. So
every node of an isotropic grid keeps a *root*: the last bend of its way, or a point of the seed's
surface, and its distance is the root's distance plus the straight line to it.

1. A node that sees the nearest point of the seed has the exact distance at once.
2. Any other node tries the best root of its 26 neighbours; if it sees that, it is its own root.
3. If not, its way bends at a neighbour, and is then pulled taut around the wall: the bend slides back
   along the way and its corner is cut, as far as the wall allows, to a small part of a cell.

Nothing is added up along grid directions, so there is no metrication error (Dijkstra over 26
neighbours: up to 10 %) and no source error (first-order fast marching). The idea is that of any-angle
path planning (Nash et al. 2007, Theta*); seeds with a surface and taut bends are added here.
"""

from __future__ import annotations

from collections.abc import Callable
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

HALVINGS = 5
"""Halvings of the play of a bend that is pulled taut."""

BENDS_TRIED = 2
"""Neighbours at which a way may bend, the shortest way first; the next is for a wall between."""

SEED_NEIGHBOURS = 12
"""Points of the seed's surface to which a root may slide at a time."""

COS_STRAIGHT = float(np.cos(0.03))
COS_SHARP = float(np.cos(0.15))
"""Cosine of the largest turn that stays uncut; a way around a circle is then 0.2 % too long at most."""

_OFFSETS = np.array(
    [
        (k, j, i)
        for k in (-1, 0, 1)
        for j in (-1, 0, 1)
        for i in (-1, 0, 1)
        if (k, j, i) != (0, 0, 0)
    ]
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
    solid, surface = seed
    search = _Search(lumen, nodes, members, surface, limit_mm)
    search.start(solid)
    search.spread()
    values = np.full(int(np.prod(nodes.shape)), np.inf)
    inside = np.zeros(len(values), dtype=bool)
    values[members], inside[members] = search.distance[:-1], True
    search.continue_outside(values)
    return DistanceField(nodes, values.reshape(nodes.shape), inside.reshape(nodes.shape))


class _Bends:
    """Places where ways bend: their distance, and the place before; the seed's points come first."""

    def __init__(self, surface: Floats) -> None:
        self.seeds = self.count = len(surface)
        self.place, self.mm = surface.copy(), np.zeros(self.count)
        self.before = np.arange(self.count)

    def add(self, place: Floats, before: Ints) -> Ints:
        """Add bends after others; return their numbers."""
        need = self.count + len(place)
        if need > len(self.mm):
            more = max(need, 2 * len(self.mm)) - len(self.mm)
            self.place = np.concatenate([self.place, np.zeros((more, 3))])
            self.mm = np.concatenate([self.mm, np.zeros(more)])
            self.before = np.concatenate([self.before, np.zeros(more, dtype=np.int64)])
        added = np.arange(self.count, need)
        self.place[added], self.before[added] = place, before
        self.mm[added] = self.mm[before] + _length(place - self.place[before])
        self.count = need
        return added


class _Search:
    """The ways found so far; the last entry of every array stands for "no node"."""

    def __init__(
        self, lumen: Lumen, nodes: NodeGrid, members: Ints, surface: Floats, limit_mm: float
    ) -> None:
        self.lumen, self.nodes, self.members, self.limit_mm = lumen, nodes, members, limit_mm
        count = len(members)
        self.point = np.vstack([nodes.points(members), np.zeros(3)])
        self.distance = np.full(count + 1, np.inf)
        self.exact = np.zeros(count + 1, dtype=bool)
        self.root = np.zeros(count + 1, dtype=np.int64)
        self.bends = _Bends(surface)
        self.beside: Ints = np.zeros((0, 0), dtype=np.int64)
        self.number = np.full(int(np.prod(nodes.shape)), count, dtype=np.int32)
        self.number[members] = np.arange(count)
        _planes, rows, columns = nodes.shape
        self.offsets = (_OFFSETS[:, 0] * rows + _OFFSETS[:, 1]) * columns + _OFFSETS[:, 2]

    def start(self, solid: Lumen) -> None:
        """Give every node that sees the nearest point of the seed its exact distance."""
        from scipy.spatial import KDTree  # noqa: PLC0415 - heavy, and rarely needed

        surface = self.bends.place
        tree = KDTree(surface)
        length, nearest = tree.query(self.point[:-1], distance_upper_bound=self.limit_mm)
        near = np.flatnonzero(np.isfinite(length))
        is_seed = solid.holds(self.point[near])
        seen = is_seed | self.lumen.sees(self.point[near], surface[nearest[near]])
        found = near[seen]
        self.distance[found] = np.where(is_seed, -1.0, 1.0)[seen] * length[found]
        self.root[found], self.exact[found] = nearest[found], True
        if not seen.all():
            beside = tree.query(surface, k=min(SEED_NEIGHBOURS, len(surface)))[1]
            self.beside = beside.reshape(len(surface), -1)

    def spread(self) -> None:
        """Carry the ways on into what does not see the seed's nearest point, until none shortens."""
        changed = np.flatnonzero(self.exact) if len(self.beside) else self.beside.ravel()
        bound = 0.0
        waiting: Ints = np.zeros(0, dtype=np.int64)
        while len(changed) or len(waiting):
            around = self._around(changed).ravel()
            waiting = np.union1d(
                waiting, around[~self.exact[around] & (around < len(self.members))]
            )
            if not len(waiting):
                return
            neighbours = self._around(waiting)
            ways = self._ways(self.point[waiting], neighbours)
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

    def _ways(self, points: Floats, neighbours: Ints) -> Floats:
        """Length of the way from points over each neighbour's root, if the root were seen."""
        root = self.root[neighbours]
        ways = self.bends.mm[root] + _length(points[:, None, :] - self.bends.place[root])
        return np.where(np.isfinite(self.distance[neighbours]), ways, np.inf)

    def _improved(self, numbers: Ints, neighbours: Ints, ways: Floats) -> Ints:
        """Give nodes shorter ways where there are; return those that changed."""
        before = self.distance[numbers].copy()
        over = neighbours[np.arange(len(numbers)), ways.argmin(axis=1)]
        hidden = ~self._take_slid(numbers, self.root[over])
        self._bend(numbers[hidden], neighbours[hidden])
        changed = numbers[self.distance[numbers] < before - self._eps]
        self._tighten(changed)
        return np.asarray(changed)

    def _take_slid(self, numbers: Ints, root: Ints) -> Bools:
        """Take roots, slid along the seed where they lie on it and the slid one is seen."""
        slid = self._slid(self.point[numbers], root)
        seen = self._take(numbers, slid)
        again = ~seen & (slid != root)
        seen[again] = self._take(numbers[again], root[again])
        return seen

    def _slid(self, points: Floats, root: Ints) -> Ints:
        """Slide roots on the seed's surface towards the point nearest to each node."""
        slid = root.copy()
        which = np.flatnonzero(root < self.bends.seeds)
        for _ in range(3):
            beside = self.beside[slid[which]]
            away = _length(self.bends.place[beside] - points[which][:, None, :])
            slid[which] = beside[np.arange(len(which)), away.argmin(axis=1)]
        return slid

    def _take(self, numbers: Ints, root: Ints) -> Bools:
        """Take roots that are seen and shorten the way; return which are seen."""
        place = self.bends.place[root]
        seen = self.lumen.sees(self.point[numbers], place)
        length = self.bends.mm[root] + _length(self.point[numbers] - place)
        better = seen & (length < self.distance[numbers])
        self._set(numbers[better], root[better])
        return seen

    def _set(self, numbers: Ints, root: Ints) -> None:
        self.root[numbers] = root
        away = _length(self.point[numbers] - self.bends.place[root])
        self.distance[numbers] = self.bends.mm[root] + away

    def _bend(self, numbers: Ints, neighbours: Ints) -> None:
        """Bend the way at the neighbour that makes it shortest and is seen."""
        step = _length(self.point[neighbours] - self.point[numbers][:, None, :])
        ways = self.distance[neighbours] + step
        trying = np.arange(len(numbers))
        for _ in range(BENDS_TRIED):
            column = ways[trying].argmin(axis=1)
            useful = ways[trying, column] < self.distance[numbers[trying]]
            trying, column = trying[useful], column[useful]
            over = neighbours[trying, column]
            seen = self.lumen.sees(self.point[numbers[trying]], self.point[over])
            self._set(
                numbers[trying[seen]], self.bends.add(self.point[over[seen]], self.root[over[seen]])
            )
            ways[trying, column] = np.inf
            trying = trying[~seen]

    def _tighten(self, numbers: Ints) -> None:
        """Pull ways taut: slide the last bend back along its way, then cut its corner.

        Both only shorten. A sharp turn around a curved wall becomes many small ones.
        """
        numbers = numbers[self.root[numbers] >= self.bends.seeds]
        numbers = numbers[self._turns(numbers, COS_STRAIGHT)]
        root, before, here = self._last_bend(numbers)

        def is_clear(which: Ints, share: Floats) -> Bools:
            slid = root[which] + share[:, None] * (before - root)[which]
            return self.lumen.sees(here[which], slid)

        share = _largest_clear(len(numbers), is_clear)
        moved = share * _length(before - root) > self._eps
        numbers, share = numbers[moved], share[moved, None]
        place = root[moved] + share * (before[moved] - root[moved])
        self._set(numbers, self.bends.add(place, self.bends.before[self.root[numbers]]))
        self._cut_corner(numbers[self._turns(numbers, COS_SHARP)])

    def _turns(self, numbers: Ints, cos_least: float) -> Bools:
        """Whether the ways turn at their roots by at least an angle, and not right beside an end."""
        root, before, here = self._last_bend(numbers)
        back, ahead = _length(before - root), _length(here - root)
        cos = ((root - before) * (here - root)).sum(axis=1) / np.maximum(back * ahead, 1e-12)
        return np.asarray((np.minimum(back, ahead) > self.lumen.cell_mm) & (cos < cos_least))

    def _last_bend(self, numbers: Ints) -> tuple[Floats, Floats, Floats]:
        """Place of the root, of the bend before it, and of the node."""
        root = self.root[numbers]
        place = self.bends.place
        return place[root], place[self.bends.before[root]], self.point[numbers]

    def _cut_corner(self, numbers: Ints) -> None:
        """Replace a bend by a line between its two sides, as far from it as the wall allows."""
        root, before, here = self._last_bend(numbers)
        back_mm, ahead_mm = _length(before - root), _length(here - root)
        back, ahead = (before - root) / back_mm[:, None], (here - root) / ahead_mm[:, None]
        arm = np.minimum(back_mm, ahead_mm)

        def ends(which: Ints, share: Floats) -> tuple[Floats, Floats]:
            away = (share * arm[which])[:, None]
            return root[which] + away * back[which], root[which] + away * ahead[which]

        share = _largest_clear(
            len(numbers), lambda which, share: self.lumen.sees(*ends(which, share))
        )
        first, second = ends(np.arange(len(numbers)), share)
        earlier = self.bends.before[self.root[numbers]]
        self._set(numbers, self.bends.add(second, self.bends.add(first, earlier)))

    def continue_outside(self, values: Floats) -> None:
        """Continue the field over the wall: outside nodes beside the lumen take the nearest way.

        The way leads over the root of the neighbour that is nearest to the seed, seen or not.
        """
        reached = self.members[np.isfinite(self.distance[:-1])]
        around = np.unique((reached[:, None] + self.offsets).ravel())
        outside = around[self.number[around] == len(self.members)]
        points = self.nodes.points(outside)
        neighbours = self.number[outside[:, None] + self.offsets]
        ways = self._ways(points, neighbours)
        sign = np.where(self.distance[neighbours] < 0, -1.0, 1.0)
        values[outside] = (ways * sign).min(axis=1)


def _length(vectors: Floats) -> Floats:
    return np.asarray(np.sqrt((vectors**2).sum(axis=-1)))


def _largest_clear(count: int, is_clear: Callable[[Ints, Floats], Bools]) -> Floats:
    """The largest share from 0 to 1 that is clear, by halving; a very small one must be, too."""
    low, high = np.zeros(count), np.ones(count)
    which = np.arange(count)
    least = 0.5**HALVINGS
    which = which[is_clear(which, np.full(count, least))]
    low[which] = least
    for _ in range(HALVINGS):
        middle = (low[which] + high[which]) / 2
        clear = is_clear(which, middle)
        low[which[clear]], high[which[~clear]] = middle[clear], middle[~clear]
    return low
