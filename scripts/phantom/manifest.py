"""What each case is and its right answers: `MANIFEST.md`, `expected.json`, `protocol.yaml`.

Numbers are measured by `phantom.oracle` on the files as written, never copied from the generator.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from phantom.oracle import Estimate, ReadBack, estimate, read_back

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule and the outcome it must have; `why` may name measured values in braces."""

    text: str
    outcome: str
    why: str


@dataclass(frozen=True, slots=True)
class MarginAnswer:
    """A margin by which a target was grown, and the outcome that its audit must have.

    ``extents_mm`` is how much further the outer structure reaches along L, R, A, P, S, I, where
    nothing but the margin was added; ``median_mm`` is the usual distance of the surfaces.
    """

    id: str
    text: str
    outcome: str
    median_mm: float | None = None
    extents_mm: tuple[float, ...] = ()


GROWN_PTV = MarginAnswer(
    "ptv-margin",
    "PTV around CTV: 5 mm axial, 10 to 15 mm cranio-caudal",
    "PASS",
    extents_mm=(5.0, 5.0, 5.0, 5.0, 10.0, 10.0),
)
GROWN_CTV = MarginAnswer("ctv-margin", "CTV around gross tumour: 5 mm or more", "PASS", 5.0)

IN_PLANE_MM, ALONG_MM = 0.4, 1.6
"""Contours are drawn to within a few tenths; an end is known to half a plane distance."""


@dataclass(frozen=True, slots=True)
class Story:
    """The words around one case's numbers."""

    title: str
    total_gy: float
    fractions: int
    gross: tuple[str, ...]
    facts: tuple[str, ...]
    rules: tuple[Rule, ...]
    verdict: str
    seeds: str
    margins: tuple[MarginAnswer, ...] = ()


LIVER_MEAN = "Liver without gross tumour: Mean[Gy] <= 18 (20 acceptable)"
LIVER_SPARED = "Liver without gross tumour: CV5Gy[cc] >= 300"

