"""A cohort becomes tables: right, whole, the same bytes, and not made twice."""

import csv
import json
import os
import shutil
from pathlib import Path

import duckdb
import pydicom
import pytest
from tests.cohort.small_plans import PROTOCOL, edit, rois, write_plan

import planeval as pe
from planeval.cohort import extract
from planeval.errors import AmbiguousSelection, ProtocolError, ReportError

VOLATILE = {"run.json", "cohort.duckdb"}


def table(out, name):
    """The rows of a CSV table."""
    with (Path(out) / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(out):
    """The bytes of every file that must not change."""
    return {f.name: f.read_bytes() for f in sorted(Path(out).iterdir()) if f.name not in VOLATILE}


@pytest.fixture
def run(export, protocol, executor, tmp_path):
    """A function that extracts the export; options as in extract."""

    def start(name="out", root=export, **options):
        options = {"protocol": protocol, "executor": executor, "jobs": 2} | options
        return extract(root, out=tmp_path / name, **options)

    return start


def test_every_value_is_the_one_of_a_single_evaluation(run, export, protocol):
    """Metrics, constraints and targets of the cohort equal those of pe.evaluate, band included."""
    result = run()
    assert (result.found, result.evaluated, result.failed) == (3, 3, 0)
    rows = table(result.out, "metrics")
    constraints = table(result.out, "constraints")
    for case in pe.load_all(export):
        evaluation = pe.evaluate(case, protocol)
        for row in evaluation.record.flat_rows():
            (found,) = [
                line for line in rows
                if (line["patient_id"], line["row_id"], line["beside"])
                == (case.patient_id, row.id, "")
            ]  # fmt: skip
            assert float(found["value"]) == pytest.approx(row.value.value, rel=1e-8)
            assert float(found["low"]) == pytest.approx(row.value.low, rel=1e-8, abs=1e-12)
            assert found["unit"] == row.value.unit
            assert found["outcome"] == (row.outcome.status.value if row.outcome else "")
            assert found["method"] == "caps=half;between=prism;lattice_cells=10000"
        judged = [line for line in constraints if line["patient_id"] == case.patient_id]
        assert [line["row_id"] for line in judged] == ["cord", "liver", "liver-mean", "liver-spare"]
        assert [line["group_id"] for line in judged] == ["", "", "liver", "liver"]
        (row,) = [c for c in table(result.out, "cases") if c["patient_id"] == case.patient_id]
        assert row["verdict"] == evaluation.verdict.value
        assert row["dose_origin"] == "planned"


def test_the_dvh_table_is_the_curve_on_the_common_doses(run, export):
    """V(d) of the table equals the case's own at every dose, from 100 % down to nothing."""
    out = run(dvh_step_gy=1.0).out
    case = next(case for case in pe.load_all(export) if case.patient_id == "P1")
    cases = {c["patient_id"]: c["case_id"] for c in table(out, "cases")}
    rows = [
        row for row in table(out, "dvh")
        if row["case_id"] == cases["P1"] and row["plan_name"] == "Liver"
    ]  # fmt: skip
    curve = case.dvh("Liver")
    assert [float(row["dose_gy"]) for row in rows] == list(range(len(rows)))
    for row in rows[:-1]:
        expected = curve.v(gy=float(row["dose_gy"]), unit="cc").value
        assert float(row["volume_cc"]) == pytest.approx(expected, rel=1e-7, abs=1e-9)
    assert float(rows[0]["volume_percent"]) == pytest.approx(100)
    assert float(rows[-1]["volume_percent"]) == 0
    derived = [row for row in table(out, "dvh") if row["structure"] == "Liver-GTV"]
    assert {row["plan_name"] for row in derived} == {"Liver - GTV"}


def test_csv_parquet_and_store_agree(run):
    """The same rows in all three, and the manifest has their digests."""
    out = run().out
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["tables"]) == {
        name for name in contents(out) if name.endswith((".csv", ".parquet"))
    }
    with duckdb.connect(str(out / "cohort.duckdb"), read_only=True) as store:
        for name in ("metrics", "cases", "targets", "constraints", "structures"):
            parquet = duckdb.sql(f"SELECT * FROM '{out / name}.parquet'").fetchall()
            stored = store.sql(f"SELECT * FROM {name}").fetchall()
            assert sorted(map(str, parquet)) == sorted(map(str, stored))
            assert len(parquet) == len(table(out, name))
    assert len(manifest["cases"]) == 3
    assert {i["kind"] for i in manifest["cases"][0]["inputs"]} == {"RTDOSE", "RTPLAN", "RTSTRUCT"}


def test_same_input_same_bytes(run, export, tmp_path):
    """Another folder, another order, another number of workers: the same files, byte for byte."""
    first = contents(run(wide=True).out)
    shutil.move(export, tmp_path / "moved")
    second = contents(run("second", root=tmp_path / "moved", jobs=1, wide=True).out)
    assert second == first
    text = b"".join(first.values())
    assert str(tmp_path).encode() not in text


