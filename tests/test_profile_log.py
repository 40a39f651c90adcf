"""`acute profile RUN`: counts and texts of a run folder, before any model is loaded."""

import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from acute.cli.main import app
from acute.core.advantages.registry import ESTIMATORS
from acute.core.prompt_weight import outcome_advantages, prompt_weight
from acute.errors import ConfigError, InputError, NotEnoughData
from tests.integrations.logs import acute, fails, written


def rows_of(counts, n=8, **changes):
    return [
        {"prompt_id": x, "prompt": f"{x}?", "answer": "4", "response": f"{x} {j}", "reward": float(j < c)}
        | changes
        for x, c in counts.items()
        for j in range(n)
    ]


@pytest.fixture
def folder(tmp_path):
    def made(rows, *options, name="run"):
        log = written(tmp_path / f"{name}.jsonl", rows)
        acute("import", log, "--format", "jsonl", "--out", tmp_path / name, *options)
        return tmp_path / name

    return made


def test_difficulty_and_signal(folder):
    found = acute("profile", folder(rows_of({"a": 0, "b": 1, "c": 4, "d": 8})))
    assert (found["prompts"], found["responses"], found["n"], found["k"]) == (4, 32, 8, 8)
    bars = {(bar["from"], bar["to"]): bar["prompts"] for bar in found["p_histogram"] if bar["prompts"]}
    assert bars == {(0, 0): 1, (0.1, 0.2): 1, (0.5, 0.6): 1, (1, 1): 1}
    assert found["zero_signal"] == {"no_success": 1, "all_success": 1, "share": 0.5}
    assert found["truncated"] is None and found["suspected_faults"] == []
    assert "groups" in found["notes"]
    assert [x["name"] for x in found["estimators"]] == [n for n, e in ESTIMATORS.items() if e.admits(8, 8)]


def test_weights_are_those_that_the_estimator_applies(folder):
    counts = {"a": 0, "b": 1, "c": 4, "d": 8}
    run = folder(rows_of(counts))
    rloo, grpo = acute("profile", run, "rloo", "grpo", "-n", "4")["estimators"]
    assert rloo["weight"] == pytest.approx(dict.fromkeys(counts, 1.0))
    # unbiased: over all draws of 3 from the prompt's 8 responses, the mean of D(c)
    D = outcome_advantages(lambda r: ESTIMATORS["grpo"].advantage(r, 4), 4).difference
    from math import comb

    for name, c in counts.items():
        ways = [comb(c, j) * comb(8 - c, 3 - j) for j in range(4)]
        assert grpo["weight"][name] == pytest.approx(np.dot(ways, D) / comb(8, 3))
    # a group of 4 from 8 responses is all right or all wrong that often
    silent = [1.0, comb(7, 4) / comb(8, 4), 2 / comb(8, 4), 1.0]
    assert grpo["without_signal"] == pytest.approx(np.mean(silent))
    assert grpo["cross_fitted"] is True


def test_weight_estimates_are_unbiased(folder):
    """Counts drawn at p = 0.3: the mean weight over many prompts is W(0.3)."""
    c = np.random.default_rng(0).binomial(8, 0.3, 600)
    run = folder(rows_of({f"x{i}": int(v) for i, v in enumerate(c)}))
    found = acute("profile", run, "pass-at-k-training", "-k", "4")["estimators"][0]
    advantages = outcome_advantages(lambda r: ESTIMATORS["pass-at-k-training"].advantage(r, 4), 8)
    values = list(found["weight"].values())
    wanted = float(prompt_weight(advantages, 0.3))
    assert np.mean(values) == pytest.approx(wanted, abs=4 * np.std(values) / np.sqrt(600))


def test_truncation(folder):
    rows = rows_of({"a": 2, "b": 6})
    for row in rows[:6]:
        row["finish"] = "length"
    for row in rows[6:12]:
        row["finish"] = "eos"
    found = acute("profile", folder(rows))["truncated"]
    assert found == {"responses": 6, "of": 12, "share": 0.5, "right": 2}


def test_suspected_faults(folder):
    rows = rows_of({"a": 4, "b": 4}, family="sums")
    rows[7] |= {"response": "So the answer is $\\boxed{4}$."}  # reward 0, and it is the answer
    rows[6] |= {"response": "first \\boxed{4}, no: the answer is 5"}  # its last word is another
    rows[0] |= {"response": "same"}
    rows[5] |= {"response": "same"}  # one is right, one is wrong
    rows[9] |= {"answer_found": "four"}
    rows[14] |= {"answer_found": "four"}
    rows[15] |= {"outcome": "timeout", "reward": None, "family": "sums"}
    found = {x["kind"]: x for x in acute("profile", folder(rows))["suspected_faults"]}
    assert {kind: x["examples"] for kind, x in found.items()} == {
        "checking timed out": ["b/00007"],
        "the right answer stands at the end, reward 0": ["a/00007"],
        "one response, two rewards": ["a/00000", "a/00005"],
        "one answer found, two rewards": ["b/00001", "b/00006"],
    }
    assert found["checking timed out"]["families"] == [{"family": "sums", "responses": 1, "of": 16}]


def test_few_responses_are_left_out_of_the_weights(folder):
    run = folder([*rows_of({"a": 4, "b": 2}), *rows_of({"c": 1}, n=3)])
    found = acute("profile", run, "rloo")
    assert (found["n"], found["prompts"], found["left_out"]) == (8, 3, 1)
    assert isinstance(fails("profile", run, "rloo", "-n", "20"), NotEnoughData)


def test_a_folder_without_rewards_or_run(tmp_path):
    assert isinstance(fails("profile", tmp_path), InputError)
    assert "wanted a run folder at" in str(fails("profile", tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["rloo", "--run", "x", "--plot", "y"], "--run and --plot cannot"),
        (["rloo", "--run", "x", "--rewards", "0,1,2"], "--run and --rewards cannot"),
        (["rloo", "--rewards", "0,1,2", "--plot", "y"], "--rewards and --plot cannot"),
        (["rloo", "--rewards", "0,1,2", "--objective", "pass@2"], "--rewards and --objective cannot"),
        ([".", "--run", "x"], "--run is not for"),
    ],
)
def test_no_option_is_dropped_in_silence(options, message):
    found = fails("profile", *options)
    assert isinstance(found, ConfigError) and message in str(found)


def test_no_torch_is_loaded_and_the_table_is_shown(folder):
    run = folder(rows_of({"a": 4, "b": 2}))
    code = (
        "import sys; from typer.testing import CliRunner; from acute.cli.main import app; "
        f"done = CliRunner().invoke(app, ['profile', {str(run)!r}]); assert done.exit_code == 0; "
        "assert 'torch' not in sys.modules; print(done.stdout)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "Difficulty" in done.stdout and "pkpo" in done.stdout and "truncated: not known" in done.stdout


def test_ids_of_a_log_give_the_terminal_no_commands(folder):
    rows = rows_of({"a\x1b[2J\u202eb": 4}, response="same")
    done = CliRunner().invoke(app, ["profile", str(folder(rows)), "rloo"])
    assert done.exit_code == 0 and "one response, two rewards" in done.output
    assert "\x1b[2J" not in done.output and "\u202e" not in done.output
    assert "U+001B" in done.output
