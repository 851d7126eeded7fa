"""Make the synthetic DICOM cases of `test_data`, or a cohort of small synthetic patients.

    python scripts/make_test_data.py                        # the three cases, into test_data
    python scripts/make_test_data.py OUT_DIR                # the three cases, elsewhere
    python scripts/make_test_data.py --cohort 50 --out DIR  # 50 small patients, a folder each

The same command writes the same bytes every time. No person is described.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from phantom.cases import fails_on_purpose, hepatic_pvtt, sbrt_5fx, write_cohort
from phantom.manifest import document

TEST_DATA = Path(__file__).resolve().parents[1] / "test_data"

CASES: dict[str, Callable[[Path], None]] = {
    "hepatic-pvtt": hepatic_pvtt,
    "sbrt-5fx": sbrt_5fx,
    "fails-on-purpose": fails_on_purpose,
}

README = """\
# Test data

Synthetic DICOM-RT cases: CT, RTSTRUCT, RTPLAN and RTDOSE of patients that do not exist. Anatomy is
made of smooth formulas, dose of projected arcs. No person is described.

| folder | what it is | verdict |
|---|---|---|
| `hepatic-pvtt` | HCC with portal-vein thrombus, 55 Gy in 25 fractions, all in order | PASS |
| `sbrt-5fx` | small nodule beside the gut, 27.5 Gy in 5 fractions, an awkward export | PASS |
| `fails-on-purpose` | both liver rules fail, an organ missing, one beyond the dose grid | FAIL |

Each folder has a `MANIFEST.md` (what it is, the right answers and why) and an `expected.json` (the
numbers with tolerances). `python scripts/make_test_data.py` makes all of it again, byte for byte
with the same library versions.
"""


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out_dir", nargs="?", type=Path, help="where the three cases go")
    parser.add_argument("--cohort", type=int, metavar="N", help="write N small patients instead")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the cohort goes")
    options = parser.parse_args(arguments)
    if (options.cohort is None) != (options.out is None):
        parser.error("--cohort N and --out DIR go together")
    if options.cohort is not None and options.cohort < 1:
        parser.error("--cohort needs at least one patient")
    if options.cohort is not None and options.out_dir is not None:
        parser.error("OUT_DIR is for the three cases; a cohort goes to --out DIR")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Write what the command line asks for."""
    options = parse_arguments(arguments)
    if options.cohort is not None:
        write_cohort(options.out, options.cohort)
        return
    out = options.out_dir or TEST_DATA
    out.mkdir(parents=True, exist_ok=True)
    for name, make in CASES.items():
        make(out / name)
        document(name, out / name)
    (out / "README.md").write_text(README, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
