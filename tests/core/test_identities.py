"""Identities that hold for any advantage estimator and any world, on random ones."""

from math import comb

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from acute.core import objectives as O
from acute.core import prompt_weight as W
from acute.core import reward_law as R
from acute.core import theory as T
from acute.core.agreement import (
    agreement,
    inner_product,
    inner_product_by_shift,
    kernel,
    objective_matrix,
    reweighted,
)
from acute.core.profiler import closest_k, departure, judge, shortened_weight
from acute.core.toy import Bandit, state
from tests.core.worlds import worlds

P = np.array([0.0, 0.04, 0.3, 0.5, 0.81, 1.0])
few = settings(deadline=None, max_examples=60)


@st.composite
def tables(draw, most=9):
    """Advantages by outcome of an estimator that nobody thought of."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, most))
    success, failure = rng.normal(size=(2, n + 1))
    success[0] = failure[n] = 0.0
    return W.OutcomeAdvantages(success, failure)


@st.composite
def bandits(draw):
    """(world, θ): the paper's bandit with few prompts anywhere in the plane."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(2, 9))
    features = np.column_stack([np.ones(count), rng.normal(size=count)])
    return Bandit(features, rng.random(count) < 0.5), rng.normal(size=2) * draw(st.floats(0, 3))


@few
@given(tables())
def test_the_weight_is_the_difference_of_mean_advantages(table):
    """E[A | right] - E[A | wrong], each over the other n - 1 responses."""
    n = table.n
    others = np.array([[comb(n - 1, j) * p**j * (1 - p) ** (n - 1 - j) for j in range(n)] for p in P])
    want = others @ table.success[1:] - others @ table.failure[:-1]
    assert W.prompt_weight(table, P) == pytest.approx(want, abs=1e-12)


@few
@given(tables(), st.floats(-3, 3))
def test_a_constant_a_group_changes_no_weight_and_no_covariance_with_right(table, shift):
    """Adding a number that depends on the others alone: A₊(c+1) and A₋(c) move together."""
    moved = W.OutcomeAdvantages(table.success.copy(), table.failure.copy())
    moved.success[1:] += shift
    moved.failure[:-1] += shift
    assert W.prompt_weight(moved, P) == pytest.approx(W.prompt_weight(table, P), abs=1e-9)
    even = np.full(len(P), 2.0)
    assert W.length_weighted(moved, P, even, even) == pytest.approx(W.prompt_weight(table, P) / 2, abs=1e-9)
    uneven = W.length_weighted(moved, P, even, 2 * even) - W.length_weighted(table, P, even, 2 * even)
    assert uneven == pytest.approx(np.full(len(P), shift / 2 - shift / 4), abs=1e-9)


@few
@given(tables(), st.integers(0, 6))
def test_more_responses_do_not_change_the_mean_of_a_lifted_estimator(table, extra):
    m = table.n + extra
    c = np.arange(m + 1)
    success, failure = W.lifted(table)(np.full(m + 1, m), c)
    lifted = W.OutcomeAdvantages(success, failure)
    assert W.prompt_weight(lifted, P) == pytest.approx(W.prompt_weight(table, P), abs=1e-10)
    estimate = W.estimate_prompt_weight(table, m, c)
    assert W.binomial(m, P) @ estimate == pytest.approx(W.prompt_weight(table, P), abs=1e-10)
    inside = P[1:-1]
    assert (
        W.second_moment(lifted, inside) <= W.second_moment(table, inside) + 1e-9
    ).all()  # a mean is quieter
    variance = W.weight_variance(lifted, inside) / m
    assert (variance <= W.weight_variance(table, inside) / table.n + 1e-9).all()


@few
@given(tables())
def test_signals_lie_between_0_and_1_and_vanish_with_the_advantages(table):
    chance = W.signal_probability(table, P)
    assert (chance >= 0).all() and (chance <= 1 + 1e-12).all()
    nothing = W.OutcomeAdvantages(0 * table.success, 0 * table.failure)
    assert not W.signal_probability(nothing, P).any()
    assert not W.weight_variance(nothing, P[1:-1]).any() and not W.second_moment(nothing, P).any()


@few
@given(tables(), st.floats(0.1, 5))
def test_scaling_an_estimator(table, factor):
    scaled = W.OutcomeAdvantages(factor * table.success, factor * table.failure)
    inside = P[1:-1]
    assert W.prompt_weight(scaled, P) == pytest.approx(factor * W.prompt_weight(table, P))
    assert W.weight_variance(scaled, inside) == pytest.approx(factor**2 * W.weight_variance(table, inside))
    assert W.second_moment(scaled, P) == pytest.approx(factor**2 * W.second_moment(table, P))
    one, other = (shortened_weight(t, inside, 3.0, 1.5) for t in (table, scaled))
    assert other == pytest.approx(factor * one)


