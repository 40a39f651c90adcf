"""Real-valued rewards: max@k and best-of-k by brute force, and unbiasedness with ties."""

from itertools import product

import numpy as np
import pytest

from acute.core import reward_law as R
from acute.core.advantages.pass_at_k import best_of_k
from acute.core.advantages.registry import ESTIMATORS
from acute.core.prompt_weight import outcome_advantages, prompt_weight
from acute.errors import ConfigError, InputError
from tests.core.worlds import numeric_gradient

VALUES, CHANCE = np.array([0.3, 1.0, 0.1, 0.8]), np.array([0.4, 0.2, 0.1, 0.3])
UNBIASED = [name for name, e in ESTIMATORS.items() if e.real_rewards]


def brute_best(values, scores, chance, k):
    total = 0.0
    for ys in product(range(len(values)), repeat=k):
        top = max(scores[y] for y in ys)
        picked = [values[y] for y in ys if scores[y] == top]
        total += np.prod(chance[list(ys)]) * np.mean(picked)
    return total


@pytest.mark.parametrize("k", [1, 2, 4])
def test_max_at_k_and_best_of_k_are_what_they_say(k):
    assert R.max_at_k(VALUES, CHANCE, k) == pytest.approx(brute_best(VALUES, VALUES, CHANCE, k))
    scores = np.array([0.0, 2.0, 2.0, 1.0])
    assert R.best_of_k(VALUES, scores, CHANCE, k) == pytest.approx(brute_best(VALUES, scores, CHANCE, k))


def test_a_perfect_verifier_makes_best_of_k_pass_at_k():
    r = np.array([0.0, 1.0, 0.0])
    assert R.best_of_k(r, r, [0.5, 0.2, 0.3], 5) == pytest.approx(1 - 0.8**5)


def test_a_score_that_never_occurs_does_no_harm():
    assert R.best_of_k([1.0, 0.0], [1.0, 2.0], [1.0, 0.0], 3) == 1.0


@pytest.mark.parametrize("k", [1, 2, 5])
def test_score_weights_give_the_gradient_of_max_at_k(k):
    """A softmax over the values: Σ P(v) u(v) (e_v - P) against differences of max@k."""

    def law(logits):
        q = np.exp(logits)
        return q / q.sum()

    logits = np.log(CHANCE)
    numeric = numeric_gradient(lambda x: R.max_at_k(VALUES, law(x), k), logits)
    u = R.max_at_k_score_weight(VALUES, CHANCE, k)
    assert CHANCE * (u - CHANCE @ u) == pytest.approx(numeric, abs=1e-9)
    assert u.min() == 0 and u[np.argmin(VALUES)] == 0


def test_score_weight_of_a_success_is_the_weight_of_pass_at_k():
    assert R.max_at_k_score_weight([0, 1], [0.7, 0.3], 4) == pytest.approx([0, 4 * 0.7**3])


def test_ladder_is_binomial():
    values, chance = R.ladder([1.0, 0.0, 0.5], 0.3)
    assert values.tolist() == [0.0, 0.5, 1.0] and chance == pytest.approx([0.49, 0.42, 0.09])
    assert R.ladder([0, 1], 0.3)[1] == pytest.approx([0.7, 0.3])


@pytest.mark.parametrize("name", UNBIASED)
@pytest.mark.parametrize("n", [2, 3, 5, 6])
def test_unbiased_for_max_at_k_with_ties(name, n):
    """Four values in groups of up to six: ties in most groups. Every k it admits."""
    estimator = ESTIMATORS[name]
    for k in [k for k in range(1, n + 1) if estimator.admits(n, k)]:
        target_k = {"pass@1": 1}.get(estimator.declared(n, k).name, n if "tang" in name else k)
        found = R.expected_advantages(lambda r, k=k: estimator.advantage(r, k), n, VALUES, CHANCE)
        target = R.max_at_k_score_weight(VALUES, CHANCE, target_k)
        want = estimator.multiple(n, k) * (target - CHANCE @ target)
        assert found - CHANCE @ found == pytest.approx(want, abs=1e-10)


def test_larger_groups_with_three_values():
    estimator = ESTIMATORS["pkpo-loo"]
    law = R.ladder([0.0, 0.5, 1.0], 0.4)
    found = R.expected_advantages(lambda r: estimator.advantage(r, 8), 12, *law)
    multiple, error = R.score_weight_error(found, R.max_at_k_score_weight(*law, 8), law[1])
    assert multiple == pytest.approx(1) and error < 1e-10


@pytest.mark.parametrize("name", ["grpo", "verl-grpo-passk", "maxrl-repository-pkpo"])
def test_the_biased_are_biased_on_real_rewards(name):
    found = R.expected_advantages(lambda r: ESTIMATORS[name].advantage(r, 3), 4, VALUES, CHANCE)
    assert R.score_weight_error(found, R.max_at_k_score_weight(VALUES, CHANCE, 3), CHANCE)[1] > 0.01


def test_expected_advantages_of_successes_and_failures():
    advantage = ESTIMATORS["pass-at-k-training"].advantage
    found = R.expected_advantages(lambda r: advantage(r, 3), 5, [0, 1], [0.7, 0.3])
    want = prompt_weight(outcome_advantages(lambda r: advantage(r, 3), 5), 0.3)
    assert found[1] - found[0] == pytest.approx(want)


