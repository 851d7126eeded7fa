"""One DVH of a planning system as a cumulative curve in Gy and cc (PS3.3 C.8.8.4).

DVHData holds bin widths and volumes, D1 V1 D2 V2 ...; DVHDoseScaling turns the widths into DoseUnits.
With bin edges d_0 = 0 < d_1 < ... the volume that receives at least d_n is made from

::

      CUMULATIVE     V_n itself (that of the bin's lower edge)
      DIFFERENTIAL   the sum of V_m over the bins above: exact at the edges
      NATURAL        the same sum of V_m (u(d_m-1) - u(d_m)), u(D) = D^(-3/2), of volumes per u

The natural DVH (Anderson 1986, Med Phys 13:898; DVHVolumeUnits PER_U) has no finite u at 0: a bin that
begins there must be empty, or the curve cannot be turned back into volumes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planeval.dicom.elements import Item
from planeval.dicom.rtdose import RelativeScale

__all__ = ["CLOSE", "DoseAxis", "RawCurve", "raw_curve", "relative_axis"]

CLOSE = 0.03
"""Share by which two readings of one dose may differ: bin widths, rounding, sampling."""

_NOISE_SHARE = 1e-6
"""Largest negative volume, as a share of the largest, that is rounding in the last bin."""

_REACHED_SHARE = 0.8
"""Relative doses are shares of 1 where the hottest DVH then reaches this much of the grid's dose."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DoseAxis:
    """Gy per unit of a dose axis, and how that was found out (empty for Gy)."""

    gy: float
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class RawCurve:
    """A cumulative curve at its bin edges, in the units of its item; ``notes`` say how it was read."""

    edges: Floats
    volumes: Floats
    dose_units: str
    volume_units: str
    notes: tuple[str, ...] = ()

    @property
    def end(self) -> float:
        """The upper edge of the last bin with volume."""
        above = np.flatnonzero(self.volumes > 0)
        return float(self.edges[above[-1] + 1]) if len(above) else 0.0

    @property
    def width(self) -> float:
        """The widest bin."""
        return float(np.diff(self.edges).max())

    def in_cc(self, own_volume_cc: float | None) -> tuple[Floats, tuple[str, ...]] | str:
        """Return the volumes in cc with notes; percent are those of the structure's own volume."""
        if self.volume_units != "PERCENT":
            return self.volumes, self.notes
        if own_volume_cc is None:
            return "its volumes are percent of a volume that is not known"
        note = f"volumes are percent, scaled by planeval's own {own_volume_cc:.2f} cc"
        return self.volumes / 100.0 * own_volume_cc, (*self.notes, note)


def raw_curve(item: Item) -> RawCurve | str:
    """Return the cumulative curve of an item of the DVHSequence, or why it has none."""
    kind, units = item.text("DVHType"), item.text("DVHVolumeUnits")
    if kind not in ("CUMULATIVE", "DIFFERENTIAL", "NATURAL"):
        return f"DVHType is {kind or 'absent'}"
    dose_units = item.text("DoseUnits")
    if dose_units not in ("GY", "RELATIVE"):
        return f"DoseUnits is {dose_units or 'absent'}"
    problem = _unit_problem(kind, units)
    if problem:
        return problem
    data = np.array(item.numbers("DVHData"))
    if len(data) < 4 or len(data) % 2:
        return f"DVHData holds {len(data)} numbers"
    scaling = item.number("DVHDoseScaling")
    if scaling is not None and not scaling > 0:
        return f"DVHDoseScaling is {scaling:g}"
    widths, volumes = data[0::2] * (scaling or 1.0), data[1::2]
    if (widths < 0).any() or (volumes < -_NOISE_SHARE * volumes.max()).any():
        return "DVHData holds negative numbers"
    edges = np.concatenate([[0.0], np.cumsum(widths)])
    made = _cumulative(kind, edges, np.maximum(volumes, 0.0))
    if isinstance(made, str):
        return made
    notes: tuple[str, ...] = ()
    if kind == "NATURAL":
        notes = (f"volumes per u = D^(-3/2), D in {dose_units}, turned back into cc",)
    return RawCurve(edges, np.concatenate([made, [0.0]]), dose_units, units, notes)


