"""Weight gradients in tiles: folded while they are made, never held whole.

Autograd makes a matrix for every weight, writes it to memory and reads it again to sketch it; an embedding's
is nearly all zeros, and a tied one comes twice and is added up. Here linear layers and embeddings hand on
what they would have written, a tile that fits in the cache at a time, or the rows of the tokens that were
fed. Every other use of a weight goes autograd's way, as does every other module.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

TILE = 2**19  # numbers; 2 MiB of float32
GPU_TILE = 2**24
OnRows = Callable[[Tensor | slice, Tensor], None]  # which rows of a weight, and a share of their gradient


class _Linear(torch.autograd.Function):
    """x Wᵀ + b, whose weight's gradient goes to `on_rows`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, on_rows: OnRows) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.on_rows = on_rows
        return F.linear(x, weight, bias)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        rows, columns = weight.shape
        a, b = x.reshape(-1, columns), grad.reshape(-1, rows)
        step = max(1, (GPU_TILE if b.is_cuda else TILE) // columns)
        tile = b.new_empty(min(step, rows), columns)
        for first in range(0, rows, step):
            part = b[:, first : first + step].T
            ctx.on_rows(slice(first, first + len(part)), torch.mm(part, a, out=tile[: len(part)]))
        of_x = grad @ weight if ctx.needs_input_grad[0] else None
        return of_x, None, b.sum(0) if ctx.needs_input_grad[2] else None, None


class _Embedding(torch.autograd.Function):
    """Rows of a weight, whose gradient goes to `on_rows`."""

    @staticmethod
    def forward(ctx: Any, ids: Tensor, weight: Tensor, padding: int | None, on_rows: OnRows) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.padding, ctx.on_rows = padding, on_rows
        return F.embedding(ids, weight)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[None, None, None, None]:
        (ids,) = ctx.saved_tensors
        rows, where = ids.reshape(-1).unique(return_inverse=True)
        flat = grad.reshape(-1, grad.shape[-1])
        # a GPU adds number by number: in bfloat16 the sum over some hundred equal tokens would stand still
        wide = torch.promote_types(grad.dtype, torch.float32)
        total = flat.new_zeros(len(rows), flat.shape[-1], dtype=wide).index_add_(0, where, flat.to(wide))
        if ctx.padding is not None:  # such a row is never trained
            total, rows = total[rows != ctx.padding], rows[rows != ctx.padding]
        ctx.on_rows(rows, total)
        return None, None, None, None


def _forward_of(module: Any, on_rows: OnRows) -> Callable[[Tensor], Any] | None:
    """The module's forward with its weight's gradient going to `on_rows`; None for a kind not known here."""
    if type(module) is nn.Linear:

        def linear(x: Tensor) -> Any:
            if torch.is_autocast_enabled(x.device.type):  # it would cast between here and the backward pass
                return nn.Linear.forward(module, x)
            return _Linear.apply(x, module.weight, module.bias, on_rows)

        return linear
    plain = type(module) is nn.Embedding and module.max_norm is None
    if plain and not (module.scale_grad_by_freq or module.sparse):
        return lambda ids: _Embedding.apply(ids, module.weight, module.padding_idx, on_rows)
    return None


@contextmanager
def in_tiles(model: nn.Module, take: Mapping[nn.Parameter, OnRows]) -> Iterator[None]:
    """Within the block weights among `take` hand on the gradients of linear layers and embeddings.

    A parameter's function is called with rows of it and a share of their gradient, as often as there are
    shares; what it is handed lives until it returns. Gradients of other uses arrive in `.grad` as ever. Left
    alone are modules with a forward of their own, and weights that are sharded.
    """
    changed = []
    for module in model.modules():
        weight = module._parameters.get("weight")
        if weight is None or type(weight) is not nn.Parameter or "forward" in vars(module):
            continue
        if weight in take and (forward := _forward_of(module, take[weight])) is not None:
            module.forward = forward
            changed.append(module)
    try:
        yield
    finally:
        for module in changed:
            del module.forward
