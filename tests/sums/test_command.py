"""Plan sums on the command line: what is written, what is judged, what is refused."""

import json

import numpy as np
import pytest
from tests.sums.conftest import first_dose, rigid, second_dose, write

import planeval as pe
from planeval.cli import main

PROTOCOL = """\
schema: planeval.protocol/1
id: sums
version: "1"
title: Rows on a sum
review: {status: draft}
constraints:
  - {id: few, structure: Liver, metric: "Mean[Gy]", kind: limit, per_protocol: "<= 200",
     applies: {fractions: [5, 5]}}
  - {id: none, structure: Liver, metric: "Mean[Gy]", kind: limit, per_protocol: "<= 200"}
  - {id: both, structure: Liver, metric: "EQD2_3:Mean[Gy]", kind: limit, per_protocol: "<= 500",
     applies: {fractions: [5, 5]}}
"""


@pytest.fixture
def protocol(tmp_path):
    path = tmp_path / "sums.yaml"
    path.write_text(PROTOCOL, encoding="utf-8")
    return str(path)


def test_sum_writes_the_dose_and_its_tables(first, second, tmp_path, capsys):
    """An RTDOSE that can be read, and the metrics of the sum."""
    out = tmp_path / "out"
    code = main(
        ["sum", str(first.folder), str(second.folder), "-s", "Liver", "-m", "EQD2_3:Mean[Gy]",
         "--out", str(out), "--json"]
    )  # fmt: skip
    assert code == 0
    printed = json.loads(capsys.readouterr().out)
    assert "EQD2_3:Mean[Gy]" in json.dumps(printed)
    assert sorted(path.name for path in out.iterdir()) == ["RD.sum.dcm", "dvh.csv", "metrics.csv"]
    again = pe.load(out / "RD.sum.dcm", *first.folder.glob("RS*"))
    assert float(again.dose_at(1, 2, 3)) == pytest.approx(
        first_dose(1, 2, 3) + second_dose(1, 2, 3), abs=1e-3
    )


def test_evaluate_with_another_plan(first, second, protocol, capsys):
    """Gy only where each plan has the row's fractionation, EQD2 for the sum."""
    code = main(
        [
            "evaluate",
            str(first.folder),
            "--with",
            str(second.folder),
            "--protocol",
            protocol,
            "--json",
        ]
    )
    rows = {row["id"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert rows["few"]["outcome"]["status"] == "NOT_APPLICABLE"
    assert "25 fractions; for 5 fractions only" in rows["few"]["outcome"]["reason"]
    assert rows["none"]["outcome"]["status"] == "NOT_EVALUABLE"
    assert "5 and 25 fractions" in rows["none"]["outcome"]["reason"]
    assert rows["both"]["outcome"]["status"] == "PASS"
    assert "25, 5 fractions" in rows["both"]["notes"][0]
    assert code == 3


def test_a_registration_in_the_folder_is_found(first, tmp_path, capsys, protocol):
    """A REG beside the second plan is applied without being named, and the report says so."""
    folder = tmp_path / "moved"
    folder.mkdir()
    moved = write(folder, "C", lambda x, y, z: 5 + 0 * x, fractions=5, to_first=rigid(),
                  frame="elsewhere")  # fmt: skip
    assert main(["sum", str(first.folder), str(folder)]) == 4
    assert "no registration between them was given" in capsys.readouterr().err
    first.writer.folder = folder
    first.writer.registration(moved.writer.frame_uid, rigid())
    assert main(["sum", str(first.folder), str(folder), "-s", "PTV"]) == 0
    assert "was moved by registration RE.registration.dcm" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["{first}"], 2, "at least two folders"),
        (["{first}", "{first}"], 4, "is there twice"),
        (["{first}", "{second}", "--out", "{out}", "--biology", "EQD2"], 2, "write EQD2_3"),
        (["{first}", "nowhere"], 2, "does not exist"),
        (["{first}", "{second}", "--fx", "5"], 2, "give --rx as well"),
    ],
)
def test_wrong_sums_say_why(first, second, tmp_path, capsys, arguments, code, words):
    """Usage is 2, data that cannot be added is 4."""
    places = {"first": first.folder, "second": second.folder, "out": tmp_path}
    assert main(["sum", *(each.format(**places) for each in arguments)]) == code
    assert words in capsys.readouterr().err


def test_rx_states_the_prescription_of_the_sum(first, second, protocol, capsys):
    """--rx with --with replaces the plans' own, and need not be the first plan's."""
    main(
        ["evaluate", str(first.folder), "--with", str(second.folder), "--protocol", protocol,
         "--rx", "PTV=66", "--fx", "30", "--json"]
    )  # fmt: skip
    (rx,) = json.loads(capsys.readouterr().out)["prescriptions"]
    assert (rx["target"], rx["total_gy"], rx["fractions"]) == ("PTV", 66, 30)
    assert np.isfinite(rx["target_d50"]["number"])
