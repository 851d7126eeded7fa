"""DVH curves for reports: which structures, thinned for their CSV, on shared doses for a chart.

Nothing is computed here that is not in the curve: thinning keeps nodes of it, and the chart's doses
are read from it by the straight lines between its nodes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from planeval.case import Case
from planeval.errors import PlanevalError
from planeval.report.text import csv_text

if TYPE_CHECKING:  # a DVH alone has no record
    from planeval.model.record import EvaluationRecord

__all__ = [
    "DVH_COLUMNS",
    "Curve",
    "curve_of",
    "curves_of",
    "dvh_csv",
    "is_target",
    "largest_dose",
    "thinned",
    "volume_percent_at",
]

Floats = NDArray[np.float64]

TARGET_TYPES = frozenset({"GTV", "CTV", "PTV", "ITV", "IGTV", "TARGET"})
HIDDEN_TYPES = frozenset({"EXTERNAL", "SUPPORT", "FIXATION", "BOLUS", "MARKER"})
MOST_ROWS = 1000
"""Rows per structure in a DVH table."""

DVH_COLUMNS = ("structure", "dose_gy", "volume_cc", "volume_percent")


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """The cumulative DVH of one structure: nodes of (dose, volume with at least that dose).

    ``total_cc`` is the whole structure, ``outside_cc`` the part beyond the dose grid, so that the
    curve starts at their difference. ``judged`` says that a row of the protocol uses it.
    """

    name: str
    type: str
    colour: tuple[int, int, int]
    dose_gy: Floats
    volume_cc: Floats
    total_cc: float
    outside_cc: float = 0.0
    judged: bool = False

    @property
    def is_target(self) -> bool:
        """Whether it is a target volume."""
        return is_target(self.name, self.type)

    def named(self, name: str) -> Curve:
        """Return the same curve under another name."""
        return replace(self, name=name)

    @property
    def starts_visible(self) -> bool:
        """Whether a chart shows it without being asked."""
        return self.judged or (self.is_target and self.type.upper() not in HIDDEN_TYPES)


def is_target(name: str, kind: str) -> bool:
    """Return whether an ROI is a target by its type, or by its name where it has none.

    >>> is_target("PTV_55", ""), is_target("Liver - GTV", "ORGAN"), is_target("Liver", "")
    (True, False, False)
    """
    if kind:
        return kind.upper() in TARGET_TYPES
    return name[:3].upper() in TARGET_TYPES or name[:4].upper() in TARGET_TYPES


def curves_of(case: Case, record: EvaluationRecord) -> tuple[Curve, ...]:
    """Return the curve of every structure with dose, and of every derived one that a row judges.

    A structure without a DVH has none here; the inventory of the record says why.
    """
    if case.dose is None:
        return ()
    judged = dict.fromkeys(
        row.match.name_in_plan
        for row in record.flat_rows()
        if row.is_counted and row.match.is_found
    )
    names = dict.fromkeys([*case.structures, *judged])
    return tuple(
        curve for name in names if (curve := curve_of(case, name, name in judged)) is not None
    )


def curve_of(case: Case, name: str, judged: bool) -> Curve | None:
    """Return the curve of one structure or expression, None where it has none."""
    try:
        structure = case.structure(name)
        dvh = case.dvh(structure)
    except PlanevalError:
        return None
    if not len(dvh.dose_gy):
        return None
    kind = structure.type or ("" if structure.origin == "drawn" else "DERIVED")
    return Curve(
        name,
        kind,
        structure.colour,
        dvh.dose_gy,
        dvh.volume_cc,
        dvh.total_cc,
        dvh.outside_cc,
        judged,
    )


def thinned(curve: Curve, most: int = MOST_ROWS) -> tuple[Floats, Floats]:
    """Return at most ``most`` nodes of a curve: both ends, its jumps, an even choice of the rest.

    Half of the choice is even in dose and half in volume, so that neither a steep nor a flat part
    is left without nodes. A jump (two volumes at one dose) keeps both its nodes; where there are
    more jumps than fit, the largest stay.
    """
    dose, volume = curve.dose_gy, curve.volume_cc
    if len(dose) <= most:
        return dose, volume
    upper = np.flatnonzero(np.diff(dose) == 0)
    height = volume[upper] - volume[upper + 1]
    upper = upper[np.argsort(-height, kind="stable")][: most // 4]
    jumps = np.concatenate([upper, upper + 1])
    room = (most - 2 - len(jumps)) // 2
    by_dose = np.searchsorted(dose, np.linspace(dose[0], dose[-1], room), side="left")
    levels = np.linspace(volume[0], volume[-1], room)
    by_volume = np.searchsorted(-volume, -levels, side="left")
    ends = [0, len(dose) - 1]
    is_chosen = np.zeros(len(dose) + 1, dtype=bool)
    is_chosen[np.concatenate([ends, jumps, by_dose, by_volume]).astype(np.int64)] = True
    chosen = np.flatnonzero(is_chosen[:-1])
    return dose[chosen], volume[chosen]


def dvh_csv(curves: Iterable[Curve]) -> str:
    """Return the cumulative DVH of each structure, at most 1000 nodes each, jumps and ends kept.

    Percent is of the whole structure: a curve partly outside the dose grid starts below 100.
    """
    return ",".join(DVH_COLUMNS) + "\n" + "".join(map(_curve_lines, curves))


def _curve_lines(curve: Curve) -> str:
    """The lines of one curve; only its name can need quotes."""
    quoted = io.StringIO()
    csv.writer(quoted, lineterminator="").writerow([csv_text(curve.name)])
    percent = 100.0 / curve.total_cc
    line = quoted.getvalue().replace("%", "%%") + ",%.9g,%.9g,%.9g\n"
    dose, volume = (nodes.tolist() for nodes in thinned(curve))
    return "".join([line % (gy, cc, cc * percent) for gy, cc in zip(dose, volume, strict=True)])


def volume_percent_at(curve: Curve, doses_gy: Floats) -> Floats:
    """Return V(d) in percent of the whole structure at rising doses, 0 beyond the highest."""
    steps = np.diff(curve.dose_gy) == 0
    # the first of two nodes at one dose holds V(d) there; the second is the way down just after it
    nodes = curve.dose_gy.copy()
    nodes[1:][steps] = np.nextafter(nodes[1:][steps], np.inf)
    volume = np.interp(doses_gy, nodes, curve.volume_cc, left=curve.volume_cc[0], right=0.0)
    return np.asarray(100.0 * volume / curve.total_cc)


def largest_dose(curves: Iterable[Curve]) -> float:
    """Return the highest dose of all curves, 0 without any."""
    return max((float(curve.dose_gy[-1]) for curve in curves), default=0.0)
