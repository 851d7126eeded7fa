"""``planeval cohort``: arguments in, exit codes out; the work is :mod:`planeval.cohort`.

Exit codes are those of the command line: 0 the tables are written (failed plans are in the error
ledger), 3 with ``--strict`` where a plan failed, 4 no plan could be evaluated, 5 the protocol is not
valid, 130 interrupted, with a state to go on from.
"""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

import planeval as pe
from planeval.cohort.per_patient import REDUCTIONS

if TYPE_CHECKING:
    from planeval.cohort.submission import Progress

__all__ = ["cohort"]

_EXIT_INCOMPLETE, _EXIT_INPUT, _EXIT_INTERRUPTED = 3, 4, 130
_LINE_SECONDS = 10.0
"""How often a plain line says where the run is."""

_FOLDERS = click.argument("roots", nargs=-1, required=True, type=click.Path(path_type=Path))
_FILE = click.Path(path_type=Path, dir_okay=False)
_APPROVAL = click.option(
    "--approval", type=click.Choice(["approved", "any"]), default="approved", show_default=True,
    help="Take APPROVED plans only, or the latest of a course whatever its status.",
)  # fmt: skip


def _cuts(
    context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> dict[str, float]:
    """Read ``COLUMN=NUMBER`` words; a column is named once."""
    cuts: dict[str, float] = {}
    for text in texts:
        column, sign, number = text.rpartition("=")
        try:
            cut = float(number)
        except ValueError:
            cut = math.nan
        if not sign or not column.strip() or not math.isfinite(cut) or column.strip() in cuts:
            raise click.BadParameter(f"{text!r}: give COLUMN=NUMBER, each column once")
        cuts[column.strip()] = cut
    return cuts


@click.group()
def cohort() -> None:
    """Dose metrics of many plans as tidy tables, unattended and resumable."""


@cohort.command("index")
@_FOLDERS
@_APPROVAL
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV: edit its take column for --select.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
def index_command(roots: tuple[Path, ...], approval: Any, as_csv: bool, as_json: bool) -> int:
    """Find every plan below folders; say which version of each course is taken, and why not."""
    found = pe.cohort.find_plans(*roots, approval=approval)
    view = pe.cohort.index_view
    if as_json:
        click.echo(view.index_json(found), nl=False)
    elif as_csv:
        click.echo(view.index_csv(found), nl=False)
    else:
        width = None if sys.stdout.isatty() else 140
        pe.report.terminal.show(view.index_table(found), width=width)
    return 0 if found.taken else _EXIT_INPUT


@cohort.command("extract")
@_FOLDERS
@click.option("--protocol", help="A shipped protocol's id, or a YAML file.")
@click.option("--metrics", type=_FILE, help="A CSV file of structure,metric lines to evaluate.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for the store and the tables.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Plans at the same time.",
)
@click.option("--resume", is_flag=True, help="Go on with the cohort in --out.")
@click.option(
    "--pseudonymize",
    type=_FILE,
    metavar="KEY",
    help="A file with a key: nothing written says who the patients are.",
)
@click.option("--select", type=_FILE, metavar="CSV", help="Take the plans that this index says.")
@click.option(
    "--names",
    type=_FILE,
    metavar="CSV",
    help="A reviewed names.csv: its use column says what an ROI is.",
)
@_APPROVAL
@click.option(
    "--child-pugh",
    default="",
    metavar="CLASS",
    help="Child-Pugh class or score where the selection says none.",
)
@click.option(
    "--dvh-step",
    type=click.FloatRange(0.01, 10),
    default=0.5,
    show_default=True,
    help="Distance in Gy of the doses in the DVH table.",
)
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0.1),
    default=900,
    show_default=True,
    help="Seconds that one plan may take.",
)
@click.option(
    "--memory-limit",
    type=click.FloatRange(min=50),
    default=4000,
    show_default=True,
    help="Megabytes that one plan may take.",
)
@click.option("--wide", is_flag=True, help="Write one line per case with REDCap names as well.")
@click.option("--scheduler", metavar="ADDRESS", help="Work on a Dask cluster: tcp://host:8786.")
@click.option("--strict", is_flag=True, help="Exit code 3 where a plan failed.")
def extract_command(
    roots: tuple[Path, ...], scheduler: str | None, strict: bool, **options: Any
) -> int:
    """Evaluate the plans below folders and write tidy tables."""
    if not (options["protocol"] or options["metrics"]):
        raise click.UsageError("give --protocol, --metrics, or both")
    seconds, megabytes = options.pop("time_limit"), options.pop("memory_limit")
    options["limits"] = pe.cohort.Limits(seconds, megabytes)
    options["dvh_step_gy"] = options.pop("dvh_step")
    stop = threading.Event()
    with _interruptible(stop), _shown() as progress, _cluster(scheduler, options) as executor:
        result = pe.cohort.extract(
            *roots, **options, executor=executor, progress=progress, stop=stop
        )
    if not result.is_complete:
        click.echo(
            f"stopped: {result.evaluated + result.kept} of {result.taken} plans are stored; "
            "the same command with --resume goes on",
            err=True,
        )
        return _EXIT_INTERRUPTED
    click.echo(
        f"{result.found} plans found, {result.taken} taken: {result.evaluated} evaluated, "
        f"{result.kept} already stored, {result.failed} failed"
    )
    click.echo(f"written to {result.out}", err=True)
    if not result.succeeded:
        return _EXIT_INPUT
    return _EXIT_INCOMPLETE if strict and result.failed else 0