STORIES: dict[str, Story] = {
    "hepatic-pvtt": Story(
        title="HCC with portal-vein tumour thrombus, 55 Gy in 25 fractions",
        total_gy=55.0,
        fractions=25,
        gross=("GTV", "PVTT"),
        facts=(
            "Head first supine. CT 208 x 160 pixels of 1.953125 mm, 64 slices of 3 mm, one RLE "
            "compressed file per slice in `CT/`.",
            "Dose grid 2.5 mm, its origin on no CT pixel and no CT plane; relative frame offsets. "
            "It contains every structure but the ends of External.",
            "GTV is the parenchymal tumour, PVTT the thrombus in the right portal branch; they "
            "touch. Gross tumour is their union.",
            "CTV = gross tumour + 5 mm, united with the lumen of V_Portal within 15 mm of the "
            "gross tumour along the vessel. The thrombus ends before the bifurcation, so the "
            "extension runs into the trunk and into the left branch.",
            "PTV = CTV + 5 mm in the axial plane + 10 mm cranio-caudally (ellipsoid). Nothing is "
            "clipped. Targets are grown from the smooth shapes, then drawn on the CT planes.",
            "GTV_T00 (end of inhalation) is GTV moved by (0.3, -1.5, -5.5) mm, GTV_T50 (end of "
            "exhalation) by (-0.2, 1.0, 4.5) mm, in patient LPS directions. They are copies on "
            "other phases, not further tumour.",
            "The plan has two arcs, a set-up beam without meterset, a prescription to the volume "
            "PTV, and a COORDINATES dose reference of 57.2 Gy that is no prescription.",
            "`Isocentre_Mark` is a POINT. The patient name has an ideographic component.",
        ),
        rules=(
            Rule(LIVER_MEAN, "PASS", "Mean {liver_mean} Gy"),
            Rule(LIVER_SPARED, "PASS", "CV5Gy {liver_cv5} cc"),
            Rule("Liver rule: either of the two", "PASS", "both members pass"),
        ),
        verdict="PASS",
        seeds="anatomy 11, dose 21 and 22, CT noise 1000 + slice number",
        margins=(GROWN_CTV, GROWN_PTV),
    ),
    "sbrt-5fx": Story(
        title="Small liver nodule beside the gut, 27.5 Gy in 5 fractions",
        total_gy=27.5,
        fractions=5,
        gross=("GTV",),
        facts=(
            "Head first supine. CT 160 x 128 pixels of 2.5 mm, 50 slices of 3 mm.",
            "An awkward but valid export: no file name extensions, nested folders as on a medium.",
            "Dose grid 2 mm. GridFrameOffsetVector holds the absolute z of every frame, from the "
            "top down; its first value is the z of ImagePositionPatient (PS3.3 C.8.8.3.2, the "
            "second case).",
            "CTV = GTV + 5 mm, PTV = CTV + 5 mm in the axial plane + 10 mm cranio-caudally. There "
            "is no thrombus.",
            "The dose is shaped so that the maxima of bowel and colon are those of the published "
            "five-fraction plan: 18.6 and 23.8 Gy, of the trilinear dose over the closed solid in "
            "which every contour reaches half a plane distance up and down.",
            "The plan has two arcs, a set-up beam, a prescription to PTV and a COORDINATES dose "
            "reference of 28.6 Gy that is no prescription.",
        ),
        rules=(
            Rule("Bowel_Small: Max[Gy] <= 35", "PASS", "Max {bowel_max} Gy"),
            Rule("Duodenum: Max[Gy] <= 35", "PASS", "Max {duodenum_max} Gy"),
            Rule("Colon: Max[Gy] <= 33", "PASS", "Max {colon_max} Gy"),
        ),
        verdict="PASS",
        seeds="anatomy 5, dose 31 and 32, CT noise 2000 + slice number",
        margins=(GROWN_CTV, GROWN_PTV),
    ),
    "fails-on-purpose": Story(
        title="Large HCC, 55 Gy in 25 fractions, a plan that must not pass",
        total_gy=55.0,
        fractions=25,
        gross=("GTV",),
        facts=(
            "Head first supine, no CT: structures name only their frame of reference.",
            "Dose grid 3 mm. Its lower edge cuts the Colon ({colon_outside_percent} % of it lies "
            "beyond), and with it the ends of Bowel_Small, Kidney_R, SpinalCord and External.",
            "There is no ROI Esophagus.",
            "The dose is fitted so that both members of the liver rule fail.",
            "`protocol.yaml` holds the rules below.",
        ),
        rules=(
            Rule(LIVER_MEAN, "FAIL", "Mean {liver_mean} Gy"),
            Rule(LIVER_SPARED, "FAIL", "CV5Gy {liver_cv5} cc"),
            Rule("Liver rule: either of the two", "FAIL", "both members fail"),
            Rule("Esophagus: Max[Gy] <= 33", "NOT_EVALUABLE", "no such ROI"),
            Rule(
                "Colon: Max[Gy] <= 33",
                "NOT_EVALUABLE",
                "{colon_outside} cc lie outside the dose grid and their dose is unknown; the part "
                "inside has Max {colon_max_inside} Gy",
            ),
        ),
        verdict="FAIL",
        seeds="anatomy 8, dose 41 and 42",
    ),
}

FAILING_PROTOCOL = """\
schema: planeval.protocol/1
id: fails-on-purpose
version: "1.0"
title: Rules that the case beside this file must not pass
review: {status: draft}
applies: {fractions: [20, 30], total_dose_gy: [50, 65], outside: refuse}
dose_basis: physical
structures:
  Liver-GTV: {derive: "Liver - GTV"}
constraints:
  - any:
      id: liver
      kind: recommendation
      members:
        - id: liver-mean
          structure: Liver-GTV
          metric: "Mean[Gy]"
          per_protocol: "<= 18"
          acceptable: "<= 20"
        - id: liver-spare
          structure: Liver-GTV
          metric: "CV5Gy[cc]"
          per_protocol: ">= 300"
  - id: esophagus-max
    kind: limit
    structure: Esophagus
    metric: "Max[Gy]"
    per_protocol: "<= 33"
  - id: colon-max
    kind: limit
    structure: Colon
    metric: "Max[Gy]"
    per_protocol: "<= 33"
"""


