"""What every test runs under."""

import os

# workers of pytest-xdist share the machine: each computes with one core
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
