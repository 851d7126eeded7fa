"""The command line: arguments in, exit codes out; everything else is the public API.

Exit codes: 0 clean; 1 a counted row failed; 2 usage; 3 nothing failed but something counted could not
be evaluated, or nothing counted was; 4 the input is unusable; 5 the protocol is invalid; 70 a defect of
planeval; 130 interrupted.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

import planeval as pe

__all__ = ["main"]

EXIT_FAIL, EXIT_USAGE, EXIT_INCOMPLETE, EXIT_INPUT, EXIT_PROTOCOL = 1, 2, 3, 4, 5
EXIT_DEFECT, EXIT_INTERRUPTED = 70, 130

FORMATS = ("html", "json", "csv")
FAIL_ON = ("fail", "acceptable", "not-evaluable", "never")

Command = Callable[..., Any]


class _Number(click.ParamType):
    """A positive number with an optional target: ``55`` or ``PTV1=55``."""

    name = "[TARGET=]GY"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        target, _, number = str(value).rpartition("=")
        try:
            return target.strip(), float(number)
        except ValueError:
            self.fail(f"{value!r} is not a dose in Gy, such as 55 or PTV1=55", param, ctx)


def _reading_options(command: Command) -> Command:
    """Options of every command that reads a case."""
    options = [
        click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path)),
        click.option("--plan", help="Choose the plan by UID, label or path."),
        click.option("--structures", help="Choose the structure set by UID, label or path."),
        click.option("--dose", help="Choose the dose by UID or path."),
        click.option(
            "--rx", type=_Number(), multiple=True,
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
            "--caps", type=click.Choice(["half", "none", "tapered"]), default="half",
            show_default=True, help="What lies beyond the end planes of a structure.",
        ),
        click.option(
            "--between", type=click.Choice(["prism", "interpolated"]), default="prism",
            show_default=True, help="What lies between two planes of a structure.",
        ),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("-v", "--verbose", is_flag=True, help="Log what is done to stderr.")
@click.version_option(pe.__version__, prog_name="planeval")
def cli(verbose: bool) -> None:
    """A second, independent answer about a radiotherapy plan.

    Reads exported DICOM-RT (RTDOSE, RTSTRUCT, RTPLAN, CT), computes DVHs and dose metrics with
    their numeric band, and judges the plan by a protocol. Not a medical device.
    """
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if verbose else logging.WARNING,
        format="%(levelname)s %(message)s",
    )


@cli.command()
@_reading_options
@click.option("--protocol", required=True, help="A shipped protocol's id, or a YAML file.")
@click.option(
    "--map", "mapping", multiple=True, metavar="PLAN=PROTOCOL",
    help='Name a structure by hand, e.g. --map "CTV肝=CTV".',
)  # fmt: skip
@click.option("--child-pugh", help="Child-Pugh class for protocols that ask for it, e.g. A5.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder to write to.")
@click.option(
    "--format", "formats", default="html,json,csv", show_default=True,
    help="What to write into --out: any of html, json, csv.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print evaluation.json and nothing else.")
@click.option(
    "--fail-on", type=click.Choice(FAIL_ON), default="fail", show_default=True,
    help="From which verdict on the exit code is 1; never also turns 3 into 0.",
)  # fmt: skip
def evaluate(
    protocol: str,
    mapping: tuple[str, ...],
    child_pugh: str | None,
    out: Path | None,
    formats: str,
    as_json: bool,
    fail_on: str,
    **reading: Any,
) -> int:
    """Judge a plan by a protocol and report."""
    started = time.time()
    wanted = _formats(formats)
    case = _case(reading)
    result = pe.evaluate(case, protocol, mapping=_mapping(mapping), child_pugh=child_pugh)
    if out is not None:
        _write_evaluation(out, wanted, result, started)
    if as_json:
        click.echo(result.to_json(), nl=False)
    else:
        pe.report.terminal.show(pe.report.terminal.evaluation_table(result.record))
        if out is not None:
            click.echo(f"written to {out}", err=True)
    return _exit_code(result.verdict.value, fail_on)


@cli.command()
@_reading_options
@click.option(
    "-s", "--structure", "names", multiple=True,
    help='A structure or an expression such as "Liver - GTV"; all structures without it.',
)  # fmt: skip
@click.option("-m", "--metric", "metrics", multiple=True, help="A metric, e.g. V20Gy[%] or D2%[Gy].")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write dvh.csv here.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
def dvh(
    names: tuple[str, ...],
    metrics: tuple[str, ...],
    out: Path | None,
    as_json: bool,
    **reading: Any,
) -> int:
    """Compute DVHs and metrics of structures; no protocol needed."""
    case = _case(reading)
    table = pe.report.dvh_table.of_case(case, names, metrics)
    if out is not None:
        _write(out, {"dvh.csv": table.curves_csv(), "metrics.csv": table.metrics_csv()})
    if as_json:
        click.echo(table.to_json(), nl=False)
    else:
        pe.report.terminal.show(pe.report.terminal.dvh_table(table))
    return 0


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
def inspect(paths: tuple[Path, ...], as_json: bool) -> int:
    """Show what a folder holds: objects, links, plans, structures."""
    inventory = pe.scan(*paths)
    if as_json:
        click.echo(pe.report.inventory.to_json(inventory), nl=False)
    else:
        pe.report.terminal.show(pe.report.inventory.tables(inventory))
    return 0 if inventory.plans else EXIT_INPUT


@cli.command()
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("planeval-demo"),
    show_default=True, help="Folder to write the case and its report to.",
)  # fmt: skip
@click.pass_context
def demo(ctx: click.Context, out: Path) -> int:
    """Write the synthetic liver case and its report into a folder."""
    source = _demo_case()
    target = out / "hepatic-pvtt"
    _copy_tree(source, target)
    click.echo(f"synthetic case in {target}", err=True)
    return int(
        ctx.invoke(
            evaluate, paths=(target,), protocol="hcc-zhai2025", mapping=(), out=out / "report",
            formats="html,json,csv", as_json=False, fail_on="fail", rx=(), fx=None,
            caps="half", between="prism",
        )
    )  # fmt: skip
