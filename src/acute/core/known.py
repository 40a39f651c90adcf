"""∇J_k of one prompt from known probabilities of the responses that were seen, not their frequencies.

A policy says how probable each of its responses is; that a response was seen is then all that sampling adds.
Where short answers repeat, this leaves little noise: p needs the right answers seen, not how often they were.

Arrays have one entry for each distinct response among the n drawn: `count_U` how often it was drawn,
`pi_U` its probability, `right_U` whether it is right.
"""

from math import exp, lgamma, log, log1p

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acute.core.estimators import all_fail, pass_at_k_weight
from acute.errors import InputError

Floats = NDArray[np.float64]
OFTEN = 1.0  # expected draws from which on a response's probability replaces its frequency


def seen_at_most(pi: float, n: int, most: int) -> float:
    """P(1 ≤ Bin(n, pi) ≤ most): a response of probability pi is seen, and at most so often.

    >>> round(seen_at_most(0.5, n=2, most=1), 12)
    0.5

    Reference: P(seen) of Horvitz and Thompson 1952, as `known_coefficients` divides by it.
    """
    if pi == 1:
        return float(most >= n)
    if most >= n:
        return float(-np.expm1(n * np.log1p(-pi)))
    # in logs: binomial coefficients alone would overflow
    log_ways = (lgamma(n + 1) - lgamma(j + 1) - lgamma(n - j + 1) for j in range(1, most + 1))
    return sum(exp(w + j * log(pi) + (n - j) * log1p(-pi)) for j, w in enumerate(log_ways, 1))


def known_coefficients(
    count_U: ArrayLike, pi_U: ArrayLike, right_U: ArrayLike, k: int, often: float = OFTEN
) -> Floats:
    """Coefficients on each seen response's ∇ ln π whose sum is unbiased for ∇J_k; NaN where n < max(k, 2).

    A right response with n π ≥ `often` enters with π / P(seen) in place of its frequency (Horvitz–Thompson),
    times k (1 - π)^(k-1) and the share of the (k-1)-subsets of all other responses without a success: given
    how often it was drawn, the others are independent draws of what it is not. It must leave k - 1 of them.
    All rarer right responses enter by frequency with leave-one-out weight and baseline, which is
    `pass_at_k_advantages` where nothing is seen often. Which response is which does not depend on the draw.

    InputError unless the arrays are of one length with counts ≥ 1 and 0 < π ≤ 1.

    Reference: Horvitz & Thompson 1952; arXiv 2602.21189, eqs. 2–4; distinct responses without replacement:
    Kool et al. 2020, arXiv 2002.06043.
    """
    count, pi = np.asarray(count_U, float), np.asarray(pi_U, float)
    right = np.asarray(right_U, bool)
    if not (count.shape == pi.shape == right.shape and (count >= 1).all() and ((pi > 0) & (pi <= 1)).all()):
        raise InputError("wanted counts ≥ 1 and probabilities in (0, 1], one of each and a reward a response")
    n, c = int(count.sum()), float(count[right].sum())
    if n < max(k, 2):
        return np.full(count.shape, np.nan)
    heavy = right & (n * pi >= often)
    light = right & ~heavy
    others = c - right  # successes among the others of one draw of the response
    baseline = (count[light].sum() - light) / (n - 1)
    frequency = count / n * pass_at_k_weight(n - 1, others, k) * (light - baseline)
    most = n - k + 1
    known = np.zeros(count.shape)
    for u in np.flatnonzero(heavy & (count <= most)):
        rest = float(all_fail(n - count[u], c - count[u], k - 1))
        known[u] = pi[u] / seen_at_most(pi[u], n, most) * k * (1 - pi[u]) ** (k - 1) * rest
    return np.asarray(frequency + known)


def known_success(count_U: ArrayLike, pi_U: ArrayLike, right_U: ArrayLike, often: float = OFTEN) -> float:
    """p of one prompt, unbiased: probabilities of the right responses seen often, frequencies of the others.

    Arrays as for `known_coefficients`. Not held below 1: an estimate may be larger.

    Reference: Horvitz & Thompson 1952.
    """
    count, pi = np.asarray(count_U, float), np.asarray(pi_U, float)
    right = np.asarray(right_U, bool)
    n = int(count.sum())
    heavy = right & (n * pi >= often)
    known = sum(float(x) / seen_at_most(float(x), n, n) for x in pi[heavy])
    return float(known + count[right & ~heavy].sum() / n)
