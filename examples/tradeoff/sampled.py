"""A trajectory with sampled gradients, as training has them, and exact success to judge it by.

Each step draws 64 responses a prompt in two folds of 32, each with its own unbiased leave-one-out gradients
of pass@1 and pass@k. Products of different folds estimate the conflict without the bias of a gradient with
itself.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from methods import OPTIMIZERS, mixed, share
from numpy.typing import NDArray
from torch import Tensor
from world import Gradient, Packed, World, dot

from acute.core.estimators import Floats
from acute.core.mitigations.seen import Seen
from acute.errors import InputError
from acute.train.mitigate import REWEIGHT
from acute.train.target import target

RESPONSES, FOLDS, MEMORY = 64, 2, 0.8
METHODS = ("pass@1", "pass@k", "projection")

Ints = NDArray[np.int64]


class Batch(NamedTuple):
    """The distinct responses of one step. N prompts, U distinct responses, n responses a prompt."""

    logprob_U: Tensor
    """ln π, with its graph."""
    response_Nn: Ints
    """Which distinct response each draw is."""
    right_Nn: Floats
    tokens: list[tuple[int, ...]]
    """The distinct responses themselves, U of them."""


def _draw(logits: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return torch.multinomial(logits.double().softmax(-1), count, replacement=True, generator=generator)


def draw(world: World, n: int, generator: torch.Generator) -> tuple[Floats, Batch]:
    """Exact p, shape (N,), and n responses of at most two tokens to each prompt, from the policy itself.

    InputError where an answer is not of two tokens: then responses are not judged as in the exact world.
    """
    if any(len(answer) != 2 for answer in world.answers):
        raise InputError("sampled trajectories draw two tokens: wanted answers of two tokens, found others")
    with torch.no_grad():
        logits = world.policy.model(**world.packed.inputs).logits
        p_N = world.packed.logprobs(logits).exp().numpy()
    at_prompt = np.unique(world.packed.owner.numpy(), return_index=True)[1]  # its answer's first token
    first_Nn = _draw(logits[0, at_prompt], n, generator).numpy()
    begun = sorted({(x, int(t)) for x, row in enumerate(first_Nn) for t in row})
    ended = [t in world.policy.eos_ids for _, t in begun]
    packed = Packed(
        [world.prompts[x] + ((t,) if e else (t, 0)) for (x, t), e in zip(begun, ended, strict=True)],
        [1 if e else 2 for e in ended],
    )
    entries = world.policy.model(**packed.inputs).logits[0].log_softmax(-1)
    where = np.unique(packed.owner.numpy(), return_index=True)[1]
    index: dict[tuple[int, tuple[int, ...]], int] = {}
    parts: list[Tensor] = []
    response_Nn, right_Nn = np.zeros(first_Nn.shape, np.int64), np.zeros(first_Nn.shape)
    for b, (x, t) in enumerate(begun):
        here = np.flatnonzero(first_Nn[x] == t)
        if ended[b]:
            responses = [(t,)] * len(here)
        else:
            seconds = _draw(entries[where[b] + 1].detach(), len(here), generator).tolist()
            responses = [(t, second) for second in seconds]
        for j, response in zip(here, responses, strict=True):
            if (x, response) not in index:
                index[x, response] = len(parts)
                parts.append(sum(entries[where[b] + i, token] for i, token in enumerate(response)))
            response_Nn[x, j] = index[x, response]
            right_Nn[x, j] = float(response == world.answers[x])
    return p_N, Batch(torch.stack(parts), response_Nn, right_Nn, [response for _, response in index])


def estimate(world: World, batch: Batch, objective: str, folds: list[int], last: bool = False) -> Gradient:
    """The unbiased gradient of the objective from some folds: the mean of each fold's own."""
    coefficient = np.zeros(len(batch.logprob_U))
    for m in folds:
        right, response = batch.right_Nn[:, m::FOLDS], batch.response_Nn[:, m::FOLDS]
        advantage = target(objective).advantage(right)
        np.add.at(coefficient, response, advantage / right.size / len(folds))
    value = (torch.from_numpy(coefficient).to(batch.logprob_U) * batch.logprob_U).sum()
    return list(torch.autograd.grad(value, list(world.parameters.values()), retain_graph=not last))


class _Memory:
    """The three products, averaged over steps."""

    def __init__(self) -> None:
        self.kept: tuple[float, ...] | None = None

    def take(self, new: tuple[float, ...]) -> Seen:
        if self.kept is None:
            self.kept = new
        self.kept = tuple(MEMORY * a + (1 - MEMORY) * b for a, b in zip(self.kept, new, strict=True))
        none = np.zeros(1)
        return Seen(none, none, *self.kept)


def _measured(
    world: World, batch: Batch, k: int, memory: _Memory
) -> tuple[Gradient, Gradient, Seen, dict[str, Any]]:
    """∇J_1 and ∇J_k of all responses, what is known of their conflict, and what this step alone says."""
    first = [estimate(world, batch, "pass@1", [m]) for m in range(FOLDS)]
    kth = [estimate(world, batch, f"pass@{k}", [m], last=m == FOLDS - 1) for m in range(FOLDS)]
    inner = (dot(kth[0], first[1]) + dot(kth[1], first[0])) / 2
    now = (inner, dot(*first), dot(*kth))
    seen = memory.take(now)
    row = {"inner": now[0], "norm_1": now[1], "norm_k": now[2], "kept inner": seen.inner}
    whole = [mixed(0.5, pair[1], 0.5, pair[0]) for pair in (first, kth)]
    return whole[0], whole[1], seen, row


def _projected(seen: Seen) -> tuple[float, float]:
    """scale and share of ∇J_1; the plain objective where ‖∇J_1‖² is estimated negative."""
    try:
        v = REWEIGHT["projection"](seen, 0.0)
    except InputError:
        return 1.0, 0.0
    return v.scale, float(v.added_N[0])


def sampled_walk(
    world: World, method: str, optimizer: str, rate: float, steps: int, seed: int, k: int = 16
) -> Iterator[dict[str, Any]]:
    """Rows of a trajectory from the world's first weights on, as `exact.walk` has them."""
    from exact import success_of

    world.reset()
    of, memory = OPTIMIZERS[optimizer](rate), _Memory()
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        p_N, batch = draw(world, RESPONSES, generator)
        row = {"step": step} | success_of(p_N, world.families, k) | {"p": p_N.tolist()}
        if method == "pass@1":
            along = estimate(world, batch, "pass@1", list(range(FOLDS)), last=True)
        else:
            first, along, seen, said = _measured(world, batch, k, memory)
            row |= said | {"lambda": share(seen) if seen.norm_1 > 0 else None}
            if method == "projection":
                scale, added = _projected(seen)
                row["added"] = added
                along = mixed(scale, along, added, first)
            del first
        del batch
        taken = of.step(along)
        yield row | {"length": dot(taken, taken) ** 0.5}
        world.move(taken, 1.0)
    p_N = world.success().detach().numpy()
    yield {"step": steps} | success_of(p_N, world.families, k) | {"p": p_N.tolist()}
