"""Dumps that verl's own functions wrote: nothing is lost, and pass@k is what counting by hand gives."""

import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from unittest.mock import MagicMock
from uuid import UUID

import numpy as np
import pytest
from verl.trainer.ppo.ray_trainer import RayPPOTrainer

from tests.integrations.logs import acute, by_hand, fails, prompts, responses

N, PROMPTS = 8, 12


@pytest.fixture
def trainer_class(request, monkeypatch):
    """verl's trainer, or its v1 trainer: that moves data by a package that dumping does not touch."""
    if request.param == "v1":
        monkeypatch.setitem(sys.modules, "transfer_queue", MagicMock())
        from verl.trainer.ppo.v1.trainer_base import PPOTrainer

        return PPOTrainer
    return RayPPOTrainer


def rollouts(seed, low=0.0):
    """A batch as verl holds it, groups interleaved: inputs, outputs, answers, scores, uids."""
    rng = np.random.default_rng(seed)
    rows = []
    for j in range(N):
        for x in range(PROMPTS):
            right = rng.random() < (x + 1) / (PROMPTS + 2)
            text = f"line one\nthe answer\u2028is {x if right else rng.integers(20, 30)} é"
            uid = str(UUID(int=1000 * seed + x))
            rows.append(
                (f"user\n{x} + 0 = ?\nassistant\n", text, str(x), 1.0 if right else low, f"{uid}_{j}_0")
            )
    return rows


def dump(kind, folder, step, rows, extra):
    """Call verl's own method, on an object that has what the method uses of a trainer."""
    trainer = SimpleNamespace(global_steps=step, _dump_executor=ThreadPoolExecutor(1), _dump_futures=[])
    trainer._write_generations = kind._write_generations
    inputs, outputs, gts, scores, _ = map(list, zip(*rows, strict=True))
    kind._dump_generations(
        trainer,
        inputs=inputs,
        outputs=outputs,
        gts=gts,
        scores=scores,
        reward_extra_infos_dict=extra,
        dump_path=str(folder),
    )
    for future in trainer._dump_futures:
        future.result()
    trainer._dump_executor.shutdown()


@pytest.mark.parametrize("trainer_class", ["trainer", "v1"], indirect=True)
@pytest.mark.parametrize("keys", [False, True], ids=["by text", "by uid"])
def test_rows_in_are_rows_out_and_pass_at_k_is_counted(trainer_class, keys, tmp_path):
    for step in (5, 10):
        rows = rollouts(step)
        # what _log_rollout_data of the v1 trainer writes, and the score function's own extras
        extra = {"acc": [bool(r[3]) for r in rows], **({"uid": [r[4] for r in rows]} if keys else {})}
        dump(trainer_class, tmp_path / "dump", step, rows, extra)
    out = tmp_path / "run"
    said = acute("import", tmp_path / "dump", "--format", "verl", "--out", out)
    assert said["responses"] == len(rows) == N * PROMPTS and said["prompts"] == PROMPTS
    texts = prompts(out)
    found = Counter(
        (texts[r["prompt_id"]]["prompt"], r["response"], texts[r["prompt_id"]]["answer"], r["reward"])
        for r in responses(out)
    )
    assert found == Counter(r[:4] for r in rows)
    assert ("keys {uid}_{rollout}_{output}" in said["notes"].get("uid", "")) is keys
    assert "2 steps, of which 10 was taken" in said["notes"]["steps"]
    groups = [[r[3] for r in rows if r[0] == prompt] for prompt in {r[0] for r in rows}]
    for k, estimate in acute("analyse", out)["analysis"]["pass_at_k"].items():
        assert estimate["value"] == pytest.approx(by_hand(groups, int(k)), abs=1e-12)


def test_scores_that_are_no_0_and_1(tmp_path):
    rows = rollouts(1, low=-1.0)
    dump(RayPPOTrainer, tmp_path / "dump", 1, rows, {"acc": [r[3] > 0 for r in rows]})
    options = ("import", tmp_path / "dump" / "1.jsonl", "--format", "verl", "--out")
    assert "found -1, 1: say above what" in str(fails(*options, tmp_path / "a"))
    acute(*options, tmp_path / "b", "--right-above", "0")
    acute(*options, tmp_path / "c", "--map", "reward=acc")
    cut, acc = responses(tmp_path / "b"), responses(tmp_path / "c")
    assert [r["reward"] for r in cut] == [r["reward"] for r in acc]
    assert {r["logged_reward"] for r in cut} == {-1.0, 1.0}


def test_the_file_is_verl_s_own(tmp_path):
    """What the test above relies on: the fields, in JSON lines named after the step."""
    dump(RayPPOTrainer, tmp_path, 3, rollouts(3), {})
    first = json.loads((tmp_path / "3.jsonl").read_text(encoding="utf-8").split("\n")[0])
    assert list(first) == ["input", "output", "gts", "score", "step"]
