"""f against its derivative and against brute force; estimates by exact enumeration."""

from itertools import product
from math import comb, exp, log

import numpy as np
import pytest

from acute.core import objectives as O
from acute.core.estimators import all_fail, pass_at_k, pass_at_k_advantages, pass_at_k_weight
from acute.errors import ConfigError

P = np.array([0.03, 0.2, 0.5, 0.77, 0.95])
POLYNOMIAL = [
    "pass@1",
    "pass@4",
    "pass^3",
    "3-of-5",
    "1-of-4",
    "4-of-4",
    "majority@5",
    "log@1",
    "log@6",
    "power@3",
    "mixture@0.3,4",
    "mixture@0,3",
    "mixture@1,3",
]
OTHER = ["log", "arcsine", "logit", "risk@2", "risk@-1.5", "power@0.5", "power@-1", "hard@2.5"]


def expectation(f, n, p):
    return sum(comb(n, c) * p**c * (1 - p) ** (n - c) * f(c) for c in range(n + 1))


@pytest.mark.parametrize("name", POLYNOMIAL + OTHER)
def test_weight_is_the_derivative_of_the_value(name):
    f, h = O.parse(name), 1e-6
    assert f.weight(P) == pytest.approx((f.value(P + h) - f.value(P - h)) / (2 * h), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("name", POLYNOMIAL + OTHER)
def test_names_are_read_back(name):
    assert O.parse(name).name == name


def test_every_form_is_among_the_names_tested_here():
    made = {
        form for form in O.FORMS for name in POLYNOMIAL + OTHER if O.registry._read(name, form) is not None
    }
    assert made == set(O.FORMS)


@pytest.mark.parametrize("beta", [800.0, 1e6])
def test_no_risk_is_too_large_for_the_exponential(beta):
    p = np.array([0.25, 0.5, 1.0])
    for_hard, for_easy = O.parse(f"risk@{beta:g}"), O.parse(f"risk@{-beta:g}")
    assert for_hard.weight(p) == pytest.approx(1 / (beta * p))
    assert for_hard.value(p) == pytest.approx(1 + np.log(p) / beta)
    assert for_easy.weight(p[:2]) == pytest.approx(1 / (beta * (1 - p[:2])))
    assert for_easy.value(p[:2]) == pytest.approx(-np.log1p(-p[:2]) / beta)
    assert for_hard.value(0.0) == 0


@pytest.mark.parametrize(
    ("name", "weight"),
    [
        ("pass@5", lambda p: 5 * (1 - p) ** 4),
        ("pass^5", lambda p: 5 * p**4),
        ("3-of-5", lambda p: 5 * comb(4, 2) * p**2 * (1 - p) ** 2),
        ("2-of-7", lambda p: 7 * comb(6, 1) * p * (1 - p) ** 5),
        ("majority@7", lambda p: 7 * comb(6, 3) * (p * (1 - p)) ** 3),
        ("log", lambda p: 1 / p),
        ("log@6", lambda p: (1 - (1 - p) ** 6) / p),
        ("arcsine", lambda p: 1 / np.sqrt(p * (1 - p))),
        ("risk@3", lambda p: (exp(3) - 1) / (3 * (1 + p * (exp(3) - 1)))),
        ("power@0.5", lambda p: p**-0.5),
        ("power@4", lambda p: p**3),
        ("mixture@0.3,4", lambda p: 0.3 + 0.7 * 4 * (1 - p) ** 3),
        ("logit", lambda p: 1 / (p * (1 - p))),
    ],
)
def test_weights_have_their_closed_form(name, weight):
    assert O.parse(name).weight(P) == pytest.approx(weight(P), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "k", "won"),
    [
        ("pass@3", 3, lambda ys: max(ys)),
        ("pass^3", 3, lambda ys: min(ys)),
        ("2-of-4", 4, lambda ys: sum(ys) >= 2),
        ("majority@3", 3, lambda ys: sum(ys) > 1.5),
    ],
)
@pytest.mark.parametrize("p", [0.0, 0.2, 0.7, 1.0])
def test_values_are_the_chance_of_the_event(name, k, won, p):
    draws = product([0, 1], repeat=k)
    chance = sum(won(ys) * np.prod([p if y else 1 - p for y in ys]) for ys in draws)
    assert O.parse(name).value(p) == pytest.approx(chance)


def test_values_of_the_others():
    assert O.log_likelihood().value(0.2) == pytest.approx(log(0.2))
    assert O.arcsine().value(1.0) == pytest.approx(np.pi)
    assert O.risk_sensitive(2).value(0.3) == pytest.approx(log(0.3 * exp(2) + 0.7) / 2)
    assert O.power(0.5).value(0.25) == pytest.approx(1.0)
    assert O.mixture(0.3, 4).value(0.2) == pytest.approx(0.3 * 0.2 + 0.7 * (1 - 0.8**4))
    assert O.power(3).value(0.2) == pytest.approx(0.2**3 / 3)
    assert O.power(-1).value(0.2) == pytest.approx(-5)
    assert O.log_odds().value(0.8) == pytest.approx(log(4))
    assert O.truncated_log(400).value(0.3) == pytest.approx(log(0.3))


