"""Plans on a Dask cluster: the same ``run_plan``, submitted to the executor of its client."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from planeval.errors import ReportError

__all__ = ["connected"]

_CONNECT_SECONDS = 20
_RETRIES = 2
"""A plan whose worker was lost is tried elsewhere this often."""


@contextmanager
def connected(address: str) -> Iterator[tuple[Executor, int]]:
    """Give the executor of a cluster and the number of its threads.

    The workers need planeval with its ``cohort`` extra, and the files under the same paths. Plans
    do not run in the worker itself but in a child process of it: a plan that crashes leaves the
    worker alive.

    Raises :class:`~planeval.errors.ReportError` where no scheduler answers.
    """
    try:
        from distributed import Client  # noqa: PLC0415 - an extra, and heavy
    except ImportError:
        raise ReportError(
            'a scheduler needs Dask: pip install "planeval[cluster]" here and on the workers'
        ) from None
    try:
        client: Any = Client(address, timeout=_CONNECT_SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        raise ReportError(f"no Dask scheduler answers at {address}: {error}") from None
    try:
        threads = sum(client.nthreads().values())
        yield client.get_executor(retries=_RETRIES, pure=False), max(threads, 1)
    finally:
        client.close()
