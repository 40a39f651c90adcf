"""The conformance suite: what it passes, what it fails, and with which words."""

import sys

import numpy as np
import pytest

from acute.core.advantages.pass_at_k import (
    maxrl_repository_pkpo,
    mean_centred_pkpo,
    pass_at_k_leave_one_out,
    pkpo,
    pkpo_loo,
    pkpo_loo_minus_one,
)
from acute.core.advantages.pass_at_one import mean_centred, rloo
from acute.core.advantages.registry import ESTIMATORS
from acute.core.advantages.surrogates import grpo
from acute.core.objectives import mixture
from acute.errors import ConfigError, InputError
from acute.testing import assert_unbiased_for
from acute.testing.load import load


def at(k, advantage):
    return lambda rewards: advantage(rewards, k)


@pytest.mark.parametrize("n", [4, 9])
def test_unbiased_estimators_pass(n):
    assert_unbiased_for(rloo, "pass@1", n)
    for advantage in (pkpo, pkpo_loo_minus_one, pass_at_k_leave_one_out):
        assert_unbiased_for(at(4, advantage), "pass@4", n)
    assert_unbiased_for(at(3, pkpo_loo), "pass@3", n)


def test_objectives_can_be_given_as_objects():
    half = mixture(0.5, 3)
    assert_unbiased_for(lambda r: 0.5 * rloo(r) + 0.5 * pass_at_k_leave_one_out(r, 3), half, 6)


def test_biased_estimators_fail_with_their_weights():
    with pytest.raises(
        AssertionError, match=r"not unbiased for pass@4 .* biased: .*p = 0\.5: W = 0\.7143, wanted 0\.5"
    ):
        assert_unbiased_for(at(4, maxrl_repository_pkpo), "pass@4", 8)
    with pytest.raises(AssertionError, match="but biased"):
        assert_unbiased_for(grpo, "pass@1", 4)
    with pytest.raises(AssertionError, match="but zero"):
        assert_unbiased_for(lambda r: 0 * r, "pass@1", 4)


def test_a_factor_is_refused_unless_accepted():
    with pytest.raises(AssertionError, match=r"0\.75 times unbiased"):
        assert_unbiased_for(mean_centred, "pass@1", 4)
    assert_unbiased_for(mean_centred, "pass@1", 4, up_to_a_factor=True)
    with pytest.raises(AssertionError, match="-1 times unbiased"):
        assert_unbiased_for(lambda r: -rloo(r), "pass@1", 4, up_to_a_factor=True)


def test_what_nothing_can_be_unbiased_for():
    with pytest.raises(ConfigError, match="no estimator is unbiased for pass@5 with groups of 4: it needs 5"):
        assert_unbiased_for(rloo, "pass@5", 4)
    with pytest.raises(ConfigError, match="no unbiased estimate"):
        assert_unbiased_for(rloo, "log", 4)


def test_no_prompt_weight():
    with pytest.raises(InputError, match="shape"):
        assert_unbiased_for(lambda r: r.sum(-1), "pass@1", 4)


def test_real_rewards():
    values = [0.0, 0.25, 1.0]
    for advantage in (pkpo, pkpo_loo, pkpo_loo_minus_one):
        assert_unbiased_for(at(3, advantage), "pass@3", 5, rewards=values)
    assert_unbiased_for(at(3, mean_centred_pkpo), "pass@3", 5, rewards=values, up_to_a_factor=True)
    with pytest.raises(AssertionError, match=r"max@3 .* 0\.4 times the gradient and"):
        assert_unbiased_for(at(3, mean_centred_pkpo), "pass@3", 5, rewards=values)
    with pytest.raises(AssertionError, match="% beside it"):
        assert_unbiased_for(grpo, "pass@3", 5, rewards=values, up_to_a_factor=True)
    with pytest.raises(ConfigError, match=r"pass@K; found pass\^2"):
        assert_unbiased_for(rloo, "pass^2", 5, rewards=values)


def test_a_factor_that_changes_from_prompt_to_prompt_is_no_factor():
    def tilted(r):
        return rloo(r) * (1 + r.mean(-1, keepdims=True))

    with pytest.raises(AssertionError):
        assert_unbiased_for(tilted, "pass@1", 5, rewards=[0.0, 2.0], up_to_a_factor=True)


def test_values_in_any_order_and_number():
    assert_unbiased_for(rloo, "pass@1", 3, rewards=(1, 0, 1))
    assert_unbiased_for(rloo, "pass@1", 3, rewards=(2.0, -1.0))


def test_load_built_in_and_own(tmp_path, monkeypatch):
    assert load("rloo", 4, 2).objective.name == "pass@1"
    assert load("pkpo-loo", 4, 2).ks == (1, 2, 3)
    assert load("pkpo", 4, 2, "log@3").objective.name == "log@3"
    (tmp_path / "own_estimators.py").write_text("def plain(rewards):\n    return rewards\n\nmine = plain\n")
    monkeypatch.setattr(sys, "path", [x for x in sys.path if x != str(tmp_path)])
    monkeypatch.chdir(tmp_path)
    found = load("own_estimators:mine", 4, 3)
    assert (found.objective.name, found.ks, found.name) == ("pass@3", (3,), "own_estimators:mine")
    assert found.advantage(np.eye(2), 3).tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("name", [name for name, e in ESTIMATORS.items() if e.multiple])
def test_every_built_in_that_claims_it_passes(name):
    e, n, k = ESTIMATORS[name], 9, 4
    if e.declared(n, k).responses_needed <= n:
        assert_unbiased_for(at(k, e.advantage), e.declared(n, k), n, up_to_a_factor=True)
