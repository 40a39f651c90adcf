"""Predictions of one step against worlds where the step can be taken, and everything is exact."""

import numpy as np
import pytest

from acute.core.objectives import parse
from acute.core.prompt_weight import lifted, outcome_advantages, prompt_weight
from acute.core.steps import moved_along_log_odds
from acute.errors import ConfigError, NotEnoughData
from acute.measure.conflict import Measured
from acute.measure.predict import SHORT, Slopes, predict
from acute.testing.load import load
from tests.worlds import world

KS = (1, 2, 8)


def exact_slopes(w, weight_N):
    """∇J_f of these prompts, its products with every ∇J_k, and its norm."""
    g = weight_N @ w.grad_p_ND / len(w.p_N)
    return g, np.array([g @ w.gradient(k) for k in KS]), np.linalg.norm(g)


def after(w, step):
    """p once θ has moved by `step`: in a softmax policy π changes by exp of the score along it."""
    tilted = w.pi_NY * np.exp(w.s_NYD @ step)
    return (tilted * w.r_NY).sum(1) / tilted.sum(1)


def change(w, p, k):
    return float(np.mean((1 - w.p_N) ** k - (1 - p) ** k))


def mean_measured(w, n=2.0**30, folds=2):
    """What infinitely many responses give: sums at their expectation."""
    counts = np.repeat((n / folds * w.pi_NY)[:, None], folds, 1)
    right = counts * w.r_NY[:, None]
    sums = np.stack([np.einsum("nmy,nyd->nmd", x, w.s_NYD) for x in (counts - right, right)], 2)
    return Measured(counts.sum(2), right.sum(2), sums, np.inf)


@pytest.mark.parametrize("name", ["pass@1", "pass@8", "mixture@0.3,8", "log@6", "pass^2"])
def test_without_noise_it_is_the_derivative(name):
    """Steps really taken, shorter and shorter: what first order leaves out falls with the square."""
    w, f = world(N=10), parse(name)
    g, slopes, norm = exact_slopes(w, f.weight(w.p_N))
    errors = []
    for length in (0.02, 0.01, 0.005):
        found = predict(mean_measured(w), f.advantages, KS, length=length)
        assert found.eta == pytest.approx(length / norm, rel=1e-6) and found.length == pytest.approx(length)
        p = after(w, found.eta * g)
        for c, slope in zip(found.changes, slopes, strict=True):
            assert c.first_order.value == pytest.approx(found.eta * slope, rel=1e-5)
        errors.append([c.first_order.value - change(w, p, c.k) for c in found.changes])
    size = np.linalg.norm(errors, axis=1)  # of all k together: the square's factor may vanish at one of them
    assert size.min() > 1e-9
    np.testing.assert_allclose(size[:-1] / size[1:], 4, rtol=0.25)


def test_an_estimator_steps_along_its_own_weight():
    w = world(N=10)
    found = load("grpo", 8, 1)
    outcomes = outcome_advantages(lambda r: found.advantage(r, 1), 8)
    _, slopes, _ = exact_slopes(w, prompt_weight(outcomes, w.p_N))
    got = predict(mean_measured(w), lifted(outcomes), KS, eta=0.3)
    for c, slope in zip(got.changes, slopes, strict=True):
        assert c.first_order.value == pytest.approx(0.3 * slope, rel=1e-5)


def test_straight_log_odds_are_the_first_order_for_short_steps_and_what_they_say_for_long_ones():
    w, f = world(N=24), parse("pass@8")
    g, _, _ = exact_slopes(w, f.weight(w.p_N))
    apart = []
    for length in (0.02, 0.01, 1.0):
        got = predict(mean_measured(w), f.advantages, KS, length=length)
        want = moved_along_log_odds(w.p_N, got.eta * (w.grad_p_ND @ g))
        for c in got.changes:
            assert c.curved.value == pytest.approx(change(w, want, c.k), rel=1e-4)
        apart.append(np.abs([c.curved.value - c.first_order.value for c in got.changes]).max())
    assert apart[0] / apart[1] == pytest.approx(4, rel=0.2)
    assert apart[2] > 0.01


