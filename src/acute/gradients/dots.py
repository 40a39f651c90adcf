"""⟨∇ ln π(response), direction⟩ for each response, without any per-response gradient.

Two implementations that share nothing but the definition:

* `by_hooks`: one forward and one backward over a batch of rows. Beside every module that owns selected
  parameters, the change of its output along the direction is contracted with the gradient that arrives
  at that output; summed over a row's tokens and over modules that is the row's dot.
* `by_forward_mode`: the directional derivative of the log-probabilities, computed forward. Keeps no
  activations; needs a forward-mode rule for every operator, so attention runs on its plain path.

Suffixes name axes: U responses (one row each), T tokens.
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp
from torch.nn.attention import SDPBackend, sdpa_kernel

from acute.errors import ModelError
from acute.gradients.forward import Sampled, row_logprobs
from acute.gradients.trie import Tokens

Direction = dict[str, Tensor]  # parameter name: tensor of its shape


def _owners(model: nn.Module, direction: Direction) -> list[tuple[str, nn.Module, Direction]]:
    """Modules that hold a selected parameter themselves, with the part of the direction that is theirs.

    A tied weight has several owners; each contributes its own use.
    """
    by_id = {
        id(parameter): direction[name] for name, parameter in model.named_parameters() if name in direction
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


class _Pass:
    """What the hooks of one pass share: the dots so far, and whether a module is being run again."""

    def __init__(self, total: Tensor) -> None:
        self.total, self.again = total, False


class _Contraction:
    """Hook on one module: adds each row's share of the dots when the backward pass comes by."""

    def __init__(self, shared: _Pass, name: str, module: nn.Module, own: Direction) -> None:
        self.shared, self.name, self.module, self.own = shared, name, module, own
        self.fired = False

    def __call__(self, module: nn.Module, args: Any, kwargs: Any, out: Any) -> None:
        """Forward hook: contract the output's change along the direction once its gradient is known."""
        if self.shared.again:
            return
        rows = len(self.shared.total)
        if not isinstance(out, Tensor) or out.shape[0] != rows:
            found = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise ModelError(
                f"the module {self.name!r} ({type(module).__name__}) has trainable parameters, but its "
                f"output ({found}) has no row for each of the {rows} responses: use score.engine = "
                f"'sketch', or leave it out with score.parameters"
            )
        self.fired = True
        change = self._change(module, args, kwargs)

        def contract(grad: Tensor) -> None:
            self.shared.total.add_((change() * grad).flatten(1).sum(1))

        # every weight is frozen: the graph begins at the first outputs that selected parameters change
        (out if out.requires_grad else out.requires_grad_()).register_hook(contract)

    def _change(self, module: nn.Module, args: Any, kwargs: Any) -> Callable[[], Tensor]:
        """The directional derivative of the module's output, computed when called."""
        if type(module) is nn.Linear:
            x = args[0].detach()
            weight, bias = self.own.get("weight"), self.own.get("bias")
            zero = torch.zeros(module.out_features, dtype=x.dtype, device=x.device)
            return lambda: (0 if weight is None else x @ weight.T) + (zero if bias is None else bias)
        detached = [a.detach() if isinstance(a, Tensor) else a for a in args]

        def along() -> Tensor:
            primal = {key: module.get_parameter(key).detach() for key in self.own}
            self.shared.again = True
            try:
                run = lambda p: functional_call(module, p, tuple(detached), kwargs)  # noqa: E731
                return jvp(run, (primal,), (self.own,))[1]
            finally:
                self.shared.again = False

        return along


def by_hooks(
    model: Any,
    direction: Direction,
    prompt: Tokens,
    responses: list[Tokens],
    sampled: Sampled,
    side: str = "right",
) -> Tensor:
    """⟨∇ ln π(response), direction⟩ of each response, shape (U,). Rows are padded on `side`.

    Raises ModelError, naming it, for a module with selected parameters that this cannot see through: one
    whose output has no axis of rows, or whose parameters are used outside its own forward.
    """
    known = dict(model.named_parameters())
    if lost := [name for name in direction if name not in known]:
        raise ModelError(f"the direction has {lost[0]!r}, which is no parameter of the model itself")
    like = next(iter(direction.values()))
    total = torch.zeros(len(responses), dtype=like.dtype, device=like.device)
    before = {name: p.requires_grad for name, p in known.items()}
    shared = _Pass(total)
    contractions = [_Contraction(shared, *owner) for owner in _owners(model, direction)]
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
    model: Any, direction: Direction, prompt: Tokens, responses: list[Tokens], sampled: Sampled
) -> Tensor:
    """⟨∇ ln π(response), direction⟩ of each response, shape (U,), by forward-mode differentiation.

    The second implementation, and the one for little memory: no activations are kept.
    """
    known = dict(model.named_parameters())
    point = {name: known[name].detach() for name in direction}

    def logprobs(parameters: Direction) -> Tensor:
        def call(**inputs: Any) -> Any:
            return functional_call(model, parameters, kwargs=inputs)

        return row_logprobs(call, model.device, prompt, responses, sampled)

    with sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no forward-mode rule
        _, found = jvp(logprobs, (point,), (direction,))
    return found
