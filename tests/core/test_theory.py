"""Certificates and thresholds against exact evaluation; no bound is ever violated."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from acute.core import theory as T
from acute.core.agreement import agreement, kernel
from acute.core.toy import THETA_REF, state, two_prompts
from acute.errors import InputError
from tests.core.worlds import worlds

K = np.arange(1, 400)


def exact_inner(p, a, k, mass=None):
    """E[k (1-p)**(k-1) a], one k at a time."""
    d = np.full(len(p), 1 / len(p)) if mass is None else np.asarray(mass) / np.sum(mass)
    return np.array([d @ (kk * (1 - np.asarray(p)) ** (kk - 1) * a) for kk in np.atleast_1d(k)])


@st.composite
def prompts(draw, most=8):
    """(p, a, mass) with E[a] > 0, as exact scores have it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(2, most))
    p, a, mass = rng.uniform(0.01, 0.99, count), rng.normal(size=count), rng.dirichlet(np.ones(count))
    assume(mass @ a > 1e-3)
    return p, a, mass


@st.composite
def separated(draw):
    """(p, a, mass): negative scores at low p, the others higher, E[a] > 0."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low, high = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    p = np.r_[rng.uniform(0.01, 0.3, low), rng.uniform(0.4, 0.95, high)]
    a = np.r_[-rng.uniform(0.2, 1, low), rng.uniform(-0.1, 3, high)]
    mass = rng.dirichlet(np.ones(low + high))
    assume(mass @ a > 1e-6)
    return p, a, mass


@settings(deadline=None, max_examples=100)
@given(worlds(), st.sampled_from([2, 4, 9]), st.floats(0.01, 1.0))
def test_corollary_4_4_is_never_violated(case, k, share):
    world, theta = case
    p, g = world.success(theta), world.gradients(theta)
    a = agreement(kernel(g), world.mass)
    assume(a.min() < -1e-9)
    inner = world.mass @ (k * (1 - p) ** (k - 1) * a)
    scores = world.scores(theta)
    g2 = (world.probabilities(theta) * (scores**2).sum(-1)).sum(-1).max()
    m = share * -a.min()
    at = T.split(p, a, k, m, world.mass)
    slack = 1e-12 * (1 + k)
    for bound in (g2, g2 / 4, at.B if np.isfinite(at.B) else 0.0):
        assert inner <= -T.conflict_margin(m, at.W_minus, at.W_plus, bound) + slack
    assert abs(a).max() <= g2 / 4 + 1e-12
    best = T.certificate(p, a, k, world.mass)
    assert inner <= -best.delta_theta + slack
    assert at.q <= 1 + 1e-12 and (1 - at.q) * g2 >= at.q * m - 1e-12


@settings(deadline=None, max_examples=100)
@given(separated())
def test_proposition_4_5_is_never_violated(case):
    p, a, mass = case
    found = T.k_star_scan(p, a, mass, G2=4 * abs(a).max())
    assert found is not None
    inner = exact_inner(p, a, K, mass)
    assert (inner[found.value_sharp + 1e-9 < K] < 0).all()
    assert (inner[found.value_paper + 1e-9 < K] < 0).all()
    assert 1 <= found.value_sharp <= found.value_paper + 1e-12
    assert found.epsilon < found.delta and found.m > 0


@settings(deadline=None, max_examples=100)
@given(prompts())
def test_k_dagger_is_the_first_conflict(case):
    p, a, mass = case
    inner = exact_inner(p, a, K, mass)
    first = next((int(k) for k, i in zip(K, inner, strict=True) if i < 0), None)
    found = T.k_dagger(p, a, mass=mass)
    if first is not None:
        assert found == first
    else:
        assert found is None or found > K[-1]
    assert T.k_dagger(p, a, k_max=3, mass=mass) == (first if first is not None and first <= 3 else None)


@settings(deadline=None, max_examples=100)
@given(prompts())
def test_descartes_bounds_the_transitions(case):
    p, a, mass = case
    crossings = T.transitions(p, a, mass=mass)
    assert len(crossings) - 1 <= T.sign_change_bound(p, a, mass)
    assert crossings[0] == (1, 1)
    assert all(x[1] == -y[1] for x, y in pairwise(crossings))
    if T.transitions(p, a, k_max=10**5, mass=mass) == crossings:
        assert crossings[-1][1] == T.sign_for_large_k(p, a, mass)


@settings(deadline=None, max_examples=50)
@given(prompts())
def test_inner_products_for_many_k(case):
    p, a, mass = case
    assert T.inner_products(p, a, K, mass) == pytest.approx(exact_inner(p, a, K, mass), rel=1e-9, abs=1e-14)
    assert T.inner_products(p, a, 3, mass).shape == ()


def test_conflict_can_come_and_go():
    """Three prompts, signs + - + by rising p: two transitions, as many as Descartes allows."""
    p, a = np.array([0.02, 0.2, 0.9]), np.array([0.02, -1.0, 3.0])
    assert T.sign_change_bound(p, a) == 2
    first, second = (k for k, _ in T.transitions(p, a)[1:])
    assert [s for _, s in T.transitions(p, a)] == [1, -1, 1]
    inner = exact_inner(p, a, K)
    assert (inner[first - 1 : second - 1] < 0).all() and (inner[second - 1 :] > 0).all()
    assert T.k_dagger(p, a) == first
    assert T.sign_for_large_k(p, a) == 1


def test_two_prompts_of_the_paper():
    world = two_prompts()
    at = state(world, THETA_REF, 10)
    found = T.k_star_scan(at.p, at.agreement, G2=world.constants()[0])
    assert found.value_paper == pytest.approx(3.84, abs=0.005)
    assert found.value_sharp == pytest.approx(1.24, abs=0.005)
    assert T.k_dagger(at.p, at.agreement) == 2
    assert (found.q, found.epsilon, found.delta) == (0.5, at.p[1], at.p[0])
    assert T.k_star_scan(at.p, at.agreement).value_paper is None


def test_split_by_hand():
    p, a = [0.5, 0.0, 1.0], [0.3, -0.2, 0.1]
    assert T.split(p, a, 2, 0.1) == pytest.approx((1 / 3, 2 / 3, 1 / 3, 0.3))
    assert T.split(p, a, 2, 0.1, [2, 1, 1]) == pytest.approx((1 / 4, 1 / 2, 1 / 2, 0.3))
    assert T.split(p, a, 2, 0.2).q == pytest.approx(1 / 3)  # a = -m belongs to the set
    assert T.split(p, a, 2, 0.21).q == 0
    assert -np.inf == T.split([0.5], [-1.0], 2, 0.5).B
    assert T.conflict_margin(0.1, 2 / 3, 1 / 3, 0.3) == pytest.approx(0.2 / 3 - 0.1)


def test_split_weighs_by_k():
    p, a, k = np.array([0.5, 0.2, 0.9]), [0.3, -0.2, 0.1], 5
    found = T.split(p, a, k, 0.1)
    assert found.W_minus == pytest.approx(5 * 0.8**4 / 3)
    assert found.W_plus == pytest.approx((5 * 0.5**4 + 5 * 0.1**4) / 3)
    assert T.certificate(p, a, k).W_minus == pytest.approx(5 * 0.8**4 / 3)


def test_certificate_takes_the_best_margin():
    p, a = [0.1, 0.2, 0.9], [-0.5, -0.1, 0.8]
    tried = [T.split(p, a, 6, m) for m in (0.1, 0.5)]
    want = [T.conflict_margin(m, s.W_minus, s.W_plus, s.B) for m, s in zip((0.1, 0.5), tried, strict=True)]
    found = T.certificate(p, a, 6)
    assert found.delta_theta == pytest.approx(max(want)) and found.m == 0.1
    assert (found.q, found.B) == (pytest.approx(2 / 3), 0.8)
    assert T.certificate([0.1, 0.9], [0.1, 0.2], 4) is None
    everyone = T.certificate([0.1, 0.9], [-0.1, -0.1], 2)
    assert everyone.W_plus == 0 and everyone.B == 0 and everyone.delta_theta > 0


def test_k_star_by_hand():
    want = 1 + np.log(0.75 * 0.5 / (0.25 * 0.1)) / np.log(0.9 / 0.5)
    assert T.k_star(0.1, 0.5, 0.25, 0.1, 0.5) == pytest.approx(want)
    assert T.k_star(0.0, 0.5, 0.25, 0.1, 0.5) == pytest.approx(1 + np.log(15) / np.log(2))
    assert T.k_star(0.1, 0.5, 1.0, 0.1, 0.5) == 1  # everyone is in the set
    assert T.k_star(0.1, 1.0, 0.25, 0.1, 0.5) == 1  # the others have no weight at all for k >= 2
    assert T.k_star(0.1, 0.5, 0.25, 0.1, 0.01) == 1  # noise alone makes this possible


@pytest.mark.parametrize(
    ("epsilon", "delta", "q", "m"),
    [
        (0.5, 0.5, 0.2, 1),
        (-0.1, 0.5, 0.2, 1),
        (0.1, 1.1, 0.2, 1),
        (0.1, 0.5, 0, 1),
        (0.1, 0.5, 0.2, 0),
        (0.1, 0.5, 1.1, 1),
    ],
)
def test_k_star_refuses_what_the_proposition_does_not_cover(epsilon, delta, q, m):
    with pytest.raises(InputError, match=r"k\* needs"):
        T.k_star(epsilon, delta, q, m, 1.0)


def test_k_star_scan_finds_the_margin_that_separates():
    """The mildly negative prompt at high p only separates when the margin leaves it out."""
    p, a = [0.05, 0.1, 0.6, 0.9], [-0.5, -0.4, -0.05, 1.5]
    found = T.k_star_scan(p, a)
    assert (found.m, found.q, found.epsilon, found.delta, found.B) == (0.4, 0.5, 0.1, 0.6, 1.5)
    assert T.k_star_scan([0.1, 0.5], [0.5, 0.2]) is None  # nothing negative
    assert T.k_star_scan([0.5, 0.1], [-0.1, 0.5]) is None  # negative where p is high
    assert T.k_star_scan([0.1, 0.5], [-0.1, -0.5]) is None  # no one else to compare with... at m = 0.1


def test_k_star_scan_ignores_prompts_without_mass():
    p, a = [0.1, 0.9, 0.05], [-0.2, 0.6, 0.6]
    assert T.k_star_scan(p, a) is None
    assert T.k_star_scan(p, a, [1, 1, 0]).delta == 0.9


def test_prompts_always_solved_count_at_k_1_alone():
    p, a = [1.0, 0.2], [0.5, -0.3]
    assert T.transitions(p, a) == [(1, 1), (2, -1)]
    assert T.sign_change_bound(p, a) == 0  # among k >= 2
    assert T.transitions([1.0], [0.5]) == [(1, 1)]
    assert T.transitions([1.0, 1.0], [0.5, -0.5]) == []
    assert T.sign_for_large_k([1.0], [0.5]) == 0


def test_a_balance_at_k_1_is_passed_over():
    assert T.transitions([0.1, 0.5], [-1.0, 1.0]) == [(2, -1)]
    assert T.k_dagger([0.1, 0.5], [-1.0, 1.0]) == 2


def test_equal_p_on_both_sides_do_not_separate():
    assert T.k_star_scan([0.3, 0.3], [-0.1, 0.5]) is None


def test_neighbours_of_one_sign_are_no_change():
    assert T.sign_change_bound([0.1, 0.2, 0.3, 0.4], [-1.0, -2.0, 1.0, 3.0]) == 1
    assert T.sign_change_bound([0.1, 0.2, 0.3], [1.0, 0.0, 3.0]) == 0


def test_equal_p_count_once():
    assert T.sign_change_bound([0.2, 0.2, 0.2], [1.0, -3.0, 1.0]) == 0
    assert T.sign_for_large_k([0.2, 0.2, 0.5], [1.0, -3.0, 9.0]) == -1


def test_signs_survive_where_weights_underflow():
    p, a = [0.5, 0.9], [-1e-6, 1.0]
    assert T.k_dagger(p, a) == 10
    assert T.k_dagger([0.999, 0.9995], [-1e-300, 1.0]) == 998


@pytest.mark.parametrize(
    ("p", "a"),
    [([0.1], [0.1, 0.2]), ([], []), ([[0.1]], [[0.1]]), ([0.1], [np.nan]), ([1.1], [0.1]), ([np.nan], [1])],
)
def test_what_are_no_prompts_is_refused(p, a):
    with pytest.raises(InputError, match="found"):
        T.k_dagger(p, a)


def test_a_margin_must_be_positive():
    with pytest.raises(InputError, match="m must be positive, found 0"):
        T.split([0.1], [0.1], 2, 0)
