"""⟨∇ ln π(response), direction⟩ for each response, without any per-response gradient.

Two implementations that share nothing but the definition:

* `by_hooks`: one forward and one backward over a batch of rows. Beside every module that owns selected
  parameters, the change of its output along the direction is contracted with the gradient that arrives
  at that output; summed over a row's tokens and over modules that is the row's dot.
* `by_forward_mode`: the directional derivative of the log-probabilities, computed forward. Keeps no
  activations; needs a forward-mode rule for every operator, so attention runs on its plain path.

Several directions cost little more than one: the pass is shared, and a layer's changes along all of them
are one matrix product.

Suffixes name axes: K directions, U responses (one row each), T tokens.
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.func import functional_call, jvp
from torch.nn.attention import SDPBackend, sdpa_kernel

from acute.errors import ModelError
from acute.gradients.forward import Sampled, row_logprobs, trie_logprobs
from acute.gradients.sharded import whole
from acute.gradients.trie import Tokens

Direction = dict[str, Tensor]  # parameter name: tensor of its shape
Directions = dict[str, Tensor]  # parameter name: (K, *its shape)


def _owners(model: nn.Module, directions: Directions) -> list[tuple[str, nn.Module, Directions]]:
    """Modules that hold a selected parameter themselves, with the part of the directions that is theirs.

    A tied weight has several owners; each contributes its own use.
    """
    by_id = {
        id(parameter): directions[name] for name, parameter in model.named_parameters() if name in directions
    }
    found = []
    for name, module in model.named_modules():
        own = {
            key: by_id[id(parameter)]
            for key, parameter in module.named_parameters(recurse=False)
            if id(parameter) in by_id
        }
        if own:
            found.append((name, module, own))
    return found


MEMORY_BOUND = 16  # operations on numbers read from memory take so many times those of a matrix product
BLOCK = 2**21  # numbers of the rows' gradients of a weight that are held at once


def _linear_forward(x: Tensor, grad: Tensor, weight: Tensor) -> Tensor:
    """⟨x Gᵀ, grad⟩ of each row along each direction G, (K, U): the change of the output, then contracted."""
    change = (x @ weight.flatten(0, 1).T).unflatten(-1, weight.shape[:2])
    return torch.einsum("u...ko,u...o->ku", change, grad)


def _linear_gradients(x: Tensor, grad: Tensor, weight: Tensor) -> Tensor:
    """The same by way of each row's own gradient of the weight, made block by block and contracted at once.

    Its cost hardly depends on K: 2 (out · in) operations a token, and 2 K (out · in) a row.
    """
    rows, (K, wide, narrow) = len(x), weight.shape
    x, grad = x.reshape(rows, -1, narrow), grad.reshape(rows, -1, wide)
    total = x.new_zeros(K, rows, dtype=torch.promote_types(x.dtype, torch.float32))
    step = max(1, BLOCK // (rows * narrow))
    for first in range(0, wide, step):
        gradient = grad[..., first : first + step].transpose(1, 2) @ x  # (U, step, in)
        total += weight[:, first : first + step].flatten(1) @ gradient.flatten(1).T
    return total


def _linear(x: Tensor, grad: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """Dots of a linear layer's parameters, (K, U), by the cheaper of two ways.

    `weight` is (K, out, in), `bias` (K, out); `x` (U, …, in) came in, `grad` (U, …, out) comes back.
    """
    total = x.new_zeros(())
    if weight is not None:
        tokens = x.shape[:-1].numel() / len(x)
        several = len(weight) > 1 + MEMORY_BOUND * len(weight) / tokens
        total = (_linear_gradients if several else _linear_forward)(x, grad, weight)
    if bias is not None:
        total = total + bias @ grad.reshape(len(grad), -1, grad.shape[-1]).sum(1).T
    return total


class _Pass:
    """What the hooks of one pass share: the dots so far, and whether a module is being run again."""

    def __init__(self, total: Tensor) -> None:
        self.total, self.again = total, False


class _Beside(torch.autograd.Function):
    """A module's output as it is; on the way back `contract` gets its gradient and what the module was fed.

    Inputs are left to autograd to keep, so that activation checkpointing may make them again.
    """

    @staticmethod
    def forward(ctx: Any, out: Tensor, contract: Callable[..., None], *inputs: Tensor) -> Tensor:
        ctx.save_for_backward(*inputs)
        ctx.contract = contract
        return out.view_as(out)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        ctx.contract(grad, *ctx.saved_tensors)
        return grad, *[None] * (len(ctx.needs_input_grad) - 1)


class _Contraction:
    """Hook on one module: adds each row's share of the dots when the backward pass comes by."""

    def __init__(self, shared: _Pass, name: str, module: nn.Module, own: Directions) -> None:
        self.shared, self.name, self.module, self.own = shared, name, module, own
        self.fired = False

    def __call__(self, module: nn.Module, args: Any, kwargs: Any, out: Any) -> Any:
        """Forward hook: contract the output's change along the direction once its gradient is known."""
        if self.shared.again:
            return out
        rows = self.shared.total.shape[1]
        if not isinstance(out, Tensor) or out.shape[0] != rows:
            found = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise ModelError(
                f"the module {self.name!r} ({type(module).__name__}) has trainable parameters, but its "
                f"output ({found}) has no row for each of the {rows} responses: use score.engine = "
                f"'sketch', or leave it out with score.parameters"
            )
        self.fired = True
        share = self._share(module, args, kwargs)

        def contract(grad: Tensor, *inputs: Tensor) -> None:
            own = {key: whole(tensor) for key, tensor in self.own.items()}
            self.shared.total.add_(share(own, grad, *inputs))

        # every weight is frozen: the graph begins at the first outputs that selected parameters change
        begun = out if out.requires_grad else out.requires_grad_()
        return _Beside.apply(begun, contract, *(a for a in args if isinstance(a, Tensor)))

    def _share(self, module: nn.Module, args: Any, kwargs: Any) -> Callable[..., Tensor]:
        """From its part of the directions, its output's gradient and the tensors among its inputs to the
        parameters' dots, (K, U)."""
        if type(module) is nn.Linear:
            return lambda own, grad, x: _linear(x, grad, **own)
        # of a tensor only that it is one: it comes back with the gradient
        given = [(isinstance(a, Tensor), None if isinstance(a, Tensor) else a) for a in args]

        def along(own: Directions, grad: Tensor, *inputs: Tensor) -> Tensor:
            """Shape (K, U): by forward differentiation of the module run once more."""
            primal, left = {key: module.get_parameter(key).detach() for key in own}, iter(inputs)
            fed = tuple(next(left).detach() if is_tensor else a for is_tensor, a in given)
            self.shared.again = True
            try:
                run = lambda p: functional_call(module, p, fed, kwargs)  # noqa: E731
                each = [{key: d[i] for key, d in own.items()} for i in range(len(self.shared.total))]
                changes = (jvp(run, (primal,), (one,))[1] for one in each)
                return torch.stack([(change * grad).flatten(1).sum(1) for change in changes])
            finally:
                self.shared.again = False

        return along


