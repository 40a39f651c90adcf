"""Bounds and p-values of a mean: one inverts the other, the exact case is exact, skewness is paid for."""

from math import comb

import numpy as np
import pytest
from scipy import stats

from acute.measure.mean_test import (
    Mean,
    hall,
    hall_inverse,
    holm,
    lower_bound,
    mean_of_these,
    mean_over_prompts,
    p_value_above,
    p_value_below,
    upper_bound,
)


def test_mean_is_the_one_of_a_t_test():
    values = np.random.default_rng(0).normal(0.02, 0.1, 40)
    mean = mean_over_prompts(values)
    assert mean.value == pytest.approx(values.mean())
    assert mean.se == pytest.approx(stats.sem(values))
    assert mean.df == 39
    assert mean.skewness == pytest.approx(stats.skew(values) / 40**0.5)


def test_up_and_down_are_mirror_images():
    values = np.random.default_rng(5).exponential(0.1, 30) - 0.1
    plain, negated = mean_over_prompts(values), mean_over_prompts(-values)
    assert upper_bound(plain, 0.05) == pytest.approx(-lower_bound(negated, 0.05))
    assert p_value_below(plain, 0.02) == pytest.approx(p_value_above(negated, -0.02))
    assert upper_bound(plain, 0.05) - plain.value > plain.value - lower_bound(plain, 0.05)


def test_without_skewness_it_is_students_t():
    values = np.array([0.3, -0.1, 0.2, -0.2, 0.1, -0.3]) + 0.05  # symmetric about 0.05
    mean = mean_over_prompts(values)
    for null in (-0.1, 0.0, 0.2):
        t_test = stats.ttest_1samp(values, null, alternative="greater")
        assert p_value_above(mean, null) == pytest.approx(t_test.pvalue)
        assert p_value_below(mean, null) == pytest.approx(1 - t_test.pvalue)
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert lower_bound(mean, 0.05) == pytest.approx(interval.low)
    assert upper_bound(mean, 0.05) == pytest.approx(interval.high)


@pytest.mark.parametrize("skewness", [-0.4, -0.05, 0.0, 0.2])
@pytest.mark.parametrize("alpha", [0.3, 0.05, 0.005])
def test_bounds_invert_the_p_values(skewness, alpha):
    mean = Mean(0.01, 0.02, 99, skewness, 100)
    assert p_value_above(mean, lower_bound(mean, alpha)) == pytest.approx(alpha)
    assert p_value_below(mean, upper_bound(mean, alpha)) == pytest.approx(alpha)


@pytest.mark.parametrize("skewness", [-0.7, -0.1, 0.0, 0.3])
def test_hall_is_monotone_and_its_inverse_inverts(skewness):
    t = np.linspace(-8, 8, 33)
    y = np.array([hall(x, skewness) for x in t])
    assert (np.diff(y) >= 0).all()
    assert [hall_inverse(x, skewness) for x in y] == pytest.approx(list(t), abs=1e-4)


def test_hall_makes_exponential_means_symmetric():
    """The cumulative skewness of Hall's statistic is of a smaller order than that of t."""
    rng = np.random.default_rng(1)
    values = rng.exponential(size=(20_000, 60)) - 1
    means = [mean_over_prompts(row) for row in values]
    t = np.array([m.value / m.se for m in means])
    corrected = np.array([hall(x, m.skewness) for x, m in zip(t, means, strict=True)])
    assert stats.skew(t) < -0.4
    assert abs(stats.skew(corrected)) < 0.25


def test_rare_large_losses_do_not_pass():
    """Of 200 prompts 2 % fall by 1: where few are seen Student's bound is too high, ours is not."""
    rng = np.random.default_rng(2)
    student, ours = 0, 0
    for _ in range(4000):
        lost = rng.random(200) < 0.02
        values = rng.normal(0, 0.03, 200) - lost
        mean = mean_over_prompts(values)
        ours += lower_bound(mean, 0.05) > -0.02
        student += (mean.value + 0.02) / mean.se > stats.t.ppf(0.95, 199)
    assert student / 4000 > 0.075
    assert ours / 4000 < 0.05


@pytest.mark.parametrize(("v", "N"), [(0.0, 200), (1.0, 20), (-0.25, 5), (0.3, 1)])
def test_without_spread_the_bound_is_exact(v, N):
    """The world in which a share e of the prompts sits at -1 and none was seen is the worst there is."""
    mean = mean_over_prompts(np.full(N, v))
    low = lower_bound(mean, 0.05)
    unseen = (v - low) / (v + 1)
    assert (1 - unseen) ** N == pytest.approx(0.05)
    assert p_value_above(mean, low) == pytest.approx(0.05)
    assert p_value_above(mean, v) == 1
    assert -1 <= low < v <= upper_bound(mean, 0.05) <= 1


def test_rounding_is_not_spread():
    assert mean_over_prompts(np.array([0.1 + 0.2, 0.3, 0.3])).se == 0


def test_mean_of_these_adds_variances():
    variance, df = np.array([0.04, 0.01, 0.0, 0.02]), np.array([9.0, 19.0, 9.0, 19.0])
    mean = mean_of_these(np.array([0.1, -0.1]), variance, df)
    assert mean.value == 0
    assert mean.se == pytest.approx(np.sqrt(0.07) / 2)
    assert mean.df == pytest.approx(0.07**2 / (0.04**2 / 9 + 0.01**2 / 19 + 0.02**2 / 19))
    silent = mean_of_these(np.array([1.0, 1.0]), np.zeros(4), df)
    assert (lower_bound(silent, 0.05), upper_bound(silent, 0.05)) == (-1, 1)
    assert p_value_above(silent, 0.0) == 1


def test_holm_against_its_definition():
    """Reject the smallest p while p_(i) ≤ alpha / (S - i): adjusted ≤ alpha says the same."""
    rng = np.random.default_rng(3)
    for _ in range(200):
        p = rng.random(rng.integers(1, 8)) ** 3
        alpha = rng.uniform(0.01, 0.5)
        rejected = np.zeros(len(p), bool)
        for i, j in enumerate(np.argsort(p)):
            if p[j] > alpha / (len(p) - i):
                break
            rejected[j] = True
        assert ((holm(p) <= alpha) == rejected).all()


def test_exact_bound_covers_a_binomial_by_enumeration():
    """Values 0 or -1: whenever the bound claims more than the truth, that has probability at most 5 %.

    Only samples without spread use the exact bound; those are the all-0 and the all-(-1) ones.
    """
    N = 30
    for truth in np.linspace(-0.3, -0.01, 30):
        wrong = sum(
            comb(N, lost) * (-truth) ** lost * (1 + truth) ** (N - lost)
            for lost in (0, N)
            if lower_bound(mean_over_prompts(np.full(N, -lost / N)), 0.05) > truth
        )
        assert wrong <= 0.05
