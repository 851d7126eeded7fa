"""Time planeval and its peers side by side on a clinical-size case, and check its numbers.

    python scripts/benchmark.py make CASE_DIR        write the case (106 MB, 160 CT slices)
    python scripts/benchmark.py run CASE_DIR         whole processes: wall time, peak memory, ratios
    python scripts/benchmark.py accuracy CASE_DIR    every ROI against an independent reference

``run`` starts every program as a fresh process, in turns (one round after the other, after one
untimed round), so that a slow minute of the machine hits all of them. Compare the ratios; absolute
times drift from machine to machine. Peak memory is that of the largest process of a program.

plastimatch (Debian package ``plastimatch``) paints contours on the dose grid, then makes the DVHs::

    plastimatch convert --input RS --fixed RD --xor-contours --output-ss-img S.mha
        --output-ss-list S.txt
    plastimatch dvh --input-ss-img S.mha --input-ss-list S.txt --input-dose RD --output-csv DVH.csv

``--fixed RD`` gives the dose grid: without it 512 x 512 pixels are painted and converting takes
about four times as long. ``--xor-contours`` keeps holes open at no cost; a CLOSEDPLANAR_XOR ROI
stays empty either way. 256 bins of 0.5 Gy are its default; a second row has bins of 0.01 Gy.

dicompyler-core needs pydicom 2, so it lives in an environment of its own::

    python -m venv DIR && DIR/bin/pip install dicompyler-core==0.5.6 "pydicom<3"
    python scripts/benchmark.py run CASE_DIR --dicompyler-python DIR/bin/python

What is not installed is left out, and a line says so.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

# The standard library only: the peak memory that Linux reports for a child starts at that of the
# process that started it, so whoever measures must be small. numpy is imported by `make` and
# `accuracy` alone.

READ_BYTES = """
import sys, numpy, pydicom
structures, dose = pydicom.dcmread(sys.argv[1]), pydicom.dcmread(sys.argv[2])
raw = [
    contour.get_item(0x30060050).value
    for roi in structures.ROIContourSequence
    for contour in roi.ContourSequence
]
pixels = dose.pixel_array
"""

READ_NUMBERS = (
    READ_BYTES
    + r"""
numbers = numpy.fromstring(b"\\".join(raw).decode(), sep="\\")
gy = pixels * float(dose.DoseGridScaling)
"""
)

DICOMPYLER = """
import sys
from dicompylercore import dicomparser, dvhcalc
structures = dicomparser.DicomParser(sys.argv[1])
dose = dicomparser.DicomParser(sys.argv[2])
for number in structures.GetStructures():
    dvh = dvhcalc.get_dvh(structures.ds, dose.ds, number)
    print(dvh.name, dvh.volume, dvh.D99, dvh.D95, dvh.D50, dvh.D5, dvh.D1, dvh.mean)
"""

PLANEVAL = "from planeval.__main__ import program; program()"

VERDICT_CODES = (0, 1, 3)  # a plan that fails, or cannot be judged in full, was still evaluated


@dataclass
class Program:
    """One contestant: its commands run one after the other; ``OUT/`` is a fresh folder.

    ``product`` is a file it must have written to count, beside one of ``fine_codes``.
    """

    name: str
    commands: list[list[str]]
    product: str = ""
    slow: bool = False
    fine_codes: tuple[int, ...] = (0,)
    seconds: list[float] = field(default_factory=list)
    peak_mib: float = 0.0
    failure: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.command == "run":
        return run(options)
    # Not at the top of the module: see the remark on peak memory there.
    if options.command == "make":
        from benchmark_case import describe, write_case  # noqa: PLC0415

        write_case(options.case)
        print(describe(options.case))
        return 0
    from benchmark_accuracy import compare  # noqa: PLC0415

    return compare(options.case, samples=options.samples, per_slab=options.per_slab)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make", help="write the clinical-size case")
    run_ = commands.add_parser("run", help="time planeval and its peers")
    accuracy = commands.add_parser("accuracy", help="compare with an independent dense reference")
    for command in (make, run_, accuracy):
        command.add_argument("case", type=Path, metavar="CASE_DIR")
    run_.add_argument("--repeat", type=int, default=5, help="timed rounds (default 5)")
    run_.add_argument(
        "--slow-repeat", type=int, default=1, help="timed runs of dicompyler-core (default 1)"
    )
    run_.add_argument("--protocol", default="hcc-zhai2025", help="protocol for `planeval evaluate`")
    run_.add_argument("--dicompyler-python", type=Path, help="python that has dicompyler-core")
    run_.add_argument("--only", nargs="+", metavar="TEXT", help="programs whose name has a TEXT")
    accuracy.add_argument(
        "--samples", type=int, default=60_000, help="samples in a mean plane (default 60000)"
    )
    accuracy.add_argument(
        "--per-slab", type=int, default=6, help="sampled heights per slab (default 6)"
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Time every program that is installed and print the table; 1 where one of them failed."""
    programs = [
        program
        for program in _programs(options)
        if not options.only or any(text in program.name for text in options.only)
    ]
    quick = [program for program in programs if not program.slow]
    for program in quick:
        _measure(program, keep=False)
    for _ in range(options.repeat):
        for program in quick:
            _measure(program)
    for program in programs:
        for _ in range(options.slow_repeat if program.slow else 0):
            _measure(program)
    _print_table(programs)
    _print_ratios({program.name: program for program in programs if program.seconds})
    return int(any(program.failure for program in programs))


