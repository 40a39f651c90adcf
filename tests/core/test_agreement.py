"""Identities of proposition 4.1 and the appendices on random finite worlds, to 1e-10."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acute.core import agreement as A
from acute.core.objectives import parse
from acute.core.toy import tabular
from acute.errors import InputError
from tests.core.worlds import numeric_gradient, softmax_world, worlds

EXACT = 1e-10
OBJECTIVES = ["pass@2", "pass@7", "pass^3", "2-of-4", "log", "arcsine", "risk@2", "mixture@0.3,5"]


def measured(world, theta, name="pass@4"):
    p, g = world.success(theta), world.gradients(theta)
    kappa = A.kernel(g)
    return p, g, kappa, A.agreement(kappa, world.mass), parse(name).weight(p)


@settings(deadline=None, max_examples=60)
@given(worlds(), st.sampled_from(OBJECTIVES))
def test_all_forms_of_proposition_4_1_agree(case, name):
    world, theta = case
    _, g, _, a, w = measured(world, theta, name)
    d = world.mass
    g1, gf = d @ g, (d * w) @ g
    scale = 1 + abs(w).max() * abs(a).max()
    want = gf @ g1
    assert A.inner_product(w, a, d) == pytest.approx(want, abs=EXACT * scale)
    assert A.inner_product_by_covariance(w, a, g1 @ g1, d) == pytest.approx(want, abs=EXACT * scale)
    assert A.inner_product_by_shift(w, a, d) == pytest.approx(want, abs=EXACT * scale)


@settings(deadline=None, max_examples=60)
@given(worlds())
def test_mean_agreement_is_the_squared_norm_of_the_pass_at_1_gradient(case):
    world, theta = case
    _, g, _, a, _ = measured(world, theta)
    assert world.mass @ a == pytest.approx(np.sum((world.mass @ g) ** 2), abs=EXACT)


@settings(deadline=None, max_examples=60)
@given(worlds())
def test_the_kernel_is_positive_semi_definite_and_the_double_expectation(case):
    world, theta = case
    kappa = measured(world, theta)[2]
    assert np.linalg.eigvalsh(kappa).min() > -EXACT
    assert kappa == pytest.approx(world.kernel_by_expectation(theta), abs=EXACT)
    assert kappa == pytest.approx(kappa.T)


@settings(deadline=None, max_examples=40)
@given(worlds(), st.lists(st.sampled_from(OBJECTIVES), min_size=1, max_size=4))
def test_the_matrix_of_objectives_is_that_of_their_gradients(case, names):
    world, theta = case
    p, g, kappa, _, _ = measured(world, theta)
    weights = np.array([parse(name).weight(p) for name in names])
    gradients = (world.mass * weights) @ g
    want = gradients @ gradients.T
    assert A.objective_matrix(weights, kappa, world.mass) == pytest.approx(
        want, abs=EXACT * (1 + abs(want).max())
    )


@settings(deadline=None, max_examples=60)
@given(worlds(), st.sampled_from(OBJECTIVES))
def test_correlation_decides_conflict(case, name):
    world, theta = case
    _, g, _, a, w = measured(world, theta, name)
    norm = float(np.sum((world.mass @ g) ** 2))
    found = A.correlation(w, a, norm, world.mass)
    inner = A.inner_product(w, a, world.mass)
    if np.isfinite(found.value) and abs(found.value - found.threshold) > 1e-9:
        assert found.conflict == (inner < 0)
        assert abs(found.value) <= 1 + 1e-9


def test_weights_are_what_the_gradient_of_an_objective_needs():
    world, theta = softmax_world(3), np.array([0.4, -1.0, 0.2, 0.7])
    for name in OBJECTIVES:
        f = parse(name)
        numeric = numeric_gradient(lambda t, f=f: world.mass @ f.value(world.success(t)), theta)
        p, g = world.success(theta), world.gradients(theta)
        assert (world.mass * f.weight(p)) @ g == pytest.approx(numeric, abs=1e-8)


def test_agreement_is_the_first_order_change_of_pass_at_1():
    world, theta, eta = softmax_world(5), np.array([0.1, 0.3, -0.2, 0.5]), 1e-6
    _, g, _, a, _ = measured(world, theta)
    for x in range(len(g)):
        up, down = (world.mass @ world.success(theta + s * eta * g[x]) for s in (1, -1))
        assert (up - down) / (2 * eta) == pytest.approx(a[x], rel=1e-6, abs=1e-10)


def test_no_negative_interference_no_conflict():
    """Appendix B: if κ >= 0 everywhere, no two objectives with weights >= 0 are in conflict."""
    kappa = A.kernel(np.abs(np.random.default_rng(0).normal(size=(6, 3))))
    p = np.linspace(0.05, 0.95, 6)
    weights = np.array([parse(name).weight(p) for name in OBJECTIVES])
    assert (A.interference(kappa) >= 0).all()
    assert (A.objective_matrix(weights, kappa) >= 0).all()


def test_nothing_shared_nothing_interferes():
    world = tabular([[1, 0, 0], [0, 1, 0]])
    kappa = A.kernel(world.gradients(np.array([0.1, 0.4, -0.3, 0.2, 0.0, 0.5])))
    assert A.interference(kappa).tolist() == [[1, 0], [0, 1]]


def test_values_by_hand():
    kappa = A.kernel([[3.0, 4.0], [-4.0, -3.0]])
    assert kappa.tolist() == [[25, -24], [-24, 25]]
    assert A.interference(kappa).tolist() == [[1, -1], [-1, 1]]
    assert A.cosine_kernel(kappa) == pytest.approx(np.array([[1, -0.96], [-0.96, 1]]))
    assert A.agreement(kappa) == pytest.approx([0.5, 0.5])
    assert A.agreement(kappa, [3, 1]) == pytest.approx([(75 - 24) / 4, (-72 + 25) / 4])
    assert A.reweighted([1, 3]).tolist() == [0.25, 0.75]
    assert A.reweighted([1, 3], [3, 1]).tolist() == [0.5, 0.5]
    assert A.inner_product([1, 3], [2, -1]) == -0.5
    assert A.inner_product([1, 3], [2, -1], [3, 1]) == pytest.approx(0.75)


def test_no_gradient_no_angle():
    assert np.isnan(A.cosine_kernel(A.kernel([[0.0, 0.0], [1.0, 0.0]]))[0]).all()


def test_correlation_by_hand():
    found = A.correlation([1.0, 3.0], [2.0, -1.0], 0.5)
    assert (found.value, found.threshold) == (pytest.approx(-1.0), pytest.approx(-2 * 0.5 / 1.5))
    assert found.conflict
    flat = A.correlation([2.0, 2.0], [2.0, -1.0], 0.5)
    assert np.isnan(flat.value) and np.isnan(flat.threshold) and not flat.conflict


@pytest.mark.parametrize("mass", [[1.0], [1.0, -1.0], [0.0, 0.0], [np.nan, 1.0], [[1.0, 1.0]], [np.inf, 1.0]])
def test_impossible_masses_are_refused(mass):
    with pytest.raises(InputError, match="mass must be 2 numbers"):
        A.shares(2, mass)


def test_prompts_without_mass_or_weight_are_no_fault():
    assert A.shares(2, [0.0, 3.0]).tolist() == [0, 1]
    assert A.reweighted([0.0, 2.0]).tolist() == [0, 1]


def test_small_gradients_have_angles():
    small = A.cosine_kernel(A.kernel([[3e-5, 4e-5], [-4e-5, -3e-5]]))
    assert small == pytest.approx(np.array([[1, -0.96], [-0.96, 1]]))


def test_a_correlation_needs_spread_in_both():
    barely = A.correlation([1e-3, 3e-3], [2e-3, -1e-3], 5e-7)
    assert (barely.value, barely.threshold) == (pytest.approx(-1.0), pytest.approx(-2e-3 * 5e-7 / 1.5e-6))
    assert np.isnan(A.correlation([1.0, 3.0], [2.0, 2.0], 0.5).value)


def test_shares_sum_to_one():
    assert A.shares(4).tolist() == [0.25] * 4
    assert A.shares(2, [1, 3]).tolist() == [0.25, 0.75]


@pytest.mark.parametrize("weights", [[-1.0, 2.0], [0.0, 0.0]])
def test_no_reweighted_distribution_without_positive_weights(weights):
    with pytest.raises(InputError, match="positive mean"):
        A.reweighted(weights)
