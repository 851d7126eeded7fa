"""``planeval robust``: a plan in scenarios of setup and motion, in a dose that stays in space."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

import planeval as pe
from planeval.cli_options import (
    child_pugh_option,
    map_option,
    protocol_dir_option,
    reading_options,
    show,
    structure_map,
    unverified_option,
    write,
)
from planeval.cli_sum import whole_case, with_options

__all__ = ["robust"]

Command = Callable[..., Any]

EXIT_BELOW, EXIT_NOT_ASSESSED = 1, 3


class Lengths(click.ParamType[tuple[float, float, float]]):
    """Three lengths along left-right, anterior-posterior and superior-inferior, or one for all."""

    name = "MM|LR,AP,SI"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float, float]:
        """Return three lengths in mm."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = [float(part) for part in str(value).split(",")]
        except ValueError:
            numbers = []
        if len(numbers) == 1:
            numbers *= 3
        if len(numbers) != 3:
            self.fail(f"{value!r}: write one length in mm, or three as LR,AP,SI", param, ctx)
        return numbers[0], numbers[1], numbers[2]


def _options(command: Command) -> Command:
    """Declare the options, in the order in which ``--help`` shows them."""
    options = [
        reading_options,
        with_options,
        click.option("--protocol",
                     help="A protocol's id, or a YAML file; without it the one that applies."),
        protocol_dir_option,
        unverified_option,
        map_option,
        child_pugh_option,
        click.option("--systematic", type=Lengths(),
                     help="Systematic error (1 SD), drawn once a scenario."),
        click.option("--random", "random_mm", type=Lengths(),
                     help="Random error (1 SD), drawn once a fraction."),
        click.option("--scenarios", type=click.IntRange(1, 10_000), default=100,
                     show_default=True, help="How many scenarios to draw."),
        click.option("--seed", type=click.IntRange(0), default=1, show_default=True,
                     help="The same seed draws the same scenarios."),
        click.option("--shift-set", type=click.Choice(["6", "14", "26"]),
                     help="Worst case over so many directions."),
        click.option("--shift-mm", type=Lengths(), default="5", show_default=True,
                     help="How far the shift set goes."),
        click.option("--drift-mm", type=float, default=0.0, show_default=True,
                     help="A fixed offset towards the feet in every scenario."),
        click.option("--min-probability", type=click.FloatRange(0, 1),
                     help="Exit with 1 where all counted rows are met less often than this."),
        click.option("--out", type=click.Path(path_type=Path, file_okay=False),
                     help="Write robustness.json and robustness.html here."),
        click.option("--json", "as_json", is_flag=True, help="Print robustness.json, nothing else."),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@_options
def robust(
    protocol: str | None,
    protocol_dir: Path | None,
    allow_unverified: bool,
    mapping: tuple[str, ...],
    child_pugh: str | None,
    min_probability: float | None,
    out: Path | None,
    as_json: bool,
    **given: Any,
) -> int:
    """Judge a plan, or a sum of plans, in scenarios of setup and motion.

    The dose stays in space and the anatomy moves (static dose cloud); positive shifts are towards
    left, posterior and superior. --systematic and --random draw courses of treatment, --shift-set
    looks for the worst direction. In a sum (--with) each plan has set-up errors of its own; a shift
    set moves all plans alike.
    """
    setups = _setups(given, min_probability)
    result = pe.robustness(
        whole_case(given),
        protocol,
        *setups,
        mapping=structure_map(mapping),
        child_pugh=child_pugh,
        dose_is_complete=given["dose"] is not None,
        allow_unverified=allow_unverified,
        protocol_dir=protocol_dir,
    )
    if out is not None:
        write(out, {"robustness.json": result.to_json()})
        result.publish_html(out / "robustness.html")
    if as_json:
        click.echo(result.to_json(), nl=False)
    else:
        show(pe.report.robustness_table.robustness_table(result.record))
        if out is not None:
            click.echo(f"written to {out}", err=True)
    return _exit_code(result, min_probability)


def _setups(given: dict[str, Any], min_probability: float | None) -> list[Any]:
    """The sets of scenarios that the options ask for."""
    none = (0.0, 0.0, 0.0)
    setups: list[Any] = []
    drift = given["drift_mm"]
    try:
        if given["systematic"] or given["random_mm"]:
            setups.append(
                pe.SetupErrors(
                    given["systematic"] or none,
                    given["random_mm"] or none,
                    drift,
                    given["scenarios"],
                    given["seed"],
                )
            )
        if given["shift_set"]:
            setups.append(pe.Directions(int(given["shift_set"]), given["shift_mm"], drift))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if not setups:
        raise click.UsageError("give --systematic or --random, or --shift-set 6, 14 or 26")
    if min_probability is not None and not isinstance(setups[0], pe.SetupErrors):
        raise click.UsageError("--min-probability needs drawn scenarios: --systematic or --random")
    return setups


def _exit_code(result: pe.Robustness, min_probability: float | None) -> int:
    """1 below the wanted probability; 3 where the protocol judged nothing."""
    if result.record.planned_verdict is pe.Verdict.NOT_ASSESSED:
        return EXIT_NOT_ASSESSED
    found = result.sets[0].verdict_probability
    is_below = min_probability is not None and (found is None or found < min_probability)
    return EXIT_BELOW if is_below else 0
