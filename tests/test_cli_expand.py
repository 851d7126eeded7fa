"""``planeval expand``: what it writes, what comes back, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image
from tests.dicom_writer import CaseWriter, Roi, axial_grid, circle_ring, prism

import planeval as pe
from planeval.cli import main

CASE = "test_data/hepatic-pvtt"
QUICK = ["expand", CASE, "--rule", "metastasis", "--gtv", "PVTT"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The whole run on the shipped case, once."""
    out = tmp_path_factory.mktemp("expand") / "out"
    code = main(
        ["expand", CASE, "--rule", "hepatic", "--gtv", "GTV", "--thrombus", "PVTT",
         "--vessel", "V_Portal", "--crop", "Liver | V_Portal", "--avoid", "Duodenum:3",
         "--ptv-margin", "SI 10", "--ptv-avoid", "Duodenum",
         "--masks", "nii.gz", "--with-originals", "--out", str(out)]
    )  # fmt: skip
    assert code == 0
    return out


def test_the_folder_holds_everything(written):
    """RTSTRUCT, steps as JSON and CSV, a picture, masks; the case itself is untouched."""
    names = {path.relative_to(written).as_posix() for path in written.rglob("*") if path.is_file()}
    assert names == {
        "RS_planeval.dcm", "expansion.json", "steps.csv", "preview.png",
        "masks/CTV_Expand.nii.gz", "masks/PTV_Expand.nii.gz", "masks/PTV_Eval.nii.gz",
    }  # fmt: skip


def test_the_shipped_targets_are_met(written):
    """CTV and PTV come out as the phantom's own, which were grown from its smooth shapes."""
    record = json.loads((written / "expansion.json").read_text(encoding="utf-8"))
    made = {row["name"]: row for row in record["structures"]}
    assert made["CTV^Expand"]["volume_cc"] == pytest.approx(100.83, rel=0.01)
    assert made["PTV^Expand"]["volume_cc"] == pytest.approx(216.22, rel=0.015)
    for row in made.values():
        assert row["drawn_cc"] == pytest.approx(row["volume_cc"], rel=1e-5)
    shell = next(step for step in record["steps"] if step["make"] == "shell")
    assert [each["by"] for each in shell["removals"]] == [
        "outside Liver | V_Portal", "Duodenum with 3 mm",
    ]  # fmt: skip
    assert "target-name-taken" in {each["code"] for each in record["findings"]}


@pytest.mark.slow
def test_evaluated_beside_the_originals(written):
    """The file with both, with plan and dose: one evaluation knows the drawn and the new PTV."""
    case = pe.load(
        written / "RS_planeval.dcm", f"{CASE}/RD.dcm", f"{CASE}/RP.dcm", f"{CASE}/CT",
        accept_mismatch=True,
    )  # fmt: skip
    record = json.loads((written / "expansion.json").read_text(encoding="utf-8"))
    for row in record["structures"]:
        structure = case.structure(row["name"])
        assert structure.volume_cc == pytest.approx(row["volume_cc"], rel=1e-5)
        assert (structure.number, structure.type) == (row["number"], row["type"])
    originals = pe.load(CASE)
    for name, original in originals.structures.items():
        assert case.structure(name).volume_cc == pytest.approx(original.volume_cc, rel=1e-6)
        assert case.structure(name).number == original.number
    old, new = (case.metric("D95%[Gy]", name) for name in ("PTV", "PTV^Expand"))
    assert float(new) == pytest.approx(float(old), abs=1.0)
    assert case.structure("PTV^Expand - PTV").volume_cc < 8
    result = pe.evaluate(case, "hcc-zhai2025")
    assert {row.name for row in result.record.structures} >= {"CTV", "CTV^Expand", "PTV^Expand"}