@pytest.mark.slow
def test_resume_works_on_what_changed_only(run, export, protocol, tmp_path):
    """Nothing changed: nothing done. A touched file: read, not evaluated. Changed: evaluated."""
    before = contents(run().out)
    with pytest.raises(ReportError, match="holds a cohort already"):
        run()
    again = run(resume=True)
    assert (again.evaluated, again.kept) == (0, 3)

    os.utime(export / "a" / "RD.dose.dcm")
    touched = run(resume=True)
    assert (touched.evaluated, touched.kept) == (1, 2)
    assert contents(touched.out) == before
    assert run(resume=True).kept == 3

    dataset = pydicom.dcmread(export / "a" / "RD.dose.dcm")
    dataset.DoseGridScaling = float(dataset.DoseGridScaling) * 1.1
    dataset.save_as(export / "a" / "RD.dose.dcm")
    changed = run(resume=True)
    assert (changed.evaluated, changed.kept) == (1, 2)
    fresh = run("fresh")
    assert contents(changed.out) == contents(fresh.out)
    assert contents(changed.out) != before

    other = tmp_path / "other.yaml"
    other.write_text(PROTOCOL.replace("<= 45", "<= 30"), encoding="utf-8")
    assert run(resume=True, protocol=other).evaluated == 3
    shutil.rmtree(export / "b")
    smaller = run(resume=True, protocol=other)
    assert (smaller.found, smaller.evaluated, smaller.kept) == (1, 0, 1)
    assert {row["patient_id"] for row in table(smaller.out, "metrics")} == {"P1"}


def test_what_fails_is_in_the_ledger_and_the_rest_in_the_tables(run, export):
    """Index, read and evaluation errors have a line each; nothing is silently skipped."""
    write_plan(export / "no dose", "P4", label="NO DOSE")
    (export / "no dose" / "RD.dose.dcm").unlink()
    write_plan(export / "bad", "P5", label="BAD", dose=edit(DoseUnits="RELATIVE"))
    write_plan(export / "un", "P6", label="UN", plan=edit(ApprovalStatus="UNAPPROVED"))
    (export / "cut.dcm").write_bytes((export / "a" / "RP.plan.dcm").read_bytes()[:300])
    result = run()
    assert (result.found, result.evaluated, result.failed) == (6, 4, 2)
    errors = {row["patient_id"]: row for row in table(result.out, "errors")}
    assert (errors["P4"]["stage"], errors["P4"]["code"]) == ("index", "missing-element")
    assert (errors["P5"]["stage"], errors["P5"]["code"]) == ("read", "unsupported-data")
    assert "RELATIVE" in errors["P5"]["message"]
    assert errors[""]["code"] == "unreadable-file"
    plans = {row["plan_label"]: row for row in table(result.out, "plans")}
    assert plans["UN"]["code"] == "not-approved"
    assert plans["NO DOSE"]["is_taken"] == "false"
    assert len(table(result.out, "cases")) == 3
    again = run(resume=True)
    assert (again.evaluated, again.kept, again.failed) == (0, 4, 2)


def test_names_are_reviewed_and_only_what_changes_is_made_again(run, export):
    """An ROI that nothing matches is listed; the edited table gives it a meaning, once."""
    write_plan(export / "d", "P4", label="FOUR", rois=rois(cord="Strang 7"))
    out = run().out
    names = {row["plan_name"]: row for row in table(out, "names") if row["plan_name"]}
    assert (names["SpinalCord"]["plans"], names["SpinalCord"]["match"]) == ("3", "exact")
    assert (names["Strang 7"]["plans"], names["Strang 7"]["match"]) == ("1", "")
    missing = [row for row in table(out, "names") if row["match"] == "missing"]
    assert [(row["protocol_name"], row["plans"]) for row in missing] == [("SpinalCord", "1")]

    lines = (out / "names.csv").read_text(encoding="utf-8").splitlines()
    reviewed = export.parent / "reviewed.csv"
    reviewed.write_text(
        "\n".join(line + "SpinalCord" if line.startswith("Strang") else line for line in lines),
        encoding="utf-8",
    )
    again = run(resume=True, names=reviewed)
    assert (again.evaluated, again.kept) == (1, 3)
    cords = [row for row in table(again.out, "metrics") if row["row_id"] == "cord"]
    assert {row["plan_name"] for row in cords} == {"SpinalCord", "Strang 7"}
    assert {row["match"] for row in cords} == {"exact", "map"}