def test_the_error_of_straight_log_odds_is_that_of_the_slopes():
    """Its weights are the derivative in η slope; where the step is short its error is the first order's."""
    rolled = Measured(*world(N=12).roll(256, 4, np.random.default_rng(0)), np.inf)
    slopes, h = Slopes(rolled, parse("pass@4").advantages, KS), 1e-6
    for eta in (0.1, 5.0):
        value = [[c.curved.value for c in slopes.predict(x, False).changes] for x in (eta + h, eta - h)]
        derivative = (np.array(value[0]) - value[1]) / (2 * h)
        np.testing.assert_allclose(slopes.curved_weights(eta) @ slopes.slope_N / 12, derivative, rtol=1e-5)
    for normalised in (False, True):
        c = slopes.predict(1e-6, normalised).changes[
            0
        ]  # at k > 1 the first order counts the error of w_k too
        assert c.curved.se == pytest.approx(c.first_order.se, rel=0.02)


@pytest.mark.parametrize("normalised", [False, True])
def test_intervals_cover_the_first_order_change(normalised):
    w, f = world(N=18, sharing=0.8), parse("pass@8")
    _, slopes, norm = exact_slopes(w, f.weight(w.p_N))
    truth = 0.01 * slopes / (norm if normalised else 1)
    rng, hits, bends, told = np.random.default_rng(2), [], [], []
    step = {"length": 0.01} if normalised else {"eta": 0.01}
    for _ in range(300):
        found = predict(Measured(*w.roll(256, 4, rng), np.inf), f.advantages, KS, **step)
        first = [c.first_order for c in found.changes]
        hits.append([e.lo <= t <= e.hi for e, t in zip(first, truth, strict=True)])
        bends.append([c.curved.hi - c.curved.lo for c in found.changes])
        told.append([(e.value, e.se) for e in first])
    cover = np.mean(hits, 0)
    assert np.all((cover > 0.88) & (cover < 0.995)), cover  # .93 to .97 in 600 runs; 300 err by .015
    assert np.min(bends) > 0
    value, se = np.moveaxis(told, 2, 0)
    ratio = np.sqrt((se**2).mean(0)) / value.std(0)  # what is said of the error over what it is
    assert np.all((ratio > 0.85) & (ratio < 1.25)), ratio


def test_population_intervals_cover():
    """Prompts drawn anew from many: the change of the distribution's pass@k."""
    big, f = world(N=1500, sharing=0.8, seed=1), parse("pass@4")
    _, slopes, _ = exact_slopes(big, f.weight(big.p_N))
    rng, hits = np.random.default_rng(3), []
    for _ in range(200):
        some = rng.choice(1500, 40, replace=False)
        part = type(big)(big.pi_NY[some], big.s_NYD[some], big.r_NY[some])
        found = predict(Measured(*part.roll(64, 4, rng), np.inf), f.advantages, KS, eta=1.0)
        hits.append(
            [c.population.lo <= t <= c.population.hi for c, t in zip(found.changes, slopes, strict=True)]
        )
    cover = np.mean(hits, 0)
    assert np.all(cover > 0.88), cover


def test_the_sketch_error_is_in_a_normalised_step():
    """The error of ⟨g, h⟩/‖g‖ from sketches alone: sketches of two fixed vectors, drawn 4000 times."""
    rng = np.random.default_rng(0)
    g, h, D = rng.normal(size=50), rng.normal(size=50), 200
    h += 0.7 * g
    draws = rng.choice([-1.0, 1.0], size=(4000, 50, D)).astype(np.float32) / D**0.5
    a, b = (np.einsum("i,sid->sd", v, draws) for v in (g, h))
    spread = ((a * b).sum(1) / np.sqrt((a * a).sum(1))).var()
    top, F, H = g @ h, g @ g, h @ h
    assert (F * H - top**2 / 2) / D / F == pytest.approx(spread, rel=0.1)
    rolled = world().roll(256, 2, np.random.default_rng(0))
    wide, narrow = (Slopes(Measured(*rolled, D), parse("pass@4").advantages, KS) for D in (16, np.inf))
    one, two = (s.predict(s.eta_of(1.0), True).changes[0].first_order.se for s in (wide, narrow))
    F, H, top = narrow.norm.finite, narrow.norms_k[0].finite, narrow.with_k[0].finite
    assert one**2 == pytest.approx(two**2 + (F * H - top**2 / 2) / 16 / F)


