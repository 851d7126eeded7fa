"""A rigid registration: where a point of one frame of reference lies in another."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from planeval.errors import GeometryError

__all__ = ["Registration"]

Floats = NDArray[np.float64]

ORTHONORMAL = 1e-4
"""Largest error of a direction's length or of a right angle of a stored rotation: direction cosines
are decimal strings of at most 16 characters. Over 500 mm this is 0.05 mm."""


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """The map x_target = matrix x_source between two frames of reference, patient mm, 4 x 4.

    Only rotations and shifts: orthonormal with determinant +1. ``file`` is the base name of the REG
    object it was read from; date and comment are what that object says (untrusted text).

    Raises:
        GeometryError: the matrix is not rigid.
    """

    source_frame: str
    target_frame: str
    matrix: NDArray[np.float64]
    uid: str = ""
    file: str = ""
    date: str = ""
    comment: str = ""
    digest: str = field(default="", repr=False)
    patient_id: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, dtype=float)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
            raise GeometryError(f"registration {self.file}: the matrix is not 4 x 4 finite numbers")
        rotation = matrix[:3, :3]
        if not np.allclose(matrix[3], [0, 0, 0, 1], atol=1e-9, rtol=0):
            raise GeometryError(
                f"registration {self.file}: the last row is {matrix[3].tolist()}, not [0, 0, 0, 1]"
            )
        worst = float(np.abs(rotation @ rotation.T - np.eye(3)).max())
        if worst > ORTHONORMAL:
            raise GeometryError(
                f"registration {self.file}: the matrix is not orthonormal (off by {worst:.2g}): it "
                "scales or shears; only rigid registrations are applied"
            )
        if np.linalg.det(rotation) < 0:
            raise GeometryError(
                f"registration {self.file}: the matrix mirrors left and right (determinant -1)"
            )
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)

    def inverse(self) -> Registration:
        """Return the map in the other direction."""
        return Registration(
            self.target_frame, self.source_frame, np.linalg.inv(self.matrix).astype(np.float64),
            self.uid, self.file, self.date, self.comment, self.digest, self.patient_id,
        )  # fmt: skip

    def between(self, source: str, target: str) -> Registration | None:
        """Return the map from one frame to another, inverted where needed; None for other frames."""
        if (self.source_frame, self.target_frame) == (source, target):
            return self
        if (self.target_frame, self.source_frame) == (source, target):
            return self.inverse()
        return None

    def apply(self, points_xyz: object) -> Floats:
        """Return points (n, 3) of the source frame in the target frame."""
        points = np.atleast_2d(np.asarray(points_xyz, dtype=float))
        return np.asarray(points @ self.matrix[:3, :3].T + self.matrix[:3, 3])

    @property
    def angle_degrees(self) -> float:
        """Angle of the rotation."""
        cosine = (np.trace(self.matrix[:3, :3]) - 1) / 2
        return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))

    def __repr__(self) -> str:
        shift = ", ".join(f"{c:.1f}" for c in self.matrix[:3, 3])
        return f"Registration({self.file!r}, {self.angle_degrees:.2f} degrees, ({shift}) mm)"
