"""The rules of the house, read from the source itself."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).parent.parent / "src" / "acute"

# part: the parts it may import (itself always; errors always). Parts meet in the table.
MAY_IMPORT = {
    "errors": set(),
    "progress": set(),
    "core": set(),
    "config": set(),
    "table": set(),
    "run": {"table", "config"},
    "toy_runs": {"core"},
    "models": set(),
    "tasks": {"table"},
    "rollout": {"table", "models"},
    "verify": {"table"},
    "gradients": {"table", "models", "core"},
    "measure": {"table", "core"},
    "report": {"table", "core", "run", "measure"},
}
PUTS_PARTS_TOGETHER = {
    "cli",
    "train",
    "integrations",
    "stages",
    "quickstart",
    "__main__",
    "__init__",
    "testing",
    "pytest_plugin",
    "profile_run",
}


def part_of(path):
    first = path.relative_to(SRC).parts[0]
    return first.removesuffix(".py")


def imports(path):
    """Every module that a file imports, absolute, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.py")), ids=lambda p: str(p.relative_to(SRC)))
def test_imports_go_one_way(path):
    part = part_of(path)
    if part in PUTS_PARTS_TOGETHER:
        return
    allowed = MAY_IMPORT[part] | {part, "errors"}
    used = {m.split(".")[1] for m in imports(path) if m.startswith("acute.")} - {"__version__"}
    assert used <= allowed, f"{part} may import {sorted(allowed)}, found {sorted(used - allowed)}"


@pytest.mark.parametrize("path", sorted((SRC / "core").rglob("*.py")), ids=lambda p: p.name)
def test_core_needs_numpy_alone(path):
    outside = {m.split(".")[0] for m in imports(path)} - set(sys.stdlib_module_names)
    assert outside <= {"numpy", "acute"}


def loaded_after(code):
    """The top-level packages in sys.modules after running `code` in a fresh interpreter."""
    probe = f"import sys; {code}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(done.stdout.split("\n")[-2].split())


HEAVY = {"torch", "transformers", "scipy", "pyarrow", "plotly", "pandas"}


@pytest.mark.parametrize(
    "code",
    [
        "import acute",
        "import acute.core.estimators",
        "from typer.testing import CliRunner; from acute.cli.main import app; "
        "CliRunner().invoke(app, ['--help'], catch_exceptions=False)",
    ],
)
def test_nothing_heavy_is_loaded(code):
    assert not loaded_after(code) & HEAVY


def test_that_test_can_fail():
    assert "scipy" in loaded_after("import scipy")


def public_names():
    for path in sorted(SRC.rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            named = isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
            if named and not node.name.startswith("_"):
                yield pytest.param(node, id=f"{path.relative_to(SRC)}:{node.name}")


@pytest.mark.parametrize("node", list(public_names()))
def test_every_public_name_is_documented(node):
    assert ast.get_docstring(node)


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.py")), ids=lambda p: str(p.relative_to(SRC)))
def test_every_module_says_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_exported_names_exist():
    import acute

    for name in acute.__all__:
        assert getattr(acute, name) is not None
