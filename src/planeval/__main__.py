"""The program: what ``planeval`` and ``python -m planeval`` start."""

from __future__ import annotations

import gc
import os
import sys
from typing import NoReturn

FEW_CYCLES = 50_000
"""New objects until cycles are looked for: modules and a plan are some hundred thousand values that stay,
and the usual 700 looks through them again and again."""

gc.set_threshold(FEW_CYCLES)

# read when numpy loads: threads for products of three by three only wait for each other
for library in ("OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

from planeval.cli import main  # noqa: E402

__all__ = ["program"]


def program() -> NoReturn:
    """Run the command line, and end the process with its exit code."""
    code = main()
    # what is left goes with the process: looking for cycles in it once more takes longer
    gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    program()
