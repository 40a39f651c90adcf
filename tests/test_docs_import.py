"""The commands of docs/import.md are run, and print what the page shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "import.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)


def test_the_page_shows_what_the_commands_print(tmp_path):
    (tmp_path / "log.jsonl").write_text(blocks("json")[0])
    commands = re.findall(r"^\$ acute (.*)\n((?:[^$\n].*\n)*)", blocks("console")[0], flags=re.M)
    assert len(commands) == 4
    for command, shown in commands:
        done = subprocess.run(
            [sys.executable, "-m", "acute", *command.split()],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, "COLUMNS": "120"},
        )
        no_answer = command.startswith("gate")  # the same folder twice: nothing to promote
        assert done.returncode in ((1, 3) if no_answer else (0,)), done.stderr
        for line in shown.splitlines():
            assert line in done.stdout + done.stderr, (command, line)
