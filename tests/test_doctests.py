"""Examples in docstrings are true."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

SRC = Path(__file__).parent.parent / "src"
MODULES = [
    ".".join(path.relative_to(SRC).with_suffix("").parts)
    for path in sorted((SRC / "acute" / "core").rglob("*.py"))
    if ">>>" in path.read_text()
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    found = doctest.testmod(import_module(name))
    assert found.attempted and not found.failed


def test_there_are_examples():
    assert len(MODULES) >= 4
