"""Which parameters the gradient is taken in: all, or a named subset."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from acute.errors import ConfigError
from acute.models.blocks import blocks_of

NAMED = ("all", "trainable", "final-state", "final-norm", "lm_head", "last-block", "lora")


FINAL_STATE = "final_state"  # the name under which the shift is a part of the model while it is selected


class StateShift(nn.Module):
    """Adds a vector to the last hidden state: zero, but with a gradient.

    Its gradient is the paper's d-dimensional one: Σ_t Uᵀ(e_{y_t} - π_t), U the unembedding.
    """

    def __init__(self, width: int, like: Tensor) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(width, dtype=like.dtype, device=like.device))

    def forward(self, hidden: Tensor) -> Tensor:
        """`hidden` with the shift added; shape (…, width)."""
        return hidden + self.shift


def _last_block(model: nn.Module) -> str:
    """Name of the last transformer block. Raises ConfigError if the model has no list of blocks."""
    found = blocks_of(model)
    if found is None:
        raise ConfigError("score.parameters = 'last-block': this model has no list of blocks")
    name, blocks = found
    return f"{name}.{len(blocks) - 1}"


def _final_norm(model: nn.Module) -> str:
    """Name of the norm between the last block and the unembedding: the last norm outside the blocks."""
    blocks = _last_block(model).rsplit(".", 1)[0]
    norms = [
        name
        for name, module in model.named_modules()
        if re.search(r"norm|ln_f", f"{name.rsplit('.', 1)[-1]} {type(module).__name__}", re.IGNORECASE)
        and not name.startswith(blocks)
    ]
    if not norms:
        raise ConfigError("score.parameters = 'final-norm': found no norm after the blocks of this model")
    return str(norms[-1])


def _head(model: Any) -> nn.Module:
    """The unembedding. Raises ConfigError where the model has none."""
    head: nn.Module | None = model.get_output_embeddings()
    if head is None:
        raise ConfigError(f"score.parameters: {type(model).__name__} has no unembedding to select")
    return head


def _chosen(model: Any, which: str) -> list[str]:
    """Names of the chosen parameters, in the model's order. Raises ConfigError if there is none."""
    names = [name for name, _ in model.named_parameters()]
    if which == "all":
        return names
    if which == "trainable":
        chosen = [str(name) for name, p in model.named_parameters() if p.requires_grad]
        if not chosen:
            raise ConfigError("score.parameters = 'trainable': every parameter of this model is frozen")
        return chosen
    if which == "lm_head":
        head = {id(p) for p in _head(model).parameters()}  # a tied weight goes by another module's name
        return [str(name) for name, p in model.named_parameters() if id(p) in head]
    if which in ("last-block", "final-norm"):
        prefix = _last_block(model) if which == "last-block" else _final_norm(model)
        return [name for name in names if name.startswith(f"{prefix}.")]
    try:
        pattern = re.compile("lora_" if which == "lora" else which)
    except re.error as error:
        raise ConfigError(
            f"score.parameters: wanted one of {', '.join(NAMED)} or a regular expression, "
            f"found {which!r}: {error}"
        ) from None
    found = [name for name in names if pattern.search(name)]
    if not found:
        raise ConfigError(
            f"score.parameters = {which!r} matches none of this model's {len(names)} parameters "
            f"(such as {names[0]!r})"
        )
    return found


@contextmanager
def selected(model: Any, which: str) -> Iterator[dict[str, nn.Parameter]]:
    """Within the block only the chosen parameters require a gradient; yields them by name.

    `which` is one of `NAMED` or a regular expression that is searched in parameter names. A tied weight
    counts once, with the gradient of all its uses. Raises ConfigError if nothing matches.
    """
    before = {name: p.requires_grad for name, p in model.named_parameters()}
    hook = None
    try:
        if which == "final-state":
            head = _head(model)
            weight = next(head.parameters())
            shift = StateShift(weight.shape[1], weight)
            hook = head.register_forward_pre_hook(lambda _, args: (shift(args[0]), *args[1:]))
            model.requires_grad_(False)
            model.add_module(FINAL_STATE, shift)
            yield {f"{FINAL_STATE}.shift": shift.shift}
            return
        names = set(_chosen(model, which))
        chosen = {}
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in names)
            if name in names:
                chosen[name] = parameter
        yield chosen
    finally:
        if hook is not None:
            hook.remove()
            delattr(model, FINAL_STATE)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(before[name])
            parameter.grad = None
