"""From a prompt's distinct responses to the sketch of each group's gradient sum.

A group (a fold and an outcome of one prompt) is a vector of multiplicities over the distinct responses;
its gradient sum is Σ_u multiplicity_u ∇ ln π(response_u). `shared` is the engine of every day,
`one_by_one` the reference: one backward a response, nothing shared, merged or padded.

Suffixes name axes: G groups, B distinct directions among them, U distinct responses, D sketch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from acute.errors import NotFiniteError
from acute.gradients.checkpointing import checkpointed
from acute.gradients.forward import Sampled, response_logprob, row_logprobs, trie_logprobs
from acute.gradients.sketch import Sketch
from acute.gradients.trie import Tokens, count_nodes, new_nodes

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """One prompt to differentiate: its tokens, its distinct responses, their multiplicity in each group."""

    prompt: Tokens
    responses: list[Tokens]
    counts_GU: Floats

    @property
    def longest(self) -> int:
        """Tokens of the smallest pass that holds the longest response and its prompt."""
        return len(self.prompt) + max(map(len, self.responses)) - 1


@dataclass(frozen=True)
class Scored:
    """What an engine returns: a sketch a group, and ln π of each distinct response (nats)."""

    sketch_GD: NDArray[np.floating[Any]]
    logprob_U: Floats


@dataclass(frozen=True)
class Passes:
    """How much goes into one forward pass, and whether prompt and beginnings may be shared.

    `tokens` bounds memory: a pass keeps its activations and, for each response token, a row of logits.
    Where ranks go in step (sharded weights) every forward pass has `one_backward`. With `checkpointing`
    activations are computed again on the way back.
    """

    tokens: int = 1024
    share: bool = True
    one_backward: bool = False
    checkpointing: bool = False

    @property
    def backward(self) -> int:
        """What a backward pass costs, in forward ones."""
        return 3 if self.checkpointing else 2


class _Pass(NamedTuple):
    """One forward pass over some responses, and one backward pass for each of some groups."""

    responses: list[int]
    groups: list[int]


def _check(logprob_U: Floats, task: Task) -> None:
    for u in np.flatnonzero(~np.isfinite(logprob_U) & task.counts_GU.any(0)):
        raise NotFiniteError(
            f"the scorer gives ln π = {logprob_U[u]} to the response tokens {task.responses[u][:20]}: wanted "
            f"a finite number (NaN in the weights, or a token outside the sampled distribution)",
            int(u),
        )


def _up_to_scale(counts_GU: Floats) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Distinct directions among the groups: (shares (B, U), direction of each group (G,), scale (G,)).

    Groups that are multiples of each other need one backward pass: with a single right answer every
    fold's successes are the same response. Empty groups get scale 0.
    """
    scale_G = np.abs(counts_GU).sum(1)
    shares = counts_GU / np.where(scale_G > 0, scale_G, 1)[:, None]
    share_BU, of_G = np.unique(shares.round(12), axis=0, return_inverse=True)
    return share_BU, of_G.reshape(-1), scale_G


def _tokens(task: Task, some: list[int], share: bool) -> int:
    """Tokens that a pass over some responses feeds."""
    responses = [task.responses[u] for u in some]
    if share:
        return len(task.prompt) + count_nodes(responses)
    return sum(len(task.prompt) + len(r) - 1 for r in responses)


def chunks(task: Task, some: list[int], passes: Passes) -> Iterator[list[int]]:
    """Cut responses into passes of at most `passes.tokens` (one response at least)."""
    prompt = len(task.prompt)
    chunk: list[int] = []
    before: Tokens = ()
    fed = 0
    for u in sorted(some, key=lambda u: task.responses[u]):  # neighbours begin alike
        response = task.responses[u]
        more = new_nodes(response, before) if passes.share and chunk else prompt + len(response) - 1
        if chunk and fed + more > passes.tokens:
            yield chunk
            chunk, fed, more = [], 0, prompt + len(response) - 1
        chunk.append(u)
        fed, before = fed + more, response
    if chunk:
        yield chunk


def _plan(task: Task, share_BU: Floats, passes: Passes) -> list[_Pass]:
    """All responses in one pass and a backward a group, or each group's own passes: what feeds fewer tokens.

    Short answers share nearly everything, long ones next to nothing.
    """
    groups = [b for b in range(len(share_BU)) if share_BU[b].any()]
    if not groups:
        return []
    members = {b: np.flatnonzero(share_BU[b]).tolist() for b in groups}
    everyone = sorted({u for some in members.values() for u in some})
    together = _tokens(task, everyone, passes.share)
    apart = (1 + passes.backward) * sum(_tokens(task, some, passes.share) for some in members.values())
    fewer = together <= passes.tokens and together * (1 + passes.backward * len(groups)) <= apart
    if fewer and not passes.one_backward:
        return [_Pass(everyone, groups)]
    return [_Pass(chunk, [b]) for b in groups for chunk in chunks(task, members[b], passes)]