def _unit_problem(kind: str, units: str) -> str:
    """Return why a volume unit cannot be read with a type, empty where it can."""
    if units not in ("CM3", "PERCENT", "PER_U"):
        return f"DVHVolumeUnits is {units or 'absent'}"
    if (kind == "NATURAL") is (units == "PER_U"):
        return ""
    meaning = "volume per u" if units == "PER_U" else "volume"
    return f"DVHType is {kind} with DVHVolumeUnits {units} ({meaning}): one of them is wrong"


def _cumulative(kind: str, edges: Floats, volumes: Floats) -> Floats | str:
    """Return the volume at or above every lower bin edge."""
    if kind == "CUMULATIVE":
        return volumes
    if kind == "NATURAL":
        open_ended = edges[:-1] <= 0
        if volumes[open_ended].any():
            return (
                "DVHType is NATURAL and the bin that begins at 0 holds volume: u = D^(-3/2) is infinite "
                "there, so that its volume cannot be known"
            )
        u = np.zeros(len(edges))
        u[edges > 0] = edges[edges > 0] ** -1.5
        volumes = np.where(open_ended, 0.0, volumes * (u[:-1] - u[1:]))
    return np.asarray(np.cumsum(volumes[::-1])[::-1])


def relative_axis(
    root: Item,
    curves: Sequence[RawCurve],
    stated: RelativeScale | None,
    highest_gy: float,
) -> DoseAxis | str:
    """Return what a relative dose of the DVHs means in Gy, or why nobody knows.

    The user's statement decides, else DVHNormalizationDoseValue (3004,0042), the "dose value used as
    reference for individual DVHs when Dose Units is RELATIVE" (PS3.3 C.8.8.4): never a prescription.
    Whether full dose is written as 1 or as 100 no attribute says. Shares of 1 that would lie above the
    ``highest_gy`` of the grid are percent; where the hottest DVH as shares of 1 comes near it they are
    shares of 1; otherwise both are possible, and there is no answer.
    """
    if stated is not None:
        note = f"relative doses, {stated.hundred_percent:g} is {stated.reference_gy:g} Gy (stated)"
        return DoseAxis(stated.reference_gy / stated.hundred_percent, note)
    reference = root.number("DVHNormalizationDoseValue")
    ask = "state it with --relative-reference GY --relative-scale 1|100"
    if reference is None or not reference > 0:
        return (
            "DoseUnits is RELATIVE and DVHNormalizationDoseValue does not say of which dose (a "
            f"prescription is never taken); {ask}"
        )
    if reference > highest_gy * (1 + 2 * CLOSE):
        return (
            f"DoseUnits is RELATIVE to a DVHNormalizationDoseValue of {reference:g}, more than the "
            f"{highest_gy:.6g} Gy of the dose grid: it is no dose in Gy; {ask}"
        )
    end = max((each.end for each in curves), default=0.0)
    slack = max((each.width for each in curves), default=0.0)
    said = f"is {reference:g} Gy (DVHNormalizationDoseValue)"
    most = highest_gy * (1 + 2 * CLOSE)
    if (end - slack) * reference > most:
        if (end - slack) * reference / 100 > most:
            return (
                f"DoseUnits is RELATIVE to {reference:g} Gy and the curves end at {end:g}, above the "
                f"{highest_gy:.6g} Gy of the dose grid as percent and as shares of 1"
            )
        return DoseAxis(reference / 100, f"relative doses in percent, 100 {said}")
    if end * reference >= _REACHED_SHARE * highest_gy:
        return DoseAxis(reference, f"relative doses as shares, 1 {said}")
    return (
        f"DoseUnits is RELATIVE to {reference:g} Gy and whether 1 or 100 stands for it cannot be told "
        f"from curves that end at {end:g}; {ask}"
    )
