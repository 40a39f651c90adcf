"""The rules of the house, read from the source itself."""

import ast
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from pathlib import Path

import pytest

SRC = Path(__file__).parent.parent / "src" / "acute"

# part: the parts it may import (itself always; errors always). Parts meet in the table.
MAY_IMPORT = {
    "errors": set(),
    "progress": set(),
    "ranks": set(),
    "core": set(),
    "plan": set(),
    "config": {"verify"},  # the names of the verifiers
    "table": set(),
    "checksum": set(),
    "parts": {"table", "checksum"},
    "versions": set(),
    "run": {"table", "config", "checksum", "parts", "versions", "report"},  # a notebook shows it
    "toy_runs": {"core"},
    "models": set(),
    "tasks": {"table"},
    "rollout": {"table", "models"},
    "verify": {"table"},
    "gradients": {"table", "models", "core", "checksum"},
    "measure": {"table", "core"},
    "report": {"table", "core", "measure", "checksum"},
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
    "profile_log",
    "verifier_faults",
    "gate_inputs",
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


HEAVY = {"torch", "transformers", "scipy", "pyarrow", "plotly", "pandas", "rich", "pygments"}


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


SOURCE = re.compile(
    r"\beqs?\. ?\(?\d|\b(prop|def|cor)\. \d|\bapp\. [a-z]\b|section \d|\bfigs?\. \d|assumption \d|arxiv"
    r"|\b(19|20)\d\d\b|not in the paper|\bours\b",
    re.IGNORECASE,
)


def core_functions():
    for path in sorted((SRC / "core").rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                yield pytest.param(node, id=f"{path.stem}:{node.name}")


@pytest.mark.parametrize("node", list(core_functions()))
def test_every_function_of_core_names_its_equation(node):
    """Of the paper or another, or it says that it has none: core can be read beside the paper."""
    assert SOURCE.search(ast.get_docstring(node)), f"{node.name}: wanted where its formula comes from"


LONGEST_FILE, LONGEST_FUNCTION = 400, 60


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.py")), ids=lambda p: str(p.relative_to(SRC)))
def test_files_and_functions_fit_in_the_head(path):
    """A longer function gives its reason in a comment on the line above it: "# long: ..."."""
    lines = path.read_text().splitlines()
    assert len(lines) <= LONGEST_FILE
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            long = node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            assert not long or lines[first - 2].startswith("# long: "), f"{node.name} in {path.name}"


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.py")), ids=lambda p: str(p.relative_to(SRC)))
def test_every_module_says_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_exported_names_exist():
    import acute

    for name in acute.__all__:
        assert getattr(acute, name) is not None


ROOT = SRC.parent.parent
CONFIGURATIONS = [*(ROOT / "src").rglob("*.toml"), *(ROOT / "examples").rglob("*.toml")]


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda p: p.name)
def test_every_example_configuration_loads(path):
    from acute.config import load
    from acute.tasks.files import read_prompts
    from acute.train.config import load as load_training

    if "train" in tomllib.loads(path.read_text()):
        assert read_prompts(Path(load_training(path).prompts.source))
        return
    config = load(path)
    assert read_prompts(Path(config.prompts.source))
    assert config.control is None or load(Path(config.control))


LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def lines_of_code(text):
    """Lines that hold code: no blank one, no comment, no docstring or string that stands for one."""
    told = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]
    held = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in LAYOUT:
            held.update(range(token.start[0], token.end[0] + 1))
    return len(held - {line for node in told for line in range(node.lineno, node.end_lineno + 1)})


def test_core_has_two_lines_of_test_for_every_line():
    core, tests = (
        sum(lines_of_code(path.read_text()) for path in folder.rglob("*.py"))
        for folder in (SRC / "core", ROOT / "tests" / "core")
    )
    assert tests >= 2 * core, f"wanted {2 * core} lines of code or more in tests/core, found {tests}"


def test_what_counts_as_a_line_of_code():
    text = '''"""Docstring
of two lines."""

x = (  # a comment beside code
    1,
)
# a comment alone
y = """a value
of two lines"""
"""What y is."""
def f():
    """Docstring."""
    return x
'''
    assert lines_of_code(text) == 3 + 2 + 2
