"""Pass@k from counts: of these prompts, and of the distribution they come from."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from acute.core.blocks import blocks
from acute.core.estimate import Estimate
from acute.core.estimators import pass_at_k
from acute.measure.intervals import bend, from_error, prompt_variance, simultaneous_reach

Floats = NDArray[np.float64]
Ends = tuple[float, float]
MOST = 4096


def _looked_up(formula: Callable[[Floats, Floats], Floats], n_N: Floats, c_N: Floats) -> Floats:
    """`formula` (n, c) of each prompt; of many prompts worked out once for each pair of counts."""
    side = int(n_N.max(initial=0)) + 1
    if side**2 > len(n_N):
        return formula(n_N, c_N)
    key = (n_N * side + c_N).astype(np.int64)
    seen, known = np.flatnonzero(np.bincount(key, minlength=side**2)), np.empty(side**2)
    known[seen] = formula(*(x.astype(float) for x in np.divmod(seen, side)))
    return np.asarray(known[key])


def _pass_at_k(n_N: Floats, c_N: Floats, k: int) -> Floats:
    """Each prompt's pass@k; NaN where n < k."""
    return _looked_up(lambda n, c: pass_at_k(n, c, k), n_N, c_N)


def _without_one(n_N: Floats, c_N: Floats, k: int) -> Floats:
    """Each prompt's pass@k without one failure less that without one success; NaN where n ≤ k."""

    def formula(n: Floats, c: Floats) -> Floats:
        less_success = pass_at_k(n - 1, np.maximum(c - 1, 0), k)
        return np.asarray(pass_at_k(n - 1, np.minimum(c, n - 1), k) - less_success)

    return _looked_up(formula, n_N, c_N)


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
    value = float(_pass_at_k(n_N, c_N, k).mean())
    if np.isnan(value):
        return None
    variance = float(deleted_variance(n_N, c_N, k).sum()) / len(n_N) ** 2
    se = np.sqrt(variance) if variance > 0 else np.nan
    return from_error(value, se, np.inf, (0.0, 1.0))


def pass_at_k_of_population(n_N: Floats, c_N: Floats, k: int) -> Estimate | None:
    """Mean pass@k of the prompt distribution; the interval carries prompts and rollouts."""
    per_prompt = _pass_at_k(n_N, c_N, k)
    if np.isnan(per_prompt).any():
        return None
    variance, df = prompt_variance(per_prompt)
    se = np.sqrt(variance) if variance > 0 else np.nan
    value = float(per_prompt.mean())
    return from_error(value, se, df, (0.0, 1.0), bend(per_prompt - value))


def pass_at_k_band(n_N: Floats, c_N: Floats, ks: Sequence[int], seed: int) -> list[Ends | None]:
    """A 95 % band that pass@k of these prompts lies in for all k at once; None where the error is unknown.

    A prompt's pass@k without one response takes two values, so its errors at all k move together.

    Reference: sup-t bands, Montiel Olea & Plagborg-Møller 2019.
    """
    half = np.sqrt((n_N - 1) * c_N * (n_N - c_N)) / n_N / 2
    each = [pass_at_k_of_these(n_N, c_N, k) for k in ks]
    return _band(each, [half * _without_one(n_N, c_N, k) for k in ks], np.inf, seed)


def pass_at_k_population_band(n_N: Floats, c_N: Floats, ks: Sequence[int], seed: int) -> list[Ends | None]:
    """As `pass_at_k_band`, of the prompt distribution."""
    each = [pass_at_k_of_population(n_N, c_N, k) for k in ks]
    per_prompt = [_pass_at_k(n_N, c_N, k) for k in ks]
    return _band(each, [x - x.mean() for x in per_prompt], len(n_N) - 1, seed)


def _band(
    each: Sequence[Estimate | None], influence: Sequence[Floats], df: float, seed: int
) -> list[Ends | None]:
    """Estimates widened by the reach that holds for all at once, from each prompt's influence on each."""
    known = {i: e for i, e in enumerate(each) if e is not None and e.se}
    if not known:
        return [None] * len(each)
    two_sided = np.stack([[influence[i], -influence[i]] for i in known]).transpose(0, 2, 1)
    reach = simultaneous_reach(two_sided, df, seed)
    band: dict[int, Ends] = {}
    for i, e in known.items():
        half = reach * (e.se or 0.0)
        lo, hi = max(0.0, e.value - half), min(1.0, e.value + half)
        # a skewed interval of its own may reach further than the band does
        band[i] = lo if e.lo is None else min(lo, e.lo), hi if e.hi is None else max(hi, e.hi)
    return [band.get(i) for i in range(len(each))]


def posterior_negative(value_N: Floats, se_N: Floats, grid: int = 200, rounds: int = 500) -> Floats:
    """Each true value's probability to be negative, given noisy values and their errors.

    The prior is the nonparametric maximum-likelihood mixture of the values themselves (by EM on a grid),
    so that a crowd of noisy values around 0 is not read as half negative. Of more than `MOST` values every
    m-th makes the prior.

    Reference: Kiefer & Wolfowitz 1956; empirical Bayes of Robbins 1956.
    """
    # wider than the values themselves, which may all lie on one side by chance
    support = np.linspace((value_N - 3 * se_N).min(), (value_N + 3 * se_N).max(), grid)

    def likelihood(some: NDArray[np.int64]) -> Floats:
        z_NG = (value_N[some, None] - support) / se_N[some, None]
        return np.asarray(np.exp(-(z_NG**2) / 2) / se_N[some, None])

    N = len(value_N)
    every = np.argsort(value_N)[:: -(-N // MOST)]  # the prior is the law of them all: so many show it
    likelihood_NG, prior = likelihood(every), np.full(grid, 1 / grid)
    for _ in range(rounds):
        before, prior = prior, prior * (likelihood_NG.T @ (1 / (likelihood_NG @ prior))) / len(every)
    found = np.empty(N)
    for block in blocks(N, 8 * grid):
        posterior = likelihood(np.arange(block.start, block.stop)) * before
        found[block] = posterior[:, support < 0].sum(1) / posterior.sum(1)
    return found.clip(0, 1)
