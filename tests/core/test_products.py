"""Unbiasedness and the algebra of the products, on finite worlds with exact truth."""

import numpy as np
import pytest

from acute.core.products import Products, coefficients, first_negative, plug_in, unbiased
from tests.worlds import world

KS = [1, 2, 4]


def estimates(of, n=8, folds=2, rounds=4000):
    w = world()
    rng = np.random.default_rng(1)
    found = []
    for _ in range(rounds):
        n_NM, c_NM, sums = w.roll(n, folds, rng)
        products = Products(sums, coefficients([unbiased(k) for k in KS], n_NM, c_NM))
        found.append([getattr(products.product(i, 0), of) for i in range(len(KS))])
    return w, np.array(found)


def off_diagonal(w, k):
    N = len(w.p_N)
    weighted = (k * (1 - w.p_N) ** (k - 1))[:, None] * w.grad_p_ND
    own = (weighted * w.grad_p_ND).sum()
    return (N**2 * w.inner(k) - own) / (N * (N - 1))


@pytest.mark.parametrize("folds", [2, 4])
@pytest.mark.parametrize("of", ["finite", "population"])
def test_products_are_unbiased_and_the_naive_ones_are_not(of, folds):
    w, found = estimates(of, n=16, folds=folds)
    truth = np.array([w.inner(k) if of == "finite" else off_diagonal(w, k) for k in KS])
    error = (found.mean(0) - truth) / (found.std(0) / np.sqrt(len(found)))
    assert np.abs(error).max() < 3.5
    _, naive = estimates("naive", n=16, folds=folds, rounds=2000)
    assert naive[:, 0].mean() - w.inner(1) > 5 * naive[:, 0].std() / np.sqrt(2000)


def test_with_many_responses_every_estimate_is_the_truth():
    w = world()
    n_NM, c_NM, sums = w.roll(4_000_000, 2, np.random.default_rng(0))
    products = Products(sums, coefficients([unbiased(1), unbiased(4), plug_in(4)], n_NM, c_NM))
    assert products.product(1, 0).finite == pytest.approx(w.inner(4), rel=0.02)
    assert products.product(2, 0).finite == pytest.approx(w.inner(4), rel=0.02)
    assert products.product(0, 1).finite == pytest.approx(products.product(1, 0).finite, rel=1e-12)


def test_restricted_objectives_add_up():
    w = world()
    n_NM, c_NM, sums = w.roll(32, 4, np.random.default_rng(0))
    first = coefficients([unbiased(1)], n_NM, c_NM)
    each = coefficients([unbiased(4)], n_NM, c_NM).restricted(np.eye(len(w.p_N)))
    products = Products(sums, first + coefficients([unbiased(4)], n_NM, c_NM) + each)
    parts = [products.product(2 + i, 0) for i in range(len(w.p_N))]
    whole = products.product(1, 0)
    for of in ("finite", "population", "naive"):
        assert sum(getattr(p, of) for p in parts) == pytest.approx(getattr(whole, of))
    np.testing.assert_allclose(sum(p.deleted_NM for p in parts), whole.deleted_NM)


@pytest.mark.parametrize("folds", [2, 4])
def test_deleting_folds_gives_the_spread_of_the_estimate(folds):
    """The jackknife variance, averaged over repetitions, against the spread over repetitions."""
    w = world(N=20)
    rng = np.random.default_rng(2)
    values, variances = [], []
    for _ in range(600):
        n_NM, c_NM, sums = w.roll(64, folds, rng)
        product = Products(sums, coefficients([unbiased(k) for k in KS], n_NM, c_NM)).product(2, 0)
        spread = product.deleted_NM - product.deleted_NM.mean(1, keepdims=True)
        variances.append((folds - 1) / folds * (spread**2).sum() / 20**2)
        values.append(product.finite)
    assert np.mean(variances) == pytest.approx(np.var(values), rel=0.25)


def test_too_few_responses_in_a_fold_give_nan():
    w = world()
    n_NM, c_NM, sums = w.roll(8, 2, np.random.default_rng(0))
    products = Products(sums, coefficients([unbiased(1), unbiased(5)], n_NM, c_NM))
    assert np.isnan(products.product(1, 0).finite)
    assert np.isfinite(products.product(1, 0).population)


def test_first_negative():
    assert first_negative([1, 2, 3], [1.0, -0.1, 0.2]) == 2
    assert first_negative([1, 2, 3], [1.0, 0.0, np.nan]) is None


def test_one_fold_is_enough_for_products_of_different_prompts():
    w = world()
    n_NM, c_NM, sums = w.roll(16, 2, np.random.default_rng(0))
    two = Products(sums, coefficients([unbiased(1), unbiased(4)], n_NM, c_NM)).product(1, 0)
    joined = [x.sum(1, keepdims=True) for x in (n_NM, c_NM, sums)]
    one = Products(joined[2], coefficients([unbiased(1), unbiased(4)], *joined[:2])).product(1, 0)
    assert one.population == pytest.approx(two.population)
    np.testing.assert_allclose(one.psi_N, two.psi_N)
    assert np.isnan(one.finite)  # own-prompt products have no other fold to be paired with
