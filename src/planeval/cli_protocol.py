"""The commands about protocols: list, show, validate, diff, new, import."""

from __future__ import annotations

from pathlib import Path

import click

import planeval as pe
from planeval.cli_options import protocol_dir_option, write

__all__ = ["protocol_group"]

EXIT_PROTOCOL = 5


@click.group("protocol")
def protocol_group() -> None:
    """List, show, check, compare and make protocols."""


@protocol_group.command("list")
@protocol_dir_option
def protocol_list(protocol_dir: Path | None) -> int:
    """List the shipped protocols and those of your own folder."""
    for entry in pe.protocol.library.available(protocol_dir):
        origin = "" if entry.origin == "shipped" else f" [{entry.origin}, sha256 {entry.sha256}]"
        purpose = "disease set" if entry.purpose == "disease" else "organ table"
        click.echo(
            f"{entry.id:24s} {entry.version:6s} {entry.review:12s} {purpose:12s} "
            f"{entry.title}{origin}"
        )
    return 0


@protocol_group.command("show")
@click.argument("name")
@protocol_dir_option
def protocol_show(name: str, protocol_dir: Path | None) -> int:
    """Print a protocol file as it is; its digests go to stderr."""
    loaded = pe.protocol.library.load(name, protocol_dir)
    click.echo(loaded.text, nl=False)
    click.echo(f"{loaded.id} ({loaded.origin}): sha256 {loaded.sha256}", err=True)
    for part in loaded.includes:
        click.echo(
            f"includes {part.id} {part.version} ({part.origin}): sha256 {part.sha256}", err=True
        )
    return 0


@protocol_group.command("validate")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@protocol_dir_option
def protocol_validate(files: tuple[Path, ...], protocol_dir: Path | None) -> int:
    """Check protocol files; exit code 5 if any is not valid."""
    failed = False
    for file in files:
        try:
            loaded = pe.protocol.library.load(file, protocol_dir)
        except pe.errors.ProtocolError as error:
            failed = True
            click.echo(f"invalid: {error}", err=True)
        else:
            click.echo(f"valid: {file.name}: {loaded.id}, sha256 {loaded.sha256}")
    return EXIT_PROTOCOL if failed else 0


@protocol_group.command("diff")
@click.argument("first")
@click.argument("second")
@protocol_dir_option
def protocol_diff(first: str, second: str, protocol_dir: Path | None) -> int:
    """Show what differs between two protocols (ids or files), one difference a line."""
    load = pe.protocol.library.load
    found = pe.protocol.difference.differences(
        load(first, protocol_dir), load(second, protocol_dir)
    )
    for each in found:
        click.echo(pe.report.text.prose(str(each)))
    click.echo(f"{len(found)} differences", err=True)
    return 0


@protocol_group.command("new")
@click.argument("protocol_id")
@click.option("--title", default="A protocol of your own", show_default=True)
@click.option("--include", "includes", multiple=True, metavar="ID", help="A set to take in.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder to write to.")
@protocol_dir_option
def protocol_new(
    protocol_id: str,
    title: str,
    includes: tuple[str, ...],
    out: Path | None,
    protocol_dir: Path | None,
) -> int:
    """Write a protocol to fill in, to stdout or as ID.yaml into --out."""
    text = pe.protocol.importing.template_text(protocol_id, title, includes)
    pe.protocol.library.load_text(text.encode(), f"{protocol_id}.yaml", protocol_dir)
    if out is None:
        click.echo(text, nl=False)
    else:
        _write_new(out, {f"{protocol_id}.yaml": text})
    return 0


@protocol_group.command("import")
@click.argument("table", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--id", "protocol_id", required=True, help="Id of the new protocol.")
@click.option("--title", default="", help="Its title; the file's name without it.")
@click.option(
    "--kind", type=click.Choice(["limit", "recommendation", "reference"]), default="reference",
    show_default=True, help="What rows without a kind of their own become.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path(), show_default=True,
    help="Folder for ID.yaml and ID.review.csv.",
)  # fmt: skip
def protocol_import(table: Path, protocol_id: str, title: str, kind: str, out: Path) -> int:
    """Make a draft of a constraint table (CSV, XLSX) or score card (JSON).

    Rows that cannot be read as they stand are never mended: they go to ID.review.csv.
    """
    draft = pe.protocol.tables.draft_of(table, protocol_id, title or table.stem, kind)
    _write_new(out, {f"{protocol_id}.review.csv": draft.review_csv})
    click.echo(f"{draft.taken} rows taken, {draft.queued} for review ({protocol_id}.review.csv)")
    if not draft.text:
        raise pe.errors.ProtocolError(
            f"no row of {table.name} could be read as it stands; see {protocol_id}.review.csv"
        )
    _write_new(out, {f"{protocol_id}.yaml": draft.text})
    return 0


def _write_new(out: Path, files: dict[str, str]) -> None:
    """Write files that must not replace a protocol somebody works on."""
    for name in files:
        if name.endswith(".yaml") and (out / name).exists():
            raise click.UsageError(f"{out / name} exists; give another id or --out")
    write(out, files)
    for name in files:
        click.echo(f"written: {out / name}", err=True)
