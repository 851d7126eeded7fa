"""How often the numeric band holds the truth of random smooth solids, and how wide it is.

Spheres, ellipsoids (upright and tilted), flat and standing tori, and lobed eggs that turn and drift;
contour planes and dose grids at random phases, spacings and voxels; linear, quadratic and radial doses.
The truth is the closed form of the ideal solid, asked twice: in the dose that is stored (trilinear
between voxels), which the band is to hold, and in the ideal dose, from which grid interpolation
differs and which the band does not promise to hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import shapely
from numpy.typing import NDArray

from accuracy_closed_forms import CENTRE_GY, histogram, stored
from accuracy_oracle import DoseFunction, Samples
from accuracy_solids import Solid, draw, random_ellipsoid, random_smooth, random_torus, sections
from accuracy_tables import table
from planeval.dose.dvh import Dvh
from planeval.model import Dose, Method, Value

__all__ = ["band_coverage", "interpolation"]

Floats = NDArray[np.float64]
PERCENTS = (99, 98, 95, 50, 5, 2, 1)
SMALL_CC = (0.03, 0.5)
V_PERCENTS = (95, 80, 50, 20, 5)
"""V and CV are asked at the doses that these parts of the solid reach."""
FEWEST_PLANES = 5
SECTION_MM = 0.1
SAMPLES = 200_000


@dataclass(frozen=True)
class Truth:
    """A solid's doses, hottest first, with the volume down to the middle of each, and its extremes."""

    volume_cc: float
    gy: Floats
    hot_cc: Floats
    mean_gy: float
    max_gy: float
    min_gy: float

    @classmethod
    def of(cls, samples: Samples, outline: Floats, dose: DoseFunction) -> Truth:
        """Take the truth from samples of a solid and points of its surface."""
        gy, weight = dose(samples.points), samples.weight
        order = np.argsort(-gy)
        hot = np.cumsum(weight[order])
        cc = (hot - weight[order] / 2) * samples.volume_cc / hot[-1]
        edge = dose(outline)
        return cls(
            samples.volume_cc, gy[order], cc, float(gy @ weight / weight.sum()),
            float(max(gy.max(), edge.max())), float(min(gy.min(), edge.min())),
        )  # fmt: skip

    def d(self, cc: float) -> float:
        """D(x) in Gy."""
        return float(np.interp(cc, self.hot_cc, self.gy))

    def v(self, gy: float) -> float:
        """V(d) in cc."""
        return float(np.interp(-gy, -self.gy, self.hot_cc))


def band_coverage(rng: np.random.Generator, count: int) -> None:
    """Print how often the truth lies in the band: at least 5 planes, and fewer."""
    tall, small = _Tally(), _Tally()
    tried = 0
    while tried < count:
        solid, spacing = _SOLIDS[tried % len(_SOLIDS)](rng), float(rng.uniform(1, 4))
        stack = draw(solid, spacing, rng.random())
        if len(stack.planes) < 2:
            continue
        is_tall = len(stack.planes) >= FEWEST_PLANES
        if not is_tall and small.count >= count // 4:
            continue
        name, function = _random_dose(rng)
        dose, grid = stored(function, float(rng.uniform(1, 3)), rng.random(3))
        dvh = histogram(stack, dose, Method())
        cut = sections(solid, SECTION_MM)
        outline = np.concatenate([_outlines(cut), _voxels(solid, dose)])
        samples = Samples(cut, count=SAMPLES, volume_cc=solid.volume_cc)
        truths = [Truth.of(samples, outline, field) for field in (grid, function)]
        (tall if is_tall else small).add(dvh, *truths, f"{solid.name}, {name}")
        tried += is_tall
    for title, tally in (
        (f"{tall.count} random smooth solids of {FEWEST_PLANES} planes or more", tall),
        (f"{small.count} smaller ones (2 to 4 planes): reported only", small),
    ):
        print(f"## Numeric band: {title}\n")
        print(tally.table())
        print()
    print(tall.misses())