def document(name: str, folder: Path) -> None:
    """Measure a written case and put its manifest and expected numbers beside it."""
    story, case = STORIES[name], read_back(folder)
    structures = {roi: estimate(case, roi) for roi in case.contours}
    liver = estimate(case, "Liver", *story.gross)
    values = _named_values(structures, liver)
    expected = _expected(name, story, case, structures, liver)
    text = json.dumps(expected, indent=2, ensure_ascii=False) + "\n"
    _write(folder / "expected.json", text)
    _write(folder / "MANIFEST.md", _manifest(name, story, structures, liver, values))
    if name == "fails-on-purpose":
        _write(folder / "protocol.yaml", FAILING_PROTOCOL)


def _write(path: Path, text: str) -> None:
    """UTF-8 with line feeds on every platform."""
    path.write_text(text, encoding="utf-8", newline="\n")


def _named_values(structures: dict[str, Estimate], liver: Estimate) -> dict[str, str]:
    """The measured values that the stories may quote."""
    colon = structures["Colon"]
    return {
        "liver_mean": f"{liver.samples_gy.mean():.2f}",
        "liver_cv5": f"{liver.below_cc(5.0):.1f}",
        "bowel_max": f"{structures['Bowel_Small'].max_inside_gy:.2f}",
        "duodenum_max": f"{structures['Duodenum'].max_inside_gy:.2f}",
        "colon_max": f"{colon.max_inside_gy:.2f}",
        "colon_max_inside": f"{colon.max_inside_gy:.2f}",
        "colon_outside": f"{colon.outside_cc:.1f}",
        "colon_outside_percent": f"{100.0 * colon.outside_cc / colon.volume_cc:.0f}",
    }


def _number(value: float | None, tolerance: float, digits: int = 3) -> Json | None:
    """A value with the tolerance within which an exact method must agree."""
    if value is None:
        return None
    return {"value": round(value, digits), "tolerance": round(tolerance, digits)}


def _expected(
    name: str, story: Story, case: ReadBack, structures: dict[str, Estimate], liver: Estimate
) -> Json:
    """The machine-readable right answers of one case."""
    liver_name = "Liver - " + (
        story.gross[0] if len(story.gross) == 1 else f"({' | '.join(story.gross)})"
    )
    volume_at: list[tuple[str, Callable[[], float]]] = [
        ("CV5Gy[cc]", lambda: liver.below_cc(5.0)),
        ("CV15Gy[cc]", lambda: liver.below_cc(15.0)),
        ("V30Gy[cc]", lambda: liver.volume_cc - liver.below_cc(30.0)),
    ]
    metrics: list[Json] = [
        {"structure": liver_name, "metric": "Volume[cc]"}
        | (_number(liver.volume_cc, 0.002 * liver.volume_cc) or {}),
        {"structure": liver_name, "metric": "Mean[Gy]"} | (_number(liver.mean_gy, 0.05) or {}),
    ]
    for metric, volume_cc in volume_at:
        metrics.append(
            {"structure": liver_name, "metric": metric} | (_number(volume_cc(), 1.5) or {})
        )
    for percent in (98, 95, 50, 2):
        dose_gy = structures["PTV"].dose_to_percent_gy(percent)
        metrics.append(
            {"structure": "PTV", "metric": f"D{percent}%[Gy]"} | (_number(dose_gy, 0.1) or {})
        )
    return {
        "case": name,
        "prescription": {
            "target": "PTV",
            "total_gy": story.total_gy,
            "fractions": story.fractions,
        },
        "dose_grid": {
            "shape_kji": list(case.grid.shape),
            "first_voxel_mm": [round(c, 3) for c in case.grid.origin_mm],
            "spacing_mm": list(case.grid.spacing_mm),
        },
        "structures": {
            roi: {
                "volume_cc": _number(e.volume_cc, max(0.003 * e.volume_cc, 0.05)),
                # sampled at three heights per slab: the edge of the grid is known to half of one
                "outside_dose_grid_cc": _number(e.outside_cc, max(0.04 * e.outside_cc, 0.05)),
                "mean_gy": _number(e.mean_gy, 0.02 + 0.002 * (e.mean_gy or 0.0)),
                "max_gy": _number(e.max_gy, 0.05),
            }
            for roi, e in structures.items()
        },
        "metrics": metrics,
        "rules": [{"rule": rule.text, "outcome": rule.outcome} for rule in story.rules],
        "margins": [_margin(answer) for answer in story.margins],
        "verdict": story.verdict,
    }


