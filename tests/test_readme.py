"""What the README shows is what happens."""

import re
from pathlib import Path

import planeval as pe

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs(tmp_path, monkeypatch, capsys):
    """The example is executed as it is printed; it prints a verdict and writes the report."""
    (tmp_path / "test_data").symlink_to(ROOT / "test_data")
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})
    assert "PASS" in capsys.readouterr().out
    assert (tmp_path / "report.html").stat().st_size > 50_000


def test_every_public_name_is_there():
    """Each name of the public vocabulary can be had, and nothing of it loads too early."""
    for name in pe.__all__:
        assert getattr(pe, name) is not None


def test_links_to_files_lead_somewhere():
    """Pictures and documents that the README names exist."""
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_command_of_the_readme_exists():
    """The sub-commands in the README are those of the command line."""
    from planeval.cli import cli

    used = set(re.findall(r"^planeval (\w+)", README, flags=re.MULTILINE))
    assert used == set(cli.commands)
