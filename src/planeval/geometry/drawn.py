"""The union of structures that were drawn on the same planes, as planes.

The union of two solids has slabs, and no longer says where planes were drawn or how an end tapers.
Where the structures share their planes, the union of what was drawn on each is the drawing that one
structure would have had.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from planeval.geometry.rings import solid_part
from planeval.geometry.stack import DrawnPlane, PlanarStack

__all__ = ["drawn_union"]

SAME_HEIGHT_MM = 0.01


def drawn_union(stacks: Sequence[PlanarStack]) -> PlanarStack | None:
    """Return the union of drawn stacks plane by plane; None where they do not share their planes.

    They do if all have one frame and one spacing and their heights lie on one ladder of it.
    """
    first = stacks[0]
    if any(not stack.planes or not stack.frame.is_same(first.frame) for stack in stacks):
        return None
    spacings = [stack.spacing_mm or 0.0 for stack in stacks]
    if min(spacings) <= 0 or max(spacings) - min(spacings) > SAME_HEIGHT_MM:
        return None
    base, spacing = first.planes[0].offset_mm, spacings[0]
    by_rung: dict[int, list[DrawnPlane]] = {}
    for plane in (plane for stack in stacks for plane in stack.planes):
        rung = round((plane.offset_mm - base) / spacing)
        if abs(base + rung * spacing - plane.offset_mm) > SAME_HEIGHT_MM * max(1, abs(rung)):
            return None
        by_rung.setdefault(rung, []).append(plane)
    planes = [
        DrawnPlane(
            float(np.mean([plane.offset_mm for plane in here])),
            here[0].area
            if len(here) == 1
            else solid_part(shapely.union_all([plane.area for plane in here])),
        )
        for here in by_rung.values()
    ]
    return PlanarStack(first.frame, planes, spacing_mm=spacing)
