"""A finite world made of a real model: prompts whose responses of two tokens are enumerated.

For every prompt the likeliest responses are differentiated one by one; all others are one more response
whose score is what makes the mean score zero, as it must be. So p, ∇p and the law of the responses are
exact, and any number of rollouts can be drawn from it without the model.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from acute.gradients.engines import Task, shared
from acute.gradients.exact import exact_kernel
from acute.gradients.forward import Sampled
from acute.gradients.parameters import selected
from acute.gradients.sketch import Sketch
from acute.models.render import render
from tests.worlds import World

QUICKSTART = Path(__file__).parent.parent / "src" / "acute" / "quickstart"


@dataclass(frozen=True)
class RealWorld:
    """The exact p and κ of the prompts, and a World of sketched scores to draw rollouts from."""

    p_N: np.ndarray
    kernel_NN: np.ndarray
    world: World


def quickstart_rows(mix, some=None):
    """Prompt rows of a quickstart mix, or those at some indices."""
    rows = [json.loads(line) for line in (QUICKSTART / f"{mix}.jsonl").read_text().splitlines()]
    return rows if some is None else [rows[i] for i in some]


def likeliest(model, prompt, answer, most):
    """The `most` likeliest responses of two tokens (the answer among them), end token apart."""
    with torch.inference_mode():
        first = model(torch.tensor([prompt])).logits[0, -1].log_softmax(-1)
        top = first.topk(most).indices.tolist()
        second = model(torch.tensor([[*prompt, t] for t in top])).logits[:, -1].log_softmax(-1)
    pairs = [
        (float(first[t] + second[i, u]), (t, u))
        for i, t in enumerate(top)
        for u in second[i].topk(most).indices.tolist()
        if t != model.config.eos_token_id
    ]
    best = [response for _, response in sorted(pairs, reverse=True)[:most]]
    return [answer, *(r for r in best if r != answer)][:most]


def real_world(policy, rows, most=16, size=65536, with_kernel=True):
    """Enumerate and differentiate; about one backward pass a response."""
    model, tokenizer = policy.model, policy.tokenizer
    prompts, answers = [], []
    for row in rows:
        text = render(tokenizer, row["prompt"], None, row["prefill"])
        prompts.append(tuple(tokenizer(text, add_special_tokens=False).input_ids))
        answers.append(tuple(tokenizer(row["answer"], add_special_tokens=False).input_ids))
    pi, scores = np.zeros((len(rows), most + 1)), np.zeros((len(rows), most + 1, size), np.float32)
    with selected(model, "all") as parameters:
        sketch = Sketch(parameters.items(), size, seed=0)
        for i, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
            responses = likeliest(model, prompt, answer, most)
            found = shared(model, parameters, sketch, Task(prompt, responses, np.eye(most)), Sampled())
            pi[i, :most] = np.exp(found.logprob_U)
            pi[i, most] = 1 - pi[i].sum()
            scores[i, :most] = found.sketch_GD
            scores[i, most] = -(pi[i, :most, None] * found.sketch_GD).sum(0) / pi[i, most]
        kernel = np.full((len(rows), len(rows)), np.nan)
        p = pi[:, 0]
        if with_kernel:
            p, kernel = exact_kernel(model, parameters, prompts, answers, Sampled())
    right = np.zeros_like(pi)
    right[:, 0] = 1
    return RealWorld(p, kernel, World(pi, scores, right))
