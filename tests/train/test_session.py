"""`acute train`: configuration, resuming after a kill, two processes, what it prints."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("trl")

from typer.testing import CliRunner

from acute.cli.main import app
from acute.errors import AcuteError, ConfigError, InputError
from acute.gate_inputs import read_side
from acute.train.config import load, parse
from acute.train.evaluate import Asked, exact_row, sampled_row
from acute.train.session import open_folder, train
from acute.train.state import State, append_log, cut_log, keep_newest, last_checkpoint, read_log
from tests.tiny import prompt_rows

CONFIG = """
seed = 5
[model]
name = "{model}"
[prompts]
source = "prompts.jsonl"
[sampling]
n = 32
max_tokens = 1
[verify]
kind = "exact"
[train]
objective = "pass@4"
mitigation = "projection"
measure_every = 2
memory = 0.5
steps = {steps}
learning_rate = 0.02
prompts_per_step = 4
micro_batch = 32
save_every = 2
evaluate_every = 2
"""
ROOT = Path(__file__).parent.parent.parent
PATHS = os.pathsep.join([str(ROOT), *sys.path])


def write(folder, model, steps=6, extra=""):
    rows = [row | {"answer": str(i % 5)} for i, row in enumerate(prompt_rows(12))]
    (folder / "prompts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    path = folder / "config.toml"
    path.write_text(CONFIG.format(model=model, steps=steps) + extra)
    return path


def asked(*arguments):
    """A command that is run in this process."""
    return CliRunner().invoke(app, list(map(str, arguments)))


def command(*arguments):
    return [sys.executable, "-m", "acute", "train", *map(str, arguments)]


def test_a_training_and_what_it_prints(tiny_model, tmp_path):
    config = write(tmp_path, tiny_model)
    done = subprocess.run(
        command(config, "--out", tmp_path / "run", "--json"), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)  # nothing else on standard output
    assert found["steps"] == 6 and {"pass@1", "pass@4", "pass@1/even"} <= set(found["first"])
    assert len(read_log(tmp_path / "run")) == 6 and (Path(found["checkpoint"]) / "model.safetensors").exists()
    shown = asked("report", tmp_path / "run", "--json")
    assert Path(json.loads(shown.stdout)["report"]).read_text().startswith("<!doctype html>")
    again = asked("train", config, "--out", tmp_path / "run")
    assert again.exit_code == 0 and "6 steps, pass@4, mitigation projection" in again.stdout


def test_killed_and_started_again_it_takes_the_same_path(tiny_model, tmp_path):
    config = write(tmp_path, tiny_model, steps=16)  # it is killed long before they are done
    train(load(config), tmp_path / "whole")
    folder = tmp_path / "killed"
    process = subprocess.Popen(command(config, "--out", folder), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (folder / "acute.jsonl").exists() or len(read_log(folder)) < 5:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    at = len(read_log(folder))
    assert at < 16 and last_checkpoint(folder) is not None
    subprocess.run(command(config, "--out", folder), check=True, capture_output=True)
    whole = read_log(tmp_path / "whole")
    assert read_log(folder) == whole and any(row["pass@1"] > 0 for row in whole)
    exact = [read_log(path, "evaluation.jsonl") for path in (folder, tmp_path / "whole")]
    assert exact[0] == exact[1] and [row["step"] for row in exact[0]] == list(range(0, 17, 2))


def test_killed_before_its_first_checkpoint_it_begins_anew(tiny_model, tmp_path):
    config = load(write(tmp_path, tiny_model, steps=2))
    train(config, tmp_path / "whole")
    killed = tmp_path / "killed"
    open_folder(killed, config)
    for row in read_log(tmp_path / "whole"):
        append_log(killed, row)
    append_log(killed, read_log(tmp_path / "whole", "evaluation.jsonl")[0], "evaluation.jsonl")
    train(config, killed)
    for name in ("acute.jsonl", "evaluation.jsonl"):
        assert read_log(killed, name) == read_log(tmp_path / "whole", name)


ASKED = Asked(["x", "y", "z"], [(1,)] * 3, ["1"] * 3, ["a", "b", None], [{}] * 3)


def test_exact_success_of_all_and_of_families():
    found = exact_row(np.array([0.5, 0.0, 0.1]), ASKED, [1, 2])
    prompts = found.pop("prompts")
    assert found == pytest.approx(
        {
            "pass@1": 0.2,
            "pass@2": (0.75 + 0.19) / 3,
            "pass@1/a": 0.5,
            "pass@2/a": 0.75,
            "pass@1/b": 0,
            "pass@2/b": 0,
        }
    )
    assert prompts == {
        "x": {"p": 0.5, "family": "a"},
        "y": {"p": 0.0, "family": "b"},
        "z": {"p": 0.1, "family": None},
    }


def test_sampled_success_has_intervals_and_counts_no_failed_check():
    found = sampled_row([[1.0, 0.0, None, 1.0], [0.0] * 4, [1.0] * 4], ASKED, [1, 4])
    assert found["pass@1"] == pytest.approx((2 / 3 + 0 + 1) / 3) and found["pass@1/b"] == 0
    assert found["pass@4"] is None and found["intervals"]["pass@4"] is None  # x has three rewards
    assert found["pass@4/b"] == 0.0 and found["intervals"]["pass@4/b"]["lo"] is None  # no spread, no error
    inside = found["intervals"]["pass@1"]
    assert inside["lo"] < found["pass@1"] < inside["hi"]
    assert found["prompts"]["x"] == {"n": 3, "c": 2, "family": "a", "no_reward": 1}


def test_a_sampled_evaluation_agrees_with_the_exact_one(tiny_model, tmp_path):
    """The same weights, evaluated both ways; sampling does not change the training."""
    config = load(write(tmp_path, tiny_model, steps=2))
    sampled = config.train.model_copy(update={"evaluate_n": 4096})
    for name, of in (("exact", config.train), ("sampled", sampled)):
        train(config.model_copy(update={"train": of}), tmp_path / name)
    exact, drawn = (read_log(tmp_path / name, "evaluation.jsonl") for name in ("exact", "sampled"))
    assert [row["step"] for row in drawn] == [0, 2] and "pass@4096" in drawn[0]
    for a, b in zip(exact, drawn, strict=True):
        for name in ("pass@1", "pass@4", "pass@1/even"):
            assert abs(a[name] - b[name]) < 4 * b["intervals"][name]["se"], name
    assert drawn[0]["prompts"]["p00"]["c"] != drawn[1]["prompts"]["p00"]["c"]  # other responses each time
    assert read_log(tmp_path / "exact") == read_log(tmp_path / "sampled")


def test_a_sampled_evaluation_asks_the_same_verifier_as_training(tiny_model, tmp_path, monkeypatch):
    """A verifier of the user's own, that wants the question."""
    (tmp_path / "own.py").write_text(
        "def check(response, answer, prompt, family, **_):\n"
        "    return float(prompt.endswith('=') and family in ('even', 'odd') and response.isdigit())\n"
    )
    text = write(tmp_path, tiny_model, steps=1).read_text()
    text = text.replace('kind = "exact"', 'kind = "own:check"') + "evaluate_n = 64\n"
    (tmp_path / "own.toml").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    done = asked("train", tmp_path / "own.toml", "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output[-2000:]
    found = read_log(tmp_path / "run", "evaluation.jsonl")[0]
    assert 0.05 < found["pass@1"] < 0.95 and sum(row["no_reward"] for row in found["prompts"].values()) == 0


def test_the_gate_between_checkpoints(tiny_model, tmp_path):
    config = load(write(tmp_path, tiny_model, steps=6))
    train(config, tmp_path / "exact")
    sampled = config.train.model_copy(update={"evaluate_n": 64})
    train(config.model_copy(update={"train": sampled}), tmp_path / "sampled")

    def gate(base, candidate, *more):
        arguments = ["gate", str(tmp_path / base), str(tmp_path / candidate), "-k", "4", "--json", *more]
        done = CliRunner().invoke(app, arguments)
        return done.exit_code, json.loads(done.stdout) if done.stdout.startswith("{") else done.output

    rows = {row["step"]: row for row in read_log(tmp_path / "exact", "evaluation.jsonl")}
    code, found = gate("exact/checkpoint-0", "exact", "--these-prompts", "--by", "family")
    change = rows[6]["pass@1"] - rows[0]["pass@1"]
    assert found["pass_at_1"]["change"] == pytest.approx(change, abs=1e-12)
    assert found["pass_at_1"]["lower_bound"] == pytest.approx(found["pass_at_1"]["upper_bound"], abs=1e-12)
    up = rows[6]["pass@4"] > rows[0]["pass@4"] and change > -0.02
    assert code == (0 if up else 1) and {s["slice"] for s in found["slices"]} == {"even", "odd"}
    code, found = gate("exact/checkpoint-0", "exact/checkpoint-4")
    assert found["prompts"] == 12 and found["pass_at_1"]["se"] > 0 and code in (0, 1, 3)
    code, found = gate("exact/checkpoint-0", "sampled/checkpoint-2", "--these-prompts")
    logged = read_log(tmp_path / "sampled", "evaluation.jsonl")[1]["pass@1"]
    assert found["pass_at_1"]["candidate"] == pytest.approx(logged, abs=1e-12)
    with pytest.raises(InputError, match="found those at 0, 2, 4, 6"):
        read_side(tmp_path / "exact" / "checkpoint-3")
    open_folder(tmp_path / "bare", config)
    with pytest.raises(InputError, match="has no evaluation of its prompts"):
        read_side(tmp_path / "bare")


def test_the_exact_evaluation_is_what_sampling_converges_to(tiny_model, tmp_path):
    """p from one forward pass against the share of right answers of many rollouts of the same weights."""
    config = load(write(tmp_path, tiny_model, steps=2))
    sampling = config.sampling.model_copy(update={"n": 512})
    still = config.train.model_copy(
        update={"learning_rate": 1e-12, "prompts_per_step": 12, "micro_batch": 3072, "evaluate_every": 1}
    )
    train(config.model_copy(update={"sampling": sampling, "train": still}), tmp_path / "run")
    exact = read_log(tmp_path / "run", "evaluation.jsonl")[0]
    drawn = read_log(tmp_path / "run")
    sd = (exact["pass@1"] / (2 * 12 * 512)) ** 0.5
    for name, wide in (("pass@1", 1), ("pass@1/even", 1.5), ("pass@4", 4)):
        mean = sum(row[name] for row in drawn) / len(drawn)
        assert mean == pytest.approx(exact[name], abs=5 * wide * sd)
    assert {"pass@512", "pass@2/odd"} <= set(exact)


def test_other_seeds_give_other_trainings(tiny_model, tmp_path):
    config = load(write(tmp_path, tiny_model, steps=2))
    found = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        train(config.model_copy(update={"seed": seed}), tmp_path / name)
        found.append(read_log(tmp_path / name))
    assert found[0] == found[1] != found[2]
    assert any(row["pass@1"] > 0 for row in found[0])


def test_two_processes(tiny_model, tmp_path):
    """Each gets the advantages of its own responses (the script sees to it), and the command runs in both."""
    config = write(tmp_path, tiny_model, steps=3, extra="about = 'prompts'\n")
    single = train(load(config), tmp_path / "one")
    (tmp_path / "lora").mkdir()
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone"]
    script = Path(__file__).parent / "two_processes.py"
    arguments = map(str, [script, tiny_model, tmp_path / "lora", config, tmp_path / "two"])
    done = subprocess.run(
        [*launch, *arguments],
        capture_output=True, text=True, timeout=240, cwd=ROOT, env=os.environ | {"PYTHONPATH": PATHS},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    rows = read_log(tmp_path / "lora")
    assert [row["step"] for row in rows] == [0, 1, 2] and any(row["inner"] for row in rows)
    found = json.loads(done.stdout.splitlines()[-1])  # before it stand the lines of TRL's own log
    assert found["steps"] == 3 == single["steps"]
    rows = read_log(tmp_path / "two")
    assert [row["step"] for row in rows] == [0, 1, 2] and rows[0]["inner"] is not None
    assert {"pass@1/even", "pass@1/odd"} & set(rows[0])


def test_a_folder_refuses_another_training(tiny_model, tmp_path):
    config = load(write(tmp_path, tiny_model))
    folder = tmp_path / "run"
    open_folder(folder, config)
    longer = config.train.model_copy(update={"steps": 99})
    open_folder(folder, config.model_copy(update={"train": longer}))
    other = config.train.model_copy(update={"objective": "pass@8"})
    with pytest.raises(ConfigError, match=r"train\.objective = 'pass@4', found 'pass@8'"):
        open_folder(folder, config.model_copy(update={"train": other}))
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "x").write_text("")
    with pytest.raises(InputError, match="no training folder and not empty"):
        open_folder(tmp_path / "else", config)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train": {"objektive": "pass@4"}}, r"train\.objektive: unknown key; did you mean 'objective'"),
        ({"train": {"mitigation": "mixture"}}, "needs measurements"),
        ({"train": {"micro_batch": 7}}, r"8 · 16 = 128 and 7"),
        ({"train": {"optimizer": "lion"}}, r"train\.optimizer: wanted 'adamw' or 'sgd'"),
        ({"sampling": {"top_p": 0.9}}, r"sampling\.top_p: unknown key"),
        ({"score": {}}, "score: unknown key"),
        ({"train": {"evaluate_every": 1}}, "needs verify.kind = 'exact', found 'short'"),
        ({"train": {"evaluate_n": 8}}, "no meaning without train.evaluate_every"),
    ],
)
def test_configurations_that_cannot_be(change, words):
    plain = {"model": {"name": "m"}, "prompts": {"source": "arithmetic"}}
    with pytest.raises(ConfigError, match=words):
        parse(plain | change)


