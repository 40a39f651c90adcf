"""Advantage estimators of other objectives than pass@k: GRPO, MaxRL, risk-sensitive, and any polynomial f."""

import numpy as np

from acute.core.advantages.groups import (
    Floats,
    advantage_estimator,
    group_mean,
    mean_of_others,
    need_binary,
    need_n,
)
from acute.core.objectives import Objective
from acute.errors import ConfigError


@advantage_estimator
def grpo(rewards: Floats, epsilon: float = 1e-6) -> Floats:
    """(r - mean) / (std + ε) of the group, the std with n - 1 below: zero where all rewards are equal.

    As n grows this ascends 2 arcsin √p (weight 1/√(p(1-p))); at finite n the weight is bounded, and flatter.

    Reference: GRPO, arXiv:2402.03300; ε as in verl (TRL: 1e-4).
    """
    need_n("grpo", rewards.shape[-1], 2)
    scale = rewards.std(-1, ddof=1, keepdims=True) + epsilon
    return np.asarray((rewards - group_mean(rewards)) / scale)


def _by_mean(numerator: Floats, rewards: Floats) -> Floats:
    mean = group_mean(rewards)
    return np.where(mean > 0, numerator / np.where(mean > 0, mean, 1.0), 0.0)


@advantage_estimator
def maxrl(rewards: Floats) -> Floats:
    """(r - mean) / mean, and 0 in groups without a success: log p truncated at T = n - 1 terms.

    Unbiased for Σ_{j<n} (1-p)**(j-1) ∇p. The order is n - 1, not n: leaving out the groups without a success
    takes away part of the baseline. Rewards must be 0 or 1; needs n >= 2.

    Reference: MaxRL, arXiv 2602.02710.
    """
    need_binary(rewards, "maxrl")
    need_n("maxrl", rewards.shape[-1], 2)
    return _by_mean(rewards - group_mean(rewards), rewards)


@advantage_estimator
def maxrl_uncentred(rewards: Floats) -> Floats:
    """r / mean, and 0 in groups without a success: log p truncated at T = n terms, unbiased.

    Rewards must be 0 or 1. Reference: MaxRL, arXiv 2602.02710.
    """
    need_binary(rewards, "maxrl_uncentred")
    return _by_mean(rewards, rewards)


@advantage_estimator
def rs_grpo(rewards: Floats, beta: float = 2.0) -> Floats:
    """(1/β) (e^{β r} / mean of e^{β r} - 1): plug-in of (1/β) log E[e^{β r}], biased at finite n.

    Reference: RS-GRPO, arXiv 2509.24261.
    """
    if beta == 0:
        raise ConfigError("beta must not be 0 (the limit is mean_centred), found 0")
    top = rewards.max(-1, keepdims=True) if beta > 0 else rewards.min(-1, keepdims=True)
    tilted = np.exp(beta * (rewards - top))  # the ratio does not change, and nothing overflows
    return np.asarray((tilted / group_mean(tilted) - 1) / beta)


@advantage_estimator
def leave_one_out(rewards: Floats, objective: Objective) -> Floats:
    """Unbiased gradient of any objective that is a polynomial of p: f'(p) from the others, times RLOO.

    A_i = f̂'_{-i} (r_i - mean of others), both counted without response i. For pass@k the advantages of
    `acute.core.estimators.pass_at_k_advantages`. Rewards must be 0 or 1; needs n >= 2 and n > degree of f'.
    ConfigError otherwise, and where the objective is no polynomial.

    Reference: Eqs. 2-4 with f in place of 1 - (1-p)^k. (Ours.)
    """
    need_binary(rewards, "leave_one_out")
    n = rewards.shape[-1]
    need_n(f"leave_one_out of {objective.name}", n, max(2, objective.responses_needed))
    others = rewards.sum(-1, keepdims=True) - rewards
    return objective.estimate_weight(n - 1, others) * (rewards - mean_of_others(rewards))
