"""Verifiers that err: what is seen, what training on it does, and the truth won back without bias."""

import numpy as np
import pytest

from acute.core import imperfect as I
from acute.core.estimators import pass_at_k, pass_at_k_weight
from acute.core.imperfect import Rates
from acute.core.products import unbiased
from acute.core.prompt_weight import binomial
from acute.errors import InputError
from tests.core.asserts import assert_close
from tests.core.rollouts import TinyWorld, products_of
from tests.core.test_products_exact import gram, mean_of_different

P = np.linspace(0, 1, 11)
RATES = [Rates(), Rates(0.1, 0.0), Rates(0.0, 0.2), Rates(0.15, 0.25), Rates(0.3, 0.4)]


class Erring(TinyWorld):
    """A tiny world in which every response is split by its verdict: what a verifier with rates shows."""

    def __init__(self, seed, rates):
        super().__init__(seed)
        passes = np.where(self.rewards == 1, 1 - rates.false_fail, rates.false_pass)
        self.pi = np.concatenate([self.pi * passes, self.pi * (1 - passes)], 1)
        self.scores = np.concatenate([self.scores, self.scores], 1)
        self.rewards = np.repeat([[1, 0]], len(self.pi), 0).repeat(self.pi.shape[1] // 2, 1)


def expected_over_counts(estimate, n, p):
    return binomial(n, p) @ estimate(np.arange(n + 1))


@pytest.mark.parametrize("rates", RATES)
def test_seen_is_the_chance_of_a_verdict(rates):
    """By summing over the four cases of truth and verdict."""
    passes = P * (1 - rates.false_fail) + (1 - P) * rates.false_pass
    assert_close(I.seen(P, rates), passes)
    assert_close(1 - passes, (1 - rates.false_pass) * (1 - P) + rates.false_fail * P)
    assert_close(I.unseen(passes, rates), P)


def test_unseen_is_not_cut_off():
    assert float(I.unseen(0.05, Rates(0.1, 0.0))) == pytest.approx(-0.05 / 0.9)


@pytest.mark.parametrize("k", [1, 2, 5, 16])
@pytest.mark.parametrize("rates", RATES)
def test_the_weight_in_training_is_the_slope_of_what_is_seen(k, rates):
    h = 1e-6
    inside = P[1:-1]
    seen_pass_at_k = lambda p: 1 - (1 - I.seen(p, rates)) ** k  # noqa: E731
    slope = (seen_pass_at_k(inside + h) - seen_pass_at_k(inside - h)) / (2 * h)
    assert_close(I.weight_in_training(inside, k, rates), slope, 1e-6)


@pytest.mark.parametrize("k", [1, 2, 5, 16])
def test_false_passes_alone_leave_the_direction(k):
    """The weight is (1-α)**k w_k(p) for every p: less signal, no other direction."""
    for alpha in (0.0, 0.05, 0.4):
        assert_close(I.weight_in_training(P, k, Rates(alpha, 0.0)), (1 - alpha) ** k * k * (1 - P) ** (k - 1))


def test_false_fails_flatten_the_weights():
    """What an always-right prompt keeps beside a hard one grows with β; without β it is nothing."""
    shares = [
        float(np.divide(*I.weight_in_training(np.array([1.0, 0.1]), 8, Rates(0.0, beta))))
        for beta in (0.0, 0.1, 0.2, 0.4)
    ]
    assert shares[0] == 0
    assert np.all(np.diff(shares) > 0)


def test_false_passes_that_differ_between_prompts_change_the_direction():
    """A verifier that is fooled on the hard prompt alone takes weight from it."""
    p, fooled = np.array([0.9, 0.05]), Rates(np.array([0.0, 0.3]), 0.0)
    plain, found = I.weight_in_training(p, 8, Rates()), I.weight_in_training(p, 8, fooled)
    assert_close(found[0], plain[0])
    assert_close(found[1], 0.7**8 * plain[1])


@pytest.mark.parametrize("rates", RATES)
def test_the_correction_undoes_what_is_seen(rates):
    """Exactly, for every k and p: values, and weights by the slope of p'."""
    k = np.arange(1, 9)
    matrix, constant = I.correction(8, rates)
    seen = I.seen(P, rates)
    assert_close(constant[:, None] + matrix @ (1 - (1 - seen) ** k[:, None]), 1 - (1 - P) ** k[:, None], 1e-8)
    found = matrix @ np.array([I.weight_in_training(P, m, rates) for m in k])
    assert_close(found, k[:, None] * (1 - P) ** (k[:, None] - 1), 1e-8)


def test_without_errors_the_correction_is_nothing():
    matrix, constant = I.correction(6, Rates())
    assert_close(matrix, np.eye(6))
    assert_close(constant, np.zeros(6))


def test_a_correction_that_rounding_would_eat_is_not_given():
    matrix, _ = I.correction(32, Rates(0.0, 0.45))
    lost = np.isnan(matrix).all(1)
    assert not lost[:12].any() and lost[-1]
    assert np.all(np.diff(lost.astype(int)) >= 0)
    assert not np.isnan(I.correction(32, Rates(0.1, 0.2))[0]).any()
    assert np.isnan(I.true_pass_at_k(32, 3, 32, Rates(0.0, 0.45)))


def test_false_passes_scale_each_row_of_the_correction():
    with_pass, _ = I.correction(5, Rates(0.2, 0.1))
    without, _ = I.correction(5, Rates(0.0, 0.1))
    assert_close(with_pass, without * (0.9 / 0.7) ** np.arange(1, 6)[:, None])


@pytest.mark.parametrize("k", [1, 2, 4, 6])
@pytest.mark.parametrize("rates", RATES)
def test_true_pass_at_k_is_unbiased(k, rates):
    """Enumerated over the counts of six responses, for every p."""
    n = 6
    found = expected_over_counts(lambda c: I.true_pass_at_k(n, c, k, rates), n, I.seen(P, rates))
    assert_close(found, 1 - (1 - P) ** k, 1e-8)


def test_true_pass_at_k_needs_k_responses():
    assert np.isnan(I.true_pass_at_k([3, 4], 1, 4, Rates(0.1, 0.1))).tolist() == [True, False]


def test_true_pass_at_k_of_a_verifier_without_errors_is_pass_at_k():
    c = np.arange(9)
    assert_close(I.true_pass_at_k(8, c, 4, Rates()), pass_at_k(8, c, 4))


def test_naive_pass_at_k_suffers_most_from_false_passes_where_p_is_small():
    """At p = 0, α = .02 shows pass@32 = .48; at p = .5 it shows nothing that was not there."""
    error = I.seen(P, Rates(0.02, 0.0))
    shown = (1 - (1 - error) ** 32) - (1 - (1 - P) ** 32)
    assert shown[0] == pytest.approx(1 - 0.98**32)
    assert np.all(np.diff(shown) <= 1e-12)
    assert shown[5] < 1e-9


@pytest.mark.parametrize("rates", [Rates(0.2, 0.0), Rates(0.0, 0.3), Rates(0.1, 0.2)])
def test_corrected_products_are_those_of_the_true_objectives(rates):
    """The mean over every rollout and verdict, against the exact gradients of the world behind them."""
    ks, sizes = [1, 2], [[2, 2], [2, 2]]
    matrix, _ = I.correction(2, rates)
    finite, population = np.zeros((2, 2)), np.zeros((2, 2))
    for chance, rollout in Erring(3, rates).rollouts(sizes):
        if chance == 0:  # a verdict that these rates rule out
            continue
        products = products_of(rollout, *map(unbiased, ks)).combined(matrix)
        for i, j in np.ndindex(2, 2):
            found = products.product(i, j)
            finite[i, j] += chance * found.finite
            population[i, j] += chance * found.population
    pairs = gram(TinyWorld(3), ks)
    assert_close(finite, pairs.mean((2, 3)))
    assert_close(population, mean_of_different(pairs))


def test_what_is_seen_uncorrected_is_not():
    """So that the test above could fail."""
    rates = Rates(0.1, 0.2)
    weight = pass_at_k_weight(4, np.arange(5), 2)
    found = expected_over_counts(lambda _: weight, 4, I.seen(P, rates))
    assert np.abs(found - 2 * (1 - P)).max() > 0.1


@pytest.mark.parametrize(
    "rates", [Rates(-0.1, 0.0), Rates(0.0, -0.1), Rates(0.5, 0.5), Rates([0.1, 0.9], 0.2)]
)
def test_impossible_rates_are_refused(rates):
    for ask in (lambda: I.seen(P[:2], rates), lambda: I.unseen(P[:2], rates)):
        with pytest.raises(InputError, match="false_pass"):
            ask()


def test_the_correction_at_a_large_k_is_finite_or_unknown():
    """Binomial coefficients beyond k = 1029, and λ**-k, are larger than any float."""
    assert_close(I.correction(1100, Rates())[0], np.eye(1100))
    few = I.correction(1100, Rates(0.0, 0.001))[0][-1]
    assert_close(few @ (1 - 0.7 ** np.arange(1, 1101)), 1.0, 1e-9)
    for rates in (Rates(0.95, 0.0), Rates(0.5, 0.3)):
        assert np.isnan(I.correction(600, rates)[0][-1]).all()
