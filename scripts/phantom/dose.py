"""A dose that looks like partial arcs around the target.

Two parts are blended by the distance from the PTV: a nearly even plateau inside, and outside a bath
made by projecting the target's outline along every gantry angle, attenuated with depth. Arcs and
bath give the streaks, the slow fall in the arc plane and the fast one across it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial import KDTree

from phantom.shapes import Array
from phantom.targets import SampledField

SOURCE_AXIS_MM = 1000.0
ATTENUATION_PER_MM = 0.0042
PIXEL_MM = 2.0
LEAKAGE = 0.003


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """An axial dose grid: centre of the first voxel, spacing in x, y, z, and shape (k, j, i)."""

    origin_mm: tuple[float, float, float]
    spacing_mm: tuple[float, float, float]
    shape: tuple[int, int, int]

    @property
    def axes_mm(self) -> tuple[Array, Array, Array]:
        """The voxel centres along x, y and z."""
        x, y, z = (
            o + s * np.arange(n)
            for o, s, n in zip(self.origin_mm, self.spacing_mm, self.shape[::-1], strict=True)
        )
        return x, y, z

    def sample(self, values: Array, points_mm: Array) -> Array:
        """Values at points (n, 3), trilinear between voxel centres, constant beyond the last."""
        index = (points_mm - self.origin_mm) / self.spacing_mm
        return map_coordinates(values, index.T[::-1], order=1, mode="nearest")


@dataclass(frozen=True, slots=True)
class Arcs:
    """Gantry start and sweep (IEC, > 0 clockwise) and the isocentre in patient LPS mm."""

    start_deg: float
    sweep_deg: float
    isocentre_mm: tuple[float, float, float]

    def angles_deg(self, step_deg: float) -> Array:
        """The angles treated, about `step_deg` apart."""
        count = round(abs(self.sweep_deg) / step_deg) + 1
        return self.start_deg + np.linspace(0.0, self.sweep_deg, count)


def beam_axes(angle_deg: float) -> tuple[Array, Array]:
    """In the (x, y) plane: the unit vector to the source and the beam's own X axis."""
    angle = np.radians(angle_deg)
    return np.array([np.sin(angle), -np.cos(angle)]), np.array([np.cos(angle), np.sin(angle)])


def project(
    points_mm: Array, isocentre_mm: tuple[float, float, float], angle_deg: float
) -> tuple[Array, Array]:
    """Where points (n, 3) appear in the isocentre plane: beam X and beam Y (superior), in mm."""
    to_source, across = beam_axes(angle_deg)
    offset = points_mm - np.asarray(isocentre_mm)
    magnified = SOURCE_AXIS_MM / (SOURCE_AXIS_MM - offset[:, :2] @ to_source)
    return (offset[:, :2] @ across) * magnified, offset[:, 2] * magnified


def arc_bath(
    grid: Grid,
    target_mm: Array,
    arcs: Arcs,
    *,
    body_mm: tuple[float, float, float, float],
    step_deg: float,
    seed: int,
) -> Array:
    """Sum of the open fields of all angles, (k, j, i), 1 on average at the isocentre.

    `target_mm`: points filling the target. `body_mm`: centre x, y and half axes of the trunk.
    """
    x, y, z = grid.axes_mm
    flat_x, flat_y = (a.ravel() for a in np.meshgrid(x, y))
    iso = arcs.isocentre_mm
    angles = arcs.angles_deg(step_deg)
    weights = 1.0 + 0.7 * np.random.default_rng(seed).uniform(-1.0, 1.0, angles.size)
    total = np.zeros((z.size, flat_x.size))
    for angle, weight in zip(angles, weights, strict=True):
        fluence, low = _aperture(*project(target_mm, iso, angle))
        to_source, across = beam_axes(angle)
        toward = (flat_x - iso[0]) * to_source[0] + (flat_y - iso[1]) * to_source[1]
        magnified = SOURCE_AXIS_MM / (SOURCE_AXIS_MM - toward)
        u = ((flat_x - iso[0]) * across[0] + (flat_y - iso[1]) * across[1]) * magnified
        v = (z - iso[2])[:, None] * magnified
        index = [(v - low[1]) / PIXEL_MM, np.broadcast_to((u - low[0]) / PIXEL_MM, v.shape)]
        depth = _depth_mm(flat_x, flat_y, to_source, body_mm)
        beam = np.exp(-ATTENUATION_PER_MM * depth) * (1.0 - np.exp(-depth / 4.0)) * magnified**2
        total += weight * beam * map_coordinates(fluence, index, order=1)
    bath = total.reshape(grid.shape)
    for width_mm, share in ((14.0, 0.10), (40.0, 0.06)):
        bath = bath + share * gaussian_filter(bath, [width_mm / s for s in grid.spacing_mm[::-1]])
    bath = bath / grid.sample(bath, np.array([iso]))[0] + LEAKAGE
    return bath * _in_trunk(flat_x, flat_y, body_mm).reshape(grid.shape[1:])


