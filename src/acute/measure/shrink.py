"""Noisy values of many prompts pulled towards what prompts like them have: smaller errors, honest intervals.

A list of raw values ranks noise: the largest of many noisy numbers is large by luck. Here each value is
weighed against the spread that the values truly have, a linear empirical-Bayes estimate, with intervals whose
average coverage over prompts does not rest on a normal spread.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from acute.measure.intervals import LEVEL
from acute.measure.many import Estimates, Z

Floats = NDArray[np.float64]
FEWEST = 4  # values that a spread can be estimated from
FARTHEST = 1.0  # standard errors that a value moves at most


def moderated(variance_N: Floats, df_N: Floats, trend_N: Floats) -> tuple[Floats, Floats]:
    """Variances drawn towards a common multiple of `trend_N`, and their degrees of freedom.

    With few folds a single variance is nearly unknown; all together say how large they are. The true
    variances over the trend are taken as scaled inverse χ², whose two numbers follow from the logs.

    Reference: Smyth 2004, eqs. 3–9.
    """
    log = np.log(variance_N / trend_N) - special.digamma(df_N / 2) + np.log(df_N / 2)
    extra = float(log.var(ddof=1) - special.polygamma(1, df_N / 2).mean())
    if extra <= 0:  # no spread beyond that of the estimates themselves
        return trend_N * np.exp(log.mean()), np.full(len(log), np.inf)
    half = float(optimize.brentq(lambda x: special.polygamma(1, x) - extra, 1e-3, 1e8))
    common = trend_N * np.exp(log.mean() + special.digamma(half) - np.log(half))
    df = df_N + 2 * half
    return (df_N * variance_N + 2 * half * common) / df, df


def spread(value_N: Floats, variance_N: Floats) -> tuple[float, float]:
    """Mean and variance of the true values behind noisy ones.

    The variance at which the squared distances are as large as they should be (Paule & Mandel 1982), and
    no less than what chance can hide.
    """

    def mean(between: float) -> float:
        weight = 1 / (variance_N + between)
        return float(weight @ value_N / weight.sum())

    def excess(between: float) -> float:
        return float(((value_N - mean(between)) ** 2 / (variance_N + between)).sum() - (len(value_N) - 1))

    weight = 1 / variance_N
    least = 2 / weight.sum()  # the standard error of a variance that is 0, for equal errors √2 of it
    most = float(np.ptp(value_N) ** 2 + least)
    between = least if excess(least) <= 0 else float(optimize.brentq(excess, least, most))
    return mean(between), between


def reach(ratio_N: Floats) -> Floats:
    """How many standard errors (of the noise, after shrinking) an interval must reach.

    `ratio_N` is noise variance over true variance. The largest non-coverage over all distributions of the
    true values with that variance is held at 5 % on average over prompts.

    Reference: Armstrong, Kolesár & Plagborg-Møller 2022, eqs. 3–5 and Proposition B.1.
    """
    grid, table = _reaches()
    return np.asarray(np.interp(np.minimum(ratio_N, grid[-1]), grid, table))


@cache
def _reaches() -> tuple[Floats, Floats]:
    grid = np.concatenate([[0.0], np.geomspace(1e-3, 1e4, 60)])
    return grid, np.array([_reach(m) for m in grid])


def _reach(moment: float) -> float:
    """The reach for one second moment of the bias, in standard errors."""
    if moment == 0:
        return Z
    bias = np.concatenate([[moment], moment + np.geomspace(1e-6, 1, 400) * (100 + 20 * moment)])

    def worst(c: float) -> float:
        root = np.sqrt(bias)
        missed = stats.norm.sf(c - root) + stats.norm.cdf(-c - root)
        at_zero = 2 * stats.norm.sf(c)
        return float((at_zero + moment / bias * (missed - at_zero)).max()) - (1 - LEVEL)

    return float(optimize.brentq(worst, 1.0, 10 + 10 * np.sqrt(moment)))


def shrunk(value_N: Floats, variance_N: Floats, df_N: Floats, trend_N: Floats) -> Estimates | None:
    """Empirical-Bayes values with 95 % intervals that cover on average over prompts; None for too few.

    `trend_N` is what the noise variances are proportional to as far as one knows: p (1 - p) / n for
    agreement. No value moves by more than `FARTHEST` standard errors, so that a prompt unlike all others
    keeps its own.

    Reference: Armstrong, Kolesár & Plagborg-Møller 2022; limited translation: Efron & Morris 1972.
    """
    if len(value_N) < FEWEST or not ((variance_N > 0) & (df_N > 0)).all():
        return None
    variance, df = moderated(variance_N, df_N, trend_N)
    mean, between = spread(value_N, variance)
    weight = between / (between + variance)
    pull = (1 - weight) * (mean - value_N)
    farthest = FARTHEST * np.sqrt(variance)
    value = value_N + np.clip(pull, -farthest, farthest)
    of_mean = 1 / (1 / (variance + between)).sum()
    student = stats.t.ppf((1 + LEVEL) / 2, df) / Z
    noise = reach(variance / between) * student * weight * np.sqrt(variance)
    half = np.hypot(noise, Z * (1 - weight) * np.sqrt(of_mean))
    se = np.sqrt(weight * variance + (1 - weight) ** 2 * of_mean)
    return Estimates(value, se, value - half, value + half)
