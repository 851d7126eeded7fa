"""The shell of every page: templates, style, scripts and the policy that allows nothing else.

Safety: every text goes through :func:`planeval.report.text.visible` and then through HTML escaping,
in one place (the environment's ``finalize`` and ``autoescape``); data for the scripts is JSON in an
element that is never run; the content security policy allows the page's inline scripts by their hashes
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

from planeval.errors import ReportError
from planeval.model.rows import RowKind
from planeval.report.cells import grid_text, number_text, status_cell, value_cell
from planeval.report.colours import ink
from planeval.report.labels import labels
from planeval.report.status import STATUS_WORDS
from planeval.report.text import date_text, person_name, prose, script_json, visible
from planeval.report.wording import KIND_WORDS, ORIGIN_WORDS, PURPOSE_WORDS

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["LONGEST_NAME", "css_text", "inert_json", "render_page", "write_page"]

LONGEST_NAME = 64
STYLES = ("uplot/uPlot.min.css", "report.css", "viewer.css")


def render_page(
    template: str, scripts: Sequence[str], facts: Mapping[str, Any], *, language: str
) -> str:
    """Return a page: a template, the static scripts it may run, and what it shows."""
    texts = [_static_text(name) for name in scripts]
    return (
        _environment(language)
        .get_template(template)
        .render(
            **facts,
            language=language,
            scripts=[Markup(text) for text in texts],
            policy=_policy(texts),
            style=Markup("".join(map(_static_text, STYLES))),
            uplot_licence=_static_text("uplot/LICENSE"),
        )
    )


def write_page(path: Path, text: str) -> None:
    """Write a page whole or not at all.

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


def inert_json(data: object) -> Markup:
    """Return data for an element that is never run."""
    return Markup(script_json(data))


def _static_text(name: str) -> str:
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


def css_text(text: str) -> Markup:
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
        "grid_error": lambda row: grid_text(row.grid_mean_gy, row.grid_maximum_gy),
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
