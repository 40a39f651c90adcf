"""How the objectives hang together: each from others, from draws without replacement, at its limits."""

from itertools import permutations
from math import comb, exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acute.core import objectives as O
from acute.errors import ConfigError
from tests.core.asserts import assert_broadcasts, assert_close, assert_concave, assert_monotone, chances

P = np.array([0.04, 0.2, 0.5, 0.71, 0.93])
few = settings(deadline=None, max_examples=50)
coefficients = st.integers(-3, 3).map(float)
polynomials = st.dictionaries(st.tuples(st.integers(0, 3), st.integers(0, 3)), coefficients, max_size=5)


def value_of(terms, p):
    return sum((x * p**a * (1 - p) ** b for (a, b), x in terms.items()), 0 * p)


@pytest.mark.parametrize(
    ("name", "needs", "wins"),
    [
        ("pass@3", 3, lambda drawn: any(drawn)),
        ("pass^3", 3, lambda drawn: all(drawn)),
        ("2-of-3", 3, lambda drawn: sum(drawn) >= 2),
        ("majority@3", 3, lambda drawn: sum(drawn) > 1),
        ("1-of-1", 1, lambda drawn: drawn[0]),
    ],
)
@pytest.mark.parametrize("c", range(6))
def test_value_estimates_are_shares_of_draws_without_replacement(name, needs, wins, c):
    drawn = [bool(wins(order)) for order in permutations([1] * c + [0] * (5 - c), needs)]
    assert O.parse(name).estimate_value(5, c) == pytest.approx(np.mean(drawn))


@pytest.mark.parametrize(("a", "b"), [(0, 0), (1, 0), (0, 2), (2, 1), (1, 3)])
@pytest.mark.parametrize("c", range(6))
def test_monomials_are_the_share_of_draws_right_first_then_wrong(a, b, c):
    rewards = [1] * c + [0] * (5 - c)
    drawn = [order[:a] == (1,) * a and order[a:] == (0,) * b for order in permutations(rewards, a + b)]
    assert O.estimate_monomial(5, c, a, b) == pytest.approx(np.mean(drawn))
    assert O.estimate_monomial(5, 5 - c, b, a) == pytest.approx(np.mean(drawn))  # right and wrong swapped


@pytest.mark.parametrize("k", range(1, 7))
def test_how_the_events_of_k_responses_add_up(k):
    at_least = [O.at_least(m, k).value(P) for m in range(1, k + 1)]
    assert_close(sum(at_least), k * P)  # the mean number of successes
    exactly = -np.diff([1 + 0 * P, *at_least, 0 * P], axis=0)
    assert_close(exactly.T, [chances(k, p) for p in P])
    for m in range(1, k + 1):
        flipped = 1 - O.at_least(k - m + 1, k).value(1 - P)  # m right, or k - m + 1 wrong
        assert_close(at_least[m - 1], flipped)
    assert_close(O.pass_at_k(k).value(P), at_least[0])
    assert_close(O.pass_all_k(k).value(P), at_least[-1])
    assert_close(O.pass_all_k(k).weight(P), O.pass_at_k(k).weight(1 - P))
    if k % 2:
        assert_close(O.majority(k).value(P) + O.majority(k).value(1 - P), np.ones(5))
        assert O.majority(k).value(0.5) == pytest.approx(0.5)


@pytest.mark.parametrize("terms", [1, 2, 5, 9])
def test_the_truncated_log_is_a_harmonic_mean_of_pass_at_j(terms):
    """Its weight is Σ w_j / j, so its value Σ (J_j - 1) / j."""
    f, parts = O.truncated_log(terms), [O.pass_at_k(j) for j in range(1, terms + 1)]
    assert_close(f.weight(P), sum(part.weight(P) / (j + 1) for j, part in enumerate(parts)))
    assert_close(f.value(P), sum((part.value(P) - 1) / (j + 1) for j, part in enumerate(parts)))
    assert (f.value(P) >= np.log(P)).all()  # what is left out is negative
    assert f.weight(0.0) == terms and f.weight(1.0) == 1


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_mixture_lies_between_its_ends(share):
    f, one, k = O.mixture(share, 4), O.pass_at_k(1), O.pass_at_k(4)
    for of in ("value", "weight"):
        want = share * getattr(one, of)(P) + (1 - share) * getattr(k, of)(P)
        assert_close(getattr(f, of)(P), want)
    c = np.arange(10)
    assert_close(f.estimate_value(9, c), share * c / 9 + (1 - share) * k.estimate_value(9, c))
    assert f.responses_needed == (1 if share == 1 else 4)


def test_limits_of_the_parameters():
    assert_close(O.risk_sensitive(1e-6).value(P), P, slack=1e-6)
    assert_close(O.risk_sensitive(1e-6).weight(P), np.ones(5), slack=1e-6)
    assert_close(O.power(1e-7).weight(P), O.log_likelihood().weight(P), slack=1e-6)
    best, worst = (O.risk_sensitive(beta).value(P) for beta in (500.0, -500.0))
    assert_close(best, np.ones(5), slack=0.01)  # the best of what can happen
    assert_close(worst, np.zeros(5), slack=0.01)
    assert O.risk_sensitive(2).value(1.0) == pytest.approx(1) and O.risk_sensitive(2).value(0.0) == 0


