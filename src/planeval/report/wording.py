"""The words of the reports in one place: kinds, verdicts, changes, how the numbers are made."""

from __future__ import annotations

from typing import NamedTuple

from planeval.model import Method, Severity, Verdict
from planeval.model.comparison import Change, Trend
from planeval.model.rows import GroupMode, RowKind
from planeval.report.status import StatusWord

__all__ = [
    "CHANGE_WORDS",
    "DISCLAIMER",
    "GRID_LEGEND",
    "GROUP_WORDS",
    "KIND_WORDS",
    "ORIGIN_WORDS",
    "PURPOSE_WORDS",
    "SEVERITY_ORDER",
    "TREND_WORDS",
    "UNVERIFIED_WORD",
    "VERDICT_WORDS",
    "VerdictWord",
    "method_sentences",
]

DISCLAIMER = "Not a medical device. Commission it locally before any clinical use."

CHANGE_WORDS: dict[Change, StatusWord] = {
    Change.WORSE: StatusWord("worse outcome", "▼", "worse", 0),
    Change.OTHER: StatusWord("other outcome", "◆", "other", 1),
    Change.BETTER: StatusWord("better outcome", "▲", "better", 2),
}

TREND_WORDS: dict[Trend, str] = {
    Trend.BETTER: "towards better",
    Trend.WORSE: "towards worse",
    Trend.EQUAL: "equal",
    Trend.NO_LIMIT: "",
    Trend.UNKNOWN: "",
}

SEVERITY_ORDER: dict[Severity, int] = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


class VerdictWord(NamedTuple):
    """A verdict in a word, one sentence that says what it means, and its colour."""

    word: str
    meaning: str
    style: str


VERDICT_WORDS: dict[Verdict, VerdictWord] = {
    Verdict.FAIL: VerdictWord("FAIL", "At least one counted constraint is not met.", "fail"),
    Verdict.INCOMPLETE: VerdictWord(
        "INCOMPLETE",
        "No counted constraint failed, but at least one could not be evaluated.",
        "unknown",
    ),
    Verdict.NOT_ASSESSED: VerdictWord(
        "NOT ASSESSED", "No counted constraint of this protocol could be applied.", "unknown"
    ),
    Verdict.ACCEPTABLE: VerdictWord(
        "ACCEPTABLE",
        "All counted constraints are met, at least one of them only at its acceptable tier.",
        "acceptable",
    ),
    Verdict.PASS: VerdictWord("PASS", "All counted constraints are met.", "pass"),
}

ORIGIN_WORDS: dict[str, str] = {
    "shipped": "shipped with planeval",
    "site": "the site's own",
    "site-override": "the site's own, in place of the shipped one",
    "file": "a file",
}

PURPOSE_WORDS: dict[str, str] = {"disease": "disease set", "organs": "organ table"}

GRID_LEGEND = (
    "Grid: what the linear interpolation of the dose grid may change of Mean and of Max, an estimate "
    "apart from every band."
)

UNVERIFIED_WORD = "UNVERIFIED limit"

KIND_WORDS: dict[RowKind, str] = {
    RowKind.LIMIT: "limit",
    RowKind.RECOMMENDATION: "recommendation",
    RowKind.REFERENCE: "reference, not judged",
    RowKind.RISK_LEVEL: "risk level, not judged",
    RowKind.INFORMATION: "information, not judged",
}

GROUP_WORDS: dict[GroupMode, tuple[str, str]] = {
    GroupMode.ANY: ("OR", "one of these is enough"),
    GroupMode.ALL: ("AND", "all of these are needed"),
}

_CAPS = {
    "half": "The first and the last contour extend outwards by half a plane spacing.",
    "none": "Nothing lies beyond the first and the last contour.",
    "tapered": "Beyond the first and the last contour the solid tapers over half a plane spacing.",
}

_BETWEEN = {
    "prism": "Each contour owns the space to the midpoints of its neighbouring planes.",
    "interpolated": "Between two planes the shape changes gradually from one contour to the next.",
}


def method_sentences(method: Method) -> tuple[str, ...]:
    """Return how the numbers were made, in short sentences that are true for this method."""
    return (
        "Structures stay polygons as drawn; volumes come from their geometry, not from voxels.",
        _BETWEEN[method.between],
        _CAPS[method.caps],
        "A plane distance above 1.5 times the nominal spacing is a gap: it is not filled, and a "
        "finding says so.",
        "Nested contours are holes by the even-odd rule; combined structures are combined as "
        "solids, and planes are never matched by position.",
        "Dose is trilinear between voxel centres and constant over the outer half voxel. Beyond "
        "the dose grid it is unknown, never 0.",
        "The polygons cut the dose grid exactly; within a cell the dose varies linearly. A "
        f"structure is sampled with about {method.lattice_cells:,} cells or more.",
        "V(d) is the volume with dose d or more, CV(d) the volume below d. D(x) is the largest "
        "dose that the volume x reaches; DC(x) the smallest dose that the volume x does not "
        "exceed.",
        "Percentages refer to the full structure volume. A dose asked for more volume than the "
        "structure has is undefined.",
        "The band beside a value covers what every cell holds at least and at most, the end planes "
        "from no cap to one full plane spacing, and an estimate of what may lie between the planes. "
        "Contouring, the dose calculation and the interpolation of its grid are not in it.",
        "What the linear interpolation of the dose grid may change is estimated apart, per structure: "
        "from second differences of neighbouring voxels, a twelfth of their sum on average for Mean, "
        "an eighth of their absolute sum at the hottest point for Max. Finer structure than the "
        "voxels is not in it, and noise of the dose is.",
        "Limits are compared with the unrounded best estimate; < and ≤ stay distinct. Near limit "
        "means that the outcome changes within the band.",
        "BED and EQD2 of the prescription use the linear-quadratic model with the alpha/beta "
        "printed beside them, without time or repair terms.",
        "EQD2_x: and BED_x: before a metric convert the dose at every sampled point with alpha/beta x "
        "and the fractions of its own delivery (plan or fraction group), then take the metric: BED = "
        "sum of D (1 + d / x), EQD2 = BED / (1 + 2 / x), without time or repair terms. A limit is "
        "never converted.",
        "gEUD with a is the power mean of the dose, (mean of D^a)^(1/a); Veff with n the volume that "
        "the prescribed dose would need for the same, sum of v (D / Rx)^(1/n). Both are models, never "
        "a limit of their own.",
        "Nothing that is missing ever passes: without a value a row is not evaluable.",
    )
