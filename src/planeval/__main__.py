"""The program: what ``planeval`` and ``python -m planeval`` start."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
from contextlib import suppress
from typing import NoReturn

FEW_CYCLES = 200_000
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
    if threading.active_count() == 1:
        # what is left goes with the process: to free value after value first takes longer
        with suppress(OSError, ValueError):  # a pipe that nobody reads: the usual end tells of it
            atexit._run_exitfuncs()
            for stream in filter(None, (sys.stdout, sys.stderr)):
                stream.flush()
            os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    program()
