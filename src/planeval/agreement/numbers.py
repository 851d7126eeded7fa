"""The numbers of a cumulative curve, read the same way whoever made it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Numbers"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """A cumulative DVH as nodes, straight lines between them, and what follows from it.

    ``minimum_gy``, ``maximum_gy`` and ``mean_gy`` are stated beside the curve, None where they are
    not: then the mean is the integral of the curve, and there are no extremes.

    >>> curve = Numbers(np.array([0.0, 10.0, 20.0]), np.array([4.0, 4.0, 0.0]))
    >>> curve.total_cc, curve.mean(), curve.d(50), curve.v_percent(15)
    (4.0, 15.0, 15.0, 50.0)
    """

    dose_gy: Floats
    volume_cc: Floats
    minimum_gy: float | None = None
    maximum_gy: float | None = None
    mean_gy: float | None = None

    @property
    def total_cc(self) -> float:
        """Volume of the whole curve."""
        return float(self.volume_cc[0])

    def mean(self) -> float:
        """The stated mean, else the integral of the curve from 0 Gy on."""
        if self.mean_gy is not None:
            return self.mean_gy
        area = float(np.trapezoid(self.volume_cc, self.dose_gy))
        return float(self.dose_gy[0]) + area / self.total_cc

    def d(self, percent: float) -> float:
        """The largest dose that at least a share of the volume receives."""
        wanted = percent / 100.0 * self.total_cc
        at = int(np.flatnonzero(self.volume_cc >= wanted)[-1])
        if at + 1 == len(self.volume_cc):
            return float(self.dose_gy[at])
        upper, lower = self.volume_cc[at], self.volume_cc[at + 1]
        share = (upper - wanted) / (upper - lower)
        return float(self.dose_gy[at] + share * (self.dose_gy[at + 1] - self.dose_gy[at]))

    def v_percent(self, gy: float) -> float:
        """Share of the volume with at least a dose, in percent."""
        return float(self.percent_at(np.array([gy]))[0])

    def percent_at(self, gy: Floats) -> Floats:
        """V at several doses in percent; all of it below the first node, nothing above the last."""
        return 100.0 * self.cc_at(gy) / self.total_cc

    def cc_at(self, gy: Floats) -> Floats:
        """V at several doses in cc."""
        nodes = self.dose_gy.copy()
        steps = np.diff(nodes) == 0
        # of two nodes at one dose the first holds V there, the second is the way down just after it
        nodes[1:][steps] = np.nextafter(nodes[1:][steps], np.inf)
        return np.interp(gy, nodes, self.volume_cc, left=self.total_cc, right=0.0)

    def with_cold(self, cc: float) -> Numbers:
        """Return the curve with so much more volume that has no dose."""
        return Numbers(
            np.concatenate([[0.0, 0.0], self.dose_gy]),
            np.concatenate([[self.total_cc + cc, self.total_cc], self.volume_cc]),
            0.0,
            self.maximum_gy,
        )
