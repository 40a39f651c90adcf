"""Engines against the reference: the sketch to its stated error on the zoo, all of them on a real model."""

import numpy as np
import pytest
import torch

from acute.gradients.engines import Task, shared
from acute.gradients.forward import Sampled, response_logprob
from acute.gradients.parameters import selected
from acute.gradients.selfcheck import selfcheck
from acute.gradients.sketch import Sketch
from acute.models.load import load_policy
from acute.rollout.hf import Sampling, sample
from tests.gradients.test_engines import DEAF, PROMPT, RESPONSES
from tests.policies import ZOO, policy, truly_float64


def flat_gradients(model, parameters):
    rows = []
    for response in RESPONSES:
        logprob = response_logprob(model, PROMPT, response, Sampled())
        found = torch.autograd.grad(logprob, list(parameters.values()), allow_unused=True)
        pairs = zip(parameters.values(), found, strict=True)
        rows.append(torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for p, g in pairs]))
    return torch.stack(rows).numpy()


@pytest.mark.parametrize("name", [name for name in ZOO if name != DEAF])
def test_sketched_cosines_err_as_stated(name):
    """Root mean square error over pairs and seeds of about 1/√D, and none beyond five times that."""
    model, which = policy(name)
    size, errors = 1024, []
    with truly_float64(), selected(model, which) as parameters:
        exact = flat_gradients(model, parameters)
        norms = np.linalg.norm(exact, axis=1)
        for seed in range(5):
            sketch = Sketch(parameters.items(), size, seed)
            found = shared(
                model, parameters, sketch, Task(PROMPT, RESPONSES, np.eye(len(RESPONSES))), Sampled()
            )
            gram = found.sketch_GD @ found.sketch_GD.T
            errors.append((gram - exact @ exact.T) / np.outer(norms, norms))
    assert np.abs(errors).max() < 5 / size**0.5
    assert np.sqrt(np.mean(np.square(errors))) < 1.5 / size**0.5


def test_a_wrong_engine_is_found_out():
    model, which = policy("llama-tied", torch.float32)
    with selected(model, which) as parameters:
        logprobs = [float(response_logprob(model, PROMPT, r, Sampled())) for r in RESPONSES]
        good = selfcheck(model, parameters, PROMPT, RESPONSES, logprobs, Sampled())
        bad = selfcheck(model, parameters, PROMPT, RESPONSES, [x + 0.1 for x in logprobs], Sampled())
    assert all(check.passed for check in good)
    assert [check.name for check in bad if not check.passed] == ["sampler against scorer, ln π"]


@pytest.mark.model
def test_every_engine_on_a_real_model_to_1e_4():
    loaded = load_policy("bundled:smollm2")
    prompt = tuple(loaded.tokenizer("What is 7 + 5? 7 + 5 =", add_special_tokens=False).input_ids)
    drawn = sample(loaded, [prompt], ["x"], Sampling(16, 1.0, 1.0, 4), seed=0)[0]
    distinct = {s.token_ids: s.logprob for s in drawn}
    some = list(distinct)[:3]
    with selected(loaded.model, "all") as parameters:
        checks = selfcheck(loaded.model, parameters, prompt, some, [distinct[s] for s in some], Sampled())
    for check in checks:
        assert check.passed, check
        if "sketch against" not in check.name:
            assert check.found < 1e-4, check
