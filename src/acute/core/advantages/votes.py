"""Advantages for objectives of a whole set of responses, such as a vote among many different answers.

A vote is no function of p alone, so no prompt weight describes it. Leaving a response out still gives an
unbiased gradient of E f(y_1 … y_n): f of the others does not depend on response i, hence is a baseline.

Reference: Tang et al. 2025, arXiv:2503.19595, Σ_i (f(y_1 … y_n) - f(y_-i)) ∇ log π(y_i).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from acute.core.advantages.groups import Floats, advantage_estimator, need_n
from acute.errors import InputError


@advantage_estimator
def majority_vote(rewards: Floats, answers: NDArray[Any]) -> Floats:
    """n (reward of the most frequent answer - the same without response i): unbiased for majority-of-n.

    `answers`, of the rewards' shape, may be of any type that compares (numbers, strings); responses with one
    answer have one reward. Equally frequent answers are chosen among uniformly. With one wrong answer and
    odd n it is unbiased for `objectives.majority(n)`. InputError unless the shapes agree; needs n >= 2.

    Reference: The k-sample objective of arXiv:2503.19595 with f = reward of the majority.
    """
    n = rewards.shape[-1]
    need_n("majority_vote", n, 2)
    named = np.asarray(answers)
    if named.shape != rewards.shape:
        raise InputError(f"answers must have the shape of the rewards, {rewards.shape}, found {named.shape}")
    same = (named[..., :, None] == named[..., None, :]).astype(float)
    votes = same.sum(-1)
    together = _winner(votes, rewards)
    left = votes[..., None, :] - same  # row i: votes for j's answer once i is gone
    left = np.where(np.eye(n, dtype=bool), 0.0, left)
    alone = _winner(left, np.broadcast_to(rewards[..., None, :], left.shape))
    return np.asarray(n * (together[..., None] - alone))


def _winner(votes: Floats, rewards: Floats) -> Floats:
    """Mean reward of the answers with most votes, which equally many responses gave each."""
    wins = votes == votes.max(-1, keepdims=True)
    return np.asarray((wins * rewards).sum(-1) / wins.sum(-1))
