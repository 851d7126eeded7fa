"""The command line as a user meets it: outputs, exit codes, and one clear sentence for bad input."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.dicom_writer import CaseWriter, Roi, Rx, axial_grid, box_ring, prism

from planeval import cli
from planeval.cli import main

TEST_DATA = Path(__file__).parents[1] / "test_data"
FAILING = TEST_DATA / "fails-on-purpose"
PROTOCOL = str(FAILING / "protocol.yaml")

SMALL_PROTOCOL = """\
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
    per_protocol: "<= LIMIT"
    acceptable: "<= TIER"
"""


@pytest.fixture
def export(tmp_path):
    """A small plan: a cord in a uniform 40 Gy."""
    folder = tmp_path / "export"
    folder.mkdir()
    writer = CaseWriter(folder)
    grid = axial_grid((20, 30, 30), spacing_mm=(2.5, 2.0, 2.0), origin_mm=(-29, -29, -25))
    rings = prism(box_ring(12, 10), heights=[-5, -2.5, 0, 2.5, 5])
    writer.structures([Roi("SpinalCord", rings), Roi("PTV", rings, type="PTV")])
    writer.plan([Rx("PTV", 40.0)], fractions=20)
    writer.dose(grid, np.full(grid.shape, 40.0))
    return folder


def protocol_file(tmp_path, limit, tier):
    path = tmp_path / "small.yaml"
    path.write_text(SMALL_PROTOCOL.replace("LIMIT", limit).replace("TIER", tier), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("limit", "tier", "options", "code"),
    [
        ("45", "50", [], 0),
        ("35", "45", [], 0),
        ("35", "45", ["--fail-on", "acceptable"], 1),
        ("30", "35", [], 1),
        ("30", "35", ["--fail-on", "never"], 0),
    ],
)
def test_exit_code_follows_the_verdict(export, tmp_path, limit, tier, options, code):
    """PASS and ACCEPTABLE are 0, FAIL is 1, --fail-on moves the border."""
    protocol = protocol_file(tmp_path, limit, tier)
    assert main(["evaluate", str(export), "--protocol", protocol, *options]) == code


@pytest.mark.parametrize(
    ("options", "code"),
    [([], 3), (["--fail-on", "not-evaluable"], 1), (["--fail-on", "never"], 0)],
)
def test_what_could_not_be_evaluated_is_3(export, tmp_path, options, code):
    """A missing structure is never a pass."""
    protocol = protocol_file(tmp_path, "45", "50")
    text = Path(protocol).read_text(encoding="utf-8").replace("SpinalCord", "Brainstem")
    Path(protocol).write_text(text, encoding="utf-8")
    assert main(["evaluate", str(export), "--protocol", protocol, *options]) == code


def test_evaluate_writes_every_file_whole(export, tmp_path, capsys):
    """--out receives five files; a second run gives the same bytes of the evaluation."""
    out = tmp_path / "out"
    arguments = ["evaluate", str(export), "--protocol", protocol_file(tmp_path, "45", "50")]
    assert main([*arguments, "--out", str(out)]) == 0
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    assert set(first) == {"report.html", "evaluation.json", "metrics.csv", "dvh.csv", "run.json"}
    assert main([*arguments, "--out", str(out)]) == 0
    second = {path.name: path.read_bytes() for path in out.iterdir()}
    for name in ("evaluation.json", "metrics.csv", "dvh.csv", "report.html"):
        assert first[name] == second[name]
    assert str(tmp_path) not in first["evaluation.json"].decode()
    assert json.loads(first["run.json"])["schema"] == "planeval.run/1"


def test_json_is_one_document_and_nothing_else(export, tmp_path, capsys):
    """--json prints evaluation.json; the dvh and inspect commands have theirs."""
    main(["evaluate", str(export), "--protocol", protocol_file(tmp_path, "45", "50"), "--json"])
    assert json.loads(capsys.readouterr().out)["schema"] == "planeval.evaluation/1"
    main(["dvh", str(export), "--json", "-m", "V20Gy[%]", "-s", "PTV"])
    table = json.loads(capsys.readouterr().out)
    assert table["structures"][0]["metrics"]["V20Gy[%]"]["number"] == 100
    main(["inspect", str(export), "--json"])
    assert len(json.loads(capsys.readouterr().out)["plans"]) == 1


def test_dvh_needs_no_plan_and_no_image(export, tmp_path, capsys):
    """Structures and a PLAN dose are enough; the curves are written on request."""
    for path in export.iterdir():
        if "RP" in path.name or "RTPLAN" in path.name.upper():
            path.unlink()
    out = tmp_path / "out"
    assert main(["dvh", str(export), "--out", str(out)]) == 0
    assert "SpinalCord" in capsys.readouterr().out
    assert (out / "dvh.csv").read_text(encoding="utf-8").startswith("structure,dose_gy")
    assert (out / "metrics.csv").read_text(encoding="utf-8").count("Mean[Gy]") == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["evaluate", "EXPORT"], 2, "hcc-zhai2025-5fx (disease set): 20 fractions"),
        (["evaluate", "EXPORT", "--child-pugh", "D"], 2, "--child-pugh"),
        (["evaluate", "EXPORT", "--protocol", "hcc-zhai2025", "--format", "docx"], 2, "choose from"),
        (["evaluate", "EXPORT", "--protocol", "hcc-zhai2025", "--map", "CTV"], 2, "PLAN=PROTOCOL"),
        (["evaluate", "EXPORT", "--protocol", "x", "--map", "A=B", "--map", "A=C"], 2, "twice"),
        (["evaluate", "EXPORT", "--protocol", "no-such"], 5, "no-such"),
        (["dvh", "EXPORT", "--fx", "5"], 2, "--fx states the fractions of --rx"),
        (["dvh", "EXPORT", "--rx", "many"], 2, "is not a dose in Gy"),
        (["dvh", "EXPORT", "--rx", "-5"], 2, "need a dose above 0"),
        (["dvh", "EXPORT", "--rx", "55", "--rx", "PTV=50"], 2, "each names its target"),
        (["dvh", "EXPORT", "--rx", "PTV=55", "--rx", "PTV=50"], 2, "names a target twice"),
        (["dvh", "EXPORT", "-s", "Livr"], 2, "Livr"),
        (["dvh", "EXPORT", "-m", "V20[Gy]"], 2, "V20[Gy]"),
        (["dvh", "EXPORT", "-s", "PTV - "], 2, "PTV"),
        (["dvh", "NOWHERE"], 4, "no such file or folder"),
        (["dvh", "EMPTY"], 4, ""),
        (["inspect", "EMPTY"], 4, ""),
        (["protocol", "validate", "BROKEN"], 5, "invalid"),
        (["protocol", "show", "no-such"], 5, "no-such"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_clear_sentence(export, tmp_path, capsys, arguments, code, message):
    """The exit code names the kind, stderr says what was wrong, and there is no traceback."""
    (tmp_path / "empty").mkdir()
    broken = tmp_path / "broken.yaml"
    broken.write_text("schema: [", encoding="utf-8")
    places = {
        "EXPORT": str(export), "NOWHERE": str(tmp_path / "nowhere"),
        "EMPTY": str(tmp_path / "empty"), "BROKEN": str(broken),
    }  # fmt: skip
    assert main([places.get(a, a) for a in arguments]) == code
    shown = capsys.readouterr()
    assert message in shown.err + shown.out
    assert "Traceback" not in shown.err
    assert "defect" not in shown.err


def test_a_message_of_several_lines_keeps_them(export, capsys):
    """The caret under a wrong metric stands in a line of its own; control characters do not pass."""
    assert main(["dvh", str(export), "-m", "D0.5c\x1b[Gy]"]) == 2
    shown = capsys.readouterr().err
    assert "\n" in shown.strip()
    assert "\x1b" not in shown


def test_beam_doses_without_a_plan_are_not_judged_by_accident(tmp_path, capsys):
    """A BEAM dose alone may be a part: dvh goes on, evaluate wants --dose."""
    writer = CaseWriter(tmp_path)
    grid = axial_grid((20, 30, 30), spacing_mm=(2.5, 2.0, 2.0), origin_mm=(-29, -29, -25))
    rings = prism(box_ring(12, 10), heights=[-5, -2.5, 0, 2.5, 5])
    writer.structures([Roi("SpinalCord", rings)])
    writer.dose(grid, np.full(grid.shape, 40.0), summation="BEAM", beams=[1])
    assert main(["dvh", str(tmp_path)]) == 0
    options = ["--protocol", protocol_file(tmp_path, "45", "50"), "--rx", "40", "--fx", "20"]
    assert main(["evaluate", str(tmp_path), *options]) == 4
    assert "--dose UID" in capsys.readouterr().err


def test_a_defect_is_70_with_a_crash_record(export, capsys, monkeypatch):
    """What is not our own error is a defect: saved, named, and not a traceback."""

    def broken(*_args, **_options):
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(cli, "read_case", broken)
    assert main(["dvh", str(export)]) == 70
    shown = capsys.readouterr().err
    record = Path(shown.rsplit(" ", 1)[-1].strip())
    assert "unforeseen" in record.read_text(encoding="utf-8")
    record.unlink()


def test_an_interrupt_is_130(export, monkeypatch):
    """Ctrl-C ends with the code of a signal."""

    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "read_case", interrupted)
    assert main(["dvh", str(export)]) == 130


def test_an_output_that_cannot_be_written_is_named(export, tmp_path, capsys):
    """A file where the folder should be: refused with the path."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert main(["dvh", str(export), "--out", str(tmp_path / "file" / "out")]) == 4
    assert "cannot write into" in capsys.readouterr().err


