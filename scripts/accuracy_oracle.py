"""A dense reference for DVHs that shares nothing with the package: samples of solids.

A solid comes as (low, high, area) prisms. Each is cut into strips; along one line per strip
the area's outline is crossed exactly, and the inside of the line is sampled at spread places, each at
spread heights. Strips are much narrower than the steps along them, because all samples of a line
share its place. The samples of a prism weigh what the prism weighs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

__all__ = ["PERCENTS", "V_PERCENTS", "Answers", "DoseFunction", "Samples", "StoredDose"]

Floats = NDArray[np.float64]
Prism = tuple[float, float, Any]
DoseFunction = Callable[[Floats], Floats]
PERCENTS = (99, 95, 50, 5, 1)
V_PERCENTS = (80, 50, 20)
"""V is asked at the doses that these parts of the solid reach."""
SAMPLES = 1_000_000
FINER_STRIPS, COARSER_ALONG, COARSER_HEIGHTS = 12, 3, 4
"""Sampling steps relative to a cube of one sample's volume."""

_GOLDEN, _PLASTIC = 0.6180339887498949, 0.7548776662466927
"""Multiples of these, modulo 1, fill the line and (with the square) the plane evenly."""

_TURN = np.array([[np.cos(0.35), -np.sin(0.35)], [np.sin(0.35), np.cos(0.35)]])
"""Edges and isodoses seldom run along the sampling lines then."""


@dataclass(frozen=True)
class Answers:
    """Volume, D at PERCENTS, mean, and the doses that V_PERCENTS of the volume reach."""

    volume_cc: float
    d_gy: Floats
    mean_gy: float
    levels_gy: Floats


@dataclass(frozen=True)
class StoredDose:
    """Doses at voxel centres (k, j, i) of an axial grid; calling it interpolates trilinearly."""

    origin_xyz: Floats
    step_xyz: Floats
    gy: Floats

    def __call__(self, points_xyz: Floats) -> Floats:
        """Dose at points, constant beyond the outermost centres."""
        index = ((points_xyz - self.origin_xyz) / self.step_xyz).T[::-1]
        return np.asarray(map_coordinates(self.gy, index, order=1, mode="nearest"))


class Samples:
    """A solid as points with weights; ``volume_cc`` replaces the volume of the prisms."""

    def __init__(
        self, prisms: Sequence[Prism], *, count: int = SAMPLES, seed: int = 1,
        volume_cc: float | None = None,
    ) -> None:  # fmt: skip
        rng = np.random.default_rng(seed)
        total = sum(area.area * (high - low) for low, high, area in prisms)
        step = (total / count) ** (1 / 3)
        parts = [part for prism in prisms if len((part := _sample(prism, step, rng))[0])]
        self.volume_cc = total / 1000 if volume_cc is None else volume_cc
        self.points = np.concatenate([points for points, _weight in parts])
        self.weight = np.concatenate([weight for _points, weight in parts])

    def in_dose(self, dose: DoseFunction) -> Answers:
        """What a DVH in this dose should say."""
        gy, weight = dose(self.points), self.weight
        order = np.argsort(-gy)
        hot = np.cumsum(weight[order])
        # the middle of each sample's own volume, in percent of the whole
        share = 100 * (hot - weight[order] / 2) / hot[-1]
        return Answers(
            self.volume_cc,
            np.interp(PERCENTS, share, gy[order]),
            float(gy @ weight / weight.sum()),
            np.interp(V_PERCENTS, share, gy[order]),
        )


def _sample(prism: Prism, step: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Points and weights (mm3) of one prism."""
    low, high, area = prism
    # a prism thinner than the step in height has its few samples further apart in plane
    widened = np.sqrt(max(1.0, COARSER_HEIGHTS * step / (high - low)))
    inside, width = _line_samples(area, step * widened, rng)
    if not len(inside):
        return np.zeros((0, 3)), np.zeros(0)
    heights = max(1, round((high - low) / (COARSER_HEIGHTS * step)))
    jitter = (np.arange(heights) + _evenly(_PLASTIC**2, len(inside), rng)[:, None]) / heights
    z = low + (high - low) * jitter
    points = np.column_stack([np.repeat(inside, heights, axis=0), z.ravel()])
    weight = np.repeat(width, heights)
    return points, weight * (area.area * (high - low) / weight.sum())


def _line_samples(area: Any, step: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """In-plane points inside an area and the length each stands for; lines run at an odd angle."""
    area = shapely.transform(area, lambda uv: uv @ _TURN.T)
    _u0, v0, _u1, v1 = area.bounds
    strips = max(1, int(np.ceil((v1 - v0) / step * FINER_STRIPS)))
    lines = v0 + (np.arange(strips) + _evenly(_GOLDEN, strips, rng)) * (v1 - v0) / strips
    rings = [
        np.asarray(r.coords) for p in shapely.get_parts(area) for r in (p.exterior, *p.interiors)
    ]
    start = np.concatenate([ring[:-1] for ring in rings])
    end = np.concatenate([ring[1:] for ring in rings])
    # an edge crosses the lines from its lower end (included) to its upper end (not included)
    first = np.searchsorted(lines, np.minimum(start[:, 1], end[:, 1]), side="left")
    last = np.searchsorted(lines, np.maximum(start[:, 1], end[:, 1]), side="left")
    count = last - first
    edge = np.repeat(np.arange(len(start)), count)
    line = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    along = (lines[line] - start[edge, 1]) / (end[edge, 1] - start[edge, 1])
    cross = start[edge, 0] + along * (end[edge, 0] - start[edge, 0])
    order = np.lexsort((cross, line))
    pair = cross[order].reshape(-1, 2)
    length = pair[:, 1] - pair[:, 0]
    cuts = np.maximum(1, np.round(length / (COARSER_ALONG * step))).astype(int)
    which = np.repeat(np.arange(len(pair)), cuts)
    nth = np.arange(len(which)) - np.repeat(np.cumsum(cuts) - cuts, cuts)
    u = pair[which, 0] + (nth + _evenly(_PLASTIC, len(which), rng)) * (length / cuts)[which]
    v = lines[line[order][::2]][which]
    return np.column_stack([u, v]) @ _TURN, (length / cuts)[which]


def _evenly(ratio: float, count: int, rng: np.random.Generator) -> Floats:
    """Offsets in 0..1 that fill the interval evenly from a random start."""
    return np.asarray((rng.random() + ratio * np.arange(count)) % 1.0)
