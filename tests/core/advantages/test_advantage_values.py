"""One pinned value a method, and definitions against brute force over subsets."""

from itertools import combinations, permutations, product
from math import comb, exp, sqrt

import numpy as np
import pytest

from acute.core.advantages import pass_at_k as passk
from acute.core.advantages import pass_at_k_training as training
from acute.core.advantages import pass_at_one as one
from acute.core.advantages import surrogates
from acute.core.estimators import pass_at_k_advantages
from acute.errors import ConfigError, InputError

ONE = [1.0, 0.0, 0.0, 0.0]
TWO = [1.0, 0.0, 1.0, 0.0]
TIES = np.array([0.5, 2.0, 0.5, -1.0, 2.0, 0.0])
DISTINCT = np.array([0.3, -1.2, 2.0, 0.7, 0.1, 1.1])


@pytest.mark.parametrize(
    ("advantages", "want"),
    [
        (one.reinforce(ONE), [1, 0, 0, 0]),
        (one.rloo(ONE), [1, -1 / 3, -1 / 3, -1 / 3]),
        (one.mean_centred(ONE), [3 / 4, -1 / 4, -1 / 4, -1 / 4]),
        (one.positive_only(ONE), [1, 0, 0, 0]),
        (one.negative_only(ONE), [0, -1, -1, -1]),
        (one.weighted_reinforce(ONE, 0.25), [0.25, -1, -1, -1]),
        (surrogates.grpo(ONE, epsilon=0.0), [1.5, -0.5, -0.5, -0.5]),
        (surrogates.grpo(ONE, epsilon=0.5), [0.75, -0.25, -0.25, -0.25]),
        (surrogates.maxrl(ONE), [3, -1, -1, -1]),
        (surrogates.maxrl([0, 0, 0]), [0, 0, 0]),
        (surrogates.maxrl_uncentred(TWO), [2, 0, 2, 0]),
        (surrogates.maxrl_uncentred([0, 0, 0]), [0, 0, 0]),
        (passk.pkpo(ONE, 2), [2, 2 / 3, 2 / 3, 2 / 3]),
        (passk.pkpo_loo_minus_one(TWO, 2), [4 / 3, 0, 4 / 3, 0]),
        (passk.tang(ONE), [4, 0, 0, 0]),
        (passk.tang(TWO), [0, 0, 0, 0]),
        (passk.tang_mean_centred(ONE), [3, -1, -1, -1]),
        (passk.verl_grpo_passk([0.2, 1.0, 0.7], by_std=False), [0, 0.3, 0]),
        (passk.naive_plug_in(TWO, 3), [0.75, 0, 0.75, 0]),
        (passk.naive_plug_in_rloo(TWO, 3), [0.5, -0.5, 0.5, -0.5]),
        (passk.maxrl_repository_pkpo(ONE, 2), [2, -2 / 3, -2 / 3, -2 / 3]),
        (passk.mean_centred_pkpo(ONE, 2), [1, -1 / 3, -1 / 3, -1 / 3]),
        (training.pass_at_k_training(ONE, 2, by_std=False), [1 / 2, -1 / 6, -1 / 6, -1 / 6]),
        (training.pass_at_k_training(ONE, 2), [1, -1 / 3, -1 / 3, -1 / 3]),
    ],
)
def test_pinned_values(advantages, want):
    assert advantages == pytest.approx(np.array(want, float))


def test_rs_grpo():
    z = (exp(1.5) + 3) / 4
    want = [(exp(1.5) / z - 1) / 1.5] + 3 * [(1 / z - 1) / 1.5]
    assert surrogates.rs_grpo(ONE, beta=1.5) == pytest.approx(want)
    shifted = surrogates.rs_grpo(np.array([1.0, 0.2]) - 5, beta=-2.0)
    assert shifted == pytest.approx(surrogates.rs_grpo([1.0, 0.2], beta=-2.0))
    assert np.isfinite(surrogates.rs_grpo([1.0, 0.0], beta=-5000.0)).all()
    assert np.isfinite(surrogates.rs_grpo([1.0, 0.0], beta=5000.0)).all()
    with pytest.raises(ConfigError, match="beta"):
        surrogates.rs_grpo(ONE, beta=0)


