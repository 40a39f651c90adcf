"""Pass@k from counts: of these prompts, and of the distribution they come from."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from acute.core.estimate import Estimate
from acute.core.estimators import pass_at_k
from acute.measure.intervals import from_error, prompt_variance, simultaneous_reach

Floats = NDArray[np.float64]


def _without_one(n_N: Floats, c_N: Floats, k: int) -> Floats:
    """Each prompt's pass@k without one failure less that without one success; NaN where n ≤ k."""
    less_success = pass_at_k(n_N - 1, np.maximum(c_N - 1, 0), k)
    return np.asarray(pass_at_k(n_N - 1, np.minimum(c_N, n_N - 1), k) - less_success)


def deleted_variance(n_N: Floats, c_N: Floats, k: int) -> Floats:
    """Delete-one-response jackknife variance of each prompt's pass@k, in closed form; NaN where n ≤ k.

    c deletions give one value and n - c the other: (n - 1)/n · c (n - c)/n · (difference)².
    """
    return np.asarray((n_N - 1) / n_N * c_N * (n_N - c_N) / n_N * _without_one(n_N, c_N, k) ** 2)


def pass_at_k_of_these(n_N: Floats, c_N: Floats, k: int) -> Estimate | None:
    """Mean pass@k of these prompts; the interval carries the noise of the rollouts alone.

    None where a prompt has fewer than k responses. Without any spread in the counts (every response
    right, or every one wrong) the error is unknown.
    """
    value = float(pass_at_k(n_N, c_N, k).mean())
    if np.isnan(value):
        return None
    variance = float(deleted_variance(n_N, c_N, k).sum()) / len(n_N) ** 2
    se = np.sqrt(variance) if variance > 0 else np.nan
    return from_error(value, se, np.inf, (0.0, 1.0))


def pass_at_k_band(
    n_N: Floats, c_N: Floats, ks: Sequence[int], seed: int
) -> list[tuple[float, float] | None]:
    """A 95 % band that pass@k of these prompts lies in for all k at once; None where the error is unknown.

    A prompt's pass@k without one response takes two values, so its errors at all k move together.

    Reference: sup-t bands, Montiel Olea & Plagborg-Møller 2019.
    """
    half = np.sqrt((n_N - 1) * c_N * (n_N - c_N)) / n_N / 2
    errors, found = [], {}
    for k in ks:
        one = pass_at_k_of_these(n_N, c_N, k)
        if one is not None and one.se:
            errors.append(half * _without_one(n_N, c_N, k))
            found[k] = one.value, one.se
    if not found:
        return [None] * len(ks)
    two_KN = np.stack(errors)
    reach = simultaneous_reach(np.stack([two_KN, -two_KN], 2), np.inf, seed)
    band = {k: (max(0.0, v - reach * se), min(1.0, v + reach * se)) for k, (v, se) in found.items()}
    return [band.get(k) for k in ks]


def pass_at_k_of_population(n_N: Floats, c_N: Floats, k: int) -> Estimate | None:
    """Mean pass@k of the prompt distribution; the interval carries prompts and rollouts."""
    per_prompt = pass_at_k(n_N, c_N, k)
    if np.isnan(per_prompt).any():
        return None
    variance, df = prompt_variance(per_prompt)
    se = np.sqrt(variance) if variance > 0 else np.nan
    return from_error(float(per_prompt.mean()), se, df, (0.0, 1.0))


def posterior_negative(value_N: Floats, se_N: Floats, grid: int = 200, rounds: int = 500) -> Floats:
    """Each true value's probability to be negative, given noisy values and their errors.

    The prior is the nonparametric maximum-likelihood mixture of the values themselves (by EM on a grid),
    so that a crowd of noisy values around 0 is not read as half negative.

    Reference: Kiefer & Wolfowitz 1956; empirical Bayes of Robbins 1956.
    """
    # wider than the values themselves, which may all lie on one side by chance
    support = np.linspace((value_N - 3 * se_N).min(), (value_N + 3 * se_N).max(), grid)
    likelihood_NG = stats.norm.pdf((value_N[:, None] - support) / se_N[:, None]) / se_N[:, None]
    prior = np.full(grid, 1 / grid)
    for _ in range(rounds):
        before, prior = prior, prior * (likelihood_NG.T @ (1 / (likelihood_NG @ prior))) / len(value_N)
    posterior = likelihood_NG * before
    return np.asarray((posterior[:, support < 0].sum(1) / posterior.sum(1)).clip(0, 1))