def test_a_selection_takes_what_it_says(run, export, tmp_path):
    """By UID, file or case id; take=no leaves a plan out; the prescription may be stated."""
    plans = pe.cohort.find_plans(export).plans
    by_label = {plan.label: plan for plan in plans}
    select = tmp_path / "select.csv"
    select.write_text(
        "take,plan_uid,file,rx_gy,rx_fractions\n"
        f"yes,{by_label['ONE'].plan_uid},,33,20\n"
        f"yes,,{by_label['TWO'].file},,\n"
        f"no,{by_label['THREE'].plan_uid},,,\n",
        encoding="utf-8",
    )
    result = run(select=select)
    assert result.evaluated == 2
    cases = {row["patient_id"]: row for row in table(result.out, "cases")}
    assert (float(cases["P1"]["rx_gy"]), cases["P1"]["rx_fractions"]) == (33.0, "20")
    assert float(cases["P2"]["rx_gy"]) == 50.0
    plans = {row["plan_label"]: row["code"] for row in table(result.out, "plans")}
    assert plans == {"ONE": "taken", "TWO": "taken", "THREE": "not-selected"}

    select.write_text("plan_uid\n1.2.3\n", encoding="utf-8")
    with pytest.raises(AmbiguousSelection, match=r"line 2 of the selection.*fits 0 plans"):
        run("other", select=select)
    select.write_text("take,plan_uid\nperhaps,1.2.3\n", encoding="utf-8")
    with pytest.raises(ReportError, match="write yes or no"):
        run("other", select=select)


def test_metrics_of_a_file_stand_behind_those_of_the_protocol(run, tmp_path):
    """With and without a protocol; every target may be asked at once; they never count."""
    metrics = tmp_path / "metrics.csv"
    metrics.write_text(
        'structure,metric\n"Liver - GTV",V20Gy[%]\n[targets],D98%[Gy]\nKidney_L,Mean[Gy]\n',
        encoding="utf-8",
    )
    both = table(run(metrics=metrics).out, "metrics")
    alone = table(run("alone", metrics=metrics, protocol=None).out, "metrics")
    for rows in (both, alone):
        extra = [row for row in rows if row["row_id"].startswith("metrics.")]
        assert {row["kind"] for row in extra} == {"information"}
        assert {row["structure"] for row in extra} == {"Liver - GTV", "GTV", "PTV", "Kidney_L"}
        lacking = [row for row in extra if row["structure"] == "Kidney_L"]
        assert all(row["value"] == "" and row["reason"] for row in lacking)
    assert {row["verdict"] for row in table(tmp_path / "alone", "cases")} == {"NOT_ASSESSED"}

    metrics.write_text("structure,metric\nLiver,Moan[Gy]\n", encoding="utf-8")
    with pytest.raises(ProtocolError, match=r"metrics file.*Moan"):
        run("other", metrics=metrics)
    metrics.write_text("organ;metric\n", encoding="utf-8")
    with pytest.raises(ProtocolError, match="needs structure and metric"):
        run("other", metrics=metrics)


def test_wide_has_names_for_redcap(run):
    """Names are legal, unique and described; an absent value has its reason beside it."""
    out = run(wide=True).out
    text = (out / "wide.csv").read_text(encoding="utf-8")
    header, *lines = csv.reader(text.splitlines())
    assert len(set(header)) == len(header)
    for name in header:
        assert len(name) <= 26
        assert name[0].isalpha()
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")
    assert len(lines) == 3
    described = [row["Variable / Field Name"] for row in table(out, "wide_dictionary")]
    assert described == header
    column = header.index("liver_gtv_mean_gy")
    rows = [row for row in table(out, "metrics") if row["row_id"] == "liver-mean"]
    assert {line[column] for line in lines} == {row["value"] for row in rows}


def test_hostile_names_stay_text(run, export):
    """A formula in an ROI name is guarded in CSV and unchanged in Parquet."""
    write_plan(export / "h", "P9", label="H", rois=rois(extra='=HYPERLINK("http://x")'))
    out = run().out
    names = {row["plan_name"] for row in table(out, "structures")}
    assert '\'=HYPERLINK("http://x")' in names
    found = duckdb.sql(f"SELECT DISTINCT plan_name FROM '{out / 'structures.parquet'}'").fetchall()
    assert ('=HYPERLINK("http://x")',) in found


def test_two_writers_are_refused(run, tmp_path):
    """A store that another process writes is left alone."""
    out = run().out
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"
    import subprocess
    import sys

    with subprocess.Popen(
        [sys.executable, "-c", code, str(out / "cohort.duckdb")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout.readline() == "open\n"
        with pytest.raises(ReportError, match="cannot be opened"):
            run(resume=True)
        other.communicate("\n")


def test_a_file_that_is_no_store_is_refused(tmp_path, run):
    """Somebody else's file is not overwritten."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cohort.duckdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(ReportError, match="cannot be opened"):
        run(resume=True)


def test_neither_protocol_nor_metrics_is_a_wrong_call(export, tmp_path):
    """There is nothing to extract."""
    with pytest.raises(ValueError, match="needs a protocol, a metrics file"):
        extract(export, out=tmp_path / "out")
