"""One plan in a child process: whatever happens to it happens to it alone."""

import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.cohort.small_plans import write_plan

from planeval.cohort import child
from planeval.cohort.finding_plans import find_plans
from planeval.cohort.job import make_job
from planeval.cohort.protocols import asked_of
from planeval.cohort.run import Limits, close_children, run_plan

FAULTY = (sys.executable, str(Path(__file__).with_name("faulty_worker.py")))


@pytest.fixture
def jobs(tmp_path, protocol, monkeypatch):
    """A function that makes the job of a plan with a label, for the faulty worker."""
    monkeypatch.setattr(child, "WORKER", FAULTY)
    close_children()
    settings = {
        **asked_of(protocol, None), "method": {}, "dvh_step_gy": 1.0, "mapping": {},
        "child_pugh": "", "rx": None, "limits": {"seconds": 60.0, "memory_mb": 3000.0},
    }  # fmt: skip

    def make(label, **limits):
        write_plan(tmp_path / label, label, label=label)
        (plan,) = find_plans(tmp_path / label).plans
        return make_job(plan, settings | {"limits": settings["limits"] | limits})

    yield make
    close_children()


@pytest.mark.slow
def test_failures_are_results_and_the_next_plan_goes_on(jobs, tmp_path, monkeypatch):
    """Crash, defect, memory and time each have a code; one child serves the plans between."""
    marker = tmp_path / "grandchild"
    monkeypatch.setenv("GRANDCHILD", str(marker))
    assert "rows" in run_plan(jobs("fine"))

    bug = run_plan(jobs("BUG"))["error"]
    assert (bug["stage"], bug["code"]) == ("evaluate", "defect")
    assert "secret" not in str(bug)
    assert "in misbehave" in bug["traceback"]
    assert "/home" not in bug["traceback"]
    assert len(bug["traceback_id"]) == 12

    _kill_children()
    assert "rows" in run_plan(jobs("after a kill"))

    crash = run_plan(jobs("CRASH"))["error"]
    assert (crash["stage"], crash["code"]) == ("process", "crash")
    assert "SIGSEGV" in crash["message"]

    memory = run_plan(jobs("EAT", memory_mb=450.0))["error"]
    assert (memory["stage"], memory["code"]) == ("process", "memory")
    assert "above 450 MB" in memory["message"]

    hang = run_plan(jobs("HANG", seconds=1.5))["error"]
    assert (hang["stage"], hang["code"]) == ("process", "time")
    assert not _is_alive(int(marker.read_text(encoding="ascii")))


def _kill_children():
    """Kill the idle workers, as a system short of memory would."""
    for process in psutil.Process().children():
        if "faulty_worker" in " ".join(process.cmdline()):
            process.kill()
            process.wait()


def _is_alive(pid):
    """Whether a process still runs, a moment after it was killed."""
    for _ in range(50):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return False
        time.sleep(0.1)
    return True


def test_a_child_that_does_not_start_is_an_error(jobs, monkeypatch):
    """No worker: a result with the code start, no exception."""
    monkeypatch.setattr(child, "WORKER", (sys.executable, "-c", "raise SystemExit(7)"))
    error = run_plan(jobs("fine"))["error"]
    assert (error["stage"], error["code"]) == ("process", "start")
    assert "exit code 7" in error["message"]


def test_unchanged_inputs_are_not_evaluated(jobs):
    """A job that knows the digest of its inputs comes back at once."""
    job = jobs("fine")
    first = run_plan(job)
    again = run_plan(job | {"known_inputs": first["inputs_sha256"]})
    assert again["unchanged"] is True
    assert "rows" not in again
    assert again["inputs"] == first["inputs"]


def test_limits_must_be_positive():
    """A limit of 0 is a wrong call."""
    with pytest.raises(ValueError, match="above 0"):
        Limits(seconds=0)
