"""Beyond n / folds by a model: right where the model is, refused where it is not."""

import numpy as np
import pytest
from scipy import stats

from acute.measure import beta_binomial as B
from acute.measure import beyond as module
from acute.measure.beyond import beyond
from acute.measure.conflict import Curve, Measured
from tests.worlds import World

TRUE = B.Beta(0.6, 1.2, np.zeros((2, 2)))


def world_of(p, rng, pull=None):
    """Two responses a prompt; ∇ logit p is drawn freely, plus `pull` along the common direction."""
    v = rng.normal(size=(len(p), 6))
    v[:, 0] += 1.5 if pull is None else pull
    p = p.clip(1e-4, 1 - 1e-4)
    scores = np.stack([-p[:, None] * v, (1 - p)[:, None] * v], 1)
    return World(np.stack([1 - p, p], 1), scores, np.tile([0.0, 1.0], (len(p), 1)))


def beta_world(N, rng):
    return world_of(rng.beta(TRUE.alpha, TRUE.beta, N), rng)


def covered(estimate, truth):
    return estimate["lo"] <= truth <= estimate["hi"]


def test_where_the_model_holds_intervals_cover_and_it_is_rarely_refused(monkeypatch):
    monkeypatch.setattr(B, "REPEATS", 99)
    rng, hits, refused = np.random.default_rng(0), [], 0
    for run in range(30):
        w = beta_world(80, rng)
        found = beyond(Measured(*w.roll(16, 2, rng), np.inf), 8, [16, 64], run)
        if found["reason"]:
            refused += 1
            continue
        for i, k in enumerate((16, 64)):
            truths = {
                "inner": w.inner(k),
                "cosine": w.cosine(k),
                "pass_at_k": 1 - ((1 - w.p_N) ** k).mean(),
                "pass_at_k_population": 1 - TRUE.all_fail(k),
            }
            hits.append([covered(found[name][i], truth) for name, truth in truths.items()])
    assert refused <= 5  # one in twenty is asked for
    assert np.mean(hits, 0).min() > 0.88


@pytest.mark.parametrize(
    ("p", "check"),
    [
        (lambda rng: rng.choice([0.05, 0.5], 200), "counts"),
        (lambda rng: np.where(rng.random(200) < 0.5, 0.0, rng.uniform(0.4, 0.6, 200)), "counts"),
    ],
)
def test_counts_of_another_kind_are_refused(p, check):
    rng = np.random.default_rng(1)
    found = beyond(Measured(*world_of(p(rng), rng).roll(32, 4, rng), np.inf), 8, [16], 0)
    assert check in found["reason"] and found["inner"] == found["pass_at_k"] == [None]
    assert found["checks"][check] < 0.02


def test_gradients_that_turn_with_p_are_refused():
    """Hard prompts pull the other way: counts fit, but not the inner product that both give."""
    rng = np.random.default_rng(2)
    p = rng.beta(TRUE.alpha, TRUE.beta, 300)
    w = world_of(p, rng, pull=np.where(p < 0.15, -2.5, 1.5))
    found = beyond(Measured(*w.roll(32, 4, rng), np.inf), 8, [16], 0)
    assert "inner" in found["reason"] and found["cosine"] == [None]


def test_the_fit_is_the_greatest_likelihood():
    rng = np.random.default_rng(3)
    n = rng.integers(4, 30, 400).astype(float)
    c = rng.binomial(n.astype(int), rng.beta(0.6, 1.2, 400)).astype(float)
    found = B.fit(n, c)

    def likelihood(a, b):
        return stats.betabinom.logpmf(c, n, a, b).sum()

    best = likelihood(found.alpha, found.beta)
    for factor in (0.98, 1.02):
        assert likelihood(found.alpha * factor, found.beta) < best
        assert likelihood(found.alpha, found.beta * factor) < best
    error = np.sqrt(np.diag(found.covariance))
    assert abs(np.log(found.alpha / 0.6)) < 3 * error[0] and abs(np.log(found.beta / 1.2)) < 3 * error[1]


def test_prompts_all_alike_determine_no_beta():
    rng = np.random.default_rng(4)
    n = np.full(100, 16.0)
    assert B.fit(n, np.full(100, 8.0)) is None
    w = world_of(np.full(100, 0.5), rng)
    n_NM, c_NM, sums = w.roll(16, 2, rng)
    found = beyond(Measured(n_NM, np.full_like(c_NM, 4.0), sums, np.inf), 8, [16], 0)
    assert "no Beta" in found["reason"]
    few = beyond(Measured(n_NM[:9], c_NM[:9], sums[:9], np.inf), 8, [16], 0)
    assert "too few" in few["reason"]


def test_posterior_means_by_integration():
    p = (np.arange(200_000) + 0.5) / 200_000
    for tilt in (0, 1):
        density = stats.beta.pdf(p, TRUE.alpha, TRUE.beta) * p**3 * (1 - p) ** 9 * (p * (1 - p)) ** tilt
        want = (density * (1 - p) ** 7).sum() / density.sum()
        assert TRUE.all_fail_given(np.array(12.0), np.array(3.0), 7, tilt) == pytest.approx(want, rel=1e-4)
    assert B.weight_given(TRUE, np.array(12.0), np.array(3.0), 8) == pytest.approx(8 * want, rel=1e-4)
    assert TRUE.all_fail(3) == pytest.approx((stats.beta.pdf(p, 0.6, 1.2) * (1 - p) ** 3).mean(), rel=1e-2)


def test_on_average_over_the_model_the_gradients_are_unbiased():
    """E of the modelled advantages' gradient along ∇ logit p is E[w_k p (1 - p)], by enumeration of c."""
    n, k = 6, 20
    success, failure = B.modelled(TRUE, k)(np.full(n + 1, n), np.arange(n + 1.0))
    c = np.arange(n + 1)
    p = (np.arange(100_000) + 0.5) / 100_000
    prior = stats.beta.pdf(p, TRUE.alpha, TRUE.beta)
    chance = stats.binom.pmf(c[:, None], n, p)
    along = (c * success)[:, None] * (1 - p) - ((n - c) * failure)[:, None] * p
    found = (prior * (chance * along).sum(0)).mean() / n
    assert found == pytest.approx((prior * k * (1 - p) ** (k - 1) * p * (1 - p)).mean(), rel=1e-3)


def test_a_single_response_has_no_others():
    assert np.isnan(B.modelled(TRUE, 4)(np.array([1.0]), np.array([1.0]))).all()


def test_the_error_of_the_beta_is_in_the_interval(monkeypatch):
    monkeypatch.setattr(module, "REFUSED", 0.0)
    rng = np.random.default_rng(5)
    w = beta_world(60, rng)
    measured = Measured(*w.roll(16, 2, rng), np.inf)
    found = beyond(measured, 8, [128], 0)
    curve = Curve(measured, 1, [B.modelled(B.fit(measured.n_N, measured.c_N), 128)])
    assert found["inner"][0]["value"] == pytest.approx(curve.inner(2).estimate.value)
    assert found["inner"][0]["se"] > curve.inner(2).estimate.se


def test_a_chance_to_fail_below_the_smallest_float_has_an_interval():
    beta, n, c = B.Beta(400.0, 400.0, 0.01 * np.eye(2)), np.full(30, 64.0), np.full(30, 32.0)
    for estimate in module._pass_at_k(beta, n, c, 10**9):
        assert (estimate.value, estimate.lo, estimate.hi) == (1.0, 1.0, 1.0)
    population = module._pass_at_k(beta, n, c, 4)[1]
    assert population.lo < population.value < population.hi < 1
