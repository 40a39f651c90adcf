"""Percentile bootstrap over prompts, beside Fieller's interval and the band: what the distribution's k† and
cosine would be had other prompts been drawn.

Prompts are drawn again through their influences, so all k and both lengths of the cosine move together and
a draw costs no more than a sum. Suffixes name axes: B draws, K values of k, N prompts.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from acute.measure.conflict import Curve
from acute.measure.intervals import FEWEST, LEVEL

Floats = NDArray[np.float64]
DRAWS = 2000
UNDEFINED = 0.05  # share of draws without a cosine from which on there is no interval


class Bootstrap(NamedTuple):
    """95 % intervals by percentiles; None where they cannot be had.

    `cosine` is one pair a k. `k_dagger` is the first k with a negative inner product; an end of None lies
    beyond the largest k. `no_crossing` is the share of draws without one.
    """

    cosine: list[tuple[float, float] | None]
    k_dagger: tuple[float | None, float | None] | None
    no_crossing: float


def drawn_means(influence_KN: Floats, seed: int, draws: int = DRAWS) -> Floats:
    """Mean influence of as many prompts drawn with replacement, less their mean; (B, K).

    Widened by √(N / (N - 1)), as the spread of a mean of N is.
    """
    K, N = influence_KN.shape
    rng = np.random.default_rng(seed)
    centred = influence_KN - influence_KN.mean(1, keepdims=True)
    found = np.empty((draws, K))
    for b in range(draws):
        times = np.bincount(rng.integers(0, N, N), minlength=N)
        found[b] = centred @ times / N
    return np.asarray(found * np.sqrt(N / (N - 1)))


def _ends(values_B: Floats) -> tuple[float, float]:
    lo, hi = np.quantile(values_B, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(lo), float(hi)


def bootstrap(curve: Curve, seed: int) -> Bootstrap | None:
    """Intervals of the distribution's cosines and k†; None for fewer than three prompts."""
    K, N = len(curve.k), curve.N
    if N < FEWEST:
        return None
    inner, norm = curve.with_first[:K], curve.norm[:K]
    moved_BK = drawn_means(np.stack([p.psi_N for p in (*inner, *norm)]), seed)
    inner_BK = np.array([p.population for p in inner]) + moved_BK[:, :K]
    norm_BK = np.array([p.population for p in norm]) + moved_BK[:, K:]
    negative_BK = inner_BK < 0
    negative_BK[:, 0] = False  # ‖∇J_1‖² is none, whatever noise makes of it
    first, crossed = np.argmax(negative_BK, 1), negative_BK.any(1)
    k_dagger = np.where(crossed, np.array(curve.k)[first], np.inf)
    lo, hi = np.quantile(k_dagger, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="closest_observation")
    ends = tuple(float(end) if np.isfinite(end) else None for end in (lo, hi))
    return Bootstrap(
        [_cosine(inner_BK[:, i], norm_BK[:, i], norm_BK[:, 0]) for i in range(K)],
        (ends[0], ends[1]) if crossed.any() else None,
        float(1 - crossed.mean()),
    )


def _cosine(inner_B: Floats, own_B: Floats, first_B: Floats) -> tuple[float, float] | None:
    """Percentiles of the cosine over the draws that have one."""
    known = np.isfinite(inner_B) & (own_B > 0) & (first_B > 0)
    if known.mean() < 1 - UNDEFINED:
        return None
    cosine = inner_B[known] / np.sqrt(own_B[known] * first_B[known])
    return _ends(np.clip(cosine, -1, 1))
