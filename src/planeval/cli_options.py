"""What several commands share: the options that read a case, and what they mean."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

import planeval as pe

__all__ = [
    "Dose",
    "child_pugh_option",
    "chosen_formats",
    "map_option",
    "names_option",
    "prescriptions",
    "protocol_dir_option",
    "read_case",
    "read_reference",
    "reading_choices",
    "reading_options",
    "show",
    "solid_options",
    "structure_map",
    "unverified_option",
    "write",
]

Command = Callable[..., Any]

protocol_dir_option = click.option(
    "--protocol-dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="PLANEVAL_PROTOCOLS",
    help="Folder of your own protocols; an id there takes the place of a shipped one. Also "
    "PLANEVAL_PROTOCOLS.",
)

map_option = click.option(
    "--map", "mapping", multiple=True, metavar="PLAN=PROTOCOL",
    help='Name a structure by hand, e.g. --map "CTV肝=CTV".',
)  # fmt: skip
names_option = click.option(
    "--names", "names_file", type=click.Path(path_type=Path, dir_okay=False),
    help="A reviewed alias file (planeval names); its rows with yes are used where they fit.",
)  # fmt: skip
unverified_option = click.option(
    "--allow-unverified", is_flag=True,
    help="Show what limits come to that nobody has read in their source, outside the verdict.",
)  # fmt: skip

CHILD_PUGH = ("A", "B", "C", "A5", "A6", "B7", "B8", "B9", *(f"C{n}" for n in range(10, 16)))

child_pugh_option = click.option(
    "--child-pugh", type=click.Choice(CHILD_PUGH, case_sensitive=False), metavar="CLASS",
    help="Child-Pugh class or score for protocols that ask for it, e.g. A or A5.",
)  # fmt: skip


def solid_options(command: Command) -> Command:
    """Options that say what a structure's contours stand for."""
    between = click.option(
        "--between", type=click.Choice(["prism", "interpolated"]), default="prism",
        show_default=True, help="What lies between two planes of a structure.",
    )  # fmt: skip
    caps = click.option(
        "--caps", type=click.Choice(["half", "none", "tapered"]), default="half",
        show_default=True, help="What lies beyond the end planes of a structure.",
    )  # fmt: skip
    return caps(between(command))


class Dose(click.ParamType[tuple[str, float]]):
    """A positive number with an optional target: ``55`` or ``PTV1=55``."""

    name = "[TARGET=]GY"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """Return target (empty without one) and dose."""
        target, _, number = str(value).rpartition("=")
        try:
            return target.strip(), float(number)
        except ValueError:
            self.fail(f"{value!r} is not a dose in Gy, such as 55 or PTV1=55", param, ctx)


def reading_options(command: Command) -> Command:
    """Options of every command that reads a case."""
    options: list[Callable[[Command], Command]] = [
        click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path)),
        click.option("--plan", help="Choose the plan by UID, label or path."),
        click.option("--structures", help="Choose the structure set by UID, label or path."),
        click.option("--dose", help="Choose the dose by UID or path."),
        click.option(
            "--rx", type=Dose(), multiple=True,
            help="Prescribed dose: 55, or one per target: --rx PTV1=55 --rx PTV2=50.",
        ),
        click.option("--fx", type=click.IntRange(1, 200), help="Number of fractions."),
        click.option(
            "--accept-mismatch", is_flag=True,
            help="Go on although a reference names another object (an error on page one).",
        ),
        click.option(
            "--relative-reference", type=float, metavar="GY",
            help="The dose that 100 % of a RELATIVE dose stands for.",
        ),
        click.option(
            "--relative-scale", type=click.Choice(["1", "100"]),
            help="What full dose is written as in a RELATIVE dose.",
        ),
        click.option(
            "--tps-dvh", "tps_dvhs", type=click.Path(path_type=Path), multiple=True,
            help="A DVH text export of Eclipse/ARIA to compare with.",
        ),
        solid_options,
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def read_case(reading: dict[str, Any]) -> pe.Case:
    """Read the case that the reading options describe."""
    choices = reading_choices(reading)
    return pe.load(*choices.pop("paths"), **choices)


def reading_choices(reading: dict[str, Any]) -> dict[str, Any]:
    """The reading options as :func:`planeval.load` takes them, and ``paths``."""
    scale = reading["relative_scale"]
    return {
        "paths": reading["paths"],
        "plan": reading["plan"],
        "structures": reading["structures"],
        "dose": reading["dose"],
        "rx": prescriptions(reading["rx"], reading["fx"]),
        "method": pe.Method(caps=reading["caps"], between=reading["between"]),
        "accept_mismatch": reading["accept_mismatch"],
        "relative_reference_gy": reading["relative_reference"],
        "relative_scale": int(scale) if scale else None,
        "tps_dvhs": reading["tps_dvhs"],
    }


def read_reference(text: str, reading: dict[str, Any]) -> pe.Case:
    """Read the plan that --reference names: a folder or file, else a plan beside the one judged."""
    method = pe.Method(caps=reading["caps"], between=reading["between"])
    if Path(text).exists():
        return pe.load(text, method=method)
    return pe.load(*reading["paths"], plan=text, method=method)


def prescriptions(given: tuple[tuple[str, float], ...], fractions: int | None) -> Any:
    """The --rx and --fx options as one prescription, or one per target."""
    if not given:
        if fractions is not None:
            raise click.UsageError("--fx states the fractions of --rx; give --rx as well")
        return None
    try:
        if len(given) == 1 and not given[0][0]:
            return pe.Rx(given[0][1], fractions)
        if any(not target for target, _ in given):
            raise click.UsageError("with several --rx, each names its target: --rx PTV1=55")
        if len({target for target, _ in given}) < len(given):
            raise click.UsageError("--rx names a target twice")
        return {target: pe.Rx(gy, fractions) for target, gy in given}
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def structure_map(pairs: tuple[str, ...]) -> dict[str, str]:
    """The --map options as plan name -> protocol name."""
    mapping: dict[str, str] = {}
    for pair in pairs:
        plan_name, separator, protocol_name = pair.rpartition("=")
        if not separator or not plan_name.strip() or not protocol_name.strip():
            raise click.UsageError(f"--map {pair!r}: write PLAN=PROTOCOL, e.g. --map CTV1=CTV")
        if plan_name.strip() in mapping:
            raise click.UsageError(f"--map names {plan_name.strip()!r} twice")
        mapping[plan_name.strip()] = protocol_name.strip()
    return mapping


def chosen_formats(text: str, known: Sequence[str]) -> set[str]:
    """Take ``--format`` apart; a format that is not known is a usage error."""
    wanted = {part.strip() for part in text.split(",") if part.strip()}
    unknown = wanted - set(known)
    if unknown:
        raise click.UsageError(
            f"--format {', '.join(sorted(unknown))}: choose from {', '.join(known)}"
        )
    return wanted


def write(out: Path, files: dict[str, str]) -> None:
    """Write text files whole: a reader never sees half of one."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            part = out / f"{name}.part"
            part.write_text(text, encoding="utf-8", newline="\n")
            part.replace(out / name)
    except OSError as error:
        raise pe.errors.ReportError(f"cannot write into {out}: {error.strerror}") from None


def show(renderable: Any) -> None:
    """Print to stdout; wide enough for a table where it is no terminal."""
    pe.report.terminal.show(renderable, width=None if sys.stdout.isatty() else 120)
