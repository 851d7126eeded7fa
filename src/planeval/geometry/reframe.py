"""The same solid in another plane frame of the same planes."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from planeval.errors import GeometryError
from planeval.geometry.stack import PARALLEL_TOLERANCE, DrawnPlane, PlanarStack, PlaneFrame, Slab

__all__ = ["in_frame"]


def in_frame(stack: PlanarStack, frame: PlaneFrame) -> PlanarStack:
    """Return the stack in a frame whose planes are parallel to its own.

    The frame may be turned or mirrored in its plane, and its heights may count the other way. Raises
    :class:`GeometryError` where the planes are not parallel.

    >>> upside_down = PlaneFrame((1.0, 0.0, 0.0), (0.0, -1.0, 0.0))
    >>> one = PlanarStack(upside_down, [DrawnPlane(7.0, shapely.box(0, 0, 2, 1))], spacing_mm=1)
    >>> moved = in_frame(one, PlaneFrame((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)))
    >>> moved.planes[0].offset_mm, moved.planes[0].area.bounds
    (-7.0, (0.0, -1.0, 2.0, 0.0))
    """
    if stack.frame.is_same(frame):
        return stack
    turn = frame.axes @ stack.frame.axes.T
    across = np.abs([*turn[2, :2], *turn[:2, 2]])
    if across.max() > PARALLEL_TOLERANCE:
        raise GeometryError(
            "the two structures are drawn on planes that are not parallel: "
            f"{np.round(stack.frame.axes[2], 4).tolist()} and "
            f"{np.round(frame.axes[2], 4).tolist()}"
        )
    in_plane, sign = turn[:2, :2], float(np.sign(turn[2, 2]))

    def moved(area: Any) -> Any:
        return shapely.transform(area, lambda points: _turned(points, in_plane))

    planes = [DrawnPlane(sign * plane.offset_mm, moved(plane.area)) for plane in stack.planes]
    slabs = []
    if not planes:
        for slab in stack.slabs():
            low, high = sorted((sign * slab.low_mm, sign * slab.high_mm))
            slabs.append(Slab(low, high, moved(slab.area), slab.readings))
    spacing = stack.spacing_mm if planes else None
    return PlanarStack(frame, planes, spacing_mm=spacing, slabs=slabs)


def _turned(points: NDArray[np.float64], turn: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(points @ turn.T)