def _programs(options: argparse.Namespace) -> list[Program]:
    case = str(options.case)
    structures, dose = (str(_file_of(options.case, prefix)) for prefix in ("RS", "RD"))
    python, planeval = sys.executable, _planeval()
    programs = [
        Program("planeval dvh", [[*planeval, "dvh", case, "--out", "OUT/dvh"]], "OUT/dvh/dvh.csv"),
        Program(
            "planeval evaluate",
            [[*planeval, "evaluate", case, "--protocol", options.protocol, "--out", "OUT/report"]],
            "OUT/report/report.html",
            fine_codes=VERDICT_CODES,
        ),
        Program("planeval --help", [[*planeval, "--help"]]),
        Program("floor: reading bytes", [[python, "-c", READ_BYTES, structures, dose]]),
        Program("floor: + decimals", [[python, "-c", READ_NUMBERS, structures, dose]]),
    ]
    programs += _plastimatch(structures, dose)
    programs += _dicompyler(options.dicompyler_python, structures, dose)
    return programs


def _file_of(case: Path, prefix: str) -> Path:
    found = sorted(path for path in case.iterdir() if path.name.startswith(prefix))
    if len(found) != 1:
        raise SystemExit(
            f"{case} has {len(found)} files named {prefix}*, expected one; "
            "`benchmark.py make` writes a case"
        )
    return found[0]


def _planeval() -> list[str]:
    """The console script beside this python, or what it consists of where it is not installed."""
    script = Path(sys.executable).with_name("planeval")
    return [str(script)] if script.exists() else [sys.executable, "-c", PLANEVAL]


def _plastimatch(structures: str, dose: str) -> list[Program]:
    program = shutil.which("plastimatch")
    if program is None:
        print("plastimatch left out: not on PATH (Debian package plastimatch)")
        return []
    image, names = "OUT/S.mha", "OUT/S.txt"
    convert = [program, "convert", "--input", structures, "--fixed", dose, "--xor-contours"]
    convert += ["--output-ss-img", image, "--output-ss-list", names]
    dvh = [program, "dvh", "--input-ss-img", image, "--input-ss-list", names]
    dvh += ["--input-dose", dose, "--output-csv", "OUT/dvh.csv"]
    fine = [*dvh, "--bin-width", "0.01", "--num-bins", "7000"]
    return [
        Program("plastimatch", [convert, dvh], "OUT/dvh.csv"),
        Program("plastimatch 0.01 Gy", [convert, fine], "OUT/dvh.csv"),
    ]


