"""`PassKTrainer` on a tiny model: what it does to the loss, what it measures, what it refuses."""

import numpy as np
import pytest

pytest.importorskip("trl")

import torch
from trl import GRPOTrainer

from acute.core.advantages.pass_at_k import pass_at_k_leave_one_out
from acute.core.advantages.pass_at_one import rloo
from acute.errors import ConfigError, OutsideError
from acute.train.options import Options
from acute.train.state import read_log
from acute.train.trl import PassKTrainer, check_trl
from tests.train.trainers import losses, parameters, trainer


class PlainWith(GRPOTrainer):
    """TRL's own trainer, with RLOO advantages put in as its maintainers advise."""

    def _calculate_rewards(self, *args):
        self.kept = super()._calculate_rewards(*args)
        return self.kept

    def _generate_and_score_completions(self, inputs):
        out = super()._generate_and_score_completions(inputs)
        out["advantages"] = rloo(self.kept.reshape(-1, self.num_generations)).reshape(-1)
        return out


@pytest.mark.parametrize("loss_type", ["dr_grpo", "dapo"])
def test_pass_at_1_without_mitigation_is_plain_trl(tiny_model, tmp_path, loss_type):
    ours = trainer(tiny_model, tmp_path / "a", config={"loss_type": loss_type}, objective="pass@1")
    ours.train()
    plain = trainer(tiny_model, tmp_path / "b", kind=PlainWith, config={"loss_type": loss_type})
    plain.train()
    assert len(losses(ours)) == 3 and any(abs(x) > 1e-4 for x in losses(ours))
    assert losses(ours) == pytest.approx(losses(plain), abs=1e-6)
    for name, p in parameters(plain).items():
        torch.testing.assert_close(parameters(ours)[name], p, atol=1e-6, rtol=0)


class Spy(PassKTrainer):
    """Keeps what it was given and what it gave."""

    def __init__(self, *args, **kwargs):
        self.seen = []
        super().__init__(*args, **kwargs)

    def _generate_and_score_completions(self, inputs):
        out = super()._generate_and_score_completions(inputs)
        self.seen.append((self._given_rewards.reshape(-1, 8), out["advantages"].reshape(-1, 8), inputs, out))
        return out


@pytest.mark.parametrize(
    ("objective", "formula"),
    [("pass@4", lambda r: pass_at_k_leave_one_out(r, 4)), ("pkpo-loo-1@4", None), ("pass@1", rloo)],
)
def test_advantages_are_those_of_the_objective(tiny_model, tmp_path, objective, formula):
    from acute.core.advantages.pass_at_k import pkpo_loo_minus_one

    of = trainer(tiny_model, tmp_path, kind=Spy, objective=objective)
    of.train()
    for rewards, given, _, _ in of.seen:
        wanted = (formula or (lambda r: pkpo_loo_minus_one(r, 4)))(rewards.double())
        torch.testing.assert_close(given.double(), wanted, atol=1e-5, rtol=1e-5)
    assert any(given.abs().max() > 0 for _, given, _, _ in of.seen)


def one_by_one_products(of, rewards, out, k, temperature):
    """⟨∇J_k, ∇J_1⟩ of different prompts from one backward a response: nothing shared, nothing sketched."""
    model = of.model.eval()
    of_1, of_k = [], []
    for x in range(len(rewards)):
        sums = []
        for advantage in (rloo(rewards[x]), pass_at_k_leave_one_out(rewards[x], k)):
            model.zero_grad()
            for j in range(8):
                row = 8 * x + j
                prompt = out["prompt_ids"][row][out["prompt_mask"][row].bool()]
                response = out["completion_ids"][row][out["completion_mask"][row].bool()]
                logits = model(torch.cat([prompt, response])[None]).logits[0, len(prompt) - 1 : -1]
                logprob = (logits / temperature).log_softmax(-1).gather(1, response[:, None]).sum()
                (advantage[j] / 8 * logprob).backward()
            sums.append(torch.cat([p.grad.flatten() for p in model.parameters()]).double())
        of_1.append(sums[0])
        of_k.append(sums[1])
    gram = torch.stack(of_k) @ torch.stack(of_1).T
    N = len(rewards)
    return float((gram.sum() - gram.diagonal().sum()) / (N * (N - 1)))


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_what_is_measured_is_the_product_of_the_gradients(tiny_model, tmp_path, temperature):
    options = Options(objective="pass@4", measure_every=1, sketch_size=65536)
    of = trainer(
        tiny_model,
        tmp_path,
        kind=Spy,
        options=options,
        config={"temperature": temperature, "learning_rate": 0.0, "max_steps": 1},
    )
    of.train()
    rewards, _, _, out = of.seen[0]
    truth = one_by_one_products(of, rewards, out, 4, temperature)
    row = read_log(tmp_path)[0]
    size = np.sqrt(row["norm_1"] * row["norm_k"]) if row["norm_1"] > 0 and row["norm_k"] > 0 else abs(truth)
    assert row["inner"]["value"] == pytest.approx(truth, abs=0.02 * size)


