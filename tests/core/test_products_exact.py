"""Unbiasedness of the products proved on tiny worlds: the mean over every rollout that can happen."""

import numpy as np
import pytest

from acute.core.products import plug_in, unbiased
from tests.core.asserts import assert_close
from tests.core.rollouts import TinyWorld, products_of

EVEN = [[2, 2], [2, 2]]
UNEVEN = [[2, 3], [3, 2]]


def expected(world, sizes, ks, of):
    """E of `of` for all pairs of objectives, shape (K, K, …)."""
    total = 0.0
    for chance, rollout in world.rollouts(sizes):
        products = products_of(rollout, *map(unbiased, ks))
        pairs = [[products.product(i, j) for j in range(len(ks))] for i in range(len(ks))]
        total = total + chance * np.array([[getattr(p, of) for p in row] for row in pairs])
    return total


def gram(world, ks):
    """⟨∇J_k(x), ∇J_m(x')⟩ of each pair of objectives and prompts, shape (K, K, N, N)."""
    g = np.array([world.gradient(k) for k in ks])
    return np.einsum("jxd,kyd->jkxy", g, g)


def mean_of_different(pairs):
    count = pairs.shape[-1]
    return (pairs.sum((2, 3)) - np.einsum("jkxx->jk", pairs)) / (count * (count - 1))


@pytest.mark.parametrize(("sizes", "ks"), [(EVEN, [1, 2]), (UNEVEN, [1, 2]), ([[3, 3], [2, 2]], [1, 2])])
@pytest.mark.parametrize("seed", [0, 1])
def test_finite_products_are_those_of_these_prompts(sizes, ks, seed):
    """Every k that a fold of two admits."""
    world = TinyWorld(seed)
    assert_close(expected(world, sizes, ks, "finite"), gram(world, ks).mean((2, 3)))


def test_finite_products_at_every_k_of_folds_of_three():
    world, ks = TinyWorld(2), [1, 2, 3]
    assert_close(expected(world, [[3, 3], [3, 3]], ks, "finite"), gram(world, ks).mean((2, 3)))


def test_with_a_fold_a_response_they_are_over_all_pairs():
    world, ks = TinyWorld(2), [1, 2]
    assert_close(expected(world, [[1] * 4, [1] * 4], ks, "finite"), gram(world, ks).mean((2, 3)))


def without(rollout, silent):
    """The rollout less the responses with these scores, whose rewards failed."""
    return [[[r for r in fold if tuple(r[1]) not in silent] for fold in prompt] for prompt in rollout]


@pytest.mark.parametrize("sizes", [[[1, 3], [2, 2]], [[2, 2], [3, 1]]])
def test_rewards_that_fail_at_random_only_make_n_unequal(sizes):
    """What is left of four responses each after one or two rewards failed at random, whatever the folds."""
    world, ks = TinyWorld(7), [1, 2]
    assert_close(expected(world, sizes, ks, "finite"), gram(world, ks).mean((2, 3)))


def test_rewards_that_fail_on_some_answers_leave_the_policy_given_a_reward_at_k_1_alone():
    """The third answer gets no reward. The scores of the rest no longer average to 0, and what the
    baseline leaves of that average cancels at k = 1 between different prompts, not at k = 2.
    """
    world = TinyWorld(6, responses=3)
    seen = world.pi[:, :2] / world.pi[:, :2].sum(1, keepdims=True)
    judged = TinyWorld(6, responses=3)
    judged.pi, judged.rewards = seen, world.rewards[:, :2]
    judged.scores = world.scores[:, :2] - np.einsum("xy,xyd->xd", seen, world.scores[:, :2])[:, None]
    silent, found, weight = {tuple(score) for score in world.scores[:, 2]}, 0.0, 0.0
    for chance, rollout in world.rollouts(EVEN):
        kept = without(rollout, silent)
        if min(len(fold) for prompt in kept for fold in prompt) > 1:
            products = products_of(kept, unbiased(1), unbiased(2))
            found = found + chance * np.array([products.product(i, 0).population for i in (0, 1)])
            weight += chance
    wanted = mean_of_different(gram(judged, [1, 2]))
    assert found[0] / weight == pytest.approx(wanted[0, 0])
    assert abs(found[1] / weight / wanted[1, 0] - 1) > 0.02


@pytest.mark.parametrize("seed", [0, 3])
def test_finite_products_from_more_folds(seed):
    world, ks = TinyWorld(seed), [1, 2]
    assert_close(expected(world, [[2, 2, 2], [2, 2, 2]], ks, "finite"), gram(world, ks).mean((2, 3)))


@pytest.mark.parametrize("sizes", [EVEN, [[1, 3], [3, 1]], [[2, 2], [3, 3]]])
def test_finite_products_reach_every_k_that_all_responses_together_admit(sizes):
    """⟨∇J_j, ∇J_k⟩ at j + k = n = 4: more than a fold has, since the weight of a pair is counted over all."""
    world, total = TinyWorld(3), 0.0
    for chance, rollout in world.rollouts(sizes):
        products = products_of(rollout, *map(unbiased, (1, 2, 3)))
        total = total + chance * np.array([products.product(*pair).finite for pair in ((2, 0), (1, 1))])
    wanted = gram(world, [1, 2, 3]).mean((2, 3))
    assert_close(total, [wanted[2, 0], wanted[1, 1]])


@pytest.mark.parametrize("sizes", [EVEN, UNEVEN, [[1, 3], [2, 2]]])
def test_population_products_are_those_of_different_prompts(sizes):
    """Every k that all four responses of a prompt admit, more than a fold does."""
    world, ks = TinyWorld(1), [1, 2, 3, 4]
    assert_close(expected(world, sizes, ks, "population"), mean_of_different(gram(world, ks)))


def test_with_three_prompts_and_three_responses():
    world, ks = TinyWorld(4, prompts=3, responses=2), [1, 2]
    found = expected(world, [[2, 2]] * 3, ks, "finite")
    assert_close(found, gram(world, ks).mean((2, 3)))
    wide = TinyWorld(5, responses=3)
    assert_close(expected(wide, EVEN, ks, "population"), mean_of_different(gram(wide, ks)))


def test_the_naive_product_adds_the_noise_of_a_prompts_own_gradient():
    """E naive = truth + Σ_x tr Cov(ĝ_j(x), ĝ_k(x)) / N²; with leave-one-out, tr Cov by enumeration."""
    world, ks = TinyWorld(0), [1, 2]
    excess = expected(world, EVEN, ks, "naive") - gram(world, ks).mean((2, 3))
    own = TinyWorld(0)
    noise = np.zeros((2, 2))
    for x in range(2):
        own.pi, own.scores, own.rewards = (z[x : x + 1] for z in (world.pi, world.scores, world.rewards))
        means = expected(own, [[2, 2]], ks, "naive")
        noise += means - gram(own, ks)[:, :, 0, 0]
    assert_close(excess, noise / 4)
    assert np.diag(excess).min() > 0


def test_the_plug_in_of_the_paper_is_biased_in_both_products():
    """At k = n = 4 the plug-in weight is too large in every outcome with failures and successes."""
    world, found = TinyWorld(1), 0.0
    for chance, rollout in world.rollouts(EVEN):
        product = products_of(rollout, plug_in(4), unbiased(1)).product(0, 1)
        found = found + chance * np.array([product.population, product.finite])
    pairs = np.einsum("xd,yd->xy", world.gradient(4), world.gradient(1))
    truth = np.array([mean_of_different(pairs[None, None])[0, 0], pairs.mean()])
    assert (np.abs(found / truth - 1) > 0.05).all()