def _aperture(u: Array, v: Array) -> tuple[Array, tuple[float, float]]:
    """The outline of projected points with a 2 mm rim and a soft penumbra, with its corner."""
    low = (float(u.min()) - 24.0, float(v.min()) - 24.0)
    shape = (int((v.max() - low[1] + 24.0) / PIXEL_MM), int((u.max() - low[0] + 24.0) / PIXEL_MM))
    rows = np.rint((v - low[1]) / PIXEL_MM).astype(int)
    columns = np.rint((u - low[0]) / PIXEL_MM).astype(int)
    mask = np.zeros(shape)
    mask[rows, columns] = 1.0
    filled = (gaussian_filter(mask, 1.2) > 0.12).astype(float)
    return gaussian_filter(filled, 3.2 / PIXEL_MM), low


def _in_trunk(x: Array, y: Array, body_mm: tuple[float, float, float, float]) -> Array:
    """1 in the trunk, 0 in air, with a soft edge a few millimetres outside the skin."""
    cx, cy, a, b = body_mm
    norm = (np.abs((x - cx) / a) ** 2.25 + np.abs((y - cy) / b) ** 2.25) ** (1 / 2.25)
    return np.clip((1.05 - norm) / 0.03, 0.0, 1.0)


def _depth_mm(
    x: Array, y: Array, to_source: Array, body_mm: tuple[float, float, float, float]
) -> Array:
    """The way from the elliptic skin to each point along the beam; 0 outside."""
    cx, cy, a, b = body_mm
    a, b = 1.07 * a, 1.07 * b  # the trunk is fuller than an ellipse of its own half axes
    px, py, dx, dy = (x - cx) / a, (y - cy) / b, to_source[0] / a, to_source[1] / b
    aa, bb, cc = dx * dx + dy * dy, px * dx + py * dy, px * px + py * py - 1.0
    root = np.sqrt(np.clip(bb * bb - aa * cc, 0.0, None))
    return np.where(cc < 0, (root - bb) / aa, 0.0)


def signed_distance_mm(ptv: SampledField, grid: Grid, *, reach_mm: float = 30.0) -> Array:
    """Distance from the PTV surface on the dose grid, negative inside, at most `reach_mm`."""
    surface = ptv.surface_mm()
    low, high = surface.min(axis=0) - reach_mm, surface.max(axis=0) + reach_mm
    axes = grid.axes_mm
    windows = [slice(*np.searchsorted(c, [a, b])) for c, a, b in zip(axes, low, high, strict=True)]
    x, y, z = (c[w] for c, w in zip(axes, windows, strict=True))
    zz, yy, xx = np.meshgrid(z, y, x, indexing="ij")
    points = np.column_stack([xx.ravel(), yy.ravel(), zz.ravel()])
    distance = KDTree(surface).query(points, distance_upper_bound=reach_mm)[0]
    sign = np.where(ptv.at(xx, yy, zz) < 0, -1.0, 1.0)
    values = np.full(grid.shape, reach_mm)
    values[windows[2], windows[1], windows[0]] = sign * np.minimum(
        distance.reshape(xx.shape), reach_mm
    )
    return values


def plateau(grid: Grid, seed: int) -> Array:
    """The uneven top of the dose inside the target: 1 with smooth hills of about 2 percent."""
    raw = np.random.default_rng(seed).standard_normal(grid.shape)
    hills = gaussian_filter(raw, [11.0 / s for s in grid.spacing_mm[::-1]], mode="wrap")
    return 1.0 + 0.014 * hills / hills.std()


@dataclass(frozen=True, slots=True, eq=False)
class DoseModel:
    """The ingredients of a relative dose; `relative` mixes them."""

    top: Array
    bath: Array
    distance_mm: Array

    def relative(self, bath_scale: float, bath_power: float = 1.0) -> Array:
        """Plateau where deep inside the PTV, scaled bath outside, a steep sigmoid between."""
        inside = 1.0 / (1.0 + np.exp((self.distance_mm - 3.0) / 1.35))
        bath = bath_scale * self.bath**bath_power
        return inside * self.top + (1.0 - inside) * np.minimum(bath, 0.92)
