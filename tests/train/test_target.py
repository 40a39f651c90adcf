"""Targets: the names that are understood, and unbiased estimates of the weight they put on prompts."""

from math import comb

import numpy as np
import pytest

from acute.core.advantages.pass_at_k import naive_plug_in
from acute.core.estimators import pass_at_k_weight
from acute.errors import ConfigError
from acute.train.target import target


def expected(f, n, p):
    return sum(comb(n, c) * p**c * (1 - p) ** (n - c) * f(c) for c in range(n + 1))


@pytest.mark.parametrize(
    "name", ["pass@1", "pass@4", "pkpo@4", "pkpo-loo-1@4", "log@4", "grpo", "naive-plug-in@4"]
)
@pytest.mark.parametrize("p", [0.1, 0.6])
def test_weights_are_unbiased_for_what_the_advantages_do(name, p):
    """W(p) from the definition: successes' and failures' advantages, E[s | right] = ∇p/p and so on."""
    of, n = target(name), 6

    def update(c):
        right, wrong = of.pair(n, c)
        return c / n * right / p - (n - c) / n * wrong / (1 - p)

    found = expected(lambda c: of.weights(np.array([n]), np.array([c]))[0], n, p)
    assert found == pytest.approx(expected(update, n, p))


def test_weights_of_pass_at_k_are_the_unbiased_ones():
    c = np.arange(9)
    assert target("pass@4").weights(np.full(9, 8), c) == pytest.approx(pass_at_k_weight(8, c, 4))


def test_pairs_take_counts_of_any_shape_and_say_nan_where_n_is_too_small():
    success, failure = target("naive-plug-in@4").pairs(np.array([[6.0, 2.0]]), np.array([[2.0, 1.0]]))
    assert success[0, 0] == pytest.approx(naive_plug_in([1, 1, 0, 0, 0, 0], 4)[0]) and failure[0, 0] == 0
    assert np.isnan(target("pass@4").pairs(np.array([3.0]), np.array([1.0]))[0]).all()


def test_another_k():
    assert target("pass@8").with_k(3).advantage(np.array([1.0, 0, 0, 0])) == pytest.approx(
        target("pass@3").advantage(np.array([1.0, 0, 0, 0]))
    )
    assert target("pkpo-loo-1@8").with_k(1).advantage(np.array([1.0, 0])) == pytest.approx([1, -1])
    assert target("pkpo-loo-1@8").with_k(3).pair(4, 1) == target("pkpo-loo-1@3").pair(4, 1)
    with pytest.raises(ConfigError, match="no k to change"):
        target("grpo").with_k(2)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("best@8", "or an estimator, with @k"),
        ("log", "no unbiased estimate"),
        ("pkpo-loo-1", "needs k of 2 or more"),
        ("pkpo@many", "whole k"),
        ("pass@0", "objective"),
    ],
)
def test_what_is_no_target(name, words):
    with pytest.raises(ConfigError, match=words):
        target(name)
