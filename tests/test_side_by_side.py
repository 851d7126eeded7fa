"""Independent work, side by side."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from planeval import side_by_side
from planeval.errors import DataError

ROOT = Path(__file__).parents[1]

forks = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux alone")

FORKED = """
import os
from planeval import side_by_side
from planeval.errors import DataError

side_by_side.cores = lambda: 2
{body}
"""


def run_alone(body):
    """Run code in a process of its own: the tests' own process may have threads."""
    script = FORKED.format(body=body)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("asked", "expected"), [("1", 1), ("2", 2), ("0", 4), ("many", 4), ("", 4)]
)
def test_no_more_workers_than_asked_for(monkeypatch, asked, expected):
    """OMP_NUM_THREADS=1, as in a cohort's child, is one; what is no number is not heeded."""
    monkeypatch.setattr("planeval.side_by_side._usable_cores", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert side_by_side.cores() == expected


@pytest.mark.parametrize("cores", [1, 2])
def test_threads_keep_the_order_and_raise_the_first_error(monkeypatch, cores):
    """Results come in the order of the items, whoever finishes first."""
    monkeypatch.setattr("planeval.side_by_side.cores", lambda: cores)
    assert side_by_side.in_threads(str, [3, 1, 2]) == ["3", "1", "2"]
    with pytest.raises(ValueError, match="invalid literal"):
        side_by_side.in_threads(int, ["1", "x", "2"])


def test_one_worker_makes_no_process(monkeypatch):
    """With one core everything is done here."""
    monkeypatch.setattr("planeval.side_by_side.cores", lambda: 1)
    assert side_by_side.in_processes(lambda _item: os.getpid(), [1, 2]) == [os.getpid()] * 2


def test_a_program_with_threads_is_never_forked(monkeypatch):
    """A lock that another thread holds would stay locked in the copy."""
    monkeypatch.setattr("planeval.side_by_side.cores", lambda: 2)
    stop = threading.Event()
    other = threading.Thread(target=stop.wait)
    other.start()
    try:
        pids = side_by_side.in_processes(lambda _item: os.getpid(), [1, 2])
    finally:
        stop.set()
        other.join()
    assert pids == [os.getpid()] * 2


@forks
def test_processes_keep_the_order_and_inherit_what_cannot_be_sent():
    """A closure does not pickle; only results travel."""
    printed = run_alone(
        "items = list(range(40))\n"
        "found = side_by_side.in_processes(lambda n: (n * n, os.getpid()), items)\n"
        "print([square for square, _ in found] == [n * n for n in items])\n"
    )
    assert printed == ["True"]


@forks
def test_who_asks_does_its_part_and_nothing_is_done_twice():
    """On two cores one other process is enough; an item goes to whoever is free first."""
    printed = run_alone(
        "import time\n"
        "items = list(range(12))\n"
        "done, told = os.pipe()\n"
        "def work(n):\n"
        "    os.write(told, bytes([n]))\n"
        "    time.sleep(0.5 if n == 0 else 0.02)\n"
        "    return os.getpid()\n"
        "pids = side_by_side.in_processes(work, items)\n"
        "whose = [sum(pid == each for pid in pids) for each in set(pids)]\n"
        "print(len(whose), os.getpid() in pids, min(whose) < 4, sorted(os.read(done, 99)) == items)\n"
    )
    assert printed == ["2", "True", "True", "True"]


@forks
def test_items_that_have_no_room_in_the_pipe_are_done_as_well():
    """A pipe of the smallest size numbers some hundred items; more are no reason to wait."""
    printed = run_alone(
        "import fcntl\n"
        "made = os.pipe\n"
        "def narrow():\n"
        "    ends = made()\n"
        "    fcntl.fcntl(ends[1], 1031, 4096)  # F_SETPIPE_SZ\n"
        "    return ends\n"
        "side_by_side.os.pipe = narrow\n"
        "print(side_by_side.in_processes(str, range(1500)) == [str(n) for n in range(1500)])\n"
    )
    assert printed == ["True"]


@forks
def test_an_error_of_a_process_is_raised_here():
    """It is of its own class, with its own words."""
    printed = run_alone(
        "def work(n):\n"
        "    if n == 1:\n"
        "        raise DataError('no honest answer')\n"
        "    return n\n"
        "try:\n"
        "    side_by_side.in_processes(work, [0, 1])\n"
        "except DataError as error:\n"
        "    print(error)\n"
    )
    assert printed == ["no", "honest", "answer"]
    assert issubclass(DataError, Exception)


@forks
@pytest.mark.parametrize("late", ["n == 0", "n != 0"])
def test_of_several_errors_the_first_item_s_is_raised(late):
    """Whoever meets its error first, here or there; what comes later is not begun any more."""
    printed = run_alone(
        "import time\n"
        "done, told = os.pipe()\n"
        "def work(n):\n"
        "    os.write(told, bytes([n]))\n"
        f"    time.sleep(0.3 if {late} else 0.05)\n"
        "    raise DataError(f'item {n}')\n"
        "try:\n"
        "    side_by_side.in_processes(work, range(9))\n"
        "except DataError as error:\n"
        "    print(error, len(os.read(done, 99)) <= 2)\n"
    )
    assert printed == ["item", "0", "True"]


@forks
def test_a_defect_in_a_process_is_raised_with_its_traceback():
    """What is no statement about the data is not taken for one."""
    printed = run_alone(
        "def work(n):\n"
        "    return 1 / n\n"
        "try:\n"
        "    side_by_side.in_processes(work, [1, 2, 0, 3])\n"
        "except ZeroDivisionError as error:\n"
        "    print('defect')\n"
    )
    assert printed == ["defect"]


@forks
def test_a_killed_process_loses_nothing():
    """What its worker did not bring home is computed here."""
    printed = run_alone(
        "here = os.getpid()\n"
        "def work(n):\n"
        "    if os.getpid() != here:\n"
        "        os._exit(9)\n"
        "    return n + 1\n"
        "print(*side_by_side.in_processes(work, [1, 2, 3]))\n"
    )
    assert printed == ["2", "3", "4"]


@forks
def test_a_system_without_semaphores_does_it_here(monkeypatch):
    """Small containers have no /dev/shm: then there are no workers, and the same results."""

    def none(*_arguments):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("planeval.side_by_side.cores", lambda: 2)
    monkeypatch.setattr("planeval.side_by_side._may_fork", lambda: True)
    monkeypatch.setattr("planeval.side_by_side.futures.ProcessPoolExecutor", none)
    assert side_by_side.in_processes(lambda n: n + os.getpid(), [1, 2]) == [
        1 + os.getpid(),
        2 + os.getpid(),
    ]


@forks
def test_a_worker_killed_before_all_was_handed_out_loses_nothing(monkeypatch):
    """Then the pool refuses what is still to come: everything is done here."""

    class Broken:
        def __init__(self, *_arguments):
            pass

        def submit(self, *_arguments):
            raise side_by_side.futures.BrokenExecutor("a worker was killed")

        def shutdown(self, *, cancel_futures):
            assert cancel_futures

    monkeypatch.setattr("planeval.side_by_side.cores", lambda: 2)
    monkeypatch.setattr("planeval.side_by_side._may_fork", lambda: True)
    monkeypatch.setattr("planeval.side_by_side.futures.ProcessPoolExecutor", Broken)
    assert side_by_side.in_processes(str, [1, 2]) == ["1", "2"]


@forks
def test_what_has_begun_goes_on_beside_the_caller():
    """The result is waited for where it is asked for."""
    printed = run_alone(
        "import time\n"
        "here = os.getpid()\n"
        "def work(n):\n"
        "    return os.getpid() != here, n\n"
        "with side_by_side.begun(work, 'ab') as results:\n"
        "    time.sleep(0.5)\n"
        "    found = results()\n"
        "print(*[elsewhere for elsewhere, _ in found], *[n for _, n in found])\n"
    )
    assert printed == ["True", "True", "a", "b"]


@forks
def test_modules_load_beside_the_workers_once_these_have_begun():
    """Whoever waits loads them; without workers nobody does, before they are needed."""
    printed = run_alone(
        "import sys\n"
        "side_by_side.load_beside('colorsys')\n"
        "for cores in (1, 2):\n"
        "    side_by_side.cores = lambda: cores\n"
        "    with side_by_side.begun(lambda _n: 'colorsys' in sys.modules, 'a') as results:\n"
        "        print('colorsys' in sys.modules)\n"
    )
    assert printed == ["False", "True"]


@forks
def test_libraries_are_loaded_before_the_workers_begin():
    """Every worker has them; where nothing is forked, nothing is loaded beforehand."""
    printed = run_alone(
        "import sys\n"
        "known = lambda _n: 'colorsys' in sys.modules\n"
        "for cores in (1, 2):\n"
        "    side_by_side.cores = lambda: cores\n"
        "    with side_by_side.begun(known, 'ab', ['colorsys']) as results:\n"
        "        print(*results())\n"
    )
    assert printed == ["False", "False", "True", "True"]


LOADING = """
import os, sys
from planeval import side_by_side
from planeval.cli import main

side_by_side.cores = lambda: 2
work = side_by_side._Crew.step

def packages():
    ours = [name for name in sys.modules if name.startswith(("scipy.", "skimage."))]
    return {".".join(name.split(".")[:2]) for name in ours}

def watched(crew):
    before = packages()
    result = work(crew)
    os.write(2, f"work loads {sorted(packages() - before)}\\n".encode())
    return result

side_by_side._Crew.step = watched
main(["evaluate", "test_data/hepatic-pvtt", "--protocol", "hcc-zhai2025", "--out", sys.argv[1]])
"""


@forks
@pytest.mark.slow
def test_no_worker_of_an_evaluation_loads_a_library_anew(tmp_path):
    """DVHs need none; audits and slices name all of theirs."""
    done = subprocess.run(
        [sys.executable, "-c", LOADING, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    loads = [line for line in done.stderr.splitlines() if line.startswith("work loads")]
    assert len(loads) > 10
    assert set(loads) == {"work loads []"}


@forks
def test_work_takes_one_core():
    """Those beside it have the rest of the machine; afterwards all of it is there again."""
    script = (
        "import os, time\n"
        "os.environ.pop('OMP_NUM_THREADS', None)\n"
        "from planeval import side_by_side\n"
        "side_by_side._usable_cores = lambda: 2\n"
        "def work(_n):\n"
        "    time.sleep(0.05)\n"
        "    return side_by_side.cores()\n"
        "print(*set(side_by_side.in_processes(work, 'abcdefgh')), side_by_side.cores())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["1", "2"], done.stderr


ENDLESS = """
import os, signal, sys, time
from planeval import side_by_side

# a shell that runs the tests in the background has interrupts ignored
signal.signal(signal.SIGINT, signal.default_int_handler)
side_by_side.cores = lambda: 2

def work(n):
    os.write(1, f"{os.getpid()}\\n".encode())
    time.sleep(60)

side_by_side.in_processes(work, [1, 2])
"""


@forks
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_parent(how):
    """However a program ends, nothing of it stays behind and nobody waits for its workers."""
    parent = subprocess.Popen(
        [sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    workers = [int(parent.stdout.readline()) for _ in range(2)]
    if how is signal.SIGINT:
        os.killpg(parent.pid, how)  # as a terminal does
    else:
        parent.send_signal(how)
    parent.communicate(timeout=20)
    ends = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


@pytest.mark.slow
def test_an_evaluation_says_the_same_on_one_core_and_on_two(tmp_path):
    """Audits, DVHs and slices in processes of their own: record and report are the same bytes."""
    written = []
    for cores in ("1", "2"):
        out = tmp_path / cores
        done = subprocess.run(
            [sys.executable, "-m", "planeval", "evaluate", "test_data/hepatic-pvtt",
             "--protocol", "hcc-zhai2025", "--out", str(out)],
            env=os.environ | {"OMP_NUM_THREADS": cores}, cwd=ROOT, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode in (0, 1, 3), done.stderr
        written.append([(out / name).read_bytes() for name in ("evaluation.json", "report.html")])
    assert written[0] == written[1]
