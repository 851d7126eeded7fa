"""Dose metrics of every plan below a folder: python scripts/extract_cohort.py ROOT OUT [PROTOCOL].

Run it again with the same folders: only what has changed is evaluated.
"""

import os
import sys
from pathlib import Path

import pandas as pd

from planeval import cohort


def main(root: str, out: str, protocol: str = "hcc-zhai2025") -> int:
    index = cohort.find_plans(root)
    for plan in index.plans:
        if not plan.is_taken:
            print(f"not taken: {plan.file}: {plan.code}: {plan.reason}")

    result = cohort.extract(
        root,
        protocol=protocol,
        out=out,
        jobs=os.cpu_count() or 1,
        resume=(Path(out) / "cohort.duckdb").exists(),
        limits=cohort.Limits(seconds=600, memory_mb=2000),
        wide=True,
        progress=lambda state: print(f"{state.done}/{state.total}", end="\r", file=sys.stderr),
    )
    print(f"{result.succeeded} plans in the tables, {result.failed} in the error ledger")
    cohort.write_report(out)

    metrics = pd.read_csv(result.out / "metrics.csv")
    judged = metrics[metrics["outcome"].notna()]
    print(judged.groupby(["structure", "metric", "outcome"]).size().unstack(fill_value=0))
    return 0 if result.succeeded else 4


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
