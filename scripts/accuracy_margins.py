"""Margins against closed forms, beside what works on voxels; and the time both take.

Solids are drawn every 1, 2, 3 and 5 mm at random phases and grown. The error is that of the volume, in
percent and as the mean shift of the surface: volume difference over surface area. Voxel methods get
the same contours painted on a CT grid of 0.98 x 0.98 mm x contour spacing: SimpleITK's ball dilation
(radii in whole voxels), and all voxel centres within the margin by SimpleITK's distance map.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import shapely
import SimpleITK as sitk  # noqa: N813 - the name everybody uses
from numpy.typing import NDArray

from accuracy_tables import table
from planeval.geometry.loft import lofts
from planeval.geometry.margin import Margins, expand
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack, volume_cc

__all__ = ["errors", "speed"]

Area = Any
Section = Callable[[float], Area]
SPACINGS_MM = (1.0, 2.0, 3.0, 5.0)
RADII_MM = (2.5, 5.0, 10.0, 20.0, 50.0)
AIM_PERCENT, AIM_MM = 0.5, 0.05
PIXEL_MM = 0.98
CT_SLICES = 120
"""Slices of 3 mm: a CT of the upper abdomen and the lungs, 36 cm."""

POINTS = 360
ELL = shapely.Polygon([(0, 0), (30, 0), (30, 12), (12, 12), (12, 30), (0, 30)])


@dataclass(frozen=True)
class Case:
    """A solid, margins one after the other, and the volume and surface they should lead to."""

    name: str
    low_mm: float
    high_mm: float
    section: Section
    margins: tuple[Margins, ...]
    volume_mm3: float
    surface_mm2: float
    is_flat: bool = False
    """Flat ends lie half a spacing beyond a plane."""

    def drawn(self, spacing_mm: float, phase: float) -> PlanarStack:
        """What a planner draws of it."""
        if self.is_flat:
            heights = np.arange(self.low_mm + spacing_mm / 2, self.high_mm, spacing_mm)
        else:
            first = np.ceil(self.low_mm / spacing_mm - phase)
            heights = (np.arange(first, self.high_mm / spacing_mm + 1) + phase) * spacing_mm
        areas = [(float(z), self.section(z)) for z in heights if self.low_mm < z < self.high_mm]
        planes = [DrawnPlane(z, area) for z, area in areas if area.area > 0.5]
        return PlanarStack(AXIAL, planes, spacing_mm=spacing_mm)


def errors(rng: np.random.Generator, phases: int) -> None:
    """Print the table of errors per spacing."""
    rows = []
    for name, cases in _cases(90.0):
        for spacing in SPACINGS_MM:
            found: dict[str, list[tuple[float, float]]] = {}
            skipped = 0
            for case in cases:
                for phase in [0.0] if case.is_flat else rng.uniform(0, 1, phases).tolist():
                    stack = case.drawn(spacing, phase)
                    if len(stack.planes) < 2:
                        skipped += 1
                        continue
                    for method, volume in _volumes(stack, case.margins):
                        shift = (volume - case.volume_mm3) / case.surface_mm2
                        percent = 100 * (volume / case.volume_mm3 - 1)
                        found.setdefault(method, []).append((percent, shift))
            ours = np.array(found["planeval"])
            met = (np.abs(ours[:, 0]) <= AIM_PERCENT) | (np.abs(ours[:, 1]) <= AIM_MM)
            rows.append(
                [name, f"{spacing:g}", f"{met.sum()} of {len(met)}"]
                + [_shown(found.get(method)) for method in METHODS]
                + [skipped or ""]
            )
    head = ["solid and margin", "spacing mm", f"within {AIM_PERCENT} % or {AIM_MM} mm", *METHODS]
    print(table([*head, "one plane only"], rows))


METHODS = ("planeval", "prisms", "SimpleITK dilation", "distance map")


def _shown(found: list[tuple[float, float]] | None) -> str:
    """Mean of the percent, and the worst shift in mm."""
    if not found:
        return ""
    percent, shift = np.array(found).T
    return f"{percent.mean():+.2f} % / {np.abs(shift).max():.3f} mm"


def _volumes(stack: PlanarStack, margins: tuple[Margins, ...]) -> Iterator[tuple[str, float]]:
    """Volumes in mm3 by every method that can answer."""
    grown = stack
    for margin in margins:
        grown = expand(grown, margin)
    yield "planeval", 1000 * volume_cc(grown)
    if len(margins) > 1 or margins[0].is_inward:
        return
    margin = margins[0]
    if margin == Margins.isotropic(margin.left):
        yield "prisms", _prisms(stack, margin.left)
    image, voxel_mm3 = _painted(stack, margin)
    if margin.left == margin.right and margin.superior == margin.inferior:
        radius = [round(margin.left / PIXEL_MM)] * 2
        radius.append(round(margin.superior / float(stack.spacing_mm or 1.0)))
        yield "SimpleITK dilation", _dilated(image, radius) * voxel_mm3
    if margin == Margins.isotropic(margin.left):
        distance = sitk.SignedMaurerDistanceMap(image, useImageSpacing=True, squaredDistance=False)
        near = sitk.GetArrayViewFromImage(distance) <= margin.left
        yield "distance map", float(near.sum()) * voxel_mm3


def _prisms(stack: PlanarStack, margin_mm: float) -> float:
    """The staircase of prisms, grown: its sections integrated over the height."""
    slabs = stack.slabs()
    low = min(slab.low_mm for slab in slabs) - margin_mm
    high = max(slab.high_mm for slab in slabs) + margin_mm
    count = int(np.ceil((high - low) / 0.5))
    heights = low + (np.arange(count) + 0.5) * (high - low) / count
    total = 0.0
    for height in heights:
        grown = []
        for slab in slabs:
            away = max(slab.low_mm - height, height - slab.high_mm, 0.0)
            if away < margin_mm and slab.readings & 2:
                reach = float(np.sqrt(margin_mm**2 - away**2))
                grown.append(shapely.buffer(slab.area, reach, quad_segs=32))
        total += shapely.union_all(grown).area
    return total * (high - low) / count


def _painted(stack: PlanarStack, margin: Margins) -> tuple[sitk.Image, float]:
    """The contours on a CT grid with room for the margin; 1 where a voxel centre is inside."""
    spacing = float(stack.spacing_mm or 1.0)
    u0, v0, u1, v1 = shapely.total_bounds([plane.area for plane in stack.planes])
    room = 3 * PIXEL_MM + max(margin.left, margin.right, margin.anterior, margin.posterior)
    u, v = (np.arange(a - room, b + room, PIXEL_MM) for a, b in ((u0, u1), (v0, v1)))
    slices = int(np.ceil(max(margin.superior, margin.inferior) / spacing)) + 2
    mask = np.zeros((len(stack.planes) + 2 * slices, len(v), len(u)), dtype=np.uint8)
    for k, plane in enumerate(stack.planes):
        shapely.prepare(plane.area)
        mask[slices + k] = shapely.contains_xy(plane.area, *np.meshgrid(u, v))
    image = sitk.GetImageFromArray(mask)
    image.SetSpacing([PIXEL_MM, PIXEL_MM, spacing])
    return image, PIXEL_MM**2 * spacing


def _dilated(image: sitk.Image, radius: list[int]) -> float:
    dilated = sitk.BinaryDilate(image, radius, sitk.sitkBall)
    return float(sitk.GetArrayViewFromImage(dilated).sum())


def _cases(largest_mm: float) -> Iterator[tuple[str, list[Case]]]:
    """Rows of the table: a name and the cases that it sums up."""
    ball, long = Margins.isotropic(5), Margins(5, 5, 5, 5, 15, 15)
    radii = [radius for radius in RADII_MM if radius <= largest_mm]
    yield "spheres, 5 mm", [_sphere(r, (ball,), r + 5, 0, 0) for r in radii]
    yield "spheres, 5/5/15 mm", [_sphere(r, (long,), r, 5, 15) for r in radii]
    chain = (ball, Margins(5, 5, 5, 5, 10, 10))
    yield "spheres, 5 then 5/5/10 mm", [_sphere(r, chain, r + 5, 5, 10) for r in radii if r < 50]
    inward = (Margins.isotropic(-4),)
    yield "spheres, -4 mm", [_sphere(r, inward, r - 4, 0, 0) for r in radii if 5 < r < 50]
    yield "box, 2/3/4/5/6/7 mm", [_box(Margins(2, 3, 4, 5, 6, 7))]
    yield "L with a re-entrant corner, 3 and 8 mm", [_ell(3.0), _ell(8.0)]
    pairs = [(10.0, 10.0, 18.0), (12.0, 7.0, 14.0), (20.0, 15.0, 28.0)]
    for name, tilt in (("side by side", 0.0), ("stacked", 90.0), ("oblique", 37.0)):
        yield f"two spheres {name}, 5 mm", [_pair(*pair, tilt) for pair in pairs]


def _disc(radius: float, centre: tuple[float, float] = (0.0, 0.0)) -> Area:
    angle = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    scale = np.sqrt(np.pi / (POINTS / 2 * np.sin(2 * np.pi / POINTS)))
    return shapely.Polygon(
        np.asarray(centre) + scale * radius * np.column_stack([np.cos(angle), np.sin(angle)])
    )


def _sphere(
    radius: float, margins: tuple[Margins, ...], ball: float, across: float, along: float
) -> Case:
    """A sphere, and a ball grown by a spheroid of two semi-axes (Steiner's formula)."""
    mu = np.linspace(-1, 1, 20001)
    support = np.sqrt(across**2 * (1 - mu**2) + along**2 * mu**2)
    meridian = np.hypot(across * mu, along * np.sqrt(1 - mu**2))
    surface = float(2 * np.pi * across * np.trapezoid(meridian, mu))
    width = float(2 * np.pi * np.trapezoid(support, mu))
    inner = 4 / 3 * np.pi * across**2 * along
    volume = inner + surface * ball + width * ball**2 + 4 / 3 * np.pi * ball**3
    return Case(
        "sphere", -radius, radius, lambda z: _disc(float(np.sqrt(max(radius**2 - z**2, 0.0)))),
        margins, volume, surface + 2 * width * ball + 4 * np.pi * ball**2,
    )  # fmt: skip


def _box(m: Margins) -> Case:
    x, y, z = 20.0, 24.0, 30.0
    a, b, c = m.left + m.right, m.anterior + m.posterior, m.superior + m.inferior
    flat = x * y * z + a * y * z + b * x * z + c * x * y
    volume = flat + np.pi / 4 * (a * b * z + a * c * y + b * c * x) + np.pi / 6 * a * b * c
    surface = 1.8 * ((x + a) * (y + b) + (x + a) * (z + c) + (y + b) * (z + c))
    return Case(
        "box", 0, z, lambda _z: shapely.box(0, 0, x, y), (m,), volume, surface, is_flat=True
    )


def _ell(margin: float) -> Case:
    away = (np.arange(500) + 0.5) * margin / 500
    reaches = np.sqrt(margin**2 - away**2).tolist()
    ends = 2 * margin * float(np.mean([ELL.buffer(r, quad_segs=90).area for r in reaches]))
    grown = ELL.buffer(margin, quad_segs=90)
    volume, surface = 30 * grown.area + ends, 30 * grown.length + 2 * grown.area
    margins = (Margins.isotropic(margin),)
    return Case("L", 0, 30, lambda _z: ELL, margins, volume, surface, is_flat=True)


def _pair(first: float, second: float, apart: float, tilt_degrees: float) -> Case:
    """Two spheres that overlap: two balls of 5 mm more without their common lens."""
    x, z = apart * np.cos(np.radians(tilt_degrees)), apart * np.sin(np.radians(tilt_degrees))

    def section(height: float) -> Area:
        discs = [
            _disc(float(np.sqrt(r**2 - (height - middle) ** 2)), (side, 0.0))
            for r, side, middle in ((first, 0.0, 0.0), (second, x, z))
            if abs(height - middle) < r
        ]
        return shapely.union_all(discs)

    a, b, d = first + 5, second + 5, apart
    both = 4 / 3 * np.pi * (a**3 + b**3)
    lens = np.pi * (a + b - d) ** 2 * (d**2 + 2 * d * (a + b) - 3 * (a - b) ** 2) / (12 * d)
    # caps beyond the common circle have the height of the radius minus the circle's distance
    caps = (
        2
        * np.pi
        * (a * (a - (d**2 + a**2 - b**2) / (2 * d)) + b * (b - (d**2 + b**2 - a**2) / (2 * d)))
    )
    surface = 4 * np.pi * (a**2 + b**2) - caps
    low, high = min(-first, z - second), max(first, z + second)
    return Case("pair", low, high, section, (Margins.isotropic(5),), both - lens, surface)


def speed(rounds: int = 5) -> None:
    """Print the time of margins around an irregular GTV of 535 cc, in turns, on all cores.

    A stack that was grown is remembered: every round asks for one that was not.
    """
    stack = _liver_gtv()
    image, _ = _painted(stack, Margins.isotropic(20))
    slab = sitk.ConstantPad(image, *_to_512(image), 0)
    more = CT_SLICES - slab.GetSize()[2]
    full = sitk.ConstantPad(slab, [0, 0, more // 2], [0, 0, more - more // 2], 0)
    tasks: dict[str, Callable[[], object]] = {
        "5/5/15 mm": lambda: expand(stack, Margins(5, 5, 5, 5, 15, 15)),
        "5 mm": lambda: expand(stack, Margins.isotropic(5)),
        "left 3, right 6, anterior 5, posterior 7, superior 15, inferior 10 mm": lambda: expand(
            stack, Margins(3, 6, 5, 7, 15, 10)
        ),
        "-3 mm": lambda: expand(stack, Margins.isotropic(-3)),
        f"SimpleITK ball dilation 5/5/15 mm, CT of 512 x 512 x {CT_SLICES}": lambda: _dilated(
            full, [5, 5, 5]
        ),
        f"the same, 512 x 512 x {slab.GetSize()[2]} around the GTV": lambda: _dilated(
            slab, [5, 5, 5]
        ),
        "the same, cropped to the GTV": lambda: _dilated(image, [5, 5, 5]),
        f"SimpleITK distance map, 512 x 512 x {slab.GetSize()[2]}": lambda: (
            sitk.SignedMaurerDistanceMap(slab)
        ),
    }
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _round in range(rounds + 1):
        for name, task in tasks.items():
            lofts.cache_clear()
            start = perf_counter()
            task()
            times[name].append(perf_counter() - start)
    rows = [
        [name, f"{np.median(seconds[1:]):.2f}", f"{min(seconds[1:]):.2f}"]
        for name, seconds in times.items()
    ]
    print(
        f"GTV of {volume_cc(stack):.0f} cc, {len(stack.planes)} contours of 150 points, 3 mm apart"
    )
    print()
    print(table(["task", "s, median", "least"], rows))


def _liver_gtv() -> PlanarStack:
    angle = np.linspace(0, 2 * np.pi, 150, endpoint=False)
    planes = []
    for z in np.arange(-49.0, 50.0, 3.0):
        lobes = 0.08 * np.cos(3 * angle + z / 30) + 0.05 * np.cos(5 * angle - z / 20)
        reach = 50 * np.sqrt(1 - (z / 51) ** 2) * (1 + lobes + 0.01 * np.sin(17 * angle + z))
        outline: NDArray[np.float64] = np.column_stack(
            [reach * np.cos(angle), reach * np.sin(angle)]
        )
        planes.append(DrawnPlane(float(z), shapely.Polygon(outline)))
    return PlanarStack(AXIAL, planes)


def _to_512(image: sitk.Image) -> tuple[list[int], list[int]]:
    missing = [512 - size for size in image.GetSize()[:2]]
    return [m // 2 for m in missing] + [0], [m - m // 2 for m in missing] + [0]
