"""Known probabilities: unbiased by enumeration of every draw, and how much noise they take away."""

from itertools import product
from math import factorial, prod

import numpy as np
import pytest

from acute.core.estimators import pass_at_k_advantages
from acute.core.known import known_coefficients, known_success, seen_at_most
from acute.errors import InputError
from tests.core.asserts import assert_close

WORLDS = {
    "one right answer": ([0.55, 0.3, 0.1, 0.05], [1, 0, 0, 0]),
    "a rare one": ([0.05, 0.6, 0.25, 0.1], [1, 0, 0, 0]),
    "two right, one often and one rare": ([0.5, 0.06, 0.4, 0.04], [1, 1, 0, 0]),
    "all but one right": ([0.4, 0.3, 0.2, 0.1], [1, 1, 1, 0]),
    "none right": ([0.5, 0.5], [0, 0]),
}
OFTEN = [0.0, 0.5, 1.0, np.inf]


def draws(pi, n):
    """Every count vector of n draws with its probability."""
    for count in product(range(n + 1), repeat=len(pi)):
        if sum(count) == n:
            ways = factorial(n) / prod(map(factorial, count))
            yield np.array(count), ways * prod(x**c for x, c in zip(pi, count, strict=True))


def moments(pi, right, n, estimate):
    """Mean and covariance of an estimate of each response's coefficient, over every draw."""
    mean, square = np.zeros(len(pi)), np.zeros((len(pi), len(pi)))
    for count, chance in draws(pi, n):
        seen = count > 0
        whole = np.zeros(len(pi))
        whole[seen] = estimate(count[seen], np.array(pi)[seen], np.array(right)[seen])
        mean += chance * whole
        square += chance * np.outer(whole, whole)
    return mean, square - np.outer(mean, mean)


def scores(pi, d=3, seed=0):
    """∇ ln π of each response under some policy: their mean is 0."""
    free = np.random.default_rng(seed).normal(size=(len(pi), d))
    return free - np.array(pi) @ free


def by_frequency(k):
    def estimate(count, _, right):
        n, c = count.sum(), count[right == 1].sum()
        success, failure = pass_at_k_advantages(n, c, k)
        return count / n * np.where(right == 1, success, failure)

    return estimate


def by_probability(k, often):
    return lambda count, pi, right: known_coefficients(count, pi, right, k, often)


@pytest.mark.parametrize("often", OFTEN)
@pytest.mark.parametrize(("pi", "right"), WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize(("n", "k"), [(2, 1), (2, 2), (5, 1), (5, 2), (5, 4), (5, 5)])
def test_unbiased_for_every_k_and_threshold(pi, right, n, k, often):
    s, r = scores(pi), np.array(right)
    p = np.array(pi) @ r
    found, _ = moments(pi, right, n, by_probability(k, often))
    assert_close(found @ s, k * (1 - p) ** (k - 1) * (np.array(pi) * r) @ s)


@pytest.mark.parametrize("often", OFTEN)
@pytest.mark.parametrize(("pi", "right"), WORLDS.values(), ids=WORLDS)
def test_success_is_unbiased(pi, right, often):
    found = sum(
        chance * known_success(count[count > 0], np.array(pi)[count > 0], np.array(right)[count > 0], often)
        for count, chance in draws(pi, 5)
    )
    assert found == pytest.approx(np.array(pi) @ np.array(right))


@pytest.mark.parametrize("k", [1, 2, 4])
def test_where_nothing_is_seen_often_it_is_the_leave_one_out_estimator(k):
    rng = np.random.default_rng(k)
    count, pi = rng.integers(1, 4, 6), rng.dirichlet(np.ones(6))
    right = np.array([1, 0, 1, 0, 0, 1])
    assert_close(known_coefficients(count, pi, right, k, np.inf), by_frequency(k)(count, pi, right))


def test_a_right_answer_that_is_surely_seen_leaves_no_noise():
    """The only right answer, π = 0.9, missed once in 10^7: the coefficient is π whatever the counts."""
    for count in ([4, 3], [6, 1], [1, 6]):
        found = known_coefficients(count, [0.9, 0.1], [1, 0], 1)
        assert_close(found, [0.9, 0], slack=1e-6)
    found = known_coefficients([3, 4], [0.5, 0.1], [1, 0], 2)
    assert_close(found, [0.5 / seen_at_most(0.5, 7, 6) * 2 * 0.5, 0])


@pytest.mark.parametrize(
    ("pi", "right", "k", "most"),
    [
        ([0.55, 0.3, 0.1, 0.05], [1, 0, 0, 0], 1, 0.05),
        ([0.55, 0.3, 0.1, 0.05], [1, 0, 0, 0], 2, 0.10),
        ([0.3, 0.5, 0.1, 0.1], [1, 0, 0, 0], 4, 0.35),
        ([0.5, 0.06, 0.4, 0.04], [1, 1, 0, 0], 1, 0.35),
    ],
)
def test_the_noise_that_it_takes_away(pi, right, k, most):
    """Exact variance of the gradient over that of frequencies, n = 8."""
    s = scores(pi)
    of = [np.trace(s.T @ moments(pi, right, 8, e)[1] @ s) for e in (by_probability(k, 1.0), by_frequency(k))]
    assert of[0] / of[1] < most


def test_products_of_two_folds_are_unbiased():
    """Folds are independent, so the product of their estimates has the product of their means."""
    pi, right = WORLDS["two right, one often and one rare"]
    s, r, n = scores(pi), np.array(right), 3
    total = 0.0
    for one, chance in draws(pi, n):
        for two, other in draws(pi, n):
            g = []
            for count, k in ((one, 2), (two, 1)):
                seen = count > 0
                g.append(known_coefficients(count[seen], np.array(pi)[seen], r[seen], k) @ s[seen])
            total += chance * other * (g[0] @ g[1])
    p, gradient = np.array(pi) @ r, (np.array(pi) * r) @ s
    assert total == pytest.approx(2 * (1 - p) * gradient @ gradient)


def test_the_chance_to_be_seen_by_the_binomial():
    for pi, n, most in [(0.3, 5, 5), (0.3, 5, 2), (1e-9, 4, 4), (0.999, 6, 3)]:
        terms = [
            factorial(n) / factorial(j) / factorial(n - j) * pi**j * (1 - pi) ** (n - j)
            for j in range(1, most + 1)
        ]
        assert seen_at_most(pi, n, most) == pytest.approx(sum(terms), rel=1e-6, abs=1e-15)
    assert (seen_at_most(1.0, 4, 4), seen_at_most(1.0, 4, 3)) == (1.0, 0.0)


def test_too_few_responses_are_unknown_and_odd_ones_refused():
    assert np.isnan(known_coefficients([1, 1], [0.5, 0.5], [1, 0], 3)).all()
    assert np.isnan(known_coefficients([1], [0.5], [1], 1)).all()
    for count, pi, right in [([0], [0.5], [1]), ([1], [0.0], [1]), ([1], [1.5], [0]), ([1, 1], [0.5], [1])]:
        with pytest.raises(InputError, match="probabilities in"):
            known_coefficients(count, pi, right, 1)


def test_many_responses_do_not_overflow():
    """Binomial coefficients of 2,048 are larger than any float."""
    assert seen_at_most(0.5, n=2048, most=1537) == pytest.approx(1.0, abs=1e-10)
    assert seen_at_most(0.5, n=2048, most=1024) == pytest.approx(0.5 + 0.0088146, abs=1e-6)
