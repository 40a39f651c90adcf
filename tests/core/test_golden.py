"""Numbers that are printed in the paper, or follow from printed ones; sections 3.3 and 5."""

import numpy as np
import pytest

from acute.core import agreement as A
from acute.core import steps as S
from acute.core import theory as T
from acute.core import toy
from acute.core.estimators import pass_at_k, pass_at_k_weight, plug_in_weight
from tests.core.asserts import assert_close

HARD = {1: 38, 2: 21, 3: 27}  # successes of 32: prompts, of the filter 0.85 / 0.10 on Llama-8B
RUNS = {  # model and filter: hard, easy prompts, unweighted mean, weighted mean, printed product
    "Llama-8B 0.85 0.10": (86, 464, 2.80e-3, -1.12e-3, -0.613),
    "Qwen-7B 0.85 0.05": (29, 627, 2.97e-2, -2.74e-1, -181),
}


@pytest.fixture(scope="module")
def demonstration():
    return toy.state(toy.two_prompts(), toy.THETA_REF, 10)


def test_the_two_prompts_to_four_digits(demonstration):
    at, world = demonstration, toy.two_prompts()
    kappa = A.kernel(at.gradients)
    assert at.p == pytest.approx([0.8581, 0.0998], abs=5e-5)
    assert A.cosine_kernel(world.features @ world.features.T)[0, 1] == pytest.approx(0.9802, abs=5e-5)
    assert kappa[0, 1] == pytest.approx(-0.0108, abs=5e-5)
    assert A.cosine_kernel(kappa)[0, 1] == pytest.approx(-0.9802, abs=5e-5)
    assert at.cosine == pytest.approx(-0.7746, abs=5e-5)
    after = toy.state(world, toy.THETA_REF + 5 * at.gradient_k, 10)
    assert_close([at.J1, after.J1], [0.4789, 0.4647], slack=5e-5)
    assert_close([at.Jk, after.Jk], [0.8252, 0.9532], slack=5e-5)


def test_the_two_prompts_by_hand(demonstration):
    """θ·ψ = -2 ± 0.2: p_easy = σ(1.8), p_hard = σ(-2.2), and ‖ψ‖² = 1.01, ψ_e·ψ_h = 0.99."""
    easy, hard = 1 / (1 + np.exp(-1.8)), 1 / (1 + np.exp(2.2))
    assert demonstration.p == pytest.approx([easy, hard])
    z = np.array([-easy * (1 - easy), hard * (1 - hard)])
    want = np.outer(z, z) * [[1.01, 0.99], [0.99, 1.01]]
    assert A.kernel(demonstration.gradients) == pytest.approx(want)
    assert demonstration.agreement == pytest.approx(want.mean(1))
    weights = 10 * (1 - demonstration.p) ** 9
    assert demonstration.inner == pytest.approx(np.mean(weights * want.mean(1)))


def test_the_thresholds_of_the_two_prompts(demonstration):
    at = demonstration
    found = T.k_star_scan(at.p, at.agreement, G2=0.2525)
    assert found.value_paper == pytest.approx(3.84, abs=0.005)
    assert found.value_sharp == pytest.approx(1.24, abs=0.005)
    assert T.transitions(at.p, at.agreement) == [(1, 1), (2, -1)]
    assert T.sign_change_bound(at.p, at.agreement) == 1 and T.sign_for_large_k(at.p, at.agreement) == -1


def test_the_share_of_pass_at_1_that_ends_the_conflict(demonstration):
    """λ* = -I / (‖∇J_1‖² - I) = 0.876, and the mixture has no conflict from there on."""
    at = demonstration
    norm = float(at.gradient_1 @ at.gradient_1)
    share = -at.inner / (norm - at.inner)
    assert share == pytest.approx(0.876, abs=5e-4)
    weights = np.array([np.ones(2), 10 * (1 - at.p) ** 9])
    gram = A.objective_matrix(weights, A.kernel(at.gradients))
    assert gram[0] == pytest.approx([norm, at.inner])
    for x, sign in ((share - 0.01, -1), (share + 0.01, 1)):
        assert np.sign(x * gram[0, 0] + (1 - x) * gram[0, 1]) == sign


def test_the_guaranteed_step_is_ten_thousand_times_too_careful(demonstration):
    at, (G2, F) = demonstration, toy.two_prompts().constants()
    m = -at.agreement.min()
    split = T.split(at.p, at.agreement, 10, m)
    delta = T.conflict_margin(m, split.W_minus, split.W_plus, G2)
    assert S.paper_step(delta, 10, G2, F).largest == pytest.approx(4.1e-4, abs=5e-6)
    assert 5 / S.paper_step(delta, 10, G2, F).largest > 10_000


