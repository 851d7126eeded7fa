"""Independent answers: slow, simple, and sharing no code with the package."""

from __future__ import annotations

import itertools

import numpy as np
import shapely


def slab_volume_above(slabs, gradient, at_origin, level, *, cuts: int = 1) -> float:
    """Cc of axial slabs where at_origin + gradient . (x, y, z) >= level, by polygon clipping.

    Exact without a height gradient and without an in-plane one; else heights are cut into ``cuts``
    sub-slabs, whose dose is that of their middle.
    """
    total = 0.0
    in_plane = np.hypot(*gradient[:2])
    for slab in slabs:
        if in_plane == 0:
            height = (level - at_origin) / gradient[2]
            total += slab.area.area * np.clip(slab.high_mm - height, 0, slab.high_mm - slab.low_mm)
            continue
        edges = np.linspace(slab.low_mm, slab.high_mm, cuts + 1)
        for low, high in itertools.pairwise(edges):
            missing = level - at_origin - gradient[2] * (low + high) / 2
            direction = np.array(gradient[:2]) / in_plane
            foot = direction * missing / in_plane
            side = np.array([-direction[1], direction[0]]) * 1e3
            far = direction * 1e3
            half_plane = shapely.Polygon(
                [foot + side, foot - side, foot - side + far, foot + side + far]
            )
            total += slab.area.intersection(half_plane).area * (high - low)
    return float(total) / 1000.0


def sampled_doses(slabs, dose_at, *, step_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Doses and cc of a dense midpoint lattice over slabs in the axial frame, by point in polygon."""
    doses, volumes = [], []
    for slab in slabs:
        u0, v0, u1, v1 = slab.area.bounds
        u = np.arange(u0 + step_mm / 2, u1, step_mm)
        v = np.arange(v0 + step_mm / 2, v1, step_mm)
        n = max(1, int(np.ceil((slab.high_mm - slab.low_mm) / step_mm)))
        height = (slab.high_mm - slab.low_mm) / n
        uu, vv = np.meshgrid(u, v)
        inside = shapely.contains_xy(slab.area, uu.ravel(), vv.ravel())
        for cut in range(n):
            w = slab.low_mm + (cut + 0.5) * height
            points = np.column_stack(
                [uu.ravel()[inside], vv.ravel()[inside], np.full(inside.sum(), w)]
            )
            doses.append(dose_at(points))
            volumes.append(np.full(len(points), step_mm**2 * height / 1000.0))
    return np.concatenate(doses), np.concatenate(volumes)
