"""Do the fast paths agree with the slow reference on this very model?

Nothing of the measurement can be trusted on a model on which this fails.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from acute.errors import ModelError
from acute.gradients.dots import by_forward_mode, by_hooks
from acute.gradients.engines import Passes, Task, one_by_one, shared
from acute.gradients.forward import Sampled, obeys_masks, response_logprob
from acute.gradients.sketch import Sketch
from acute.gradients.trie import Tokens

# wanted relative agreement; bfloat16 keeps 8 bits
TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.05}


@dataclass(frozen=True)
class Check:
    """One comparison: the largest relative difference found, and the largest that is accepted."""

    name: str
    found: float | None
    wanted: float
    note: str = ""

    @property
    def passed(self) -> bool:
        """False also where the check could not be made."""
        return self.found is not None and self.found <= self.wanted


def _relative(found: Any, wanted: Any) -> float:
    found, wanted = np.asarray(found, float), np.asarray(wanted, float)
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def selfcheck(
    model: Any,
    parameters: dict[str, nn.Parameter],
    prompt: Tokens,
    responses: list[Tokens],
    sampler_logprobs: list[float],
    sampled: Sampled,
    seed: int = 0,
) -> list[Check]:
    """Hold every engine against one backward a response, on distinct responses to one prompt.

    `sampler_logprobs` are what the sampler said of the same responses (nats).
    """
    dtype = next(iter(parameters.values())).dtype
    wanted = TOLERANCE[dtype]
    sketch = Sketch(parameters.items(), 65536, seed)
    task = Task(prompt, responses, np.eye(len(responses)))
    slow = one_by_one(model, parameters, sketch, task, sampled)
    share = obeys_masks(model, prompt, responses, sampled)
    fast = shared(model, parameters, sketch, task, sampled, Passes(share=share))
    direction = _gradient(model, parameters, prompt, responses[0], sampled)
    exact = _exact_dots(model, parameters, prompt, responses, direction, sampled)
    sketched = slow.sketch_GD.astype(float) @ sketch.fold(direction.values()).double().cpu().numpy()
    norms = np.linalg.norm(slow.sketch_GD.astype(float), axis=1)
    checks = [
        Check("sampler against scorer, ln π", _relative(sampler_logprobs, slow.logprob_U), wanted),
        Check(
            "shared prefixes against reference",
            _relative(fast.sketch_GD, slow.sketch_GD),
            wanted,
            "" if share else "this model does not obey the mask that sharing needs: padded rows are used",
        ),
        Check(
            "sketch against exact inner products",
            float(np.abs((sketched - exact) / (norms * norms[0])).max()),
            5 / sketch.size**0.5 + wanted,
            "in units of the norms; a sketch of D numbers errs by about 1/√D",
        ),
    ]
    along = {name: tensor[None] for name, tensor in direction.items()}
    engines: dict[str, Callable[[], Tensor]] = {
        "dots by hooks": lambda: by_hooks(model, along, prompt, responses, sampled)[0],
        "dots by forward mode": lambda: by_forward_mode(model, direction, prompt, responses, sampled),
    }
    for name, engine in engines.items():
        try:
            found = engine().double().cpu().numpy()
            checks.append(Check(f"{name} against reference", _relative(found, exact), wanted))
        except (ModelError, NotImplementedError, RuntimeError) as error:
            checks.append(Check(f"{name} against reference", None, wanted, str(error).split("\n")[0]))
    return checks


def _gradient(
    model: Any, parameters: dict[str, nn.Parameter], prompt: Tokens, response: Tokens, sampled: Sampled
) -> dict[str, Tensor]:
    logprob = response_logprob(model, prompt, response, sampled)
    found = torch.autograd.grad(logprob, list(parameters.values()), allow_unused=True)
    pairs = zip(parameters.items(), found, strict=True)
    return {name: torch.zeros_like(p) if g is None else g for (name, p), g in pairs}


def _exact_dots(
    model: Any,
    parameters: dict[str, nn.Parameter],
    prompt: Tokens,
    responses: list[Tokens],
    direction: dict[str, Tensor],
    sampled: Sampled,
) -> np.ndarray[Any, np.dtype[np.float64]]:
    rows = []
    for response in responses:
        gradient = _gradient(model, parameters, prompt, response, sampled)
        rows.append(sum(float(torch.sum(g * direction[n], dtype=torch.float64)) for n, g in gradient.items()))
    return np.array(rows)
