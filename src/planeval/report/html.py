"""The HTML report: one self-contained file that opens offline and asks the network for nothing.

How it is kept safe stands in :mod:`planeval.report.page`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from planeval.case import Case
from planeval.model.record import EvaluationRecord
from planeval.report.agreement import (
    HEADS,
    LEGEND,
    agreement_lines,
)
from planeval.report.agreement_blocks import agreement_rules, agreement_summary
from planeval.report.chart import Chart, chart_data, chart_of
from planeval.report.checks import check_lines, check_summary
from planeval.report.curves import Curve, curves_of
from planeval.report.document import (
    anchors,
    constraint_sections,
    information_matrices,
    summary_text,
    unjudged_by_reason,
)
from planeval.report.margins import MARK_WORDS, MarginView, margin_views
from planeval.report.overlays import overlays_of
from planeval.report.page import LONGEST_NAME, css_text, inert_json, render_page, write_page
from planeval.report.slices import Slices, outlined_names, slices_begun
from planeval.report.spots import SPOT_NOTE, spot_pictures, spot_views
from planeval.report.targets import INDEX_DEFINITIONS, target_tables
from planeval.report.text import visible
from planeval.report.viewer import Viewer, viewer_data, viewer_of
from planeval.report.wording import (
    DISCLAIMER,
    GRID_LEGEND,
    SEVERITY_ORDER,
    VERDICT_WORDS,
    method_sentences,
)

__all__ = ["SLICES", "render_html", "write_html"]

SCRIPTS = ("uplot/uPlot.iife.min.js", "page.js", "dvh.js")
VIEWER_SCRIPTS = ("cuts.js", "viewer.js")

SLICES = ("key", "all")
"""Which slices a report holds: the three pictures, or all of them to scroll through as well."""


def render_html(
    record: EvaluationRecord,
    case: Case | None = None,
    *,
    curves: Sequence[Curve] | None = None,
    reference: Case | None = None,
    slices: str = "key",
    date: str = "",
    language: str = "en",
) -> str:
    """Return the report as one HTML document; the same arguments give the same text.

    Without a ``case`` there are no slices, and no DVH unless ``curves`` are given. The curves of a
    ``reference`` plan are drawn dashed over those of the case. With ``slices`` "all" the page holds
    every slice to scroll through, else three pictures. ``date`` is printed as it is, so it
    should say what it is ("plan date 2025-03-14"): no clock is read here.

    Raises ValueError for other ``slices`` or languages than there are.
    """
    if slices not in SLICES:
        raise ValueError(f"slices {slices!r}: there are {', '.join(SLICES)}")
    if curves is None:
        curves = curves_of(case, record) if case else ()
    chart = chart_of(curves, record, overlays_of(case, curves, reference))
    outlined = outlined_names(curves, case)
    # the page is set while they are drawn, and waits for them where it shows them
    with slices_begun(case, record, outlined) if case else nullcontext(lambda: None) as drawn:
        viewer = viewer_of(case, record, outlined) if case and slices == "all" else None
        facts = {
            **_facts(record),
            **_pictures(chart, drawn, margin_views(record, case), case),
            **_scrollable(viewer),
            "spots": spot_views(record),
            "spot_pictures": spot_pictures(record, case),
            "spot_note": SPOT_NOTE,
            "page_text": css_text(
                f"planeval {record.provenance.planeval_version} · {_subject(record)}"
            ),
            "date": date,
        }
        scripts = (*SCRIPTS, *(VIEWER_SCRIPTS if viewer else ()))
        return render_page("report.html.j2", scripts, facts, language=language)


def write_html(
    path: Path,
    record: EvaluationRecord,
    case: Case | None = None,
    *,
    curves: Sequence[Curve] | None = None,
    reference: Case | None = None,
    slices: str = "key",
    date: str = "",
    language: str = "en",
) -> None:
    """Write the report to a file, whole or not at all.

    Raises :class:`~planeval.errors.ReportError` where the file cannot be written.
    """
    text = render_html(
        record,
        case,
        curves=curves,
        reference=reference,
        slices=slices,
        date=date,
        language=language,
    )
    write_page(path, text)


def _facts(record: EvaluationRecord) -> dict[str, Any]:
    """Return what the pages say of the record."""
    verdict = VERDICT_WORDS[record.verdict]
    patient = visible(record.identity.patient_id, LONGEST_NAME)
    return {
        "record": record,
        "version": record.provenance.planeval_version,
        "title": f"{patient} · {record.protocol.id} · {verdict.word}",
        "sections": constraint_sections(record),
        "matrices": information_matrices(record),
        "anchors": anchors(record),
        "source_anchors": {
            note.key: f"source-{number}"
            for number, note in enumerate(record.protocol.sources, start=1)
        },
        "verdict": verdict,
        "summary": summary_text(record),
        "unjudged": unjudged_by_reason(record),
        "target_tables": target_tables(record),
        "index_definitions": INDEX_DEFINITIONS,
        "agreement": agreement_lines(record.agreement),
        "agreement_summary": agreement_summary(record),
        "agreement_heads": HEADS,
        "agreement_legend": LEGEND,
        "grid_legend": GRID_LEGEND,
        "agreement_rules": agreement_rules(record),
        "checks": check_lines(record),
        "check_summary": check_summary(record),
        "findings": sorted(record.findings, key=lambda each: SEVERITY_ORDER[each.severity]),
        "method": method_sentences(record.provenance.method),
        "digest": hashlib.sha256(record.to_json().encode("utf-8")).hexdigest(),
        "disclaimer": DISCLAIMER,
    }


def _pictures(
    chart: Chart | None,
    drawn: Callable[[], Slices | None],
    margins: Sequence[MarginView],
    case: Case | None,
) -> dict[str, Any]:
    return {
        "chart": chart,
        "chart_json": inert_json(chart_data(chart)) if chart else "",
        "slices_drawn": drawn,
        "has_case": case is not None,
        "margins": margins,
        "mark_words": MARK_WORDS,
    }


def _scrollable(viewer: Viewer | None) -> dict[str, Any]:
    jumps = viewer.jumps if viewer else ()
    return {
        "viewer": viewer,
        "viewer_json": inert_json(viewer_data(viewer)) if viewer else "",
        "jump_of": {jump.row_id: number for number, jump in enumerate(jumps) if jump.row_id},
    }


def _subject(record: EvaluationRecord) -> str:
    """Return who and what a page is about, for its foot."""
    plans = ", ".join(plan.label for plan in record.plans)
    patient = visible(record.identity.patient_id, LONGEST_NAME)
    return f"ID {patient} · {visible(plans, LONGEST_NAME)} · protocol {record.protocol.id}"
