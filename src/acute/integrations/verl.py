"""acute as an advantage estimator of verl, found by verl through its entry point `verl.plugins`.

    algorithm.adv_estimator=acute +algorithm.acute.objective=pass@8 +algorithm.acute.weights=weights.json

`objective` is what `acute.train.target.target` understands; `weights`, which may be left out, a side file
(`acute.integrations.side_file`). verl hands estimators rewards and the id of each response's group, nothing
else: conflict is measured elsewhere. Its `loss_agg_mode` comes after and must keep Σ A_i ∇ log π up to one
factor: `token-mean` and `seq-mean-token-sum` do, modes that divide by the length of a response do not. A KL
penalty in the reward (`use_kl_in_reward`) leaves no 0/1 rewards, and most objectives then refuse them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acute.errors import ConfigError
from acute.integrations.grouped import on_tokens
from acute.integrations.side_file import Weights, read_weights
from acute.train.target import Target, target

NAME = "acute"
OPTIONS = ("objective", "weights")


def settings(config: Any) -> tuple[Target, Weights]:
    """Objective and weights from verl's `algorithm` node. ConfigError for keys that are not there."""
    own = _own(config)
    if unknown := sorted(set(own) - set(OPTIONS)):
        raise ConfigError(f"algorithm.acute.{unknown[0]}: unknown key; known keys: {', '.join(OPTIONS)}")
    if "objective" not in own:
        raise ConfigError("algorithm.acute.objective: wanted an objective, as pass@8; found none")
    path = own.get("weights")
    return target(str(own["objective"])), Weights() if path is None else read_weights(Path(str(path)))


def _own(config: Any) -> Mapping[str, Any]:
    own = None if config is None else config.get(NAME)
    if own is None:
        raise ConfigError("adv_estimator=acute needs its options: +algorithm.acute.objective=pass@8")
    return dict(own)


def estimator(token_level_rewards: Any, response_mask: Any, index: Any, config: Any = None, **_: Any) -> Any:
    """(advantages, returns) as verl wants them, both (R, T): each response's advantage on its own tokens.

    verl passes every estimator more than it needs; what is not named here is not used.
    """
    advantages = on_tokens(token_level_rewards, response_mask, index, *settings(config))
    return advantages, advantages


def register() -> None:
    """Register with verl. ImportError where it is not installed."""
    from verl.trainer.ppo.core_algos import register_adv_est

    register_adv_est(NAME)(estimator)


def registered() -> bool | None:
    """Whether verl has the estimator after loading its plug-ins; None where verl is not installed."""
    try:
        from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY
    except ImportError:
        return None
    return ADV_ESTIMATOR_REGISTRY.get(NAME) is estimator
