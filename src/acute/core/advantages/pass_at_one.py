"""Advantage estimators of pass@1: on average each is a multiple of ∇p, the same for every prompt."""

import numpy as np

from acute.core.advantages.groups import (
    Floats,
    advantage_estimator,
    group_mean,
    mean_of_others,
    need_binary,
    need_n,
)


@advantage_estimator
def reinforce(rewards: Floats) -> Floats:
    """The reward itself. Unbiased for ∇ E[r]. Reference: Williams 1992."""
    return rewards


@advantage_estimator
def rloo(rewards: Floats) -> Floats:
    """The reward minus the mean of the others' rewards. Unbiased for ∇ E[r]; needs n >= 2.

    >>> rloo([1, 0, 0]).tolist()
    [1.0, -0.5, -0.5]

    Reference: Kool et al. 2019; Ahmadian et al. 2024, arXiv:2402.14740.
    """
    need_n("rloo", rewards.shape[-1], 2)
    return rewards - mean_of_others(rewards)


@advantage_estimator
def mean_centred(rewards: Floats) -> Floats:
    """The reward minus the group's mean: (n-1)/n times RLOO, so (n-1)/n ∇ E[r] on average.

    GRPO without its standard deviation. Reference: Dr. GRPO, arXiv:2503.20783.
    """
    return rewards - group_mean(rewards)


@advantage_estimator
def positive_only(rewards: Floats) -> Floats:
    """+1 on right responses, nothing on wrong ones (PSR). Exactly ∇p on average.

    Reference: Zhu et al. 2025, arXiv:2506.01347.
    """
    need_binary(rewards, "positive_only")
    return rewards


@advantage_estimator
def negative_only(rewards: Floats) -> Floats:
    """-1 on wrong responses, nothing on right ones (NSR). Exactly ∇p on average.

    It differs from `positive_only` by a constant, hence in variance alone at the first on-policy step.

    Reference: Zhu et al. 2025, arXiv:2506.01347.
    """
    need_binary(rewards, "negative_only")
    return rewards - 1


@advantage_estimator
def weighted_reinforce(rewards: Floats, positive: float = 0.1) -> Floats:
    """`positive` on right responses, -1 on wrong ones (W-REINFORCE): (1 + positive) ∇p on average.

    Reference: Zhu et al. 2025, arXiv:2506.01347, with λ = 0.1.
    """
    need_binary(rewards, "weighted_reinforce")
    return np.where(rewards == 1, positive, -1.0)
