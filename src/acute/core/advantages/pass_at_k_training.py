"""Pass@k Training: k-subsets of the group share the reward of their best, normalised among the subsets.

Reference: Chen et al. 2025, arXiv:2508.10751. Rewards must be 0 or 1 throughout.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from acute.core.advantages.groups import Floats, advantage_estimator, need_binary, need_k
from acute.core.estimators import all_fail, pass_at_k
from acute.core.prompt_weight import binomial
from acute.errors import InputError

Subsets = NDArray[np.intp]


def _over_sd(values: Floats, mean: Floats) -> Floats:
    """Divide by the standard deviation of a 0/1 reward with this mean; 0 where it does not vary."""
    sd = np.sqrt(mean * (1 - mean))
    return np.where(sd > 0, values / np.where(sd > 0, sd, 1.0), 0.0)


@advantage_estimator
def pass_at_k_training(rewards: Floats, k: int, by_std: bool = True) -> Floats:
    """The analytic limit over all k-subsets: the mean advantage of the subsets that hold response i.

    With R = ρ(n, c, k), the estimate of pass@k, and σ = √(R(1-R)): (1 - R)/σ on a success,
    (1 - R - C(n-c-1, k-1)/C(n-1, k-1))/σ on a failure. All zero at k = n. Without σ it is exactly
    (n-k)/(nk) ∇ pass@k; with σ it is no multiple of it: as n grows the weight is (1-p)**(k-1)/√(ρ(1-ρ)),
    that of (2/k) arcsin √ρ.

    Reference: arXiv:2508.10751, analytic form.
    """
    need_binary(rewards, "pass_at_k_training")
    n = rewards.shape[-1]
    need_k("pass_at_k_training", k, 1, n, n)
    c = rewards.sum(-1, keepdims=True)
    share = pass_at_k(n, c, k)
    # all k - 1 companions of a failure fail too; a success is never asked
    alone = all_fail(n - 1, np.minimum(c, n - 1), k - 1)
    advantages = np.where(rewards == 1, 1 - share, 1 - share - alone)
    return _over_sd(advantages, share) if by_std else advantages


@advantage_estimator
def pass_at_k_training_subsets(rewards: Floats, subsets: Subsets, by_std: bool = True) -> Floats:
    """The form that is run: G drawn subsets, given as indices (G, k); a response sums over its subsets.

    Subset j has reward max(j), and advantage reward - mean over the G subsets, divided by their standard
    deviation (over G, not G - 1) if by_std and if it is not 0. InputError unless subsets has shape (G, k).

    Reference: arXiv:2508.10751, bootstrap sampling.
    """
    need_binary(rewards, "pass_at_k_training_subsets")
    n = rewards.shape[-1]
    if subsets.ndim != 2 or subsets.size == 0 or not ((subsets >= 0) & (subsets < n)).all():
        raise InputError(f"subsets must be indices below {n} of shape (G, k), found shape {subsets.shape}")
    best = rewards[..., subsets].max(-1)
    mean = best.mean(-1, keepdims=True)
    advantages = _over_sd(best - mean, mean) if by_std else best - mean
    membership = np.zeros((len(subsets), n))
    np.add.at(membership, (np.arange(len(subsets))[:, None], subsets), 1.0)
    return np.asarray(advantages @ membership)


def draw_subsets(n: int, k: int, groups: int, rng: np.random.Generator) -> Subsets:
    """`groups` random k-subsets of n responses, each without replacement, shape (groups, k).

    Reference: arXiv:2508.10751, bootstrap sampling.
    """
    need_k("pass_at_k_training_subsets", k, 1, n, n)
    return np.argsort(rng.random((groups, n)), axis=-1)[:, :k]


def all_subsets(n: int, k: int) -> Subsets:
    """Every k-subset of n responses, shape (C(n, k), k).

    Reference: arXiv:2508.10751: the subsets whose mean the analytic form is.
    """
    need_k("pass_at_k_training_subsets", k, 1, n, n)
    return np.array(list(combinations(range(n), k)), dtype=np.intp)


@advantage_estimator
def pass_at_k_training_bootstrap(
    rewards: Floats, k: int, groups: int | None = None, by_std: bool = True
) -> Floats:
    """The mean of `pass_at_k_training_subsets` over all draws of `groups` subsets (n of them by default).

    Exact: given c, the number h of subsets with a success is Binomial(G, ρ(n, c, k)), and a success or a
    failure sits in such a subset k/n · 1/ρ or k/n · (1 - share of subsets of failures alone)/ρ times on
    average. Without σ it is (1 - 1/G) G k/n times `pass_at_k_training`.

    Reference: arXiv:2508.10751, bootstrap sampling, its draws averaged out.
    """
    need_binary(rewards, "pass_at_k_training_bootstrap")
    n = rewards.shape[-1]
    need_k("pass_at_k_training_bootstrap", k, 1, n, n)
    g = n if groups is None else groups
    c = rewards.sum(-1, keepdims=True)
    share = pass_at_k(n, c, k)
    h = np.arange(g + 1)
    chance = binomial(g, share[..., 0])  # of h, shape (…, G + 1)
    rate = h / g
    up, down = (_over_sd(x, rate) if by_std else x for x in (1 - rate, -rate))
    in_positive = (chance * h * up).sum(-1, keepdims=True)  # summed advantage of the subsets with a success
    in_negative = (chance * (g - h) * down).sum(-1, keepdims=True)
    alone = all_fail(n - 1, np.minimum(c, n - 1), k - 1)
    held_positive = np.where(rewards == 1, 1.0, 1 - alone) / np.where(share > 0, share, 1.0)
    held_negative = np.where(rewards == 1, 0.0, alone) / np.where(share < 1, 1 - share, 1.0)
    return np.asarray(k / n * (held_positive * in_positive + held_negative * in_negative))
