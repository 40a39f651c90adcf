"""What the installed TRL and verl really do, held against our own estimators and against pass@k."""

import numpy as np
import pytest

from acute.core.advantages.pass_at_k import verl_grpo_passk
from acute.core.advantages.pass_at_one import mean_centred, rloo
from acute.core.advantages.surrogates import grpo
from acute.core.objectives import parse
from acute.core.profiler import profile
from acute.core.prompt_weight import binary_groups
from acute.errors import ConfigError, InputError
from acute.testing import assert_unbiased_for
from acute.testing.adapters import trl_estimator, verl_estimator
from acute.testing.load import load

REAL = np.random.default_rng(0).random((3, 5))


@pytest.fixture(scope="module")
def trl():
    return {scale: trl_estimator(scale) for scale in ("group", "none", "batch")}


def at_k(advantage, k=1):
    return lambda rewards: advantage(rewards, k)


@pytest.mark.parametrize("rewards", [binary_groups(4), REAL])
@pytest.mark.parametrize(
    ("name", "settings", "own"),
    [
        ("grpo", {}, grpo),
        ("grpo_vectorized", {}, grpo),
        ("rloo", {}, rloo),
        ("rloo_vectorized", {}, rloo),
        ("grpo_passk", {}, verl_grpo_passk),
        ("grpo_passk", {"norm_adv_by_std_in_grpo": False}, lambda r: verl_grpo_passk(r, by_std=False)),
    ],
)
def test_verl_does_what_our_own_functions_do(name, settings, own, rewards):
    found = verl_estimator(name, **settings)(rewards, 1)
    assert found == pytest.approx(own(rewards), abs=1e-6)


def test_verl_grpo_passk_is_pass_at_n_whatever_k():
    for n in (3, 6):
        assert_unbiased_for(at_k(verl_estimator("grpo_passk")), f"pass@{n}", n, up_to_a_factor=True)
    with pytest.raises(AssertionError, match="biased"):
        assert_unbiased_for(at_k(verl_estimator("grpo_passk")), "pass@2", 6, up_to_a_factor=True)
    found = profile(verl_estimator("grpo_passk"), parse("pass@6"), 6, 2)
    assert found.verdict == "proportional" and found.closest_k == pytest.approx(6, abs=0.01)


def test_verl_rloo_is_unbiased_for_pass_at_1():
    assert_unbiased_for(at_k(verl_estimator("rloo")), "pass@1", 5)


def test_verl_grpo_is_biased_for_pass_at_1_and_for_its_own_surrogate():
    for objective in ("pass@1", "arcsine"):
        assert profile(verl_estimator("grpo"), parse(objective), 5, 1).verdict == "biased"


@pytest.mark.parametrize("name", ["gpg", "gdpo", "reinforce_plus_plus_baseline"])
def test_verl_estimators_that_mix_prompts_are_refused(name):
    with pytest.raises(InputError, match="other groups"):
        assert_unbiased_for(at_k(verl_estimator(name)), "pass@1", 4)


def test_verl_estimators_that_need_more_than_rewards_are_refused():
    with pytest.raises(InputError, match="cannot be asked with rewards of groups alone"):
        verl_estimator("gae")(binary_groups(3), 1)


def test_verl_names():
    with pytest.raises(ConfigError, match=r"verl has .*grpo_passk.*found 'best'"):
        verl_estimator("best")
    assert load("verl:rloo", 4, 2, "pass@1").advantage(binary_groups(3), 1) == pytest.approx(
        rloo(binary_groups(3))
    )


@pytest.mark.parametrize("rewards", [binary_groups(4), REAL])
def test_trl_does_what_our_own_functions_do(trl, rewards):
    assert trl["group"](rewards, 1) == pytest.approx(grpo(rewards, epsilon=1e-4), abs=1e-6)
    assert trl["none"](rewards, 1) == pytest.approx(mean_centred(rewards), abs=1e-6)


def test_trl_without_scaling_is_pass_at_1_up_to_a_factor(trl):
    assert_unbiased_for(at_k(trl["none"]), "pass@1", 4, up_to_a_factor=True)
    with pytest.raises(AssertionError, match=r"0\.75 times unbiased"):
        assert_unbiased_for(at_k(trl["none"]), "pass@1", 4)


def test_trl_by_group_is_biased(trl):
    with pytest.raises(AssertionError, match="biased"):
        assert_unbiased_for(at_k(trl["group"]), "pass@1", 4, up_to_a_factor=True)


def test_trl_by_batch_mixes_prompts(trl):
    with pytest.raises(InputError, match="other groups"):
        assert_unbiased_for(at_k(trl["batch"]), "pass@1", 4)


def test_trl_names():
    with pytest.raises(ConfigError, match="scale_rewards group, batch, none; found 'all'"):
        trl_estimator("all")