def _dicompyler(python: Path | None, structures: str, dose: str) -> list[Program]:
    if python is None or not python.exists():
        reason = "no --dicompyler-python" if python is None else f"{python} does not exist"
        print(f"dicompyler-core left out: {reason}")
        return []
    probe = subprocess.run(
        [str(python), "-c", "import dicompylercore.dvhcalc"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if probe.returncode:
        last = (probe.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"dicompyler-core left out: {python} cannot import it ({last})")
        return []
    return [
        Program("dicompyler-core", [[str(python), "-c", DICOMPYLER, structures, dose]], slow=True)
    ]


def _measure(program: Program, *, keep: bool = True) -> None:
    """Run a program's commands once; a failed program is not run again."""
    if program.failure:
        return
    with tempfile.TemporaryDirectory(prefix="benchmark-") as out:
        log = Path(out) / "log"
        started = time.perf_counter()
        for command in program.commands:
            code, peak_mib = _spawn([part.replace("OUT/", f"{out}/") for part in command], log)
            program.peak_mib = max(program.peak_mib, peak_mib)
            if code not in program.fine_codes:
                program.failure = f"exit code {code}: {_last_line(log)}"
                return
        seconds = time.perf_counter() - started
        if program.product and not Path(program.product.replace("OUT/", f"{out}/")).exists():
            program.failure = f"exit code {code}, but no {program.product}: {_last_line(log)}"
        elif keep:
            program.seconds.append(seconds)


def _last_line(log: Path) -> str:
    return "".join(log.read_text(errors="replace").strip().splitlines()[-1:])[:200]


def _spawn(command: list[str], log: Path) -> tuple[int, float]:
    """Run a command; its exit code and the peak MiB of it and the children it waited for."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [
        (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
    _, status, usage = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss / 1024


def _print_table(programs: list[Program]) -> None:
    yardsticks = [
        program for program in programs if program.name in ("plastimatch", "planeval dvh")
    ]
    medians = {p.name: statistics.median(p.seconds) for p in yardsticks if p.seconds}
    header = f"\n{'program':22} {'n':>2} {'median s':>9} {'min s':>7} {'peak MiB':>9}"
    print(header + "".join(f"  x {name}" for name in medians))
    for program in programs:
        if not program.seconds:
            print(f"{program.name:22} failed: {program.failure or 'not run'}")
            continue
        median = statistics.median(program.seconds)
        ratios = "".join(f"{median / other:{len(name) + 4}.2f}" for name, other in medians.items())
        print(
            f"{program.name:22} {len(program.seconds):2d} {median:9.2f} "
            f"{min(program.seconds):7.2f} {program.peak_mib:9.0f}{ratios}"
        )


def _print_ratios(timed: dict[str, Program]) -> None:
    """Print the ratios that have an aim; a missing peer leaves its line out."""
    aims = (
        ("planeval dvh", "plastimatch", "at most", 1.0),
        ("planeval dvh", "plastimatch 0.01 Gy", "at most", 1.0),
        ("dicompyler-core", "planeval dvh", "at least", 15.0),
        ("planeval evaluate", "planeval dvh", "at most", 4.0),
    )
    print("\naims (ratio of medians [lowest to highest of a round]; what was not run is left out)")
    for above, below, kind, aim in aims:
        if above in timed and below in timed:
            ratio, low, high = _ratio(timed[above].seconds, timed[below].seconds)
            met = ratio <= aim if kind == "at most" else ratio >= aim
            print(
                f"{above + ' / ' + below:40} {ratio:6.2f} [{low:.2f} to {high:.2f}]"
                f"  aim: {kind} {aim:g}: {'met' if met else 'MISSED'}"
            )
    if "planeval dvh" in timed:
        peak = timed["planeval dvh"].peak_mib * 1.048576
        print(f"planeval dvh peak {peak:.0f} MB  aim: under 250: {_met(peak < 250)}")
    if "planeval --help" in timed:
        seconds = statistics.median(timed["planeval --help"].seconds)
        print(f"planeval --help {seconds:.2f} s  aim: under 0.3: {_met(seconds < 0.3)}")


def _ratio(above: list[float], below: list[float]) -> tuple[float, float, float]:
    """Ratio of the medians, and the range of the ratios of one round (of all, where n differs)."""
    pairs = zip(above, below, strict=False) if len(above) == len(below) else (
        (a, b) for a in above for b in below
    )  # fmt: skip
    each = [a / b for a, b in pairs]
    return statistics.median(above) / statistics.median(below), min(each), max(each)


def _met(met: bool) -> str:
    return "met" if met else "MISSED"


if __name__ == "__main__":
    sys.exit(main())
