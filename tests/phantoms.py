"""Solids, doses and stacks with known answers, on geometry that hides no mistake.

Everything is made in mm of the patient (LPS) and can be drawn on any plane spacing and in any frame.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import shapely

from planeval.geometry.grid import Grid
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack, PlaneFrame
from planeval.model import Dose, DoseTerm, Method, Structure

Profile = Callable[[float], float]


def disc(radius_mm: float, centre=(0.0, 0.0), points: int = 240):
    """A regular polygon of a disc's own area (so that only the drawn planes are approximate)."""
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
    scale = np.sqrt(np.pi / (points / 2 * np.sin(2 * np.pi / points)))
    u = centre[0] + scale * radius_mm * np.cos(angles)
    v = centre[1] + scale * radius_mm * np.sin(angles)
    return shapely.Polygon(np.column_stack([u, v]))


def round_stack(
    profile: Profile,
    spacing_mm: float,
    *,
    half_mm: float,
    phase: float = 0.5,
    centre=(0.0, 0.0, 0.0),
    frame: PlaneFrame = AXIAL,
) -> PlanarStack:
    """Discs of radius profile(z) drawn every ``spacing_mm``; ``phase`` shifts the planes."""
    count = int(np.ceil(half_mm / spacing_mm)) + 1
    heights = (np.arange(-count, count + 1) + phase) * spacing_mm
    planes = [
        DrawnPlane(float(centre[2] + z), disc(profile(z), centre[:2]))
        for z in heights
        if abs(z) <= half_mm and profile(z) > 0
    ]
    return PlanarStack(frame, planes, spacing_mm=spacing_mm)


def sphere(radius_mm: float) -> Profile:
    return lambda z: float(np.sqrt(max(radius_mm**2 - z**2, 0.0)))


def cylinder(radius_mm: float) -> Profile:
    return lambda _z: radius_mm


def cone(radius_mm: float, half_mm: float) -> Profile:
    return lambda z: radius_mm * (half_mm - z) / (2 * half_mm)


def structure(stack: PlanarStack, name: str = "S", **choices) -> Structure:
    return Structure(name, stack, method=Method(**choices))


def dose_on_grid(
    function: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    *,
    step_mm=(2.5, 2.3, 1.7),
    half_mm=(40.0, 37.0, 43.0),
    centre=(0.0, 0.0, 0.0),
    row=(1.0, 0.0, 0.0),
    column=(0.0, 1.0, 0.0),
    descending: bool = False,
    fractions: int | None = 25,
) -> DoseTerm:
    """A dose term of function(x, y, z) Gy; steps and half sizes are along row, column, normal.

    The voxel centres never fall on the centre itself.
    """
    axes = np.stack([row, column, np.cross(row, column)]).astype(float)
    counts = [int(2 * half / step) + 1 for half, step in zip(half_mm, step_mm, strict=True)]
    start = [-half + 0.31 * step for half, step in zip(half_mm, step_mm, strict=True)]
    offsets = np.arange(counts[2]) * step_mm[2]
    first = start[2]
    if descending:
        first, offsets = start[2] + offsets[-1], -offsets
    origin = np.asarray(centre) + np.array([start[0], start[1], first]) @ axes
    grid = Grid(
        tuple(origin), tuple(axes[0]), tuple(axes[1]), step_mm[1], step_mm[0],
        counts[1], counts[0], tuple(offsets),
    )  # fmt: skip
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    points = grid.to_patient(np.stack([k.ravel(), j.ravel(), i.ravel()], axis=1))
    return DoseTerm(grid, function(*points.T).reshape(grid.shape), fractions)


def linear(per_x: float, per_y: float, per_z: float, at_centre: float = 100.0):
    """A linear dose in Gy per mm."""
    return lambda x, y, z: at_centre + per_x * x + per_y * y + per_z * z


def dose(*terms: DoseTerm) -> Dose:
    return Dose(terms)
