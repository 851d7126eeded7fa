"""Jobs to an executor and results back, a few at a time, until all are done or a stop is asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from dataclasses import dataclass
from typing import Any

from planeval.cohort.run import run_plan

__all__ = ["Progress", "Run", "run_all"]

_TICK_SECONDS = 0.5

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is: plans done (kept ones included), failed, all; seconds; the last plan."""

    done: int
    failed: int
    total: int
    evaluated: int
    seconds: float
    case_id: str = ""
    error_code: str = ""

    @property
    def per_minute(self) -> float:
        """Plans evaluated per minute so far."""
        return 60 * self.evaluated / self.seconds if self.seconds > 0 else 0.0

    @property
    def left_seconds(self) -> float | None:
        """The expected time for the rest at the present rate, None before the first plan."""
        rate = self.per_minute
        return 60 * (self.total - self.done) / rate if rate else None


@dataclass(frozen=True, slots=True)
class Run:
    """What a run did: plans whose results came back, and what each cost."""

    done: int
    costs: tuple[Mapping[str, float], ...]


def run_all(
    jobs: Iterator[dict[str, Any]],
    *,
    total: int,
    executor: Executor,
    width: int,
    finish: Callable[[Json], bool],
    progress: Callable[[Progress], None] | None,
    stop: threading.Event,
    done: int = 0,
) -> Run:
    """Run ``total`` jobs, ``width`` and a few in waiting at a time; ``finish`` gets every result.

    A future that fails (its worker was lost) is a result with an error of code ``worker-lost``.
    ``done`` plans count as done in the progress from the start.
    """
    start = time.monotonic()
    begun = 0
    running: dict[Future[Any], dict[str, Any]] = {}
    costs: list[Mapping[str, float]] = []
    finished = failed = 0
    while (begun < total and not stop.is_set()) or running:
        while begun < total and not stop.is_set() and len(running) < 2 * width:
            job = next(jobs)
            running[executor.submit(run_plan, job)] = job
            begun += 1
        if stop.is_set():
            # what has not begun is left for another run
            for future in [future for future in running if future.cancel()]:
                running.pop(future)
        ready, _others = wait(running, timeout=_TICK_SECONDS, return_when=FIRST_COMPLETED)
        for future in ready:
            result = _result(future, running.pop(future))
            if result is None:
                continue
            failed += not finish(result)
            finished += 1
            costs += [result["cost"]] if "cost" in result else []
            if progress is not None:
                progress(
                    Progress(
                        done + finished, failed, done + total, finished,
                        time.monotonic() - start, result["case_id"],
                        (result.get("error") or {}).get("code", ""),
                    )
                )  # fmt: skip
    return Run(finished, tuple(costs))


def _result(future: Future[Any], job: Json) -> Json | None:
    """Return the result of a future, or what became of it; None where it was cancelled."""
    try:
        error = future.exception()
    except CancelledError:
        return None
    if error is None:
        result: Json = future.result()
        return result
    problem = {
        "stage": "process",
        "code": "worker-lost",
        "message": f"the executor lost the plan: {type(error).__name__}",
    }
    return {"case_id": job["case_id"], "error": problem}
