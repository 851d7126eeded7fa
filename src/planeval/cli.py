"""The command line: arguments in, exit codes out; everything else is the public API.

Exit codes: 0 clean; 1 a counted row failed; 2 usage; 3 nothing failed but something counted could not
be evaluated, or nothing counted was; 4 the input is unusable; 5 the protocol is invalid; 70 a defect of
planeval; 130 interrupted.
"""

from __future__ import annotations

import io
import json
import logging
import os
import platform
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

import planeval as pe
from planeval.cli_compare import compare
from planeval.cli_expand import expand
from planeval.cli_names import names
from planeval.cli_options import (
    Dose,
    child_pugh_option,
    chosen_formats,
    map_option,
    names_option,
    prescriptions,
    protocol_dir_option,
    read_case,
    read_reference,
    reading_options,
    show,
    structure_map,
    unverified_option,
    write,
)
from planeval.cli_protocol import protocol_group
from planeval.cli_robust import robust
from planeval.cli_selftest import selftest
from planeval.cli_sum import Summing, sum_options, whole_case, with_options, write_sum
from planeval.cohort.commands import cohort
from planeval.side_by_side import load_beside

__all__ = ["main"]

EXIT_FAIL, EXIT_USAGE, EXIT_INCOMPLETE, EXIT_INPUT, EXIT_PROTOCOL = 1, 2, 3, 4, 5
EXIT_DEFECT, EXIT_INTERRUPTED = 70, 130

FORMATS = ("html", "json", "csv", "junit", "pdf")
DEFAULT_FORMATS = "html,json,csv"
PAPERS = ("a4", "letter")
LANGUAGES = ("en", "zh")
FAIL_ON = ("fail", "acceptable", "not-evaluable", "never")

DRAWN_WITH = ("scipy.ndimage", "scipy.spatial", "skimage.measure")
"""Libraries that draw a report, which take as long to load as a plan to read."""


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
@reading_options
@with_options
@click.option(
    "--protocol",
    help="A protocol's id, or a YAML file; without it the one disease set that applies.",
)
@protocol_dir_option
@unverified_option
@map_option
@names_option
@child_pugh_option
@click.option(
    "--check-hu", is_flag=True, help="Read the HU of the images to look for air in targets."
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder to write to.")
@click.option(
    "--format", "formats", default=DEFAULT_FORMATS, show_default=True,
    help="What to write into --out: any of html, json, csv, junit, pdf.",
)  # fmt: skip
@click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    default="en",
    show_default=True,
    help="Language of the labels in HTML and PDF; names and numbers stay as they are.",
)
@click.option(
    "--paper",
    type=click.Choice(PAPERS),
    default="a4",
    show_default=True,
    help="Paper of the PDF.",
)
@click.option(
    "--font-path",
    "font_paths",
    type=click.Path(path_type=Path, file_okay=False),
    multiple=True,
    help="A folder of fonts for the PDF, beside those of the system.",
)
@click.option(
    "--slices", type=click.Choice(["key", "all"]), default="key", show_default=True,
    help="Slices in the HTML: three key pictures, or all to scroll through as well (a few MB).",
)  # fmt: skip
@click.option(
    "--reference", metavar="FOLDER|PLAN",
    help="Draw the curves of this plan dashed in the report: a folder, or another plan of PATHS.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print evaluation.json and nothing else.")
@click.option(
    "--fail-on", type=click.Choice(FAIL_ON), default="fail", show_default=True,
    help="From which verdict on the exit code is 1; never also turns 3 into 0.",
)  # fmt: skip
def evaluate(
    protocol: str | None,
    protocol_dir: Path | None,
    allow_unverified: bool,
    mapping: tuple[str, ...],
    names_file: Path | None,
    child_pugh: str | None,
    check_hu: bool,
    out: Path | None,
    formats: str,
    language: str,
    paper: str,
    font_paths: tuple[Path, ...],
    slices: str,
    reference: str | None,
    as_json: bool,
    fail_on: str,
    **reading: Any,
) -> int:
    """Judge a plan by a protocol and report."""
    started = time.time()
    wanted = chosen_formats(formats, FORMATS)
    other = read_reference(reference, reading) if reference else None
    load_beside("planeval.pipeline")
    case = whole_case(reading)
    load_beside(*(DRAWN_WITH if out is not None and "html" in wanted else ()))
    result = pe.evaluate(
        case,
        protocol,
        mapping=structure_map(mapping),
        aliases=pe.protocol.aliases.read_aliases(names_file) if names_file else None,
        child_pugh=child_pugh,
        dose_is_complete=reading["dose"] is not None,
        allow_unverified=allow_unverified,
        protocol_dir=protocol_dir,
        check_hu=check_hu,
    )
    _say_protocol(result)
    if out is not None:
        style = {
            "language": language,
            "paper": paper,
            "font_paths": font_paths,
            "reference": other,
            "slices": slices,
        }
        _write_evaluation(out, wanted, result, started, style)
    if as_json:
        click.echo(result.to_json(), nl=False)
    else:
        show(pe.report.terminal_evaluation.evaluation_table(result.record))
        if out is not None:
            click.echo(f"written to {out}", err=True)
    return _exit_code(result.verdict.value, fail_on)