def _margin(answer: MarginAnswer) -> Json:
    """The answer to one margin audit: as it was grown, with what drawing on planes may change."""
    return {
        "id": answer.id,
        "outcome": answer.outcome,
        "median_mm": _number(answer.median_mm, IN_PLANE_MM),
        "extents_mm": {
            axis: _number(extent, ALONG_MM if axis in "SI" else IN_PLANE_MM)
            for axis, extent in zip("LRAPSI", answer.extents_mm, strict=False)
        },
    }


def _manifest(
    name: str,
    story: Story,
    structures: dict[str, Estimate],
    liver: Estimate,
    values: dict[str, str],
) -> str:
    """The manifest as Markdown."""
    ptv = structures["PTV"]
    lines = [f"# {name}", "", f"{story.title}. Synthetic: no person is described.", ""]
    lines += [f"- {fact.format(**values)}" for fact in story.facts]
    lines += ["", "## Right answers", ""]
    lines += [f"Prescription: {story.total_gy:g} Gy in {story.fractions} fractions to PTV.", ""]
    lines += ["| structure | volume cc | mean Gy | max Gy |", "|---|---|---|---|"]
    for roi, e in structures.items():
        mean, top = (
            ("-", "-")
            if e.mean_gy is None or e.max_gy is None
            else (f"{e.mean_gy:.2f}", f"{e.max_gy:.2f}")
        )
        lines.append(f"| {roi} | {e.volume_cc:.2f} | {mean} | {top} |")
    lines += ["", "A dash: part of the structure lies outside the dose grid.", ""]
    gross = " and ".join(story.gross)
    lines += [
        f"Liver without {gross}: {liver.volume_cc:.1f} cc, mean {liver.samples_gy.mean():.2f} Gy, "
        f"CV5Gy {liver.below_cc(5.0):.1f} cc, CV15Gy {liver.below_cc(15.0):.1f} cc.",
        "",
        "PTV: "
        + ", ".join(f"D{p}% {ptv.dose_to_percent_gy(p):.2f} Gy" for p in (98, 95, 50, 2))
        + ".",
        "",
        "| rule | outcome | because |",
        "|---|---|---|",
    ]
    lines += [f"| {r.text} | {r.outcome} | {r.why.format(**values)} |" for r in story.rules]
    lines += [
        f"| {answer.text} (for information) | {answer.outcome} | grown so |"
        for answer in story.margins
    ]
    lines += ["", f"Verdict: **{story.verdict}**.", "", "## How it was made", ""]
    lines += [
        f"`python scripts/make_test_data.py`; seeds: {story.seeds}.",
        "",
        "The numbers were measured on the files as written, by dense point sampling "
        "(`scripts/phantom/oracle.py`, which shares nothing with planeval): contours thickened by "
        "half a plane distance to both sides, trilinear dose, constant over the outer half voxel. "
        "`expected.json` has them with tolerances.",
        "",
    ]
    return "\n".join(lines)
