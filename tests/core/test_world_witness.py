"""The toy worlds and the algebra of interference against independent forms of both."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acute.core import agreement as A
from acute.core import steps as S
from acute.core import toy
from acute.core.objectives import pass_at_k
from acute.errors import InputError
from tests.core.asserts import assert_close, assert_permutation_invariant, assert_scale_equivariant
from tests.core.worlds import numeric_gradient, softmax_world, worlds

few = settings(deadline=None, max_examples=40)
seeds = st.integers(0, 2**32 - 1)


def columns(seed, count=5, d=3):
    """(weights, gradients, mass) of some prompts."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.1, 4, count), rng.normal(size=(count, d)), rng.dirichlet(np.ones(count))


def as_softmax(bandit):
    """The bandit as a softmax policy: action 0 has features 0, action 1 has ψ."""
    features = np.stack([np.zeros_like(bandit.features), bandit.features], axis=1)
    rewards = np.stack([~bandit.hard, bandit.hard], axis=1).astype(float)
    return toy.Softmax(features, rewards, bandit.mass)


@few
@given(seeds, st.integers(1, 30), st.integers(1, 9))
def test_the_bandit_is_a_softmax_policy_of_two_actions(seed, count, k):
    bandit = toy.population(count, seed=seed)
    theta = np.random.default_rng(seed).normal(size=2) * 2
    one, other = toy.state(bandit, theta, k), toy.state(as_softmax(bandit), theta, k)
    for of in one._fields:
        assert_close(getattr(one, of), getattr(other, of), message=of)
    assert bandit.constants()[0] <= as_softmax(bandit).constants()[0]  # ‖ψ‖²/4 is the sharper of the two


@few
@given(worlds(), seeds)
def test_features_common_to_all_responses_of_a_prompt_change_nothing(case, seed):
    world, theta = case
    moved = world.features + np.random.default_rng(seed).normal(size=(len(world.mass), 1, len(theta)))
    shifted = toy.Softmax(moved, world.rewards, world.mass)
    assert_close(shifted.probabilities(theta), world.probabilities(theta))
    assert_close(shifted.scores(theta), world.scores(theta), slack=1e-8)
    assert_close(shifted.gradients(theta), world.gradients(theta), slack=1e-8)
    assert shifted.constants() == pytest.approx(world.constants())


@few
@given(worlds())
def test_scores_average_to_nothing_so_that_baselines_are_free(case):
    world, theta = case
    pi, s, p = world.probabilities(theta), world.scores(theta), world.success(theta)
    assert_close(np.einsum("xy,xyd->xd", pi, s), np.zeros((len(p), len(theta))))
    centred = np.einsum("xy,xy,xyd->xd", pi, world.rewards - p[:, None], s)
    assert_close(centred, world.gradients(theta))
    # the sharper constant: ‖∇p‖² <= p (1 - p) E‖s‖²
    spread = np.einsum("xy,xyd,xyd->x", pi, s, s)
    assert ((world.gradients(theta) ** 2).sum(-1) <= p * (1 - p) * spread + 1e-12).all()


@few
@given(seeds, st.integers(2, 5))
def test_the_table_has_the_textbook_gradient(seed, responses):
    """∂p(x)/∂(x, y) = π(y|x) (r - p), and 0 for the logits of other prompts."""
    rng = np.random.default_rng(seed)
    rewards = (rng.random((3, responses)) < 0.5).astype(float)
    world, theta = toy.tabular(rewards), rng.normal(size=3 * responses)
    pi = np.exp(theta.reshape(3, responses))
    pi /= pi.sum(-1, keepdims=True)
    p = (pi * rewards).sum(-1)
    want = np.einsum("xz,xy->xzy", np.eye(3), pi * (rewards - p[:, None])).reshape(3, -1)
    assert_close(world.gradients(theta), want)
    assert_close(world.success(theta), p)
    assert world.constants() == (1, 1)  # one-hot vectors are √2 apart, and half of 2 is 1


def test_the_constants_of_a_softmax_are_half_the_largest_squared_distance():
    features = np.array([[[0.0, 0.0], [3.0, 4.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 1.0], [0.0, 2.0]]])
    world = toy.Softmax(features, np.zeros((2, 3)), np.array([0.5, 0.5]))
    assert world.constants() == (12.5, 12.5)
    assert toy.Bandit(np.array([[1.0, 3.0], [1.0, -1.0]]), np.array([True, False])).constants() == (2.5, 2.5)


