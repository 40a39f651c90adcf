"""The prompt weight against simulated policies and against its own definition; refusals."""

from itertools import combinations, product
from math import comb

import numpy as np
import pytest

from acute.core import prompt_weight as W
from acute.core.advantages.pass_at_k import pass_at_k_leave_one_out, pkpo_loo_minus_one
from acute.core.advantages.pass_at_one import mean_centred, negative_only, positive_only, rloo
from acute.core.advantages.surrogates import grpo
from acute.core.objectives import parse
from acute.errors import ConfigError, InputError
from tests.core.worlds import softmax_world

P = np.array([0.03, 0.2, 0.5, 0.77, 0.95])


class _Sealed:
    """Refuses to be an array, as a tensor that needs a gradient does."""

    def __array__(self, *_, **__):
        raise RuntimeError("call detach first")


def passk(k):
    return lambda r: pass_at_k_leave_one_out(r, k)


@pytest.mark.parametrize("n", [0, 1, 5])
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_binomial(n, p):
    want = [comb(n, c) * p**c * (1 - p) ** (n - c) for c in range(n + 1)]
    assert W.binomial(n, p) == pytest.approx(want)


def test_binomial_does_not_overflow():
    chance = W.binomial(5000, np.array([0.3, 0.999]))
    assert chance.shape == (2, 5001) and chance.sum(-1) == pytest.approx([1, 1])


@pytest.mark.parametrize("advantage", [grpo, passk(3), mean_centred, negative_only])
def test_the_expected_update_of_a_policy_is_the_weight_times_the_gradient(advantage):
    """Every draw of n = 3 responses from a softmax policy, whatever its parameters."""
    world, theta, n = softmax_world(11, prompts=1, responses=4), np.array([0.3, -0.5, 0.8, 0.1]), 3
    pi, s, r = world.probabilities(theta)[0], world.scores(theta)[0], world.rewards[0]
    update = np.zeros(4)
    for ys in product(range(4), repeat=n):
        ys = list(ys)
        update += np.prod(pi[ys]) * (advantage(r[ys])[:, None] * s[ys]).mean(0)
    weight = W.prompt_weight(W.outcome_advantages(advantage, n), world.success(theta)[0])
    assert update == pytest.approx(weight * world.gradients(theta)[0], abs=1e-12)


@pytest.mark.parametrize("n", [1, 4, 9])
def test_weight_by_definition(n):
    """E over c of (c A₊/p - (n - c) A₋/(1 - p))/n, with no cancellation of the p's."""
    rng = np.random.default_rng(n)
    a = W.OutcomeAdvantages(rng.normal(size=n + 1), rng.normal(size=n + 1))
    c = np.arange(n + 1)
    for p in P:
        chance = [comb(n, j) * p**j * (1 - p) ** (n - j) for j in c]
        want = np.dot(chance, (c * a.success / p - (n - c) * a.failure / (1 - p)) / n)
        assert W.prompt_weight(a, p) == pytest.approx(want)
    assert np.isfinite(W.prompt_weight(a, [0.0, 1.0])).all()


def test_outcome_advantages():
    found = W.outcome_advantages(rloo, 3)
    assert found.success == pytest.approx([0, 1, 0.5, 0])
    assert found.failure == pytest.approx([0, -0.5, -1, 0])
    assert found.n == 3 and found.difference == pytest.approx([1, 1, 1])
    assert W.binary_groups(2).tolist() == [[0, 0], [1, 0], [1, 1]]


@pytest.mark.parametrize("name", ["pass@1", "pass@3", "pass^2", "2-of-4", "log@5", "mixture@0.2,4"])
def test_the_unbiased_difference_is_the_bernstein_form_of_the_weight(name):
    f, n = parse(name), 6
    d = W.unbiased_difference(f, n)
    assert W.binomial(n - 1, P) @ d == pytest.approx(f.weight(P))


def test_there_is_no_unbiased_difference_beyond_the_degree():
    assert np.isnan(W.unbiased_difference(parse("pass@7"), 6)).all()
    with pytest.raises(ConfigError, match="no unbiased estimate"):
        W.unbiased_difference(parse("log"), 6)


def test_unbiased_estimators_share_their_difference_and_differ_in_variance():
    one, other = (W.outcome_advantages(f, 6) for f in (passk(3), lambda r: pkpo_loo_minus_one(r, 3)))
    assert one.difference == pytest.approx(other.difference)
    assert W.weight_variance(one, 0.3) > 1.1 * W.weight_variance(other, 0.3)  # noise along ∇p
    assert W.second_moment(one, 0.3) < 0.9 * W.second_moment(other, 0.3)  # noise in all other directions


