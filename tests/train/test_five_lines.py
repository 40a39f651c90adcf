"""The change that README and docs/train.md ask of a user of TRL: at most five lines, and both sides run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("trl")

from acute.train.state import read_log
from tests.test_architecture import blocks
from tests.tiny import prompt_rows

ROOT = Path(__file__).parent.parent.parent


def sides(page):
    lines = blocks(ROOT / page, "diff")[0].splitlines()
    before = [line[1:] for line in lines if not line.startswith("+")]
    after = [line[1:] for line in lines if not line.startswith("-")]
    return before, after, sum(line.startswith("+") for line in lines)


@pytest.mark.parametrize("page", ["README.md", "docs/train.md"])
def test_the_changed_lines_run(page, tiny_model, tmp_path):
    before, after, changed = sides(page)
    assert changed <= 5
    (tmp_path / "prompts.jsonl").write_text("\n".join(map(json.dumps, prompt_rows(8))))
    for name, lines in (("before", before), ("after", after)):
        code = "\n".join(lines).replace("path/or/hub-id", str(tiny_model)).replace('"out"', f'"{name}"')
        # a machine without a GPU has to be told so, by any user of TRL
        code = code.replace(
            "max_steps=4", "max_steps=4, use_cpu=True, bf16=False, report_to=[], max_completion_length=1"
        )
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
    assert not (tmp_path / "before" / "acute.jsonl").exists()
    rows = read_log(tmp_path / "after")
    assert [row["step"] for row in rows] == [0, 1, 2, 3] and "inner" in rows[0]
