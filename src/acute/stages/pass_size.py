"""How many tokens the scoring passes of a run get: what is asked for, or what the free memory holds."""

from collections.abc import Iterable
from typing import Any

from acute.config.tables import ScoreConfig
from acute.plan.memory import gathered
from acute.plan.pass_size import USUAL, PassSize, pass_size
from acute.stages.plan import sizes_of


def size_of_passes(config: ScoreConfig, policy: Any, longest: Iterable[int], sharded: bool) -> PassSize:
    """Tokens of a pass and whether its activations are made again.

    `longest` are the tokens of each prompt with its longest response; they are asked for only if memory
    decides. Where the system does not say how much is free, or the model's sizes are not known, the usual
    number is taken.
    """
    if config.tokens_at_once != "auto":
        return PassSize(config.tokens_at_once, config.checkpointing)
    from acute.gradients.free_memory import free_memory
    from acute.models.blocks import blocks_of

    free = free_memory(policy.device)
    try:
        shape = sizes_of(policy.model)
    except AttributeError:  # a configuration that calls them otherwise
        return PassSize(USUAL, config.checkpointing)
    if free is None:
        return PassSize(USUAL, config.checkpointing)
    width = next(policy.model.parameters()).element_size()
    room = free - (gathered(shape, width) if sharded else 0)
    found = pass_size(shape, width, room, max(longest, default=1), config.checkpointing)
    return found if blocks_of(policy.model) else PassSize(found.tokens, config.checkpointing)
