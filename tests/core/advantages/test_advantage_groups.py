"""Arrays, lists and tensors in; what is no group of rewards is refused."""

import numpy as np
import pytest
import torch

from acute.core.advantages.groups import need_k, need_n
from acute.core.advantages.pass_at_one import rloo
from acute.core.advantages.registry import ESTIMATORS
from acute.errors import ConfigError, InputError

REWARDS = np.array([[[1, 0, 0, 1, 0], [0, 0, 0, 0, 0]], [[1, 1, 1, 1, 1], [0, 1, 0, 0, 0]]])


@pytest.mark.parametrize("name", ESTIMATORS)
def test_tensors_give_what_arrays_give(name):
    advantage = ESTIMATORS[name].advantage
    want = advantage(REWARDS, 3)
    assert isinstance(want, np.ndarray) and want.dtype == np.float64 and want.shape == REWARDS.shape
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.int64):
        found = advantage(torch.as_tensor(REWARDS, dtype=dtype), 3)
        assert found.dtype == (dtype if dtype.is_floating_point else torch.get_default_dtype())
        torch.testing.assert_close(found, torch.as_tensor(want, dtype=found.dtype), rtol=0, atol=0)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_groups_do_not_touch_each_other(name):
    advantage = ESTIMATORS[name].advantage
    alone = [[advantage(REWARDS[i, j], 3) for j in range(2)] for i in range(2)]
    assert np.array_equal(advantage(REWARDS, 3), alone)
    assert np.array_equal(advantage(REWARDS[0].tolist(), 3), alone[0])


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_order_of_responses_does_not_matter(name):
    advantage, order = ESTIMATORS[name].advantage, [3, 0, 4, 2, 1]
    assert advantage(REWARDS[..., order], 3) == pytest.approx(advantage(REWARDS, 3)[..., order])


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_rewards_are_not_changed(name):
    rewards = REWARDS.astype(float)
    ESTIMATORS[name].advantage(rewards, 3)
    assert np.array_equal(rewards, REWARDS)


def test_a_gradient_does_not_flow_through():
    rewards = torch.tensor([1.0, 0.0], requires_grad=True)
    assert not rloo(rewards).requires_grad


@pytest.mark.parametrize(
    ("rewards", "found"),
    [(1.0, r"found \(\)"), ([], r"found \(0,\)"), ([[], []], r"found \(2, 0\)")],
)
def test_no_group_is_refused(rewards, found):
    with pytest.raises(InputError, match=found):
        rloo(rewards)


def test_unknown_rewards_are_refused_not_taken_as_zero():
    with pytest.raises(InputError, match="found 2 that are not"):
        rloo([1.0, np.nan, np.inf])


@pytest.mark.parametrize(
    "name", [name for name, e in ESTIMATORS.items() if not e.real_rewards and "tang" not in name]
)
def test_methods_for_successes_refuse_other_rewards(name):
    if name in ("grpo", "rs-grpo", "verl-grpo-passk", "maxrl-repository-pkpo"):
        assert np.isfinite(ESTIMATORS[name].advantage([0.5, 1.0, 0.0], 2)).all()
        return
    with pytest.raises(InputError, match=r"rewards 0 and 1 alone, found 0\.5"):
        ESTIMATORS[name].advantage([0.5, 1.0, 0.0], 2)


def test_limits_name_what_was_found():
    with pytest.raises(ConfigError, match="groups of 4 needs k from 1 to 3, found 4"):
        need_k("it", 4, 1, 3, 4)
    with pytest.raises(ConfigError, match="groups of 2 or more, found 1"):
        need_n("it", 1, 2)
    need_k("it", 3, 1, 3, 4)
    need_n("it", 2, 2)


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("k", [1, 2, 4])
def test_what_is_not_admitted_is_refused(name, k):
    """`admits` says exactly which n and k can be asked for."""
    estimator = ESTIMATORS[name]
    for n in range(1, 6):
        if estimator.admits(n, k):
            assert np.isfinite(estimator.advantage(np.eye(n)[0], k)).all()
        else:
            with pytest.raises(ConfigError, match="found"):
                estimator.advantage(np.eye(n)[0], k)
