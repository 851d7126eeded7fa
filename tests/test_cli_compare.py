"""`planeval compare` and `evaluate --reference` as an operator meets them."""

import csv
import io
import json

import numpy as np
import pytest
from tests.dicom_writer import CaseWriter, Roi, Rx, axial_grid, box_ring, prism

import planeval as pe
from planeval.cli import main

PROTOCOL = """\
schema: planeval.protocol/1
id: small
version: "1"
title: One row
review: {status: draft}
dose_basis: physical
constraints:
  - id: cord
    kind: limit
    structure: SpinalCord
    metric: "Max[Gy]"
    per_protocol: "<= 42"
    acceptable: "<= 45"
"""


def write_plan(folder, label, gy, *, patient="P1", cord="SpinalCord"):
    """A plan of a cord in a uniform dose."""
    folder.mkdir(exist_ok=True)
    writer = CaseWriter(folder, patient_id=patient, label=label)
    grid = axial_grid((20, 30, 30), spacing_mm=(2.5, 2.0, 2.0), origin_mm=(-29, -29, -25))
    rings = prism(box_ring(12, 10), heights=[-5, -2.5, 0, 2.5, 5])
    name = f"{label}-"
    writer.structures([Roi(cord, rings), Roi("PTV", rings, type="PTV")], name=name + "RS.dcm")
    writer.plan([Rx("PTV", 40.0)], fractions=20, label=label, name=name + "RP.dcm")
    writer.dose(grid, np.full(grid.shape, float(gy)), name=name + "RD.dcm")
    return folder


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """Folders of plans: good (40 Gy), near (44), bad (50), another patient's, no cord; and all in one."""
    root = tmp_path_factory.mktemp("exports")
    for label, gy in (("good", 40), ("near", 44), ("bad", 50)):
        write_plan(root / label, label, gy)
        write_plan(root / "together", label, gy)
    write_plan(root / "other", "other", 40, patient="P2")
    write_plan(root / "cordless", "cordless", 40, cord="Something")
    (root / "small.yaml").write_text(PROTOCOL, encoding="utf-8")
    return root


def compare(root, *names, options=()):
    folders = [str(root / name) for name in names]
    return main(["compare", *folders, "--protocol", str(root / "small.yaml"), *options])


@pytest.mark.parametrize(
    ("names", "fail_on", "code"),
    [
        (("good", "near"), "fail", 0),
        (("good", "near"), "acceptable", 1),
        (("good", "near"), "worse", 1),
        (("near", "good"), "worse", 0),
        (("near", "good"), "change", 1),
        (("good", "good"), "change", 0),
        (("good", "bad"), "fail", 1),
        (("bad", "good"), "fail", 1),
        (("bad", "good"), "worse", 0),
        (("good", "bad"), "never", 0),
        (("good", "cordless"), "fail", 3),
        (("good", "cordless"), "worse", 3),
        (("good", "cordless"), "never", 0),
        (("good", "other"), "fail", 4),
    ],
)
def test_exit_codes(exports, names, fail_on, code):
    """As --help says; what is missing is never clean."""
    assert compare(exports, *names, options=["--fail-on", fail_on]) == code


def test_the_table_says_what_changes(exports, capsys):
    """Value of each plan with unit, the difference, the outcomes and the change."""
    compare(exports, "good", "bad")
    shown = capsys.readouterr().out
    for text in ("40.00 Gy", "50.00 Gy", "+10.00 Gy", "✔ Pass", "✘ Fail", "▼ worse outcome",
                 "Counted rows and groups: 1 worse", "SpinalCord Max[Gy]: Pass -> Fail",
                 "different structure sets"):  # fmt: skip
        assert text in shown


def test_plans_of_one_folder(exports, capsys):
    """--plan gives the order; without it all plans of the folder are compared."""
    options = ["--plan", "bad", "--plan", "good", "--json"]
    assert compare(exports, "together", options=options) == 1
    plans = json.loads(capsys.readouterr().out)["plans"]
    assert [(each["letter"], each["label"]) for each in plans] == [("A", "bad"), ("B", "good")]
    compare(exports, "together", options=["--json"])
    assert len(json.loads(capsys.readouterr().out)["plans"]) == 3


