"""``planeval cohort`` as a user meets it: tables, exit codes, round trips."""

import csv
import io
import json
import sys
from pathlib import Path

import pytest
from tests.cohort.small_plans import edit, write_plan

from planeval.cli import main
from planeval.cohort import child

FAULTY = (sys.executable, str(Path(__file__).with_name("faulty_worker.py")))


def test_the_index_says_which_and_why(export, capsys):
    """A table, a JSON document and a CSV file of the same plans."""
    write_plan(export / "un", "P4", label="UN", plan=edit(ApprovalStatus="UNAPPROVED"))
    assert main(["cohort", "index", str(export)]) == 0
    shown = capsys.readouterr().out
    assert "not-approved: ApprovalStatus is UNAPPROVED" in shown
    assert "4 plans of 4 patients, 3 taken" in shown
    assert main(["cohort", "index", str(export), "--json"]) == 0
    plans = json.loads(capsys.readouterr().out)["plans"]
    assert [plan["take"] for plan in plans] == ["yes", "yes", "yes", "no"]
    assert main(["cohort", "index", str(export), "--csv", "--approval", "any"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["take"] for row in rows] == ["yes"] * 4
    assert rows[0]["targets"] == "PTV 40 Gy"


def test_index_to_selection_to_tables_to_report(export, protocol, tmp_path, capsys):
    """The edited index is a selection; a second run goes on; the report is one command more."""
    main(["cohort", "index", str(export), "--csv"])
    select = tmp_path / "select.csv"
    select.write_text(capsys.readouterr().out.replace("yes", "no", 1), encoding="utf-8")
    out = tmp_path / "out"
    command = ["cohort", "extract", str(export), "--protocol", str(protocol), "--out", str(out)]
    assert main([*command, "--select", str(select)]) == 0
    captured = capsys.readouterr()
    assert "3 plans found, 2 taken: 2 evaluated, 0 already stored, 0 failed" in captured.out
    assert "2/2 plans, 0 failed" in captured.err
    assert main(command) == 4
    assert "holds a cohort already" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0
    assert "1 evaluated, 2 already stored" in capsys.readouterr().out
    assert main(["cohort", "report", str(out)]) == 0
    assert (out / "report.html").stat().st_size > 10_000


def test_a_failed_plan_is_3_with_strict_and_no_plan_is_4(tmp_path, protocol, monkeypatch, capsys):
    """The run goes on after a crash; what was printed names the case and the code only."""
    write_plan(tmp_path / "in" / "1", "P1", label="CRASH")
    write_plan(tmp_path / "in" / "2", "P2", label="fine")
    monkeypatch.setattr(child, "WORKER", FAULTY)
    command = ["cohort", "extract", str(tmp_path / "in"), "--protocol", str(protocol), "--strict"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 3
    captured = capsys.readouterr()
    assert "1 failed" in captured.out
    assert "failed C-" in captured.err
    assert "P1" not in captured.err
    (tmp_path / "in" / "2" / "RP.plan.dcm").unlink()
    (tmp_path / "in" / "2" / "RD.dose.dcm").unlink()
    assert main([*command, "--resume", "--out", str(tmp_path / "out")]) == 4


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["extract", "IN", "--out", "OUT"], 2, "give --protocol, --metrics, or both"),
        (["extract", "IN", "--protocol", "no-such", "--out", "OUT"], 5, "no protocol 'no-such'"),
        (["extract", "nowhere", "--protocol", "PROTOCOL", "--out", "OUT"], 4, "no such file"),
        (["index", "nowhere"], 4, "no such file"),
        (["report", "IN"], 4, "holds no whole cohort"),
        (
            ["extract", "IN", "--protocol", "PROTOCOL", "--out", "OUT", "--scheduler", "what"],
            4,
            "no Dask scheduler answers",
        ),
    ],
)
def test_wrong_input_has_its_code_and_one_sentence(
    export, protocol, tmp_path, capsys, options, code, words
):
    """Usage 2, input 4, protocol 5; nothing is written."""
    names = {"IN": str(export), "OUT": str(tmp_path / "out"), "PROTOCOL": str(protocol)}
    assert main(["cohort", *(names.get(word, word) for word in options)]) == code
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_an_empty_folder_has_no_plans(tmp_path, protocol):
    """Nothing found is not a success."""
    assert main(["cohort", "index", str(tmp_path)]) == 4
    command = ["cohort", "extract", str(tmp_path), "--protocol", str(protocol)]
    assert main([*command, "--out", str(tmp_path / "out")]) == 4
