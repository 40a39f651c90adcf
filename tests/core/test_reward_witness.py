"""Laws of real rewards: derivatives along a mixture of laws, integrals, and what must not matter."""

from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acute.core import reward_law as R
from acute.core.advantages.registry import ESTIMATORS
from acute.errors import ConfigError
from tests.core.asserts import assert_close, assert_monotone

few = settings(deadline=None, max_examples=40)
seeds = st.integers(0, 2**32 - 1)
SCORES = np.array([0.0, 1.0, 1.0, 3.0, 2.0])


def law(seed, kinds=5):
    rng = np.random.default_rng(seed)
    return rng.choice(np.arange(-9.0, 10), kinds, replace=False), rng.dirichlet(np.ones(kinds))


def towards(chance, kind, step):
    """A law moved a little towards one that is always of this kind."""
    return (1 - step) * chance + step * np.eye(len(chance))[kind]


@few
@given(seeds, st.integers(1, 7))
def test_score_weights_are_derivatives_along_a_mixture_of_laws(seed, k):
    """d/dε J((1 - ε) P + ε δ_v) = u(v) - E u: the definition of an influence, without any policy."""
    values, chance = law(seed)
    h = 1e-5
    for kind in range(5):
        for value, weight in (
            (lambda q: R.max_at_k(values, q, k), R.max_at_k_score_weight(values, chance, k)),
            (
                lambda q: R.best_of_k(values, SCORES, q, k),
                R.best_of_k_score_weight(values, SCORES, chance, k),
            ),
        ):
            slope = (value(towards(chance, kind, h)) - value(towards(chance, kind, -h))) / (2 * h)
            assert slope == pytest.approx(weight[kind] - chance @ weight, abs=1e-4)


@few
@given(seeds, st.integers(1, 6))
def test_the_score_weight_is_the_integral_of_the_law(seed, k):
    """k ∫ F(t)**(k-1) dt up to v, as a sum over a fine grid."""
    values, chance = law(seed)
    edges = np.linspace(-9, 9, 1801)  # a grid that holds every value
    middle = (edges[1:] + edges[:-1]) / 2
    below = (chance * (values <= middle[:, None])).sum(-1) ** (k - 1)
    low = values.min()
    want = [k * below[(middle > low) & (middle < v)].sum() * 0.01 for v in values]
    assert_close(R.max_at_k_score_weight(values, chance, k), want, slack=1e-8)


@few
@given(seeds, st.integers(1, 4), st.randoms(use_true_random=False))
def test_kinds_in_another_order_or_told_twice(seed, k, random):
    values, chance = law(seed)
    order = random.sample(range(5), 5)
    assert R.best_of_k(values[order], SCORES[order], chance[order], k) == pytest.approx(
        R.best_of_k(values, SCORES, chance, k)
    )
    for weight in (R.best_of_k_score_weight, lambda v, _, q, k: R.max_at_k_score_weight(v, q, k)):
        want = weight(values, SCORES, chance, k)
        assert_close(weight(values[order], SCORES[order], chance[order], k), want[order])
    twice = np.r_[values, values[:1]], np.r_[SCORES, SCORES[:1]], np.r_[chance, chance[:1] / 2]
    twice[2][0] /= 2
    assert R.best_of_k(*twice, k) == pytest.approx(R.best_of_k(values, SCORES, chance, k))
    found = R.best_of_k_score_weight(*twice, k)
    assert_close(found[:5], R.best_of_k_score_weight(values, SCORES, chance, k))
    assert found[5] == pytest.approx(found[0])


@few
@given(seeds, st.integers(1, 5), st.floats(0.1, 4), st.floats(-5, 5))
def test_scores_count_by_rank_and_rewards_by_value(seed, k, factor, shift):
    values, chance = law(seed)
    base = R.best_of_k(values, SCORES, chance, k)
    assert R.best_of_k(values, np.exp(SCORES), chance, k) == pytest.approx(base)
    assert R.best_of_k(factor * values + shift, SCORES, chance, k) == pytest.approx(factor * base + shift)
    weight = R.best_of_k_score_weight(values, SCORES, chance, k)
    moved = R.best_of_k_score_weight(factor * values + shift, SCORES, chance, k)
    centred = [w - chance @ w for w in (factor * weight, moved)]
    assert_close(*centred, slack=1e-7)
    assert min(values) - 1e-9 <= base <= R.max_at_k(values, chance, k) + 1e-9  # no score beats the reward


@few
@given(seeds)
def test_more_attempts_and_better_laws(seed):
    values, chance = law(seed)
    assert_monotone([R.max_at_k(values, chance, k) for k in range(1, 9)])
    gains = np.diff([R.max_at_k(values, chance, k) for k in range(1, 9)])
    assert_monotone(gains, up=False)  # each further attempt adds less
    best = towards(chance, int(values.argmax()), 0.3)
    assert R.max_at_k(values, best, 3) >= R.max_at_k(values, chance, 3)
    assert R.max_at_k_score_weight(values, chance, 3).max() <= 3 * np.ptp(values) + 1e-9


