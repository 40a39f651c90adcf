"""acute as an advantage estimator of SkyRL: call `register` before the trainer starts, then

    trainer.algorithm.advantage_estimator=acute

SkyRL's `loss_reduction` and `advantage_batch_normalize` come after: what divides by the length of a response,
or by the spread of a batch, bends the weights on prompts.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from acute.integrations.grouped import on_tokens
from acute.integrations.side_file import Weights, read_weights
from acute.train.target import target


def estimator(objective: str, weights: Path | None = None) -> Callable[..., Any]:
    """An estimator with SkyRL's signature, (R, T) tensors in, (advantages, returns) out.

    `objective` is what `acute.train.target.target` understands, `weights` a side file that is read at every
    batch. ConfigError for an objective that does not exist.
    """
    of = target(objective)

    def advantages(token_level_rewards: Any, response_mask: Any, index: Any, **_: Any) -> Any:
        own = Weights() if weights is None else read_weights(weights)
        found = on_tokens(token_level_rewards, response_mask, index, of, own)
        return found, found

    return advantages


def register(objective: str, weights: Path | None = None, name: str = "acute") -> None:
    """Register with SkyRL under `name`. ImportError where it is not installed."""
    from skyrl.backends.skyrl_train.utils.ppo_utils import register_advantage_estimator

    register_advantage_estimator(name)(estimator(objective, weights))