@cohort.command("report")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--out", type=_FILE, help="The HTML file; report.html in the folder by default.")
@click.option(
    "--outcomes",
    type=_FILE,
    metavar="CSV",
    help="One line per patient: patient_id, time, event, and covariates.",
)  # fmt: skip
@click.option(
    "--metric",
    metavar="ROW",
    help="The metric that divides the patients: its row_id, or STRUCTURE:METRIC.",
)
@click.option("--cut", type=float, help="The cut-point of the metric, chosen beforehand.")
@click.option(
    "--per-patient",
    type=click.Choice(REDUCTIONS),
    help="How several plans and foci of a patient become one number; liver: the first in the liver.",
)
@click.option(
    "--covariate-cut",
    "covariate_cuts",
    multiple=True,
    metavar="COLUMN=NUMBER",
    callback=_cuts,
    help="The cut-point of a numeric covariate, chosen beforehand; more than once for several.",
)
@click.option("--time-zero", help="What time counts from, in words, such as 'end of treatment'.")
@click.option(
    "--pseudonymize",
    type=_FILE,
    metavar="KEY",
    help="The key of the tables, where --outcomes has the true patient ids.",
)
def report_command(folder: Path, out: Path | None, **outcome: Any) -> int:
    """Write the report of a cohort: one HTML file without network."""
    path = pe.cohort.write_report(folder, out=out, **outcome)
    click.echo(f"written to {path}", err=True)
    return 0


@contextmanager
def _interruptible(stop: threading.Event) -> Iterator[None]:
    """Let the first Ctrl-C (or SIGTERM) ask for an end, and the second enforce it."""

    def asked(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        click.echo("\nending after the plans at work; once more ends at once", err=True)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [(each, signal.signal(each, asked)) for each in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


@contextmanager
def _cluster(address: str | None, options: dict[str, Any]) -> Iterator[Any]:
    """Give the executor of a Dask cluster, or None; as many plans at once as it has threads."""
    if address is None:
        yield None
        return
    with pe.cohort.cluster.connected(address) as (executor, threads):
        options["jobs"] = threads
        yield executor


@contextmanager
def _shown() -> Iterator[Callable[[Progress], None]]:
    """Show progress: a bar on a terminal, a line now and then elsewhere. No name is shown."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    with pe.cohort.index_view.progress_bar() as bar:
        yield bar


class _Lines:
    """Plain lines: every failure, and where the run is."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._failures: Counter[str] = Counter()

    def __call__(self, state: Progress) -> None:
        if state.error_code:
            self._failures[state.error_code] += 1
            click.echo(f"failed {state.case_id}: {state.error_code}", err=True)
        now = time.monotonic()
        if now - self._last < _LINE_SECONDS and state.done < state.total:
            return
        self._last = now
        left = state.left_seconds
        rest = f", {left:.0f} s left" if left is not None and state.done < state.total else ""
        click.echo(
            f"{state.done}/{state.total} plans, {state.failed} failed, "
            f"{state.per_minute:.1f} per minute{rest}",
            err=True,
        )