@few
@given(worlds(), st.integers(1, 9))
def test_a_state_is_made_of_the_mass_and_the_weights(case, k):
    world, theta = case
    at, d = toy.state(world, theta, k), world.mass
    w = pass_at_k(k).weight(at.p)
    assert_close(at.J1, sum(d[x] * at.p[x] for x in range(len(d))))
    assert_close(at.Jk, sum(d[x] * (1 - (1 - at.p[x]) ** k) for x in range(len(d))))
    assert_close(at.gradient_k, sum(d[x] * w[x] * at.gradients[x] for x in range(len(d))))
    assert at.inner == pytest.approx(A.inner_product(w, at.agreement, d), abs=1e-12)
    size = np.linalg.norm(at.gradient_1) * np.linalg.norm(at.gradient_k)
    assert at.cosine * size == pytest.approx(at.inner, abs=1e-12) and abs(at.cosine) <= 1 + 1e-12


@few
@given(worlds(), st.integers(1, 9), st.floats(0.01, 1.9))
def test_a_step_moves_both_objectives_as_far_as_smoothness_allows(case, k, share):
    """In conflict or not: eqs. 17 and 18 on both sides, up to steps that guarantee nothing."""
    world, theta = case
    G2, F = world.constants()
    L1, Lk = S.sharp_smoothness(1, G2, F), S.sharp_smoothness(k, G2, F)
    eta = share / Lk
    first, last = (toy.state(world, at, k) for at in toy.ascend(world, theta, k, eta, 1))
    squared = float(first.gradient_k @ first.gradient_k)
    assert last.Jk - first.Jk >= S.pass_at_k_gain_bound(squared, Lk, eta) - 1e-12
    lower, upper = S.pass_at_1_change_bounds(first.inner, squared, L1, eta)
    assert lower - 1e-12 <= last.J1 - first.J1 <= upper + 1e-12


def test_an_ascent_keeps_its_start_and_its_length():
    world, start = toy.two_prompts(), [-2.0, -2.0]
    path = toy.ascend(world, start, k=10, step=5.0, steps=3)
    assert path[0].tolist() == start and path.shape == (4, 2)
    assert toy.ascend(world, start, k=10, step=5.0, steps=0).tolist() == [start]
    slope = numeric_gradient(lambda t: toy.state(world, t, 10).Jk, path[1])
    assert (path[2] - path[1]) / 5 == pytest.approx(slope, abs=1e-8)


@few
@given(seeds, st.integers(1, 4))
def test_the_kernel_does_not_see_a_rotation_and_is_quadratic(seed, d):
    _, g, mass = columns(seed, d=d)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]
    kappa = A.kernel(g)
    assert_close(A.kernel(g @ turn), kappa)
    assert_scale_equivariant(A.kernel, g, degree=2)
    assert_scale_equivariant(lambda x: A.agreement(A.kernel(x), mass), g, degree=2)
    assert_close(A.cosine_kernel(A.kernel(7 * g)), A.cosine_kernel(kappa))
    assert np.abs(A.cosine_kernel(kappa)).max() <= 1 + 1e-12
    assert np.array_equal(A.interference(kappa), np.sign(kappa)) and A.interference(kappa).dtype == int


@few
@given(seeds, st.randoms(use_true_random=False))
def test_the_order_of_prompts_does_not_matter(seed, random):
    w, g, mass = columns(seed)
    orders = [random.sample(range(5), 5) for _ in range(2)]
    a = A.agreement(A.kernel(g), mass)
    for form in (A.inner_product, A.inner_product_by_shift):
        assert_permutation_invariant(form, w, a, mass, orders=orders)
    assert_permutation_invariant(lambda *x: A.correlation(*x[:2], 0.7, x[2]), w, a, mass, orders=orders)
    for order in orders:
        assert_close(A.agreement(A.kernel(g[order]), mass[order]), a[order])
        assert_close(A.reweighted(w[order], mass[order]), A.reweighted(w, mass)[order])


@few
@given(seeds)
def test_mass_counts_like_copies_of_prompts(seed):
    """Masses 2 : 1 : 3 are two, one and three prompts of equal share."""
    w, g, _ = columns(seed, count=3)
    copies, mass = [0, 0, 1, 2, 2, 2], [2, 1, 3]
    a, many = A.agreement(A.kernel(g), mass), A.agreement(A.kernel(g[copies]))
    assert_close(a[copies], many)
    assert A.inner_product(w, a, mass) == pytest.approx(A.inner_product(w[copies], many))
    norm = float(((np.array(mass) / 6 @ g) ** 2).sum())
    one, other = A.correlation(w, a, norm, mass), A.correlation(w[copies], many, norm)
    assert one == pytest.approx(other)
    assert A.inner_product_by_covariance(w, a, norm, mass) == pytest.approx(A.inner_product(w, a, mass))
    kappa, rows = A.kernel(g), np.stack([w, w**2])
    assert_close(
        A.objective_matrix(rows, kappa, mass), A.objective_matrix(rows[:, copies], A.kernel(g[copies]))
    )