def test_expected_advantages_by_brute_force():
    def squared(r):
        return r * (r**2).sum(-1, keepdims=True)

    found = R.expected_advantages(squared, 3, VALUES, CHANCE)
    for v, got in zip(VALUES, found, strict=True):
        mean = sum(
            CHANCE[i] * CHANCE[j] * v * (v**2 + VALUES[i] ** 2 + VALUES[j] ** 2)
            for i, j in product(range(4), repeat=2)
        )
        assert got == pytest.approx(mean)


def test_a_value_that_never_occurs():
    found = R.expected_advantages(lambda r: r, 4, [0.0, 1.0, 2.0], [0.5, 0.5, 0.0])
    assert found == pytest.approx([0, 1, 2])


def test_groups_of_one():
    assert R.expected_advantages(lambda r: r, 1, [0.0, 1.0], [0.5, 0.5]) == pytest.approx([0, 1])


def test_score_weight_error():
    q = np.array([0.5, 0.25, 0.25])
    target = np.array([0.0, 1.0, 3.0])
    assert R.score_weight_error(2 * target + 7, target, q) == pytest.approx((2, 0))
    assert R.score_weight_error(np.ones(3), target, q) == (0, 0)
    orthogonal = np.array([0.0, 1.0, -1.0])
    multiple, error = R.score_weight_error(orthogonal, np.array([-1.0, 1.0, 1.0]), q)
    assert (multiple, error) == (pytest.approx(0), pytest.approx(1))


def test_score_weights_at_k_1_are_the_rewards():
    assert R.best_of_k_score_weight(VALUES, [0.0, 2.0, 1.0, 3.0], CHANCE, 1) == pytest.approx(VALUES)
    assert R.max_at_k_score_weight(VALUES, CHANCE, 1) == pytest.approx(VALUES - VALUES.min())


def test_the_limit_counts_every_value_of_the_response_itself():
    """171,700 ways to pick 99 others of four kinds, times four."""
    with pytest.raises(ConfigError, match="make 686800 groups, more than 400000"):
        R.expected_advantages(lambda r: r, 100, VALUES, CHANCE)


def test_too_many_groups_are_refused_before_the_work():
    with pytest.raises(ConfigError, match="fewer values or smaller groups"):
        R.expected_advantages(lambda r: r, 64, np.arange(8), np.full(8, 1 / 8))


@pytest.mark.parametrize(
    ("values", "chance"),
    [([1.0], [1.0]), ([1.0, 1.0], [0.5, 0.5]), ([0.0, 1.0], [1.0]), ([[0.0, 1.0]], [[0.5, 0.5]])],
)
def test_a_law_needs_different_values(values, chance):
    with pytest.raises(InputError, match="two or more different values"):
        R.max_at_k_score_weight(values, chance, 2)


@pytest.mark.parametrize("chance", [[0.5, 0.6], [-0.5, 1.5]])
def test_a_law_sums_to_one(chance):
    with pytest.raises(InputError, match="sum to 1"):
        R.max_at_k_score_weight([0, 1], chance, 2)


@pytest.mark.parametrize(
    ("values", "scores", "chance"),
    [([0, 1], [0], [0.5, 0.5]), ([0, 1], [0, 1], [0.5, 0.6]), ([[0]], [[0]], [[1]])],
)
def test_best_of_k_needs_one_of_each(values, scores, chance):
    with pytest.raises(InputError, match="a kind"):
        R.best_of_k(values, scores, chance, 2)


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("scores", [[0.0, 2.0, 1.0, 3.0], [0.0, 1.0, 1.0, 0.5], [1.0, 1.0, 1.0, 1.0]])
def test_score_weights_give_the_gradient_of_best_of_k(scores, k):
    def law(logits):
        q = np.exp(logits)
        return q / q.sum()

    logits = np.log(CHANCE)
    numeric = numeric_gradient(lambda x: R.best_of_k(VALUES, scores, law(x), k), logits)
    u = R.best_of_k_score_weight(VALUES, scores, CHANCE, k)
    assert CHANCE * (u - CHANCE @ u) == pytest.approx(numeric, abs=1e-9)


def test_best_of_k_by_its_own_reward_is_max_at_k():
    u = R.best_of_k_score_weight(VALUES, VALUES, CHANCE, 3)
    assert u - u.min() == pytest.approx(R.max_at_k_score_weight(VALUES, CHANCE, 3))


def test_kinds_that_never_occur_do_no_harm_to_score_weights():
    u = R.best_of_k_score_weight([1.0, 0.0, 5.0, 7.0], [1.0, 2.0, 3.0, 0.0], [0.5, 0.5, 0.0, 0.0], 2)
    assert np.isfinite(u).all() and u[2] == pytest.approx(2 * (5 - 0.5)) and u[3] == pytest.approx(0)


@pytest.mark.parametrize("scores", [[0.0, 2.0, 1.0, 3.0], [0.0, 1.0, 1.0, 0.5], [1.0, 1.0, 1.0, 1.0]])
@pytest.mark.parametrize(("n", "k"), [(2, 2), (4, 2), (4, 3), (4, 4)])
def test_best_of_k_advantages_are_unbiased(scores, n, k):
    """Every group of n of four kinds: the mean update of a softmax over the kinds."""
    scores = np.array(scores)
    update = np.zeros(4)
    for kinds in product(range(4), repeat=n):
        kinds = list(kinds)
        a = best_of_k(VALUES[kinds], scores[kinds], k)
        update += np.prod(CHANCE[kinds]) * (a @ (np.eye(4)[kinds] - CHANCE)) / n
    u = R.best_of_k_score_weight(VALUES, scores, CHANCE, k)
    assert update == pytest.approx(CHANCE * (u - CHANCE @ u), abs=1e-12)