def test_values_and_weights_by_hand_at_one_fifth():
    p = 0.2
    by_hand = {
        "pass@3": (1 - 0.512, 3 * 0.64),
        "pass^2": (0.04, 0.4),
        "2-of-3": (3 * 0.04 * 0.8 + 0.008, 6 * 0.2 * 0.8),
        "log": (log(0.2), 5),
        "log@2": (-0.8 - 0.32, 1.8),
        "arcsine": (2 * np.arcsin(np.sqrt(0.2)), 2.5),
        "logit": (-log(4), 6.25),
        "risk@1": (log(1 + 0.2 * (exp(1) - 1)), (exp(1) - 1) / (1 + 0.2 * (exp(1) - 1))),
        "power@2": (0.02, 0.2),
        "power@-1": (-5, 25),
        "mixture@0.5,2": (0.1 + 0.18, 0.5 + 0.8),
    }
    for name, want in by_hand.items():
        f = O.parse(name)
        assert (f.value(p), f.weight(p)) == pytest.approx(want), name
        assert f.value(p).shape == f.weight(p).shape == (), name


@pytest.mark.parametrize("name", ["pass@1", "pass@6", "log", "log@4", "power@0.5", "risk@3", "mixture@0.4,5"])
def test_the_concave_ones_are_concave_so_that_jensen_holds(name):
    f = O.parse(name)
    assert_concave(f.value, 0.01, 1.0)
    assert_monotone(f.value(P), strictly=True)
    assert f.value(P.mean()) >= f.value(P).mean() - 1e-12


@pytest.mark.parametrize("name", ["pass^4", "power@3", "risk@-2", "logit"])
def test_the_others_are_not_concave(name):
    with pytest.raises(AssertionError, match="not concave"):
        assert_concave(O.parse(name).value, 0.01, 0.99)
    assert (O.parse(name).weight(P) > 0).all()


@few
@given(polynomials)
def test_the_derivative_of_any_polynomial(terms):
    h = 1e-6
    slope = (value_of(terms, P + h) - value_of(terms, P - h)) / (2 * h)
    found = O.derivative(terms)
    assert_close(value_of(found, P), slope, slack=1e-6)
    assert all(found.values())  # nothing that cancels is kept


@few
@given(polynomials, polynomials, coefficients)
def test_the_derivative_is_linear(one, other, factor):
    total = {key: one.get(key, 0) + factor * other.get(key, 0) for key in one.keys() | other.keys()}
    parts = value_of(O.derivative(one), P) + factor * value_of(O.derivative(other), P)
    assert_close(value_of(O.derivative(total), P), parts)


@few
@given(st.integers(1, 14), st.integers(0, 14), st.integers(0, 4), st.integers(0, 4))
def test_dropping_a_response_at_random_changes_no_monomial_on_average(n, c, a, b):
    if c > n or a + b >= n:
        return
    fewer = c / n * O.estimate_monomial(n - 1, max(c - 1, 0), a, b)
    fewer += (n - c) / n * O.estimate_monomial(n - 1, min(c, n - 1), a, b)
    found = O.estimate_monomial(n, c, a, b)
    assert found == pytest.approx(fewer) and 0 <= found <= 1
    one_more = O.estimate_monomial(n, c, a + 1, b) + O.estimate_monomial(n, c, a, b + 1)
    assert found == pytest.approx(one_more)  # the next response is right or wrong


def test_estimates_broadcast_over_prompts():
    n, c = np.array([[5], [8]]), np.array([0, 2, 5])
    assert_broadcasts(lambda a, b: O.estimate_monomial(a, b, 1, 2), n, c)
    for name in ("pass@3", "2-of-4", "log@3", "mixture@0.3,2"):
        assert_broadcasts(O.parse(name).estimate_value, n, c)
        assert_broadcasts(O.parse(name).estimate_weight, n, c)
        assert_broadcasts(O.parse(name).weight, P)


def test_pass_at_1_is_the_same_by_four_names():
    c = np.arange(8)
    for name in ("pass@1", "pass^1", "1-of-1", "majority@1", "power@1", "mixture@1,7"):
        f = O.parse(name)
        assert_close(f.value(P), P)
        assert_close(f.estimate_value(7, c), c / 7)
        assert_close(f.estimate_weight(7, c), np.ones(8))
        assert f.responses_needed == 1


def test_weights_peak_where_they_say():
    """Weight of m-of-k: largest at (m-1)/(k-1), where it is k C(k-1, m-1) p^(m-1) (1-p)^(k-m)."""
    p = np.linspace(0, 1, 1001)
    for m, k in ((1, 4), (2, 5), (3, 5), (4, 4)):
        top = (m - 1) / (k - 1)
        weight = O.at_least(m, k).weight(p)
        assert p[weight.argmax()] == pytest.approx(top, abs=1e-3)
        # 0**0 is 1: at the ends the weight is k
        assert weight.max() == pytest.approx(k * comb(k - 1, m - 1) * top ** (m - 1) * (1 - top) ** (k - m))


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: O.pass_at_k(0), "k of pass@k must be a whole number of 1 or more, found 0"),
        (lambda: O.pass_all_k(-2), r"k of pass\^k must be .* found -2"),
        (lambda: O.at_least(4, 3), "m of m-of-k must be at most k = 3, found 4"),
        (lambda: O.at_least(0, 3), "m of m-of-k must be a whole number"),
        (lambda: O.majority(6), "must be odd .* found 6"),
        (lambda: O.mixture(1.5, 3), r"in a mixture must be in \[0, 1\], found 1\.5"),
        (lambda: O.truncated_log(0), "T of a truncated log must be .* found 0"),
        (lambda: O.risk_sensitive(0), r"limit at 0 is pass@1\), found 0"),
        (lambda: O.power(0), r"limit at 0 is log\), found 0"),
        (lambda: O.parse("pass@k"), "wanted an objective .* found 'pass@k'"),
        (lambda: O.parse("arcsine").estimate_value(4, 2), "objective 'arcsine' exists at any n"),
    ],
)
def test_refusals_say_what_was_wanted_and_found(ask, message):
    with pytest.raises(ConfigError, match=message):
        ask()
