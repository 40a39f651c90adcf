"""The tables of docs/scaling.md are what the plan says, and its commands run."""

import runpy
from pathlib import Path

import pytest
from typer.testing import CliRunner

from acute.cli.main import app

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "scaling.md").read_text()


@pytest.mark.parametrize("name", ["8b", "70b"])
def test_the_tables_are_of_the_plans(name):
    made = runpy.run_path(str(ROOT / "examples" / "scaling" / "settings.py"))
    assert made["table"](name) in PAGE, "python examples/scaling/settings.py --write"


COMMANDS = [line[2:] for line in PAGE.splitlines() if line.startswith("$ acute plan examples")]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_run(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(app, command.split()[1:], catch_exceptions=False)
    assert done.exit_code == 0 and "H200" in done.stdout


def test_there_are_commands_to_run():
    assert len(COMMANDS) == 3
