"""The command that suggests names for the structures of a plan."""

from __future__ import annotations

from pathlib import Path

import click

import planeval as pe
from planeval.cli_options import show, write

__all__ = ["names"]


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--plan", help="Choose the plan by UID, label or path.")
@click.option("--structures", help="Choose the structure set by UID, label or path.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False),
    help="Write the alias file (CSV) to review; planeval evaluate --names reads it.",
)  # fmt: skip
def names(
    paths: tuple[Path, ...], plan: str | None, structures: str | None, out: Path | None
) -> int:
    """Suggest what the structures are called in protocols, with evidence; nothing is decided."""
    case = pe.load(*paths, plan=plan, structures=structures, need_dose=False)
    made = pe.protocol.aliases.suggestions(case.data)
    show(pe.report.terminal.names_table(made))
    if out is not None:
        if out.exists():
            raise click.UsageError(f"{out} exists; somebody may have reviewed it")
        write(out.parent, {out.name: pe.protocol.aliases.alias_csv(made)})
        click.echo(f"written to {out}; put yes into 'use' where a name is right", err=True)
    return 0
