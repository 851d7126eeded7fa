"""An index as a table, CSV or JSON, and a run as a progress bar."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from planeval.cohort.finding_plans import CohortIndex
from planeval.cohort.planfile import CohortPlan
from planeval.cohort.submission import Progress
from planeval.model.plain import json_text
from planeval.report.terminal import finding_lines
from planeval.report.text import csv_text, date_text, visible

__all__ = ["index_csv", "index_json", "index_table", "progress_bar"]

COLUMNS = (
    "take", "case_id", "patient_id", "course_id", "label", "date", "time", "approval", "intent",
    "fractions", "targets", "code", "reason", "structures", "doses", "image_slices", "file",
    "plan_uid", "child_pugh", "rx_gy", "rx_fractions",
)  # fmt: skip
_SHOWN = ("take", "patient", "plan", "date", "approval", "fx", "targets", "why not")


def index_csv(index: CohortIndex) -> str:
    """Return one line per plan; ``take`` may be edited and given to ``--select``."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for plan in index.plans:
        facts = _facts(plan)
        writer.writerow(
            {name: csv_text(v) if isinstance(v, str) else v for name, v in facts.items()}
        )
    return stream.getvalue()


def index_json(index: CohortIndex) -> str:
    """Return one JSON document."""
    return json_text(
        {
            "schema": "planeval.cohort-index/1",
            "plans": [_facts(plan) for plan in index.plans],
            "findings": index.findings,
            "objects": index.objects,
            "other_files": index.other_files,
        }
    )


def index_table(index: CohortIndex) -> RenderableType:
    """Return the plans by patient for a terminal, then what is to be said about files."""
    table = Table(*_SHOWN, box=box.SIMPLE_HEAD, pad_edge=False)
    for plan in index.plans:
        aims = "; ".join(f"{name} {gy:g} Gy" for name, gy in plan.targets)
        cells = (
            "yes" if plan.is_taken else "-", plan.patient_id, plan.label, date_text(plan.date),
            plan.approval, "" if plan.fractions is None else str(plan.fractions), aims,
            "" if plan.is_taken else f"{plan.code}: {plan.reason}",
        )  # fmt: skip
        style = "" if plan.is_taken else "dim"
        table.add_row(*(Text(visible(cell, 200), style=style) for cell in cells))
    patients = len({plan.patient_id for plan in index.plans})
    total = (
        f"{len(index.plans)} plans of {patients} patients, {len(index.taken)} taken; "
        f"{index.objects} DICOM objects, {index.other_files} other files"
    )
    return Group(table, Text(total, style="bold"), finding_lines(index.findings))


def _facts(plan: CohortPlan) -> dict[str, Any]:
    return {
        "take": "yes" if plan.is_taken else "no",
        "case_id": plan.case_id,
        "patient_id": plan.patient_id,
        "course_id": plan.course_id,
        "label": plan.label,
        "date": date_text(plan.date),
        "time": plan.time,
        "approval": plan.approval,
        "intent": plan.intent,
        "fractions": plan.fractions,
        "targets": "; ".join(f"{name} {gy:g} Gy" for name, gy in plan.targets),
        "code": plan.code.value,
        "reason": plan.reason,
        "structures": len(plan.rois),
        "doses": plan.count("RTDOSE"),
        "image_slices": plan.count("CT"),
        "file": plan.file,
        "plan_uid": plan.plan_uid,
    }


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None]]:
    """Show a bar with rate and expected time on standard error."""
    console = Console(stderr=True, emoji=False)
    columns = (
        TextColumn("plans"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed"), TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[left]}"),
    )  # fmt: skip
    with Bar(*columns, console=console) as bar:
        task = bar.add_task("plans", total=None, failed=0, rate="", left="")

        def update(state: Progress) -> None:
            if state.error_code:
                bar.console.print(f"failed {state.case_id}: {state.error_code}", markup=False)
            left = state.left_seconds
            bar.update(
                task, completed=state.done, total=state.total, failed=state.failed,
                rate=f"{state.per_minute:.1f}/min", left=_clock(left),
            )  # fmt: skip

        yield update


def _clock(seconds: float | None) -> str:
    """Return a time still to go.

    >>> _clock(3725.0)
    '1:02:05 left'
    """
    if seconds is None:
        return ""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d} left"
