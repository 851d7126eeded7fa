"""How much of a target lies in the liver: what tells an intrahepatic focus from another one.

``liver_percent`` = 100 (1 - |target - liver| / |target|), of the contours alone, in the method's own
reading of slices and end caps.
"""

from __future__ import annotations

from typing import Any

import shapely

from planeval.errors import GeometryError, PlanevalError
from planeval.geometry.booleans import combine
from planeval.geometry.stack import volume_cc
from planeval.model import Structure
from planeval.pipeline import Evaluation
from planeval.protocol.organs import standard_name

__all__ = ["LiverShares"]

_LIVER = "Liver"


class LiverShares:
    """The shares of one plan's targets in its liver.

    The liver is what the protocol takes for ``Liver``, else the only ROI whose name means it. A part
    of it (``Liver-GTV``) is not the liver: a target would lie outside by definition.
    """

    def __init__(self, evaluation: Evaluation) -> None:
        self._case = evaluation.case
        self._liver: Structure | None = None
        self._reason = ""
        matches = [each for each in evaluation.record.matches if each.protocol_name == _LIVER]
        names = [each.name_in_plan for each in matches if each.is_found]
        names = names or [name for name in self._case.structures if standard_name(name) == _LIVER]
        if len(names) != 1:
            several = ", ".join(names)
            self._reason = (
                f"several ROIs are the liver: {several}" if names else "no ROI is the liver"
            )
            return
        try:
            self._liver = self._case.structure(names[0])
        except PlanevalError as error:
            self._reason = f"the liver has no volume: {error}"

    def of(self, target: str) -> dict[str, Any]:
        """Return ``liver_percent`` of a target, and ``liver_reason`` where there is none."""
        if self._liver is None:
            return _no_share(self._reason)
        if target not in self._case.structures:
            return _no_share("the target has no volume")
        solid, choice = self._case.structures[target], self._case.method
        try:
            outside = combine(
                solid.stack, self._liver.stack, shapely.difference,
                caps=choice.caps, between=choice.between,
            )  # fmt: skip
        except GeometryError as error:
            return _no_share(f"not comparable with the liver: {error}")
        whole_cc = solid.volume_cc
        if not whole_cc > 0:
            return _no_share("the target has no volume")
        outside_cc = volume_cc(outside, caps=choice.caps, between=choice.between)
        return {"liver_percent": min(max(100.0 * (1.0 - outside_cc / whole_cc), 0.0), 100.0)}


def _no_share(reason: str) -> dict[str, Any]:
    return {"liver_percent": None, "liver_reason": reason}
