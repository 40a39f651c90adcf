"""`acute gate`: exit codes, one JSON object, and what is left out is said."""

import json
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from acute.cli.main import app
from tests.test_gate_inputs import jsonl, run_folder


def counts(path, seed=0, N=150, n=32, lift=0.0, shift=0.0):
    """A counts file of prompts of two families; the p are the same for every seed of the rollouts."""
    p = np.random.default_rng(99).beta(0.4, 0.8, N)
    q = np.clip(p + shift + lift * (1 - p) ** 7, 0, 1)
    c = np.random.default_rng(seed).binomial(n, q)
    return jsonl(path, [{"id": i, "n": n, "c": int(x), "family": "ab"[i % 2]} for i, x in enumerate(c)])


@pytest.fixture
def files(tmp_path):
    return {
        "base": counts(tmp_path / "base.jsonl"),
        "better": counts(tmp_path / "better.jsonl", seed=1, lift=0.1),
        "worse": counts(tmp_path / "worse.jsonl", seed=2, shift=-0.1),
        "same": counts(tmp_path / "same.jsonl", seed=3),
    }


def gate(*arguments):
    return CliRunner().invoke(app, ["gate", *map(str, arguments)])


@pytest.mark.parametrize(
    ("candidate", "code", "word"),
    [("better", 0, "PROMOTE"), ("worse", 1, "DO NOT PROMOTE"), ("same", 3, "CANNOT TELL")],
)
def test_exit_code_says_the_answer(files, candidate, code, word):
    done = gate(files["base"], files[candidate])
    assert done.exit_code == code, done.output
    assert done.stdout.strip().splitlines()[-1] == word


@pytest.mark.parametrize("candidate", ["better", "worse", "same"])
def test_json_is_one_object(files, candidate):
    done = gate(files["base"], files[candidate], "--by", "family", "--json", "--looks", "4", "-k", "4")
    found = json.loads(done.stdout)
    assert found["exit_code"] == done.exit_code
    assert (found["k"], found["level"], found["prompts"]) == (4, 0.0125, 150)
    assert found["pass_at_1"]["wanted_above"] == -0.02 and found["pass_at_k"]["k"] == 4
    for part in (found, *found["slices"]):
        for change in (part["pass_at_1"], part["pass_at_k"]):
            assert change["lower_bound"] < change["change"] < change["upper_bound"]
    assert [s["slice"] for s in found["slices"]] == ["a", "b"]
    assert sum(s["prompts"] for s in found["slices"]) == 150
    assert bool(found["reasons"]) == (found["answer"] != "promote")
    assert (found["answer"] == "cannot tell") or found["prompts_needed"] is None


def test_slices_in_the_table(files):
    done = gate(files["base"], files["better"], "--by", "family")
    assert "a pass@8" in done.stdout and "b pass@1" in done.stdout and "Holm" in done.stdout


def test_prompts_of_one_side_only_are_said(files, tmp_path):
    fewer = tmp_path / "fewer.jsonl"
    fewer.write_text("\n".join(files["better"].read_text().splitlines()[10:]))
    done = gate(files["base"], fewer)
    assert "10 prompts are in the base only: left out" in done.stderr
    assert json.loads(gate(fewer, files["base"], "--json").stdout)["only_in_candidate"] == 10


def test_run_folder_against_counts_file(tmp_path):
    names = [f"p{i:03d}" for i in range(60)]
    folder = run_folder(tmp_path / "run", dict.fromkeys(names, (16, 4)), no_reward=1)
    file = jsonl(tmp_path / "c.jsonl", [{"id": x, "n": 16, "c": 8 + i % 3} for i, x in enumerate(names)])
    done = gate(folder, file, "--json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["answer"]) == (0, "promote")
    assert found["chance_unseen"] == pytest.approx(0.98**60)
    assert "60 prompts are few" in gate(folder, file).stderr
    assert found["responses_without_reward"] == {"base": 60, "candidate": 0}
    assert found["pass_at_1"]["base"] == pytest.approx(0.25)


def test_bad_input_is_one_line_and_exit_code_2(files, tmp_path):
    for arguments, words in (
        ([files["base"], tmp_path / "none"], "found nothing there"),
        ([files["base"], files["same"], "-k", "33"], "at least 33 rewarded responses a prompt"),
        ([files["base"], files["same"], "--margin", "2"], "margin must be in [0, 1)"),
        ([files["base"], files["same"], "--every-slice"], "every_slice wants prompts with a slice"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "acute", "gate", *map(str, arguments)], capture_output=True, text=True
        )
        assert done.returncode == 2
        assert done.stderr.startswith("acute: ") and words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_without_any_difference_the_error_is_null(files):
    done = gate(files["base"], files["base"], "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 3
    assert found["pass_at_1"]["se"] is None and found["pass_at_1"]["lower_bound"] < 0
