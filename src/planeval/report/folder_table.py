"""What a folder holds: objects, plans and their links, for terminal and JSON."""

from __future__ import annotations

from collections import Counter

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from planeval.loading import Inventory
from planeval.model import Finding
from planeval.model.plain import json_text
from planeval.report.terminal import finding_lines
from planeval.report.text import person_name, visible

__all__ = ["folder_json", "folder_table"]

SCHEMA = "planeval.inspect/1"


def folder_table(inventory: Inventory) -> RenderableType:
    """Return the inventory for a terminal."""
    index = inventory.index
    counts = Counter(entry.kind for entry in index.entries)
    summary = ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items()))
    parts: list[RenderableType] = [
        Text(f"{summary or 'no DICOM objects'}; {index.other_files} other files", style="bold")
    ]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("Patient", "Plan", "Structures", "Doses", "Slices", "Evaluable", "UID"):
        table.add_column(column, overflow="fold")
    for plan in inventory.plans:
        entry = plan.entry
        table.add_row(
            Text(f"{person_name(entry.patient_name)} {visible(entry.patient_id, 40)}"),
            Text(visible(entry.label, 40)),
            Text(visible(entry.structures_label or entry.structures_file, 40) or "none"),
            Text(str(entry.doses)),
            Text(str(entry.slices)),
            Text(visible(entry.problem) or "yes"),
            Text(visible(entry.uid, 64)),
        )
    parts += [table, finding_lines([*inventory.findings, *_plan_findings(inventory)])]
    return Group(*parts)


def folder_json(inventory: Inventory) -> str:
    """Return the inventory as one JSON document; files are named relative to the folder."""
    return json_text(
        {
            "schema": SCHEMA,
            "objects": [
                {
                    "kind": entry.kind,
                    "file": entry.file,
                    "sop_uid": entry.sop_uid,
                    "series_uid": entry.series_uid,
                    "frame_uid": entry.frame_uid,
                    "patient_id": entry.patient_id,
                    "label": entry.label,
                    "references": [list(pair) for pair in entry.references],
                }
                for entry in inventory.index.entries
            ],
            "other_files": inventory.index.other_files,
            "plans": [plan.entry for plan in inventory.plans],
            "findings": [*inventory.findings, *_plan_findings(inventory)],
        }
    )


def _plan_findings(inventory: Inventory) -> list[Finding]:
    return [finding for plan in inventory.plans for finding in plan.findings()]
