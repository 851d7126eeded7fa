"""How accurate planeval is: on closed forms, and beside planning systems.

    python scripts/accuracy.py closed-forms          about ten minutes
    python scripts/accuracy.py bands                 the numeric band, ten minutes
    python scripts/accuracy.py shared DATA_DIR       real exports and published tables, two minutes
    python scripts/accuracy.py margins               margins, beside voxel methods, ten minutes
    python scripts/accuracy.py audit [DATA_DIR]      the margin audit, two minutes

Prints Markdown tables; ``docs/accuracy.md``, ``docs/margins.md`` and ``docs/margin-audit.md`` hold the
last results and what follows from them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import accuracy_audit as audit
import accuracy_bands as bands
import accuracy_closed_forms as closed_forms
import accuracy_margins as margins
import accuracy_shared as shared


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    closed = commands.add_parser("closed-forms", help="solids and doses with known answers")
    closed.add_argument(
        "--part", choices=("engine", "methods"), help="only this part (default: both)"
    )
    closed.add_argument("--phases", type=int, default=4, help="random plane phases per solid")
    closed.add_argument("--seed", type=int, default=1)
    banded = commands.add_parser("bands", help="how often the numeric band holds the truth")
    banded.add_argument(
        "--part", choices=("coverage", "interpolation"), help="only this part (default: both)"
    )
    banded.add_argument("--solids", type=int, default=400, help="random solids")
    banded.add_argument("--seed", type=int, default=1)
    data = commands.add_parser("shared", help="exports with DVHs of their planning system")
    data.add_argument("data_dir", type=Path)
    grown = commands.add_parser(
        "margins", help="margins of solids with known answers, and their time"
    )
    grown.add_argument("--part", choices=("errors", "speed"), help="only this part (default: both)")
    grown.add_argument("--phases", type=int, default=5, help="random plane phases per solid")
    grown.add_argument("--seed", type=int, default=1)
    audited = commands.add_parser("audit", help="margins of closed forms, and of real contours")
    audited.add_argument("data_dir", type=Path, nargs="?")
    chosen = parser.parse_args()
    if chosen.command == "audit":
        audit.closed_forms()
        if chosen.data_dir is not None:
            print()
            audit.real_contours(chosen.data_dir)
        return
    if chosen.command == "shared":
        shared.report(chosen.data_dir)
        return
    if chosen.command == "bands":
        if chosen.part != "interpolation":
            bands.band_coverage(np.random.default_rng(chosen.seed), chosen.solids)
            print()
        if chosen.part != "coverage":
            bands.interpolation(np.random.default_rng(chosen.seed), chosen.solids // 10)
        return
    if chosen.command == "margins":
        if chosen.part != "speed":
            margins.errors(np.random.default_rng(chosen.seed), chosen.phases)
            print()
        if chosen.part != "errors":
            margins.speed()
        return
    parts = {
        "engine": closed_forms.engine_error,
        "methods": lambda rng: closed_forms.method_choice(rng, chosen.phases),
    }
    for name, run in parts.items():
        if chosen.part in (None, name):
            run(np.random.default_rng(chosen.seed))
            print()


if __name__ == "__main__":
    main()
