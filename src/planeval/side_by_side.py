"""Independent work, side by side on the processor's cores.

On arrays of some ten thousand cells numpy holds the interpreter for most of its time: two threads gain
little, two processes nearly a half. A forked process has all that its parent has, so that only results
travel. Items are handed out one by one, to whoever is free: the process that asks for the results does
its part of the work. Where forking is not safe or not to be had (Windows, macOS, a program with threads
of its own) there are threads.
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
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, TypeVar

from planeval.errors import PlanevalError

__all__ = ["begun", "cores", "in_processes", "in_threads", "load_beside"]

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_CORES = 4
"""Every worker needs memory of its own, up to 100 MB in a clinical case."""

_NUMBER_BYTES = 4

_inherited: list[_Crew] = []
"""What a forked worker is to do: it is there when the process begins, and is never sent."""

_waiting: list[str] = []
"""Modules that are loaded when the next workers have begun."""

_is_helping = False
"""Whether this process is at an item itself, beside its workers."""


def cores() -> int:
    """Return how many workers to take: what the machine has, and no more than OMP_NUM_THREADS.

    A worker takes no others: those beside it have the rest of the machine.
    """
    if _is_helping or multiprocessing.parent_process() is not None:
        return 1
    asked = os.environ.get("OMP_NUM_THREADS", "").strip()
    allowed = int(asked) if asked.isdecimal() and int(asked) > 0 else MOST_CORES
    return min(_usable_cores(), MOST_CORES, allowed)


def _usable_cores() -> int:
    """Return the cores that this process may run on, which a batch system may limit."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load_beside(*modules: str) -> None:
    """Have modules that will be needed loaded beside the next workers, once these have begun.

    Where none begin, they load when they are needed.
    """
    _waiting.extend(modules)


def in_threads(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return the result for every item, in order; the first error is raised."""
    if cores() == 1 or len(items) < 2:
        return [work(item) for item in items]
    with futures.ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(work, items))


def in_processes(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return the result for every item, in order; the first error about data is raised.

    Items and ``work`` may be anything; results and errors must pickle. Give the longest items first.
    What ``work`` remembers may be lost with its process.
    """
    if len(items) < 2 or not _may_fork():
        return in_threads(work, items)
    with begun(work, items, workers=cores() - 1) as results:
        return results()


@contextmanager
def begun(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    libraries: Sequence[str] = (),
    workers: int | None = None,
) -> Iterator[Callable[[], list[Result]]]:
    """Begin work in processes of their own, one per core if not told, and give what ends it.

    Who asks for the results does what nobody has begun, waits for the rest, and gets all of them in
    order, or the first error about data. Results must pickle. ``libraries`` are modules that the work
    will load: they are loaded before, since every process would else load them anew (half a second for
    scipy). Where there is one core, or no fork, all is done when it is asked for; so is what a killed
    worker did not bring, as for lack of memory.
    """
    count = min(cores() if workers is None else workers, len(items))
    crew, is_over = None, False
    try:
        if count > 0 and _may_fork():
            for library in libraries:
                importlib.import_module(library)
            crew = _Crew(work, items)
            crew.start(count)
            while _waiting:
                importlib.import_module(_waiting.pop(0))
        yield lambda: _results(work, items, crew)
        is_over = True
    finally:
        if crew is not None:
            # after an error or an interrupt nobody waits for what is left
            crew.end(at_once=not is_over)


def _results(
    work: Callable[[Item], Result], items: Sequence[Item], crew: _Crew | None
) -> list[Result]:
    """Return all results in order; what no worker brought, or where there are none, is done here."""
    done = crew.results() if crew is not None else {}
    found = []
    for number, item in enumerate(items):
        result = done[number] if number in done else work(item)
        if isinstance(result, _Failed):
            raise result.error
        found.append(result)
    return found


class _Failed(NamedTuple):
    """Stands for the result of an item that has none."""

    error: PlanevalError


class _Line:
    """Numbers in a pipe: each is handed out once, in order, to the process that asks first."""

    def __init__(self, count: int) -> None:
        self._exit, entrance = os.pipe()
        os.set_blocking(entrance, False)
        # a full pipe has no number for the last items: they are left to who asks for the results
        with suppress(BlockingIOError):
            for number in range(count):
                os.write(entrance, number.to_bytes(_NUMBER_BYTES, "big"))
        os.close(entrance)

    def next(self) -> int | None:
        """Take the next number, None where there is none."""
        number = os.read(self._exit, _NUMBER_BYTES)
        return int.from_bytes(number, "big") if number else None

    def stop(self) -> None:
        """Take all numbers away."""
        while self.next() is not None:
            continue

    def close(self) -> None:
        """Give the pipe back."""
        os.close(self._exit)


class _Crew:
    """Workers, and what they and this process do together."""

    def __init__(self, work: Callable[[Any], Any], items: Sequence[Any]) -> None:
        self._work, self._items = work, items
        self._line = _Line(len(items))
        self._others = frozenset(multiprocessing.active_children())
        self._pool: futures.ProcessPoolExecutor | None = None
        self._steps: list[futures.Future[tuple[int, Any] | None]] = []

    def start(self, count: int) -> None:
        """Start workers; none where the system has no semaphores, or no room for them."""
        _inherited.append(self)
        try:
            with warnings.catch_warnings():
                # Python 3.12 counts the threads of linear algebra, which itself makes forking safe
                warnings.simplefilter("ignore", DeprecationWarning)
                self._pool = futures.ProcessPoolExecutor(
                    count, multiprocessing.get_context("fork"), _become_worker
                )
                for _ in self._items:
                    self._steps.append(self._pool.submit(_inherited_step))
        except (OSError, ImportError, NotImplementedError, futures.BrokenExecutor):
            self._kill()
        finally:
            _inherited.pop()

    def step(self) -> tuple[int, Any] | None:
        """Do the next item: its number with its result or error; None where all are handed out."""
        number = self._line.next()
        if number is None:
            return None
        try:
            return number, self._work(self._items[number])
        except PlanevalError as error:
            # nobody will ask for what comes later
            self._line.stop()
            return number, _Failed(error)

    def results(self) -> dict[int, Any]:
        """Do what nobody has begun, wait for what has, and return results and errors by number."""
        found = self._done_here() if self._steps else {}
        for step in self._steps:
            if step.cancel():
                continue
            with suppress(futures.BrokenExecutor):  # a killed worker brings nothing
                done = step.result()
                if done is not None:
                    found[done[0]] = done[1]
        return found

    def _done_here(self) -> dict[int, Any]:
        """Do items in this process, each on one core, as a worker does."""
        global _is_helping  # noqa: PLW0603 - nothing else tells this process from one without workers
        found = {}
        _is_helping = True
        try:
            while (done := self.step()) is not None:
                found[done[0]] = done[1]
        finally:
            _is_helping = False
        return found

    def end(self, *, at_once: bool) -> None:
        """Wait for the workers to end, or end them."""
        if at_once:
            self._kill()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._line.close()

    def _kill(self) -> None:
        for worker in multiprocessing.active_children():
            if worker not in self._others:
                worker.terminate()


def _may_fork() -> bool:
    """Whether there is a core for a worker, and a copy of this process is safe.

    A copy of a process with several threads may wait forever for a lock that one of them held.
    """
    return cores() > 1 and sys.platform == "linux" and threading.active_count() == 1


def _inherited_step() -> tuple[int, Any] | None:
    return _inherited[-1].step()


def _become_worker() -> None:
    """Leave interrupts to the parent, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
