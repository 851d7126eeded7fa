"""The PDF: the same numbers as every other report, PDF/A-3b, reproducible, safe."""

import io
import json
import re
from dataclasses import replace
from html import unescape
from xml.etree import ElementTree

import pytest
from tests.report.samples import case, everything_hostile, record

from planeval.errors import ReportError
from planeval.report.cells import value_cell
from planeval.report.document import constraint_sections
from planeval.report.html import render_html
from planeval.report.junit import junit_xml
from planeval.report.labels import LANGUAGES, labels
from planeval.report.pdf import render_pdf, write_pdf

typst = pytest.importorskip("typst")
pypdf = pytest.importorskip("pypdf")


def squeezed(text):
    return re.sub(r"\s+", "", text)


def text_of(content):
    reader = pypdf.PdfReader(io.BytesIO(content))
    return squeezed("".join(page.extract_text() for page in reader.pages))


@pytest.fixture(scope="module")
def content():
    return render_pdf(record(), case())


@pytest.fixture(scope="module")
def words(content):
    return text_of(content)


def test_every_number_of_the_html_stands_in_the_pdf(words):
    """Values, bands, limits, margins and statuses of every row, and the information."""
    page = squeezed(unescape(re.sub(r"<[^>]+>", "", render_html(record(), case()))))
    for section in constraint_sections(record()):
        for line in section.lines:
            shown = [line.metric, line.per_protocol, line.acceptable, line.status.word.word]
            shown += [line.margin.partition(" (")[0]]
            if line.value is not None and line.value.data:
                shown += [line.value.text, line.value.band]
            for text in shown:
                assert squeezed(text) in words
                assert squeezed(text) in page
    for row in record().information:
        assert squeezed(str(value_cell(row.value))) in words


def test_page_one_answers(content):
    """Identity, prescription, verdict, attention and the constraint table begin on page one."""
    first = squeezed(pypdf.PdfReader(io.BytesIO(content)).pages[0].extract_text())
    for text in ("张三", "55Gy", "Constraintcompliance:FAIL", "NOTjudgedbythisset", "33.62"):
        assert text in first
    assert (
        first.index("Constraintcompliance") < first.index("Needsattention") < first.index("Metric")
    )


def test_evaluation_json_is_attached(content):
    """The same bytes as evaluation.json."""
    attached = pypdf.PdfReader(io.BytesIO(content)).attachments
    assert attached["evaluation.json"] == [record().to_json().encode("utf-8")]


def test_it_says_that_it_is_pdf_a_3b(content):
    """In its metadata: part 3, conformance B."""
    metadata = pypdf.PdfReader(io.BytesIO(content)).xmp_metadata
    text = metadata.stream.get_data().decode("utf-8")
    assert re.search(r"pdfaid:part>3<", text)
    assert re.search(r"pdfaid:conformance>B<", text)


def test_the_same_bytes_twice_and_no_clock(content, monkeypatch):
    """The plan's date is the document's; SOURCE_DATE_EPOCH comes first."""
    assert render_pdf(record(), case()) == content
    assert "plandate2024-01-15" in text_of(content)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1600000000")
    other = render_pdf(record())
    assert "2020-09-13" in text_of(other)
    nothing = replace(record(), plans=())
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert render_pdf(nothing) == render_pdf(nothing)


def test_a4_and_letter():
    """Two papers, in points; another is refused."""
    sizes = {}
    for paper in ("a4", "letter"):
        box = pypdf.PdfReader(io.BytesIO(render_pdf(record(), paper=paper))).pages[0].mediabox
        sizes[paper] = (round(float(box.width)), round(float(box.height)))
    assert sizes == {"a4": (595, 842), "letter": (612, 792)}
    with pytest.raises(ValueError, match="paper 'a5'"):
        render_pdf(record(), paper="a5")