def expected(task: Task, passes: Passes) -> tuple[int, int]:
    """How many forward passes `shared` and `gradient_sum` make of a task, and what they cost.

    The cost is in tokens fed forward.
    """
    plan = _plan(task, _up_to_scale(task.counts_GU)[0], passes)
    each = ((_tokens(task, one.responses, passes.share), len(one.groups)) for one in plan)
    cost = sum(tokens * (1 + passes.backward * groups) for tokens, groups in each)
    return len(plan), cost


def folded(task: Task, passes: Passes) -> int:
    """How many gradients `shared` folds of a task: one a backward pass."""
    return sum(len(one.groups) for one in _plan(task, _up_to_scale(task.counts_GU)[0], passes))


def taken(parameters: dict[str, nn.Parameter]) -> Iterator[Tensor | None]:
    """Yield each parameter's gradient and let go of it."""
    for parameter in parameters.values():
        yield parameter.grad
        parameter.grad = None


def _backward(
    model: Any, task: Task, share_BU: Floats, one: _Pass, sampled: Sampled, share: bool
) -> Iterator[tuple[int, Floats]]:
    """Run a pass; after each group's backward yield the group and ln π of the pass's responses.

    The gradient of Σ_u share_u ln π(u) is then in the parameters, for the caller to take away (unless hooks
    took it while it was made).
    """
    responses = [task.responses[u] for u in one.responses]
    if share:
        logprob = trie_logprobs(model, task.prompt, responses, sampled)
    else:
        logprob = row_logprobs(model, model.device, task.prompt, responses, sampled)
    values = logprob.detach().double().cpu().numpy()
    for b in one.groups:
        weight = torch.from_numpy(share_BU[b, one.responses]).to(logprob)
        (logprob * weight).sum().backward(retain_graph=b != one.groups[-1])
        yield b, values


def shared(
    model: Any,
    parameters: dict[str, nn.Parameter],
    sketch: Sketch,
    task: Task,
    sampled: Sampled,
    passes: Passes = Passes(),
) -> Scored:
    """Sketch of every group's gradient sum, with prompt, beginnings and duplicates computed once.

    `model` with `parameters` selected (see `parameters.selected`). Raises ModelError on a NaN.
    """
    share_BU, of_G, scale_G = _up_to_scale(task.counts_GU)
    logprob_U = np.full(len(task.responses), np.nan)
    sketches: dict[int, Tensor] = {}
    with sketch.during_backward(model, parameters) as folded, checkpointed(model, passes.checkpointing):
        for one in _plan(task, share_BU, passes):
            for b, values in _backward(model, task, share_BU, one, sampled, passes.share):
                logprob_U[one.responses] = values
                sketches[b] = sketches[b] + folded() if b in sketches else folded()
    _check(logprob_U, task)
    sketch_BD = np.zeros((len(share_BU), sketch.size), next(iter(sketches.values())).cpu().numpy().dtype)
    for b, found in sketches.items():
        sketch_BD[b] = found.cpu().numpy()
    return Scored(sketch_BD[of_G] * scale_G[:, None].astype(sketch_BD.dtype), logprob_U)


def gradient_sum(
    model: Any,
    parameters: dict[str, nn.Parameter],
    prompt: Tokens,
    responses: list[Tokens],
    weight_U: Floats,
    sampled: Sampled,
    passes: Passes = Passes(),
) -> list[Tensor | None]:
    """Σ_u weight_u ∇ ln π(response_u) over the selected parameters, one tensor each, in their order."""
    task = Task(prompt, responses, weight_U[None])
    with checkpointed(model, passes.checkpointing):
        for one in _plan(task, _up_to_scale(task.counts_GU)[0], passes):
            for _ in _backward(model, task, weight_U[None], one, sampled, passes.share):
                pass  # the gradients of all passes add up in the parameters
    return list(taken(parameters))


def one_by_one(
    model: Any, parameters: dict[str, nn.Parameter], sketch: Sketch, task: Task, sampled: Sampled
) -> Scored:
    """The reference: as `shared`, by one forward and one backward a response."""
    logprob_U = np.zeros(len(task.responses))
    sum_GD = np.zeros((len(task.counts_GU), sketch.size))
    for u, response in enumerate(task.responses):
        logprob = response_logprob(model, task.prompt, response, sampled)
        logprob.backward()
        sketch_D = sketch.fold(taken(parameters)).cpu().numpy()
        logprob_U[u] = logprob.item()
        sum_GD += task.counts_GU[:, u, None] * sketch_D
    _check(logprob_U, task)
    return Scored(sum_GD.astype(sketch_D.dtype), logprob_U)
