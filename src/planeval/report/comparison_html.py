"""The comparison of plans as one self-contained page, in the shell of the report."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from planeval.case import Case
from planeval.model.comparison import ComparisonRecord
from planeval.model.record import EvaluationRecord
from planeval.report.chart import chart_data
from planeval.report.comparison import (
    change_counts,
    change_lines,
    compared_sections,
    comparison_chart,
)
from planeval.report.page import LONGEST_NAME, css_text, inert_json, render_page, write_page
from planeval.report.text import visible
from planeval.report.wording import CHANGE_WORDS, DISCLAIMER, SEVERITY_ORDER, VERDICT_WORDS

__all__ = ["render_comparison", "write_comparison"]

SCRIPTS = ("uplot/uPlot.iife.min.js", "page.js", "dvh.js")


def render_comparison(
    record: ComparisonRecord,
    evaluations: Sequence[EvaluationRecord],
    cases: Sequence[Case] = (),
    *,
    language: str = "en",
) -> str:
    """Return the comparison as one HTML document; without ``cases`` it has no DVH."""
    chart = comparison_chart(record, cases, evaluations) if cases else None
    patient = visible(record.identity.patient_id, LONGEST_NAME)
    plans = ", ".join(f"{plan.letter} {visible(plan.label, LONGEST_NAME)}" for plan in record.plans)
    subject = f"ID {patient} · {plans} · protocol {record.protocol_id}"
    changes = change_lines(record)
    facts = {
        "comparison": record,
        "version": record.planeval_version,
        "title": f"{patient} · comparison of {len(record.plans)} plans",
        "page_text": css_text(f"planeval {record.planeval_version} · {subject}"),
        "verdicts": [VERDICT_WORDS[plan.verdict] for plan in record.plans],
        "changes": changes,
        **change_counts(changes),
        "change_words": tuple(CHANGE_WORDS.values()),
        "sections": compared_sections(record),
        "findings": sorted(record.findings, key=lambda each: SEVERITY_ORDER[each.severity]),
        "chart": chart,
        "chart_json": inert_json(chart_data(chart)) if chart else "",
        "digest": hashlib.sha256(record.to_json().encode("utf-8")).hexdigest(),
        "disclaimer": DISCLAIMER,
    }
    return render_page("comparison.html.j2", SCRIPTS, facts, language=language)


def write_comparison(
    path: Path,
    record: ComparisonRecord,
    evaluations: Sequence[EvaluationRecord],
    cases: Sequence[Case] = (),
    *,
    language: str = "en",
) -> None:
    """Write the comparison to a file, whole or not at all.

    Raises :class:`~planeval.errors.ReportError` where the file cannot be written.
    """
    write_page(path, render_comparison(record, evaluations, cases, language=language))
