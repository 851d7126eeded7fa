"""The PDF report: PDF/A-3b with evaluation.json attached, the same bytes for the same fonts.

Typst (the extra ``pdf``) sets the pages; it gets every text as data and never as markup.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from planeval.case import Case
from planeval.errors import ReportError
from planeval.model.record import EvaluationRecord
from planeval.report.blocks import (
    Block,
    Cell,
    Column,
    Figures,
    Heading,
    Paragraph,
    Picture,
    Row,
    Table,
    plain_data,
)
from planeval.report.chart import Chart, chart_of
from planeval.report.curves import Curve, curves_of
from planeval.report.figures import GROUND, dvh_svg, slice_svg, swatch_svg
from planeval.report.labels import labels
from planeval.report.pages import Words, page_of
from planeval.report.slices import Slices, outlined_names, slices_of
from planeval.report.spots import spot_blocks
from planeval.report.text import visible

__all__ = ["PAPERS", "render_pdf", "write_pdf"]

PAPERS = {"a4": "a4", "letter": "us-letter"}

FONTS = (
    "Liberation Sans",
    "Arial",
    "Helvetica",
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Microsoft YaHei",
    "PingFang SC",
    "SimSun",
    "WenQuanYi Micro Hei",
    "Libertinus Serif",
)
"""Families in order of preference; those that are not there are passed over."""

EPOCH_VARIABLE = "SOURCE_DATE_EPOCH"
_NO_GLYPH = re.compile(r"the text [`\"]*(.+?)[`\"]* could not be displayed")
_DICOM_DATE = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC)


def render_pdf(
    record: EvaluationRecord,
    case: Case | None = None,
    *,
    paper: str = "a4",
    language: str = "en",
    font_paths: Sequence[Path] = (),
) -> bytes:
    """Return the report as PDF.

    The date in the file is SOURCE_DATE_EPOCH where it is set, else the plan's date, labelled so; no
    clock is read. The same input, version, options and fonts give the same bytes.

    Raises:
        ReportError: typst is not installed, or no font here has a character of the report.
        ValueError: an unknown paper or language.
    """
    if paper not in PAPERS:
        raise ValueError(f"paper {paper!r}: there are {', '.join(PAPERS)}")
    when, label = _date(record)
    curves = curves_of(case, record) if case else ()
    say = labels(language)
    pictures = [
        *spot_blocks(record, case, say),
        *_dvh(curves, record, say),
        *_slices(case, record, curves, say),
    ]
    page = page_of(record, pictures, language=language, date=label)
    return _compile(
        {
            "document": json.dumps(plain_data(page), ensure_ascii=False),
            "evaluation": record.to_json(),
            "paper": PAPERS[paper],
            "fonts": "|".join(FONTS),
            "year": str(when.year),
            "month": str(when.month),
            "day": str(when.day),
        },
        when,
        font_paths,
    )


def write_pdf(path: Path, content: bytes) -> None:
    """Write a PDF whole: a reader never sees half of one.

    Raises :class:`~planeval.errors.ReportError` where the file cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise ReportError(
            f"the report {path.name!r} cannot be written: {error.strerror}; "
            "choose a folder that exists and can be written"
        ) from error


def _compile(inputs: dict[str, str], when: datetime, font_paths: Sequence[Path]) -> bytes:
    try:
        import typst  # noqa: PLC0415 - an extra, 34 MB
    except ImportError:
        raise ReportError("PDF reports need the extra 'pdf': pip install planeval[pdf]") from None
    template = resources.files("planeval.report").joinpath("static", "report.typ").read_bytes()
    try:
        compile_pdf: Any = typst.compile  # its stubs want every path of the same type as the text
        return bytes(
            compile_pdf(
                template.replace(b"\r\n", b"\n"),
                sys_inputs=inputs,
                pdf_standards="a-3b",
                timestamp=when,
                font_paths=[str(path) for path in font_paths],
            )
        )
    except typst.TypstError as error:
        raise _unset(str(error)) from None


