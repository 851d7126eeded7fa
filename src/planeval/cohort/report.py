"""The report of a cohort: one HTML file that opens offline, runs no script and asks for nothing.

Everything is read from the store; a figure is inline SVG. Text is escaped in one place, as in the
report of a plan, and the content security policy allows nothing but the page's own style.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from planeval.cohort import figures, population
from planeval.cohort.outcomes import OutcomeAnalysis, OutcomeQuestion, analyse
from planeval.cohort.outputs import MANIFEST
from planeval.cohort.store import STORE_NAME, Store
from planeval.errors import ReportError
from planeval.protocol.judge import parse_comparison
from planeval.report.text import visible
from planeval.report.wording import DISCLAIMER

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["write_report"]

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_CASES_SHOWN = 2000


def write_report(
    folder: str | Path,
    *,
    out: str | Path | None = None,
    outcomes: str | Path | None = None,
    metric: str | None = None,
    cut: float | None = None,
    per_patient: str | None = None,
    time_zero: str | None = None,
    covariate_cuts: Mapping[str, float] | None = None,
    pseudonymize: str | Path | None = None,
) -> Path:
    """Write the report of an extracted cohort and return its path.

    ``outcomes`` is a CSV file of ``patient_id,time,event`` and covariates; with it, ``metric`` and
    ``time_zero`` are needed. ``cut`` is the cut-point of the metric, ``covariate_cuts`` are those of
    numeric covariates, all chosen beforehand.

    Raises :class:`~planeval.errors.ReportError` where the folder holds no whole cohort, where the
    outcomes have no honest answer, and where the file cannot be written.
    """
    place = Path(folder)
    question = _question(
        outcomes, metric, time_zero,
        cut=cut, per_patient=per_patient, covariate_cuts=covariate_cuts or {},
        key=Path(pseudonymize) if pseudonymize else None,
    )  # fmt: skip
    try:
        manifest_bytes = (place / MANIFEST).read_bytes()
    except OSError:
        raise ReportError(
            f"{place} holds no whole cohort: there is no {MANIFEST}; "
            "run planeval cohort extract, with --resume where it was stopped"
        ) from None
    with Store.open(place / STORE_NAME, {}, read_only=True) as store:
        analysis = analyse(store, question) if question else None
        text = _rendered(store, json.loads(manifest_bytes), manifest_bytes, analysis)
    path = Path(out) if out else place / "report.html"
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)
    except OSError as error:
        raise ReportError(f"{path.name} cannot be written: {error.strerror}") from None
    return path


def _question(
    outcomes: str | Path | None, metric: str | None, time_zero: str | None, **choices: Any
) -> OutcomeQuestion | None:
    """Return what is asked of outcomes; all that has to be said beforehand must be said."""
    if outcomes is None:
        asked = (metric, time_zero, choices["cut"], choices["per_patient"])
        if any(each is not None for each in asked) or choices["covariate_cuts"]:
            raise ReportError(
                "--metric, --cut, --per-patient, --time-zero and --covariate-cut go with --outcomes"
            )
        return None
    if not metric or not time_zero:
        raise ReportError(
            "--outcomes needs --metric (what divides the patients) and --time-zero (what time "
            "counts from, in words)"
        )
    return OutcomeQuestion(Path(outcomes), metric, time_zero=time_zero, **choices)


def _rendered(
    store: Store,
    manifest: dict[str, Any],
    manifest_bytes: bytes,
    analysis: OutcomeAnalysis | None,
) -> str:
    style = resources.files("planeval.report").joinpath("static", "report.css")
    own = resources.files("planeval.cohort").joinpath("templates", "cohort.css")
    spreads = population.distributions(store)
    template = _environment().get_template("cohort.html.j2")
    return template.render(
        policy=POLICY,
        style=Markup(style.read_text("utf-8") + own.read_text("utf-8")),
        manifest=manifest,
        digest=hashlib.sha256(manifest_bytes).hexdigest(),
        disclaimer=DISCLAIMER,
        overview=_overview(store),
        not_taken=store.query(
            "SELECT code, count(*) FROM plans WHERE NOT is_taken GROUP BY 1 ORDER BY 2 DESC, 1"
        ),
        prescriptions=population.prescriptions(store),
        schedules=population.schedules(store),
        compliance=population.compliance(store),
        distributions=[(each, figures.strip_figure(each, _limits(each))) for each in spreads],
        bands=[(band, figures.dvh_figure(band)) for band in population.bands(store)],
        missing=population.missing(store),
        errors=store.query(
            "SELECT case_id, patient_id, stage, code, message FROM errors ORDER BY ALL"
        ),
        cases=store.query(
            "SELECT case_id, patient_id, plan_label, plan_date, rx_gy, rx_fractions, verdict, "
            f"summary FROM cases ORDER BY patient_id, case_id LIMIT {_CASES_SHOWN}"
        ),
        cases_shown=_CASES_SHOWN,
        analysis=analysis,
        survival=figures.step_figure([g.curve for g in analysis.groups]) if analysis else None,
    )


def _overview(store: Store) -> dict[str, int]:
    """Return the counts that head the page."""
    row = store.query(
        "SELECT (SELECT count(*) FROM plans), (SELECT count(*) FROM plans WHERE is_taken), "
        "(SELECT count(*) FROM cases), (SELECT count(DISTINCT patient_id) FROM cases), "
        "(SELECT count(*) FROM errors), (SELECT count(*) FROM cases WHERE verdict = 'PASS'), "
        "(SELECT count(*) FROM cases WHERE verdict = 'ACCEPTABLE'), "
        "(SELECT count(*) FROM cases WHERE verdict = 'FAIL'), "
        "(SELECT count(*) FROM cases WHERE verdict IN ('INCOMPLETE', 'NOT_ASSESSED'))"
    )[0]
    names = (
        "plans", "taken", "evaluated", "patients", "errors", "passed", "acceptable", "failed",
        "incomplete",
    )  # fmt: skip
    return dict(zip(names, row, strict=True))


def _limits(found: population.Distribution) -> list[tuple[float, str, str]]:
    """Return the limits of a row as (number, text, tier)."""
    tiers = (("per protocol", found.row.per_protocol), ("acceptable", found.row.acceptable))
    return [(parse_comparison(text).limit, text, tier) for tier, text in tiers if text]


def _shown(item: object) -> object:
    """Make text visible before it is escaped; what is already markup passes."""
    if item is None:
        return ""
    return visible(item) if isinstance(item, str) and not isinstance(item, Markup) else item


def _environment() -> Environment:
    """Return the template environment: everything escaped, nothing undefined."""
    import jinja2  # noqa: PLC0415 - loads where it is used

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("planeval.cohort"),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = lambda value: f"{value:.4g}" if value is not None else "—"
    return environment