def test_the_population_to_three_digits():
    """The defaults: 6000 prompts, 40 % hard, separation 0.2, k = 5, 400 steps of 0.5."""
    world = toy.population()
    first, last = (
        toy.state(world, theta, 5) for theta in toy.ascend(world, toy.THETA_REF, 5, 0.5, 400)[[0, -1]]
    )
    hard = world.hard
    assert_close([first.J1, last.J1], [0.532, 0.507], slack=5e-4)
    assert_close([first.Jk, last.Jk], [0.754, 0.970], slack=5e-4)
    assert [s.p[~hard].mean() for s in (first, last)] == pytest.approx([0.755, 0.527], abs=6e-4)
    assert [s.p[hard].mean() for s in (first, last)] == pytest.approx([0.197, 0.476], abs=6e-4)
    assert [s.agreement.min() for s in (first, last)] == pytest.approx([-0.013, -0.030], abs=6e-4)
    assert first.cosine == pytest.approx(-0.16, abs=6e-3)
    assert hard.mean() == pytest.approx(0.4, abs=0.01)


def test_the_weights_of_the_histogram():
    """k = n = 32, plug-in: groups near 12, 4 and 1; easy prompts 28 orders of magnitude below."""
    weights = plug_in_weight(32, np.array(list(HARD)), 32)
    assert np.round(weights, 2).tolist() == [11.96, 4.33, 1.51]
    assert sum(HARD.values()) == 86
    total = sum(count * w for count, w in zip(HARD.values(), weights, strict=True))
    assert total == pytest.approx(586, abs=0.5)
    assert weights[0] / plug_in_weight(32, 28, 32) > 1e26
    assert plug_in_weight(32, 0, 32) == 32  # never printed: prompts without a success were left out
    assert pass_at_k_weight(32, np.array(list(HARD)), 32).tolist() == [1, 0, 0]  # unbiased, for comparison
    assert pass_at_k(32, 1, 32) == 1


@pytest.mark.parametrize("run", RUNS)
def test_the_printed_product_is_a_sum_over_prompts(run):
    """N times the weighted mean, not the mean: 550 · (-1.12e-3) = -0.616."""
    hard, easy, unweighted, weighted, printed = RUNS[run]
    count = hard + easy
    assert count * weighted == pytest.approx(printed, rel=0.01)
    assert abs(weighted) < abs(printed) / 500 and unweighted > 0


def test_the_weighted_mean_under_the_shifted_distribution():
    """-1.12e-3 over the mean weight 586/550 is about -1.05e-3: scores made to have the printed means."""
    p = np.r_[np.repeat(np.array([1, 2, 3]) / 32, list(HARD.values())), np.full(464, 28 / 32)]
    w = 32 * (1 - p) ** 31
    hard = p < 0.5
    low = -1.12e-3 * 550 / w[hard].sum()
    a = np.where(hard, low, (2.80e-3 * 550 - 86 * low) / 464)
    assert a.mean() == pytest.approx(2.80e-3) and A.inner_product(w, a) == pytest.approx(-1.12e-3)
    assert A.reweighted(w) @ a == pytest.approx(-1.05e-3, abs=5e-6)
    assert A.inner_product_by_shift(w, a) == pytest.approx(-1.12e-3)
    assert A.inner_product_by_covariance(w, a, 2.80e-3) == pytest.approx(-1.12e-3)
    assert T.inner_products(p, a, [1, 32]) == pytest.approx([2.80e-3, -1.12e-3])
    assert 1 < T.k_dagger(p, a) < 32


def test_corollary_4_4_needs_a_positive_margin_not_a_negative_one(demonstration):
    """As printed, δ(θ) < 0 would claim conflict for k = 1 as well, where there never is one."""
    at = demonstration
    m = -at.agreement.min()
    for k in range(1, 12):
        split = T.split(at.p, at.agreement, k, m)
        delta = T.conflict_margin(m, split.W_minus, split.W_plus, split.B)
        inner = T.inner_products(at.p, at.agreement, k)
        assert inner <= -delta + 1e-12 and (inner < 0) == (k >= 2)
        assert (delta > 0) == (k >= 2)  # two prompts, B the other's own score: an equality
