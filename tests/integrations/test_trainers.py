"""Adapters of trainers that are not installed here, against stand-ins of the one call each makes.

SkyRL 0.3.0: skyrl/backends/skyrl_train/utils/ppo_utils.py, `register_advantage_estimator(name)` decorates,
`compute_advantages_and_returns` calls by the keywords below. rLLM: rllm/trainer/algorithms/advantage.py,
`register_rllm_adv_estimator(name)` decorates; called with rewards by group and `traj_groups`.
"""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from acute.core.advantages.pass_at_k import pass_at_k_leave_one_out
from acute.core.advantages.pass_at_one import rloo
from acute.errors import ConfigError, InputError
from acute.integrations import rllm, skyrl
from acute.integrations.side_file import Weights, write_weights

REWARDS = np.array([[1.0, 0, 0, 0], [1.0, 1, 0, 1]])


@pytest.fixture
def registry(monkeypatch):
    """What either trainer's decorator was given, by name."""
    found = {}

    def decorate(name):
        return lambda function: found.setdefault(name, function)

    for path, call in (
        ("skyrl.backends.skyrl_train.utils.ppo_utils", "register_advantage_estimator"),
        ("rllm.trainer.algorithms.advantage", "register_rllm_adv_estimator"),
    ):
        parts = path.split(".")
        for i in range(1, len(parts) + 1):
            monkeypatch.setitem(sys.modules, ".".join(parts[:i]), ModuleType(".".join(parts[:i])))
        setattr(sys.modules[path], call, decorate)
    return found


def by_skyrl(function, rewards):
    """As SkyRL calls it: responses of two prompts in turns, three tokens each, the last one masked."""
    scores = torch.as_tensor(rewards.T.reshape(-1))
    mask = torch.tensor([1.0, 1.0, 0.0]).expand(len(scores), 3)
    advantages, returns = function(
        token_level_rewards=torch.stack([0 * scores, scores, 0 * scores], 1),
        response_mask=mask,
        index=np.array(["a", "b"] * rewards.shape[1]),
        values=None,
        grpo_norm_by_std=True,
        gamma=1.0,
        lambd=1.0,
        config=SimpleNamespace(),
    )
    assert torch.equal(advantages, returns) and not advantages[:, 2].any()
    assert torch.equal(advantages[:, 0], advantages[:, 1])
    return advantages[:, 0].reshape(rewards.T.shape).T.numpy()


def by_rllm(function, rewards):
    """As rLLM calls it: an array a group."""
    groups = [SimpleNamespace(group_id=name) for name in "ab"]
    advantages, returns = function(list(rewards), algorithm_config=SimpleNamespace(), traj_groups=groups)
    assert np.array_equal(advantages, returns)
    return np.array(advantages)


BOTH = pytest.mark.parametrize(("adapter", "call"), [(skyrl, by_skyrl), (rllm, by_rllm)])


@BOTH
def test_the_objective_s_own_advantages(adapter, call, registry):
    adapter.register("pass@3")
    assert call(registry["acute"], REWARDS) == pytest.approx(pass_at_k_leave_one_out(REWARDS, 3))


@BOTH
def test_weights_are_read_at_every_batch(adapter, call, registry, tmp_path):
    adapter.register("pass@3", tmp_path / "weights.json", "mended")
    plain, one = pass_at_k_leave_one_out(REWARDS, 3), rloo(REWARDS)
    for scale, added in ((1.0, 0.5), (0.25, 2.0)):
        write_weights(tmp_path / "weights.json", Weights(scale, 0.0, {"b": added}))
        wanted = np.stack([scale * plain[0], scale * plain[1] + added * one[1]])
        assert call(registry["mended"], REWARDS) == pytest.approx(wanted)


@BOTH
def test_what_cannot_be_is_refused(adapter, call, registry):
    with pytest.raises(ConfigError, match="wanted an objective"):
        adapter.register("pass@@")
    adapter.register("pass@8")
    with pytest.raises(InputError, match="needs groups of 8 or more, found 4"):
        call(registry["acute"], REWARDS)