def test_new_structures_in_a_case_without_a_file():
    """The other way into one evaluation: a case that also knows the new structures."""
    case = pe.load(CASE)
    ctv = pe.expand(case.structure("PVTT"), superior=3, inferior=3, name="CTVv")
    again = case.with_structures(ctv)
    assert float(again.metric("Mean[Gy]", "CTVv")) > 50


def test_masks_have_the_volume(written):
    """The NIfTI mask of the CTV holds its volume to the size of the voxels."""
    image = sitk.ReadImage(str(written / "masks" / "CTV_Expand.nii.gz"))
    cc = sitk.GetArrayFromImage(image).sum() * np.prod(image.GetSpacing()) / 1000
    assert cc == pytest.approx(100.8, rel=0.02)


def test_the_picture_is_one(written):
    """Three panels wide, and not of one colour."""
    with Image.open(written / "preview.png") as picture:
        assert picture.width > 2 * picture.height
        small = np.asarray(picture.convert("RGB").resize((64, 32)))
        assert len(np.unique(small.reshape(-1, 3), axis=0)) > 50


def test_without_out_nothing_is_written(tmp_path, monkeypatch, capsys):
    """The steps are shown and nothing is left behind; --json prints the record only."""
    phantom(tmp_path / "case")
    monkeypatch.chdir(tmp_path)
    before = sorted(path.name for path in tmp_path.rglob("*"))
    asked = ["expand", "case", "--rule", "metastasis", "--gtv", "GTV:3"]
    assert main([*asked, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "planeval.expansion/1"
    assert main(asked) == 0
    shown = capsys.readouterr()
    assert "GTV:3 + 5 mm" in shown.out
    assert "15 mm, the default of the rule" in " ".join(shown.out.split())
    assert "nothing written" in shown.err
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--rule", "metastasis"], 2, "--gtv"),
        (["--rule", "metastasis", "--gtv", "GTW"], 2, "did you mean"),
        (["--rule", "hepatic", "--gtv", "GTV", "--vessel", "V_Portal"], 2, "is not thrombus"),
        (["--rule", "hepatik", "--gtv", "GTV"], 5, "did you mean hepatic"),
        ([*QUICK[2:], "--ptv-margin", "LR 5, LR 6"], 2, "each side once"),
        ([*QUICK[2:], "--ptv-margin", "S 5"], 2, "give both S and I"),
        ([*QUICK[2:], "--ptv-margin", "five"], 2, "--ptv-margin 'five'"),
        ([*QUICK[2:], "--length", "shell"], 2, "write NAME=MM"),
        ([*QUICK[2:], "--length", "shall=5"], 2, "has no length 'shall'"),
        ([*QUICK[2:], "--length", "shell=500"], 2, "need 0 to 100"),
        ([*QUICK[2:], "--avoid", "Duodenum:-2"], 2, "gap of -2 mm"),
        ([*QUICK[2:], "--phase", "GTV_T00"], 2, "--ptv-by itv|motion"),
        ([*QUICK[2:], "--phase", "GTV_T00", "--ptv-by", "itv"], 2, "it has no default"),
        ([*QUICK[2:], "--phase", "GTV_T00", "--ptv-by", "itv", "--setup-margin", "LR 3"], 2,
         "says nothing about A, P, S, I"),
        ([*QUICK[2:], "--fx", "5"], 2, "--fx goes with --van-herk"),
        ([*QUICK[2:], "--phase", "GTV_T00", "--phase-vessel", "A", "--phase-vessel", "B"], 2,
         "once for each --phase"),
        ([*QUICK[2:], "--vessel", "V_Portal"], 2, "no use for 'vessel'"),
    ],
)  # fmt: skip
def test_wrong_calls(arguments, code, message, capsys):
    """Each wrong call is told what it should be, with the exit code of its kind."""
    assert main(["expand", CASE, *arguments]) == code
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_file_that_is_there_stays(tmp_path, capsys):
    """The RTSTRUCT of an earlier run is not overwritten, and nothing else is touched either."""
    (tmp_path / "RS_planeval.dcm").write_bytes(b"precious")
    assert main([*QUICK, "--out", str(tmp_path)]) == 4
    assert "not overwritten" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["RS_planeval.dcm"]


