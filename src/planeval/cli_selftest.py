"""The command that puts faults into copies of a plan and shows whether they are noticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import planeval as pe
from planeval.cli_options import (
    map_option,
    protocol_dir_option,
    reading_choices,
    reading_options,
    show,
    structure_map,
)

__all__ = ["selftest"]


@click.command()
@reading_options
@click.option("--protocol", help="A protocol's id, or a YAML file; else the one that applies.")
@protocol_dir_option
@map_option
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def selftest(
    protocol: str | None,
    protocol_dir: Path | None,
    mapping: tuple[str, ...],
    as_json: bool,
    **reading: Any,
) -> int:
    """Put faults into copies of this plan and show that each is noticed.

    The plan's own files are only read. Exit code 0: every fault is refused or flagged; 3: one is
    seen in the numbers alone; 1: one is not noticed at all.
    """
    choices = reading_choices(reading)
    found = pe.selftest.self_test(
        *choices.pop("paths"),
        protocol=protocol,
        protocol_dir=protocol_dir,
        mapping=structure_map(mapping),
        on_fault=lambda text: click.echo(f"trying: {text}", err=True),
        **choices,
    )
    if as_json:
        click.echo(found.to_json(), nl=False)
    else:
        show(pe.report.fault_table.fault_table(found))
    if found.is_clean:
        return 0
    return 1 if found.unnoticed else 3
