"""The commands about protocols: list, show, validate, diff, new, import."""

from __future__ import annotations

from pathlib import Path

import click

import planeval as pe
from planeval.cli_options import protocol_dir_option

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
