"""The experiment's own arithmetic (examples/tradeoff), against the slow definitions."""

import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "tradeoff"))

from exact import walk
from methods import METHODS, OPTIMIZERS
from sampled import draw, estimate, sampled_walk
from world import World, dot

from acute.core.mitigations.seen import Seen
from acute.gradients.exact import inner_products, success_gradient, success_probability
from acute.gradients.forward import Sampled
from acute.train.mitigate import REWEIGHT
from acute.train.target import target

PROMPTS = Path(__file__).parents[2] / "src" / "acute" / "quickstart" / "override.jsonl"
QUESTIONS = [("1+2=", "a"), ("1+3=", "b"), ("what is 7", "b"), ("1+2=", "a")]


def make(tiny_model, folder, answers):
    rows = [
        {"prompt_id": str(i), "prompt": q, "answer": a, "family": f}
        for i, ((q, f), a) in enumerate(zip(QUESTIONS, answers, strict=True))
    ]
    path = folder / "prompts.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return World(path, str(tiny_model))


@pytest.fixture
def tiny_world(tiny_model, tmp_path):
    return make(tiny_model, tmp_path, ["3", "44", "14", "5"])


@pytest.fixture
def likely_world(tiny_model, tmp_path):
    """Answers of two tokens that the tiny model gives often."""
    world = make(tiny_model, tmp_path, ["12"] * 4)
    world.parameters["model.norm.weight"].data.mul_(8)  # a policy that is surer of itself
    world.start = [p.detach().clone() for p in world.parameters.values()]
    _, batch = draw(world, 200, torch.Generator().manual_seed(9))
    likely = [
        next(r for r in np.argsort(-np.bincount(row)) if len(batch.tokens[r]) == 2)
        for row in batch.response_Nn
    ]
    world.answers = [batch.tokens[r] for r in likely]
    world.pack()
    return world


def one_by_one(world):
    """p and ∇p of each prompt, from a pass of its own."""
    return [
        success_gradient(world.policy.model, world.parameters, prompt, answer, Sampled())
        for prompt, answer in zip(world.prompts, world.answers, strict=True)
    ]


def test_the_packed_pass_is_the_prompts_one_by_one(tiny_world):
    pairs, p = one_by_one(tiny_world), tiny_world.success()
    assert p.detach().numpy() == pytest.approx([a for a, _ in pairs], rel=1e-4)
    weight = np.array([0.5, 2.0, 0.0, -1.0])
    found = tiny_world.gradient(p, weight, last=True)
    for i, part in enumerate(found):
        slow = sum(w * g[i] for w, (_, g) in zip(weight, pairs, strict=True)) / 4
        torch.testing.assert_close(part, slow, rtol=1e-3, atol=1e-7)
    a = tiny_world.agreement(found)
    assert a == pytest.approx([dot(g, found) for _, g in pairs], rel=1e-3, abs=1e-9)


def test_draws_are_the_policys_and_estimates_are_its_gradient(likely_world):
    n, generator = 20000, torch.Generator().manual_seed(0)
    p_N, batch = draw(likely_world, n, generator)
    slow = [
        success_probability(likely_world.policy.model, prompt, answer, Sampled())
        for prompt, answer in zip(likely_world.prompts, likely_world.answers, strict=True)
    ]
    assert p_N == pytest.approx(slow, rel=1e-4) and p_N.max() > 0.02
    assert np.abs(batch.right_Nn.mean(1) - p_N).max() < 5 * (max(slow) / n) ** 0.5
    exact = likely_world.gradient(likely_world.success(), np.ones(4), last=True)
    found = estimate(likely_world, batch, "pass@1", [0, 1], last=True)
    size = dot(exact, exact) ** 0.5
    off = [a - b for a, b in zip(found, exact, strict=True)]
    assert dot(off, off) ** 0.5 < 0.25 * size and dot(found, exact) > 0.9 * size**2


def test_an_estimate_is_the_advantages_times_the_scores(likely_world):
    _, batch = draw(likely_world, 64, torch.Generator().manual_seed(1))
    assert 0 < batch.right_Nn.mean() < 1
    found = estimate(likely_world, batch, "pass@2", [1], last=False)
    advantage = target("pass@2").advantage(batch.right_Nn[:, 1::2])
    values = batch.logprob_U[torch.from_numpy(batch.response_Nn[:, 1::2])]
    loss = (torch.from_numpy(advantage) * values).sum() / 128
    slow = torch.autograd.grad(loss, list(likely_world.parameters.values()))
    for a, b in zip(found, slow, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-7)


