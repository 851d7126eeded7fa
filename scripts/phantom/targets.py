"""CTV and PTV grown from the tumour on a fine lattice.

Margins are Minkowski sums with an ellipsoid: the distance to the triangulated surface, measured in
units of the semi-axes, at most one. The vessel part is bounded by the length of the shortest path
inside the lumen, found by fast marching.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813 (its usual name)
from scipy.ndimage import distance_transform_edt, map_coordinates
from scipy.spatial import KDTree
from skimage.measure import marching_cubes

from phantom.anatomy import Patient
from phantom.shapes import Array, Shape


@dataclass(frozen=True, slots=True, eq=False)
class SampledField:
    """A function on a lattice of equal steps, values (k, j, i), below zero inside the solid."""

    values: Array
    low_mm: Array
    step_mm: float

    @property
    def axes_mm(self) -> tuple[Array, Array, Array]:
        """The lattice's x, y and z."""
        nk, nj, ni = self.values.shape
        x, y, z = (
            low + self.step_mm * np.arange(n)
            for low, n in zip(self.low_mm, (ni, nj, nk), strict=True)
        )
        return x, y, z

    def slice_at(self, z_mm: float) -> Array:
        """Values (j, i) at one height, linear between lattice planes, outside beyond them."""
        k = (z_mm - self.low_mm[2]) / self.step_mm
        if not 0 <= k <= self.values.shape[0] - 1:
            return np.ones(self.values.shape[1:])
        below = min(int(k), self.values.shape[0] - 2)
        part = k - below
        return (1 - part) * self.values[below] + part * self.values[below + 1]

    def at(self, x: Array, y: Array, z: Array) -> Array:
        """Values at positions, trilinear, the nearest edge value beyond the lattice."""
        index = [(c - low) / self.step_mm for c, low in zip((x, y, z), self.low_mm, strict=True)]
        return map_coordinates(self.values, index[::-1], order=1, mode="nearest")

    def surface_mm(self) -> Array:
        """Points (n, 3) x, y, z on the zero surface, about one per lattice cell."""
        vertices = marching_cubes(self.values, 0.0)[0]
        return vertices[:, ::-1] * self.step_mm + self.low_mm

    def with_values(self, values: Array) -> SampledField:
        """Other values on the same lattice."""
        return SampledField(values, self.low_mm, self.step_mm)


def sample_shapes(
    patient: Patient, shapes: list[Shape], *, low_mm: Array, high_mm: Array, step_mm: float
) -> list[SampledField]:
    """Several shapes on one lattice over a box."""
    x, y, z = (np.arange(a, b + step_mm, step_mm) for a, b in zip(low_mm, high_mm, strict=True))
    stacks: list[list[Array]] = [[] for _ in shapes]
    for height in z.tolist():
        points = patient.slice_points(x, y, height)
        for stack, shape in zip(stacks, shapes, strict=True):
            stack.append(points.of(shape))
    return [SampledField(np.stack(stack), np.asarray(low_mm), step_mm) for stack in stacks]


def grown(solid: SampledField, semi_axes_mm: tuple[float, float, float]) -> SampledField:
    """The Minkowski sum of a solid and an ellipsoid with semi-axes along x, y, z."""
    axes = np.asarray(semi_axes_mm)
    tree = KDTree(solid.surface_mm() / axes)
    outside = solid.values > 0
    k, j, i = np.nonzero(outside)
    points = np.column_stack([i, j, k]) * solid.step_mm + solid.low_mm
    limit = 1.0 + 3.0 * solid.step_mm / axes.min()
    distance, _ = tree.query(points / axes, distance_upper_bound=limit)
    values = np.full(solid.values.shape, -axes.min())
    values[outside] = (np.minimum(distance, limit) - 1.0) * axes.min()
    return solid.with_values(values)


def along_lumen(lumen: SampledField, seed: SampledField, length_mm: float) -> SampledField:
    """The part of a lumen whose shortest way to the seed, inside the lumen, is within length."""
    within = lumen.values < 0
    rim = within & (seed.values <= 0) & (seed.values > -2.0 * lumen.step_mm)
    marching = sitk.FastMarchingImageFilter()
    marching.SetTrialPoints([[int(i), int(j), int(k)] for k, j, i in np.argwhere(rim)])
    depth_mm = 2.0 * lumen.step_mm
    marching.SetInitialTrialValues((seed.values[rim] + depth_mm).tolist())
    marching.SetStoppingValue(length_mm + depth_mm + 10.0)
    speed = sitk.GetImageFromArray(within.astype(np.float64))
    speed.SetSpacing([lumen.step_mm] * 3)
    path_mm = sitk.GetArrayFromImage(marching.Execute(speed)) - depth_mm
    path_mm[within & (seed.values < 0)] = 0.0
    nearest = distance_transform_edt(~within, return_distances=False, return_indices=True)
    path_mm = np.minimum(path_mm[tuple(nearest)], length_mm + 10.0)
    return lumen.with_values(np.maximum(lumen.values, path_mm - length_mm))


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """The grown volumes and the tumour they come from, on one lattice."""

    gross: SampledField
    ctv: SampledField
    ptv: SampledField


def grow_targets(
    patient: Patient,
    *,
    step_mm: float,
    ctv_mm: float = 5.0,
    along_vessel_mm: float = 15.0,
    ptv_mm: tuple[float, float, float] = (5.0, 5.0, 10.0),
) -> Targets:
    """CTV = gross + 5 mm, with the vessel part where thrombus is drawn; PTV = CTV + margin."""
    anatomy, organs = patient.anatomy, patient.organs
    center = np.array(patient.to_patient_mm(anatomy.tumour_center_mm))
    reach = anatomy.scale * np.array(anatomy.tumour_radii_mm) * 1.35 + 22.0
    low, high = center - reach, center + reach
    if anatomy.thrombus:
        high = np.maximum(high, patient.to_patient_mm((22.0, 20.0, 45.0)))
        low = np.minimum(low, patient.to_patient_mm((-110.0, -50.0, -50.0)))
    names = ["GTV", "V_Portal", "PVTT"] if anatomy.thrombus else ["GTV"]
    shapes = [organs[name] for name in names]
    gross, *vessel = sample_shapes(patient, shapes, low_mm=low, high_mm=high, step_mm=step_mm)
    if vessel:
        lumen, thrombus = vessel
        gross = gross.with_values(np.minimum(gross.values, thrombus.values))
        lumen = lumen.with_values(np.minimum(lumen.values, thrombus.values))
        part = along_lumen(lumen, gross, along_vessel_mm)
        shell = grown(gross, (ctv_mm, ctv_mm, ctv_mm))
        ctv = shell.with_values(np.minimum(shell.values, part.values))
    else:
        ctv = grown(gross, (ctv_mm, ctv_mm, ctv_mm))
    return Targets(gross, ctv, grown(ctv, ptv_mm))