@pytest.mark.parametrize("c", range(7))
def test_leave_one_out_equals_the_estimator_from_counts(c):
    for k in range(1, 7):
        found = passk.pass_at_k_leave_one_out(np.r_[np.ones(c), np.zeros(6 - c)], k)
        success, failure = pass_at_k_advantages(6, c, k)
        assert found == pytest.approx(np.r_[np.full(c, success), np.full(6 - c, failure)])


def subset_sums(g, k):
    """s_i by definition: the k-subsets that hold i, each with its maximum."""
    n = len(g)
    held = np.zeros(n)
    for subset in combinations(range(n), k):
        held[list(subset)] += max(g[list(subset)])
    return held / comb(n, k)


@pytest.mark.parametrize("g", [DISTINCT, TIES], ids=["distinct", "ties"])
@pytest.mark.parametrize("k", [1, 2, 3, 5, 6])
def test_pkpo_by_its_definition(g, k):
    n = len(g)
    assert passk.pkpo(g, k) == pytest.approx(n * subset_sums(g, k))
    assert passk.max_at_k_estimate(g, k) == pytest.approx(np.mean([max(s) for s in combinations(g, k)]))
    if k < n:
        without = [subset_sums(np.delete(g, i), k) for i in range(n)]
        baseline = np.array([np.mean(rest) for rest in without])
        assert passk.pkpo_loo(g, k) == pytest.approx(n * (subset_sums(g, k) - baseline))
    if k >= 2:
        gain = np.zeros(n)
        for subset in combinations(range(n), k):
            for i in subset:
                rest = [g[j] for j in subset if j != i]
                gain[i] += max(g[list(subset)]) - max(rest)
        assert passk.pkpo_loo_minus_one(g, k) == pytest.approx(n * gain / comb(n, k))


def test_ties_get_the_same_credit():
    for k in (2, 4):
        for advantage in (passk.pkpo, passk.pkpo_loo, passk.pkpo_loo_minus_one):
            found = advantage(TIES, k)
            assert found[0] == pytest.approx(found[2]) and found[1] == pytest.approx(found[4])


@pytest.mark.parametrize("c", range(6))
def test_binary_closed_forms_of_pkpo(c):
    n, k = 5, 3
    found = passk.pkpo(np.r_[np.ones(c), np.zeros(n - c)], k)
    rho = 1 - comb(n - 1 - c, k - 1) / comb(n - 1, k - 1) if c < n else 0
    assert found == pytest.approx(np.r_[np.full(c, k), np.full(n - c, k * rho)])
    gain = passk.pkpo_loo_minus_one(np.r_[np.ones(c), np.zeros(n - c)], k)
    weight = k * comb(n - c, k - 1) / comb(n - 1, k - 1)
    assert gain == pytest.approx(np.r_[np.full(c, weight), np.zeros(n - c)])


@pytest.mark.parametrize("by_std", [True, False])
@pytest.mark.parametrize("c", range(6))
def test_all_subsets_give_the_analytic_form(c, by_std):
    n, k = 5, 3
    rewards = np.r_[np.ones(c), np.zeros(n - c)]
    every = training.all_subsets(n, k)
    summed = training.pass_at_k_training_subsets(rewards, every, by_std=by_std)
    memberships = comb(n - 1, k - 1)
    want = memberships * training.pass_at_k_training(rewards, k, by_std=by_std)
    assert summed == pytest.approx(want)


@pytest.mark.parametrize("by_std", [True, False])
@pytest.mark.parametrize("c", range(5))
def test_bootstrap_is_the_mean_over_all_draws(c, by_std):
    n, k, groups = 4, 2, 3
    rewards = np.r_[np.ones(c), np.zeros(n - c)]
    every = training.all_subsets(n, k)
    draws = [every[list(pick)] for pick in product(range(len(every)), repeat=groups)]
    mean = np.mean([training.pass_at_k_training_subsets(rewards, d, by_std=by_std) for d in draws], axis=0)
    assert training.pass_at_k_training_bootstrap(rewards, k, groups, by_std=by_std) == pytest.approx(mean)


