"""`torchrun -m acute score`: any number of ranks gives the same numbers, with whole and with sharded weights,
and a killed job goes on."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from acute.config import load
from acute.run import Run
from acute.stages import run_until
from tests.tiny import save_model, write_run

ROOT = Path(__file__).parent.parent
# case: what its configuration says of score, and of the model
CASES = {
    "sketch": {},
    "dots": {"engine": "dots"},
    "checkpointed": {"engine": "dots", "checkpointing": True},
    "adam": {"engine": "dots", "metric": "adam"},
    "lora": {"engine": "dots", "parameters": "lora"},
    "final-state": {"engine": "dots", "parameters": "final-state"},
    "last-block": {"parameters": "last-block", "tokens_at_once": 8},
}
# ranks: (case, over how many ranks the weights are split)
JOBS = {
    2: [("sketch", 1), ("dots", 1), ("checkpointed", 2), ("final-state", 2)],
    4: [("sketch", 1), ("sketch", 4), ("adam", 4), ("lora", 4), ("dots", 2), ("last-block", 2)],
}


def save_adapter(folder, model):
    """A LoRA whose B is not zero, as PEFT would start it."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    tuned = get_peft_model(
        AutoModelForCausalLM.from_pretrained(model),
        LoraConfig(r=2, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM"),
    )
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    tuned.save_pretrained(folder)
    return str(folder)


def save_moments(path, model):
    """Second moments of any size, some of them 0."""
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM

    torch.manual_seed(2)
    named = AutoModelForCausalLM.from_pretrained(model).named_parameters()
    save_file({name: torch.rand_like(p).sub(0.1).clamp(min=0).detach() for name, p in named}, path)
    return str(path)


@pytest.fixture(scope="module")
def verified(tmp_path_factory):
    """A run folder of each case whose responses are verified and not scored."""
    base = tmp_path_factory.mktemp("ranks")
    model = save_model(base / "model")
    adapter, moments = save_adapter(base / "adapter", model), save_moments(base / "v.safetensors", model)
    made = {}
    for case, settings in CASES.items():
        config = load(write_run(base / f"c-{case}", model))
        update = settings | ({"adam_state": moments} if case == "adam" else {})
        changes = {"score": config.score.model_copy(update=update)}
        if case == "lora":
            changes["model"] = config.model.model_copy(update={"adapter": adapter})
        run = Run.create(base / case, config.model_copy(update=changes))
        with run.lock():
            run_until(run, "verify")
        made[case] = base / case
    return made


def analysed(folder):
    run = Run.open(folder)
    with run.lock():
        run_until(run, "analyse")
    return run


@pytest.fixture(scope="module")
def alone(verified, tmp_path_factory):
    """Each case scored and analysed by one process."""
    base = tmp_path_factory.mktemp("alone")
    return {case: analysed(shutil.copytree(folder, base / case)) for case, folder in verified.items()}


def with_settings(folder, section, **settings):
    """The folder, its configuration changed as nobody should."""
    record = json.loads((folder / "run.json").read_text())
    record["config"][section] |= settings
    (folder / "run.json").write_text(json.dumps(record))
    return folder


@pytest.fixture(scope="module")
def done(verified, tmp_path_factory):
    """What all jobs said, and the folders that they scored: (ranks, case, split over) or a name."""
    base = tmp_path_factory.mktemp("jobs")
    folders = {
        (size, case, over): shutil.copytree(verified[case], base / f"{size}-{case}-{over}")
        for size, each in JOBS.items()
        for case, over in each
    }
    for name in ("lost", "nowhere", "reference"):
        folders[name] = shutil.copytree(verified["sketch"], base / name)
    with_settings(folders["nowhere"], "model", name=str(base / "no-model"))
    with_settings(folders["reference"], "score", engine="reference")
    refused = [(folders["nowhere"], 2), (folders["reference"], 2), (folders["nowhere"], 3)]
    named = {size: [(f, key[2]) for key, f in folders.items() if key[0] == size] for size in JOBS}
    jobs = [
        {"ranks": 2, "folders": named[2] + refused},
        {"ranks": 4, "folders": named[4]},
        {"ranks": 2, "folders": [(folders["lost"], 2)], "dies_after": 2},
        {"ranks": 3, "folders": [(folders["lost"], 3)]},
    ]
    command = [sys.executable, "-m", "tests.score_jobs", json.dumps(jobs, default=str)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=500, cwd=ROOT)
    return ended.stdout.splitlines(), folders, ended.stderr[-3000:]