@few
@given(seeds)
def test_the_correlation_is_that_of_numpy(seed):
    w, g, _ = columns(seed)
    a = A.agreement(A.kernel(g))
    found = A.correlation(w, a, 0.7)
    assert found.value == pytest.approx(np.corrcoef(w, a)[0, 1])
    assert found.threshold == pytest.approx(-w.mean() * 0.7 / (w.std() * a.std()))
    assert A.correlation(2 * w + 1, a, 0.7).value == pytest.approx(found.value)


@few
@given(seeds)
def test_reweighting_twice_is_reweighting_by_the_product(seed):
    w, _, mass = columns(seed)
    other = w[::-1] ** 2
    assert_close(A.reweighted(other, A.reweighted(w, mass)), A.reweighted(w * other, mass))
    assert_close(A.reweighted(np.ones(5), mass), mass)
    assert A.reweighted(w, mass).sum() == pytest.approx(1)


@few
@given(seeds, st.floats(-2, 2))
def test_the_matrix_of_objectives_is_bilinear(seed, factor):
    w, g, mass = columns(seed)
    v, kappa = w[::-1], A.kernel(g)
    found = A.objective_matrix([w, v, w + factor * v], kappa, mass)
    assert_close(found, found.T)
    assert_close(found[2, 0], found[0, 0] + factor * found[1, 0])
    assert_close(found[2, 2], found[0, 0] + 2 * factor * found[0, 1] + factor**2 * found[1, 1], slack=1e-8)
    ones = A.objective_matrix(np.ones(5), kappa, mass)
    assert ones.shape == (1, 1) and ones[0, 0] == pytest.approx(mass @ A.agreement(kappa, mass))


@pytest.mark.parametrize("weights", [[1.0, -0.1], [0.0, 0.0], [-1.0, -1.0], [np.nan, 1.0]])
def test_no_distribution_from_such_weights(weights):
    with pytest.raises(InputError, match=r"weights >= 0 with a positive mean, found \["):
        A.reweighted(weights)
    with pytest.raises(InputError, match="weights >= 0"):
        A.inner_product_by_shift(weights, [1.0, 2.0])
    with pytest.raises(InputError, match="positive mean"):
        A.reweighted([0.0, 1.0], [1.0, 0.0])  # the only weight is on a prompt without mass


def test_a_conflict_needs_both_numbers():
    assert A.Correlation(-0.9, -0.8).conflict and not A.Correlation(-0.8, -0.8).conflict
    assert not A.Correlation(-1.0, -1.2).conflict  # a threshold below -1 cannot be met
    assert not A.Correlation(np.nan, np.nan).conflict


def test_the_kernel_of_a_world_by_hand():
    """Two prompts share one logit: π(1) = 1/4 at θ = -log 3, ∇p = 3/16 on one, -3/16 on the other."""
    features = np.array([[[0.0], [1.0]], [[0.0], [1.0]]])
    world = toy.Softmax(features, np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0.5, 0.5]))
    theta = np.array([-np.log(3)])
    assert_close(world.success(theta), [0.25, 0.75])
    assert_close(world.scores(theta), [[[-0.25], [0.75]]] * 2)
    assert_close(world.gradients(theta), [[3 / 16], [-3 / 16]])
    assert_close(world.kernel_by_expectation(theta), np.array([[9, -9], [-9, 9]]) / 256)
    at = toy.state(world, theta, 2)
    assert (at.J1, at.Jk) == (pytest.approx(0.5), pytest.approx((7 / 16 + 15 / 16) / 2))
    assert at.gradient_1 == pytest.approx([0]) and np.isnan(at.cosine)  # they cancel: no angle
    assert at.gradient_k == pytest.approx([(2 * 0.75 - 2 * 0.25) * 3 / 32])


def test_worlds_do_not_share_their_memory():
    world = softmax_world(1)
    before = world.features.copy()
    toy.ascend(world, np.zeros(4), 3, 0.5, 2)
    assert np.array_equal(world.features, before)
    assert np.array_equal(toy.THETA_REF, [-2.0, -2.0])
