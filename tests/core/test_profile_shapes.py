"""Shapes in closed form, updates of a policy with lengths, and moments of binomials."""

from itertools import product
from math import comb, sqrt

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from acute.core import profiler
from acute.core import prompt_weight as W
from acute.core.advantages.registry import ESTIMATORS
from acute.core.objectives import parse
from acute.errors import InputError
from tests.core.asserts import (
    all_groups,
    assert_broadcasts,
    assert_close,
    assert_scale_equivariant,
    chances,
)

P = np.array([0.05, 0.3, 0.5, 0.81])
few = settings(deadline=None, max_examples=40)


def at(name, k):
    return lambda rewards: ESTIMATORS[name].advantage(rewards, k)


def cosine_of_powers(weights, k):
    """Of Σ x (1-p)**(j-1) and (1-p)**(k-1) on (0, 1): ∫ (1-p)**(a+b-2) = 1 / (a+b-1)."""
    with_k = sum(x / (j + k - 1) for j, x in weights.items())
    square = sum(x * y / (i + j - 1) for i, x in weights.items() for j, y in weights.items())
    return with_k / sqrt(square / (2 * k - 1))


@few
@given(st.dictionaries(st.integers(1, 12), st.floats(0.1, 5), min_size=1, max_size=3))
def test_the_closest_k_maximises_a_cosine_known_in_closed_form(weights):
    k, cosine = profiler.closest_k(lambda p: sum(x * (1 - p) ** (j - 1) for j, x in weights.items()), 48.0)
    tried = np.linspace(1, 13, 2401)
    want = [cosine_of_powers(weights, x) for x in tried]
    assert cosine == pytest.approx(max(want), abs=2e-4)  # 200 points in place of an integral
    assert cosine_of_powers(weights, k) == pytest.approx(max(want), abs=1e-5)
    assert min(weights) - 1e-3 <= k <= max(weights) + 1e-3


@pytest.mark.parametrize(("a", "b"), [(1, 2), (1, 8), (3, 5), (4, 16)])
def test_the_cosine_of_two_pass_at_k(a, b):
    assert cosine_of_powers({a: 1.0}, b) == pytest.approx(sqrt((2 * a - 1) * (2 * b - 1)) / (a + b - 1))
    capped = profiler.closest_k(lambda p: (1 - p) ** (b - 1), most=float(a))
    if a > 1:
        assert capped == (pytest.approx(a, abs=1e-3), pytest.approx(cosine_of_powers({a: 1.0}, b), abs=1e-3))


