"""A policy whose weights are split over ranks (FSDP2): for models of which no rank can hold a whole one.

The first rank alone reads the weights, into main memory and in the dtype asked for. It tells the others the
model without its numbers; then the parameters are handed out one at a time, and every rank keeps its piece.
Each block of layers is gathered when a pass comes by, and let go of after it.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import distribute_tensor

from acute.errors import ModelError
from acute.models.blocks import blocks_of
from acute.models.load import Policy, load_policy, place_of


@dataclass(frozen=True)
class ShardedPolicy(Policy):
    """A policy of which this process holds pieces."""

    fingerprint_of_whole: str

    @property
    def fingerprint(self) -> str:
        """That of the whole weights, as one process takes it."""
        return self.fingerprint_of_whole


def load_sharded(name: str, dtype: str, device: str, adapter: str | None, over: int) -> ShardedPolicy:
    """As `load_policy`, the weights split over groups of `over` ranks; every rank of the job calls it.

    `over` divides the number of ranks; neighbours form a group. Raises ModelError, on every rank, if the
    model is missing, cannot be read, or cannot be handed on.
    """
    place = place_of(device)
    told: list[Any] = [None]
    weights: dict[str, Tensor] = {}
    if dist.get_rank() == 0:
        try:
            whole = load_policy(name, dtype, "cpu", adapter)
            fingerprint = whole.fingerprint
            weights = _taken_out(whole.model)
            told = [(whole.model, whole.tokenizer, whole.eos_ids, fingerprint)]
        except ModelError as error:
            told = [error]
    dist.broadcast_object_list(told, src=0)
    if isinstance(told[0], ModelError):
        raise told[0]
    model, tokenizer, eos_ids, fingerprint = told[0]
    size = dist.get_world_size()
    mesh = init_device_mesh(place.type, (size // over, over), mesh_dim_names=("copy", "piece"))
    _shard(model, mesh if over < size else mesh["piece"], getattr(torch, dtype))
    _hand_out(model, weights, place)
    return ShardedPolicy(model.eval(), tokenizer, eos_ids, place, fingerprint)


def _taken_out(model: nn.Module) -> dict[str, Tensor]:
    """The parameters by name; the model is left with parameters that have shapes but no numbers."""
    weights = dict(model.named_parameters())
    empty: dict[int, nn.Parameter] = {}  # by identity, so that tied weights stay tied
    for module in model.modules():
        for key, parameter in list(module.named_parameters(recurse=False, remove_duplicate=False)):
            if parameter.is_meta:
                continue
            if id(parameter) not in empty:
                empty[id(parameter)] = nn.Parameter(parameter.detach().to("meta"), parameter.requires_grad)
            setattr(module, key, empty[id(parameter)])
    return {name: parameter.detach() for name, parameter in weights.items()}


def _shard(model: nn.Module, mesh: DeviceMesh, dtype: torch.dtype) -> None:
    """Split each block, and what stands outside of blocks; gradients that travel are summed in float32."""
    summed = MixedPrecisionPolicy(reduce_dtype=torch.promote_types(dtype, torch.float32))
    blocks = blocks_of(model)
    for part in (*(blocks[1] if blocks else ()), model):
        fully_shard(part, mesh=mesh, mp_policy=summed)
    for part in model.modules():
        if isinstance(part, FSDPModule):  # sums, where FSDP takes means; gloo knows no scaled sum
            part.set_gradient_divide_factor(1.0)
            part.set_force_sum_reduction_for_comms(True)


def _hand_out(model: nn.Module, weights: dict[str, Tensor], place: torch.device) -> None:
    """Fill the pieces from the first rank's `weights`: one whole parameter at a time is held in passing."""
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model.to_empty(device=place)
    for name, buffer in model.named_buffers():
        buffer.copy_(buffers[name])
    for name, parameter in model.named_parameters():
        if weights:
            whole = weights.pop(name).to(place)
        else:
            whole = torch.empty(parameter.shape, dtype=parameter.dtype, device=place)
        piece = distribute_tensor(whole, parameter.device_mesh, parameter.placements)
        with torch.no_grad():
            parameter.to_local().copy_(piece.to_local())