@pytest.mark.parametrize("p", [0.1, 0.6])
@pytest.mark.parametrize("advantage", [positive_only, negative_only, rloo, grpo, passk(3)])
def test_moments_over_all_groups(advantage, p):
    """Every group of n = 4 of the one-logit policy: score r - p, ∇p = p(1-p)."""
    n, updates, squares, chances, silent = 4, [], [], [], []
    for r in product([0.0, 1.0], repeat=n):
        r = np.array(r)
        a = advantage(r)
        chances.append(np.prod(np.where(r, p, 1 - p)))
        updates.append((a * (r - p)).mean() / (p * (1 - p)))
        squares.append((a**2).mean())
        silent.append(not np.abs(a).max() > 1e-9)
    chances, updates = np.array(chances), np.array(updates)
    found = W.outcome_advantages(advantage, n)
    assert chances @ updates == pytest.approx(W.prompt_weight(found, p))
    assert n * (chances @ updates**2 - (chances @ updates) ** 2) == pytest.approx(W.weight_variance(found, p))
    assert chances @ squares == pytest.approx(W.second_moment(found, p))
    assert 1 - chances @ silent == pytest.approx(W.signal_probability(found, p))


def test_positive_only_has_the_variance_of_one_logit():
    """Per response r(1-p)/(p(1-p)) = r/p: variance (1-p)/p."""
    found = W.outcome_advantages(positive_only, 5)
    assert W.weight_variance(found, P) == pytest.approx((1 - P) / P)
    assert W.second_moment(found, P) == pytest.approx(P)


def test_length_normalisation():
    """Rloo at equal lengths L is W / L; with wrong responses twice as long the baseline no longer cancels."""
    found = W.outcome_advantages(rloo, 4)
    assert W.length_weighted(found, P, 5 + 0 * P, 5 + 0 * P) == pytest.approx(np.full(5, 1 / 5))
    # E[A | right] = 1 - p and E[A | wrong] = -p
    assert W.length_weighted(found, P, 1 + 0 * P, 2 + 0 * P) == pytest.approx((1 - P) + P / 2)


@pytest.mark.parametrize(
    ("advantage", "message"),
    [
        (lambda r: r[:, :1], r"rewards' shape, \(5, 4\), found \(5, 1\)"),
        (lambda r: r.mean(), r"found \(\)"),
        (lambda _: "up", "must return numbers, found str"),
        (lambda _: _Sealed(), "must return numbers, found _Sealed"),
        (lambda r: r * (1 + 0j), "must return real numbers"),
        (lambda _: None, "found NoneType|finite|shape"),
        (lambda r: r / r.sum(-1, keepdims=True), r"finite numbers, found others for rewards \[0. 0. 0. 0.\]"),
        (lambda r: r * np.arange(4), "order of the responses"),
        (lambda r: r - r.mean(), "other groups of the batch"),
        (lambda r: r + np.random.default_rng().random(), "must not be random"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_has_no_prompt_weight_is_refused(advantage, message):
    with pytest.raises(InputError, match=message):
        W.outcome_advantages(advantage, 4)


def test_an_estimator_may_change_its_input():
    def greedy(rewards):
        rewards -= rewards.mean(-1, keepdims=True)
        return rewards

    assert W.outcome_advantages(greedy, 4).difference == pytest.approx(
        W.outcome_advantages(mean_centred, 4).difference
    )


def mean_over_subsets(advantage, rewards, n):
    """The mean advantage of each response over the n-subsets that hold it."""
    total, held = np.zeros(len(rewards)), np.zeros(len(rewards))
    for subset in combinations(range(len(rewards)), n):
        picked = list(subset)
        total[picked] += advantage(rewards[picked])
        held[picked] += 1
    return total / held


@pytest.mark.parametrize("advantage", [grpo, rloo, passk(3), lambda r: pkpo_loo_minus_one(r, 4)])
@pytest.mark.parametrize("c", range(7))
def test_lifted_is_the_mean_over_subsets(advantage, c):
    m, n = 6, 4
    want = mean_over_subsets(advantage, np.r_[np.ones(c), np.zeros(m - c)], n)
    success, failure = W.lifted(W.outcome_advantages(advantage, n))(m, c)
    assert np.r_[np.full(c, success), np.full(m - c, failure)] == pytest.approx(want)
    assert c > 0 or success == 0
    assert c < m or failure == 0


def test_lifted_estimates_the_weight_without_bias():
    n, m = 4, 9
    outcomes = W.outcome_advantages(grpo, n)
    c = np.arange(m + 1)
    success, failure = W.lifted(outcomes)(np.full(m + 1, m), c)
    more = W.OutcomeAdvantages(success, failure)
    assert W.prompt_weight(more, P) == pytest.approx(W.prompt_weight(outcomes, P))
    assert W.binomial(m, P) @ W.estimate_prompt_weight(outcomes, m, c) == pytest.approx(
        W.prompt_weight(outcomes, P)
    )


def test_lifted_to_its_own_size_is_itself():
    outcomes = W.outcome_advantages(grpo, 5)
    found = W.lifted(outcomes)(np.full(6, 5), np.arange(6))
    assert found == (pytest.approx(outcomes.success), pytest.approx(outcomes.failure))


def test_too_few_responses_cannot_be_lifted():
    success, failure = W.lifted(W.outcome_advantages(rloo, 5))(np.array([[4, 5]]), np.array([[2, 2]]))
    assert np.isnan(success).tolist() == np.isnan(failure).tolist() == [[True, False]]
    outcomes = W.outcome_advantages(rloo, 5)
    assert np.isnan(W.estimate_prompt_weight(outcomes, [3, 4], [1, 1])).tolist() == [True, False]