def interpolation(rng: np.random.Generator, count: int) -> None:
    """Print what trilinear interpolation of the stored grid moves, by voxel size and curvature."""
    rows = []
    for step in (1.0, 2.0, 2.5, 3.0):
        found: dict[str, list[float]] = defaultdict(list)
        for _ in range(count):
            solid = random_ellipsoid(rng)
            _name, function = _random_dose(rng, only="radial")
            _dose, grid = stored(function, step, rng.random(3))
            cut = sections(solid, SECTION_MM)
            samples = Samples(cut, count=SAMPLES, volume_cc=solid.volume_cc)
            here, ideal = (Truth.of(samples, _outlines(cut), f) for f in (grid, function))
            for (name, _v, exact, scale), (_n, _w, true, _s) in zip(
                _asked(None, here, ideal), _asked(None, ideal, ideal), strict=True
            ):
                found[name].append(abs(exact - true) * scale)
        rows.append([f"{step:g}", *(
            f"{np.median(found[name]):.2f} / {np.percentile(found[name], 95):.2f}"
            for name in _INTERPOLATED
        )])  # fmt: skip
    print("## Grid interpolation: Gaussian dose (60 Gy, sigma 15 mm), median / p95 difference\n")
    print(table(["voxel mm", *_INTERPOLATED], rows))


_INTERPOLATED = (
    "Mean (Gy)", "D98% (Gy)", "D50% (Gy)", "D2% (Gy)", "Max (Gy)", "V at D50% (points)",
)  # fmt: skip


class _Tally:
    """Counts of held truths, widths and misses per metric."""

    def __init__(self) -> None:
        self.count = 0
        self._inside: dict[str, list[bool]] = defaultdict(list)
        self._cells: dict[str, list[bool]] = defaultdict(list)
        self._cells_width: dict[str, list[float]] = defaultdict(list)
        self._ideal: dict[str, list[bool]] = defaultdict(list)
        self._width: dict[str, list[float]] = defaultdict(list)
        self._beyond: dict[str, list[tuple[float, str]]] = defaultdict(list)

    def add(self, dvh: Dvh, truth: Truth, ideal: Truth, label: str) -> None:
        """Count one solid."""
        self.count += 1
        for name, value, exact, scale in _asked(dvh, truth, truth):
            self._inside[name].append(_holds(value, exact))
            self._width[name].append(scale * (value.high - value.low))
            self._beyond[name].append(
                (scale * max(value.low - exact, exact - value.high, 0.0), label)
            )
        for name, value, exact, scale in _asked(_of_cells(dvh), truth, truth):
            self._cells[name].append(_holds(value, exact))
            self._cells_width[name].append(scale * (value.high - value.low))
        for name, value, exact, _scale in _asked(dvh, ideal, ideal):
            self._ideal[name].append(_holds(value, exact))

    def table(self) -> str:
        """One row per metric."""
        head = ["metric", "cells and caps alone: held", "median width", "band: held",
                "median width", "p95 width", "farthest miss", "ideal dose held"]  # fmt: skip
        return table(head, [
            [name, _share(self._cells[name]), f"{np.median(self._cells_width[name]):.2f}",
             _share(self._inside[name]), f"{np.median(self._width[name]):.2f}",
             f"{np.percentile(self._width[name], 95):.2f}", f"{max(self._beyond[name])[0]:.2f}",
             _share(self._ideal[name])]
            for name in self._inside
        ])  # fmt: skip

    def misses(self) -> str:
        """The three farthest misses of every metric, for whoever wants to know why."""
        lines = []
        for name, beyond in self._beyond.items():
            worst = [f"{far:.2f} ({label})" for far, label in sorted(beyond)[:-4:-1] if far > 0]
            lines.append(f"* {name}: {'; '.join(worst) or 'none'}")
        return "\n".join(lines)


def _share(held: list[bool]) -> str:
    return f"{100 * np.mean(held):.1f} %"


def _of_cells(dvh: Dvh) -> Dvh:
    """The same DVH with bands of cells and cap readings alone."""
    return Dvh(dvh.name, dvh._curves, dvh._outside, hottest=dvh.hottest, coldest=dvh.coldest)


