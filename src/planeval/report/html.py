"""The HTML report: one self-contained file that opens offline and asks the network for nothing.

Safety: every text goes through :func:`planeval.report.text.visible` and then through HTML escaping,
in one place (the environment's ``finalize`` and ``autoescape``); data for the scripts is JSON in an
element that is never run; the content security policy allows the two inline scripts by their hashes
and nothing from anywhere else.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from planeval.case import Case
from planeval.errors import ReportError
from planeval.model.record import EvaluationRecord
from planeval.model.rows import RowKind
from planeval.report.agreement import (
    HEADS,
    LEGEND,
    agreement_lines,
    agreement_rules,
    agreement_summary,
)
from planeval.report.cells import number_text, status_cell, value_cell
from planeval.report.chart import Chart, chart_data, chart_of
from planeval.report.checks import check_lines, check_summary
from planeval.report.colours import ink
from planeval.report.curves import Curve, curves_of
from planeval.report.document import (
    anchors,
    constraint_sections,
    information_matrices,
    summary_text,
    unjudged_by_reason,
)
from planeval.report.labels import labels
from planeval.report.margins import MARK_WORDS, MarginView, margin_views
from planeval.report.slices import Slices, outlined_names, slices_of
from planeval.report.spots import SPOT_NOTE, spot_pictures, spot_views
from planeval.report.targets import INDEX_DEFINITIONS, target_tables
from planeval.report.text import date_text, person_name, prose, script_json, visible
from planeval.report.wording import (
    DISCLAIMER,
    KIND_WORDS,
    ORIGIN_WORDS,
    PURPOSE_WORDS,
    SEVERITY_ORDER,
    STATUS_WORDS,
    VERDICT_WORDS,
    method_sentences,
)

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render_html", "render_page", "write_html", "write_page"]

LONGEST_NAME = 64


def render_html(
    record: EvaluationRecord,
    case: Case | None = None,
    *,
    curves: Sequence[Curve] | None = None,
    date: str = "",
    language: str = "en",
) -> str:
    """Return the report as one HTML document; the same arguments give the same text.

    Without a ``case`` there are no slices, and no DVH unless ``curves`` are given. ``date`` is
    printed as it is, so it should say what it is ("plan date 2025-03-14"): no clock is read here.
    """
    if curves is None:
        curves = curves_of(case, record) if case else ()
    chart = chart_of(curves, record)
    slices = slices_of(case, record, outlined_names(curves, case)) if case else None
    scripts = [_static("uplot/uPlot.iife.min.js"), _static("report.js")]
    template = _environment(language).get_template("report.html.j2")
    return template.render(
        **_facts(record),
        **_pictures(chart, slices, margin_views(record, case), case),
        spots=spot_views(record),
        spot_pictures=spot_pictures(record, case),
        spot_note=SPOT_NOTE,
        language=language,
        scripts=[Markup(script) for script in scripts],
        policy=_policy(scripts),
        style=Markup(_static("uplot/uPlot.min.css") + _static("report.css")),
        page_text=_css_text(f"planeval {record.provenance.planeval_version} · {_subject(record)}"),
        uplot_licence=_static("uplot/LICENSE"),
        date=date,
    )


def write_html(
    path: Path,
    record: EvaluationRecord,
    case: Case | None = None,
    *,
    curves: Sequence[Curve] | None = None,
    date: str = "",
    language: str = "en",
) -> None:
    """Write the report to a file, whole or not at all.

    Raises :class:`~planeval.errors.ReportError` where the file cannot be written.
    """
    write_page(path, render_html(record, case, curves=curves, date=date, language=language))


def render_page(
    template: str, scripts: Sequence[str], facts: Mapping[str, Any], *, language: str
) -> str:
    """Return a page of its own: a template, the static scripts it may run, and what it shows."""
    texts = [_static(name) for name in scripts]
    return (
        _environment(language)
        .get_template(template)
        .render(
            **facts,
            language=language,
            scripts=[Markup(text) for text in texts],
            policy=_policy(texts),
            style=Markup(_static("report.css")),
        )
    )


def write_page(path: Path, text: str) -> None:
    """Write a page to a file, whole or not at all.

    Raises :class:`~planeval.errors.ReportError` where the file cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(text.encode("utf-8"))
        part.replace(path)
    except OSError as error:
        raise ReportError(
            f"the report {path.name!r} cannot be written: {error.strerror}; "
            "choose a folder that exists and can be written"
        ) from error