def test_one_plan_is_a_usage_error(exports, capsys):
    """The message says what to give."""
    assert compare(exports, "good") == 2
    assert "holds 1 plan" in capsys.readouterr().err
    assert compare(exports, "together", options=["--plan", "good"]) == 2


def test_files_are_written(exports, tmp_path):
    """HTML, JSON and CSV hold the same difference."""
    assert compare(exports, "good", "bad", options=["--out", str(tmp_path)]) == 1
    assert {each.name for each in tmp_path.iterdir()} == {
        "comparison.html", "comparison.json", "comparison.csv",
    }  # fmt: skip
    data = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    cord = next(row for row in data["rows"] if row["id"] == "constraint/cord")
    assert cord["plans"][1]["difference"]["number"] == pytest.approx(10.0)
    text = (tmp_path / "comparison.csv").read_text(encoding="utf-8")
    lines = [line for line in csv.DictReader(io.StringIO(text)) if line["row_id"] == cord["id"]]
    assert [line["outcome"] for line in lines] == ["PASS", "FAIL"]
    assert [line["change"] for line in lines] == ["none", "worse"]
    assert float(lines[1]["difference"]) == pytest.approx(10.0)
    assert "+10.00 Gy" in (tmp_path / "comparison.html").read_text(encoding="utf-8")


def test_an_unknown_format_is_a_usage_error(exports):
    """As with evaluate."""
    assert compare(exports, "good", "bad", options=["--format", "docx"]) == 2


def test_the_api_compares_evaluations(exports):
    """Two evaluations, a record, and a frame with one line per row and plan."""
    evaluations = [
        pe.evaluate(pe.load(exports / name), exports / "small.yaml") for name in ("good", "bad")
    ]
    result = pe.compare(evaluations)
    assert [row.id for row in result.changes] == ["constraint/cord"]
    assert len(result.to_frame()) == 2 * len(result.record.rows)
    assert repr(result) == "Comparison(A good, B bad: 1 rows change outcome)"


def evaluate(root, reference, out):
    return main(
        ["evaluate", str(root / "together"), "--plan", "good", "--protocol",
         str(root / "small.yaml"), "--reference", reference, "--out", str(out), "--format", "html"]
    )  # fmt: skip


@pytest.mark.parametrize("reference", ["bad", "FOLDER"])
def test_a_reference_plan_is_drawn_in_the_report(exports, tmp_path, reference):
    """By a label of the same folder, or from a folder of its own."""
    text = str(exports / "bad") if reference == "FOLDER" else reference
    assert evaluate(exports, text, tmp_path) == 0
    assert "reference plan bad" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_reference_of_another_patient_is_refused(exports, tmp_path, capsys):
    """Nothing is written over a slip like that."""
    assert evaluate(exports, str(exports / "other"), tmp_path) == 4
    assert "belongs to another patient (PatientID 'P2'" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(("slices", "count"), [("key", 0), ("all", 1)])
def test_slices_to_scroll_are_asked_for(exports, tmp_path, slices, count):
    """The report stays light unless --slices all is given."""
    options = [
        "--protocol",
        str(exports / "small.yaml"),
        "--out",
        str(tmp_path),
        "--format",
        "html",
    ]
    assert main(["evaluate", str(exports / "good"), *options, "--slices", slices]) == 0
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count('<section id="viewer"') == count


@pytest.mark.parametrize("command", ["evaluate", "compare", "robust"])
def test_a_child_pugh_class_that_there_is_not_is_a_usage_error(command, tmp_path, capsys):
    """Every command that asks for it says which there are; none calls it a defect."""
    write_plan(tmp_path / "a", "A", 30.0)
    assert main([command, str(tmp_path / "a"), "--child-pugh", "Z9"]) == 2
    assert "'Z9' is not one of" in capsys.readouterr().err
