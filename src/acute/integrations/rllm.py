"""acute as an advantage estimator of rLLM: call `register` before the trainer starts, then

    rllm.algorithm.use_rllm=true rllm.algorithm.adv_estimator=acute

A group is what rLLM makes one: the trajectories of one task and role.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from acute.integrations.grouped import Floats, grouped_advantages
from acute.integrations.side_file import Weights, read_weights
from acute.train.target import target


def estimator(objective: str, weights: Path | None = None) -> Callable[..., Any]:
    """An estimator with rLLM's signature: rewards (n,) of every group in, (advantages, returns) alike out.

    `objective` is what `acute.train.target.target` understands, `weights` a side file that is read at every
    batch; its prompts are rLLM's `group_id`. ConfigError for an objective that does not exist.
    """
    of = target(objective)

    def advantages(rewards: Sequence[Floats], traj_groups: Sequence[Any] | None = None, **_: Any) -> Any:
        own = Weights() if weights is None else read_weights(weights)
        names = range(len(rewards)) if traj_groups is None else [group.group_id for group in traj_groups]
        found = [
            grouped_advantages(np.asarray(group, float), [name] * len(group), of, own)
            for name, group in zip(names, rewards, strict=True)
        ]
        return found, found

    return advantages


def register(objective: str, weights: Path | None = None, name: str = "acute") -> None:
    """Register with rLLM under `name`. ImportError where it is not installed."""
    from rllm.trainer.algorithms.advantage import register_rllm_adv_estimator

    register_rllm_adv_estimator(name)(estimator(objective, weights))
