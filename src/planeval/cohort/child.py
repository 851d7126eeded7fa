"""A child process that evaluates plans, watched from outside: time, memory, life.

It runs in a session of its own, so that Ctrl-C in a terminal reaches the run and not its plans, and it
is killed with everything it started.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import IO, Any

__all__ = ["WORKER", "Child", "ChildFailure", "Limits"]

WORKER = (sys.executable, "-m", "planeval.cohort.worker")
"""The command that a child is."""

_START_SECONDS = 300.0
"""How long a child may take to load its libraries, from a slow share under load."""

_TICK_SECONDS = 0.1
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Plans run side by side: threads inside one of them would only compete."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one plan may take: seconds, and megabytes of memory of its process tree."""

    seconds: float = 900.0
    memory_mb: float = 4000.0

    def __post_init__(self) -> None:
        if not self.seconds > 0 or not self.memory_mb > 0:
            raise ValueError("the limits of a plan must be above 0")


class ChildFailure(Exception):  # noqa: N818 - what happened to a process, not to data
    """A child ended without a result: ``code`` is time, memory, crash or start."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Child:
    """One child process; it serves one job at a time, and ends with the first failure."""

    def __init__(self) -> None:
        self.served = 0
        self.peak_mb = 0.0
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._process = _started()
        stream = self._process.stdout
        threading.Thread(target=_pump, args=(stream, self._lines), daemon=True).start()
        self._answer(Limits(_START_SECONDS, float("inf")), "start")

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def ask(self, job: dict[str, Any], limits: Limits) -> dict[str, Any]:
        """Return the result of a job. Raises :class:`ChildFailure`; then the child is gone."""
        self.peak_mb = 0.0
        line = json.dumps(job, ensure_ascii=True) + "\n"
        try:
            _input(self._process).write(line.encode("ascii"))
            _input(self._process).flush()
        except OSError:
            self.kill()
            raise ChildFailure("crash", "the process had ended before the plan began") from None
        answer = self._answer(limits, "crash")
        self.served += 1
        return answer

    def kill(self) -> None:
        """End the process and everything it started, at once."""
        _kill_tree(self._process)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _answer(self, limits: Limits, broken: str) -> dict[str, Any]:
        """Wait for the next line, and watch."""
        end = time.monotonic() + limits.seconds
        while True:
            try:
                line = self._lines.get(timeout=_TICK_SECONDS)
            except queue.Empty:
                self._watch(limits, end)
                continue
            if line is None:
                raise self._ended(broken)
            found: dict[str, Any] = json.loads(line)
            return found

    def _watch(self, limits: Limits, end: float) -> None:
        used = _tree_mb(self.pid)
        self.peak_mb = max(self.peak_mb, used)
        if used > limits.memory_mb:
            self.kill()
            raise ChildFailure("memory", f"stopped above {limits.memory_mb:g} MB of memory")
        if time.monotonic() > end:
            self.kill()
            raise ChildFailure("time", f"stopped after {limits.seconds:g} s")

    def _ended(self, code: str) -> ChildFailure:
        """Say how the process ended."""
        try:
            status = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            status = None
        self.kill()
        if status is not None and status < 0:
            name = signal.Signals(-status).name if -status in set(signal.Signals) else str(-status)
            return ChildFailure(code, f"the process was ended by signal {name}")
        return ChildFailure(code, f"the process ended with exit code {status}")


def _started() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        WORKER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | _ONE_THREAD,
        start_new_session=True,
    )


def _input(process: subprocess.Popen[bytes]) -> IO[bytes]:
    if process.stdin is None:
        raise OSError("the process has no input")
    return process.stdin


def _pump(stream: IO[bytes] | None, lines: queue.SimpleQueue[bytes | None]) -> None:
    """Hand on every line of a child, then None."""
    try:
        for line in stream or ():
            lines.put(line)
    except ValueError:
        pass  # closed while it was read
    finally:
        lines.put(None)


def _tree_mb(pid: int) -> float:
    """Return the resident memory of a process and its descendants in MB; 0 where it has ended."""
    import psutil  # noqa: PLC0415 - an extra; only cohorts watch processes

    total = 0
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
    return total / 1e6


def _kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill a child and its descendants, those in sessions of their own included."""
    import psutil  # noqa: PLC0415 - an extra; only cohorts watch processes

    found: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        found = psutil.Process(process.pid).children(recursive=True)
    if process.poll() is None:
        process.kill()
    for one in found:
        with contextlib.suppress(psutil.Error):
            one.kill()
