"""Agreement with planning systems and with published tables, on exports kept outside the repository.

Every disagreement is shown beside what could explain it: the same numbers without end caps, with
shapes interpolated between planes, and the width of planeval's own band.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import planeval as pe
from accuracy_tables import table
from planeval.dose.calculation import dose_volume_histogram
from planeval.model import Structure

__all__ = ["report"]

Floats = NDArray[np.float64]
PERCENTS = (99, 95, 50, 5, 1)
METHODS = {
    "half": pe.Method(),
    "none": pe.Method(caps="none"),
    "tapered": pe.Method(caps="tapered"),
    "interpolated": pe.Method(between="interpolated"),
    "tapered + interpolated": pe.Method(caps="tapered", between="interpolated"),
}


@dataclass(frozen=True)
class StatedCurve:
    """A cumulative curve as another system states it; volumes in percent of ``total_cc``."""

    name: str
    total_cc: float
    dose_gy: Floats
    percent: Floats
    stated_mean_gy: float | None = None

    def d(self, percent: float) -> float:
        """Largest dose at which the curve still has that volume."""
        falling = np.minimum.accumulate(self.percent)
        last_of_plateau = np.append(np.diff(falling) < 0, True)
        return float(np.interp(-percent, -falling[last_of_plateau], self.dose_gy[last_of_plateau]))

    def mean(self) -> float:
        """The stated mean, else the area under the curve."""
        if self.stated_mean_gy is not None:
            return self.stated_mean_gy
        return float(np.trapezoid(self.percent, self.dose_gy) / 100)


def report(data_dir: Path) -> None:
    """Print every comparison for which the data are there."""
    for title, run in (
        ("Nelms spheres and cylinders", nelms),
        ("Eclipse prostate", eclipse_prostate),
        ("Breast, DVHSequence", breast),
        ("Abdomen, Aria text export", abdomen),
        ("Brain SRS", brain),
    ):
        print(f"## {title}\n")
        run(data_dir)
        print()


def nelms(data_dir: Path) -> None:
    """Analytic solids in linear dose: metrics of analytic-points.csv, curves of analytic-dvh-*."""
    folder = data_dir / "nelms"
    curves = {
        shape: _columns(folder / f"analytic-dvh-{shape}.csv") for shape in ("sphere", "cylinder")
    }
    rows, details = [], []
    for shape in curves:
        for tag, spacing in (("02", "0.2"), ("10", "1"), ("20", "2"), ("30", "3")):
            for beam, gradient in (("SupInf", "SI"), ("AntPost", "AP")):
                curve = curves[shape][f"{gradient} {spacing} mm"]
                points = _points(folder, f"{shape.title()}_{tag}_0", gradient)
                for grid in (1, 2, 3):
                    # where the solid is shifted along the gradient, the stated doses do not apply
                    dose = folder / "dose" / f"Linear_{beam}_{grid}mm_Aligned.dcm"
                    solids = sorted((folder / "structures").glob(f"{shape.title()}_{tag}_*.dcm"))
                    found = [
                        _against_analytic(path, dose, curve, points)
                        for path in solids
                        if gradient == "SI" or "Z" not in path.stem
                    ]
                    rows.append([shape, spacing, grid, gradient, *_worst(found)])
                    details.extend(found)
    head = [
        "shape", "slices mm", "grid mm", "gradient", "volume %", *(f"D{p}% cGy" for p in (99, 95, 5, 1)),
        "D0.03cc cGy", "mean cGy", "curve pp",
    ]  # fmt: skip
    print(
        f"{len(details)} pairs of a structure and a dose; worst of the shifted and unshifted solids.\n"
    )
    print(table(head, rows))


def _points(folder: Path, name: str, gradient: str) -> dict[str, float]:
    """The row of analytic-points.csv, whose metrics do not depend on the dose grid."""
    with (folder / "analytic-points.csv").open(newline="") as file:
        row = next(
            row
            for row in csv.DictReader(file)
            if row["Structure name"] == name and gradient in row["Gradient direction"]
        )
    return {key: float(value) for key, value in row.items() if re.match(r"D[\dm]|Total", key)}


def _against_analytic(
    structures: Path, dose: Path, curve: tuple[Floats, Floats], points: dict[str, float]
) -> list[float]:
    """Volume %, D99, D95, D5, D1, D0.03cc and mean in cGy, largest curve difference in points."""
    case = pe.load(structures, dose)
    (solid,) = case.structures
    dvh = case.dvh(solid)
    centi_gy, volume_cc = curve
    ours = [dvh.v(gy=gy).value / dvh.total_cc for gy in centi_gy[::10] / 100]
    return [
        100 * (dvh.total_cc / points["Total Volume (cc)"] - 1),
        *(100 * float(dvh.d(percent=p)) - points[f"D{p}"] for p in (99, 95, 5, 1)),
        100 * float(dvh.d(cc=0.03)) - points["D0.03cc"],
        100 * float(dvh.mean()) - points["Dmean"],
        100 * float(np.abs(ours - volume_cc[::10] / volume_cc[0]).max()),
    ]


def _worst(found: list[list[float]]) -> list[str]:
    columns = np.array(found).T
    worst = [column[np.argmax(np.abs(column))] for column in columns]
    return [f"{worst[0]:+.2f}", *(f"{number:+.1f}" for number in worst[1:-1]), f"{worst[-1]:.2f}"]


def _columns(path: Path) -> dict[str, tuple[Floats, Floats]]:
    """Every column of an analytic DVH file as (dose in cGy, volume in cc)."""
    with path.open(newline="") as file:
        head, *rows = csv.reader(file)
    # columns without dose end at different lengths: an empty cell is no volume
    numbers = np.array([[float(cell or 0) for cell in row] for row in rows]).T
    return {name: (numbers[0], column) for name, column in zip(head[1:], numbers[1:], strict=True)}


def eclipse_prostate(data_dir: Path) -> None:
    folder = data_dir / "eclipse-prostate"
    case = pe.load(folder / "dicom")
    for system in ("Eclipse", "CERR", "SlicerRT"):
        print(f"{system}:\n")
        path = folder / "tps-dvh" / f"EclipseProstate_DvhTable_{system}.csv"
        _compare(case, _paired_columns(path, case))


def _paired_columns(path: Path, case: pe.Case) -> Iterator[StatedCurve]:
    """Curves of a table of (dose, volume) column pairs, for the structures of the case."""
    with path.open(newline="") as file:
        head, *rows = csv.reader(file)
    spelled = {name.replace(" ", "").lower(): name for name in case.structures}
    for at in range(0, len(head) - 1, 2):
        key = re.split(r"_DvhArray| Dose", head[at])[0].replace(" ", "").lower()
        total = float(re.search(r"% of ([\d.]+)", head[at + 1]).group(1))  # type: ignore[union-attr]
        pairs = [row[at : at + 2] for row in rows if row[at].strip() and row[at + 1].strip()]
        dose, percent = np.array(pairs, dtype=float).T
        rising = dose >= np.maximum.accumulate(dose)  # a misprinted dose is left out
        dose, percent = dose[rising], percent[rising]
        yield StatedCurve(spelled[key], total, dose, percent)


def breast(data_dir: Path) -> None:
    case = pe.load(data_dir / "breast-dvhsequence")
    _compare(
        case,
        (
            StatedCurve(
                tps.structure, float(tps.volume_cc[0]), tps.dose_gy,
                100 * tps.volume_cc / tps.volume_cc[0], tps.mean_gy,
            )
            for tps in case.data.tps_dvhs
        ),
    )  # fmt: skip


def abdomen(data_dir: Path) -> None:
    folder = data_dir / "abdomen-aria"
    case = pe.load(folder / "dicom", rx=pe.Rx(55, 25))
    curves = _aria_text(folder / "tps-dvh" / "Jane_Doe.dvh")
    _compare(case, (curve for curve in curves if curve.name in case.structures))


def _aria_text(path: Path) -> Iterator[StatedCurve]:
    """Curves of a text export, dose in cGy and volume in percent."""
    for block in path.read_text(encoding="latin-1").split("\nStructure: ")[1:]:
        name = block.split("\n", maxsplit=1)[0].strip()
        stated = dict(re.findall(r"^([\w ]+) \[[^\]]+\]: ([\d.]+)", block, re.MULTILINE))
        rows = re.findall(r"^ *([\d.eE+-]+) +[\d.eE+-]+ +([\d.eE+-]+) *\r?$", block, re.MULTILINE)
        dose, percent = np.array(rows, dtype=float).T
        yield StatedCurve(
            name, float(stated["Volume"]), dose / 100, percent, float(stated["Mean Dose"]) / 100
        )


def brain(data_dir: Path) -> None:
    """Scores of another script on the RayStation plan; volumes of three systems."""
    folder = data_dir / "brain-srs"
    case = pe.load(folder, plan="VMAT")
    bare = pe.load(folder, plan="VMAT", method=METHODS["none"])
    spelled = {name.upper(): name for name in case.structures}
    rows = []
    with (folder / "reference-dvh" / "raystation-vmat_pyplanscoring.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            name, query = row["Structure Name"], row["Query"].strip()
            if query.startswith("CI"):
                continue
            name = spelled[name.upper()]
            value = case.metric(query, name)
            rows.append([name, query, f"{float(row['Result']):.2f}", repr(value),
                         repr(bare.metric(query, name))])  # fmt: skip
    print(table(["structure", "metric", "PyPlanScoring", "planeval [band]", "no caps"], rows))
    print("\nVolumes (cc); the references belong to one of two structure sets of this anatomy:\n")
    print(table(["structure", "planeval", "no caps", "PlanIQ supersampled", "PlanIQ", "Brainlab"],
                _brain_volumes(folder, case)))  # fmt: skip


def _brain_volumes(folder: Path, case: pe.Case) -> Iterator[list[str]]:
    planiq = "PTV Based - PlanIQ{} DVH - Eclipse VMAT - Body included - Ahmad March 24.txt"
    stated = [
        _first_row(folder / "reference-dvh" / planiq.format(kind)) for kind in (" Supersampled", "")
    ]
    stated.append(_brainlab(folder / "reference-dvh" / "brainlab_dvh_ptv_based.txt"))
    for name, solid in case.structures.items():
        others = [volumes.get(name) for volumes in stated]
        if any(other is not None for other in others):
            low, _high = solid.volume_band_cc
            yield [
                name, f"{solid.volume_cc:.3f}", f"{low:.3f}",
                *("" if other is None else f"{other:.3f}" for other in others),
            ]  # fmt: skip


def _first_row(path: Path) -> dict[str, float]:
    """Volumes at no dose of a PlanIQ table of (dose, volume) column pairs."""
    names, _units, first = path.read_text(encoding="latin-1").splitlines()[:3]
    volumes = first.split("\t")[1::2]
    return {
        name.strip().rstrip("."): float(volume)
        for name, volume in zip(names.split("\t")[::2], volumes, strict=False)
    }


def _brainlab(path: Path) -> dict[str, float]:
    """Volumes in the second line of a Brainlab table."""
    names, second = path.read_text(encoding="latin-1").splitlines()[:2]
    volumes = [float(cell.split()[-1]) for cell in second.split("\t") if cell.strip()]
    return dict(zip(names.split("\t")[1:], volumes[1:], strict=False))


def _compare(case: pe.Case, curves: Iterator[StatedCurve]) -> None:
    """Print volumes, doses and curves beside the stated ones, by method."""
    volumes, doses = [], []
    spread: dict[str, list[float]] = defaultdict(list)
    for stated in curves:
        found = {
            name: dose_volume_histogram(_with(case.structure(stated.name), method), case.dose)
            for name, method in METHODS.items()
        }
        default = found["half"]
        parts = [100 * (dvh.total_cc / stated.total_cc - 1) for dvh in found.values()]
        volumes.append(
            [stated.name, f"{stated.total_cc:.2f}", *(f"{part:+.2f}" for part in parts),
             f"{100 * default.outside_cc / default.total_cc:.4f}"]
        )  # fmt: skip
        row = [stated.name]
        for percent in PERCENTS:
            value, other = default.d(percent=percent), stated.d(percent)
            row.append(_difference(value, other, found["none"].d(percent=percent)))
        row.append(_difference(default.mean(), stated.mean(), found["none"].mean()))
        doses.append(row)
        for name, dvh in found.items():
            worst, _at = _curve_difference(dvh, stated)
            spread[name].append(worst)
            row.append(f"{worst:.2f}")
    print("Volume, planeval minus stated in %:\n")
    print(table(["structure", "stated cc", *METHODS, "outside grid %"], volumes))
    print(
        "\nDose, planeval minus stated in Gy (% of the stated) {without end caps}; curves in points:\n"
    )
    head = ["structure", *(f"D{p}%" for p in PERCENTS), "mean", *(f"curve, {m}" for m in METHODS)]
    print(table(head, doses) + "\n")


def _difference(value: pe.Value, other: float, uncapped: pe.Value) -> str:
    if value.number is None:
        middle = value.possible[0] if value.possible else float("nan")
        return f"{middle - other:+.3f} at least"
    bare = "" if uncapped.number is None else f" {{{uncapped.number - other:+.3f}}}"
    return f"{value.number - other:+.3f} ({100 * (value.number / other - 1):+.2f} %){bare}"


def _curve_difference(dvh: pe.Dvh, stated: StatedCurve) -> tuple[float, float]:
    """Largest vertical distance of the two relative curves in points, and its dose."""
    ours = 100 * np.interp(stated.dose_gy, dvh.dose_gy, dvh.volume_cc, right=0) / dvh.total_cc
    ours[stated.dose_gy <= dvh.dose_gy[0]] = 100 * dvh.inside_cc / dvh.total_cc
    away = np.abs(ours - stated.percent)
    at = int(np.argmax(away))
    return float(away[at]), float(stated.dose_gy[at])


def _with(structure: Structure, method: pe.Method) -> Structure:
    """The same structure under another method."""
    return Structure(structure.name, structure.stack, method=method)
