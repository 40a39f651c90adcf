"""Passes that take less when memory does not suffice, instead of a run that is lost."""

import gc
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import nn

from acute.errors import ModelError
from acute.gradients.engines import Passes

Found = TypeVar("Found")


def out_of_memory(error: BaseException) -> bool:
    """Whether a call failed for want of memory, on a GPU or in main memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)  # torch's on a CPU


@dataclass
class Room:
    """How much goes into one pass: less where memory does not suffice, and kept so for what comes.

    Tokens are halved first, down to the smallest pass there is; then its activations are made again on the
    way back (`can_checkpoint` says whether that goes). The first costs nothing, the second a third more.
    """

    passes: Passes
    can_checkpoint: bool = True

    def run(self, work: Callable[[Passes], Found], longest: int, parameters: Iterable[nn.Parameter]) -> Found:
        """What `work` returns, tried anew with passes that take less whenever memory gives out.

        `longest` is the smallest pass there is: prompt and longest response, in tokens. What a failed try
        left in the gradients of `parameters` is dropped. Ranks that keep step cannot change their passes:
        there the error stands. Raises ModelError where not even the smallest pass finds room.
        """
        own = list(parameters)
        while True:
            try:
                return work(self.passes)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error) or self.passes.one_backward:
                    raise
                less = self._less(longest)
                if less is None:
                    raise ModelError(
                        f"not enough memory for a pass over a single response ({longest} tokens with its "
                        f"prompt): wanted a machine with more, score.parameters with fewer, or weights "
                        f"split over ranks (--shard-over)"
                    ) from error
            for parameter in own:  # outside the except block, whose traceback holds the failed pass
                parameter.grad = None
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            self.passes = less

    def _less(self, longest: int) -> Passes | None:
        """The passes to try next; None if nothing is left."""
        if self.passes.tokens > longest:
            return replace(self.passes, tokens=max(longest, self.passes.tokens // 2))
        if self.can_checkpoint and not self.passes.checkpointing:
            return replace(self.passes, checkpointing=True)
        return None
