"""Pass@k from counts: of these prompts, and of the distribution they come from."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from acute.core.estimate import Estimate
from acute.core.estimators import pass_at_k, pass_at_k_weight
from acute.measure.intervals import bend, from_error, prompt_variance

Floats = NDArray[np.float64]


def deleted_variance(n_N: Floats, c_N: Floats, k: int) -> Floats:
    """Delete-one-response jackknife variance of each prompt's pass@k, in closed form; NaN where n ≤ k."""
    less_success = pass_at_k(n_N - 1, np.maximum(c_N - 1, 0), k)
    less_failure = pass_at_k(n_N - 1, np.minimum(c_N, n_N - 1), k)
    mean = (c_N * less_success + (n_N - c_N) * less_failure) / n_N
    squares = c_N * (less_success - mean) ** 2 + (n_N - c_N) * (less_failure - mean) ** 2
    return np.asarray((n_N - 1) / n_N * squares)


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


def pass_at_k_of_population(n_N: Floats, c_N: Floats, k: int) -> Estimate | None:
    """Mean pass@k of the prompt distribution; the interval carries prompts and rollouts."""
    per_prompt = pass_at_k(n_N, c_N, k)
    if np.isnan(per_prompt).any():
        return None
    variance, df = prompt_variance(per_prompt)
    se = np.sqrt(variance) if variance > 0 else np.nan
    value = float(per_prompt.mean())
    return from_error(value, se, df, (0.0, 1.0), bend(per_prompt - value))


def weight_interval(p: Estimate, n: int, c: int, k: int) -> Estimate:
    """w_k(p) = k (1 - p)^(k-1) of one prompt: unbiased, with the interval of p mapped through w_k."""
    value = float(pass_at_k_weight(n, c, k))
    if k == 1:
        return Estimate(1.0, 0.0, 1.0, 1.0)
    ends = [k * (1 - end) ** (k - 1) for end in (p.hi or 0.0, p.lo or 0.0)]
    se = None if p.se is None else p.se * k * (k - 1) * (1 - p.value) ** (k - 2)
    return Estimate(value, se, ends[0], ends[1])


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
        posterior = likelihood_NG * prior
        posterior /= posterior.sum(1, keepdims=True)
        prior = posterior.mean(0)
    return np.asarray(posterior[:, support < 0].sum(1).clip(0, 1))
