"""The child process of a cohort: jobs come in as JSON lines, results go out as JSON lines.

Started by :mod:`planeval.cohort.child` as ``python -m planeval.cohort.worker``. Whatever happens to a
plan here, a segmentation fault or a full memory, happens to this process alone. It ends when its input
ends, also in the middle of a plan: nobody would read the result.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

from planeval.cohort.evaluation import evaluate_job

__all__ = ["answer", "main"]


def main() -> None:
    """Answer jobs until the input ends."""
    out = _private_output()
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(jobs,), daemon=True).start()
    _write(out, {"ready": True})
    while True:
        job = json.loads(jobs.get())
        started = time.process_time()
        result = answer(job)
        _write(out, result | {"cpu_seconds": time.process_time() - started})


def answer(job: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a job; what nobody foresaw is an error of code ``defect``."""
    try:
        return evaluate_job(job)
    except MemoryError:
        failure = {"stage": "process", "code": "memory", "message": "out of memory"}
        return {"case_id": job["case_id"], "error": failure}
    except Exception as error:
        trace = _trace(error)
        failure = {
            "stage": "evaluate",
            "code": "defect",
            "message": f"defect in planeval: {type(error).__name__}",
            "traceback": trace,
            "traceback_id": hashlib.sha256(trace.encode()).hexdigest()[:12],
        }
        return {"case_id": job["case_id"], "error": failure}


def _trace(error: Exception) -> str:
    """Return where an error came from: code places only, neither values nor paths of this machine."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"{'/'.join(Path(f.filename).parts[-3:])}:{f.lineno} in {f.name}" for f in frames]
    return "\n".join([*lines, type(error).__name__]) + "\n"


def _read(jobs: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        jobs.put(line)
    os._exit(0)


def _write(out: TextIO, data: dict[str, Any]) -> None:
    out.write(json.dumps(data, ensure_ascii=True, separators=(",", ":")) + "\n")
    out.flush()


def _private_output() -> TextIO:
    """Keep standard output for results: whatever a library prints goes to standard error."""
    own = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(own, "w", encoding="ascii", newline="\n")


if __name__ == "__main__":
    main()
