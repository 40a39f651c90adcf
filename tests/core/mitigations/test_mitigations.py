"""Each mitigation's first-order guarantee, on worlds whose gradients are known exactly."""

import numpy as np
import pytest

from acute.core.mitigations.adaptive_k import adaptive_k
from acute.core.mitigations.annealing import annealed_k
from acute.core.mitigations.clipping import clip, clipped, largest_cap
from acute.core.mitigations.flattening import largest_beta, largest_power, largest_truncation, power
from acute.core.mitigations.guard import guarded, significant
from acute.core.mitigations.mixture import mixture, mixture_share
from acute.core.mitigations.projection import projection
from acute.core.mitigations.reweighting import multiplier, reweighting
from acute.core.mitigations.seen import (
    Reweighting,
    Seen,
    at_length,
    length_in_family,
    mean_product,
    mixed,
    progress_1,
    unchanged,
)
from acute.core.objectives import risk_sensitive, truncated_log
from acute.core.theory import inner_products
from acute.core.toy import two_prompts
from acute.errors import InputError, NotEnoughData
from tests.core.mitigations.exact import AT_PEACE, IN_CONFLICT, WORLDS, Exact

MARGINS = (0.0, 0.3, 1.0)
SLACK = 1e-10


def test_there_are_worlds_of_both_kinds():
    assert len(IN_CONFLICT) > 5 and len(AT_PEACE) > 5


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize("method", [mixture, projection, reweighting])
def test_pass_at_1_rises_by_the_margin(method, margin):
    for w in WORLDS:
        assert w.rise_1(method(w.seen, margin)) >= margin * w.seen.norm_1 - SLACK


@pytest.mark.parametrize("method", [mixture, projection, reweighting])
def test_no_more_is_done_than_is_needed(method):
    for w in IN_CONFLICT:
        assert w.rise_1(method(w.seen)) == pytest.approx(0, abs=SLACK)
    for w in AT_PEACE:
        assert method(w.seen).of(w.w_N) == pytest.approx(w.w_N, abs=SLACK)


def test_pass_at_k_still_rises():
    for w in IN_CONFLICT:
        s = w.seen
        left = s.norm_k - s.inner**2 / s.norm_1
        assert w.rise_k(projection(s)) == pytest.approx(left, abs=SLACK) and left >= -SLACK
        assert w.rise_k(mixture(s)) == pytest.approx((1 - mixture_share(s)) * left, abs=SLACK)


def test_the_two_prompt_demonstration():
    assert mixture_share(Exact(two_prompts(), np.array([-2.0, -2.0]), 10).seen) == pytest.approx(
        0.876, abs=5e-4
    )


def test_mixture_and_projection_are_one_direction():
    for w in WORLDS:
        mixed_v, projected = mixture(w.seen), projection(w.seen)
        same = projected.times(mixed_v.scale).of(w.w_N)
        assert mixed_v.of(w.w_N) == pytest.approx(same, rel=1e-10)


def test_projection_is_the_nearest_step():
    for w in IN_CONFLICT[:5]:
        gk, g1 = w.at.gradient_k, w.at.gradient_1
        best = np.linalg.norm(w.step(projection(w.seen)) - gk)
        for seed in range(50):
            other = gk + np.random.default_rng(seed).normal(size=gk.shape) * np.linalg.norm(gk)
            if other @ g1 >= 0:
                assert np.linalg.norm(other - gk) >= best - SLACK


def test_reweighting_is_the_nearest_of_all_non_negative_weights():
    """Against scipy's solver of the same quadratic program."""
    from scipy.optimize import minimize

    for w in IN_CONFLICT[:4]:
        s, mass = w.seen, w.seen.mass_N
        found = reweighting(s, 0.3).of(w.w_N)
        assert (found >= 0).all()
        best = minimize(
            lambda v: mass @ (v - w.w_N) ** 2,  # noqa: B023
            np.full_like(w.w_N, 1.0),
            jac=lambda v: 2 * mass * (v - w.w_N),  # noqa: B023
            bounds=[(0, None)] * len(w.w_N),
            constraints={
                "type": "ineq",
                "fun": lambda v: (mean_product(s, v) - 0.3 * s.norm_1) / s.norm_1,  # noqa: B023
            },
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 1000},
        )
        assert mass @ (found - w.w_N) ** 2 <= best.fun + 1e-6
        nu = multiplier(s, 0.3 * s.norm_1)
        assert found == pytest.approx(np.maximum(0, w.w_N + nu * s.agreement_N))


def test_reweighting_moves_prompts_by_their_agreement():
    for w in IN_CONFLICT:
        change = reweighting(w.seen).added_N
        assert ((change >= 0) | (w.seen.agreement_N < 0)).all()
        assert ((change <= 0) | (w.seen.agreement_N > 0)).all()


def test_reweighting_says_when_nothing_can_help():
    seen = Seen(np.ones(2), np.array([-1.0, 0.0]), -1.0, 0.5, 1.0)
    with pytest.raises(NotEnoughData, match="no prompt has a > 0"):
        multiplier(seen, 0.1)


