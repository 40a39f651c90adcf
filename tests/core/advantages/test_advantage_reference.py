"""Each fast estimator against its slow definition, on every small group and on random ones with ties."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acute.core.advantages.registry import ESTIMATORS
from tests.core.advantages.reference import DEFINITIONS

BOOTSTRAP = {"pass-at-k-training-bootstrap", "pass-at-k-training-bootstrap-no-std"}
TAKES_REAL = sorted(
    {name for name, e in ESTIMATORS.items() if e.real_rewards}
    | {"grpo", "rs-grpo", "tang-mean-centred", "verl-grpo-passk", "maxrl-repository-pkpo"}
)


def test_every_estimator_has_a_definition():
    """The bootstrap's is its mean over all draws, in test_advantage_values.py."""
    assert DEFINITIONS.keys() == ESTIMATORS.keys() - BOOTSTRAP


@pytest.mark.parametrize("name", DEFINITIONS)
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_every_group_of_successes_and_failures(name, n):
    estimator = ESTIMATORS[name]
    for k in range(1, n + 1):
        if estimator.admits(n, k):
            groups = [list(map(float, g)) for g in product([0, 1], repeat=n)]
            want = [DEFINITIONS[name](g, k) for g in groups]
            assert estimator.advantage(groups, k) == pytest.approx(np.array(want, float), abs=1e-9)


@pytest.mark.parametrize("name", TAKES_REAL)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_groups_of_real_rewards_with_ties(name, data):
    values = st.sampled_from([-1.0, -0.25, 0.0, 0.5, 0.75, 2.0])
    rewards = data.draw(st.lists(values, min_size=2, max_size=6))
    n, estimator = len(rewards), ESTIMATORS[name]
    k = data.draw(st.sampled_from([k for k in range(1, n + 1) if estimator.admits(n, k)]))
    want = np.array(DEFINITIONS[name](rewards, k), float)
    if name == "verl-grpo-passk":  # equal best responses: nobody is credited, whoever is first
        assert want.sum() == pytest.approx(estimator.advantage(rewards, k).sum(), abs=1e-9)
    assert estimator.advantage(rewards, k) == pytest.approx(want, abs=1e-9)


@pytest.mark.parametrize("name", ["pkpo", "pkpo-loo", "pkpo-loo-1", "tang", "mean-centred-pkpo", "rloo"])
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_scale_and_shift(name, data):
    """Twice the rewards give twice the advantages; a shift of the rewards moves two forms of PKPO."""
    rewards = np.array(data.draw(st.lists(st.integers(-3, 3), min_size=4, max_size=6)), float)
    advantage, k = ESTIMATORS[name].advantage, 3
    assert advantage(2 * rewards, k) == pytest.approx(2 * advantage(rewards, k), abs=1e-9)
    moved = advantage(rewards + 5, k) - advantage(rewards, k)
    n = len(rewards)
    constant = {"pkpo": 5 * k, "pkpo-loo": -5 * k / (n - 1)}  # same for all: noise, but no bias
    assert moved == pytest.approx(np.full(n, constant.get(name, 0.0)), abs=1e-9)


@pytest.mark.parametrize("name", ["rloo", "mean-centred", "grpo", "maxrl", "rs-grpo", "tang-mean-centred"])
def test_centred_estimators_sum_to_zero(name):
    for rewards in product([0.0, 1.0], repeat=4):
        assert ESTIMATORS[name].advantage(rewards, 2).sum() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_group_of_failures_alone_teaches_pass_at_k_nothing(name):
    """Only estimators that push failures down for their own sake move on it; their mean is the same ∇p."""
    advantages = ESTIMATORS[name].advantage(np.zeros(6), 3)
    assert (np.abs(advantages).max() > 0) == (name in {"nsr", "w-reinforce"})


def test_a_large_group_does_not_overflow():
    rewards = (np.arange(2048) < 3).astype(float)
    for name in ("pkpo", "pkpo-loo", "pkpo-loo-1", "pass-at-k-loo", "pass-at-k-training"):
        found = ESTIMATORS[name].advantage(rewards, 64)
        assert np.isfinite(found).all() and found[0] > found[-1]
