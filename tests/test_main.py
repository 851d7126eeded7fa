"""The program as a process: how it ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SCRIPT = """
import atexit, sys, threading, time
from planeval import __main__ as program

{before}
sys.argv = ["planeval", *{arguments!r}]
program.program()
"""


def run(arguments, before="", **streams):
    """Run the program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.format(arguments=arguments, before=before)],
        cwd=ROOT, text=True, check=False, **{"capture_output": True, **streams},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["protocol", "list"], 0), (["evaluate"], 2), (["dvh", "nowhere"], 4)],
)
def test_the_process_ends_with_the_exit_code_and_all_that_was_said(arguments, code):
    """Nothing that was written is lost, though the process does not tidy up."""
    done = run(arguments)
    assert done.returncode == code
    said = done.stdout if code == 0 else done.stderr
    assert said.endswith("\n")
    assert len(said) > 20


def test_what_others_want_done_at_the_end_is_done():
    """A coverage tool or a log writer registers with atexit."""
    done = run(["protocol", "list"], before="atexit.register(lambda: print('the end'))")
    assert done.stdout.endswith("the end\n")


def test_threads_of_others_are_waited_for():
    """As Python does."""
    before = "threading.Thread(target=lambda: (time.sleep(3), print('late'))).start()"
    done = run(["protocol", "list"], before=before)
    assert done.returncode == 0
    assert "late\n" in done.stdout


def test_without_a_standard_output_it_ends_as_well():
    """As a service does that has none."""
    done = run(["protocol", "list"], before="sys.stdout = None")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(os.name != "posix", reason="pipes break otherwise elsewhere")
def test_a_pipe_that_nobody_reads_is_no_defect():
    """`planeval protocol list | head -1` ends without a report of a defect."""
    reader, writer = os.pipe()
    os.close(reader)
    done = run(["protocol", "list"], capture_output=False, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert "defect" not in done.stderr
    assert done.returncode in (0, 1, 120)