@pytest.mark.parametrize("margin", MARGINS)
def test_clip_is_the_largest_cap_without_conflict(margin):
    for w in WORLDS:
        v = clip(w.seen, margin)
        cap, top = largest_cap(w.seen, margin), w.w_N.max()
        share = min(cap, top) / top
        assert w.rise_1(v) >= margin * w.seen.norm_1 * share - SLACK
        if cap < top and share > 1e-6:
            more = np.minimum(w.w_N, cap * (1 + 1e-6))
            assert mean_product(w.seen, more) - margin * w.seen.norm_1 * share * (1 + 1e-6) < SLACK
        assert v.of(w.w_N) == pytest.approx(np.minimum(w.w_N, cap))


def test_flattening_ends_conflict_and_goes_no_further():
    acted = 0
    for w in WORLDS:
        p, s = w.at.p, w.seen
        assert w.rise_1(power(s)) >= -SLACK
        t = largest_truncation(p, s, 32)
        assert mean_product(s, truncated_log(t).weight(p)) >= -SLACK
        beta = largest_beta(p, s, 5.0)
        flat = risk_sensitive(beta).weight(p) if beta else np.ones_like(p)
        assert mean_product(s, flat) >= -SLACK
        gamma = largest_power(s)
        if gamma < 1:
            acted += 1
            assert mean_product(s, w.w_N ** (gamma + 1e-3)) < 0
        if t < 32:
            assert mean_product(s, truncated_log(t + 1).weight(p)) < 0
    assert acted > 5


def test_adaptive_k_stays_where_there_is_no_conflict():
    ks = list(range(1, 33))
    below = 0
    for w in WORLDS:
        inner = inner_products(w.at.p, w.seen.agreement_N, ks, w.mass)
        k = adaptive_k(ks, inner)
        assert inner_products(w.at.p, w.seen.agreement_N, [k], w.mass)[0] >= -SLACK
        below += k < 32
        assert (inner[k:] < 0).all()
    assert below > 5


def test_adaptive_k_takes_unknown_for_unsafe():
    assert adaptive_k([1, 2, 4, 8], [0.1, 0.2, None, float("nan")]) == 2
    assert adaptive_k([1, 2], [None, -1.0]) == 1
    with pytest.raises(InputError, match="ascending k from 1"):
        adaptive_k([2, 1], [0, 0])


def test_annealing_ends_at_pass_at_1():
    ks = [annealed_k(i, 10, 8) for i in range(10)]
    assert ks[0] == 8 and ks[-1] == 1 and ks == sorted(ks, reverse=True) and annealed_k(0, 1, 8) == 1
    with pytest.raises(InputError, match="0 <= step < steps"):
        annealed_k(10, 10, 8)


def test_the_guard_acts_on_significant_conflict_only():
    w = IN_CONFLICT[0]
    mended = projection(w.seen)
    assert guarded(w.seen, mended, 0.01) is mended
    for p_value in (0.2, None):
        assert guarded(w.seen, mended, p_value).of(w.w_N) == pytest.approx(w.w_N)
    with pytest.raises(InputError, match="between 0 and 1"):
        significant(0.5, 0.0)


def test_progress_and_length_are_those_of_the_step_itself():
    for w in WORLDS[:10]:
        v = mixed(w.seen, 0.7, 0.4)
        assert progress_1(w.seen, v) == pytest.approx(w.rise_1(v), abs=SLACK)
        length = length_in_family(w.seen, 0.7, 0.4)
        assert length == pytest.approx(np.linalg.norm(w.step(v)), rel=1e-6)
        same = at_length(v, length, 0.06)
        assert np.linalg.norm(w.step(same)) == pytest.approx(0.06, rel=1e-6)
    with pytest.raises(InputError, match="positive length"):
        at_length(v, 0.0, 1.0)


def test_what_is_not_known_is_refused():
    seen = WORLDS[0].seen
    for broken, words in (
        (seen._replace(norm_1=-1e-3), "‖∇J_1‖² > 0"),
        (seen._replace(inner=float("nan")), "finite"),
        (seen._replace(agreement_N=np.array([np.nan, 1.0])), "finite"),
    ):
        for method in (mixture, projection, reweighting, clip, power):
            with pytest.raises(InputError, match=words):
                method(broken)
    with pytest.raises(InputError, match="wanted 0 to 1"):
        mixture(seen, 2.0)
    with pytest.raises(NotEnoughData, match="no cap on the weights"):  # the easy prompt can get no weight
        largest_cap(seen._replace(weights_N=np.array([0.0, 1.0])))
    with pytest.raises(InputError, match="weights >= 0, not all 0"):
        largest_cap(seen._replace(weights_N=np.array([-1.0, 1.0])))
    with pytest.raises(InputError, match="weights >= 0"):
        largest_power(seen._replace(weights_N=np.array([-1.0, 1.0])))
    with pytest.raises(InputError, match="T must be 1"):
        largest_truncation(WORLDS[0].at.p, seen, 0)
    with pytest.raises(InputError, match="β must be positive"):
        largest_beta(WORLDS[0].at.p, seen, 0.0)
    with pytest.raises(InputError, match="must be positive"):
        clipped(np.ones(2), 0.0)


def test_unchanged_is_the_objective_itself():
    seen = WORLDS[0].seen
    assert unchanged(seen) == (1.0, pytest.approx(np.zeros(2)))
    assert Reweighting(2.0, np.ones(2)).times(3).of(np.ones(2)) == pytest.approx([9, 9])
