"""The pytest plugin, run in a pytest of its own."""

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

CONFIG = """[pytest]
acute_advantages =
    {lines}
"""
MODULE = """
def centred(rewards):
    return rewards - rewards.mean(-1, keepdims=True)

def crooked(rewards):
    return centred(rewards) * (1 + rewards.mean(-1, keepdims=True))

def flat(rewards):
    return rewards.sum()
"""


def pytest_in(folder, *lines, tests=""):
    (folder / "pytest.ini").write_text(CONFIG.format(lines="\n    ".join(lines)))
    (folder / "mine.py").write_text(MODULE)
    (folder / "test_mine.py").write_text(tests)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v"]
    if not entry_points(
        group="pytest11", name="acute"
    ):  # acute is on the path, but this version not installed
        command += ["-p", "acute.pytest_plugin"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_lines_are_tests(tmp_path):
    done = pytest_in(
        tmp_path,
        "mine:centred pass@1 n=4 up-to-a-factor",
        "mine:centred pass@1 n=4",
        "mine:crooked pass@1 n=4 up-to-a-factor",
        "mine:flat pass@1 n=4",
        "pkpo pass@3 n=6 k=3",
        "pkpo-loo pass@2 n=3",
    )
    assert done.returncode == 1 and "3 failed, 3 passed" in done.stdout
    assert "0.75 times unbiased" in done.stdout
    assert "but biased" in done.stdout
    assert "rewards' shape" in done.stdout
    assert "Traceback" not in done.stdout


def test_the_fixture(tmp_path):
    tests = "from mine import centred\ndef test_it(assert_unbiased_for):\n"
    tests += "    assert_unbiased_for(centred, 'pass@1', 4, up_to_a_factor=True)\n"
    done = pytest_in(tmp_path, tests=tests)
    assert done.returncode == 0 and "1 passed" in done.stdout


@pytest.mark.parametrize(
    "line", ["rloo pass@1", "rloo pass@1 n=x", "rloo pass@1 n=4 often", "rloo pass@1 m=4 n=4"]
)
def test_a_line_that_means_nothing(tmp_path, line):
    done = pytest_in(tmp_path, line)
    assert done.returncode != 0 and "wanted 'module:function OBJECTIVE n=N" in done.stdout + done.stderr


def test_an_objective_without_k(tmp_path):
    done = pytest_in(tmp_path, "maxrl log@3 n=4", "rloo nothing n=4")
    assert "1 failed, 1 passed" in done.stdout and "wanted an objective" in done.stdout


def test_loading_the_plugin_costs_nothing():
    code = "import sys; import acute.pytest_plugin; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
