"""A worker whose plans misbehave as their label says: CRASH, HANG, EAT, BUG; others are evaluated."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from planeval.cohort import worker
from planeval.cohort.evaluation import evaluate_job


def misbehave(job):
    label = next((e.get("label", "") for e in job["entries"] if e["kind"] == "RTPLAN"), "")
    if label == "CRASH":
        os.kill(os.getpid(), signal.SIGSEGV)
    if label == "HANG":
        code = "import time; time.sleep(600)"
        started = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        with Path(os.environ.get("GRANDCHILD", os.devnull)).open("w", encoding="ascii") as file:
            file.write(str(started.pid))
        time.sleep(600)
    if label == "EAT":
        eaten = []
        while True:
            eaten.append(b"x" * 20_000_000)  # touched, not only reserved
            time.sleep(0.01)
    if label == "BUG":
        raise ZeroDivisionError("P1 Patient's secret")
    print("a library that prints")
    return evaluate_job(job)


worker.evaluate_job = misbehave

if __name__ == "__main__":
    worker.main()
