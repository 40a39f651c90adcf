"""What every registered estimator must do, by named asserts on all groups of five and on random ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acute.core.advantages.registry import ESTIMATORS
from acute.core.advantages.votes import majority_vote
from acute.core.prompt_weight import outcome_advantages, signal_probability
from tests.core.asserts import (
    all_groups,
    assert_batch_invariant,
    assert_close,
    assert_dtype_kept,
    assert_input_untouched,
    assert_monotone,
    assert_permutation_equivariant,
    assert_scale_equivariant,
    assert_torch_agrees,
)

N, K = 5, 3
GROUPS = all_groups(N)
ORDERS = [[4, 3, 2, 1, 0], [1, 2, 3, 4, 0], [2, 0, 4, 1, 3]]
REAL = sorted({name for name, e in ESTIMATORS.items() if e.real_rewards} | {"grpo", "verl-grpo-passk"})
MOVED_BY_A_SHIFT = {"reinforce": 1.0, "pkpo": K, "pkpo-loo": -K / (N - 1)}  # advantage per unit of reward
SUM_TO_ZERO = {
    "rloo",
    "mean-centred",
    "grpo",
    "maxrl",
    "rs-grpo",
    "tang-mean-centred",
    "pass-at-k-training",
    "pass-at-k-training-no-std",
    "pass-at-k-training-bootstrap",
    "pass-at-k-training-bootstrap-no-std",
    "naive-plug-in-rloo",
    "maxrl-repository-pkpo",
    "mean-centred-pkpo",
}
# chance that a group has any advantage, from q = 1 - p; all others: successes and failures both occur
SIGNAL = {
    "reinforce": lambda p: 1 - (1 - p) ** N,
    "psr": lambda p: 1 - (1 - p) ** N,
    "nsr": lambda p: 1 - p**N,
    "w-reinforce": lambda p: 0 * p + 1,
    "maxrl-uncentred": lambda p: 1 - (1 - p) ** N,
    "pkpo": lambda p: 1 - (1 - p) ** N,
    "pkpo-loo": lambda p: 1 - (1 - p) ** N,
    "pkpo-loo-1": lambda p: sum(_chance(c, p) for c in (1, 2, 3)),  # 5 - c >= k - 1 failures, c >= 1
    "maxrl-repository-pkpo": lambda p: sum(_chance(c, p) for c in (1, 2, 3)),
    "pass-at-k-loo": lambda p: sum(_chance(c, p) for c in (1, 2, 3)),
    "pass-at-k-training": lambda p: sum(_chance(c, p) for c in (1, 2)),  # some triple must fail entirely
    "pass-at-k-training-no-std": lambda p: sum(_chance(c, p) for c in (1, 2)),
    "pass-at-k-training-bootstrap": lambda p: sum(_chance(c, p) for c in (1, 2)),
    "pass-at-k-training-bootstrap-no-std": lambda p: sum(_chance(c, p) for c in (1, 2)),
    "mean-centred-pkpo": lambda p: sum(_chance(c, p) for c in (1, 2)),
    "tang": lambda p: _chance(1, p),
    "tang-mean-centred": lambda p: _chance(1, p),
    "verl-grpo-passk": lambda p: _chance(1, p),
    "naive-plug-in": lambda p: sum(_chance(c, p) for c in (1, 2, 3, 4)),
}


def _chance(c, p):
    return {1: 5, 2: 10, 3: 10, 4: 5}[c] * p**c * (1 - p) ** (N - c)


def at(name, k=K):
    return lambda rewards: ESTIMATORS[name].advantage(rewards, k)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_groups_orders_and_types(name):
    assert_permutation_equivariant(at(name), GROUPS, ORDERS)
    assert_batch_invariant(at(name), GROUPS[::3])
    assert_input_untouched(at(name), GROUPS.copy())
    assert_dtype_kept(at(name), GROUPS)
    assert_torch_agrees(at(name), GROUPS)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_success_never_gets_less_than_a_failure_and_equals_get_the_same(name):
    for rewards, advantages in zip(GROUPS, at(name)(GROUPS), strict=True):
        right, wrong = advantages[rewards == 1], advantages[rewards == 0]
        for outcome in (right, wrong):
            assert_close(outcome, np.broadcast_to(outcome[:1], outcome.shape), slack=1e-12)
        if right.size and wrong.size:
            assert right[0] >= wrong[0] - 1e-12


@pytest.mark.parametrize("name", ESTIMATORS)
def test_what_a_group_sums_to(name):
    sums = at(name)(GROUPS).sum(-1)
    if name in SUM_TO_ZERO:
        assert_close(sums, np.zeros(len(GROUPS)))
    else:
        assert np.abs(sums).max() > 0.1


@pytest.mark.parametrize("name", ESTIMATORS)
def test_when_a_group_teaches_anything(name):
    p = np.array([0.05, 0.3, 0.5, 0.9])
    both = 1 - p**N - (1 - p) ** N
    found = signal_probability(outcome_advantages(at(name), N), p)
    assert_close(found, SIGNAL[name](p) if name in SIGNAL else both)


@pytest.mark.parametrize("name", REAL)
@settings(deadline=None, max_examples=20)
@given(rewards=st.lists(st.sampled_from([-2.0, -0.5, 0.0, 0.25, 1.0, 3.0]), min_size=N, max_size=N))
def test_scaled_and_shifted_rewards(name, rewards):
    rewards = np.array(rewards)
    if "grpo" not in name:  # those divide by a standard deviation, below
        assert_scale_equivariant(at(name), rewards)
    moved = at(name)(rewards + 2.0) - at(name)(rewards)
    assert_close(moved, np.full(N, 2 * MOVED_BY_A_SHIFT.get(name, 0.0)), slack=1e-8)
    assert_permutation_equivariant(at(name), rewards, ORDERS)


@pytest.mark.parametrize("name", ["grpo", "verl-grpo-passk"])
def test_division_by_the_standard_deviation_takes_the_scale_away(name):
    rewards = np.array([0.1, 0.9, 0.4, 0.0, 0.5])
    assert_close(at(name)(1000 * rewards), at(name)(rewards), slack=1e-5)
    assert np.abs(at(name)(rewards)).max() > 0.1


@pytest.mark.parametrize("name", [n for n in REAL if n not in ("verl-grpo-passk", "reinforce", "rloo")])
@settings(deadline=None, max_examples=20)
@given(rewards=st.lists(st.integers(-4, 4), min_size=N, max_size=N))
def test_a_larger_reward_never_gets_a_smaller_advantage(name, rewards):
    assert_monotone(at(name)(np.sort(np.array(rewards, float))))


@pytest.mark.parametrize("name", ["pkpo-loo-1", "tang"])
@settings(deadline=None, max_examples=20)
@given(rewards=st.lists(st.integers(-4, 4), min_size=N, max_size=N))
def test_what_a_response_adds_to_a_maximum_is_never_negative(name, rewards):
    found = at(name)(rewards)
    assert found.min() >= 0 and found[np.argmin(rewards)] == 0
    assert found.max() <= max(N, K) * np.ptp(rewards) + 1e-12


@pytest.mark.parametrize(
    "name", [name for name, e in ESTIMATORS.items() if e.declared(9, 4).name == "pass@4"]
)
def test_at_k_1_they_are_estimators_of_pass_at_1(name):
    """D(c) is the same for every count, what makes W(p) a constant; the std alone bends it."""
    if not ESTIMATORS[name].admits(N, 1) or name in (
        "pass-at-k-training",
        "pass-at-k-training-bootstrap",
    ):
        return
    d = outcome_advantages(at(name, 1), N).difference
    assert_close(d, np.full(N, d[0]))
    assert d[0] > 0


def test_a_vote_is_permuted_batched_and_shifted_like_the_others():
    rng = np.random.default_rng(0)
    answers = rng.integers(0, 3, size=(6, N))
    worth = np.array([1.0, 0.0, 0.5])
    rewards = worth[answers]
    want = majority_vote(rewards, answers)
    for order in ORDERS:
        assert_close(majority_vote(rewards[:, order], answers[:, order]), want[:, order])
    each = [majority_vote(r, a) for r, a in zip(rewards, answers, strict=True)]
    assert_close(want, np.array(each))
    assert_close(majority_vote(3 * rewards + 1, answers), 3 * want)  # both votes shift alike
    assert_close(majority_vote(rewards, answers.astype(str)), want)
