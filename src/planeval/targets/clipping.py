"""Which short points of a rule's surface clipping explains: the liver's edge, skin, an avoided organ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from planeval.geometry.surface import Surface

__all__ = ["clipped_points"]

Floats = NDArray[np.float64]


def clipped_points(
    points_mm: Floats,
    feet_mm: Floats,
    cutting: Sequence[Surface],
    *,
    inner_mm: Floats,
    tolerance_mm: float,
) -> NDArray[np.bool_]:
    """Return which points a structure cuts off, given the outer surface's nearest point to each.

    A structure that holds more than half of the inner points is a limit: it explains a point outside
    itself if the outer surface reaches up to the limit there. Any other structure is avoided: it
    explains a point inside itself if the outer surface reaches up to it. What the outer structure
    lacks short of the limit is not clipped.
    """
    clipped = np.zeros(len(points_mm), dtype=bool)
    for surface in cutting:
        is_limit = float((surface.depth_mm(inner_mm) > 0).mean()) > 0.5
        sign = 1.0 if is_limit else -1.0
        beyond = sign * surface.depth_mm(points_mm) < 0
        if beyond.any():
            left = sign * surface.depth_mm(feet_mm[beyond])
            clipped[np.flatnonzero(beyond)[left <= tolerance_mm]] = True
    return clipped
