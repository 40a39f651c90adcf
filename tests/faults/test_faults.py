"""A short part of the campaign, and that it notices where a guard is missing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def campaign(*arguments):
    """In a process of its own: this one may have run torch, and a fork would inherit half of its threads."""
    command = [sys.executable, "-m", "tests.faults", *map(str, arguments)]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=500, env=one_thread)


def test_faults_lose_and_bend_nothing(tmp_path):
    done = campaign("--short", "--seed", 1, "--out", tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text())
    assert done.returncode == 0, done.stderr[-4000:]
    assert found["faults"] >= 15 and found["struck"] >= found["faults"] // 2
    assert found["lost"] == found["doubled"] == found["wrong"] == found["promises_broken"] == 0


@pytest.mark.parametrize(
    ("guard", "only", "said"),
    [("checksums of files", "file damaged/analyse", "was used though it was damaged")],
)
def test_the_campaign_notices_a_missing_guard(guard, only, said):
    done = campaign("--short", "--seed", 1, "--only", only, "--without", guard)
    assert done.returncode == 1
    assert said in done.stderr
