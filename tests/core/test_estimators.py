"""Unbiasedness by exact enumeration: no seed, no slack."""

from math import comb

import numpy as np
import pytest

from acute.core.estimators import (
    all_fail,
    pass_at_k,
    pass_at_k_advantages,
    pass_at_k_weight,
    plug_in_weight,
)

P = [0.0, 0.1, 0.7, 1.0]


def expectation(f, n, p):
    """E f(c) for c ~ Binomial(n, p), summed over all outcomes."""
    return sum(comb(n, c) * p**c * (1 - p) ** (n - c) * f(c) for c in range(n + 1))


@pytest.mark.parametrize("p", P)
@pytest.mark.parametrize(("n", "m"), [(4, 0), (4, 2), (4, 4), (9, 4)])
def test_all_fail_is_unbiased(n, m, p):
    assert expectation(lambda c: all_fail(n, c, m), n, p) == pytest.approx((1 - p) ** m)


@pytest.mark.parametrize("p", P)
@pytest.mark.parametrize(("n", "k"), [(1, 1), (5, 1), (5, 5), (12, 4)])
def test_pass_at_k_is_unbiased(n, k, p):
    assert expectation(lambda c: pass_at_k(n, c, k), n, p) == pytest.approx(1 - (1 - p) ** k)


def test_weight_is_the_derivative_of_pass_at_k():
    n, k, p, h = 8, 4, 0.3, 1e-5
    up, down = (expectation(lambda c: pass_at_k(n, c, k), n, p + e) for e in (h, -h))
    assert expectation(lambda c: pass_at_k_weight(n, c, k), n, p) == pytest.approx(
        (up - down) / (2 * h), rel=1e-6
    )


@pytest.mark.parametrize("p", [0.05, 0.3, 0.8])
@pytest.mark.parametrize("n", [2, 3, 8, 12])
def test_advantages_give_exactly_the_gradient_of_pass_at_k(n, p):
    """E[(1/n) Σ A s] = W ∇p with W from E[s | right] = ∇p/p and E[s | wrong] = -∇p/(1 - p)."""
    for k in range(1, n + 1):

        def prompt_weight(c, k=k):
            success, failure = pass_at_k_advantages(n, c, k)
            return (c * success / p - (n - c) * failure / (1 - p)) / n

        assert expectation(prompt_weight, n, p) == pytest.approx(k * (1 - p) ** (k - 1), rel=1e-12)


def test_advantages_at_k_1_are_leave_one_out():
    success, failure = pass_at_k_advantages(5, 2, 1)
    assert (float(success), float(failure)) == (pytest.approx(1 - 1 / 4), pytest.approx(-2 / 4))


def test_plug_in_weight_is_the_biased_one_of_the_paper():
    assert np.round(plug_in_weight(32, np.arange(5), 32), 2).tolist() == [32, 11.96, 4.33, 1.51, 0.51]
    assert np.round(pass_at_k_weight(32, np.arange(5), 32), 2).tolist() == [32, 1, 0, 0, 0]


def test_too_few_responses_give_nan_not_zero():
    assert np.isnan(all_fail(n=3, c=0, m=4))
    assert np.isnan(pass_at_k(n=3, c=0, k=4))
    assert np.isnan(pass_at_k_advantages(3, 1, 4)).all()
    assert np.isnan(pass_at_k_advantages(1, 1, 1)).all()


def test_broadcasts_over_prompts():
    assert pass_at_k(np.array([4, 8]), np.array([1, 2]), 2).shape == (2,)
    assert [a.shape for a in pass_at_k_advantages(np.array([4, 8]), np.array([1, 2]), 2)] == [(2,), (2,)]
