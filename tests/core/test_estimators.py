"""Unbiasedness by exact enumeration, values by enumeration of subsets: no seed, no slack."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acute.core.estimators import (
    all_fail,
    pass_at_k,
    pass_at_k_advantages,
    pass_at_k_pair_advantages,
    pass_at_k_weight,
    plug_in_weight,
)
from tests.core.asserts import assert_broadcasts, assert_close, assert_monotone, assert_unbiased, chances

P = [0.0, 0.1, 0.7, 1.0]
N = np.arange(1, 8)
EVERY = [(int(n), c) for n in N for c in range(n + 1)]  # each count of up to seven responses
few = settings(deadline=None, max_examples=60)
counts = st.integers(2, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


def answers(n, c):
    """A group of n rewards with c successes."""
    return [1] * c + [0] * (n - c)


def share_of_subsets(rewards, size, event):
    """The share of the subsets of that size for which the event holds."""
    found = [event(subset) for subset in combinations(rewards, size)]
    return sum(found) / len(found)


def none(subset):
    return not any(subset)


@pytest.mark.parametrize(("n", "c"), EVERY)
def test_they_are_shares_of_subsets(n, c):
    r = answers(n, c)
    for m in range(n + 1):
        assert all_fail(n, c, m) == pytest.approx(share_of_subsets(r, m, none))
        assert pass_at_k_weight(n, c, m + 1) == pytest.approx((m + 1) * share_of_subsets(r, m, none))
        assert pass_at_k(n, c, m) == pytest.approx(share_of_subsets(r, m, any))


@pytest.mark.parametrize(("n", "c"), [(n, c) for n, c in EVERY if n > 1])
def test_advantages_by_leaving_each_response_out(n, c):
    """Weight and baseline are counted over the others, one response at a time."""
    r = answers(n, c)
    for k in range(1, n + 1):
        success, failure = pass_at_k_advantages(n, c, k)
        for i, own in enumerate(r):
            others = r[:i] + r[i + 1 :]
            want = k * share_of_subsets(others, k - 1, none) * (own - sum(others) / (n - 1))
            assert (success if own else failure) == pytest.approx(want)


@pytest.mark.parametrize("p", P)
@pytest.mark.parametrize(("n", "m"), [(4, 0), (4, 2), (4, 4), (9, 4)])
def test_all_fail_is_unbiased(n, m, p):
    assert_unbiased(lambda c: all_fail(n, c, m), n, p, (1 - p) ** m)


@pytest.mark.parametrize("p", P)
@pytest.mark.parametrize(("n", "k"), [(1, 1), (5, 1), (5, 5), (12, 4)])
def test_pass_at_k_and_its_weight_are_unbiased(n, k, p):
    assert_unbiased(lambda c: pass_at_k(n, c, k), n, p, 1 - (1 - p) ** k)
    assert_unbiased(lambda c: pass_at_k_weight(n, c, k), n, p, k * (1 - p) ** (k - 1))


@pytest.mark.parametrize("p", [0.05, 0.3, 0.8])
@pytest.mark.parametrize("n", [2, 3, 8, 12])
def test_advantages_give_exactly_the_gradient_of_pass_at_k(n, p):
    """E[(1/n) Σ A s] = W ∇p with W from E[s | right] = ∇p/p and E[s | wrong] = -∇p/(1 - p)."""
    for k in range(1, n + 1):

        def prompt_weight(c, k=k):
            success, failure = pass_at_k_advantages(n, c, k)
            return (c * success / p - (n - c) * failure / (1 - p)) / n

        assert_unbiased(prompt_weight, n, p, k * (1 - p) ** (k - 1))


@few
@given(counts, st.integers(0, 12))
def test_dropping_a_response_at_random_changes_no_estimate_on_average(case, m):
    """A U-statistic of n responses is the mean of those of n - 1 of them."""
    n, c = case
    if m < n:
        fewer = c / n * all_fail(n - 1, max(c - 1, 0), m) + (1 - c / n) * all_fail(n - 1, min(c, n - 1), m)
        assert all_fail(n, c, m) == pytest.approx(fewer)


@few
@given(counts, st.integers(1, 12))
def test_they_lie_where_they_must(case, k):
    n, c = case
    if k > n:
        return
    assert 0 <= pass_at_k(n, c, k) <= 1 and 0 <= pass_at_k_weight(n, c, k) <= k
    assert all_fail(n, c, k) <= (1 - c / n) ** k + 1e-12  # without replacement failures run out
    assert pass_at_k_weight(n, c, k) <= plug_in_weight(n, c, k) + 1e-9
    success, failure = pass_at_k_advantages(n, c, k)
    assert 0 <= success <= k and -k <= failure <= 0
    assert c > 0 or failure == 0
    assert c < n or success == 0


@few
@given(counts)
def test_they_rise_and_fall_as_they_must(case):
    n, _ = case
    c, ks = np.arange(n + 1), range(1, n + 1)
    assert_monotone([float(pass_at_k(n, case[1], k)) for k in ks])
    for k in (1, (n + 1) // 2, n):
        assert_monotone(pass_at_k(n, c, k))
        assert_monotone(pass_at_k_weight(n, c, k), up=False)
        assert_monotone(plug_in_weight(n, c, k), up=False)
        assert_monotone(np.diff(pass_at_k(n, c, k)), up=False)  # concave in the count, as f is in p


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_the_ends(n):
    c = np.arange(n + 1)
    assert pass_at_k(n, c, 1) == pytest.approx(c / n)
    assert pass_at_k(n, c, n).tolist() == [0.0] + [1.0] * n
    assert all_fail(n, c, 0).tolist() == [1.0] * (n + 1)
    assert pass_at_k_weight(n, c, 1).tolist() == plug_in_weight(n, c, 1).tolist() == [1.0] * (n + 1)
    assert pass_at_k_weight(n, c, n + 1).tolist() == [n + 1.0] + [0.0] * n


def test_values_by_hand():
    assert all_fail(5, 2, 2) == pytest.approx(3 / 10)  # C(3,2) of C(5,2)
    assert pass_at_k(5, 2, 3) == pytest.approx(9 / 10)  # C(3,3) of C(5,3) holds no success
    assert pass_at_k_weight(5, 2, 3) == pytest.approx(3 * 3 / 10)
    assert plug_in_weight(5, 2, 3) == pytest.approx(3 * 0.6**2)
    # of the others: 1 success in 4, so C(3,1)/C(4,1); 2 successes in 4, so C(2,1)/C(4,1)
    assert pass_at_k_advantages(5, 2, 2) == pytest.approx((2 * 3 / 4 * (1 - 1 / 4), -2 * 2 / 4 * 2 / 4))


def test_advantages_at_k_1_are_leave_one_out():
    success, failure = pass_at_k_advantages(5, 2, 1)
    assert (float(success), float(failure)) == (pytest.approx(1 - 1 / 4), pytest.approx(-2 / 4))
    for n, c in EVERY[2:]:
        success, failure = pass_at_k_advantages(n, c, 1)
        assert c * success + (n - c) * failure == pytest.approx(0)


def test_plug_in_weight_is_the_biased_one_of_the_paper():
    assert np.round(plug_in_weight(32, np.arange(5), 32), 2).tolist() == [32, 11.96, 4.33, 1.51, 0.51]
    assert np.round(pass_at_k_weight(32, np.arange(5), 32), 2).tolist() == [32, 1, 0, 0, 0]


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_plug_in_is_too_large_and_less_so_with_more_responses(p):
    """Jensen: (1 - c/n)**(k-1) is convex in c for k > 2, a straight line for k <= 2."""

    def mean(n, k):
        return float(chances(n, p) @ plug_in_weight(n, np.arange(n + 1), k))

    for k in (1, 2):
        assert mean(6, k) == pytest.approx(k * (1 - p) ** (k - 1))
    excess = [mean(n, 5) - 5 * (1 - p) ** 4 for n in (5, 10, 20, 80)]
    assert_monotone(excess, up=False, strictly=True)
    assert 0 < excess[-1] < excess[0] / 10


@pytest.mark.parametrize(("n", "k"), [(8, 2), (16, 4)])
def test_all_responses_are_quieter_than_the_first_k(n, k):
    """The variance of the estimate from n responses is below J(1 - J), that of k responses alone."""
    for p in (0.1, 0.3, 0.6):
        chance, truth = chances(n, p), 1 - (1 - p) ** k
        variance = chance @ (pass_at_k(n, np.arange(n + 1), k) - truth) ** 2
        assert 0 < variance < 0.7 * truth * (1 - truth)


def test_too_few_responses_give_nan_not_zero():
    assert np.isnan(all_fail(n=3, c=0, m=4))
    assert np.isnan(pass_at_k(n=3, c=0, k=4)) and np.isfinite(pass_at_k(n=4, c=0, k=4))
    assert np.isfinite(pass_at_k_weight(n=3, c=0, k=4)) and np.isnan(pass_at_k_weight(n=2, c=0, k=4))
    assert np.isnan(pass_at_k_advantages(3, 1, 4)).all() and np.isfinite(pass_at_k_advantages(4, 1, 4)).all()
    assert np.isnan(pass_at_k_advantages(1, 1, 1)).all() and np.isnan(pass_at_k_advantages(0, 0, 1)).all()


@pytest.mark.parametrize("k", [1, 2, 4])
def test_they_broadcast_over_prompts(k):
    n, c = np.array([[4], [9], [5]]), np.array([0, 1, 3, 4])
    for estimator in (all_fail, pass_at_k, pass_at_k_weight, plug_in_weight):
        assert_broadcasts(lambda a, b, f=estimator: f(a, b, k), n, c)
    for outcome in (0, 1):
        assert_broadcasts(lambda a, b, of=outcome: pass_at_k_advantages(a, b, k)[of], n, c)


def test_large_groups_keep_their_digits():
    """1e6 responses: a logarithm of factorials would have lost them."""
    n, c, k = 1_000_000, 250_000, 8
    assert_close(pass_at_k(n, c, k), 1 - 0.75**k, slack=1e-5)
    assert all_fail(n, c, k) < 0.75**k
    assert all_fail(n, n - 8, k) == pytest.approx(
        1 / np.prod([(n - j) / (8 - j) for j in range(8)]), rel=1e-12
    )


@pytest.mark.parametrize(("n", "c"), [(n, c) for n, c in EVERY if n > 1])
def test_pair_advantages_by_leaving_both_responses_out(n, c):
    """Weight and baseline of a pair are counted over the others, and so is the product of two weights."""
    r = answers(n, c)
    for j, k in ((1, 1), (2, 1), (1, 3), (2, 2)):
        found = pass_at_k_pair_advantages(n, c, j, k)
        if n < j + k:
            assert np.isnan(found).all()
            continue
        for a, b in combinations(range(n), 2):
            others = [x for i, x in enumerate(r) if i not in (a, b)]
            base = sum(others) / len(others) if others else 0.0
            weight = j * k * share_of_subsets(others, j + k - 2, none)
            want = weight * (r[a] - base) * (r[b] - base)
            assert found[r[a], r[b]] == found[r[b], r[a]] == pytest.approx(want)


def test_pair_advantages_broadcast():
    n, c = np.array([[4], [7]]), np.array([1, 2, 3])
    found = pass_at_k_pair_advantages(n, c, 2, 1)
    assert found.shape == (2, 3, 2, 2)
    assert found[1, 2].tolist() == pass_at_k_pair_advantages(7, 3, 2, 1).tolist()
