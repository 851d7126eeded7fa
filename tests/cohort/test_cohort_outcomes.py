"""Outcomes by a metric and by covariates: a row as a paper prints it, and who decides what counts."""

import csv
import json
from pathlib import Path

import pytest
from tests.cohort.small_plans import HEIGHTS, edit, rois, write_plan
from tests.cohort.test_survival import PLACEBO, TREATED, read
from tests.dicom_writer import Roi, box_ring, prism

from planeval.cohort import extract
from planeval.cohort.covariates import covariate_table
from planeval.cohort.outcome_table import Outcome, read_outcomes
from planeval.cohort.outcomes import OutcomeQuestion, analyse
from planeval.cohort.per_patient import Measured, one_per_patient
from planeval.cohort.report import write_report
from planeval.cohort.store import Known, Store
from planeval.errors import ReportError

METRIC = "prescription:eqd2_gy"


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    """The leukaemia trial as a cohort: EQD2 72 Gy for the treated, 48 Gy for the others."""
    folder = tmp_path_factory.mktemp("trial")
    lines = []
    with Store.create(folder / "cohort.duckdb", {}) as store:
        arms = [("T", TREATED, 72.0), ("C", PLACEBO, 48.0)]
        people = [(f"{arm}{n}", gy, *each) for arm, text, gy in arms
                  for n, each in enumerate(zip(*read(text), strict=True))]  # fmt: skip
        for number, (who, gy, time, event) in enumerate(people):
            row = {"case_id": who, "patient_id": who, "seq": 0}
            tables = {
                "cases": [row | {"plan_date": "2020-01-01"}],
                "prescriptions": [row | {"target": "PTV", "eqd2_gy": gy}],
            }
            store.put(who, Known("", "", "", is_final=True), tables)
            age, stage = 40 + number, "ABC"[number % 3]
            lines.append([who, time, int(event), age, stage, who[0], "NA" if number < 4 else "x"])
        store.replace_table("plans", [{"case_id": p[0], "patient_id": p[0]} for p in people])
    header = ["patient_id", "time", "event", "age", "stage", "arm", "site"]
    with (folder / "outcomes.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([header, *lines])
    return folder


def analysed(trial, **choices):
    with Store.open(trial / "cohort.duckdb", {}, read_only=True) as store:
        return analyse(store, OutcomeQuestion(trial / "outcomes.csv", METRIC, **choices))


def test_the_row_of_a_paper_is_reproduced(trial):
    """EQD2 < 60 Gy: n, events, direction of the hazard and p are those of the published trial."""
    found = analysed(trial, cut=60.0, time_zero="randomisation")
    low, high = found.groups
    assert (low.label, low.curve.n, low.curve.events, low.hazard) == (
        "below 60 Gy", 21, 21, "higher",
    )  # fmt: skip
    assert (high.curve.n, high.curve.events, high.hazard) == (21, 9, "lower")
    assert (low.curve.median, high.curve.median) == (8, 23)
    assert found.test.chi_squared == pytest.approx(16.79294099, abs=1e-7)
    assert found.test.p == pytest.approx(4.169e-5, rel=1e-3)
    assert (found.whole.n, found.whole.events, found.excluded) == (42, 30, ())


def test_covariates_are_compared_one_by_one(trial):
    """Categories, a stated cut, missing values, a single value: each is in the table."""
    found = analysed(trial, cut=60.0, covariate_cuts={"age": 61.0})
    age, stage, arm, site = found.covariates
    assert [(g.label, g.curve.n, g.curve.events) for g in age.groups] == [
        ("below 61", 21, 9), ("61 or more", 21, 21),
    ]  # fmt: skip
    assert age.groups[0].test.p == pytest.approx(found.test.p)
    assert [group.hazard for group in age.groups] == ["lower", "higher"]
    assert [(g.label, g.curve.n) for g in stage.groups] == [("A", 14), ("B", 14), ("C", 14)]
    assert len({group.test.p for group in stage.groups}) == 3
    assert [group.label for group in arm.groups] == ["C", "T"]
    assert arm.groups[0].test.p == pytest.approx(found.test.p)
    assert (site.missing, site.note) == (4, "one value only: nothing to compare")
    assert found.tests == 1 + 1 + 3 + 1


def test_a_column_that_divides_nobody_says_so(trial):
    """A measured column without a cut-point has no groups, and says how to give one."""
    age = analysed(trial, cut=60.0).covariates[0]
    assert age.groups == ()
    assert age.note == (
        "every patient has a value of their own; state a cut-point: --covariate-cut age=NUMBER"
    )
    patients = [Outcome(1.0, True, {"grade": str(n // 2), "gone": ""}) for n in range(20)]
    grade, gone = covariate_table(patients, ["grade", "gone"], {})
    assert grade.note.startswith("10 different values, more than 6 categories; state a cut-point")
    assert (gone.groups, gone.missing, gone.note) == ((), 20, "no patient has a value")


def test_a_cut_that_cannot_be_made_is_refused(trial):
    """A column that is not there, and text where a number is needed."""
    with pytest.raises(ReportError, match=r"no such column; its covariates are age, stage"):
        analysed(trial, cut=60.0, covariate_cuts={"agee": 60.0})
    with pytest.raises(
        ReportError, match=r"--covariate-cut stage: '.' in that column is no number"
    ):
        analysed(trial, cut=60.0, covariate_cuts={"stage": 2.0})


def test_the_page_has_the_table(trial):
    """Every column is on the page, with what was not divided and how many p-values there are."""
    manifest = {
        "protocol": "x", "software": {"planeval": "0"}, "pseudonymised": False, "method": {},
        "dvh_step_gy": 0.5,
    }  # fmt: skip
    (trial / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    path = write_report(
        trial, outcomes=trial / "outcomes.csv", metric=METRIC, cut=60.0,
        time_zero="randomisation", covariate_cuts={"age": 61.0},
    )  # fmt: skip
    text = " ".join(path.read_text(encoding="utf-8").split())
    for words in (
        "below 60 Gy", "4.17e-05", "below 61", "cut-point given beforehand",
        "4 patients without a value", "6 comparisons have a p-value, none corrected",
        "one value only: nothing to compare", "chi-squared 16.793",
    ):  # fmt: skip
        assert words in text
    data_driven = write_report(
        trial, outcomes=trial / "outcomes.csv", metric=METRIC, time_zero="randomisation"
    )
    text = " ".join(data_driven.read_text(encoding="utf-8").split())
    assert "cut-point of these data: not tested" in text
    assert "every patient has a value of their own" in text


@pytest.mark.parametrize(
    ("header", "line", "words"),
    [
        ("patient_id,time,event,a,a", "P,1,1,x,y", "column 'a' is there twice"),
        ("patient_id,time,event", "P,1,1,x", r"table.csv:2: has more cells"),
        ("patient_id,time,event,", "P,1,1,x", "column without a name"),
        ("patient,time,event", "P,1,1", "needs the columns"),
    ],
)
def test_a_table_that_would_lose_a_cell_is_refused(tmp_path, header, line, words):
    """Columns with one name, cells without a column, a column without a name."""
    path = tmp_path / "table.csv"
    path.write_text(f"{header}\n{line}\n", encoding="utf-8")
    with pytest.raises(ReportError, match=words):
        read_outcomes(path)


def test_trailing_commas_and_short_lines_lose_nothing(tmp_path):
    """A spreadsheet's empty column is nothing; a line that ends early has missing values."""
    path = tmp_path / "table.csv"
    path.write_text("patient_id,time,event,sex,\nP,1,yes\nQ,2,0,F,\n,,,,\n", encoding="utf-8")
    found = read_outcomes(path)
    assert found.covariates == ("sex",)
    assert {who: each.covariates["sex"] for who, each in found.patients.items()} == {
        "P": "", "Q": "F",
    }  # fmt: skip


def value(number, day, *, in_liver=True, case=None, patient="P"):
    return Measured(patient, case or f"{patient}{day}", day, number, in_liver)


def test_first_is_the_earliest_plan():
    """By its date, whatever the order; a value that a later plan repeats changes nothing."""
    rows = [value(30.0, 20240301), value(50.0, 20230901), value(30.0, 20250101)]
    assert one_per_patient(rows, "first", "x") == ({"P": 50.0}, {})


def test_liver_leaves_other_targets_out():
    """The first plan of a bone is not the first of the liver; half inside is not more than half."""
    rows = [value(20.0, 20230101, in_liver=False), value(50.0, 20230901), value(60.0, 20240101)]
    assert one_per_patient(rows, "liver", "x") == ({"P": 50.0}, {})
    values, reasons = one_per_patient(rows[:1], "liver", "x")
    assert (values, reasons) == ({}, {"P": "without a target in the liver"})


def test_liver_does_not_guess_where_a_target_lies():
    """A target of unknown place may have been the first: the patient is left out, and said."""
    later, earlier = value(9.0, 20250101, in_liver=None), value(9.0, 20220101, in_liver=None)
    assert one_per_patient([value(50.0, 20230901), later], "liver", "x")[0] == {"P": 50.0}
    same_day = value(9.0, 20230901, in_liver=None, case="other")
    for doubtful in (earlier, same_day):
        values, reasons = one_per_patient([value(50.0, 20230901), doubtful], "liver", "x")
        assert not values
        assert "earlier or simultaneous target of unknown share" in reasons["P"]
    assert "unknown share" in one_per_patient([earlier], "liver", "x")[1]["P"]


def test_a_plan_without_a_date_may_have_been_the_first():
    """Several plans, one undated: no order, no value."""
    rows = [value(50.0, 20230901), value(40.0, None)]
    for how in ("first", "liver"):
        values, reasons = one_per_patient(rows, how, "x")
        assert (values, reasons) == ({}, {"P": "with several plans, not all of which have a date"})


@pytest.mark.parametrize("how", ["first", "liver"])
def test_several_different_values_left_are_refused(how):
    """Two foci in one plan, and two plans of one day: which counts has not been said."""
    for case in ("P20230901", "other"):
        rows = [value(50.0, 20230901), value(40.0, 20230901, case=case)]
        with pytest.raises(ReportError, match=r"1 patients have several values.*on the day"):
            one_per_patient(rows, how, "x")
        same = [value(50.0, 20230901), value(50.0, 20230901, case=case)]
        assert one_per_patient(same, how, "x")[0] == {"P": 50.0}


@pytest.fixture(scope="module")
def foci(tmp_path_factory, executor, protocol):
    """P1: a half-outside target in January, one in the liver in March; P2: no liver."""
    root = tmp_path_factory.mktemp("foci")
    outside = [each for each in rois() if each.name != "PTV"]
    outside.append(Roi("PTV", prism(box_ring(12, 12, (17, 0)), HEIGHTS), type="PTV"))
    when = [edit(RTPlanDate=date) for date in ("20240105", "20240310", "20240105")]
    write_plan(root / "in" / "1", "P1", label="BONE", gy=30.0, rois=outside, plan=when[0])
    write_plan(root / "in" / "2", "P1", label="HCC", gy=50.0, what="2", plan=when[1],
               target="GTV")  # fmt: skip
    lung = [each for each in rois() if each.name != "Liver"]
    write_plan(root / "in" / "3", "P2", label="LUNG", gy=40.0, rois=lung, plan=when[2])
    extract(root / "in", out=root / "out", protocol=protocol, executor=executor, jobs=2)
    return root / "out"


def test_the_share_in_the_liver_is_that_of_the_contours(foci):
    """A box half outside is 50 %, one inside 100 %; without a liver a reason stands there."""
    with Store.open(foci / "cohort.duckdb", {}, read_only=True) as store:
        rows = store.query(
            "SELECT plan_label, target, liver_percent, liver_reason FROM targets "
            "JOIN cases USING (case_id) ORDER BY ALL"
        )
    shares = {(label, target): (percent, reason) for label, target, percent, reason in rows}
    assert shares["BONE", "PTV"] == (pytest.approx(50.0, abs=1e-6), None)
    assert shares["BONE", "GTV"] == (pytest.approx(100.0), None)
    assert shares["HCC", "PTV"] == (pytest.approx(100.0), None)
    assert shares["LUNG", "PTV"] == (None, "no ROI is the liver")
    assert "liver_percent,liver_reason" in (foci / "targets.csv").read_text(encoding="utf-8")


def test_per_patient_liver_takes_the_first_plan_in_the_liver(foci, tmp_path):
    """The prescription of March counts, not the earlier one to a target half outside."""
    table = Path(tmp_path) / "outcomes.csv"
    table.write_text("patient_id,time,event\nP1,3,1\nP2,4,0\n", encoding="utf-8")
    with Store.open(foci / "cohort.duckdb", {}, read_only=True) as store:
        for metric in ("prescription:total_gy", "cord"):
            first, found = (
                analyse(store, OutcomeQuestion(table, metric, cut, how))
                for how, cut in (("first", 40.0), ("liver", 40.0))
            )
            assert (first.patients, found.patients) == (2, 1)
            assert found.excluded == (("with a target of unknown share in the liver", 1),)
            if metric != "cord":
                assert [group.curve.n for group in first.groups] == [1, 1]
                assert [group.curve.n for group in found.groups] == [0, 1]


@pytest.mark.parametrize("dates", [("2024-01-05", "2024-03-10"), ("day 9", "day 12")])
def test_dates_sort_as_days(tmp_path, dates):
    """True dates, and the days of a pseudonymised cohort (as text, 12 comes before 9)."""
    with Store.create(tmp_path / "cohort.duckdb", {}) as store:
        for gy, date in zip((30.0, 50.0), dates, strict=True):
            row = {"case_id": date, "patient_id": "P", "seq": 0}
            tables = {
                "cases": [row | {"plan_date": date}],
                "prescriptions": [row | {"total_gy": gy}],
            }
            store.put(date, Known("", "", "", is_final=True), tables)
        store.replace_table("plans", [{"case_id": "c", "patient_id": "P"}])
        table = tmp_path / "outcomes.csv"
        table.write_text("patient_id,time,event\nP,3,1\n", encoding="utf-8")
        question = OutcomeQuestion(table, "prescription:total_gy", 40.0, "first")
        assert [group.curve.n for group in analyse(store, question).groups] == [1, 0]
