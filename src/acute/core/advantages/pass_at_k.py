"""Advantage estimators of pass@k and max@k: unbiased ones, and biased ones that carry the same name."""

from math import comb

import numpy as np

from acute.core.advantages.groups import (
    Floats,
    advantage_estimator,
    group_mean,
    mean_of_others,
    need_binary,
    need_k,
    need_n,
)
from acute.core.advantages.surrogates import leave_one_out
from acute.core.estimators import plug_in_weight
from acute.core.objectives import pass_at_k as objective_pass_at_k
from acute.errors import InputError


def _shares(n: int, k: int, taken: int) -> Floats:
    """C(i - taken, k - taken) / C(n, k) for i = 1..n, 0 where impossible; exact until the division."""
    whole = comb(n, k)
    return np.array(
        [comb(i - taken, k - taken) / whole if i >= taken and k >= taken else 0.0 for i in range(1, n + 1)]
    )


def _unsort(in_order: Floats, order: np.ndarray) -> Floats:
    out = np.empty_like(in_order)
    np.put_along_axis(out, order, in_order, axis=-1)
    return out


def max_at_k_estimate(rewards: Floats, k: int) -> Floats:
    """Unbiased estimate of E[max of k rewards], shape (…): the mean over all k-subsets of the group.

    Reference: PKPO, arXiv:2505.15201.
    """
    n = rewards.shape[-1]
    return np.asarray(np.sort(rewards, axis=-1) @ _shares(n, k, 1))


def _subset_sums(rewards: Floats, k: int) -> Floats:
    """s_i: the mean over k-subsets of max(I) · 1{i in I}. Equal rewards get equal values."""
    n = rewards.shape[-1]
    order = np.argsort(rewards, axis=-1, kind="stable")
    g = np.take_along_axis(rewards, order, axis=-1)
    later = g * _shares(n, k, 2)  # i in I, and j > i its last member
    after = np.cumsum(later[..., ::-1], axis=-1)[..., ::-1] - later
    return _unsort(g * _shares(n, k, 1) + after, order)


@advantage_estimator
def pkpo(rewards: Floats, k: int) -> Floats:
    """n s_i: the mean over k-subsets that hold i of their maximum, times k. Unbiased for ∇ max@k, k <= n.

    The published Σ_i s_i ∇ log π has no 1/n, hence the factor n here. With rewards 0 and 1, k on a success
    and k ρ(n-1, c, k-1) on a failure, ρ being the estimate of pass@k. No baseline: high variance.

    Reference: PKPO, arXiv:2505.15201 (sum form).
    """
    n = rewards.shape[-1]
    need_k("pkpo", k, 1, n, n)
    return np.asarray(n * _subset_sums(rewards, k))


@advantage_estimator
def pkpo_loo(rewards: Floats, k: int) -> Floats:
    """PKPO with leave-one-out baseline over responses: unbiased for ∇ max@k, needs k < n.

    s_i minus the mean over j ≠ i of s_j computed without i. That mean is k/(n-1) times the estimate of max@k
    without i, and the k-subsets without i are those of the group less those that hold i. Not centred: adding
    b to all rewards adds -b k/(n-1) to all advantages, noise but no bias.

    Reference: PKPO, arXiv:2505.15201 (s^loo).
    """
    n = rewards.shape[-1]
    need_k("pkpo_loo", k, 1, n - 1, n)
    s = _subset_sums(rewards, k)
    without_i = (max_at_k_estimate(rewards, k)[..., None] - s) * n / (n - k)
    return np.asarray(n * (s - k / (n - 1) * without_i))


@advantage_estimator
def pkpo_loo_minus_one(rewards: Floats, k: int) -> Floats:
    """What i adds to the maximum of its k-subsets, times k: unbiased for ∇ max@k, 2 <= k <= n.

    (n / C(n,k)) Σ_{I∋i} [max I - max I∖i]. In ascending order this is a sum over gaps of the order statistics
    below i: the finite form of k ∫ F(t)**(k-1) dt up to r_i. Never negative; with rewards 0 and 1 it is
    k C(n-c, k-1) / C(n-1, k-1) on a success, 0 on a failure.

    Reference: PKPO, arXiv:2505.15201 (s^(loo-1)).
    """
    n = rewards.shape[-1]
    need_k("pkpo_loo_minus_one", k, 2, n, n)
    order = np.argsort(rewards, axis=-1, kind="stable")
    gaps = np.diff(np.take_along_axis(rewards, order, axis=-1), axis=-1)
    below = np.array([n * comb(t, k - 1) / comb(n, k) for t in range(1, n)])
    steps = np.cumsum(gaps * below, axis=-1)
    return _unsort(np.concatenate([np.zeros((*rewards.shape[:-1], 1)), steps], axis=-1), order)


