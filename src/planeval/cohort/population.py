"""A cohort in numbers: DVH bands, distributions, compliance, prescriptions, what is missing.

All of it is descriptive, read from the stored rows; quantiles interpolate linearly between values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planeval.cohort.store import Store

__all__ = [
    "Asked",
    "Band",
    "Compliance",
    "Distribution",
    "Missing",
    "Spread",
    "bands",
    "compliance",
    "distributions",
    "missing",
    "prescriptions",
    "schedules",
]

Floats = NDArray[np.float64]

_LEVELS = (5, 25, 50, 75, 95)
_FENCE = 1.5
"""Outliers lie further from the quartiles than this share of their distance (Tukey 1977)."""

_FEWEST_FOR_OUTLIERS = 8
_SHOWN_REASONS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """Quantiles of V(d) of a structure over ``n`` curves: ``percent`` is (5 levels, doses).

    ``cut`` curves belong to structures that the dose grid does not cover.
    """

    structure: str
    n: int
    cut: int
    dose_gy: Floats
    percent: Floats


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, quartiles and range of ``n`` numbers."""

    n: int
    median: float
    low: float
    high: float
    lower_quartile: float
    upper_quartile: float


@dataclass(frozen=True, slots=True)
class Asked:
    """One row (or group) of the protocol, as it asks every plan."""

    row_id: str
    kind: str
    structure: str
    metric: str
    unit: str
    per_protocol: str
    acceptable: str


@dataclass(frozen=True, slots=True, eq=False)
class Distribution:
    """One row of the protocol over the cohort, and the plans that stand out.

    ``values`` are (case, patient, number, outcome). ``outliers`` are beyond Tukey's fences.
    """

    row: Asked
    values: tuple[tuple[str, str, float, str], ...]
    spread: Spread
    outliers: tuple[tuple[str, str, float, str], ...]


@dataclass(frozen=True, slots=True)
class Compliance:
    """What became of one row or group over the cohort."""

    row: Asked
    group_id: str
    mode: str
    passed: int
    acceptable: int
    failed: int
    not_evaluable: int
    not_applicable: int
    near_limit: int

    @property
    def judged(self) -> int:
        """Plans for which there is an outcome."""
        return self.passed + self.acceptable + self.failed

    @property
    def rate_percent(self) -> float | None:
        """Passed or acceptable, in percent of the judged; None where none was."""
        good = self.passed + self.acceptable
        return 100.0 * good / self.judged if self.judged else None


@dataclass(frozen=True, slots=True)
class Missing:
    """Values of one row that are not there, and the most frequent reasons."""

    row_id: str
    structure: str
    metric: str
    asked: int
    missing: int
    reasons: tuple[tuple[str, int], ...]


def bands(store: Store) -> list[Band]:
    """Return the DVH bands of every structure with a protocol name or a standard name."""
    found = []
    for (structure,) in store.query(
        "SELECT structure FROM dvh WHERE structure IS NOT NULL GROUP BY 1 ORDER BY 1"
    ):
        rows = store.query(
            "SELECT volume_percent, step_gy, outside_cc > 0 FROM dvh WHERE structure = ? "
            "ORDER BY case_id, seq",
            [structure],
        )
        longest = max(len(curve) for curve, _step, _cut in rows)
        curves = np.zeros((len(rows), longest))
        for number, (curve, _step, _cut) in enumerate(rows):
            curves[number, : len(curve)] = curve
        doses = np.arange(longest, dtype=np.float64) * float(rows[0][1])
        cut = sum(bool(is_cut) for _curve, _step, is_cut in rows)
        percent = np.percentile(curves, _LEVELS, axis=0)
        found.append(Band(structure, len(rows), cut, doses, percent))
    return found


