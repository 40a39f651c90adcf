"""Estimators on the prompts of a run folder, against a policy where everything is exact."""

import json

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from acute.cli.main import app
from acute.config import parse
from acute.core.agreement import agreement, kernel
from acute.core.prompt_weight import outcome_advantages, prompt_weight
from acute.errors import InputError, NotEnoughData
from acute.gradients.store import write_sketches
from acute.measure.conflict import Measured
from acute.profile_run import Scored, conflict_of_estimators, read_scored
from acute.run import Run
from acute.testing.load import load
from tests.core.worlds import softmax_world

NAMES = ["rloo", "grpo", "pkpo-loo-1", "pass-at-k-training"]


def sample(world, theta, per_fold, rng, folds=2):
    """Counts (N, M) and summed scores (N, M, 2, D) of a softmax policy, whole gradients."""
    pi, s, r = world.probabilities(theta), world.scores(theta), world.rewards
    N, _, D = s.shape
    n, c, sums = np.full((N, folds), float(per_fold)), np.zeros((N, folds)), np.zeros((N, folds, 2, D))
    for x in range(N):
        for m in range(folds):
            counts = rng.multinomial(per_fold, pi[x])
            right = r[x] == 1
            c[x, m] = counts[right].sum()
            sums[x, m, 0] = counts[~right] @ s[x][~right]
            sums[x, m, 1] = counts[right] @ s[x][right]
    return n, c, sums


@pytest.fixture(scope="module")
def world():
    return softmax_world(7, prompts=5), np.array([0.4, -0.6, 0.2, 0.9])


@pytest.mark.parametrize("name", NAMES)
def test_the_estimate_is_unbiased(world, name):
    """Mean over 300 samples of 2 x 8 responses against E[W(p) a], to four standard errors."""
    world, theta = world
    n, k, rng = 4, 3, np.random.default_rng(1)
    found = load(name, n, k)
    values = []
    for _ in range(300):
        counts = Measured(*sample(world, theta, 8, rng), np.inf)
        ids = [str(i) for i in range(5)]
        values.append(
            conflict_of_estimators(Scored(ids, counts, 0), [found], n, k)["estimators"][0]["inner"]["value"]
        )
    p, g = world.success(theta), world.gradients(theta)
    weight = prompt_weight(outcome_advantages(lambda r: found.advantage(r, k), n), p)
    want = np.mean(weight * agreement(kernel(g)))
    assert np.mean(values) == pytest.approx(want, abs=4 * np.std(values) / np.sqrt(300))
    assert abs(np.mean(values)) > 3 * np.std(values) / np.sqrt(300)  # the test can tell it from 0


@pytest.fixture
def folder(tmp_path, world):
    world, theta = world
    n, c, sums = sample(world, theta, 6, np.random.default_rng(3))
    return written(tmp_path / "run", n, c, sums)


def written(path, n, c, sums, rewards=True):
    run = Run.create(path, parse({"model": {"name": "toy"}, "prompts": {"source": "arithmetic"}}, "test"))
    names = [f"x{i}" for i in range(len(n))]
    rows = [
        (f"{name}-{m}-{j}", name, m, float(j < c[i, m]))
        for i, name in enumerate(names)
        for m in range(n.shape[1])
        for j in range(int(n[i, m]))
    ]
    columns = {
        "response_id": pa.array([r[0] for r in rows]),
        "prompt_id": pa.array([r[1] for r in rows]),
        "fold": pa.array([r[2] for r in rows], pa.int32()),
        "response": pa.array(["y"] * len(rows)),
        "token_ids": pa.array([[1]] * len(rows), pa.list_(pa.int32())),
        "logprob": pa.array([-1.0] * len(rows)),
        "finish": pa.array(["eos"] * len(rows)),
    }
    if rewards:
        columns["reward"] = pa.array([r[3] for r in rows])
    run.write_responses(pa.table(columns))
    write_sketches(path, (s.astype(np.float32) for s in sums[::-1]), sums.shape, {"prompt_ids": names[::-1]})
    return path


def test_a_folder_is_read_by_prompt_not_by_position(folder, world):
    world, theta = world
    scored = read_scored(folder, 4)
    _, c, sums = sample(world, theta, 6, np.random.default_rng(3))
    assert scored.prompt_ids == [f"x{i}" for i in range(5)] and scored.left_out == 0
    assert scored.measured.sums_NMOD == pytest.approx(sums, abs=1e-5)
    assert scored.measured.c_NM.tolist() == c.tolist()


def test_command(folder):
    done = CliRunner().invoke(app, ["profile", *NAMES, "--run", str(folder), "-n", "4", "-k", "3", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [x["name"] for x in found["estimators"]] == NAMES and len(found["prompts"]) == 5
    for x in found["estimators"]:
        inner = x["inner"]
        assert inner["lo"] <= inner["value"] <= inner["hi"] and 0 <= x["p_value_negative"] <= 1
        assert x["reweighted_agreement"]["value"] == pytest.approx(inner["value"] / x["mean_weight"])
        assert x["mean_weight"] == pytest.approx(np.mean([p["weight"][x["name"]] for p in found["prompts"]]))
    table = CliRunner().invoke(app, ["profile", "rloo", "--run", str(folder), "-n", "4", "-k", "3"])
    assert table.exit_code == 0 and "rloo" in table.stdout and "[" in table.stdout


def test_a_weight_of_zero_has_no_reweighted_prompts(folder):
    scored = read_scored(folder, 4)
    found = conflict_of_estimators(scored, [load("pass-at-k-training", 4, 4)], 4, 4)["estimators"][0]
    assert found["mean_weight"] == 0 and found["reweighted_agreement"] is None


def test_prompts_with_few_responses_are_left_out_and_counted(tmp_path, world):
    world, theta = world
    n, c, sums = sample(world, theta, 6, np.random.default_rng(3))
    n[1, 0], c[1, 0] = 3, min(c[1, 0], 3)
    path = written(tmp_path / "few", n, c, sums)
    assert read_scored(path, 4).left_out == 1
    done = CliRunner().invoke(app, ["profile", "rloo", "--run", str(path), "-n", "4", "-k", "3"])
    assert "1 prompts have fewer than 4" in done.stderr
    with pytest.raises(NotEnoughData, match="found at most 6: take a smaller -n"):
        read_scored(path, 7)


def test_a_folder_without_rewards_or_run(tmp_path, world):
    world, theta = world
    path = written(tmp_path / "bare", *sample(world, theta, 6, np.random.default_rng(3)), rewards=False)
    with pytest.raises(InputError, match="run acute verify"):
        read_scored(path, 4)
    with pytest.raises(InputError, match="wanted a run folder"):
        read_scored(tmp_path, 4)
