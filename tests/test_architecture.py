"""The shape of the house: layers, lazy imports, budgets and house rules, read from the source."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "planeval"

LAYERS = [
    {"errors", "units"},
    {"side_by_side"},
    {"geometry"},
    {"model"},
    {"dicom", "dose", "files"},
    {"metrics"},
    {"expression"},
    {"case"},
    {"checks", "agreement"},
    {"loading", "sums"},
    {"targets"},
    {"protocol"},
    {"report"},
    {"pipeline"},
    {"robust"},
    {"plot", "comparing", "cohort", "service", "selftest"},
    {"cli_options"},
    {"cli_sum"},
    {
        "cli_compare",
        "cli_names",
        "cli_protocol",
        "cli_expand",
        "cli_robust",
        "cli_selftest",
    },
    {"cli"},
    {"__main__"},
]
"""From the bottom up. A layer imports layers below it; members of one set do not import each other."""

RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
MODULES = sorted(PACKAGE.rglob("*.py"))
PYDICOM_LAYERS = {"dicom", "service"}
BROAD_DOORS = {"cli.py", "worker.py"}
"""The doors: main, and the child process that evaluates one plan of a cohort."""
MOST_LINES = 520
MOST_BODY_LINES = 70


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(node: ast.AST) -> list[str]:
    """Dotted names of our own modules, and top names of others, that a node imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        if node.module == "planeval":
            return [f"planeval.{alias.name}" for alias in node.names]
        return [node.module]
    return []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down_only(path):
    """No module imports its own layer's siblings or anything above it."""
    here = layer_of(path)
    if here == "__init__":
        return
    for node in ast.walk(tree_of(path)):
        for name in imported(node):
            parts = name.split(".")
            if parts[0] != "planeval" or len(parts) < 2 or parts[1] == "__version__":
                continue
            there = parts[1]
            assert there in RANK, f"{path.name} imports {name}, which is in no layer"
            assert there == here or RANK[there] < RANK[here], f"{here} imports {there}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_house_rules(path):
    """Pydicom at the door only; no own import in a function; no assert, print, TODO or bare except."""
    tree = tree_of(path)
    text = path.read_text(encoding="utf-8")
    assert "TODO" not in text
    assert "FIXME" not in text
    assert text.count("\n") <= MOST_LINES, "a module this long holds more than one concept"
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Assert)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print"
        if isinstance(node, ast.ExceptHandler):
            broad = node.type is None or getattr(node.type, "id", "") in (
                "Exception",
                "BaseException",
            )
            assert not broad or path.name in BROAD_DOORS
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body:
                length = (body[-1].end_lineno or 0) - body[0].lineno + 1
                assert length <= MOST_BODY_LINES, f"{node.name} has {length} lines"
            own = [
                n for inner in ast.walk(node) for n in imported(inner) if n.startswith("planeval")
            ]
            assert not own, f"{node.name} imports {own}"
        for name in imported(node):
            if name.split(".")[0] == "pydicom":
                assert layer_of(path) in PYDICOM_LAYERS


def loaded_by(code: str) -> set[str]:
    """Top names of the modules that a fresh interpreter has after some code."""
    script = f"{code}\nimport sys\nsys.stdout.write('\\n'.join(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    return {name.split(".")[0] for name in run.stdout.splitlines()}


def test_help_loads_neither_numpy_nor_pydicom():
    """`planeval --help` answers at once."""
    code = (
        "import sys, io\nout, sys.stdout = sys.stdout, io.StringIO()\n"
        "from planeval.cli import main\nassert main(['--help']) == 0\nsys.stdout = out"
    )
    assert not loaded_by(code) & {"numpy", "pydicom", "shapely", "pydantic", "rich"}


def test_a_dvh_loads_no_heavy_library():
    """Reading a case and computing a DVH loads neither pandas, matplotlib, SimpleITK nor pydantic."""
    case = PACKAGE.parents[1] / "test_data" / "fails-on-purpose"
    code = f"import planeval as pe\npe.load({str(case)!r}).dvh('Liver').mean()"
    heavy = {"pandas", "matplotlib", "SimpleITK", "pydantic", "skimage", "scipy", "jinja2"}
    assert not loaded_by(code) & heavy