def sums(run):
    return np.load(run.path / "sketch.npy").astype(float)


@pytest.mark.parametrize(("size", "case", "over"), [(s, c, o) for s, each in JOBS.items() for c, o in each])
def test_any_number_of_ranks_gives_the_numbers_of_one(alone, done, size, case, over):
    _, folders, err = done
    folder = folders[size, case, over]
    assert Run.open(folder).stands("score"), err
    one, found = alone[case], analysed(folder)
    facts = found.record["stages"]["score"]
    assert (facts["ranks"], facts["sharded_over"]) == (size, over)
    assert len(facts["rank_seconds"]) == len(facts["rank_cpu_seconds"]) == size
    assert sum(facts["rank_prompts"]) == 12
    assert np.abs(sums(found) - sums(one)).max() <= 1e-5 * np.abs(sums(one)).max()
    theirs, ours = (run.analysis()["conflict"] for run in (one, found))
    for a, b, cosine in zip(theirs["inner"], ours["inner"], theirs["cosine"], strict=True):
        # in units of ‖∇J_1‖‖∇J_k‖
        assert abs(a["value"] - b["value"]) <= 1e-5 * abs(a["value"] / cosine["value"])
    if CASES[case].get("engine") == "dots":
        same_dots(one, found)


def same_dots(one, found):
    """Exact products agree to rounding, and stand beside the sketch as they should."""
    theirs, ours = (run.responses()["score_dot"].to_pylist() for run in (one, found))
    assert [v is None for v in theirs] == [v is None for v in ours]
    known = np.array([(a, b) for a, b in zip(theirs, ours, strict=True) if a is not None])
    assert len(known) and np.abs(known[:, 0] - known[:, 1]).max() <= 1e-5 * np.abs(known).max()
    errors = [run.record["checks"]["dots"] for run in (one, found)]
    assert errors[0]["rms_error"] == pytest.approx(errors[1]["rms_error"], rel=1e-3, abs=1e-6)
    assert errors[1]["rms_error"] < 3 * errors[1]["expected"]


def test_what_cannot_be_sharded_is_refused_on_every_rank(done):
    lines, _, err = done
    for rank in (0, 1):
        said = [line for line in lines if line.startswith(f"rank {rank} of 2")][:3]
        assert len(said) == 3, err
        assert "ModelError: could not load" in said[0]
        assert "no sharded weights" in said[1] and "wanted a divisor" in said[2]


def test_a_lost_rank_loses_the_prompt_in_work_and_other_ranks_go_on(alone, done):
    lines, folders, err = done
    kept = json.loads(lines[-2])["parts"][str(folders["lost"])]
    assert f"a rank ended with status {signal.SIGKILL.value}" in lines
    assert any(line.startswith("rank 0 of 2: OutsideError: another rank has ended") for line in lines), err
    assert 2 <= kept < 12
    facts = Run.open(folders["lost"]).record["stages"]["score"]
    assert facts["ranks"] == facts["sharded_over"] == 3, err
    assert sum(facts["rank_prompts"]) == 12 - kept
    assert np.allclose(sums(Run.open(folders["lost"])), sums(alone["sketch"]), atol=1e-5)


def test_torchrun_starts_the_command(verified, alone, tmp_path):
    folder = shutil.copytree(verified["sketch"], tmp_path / "torchrun")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command = [*launch, "-m", "acute", "score", str(folder), "--json", "--shard-over", "2"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert json.loads(ended.stdout)["sharded_over"] == 2, ended.stderr[-2000:]
    assert np.allclose(sums(Run.open(folder)), sums(alone["sketch"]), atol=1e-5)


def test_other_stages_are_one_process(verified):
    done = subprocess.run(
        [sys.executable, "-m", "acute", "rollout", str(verified["sketch"])],
        capture_output=True, text=True, timeout=120, env=os.environ | {"WORLD_SIZE": "2", "RANK": "1"},
    )  # fmt: skip
    assert done.returncode == 2 and "without torchrun" in done.stderr