def test_without_a_step_a_short_one_is_taken():
    found = predict(mean_measured(world()), parse("pass@4").advantages, KS)
    assert found.log_odds_moved == pytest.approx(SHORT)
    longer = predict(mean_measured(world()), parse("pass@4").advantages, KS, eta=2 * found.eta)
    assert longer.log_odds_moved == pytest.approx(2 * SHORT)
    assert longer.length == pytest.approx(2 * found.length)


def test_first_order_holds_for_short_steps_and_not_for_long_ones():
    measured = Measured(*world(N=18).roll(256, 4, np.random.default_rng(0)), np.inf)
    short, long = (predict(measured, parse("pass@8").advantages, KS, eta=eta) for eta in (0.01, 100.0))
    assert all(c.holds for c in short.changes)
    assert long.changes[-1].holds is False
    assert -1 <= long.changes[-1].curved.lo <= long.changes[-1].curved.hi <= 1


def test_a_single_prompt_has_no_population():
    rolled = world(N=1).roll(64, 2, np.random.default_rng(0))
    found = predict(Measured(*rolled, np.inf), parse("pass@2").advantages, KS, length=0.1)
    assert found.changes[0].population is None and found.changes[0].first_order is not None
    for k in KS:
        assert found.reasons[f"population.{k}"] == "one prompt says nothing of others"


def test_what_is_unknown_has_its_reason_and_nothing_else():
    """Of few prompts a step of given length has no known size; for a step η only pass@9 of 8 is unknown."""
    measured = Measured(*world(N=6).roll(16, 2, np.random.default_rng(0)), np.inf)
    f = parse("pass@4").advantages
    assert predict(measured, f, (1, 9), eta=1.0).reasons == {
        "first_order.9": "more rewarded responses a prompt are needed for this k than there are"
    }
    told = set()
    for seed in range(8):
        measured = Measured(*world(N=6).roll(16, 2, np.random.default_rng(seed)), np.inf)
        found = predict(measured, f, (1,), length=0.1)
        (change,) = found.changes
        for name, estimate in (("first_order", change.first_order), ("population", change.population)):
            known = estimate is not None and estimate.lo is not None and estimate.hi is not None
            assert known == (f"{name}.1" not in found.reasons)
        told |= set(found.reasons.values())
    assert any("not positive: noise outweighs" in said for said in told)
    assert any("not surely above 0" in said and "take more prompts" in said for said in told)


def test_what_cannot_be_asked():
    measured = Measured(*world().roll(16, 2, np.random.default_rng(0)), np.inf)
    f = parse("pass@4").advantages
    with pytest.raises(ConfigError, match="found both"):
        predict(measured, f, KS, eta=1, length=1)
    for wrong in (0.0, -1.0, np.inf):
        with pytest.raises(ConfigError, match="wanted a positive step size"):
            predict(measured, f, KS, eta=wrong)
    with pytest.raises(NotEnoughData, match="more rewarded responses in each fold"):
        predict(measured, parse("pass@9").advantages, (1,), eta=1)
    ninth = predict(measured, f, (1, 9), eta=0.1).changes[1]  # 8 responses a fold, 16 in all
    assert ninth.first_order is None and ninth.holds is None and ninth.population is not None
    assert predict(measured, f, (1, 17), eta=0.1).changes[1].population is None


def test_a_gradient_of_unknown_length_has_no_normalised_step():
    w = world()
    n, c, sums = w.roll(8, 2, np.random.default_rng(0))
    sums[:, 1] = -sums[:, 0]
    c[:, 1] = c[:, 0]
    with pytest.raises(NotEnoughData, match="not positive"):
        predict(Measured(n, c, sums, np.inf), parse("pass@1").advantages, (1,), length=1)


def test_no_prompt_that_moves_has_no_default_step():
    w = world()
    n, _, sums = w.roll(8, 2, np.random.default_rng(0))
    with pytest.raises(NotEnoughData, match="no step is predicted"):
        predict(Measured(n, n, sums, np.inf), parse("pass@1").advantages, (1,))
