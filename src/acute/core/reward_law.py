"""Real-valued rewards with finitely many values: max@k, best-of-k, and what an estimator does to each value.

A law is (values, probabilities), both of shape (M,). For one prompt the gradient of any objective is
Σ_v P(v) u(v) E[∇ log π | r = v]; u(v), the score weight of a value, is determined up to a constant, since
Σ_v P(v) E[∇ log π | r = v] = 0. With values 0 and 1, u(1) - u(0) is the prompt weight.
"""

from itertools import combinations_with_replacement
from math import comb, lgamma

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acute.core.prompt_weight import Advantage, ask, check_estimator
from acute.errors import ConfigError, InputError

Floats = NDArray[np.float64]
MOST_GROUPS = 400_000


def _law(values: ArrayLike, probabilities: ArrayLike) -> tuple[Floats, Floats]:
    v, q = np.asarray(values, float), np.asarray(probabilities, float)
    if v.ndim != 1 or v.shape != q.shape or len(v) < 2 or len(np.unique(v)) < len(v):
        raise InputError(
            f"a law needs two or more different values with a probability each, found {v} and {q}"
        )
    if (q < 0).any() or abs(q.sum() - 1) > 1e-9:
        raise InputError(f"the probabilities of a law must be 0 or more and sum to 1, found {q}")
    return v, q


def max_at_k(values: ArrayLike, probabilities: ArrayLike, k: int) -> float:
    """E[max of k independent rewards] = Σ_v v (F(v)**k - F(v-)**k).

    >>> max_at_k([0, 1], [0.5, 0.5], 2)
    0.75

    Reference: The value that PKPO, arXiv:2505.15201, estimates; J_k of eq. 2 where rewards are 0 or 1.
    """
    return best_of_k(values, values, probabilities, k)


def best_of_k(values: ArrayLike, scores: ArrayLike, probabilities: ArrayLike, k: int) -> float:
    """E[reward of the best-scored of k responses], where response kind v has reward `values` and `scores`.

    Best-of-k with an imperfect score; among equal scores the choice is uniform. With scores = values it is
    max@k, and with a perfect 0/1 verifier pass@k. InputError unless shapes agree and probabilities sum to 1.

    Reference: Best-of-k by an imperfect score; J_k of eq. 2 where the score is the reward.
    """
    u, level = np.unique(np.asarray(scores, float), return_inverse=True)
    v, q = np.asarray(values, float), np.asarray(probabilities, float)
    if v.ndim != 1 or not v.shape == q.shape == level.shape or abs(q.sum() - 1) > 1e-9:
        raise InputError(f"best-of-k needs a reward, score and probability a kind, found {v}, {level}, {q}")
    mass = np.bincount(level, q, len(u))
    reward = np.bincount(level, q * v, len(u)) / np.where(mass > 0, mass, 1.0)
    up_to = np.cumsum(mass)
    return float(reward @ (up_to**k - np.maximum(up_to - mass, 0) ** k))


def max_at_k_score_weight(values: ArrayLike, probabilities: ArrayLike, k: int) -> Floats:
    """u(v) = k E[(v - max of k-1 others)₊] = k ∫_{-∞}^v F(t)**(k-1) dt, shape (M,): the gradient of max@k.

    0 at the smallest value, never negative, k (1-p)**(k-1) at 1 for values 0 and 1. For k = 1 it is the value
    itself, less the smallest.

    Reference: The population form of PKPO's weights, arXiv:2505.15201; eq. 3 where rewards are 0 or 1.
    """
    v, q = _law(values, probabilities)
    order = np.argsort(v)
    gaps = np.diff(v[order])
    below = np.cumsum(q[order])[:-1] ** (k - 1)
    out = np.empty_like(v)
    out[order] = k * np.concatenate([[0.0], np.cumsum(gaps * below)])
    return out