@pytest.mark.slow
def test_the_only_applicable_protocol_is_taken(capsys):
    """Without --protocol, 55 Gy in 25 fractions gets the conventional set, and stderr says why."""
    assert main(["evaluate", str(TEST_DATA / "hepatic-pvtt"), "--json"]) == 0
    shown = capsys.readouterr()
    assert "protocol hcc-zhai2025: the only disease set that applies" in shown.err
    assert json.loads(shown.out)["protocol"]["id"] == "hcc-zhai2025"


@pytest.mark.slow
def test_the_demo_writes_case_and_report(tmp_path):
    """`planeval demo` needs nothing but the installation."""
    assert main(["demo", "--out", str(tmp_path / "demo")]) == 0
    assert (tmp_path / "demo" / "report" / "report.html").stat().st_size > 50_000
    assert any((tmp_path / "demo" / "hepatic-pvtt").rglob("*.dcm"))


def test_the_shipped_protocols_are_listed_shown_and_valid(tmp_path, capsys):
    """list, show and validate agree on the two shipped sets."""
    assert main(["protocol", "list"]) == 0
    listed = capsys.readouterr().out
    for name in ("hcc-zhai2025", "hcc-zhai2025-5fx"):
        assert name in listed
        assert main(["protocol", "show", name]) == 0
        text = capsys.readouterr().out
        (tmp_path / "copy.yaml").write_text(text, encoding="utf-8")
        assert main(["protocol", "validate", str(tmp_path / "copy.yaml")]) == 0
        capsys.readouterr()