def test_measuring_changes_nothing_in_the_training(tiny_model, tmp_path):
    found = []
    for name, every in (("a", 0), ("b", 1)):
        # a batch is generated twice in each accumulated step: the second measurement meets gradients
        config = {"steps_per_generation": 1, "gradient_accumulation_steps": 2}
        of = trainer(tiny_model, tmp_path / name, objective="pass@4", measure_every=every, config=config)
        of.train()
        found.append(parameters(of))
    for name, p in found[0].items():
        assert torch.equal(p, found[1][name]), name


def test_projection_is_executed_as_weights_on_the_advantages(tiny_model, tmp_path):
    of = trainer(
        tiny_model, tmp_path, kind=Spy, options=Options(
            objective="pass@4", mitigation="projection", measure_every=1, margin=1.0
        ),
    )  # fmt: skip
    of.train()
    mended = 0
    for (rewards, given, _, _), row in zip(of.seen, read_log(tmp_path), strict=True):
        own, first = pass_at_k_leave_one_out(rewards.double(), 4), rloo(rewards.double())
        added = 0.0
        if row["mended"]:
            inner = row["inner"]["value"]
            added = (row["norm_1"] - inner) / row["norm_1"]
            mended += 1
        torch.testing.assert_close(given.double(), own + added * first, atol=1e-5, rtol=1e-4)
    assert mended


def test_what_is_logged(tiny_model, tmp_path):
    of = trainer(tiny_model, tmp_path, objective="pass@4", mitigation="mixture", measure_every=2)
    of.train()
    rows = read_log(tmp_path)
    assert [row["step"] for row in rows] == [0, 1, 2]
    assert ["inner" in row for row in rows] == [True, False, True]
    assert {"pass@1", "pass@4", "pass@1/even", "pass@4/odd", "lambda", "k", "mended"} <= set(rows[0])
    assert set(rows[0]["agreement"]) == {"even", "odd"} and {"lo", "hi"} <= set(rows[0]["inner"])
    logged = of.state.log_history[0]
    assert logged["acute/pass@1"] == pytest.approx(rows[0]["pass@1"])
    assert {"acute/pass@4", "acute/pass@1/odd", "acute/agreement/odd"} <= set(logged)
    if rows[0]["cosine_k"]:
        assert logged["acute/cosine_k"] == pytest.approx(rows[0]["cosine_k"]["value"])


def policy_gradient(of, advantages, out):
    """Σ_i A_i ∇ log π(y_i), one response at a time, as one vector."""
    model = of.model.eval()
    model.zero_grad()
    for i, advantage in enumerate(advantages.flatten()):
        prompt = out["prompt_ids"][i][out["prompt_mask"][i].bool()]
        response = out["completion_ids"][i][out["completion_mask"][i].bool()]
        logits = model(torch.cat([prompt, response])[None]).logits[0, len(prompt) - 1 : -1]
        (advantage * logits.log_softmax(-1).gather(1, response[:, None]).sum()).backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


@pytest.mark.parametrize(
    ("loss_type", "level", "straight"),
    [
        *((name, "token", True) for name in ("dapo", "dr_grpo", "luspo", "cispo", "vespo")),
        ("luspo", "sequence", True),
        *((name, "token", False) for name in ("grpo", "bnpo", "sapo")),
    ],
)
def test_which_losses_keep_the_advantages_gradient(
    tiny_model, tmp_path, monkeypatch, loss_type, level, straight
):
    """The step of plain gradient descent is along Σ A_i ∇ log π(y_i) for the losses allowed, no others."""
    monkeypatch.setattr("acute.train.trl.check_settings", lambda _: None)
    config = {
        "loss_type": loss_type,
        "importance_sampling_level": level,
        "optim": "sgd",
        "max_grad_norm": 0.0,
    }
    config |= {"max_steps": 1, "learning_rate": 1e-3, "max_completion_length": 6}
    config |= {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 8}
    of = trainer(tiny_model, tmp_path, kind=Spy, objective="pass@4", config=config)
    before = torch.cat([p.detach().flatten() for p in of.model.parameters()]).clone()
    of.train()
    step = torch.cat([p.detach().flatten() for p in of.model.parameters()]) - before
    with torch.no_grad():  # back to where the step was taken
        torch.nn.utils.vector_to_parameters(before, of.model.parameters())
    _, given, _, out = of.seen[0]
    wanted = policy_gradient(of, given, out)
    cosine = torch.nn.functional.cosine_similarity(step.double(), wanted.double(), dim=0).item()
    assert (cosine > 1 - 1e-4) == straight, cosine