def test_the_same_seed_takes_the_same_path(likely_world):
    paths = [list(sampled_walk(likely_world, "projection", "sgd", 0.01, 2, seed, k=2)) for seed in (3, 3, 4)]
    assert paths[0] == paths[1] and paths[0] != paths[2]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_walks_and_promises_what_small_steps_keep(tiny_world, method):
    rows = list(walk(tiny_world, method, "sgd", 1e-3, 2, k=4))
    assert [row["step"] for row in rows] == [0, 1, 2]
    for before, after in pairwise(rows):
        change = after["pass@1"] - before["pass@1"]
        assert change == pytest.approx(before["promised pass@1"], rel=0.2, abs=1e-6)
    assert rows[0]["length"] <= 1e-3 * (1 + 1e-5)


def test_the_page_of_results_holds_the_tables_that_the_files_give(capsys):
    import summary

    for part in (summary.table_of_methods, summary.table_of_signs, summary.families, summary.table_of_seeds):
        part()
    page = (Path(__file__).parents[2] / "docs" / "results.md").read_text()
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert len(rows) > 40 and [row for row in rows if row not in page] == []


def test_adam_is_torchs():
    parameter = torch.nn.Parameter(torch.ones(3))
    theirs = torch.optim.AdamW([parameter], lr=0.1, weight_decay=0.0)
    ours, at = OPTIMIZERS["adamw"](0.1), torch.ones(3)
    for gradient in (torch.tensor([0.3, -0.2, 0.0]), torch.tensor([-0.1, 0.4, 0.5])):
        parameter.grad = -gradient  # torch descends
        theirs.step()
        at = at + ours.step([gradient])[0]
    torch.testing.assert_close(at, parameter.detach())


PROTECTING = ("mixture", "projection", "projection-0.5", "upgrad", "pcd")
PROTECTING_BY_PROMPT = ("reweighting", "clip", "power")


@pytest.mark.model
def test_on_smollm2_no_small_exact_step_of_a_mitigation_goes_against_pass_at_1(tmp_path):
    """⟨step, ∇J_1⟩ ≥ 0 within rounding for each that guarantees it, and not for pass@16's own step."""
    from methods import mixed, pass_k_weight

    def dot(a, b):
        return float(inner_products([a], b)[0])  # in a third of the time that double precision takes

    some, lines = tmp_path / "prompts.jsonl", PROMPTS.read_text().splitlines()
    some.write_text("\n".join(lines[1:4] + lines[11:14]))  # three sums, and three that they pull against
    world = World(some)
    p = world.success()
    p_N = p.detach().numpy().copy()
    w = pass_k_weight(p_N, 16)
    first, kth = world.gradient(p, np.ones(len(p_N))), world.gradient(p, w)
    a = world.agreement(first)
    seen = Seen(w, a, float((w * a).mean()), float(a.mean()), dot(kth, kth))
    assert seen.norm_1 == pytest.approx(dot(first, first), rel=1e-3)  # two independent ways to both
    assert seen.inner == pytest.approx(dot(first, kth), rel=1e-3) and seen.inner < 0

    def cosine(step):
        return dot(step, first) / (dot(step, step) * seen.norm_1) ** 0.5

    def holds(along):
        """The step itself to the rounding of the arithmetic, θ' - θ to that of weights kept in float32."""
        world.reset()
        world.move(along, 0.01 / dot(along, along) ** 0.5)
        taken = [q.detach().sub_(s) for q, s in zip(world.parameters.values(), world.start, strict=True)]
        return cosine(along) >= -1e-5 and cosine(taken) >= -1e-4

    by_prompt = {m: world.gradient(p, REWEIGHT[m](seen, 0.0).of(w)) for m in PROTECTING_BY_PROMPT}
    assert cosine(kth) < -0.05 and not holds(kth)
    for method in PROTECTING:
        name, _, margin = method.partition("-")
        v = REWEIGHT[name](seen, float(margin or 0))
        assert holds(mixed(v.scale, kth, float(v.added_N[0]), first)), method
    for method, along in by_prompt.items():
        assert holds(along), method