def distributions(store: Store) -> list[Distribution]:
    """Return every judged or reference row that has a number for some plan."""
    rows = store.query(
        "SELECT row_id, kind, structure, metric, unit, per_protocol, acceptable, case_id, "
        "patient_id, value, outcome, min(seq) OVER (PARTITION BY row_id) AS place FROM constraints "
        "WHERE value IS NOT NULL ORDER BY place, row_id, structure, value, case_id"
    )
    grouped: dict[Asked, list[tuple[str, str, float, str]]] = {}
    for row in rows:
        asked = Asked(*(text or "" for text in row[:7]))
        grouped.setdefault(asked, []).append((row[7], row[8], row[9], row[10] or ""))
    found = []
    for asked, values in grouped.items():
        spread = spread_of([value for _case, _patient, value, _outcome in values])
        reach = _FENCE * (spread.upper_quartile - spread.lower_quartile)
        low, high = spread.lower_quartile - reach, spread.upper_quartile + reach
        outliers = tuple(each for each in values if not low <= each[2] <= high)
        if len(values) < _FEWEST_FOR_OUTLIERS:
            outliers = ()
        found.append(Distribution(asked, tuple(values), spread, outliers))
    return found


def compliance(store: Store) -> list[Compliance]:
    """Return the outcomes of every counted row and group, in protocol order."""
    outcomes = ("PASS", "ACCEPTABLE", "FAIL", "NOT_EVALUABLE", "NOT_APPLICABLE")
    counts = ", ".join(f"count(*) FILTER (outcome = '{outcome}')" for outcome in outcomes)
    texts = ("kind", "structure", "metric", "unit", "per_protocol", "acceptable")
    firsts = ", ".join(f"first({name} ORDER BY case_id)" for name in (*texts, "group_id", "mode"))
    rows = store.query(
        f"SELECT row_id, {firsts}, {counts}, count(*) FILTER (near_limit) FROM constraints "
        "WHERE is_counted GROUP BY row_id ORDER BY min(seq), row_id"
    )
    return [
        Compliance(Asked(*(text or "" for text in row[:7])), row[7] or "", row[8] or "", *row[9:15])
        for row in rows
    ]


def missing(store: Store) -> list[Missing]:
    """Return every row that lacks a value for some plan."""
    rows = store.query(
        "SELECT row_id, structure, metric, reason, count(*), min(seq) FROM metrics "
        "WHERE beside IS NULL GROUP BY ALL ORDER BY min(seq), row_id, structure, count(*) DESC, reason"
    )
    grouped: dict[tuple[str, str, str], list[tuple[str | None, int]]] = {}
    for row_id, structure, metric, reason, count, _seq in rows:
        grouped.setdefault((row_id, structure or "", metric or ""), []).append((reason, count))
    found = []
    for key, reasons in grouped.items():
        absent = [(reason, count) for reason, count in reasons if reason]
        if absent:
            asked = sum(count for _reason, count in reasons)
            lacking = sum(count for _reason, count in absent)
            found.append(Missing(*key, asked, lacking, tuple(absent[:_SHOWN_REASONS])))
    return found


def prescriptions(store: Store) -> list[tuple[str, Spread]]:
    """Return median and range over the plans' highest prescriptions: dose, fractions, BED, EQD2."""
    rows = store.query(
        "SELECT total_gy, fractions, fraction_gy, bed_gy, eqd2_gy, bed_alpha_beta_gy FROM "
        "prescriptions QUALIFY row_number() OVER (PARTITION BY case_id "
        "ORDER BY total_gy DESC, seq) = 1 ORDER BY case_id"
    )
    ratios = sorted({f"{row[5]:g}" for row in rows if row[5] is not None})
    ratio = "/".join(ratios)
    labels = (
        "total dose (Gy)", "fractions", "dose per fraction (Gy)",
        f"BED, alpha/beta {ratio} Gy (Gy)", f"EQD2, alpha/beta {ratio} Gy (Gy)",
    )  # fmt: skip
    found = []
    for number, label in enumerate(labels):
        values = [float(row[number]) for row in rows if row[number] is not None]
        if values:
            found.append((label, spread_of(values)))
    return found


def schedules(store: Store) -> list[tuple[float, int | None, int]]:
    """Return (total Gy, fractions, plans) of every schedule, the most frequent first."""
    rows = store.query(
        "SELECT rx_gy, rx_fractions, count(*) FROM cases WHERE rx_gy IS NOT NULL "
        "GROUP BY ALL ORDER BY count(*) DESC, rx_gy DESC, rx_fractions"
    )
    return [(row[0], row[1], row[2]) for row in rows]


def spread_of(values: list[float]) -> Spread:
    """Return median, quartiles and range."""
    low, quarter, median, three, high = np.percentile(values, (0, 25, 50, 75, 100))
    return Spread(len(values), float(median), float(low), float(high), float(quarter), float(three))
