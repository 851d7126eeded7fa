"""The DVHs that a planning system stored with the dose (DVHSequence, PS3.3 C.8.8.4).

They are kept to be compared with, so their traps matter: differential curves are summed up,
relative volumes are scaled by the structure's own volume, and statistics or dose axes that
contradict the curve are read as what they must be, which ``scale_note`` states, or left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from planeval.dicom.codes import finding
from planeval.dicom.elements import Item
from planeval.model import Finding, TpsDvh

__all__ = ["read_tps_dvhs"]

_CLOSE = 0.03
"""Share by which two readings of one dose may differ: bin widths, rounding, sampling."""

_NOISE_SHARE = 1e-6
"""Largest negative volume, as a share of the largest, that is rounding in the last bin."""


def read_tps_dvhs(
    root: Item,
    findings: list[Finding],
    *,
    names: Mapping[int, str],
    volumes_cc: Mapping[str, float],
    references_gy: Sequence[float],
    highest_gy: float,
) -> tuple[TpsDvh, ...]:
    """Read the DVHSequence of a dose file.

    ``names`` are structure names by ROI number, ``references_gy`` the prescriptions that a percent
    could refer to, ``highest_gy`` the largest dose of the grid.
    """
    found = []
    skipped: list[str] = []
    doubtful: list[str] = []
    for item in root.items("DVHSequence"):
        included, excluded = _structures(item, names)
        name = " - ".join([" + ".join(included) or "unknown", *excluded])
        made = _curve(item, volumes_cc.get(name))
        if isinstance(made, str):
            skipped.append(f"{name}: {made}")
            continue
        dose, volume, notes = made
        dose, note = _axis(dose, references_gy, highest_gy)
        notes = [*notes, note]
        statistics, note = _statistics(item, dose, volume, references_gy)
        notes = [text for text in (*notes, note) if text]
        if notes:
            doubtful.append(f"{name}: {'; '.join(notes)}")
        for array in (dose, volume):
            array.setflags(write=False)
        found.append(
            TpsDvh(
                structure=name,
                dose_gy=dose,
                volume_cc=volume,
                minimum_gy=statistics[0],
                maximum_gy=statistics[1],
                mean_gy=statistics[2],
                origin=f"DVHSequence of {root.place}",
                scale_note="; ".join(notes),
                includes=included,
                excludes=excluded,
                volume_is_ours=item.text("DVHVolumeUnits") == "PERCENT",
            )
        )
    _report("tps-dvh-skipped", skipped, root.place, findings)
    _report("tps-dvh-scale", doubtful, root.place, findings)
    return tuple(found)


def _report(code: str, texts: Sequence[str], where: str, findings: list[Finding]) -> None:
    """Report all DVHs of one kind in one finding, the first in full."""
    if texts:
        more = f" (and {len(texts) - 1} more)" if len(texts) > 1 else ""
        findings.append(finding(code, f"{texts[0]}{more}", where))


def _structures(item: Item, names: Mapping[int, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the structures that a DVH includes and those it excludes (DVHROIContributionType)."""
    included: list[str] = []
    excluded: list[str] = []
    for reference in item.items("DVHReferencedROISequence"):
        number = reference.integer("ReferencedROINumber")
        name = names.get(number, f"ROI {number}") if number is not None else "ROI ?"
        is_out = reference.text("DVHROIContributionType") == "EXCLUDED"
        (excluded if is_out else included).append(name)
    return tuple(included), tuple(excluded)


def _curve(
    item: Item, own_volume_cc: float | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]] | str:
    """Return (dose at lower bin edges, cumulative cc, notes) or why there is no usable curve."""
    kind = item.text("DVHType")
    if kind not in ("CUMULATIVE", "DIFFERENTIAL"):
        return f"DVHType is {kind or 'absent'}"
    if item.text("DoseUnits") != "GY":
        return f"DoseUnits is {item.text('DoseUnits') or 'absent'}"
    data = np.array(item.numbers("DVHData"))
    if len(data) < 4 or len(data) % 2:
        return f"DVHData holds {len(data)} numbers"
    scaling = item.number("DVHDoseScaling") or 1.0
    widths, volumes = data[0::2] * scaling, data[1::2]
    if (widths < 0).any() or (volumes < -_NOISE_SHARE * volumes.max()).any():
        return "DVHData holds negative numbers"
    volumes = np.maximum(volumes, 0.0)
    notes: list[str] = []
    if kind == "DIFFERENTIAL":
        volumes = np.cumsum(volumes[::-1])[::-1]
    units = item.text("DVHVolumeUnits")
    if units == "PERCENT":
        if own_volume_cc is None:
            return "its volumes are percent of a volume that is not known"
        volumes = volumes / 100.0 * own_volume_cc
        notes.append(f"volumes are percent, scaled by planeval's own {own_volume_cc:.2f} cc")
    elif units != "CM3":
        return f"DVHVolumeUnits is {units or 'absent'}"
    edges = np.concatenate([[0.0], np.cumsum(widths)])
    return edges, np.concatenate([volumes, [0.0]]), notes


def _axis(
    dose: NDArray[np.float64], references_gy: Sequence[float], highest_gy: float
) -> tuple[NDArray[np.float64], str]:
    """Return the dose axis in Gy: a curve that ends far above the grid's dose may be in percent."""
    end = float(dose[-1])
    if end <= highest_gy * (1 + 2 * _CLOSE) or highest_gy <= 0:
        return dose, ""
    width = float(np.diff(dose).max())
    for reference in references_gy:
        if end * reference / 100 <= highest_gy * (1 + 2 * _CLOSE) + width * reference / 100:
            note = f"the dose axis says GY but is read as percent of {reference:g} Gy"
            return dose * reference / 100, note
    return dose, ""


def _statistics(
    item: Item,
    dose: NDArray[np.float64],
    volume: NDArray[np.float64],
    references_gy: Sequence[float],
) -> tuple[tuple[float | None, float | None, float | None], str]:
    """Return (minimum, maximum, mean) in Gy, in the unit in which the maximum fits the curve."""
    minimum, maximum, mean = (
        item.number(f"DVH{name}Dose") for name in ("Minimum", "Maximum", "Mean")
    )
    above = np.flatnonzero(volume > 0)
    if maximum is None or not len(above):
        return (minimum, maximum, mean), ""
    low_edge, high_edge = float(dose[above[-1]]), float(dose[min(above[-1] + 1, len(dose) - 1)])

    def fits(value: float) -> bool:
        slack = _CLOSE * high_edge
        return low_edge - slack <= value <= high_edge + slack

    if fits(maximum):
        return (minimum, maximum, mean), ""
    readings = [(ref / 100, f"percent of {ref:g} Gy") for ref in references_gy] + [(0.01, "cGy")]
    for factor, unit in readings:
        if fits(maximum * factor):
            scaled = [None if v is None else v * factor for v in (minimum, maximum, mean)]
            note = (
                f"DVHMaximumDose {maximum:g} is not Gy by the curve ({high_edge:g}): read as {unit}"
            )
            return (scaled[0], scaled[1], scaled[2]), note
    note = f"DVHMaximumDose {maximum:g} does not fit the curve's end {high_edge:g}: left out"
    return (None, None, None), note
