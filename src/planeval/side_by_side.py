"""Independent work, side by side on the processor's cores.

On arrays of some ten thousand cells numpy holds the interpreter for most of its time: two threads gain
little, two processes nearly a half. A forked process has all that its parent has, so that only results
travel. Where forking is not safe or not to be had (Windows, macOS, a program with threads of its own)
there are threads.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple, TypeVar

__all__ = ["begun", "cores", "in_processes", "in_threads"]

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_CORES = 4
"""Every worker needs memory of its own, up to 100 MB in a clinical case."""

_inherited: list[tuple[Callable[[Any], Any], Sequence[Any]]] = []
"""What a forked worker is to do: it is there when the process begins, and is never sent."""


def cores() -> int:
    """Return how many workers to take: what the machine has, and no more than OMP_NUM_THREADS.

    A worker takes no others: those beside it have the rest of the machine.
    """
    if multiprocessing.parent_process() is not None:
        return 1
    asked = os.environ.get("OMP_NUM_THREADS", "").strip()
    allowed = int(asked) if asked.isdecimal() and int(asked) > 0 else MOST_CORES
    return min(_usable_cores(), MOST_CORES, allowed)


def _usable_cores() -> int:
    """Return the cores that this process may run on, which a batch system may limit."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_threads(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return the result for every item, in order; the first error is raised."""
    if cores() == 1 or len(items) < 2:
        return [work(item) for item in items]
    with futures.ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(work, items))


def in_processes(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return the result for every item, in order; the first error is raised.

    Items and ``work`` may be anything; results and errors must pickle. Give the longest items first.
    What ``work`` remembers is lost with its process.
    """
    if len(items) < 2 or not _may_fork():
        return in_threads(work, items)
    with begun(work, items) as results:
        return results()


@contextmanager
def begun(
    work: Callable[[Item], Result], items: Sequence[Item], libraries: Sequence[str] = ()
) -> Iterator[Callable[[], list[Result]]]:
    """Begin work in processes of their own, and give what waits for the results (or raises an error).

    Results must pickle. ``libraries`` are modules that the work will load: they are loaded before, since
    every process would else load them anew (half a second for scipy). Where there is one core, or no
    fork, the work is done when it is asked for; so is all of it where a worker was killed, as for lack
    of memory.
    """
    others = frozenset(multiprocessing.active_children())
    started, is_over = None, False
    try:
        if items and _may_fork():
            for library in libraries:
                importlib.import_module(library)
            started = _started(work, items)
        yield partial(_results, work, items, started)
        is_over = True
    finally:
        if not is_over:  # by an error or an interrupt: nobody waits for what is left
            for worker in multiprocessing.active_children():
                if worker not in others:
                    worker.terminate()
        if started is not None:
            started.pool.shutdown(cancel_futures=True)


def _results(
    work: Callable[[Item], Result], items: Sequence[Item], started: _Started | None
) -> list[Result]:
    """Return what the workers bring; without workers, or where one was killed, what is done here."""
    if started is not None:
        try:
            return [one.result() for one in started.results]
        except futures.BrokenExecutor:
            started.pool.shutdown(cancel_futures=True)
    return [work(item) for item in items]


class _Started(NamedTuple):
    """A pool of processes, and what they are to bring."""

    pool: futures.ProcessPoolExecutor
    results: list[futures.Future[Any]]


def _started(work: Callable[[Item], Result], items: Sequence[Item]) -> _Started | None:
    """Start workers on all items; None where the system has no semaphores, or no room for them."""
    _inherited.append((work, items))
    try:
        with warnings.catch_warnings():
            # Python 3.12 counts the threads of linear algebra, which itself makes forking safe for them
            warnings.simplefilter("ignore", DeprecationWarning)
            pool = futures.ProcessPoolExecutor(
                min(cores(), len(items)),
                multiprocessing.get_context("fork"),
                _become_worker,
            )
            results = [pool.submit(_inherited_work, number) for number in range(len(items))]
            return _Started(pool, results)
    except (OSError, ImportError, NotImplementedError, futures.BrokenExecutor):
        return None
    finally:
        _inherited.pop()


def _may_fork() -> bool:
    """Whether there is a core for a worker, and a copy of this process is safe.

    A copy of a process with several threads may wait forever for a lock that one of them held.
    """
    return cores() > 1 and sys.platform == "linux" and threading.active_count() == 1


def _inherited_work(number: int) -> Any:
    work, items = _inherited[-1]
    return work(items[number])


def _become_worker() -> None:
    """Leave interrupts to the parent, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