def _unset(message: str) -> ReportError:
    """Return the error for a document that typst refused: most often a font is missing."""
    found = _NO_GLYPH.search(message)
    if found is None:
        return ReportError(f"the PDF cannot be set: {message}")
    return ReportError(
        f"no font on this machine shows {visible(found[1], 40)!r}; install one that does (for "
        "Chinese, Japanese and Korean: Noto Sans CJK or WenQuanYi Micro Hei), or name a folder of "
        "fonts with --font-path"
    )


def _date(record: EvaluationRecord) -> tuple[datetime, str]:
    """Return the date of the document and what it is."""
    epoch = os.environ.get(EPOCH_VARIABLE, "")
    if epoch.isdigit():
        when = datetime.fromtimestamp(int(epoch), tz=UTC)
        return when, f"{when:%Y-%m-%d}"
    for plan in record.plans:
        found = _DICOM_DATE.fullmatch(plan.date)
        if found:
            try:
                year, month, day = (int(part) for part in found.groups())
                when = datetime(year, month, day, tzinfo=UTC)
            except ValueError:
                continue
            return when, f"plan date {when:%Y-%m-%d}"
    return _FIRST_DAY, ""


def _dvh(curves: Sequence[Curve], record: EvaluationRecord, say: Words) -> Iterator[Block]:
    chart = chart_of(curves, record)
    if chart is None:
        return
    yield Heading(say("Dose-volume histograms"))
    yield Figures((Picture(dvh_svg(chart), "Cumulative DVH"),))
    yield _legend(chart, say)


def _legend(chart: Chart, say: Words) -> Table:
    """Return the curves that are drawn, each with its line, volume and limits."""
    columns = (
        Column(say("Structure"), 2.0),
        Column("cc", 0.8, True),
        Column(say("Constraints"), 4.0),
    )
    rows = []
    for line in chart.lines:
        if line.shown:
            name = Cell(
                visible(line.name, 64), swatch=swatch_svg(line.ink.light, line.dash, line.width)
            )
            marks = "; ".join(mark.text for mark in line.marks)
            rows.append(Row((name, Cell(f"{line.total_cc:.2f}"), Cell(visible(marks)))))
    return Table(columns, tuple(rows))


def _slices(
    case: Case | None, record: EvaluationRecord, curves: Sequence[Curve], say: Words
) -> Iterator[Block]:
    slices = slices_of(case, record, outlined_names(curves, case)) if case else None
    if slices is None:
        return
    yield Heading(f"{say('Slices through')} {visible(slices.reason, 80)}")
    first, *others = slices.pictures
    ratio = first.plane.width_mm / first.plane.height_mm
    yield Figures(
        (
            Picture(slice_svg(first), first.plane.name, f"{first.plane.name}, {first.position}", ratio),
            *(
                Picture(
                    slice_svg(each), each.plane.name, f"{each.plane.name}, {each.position}",
                    each.plane.width_mm / each.plane.height_mm,
                )
                for each in others
            ),
        )
    )  # fmt: skip
    yield _slice_legend(slices, say)
    if slices.rx_text:
        yield Paragraph(f"100 % = {visible(slices.rx_text, 80)}; W350 / L40", "muted")


def _slice_legend(slices: Slices, say: Words) -> Table:
    levels = [
        Cell(
            level.text,
            swatch=swatch_svg(level.colour, (4, 2) if level.is_limit else (), 2.4, GROUND),
        )
        for level in slices.levels
    ]
    outlines = [
        Cell(visible(line.name, 64), swatch=swatch_svg(line.colour, (), 2.4, GROUND))
        for line in slices.outlined
    ]
    count = max(len(levels), len(outlines))
    rows = zip(
        levels + [Cell()] * (count - len(levels)),
        outlines + [Cell()] * (count - len(outlines)),
        strict=True,
    )
    columns = (Column(say("Isodose lines")), Column(say("Structure")))
    return Table(columns, tuple(Row(pair) for pair in rows))
