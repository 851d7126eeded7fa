"""Time a cohort: many small synthetic plans, one worker and two, and what resuming costs.

    python scripts/make_test_data.py --cohort 12 --out SEED     # twelve different patients
    python scripts/benchmark_cohort.py make SEED COHORT 1000    # copies with identities of their own
    python scripts/benchmark_cohort.py run COHORT OUT --jobs 2  # seconds, plans per minute, memory

``run`` prints what run.json of each run says, and the memory of the process that writes. A run
with another number of jobs over part of the cohort (``--first N``) gives the scaling. On a machine
that others use as well, compare the CPU seconds: the clock also counts waiting for them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import resource
import sys
import time
from itertools import count
from pathlib import Path

import pydicom

from planeval import cohort
from planeval.cohort.submission import Progress


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="write a cohort from some patients")
    making.add_argument("seed", type=Path)
    making.add_argument("cohort", type=Path)
    making.add_argument("plans", type=int)
    running = commands.add_parser("run", help="extract a cohort twice")
    running.add_argument("cohort", type=Path)
    running.add_argument("out", type=Path)
    running.add_argument("--jobs", type=int, default=2)
    running.add_argument("--first", type=int, help="only the first plans")
    running.add_argument("--protocol", default="hcc-zhai2025")
    return parser.parse_args()


def make(seed: Path, folder: Path, plans: int) -> None:
    """Write copies of the patients in ``seed``, each with ids, UIDs and a name of its own.

    Texts are replaced by others of the same length, so that no file needs to be written anew.
    """
    patients = []
    for path in sorted(path for path in seed.iterdir() if path.is_dir()):
        files = sorted(path.glob("*.dcm"))
        texts = set().union(*(own_texts(pydicom.dcmread(file)) for file in files))
        patients.append(({file.name: file.read_bytes() for file in files}, sorted(texts)))
    for number in range(plans):
        files, texts = patients[number % len(patients)]
        place = folder / f"{number:05d}"
        place.mkdir(parents=True, exist_ok=True)
        changes = {text.encode(): other_text(text, number).encode() for text in texts}
        pattern = re.compile(b"|".join(map(re.escape, sorted(changes, key=len, reverse=True))))
        for name, content in files.items():
            (place / name).write_bytes(pattern.sub(lambda found: changes[found[0]], content))  # noqa: B023


def own_texts(dataset: pydicom.Dataset) -> set[str]:
    """Return the texts that make a patient: name, id, and every UID but those of classes."""
    found = {str(dataset.PatientID), str(dataset.PatientName)}
    for element in dataset.iterall():
        if element.VR == "UI" and "SOPClass" not in element.keyword:
            found |= {str(uid) for uid in element.value} if element.VM > 1 else {str(element.value)}
    return {text for text in found if len(text) > 6 and not text.startswith("1.2.840.10008")}


def other_text(text: str, number: int) -> str:
    """Return a text of the same length that ends in other digits for every number below 10,000."""
    if not text.startswith(("1.", "2.")):
        return f"{text[:-4]}{number:04d}"
    digits = hashlib.sha256(f"{text} {number}".encode()).hexdigest()
    return text[:-12] + str(int(digits, 16))[:12]


def run(options: argparse.Namespace) -> None:
    """Extract, then resume, and print what it took."""
    roots = sorted(path for path in options.cohort.iterdir() if path.is_dir())
    ticks = count()

    def show(state: Progress) -> None:
        if next(ticks) % 50 == 0:
            print(f"{state.done}/{state.total}, {state.per_minute:.0f} per minute", flush=True)

    for resume in (False, True):
        start, writer_start = time.monotonic(), time.process_time()
        result = cohort.extract(
            *roots[: options.first], protocol=options.protocol, out=options.out, jobs=options.jobs,
            resume=resume, progress=show,
        )  # fmt: skip
        seconds = time.monotonic() - start
        said = json.loads((options.out / "run.json").read_text(encoding="utf-8"))
        writer = (time.process_time() - writer_start) / max(result.taken, 1)
        writer_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{'resume' if resume else 'fresh'}: {result.succeeded} plans in {seconds:.1f} s, "
            f"{result.evaluated} evaluated, {result.failed} failed, {options.jobs} jobs, "
            f"{said['plans_per_minute']} per minute, median plan {said['median_plan_seconds']} s, "
            f"CPU per plan {said['mean_plan_cpu_seconds']} s and {writer:.3f} s in the writing process, "
            f"worker {said['peak_worker_mb']} MB, writer {writer_mb:.0f} MB"
        )


def main() -> int:
    options = parse_arguments()
    if options.command == "make":
        make(options.seed, options.cohort, options.plans)
    else:
        run(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
