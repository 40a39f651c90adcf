"""The exact kernel against gradients of the probability itself, in blocks of any size."""

import numpy as np
import pytest
import torch

from acute.gradients import exact
from acute.gradients.exact import exact_kernel
from acute.gradients.forward import Sampled, response_logprob
from acute.gradients.parameters import selected
from tests.policies import policy, truly_float64

PROMPTS = [(5, 9, 2), (5, 9, 2, 7), (1,), (33, 8), (4, 4, 4)]
ANSWERS = [(11, 3), (2,), (6, 6), (50, 1), (9, 12)]


@pytest.fixture(scope="module")
def truth():
    """p and κ by differentiating p itself, one flat float64 gradient a prompt."""
    with truly_float64():
        model, which = policy("llama-tied")
        with selected(model, which) as parameters:
            p, rows = [], []
            for prompt, answer in zip(PROMPTS, ANSWERS, strict=True):
                probability = response_logprob(model, prompt, answer, Sampled()).exp()
                gradient = torch.autograd.grad(probability, list(parameters.values()), materialize_grads=True)
                p.append(probability.item())
                rows.append(torch.cat([g.flatten() for g in gradient]).numpy())
    return np.array(p), np.stack(rows) @ np.stack(rows).T


@pytest.mark.parametrize("at_once", [None, 1, 2, 3, 5, 8])
def test_blocks_of_any_size_give_the_kernel(truth, at_once, monkeypatch):
    monkeypatch.setattr(exact, "CHUNK", 100)  # tensors of one chunk, of several, and a last one cut short
    seen = {}
    with truly_float64():
        model, which = policy("llama-tied")
        with selected(model, which) as parameters:
            p, kernel = exact_kernel(
                model,
                parameters,
                PROMPTS,
                ANSWERS,
                Sampled(),
                at_once,
                lambda i, gradient: seen.setdefault(i, []).append(sum(float((g**2).sum()) for g in gradient)),
            )
    np.testing.assert_allclose(p, truth[0], rtol=1e-10)
    np.testing.assert_allclose(kernel, truth[1], rtol=1e-9, atol=1e-12 * np.abs(truth[1]).max())
    assert sorted(seen) == list(range(len(PROMPTS)))
    np.testing.assert_allclose([v for (v,) in (seen[i] for i in sorted(seen))], np.diag(truth[1]), rtol=1e-9)
