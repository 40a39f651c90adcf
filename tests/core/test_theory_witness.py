"""Thresholds against exact fractions, all margins tried, and what must not matter to them."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from acute.core import theory as T
from tests.core.asserts import assert_close, assert_monotone, assert_permutation_invariant

few = settings(deadline=None, max_examples=60)
P = [Fraction(i, 20) for i in range(21)]


@st.composite
def prompts(draw, most=6):
    """(p, a, mass) as fractions, small enough to be exact; ties and zeros among them."""
    count = draw(st.integers(1, most))
    p = draw(st.lists(st.sampled_from(P), min_size=count, max_size=count))
    a = draw(st.lists(st.integers(-6, 6), min_size=count, max_size=count))
    mass = draw(st.lists(st.integers(1, 4), min_size=count, max_size=count))
    return p, [Fraction(x, 8) for x in a], [Fraction(x, sum(mass)) for x in mass]


def floats(*columns):
    return [np.array([float(x) for x in column]) for column in columns]


def sign_at(p, a, mass, k):
    """Sign of E[w_k a], in rational numbers."""
    total = sum(d * x * (1 - q) ** (k - 1) for q, x, d in zip(p, a, mass, strict=True))
    return (total > 0) - (total < 0)


def transitions_slowly(p, a, mass, last):
    found = []
    for k in range(1, last + 1):
        sign = sign_at(p, a, mass, k)
        if sign and (not found or found[-1][1] != sign):
            found.append((k, sign))
    return found


@few
@given(prompts())
def test_transitions_in_exact_fractions(case):
    p, a, mass = floats(*case)
    assume(all(sign_at(*case, k) for k in range(1, 40)))  # rounding decides the sign of an exact 0
    want = transitions_slowly(*case, last=60)
    assert T.transitions(p, a, 60, mass) == want
    assert T.k_dagger(p, a, 60, mass) == next((k for k, sign in want if sign < 0), None)


@few
@given(prompts())
def test_the_sign_for_large_k_in_exact_fractions(case):
    """Thousands of attempts later the prompts with the smallest p have spoken."""
    p, a, mass = floats(*case)
    want = sign_at(*case, 3000)
    assume(want or all(x == 0 or q == 1 for q, x in zip(case[0], case[1], strict=True)))
    assert T.sign_for_large_k(p, a, mass) == want


@few
@given(prompts())
def test_no_other_margin_proves_more(case):
    p, a, mass = floats(*case)
    best = T.certificate(p, a, 5, mass)
    assert (best is None) == (not (a < 0).any())
    for m in np.linspace(0.01, 1.0, 34):
        inside = a <= -m
        if best is None or not inside.any():
            continue
        weight = 5 * (1 - p) ** 4
        bound = max(a[~inside], default=0.0)
        proved = m * (mass * weight)[inside].sum() - bound * (mass * weight)[~inside].sum()
        assert proved <= best.delta_theta + 1e-12
    if best is not None:
        inside = a <= -best.m
        assert best.q == pytest.approx(mass[inside].sum()) and -best.m in a
        assert best.W_minus + best.W_plus == pytest.approx(mass @ (5 * (1 - p) ** 4))


@few
@given(prompts())
def test_k_star_scan_tries_every_margin_that_separates(case):
    p, a, mass = floats(*case)
    best = np.inf
    for m in sorted({-x for x in a if x < 0}):
        inside = a <= -m
        if inside.all() or p[inside].max() >= p[~inside].min():
            continue
        low, high, q = p[inside].max(), p[~inside].min(), mass[inside].sum()
        best = min(best, T.k_star(low, high, q, m, a[~inside].max()))
    found = T.k_star_scan(p, a, mass)
    assert (found is None) == (best == np.inf)
    assert found is None or found.value_sharp == pytest.approx(best)


@few
@given(
    st.floats(0.01, 0.4), st.floats(0.45, 0.99), st.floats(0.05, 0.95), st.floats(0.01, 1), st.floats(1, 9)
)
def test_k_star_is_exact_for_two_prompts(low, high, q, m, surplus):
    """One prompt on each side and B its own score: the bound is an equality, so k† = floor(k*) + 1."""
    other = surplus * q * m / (1 - q)  # E[a] >= 0
    found = T.k_star_scan([low, high], [-m, other], [q, 1 - q])
    want = 1 + np.log(surplus) / np.log((1 - low) / (1 - high))
    assert found.value_sharp == pytest.approx(want)
    assume(abs(want - round(want)) > 1e-6)
    assert T.k_dagger([low, high], [-m, other], mass=[q, 1 - q]) == floor(want) + 1


@few
@given(prompts(), st.randoms(use_true_random=False))
def test_the_order_of_prompts_does_not_matter(case, random):
    columns = floats(*case)
    orders = [random.sample(range(len(columns[0])), len(columns[0])) for _ in range(2)]
    ks = np.arange(1, 20)
    assert_permutation_invariant(lambda p, a, d: T.inner_products(p, a, ks, d), *columns, orders=orders)
    assert_permutation_invariant(lambda p, a, d: T.split(p, a, 3, 0.2, d)[:3], *columns, orders=orders)
    assert_permutation_invariant(T.sign_change_bound, *columns, orders=orders)
    p, a, d = columns
    for order in orders:
        moved = p[order], a[order], d[order]
        one, other = T.certificate(p, a, 4, d), T.certificate(moved[0], moved[1], 4, moved[2])
        assert (one is None) == (other is None)
        assert one is None or other.delta_theta == pytest.approx(one.delta_theta)


@few
@given(prompts())
def test_a_prompt_told_twice_with_half_its_mass_changes_nothing(case):
    p, a, mass = floats(*case)
    twice = np.r_[p, p[:1]], np.r_[a, a[:1]], np.r_[mass[0] / 2, mass[1:], mass[0] / 2]
    for k in (2, 7):
        assert_close(T.inner_products(twice[0], twice[1], k, twice[2]), T.inner_products(p, a, k, mass))
        assert_close(T.split(*twice[:2], k, 0.3, twice[2]), T.split(p, a, k, 0.3, mass))
    one, other = T.k_star_scan(p, a, mass), T.k_star_scan(*twice)
    assert (one is None) == (other is None)
    assert one is None or other.value_sharp == pytest.approx(one.value_sharp)
    assert T.sign_change_bound(*twice) == T.sign_change_bound(p, a, mass)


@few
@given(prompts(), st.sampled_from([0.125, 4.0]))
def test_the_scale_of_the_scores_moves_margins_and_no_threshold(case, factor):
    p, a, mass = floats(*case)
    assert_close(T.inner_products(p, factor * a, 6, mass), factor * T.inner_products(p, a, 6, mass))
    one, other = T.certificate(p, a, 6, mass), T.certificate(p, factor * a, 6, mass)
    if one is not None:
        scaled = (factor * one.delta_theta, one.W_minus, one.W_plus, factor * one.m, one.q, factor * one.B)
        assert other == pytest.approx(scaled)
    first, second = T.k_star_scan(p, a, mass), T.k_star_scan(p, factor * a, mass)
    assert first is None or second.value_sharp == pytest.approx(first.value_sharp)
    assert T.transitions(p, factor * a, 50, mass) == T.transitions(p, a, 50, mass)
    assert T.sign_for_large_k(p, factor * a, mass) == T.sign_for_large_k(p, a, mass)


def test_k_star_moves_continuously_to_its_limits():
    at = {"epsilon": 0.1, "delta": 0.5, "q": 0.3, "m": 0.1}
    equal = at["q"] * at["m"] / (1 - at["q"])  # the bound at which (1 - q) B = q m
    assert T.k_star(**at, bound=equal * (1 + 1e-9)) == pytest.approx(1)
    assert T.k_star(**at, bound=equal) == T.k_star(**at, bound=0.0) == T.k_star(**at, bound=-3.0) == 1
    assert_monotone(
        [T.k_star(**{**at, "delta": d}, bound=2.0) for d in (0.2, 0.5, 0.9, 0.999999, 1.0)], up=False
    )
    assert_monotone([T.k_star(**{**at, "epsilon": e}, bound=2.0) for e in (0.0, 0.2, 0.4, 0.49)])
    doubled = T.k_star(**at, bound=4.0) - T.k_star(**at, bound=2.0)
    assert doubled == pytest.approx(np.log(2) / np.log(0.9 / 0.5))


def test_weights_at_the_ends():
    """p = 1 has weight 1 at k = 1 and none after; p = 0 has weight k."""
    assert T.inner_products([1.0], [3.0], [1, 2, 9]).tolist() == [3, 0, 0]
    assert T.inner_products([0.0], [3.0], [1, 2, 9]).tolist() == [3, 6, 27]
    assert T.inner_products([0.0, 1.0], [1.0, -8.0], [[1, 2], [3, 4]], [3, 1]).tolist() == [
        [0.75 - 2, 1.5],
        [2.25, 3],
    ]


def test_the_scan_ends_where_signs_are_settled_not_before():
    """The first prompt outweighs the other's thousandfold score once 0.999**(k-1) < 1e-3."""
    p, a = [0.5, 0.5005], [-1.0, 1000.0]
    want = 2 + floor(np.log(1000) / -np.log(0.999))
    assert T.k_dagger(p, a) == T.k_dagger(p, a, k_max=want) == want == 6906
    assert T.k_dagger(p, a, k_max=want - 1) is None
    assert T.transitions(p, a, k_max=1) == [(1, 1)]


@pytest.mark.parametrize(
    ("p", "message"), [([0.2, 1.5], r"must lie in \[0, 1\], found 1\.5"), ([-0.25, 0.1], r"found -0\.25")]
)
def test_a_probability_that_is_none_is_named(p, message):
    with pytest.raises(T.InputError, match=message):
        T.inner_products(p, [0.1, 0.2], 2)
    with pytest.raises(T.InputError, match=r"shapes \(2,\) and \(1,\)"):
        T.certificate([0.1, 0.2], [0.1], 2)
    with pytest.raises(T.InputError, match="m must be positive, found -1"):
        T.split([0.1], [0.1], 2, -1)