def phantom(tmp_path):
    """A case of a small cylinder with CT."""
    grid = axial_grid((16, 32, 32), spacing_mm=(3, 2, 2), origin_mm=(-31, -31, 0))
    writer = CaseWriter(tmp_path)
    writer.ct(grid)
    writer.structures(
        [Roi("GTV:3", prism(circle_ring(8, points=24), [18.0, 21.0, 24.0]), type="GTV")]
    )
    return tmp_path


def test_phases_from_another_file(tmp_path, capsys):
    """FILE::STRUCTURE takes a phase from another RTSTRUCT; another frame of reference is refused."""
    case = phantom(tmp_path / "a")
    other = tmp_path / "b"
    writer = CaseWriter(other)
    ring = circle_ring(8, (1.0, -2.0), points=24)
    writer.structures([Roi("GTV", prism(ring, [21.0, 24.0, 27.0]))], what="phase")
    file = next(other.glob("RS*"))
    asked = ["expand", str(case), "--rule", "metastasis", "--gtv", '"GTV:3"',
             "--ptv-by", "motion", "--setup-margin", "2", "--json"]  # fmt: skip
    assert main([*asked, "--phase", f"{file}::GTV"]) == 0
    motion = json.loads(capsys.readouterr().out)["motion"]
    assert [axis["centroid"] for axis in motion["axes"]] == [[0, 1], [-2, 0], [0, 3]]
    stranger = CaseWriter(tmp_path / "c", label="other frame")
    stranger.structures([Roi("GTV", prism(ring, [21.0, 24.0, 27.0]))])
    file = next((tmp_path / "c").glob("RS*"))
    assert main([*asked, "--phase", f"{file}::GTV"]) == 4
    assert "different frames of reference" in capsys.readouterr().err
    patient = CaseWriter(tmp_path / "d", patient_id="P2")
    patient.structures([Roi("GTV", prism(ring, [21.0, 24.0, 27.0]))])
    assert main([*asked, "--phase", f"{next((tmp_path / 'd').glob('RS*'))}::GTV"]) == 4
    assert "of patient 'P2'" in capsys.readouterr().err


def test_names_with_colons_and_expressions(tmp_path, capsys):
    """An avoided organ may have a colon in its name, a gap or not."""
    case = phantom(tmp_path / "a")
    for text in ("GTV:3", '"GTV:3":0'):
        code = main(["expand", str(case), "--rule", "metastasis", "--gtv", "GTV:3", "--json",
                     "--ptv-margin", "0", "--length", "shell=0", "--avoid", text])  # fmt: skip
        shown = capsys.readouterr()
        assert code == 0, shown.err
        (removal,) = json.loads(shown.out)["steps"][0]["removals"]
        assert removal == {"by": "GTV:3", "cc": 0.0}


def test_a_case_without_ct(tmp_path, capsys):
    """Without CT targets lie on the GTV's planes; masks have no grid and are refused."""
    case = phantom(tmp_path / "a")
    for path in case.glob("CT*"):
        path.unlink()
    asked = ["expand", str(case), "--rule", "metastasis", "--gtv", "GTV:3", "--ptv-margin", "SI 10"]
    assert main([*asked, "--out", str(tmp_path / "o")]) == 0
    again = pe.load(tmp_path / "o" / "RS_planeval.dcm", need_dose=False)
    heights = [plane.offset_mm for plane in again.structure("PTV").stack.planes]
    assert np.diff(heights) == pytest.approx(np.full(len(heights) - 1, 3.0))
    assert Path(tmp_path / "o" / "preview.png").stat().st_size > 5000
    assert main([*asked, "--out", str(tmp_path / "p"), "--masks", "nrrd"]) == 4
    assert "the case has no CT" in capsys.readouterr().err
