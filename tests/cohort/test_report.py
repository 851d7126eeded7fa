"""The report of a cohort: its numbers, its safety, its outcomes."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from tests.cohort.small_plans import write_plan

from planeval.cohort import extract, population, write_report
from planeval.cohort.outcomes import OutcomeQuestion, analyse
from planeval.cohort.store import Store
from planeval.errors import ReportError

CHROMIUM = Path("/usr/bin/chromium")
DOSES = (20.0, 24.0, 28.0, 32.0, 36.0, 40.0, 44.0, 48.0, 160.0)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory, executor, protocol):
    """Nine patients of rising dose, one of them far off; the second has two plans."""
    root = tmp_path_factory.mktemp("report")
    for number, gy in enumerate(DOSES):
        label = "<script>alert(1)" if number == 3 else f"L{number}"
        write_plan(root / "in" / str(number), f"P{number}", label=label, gy=gy)
    write_plan(root / "in" / "second", "P1", label="again", gy=30.0, what="again", target="GTV")
    extract(root / "in", out=root / "out", protocol=protocol, executor=executor, jobs=2)
    return root / "out"


@pytest.fixture
def store(cohort):
    with Store.open(cohort / "cohort.duckdb", {}, read_only=True) as opened:
        yield opened


def test_numbers_of_the_cohort(store):
    """Compliance adds up, the median is the median, the far one is named, EQD2 is that of LQ."""
    rows = {row.row.row_id: row for row in population.compliance(store)}
    assert list(rows) == ["cord", "liver", "liver-mean", "liver-spare"]
    for row in rows.values():
        assert row.judged + row.not_evaluable + row.not_applicable == 10
    assert rows["liver"].mode == "any"
    assert rows["liver-mean"].group_id == "liver"
    spread = {each.row.row_id: each for each in population.distributions(store)}["cord"]
    numbers = sorted(value for _c, _p, value, _o in spread.values)
    assert spread.spread.median == pytest.approx(np.median(numbers))
    assert [value for _c, _p, value, _o in spread.outliers] == [numbers[-1]]
    found = dict(population.prescriptions(store))
    assert found["total dose (Gy)"].high == 160.0
    highest = 160 * (1 + 8 / 10) / 1.2
    assert found["EQD2, alpha/beta 10 Gy (Gy)"].high == pytest.approx(highest)
    assert population.schedules(store)[0][1:] == (20, 1)


def test_a_band_is_the_quantile_of_the_curves(store):
    """At every dose the band's rows are quantiles over the plans, 0 where a curve has ended."""
    (band,) = [band for band in population.bands(store) if band.structure == "Liver"]
    curves = [row[0] for row in store.query(
        "SELECT volume_percent FROM dvh WHERE structure = 'Liver'")]  # fmt: skip
    assert band.n == len(curves) == 10
    for node in (0, 10, 40, len(band.dose_gy) - 1):
        values = [curve[node] if node < len(curve) else 0.0 for curve in curves]
        assert band.percent[:, node] == pytest.approx(np.percentile(values, (5, 25, 50, 75, 95)))
    assert band.dose_gy[10] == 5.0
    assert "PTV" in {band.structure for band in population.bands(store)}


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.ids = [], [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.ids |= {value for name, value in attrs if name == "id"}


def test_the_page_is_safe_whole_and_the_same_twice(cohort, tmp_path):
    """No script, nothing from elsewhere, links that lead somewhere, a strict policy, same bytes."""
    path = write_report(cohort, out=tmp_path / "one.html")
    text = path.read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert "script" not in page.tags
    assert "&lt;script&gt;alert(1)" in text
    policy = next(value for name, value in page.attributes if "default-src" in (value or ""))
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")
    links = [value for name, value in page.attributes if name in ("href", "src")]
    assert links
    assert all(link.startswith("#") and link[1:] in page.ids for link in links)
    assert "http" not in text.replace("http-equiv", "")
    assert "… (" not in text, "something was cut"
    assert str(cohort) not in text
    again = write_report(cohort, out=tmp_path / "two.html")
    assert again.read_bytes() == path.read_bytes()
    for words in ("Population DVH", "Missing values", "10 plans", "9 patients", "planned"):
        assert words in text


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium on this machine")
def test_the_page_shows_in_a_browser(cohort, tmp_path):
    """Chromium draws every figure without a word in its console."""
    from playwright.sync_api import sync_playwright

    path = write_report(cohort, out=tmp_path / "page.html")
    said = []
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = opened.new_page(viewport={"width": 1100, "height": 900})
        page.on("console", lambda message: said.append(message.text))
        page.goto(path.as_uri())
        boxes = page.locator("svg.figure").evaluate_all(
            "all => all.map(one => one.getBBox().width)"
        )
        opened.close()
    assert len(boxes) > 6
    assert min(boxes) > 100
    assert not said


def outcome_table(path, lines):
    path.write_text("patient_id,time,event\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def outcomes(tmp_path):
    """Eight of nine patients, and one who is not in the cohort."""
    lines = [f"P{n},{10 - n},{int(n != 4)}" for n in range(8)]
    return outcome_table(tmp_path / "outcomes.csv", [*lines, "P77,3,1"])


def test_outcomes_are_joined_one_line_per_patient(store, outcomes):
    """The reduction is the user's; everybody is counted, in a group or as excluded."""
    question = OutcomeQuestion(outcomes, "prescription:total_gy", 32.0, "max", "diagnosis")
    found = analyse(store, question)
    assert found.patients == 8
    assert [group.curve.n for group in found.groups] == [3, 5]
    assert [group.curve.events for group in found.groups] == [3, 4]
    assert dict(found.excluded) == {
        "in the outcome table but not in the cohort": 1,
        "in the cohort but not in the outcome table": 1,
    }
    assert found.test is not None
    summed = analyse(store, OutcomeQuestion(outcomes, question.metric, 32.0, "sum", "diagnosis"))
    assert [group.curve.n for group in summed.groups] == [2, 6]


def test_a_cut_point_of_the_data_has_no_p_value(store, outcomes):
    """The median is labelled, and nothing is tested."""
    found = analyse(store, OutcomeQuestion(outcomes, "cord", None, "mean", "diagnosis"))
    assert found.cut_is_of_the_data
    assert found.test is None
    assert found.groups[1].curve.n >= 4


def test_questions_without_an_answer_are_refused(store, outcomes, tmp_path):
    """No silent reduction, no unknown metric, no doubtful line."""
    with pytest.raises(ReportError, match=r"1 patients have several values.*--per-patient"):
        analyse(store, OutcomeQuestion(outcomes, "prescription:total_gy", 32.0))
    with pytest.raises(ReportError, match=r"has no value in the cohort; give a row_id \(cord"):
        analyse(store, OutcomeQuestion(outcomes, "colon-max", 32.0, "max"))
    with pytest.raises(ReportError, match="a prescription has total_gy"):
        analyse(store, OutcomeQuestion(outcomes, "prescription:label", 32.0, "max"))
    for line, words in [
        ("P1,,1", "a time of 0 or more"), ("P1,3,dead", "1 or 0"), ("P1,-1,1", "0 or more"),
        ("P1,1,1\nP1,2,1", "there twice"), ("P99,1,1", "no patient has both"),
    ]:  # fmt: skip
        table = outcome_table(tmp_path / "bad.csv", [line])
        with pytest.raises(ReportError, match=words):
            analyse(store, OutcomeQuestion(table, "cord", 32.0, "max"))


def test_the_page_says_that_outcomes_are_exploratory(cohort, outcomes, tmp_path):
    """n, events, excluded, the cut-point, time zero and the reduction stand on the page."""
    path = write_report(
        cohort, out=tmp_path / "page.html", outcomes=outcomes, metric="prescription:total_gy",
        cut=32.0, per_patient="max", time_zero="end of treatment",
    )  # fmt: skip
    text = re.sub(r"\s+", " ", path.read_text(encoding="utf-8"))
    for words in (
        "exploratory", "given beforehand", "end of treatment", "Log-rank", "below 32 Gy",
        "several values of a patient: max", "1 in the cohort but not in the outcome table",
    ):  # fmt: skip
        assert words in text
    with pytest.raises(ReportError, match="needs --metric"):
        write_report(cohort, outcomes=outcomes, metric="cord")
    with pytest.raises(ReportError, match="go with --outcomes"):
        write_report(cohort, cut=3.0)


def test_a_folder_without_a_whole_cohort_is_refused(tmp_path):
    """A stopped run has no manifest and no report."""
    with pytest.raises(ReportError, match="holds no whole cohort"):
        write_report(tmp_path)