@pytest.mark.parametrize("p", [0.0, 0.1, 0.6, 1.0])
@pytest.mark.parametrize("name", POLYNOMIAL)
def test_estimates_are_unbiased(name, p):
    f = O.parse(name)
    for n in range(f.responses_needed, 13):
        assert expectation(lambda c, n=n: f.estimate_value(n, c), n, p) == pytest.approx(
            f.value(p), abs=1e-12
        )
        assert expectation(lambda c, n=n: f.estimate_weight(n, c), n, p) == pytest.approx(
            f.weight(p), abs=1e-12
        )


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("a", "b"), [(0, 0), (2, 0), (0, 3), (2, 3)])
def test_monomials_are_unbiased(a, b, p):
    for n in range(a + b, 9):
        mean = expectation(lambda c, n=n: O.estimate_monomial(n, c, a, b), n, p)
        assert mean == pytest.approx(p**a * (1 - p) ** b)


def test_they_agree_with_the_estimators_of_pass_at_k():
    n, c = 9, np.arange(10)
    assert O.estimate_monomial(n, c, 0, 4) == pytest.approx(all_fail(n, c, 4))
    assert O.pass_at_k(4).estimate_value(n, c) == pytest.approx(pass_at_k(n, c, 4))
    assert O.pass_at_k(4).estimate_weight(n, c) == pytest.approx(pass_at_k_weight(n, c, 4))


def test_too_few_responses_give_nan():
    assert np.isnan(O.estimate_monomial(4, 2, 3, 2))
    assert np.isnan(O.pass_at_k(5).estimate_value(np.array([4, 5]), 1)).tolist() == [True, False]
    assert np.isnan(O.pass_at_k(5).estimate_weight(np.array([3, 4]), 1)).tolist() == [True, False]


def test_the_first_power_is_pass_at_1():
    assert O.power(1).estimate_value(4, 3) == pytest.approx(3 / 4)
    assert O.power(1.0).polynomial == {(1, 0): 1.0}


@pytest.mark.parametrize("name", OTHER)
def test_no_polynomial_no_estimate(name):
    for ask in ("estimate_value", "estimate_weight"):
        with pytest.raises(ConfigError, match="no unbiased estimate"):
            getattr(O.parse(name), ask)(8, 3)
    with pytest.raises(ConfigError, match="no unbiased estimate"):
        _ = O.parse(name).responses_needed


def test_responses_needed_is_the_degree_plus_one():
    assert [O.parse(x).responses_needed for x in ("pass@1", "pass@4", "3-of-5", "log@6")] == [1, 4, 5, 6]


def test_the_ends_are_infinite_not_errors():
    assert O.log_likelihood().value(0.0) == -np.inf
    assert O.arcsine().weight([0.0, 1.0]).tolist() == [np.inf, np.inf]


def test_derivative_drops_what_cancels():
    assert O.derivative({(1, 0): 1.0, (0, 1): 1.0}) == {}
    assert O.at_least(3, 5).polynomial.keys() == {(3, 2), (4, 1), (5, 0)}
    assert O.derivative(O.at_least(3, 5).polynomial) == {(2, 2): 30.0}


@pytest.mark.parametrize(
    "name",
    [
        "pass@0",
        "pass@x",
        "pass@",
        "pass^0",
        "6-of-5",
        "0-of-5",
        "x-of-5",
        "majority@4",
        "log@0",
        "risk@0",
        "risk@inf",
        "power@0",
        "power@nan",
        "mixture@2,4",
        "mixture@-0.1,4",
        "mixture@0.5",
        "mixture@0.5,0",
        "best",
        "pass",
    ],
)
def test_names_that_mean_nothing_are_refused(name):
    with pytest.raises(ConfigError, match="found"):
        O.parse(name)


def test_a_fractional_k_is_refused():
    with pytest.raises(ConfigError, match=r"whole number .* found 2\.5"):
        O.pass_at_k(2.5)


@pytest.mark.parametrize("name", POLYNOMIAL)
@pytest.mark.parametrize("more", [0, 3])
def test_advantages_are_unbiased_for_the_gradient(name, more):
    """E[A | right] - E[A | wrong], over the outcomes of the others, is f'(p)."""
    f = O.parse(name)
    n = max(2, f.responses_needed) + more
    c = np.arange(n)
    success, failure = f.advantages(n, c + 1)[0], f.advantages(n, c)[1]
    for p in P:
        chance = np.array([comb(n - 1, j) * p**j * (1 - p) ** (n - 1 - j) for j in c])
        assert chance @ (success - failure) == pytest.approx(float(f.weight(p)), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_advantages_of_pass_at_k_are_those_of_the_estimators(k):
    n, c = np.meshgrid(np.arange(1.0, 9), np.arange(9.0), indexing="ij")
    fits = c <= n
    for found, want in zip(O.pass_at_k(k).advantages(n, c), pass_at_k_advantages(n, c, k), strict=True):
        np.testing.assert_allclose(found[fits], want[fits], rtol=1e-12)


def test_advantages_need_responses():
    success, failure = O.parse("mixture@0.5,4").advantages(np.array([1, 3, 4]), np.array([1, 1, 1]))
    assert np.isnan(success).tolist() == np.isnan(failure).tolist() == [True, True, False]
    with pytest.raises(ConfigError, match="no unbiased estimate"):
        O.parse("log").advantages(4, 1)


def test_a_whole_gamma_is_pass_at_k_over_k():
    assert O.parse("hard@4").value(P) == pytest.approx(O.pass_at_k(4).value(P) / 4)
    assert O.parse("hard@1").weight(P) == pytest.approx(np.ones_like(P))
    for gamma in ("0", "-1", "inf", "nan"):
        with pytest.raises(ConfigError, match="gamma must be positive"):
            O.parse(f"hard@{gamma}")
