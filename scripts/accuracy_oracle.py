"""A dense reference for DVHs that shares nothing with the package: jittered samples of solids.

A solid comes as (low, high, area) prisms. Each is cut into strips; along one random line per strip
the area's outline is crossed exactly, and the inside of the line is sampled at even steps with random
offsets, each sample at several jittered heights. The samples of a prism weigh what the prism weighs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

__all__ = ["PERCENTS", "Answers", "DoseFunction", "StoredDose", "answers"]

Floats = NDArray[np.float64]
Prism = tuple[float, float, Any]
DoseFunction = Callable[[Floats], Floats]
PERCENTS = (99, 95, 50, 5, 1)
V_SHARES = (0.8, 0.5, 0.2)
SAMPLES = 1_000_000


@dataclass(frozen=True)
class Answers:
    """Volume, D at PERCENTS, mean, and V in percent at the doses ``levels_gy``."""

    volume_cc: float
    d_gy: Floats
    mean_gy: float
    levels_gy: Floats
    v_percent: Floats


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


def answers(
    prisms: Sequence[Prism], dose: DoseFunction, *, samples: int = SAMPLES, seed: int = 1,
    volume_cc: float | None = None,
) -> Answers:  # fmt: skip
    """Sample a solid densely in a dose; ``volume_cc`` replaces the volume of the prisms."""
    rng = np.random.default_rng(seed)
    total = sum(area.area * (high - low) for low, high, area in prisms)
    step = (total / samples) ** (1 / 3)
    parts = [_sample(prism, step, rng) for prism in prisms]
    parts = [part for part in parts if len(part[0])]
    points = np.concatenate([part[0] for part in parts])
    weight = np.concatenate([part[1] for part in parts])
    gy = dose(points)
    order = np.argsort(-gy)
    hot = np.cumsum(weight[order])
    # the middle of each sample's own volume, in percent of the whole
    share = 100 * (hot - weight[order] / 2) / hot[-1]
    falling = gy[order]
    levels = np.interp([100 * v for v in V_SHARES], share, falling)
    return Answers(
        total / 1000 if volume_cc is None else volume_cc,
        np.interp(PERCENTS, share, falling),
        float(gy @ weight / weight.sum()),
        levels,
        np.array([100 * v for v in V_SHARES]),
    )


def _sample(prism: Prism, step: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Points and weights (mm3) of one prism."""
    low, high, area = prism
    inside, width = _line_samples(area, step, rng)
    if not len(inside):
        return np.zeros((0, 3)), np.zeros(0)
    heights = max(1, round((high - low) / step))
    jitter = (np.arange(heights) + rng.random((len(inside), heights))) / heights
    z = low + (high - low) * jitter
    points = np.column_stack([np.repeat(inside, heights, axis=0), z.ravel()])
    weight = np.repeat(width, heights)
    return points, weight * (area.area * (high - low) / weight.sum())


def _line_samples(area: Any, step: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """In-plane points inside an area and the length each stands for."""
    _u0, v0, _u1, v1 = area.bounds
    strips = max(1, int(np.ceil((v1 - v0) / step)))
    lines = v0 + (np.arange(strips) + rng.random(strips)) * (v1 - v0) / strips
    rings = [np.asarray(r.coords) for p in shapely.get_parts(area) for r in (p.exterior, *p.interiors)]
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
    cuts = np.maximum(1, np.round(length / step)).astype(int)
    which = np.repeat(np.arange(len(pair)), cuts)
    nth = np.arange(len(which)) - np.repeat(np.cumsum(cuts) - cuts, cuts)
    u = pair[which, 0] + (nth + rng.random(len(which))) * (length / cuts)[which]
    v = lines[line[order][::2]][which]
    return np.column_stack([u, v]), (length / cuts)[which]