@pytest.mark.parametrize(
    "mitigation",
    [
        "mixture",
        "projection",
        "reweighting",
        "clip",
        "dropping",
        "power",
        "upgrad",
        "pcd",
        "adaptive-k",
        "annealing",
    ],
)
def test_every_mitigation_trains_a_lora(tiny_model, tmp_path, mitigation):
    every = 0 if mitigation == "annealing" else 1
    config = {"learning_rate": 1e-1, "max_steps": 2}
    of = trainer(
        tiny_model,
        tmp_path,
        objective="pass@4",
        mitigation=mitigation,
        measure_every=every,
        lora=True,
        config=config,
    )
    before = parameters(of)
    of.train()
    changed = {name for name, p in parameters(of).items() if not torch.equal(p, before[name])}
    assert changed and all("lora_" in name for name in changed)
    ks = [row["k"] for row in read_log(tmp_path)]
    assert ks == [4, 1] if mitigation == "annealing" else all(1 <= k <= 4 for k in ks)


@pytest.mark.parametrize(
    ("config", "options", "words"),
    [
        ({"loss_type": "grpo"}, {}, "loss_type: wanted .*'dr_grpo'.*found 'grpo'.*length"),
        ({"loss_type": "bnpo", "top_p": 0.9}, {}, "loss_type.*; .*top_p.*found 0.9"),
        ({"mask_truncated_completions": True}, {}, "mask_truncated_completions"),
        ({}, {"objective": "pass@16"}, "num_generations of 16 or more, found 8"),
        ({}, {"objective": "best"}, "or an estimator"),
        ({}, {"mitigation": "mixture"}, "needs measurements"),
        ({}, {"mitigation": "magic"}, "wanted one of none, mixture"),
        ({}, {"measure_every": -1}, "measure_every: wanted greater than or equal to 0"),
        (
            {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 1},
            {"measure_every": 1},
            "2 or more",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(tiny_model, tmp_path, config, options, words):
    with pytest.raises(ConfigError, match=words):
        trainer(tiny_model, tmp_path, config=config, **({"objective": "pass@4"} | options))


def test_the_private_methods_are_those_that_were_tried():
    check_trl()

    class Other(GRPOTrainer):
        def _calculate_rewards(self, inputs, completions):
            pass

    with pytest.raises(OutsideError, match=r"_calculate_rewards.*install trl==1\.16\.0"):
        check_trl(Other)


def test_the_batch_that_trl_makes_has_the_form_that_is_relied_on(tiny_model, tmp_path):
    of = trainer(tiny_model, tmp_path, kind=Spy, objective="pass@4", config={"max_steps": 1})
    of.train()
    rewards, given, inputs, out = of.seen[0]
    assert {"prompt_ids", "prompt_mask", "completion_ids", "completion_mask", "advantages"} <= set(out)
    assert len(inputs) == rewards.numel() == given.numel() == 32
    for group in range(4):  # prompt by prompt, before any shuffle
        assert len({row["prompt_id"] for row in inputs[8 * group : 8 * group + 8]}) == 1
    assert isinstance(of._metrics["train"], dict) and of._logs["advantages"].maxlen == 32


def test_rewards_that_are_not_known_are_left_out():
    from acute.train.advantages import in_groups
    from acute.train.target import target

    nan = float("nan")
    rewards = np.array([[1, 0, 0, 1.0], [1, nan, 0, 0], [nan, nan, nan, 1]])
    found = in_groups(rewards, target("pass@2"))
    assert found[0] == pytest.approx(pass_at_k_leave_one_out([1, 0, 0, 1], 2))
    assert found[1, [0, 2, 3]] == pytest.approx(pass_at_k_leave_one_out([1, 0, 0], 2)) and found[1, 1] == 0
    assert not found[2].any()