def by_hooks(
    model: Any,
    directions: Directions,
    prompt: Tokens,
    responses: list[Tokens],
    sampled: Sampled,
    side: str = "right",
) -> Tensor:
    """⟨∇ ln π(response), direction⟩ of each response along each direction, shape (K, U), in float32 or finer.

    `directions` holds K tensors stacked for each parameter. Rows are padded on `side`.

    Raises ModelError, naming it, for a module with selected parameters that this cannot see through: one
    whose output has no axis of rows, or whose parameters are used outside its own forward.
    """
    known = dict(model.named_parameters())
    if lost := [name for name in directions if name not in known]:
        raise ModelError(f"the direction has {lost[0]!r}, which is no parameter of the model itself")
    like = next(iter(directions.values()))
    # hundreds of modules add up here: in bfloat16 the last of them would be lost
    wide = torch.promote_types(like.dtype, torch.float32)
    total = torch.zeros(len(like), len(responses), dtype=wide, device=like.device)
    before = {name: p.requires_grad for name, p in known.items()}
    shared = _Pass(total)
    contractions = [_Contraction(shared, *owner) for owner in _owners(model, directions)]
    with ExitStack() as stack:
        stack.callback(lambda: [p.requires_grad_(before[name]) for name, p in known.items()])
        model.requires_grad_(False)
        for contraction in contractions:
            hook = contraction.module.register_forward_hook(contraction, with_kwargs=True)
            stack.callback(hook.remove)
        logprob = row_logprobs(model, model.device, prompt, responses, sampled, side)
        if silent := [c.name for c in contractions if not c.fired]:
            raise ModelError(
                f"the module {silent[0]!r} has trainable parameters that are used outside its forward: use "
                f"score.engine = 'sketch', or leave it out with score.parameters"
            )
        logprob.sum().backward()
    return total


def by_forward_mode(
    model: Any,
    direction: Direction,
    prompt: Tokens,
    responses: list[Tokens],
    sampled: Sampled,
    share: bool = False,
) -> Tensor:
    """⟨∇ ln π(response), direction⟩ of each response, shape (U,), by forward-mode differentiation.

    The second implementation, and the one for little memory: no activations are kept. Unlike the hooks it
    may `share` prompt and beginnings (of a model that obeys masks): what a token adds to each response stays
    apart on the way forward, but not on the way back.
    """
    known = dict(model.named_parameters())
    point = {name: known[name].detach() for name in direction}

    def logprobs(parameters: Direction) -> Tensor:
        def call(**inputs: Any) -> Any:
            return functional_call(model, parameters, kwargs=inputs)

        if share:
            return trie_logprobs(model, prompt, responses, sampled, call)
        return row_logprobs(call, model.device, prompt, responses, sampled)

    with sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no forward-mode rule
        _, found = jvp(logprobs, (point,), (direction,))
    return found
