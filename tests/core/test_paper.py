"""The statements of arXiv 2602.21189, one test each, on worlds where both sides can be computed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acute.core import agreement as A
from acute.core import steps as S
from acute.core import theory as T
from acute.core.estimators import plug_in_weight
from acute.core.objectives import parse, pass_at_k
from acute.core.toy import THETA_REF, ascend, population, state, two_prompts
from tests.core.worlds import numeric_gradient, softmax_world, worlds


@settings(deadline=None, max_examples=40)
@given(worlds(), st.integers(1, 12), st.integers(1, 12))
def test_2_1_more_attempts_never_hurt_and_jensen_bounds_them(case, k, m):
    world, theta = case
    p, d = world.success(theta), world.mass
    low, high = (float(d @ pass_at_k(x).value(p)) for x in sorted((k, m)))
    assert low <= high + 1e-12
    j1 = float(d @ p)
    assert j1 - 1e-12 <= low and high <= min(1.0, float(pass_at_k(max(k, m)).value(j1))) + 1e-12


@pytest.mark.parametrize("k", [1, 2, 7])
def test_eq_2_the_gradient_of_pass_at_k_is_the_weighted_gradient_of_pass_at_1(k):
    world, theta = softmax_world(21), np.array([0.2, -0.4, 0.9, 0.1])
    want = numeric_gradient(lambda t: world.mass @ pass_at_k(k).value(world.success(t)), theta)
    assert state(world, theta, k).gradient_k == pytest.approx(want, abs=1e-8)


def test_eq_3_weights_are_positive_so_that_one_prompt_alone_never_conflicts():
    p = np.linspace(0, 0.99, 34)
    for k in (1, 2, 9):
        assert (pass_at_k(k).weight(p) > 0).all()
    assert (np.diff(pass_at_k(5).weight(p)) < 0).all()  # larger on harder prompts
    assert pass_at_k(5).weight(0.0) == 5 and pass_at_k(5).weight(1.0) == 0


def test_eq_6_a_step_on_one_prompt_moves_another_by_the_kernel():
    world, theta, eta = softmax_world(8), np.array([0.3, 0.1, -0.6, 0.4]), 1e-6
    g = world.gradients(theta)
    kappa = A.kernel(g)
    for x in range(len(g)):
        moved = (world.success(theta + eta * g[x]) - world.success(theta - eta * g[x])) / (2 * eta)
        assert moved == pytest.approx(kappa[x], rel=1e-5, abs=1e-9)


def test_eq_7_prompts_alike_with_other_labels_interfere_negatively():
    world = population(60, seed=4)
    kappa = A.kernel(world.gradients(THETA_REF))
    alike = (world.features @ world.features.T) > 0
    other = world.hard[:, None] != world.hard
    assert (A.interference(kappa)[alike & other] == -1).all()
    assert (A.interference(kappa)[alike & ~other] == 1).all()


def test_prop_4_1_conflict_needs_negative_agreement_somewhere():
    for seed in range(40):
        world = softmax_world(seed)
        at = state(world, 2 * np.random.default_rng(seed).normal(size=4), 6)
        if at.inner < 0:
            assert at.agreement.min() < 0
        if at.agreement.min() >= 0:
            assert all(T.inner_products(at.p, at.agreement, np.arange(1, 30), world.mass) >= 0)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40))
def test_prop_4_5_the_inequality_itself(seed, k):
    """I_k <= -k [(1-ε)^(k-1) m q - (1-δ)^(k-1) B (1-q)]."""
    rng = np.random.default_rng(seed)
    p = np.r_[rng.uniform(0.01, 0.3, 3), rng.uniform(0.4, 0.95, 4)]
    a = np.r_[-rng.uniform(0.2, 1, 3), rng.uniform(-0.1, 3, 4)]
    at = T.k_star_scan(p, a)
    if at is None:
        return
    hard = (1 - at.epsilon) ** (k - 1) * at.m * at.q
    easy = (1 - at.delta) ** (k - 1) * at.B * (1 - at.q)
    assert T.inner_products(p, a, k) <= -k * (hard - easy) + 1e-12


def test_prop_4_5_k_star_moves_as_the_paper_says():
    base = {"epsilon": 0.1, "delta": 0.5, "q": 0.3, "m": 0.1, "bound": 2.0}
    at = T.k_star(**base)
    assert T.k_star(**{**base, "q": 0.5}) < at  # falls with the mass of the set
    assert T.k_star(**{**base, "m": 0.2}) < at  # with the margin
    assert T.k_star(**{**base, "delta": 0.7}) < at  # with the gap in difficulty
    assert T.k_star(**{**base, "bound": 4.0}) > at  # and rises with G²


def test_appendix_b_the_signs_of_the_kernel_do_not_depend_on_k():
    world = two_prompts()
    at = state(world, THETA_REF, 10)
    kappa = A.kernel(at.gradients)
    weights = np.array([pass_at_k(k).weight(at.p) for k in range(1, 8)])
    matrix = A.objective_matrix(weights, kappa)
    assert matrix == pytest.approx(matrix.T)
    assert (np.diag(matrix) > 0).all() and (matrix[0, 1:] < 0).all()
    assert (matrix[1:, 1:] > 0).all()  # the others all look at the hard prompt
    cosines = A.cosine_kernel(matrix)
    assert np.diag(cosines) == pytest.approx(np.ones(7)) and cosines[0, 6] < -0.77


def test_appendix_c_smoothness_is_linear_in_k_with_the_sharper_constants():
    ks = np.array([50, 100, 200, 400])
    paper = np.array([S.paper_smoothness(int(k), 1.0, 1.0) for k in ks])
    sharp = np.array([S.sharp_smoothness(int(k), 1.0, 1.0) for k in ks])
    assert paper[1:] / paper[:-1] == pytest.approx([4, 4, 4], rel=0.02)
    assert sharp[1:] / sharp[:-1] == pytest.approx([2, 2, 2], rel=0.02)


def test_section_3_pass_at_1_of_the_easy_pays_for_the_hard():
    world = population(seed=5)
    path = ascend(world, THETA_REF, k=5, step=0.5, steps=100)
    first, last = (state(world, theta, 5) for theta in (path[0], path[-1]))
    assert last.p[world.hard].mean() > first.p[world.hard].mean() + 0.2
    assert last.p[~world.hard].mean() < first.p[~world.hard].mean() - 0.2
    assert last.J1 < first.J1 and last.Jk > first.Jk


def test_section_3_without_a_second_label_nothing_conflicts():
    world = population(300, p_hard=0.0, seed=1)
    at = state(world, THETA_REF, 5)
    one_sided = (world.features @ world.features.T > 0).all()
    assert one_sided or at.inner > 0


def test_section_5_the_printed_weights_are_the_plug_in_at_k_n_32():
    """Groups at about 12, 4 and 1 (1, 2 and 3 successes of 32), and easy prompts below 1e-26."""
    printed = plug_in_weight(32, np.array([1, 2, 3]), 32)
    assert printed == pytest.approx([11.96, 4.33, 1.51], abs=0.005)
    assert plug_in_weight(32, 28, 32) < 1e-26


@pytest.mark.parametrize("name", ["pass@5", "log", "risk@3", "power@0.5", "mixture@0.5,5"])
def test_concave_transforms_favour_hard_prompts(name):
    weight = parse(name).weight(np.linspace(0.01, 0.99, 50))
    assert (np.diff(weight) < 0).all()


@pytest.mark.parametrize("name", ["pass^5", "risk@-3", "power@2"])
def test_convex_transforms_favour_easy_prompts(name):
    weight = parse(name).weight(np.linspace(0.01, 0.99, 50))
    assert (np.diff(weight) > 0).all()