def test_bootstrap_without_std_is_a_multiple_of_the_analytic_form():
    n, k, groups = 6, 3, 5
    rewards = np.array([1.0, 0, 1, 0, 0, 0])
    analytic = training.pass_at_k_training(rewards, k, by_std=False)
    found = training.pass_at_k_training_bootstrap(rewards, k, groups, by_std=False)
    assert found == pytest.approx((1 - 1 / groups) * groups * k / n * analytic)
    by_default = training.pass_at_k_training_bootstrap(rewards, k, by_std=False)
    assert by_default == pytest.approx((1 - 1 / n) * k * analytic)


def test_drawn_subsets():
    a, b = (training.draw_subsets(7, 3, 20, np.random.default_rng(s)) for s in (0, 0))
    assert np.array_equal(a, b) and a.shape == (20, 3)
    assert all(len(set(row)) == 3 for row in a.tolist()) and set(a.flat) <= set(range(7))
    assert not np.array_equal(a, training.draw_subsets(7, 3, 20, np.random.default_rng(1)))
    with pytest.raises(ConfigError, match="k from 1 to 7, found 8"):
        training.draw_subsets(7, 8, 1, np.random.default_rng(0))


@pytest.mark.parametrize(
    "subsets", [np.array([0, 1]), np.zeros((0, 2), int), np.array([[0, 4]]), np.array([[-1, 0]])]
)
def test_wrong_subsets_are_refused(subsets):
    with pytest.raises(InputError, match="indices below 4"):
        training.pass_at_k_training_subsets(ONE, subsets)


def test_the_weight_with_std_is_the_derivative_of_its_surrogate():
    k, p, h = 4, 0.3, 1e-6

    def surrogate(x):
        return 2 / k * np.arcsin(sqrt(1 - (1 - x) ** k))

    rho = 1 - (1 - p) ** k
    slope = (surrogate(p + h) - surrogate(p - h)) / (2 * h)
    assert slope == pytest.approx((1 - p) ** (k - 1) / sqrt(rho * (1 - rho)), rel=1e-6)


def chosen(rewards, scores, order, members):
    """Reward of the best-scored member, equal scores broken by `order`."""
    return rewards[max(members, key=list(zip(scores, order, strict=True)).__getitem__)]


def best_of_k_by_definition(rewards, scores, k):
    """Over subsets, and over all orders in which equal scores may be broken."""
    n, gain, orders = len(rewards), np.zeros(len(rewards)), list(permutations(range(len(rewards))))
    for order in orders:
        for subset in combinations(range(n), k):
            for i in subset:
                rest = [j for j in subset if j != i]
                gain[i] += chosen(rewards, scores, order, subset) - chosen(rewards, scores, order, rest)
    return n * gain / comb(n, k) / len(orders)


@pytest.mark.parametrize(
    "scores", [[3.0, 1, 2, 5, 4], [1.0, 1, 2, 2, 2], [0.0, 0, 0, 0, 0], [1.0, 0, 0, 1, 2]]
)
@pytest.mark.parametrize("k", [2, 3, 5])
def test_best_of_k_by_its_definition(scores, k):
    rewards = np.array([1.0, 0.0, 0.25, 0.0, -2.0])
    want = best_of_k_by_definition(rewards, scores, k)
    assert passk.best_of_k(rewards, scores, k) == pytest.approx(want)


def test_best_of_k_with_the_reward_as_score_is_pkpo():
    for g in (DISTINCT, TIES):
        for k in (2, 4, 6):
            assert passk.best_of_k(g, g, k) == pytest.approx(passk.pkpo_loo_minus_one(g, k), abs=1e-12)


def test_best_of_k_over_many_groups():
    rewards, scores = np.array([DISTINCT, TIES]), np.array([TIES, DISTINCT])
    both = passk.best_of_k(rewards, scores, 3)
    assert both == pytest.approx(
        np.array([passk.best_of_k(r, s, 3) for r, s in zip(rewards, scores, strict=True)])
    )
    with pytest.raises(InputError, match=r"shape of the rewards, \(2, 6\), found \(6,\)"):
        passk.best_of_k(rewards, TIES, 3)
