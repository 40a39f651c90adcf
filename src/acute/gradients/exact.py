"""The exact truth where the right answer is one sequence of tokens: p = π(answer), ∇p = p ∇ ln π(answer).

The truth that estimates from samples must converge to. It holds where the verifier is `exact` and
`max_tokens` is the answer's length in tokens, so that no second sequence spells it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from acute.gradients.forward import Sampled, response_logprob
from acute.gradients.trie import Tokens

Floats = NDArray[np.float64]


def success_probability(model: Any, prompt: Tokens, answer: Tokens, sampled: Sampled) -> float:
    """p of a prompt whose one right response is `answer`."""
    with torch.inference_mode():
        return float(response_logprob(model, prompt, answer, sampled).double().exp())


def success_gradient(
    model: Any, parameters: dict[str, nn.Parameter], prompt: Tokens, answer: Tokens, sampled: Sampled
) -> tuple[float, list[Tensor]]:
    """p and ∇p over the selected parameters, one tensor each, in their order."""
    logprob = response_logprob(model, prompt, answer, sampled)
    logprob.backward()
    p = logprob.detach().double().exp()
    gradient = []
    for parameter in parameters.values():
        found = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        gradient.append(found.mul_(p.to(found)))
        parameter.grad = None
    return float(p), gradient


CHUNK = 2**18  # numbers of two gradients that are multiplied at once; the chunks are summed in float64


def inner_products(left: Sequence[list[Tensor]], right: list[Tensor]) -> Floats:
    """Inner products of some gradients with another (one tensor a parameter each), shape (len(left),)."""
    parts: list[list[Tensor]] = [[] for _ in left]  # each read on its own would make a GPU wait
    for *several, other in zip(*left, right, strict=True):
        pieces = other.flatten().split(CHUNK)
        for found, tensor in zip(parts, several, strict=True):
            pairs = zip(tensor.flatten().split(CHUNK), pieces, strict=True)
            found.extend(torch.dot(a, b) for a, b in pairs)
    return np.array([float(torch.stack(found).double().sum()) for found in parts])


def exact_kernel(
    model: Any,
    parameters: dict[str, nn.Parameter],
    prompts: list[Tokens],
    answers: list[Tokens],
    sampled: Sampled,
    at_once: int | None = None,
    on_gradient: Callable[[int, list[Tensor]], None] = lambda *_: None,
) -> tuple[Floats, Floats]:
    """p of each prompt, shape (N,), and κ(x, x') = ⟨∇p(x), ∇p(x')⟩, shape (N, N), in float64.

    Holds `at_once` gradients and one more, each the size of the parameters; those of the prompts after a
    block of `at_once` are computed again for each block. None holds all N. `on_gradient` is shown each
    prompt's index and ∇p once.

    Reference: arXiv 2602.21189, eqs. 5–6.
    """
    N = len(prompts)
    p_N, kernel = np.zeros(N), np.zeros((N, N))
    for first in range(0, N, at_once or N):
        held: list[list[Tensor]] = []
        for i in range(first, N):
            p_N[i], gradient = success_gradient(model, parameters, prompts[i], answers[i], sampled)
            if i - first < (at_once or N):
                held.append(gradient)
                on_gradient(i, gradient)
            rows = slice(first, first + len(held))
            kernel[rows, i] = kernel[i, rows] = inner_products(held, gradient)
    return p_N, kernel


def exact_inner(p_N: Floats, kernel_NN: Floats, k: int) -> tuple[float, float]:
    """⟨∇J_k, ∇J_1⟩ and its cosine from exact p and κ.

    Reference: arXiv 2602.21189, App. B.
    """
    weight, ones, N = k * (1 - p_N) ** (k - 1), np.ones(len(p_N)), len(p_N)
    inner, own, first = (
        float(a @ kernel_NN @ b) / N**2 for a, b in ((weight, ones), (weight, weight), (ones, ones))
    )
    return inner, float(inner / np.sqrt(own * first))
