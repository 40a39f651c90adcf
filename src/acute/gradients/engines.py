"""From a prompt's distinct responses to the sketch of each group's gradient sum.

A group (a fold and an outcome of one prompt) is a vector of multiplicities over the distinct responses;
its gradient sum is Σ_u multiplicity_u ∇ ln π(response_u). `shared` is the engine of every day,
`one_by_one` the reference: one backward a response, nothing shared, merged or padded.

Suffixes name axes: G groups, U distinct responses, D sketch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from acute.errors import ModelError
from acute.gradients.forward import (
    Prefix,
    Sampled,
    entries_of_rows,
    prefix_states,
    response_logprob,
    rows_after_prefix,
    whole_rows,
)
from acute.gradients.rows import Packed, Tokens, pack
from acute.gradients.sketch import Sketch

Floats = NDArray[np.float64]
PROMPT_ITSELF = range(-1, 0)  # the "row" whose entries follow the prompt


@dataclass(frozen=True)
class Task:
    """One prompt to differentiate: its tokens, its distinct responses, their multiplicity in each group."""

    prompt: Tokens
    responses: list[Tokens]
    counts_GU: Floats


@dataclass(frozen=True)
class Scored:
    """What an engine returns: a sketch a group, and ln π of each distinct response (nats)."""

    sketch_GD: NDArray[np.floating[Any]]
    logprob_U: Floats


def _check(logprob_U: Floats, task: Task) -> None:
    for u in np.flatnonzero(~np.isfinite(logprob_U) & task.counts_GU.any(0)):
        raise ModelError(
            f"the scorer gives ln π = {logprob_U[u]} to the response tokens {task.responses[u][:20]}: wanted "
            f"a finite number (NaN in the weights, or a token outside the sampled distribution)"
        )


def _up_to_scale(counts_GU: Floats) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Distinct directions among the groups: (basis (B, U), basis of each group (G,), scale (G,)).

    Groups that are multiples of each other need one backward pass: with a single right answer every
    fold's successes are the same response. Empty groups get scale 0.
    """
    scale_G = counts_GU.sum(1)
    shares = counts_GU / np.maximum(scale_G, 1)[:, None]
    basis, of_G = np.unique(shares.round(12), axis=0, return_inverse=True)
    return basis, of_G.reshape(-1), scale_G


def _gradients(parameters: dict[str, nn.Parameter]) -> Iterator[Tensor | None]:
    """Yield each parameter's gradient and let go of it."""
    for parameter in parameters.values():
        yield parameter.grad
        parameter.grad = None


class _Backward:
    """The backward passes of one prompt: through the rows to the prompt's states, then through the prompt.

    The prompt's states are leaves for the rows, so that rows may come in any number of chunks while the
    prompt is run forward once and backward once a group.
    """

    def __init__(self, model: Any, task: Task, packed: Packed, sampled: Sampled, rows_at_once: int) -> None:
        self.model, self.task, self.packed, self.sampled = model, task, packed, sampled
        count = len(packed.rows)
        self.chunks = [range(i, min(i + rows_at_once, count)) for i in range(0, count, rows_at_once)]
        self.kept: Tensor | None = None
        self.prefix: Prefix | None = prefix_states(model, task.prompt, sampled)
        self.leaves: list[Tensor] = []
        if self.prefix is not None:
            self.leaves = [s.detach().requires_grad_(s.requires_grad) for s in self.prefix.states]

    def rows(self, rows: range) -> Tensor:
        """ln π of the entries in these rows; kept if there is one chunk only."""
        if self.kept is not None:
            return self.kept
        if self.prefix is None:
            found = whole_rows(self.model, self.task.prompt, self.packed, rows, self.sampled)
        else:
            found = rows_after_prefix(
                self.model, self.packed, rows, self.leaves, self.prefix.length, self.sampled
            )
        if len(self.chunks) == 1:
            self.kept = found
        return found

    def first_tokens(self) -> Tensor:
        """ln π of the entries that follow the prompt itself."""
        tokens = torch.from_numpy(self.packed.token_E[entries_of_rows(self.packed, PROMPT_ITSELF)])
        if self.prefix is not None:
            return self.prefix.logprobs_V[tokens]
        ids = torch.tensor([self.task.prompt], device=self.model.device)
        logits = self.model(input_ids=ids, use_cache=False).logits[0, -1]
        return self.sampled.logprobs(logits)[tokens]

    def weighted(self, logprob: Tensor, rows: range, weight_E: Floats, value_E: Floats) -> Tensor:
        """Σ of the rows' entries, weighted; their values are noted in `value_E`."""
        entries = entries_of_rows(self.packed, rows)
        value_E[entries] = logprob.detach().double().cpu().numpy()
        return (logprob * torch.from_numpy(weight_E[entries]).to(logprob)).sum()

    def run(self, weight_E: Floats) -> Floats:
        """Add Σ_e weight_e ∇ ln π(entry e) to the parameters' gradients; returns ln π of the entries.

        Entries of rows without weight are left NaN.
        """
        value_E = np.full(len(weight_E), np.nan)
        for leaf in self.leaves:
            leaf.grad = None
        for rows in self.chunks:
            if not weight_E[entries_of_rows(self.packed, rows)].any():
                continue
            loss = self.weighted(self.rows(rows), rows, weight_E, value_E)
            if loss.requires_grad:
                loss.backward(retain_graph=self.kept is not None)
        loss = self.weighted(self.first_tokens(), PROMPT_ITSELF, weight_E, value_E)
        into_states = [
            (state, leaf.grad)
            for state, leaf in zip(self.prefix.states if self.prefix else [], self.leaves, strict=True)
            if leaf.grad is not None
        ]
        torch.autograd.backward(
            [loss, *(state for state, _ in into_states)],
            [torch.ones_like(loss), *(gradient for _, gradient in into_states)],
            retain_graph=self.prefix is not None,
        )
        return value_E


