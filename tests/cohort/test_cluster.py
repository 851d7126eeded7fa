"""The same run on a Dask cluster: workers as processes, one of them killed on the way."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from tests.cohort.small_plans import write_plan
from tests.cohort.test_extraction import contents
from tests.cohort.test_run import FAULTY

import planeval
from planeval.cohort import child, cluster, extract

PLANS = 12


@pytest.fixture
def scheduler(tmp_path):
    """A scheduler and two workers with one thread each, as processes; gives address and workers."""
    started = []

    def start(*arguments):
        log = (tmp_path / f"dask{len(started)}.log").open("wb")
        with log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                stdout=log,
                stderr=log,
                cwd=tmp_path,
                env=os.environ | {"PYTHONPATH": str(Path(planeval.__file__).parents[1])},
            )
        started.append(process)
        return process

    file = tmp_path / "scheduler.json"
    start("-m", "distributed.cli.dask_scheduler", "--scheduler-file", str(file),
          "--host", "127.0.0.1", "--port", "0", "--no-dashboard")  # fmt: skip
    setup = tmp_path / "setup_worker.py"
    setup.write_text(f"from planeval.cohort import child\nchild.WORKER = {FAULTY!r}\n")
    workers = [
        start("-m", "distributed.cli.dask_worker", "--scheduler-file", str(file), "--nthreads", "1",
              "--no-nanny", "--no-dashboard", "--preload", str(setup), "--name", str(number))
        for number in range(2)
    ]  # fmt: skip
    yield file, workers
    for process in started:
        for one in psutil.Process(process.pid).children(recursive=True) if _alive(process) else ():
            one.kill()
        process.kill()
        process.wait()


def _alive(process):
    return process.poll() is None


def _address(file):
    while True:
        if file.exists() and (text := file.read_text(encoding="utf-8")).endswith("}"):
            return json.loads(text)["address"]
        time.sleep(0.1)


@pytest.mark.slow
def test_a_lost_worker_and_a_crashing_plan(scheduler, protocol, tmp_path):
    """Tables equal those of threads; the crash is one ledger row; the lost plans run elsewhere."""
    file, workers = scheduler
    for number in range(PLANS):
        label = "CRASH" if number == 3 else f"L{number}"
        write_plan(tmp_path / "in" / str(number), f"P{number}", label=label, gy=30.0 + number)
    killed = threading.Event()

    def kill_one(state):
        if state.done >= 3 and not killed.is_set():
            killed.set()
            workers[1].kill()

    with cluster.connected(_address(file)) as (executor, threads):
        assert threads >= 1
        result = extract(
            tmp_path / "in", protocol=protocol, out=tmp_path / "cluster", executor=executor,
            jobs=2, progress=kill_one,
        )  # fmt: skip
    assert killed.is_set()
    assert (result.evaluated, result.failed) == (PLANS, 1)
    errors = (tmp_path / "cluster" / "errors.csv").read_text(encoding="utf-8")
    assert "process,crash,the process was ended by signal SIGSEGV" in errors

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(child, "WORKER", FAULTY)
        extract(tmp_path / "in", protocol=protocol, out=tmp_path / "threads", jobs=2)
    assert contents(tmp_path / "threads") == contents(tmp_path / "cluster")
