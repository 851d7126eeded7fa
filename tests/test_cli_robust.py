"""``planeval robust``: what it prints, writes and refuses."""

import json

import numpy as np
import pytest
from tests.dicom_writer import CaseWriter, Roi, Rx, axial_grid, box_ring, prism

from planeval.cli import main

PROTOCOL = """\
schema: planeval.protocol/1
id: robust
version: "1"
title: One row
review: {status: draft}
constraints:
  - {id: liver, structure: Liver, metric: "Mean[Gy]", kind: limit, per_protocol: "<= 20.05"}
"""
HEIGHTS = [-6, -3, 0, 3, 6]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A plan whose dose rises towards the left: 20 Gy in the middle, 0.1 Gy/mm."""
    path = tmp_path_factory.mktemp("plan")
    writer = CaseWriter(path, patient_id="P1")
    rois = [
        Roi("Liver", prism(box_ring(20, 20), heights=HEIGHTS)),
        Roi("PTV", prism(box_ring(8, 8), heights=HEIGHTS), type="PTV"),
    ]
    writer.structures(rois)
    writer.plan([Rx("PTV", 20.0)], fractions=5, label="A")
    grid = axial_grid((26, 30, 32), spacing_mm=(3, 3, 3), origin_mm=(-46, -43, -38))
    k, j, i = np.indices(grid.shape).reshape(3, -1)
    x = grid.to_patient(np.stack([k, j, i], axis=1))[:, 0]
    writer.dose(grid, (20 + 0.1 * x).reshape(grid.shape))
    return path


@pytest.fixture(scope="module")
def protocol(tmp_path_factory):
    path = tmp_path_factory.mktemp("protocol") / "robust.yaml"
    path.write_text(PROTOCOL, encoding="utf-8")
    return str(path)


def test_shift_set_as_json(folder, protocol, capsys):
    """Towards the left the mean rises by gradient times shift: met in all directions but those."""
    code = main(
        ["robust", str(folder), "--protocol", protocol, "--shift-set", "6", "--shift-mm", "4,1,1",
         "--json"]
    )  # fmt: skip
    assert code == 0
    record = json.loads(capsys.readouterr().out)
    assert record["schema"] == "planeval.robustness/1"
    (found,) = record["sets"]
    (row,) = found["rows"]
    named = dict(zip([each["name"] for each in found["scenarios"]], row["numbers"], strict=True))
    assert named["L"] - named["R"] == pytest.approx(0.8, abs=1e-3)
    assert named["S"] == pytest.approx(named["I"], abs=1e-3)
    assert (row["met"], row["worst_in"]) == (5, "L")


def test_drawn_scenarios_print_their_seed_and_are_written(folder, protocol, tmp_path, capsys):
    """The table says seed and probability; both files are there."""
    out = tmp_path / "out"
    code = main(
        ["robust", str(folder), "--protocol", protocol, "--systematic", "1.5", "--random", "1,1,2",
         "--scenarios", "4", "--seed", "7", "--drift-mm", "1", "--out", str(out)]
    )  # fmt: skip
    assert code == 0
    printed = capsys.readouterr().out
    assert "Seed 7." in printed
    assert "Drift towards the feet: 1 mm" in printed
    assert "of 4 scenarios" in printed
    assert "Static dose cloud" in printed
    assert sorted(each.name for each in out.iterdir()) == ["robustness.html", "robustness.json"]
    assert "Seed 7." in (out / "robustness.html").read_text(encoding="utf-8")


def test_exit_code_of_a_probability_that_is_too_low(folder, protocol, capsys):
    """1 where the plan is met less often than wanted."""
    arguments = ["robust", str(folder), "--protocol", protocol, "--systematic", "4,0,0",
                 "--scenarios", "12", "--seed", "1", "--json"]  # fmt: skip
    assert main(arguments) == 0
    share = json.loads(capsys.readouterr().out)["sets"][0]["verdict_probability"]
    assert 0 < share < 1
    assert main([*arguments, "--min-probability", f"{share - 0.01}"]) == 0
    assert main([*arguments, "--min-probability", f"{share + 0.01}"]) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "give --systematic or --random, or --shift-set"),
        (["--shift-set", "14", "--min-probability", "0.9"], "needs drawn scenarios"),
        (["--systematic", "1,2"], "three as LR,AP,SI"),
        (["--systematic", "-1"], "three lengths"),
        (["--shift-set", "8"], "8"),
    ],
)
def test_wrong_options_are_usage_errors(folder, protocol, options, words, capsys):
    """Exit code 2, and what was expected."""
    assert main(["robust", str(folder), "--protocol", protocol, *options]) == 2
    assert words in capsys.readouterr().err