@cli.command()
@reading_options
@click.option(
    "-s", "--structure", "names", multiple=True,
    help='A structure or an expression such as "Liver - GTV"; all structures without it.',
)  # fmt: skip
@click.option(
    "-m", "--metric", "metrics", multiple=True, help="A metric, e.g. V20Gy[%] or D2%[Gy]."
)
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
    load_beside("planeval.report.dose_table")
    case = read_case(reading)
    table = pe.report.dose_table.dose_table(case, names, metrics)
    if out is not None:
        write(out, {"dvh.csv": table.curves_csv(), "metrics.csv": table.metrics_csv()})
    if as_json:
        click.echo(table.to_json(), nl=False)
    else:
        show(table.terminal())
    return 0


@cli.command("sum")
@click.argument(
    "folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True)
)  # fmt: skip
@sum_options
@click.option(
    "--rx", type=Dose(), multiple=True,
    help="Prescribed dose of the sum: 66, or one per target: --rx PTV1=66.",
)  # fmt: skip
@click.option("--fx", type=click.IntRange(1, 200), help="Number of fractions of --rx.")
@click.option("-s", "--structure", "names", multiple=True, help="A structure or an expression.")
@click.option("-m", "--metric", "metrics", multiple=True, help="A metric, e.g. EQD2_3:Mean[Gy].")
@click.option(
    "--biology", default="", metavar="EQD2_AB",
    help="Write the dose as EQD2 or BED with this alpha/beta, e.g. EQD2_3, instead of Gy.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False),
    help="Write the sum as RTDOSE, dvh.csv and metrics.csv here.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
def add_plans(
    folders: tuple[Path, ...],
    names: tuple[str, ...],
    metrics: tuple[str, ...],
    biology: str,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Add the doses of several plans; the first folder gives frame and structures."""
    if len(folders) < 2:
        raise click.UsageError("give at least two folders, one a plan")
    rx = prescriptions(options.pop("rx"), options.pop("fx"))
    summing = Summing.taken_from({**options, "others": folders[1:]})
    case = summing.add(pe.load(folders[0]), folders[:1], rx)
    table = pe.report.dose_table.dose_table(case, names, metrics)
    if out is not None:
        write_sum(out, case, biology)
        write(out, {"dvh.csv": table.curves_csv(), "metrics.csv": table.metrics_csv()})
    if as_json:
        click.echo(table.to_json(), nl=False)
    else:
        show(table.terminal())
    return 0


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
def inspect(paths: tuple[Path, ...], as_json: bool) -> int:
    """Show what a folder holds: objects, links, plans, structures."""
    inventory = pe.scan(*paths)
    if as_json:
        click.echo(pe.report.folder_table.folder_json(inventory), nl=False)
    else:
        show(pe.report.folder_table.folder_table(inventory))
    return 0 if inventory.plans else EXIT_INPUT


@cli.command()
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("planeval-demo"),
    show_default=True, help="Folder to write the case and its report to.",
)  # fmt: skip
def demo(out: Path) -> int:
    """Write the synthetic liver case and its report into a folder."""
    case = out / "hepatic-pvtt"
    shutil.copytree(_demo_case(), case, dirs_exist_ok=True)
    click.echo(f"synthetic case in {case}", err=True)
    result = pe.evaluate(pe.load(case), "hcc-zhai2025")
    _write_evaluation(out / "report", set(DEFAULT_FORMATS.split(",")), result, time.time())
    show(pe.report.terminal_evaluation.evaluation_table(result.record))
    click.echo(f"written to {out / 'report'}", err=True)
    return _exit_code(result.verdict.value, "fail")


cli.add_command(compare)
cli.add_command(expand)
cli.add_command(names)
cli.add_command(robust)
cli.add_command(protocol_group)
cli.add_command(cohort)
cli.add_command(selftest)


def _say_protocol(result: pe.Evaluation) -> None:
    """Say on stderr which protocol was chosen and why, and the digest of a site's own."""
    protocol = result.record.protocol
    tables = []
    for each in result.record.proposals:
        if each.is_chosen:
            click.echo(f"protocol {each.id}: the only disease set that applies", err=True)
        elif each.purpose == "organs" and each.outcome.status is pe.Status.PASS:
            tables.append(each.id)
    if tables:
        click.echo(f"organ tables that apply as well: {', '.join(tables)}", err=True)
    if protocol.origin != "shipped":
        place = protocol.origin.replace("-", " ")
        click.echo(f"protocol {protocol.id} ({place}): sha256 {protocol.sha256}", err=True)


def _write_evaluation(
    out: Path,
    formats: set[str],
    result: pe.Evaluation,
    started: float,
    style: Mapping[str, Any] | None = None,
) -> None:
    """Write the wanted files; run.json alone holds what belongs to this run."""
    chosen = dict(style or {})
    screen = {name: chosen.pop(name) for name in ("reference", "slices") if name in chosen}
    files: dict[str, str] = {}
    if "json" in formats:
        files["evaluation.json"] = result.to_json()
    if "csv" in formats:
        files |= result.csv_files()
    if "junit" in formats:
        files["junit.xml"] = result.to_junit()
    files["run.json"] = json.dumps(_run(started), indent=2, ensure_ascii=False) + "\n"
    write(out, files)
    if "html" in formats:
        result.publish_html(out / "report.html", language=chosen.get("language", "en"), **screen)
    if "pdf" in formats:
        result.publish_pdf(out / "report.pdf", **chosen)


def _run(started: float) -> dict[str, Any]:
    """What belongs to this run and not to its result."""
    from importlib import metadata  # noqa: PLC0415 - takes longer to load than all of --help

    return {
        "schema": "planeval.run/1",
        "planeval": pe.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(started)),
        "seconds": round(time.time() - started, 3),
        "argv": sys.argv[1:],
        "packages": {
            name: metadata.version(name) for name in ("numpy", "pydicom", "shapely", "pydantic")
        },
    }


def _demo_case() -> Path:
    """The synthetic case: inside an installed package, or beside the source of a checkout."""
    package = Path(pe.__file__).parent
    for folder in (package / "demo_case", package.parents[1] / "test_data" / "hepatic-pvtt"):
        if folder.is_dir():
            return folder
    raise pe.errors.ReportError("this installation has no demo case; reinstall planeval")


def _exit_code(verdict: str, fail_on: str) -> int:
    """The exit code of a verdict; --fail-on moves 1, and never turns 3 into 0 as well."""
    if fail_on == "never":
        return 0
    failing = {
        "fail": {"FAIL"},
        "acceptable": {"FAIL", "ACCEPTABLE"},
        "not-evaluable": {"FAIL", "INCOMPLETE", "NOT_ASSESSED"},
    }[fail_on]
    if verdict in failing:
        return EXIT_FAIL
    return EXIT_INCOMPLETE if verdict in ("INCOMPLETE", "NOT_ASSESSED") else 0


def _crash_record(error: BaseException) -> Path:
    """Save what is needed to mend a defect; the message stays on this machine."""
    handle, name = tempfile.mkstemp(prefix="planeval-crash-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(f"planeval {pe.__version__}, Python {platform.python_version()}\n")
        stream.write("".join(traceback.format_exception(error)))
    return Path(name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; no exception leaves it."""
    for stream in (sys.stdout, sys.stderr):
        # a console of another encoding shows an escape where it has no sign
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = cli.main(arguments, prog_name="planeval", standalone_mode=False)
        return int(code or 0)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        return EXIT_INTERRUPTED
    except click.ClickException as error:
        error.show()
        return EXIT_USAGE
    except BrokenPipeError:
        # the reader of our output has gone; nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        return EXIT_INTERRUPTED
    except Exception as error:
        return _report_error(error)


def _report_error(error: Exception) -> int:
    """Say what went wrong in one line, and return the exit code that names its kind."""
    kinds = pe.errors
    if not isinstance(error, pe.PlanevalError):
        record = _crash_record(error)
        click.echo(f"defect in planeval: {type(error).__name__}; details in {record}", err=True)
        return EXIT_DEFECT
    lines = (pe.report.text.visible(line) for line in str(error).split("\n"))
    click.echo("error: " + "\n".join(lines), err=True)
    if isinstance(error, kinds.UnknownStructure | kinds.AmbiguousStructure | kinds.MetricSyntax):
        return EXIT_USAGE
    if isinstance(error, kinds.ExpressionSyntax | kinds.UndecidedProtocol):
        return EXIT_USAGE
    return EXIT_PROTOCOL if isinstance(error, kinds.ProtocolError) else EXIT_INPUT