@advantage_estimator
def best_of_k(rewards: Floats, scores: Floats, k: int) -> Floats:
    """Unbiased for best-of-k: the reward of the response with the best of k `scores`, 2 <= k <= n.

    `pkpo_loo_minus_one` with the selection made by a score (a reward model, say) in place of the reward:
    (n / C(n,k)) Σ_{I∋i} [reward of the best-scored of I - of I∖i], equal scores broken uniformly. Can be
    negative: a response that is chosen and wrong. InputError unless scores have the shape of the rewards.

    Reference: s^(loo-1) of PKPO (arXiv:2505.15201) with the maximum taken by a score in place of the reward.
    """
    n = rewards.shape[-1]
    need_k("best_of_k", k, 2, n, n)
    v = np.asarray(scores, float)
    if v.shape != rewards.shape:
        raise InputError(f"scores must have the shape of the rewards, {rewards.shape}, found {v.shape}")
    last = np.cumsum([0.0, *(comb(t, k - 1) for t in range(n))])  # subsets whose last is at place <= t
    beside = np.cumsum([0.0, *(comb(t, k - 2) for t in range(n))])
    lower = v[..., None, :] < v[..., :, None]
    equal = v[..., None, :] == v[..., :, None]
    start, ties = lower.sum(-1), equal.sum(-1)
    chosen = (
        last[start + ties] - last[start]
    ) / ties  # mean over the places that i can have among its equals
    beaten = (beside[start + ties] - beside[start]) / ties
    others_equal = ((equal * rewards[..., None, :]).sum(-1) - rewards) / np.maximum(ties - 1, 1)
    replaced = (lower * (rewards * beaten)[..., None, :]).sum(-1)
    replaced += (chosen - np.diff(last, append=0.0)[start]) * others_equal
    return np.asarray(n / comb(n, k) * (chosen * rewards - replaced))


@advantage_estimator
def pass_at_k_leave_one_out(rewards: Floats, k: int) -> Floats:
    """The unbiased weight k (1-p)**(k-1) of the others, times RLOO: unbiased for ∇ pass@k, k <= n, n >= 2.

    Unlike `pkpo_loo_minus_one` it also pushes failures down, and it works at k = n and k = 1. Rewards 0 or 1.

    Reference: arXiv 2602.21189, eqs. 2-4, with leave-one-out weight and baseline.
    """
    n = rewards.shape[-1]
    need_n("pass_at_k_leave_one_out", n, 2)
    need_k("pass_at_k_leave_one_out", k, 1, n, n)
    return np.asarray(leave_one_out(rewards, objective_pass_at_k(k)))


@advantage_estimator
def tang(rewards: Floats) -> Floats:
    """n (max of the group - max of the others): unbiased for ∇ max@n, k is the group size.

    Only the best response learns; with rewards 0 and 1 only in groups with exactly one success.

    Reference: Tang et al. 2025, arXiv:2503.19595, f(y_1..y_k) - f(y_-i).
    """
    need_n("tang", rewards.shape[-1], 2)
    return np.asarray(pkpo_loo_minus_one(rewards, rewards.shape[-1]))


@advantage_estimator
def tang_mean_centred(rewards: Floats) -> Floats:
    """`tang` minus its group mean: biased for pass@n, and exactly ∇ pass@(n-1) with rewards 0 and 1.

    Reference: Tang et al. 2025, arXiv:2503.19595; the identity with pass@(n-1) is ours.
    """
    advantages = np.asarray(tang(rewards))
    return advantages - group_mean(advantages)


@advantage_estimator
def verl_grpo_passk(rewards: Floats, by_std: bool = True, epsilon: float = 1e-6) -> Floats:
    """Best minus second best on the best response, 0 on all others; by_std divides by the group's std + ε.

    `tang` / n: pass@n whatever k one asks for. With rewards 0 and 1 the std is √(1/n) wherever it matters, so
    that the division is a constant; with other rewards it bends the weight.

    Reference: `grpo_passk` of verl 0.9.1; arXiv:2503.19595.
    """
    advantages = np.asarray(tang(rewards)) / rewards.shape[-1]
    scale = rewards.std(-1, ddof=1, keepdims=True) + epsilon if by_std else 1.0
    return np.asarray(advantages / scale)


@advantage_estimator
def naive_plug_in(rewards: Floats, k: int) -> Floats:
    """k (1 - c/n)**(k-1) r_i, the weight from the same responses: biased for pass@k, badly so for k near n.

    Rewards must be 0 or 1. Reference: arXiv 2602.21189, eq. 3 with p replaced by c/n.
    """
    need_binary(rewards, "naive_plug_in")
    n = rewards.shape[-1]
    return plug_in_weight(n, rewards.sum(-1, keepdims=True), k) * rewards


@advantage_estimator
def naive_plug_in_rloo(rewards: Floats, k: int) -> Floats:
    """`naive_plug_in` with a leave-one-out baseline: k (1 - c/n)**(k-1) (r_i - mean of others). Biased.

    Rewards must be 0 or 1; needs n >= 2.

    Reference: Eq. 3 with p replaced by c/n, as in section 5 of arXiv 2602.21189, times RLOO.
    """
    need_binary(rewards, "naive_plug_in_rloo")
    n = rewards.shape[-1]
    need_n("naive_plug_in_rloo", n, 2)
    return plug_in_weight(n, rewards.sum(-1, keepdims=True), k) * (rewards - mean_of_others(rewards))


@advantage_estimator
def maxrl_repository_pkpo(rewards: Floats, k: int) -> Floats:
    """`pkpo_loo_minus_one` minus the mean of the others' advantages. Biased for pass@k.

    The others' values depend on response i, which the baseline therefore must not: with rewards 0 and 1 the
    weight is w_k(p) (1 + (k-1)/(n-1) · p/(1-p)), too large on easy prompts.

    Reference: `pkpo` of github.com/tajwarfahim/maxrl, times k; the closed form of its bias is ours.
    """
    advantages = np.asarray(pkpo_loo_minus_one(rewards, k))
    return advantages - mean_of_others(advantages)


@advantage_estimator
def mean_centred_pkpo(rewards: Floats, k: int) -> Floats:
    """`pkpo` minus its group mean: (1 - k/n) ∇ max@k, so nothing at all at k = n.

    Reference: pull request 743 of github.com/rllm-org/rllm, times n; the factor is ours.
    """
    advantages = np.asarray(pkpo(rewards, k))
    return advantages - group_mean(advantages)
