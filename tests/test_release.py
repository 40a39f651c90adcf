"""What is shipped: the wheel holds all that runs, types included, and its entry points lead somewhere."""

import subprocess
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src" / "acute"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Folder with the wheel and the source distribution of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def test_the_wheel_holds_every_file_of_the_package(built):
    (wheel,) = built.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("acute/")}
    files = [p for p in SRC.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    assert held == {p.relative_to(SRC.parent).as_posix() for p in files}
    assert "acute/py.typed" in held


def test_entry_points_can_be_imported(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("entry_points.txt"))
        parser = ConfigParser(delimiters="=")
        parser.read_string(archive.read(name).decode())
    found = {group: dict(parser[group]) for group in parser.sections()}
    assert set(found) == {"console_scripts", "pytest11", "verl.plugins"}
    assert callable(import_module("acute.cli.main").main)
    for group in found.values():
        for target in group.values():
            assert (SRC.parent / (target.partition(":")[0].replace(".", "/") + ".py")).is_file()


def test_the_source_distribution_can_be_tested(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        held = {Path(*Path(name).parts[1:]).as_posix() for name in archive.getnames()}
    assert {
        "pyproject.toml",
        "Makefile",
        "constraints.txt",
        "constraints-verl.txt",
        "LICENSE",
        "LOG.md",
    } <= held
    assert {"src/acute/core/objectives/registry.py", "tests/conftest.py", "docs/theory.md"} <= held
