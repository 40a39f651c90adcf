"""Unbiased estimators of functions of one prompt's success probability p, from counts.

A prompt was answered n times, c times correctly. All that pass@k needs of p is a multiple of one
thing: (1 - p)**m, the chance that m fresh responses all fail.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def all_fail(n: ArrayLike, c: ArrayLike, m: int) -> Floats:
    """Estimate (1 - p)**m: the share of the m-subsets of n responses that hold no success.

    Unbiased; broadcasts over prompts. NaN where n < m: no unbiased estimate exists.

    >>> float(all_fail(n=4, c=1, m=2))  # three of the six pairs avoid the one success
    0.5

    Reference: Chen et al. 2021, arXiv:2107.03374, eq. 1.
    """
    n, fails = np.asarray(n, float), np.subtract(n, c, dtype=float)
    drawn = np.arange(m).reshape(m, *[1] * np.broadcast(n, fails).ndim)
    share = np.prod(np.maximum(fails - drawn, 0) / np.maximum(n - drawn, 1), axis=0)
    return np.where(n < m, np.nan, share)


def pass_at_k(n: ArrayLike, c: ArrayLike, k: int) -> Floats:
    """Estimate J_k of one prompt, 1 - (1 - p)**k: the chance that at least one of k responses is right.

    Unbiased; NaN where n < k.

    Reference: arXiv 2602.21189 section 2, with the estimator of Chen et al. 2021.
    """
    return 1 - all_fail(n, c, k)


def pass_at_k_weight(n: ArrayLike, c: ArrayLike, k: int) -> Floats:
    """Estimate w_k(p) = k (1 - p)**(k - 1), the factor that pass@k puts on a prompt's ∇p.

    Unbiased; NaN where n < k - 1. To multiply it by a response's own gradient, count n and c without
    that response (`pass_at_k_advantages` does): otherwise the product is biased.

    Reference: arXiv 2602.21189, eq. 3.
    """
    return k * all_fail(n, c, k - 1)


def plug_in_weight(n: ArrayLike, c: ArrayLike, k: int) -> Floats:
    """k (1 - c/n)**(k - 1): the biased weight of the paper's experiment, kept for comparison.

    Reference: arXiv 2602.21189, eq. 3 with p replaced by c/n.
    """
    return np.asarray(k * (1 - np.divide(c, n)) ** (k - 1))


def pass_at_k_advantages(n: ArrayLike, c: ArrayLike, k: int) -> tuple[Floats, Floats]:
    """Advantages (of a success, of a failure) whose mean with the scores estimates ∇J_k of one prompt.

    (1/n) Σ_i A_i ∇ log π(y_i) is unbiased for w_k(p) ∇p. Response i's weight and baseline are both
    counted over the other n - 1 responses: A_i = k · all_fail(others, k - 1) · (r_i - mean of others).
    For k = 1 this is RLOO. NaN where n < k or n < 2; a success's value is meaningless (and finite) at
    c = 0, a failure's at c = n: no response carries it.

    Reference: arXiv 2602.21189, eqs. 2–4; leave-one-out baseline: Kool et al. 2019.
    """
    n, c = np.asarray(n, float), np.asarray(c, float)
    others = np.maximum(n - 1, 1)
    success = pass_at_k_weight(n - 1, np.maximum(c - 1, 0), k) * (1 - np.maximum(c - 1, 0) / others)
    failure = -pass_at_k_weight(n - 1, np.minimum(c, n - 1), k) * np.minimum(c, n - 1) / others
    lone = n < 2
    return np.where(lone, np.nan, success), np.where(lone, np.nan, failure)


def pass_at_k_pair_advantages(n: ArrayLike, c: ArrayLike, j: int, k: int) -> Floats:
    """What to multiply s_i · s_l with, for two responses i ≠ l of one prompt, to estimate ⟨∇J_j, ∇J_k⟩.

    Shape (…, 2, 2): outcome (wrong, right) of i, then of l. Weight and baseline b are both counted over the
    n - 2 others: A_il = j k · all_fail(others, j + k - 2) · (r_i - b)(r_l - b). The mean of A_il s_i · s_l
    over any pairs of responses is unbiased for w_j(p) w_k(p) ‖∇p‖²: given the others, each factor has mean
    ∇p whatever b is, and w_j w_k = j k (1 - p)**(j + k - 2). NaN where n < j + k; an outcome that the
    counts do not hold has a finite value that no pair carries.

    Reference: Eqs. 2 and 9, own prompts. (Ours.) The one-sided form is `pass_at_k_advantages`.
    """
    n, c = np.asarray(n, float), np.asarray(c, float)
    others = np.maximum(n - 2, 0)
    right = np.clip(c - np.arange(3.0).reshape(3, *[1] * np.broadcast(n, c).ndim), 0, others)
    weight = np.where(n < j + k, np.nan, j * k * all_fail(others, right, j + k - 2))
    b = right / np.maximum(others, 1)
    wrong, mixed, both = weight[0] * b[0] ** 2, -weight[1] * (1 - b[1]) * b[1], weight[2] * (1 - b[2]) ** 2
    return np.stack([np.stack([wrong, mixed], -1), np.stack([mixed, both], -1)], -2)
