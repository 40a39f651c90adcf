"""Advantages of groups in any order, for trainers whose hook gets rewards and the id of each one's group."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from acute.core.advantages.pass_at_one import rloo
from acute.errors import InputError
from acute.integrations.side_file import Weights
from acute.train.target import Target

Floats = NDArray[np.float64]


def grouped_advantages(rewards: Floats, uid: Any, of: Target, weights: Weights) -> Floats:
    """Advantages of responses in any order, shape (R,): responses with one `uid` are one group.

    InputError where a group is smaller than the objective needs.
    """
    out = np.zeros_like(rewards)
    names = np.asarray([str(u) for u in uid])
    for name in np.unique(names):
        member = np.flatnonzero(names == name)
        if len(member) < of.least_n:
            raise InputError(
                f"objective {of.name!r} needs groups of {of.least_n} or more, found {len(member)}"
            )
        added = float(weights.added_to([str(name)])[0])
        out[member] = weights.scale * of.advantage(rewards[member])
        if added:
            out[member] += added * rloo(rewards[member])
    return out


def on_tokens(token_level_rewards: Any, response_mask: Any, index: Any, of: Target, weights: Weights) -> Any:
    """Tensor (R, T) of each response's advantage on its own tokens, 0 elsewhere.

    `token_level_rewards` and `response_mask` are tensors (R, T), `index` the group of each response; a
    response's reward is the sum over its tokens. InputError as `grouped_advantages`.
    """
    import torch

    rewards = token_level_rewards.detach().sum(-1).double().cpu().numpy()
    found = grouped_advantages(rewards, index, of, weights)
    flat = torch.as_tensor(found, dtype=token_level_rewards.dtype, device=token_level_rewards.device)
    return flat[:, None] * response_mask