def test_bad_input_ends_with_2_and_one_line(tiny_model, tmp_path):
    config = write(tmp_path, tiny_model, extra="prompts_per_step = 99\n".replace("prompts_per_step", "level"))
    done = subprocess.run(command(config), capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2 and "level" in done.stderr and "Traceback" not in done.stderr
    text = (
        config.read_text()
        .replace("prompts_per_step = 4", "prompts_per_step = 16")
        .replace("level = 99\n", "")
    )
    config.write_text(text)
    error = asked("train", config, "--out", tmp_path / "run").exception
    assert isinstance(error, AcuteError) and error.exit_code == 2 and "at most the 12 prompts" in str(error)


def test_exact_evaluation_refuses_answers_that_more_than_one_sequence_may_spell(tiny_model, tmp_path):
    config = load(write(tmp_path, tiny_model))
    longer = config.model_copy(update={"sampling": config.sampling.model_copy(update={"max_tokens": 2})})
    with pytest.raises(ConfigError, match=r"answers of sampling\.max_tokens = 2 tokens, found '0' with 1"):
        train(longer, tmp_path / "run")


def test_the_state_comes_back_and_unfinished_checkpoints_do_not_count(tmp_path):
    for step in (2, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
    state = State(measured_at=1, inner=-0.5, norm_1=1.0, norm_k=2.0, agreement={"a": 0.25})
    state.save(tmp_path / "checkpoint-2", 2)
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-2"
    assert State.load(tmp_path / "checkpoint-2") == (state, 2)
    with pytest.raises(InputError, match=r"has no acute\.json"):
        State.load(tmp_path / "checkpoint-10")


def test_the_log_is_cut_to_the_checkpoint(tmp_path):
    for step in range(4):
        append_log(tmp_path, {"step": step})
    with (tmp_path / "acute.jsonl").open("a") as file:
        file.write('{"step": 4, "pa')
    cut_log(tmp_path, 2)
    assert read_log(tmp_path) == [{"step": 0}, {"step": 1}]
    with pytest.raises(ValueError):
        append_log(tmp_path, {"x": float("nan")})


def test_a_log_that_is_begun_anew_stays_beside(tmp_path):
    for step in (0, 1):
        append_log(tmp_path, {"step": step})
    cut_log(tmp_path, 1)
    assert not (tmp_path / "acute.jsonl.former").exists()
    cut_log(tmp_path, 0)
    assert read_log(tmp_path) == []
    assert read_log(tmp_path, "acute.jsonl.former") == [{"step": 0}]


def test_old_checkpoints_go_by_their_steps_not_by_their_dates(tmp_path):
    for step, date in ((2, 3e8), (4, 2e8), (10, 1e8)):  # the clock was set back
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        State().save(folder, step)
        os.utime(folder, (date, date))
    (tmp_path / "checkpoint-12").mkdir()  # not whole yet
    keep_newest(tmp_path, 2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-12", "checkpoint-4"]
