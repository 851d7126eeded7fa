"""Accuracy on closed forms: the engine's own error and the choice of method.

Doses are 60 Gy at the centre: linear (1 Gy/mm) along one axis or oblique, or quadratic (a hot spot
beside the centre that falls by up to 2 Gy/mm). Contour planes and dose grids lie at random phases.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from accuracy_oracle import PERCENTS, V_PERCENTS, Answers, DoseFunction, Samples, StoredDose
from accuracy_solids import SHAPES, Solid, draw, sections
from accuracy_tables import table
from planeval.dose.calculation import dose_volume_histogram
from planeval.dose.dvh import Dvh
from planeval.geometry.grid import Grid
from planeval.geometry.stack import CapReading, PlanarStack
from planeval.model import Dose, DoseTerm, Method, Structure

__all__ = ["CENTRE_GY", "engine_error", "histogram", "method_choice", "stored"]

Floats = NDArray[np.float64]
LATTICES = (2_000, 5_000, 10_000, 20_000)
SIZES_MM = (6.0, 15.0)
SPACINGS_MM = (1.0, 2.0, 3.0)
REACH_MM = 30.0
CENTRE_GY = 60.0
VOLUME_AIM_PERCENT, DOSE_AIM_PERCENT, DOSE_AIM_GY, V_AIM_POINTS = 0.05, 0.1, 0.02, 0.1
THINNEST_SECTION_MM = 0.05


@dataclass(frozen=True)
class Errors:
    """Differences from the truth: volume in %, D and mean in Gy, V in percentage points."""

    volume_percent: float
    d_gy: Floats
    mean_gy: float
    v_points: Floats
    truth_gy: Floats

    @property
    def doses_gy(self) -> Floats:
        """D and mean errors in one array."""
        return np.append(self.d_gy, self.mean_gy)

    @property
    def is_within_aims(self) -> bool:
        """Whether all of them meet the aims."""
        allowed = np.maximum(DOSE_AIM_GY, DOSE_AIM_PERCENT / 100 * self.truth_gy)
        return bool(
            abs(self.volume_percent) <= VOLUME_AIM_PERCENT
            and (np.abs(self.doses_gy) <= allowed).all()
            and (np.abs(self.v_points) <= V_AIM_POINTS).all()
        )


def doses() -> dict[str, DoseFunction]:
    """The dose functions of patient points, by name."""

    def along(x: float, y: float, z: float) -> DoseFunction:
        direction = np.array([x, y, z])
        return lambda points: CENTRE_GY + points @ direction

    def hot_spot(points: Floats) -> Floats:
        away = (points - [3.0, -4.0, 2.0]) * [1.0, 0.9, 0.8]
        # cut at zero, far outside every solid
        return np.maximum(CENTRE_GY - 0.05 * (away**2).sum(axis=1), 0.0)

    return {
        "linear AP": along(0, 1, 0),
        "linear SI": along(0, 0, 1),
        "linear oblique": along(0.48, 0.6, 0.64),
        "quadratic": hot_spot,
    }


def stored(function: DoseFunction, step_mm: float, phase: Floats) -> tuple[Dose, StoredDose]:
    """A dose on a grid, as planeval and as the oracle take it."""
    count = int(np.ceil(2 * REACH_MM / step_mm)) + 1
    origin = (phase - 1) * step_mm - REACH_MM
    offsets = tuple(float(n * step_mm) for n in range(count))
    x, y, z = origin
    grid = Grid((x, y, z), (1, 0, 0), (0, 1, 0), step_mm, step_mm, count, count, offsets)
    index = np.stack(np.meshgrid(*[np.arange(count)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    gy = function(grid.to_patient(index)).reshape(grid.shape)
    return Dose((DoseTerm(grid, gy),)), StoredDose(origin, np.full(3, step_mm), gy)


def histogram(stack: PlanarStack, dose: Dose, method: Method) -> Dvh:
    return dose_volume_histogram(Structure("solid", stack, method=method), dose)


def errors(dvh: Dvh, truth: Answers) -> Errors:
    return Errors(
        100 * (dvh.total_cc / truth.volume_cc - 1),
        np.array([float(dvh.d(percent=percent)) for percent in PERCENTS]) - truth.d_gy,
        float(dvh.mean()) - truth.mean_gy,
        np.array([float(dvh.v(gy=gy, unit="%")) for gy in truth.levels_gy]) - V_PERCENTS,
        np.append(truth.d_gy, truth.mean_gy),
    )


def engine_error(rng: np.random.Generator) -> None:
    """Print the errors against the exact contour solid in the trilinear field of the stored grid."""
    found: dict[int, list[Errors]] = defaultdict(list)
    seconds: dict[int, float] = defaultdict(float)
    noise = []
    shapes: dict[tuple[str, int], list[Errors]] = defaultdict(list)
    for solid, spacing, step in itertools.product(_solids(), SPACINGS_MM, SPACINGS_MM):
        stack = draw(solid, spacing, rng.random())
        prisms = [
            (slab.low_mm, slab.high_mm, slab.area)
            for slab in stack.slabs()
            if slab.readings & CapReading.CHOSEN
        ]
        samples = Samples(prisms)
        again = Samples(prisms, seed=2) if spacing == step else samples
        for function in doses().values():
            dose, field = stored(function, step, rng.random(3))
            truth = samples.in_dose(field)
            if again is not samples:
                noise.append(float(np.abs(truth.d_gy - again.in_dose(field).d_gy).max()))
            for cells in LATTICES:
                start = perf_counter()
                one = errors(histogram(stack, dose, Method(lattice_cells=cells)), truth)
                seconds[cells] += perf_counter() - start
                found[cells].append(one)
                shapes[solid.name, cells].append(one)
    count = len(found[LATTICES[0]])
    print(f"## Engine against the exact contour solid: {count} DVHs\n")
    print(f"Worst difference of two runs of the oracle: {max(noise):.4f} Gy\n")
    head = ["lattice cells", "within the aims", *_HEAD, "ms per DVH"]
    print(table(head, [
        [cells, _share(found[cells]), *_summary(found[cells]), f"{1000 * s / count:.0f}"]
        for cells, s in seconds.items()
    ]))  # fmt: skip
    print("\nBy shape, 10,000 cells:\n")
    print(table(["shape", "within the aims", *_HEAD], [
        [name, _share(all_of), *_summary(all_of)]
        for (name, cells), all_of in shapes.items() if cells == 10_000
    ]))  # fmt: skip


def method_choice(rng: np.random.Generator, phases: int) -> None:
    """Print the errors against the ideal solid for every choice of end caps and of what is between."""
    step = 2.0
    fields = {name: (f, stored(f, step, rng.random(3))[0]) for name, f in doses().items()}
    found: dict[tuple[str, str, str], list[Errors]] = defaultdict(list)
    by_spacing: dict[tuple[str, str, float], list[Errors]] = defaultdict(list)
    for solid in _solids():
        ideal = Samples(sections(solid, THINNEST_SECTION_MM), volume_cc=solid.volume_cc)
        truths = {name: ideal.in_dose(function) for name, (function, _dose) in fields.items()}
        for spacing, _phase in itertools.product(SPACINGS_MM, range(phases)):
            stack = draw(solid, spacing, rng.random())
            if len(stack.planes) < 2:
                continue
            for caps, between in METHODS:
                # the slabs are made once and reused in every dose
                slabs = stack.slabs(caps, between)  # type: ignore[arg-type]
                solid_of_method = PlanarStack(stack.frame, slabs=slabs)
                for name, (_function, dose) in fields.items():
                    one = errors(histogram(solid_of_method, dose, Method()), truths[name])
                    found[caps, between, solid.name].append(one)
                    by_spacing[caps, between, spacing].append(one)
    print("## Methods against the ideal solid\n")
    whole = [[caps, between, *_ideal(_of(found, caps, between))] for caps, between in METHODS]
    print(table(["caps", "between", *_IDEAL_HEAD], whole))
    for title, groups in (("shape", found), ("spacing", by_spacing)):
        print(f"\nMean absolute error by {title}: volume %, D (Gy)\n")
        keys = list(dict.fromkeys(key[2] for key in groups))
        print(table([title, *(f"{caps} + {between}" for caps, between in METHODS)], [
            [key, *(_short(groups[caps, between, key]) for caps, between in METHODS)]
            for key in keys
        ]))  # fmt: skip


METHODS = tuple(itertools.product(("half", "none", "tapered"), ("prism", "interpolated")))


def _solids() -> Iterator[Solid]:
    return (shape(size) for shape, size in itertools.product(SHAPES, SIZES_MM))


def _of(found: dict[tuple[str, str, str], list[Errors]], caps: str, between: str) -> list[Errors]:
    return [one for key, group in found.items() if key[:2] == (caps, between) for one in group]


_HEAD = [
    "volume % worst", "D Gy p95", "D Gy worst", "mean Gy p95", "mean Gy worst", "V pp p95",
    "V pp worst",
]  # fmt: skip
_IDEAL_HEAD = [
    "volume % mean abs (bias)", "p95", "worst", "D Gy mean abs", "p95", "worst", "D99 Gy p95",
    "D1 Gy p95", "mean Gy p95", "V pp p95",
]  # fmt: skip


def _share(found: list[Errors]) -> str:
    return f"{sum(one.is_within_aims for one in found)} of {len(found)}"


def _summary(found: list[Errors]) -> list[str]:
    d, mean, v = (
        np.abs(np.stack([np.atleast_1d(getattr(one, name)) for one in found]))
        for name in ("d_gy", "mean_gy", "v_points")
    )
    volume = max(abs(one.volume_percent) for one in found)
    pairs = [f"{number:.3f}" for array in (d, mean, v) for number in _tail(array)]
    return [f"{volume:.1e}", *pairs]


def _ideal(found: list[Errors]) -> list[str]:
    volume = np.array([one.volume_percent for one in found])
    d = np.stack([one.d_gy for one in found])
    mean = np.array([one.mean_gy for one in found])
    v = np.stack([one.v_points for one in found])
    return [
        f"{np.abs(volume).mean():.2f} ({volume.mean():+.2f})",
        *(f"{number:.2f}" for number in _tail(volume)),
        f"{np.abs(d).mean():.3f}",
        *(f"{number:.2f}" for number in _tail(d)),
        *(f"{_tail(column)[0]:.2f}" for column in (d[:, 0], d[:, -1], mean, v)),
    ]


def _short(found: Iterable[Errors]) -> str:
    found = list(found)
    volume = np.mean([abs(one.volume_percent) for one in found])
    return f"{volume:.2f}, {np.mean([np.abs(one.d_gy) for one in found]):.3f}"


def _tail(values: Floats) -> tuple[float, float]:
    absolute = np.abs(values)
    return float(np.percentile(absolute, 95)), float(absolute.max())