def test_hostile_names_stay_text():
    """Markup of typst, XML and control characters are printed, nothing of them runs."""
    hostile = '#panic("x") $x$ *b* <b> \\ @y `z` </text>\x1b[2J'
    text = text_of(render_pdf(everything_hostile(hostile)))
    assert squeezed('#panic("x")$x$*b*<b>') in text
    assert r"\x1b[2J" in text


def test_chinese_labels():
    """Labels change, names and numbers stay; an unknown language is refused."""
    text = text_of(render_pdf(record(), language="zh"))
    assert "剂量约束符合情况" in text
    assert "未通过" in text
    assert "33.62Gy" in text
    with pytest.raises(ValueError, match="language 'fr': there are en, zh"):
        render_pdf(record(), language="fr")


def test_the_html_speaks_chinese_too():
    """The same labels, the language of the page, and no English head left."""
    page = render_html(record(), language="zh")
    assert '<html lang="zh">' in page
    for text in ("剂量约束符合情况", "需要关注", "方案限值", "计划中的结构"):
        assert text in page
    assert ">Needs attention<" not in page


def test_translations_translate():
    """Every label has text of its own in every language, and English is the key."""
    for language, words in LANGUAGES.items():
        assert all(text and (text != key or language == "en") for key, text in words.items())
    assert labels("zh")("a label nobody knows") == "a label nobody knows"


def test_a_missing_font_is_named(monkeypatch):
    """Without a font for 张, the message says which text and what to install."""
    compile_pdf = typst.compile
    monkeypatch.setattr(
        typst, "compile", lambda *args, **more: compile_pdf(*args, **more, ignore_system_fonts=True)
    )
    with pytest.raises(ReportError, match=r"no font on this machine shows '.*'; install .*CJK"):
        render_pdf(record())


def test_another_refusal_of_typst_is_passed_on(monkeypatch):
    """With its own words."""

    def refuse(*_args, **_more):
        raise typst.TypstError("out of ink")

    monkeypatch.setattr(typst, "compile", refuse)
    with pytest.raises(ReportError, match="cannot be set: out of ink"):
        render_pdf(record())


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    """The folder is missing."""
    with pytest.raises(ReportError, match=r"'r\.pdf' cannot be written"):
        write_pdf(tmp_path / "none" / "r.pdf", b"")


def test_junit_has_one_case_per_counted_item():
    """Failures, errors and skips by status; groups are one case; uncounted rows are not in it."""
    root = ElementTree.fromstring(junit_xml(record()))
    suite = root.find("testsuite")
    cases = {each.get("name"): each for each in suite.iter("testcase")}
    assert set(cases) == {
        "Esophagus-Max[Gy]", "liver", "Colon-Max[Gy]", "Stomach-V20Gy[cc]", "Kidney_L-Mean[Gy]",
    }  # fmt: skip
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors"), suite.get("skipped")) == (
        "5", "1", "1", "1",
    )  # fmt: skip
    assert "33.62 Gy, limit ≤ 33 Gy: FAIL" in cases["Colon-Max[Gy]"].find("failure").text
    assert "lie outside" in cases["Stomach-V20Gy[cc]"].find("error").get("message")
    assert cases["liver"].find("failure") is None
    assert "ACCEPTABLE" in cases["liver"].find("system-out").text


def test_junit_survives_hostile_names():
    """Still XML, and what XML forbids is written out."""
    text = junit_xml(everything_hostile('<x a="1">&\x00\x1b]]>'))
    assert r"\x1b" in ElementTree.fromstring(text).find("testsuite").get("name")


def test_the_attached_json_and_the_junit_agree(content):
    """Verdict and outcomes are the same everywhere."""
    data = json.loads(pypdf.PdfReader(io.BytesIO(content)).attachments["evaluation.json"][0])
    root = ElementTree.fromstring(junit_xml(record()))
    properties = {each.get("name"): each.get("value") for each in root.iter("property")}
    assert properties["verdict"] == data["verdict"]
