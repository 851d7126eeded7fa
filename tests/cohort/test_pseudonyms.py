"""Pseudonyms: nothing written says who the patients are, and tables still join."""

import csv
import json

import duckdb
import pytest
from tests.cohort.small_plans import edit, rois, write_plan

from planeval.cohort import extract
from planeval.cohort.finding_plans import find_plans
from planeval.cohort.pseudonyms import Pseudonyms, _Scrubber, read_key
from planeval.errors import ReportError

PLANTED = (
    "Zhang", "Xiaoming", "ZHANGXIAOMING", "MRN0042", "张", "小明", "Okonkwo", "General Hospital",
    "ACC77123", "19550317", "1955-03-17", "2025-01-03", "20250103", "2025-01-02", "20250102",
    "2025-01-01", "20250101", "Feldstrasse", "Altname", "1.2.826.0.1.3680043",
)  # fmt: skip


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "key.txt"
    path.write_text("a key of more than sixteen bytes\n", encoding="ascii")
    return path


@pytest.fixture
def planted(tmp_path):
    """Identities in every place where an export has them."""
    identity = edit(
        PatientBirthDate="19550317", ReferringPhysicianName="Okonkwo^Ada",
        InstitutionName="General Hospital", AccessionNumber="ACC77123",
        OtherPatientNames="Altname^Xiaoming", PatientAddress="Feldstrasse 7",
        SeriesDescription="Zhang planning", StructureSetLabel="Zhang 1955",
        RTPlanName="Xiaoming SBRT", DoseComment="for Zhang",
    )  # fmt: skip
    folder = tmp_path / "in" / "Zhang^Xiaoming MRN0042 19550317"
    options = {
        "name": "Zhang^Xiaoming=张^小明", "structures": identity, "plan": identity,
        "dose": identity,
    }  # fmt: skip
    shapes = rois(extra="GTV Zhang 小明 19550317")
    shapes[3].name = "PTV_zhangXiaoming"
    write_plan(
        folder, "MRN0042", label="Zhang 40Gy", rois=shapes, target="PTV_zhangXiaoming", **options
    )
    # a second plan that fails while it is read, and a third that cannot be linked
    bad = write_plan(folder / "bad", "MRN0042", label="Zhang bad", what="MRN0042", **options)
    file = folder / "bad" / "RD.doseMRN0042.dcm"
    (folder / "bad" / "RS.structuresMRN0042.dcm").rename(folder / "RS Zhang.dcm")
    file.write_bytes(file.read_bytes()[:-400])
    lost = folder / "Zhang lost"
    write_plan(lost, "MRN0042", label="lost", what="x", **options)
    (lost / "RS.structuresx.dcm").unlink()
    assert bad.patient_id == "MRN0042"
    (folder / "cut Zhang.dcm").write_bytes(file.read_bytes()[:300])
    return tmp_path / "in"


def texts(path):
    """Every byte of a file as it is, and every value inside a Parquet or DuckDB file."""
    yield path.read_bytes().decode("utf-8", "replace")
    if path.suffix == ".parquet":
        yield str(duckdb.sql(f"SELECT * FROM '{path}'").fetchall())
    if path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as store:
            for (name,) in store.sql("SELECT table_name FROM information_schema.tables").fetchall():
                yield str(store.sql(f"SELECT * FROM {name}").fetchall())


def test_nothing_planted_is_in_any_output(planted, key, executor, protocol, tmp_path, capfd):
    """Every output byte, inside compressed files too, names, and what was printed."""
    said = []
    result = extract(
        planted, protocol=protocol, out=tmp_path / "out", executor=executor, wide=True,
        pseudonymize=key, progress=lambda state: said.append(repr(state)),
    )  # fmt: skip
    assert (result.found, result.failed) == (3, 2)
    files = [file for file in result.out.rglob("*") if file.is_file()]
    assert len(files) > 20
    captured = capfd.readouterr()
    found = [
        (file.name, word)
        for file in files
        for text in (*texts(file), file.name, repr(said), captured.out + captured.err)
        for word in PLANTED
        if word.lower() in text.lower()
    ]
    assert not found
    lines = (result.out / "structures.csv").read_text(encoding="utf-8").splitlines()
    names = [row["plan_name"] for row in csv.DictReader(lines)]
    assert "Liver" in names
    assert "PTV_[name]" in names
    assert "GTV [name] [name] [id]" in names


def test_pseudonymised_tables_join_and_count_days(planted, key, executor, protocol, tmp_path):
    """One patient is one pseudonym, dates are days from the first, ages stay, terms stay."""
    out = extract(
        planted, protocol=protocol, out=tmp_path / "out", executor=executor, pseudonymize=key
    ).out
    rows = duckdb.sql(
        f"SELECT c.patient_id, plan_date, study_date, plan_label, age_years, sex, approval, "
        f"m.value FROM '{out}/cases.parquet' c JOIN '{out}/metrics.parquet' m USING (case_id) "
        "WHERE row_id = 'cord' AND beside IS NULL"
    ).fetchall()
    (row,) = rows
    assert row[0].startswith("PE-")
    assert row[1:7] == ("day 2", "day 0", None, 69, "O", "APPROVED")
    assert row[7] > 0
    plans = duckdb.sql(f"SELECT DISTINCT patient_id FROM '{out}/plans.parquet'").fetchall()
    assert plans == [(row[0],)]
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["pseudonymised"] is True
    assert all(i["uid"].startswith("2.25.") for c in manifest["cases"] for i in c["inputs"])


def test_another_key_is_another_cohort(planted, key, executor, protocol, tmp_path):
    """A store made with one key, or with none, is never continued with another."""
    options = {"protocol": protocol, "out": tmp_path / "out", "executor": executor}
    extract(planted, pseudonymize=key, **options)
    again = extract(planted, pseudonymize=key, resume=True, **options)
    assert again.evaluated == 0
    with pytest.raises(ReportError, match="made with another pseudonyms"):
        extract(planted, resume=True, **options)
    key.write_text("another key of more than sixteen", encoding="ascii")
    with pytest.raises(ReportError, match="made with another pseudonyms"):
        extract(planted, pseudonymize=key, resume=True, **options)


def test_a_key_must_be_there_and_long(tmp_path):
    """The message says how to make one."""
    with pytest.raises(ReportError, match="secrets"):
        read_key(tmp_path / "none")
    (tmp_path / "short").write_bytes(b"short\n")
    with pytest.raises(ReportError, match="5 bytes; a key needs at least 16"):
        read_key(tmp_path / "short")


@pytest.mark.parametrize(
    ("name", "text", "scrubbed"),
    [
        ("Li^Wei", "Liver near Li, GTV_Wei", "Liver near [name], GTV_[name]"),
        ("Li^Wei", "LiWei and weili", "[name] and [name]"),
        ("Müller^Jörg", "Muller JÖRG müller", "[name] [name] [name]"),
        ("Test^Ann", "annular Ann", "annular [name]"),
        ("张^三", "张三 第三 三", "[name] 第三 [name]"),
        ("Doe^J", "dose 19991231 and 31.12.1999, 20.5 Gy", "dose [date] and [date], 20.5 Gy"),
    ],
)
def test_names_are_found_as_names(tmp_path, name, text, scrubbed):
    """Long names anywhere, short ones as words, in any accent, joined, in any script."""
    write_plan(tmp_path, "ID-12345", name=name)
    (plan,) = find_plans(tmp_path).plans
    scrub = _Scrubber(Pseudonyms(b"k" * 20), plan)
    assert scrub(text) == scrubbed
    assert scrub("of ID-12345 in RP.plan.dcm") == "of [id] in [file]"