@few
@given(st.integers(1, 8), st.data())
def test_any_polynomial_has_the_estimator_that_judges_unbiased(n, data):
    """Random D: the objective whose f' is that Bernstein polynomial is judged unbiased, any other is not."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    d = rng.normal(size=n)
    terms = {(c, n - 1 - c): comb(n - 1, c) * d[c] for c in range(n)}

    def weight(p):
        return sum(x * np.asarray(p) ** a * (1 - np.asarray(p)) ** b for (a, b), x in terms.items())

    p = np.linspace(0.05, 0.95, 7)
    assert W.binomial(n - 1, p) @ d == pytest.approx(weight(p))
    factor = data.draw(st.sampled_from([0.5, 2.0]))
    f = O.Objective("f", weight, weight, _integral(terms))
    assert judge(d, f)[0] == "unbiased"
    assert judge(factor * d, f) == ("proportional", pytest.approx(factor))
    assume(n > 1)
    other = d + np.eye(n)[0] * (1 + np.abs(d).max())
    assert judge(other, f)[0] == "biased"


def _integral(weight_terms):
    """f as powers of p with the given f': expand (1-p)^b, integrate each power."""
    powers = {}
    for (a, b), x in weight_terms.items():
        for j in range(b + 1):
            degree = a + j + 1
            powers[degree, 0] = powers.get((degree, 0), 0.0) + x * comb(b, j) * (-1) ** j / degree
    return powers


@few
@given(st.floats(1.0, 20.0), st.floats(1e-3, 1e3))
def test_closest_k_does_not_depend_on_scale(k, scale):
    found, cosine = closest_k(lambda p: scale * (1 - p) ** (k - 1), most=40.0)
    assert found == pytest.approx(k, abs=2e-3) and cosine == pytest.approx(1, abs=1e-9)


@few
@given(st.lists(st.floats(0.01, 5), min_size=3, max_size=8), st.floats(0.1, 9))
def test_departure_is_zero_for_multiples_alone(declared, factor):
    declared = np.array(declared)
    assert departure(factor * declared, declared) == pytest.approx(0, abs=1e-12)
    bent = factor * declared * np.linspace(1, 3, len(declared))
    assert 0 < departure(bent, declared) <= 1


@few
@given(bandits(), st.integers(1, 12), st.integers(1, 12))
def test_all_of_section_4_on_bandits(case, k, m):
    world, theta = case
    at = state(world, theta, k)
    kappa = kernel(at.gradients)
    assert at.agreement == pytest.approx(agreement(kappa), abs=1e-12)
    wk, wm = (O.pass_at_k(x).weight(at.p) for x in (k, m))
    assert inner_product(wk, at.agreement) == pytest.approx(at.inner, abs=1e-12)
    matrix = objective_matrix([wk, wm, np.ones(len(wk))], kappa)
    assert matrix[0, 2] == pytest.approx(at.inner, abs=1e-12)
    assert matrix[0, 1] == pytest.approx(at.gradient_k @ state(world, theta, m).gradient_k, abs=1e-12)
    assert np.linalg.eigvalsh(matrix).min() > -1e-9 * (1 + abs(matrix).max())
    assert T.inner_products(at.p, at.agreement, k) == pytest.approx(at.inner, abs=1e-12)


@few
@given(bandits(), st.integers(2, 12))
def test_certificates_on_bandits(case, k):
    world, theta = case
    at = state(world, theta, k)
    proof = T.certificate(at.p, at.agreement, k)
    if proof is not None:
        assert at.inner <= -proof.delta_theta + 1e-12
    threshold = T.k_star_scan(at.p, at.agreement, G2=world.constants()[0])
    if threshold is not None and k > threshold.value_sharp + 1e-9:
        assert at.inner < 1e-15
    if threshold is not None:
        assert threshold.value_sharp <= threshold.value_paper + 1e-9
        assert world.constants()[0] / 1 + 1e-12 >= threshold.B


@few
@given(worlds(), st.floats(0.01, 100))
def test_weights_count_up_to_scale_in_the_shifted_form(case, scale):
    world, theta = case
    at = state(world, theta, 5)
    weight = O.pass_at_k(5).weight(at.p)
    assert reweighted(scale * weight, world.mass) == pytest.approx(reweighted(weight, world.mass))
    one, other = (inner_product_by_shift(w, at.agreement, world.mass) for w in (weight, scale * weight))
    assert other == pytest.approx(scale * one, abs=1e-9)


@few
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(2, 5))
def test_max_at_k_rises_with_k_and_its_score_weight_with_the_reward(seed, k, kinds):
    rng = np.random.default_rng(seed)
    values, chance = np.sort(rng.normal(size=kinds)), rng.dirichlet(np.ones(kinds))
    assert R.max_at_k(values, chance, k) <= R.max_at_k(values, chance, k + 1) + 1e-12
    assert chance @ values == pytest.approx(R.max_at_k(values, chance, 1))
    assert R.max_at_k(values, chance, 400) <= values[-1] + 1e-12
    weight = R.max_at_k_score_weight(values, chance, k)
    assert (np.diff(weight) >= 0).all() and weight[0] == 0
    shifted = R.max_at_k_score_weight(values + 3, chance, k)
    assert shifted == pytest.approx(weight) and R.max_at_k_score_weight(
        2 * values, chance, k
    ) == pytest.approx(2 * weight)


@few
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_a_random_score_makes_best_of_k_the_mean(seed, k):
    rng = np.random.default_rng(seed)
    values, chance = rng.normal(size=4), rng.dirichlet(np.ones(4))
    blind = np.zeros(4)
    assert R.best_of_k(values, blind, chance, k) == pytest.approx(chance @ values)
    weight = R.best_of_k_score_weight(values, blind, chance, k)
    assert weight - chance @ weight == pytest.approx(values - chance @ values)  # the gradient of the mean
