"""The command line of plan sums: ``planeval sum``, and ``--with`` of the commands that judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

import planeval as pe
from planeval.cli_options import prescriptions, read_case

__all__ = ["Summing", "sum_options", "whole_case", "with_options", "write_sum"]

Command = Callable[..., Any]

_NAMES = ("others", "registration", "registration_mm", "allow_effective")


def sum_options(command: Command) -> Command:
    """Options of every command that can add plans."""
    options = [
        click.option(
            "--registration", type=click.Path(path_type=Path, exists=True), multiple=True,
            help="A REG object, or a folder with some, between the plans' frames of reference; "
            "without it those in the plans' own folders.",
        ),
        click.option(
            "--registration-mm", type=click.FloatRange(0, 100), default=2.0, show_default=True,
            metavar="MM", help="How far a registered dose may be off: bands hold such shifts.",
        ),
        click.option(
            "--allow-effective", is_flag=True,
            help="Add PHYSICAL and EFFECTIVE doses although their sum means neither.",
        ),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def with_options(command: Command) -> Command:
    """``--with`` and the options of a sum, for commands that judge one plan or a sum."""
    option = click.option(
        "--with", "others", multiple=True, metavar="FOLDER",
        type=click.Path(path_type=Path, exists=True),
        help="Add the plan in this folder: the protocol judges the sum.",
    )  # fmt: skip
    return option(sum_options(command))


def whole_case(reading: dict[str, Any]) -> pe.Case:
    """Read the case of the reading options and the plans to add; then --rx states the sum's."""
    summing = Summing.taken_from(reading)
    if not summing.others:
        return read_case(reading)
    rx = prescriptions(reading["rx"], reading["fx"])
    first = read_case({**reading, "rx": (), "fx": None})
    return summing.add(first, reading["paths"], rx)


@dataclass(frozen=True, slots=True)
class Summing:
    """The options of a sum: the folders of the plans to add, and how."""

    others: tuple[Path, ...]
    registration: tuple[Path, ...]
    registration_mm: float
    allow_effective: bool

    @classmethod
    def taken_from(cls, options: dict[str, Any]) -> Summing:
        """Take the options of a sum out of a command's options."""
        return cls(**{name: options.pop(name) for name in _NAMES})

    def add(self, first: pe.Case, folders: tuple[Path, ...], rx: Any = None) -> pe.Case:
        """Return the sum of a case, read from ``folders``, and the other plans."""
        others = [pe.load(folder, method=first.method) for folder in self.others]
        return pe.plan_sum(
            [first, *others],
            registrations=self.registration or (*folders, *self.others),
            rx=rx,
            registration_mm=self.registration_mm,
            allow_effective=self.allow_effective,
        )


def write_sum(out: Path, case: pe.Case, biology: str) -> Path:
    """Write the RTDOSE of a sum into a folder and return its path."""
    try:
        return pe.write_dose(out / "RD.sum.dcm", case, biology=biology)
    except pe.errors.MetricSyntax:
        raise click.UsageError(f"--biology {biology!r}: write EQD2_3 or BED_10") from None
