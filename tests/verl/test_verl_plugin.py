"""The plug-in as verl loads it: its registry, its DataProto, its own configuration."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY
from verl.trainer.ppo.ray_trainer import compute_advantage

from acute.core.advantages.pass_at_k import pass_at_k_leave_one_out, pkpo_loo_minus_one
from acute.core.advantages.pass_at_one import rloo
from acute.errors import ConfigError
from acute.integrations.side_file import Weights, write_weights
from acute.integrations.verl import estimator, registered
from acute.testing import assert_unbiased_for
from acute.testing.adapters import verl_estimator
from verl import DataProto


def batch(rewards, length=5):
    """Responses of unequal length, groups interleaved; the reward stands on the last token, as in verl."""
    groups, n = rewards.shape
    flat = torch.as_tensor(rewards.T.reshape(-1), dtype=torch.float32)
    spoken = torch.arange(groups * n) % length + 1
    mask = (torch.arange(length) < spoken[:, None]).float()
    token_rewards = torch.zeros(groups * n, length)
    token_rewards[torch.arange(groups * n), spoken - 1] = flat
    uid = np.array([f"p{g}" for _ in range(n) for g in range(groups)], dtype=object)
    return DataProto.from_dict(
        tensors={"token_level_rewards": token_rewards, "response_mask": mask}, non_tensors={"uid": uid}
    )


def ours(data, **options):
    config = OmegaConf.create({"adv_estimator": "acute", "acute": options})
    return compute_advantage(data, adv_estimator="acute", config=config)


REWARDS = np.random.default_rng(0).integers(0, 2, (3, 8)).astype(float)


def test_verl_loaded_the_plug_in_by_itself():
    code = "import verl; from acute.integrations.verl import registered; print(registered())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["True"], done.stderr[-2000:]
    assert registered() and ADV_ESTIMATOR_REGISTRY["acute"] is estimator


def test_doctor_says_so():
    found = []
    for policy in ("auto", "none"):
        done = subprocess.run(
            [sys.executable, "-m", "acute", "doctor", "--json"],
            capture_output=True, text=True, env=os.environ | {"VERL_USE_EXTERNAL_PLUGINS": policy},
        )  # fmt: skip
        found.append(json.loads(done.stdout)["verl plug-in"])
    assert found[0].startswith("registered") and found[1].startswith("NOT registered")


@pytest.mark.parametrize(
    ("objective", "formula"),
    [
        ("pass@4", lambda r: pass_at_k_leave_one_out(r, 4)),
        ("pkpo-loo-1@4", lambda r: pkpo_loo_minus_one(r, 4)),
        ("pass@1", rloo),
    ],
)
def test_compute_advantage_gives_cores_numbers(objective, formula):
    data = ours(batch(REWARDS), objective=objective)
    found, mask = data.batch["advantages"], data.batch["response_mask"]
    wanted = torch.as_tensor(formula(REWARDS).T.reshape(-1), dtype=torch.float32)[:, None] * mask
    assert torch.equal(found, wanted) and torch.equal(data.batch["returns"], wanted)


def test_the_side_file_is_used(tmp_path):
    path = tmp_path / "weights.json"
    write_weights(path, Weights(0.5, 0.25, {"p1": 0.75}))
    data = ours(batch(REWARDS), objective="pass@4", weights=str(path))
    own, first = pass_at_k_leave_one_out(REWARDS, 4), rloo(REWARDS)
    wanted = 0.5 * own + np.array([[0.25], [0.75], [0.25]]) * first
    found = data.batch["advantages"][:, 0].double().numpy()
    assert found == pytest.approx(wanted.T.reshape(-1), abs=1e-6)


def test_it_is_unbiased_and_says_what_is_wrong():
    estimate = verl_estimator("acute", acute={"objective": "pass@4"})
    assert_unbiased_for(lambda r: estimate(r, 4), "pass@4", 6)
    with pytest.raises(ConfigError, match=r"\+algorithm\.acute\.objective=pass@8"):
        compute_advantage(batch(REWARDS), adv_estimator="acute", config=OmegaConf.create({}))
