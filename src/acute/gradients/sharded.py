"""Gradients of a model whose weights are split over ranks (`acute.models.shard`).

Every rank works on prompts of its own, but its passes gather weights from all: so the ranks go forward and
backward in step, and whoever has no work left takes part with a pass of nothing. Gradients need not travel.
Backward makes them whole, layer by layer, in the tensors that the weights were gathered into; there they are
folded into the rank's own sketch and dropped.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor, distribute_tensor


def idle(model: Any) -> None:
    """A forward and a backward pass whose gradient is 0: what a rank without work does meanwhile."""
    ids = torch.zeros(1, 1, dtype=torch.long, device=model.device)
    (model(input_ids=ids, use_cache=False).logits * 0).sum().backward()


def in_backward(model: Any, parameters: Mapping[str, nn.Parameter]) -> dict[str, nn.Parameter]:
    """The tensors that a backward pass leaves the whole gradients of `parameters` in, by the same names.

    FSDP gathers a parameter into one lasting tensor, whose storage alone comes and goes. A model must have
    been run once before. Where nothing is sharded these are the parameters themselves.
    """
    found = dict(parameters)
    for part in model.modules():
        if isinstance(part, FSDPModule):
            part.unshard()
            found.update((n, p) for n, p in model.named_parameters() if n in found and not is_sharded(p))
            part.reshard()
    return found


def is_sharded(tensor: Tensor) -> bool:
    """Whether this rank holds a piece of the tensor alone."""
    return isinstance(tensor, DTensor)


def whole(tensor: Tensor) -> Tensor:
    """The whole of a tensor that may be sharded. If it is, every rank must ask for it at the same point."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def like(tensor: Tensor, model: Tensor) -> Tensor:
    """A tensor that every rank has, sharded as `model` is; nothing travels."""
    if not isinstance(model, DTensor):
        return tensor
    return distribute_tensor(tensor, model.device_mesh, model.placements, src_data_rank=None)
