"""A synthetic liver case, and a record that holds every kind of row, status and reason."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import shapely

from planeval.case import Case
from planeval.geometry.grid import Grid
from planeval.geometry.stack import AXIAL, DrawnPlane, PlanarStack
from planeval.model import (
    CaseData,
    Dose,
    DoseTerm,
    Finding,
    Identity,
    Image,
    Method,
    Outcome,
    Severity,
    Source,
    Status,
    Structure,
    Value,
    Verdict,
)
from planeval.model.agreement import Agreement, AgreementMetric, AgreementRow, Rule
from planeval.model.record import (
    Attention,
    CheckItem,
    CheckRow,
    CheckState,
    Conversion,
    DoseSummary,
    EvaluationRecord,
    KindCount,
    PlanSummary,
    PointRow,
    PrescriptionRow,
    Proposal,
    ProtocolSummary,
    Provenance,
    SourceNote,
    StructureRow,
    TpsRow,
    UnjudgedOrgan,
)
from planeval.model.rows import (
    Companion,
    GroupMode,
    LevelChoice,
    LimitMark,
    LimitText,
    Margin,
    MatchKind,
    Row,
    RowGroup,
    RowKind,
    ScaledLevel,
    StructureMatch,
)
from planeval.units import Unit

SPACING_MM = 3.0
ORGANS = {
    # name: (type, colour, centre, radii) in mm
    "External": ("EXTERNAL", (0, 200, 120), (0, 0, 0), (170, 110, 400)),
    "Liver": ("ORGAN", (200, 150, 60), (-60, -10, 10), (80, 70, 55)),
    "GTV": ("GTV", (220, 20, 20), (-80, 0, 10), (20, 20, 18)),
    "PTV": ("PTV", (255, 255, 0), (-80, 0, 10), (30, 30, 30)),
    "Esophagus": ("ORGAN", (160, 80, 30), (10, 25, 20), (8, 8, 60)),
    "Colon": ("ORGAN", (30, 90, 200), (-70, -60, -50), (25, 15, 15)),
}


def ellipsoid(centre, radii) -> PlanarStack:
    """Ellipses of an ellipsoid every 3 mm, cut where the image ends."""
    x, y, z = centre
    planes = []
    for height in np.arange(-75.0, 76.0, SPACING_MM):
        share = 1 - ((height - z) / radii[2]) ** 2
        if share > 0.01:
            angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
            u = x + radii[0] * np.sqrt(share) * np.cos(angles)
            v = y + radii[1] * np.sqrt(share) * np.sin(angles)
            planes.append(DrawnPlane(float(height), shapely.Polygon(np.column_stack([u, v]))))
    return PlanarStack(AXIAL, planes)


def ct_image(grid: Grid | None = None) -> Image:
    """A CT in memory: air, soft tissue with noise, a brighter liver."""
    grid = grid or Grid(
        (-190.0, -130.0, -75.0), (1, 0, 0), (0, 1, 0), 2.0, 2.0, 131, 191,
        tuple(np.arange(0.0, 151.0, SPACING_MM)),
    )  # fmt: skip

    def read(_paths, grid, windows):
        indices = np.argwhere(np.ones(grid.shape, dtype=bool))
        points = grid.to_patient(indices).reshape(*grid.shape, 3)
        noise = np.random.default_rng(7).normal(0, 12, grid.shape)
        hu = np.full(grid.shape, -1000.0)
        for name, level in (("External", 20.0), ("Liver", 100.0), ("GTV", 60.0)):
            _, _, centre, radii = ORGANS[name]
            inside = (((points - centre) / radii) ** 2).sum(axis=-1) <= 1
            hu[inside] = level
        return [(hu + noise).astype(np.int16)[each] for each in windows]

    return Image(grid, "1.2.3.9", (), (), "d" * 64, read)


def dose_sum(terms: int = 1) -> Dose:
    """A hot spot of 58 Gy around the target that does not cover the whole body."""
    grid = Grid(
        (-170.0, -110.0, -72.0), (1, 0, 0), (0, 1, 0), 4.0, 4.0, 56, 66,
        tuple(np.arange(0.0, 145.0, 4.0)),
    )  # fmt: skip
    points = grid.to_patient(np.argwhere(np.ones(grid.shape, dtype=bool))).reshape(*grid.shape, 3)
    distance = np.sqrt(((points - np.array([-80, 0, 10])) ** 2).sum(axis=-1))
    gy = 58.0 / (1 + np.exp((distance - 38) / 7)) + 2.0
    return Dose(tuple(DoseTerm(grid, gy / terms, 25) for _ in range(terms)))


@cache
def case(*, image: bool = True, dose: bool = True, structures: bool = True) -> Case:
    """The synthetic case, with or without its CT, dose and structures."""
    known = {
        name: Structure(name, ellipsoid(centre, radii), number, name, kind, colour, origin="drawn")
        for number, (name, (kind, colour, centre, radii)) in enumerate(ORGANS.items(), 1)
    }
    return Case(
        CaseData(
            Identity("PE-1", "Zhang^San=张^三"),
            known if structures else {},
            dose=dose_sum() if dose else None,
            image=ct_image() if image else None,
        )
    )


def limit(operator: str, number: float, unit: Unit = Unit.GY) -> LimitText:
    """A limit as a record keeps it."""
    return LimitText(f"{operator} {number:g}", operator, number, unit)


def match(name: str, kind: MatchKind = MatchKind.EXACT, expression: str = "") -> StructureMatch:
    """A match by name."""
    names = () if kind is MatchKind.MISSING else (name,)
    return StructureMatch(name, kind, names, expression, "the same name")


def row(name: str, metric: str, value: Value, status: Status | None, **more) -> Row:
    """A row with an outcome; None is never judged."""
    reason = more.pop("reason", "")
    near = more.pop("near", False)
    outcome = None if status is None else Outcome(status, reason, near)
    return Row(
        more.pop("id", f"{name}-{metric}"),
        more.pop("kind", RowKind.LIMIT),
        name,
        more.pop("match", match(name)),
        metric,
        value,
        outcome,
        **more,
    )


def rows() -> tuple[Row | RowGroup, ...]:
    """Rows and groups with every status, nested once."""
    derived = match("Liver - GTV", MatchKind.DERIVED, "Liver - GTV")
    mean = row(
        "Liver - GTV", "Mean[Gy]", Value.of(18.0004, Unit.GY, 17.91, 18.12), Status.ACCEPTABLE,
        match=derived, near=True, kind=RowKind.RECOMMENDATION, per_protocol=limit("<=", 18),
        acceptable=limit("<=", 20), margin=Margin(limit("<=", 18), -0.0004, -0.00222), source="z",
    )  # fmt: skip
    spared = row(
        "Liver - GTV", "CV5Gy[cc]", Value.of(212.5, Unit.CC, 210.0, 215.0), Status.FAIL,
        match=derived, kind=RowKind.RECOMMENDATION, per_protocol=limit(">=", 300, Unit.CC),
        margin=Margin(limit(">=", 300, Unit.CC), -87.5, -29.1667), source="z",
        marks=(LimitMark("Liver - GTV", 5.0, 700.0, True, "per_protocol"),),
    )  # fmt: skip
    inner = RowGroup(
        "liver-inner", RowKind.RECOMMENDATION, GroupMode.ALL, (spared,), Outcome(Status.FAIL)
    )
    colon = row(
        "Colon", "Max[Gy]", Value.of(33.62, Unit.GY, 33.62, 34.4), Status.FAIL, source="z",
        per_protocol=limit("<=", 33), margin=Margin(limit("<=", 33), -0.62, -1.8788),
        companions=(Companion("D0.03cc[Gy]", Value.of(32.9, Unit.GY, 32.8, 33.1), "near-maximum"),),
        marks=(LimitMark("Colon", 33.0, 0.0, True, "per_protocol"),),
    )  # fmt: skip
    cut = row(
        "Stomach", "V20Gy[cc]",
        Value.undefined("1.20 of 30.00 cc of Stomach lie outside the dose grid", Unit.CC, (2, 9)),
        Status.NOT_EVALUABLE, reason="1.20 of 30.00 cc of Stomach lie outside the dose grid",
        per_protocol=limit("<", 5, Unit.CC), match=match("Stomach", MatchKind.ALIAS, "Magen"),
    )  # fmt: skip
    good = row(
        "Esophagus", "Max[Gy]", Value.of(12.25, Unit.GY, 12.25, 12.31), Status.PASS,
        per_protocol=limit("<=", 33), margin=Margin(limit("<=", 33), 20.75, 62.8788),
    )  # fmt: skip
    gone = row(
        "Kidney_L", "Mean[Gy]", Value.undefined("Kidney_L is not in the plan", Unit.GY),
        Status.NOT_APPLICABLE, reason="applies to 1 fraction", per_protocol=limit("<=", 10),
        match=match("Kidney_L", MatchKind.MISSING),
    )  # fmt: skip
    reference = row(
        "Esophagus", "V32Gy[cc]", Value.of(0.0, Unit.CC), None, kind=RowKind.REFERENCE,
        per_protocol=limit("<", 10, Unit.CC), notes=("One patient's value; not a limit.",),
    )  # fmt: skip
    liver = RowGroup(
        "liver", RowKind.RECOMMENDATION, GroupMode.ANY, (mean, inner),
        Outcome(Status.ACCEPTABLE, near_limit=True), "Liver: mean or spared volume", "z",
    )  # fmt: skip
    recalled = row(
        "Gallbladder", "Max[Gy]", Value.of(40.0, Unit.GY), Status.PASS, evidence="check",
        per_protocol=limit("<=", 55), in_verdict=False,
        level_choice=LevelChoice(
            Value.of(45.0, Unit.GY, 40.0, 45.0), 40.0, True,
            (
                ScaledLevel(50.0, Value.of(50.0, Unit.GY, 49.0, 51.0), limit("<=", 45), False),
                ScaledLevel(45.0, Value.of(45.0, Unit.GY, 44.1, 45.9), limit("<=", 45), True, True),
            ),
        ),
    )  # fmt: skip
    return (good, liver, colon, cut, gone, reference, recalled)


def information() -> tuple[Row, ...]:
    """Rows that only inform, the same metrics for two targets."""
    return tuple(
        row(name, metric, value, None, kind=RowKind.INFORMATION, id=f"info-{name}-{metric}")
        for name, shift in (("GTV", 0.0), ("PTV", -3.25))
        for metric, value in (
            ("D98%[Gy]", Value.of(54.123456789 + shift, Unit.GY, 54.0 + shift, 54.2 + shift)),
            ("V95%[%]", Value.of(98.7 + shift, Unit.PERCENT)),
        )
    )


def structure_rows() -> tuple[StructureRow, ...]:
    """An inventory: usable, cut by the grid, and without a solid."""
    some = [
        StructureRow(
            name, name, number, kind, "drawn", "", colour,
            Value.of(100.0 + number, Unit.CC, 99.0, 120.0), Value.of(0.0, Unit.CC),
            Value.of(1.0, Unit.GY), Value.of(12.5, Unit.GY), Value.of(58.1, Unit.GY),
            (f"{name} (exact)",), grid_mean_gy=0.124 * number, grid_maximum_gy=0.4,
        )
        for number, (name, (kind, colour, _, _)) in enumerate(ORGANS.items(), 1)
    ]  # fmt: skip
    nothing = Value.undefined("a point has no volume", Unit.GY)
    some.append(
        StructureRow(
            "Iso", "Iso", 99, "ISOCENTER", "drawn", "", (1, 2, 3), nothing, nothing, nothing,
            nothing, nothing, (), "a point has no volume",
        )
    )  # fmt: skip
    return tuple(some)


def record(**changes) -> EvaluationRecord:
    """The record of the synthetic case; ``changes`` replace its fields."""
    made = EvaluationRecord(
        identity=Identity("PE-1", "Zhang^San=张^三", "19600102", "M", "1.2.3"),
        plans=(
            PlanSummary(
                "1.2.840.10008.1.11223344", "HCC 55/25", "VMAT", "20240115", "APPROVED",
                "CURATIVE", False, "HFS", "planeval phantom", 25, 2,
            ),
        ),
        structure_set_label="PLANNING",
        structure_set_date="20240114",
        dose=DoseSummary(
            "PHYSICAL", "PLAN", ("1.2.840.10008.2.55667788",), "", 1, (25,), (37, 56, 66),
            (4.0, 4.0, 4.0), Value.of(58.4, Unit.GY),
        ),
        prescriptions=(
            PrescriptionRow(
                "PTV", 55.0, 25, 2.2, "VOLUME", "RTPLAN dose reference 1",
                (Conversion("BED", 10.0, 67.1), Conversion("EQD2", 10.0, 55.9166667)),
                Value.of(56.2, Unit.GY, 56.1, 56.3), 102.1818,
            ),
        ),
        protocol=ProtocolSummary(
            "hcc-test", "HCC, a test", "1.0", "draft", "", "", "a" * 64, "physical",
            "20 to 30 fractions, 50 to 65 Gy", Outcome(Status.PASS),
            ("Stomach and cord are NOT judged by this set.",),
            ("18 Gy per protocol and 20 Gy acceptable is our reading of 18-20 Gy.",),
            (
                SourceNote(
                    "z", "Zhai et al. 2025", "10.3389/fimmu.2025.1594577", "s2.3",
                    "the mean dose\n  of the liver minus GTV", "quoted",
                ),
            ),
            "disease", "site-override", ("tg101-5fx 1.0 (shipped), sha256 " + "c" * 64,),
            (CheckItem("phase", "Is the planning phase the arterial one?", ("look",), "z"),),
        ),
        verdict=Verdict.FAIL,
        summary="Constraint compliance: limits: 1 pass, 1 fail, 1 not evaluable",
        counts=(KindCount(RowKind.LIMIT, ((Status.PASS, 1), (Status.FAIL, 1))),),
        attention=(
            Attention(Severity.ERROR, "fail", "Colon Max[Gy] 33.62 Gy: FAIL", "Colon-Max[Gy]"),
            Attention(Severity.WARNING, "contour-gap", "Liver: 2 planes are missing"),
        ),
        rows=rows(),
        information=information(),
        not_judged=(UnjudgedOrgan("Duodenum", "ORGAN", "no counted row names it"),),
        structures=structure_rows(),
        points=(PointRow("Iso", "ISOCENTRE", (-80.0, 0.0, 10.0), Value.of(57.9, Unit.GY)),),
        tps=(
            TpsRow(
                "PTV", "DVHSequence", "", 113.2, 50.1, 56.0, 58.5, Value.of(113.1, Unit.CC),
                Value.of(50.2, Unit.GY), Value.of(56.1, Unit.GY), Value.of(58.4, Unit.GY),
            ),
        ),
        agreement=(
            AgreementRow(
                "PTV", "DVHSequence of RD.dcm", Agreement.EXPLAINED,
                (
                    AgreementMetric(
                        "Volume[cc]", Unit.CC, 113.2, Value.of(115.6, Unit.CC), 2.4, 1.1,
                        Agreement.EXPLAINED, Rule.END_CAPS,
                    ),
                    AgreementMetric(
                        "Mean[Gy]", Unit.GY, 56.0, Value.of(56.1, Unit.GY), 0.1, 0.3,
                        Agreement.AGREES,
                    ),
                    AgreementMetric(
                        "Curve", Unit.PERCENT, None, Value.of(-0.4, Unit.PERCENT), -0.4, 1.0,
                        Agreement.AGREES, at_gy=54.0,
                    ),
                ),
                (Rule.END_CAPS,), 0.01, "no end caps",
            ),
            AgreementRow(
                "Gone", "DVHSequence of RD.dcm", Agreement.NOT_COMPARED,
                reason="Gone is not a structure of this case",
            ),
        ),
        checks=(
            CheckRow("beams", "Beams and monitor units", CheckState.FOUND, "2 treatment beams",
                     ("beam-without-meterset",)),
            CheckRow("couch", "Couch", CheckState.UNCHECKED, "no support structure is drawn"),
            CheckRow("frames", "Frames of reference", CheckState.CLEAN, "stated by RTDOSE"),
        ),
        matches=(match("Liver"), match("Kidney_L", MatchKind.MISSING)),
        findings=(
            Finding("grid", Severity.INFO, "the dose grid is 4 mm", "RD.dcm"),
            Finding("contour-gap", Severity.WARNING, "2 planes are missing", "Liver"),
        ),
        provenance=Provenance(
            "0.1.0", "a" * 64, Method(), ("1.2.840.10008.1.11223344",),
            ("1.2.840.10008.2.55667788",), "1.2.5", "1.2.6", "1.2.7", "1.2.8",
            (Source("RTDOSE", "RD.dcm", "1.2.9", "b" * 64, "", "20240115", "planeval"),),
            (("map", "CTV肝=CTV"),),
        ),
        proposals=(
            Proposal("hcc-test", "HCC, a test", "disease", "draft", Outcome(Status.PASS), True),
            Proposal("tg101-5fx", "TG-101", "organs", "draft", Outcome(Status.PASS)),
            Proposal(
                "other", "Another", "disease", "draft",
                Outcome(Status.NOT_APPLICABLE, "25 fractions; for 5 fractions only"),
            ),
        ),
    )  # fmt: skip
    return replace(made, **changes)


def everything_hostile(text: str) -> EvaluationRecord:
    """The record with ``text`` in every field that a file may fill."""
    return _spoiled(record(), text)


def _spoiled(item, text: str):
    """Replace every text inside frozen values, but not enums, operators and fixed words."""
    from dataclasses import fields, is_dataclass
    from enum import Enum

    if isinstance(item, Enum | Path):
        return item
    if isinstance(item, str):
        return text
    if isinstance(item, tuple):
        return tuple(_spoiled(part, text) for part in item)
    if is_dataclass(item) and not isinstance(item, Method):
        kept = {"operator", "schema", "tier", "number", "possible", "type_"}
        changes = {
            field.name: _spoiled(getattr(item, field.name), text)
            for field in fields(item)
            if field.name not in kept and not _is_fixed(item, field.name)
        }
        return replace(item, **changes)
    return item


def _is_fixed(item, name: str) -> bool:
    """Whether planeval itself writes this text: the type of a row, an empty reason."""
    if name == "type" and isinstance(item, Row | RowGroup):
        return True
    return name == "reason" and not getattr(item, name)