def test_departures_by_hand():
    """W = (2, 1) against f' = (1, 1): s = 3/2, so that a half of the largest W, 2, is left over."""
    assert profiler.departure(np.array([2.0, 1.0]), np.array([1.0, 1.0])) == pytest.approx(1 / 4)
    assert profiler.departure(np.array([2.0, 1.0]), np.array([40.0, 40.0])) == pytest.approx(1 / 4)
    assert profiler.departure(np.array([-2.0, -1.0]), np.array([1.0, 1.0])) == pytest.approx(1 / 4)
    assert profiler.departure(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 1  # nothing in common
    assert profiler.departure(np.array([3.0, 6.0]), np.array([1e-300, 2e-300])) == pytest.approx(0)
    assert profiler.departure(np.array([3.0, 6.0]), np.zeros(2)) == 1


def test_judgements_by_hand():
    """n = 3: f' of pass@2 is estimated by 2 (1 - c/2), that is 2, 1, 0."""
    f = parse("pass@2")
    assert profiler.judge(np.array([2.0, 1.0, 0.0]), f) == ("unbiased", pytest.approx(1))
    assert profiler.judge(np.array([3.0, 1.5, 0.0]), f) == ("proportional", pytest.approx(1.5))
    assert profiler.judge(np.array([2.0, 1.0, 1e-6]), f) == ("biased", None)
    assert profiler.judge(np.array([2.0, 1.0, 1e-10]), f)[0] == "unbiased"
    assert profiler.judge(np.full(3, 1e-13), f) == ("zero", 0.0)
    assert profiler.judge(np.full(3, 1e-11), f) == ("biased", None)
    assert profiler.judge(np.array([2.0, 1.0, 0.0]) * (1 + 1e-7), f)[0] == "proportional"


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_profile_is_made_of_the_moments_of_its_estimator(name):
    e, n, k = ESTIMATORS[name], 6, 3
    found = profiler.profile(e.advantage, e.declared(n, k), n, k, p=P)
    own = W.outcome_advantages(at(name, k), n)
    assert_close(found.weight, W.prompt_weight(own, P))
    assert_close(found.variance, W.weight_variance(own, P))
    assert_close(found.second_moment, W.second_moment(own, P))
    assert_close(found.signal, W.signal_probability(own, P))
    assert_close(found.ratio * found.declared, found.weight)
    by_length = W.length_weighted(own, P, 4 ** (1 - P), 1.5 * 4 ** (1 - P))
    assert_close(found.length_effect * found.weight, by_length)
    assert (found.variance >= -1e-9).all() and (found.second_moment >= found.weight**2 * P * (1 - P)).all()
    assert found.zero_at_k == ()  # none was asked for


@pytest.mark.parametrize("name", ["rloo", "grpo", "pkpo", "nsr", "mean-centred-pkpo"])
@pytest.mark.parametrize(("right", "wrong"), [(1.0, 1.0), (2.0, 5.0), (7.0, 0.5)])
def test_an_update_of_a_policy_whose_answers_have_lengths(name, right, wrong):
    """Every group of the one-logit policy, each response's score divided by its length, over ∇p."""
    n, p = 4, 0.35
    update = 0.0
    for r in all_groups(n):
        length = np.where(r == 1, right, wrong)
        update += np.prod(np.where(r == 1, p, 1 - p)) * (at(name, 2)(r) * (r - p) / length).mean()
    own = W.outcome_advantages(at(name, 2), n)
    assert W.length_weighted(own, p, right, wrong) == pytest.approx(update / (p * (1 - p)))


@few
@given(st.integers(1, 30), st.floats(0.0, 1.0))
def test_the_binomial_has_its_moments_and_its_symmetry(n, p):
    chance, c = W.binomial(n, p), np.arange(n + 1)
    assert chance.sum() == pytest.approx(1) and chance @ c == pytest.approx(n * p)
    assert chance @ (c - n * p) ** 2 == pytest.approx(n * p * (1 - p), abs=1e-9)
    assert_close(W.binomial(n, 1 - p), chance[::-1])
    one_more = np.r_[(1 - p) * chance, 0] + np.r_[0, p * chance]
    assert_close(W.binomial(n + 1, p), one_more)


def test_moments_broadcast_over_prompts_and_scale():
    own = W.outcome_advantages(at("grpo", 1), 5)
    grid = P.reshape(2, 2)
    for f in (W.prompt_weight, W.signal_probability, W.second_moment, W.weight_variance):
        assert_broadcasts(lambda p, f=f: f(own, p), grid)
    assert W.binomial(3, grid).shape == (2, 2, 4)
    assert_close(W.binomial(3, grid)[1, 0], chances(3, grid[1, 0]))

    def scaled(f):
        return lambda s: f(W.OutcomeAdvantages(s * own.success, s * own.failure), P)

    for degree, f in ((1, W.prompt_weight), (2, W.second_moment), (2, W.weight_variance)):
        assert_scale_equivariant(scaled(f), 1.0, degree=degree)


def test_tables_by_hand():
    """GRPO's ε aside, groups of two: ±1/√2 where they differ, nothing else."""
    own = W.outcome_advantages(lambda r: ESTIMATORS["grpo"].advantage(r, 1), 2)
    half = 0.5 / (sqrt(0.5) + 1e-6)
    assert own.success == pytest.approx([0, half, 0]) and own.failure == pytest.approx([0, -half, 0])
    assert own.difference == pytest.approx([half, half])
    assert W.signal_probability(own, P) == pytest.approx(2 * P * (1 - P))
    assert W.second_moment(own, P) == pytest.approx(2 * P * (1 - P) * half**2)
    # the estimate of W is half/(2 p (1-p)) with chance 2 p (1-p), else 0; times n = 2
    size, chance = half / (2 * P * (1 - P)), 2 * P * (1 - P)
    assert W.weight_variance(own, P) == pytest.approx(2 * size**2 * chance * (1 - chance))


def test_signals_count_what_is_above_the_tolerance():
    own = W.OutcomeAdvantages(np.array([0.0, 1e-8, 1e-10]), np.array([0.0, 0.0, 0.0]))
    assert W.signal_probability(own, 0.5) == pytest.approx(0.5)
    assert W.signal_probability(own, 0.5, tolerance=1e-12) == pytest.approx(0.75)
    assert W.signal_probability(own, 0.5, tolerance=1e-8) == 0


@pytest.mark.parametrize("n", [3, 5])
def test_companions_are_drawn_without_replacement(n):
    """`estimate_prompt_weight` from m responses: the mean of D over all (n-1)-subsets of them."""
    own = W.outcome_advantages(at("rs-grpo", 1), n)
    for m in (n - 1, n, n + 2):
        for c in range(m + 1):
            ways = [comb(c, j) * comb(m - c, n - 1 - j) / comb(m, n - 1) for j in range(n)]
            assert W.estimate_prompt_weight(own, m, c) == pytest.approx(np.dot(ways, own.difference))


def test_lifted_tables_broadcast():
    lifted = W.lifted(W.outcome_advantages(at("pkpo-loo-1", 2), 3))
    for outcome in (0, 1):
        assert_broadcasts(lambda m, c, of=outcome: lifted(m, c)[of], np.array([[4], [7]]), np.arange(4))


@few
@given(st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_every_table_of_advantages_is_an_estimator_that_is_read_back(n, seed):
    success, failure = np.random.default_rng(seed).normal(size=(2, n + 1))
    success[0] = failure[n] = 0

    def advantage(rewards):
        c = rewards.sum(-1, keepdims=True).astype(int)
        return np.where(rewards == 1, success[c], failure[c])

    found = W.outcome_advantages(advantage, n)
    assert_close(found.success, success)
    assert_close(found.failure, failure)
    p = 0.37
    want = 0.0
    for r in product([0.0, 1.0], repeat=n):
        r = np.array(r)
        want += np.prod(np.where(r == 1, p, 1 - p)) * (advantage(r) * (r - p)).mean() / (p * (1 - p))
    assert W.prompt_weight(found, p) == pytest.approx(want)
    assume(np.abs(found.difference).max() > 1e-9)
    assert W.signal_probability(found, p) > 0


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda r: r[..., 0], r"rewards' shape, \(4, 3\), found \(4,\)"),
        (lambda r: list("abc"[: len(r)]), "must return numbers, found list"),
        (lambda r: np.where(r.sum(-1, keepdims=True) == 3, np.inf, r), r"for rewards \[1\. 1\. 1\.\]"),
        (lambda r: r + 1e-6 * np.arange(3), "order of the responses, found that it does"),
        (lambda r: r + 1e-6 * len(r), "other groups of the batch, found that they do"),
    ],
)
def test_faults_of_an_estimator_are_named(fault, message):
    with pytest.raises(InputError, match=message):
        W.outcome_advantages(fault, 3)


def test_rounding_is_no_fault():
    """What differs in the last digits between orders, batches and calls is the same."""
    rng = np.random.default_rng(0)
    noisy = W.outcome_advantages(lambda r: 1e6 * r * (1 + 1e-12 * rng.random(r.shape)), 3)
    assert noisy.success == pytest.approx([0, 1e6, 1e6, 1e6])