def best_of_k_score_weight(values: ArrayLike, scores: ArrayLike, probabilities: ArrayLike, k: int) -> Floats:
    """u = k (E[reward of the best of this kind and k-1 others] - E[… of the k-1 others]), shape (M,).

    The gradient of best-of-k with an imperfect score is Σ P u E[∇ log π | kind]. Ties are broken uniformly.
    With scores = values it is `max_at_k_score_weight` plus a constant. Errors as `best_of_k`.

    Reference: Eq. 4 for the reward of the selected response.
    """
    without = best_of_k(values, scores, probabilities, k - 1) if k > 1 else 0.0
    v, s, q = (np.asarray(x, float) for x in (values, scores, probabilities))
    weight = np.empty_like(v)
    for kind in range(len(v)):
        below, equal, above = q[s < s[kind]].sum(), s == s[kind], s > s[kind]
        same = q[equal].sum()
        reward_of_same = q[equal] @ v[equal] / same if same > 0 else 0.0
        chosen = 0.0
        for ties in range(k):  # among the others, none of them above
            chance = comb(k - 1, ties) * same**ties * below ** (k - 1 - ties)
            chosen += chance * (v[kind] + ties * reward_of_same) / (ties + 1)
        for level in np.unique(s[above]):
            upper, lower = q[s <= level].sum(), q[s < level].sum()
            at = s == level
            if upper > lower:
                chosen += (upper ** (k - 1) - lower ** (k - 1)) * (q[at] @ v[at]) / q[at].sum()
        weight[kind] = k * (chosen - without)
    return weight


def ladder(values: ArrayLike, p: float) -> tuple[Floats, Floats]:
    """A law of one parameter on sorted values: step Bin(M - 1, p) up from the lowest.

    For values 0 and 1 it is p itself.

    Not in the paper: a family of laws to profile estimators on.
    """
    v = np.sort(np.asarray(values, float))
    steps = np.arange(len(v))
    most = len(v) - 1
    return v, np.array([comb(most, int(j)) for j in steps]) * p**steps * (1 - p) ** (most - steps)


def expected_advantages(advantage: Advantage, n: int, values: ArrayLike, probabilities: ArrayLike) -> Floats:
    """E[A_i | r_i = v] for each value, shape (M,), over all n - 1 others: exact.

    ConfigError where there are more than `MOST_GROUPS` groups to try; InputError as `check_estimator`.

    Reference: Enumeration of what W(p) is for rewards of two values. (Ours.)
    """
    v, q = _law(values, probabilities)
    others = comb(n - 1 + len(v) - 1, len(v) - 1)
    if others * len(v) > MOST_GROUPS:
        raise ConfigError(
            f"{len(v)} values with groups of {n} make {others * len(v)} groups, more than {MOST_GROUPS}; "
            "take fewer values or smaller groups"
        )
    picks = np.array(list(combinations_with_replacement(range(len(v)), n - 1)), dtype=np.intp)
    picks = picks.reshape(others, n - 1)
    counts = (picks[:, :, None] == np.arange(len(v))).sum(1)
    log_ways = lgamma(n) - np.array([[lgamma(c + 1) for c in row] for row in counts]).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 · log 0, replaced by 0
        chance = np.exp(log_ways + np.where(counts > 0, counts * np.log(q), 0.0).sum(-1))
    own = np.repeat(np.arange(len(v)), others)
    groups = np.column_stack([v[own], v[np.tile(picks, (len(v), 1))]])
    check_estimator(advantage, groups[:: max(1, len(groups) // 50)])
    first = ask(advantage, groups)[:, 0].reshape(len(v), others)
    return np.asarray(first @ chance)


def score_weight_error(found: Floats, target: Floats, probabilities: ArrayLike) -> tuple[float, float]:
    """(multiple, error): the best constant between two score weights, and what it leaves over.

    Both are centred under the law first. The error is the root mean square of found - multiple · target, as a
    share of that of `found`: 0 if the estimator is unbiased up to the multiple. (0, 0) if found is constant.

    Reference: As `departure` of W(p), for score weights. (Ours.)
    """
    q = np.asarray(probabilities, float)
    a, b = (x - q @ x for x in (found, target))
    size = q @ a**2
    if size < 1e-24:
        return 0.0, 0.0
    multiple = float(q @ (a * b) / (q @ b**2))
    return multiple, float(np.sqrt(q @ (a - multiple * b) ** 2 / size))
