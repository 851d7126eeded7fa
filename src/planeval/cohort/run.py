"""``run_plan``: one job in a child process; what any executor of plans is given.

The same function runs in a thread, in a pool, or in a worker of a cluster: it needs nothing but the
job and the files that the job names. It always returns, whatever becomes of the plan.
"""

from __future__ import annotations

import atexit
import threading
import time
from typing import Any

from planeval.cohort.child import Child, ChildFailure, Limits

__all__ = ["Limits", "close_children", "run_plan"]

_ATTEMPTS = 2
"""A child that has served other plans may fail because of them: then a fresh one tries again."""

_lock = threading.Lock()
_idle: list[Child] = []
_busy: set[Child] = set()
_closings = 0
"""Raised by every closing, so that a plan ended by it is not tried again."""


def run_plan(job: dict[str, Any]) -> dict[str, Any]:
    """Return ``rows``, ``error`` or ``unchanged`` of a job, and ``cost``: seconds, CPU time, memory.

    The plan is evaluated in a child process of this one, within ``job["limits"]``. An error has
    ``stage``, ``code`` (``time``, ``memory``, ``crash`` and ``start`` are of the process, others of
    the plan) and ``message``. Idle children are kept for the next plan.
    """
    started = time.monotonic()
    limits = Limits(**job["limits"])
    failure = ChildFailure("start", "no process was started")
    closings = _closings
    for _attempt in range(_ATTEMPTS):
        child: Child | None = None
        was_fresh = True
        try:
            child = _taken()
            was_fresh = child.served == 0
            result = child.ask(job, limits)
        except ChildFailure as error:
            failure = error
            _dropped(child)
            if was_fresh or error.code != "crash" or closings != _closings:
                break
        except OSError as error:
            failure = ChildFailure("start", f"the process cannot be started: {error.strerror}")
            break
        else:
            cost = {
                "seconds": time.monotonic() - started,
                "cpu_seconds": result.pop("cpu_seconds", 0.0),
                "peak_mb": child.peak_mb,
            }
            _returned(child)
            return result | {"cost": cost}
    problem = {"stage": "process", "code": failure.code, "message": str(failure)}
    return {"case_id": job["case_id"], "error": problem}


def close_children() -> None:
    """End the idle children, and the busy ones with their plans."""
    global _closings  # noqa: PLW0603 - children are of the process, not of a caller
    with _lock:
        _closings += 1
        children = [*_idle, *_busy]
        _idle.clear()
        _busy.clear()
    for child in children:
        child.kill()


def _taken() -> Child:
    """Return an idle child, or a new one. Raises ChildFailure where it does not come up."""
    with _lock:
        child = _idle.pop() if _idle else None
    child = child or Child()
    with _lock:
        _busy.add(child)
    return child


def _returned(child: Child) -> None:
    with _lock:
        if child in _busy:
            _busy.discard(child)
            _idle.append(child)


def _dropped(child: Child | None) -> None:
    with _lock:
        if child is not None:
            _busy.discard(child)


atexit.register(close_children)
