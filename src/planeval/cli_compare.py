"""The command that compares the plans of one patient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

import planeval as pe
from planeval.cli_options import (
    Dose,
    child_pugh_option,
    chosen_formats,
    map_option,
    names_option,
    prescriptions,
    protocol_dir_option,
    show,
    solid_options,
    structure_map,
    unverified_option,
    write,
)

__all__ = ["compare"]

EXIT_FAIL, EXIT_INCOMPLETE = 1, 3
FORMATS = ("html", "json", "csv")
FAIL_ON = ("fail", "acceptable", "worse", "change", "never")


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--plan", "plans", multiple=True, metavar="UID|LABEL",
    help="A plan among PATHS, twice or more; the first is the one that the others are compared with.",
)  # fmt: skip
@click.option(
    "--protocol",
    help="A protocol's id, or a YAML file; without it the one disease set that applies to all plans.",
)
@protocol_dir_option
@click.option(
    "--rx", type=Dose(), multiple=True,
    help="Prescribed dose of every plan: 55, or one per target: --rx PTV1=55.",
)  # fmt: skip
@click.option("--fx", type=click.IntRange(1, 200), help="Number of fractions of --rx.")
@map_option
@names_option
@child_pugh_option
@unverified_option
@solid_options
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder to write to.")
@click.option(
    "--format", "formats", default="html,json,csv", show_default=True,
    help="What to write into --out: any of html, json, csv.",
)  # fmt: skip
@click.option(
    "--language", type=click.Choice(["en", "zh"]), default="en", show_default=True,
    help="Language of the labels in HTML; names and numbers stay as they are.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print comparison.json and nothing else.")
@click.option(
    "--fail-on", type=click.Choice(FAIL_ON), default="fail", show_default=True,
    help="What the exit code 1 stands for; never also turns 3 into 0.",
)  # fmt: skip
def compare(
    paths: tuple[Path, ...],
    plans: tuple[str, ...],
    formats: str,
    out: Path | None,
    language: str,
    as_json: bool,
    fail_on: str,
    **judging: Any,
) -> int:
    """Compare two or more plans of one patient by one protocol.

    PATHS is one folder that holds the plans, or one folder per plan. With --plan, given for each
    plan, all PATHS are searched together. The first plan is A; differences are to it. Different
    patients are refused; other structure sets, frames of reference and prescriptions are named.

    \b
    Exit codes, as of evaluate, over all plans:
      0    compared, and nothing that --fail-on stands for
      1    --fail-on fail (default): a counted row failed in at least one plan
           --fail-on acceptable: one failed, or is met only at its acceptable tier
           --fail-on worse: a counted outcome of a later plan is worse than in A
           --fail-on change: a counted outcome is not the same in all plans
      2    usage
      3    not 1, and something counted could not be evaluated in at least one plan
      4    input unusable, such as plans of different patients
      5    protocol invalid

    So 0 never hides a failed row unless --fail-on says what else to look for.
    """  # noqa: D301 - the mark by which click keeps lines
    wanted = chosen_formats(formats, FORMATS)
    result = pe.compare(_evaluations(_cases(paths, plans, judging), judging))
    if out is not None:
        _write(out, wanted, result, language)
    if as_json:
        click.echo(result.to_json(), nl=False)
    else:
        show(pe.report.comparison_table.comparison_table(result.record))
        if out is not None:
            click.echo(f"written to {out}", err=True)
    return _exit_code(result, fail_on)


def _cases(
    paths: tuple[Path, ...], plans: tuple[str, ...], judging: dict[str, Any]
) -> list[pe.Case]:
    """The cases in the order they were asked for, or in which the folder lists its plans."""
    method = pe.Method(caps=judging.pop("caps"), between=judging.pop("between"))
    rx = prescriptions(judging.pop("rx"), judging.pop("fx"))
    if len(plans) == 1:
        raise click.UsageError("a comparison needs at least two plans; give --plan for each")
    if plans:
        return [pe.load(*paths, plan=each, rx=rx, method=method) for each in plans]
    if len(paths) > 1:
        return [pe.load(path, rx=rx, method=method) for path in paths]
    found = pe.scan(*paths).plans
    if len(found) < 2:
        raise click.UsageError(
            f"{paths[0]} holds {len(found)} plan(s); give a folder with several, or one per plan"
        )
    return [each.load(rx=rx, method=method) for each in found]


def _evaluations(cases: Sequence[pe.Case], judging: dict[str, Any]) -> list[pe.Evaluation]:
    """Every case judged the same way."""
    names_file = judging.pop("names_file")
    aliases = pe.protocol.aliases.read_aliases(names_file) if names_file else None
    mapping = structure_map(judging.pop("mapping"))
    protocol = judging.pop("protocol")
    return [
        pe.evaluate(case, protocol, mapping=mapping, aliases=aliases, **judging) for case in cases
    ]


def _write(out: Path, wanted: set[str], result: pe.Comparison, language: str) -> None:
    files = {}
    if "json" in wanted:
        files["comparison.json"] = result.to_json()
    if "csv" in wanted:
        files["comparison.csv"] = result.to_csv()
    write(out, files)
    if "html" in wanted:
        result.publish_html(out / "comparison.html", language=language)


def _exit_code(result: pe.Comparison, fail_on: str) -> int:
    """The code of the worst plan; --fail-on says what 1 stands for."""
    if fail_on == "never":
        return 0
    verdicts = {plan.verdict for plan in result.record.plans}
    failing = {
        "fail": pe.Verdict.FAIL in verdicts,
        "acceptable": bool(verdicts & {pe.Verdict.FAIL, pe.Verdict.ACCEPTABLE}),
        "worse": result.record.is_worse,
        "change": any(row.decides for row in result.changes),
    }[fail_on]
    if failing:
        return EXIT_FAIL
    open_ends = verdicts & {pe.Verdict.INCOMPLETE, pe.Verdict.NOT_ASSESSED}
    return EXIT_INCOMPLETE if open_ends else 0