def test_by_hand():
    """Rewards 0, 1, 3 with chances 1/2, 1/4, 1/4; F = 1/2, 3/4, 1."""
    values, chance = [0.0, 1.0, 3.0], [0.5, 0.25, 0.25]
    assert R.max_at_k(values, chance, 2) == pytest.approx(1 * (9 / 16 - 4 / 16) + 3 * (1 - 9 / 16))
    assert R.max_at_k_score_weight(values, chance, 2) == pytest.approx([0, 2 * 0.5, 2 * (0.5 + 2 * 0.75)])
    assert R.max_at_k_score_weight(values, chance, 3) == pytest.approx([0, 3 / 4, 3 * (1 / 4 + 2 * 9 / 16)])
    # a score that prefers the middle one: 0, 3 and then 1
    assert R.best_of_k(values, [0, 2, 1], chance, 2) == pytest.approx(
        1 * (1 - 9 / 16) + 3 * (9 / 16 - 4 / 16)
    )
    u = R.best_of_k_score_weight(values, [0, 2, 1], chance, 2)
    assert u - u[0] == pytest.approx([0, 2 * (1 - 1), 2 * (0.5 * 3 + 0.25 * 3 + 0.25 * 1 - 1)])


@pytest.mark.parametrize("p", [0.0, 0.2, 0.7, 1.0])
def test_the_ladder_climbs_a_step_with_chance_p(p):
    values, chance = R.ladder([2.0, 0.0, 5.0, 1.0], p)
    assert values.tolist() == [0.0, 1.0, 2.0, 5.0]
    assert chance.sum() == pytest.approx(1) and chance @ np.arange(4) == pytest.approx(3 * p)
    assert chance @ (np.arange(4) - 3 * p) ** 2 == pytest.approx(3 * p * (1 - p))
    means = [R.max_at_k(*R.ladder(values, q), 2) for q in (0.1, 0.4, 0.8)]
    assert_monotone(means, strictly=True)


@pytest.mark.parametrize("name", ["grpo", "pkpo-loo", "rs-grpo", "verl-grpo-passk", "tang"])
@pytest.mark.parametrize("n", [3, 4])
def test_expected_advantages_over_every_ordered_group(name, n):
    values, chance = np.array([0.5, -1.0, 2.0]), np.array([0.2, 0.5, 0.3])

    def advantage(rewards):
        return ESTIMATORS[name].advantage(rewards, 2)

    want = np.zeros(3)
    for kinds in product(range(3), repeat=n):
        others = prod(chance[list(kinds[1:])])
        want[kinds[0]] += others * advantage(values[list(kinds)])[0]
    assert_close(R.expected_advantages(advantage, n, values, chance), want)


def test_expected_advantages_are_linear_and_keep_the_order_of_the_law():
    values, chance = np.array([0.0, 0.5, 1.0]), np.array([0.2, 0.5, 0.3])
    one, other = (lambda r, name=name: ESTIMATORS[name].advantage(r, 2) for name in ("rloo", "pkpo"))
    parts = [R.expected_advantages(f, 4, values, chance) for f in (one, other)]
    both = R.expected_advantages(lambda r: 2 * one(r) - other(r), 4, values, chance)
    assert_close(both, 2 * parts[0] - parts[1])
    turned = R.expected_advantages(one, 4, values[::-1], chance[::-1])
    assert_close(turned, parts[0][::-1])
    assert_close(parts[0], values - chance @ values)  # RLOO: the reward less its mean


def test_the_limit_on_groups_is_the_last_that_is_allowed(monkeypatch):
    """Three values in groups of four: C(5, 2) = 10 ways for the others, times three."""
    monkeypatch.setattr(R, "MOST_GROUPS", 30)
    assert len(R.expected_advantages(lambda r: r, 4, [0, 1, 2], [0.2, 0.3, 0.5])) == 3
    monkeypatch.setattr(R, "MOST_GROUPS", 29)
    with pytest.raises(ConfigError, match="3 values with groups of 4 make 30 groups, more than 29"):
        R.expected_advantages(lambda r: r, 4, [0, 1, 2], [0.2, 0.3, 0.5])


@few
@given(seeds, st.floats(0.1, 5), st.floats(-3, 3))
def test_the_error_of_a_score_weight_is_a_share(seed, factor, shift):
    rng = np.random.default_rng(seed)
    found, target, chance = rng.normal(size=4), rng.normal(size=4), rng.dirichlet(np.ones(4))
    multiple, error = R.score_weight_error(found, target, chance)
    assert 0 <= error <= 1 + 1e-12
    scaled = R.score_weight_error(factor * found + shift, target, chance)
    assert scaled == pytest.approx((factor * multiple, error))
    assert R.score_weight_error(found, target / factor - shift, chance) == pytest.approx(
        (factor * multiple, error)
    )
    a, b = found - chance @ found, target - chance @ target
    correlation = chance @ (a * b) / np.sqrt((chance @ a**2) * (chance @ b**2))
    assert error**2 == pytest.approx(1 - correlation**2, abs=1e-9)