def _facts(record: EvaluationRecord) -> dict[str, Any]:
    """Return what the pages say of the record."""
    return {
        "record": record,
        "sections": constraint_sections(record),
        "matrices": information_matrices(record),
        "anchors": anchors(record),
        "source_anchors": {
            note.key: f"source-{number}"
            for number, note in enumerate(record.protocol.sources, start=1)
        },
        "verdict": VERDICT_WORDS[record.verdict],
        "summary": summary_text(record),
        "unjudged": unjudged_by_reason(record),
        "target_tables": target_tables(record),
        "index_definitions": INDEX_DEFINITIONS,
        "agreement": agreement_lines(record.agreement),
        "agreement_summary": agreement_summary(record),
        "agreement_heads": HEADS,
        "agreement_legend": LEGEND,
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
    slices: Slices | None,
    margins: Sequence[MarginView],
    case: Case | None,
) -> dict[str, Any]:
    return {
        "chart": chart,
        "chart_json": Markup(script_json(chart_data(chart))) if chart else "",
        "slices": slices,
        "layer_of": {
            line.name: str(number) for number, line in enumerate(slices.outlined if slices else ())
        },
        "has_case": case is not None,
        "margins": margins,
        "mark_words": MARK_WORDS,
    }


def _subject(record: EvaluationRecord) -> str:
    """Return who and what a page is about, for its foot."""
    plans = ", ".join(plan.label for plan in record.plans)
    patient = visible(record.identity.patient_id, LONGEST_NAME)
    return f"ID {patient} · {visible(plans, LONGEST_NAME)} · protocol {record.protocol.id}"


def _static(name: str) -> str:
    """Return a file that ships with the report."""
    found = resources.files("planeval.report").joinpath("static", name)
    return found.read_text(encoding="utf-8").replace("\r\n", "\n")


def _policy(scripts: Iterable[str]) -> str:
    """Return the content security policy that allows exactly these inline scripts."""
    hashes = " ".join(
        "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        for text in scripts
    )
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {hashes}; "
        "base-uri 'none'; form-action 'none'"
    )


def _css_text(text: str) -> Markup:
    """Return text as a CSS string: everything but letters, digits and blanks is escaped."""
    safe = re.sub(r"[^A-Za-z0-9 ]", lambda found: f"\\{ord(found[0]):x} ", visible(text))
    return Markup(f'"{safe}"')


def _shown(item: object) -> object:
    """Make text visible before it is escaped; what is already markup passes."""
    if item is None:
        return ""
    return visible(item) if isinstance(item, str) and not isinstance(item, Markup) else item


def _environment(language: str) -> Environment:
    """Return the template environment of a language: everything escaped, nothing undefined."""
    import jinja2  # noqa: PLC0415 - loads where it is used

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("planeval.report"),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "cell": value_cell,
        "date": date_text,
        "ink": ink,
        "lines": lambda text: Markup(escape(text)),
        "kind": lambda kind: KIND_WORDS[RowKind(kind)],
        "name": lambda text: visible(text, LONGEST_NAME),
        "number": number_text,
        "person": person_name,
        "prose": prose,
        "short": lambda uid: visible(uid, LONGEST_NAME)[-8:],
        "visible": visible,
        "origin": lambda origin: ORIGIN_WORDS.get(origin, origin),
        "purpose": lambda purpose: PURPOSE_WORDS.get(purpose, purpose),
        "say": labels(language),
        "status": status_cell,
        "status_word": lambda status: STATUS_WORDS[status],
    }
    return environment
