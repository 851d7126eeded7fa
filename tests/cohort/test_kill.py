"""Kill -9 at any moment: the store survives, and going on gives the bytes of an undisturbed run."""

import random
import signal
import subprocess
import sys
import time

import pytest
from tests.cohort.small_plans import write_plan
from tests.cohort.test_extraction import contents

from planeval.cohort import extract
from planeval.cohort.store import Store

PLANS = 8


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    root = tmp_path_factory.mktemp("killed")
    for number in range(PLANS):
        write_plan(root / "in" / str(number), f"P{number}", label=f"L{number}", gy=30.0 + number)
    return root


def started(cohort, protocol, out, *options):
    """Start the command line on the cohort, in a process of its own."""
    return subprocess.Popen(
        [
            sys.executable, "-m", "planeval.cli", "cohort", "extract", str(cohort / "in"),
            "--protocol", str(protocol), "--out", str(out), "--wide", *options,
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def killed_and_resumed(cohort, protocol, executor, tmp_path, *, times, seed):
    """Kill runs at random moments, go on, and compare with an undisturbed run."""
    options = {"protocol": protocol, "executor": executor, "jobs": 2, "wide": True}
    begin = time.monotonic()
    calm = started(cohort, protocol, tmp_path / "calm")
    calm.communicate()
    whole = time.monotonic() - begin
    assert calm.returncode == 0
    expected = contents(tmp_path / "calm")
    chance = random.Random(seed)
    seen = set()
    for number in range(times):
        out = tmp_path / f"killed {number}"
        run = started(cohort, protocol, out)
        time.sleep(whole * chance.uniform(0.2, 1.0))
        run.kill()
        run.communicate()
        if (out / "cohort.duckdb").exists():
            with Store.open(out / "cohort.duckdb", {}) as store:
                seen.add(len(store.known()))
        result = extract(cohort / "in", out=out, resume=True, **options)
        assert result.failed == 0
        assert contents(out) == expected
    return seen


def test_kill_and_resume(cohort, protocol, executor, tmp_path):
    """A few kills; the slow test has more."""
    killed_and_resumed(cohort, protocol, executor, tmp_path, times=2, seed=1)


@pytest.mark.slow
def test_kill_and_resume_many_times(cohort, protocol, executor, tmp_path):
    """Twenty kills at random points; some of them in the middle of the plans."""
    seen = killed_and_resumed(cohort, protocol, executor, tmp_path, times=20, seed=2)
    assert len(seen) > 1, "no kill hit the work itself"


def test_ctrl_c_finishes_the_plans_at_work(cohort, protocol, executor, tmp_path):
    """Exit code 130, no tables, and a store that --resume completes."""
    out = tmp_path / "out"
    run = started(cohort, protocol, out)
    while not (out / "cohort.duckdb").exists():
        time.sleep(0.02)
    time.sleep(0.3)
    run.send_signal(signal.SIGINT)
    stdout, stderr = run.communicate(timeout=120)
    assert run.returncode == 130, stderr + stdout
    assert "--resume goes on" in stderr
    assert not (out / "manifest.json").exists()
    result = extract(cohort / "in", out=out, resume=True, protocol=protocol, executor=executor)
    assert result.evaluated + result.kept == PLANS
    assert result.is_complete
