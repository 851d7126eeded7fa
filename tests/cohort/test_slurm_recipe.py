"""The Slurm recipe of the docs, run as it stands: sbatch is a script that runs the job here."""

import contextlib
import os
import re
import signal
import sys
import textwrap
from pathlib import Path

import pytest
from tests.cohort.small_plans import write_plan

import planeval

DOCS = Path(__file__).parents[2] / "docs" / "cohort.md"

SBATCH = """\
#!/bin/sh
cp "$1" "{folder}/job.sh"
setsid sh "{folder}/job.sh" > "{folder}/job.log" 2>&1 &
echo $! > "{folder}/job.pid"
echo "Submitted batch job $!"
"""
SCANCEL = """\
#!/bin/sh
for id in "$@"; do kill -- "-$id" 2>/dev/null; done
true
"""


def recipe():
    """The Python code of the docs that makes a SLURMCluster."""
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), flags=re.DOTALL)
    (block,) = [block for block in blocks if "SLURMCluster" in block]
    return block


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A folder in PATH whose sbatch starts the job on this machine, and scancel ends it."""
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        path = tmp_path / name
        path.write_text(text.format(folder=tmp_path) if name == "sbatch" else text)
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(planeval.__file__).parents[1]), *sys.path])
    )
    yield tmp_path
    number = tmp_path / "job.pid"
    if number.exists():
        with contextlib.suppress(ProcessLookupError):
            # a worker whose scheduler has gone may wait for it: the end of the job is the end
            os.killpg(int(number.read_text()), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Slurm has no Windows")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_recipe_runs(slurm, protocol, capsys):
    """The code of the docs with other paths and sizes: both plans are in the tables."""
    pytest.importorskip("dask_jobqueue")
    for number in range(2):
        write_plan(slurm / "pacs" / str(number), f"P{number}")
    code = recipe()
    for old, new in (
        ('"/data/pacs"', repr(str(slurm / "pacs"))), ('"hcc-zhai2025"', repr(str(protocol))),
        ('out="cohort"', f"out={str(slurm / 'out')!r}"), ("resume=True", "resume=False"),
        ("jobs=5", "jobs=1"), ("cores=4", "cores=2"), ('"8GB"', '"2GB"'),
        # any free port for the dashboard: another test may have the usual one
        ("nanny=False)", 'nanny=False, scheduler_options={"host": "127.0.0.1", '
                         '"dashboard_address": ":0"})'),
    ):  # fmt: skip
        assert old in code
        code = code.replace(old, new)
    run = f"{code}\ncluster.close()\n"
    exec(compile(textwrap.dedent(run), "recipe", "exec"), {"__name__": "recipe"})
    script = capsys.readouterr().out
    assert "--nthreads 2" in script
    assert "--no-nanny" in script
    assert "--nworkers" not in script
    cases = (slurm / "out" / "cases.csv").read_text(encoding="utf-8")
    assert len(cases.splitlines()) == 3
