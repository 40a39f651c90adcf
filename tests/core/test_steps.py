"""Smoothness constants and step ranges against worlds where everything is exact."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from acute.core import steps as S
from acute.core.theory import certificate
from acute.core.toy import THETA_REF, state, two_prompts
from acute.errors import InputError
from tests.core.worlds import numeric_gradient, softmax_world, worlds


def hessian(world, theta, k):
    rows = numeric_gradient(lambda t: state(world, t, k).gradient_k, theta, h=1e-4)
    return (rows + rows.T) / 2


@pytest.mark.parametrize("k", [1, 2, 5, 12])
def test_smoothness_bounds_the_curvature(k):
    rng = np.random.default_rng(k)
    for seed in range(12):
        world = softmax_world(seed)
        G2, F = world.constants()
        curvature = np.abs(
            np.linalg.eigvalsh(hessian(world, rng.normal(size=4) * rng.uniform(0, 3), k))
        ).max()
        assert curvature <= S.sharp_smoothness(k, G2, F) <= S.paper_smoothness(k, G2, F)


@settings(deadline=None, max_examples=80)
@given(worlds(), st.integers(1, 40))
def test_gradient_bounds(case, k):
    world, theta = case
    scores = world.scores(theta)
    G2 = (world.probabilities(theta) * (scores**2).sum(-1)).sum(-1).max()
    norm = np.sum(state(world, theta, k).gradient_k ** 2)
    assert norm <= S.sharp_gradient_bound(k, G2) * (1 + 1e-9) + 1e-15
    assert S.sharp_gradient_bound(k, G2) <= S.paper_gradient_bound(k, G2)


def test_constants_by_hand():
    assert S.paper_smoothness(3, 2.0, 5.0) == 9 * 2 + 3 * 5
    assert S.sharp_smoothness(1, 2.0, 5.0) == 3.5
    assert S.sharp_smoothness(2, 2.0, 5.0) == pytest.approx(0.5 * 2 + 7)
    assert S.sharp_smoothness(3, 2.0, 5.0) == pytest.approx(2 * (2 / 3) ** 2 * 2 + 1.5 * 7)
    assert S.paper_gradient_bound(3, 2.0) == 18
    assert S.sharp_gradient_bound(1, 2.0) == pytest.approx(0.5)
    assert S.sharp_gradient_bound(2, 2.0) == pytest.approx(0.75**3 * 2)


def test_the_sharp_gradient_bound_is_attained_by_one_logit():
    """One prompt, one logit: ‖∇J_k‖² = w_k² p²(1-p)² and E‖s‖² = p(1-p): the bound is that of w_k² p(1-p)."""
    for k in (1, 3, 10):
        p = np.linspace(1e-4, 1 - 1e-4, 100_001)
        largest = (k**2 * (1 - p) ** (2 * k - 2) * p * (1 - p)).max()
        assert S.sharp_gradient_bound(k, 1.0) == pytest.approx(largest, rel=1e-6)


def conflicts():
    """(world, θ, k) in conflict, among 400 random ones."""
    for seed in range(200):
        world = softmax_world(seed)
        theta = 2 * np.random.default_rng(seed).normal(size=4)
        yield from ((world, theta, k) for k in (3, 8) if state(world, theta, k).inner < 0)


def test_there_are_conflicts_to_test_on():
    assert len(list(conflicts())) >= 20


def one_step_does_what_is_promised(world, theta, k, fraction):
    at = state(world, theta, k)
    norm = float(at.gradient_k @ at.gradient_k)
    G2, F = world.constants()
    L1, Lk = S.sharp_smoothness(1, G2, F), S.sharp_smoothness(k, G2, F)
    ranges = [S.sharp_step(at.inner, norm, L1, Lk).largest]
    best = certificate(at.p, at.agreement, k, world.mass)
    ranges.append(S.paper_step(best.delta_theta, k, G2, F).largest)
    for largest in ranges:
        if largest == 0:
            continue
        eta = fraction * largest
        after = state(world, theta + eta * at.gradient_k, k)
        lower, upper = S.pass_at_1_change_bounds(at.inner, norm, L1, eta)
        assert lower - 1e-13 <= after.J1 - at.J1 <= upper + 1e-13
        assert after.J1 < at.J1 + 1e-14 and after.Jk > at.Jk - 1e-14
        assert after.Jk - at.Jk >= S.pass_at_k_gain_bound(norm, Lk, eta) - 1e-13


@pytest.mark.parametrize("fraction", [0.05, 0.5, 0.99])
@pytest.mark.parametrize(("world", "theta", "k"), list(conflicts()))
def test_proposition_4_6_and_the_wider_range_are_never_violated(world, theta, k, fraction):
    one_step_does_what_is_promised(world, theta, k, fraction)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.filter_too_much])
@given(worlds(), st.integers(2, 12), st.floats(0.01, 0.99))
def test_proposition_4_6_on_worlds_that_nobody_chose(case, k, fraction):
    world, theta = case
    assume(state(world, theta, k).inner < -1e-9)
    one_step_does_what_is_promised(world, theta, k, fraction)


def test_the_guarantee_of_the_two_prompt_demonstration():
    """Corollary 4.4 with G² = 0.2525 allows a step of 4.1e-4; the paper takes 5."""
    world, k = two_prompts(), 10
    at = state(world, THETA_REF, k)
    G2, F = world.constants()
    assert (pytest.approx(0.2525), pytest.approx(0.2525)) == (G2, F)
    weights = k * (1 - at.p) ** (k - 1)
    delta = -at.agreement[1] * weights[1] / 2 - G2 * weights[0] / 2
    assert S.paper_step(delta, k, G2, F).largest == pytest.approx(4.1e-4, rel=0.01)
    norm = float(at.gradient_k @ at.gradient_k)
    wide = S.sharp_step(at.inner, norm, S.sharp_smoothness(1, G2, F), S.sharp_smoothness(k, G2, F))
    assert wide.largest > 100 * S.paper_step(delta, k, G2, F).largest


def test_step_ranges_by_hand():
    found = S.paper_step(0.1, 2, 1.0, 3.0)
    c2 = 4 * 1.0 * 4.0 / 2
    assert found == pytest.approx((0.1 / c2, 0.1 / (2 * c2), 1 / 10))
    assert S.paper_step(100.0, 2, 1.0, 3.0).largest == 1 / 10
    assert S.sharp_step(-2.0, 4.0, 0.5, 10.0) == pytest.approx((0.2, 1.0, 0.1))
    assert S.sharp_step(-0.1, 4.0, 0.5, 10.0).largest == pytest.approx(0.1)
    assert S.pass_at_1_change_bounds(-2.0, 4.0, 0.5, 0.1) == pytest.approx((-0.21, -0.19))
    assert S.pass_at_k_gain_bound(4.0, 10.0, 0.1) == pytest.approx(0.2)


def test_no_conflict_no_guarantee():
    assert S.paper_step(0.0, 2, 1.0, 1.0) == (0, 0, 0)
    assert S.sharp_step(0.0, 1.0, 1.0, 1.0) == (0, 0, 0)


def test_impossible_constants_are_refused():
    for k, G2, F in ((0, 1.0, 1.0), (2, -1.0, 1.0), (2, 1.0, -1.0)):
        with pytest.raises(InputError, match="needed k >= 1"):
            S.paper_smoothness(k, G2, F)
    with pytest.raises(InputError, match="conflict with itself"):
        S.paper_step(0.1, 1, 1.0, 1.0)


@pytest.mark.parametrize("p", [0.001, 0.2, 0.5, 0.93])
def test_moving_along_log_odds_is_straight_in_log_odds_and_right_to_first_order(p):
    change = p * (1 - p) * np.array([-2.0, -1e-5, 0.0, 1e-5, 1.5])
    after = S.moved_along_log_odds(p, change)
    log_odds = np.log(after) - np.log1p(-after) - np.log(p) + np.log1p(-p)
    np.testing.assert_allclose(log_odds, change / (p * (1 - p)), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(after[1:4] - p, change[1:4], rtol=1e-2, atol=1e-12)
    assert after[2] == pytest.approx(p, rel=1e-12)


def test_moving_along_log_odds_stays_inside_and_leaves_the_ends():
    p = np.array([0.0, 1.0, 0.3, 0.3, 1e-9])
    after = S.moved_along_log_odds(p, np.array([0.5, -0.5, 1e6, -1e6, 0.1]))
    assert after.tolist() == [0.0, 1.0, 1.0, 0.0, 1.0]


@settings(deadline=None, max_examples=50)
@given(st.floats(0.001, 0.999), st.floats(-1, 1), st.floats(-1, 1))
def test_moving_along_log_odds_adds_up_and_rises_with_the_change(p, one, other):
    """Two moves, the second measured at the first's end, are one; and a mirror image is a mirror image."""
    spread = p * (1 - p)
    middle = float(S.moved_along_log_odds(p, one * spread))
    twice = float(S.moved_along_log_odds(middle, other * middle * (1 - middle)))
    assert twice == pytest.approx(float(S.moved_along_log_odds(p, (one + other) * spread)), rel=1e-9)
    assert (middle - p) * one >= -1e-15
    mirrored = float(S.moved_along_log_odds(1 - p, -one * spread))
    assert mirrored == pytest.approx(1 - middle, abs=1e-12)
