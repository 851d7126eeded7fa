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
            sys.executable, "-m", "planeval", "cohort", "extract", str(cohort / "in"),
            "--protocol", str(protocol), "--out", str(out), "--wide", *options,
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def killed_once(cohort, protocol, out, seconds):
    """Kill a run some time after its store is there; return how many plans the store then has."""
    run = started(cohort, protocol, out)
    while not (out / "cohort.duckdb").exists():
        time.sleep(0.02)
    time.sleep(seconds)
    run.kill()
    run.communicate()
    with Store.open(out / "cohort.duckdb", {}) as store:
        return len(store.known())


@pytest.mark.slow
def test_kill_and_resume(cohort, protocol, executor, tmp_path):
    """One kill while plans are at work; the slow test has more."""
    options = {"protocol": protocol, "executor": executor, "jobs": 2, "wide": True}
    extract(cohort / "in", out=tmp_path / "calm", **options)
    killed_once(cohort, protocol, tmp_path / "killed", 1.5)
    extract(cohort / "in", out=tmp_path / "killed", resume=True, **options)
    assert contents(tmp_path / "killed") == contents(tmp_path / "calm")


@pytest.mark.slow
def test_kill_and_resume_many_times(cohort, protocol, executor, tmp_path):
    """Twenty kills at random points, some before the first plan and some in the middle."""
    options = {"protocol": protocol, "executor": executor, "jobs": 2, "wide": True}
    begin = time.monotonic()
    calm = started(cohort, protocol, tmp_path / "calm")
    calm.communicate()
    assert calm.returncode == 0
    whole = time.monotonic() - begin
    chance = random.Random(2)
    seen = set()
    for number in range(20):
        out = tmp_path / f"killed {number}"
        if number % 4:
            seen.add(killed_once(cohort, protocol, out, whole * chance.uniform(0.0, 0.8)))
        else:
            early = started(cohort, protocol, out)
            time.sleep(whole * chance.uniform(0.0, 0.6))
            early.kill()
            early.communicate()
        extract(cohort / "in", out=out, resume=True, **options)
        assert contents(out) == contents(tmp_path / "calm")
    assert len(seen) > 1, "no kill hit the work itself"


@pytest.mark.slow
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