def _holds(value: Value, exact: float) -> bool:
    # rounding of float32 samples and the noise of the dense sampling
    slack = 1e-4 * abs(exact)
    return value.low - slack <= exact <= value.high + slack


def _asked(dvh: Dvh | None, truth: Truth, at: Truth) -> Iterator[tuple[str, Value, float, float]]:
    """Metric, value with its band, exact number, and the factor that makes the width readable.

    ``at`` says at which doses V is asked. Without a DVH the value is a placeholder.
    """
    volume = truth.volume_cc

    def asked(ask: Callable[[Dvh], Value]) -> Value:
        return Value.of(0.0, "Gy") if dvh is None else ask(dvh)  # type: ignore[arg-type]

    yield "Volume (%)", asked(Dvh.volume), volume, 100 / volume
    yield "Mean (Gy)", asked(Dvh.mean), truth.mean_gy, 1.0
    yield "Max (Gy)", asked(Dvh.max), truth.max_gy, 1.0
    yield "Min (Gy)", asked(Dvh.min), truth.min_gy, 1.0
    for percent in PERCENTS:
        value = asked(partial(Dvh.d, percent=percent))
        yield f"D{percent}% (Gy)", value, truth.d(percent / 100 * volume), 1.0
    for cc in SMALL_CC:
        if cc < 0.2 * volume:
            yield f"D{cc:g}cc (Gy)", asked(partial(Dvh.d, cc=cc)), truth.d(cc), 1.0
    for percent in V_PERCENTS:
        gy = at.d(percent / 100 * volume)
        hot = truth.v(gy)
        name = f"D{percent}% (points)"
        value = asked(partial(Dvh.v, gy=gy, unit="%"))
        yield f"V at {name}", value, 100 * hot / volume, 1.0
        value = asked(partial(Dvh.cv, gy=gy))
        yield f"CV, cc, at {name}", value, volume - hot, 100 / volume


def _outlines(cut: list[tuple[float, float, object]]) -> Floats:
    """Points of the surface, by the outlines of thin sections."""
    return np.concatenate(
        [
            np.column_stack([uv, np.full(len(uv), (low + high) / 2)])
            for low, high, area in cut
            if len(uv := shapely.get_coordinates(area))
        ]
    )


def _voxels(solid: Solid, dose: Dose) -> Floats:
    """Voxel centres inside a solid: the trilinear field has its peaks there."""
    grid = dose.terms[0].grid
    j, i = (n.ravel() for n in np.mgrid[: grid.rows, : grid.columns])
    found = [np.zeros((0, 3))]
    for k in range(len(grid.offsets_mm)):
        points = grid.to_patient(np.column_stack([np.full(len(i), k), j, i]))
        if solid.low_mm < points[0, 2] < solid.high_mm:
            area = solid.section(float(points[0, 2]))
            found.append(points[shapely.contains_xy(area, points[:, 0], points[:, 1])])
    return np.concatenate(found)


def _random_dose(rng: np.random.Generator, only: str = "") -> tuple[str, DoseFunction]:
    """A random dose and its name: 1 Gy/mm, a parabola, or a Gaussian spot."""
    name = only or str(rng.choice(["AP", "SI", "oblique", "quadratic", "radial"]))
    if name in ("quadratic", "radial"):
        spot = rng.uniform(-8, 8, 3)
        if name == "radial":
            return (
                name,
                lambda points: (
                    CENTRE_GY * np.exp(-((points - spot) ** 2).sum(axis=1) / (2 * 15.0**2))
                ),
            )
        bend = rng.uniform(0.02, 0.05, 3)
        return name, lambda points: np.maximum(CENTRE_GY - ((points - spot) ** 2) @ bend, 0.0)
    direction = {"AP": [0, 1, 0], "SI": [0, 0, 1]}.get(name, rng.normal(size=3))
    unit = np.asarray(direction) / np.linalg.norm(direction)
    return name, lambda points: CENTRE_GY + points @ unit


_SOLIDS = (random_smooth, random_ellipsoid, random_smooth, random_torus)