def shared(
    model: Any,
    parameters: dict[str, nn.Parameter],
    sketch: Sketch,
    task: Task,
    sampled: Sampled,
    rows_at_once: int = 64,
) -> Scored:
    """Sketch of every group's gradient sum, with prompt, beginnings and duplicates computed once.

    `model` with `parameters` selected (see `parameters.selected`). Raises ModelError on a NaN.
    """
    packed = pack(task.responses)
    backward = _Backward(model, task, packed, sampled, rows_at_once)
    basis_BU, of_G, scale_G = _up_to_scale(task.counts_GU)
    sketches: list[NDArray[np.floating[Any]] | None] = []
    value_E = np.full(len(packed.token_E), np.nan)
    for share_U in basis_BU:
        if not share_U.any():
            sketches.append(None)
            continue
        found_E = backward.run(packed.entry_weights(share_U))
        value_E = np.where(np.isnan(value_E), found_E, value_E)
        sketches.append(sketch.fold(_gradients(parameters)).cpu().numpy())
    logprob_U = packed.sum_entries(value_E)
    _check(logprob_U, task)
    like = next(s for s in sketches if s is not None)
    sketch_GD = np.stack(
        [
            np.zeros_like(like) if (s := sketches[b]) is None else s * like.dtype.type(scale)
            for b, scale in zip(of_G, scale_G, strict=True)
        ]
    )
    return Scored(sketch_GD, logprob_U)


def gradient_sum(
    model: Any,
    parameters: dict[str, nn.Parameter],
    prompt: Tokens,
    responses: list[Tokens],
    weight_U: Floats,
    sampled: Sampled,
    rows_at_once: int = 64,
) -> list[Tensor | None]:
    """Σ_u weight_u ∇ ln π(response_u) over the selected parameters, one tensor each, in their order."""
    packed = pack(responses)
    task = Task(prompt, responses, weight_U[None])
    _Backward(model, task, packed, sampled, rows_at_once).run(packed.entry_weights(weight_U))
    return list(_gradients(parameters))


def one_by_one(
    model: Any, parameters: dict[str, nn.Parameter], sketch: Sketch, task: Task, sampled: Sampled
) -> Scored:
    """The reference: as `shared`, by one forward and one backward a response."""
    rows, logprobs = [], []
    for response in task.responses:
        logprob = response_logprob(model, task.prompt, response, sampled)
        logprob.backward()
        rows.append(sketch.fold(_gradients(parameters)).cpu().numpy())
        logprobs.append(logprob.item())
    logprob_U = np.array(logprobs)
    _check(logprob_U, task)
    sketch_UD = np.stack(rows)
    return Scored((task.counts_GU @ sketch_UD).astype(sketch_UD.dtype), logprob_U)