def test_the_console_script_speaks_utf8_into_a_pipe(export):
    """As a process, output into a pipe, with a C locale."""
    run = subprocess.run(
        [sys.executable, "-m", "planeval", "dvh", str(export)],
        capture_output=True, env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0"}, check=False,
        timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr.decode()
    assert b"SpinalCord" in run.stdout


def test_the_program_ends_with_the_exit_code(tmp_path):
    """As a process, which skips a last look for garbage: code and sentence arrive."""
    run = subprocess.run(
        [sys.executable, "-m", "planeval", "dvh", str(tmp_path / "nothing")],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert run.returncode == 4
    assert run.stderr.startswith("error: ")
    assert len(run.stderr.splitlines()) == 1


def test_protocols_are_made_compared_and_imported(tmp_path, capsys):
    """New is valid at once, diff says what changed, import keeps a review queue."""
    folder = tmp_path / "own"
    assert main(["protocol", "new", "mine", "--include", "tg101-5fx", "--out", str(folder)]) == 0
    assert main(["protocol", "new", "mine", "--out", str(folder)]) == 2
    assert main(["protocol", "validate", str(folder / "mine.yaml")]) == 0
    assert main(["protocol", "list", "--protocol-dir", str(folder)]) == 0
    assert "[site, sha256" in capsys.readouterr().out
    assert main(["protocol", "diff", "tg101-3fx", "tg101-5fx"]) == 0
    assert "colon-max.per_protocol: < 28.2 -> < 38" in capsys.readouterr().out
    table = tmp_path / "t.csv"
    table.write_text("organ,metric,op,limit\nColon,Max[Gy],<,33\nColon,Max,<,x\n", encoding="utf-8")
    assert main(["protocol", "import", str(table), "--id", "t", "--out", str(folder)]) == 0
    assert "1 rows taken, 1 for review" in capsys.readouterr().out
    assert (folder / "t.review.csv").read_text(encoding="utf-8").count("\n") == 2
    table.write_text("organ\n\n", encoding="utf-8")
    assert main(["protocol", "import", str(table), "--id", "u", "--out", str(folder)]) == 5


def test_a_recalled_set_is_refused_and_shown_on_request(capsys):
    """5 without the option; with it rows have outcomes, and the verdict has none: 3."""
    arguments = ["evaluate", str(TEST_DATA / "sbrt-5fx"), "--protocol", "rtog1112-liver"]
    assert main(arguments) == 5
    assert "needs-check" in capsys.readouterr().err
    assert main([*arguments, "--allow-unverified"]) == 3
    assert "UNVERIFIED" in capsys.readouterr().out


def test_pdf_and_junit_are_written_on_request(export, tmp_path):
    """Beside the others, with the labels and the paper that were asked for."""
    pytest.importorskip("typst")
    arguments = ["evaluate", str(export), "--protocol", protocol_file(tmp_path, "45", "50")]
    options = ["--format", "pdf,junit", "--language", "zh", "--paper", "letter"]
    assert main([*arguments, *options, "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "report.pdf").read_bytes().startswith(b"%PDF")
    assert "<testsuite " in (tmp_path / "out" / "junit.xml").read_text(encoding="utf-8")
    assert not (tmp_path / "out" / "report.html").exists()


def test_names_are_suggested_reviewed_and_used(tmp_path, capsys):
    """The file of a plan is written once, and its rows with yes are used where they fit."""
    folder, path = tmp_path / "export", tmp_path / "names.csv"
    folder.mkdir()
    writer = CaseWriter(folder)
    grid = axial_grid((20, 30, 30), spacing_mm=(2.5, 2.0, 2.0), origin_mm=(-29, -29, -25))
    rings = prism(box_ring(12, 10), heights=[-5, -2.5, 0, 2.5, 5])
    writer.structures([Roi("Rueckenmark 2", rings), Roi("PTV", rings, type="PTV")])
    writer.plan([Rx("PTV", 40.0)], fractions=20)
    writer.dose(grid, np.full(grid.shape, 40.0))
    assert main(["names", str(folder), "--out", str(path)]) == 0
    assert "SpinalCord ?" in capsys.readouterr().out
    assert main(["names", str(folder), "--out", str(path)]) == 2
    arguments = ["evaluate", str(folder), "--protocol", protocol_file(tmp_path, "45", "50")]
    assert main([*arguments, "--names", str(path)]) == 3
    text = path.read_text(encoding="utf-8").replace("Rueckenmark 2,,", "Rueckenmark 2,yes,")
    path.write_text(text + "Not there,yes,Liver,,,,\n", encoding="utf-8")
    assert main([*arguments, "--names", str(path)]) == 0
