"""Shrunken values: nearer the truth, with intervals that cover on average for any true spread."""

import numpy as np
import pytest
from scipy import stats

from acute.core.parts import parts
from acute.measure import shrink
from acute.measure.conflict import Curve, Measured
from acute.measure.many import from_errors
from acute.measure.prompts import per_prompt
from acute.measure.shrink import moderated, reach, shrunk, spread
from tests.worlds import world

TRUTHS = {
    "normal": lambda rng, N: rng.normal(size=N),
    "two points": lambda rng, N: rng.choice([-1.0, 1.0], N),
    "few far ones": lambda rng, N: np.where(rng.random(N) < 0.05, 4.4, 0.0) * rng.choice([-1, 1], N),
    "nearly none": lambda rng, N: 0.05 * rng.normal(size=N),
}


def noisy(truth, noise, df, rng):
    """Values with errors of unknown size: true standard errors differ twofold, estimates have df."""
    se = noise * rng.uniform(0.7, 1.4, len(truth))
    value = truth + se * rng.normal(size=len(truth))
    return value, se**2 * rng.chisquare(df, len(truth)) / df, np.full(len(truth), float(df))


@pytest.mark.parametrize("truth", TRUTHS.values(), ids=TRUTHS)
@pytest.mark.parametrize("df", [1, 3])
@pytest.mark.parametrize("noise", [0.5, 2.0])
def test_average_coverage_and_error(truth, df, noise):
    rng = np.random.default_rng(df)
    covered, better, shorter = [], [], []
    for _ in range(60):
        true = 3 + truth(rng, 60)
        value, variance, dfs = noisy(true, noise, df, rng)
        found, raw = shrunk(value, variance, dfs, np.ones(60)), from_errors(value, variance, dfs)
        covered.append(((found.lo_N <= true) & (true <= found.hi_N)).mean())
        better.append([((found.value_N - true) ** 2).sum(), ((value - true) ** 2).sum()])
        shorter.append((found.hi_N - found.lo_N).mean() / (raw.hi_N - raw.lo_N).mean())
    assert np.mean(covered) > 0.94
    assert np.divide(*np.sum(better, 0)) < (0.95 if noise > 1 else 1.02)
    assert np.mean(shorter) < 1


def test_on_exact_worlds_the_error_falls_where_noise_rules_and_coverage_stays():
    squares, inside, inside_raw = [], [], []
    for seed in range(4):
        w = world(N=16, seed=seed)
        for run in range(8):
            measured = Measured(*w.roll(16, 2, np.random.default_rng(run)), np.inf)
            found = per_prompt(Curve(measured, 2), 2)
            known = np.isfinite(found.agreement.value_N)
            true, raw, e = (
                w.agreement_N[known],
                found.agreement.some(known),
                found.agreement_shrunk.some(known),
            )
            squares.append([((x.value_N - true) ** 2).sum() for x in (e, raw)])
            inside.append(((e.lo_N <= true) & (true <= e.hi_N)).mean())
            inside_raw.append(((raw.lo_N <= true) & (true <= raw.hi_N)).mean())
    assert np.divide(*np.sum(squares, 0)) < 0.95
    assert np.mean(inside) > np.mean(inside_raw) - 0.03  # both carry what fold deletion misses


def test_the_reach_by_the_worst_two_point_bias():
    """A bias that is 0 or b with mean square m: no b may be missed more than 5 % of the time."""
    for m in (0.1, 1.0, 4.0):
        c = float(reach(np.array([m]))[0])
        b = np.sqrt(np.linspace(m, 400 + 40 * m, 200_001))
        missed = stats.norm.sf(c - b) + stats.norm.cdf(-c - b)
        at_zero = 2 * stats.norm.sf(c)
        worst = (at_zero + m / b**2 * (missed - at_zero)).max()
        assert worst == pytest.approx(0.05, abs=1e-3)
    assert reach(np.array([0.0]))[0] == pytest.approx(1.959964)


def test_the_spread_is_that_at_which_distances_are_as_large_as_expected():
    rng = np.random.default_rng(0)
    variance = rng.uniform(0.5, 2, 4000)
    mean, between = spread(5 + rng.normal(size=4000) * np.sqrt(3 + variance), variance)
    assert (mean, between) == (pytest.approx(5, abs=0.1), pytest.approx(3, rel=0.1))
    assert spread(rng.normal(size=50) * 1e-3, np.ones(50))[1] == pytest.approx(2 / 50)


def test_variances_are_drawn_together_as_far_as_they_are_noise():
    rng = np.random.default_rng(0)
    trend = rng.uniform(1, 5, 3000)
    alike, df = moderated(7 * trend * rng.chisquare(2, 3000) / 2, np.full(3000, 2.0), trend)
    np.testing.assert_allclose(alike / trend, 7, rtol=0.25)
    assert df.min() > 20
    true = trend * 5 / rng.chisquare(5, 3000)  # scaled inverse χ² with 5
    found, df = moderated(true * rng.chisquare(2, 3000) / 2, np.full(3000, 2.0), trend)
    assert df[0] == pytest.approx(7, rel=0.15)
    assert np.mean(np.log(found / true) ** 2) < 0.6 * np.mean(np.log(rng.chisquare(2, 3000) / 2) ** 2)


def test_no_value_moves_further_than_one_standard_error():
    value, variance = np.array([0.0, 0.1, -0.1, 0.05, 9.0]), np.full(5, 0.01)
    found = shrunk(value, variance, np.full(5, 1e6), np.ones(5))
    assert np.abs(found.value_N - value).max() <= shrink.FARTHEST * 0.1 * (1 + 1e-6)


def test_too_few_or_unknown_errors_are_not_shrunk():
    three = np.arange(3.0)
    assert shrunk(three, np.ones(3), np.ones(3), np.ones(3)) is None
    five = np.arange(5.0)
    assert shrunk(five, np.array([1, 1, 1, 1, 0.0]), np.ones(5), np.ones(5)) is None


def test_rows_of_prompts_hold_both_and_unknown_stays_unknown():
    w = world(N=8)
    n, c, sums = w.roll(64, 4, np.random.default_rng(0))
    c[2], sums[2] = 0, 0
    curve = Curve(Measured(n, c, sums, np.inf), 4)
    found = per_prompt(curve, 4)
    assert np.isnan(found.agreement_shrunk.value_N[2]) and np.isnan(found.agreement.value_N[2])
    assert found.agreement.value_N[3] == parts(sums, curve.products, 0, np.arange(8)).value_G[3]
    assert found.agreement_shrunk.value_N[3] != found.agreement.value_N[3]
