"""Activation checkpointing: a block keeps what it was fed, and computes the rest again on the way back.

transformers' own does so in training mode alone, which would turn dropout on; this one is for models that
are evaluated, and for every architecture that has a list of blocks.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from acute.errors import ConfigError
from acute.models.blocks import blocks_of


def _again(forward: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(forward)
    def kept_in_short(*args: Any, **kwargs: Any) -> Any:
        # no dropout, so no state of a random generator to keep, which on a GPU would wait for it
        run = partial(forward, **kwargs)
        return checkpoint(run, *args, use_reentrant=False, preserve_rng_state=False)

    return kept_in_short


@contextmanager
def checkpointed(model: nn.Module, on: bool = True) -> Iterator[None]:
    """Within the block (if `on`) each transformer block keeps its inputs alone for the backward pass.

    Forward and backward passes belong inside the block; a graph may be gone through more than once, and is
    computed again each time. The model must be in evaluation mode. `forward` itself is replaced, as hooks
    (FSDP2's, which gather weights) must run once. Raises ConfigError if the model has no list of blocks.
    """
    if not on:
        yield
        return
    found = blocks_of(model)
    if found is None:
        raise ConfigError("score.checkpointing: wanted a model with a list of blocks, this one has none")
    before = [(block, vars(block).get("forward")) for block in found[1]]
    try:
        for block, _ in before:
            block.forward = _again(block.forward)
        yield
    finally:
        for block, forward in before:
            del block.forward
            if forward is not None:
                block.forward = forward
