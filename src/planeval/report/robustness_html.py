"""Scenarios of setup and motion as one HTML page in the look of the report; it runs no script."""

from __future__ import annotations

from pathlib import Path

from planeval.model.robustness import RobustnessRecord
from planeval.report.page import LONGEST_NAME, css_text, render_page, write_page
from planeval.report.robustness import set_views
from planeval.report.text import visible
from planeval.report.wording import DISCLAIMER, VERDICT_WORDS

__all__ = ["render_robustness", "write_robustness"]


def render_robustness(record: RobustnessRecord) -> str:
    """Return the page; the same record gives the same text."""
    patient = visible(record.identity.patient_id, LONGEST_NAME)
    facts = {
        "record": record,
        "version": record.provenance.planeval_version,
        "title": f"{patient} · robustness · {record.protocol}",
        "page_text": css_text(f"planeval · ID {patient} · robustness"),
        "views": set_views(record),
        "planned": VERDICT_WORDS[record.planned_verdict],
        "disclaimer": DISCLAIMER,
    }
    return render_page("robustness.html.j2", (), facts, language="en")


def write_robustness(path: Path, record: RobustnessRecord) -> None:
    """Write the page whole or not at all.

    Raises :class:`~planeval.errors.ReportError` where the file cannot be written.
    """
    write_page(path, render_robustness(record))
