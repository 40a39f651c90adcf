"""The exact truth where the right answer is one sequence of tokens: p = π(answer), ∇p = p ∇ ln π(answer).

The truth that estimates from samples must converge to. It holds where the verifier is `exact` and
`max_tokens` is the answer's length in tokens, so that no second sequence spells it.
"""

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


def exact_kernel(
    model: Any,
    parameters: dict[str, nn.Parameter],
    prompts: list[Tokens],
    answers: list[Tokens],
    sampled: Sampled,
) -> tuple[Floats, Floats]:
    """p of each prompt, shape (N,), and κ(x, x') = ⟨∇p(x), ∇p(x')⟩, shape (N, N), in float64.

    Holds all N gradients at once: N times the size of the parameters.

    Reference: arXiv 2602.21189, eqs. 5–6.
    """
    pairs = [
        success_gradient(model, parameters, prompt, answer, sampled)
        for prompt, answer in zip(prompts, answers, strict=True)
    ]
    kernel = np.zeros((len(pairs), len(pairs)))
    for i, (_, a) in enumerate(pairs):
        for j, (_, b) in enumerate(pairs[: i + 1]):
            kernel[i, j] = kernel[j, i] = sum(
                float(torch.sum(x * y, dtype=torch.float64)) for x, y in zip(a, b, strict=True)
            )
    return np.array([p for p, _ in pairs]), kernel


def exact_inner(p_N: Floats, kernel_NN: Floats, k: int) -> tuple[float, float]:
    """⟨∇J_k, ∇J_1⟩ and its cosine from exact p and κ.

    Reference: arXiv 2602.21189, App. B.
    """
    weight, ones, N = k * (1 - p_N) ** (k - 1), np.ones(len(p_N)), len(p_N)
    inner, own, first = (
        float(a @ kernel_NN @ b) / N**2 for a, b in ((weight, ones), (weight, weight), (ones, ones))
    )
    return inner, float(inner / np.sqrt(own * first))
