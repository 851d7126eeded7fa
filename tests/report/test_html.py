"""The HTML report: one safe, offline, reproducible file with the record's numbers."""

import hashlib
import json
import re
from base64 import b64encode
from html.parser import HTMLParser

import pytest
from tests.report.samples import case, everything_hostile, record

from planeval.errors import ReportError
from planeval.model import Status, Verdict
from planeval.report.cells import plain_number
from planeval.report.html import SCRIPTS, render_html, write_html
from planeval.report.status import STATUS_WORDS
from planeval.report.wording import VERDICT_WORDS

HOSTILE = "<script>alert(1)</script><img src=x onerror=y>'\"&{{7*7}}\u202e\x1b[31m\u2028"


class Page(HTMLParser):
    """What a browser would see: elements with attributes, visible text, script contents."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self.scripts, self._inside = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside.append(tag)
            if tag == "script":
                self.scripts.append([dict(attrs), ""])

    def handle_endtag(self, tag):
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data):
        if not self._inside:
            self.text.append(data)
        elif self._inside[-1] == "script":
            self.scripts[-1][1] += data

    @property
    def words(self):
        return " ".join("".join(self.text).split())


@pytest.fixture(scope="module")
def text():
    return render_html(record(), case(), date="plan date 2024-01-15")


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def test_the_same_input_gives_the_same_bytes(text):
    """No clock, path or host is in the file."""
    assert render_html(record(), case(), date="plan date 2024-01-15") == text


def test_it_is_small(text):
    """Three CT slices, a DVH and every table stay below 1 MB."""
    assert len(text.encode()) < 1_000_000


def test_every_element_loads_nothing(page):
    """No element refers to anything outside; links go to the page itself or to a DOI."""
    for tag, attributes in page.elements:
        assert tag not in ("iframe", "object", "embed", "base", "form", "video", "audio")
        assert "src" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        address = attributes.get("href", "#")
        if tag == "a":
            assert address.startswith("#") or (
                address.startswith("https://doi.org/") and attributes["rel"] == "noreferrer"
            )
        else:
            assert address.startswith(("#", "data:"))


def test_style_loads_nothing(text):
    """Style sheets name no address."""
    styles = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    assert "url(" not in styles
    assert "@import" not in styles


def test_the_policy_allows_its_scripts_and_nothing_else(page):
    """Each inline script's hash stands in the policy; the JSON element is never run."""
    policy = next(
        attributes["content"]
        for tag, attributes in page.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    run = [content for attributes, content in page.scripts if "type" not in attributes]
    assert len(run) == len(SCRIPTS)
    allowed = policy.partition("script-src ")[2].partition(";")[0].split()
    hashes = [b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in run]
    assert allowed == [f"'sha256-{each}'" for each in hashes]


def test_page_one_stands_in_its_order(page):
    """Identity, prescription, verdict, attention, table, organs not judged, DVH, slices, details."""
    places = [
        page.words.index(word)
        for word in (
            "Zhang, San · 张 三", "Prescription", "Constraint compliance: FAIL",
            "Stomach and cord are NOT judged", "Needs attention", "Per protocol",
            "does not judge", "Dose-volume histograms", "Slices through the centre of PTV",
            "Information, not judged", "Structures in the plan", "Points",
            "Agreement with the planning system", "How names were matched", "Plan checks",
            "Findings",
            "How the numbers were made", "Protocol as used", "Inputs and provenance",
            "Not a medical device",
        )
    ]  # fmt: skip
    assert places == sorted(places)


def test_the_prescription_shows_origin_and_alpha_beta(page):
    """BED and EQD2 never stand without their alpha/beta; D50% stands beside its prescription."""
    assert "BED 67.10 Gy, EQD2 55.92 Gy (α/β 10 Gy)" in page.words
    assert "RTPLAN dose reference 1" in page.words
    assert "102.2 % of Rx" in page.words


def test_attention_links_to_its_row(page):
    """A line of the list leads to the row that it is about."""
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert len(ids) == len(set(ids))
    assert all(link[1:] in ids for link in links if link.startswith("#"))
    assert any(link.startswith("#row-") for link in links)


def test_every_number_of_the_rows_is_that_of_the_json(text):
    """Each value and companion stands in the page with the JSON's own nine digits."""
    shown = set(re.findall(r'<data value="([^"]+)">', text))
    for row in record().flat_rows():
        values = [row.value, *(each.value for each in row.companions)]
        for value in values:
            if value.is_defined:
                assert plain_number(value.number) in shown
                assert float(plain_number(value.number)) == float(f"{value.number:.9g}")


def test_status_is_a_word_and_a_shape(text):
    """Colour never stands alone."""
    for status in Status:
        word = STATUS_WORDS[status]
        pattern = (
            rf'class="status s-{word.style}"><svg[^>]*><use href="#shape-{word.style}"/></svg>'
        )
        assert re.search(pattern + word.word, text)
        assert f'id="shape-{word.style}"' in text


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_has_words(verdict):
    """A verdict is said as compliance with constraints, never as approval of the plan."""
    words = Page(render_html(record(verdict=verdict))).words
    assert f"Constraint compliance: {VERDICT_WORDS[verdict].word}" in words
    assert "plan approved" not in words.lower()


def test_missing_values_are_dashes_with_reasons(page):
    """A row that cannot be evaluated says why, in the table."""
    assert "1.20 of 30.00 cc of Stomach lie outside the dose grid" in page.words


def test_the_digest_ties_paper_and_json(page):
    """The page prints the SHA-256 of evaluation.json."""
    assert hashlib.sha256(record().to_json().encode()).hexdigest() in page.words


def test_the_date_is_printed_as_given_and_only_then(page):
    """There is no clock in the file."""
    assert "plan date 2024-01-15" in page.words
    assert "plan date 2024" not in Page(render_html(record())).words


@pytest.mark.parametrize("hostile", [HOSTILE, "W" * 500, "]]>-->", "\ud800", "\x00"])
def test_hostile_text_in_every_field_stays_text(hostile):
    """A file's text makes no element, no attribute, no script and no hidden character."""
    text = render_html(everything_hostile(hostile), case())
    text.encode("utf-8")
    page = Page(text)
    tags = {tag for tag, _ in page.elements}
    assert "img" not in tags
    assert len(page.scripts) == len(SCRIPTS) + 1
    assert not any(name.startswith("on") for _, found in page.elements for name in found)
    assert not set(text) & set("\u202e\x1b\u2028\x00\ud800")
    if "script" in hostile:
        assert "<script>alert(1)" in page.words
        assert "{{7*7}}" in page.words


def test_hostile_text_in_the_page_foot_stays_in_its_string():
    """The foot of printed pages is a CSS string: quotes and braces are escaped."""
    text = render_html(everything_hostile('"; } body { display: none } \\'), case())
    foot = re.search(r"@bottom-left \{ content: (\"[^\"]*\"); \} \}", text)[1]
    assert not set(foot[1:-1]) & set('{};"')


def test_data_for_the_chart_is_inert_json(page):
    """The DVH data parses, and names in it are text."""
    (data,) = (json.loads(content) for attributes, content in page.scripts if "type" in attributes)
    assert [series["name"] for series in data["series"]][:2] == ["External", "Liver"]
    assert data["rx"] == 55.0


def test_a_record_without_anything_still_makes_a_page():
    """No plan, dose, prescription, rows, findings or case: every part says what is missing."""
    empty = record(
        plans=(), dose=None, prescriptions=(), rows=(), information=(), attention=(), findings=(),
        structures=(), points=(), tps=(), matches=(), not_judged=(),
    )  # fmt: skip
    words = Page(render_html(empty)).words
    for word in ("no RTPLAN", "no RTDOSE", "No prescription", "No DVH", "has no constraint"):
        assert word in words


def test_without_ct_the_pictures_say_so():
    """The same pictures on a neutral ground."""
    words = Page(render_html(record(), case(image=False))).words
    assert words.count("no CT exported") == 3


def test_a_case_without_dose_has_outlines_only():
    """No DVH, but still pictures of what was drawn."""
    words = Page(render_html(record(), case(dose=False))).words
    assert "No DVH" in words
    assert "Slices through the centre of PTV" in words


def test_write_html_writes_the_rendered_text(tmp_path):
    """The file is the text, UTF-8 with LF, and nothing else is left behind."""
    path = tmp_path / "报告.html"
    write_html(path, record())
    assert path.read_bytes() == render_html(record()).encode("utf-8")
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_report_that_cannot_be_written_is_an_error(tmp_path):
    """The message names the file and what to do."""
    with pytest.raises(ReportError, match=r"'r\.html' cannot be written.*choose a folder"):
        write_html(tmp_path / "missing" / "r.html", record())


def test_why_this_protocol_and_which_others(page):
    """The choice, its reasons, the organ table that fits, and the site's override are said."""
    assert "Chosen by itself: the only disease set that applies" in page.words
    assert "not asked for: tg101-5fx" in page.words
    assert "25 fractions; for 5 fractions only" in page.words
    assert "disease set, the site's own, in place of the shipped one" in page.words
    assert "tg101-5fx 1.0 (shipped), sha256 " + "c" * 64 in page.words


def test_questions_for_a_person_have_boxes(page):
    """Yes and no, and the statement that they never count."""
    assert "☐ ☐ Is the planning phase the arterial one?" in page.words.replace("☐☐", "☐ ☐ ")
    assert "never part of the verdict" in page.words


def test_an_unverified_limit_is_marked(page):
    """The row says so beside its metric, whatever its outcome."""
    assert "UNVERIFIED limit, not in the verdict" in page.words
