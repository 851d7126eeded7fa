"""The DVHs that a planning system stored with the dose (DVHSequence, PS3.3 C.8.8.4).

They are kept to be compared with, so their traps matter: the type and the units of each item are
honoured (:mod:`planeval.dicom.dvh_curve`), relative volumes are scaled by the structure's own volume,
and statistics or dose axes that contradict the curve are read as what they must be, which
``scale_note`` states, or left out. A DVH that cannot be read keeps its reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from planeval.dicom.codes import finding
from planeval.dicom.dvh_curve import CLOSE, DoseAxis, RawCurve, raw_curve, relative_axis
from planeval.dicom.elements import Item
from planeval.dicom.rtdose import RelativeScale
from planeval.model import Finding, TpsDvh, UnreadDvh

__all__ = ["read_tps_dvhs"]

_GY = DoseAxis(1.0)


def read_tps_dvhs(
    root: Item,
    findings: list[Finding],
    *,
    names: Mapping[int, str],
    volumes_cc: Mapping[str, float],
    references_gy: Sequence[float],
    highest_gy: float,
    relative: RelativeScale | None = None,
) -> tuple[tuple[TpsDvh, ...], tuple[UnreadDvh, ...]]:
    """Read the DVHSequence of a dose file: the DVHs, and those that could not be read.

    ``names`` are structure names by ROI number, ``references_gy`` the prescriptions that a percent
    could refer to where a file says GY, ``highest_gy`` the largest dose of the grid, ``relative`` what
    the user states of relative doses.
    """
    origin = f"DVHSequence of {root.place}"
    items = root.items("DVHSequence")
    curves = [_readable(item, root) for item in items]
    shares = [one for one in curves if isinstance(one, RawCurve) and one.dose_units == "RELATIVE"]
    shared = relative_axis(root, shares, relative, highest_gy) if shares else _GY
    found: list[TpsDvh] = []
    unread: list[UnreadDvh] = []
    doubtful: list[str] = []
    for item, curve in zip(items, curves, strict=True):
        included, excluded = _structures(item, names)
        name = " - ".join([" + ".join(included) or "unknown", *excluded])
        made = _in_gy_and_cc(curve, shared, volumes_cc.get(name))
        if isinstance(made, str):
            unread.append(UnreadDvh(name, origin, made))
            continue
        dose, volume, notes, gy = made
        if not gy.note:
            dose, note = _axis(dose, references_gy, highest_gy)
            notes = (*notes, note)
        statistics, note = _statistics(item, gy.gy, (dose, volume), references_gy)
        kept = [text for text in (*notes, note) if text]
        if kept:
            doubtful.append(f"{name}: {'; '.join(kept)}")
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
                origin=origin,
                scale_note="; ".join(kept),
                includes=included,
                excludes=excluded,
                volume_is_ours=item.text("DVHVolumeUnits") == "PERCENT",
            )
        )
    skipped = [f"{one.structure}: {one.reason}" for one in unread]
    _report("tps-dvh-skipped", skipped, root.place, findings)
    _report("tps-dvh-scale", doubtful, root.place, findings)
    return tuple(found), tuple(unread)


def _readable(item: Item, root: Item) -> RawCurve | str:
    """Return the curve of an item that is of the same kind of dose as the grid."""
    own, whole = item.text("DoseType"), root.text("DoseType")
    if own and whole and own != whole:
        return f"its DoseType is {own}, that of the dose grid {whole}"
    return raw_curve(item)


def _in_gy_and_cc(
    curve: RawCurve | str, shared: DoseAxis | str, own_volume_cc: float | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[str, ...], DoseAxis] | str:
    """Return dose in Gy, volume in cc, notes and what a unit of dose is, or why there is none."""
    if isinstance(curve, str):
        return curve
    gy = shared if curve.dose_units == "RELATIVE" else _GY
    if isinstance(gy, str):
        return gy
    made = curve.in_cc(own_volume_cc)
    if isinstance(made, str):
        return made
    volumes, notes = made
    return curve.edges * gy.gy, volumes.copy(), (*notes, gy.note), gy


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


def _axis(
    dose: NDArray[np.float64], references_gy: Sequence[float], highest_gy: float
) -> tuple[NDArray[np.float64], str]:
    """Return the dose axis in Gy: a curve that ends far above the grid's dose may be in percent."""
    end = float(dose[-1])
    if end <= highest_gy * (1 + 2 * CLOSE) or highest_gy <= 0:
        return dose, ""
    width = float(np.diff(dose).max())
    for reference in references_gy:
        if end * reference / 100 <= highest_gy * (1 + 2 * CLOSE) + width * reference / 100:
            note = f"the dose axis says GY but is read as percent of {reference:g} Gy"
            return dose * reference / 100, note
    return dose, ""


def _statistics(
    item: Item,
    gy_per_unit: float,
    curve: tuple[NDArray[np.float64], NDArray[np.float64]],
    references_gy: Sequence[float],
) -> tuple[tuple[float | None, float | None, float | None], str]:
    """Return (minimum, maximum, mean) in Gy, in the unit in which the maximum fits the curve."""
    dose, volume = curve
    minimum, maximum, mean = (
        None if number is None else number * gy_per_unit
        for number in (item.number(f"DVH{name}Dose") for name in ("Minimum", "Maximum", "Mean"))
    )
    above = np.flatnonzero(volume > 0)
    if maximum is None or not len(above):
        return (minimum, maximum, mean), ""
    low_edge, high_edge = float(dose[above[-1]]), float(dose[min(above[-1] + 1, len(dose) - 1)])

    def fits(value: float) -> bool:
        slack = CLOSE * high_edge
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
