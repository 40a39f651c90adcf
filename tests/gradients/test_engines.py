"""Every fast path against the slow one, on the zoo."""

import numpy as np
import pytest
import torch

from acute.errors import ModelError
from acute.gradients.engines import Passes, Task, expected, gradient_sum, one_by_one, shared
from acute.gradients.forward import Sampled, obeys_masks, response_logprob
from acute.gradients.parameters import selected
from acute.gradients.sketch import Sketch
from tests.policies import ZOO, policy, truly_float64

PROMPT = (5, 9, 3, 9, 40)
RESPONSES = [(7,), (8,), (7, 2), (7, 3), (7, 2, 2), (9, 1, 4, 4, 2), (9, 1, 4, 5, 2), (11, 3), (9, 1, 4)]
COUNTS = np.array(
    [
        [3, 0, 1, 0, 2, 0, 0, 0, 1],
        [0, 2, 0, 1, 0, 1, 1, 4, 0],
        [6, 0, 2, 0, 4, 0, 0, 0, 2],  # a multiple of the first group
        [0, 0, 0, 0, 0, 0, 0, 0, 0],  # an empty group
    ],
    float,
)


DEAF = "mistral-sliding-window"  # its layers do not obey the mask that sharing needs
CASES = [(name, False) for name in ZOO] + [(name, True) for name in ZOO if name != DEAF]


@pytest.fixture
def exact():
    with truly_float64():
        yield


def both(name, sampled, passes):
    model, which = policy(name)
    task = Task(PROMPT, RESPONSES, COUNTS)
    with selected(model, which) as parameters:
        sketch = Sketch(parameters.items(), 512, seed=3)
        return (
            shared(model, parameters, sketch, task, sampled, passes),
            one_by_one(model, parameters, sketch, task, sampled),
        )


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("sampled", [Sampled(), Sampled(0.7, 0.9999)], ids=["plain", "T=0.7"])
@pytest.mark.parametrize("tokens", [1, 15, 1024])
@pytest.mark.parametrize(("name", "share"), CASES)
def test_shared_agrees_with_the_reference(name, share, tokens, sampled):
    fast, slow = both(name, sampled, Passes(tokens, share))
    assert np.abs(slow.sketch_GD).max() > 1e-3
    np.testing.assert_allclose(fast.logprob_U, slow.logprob_U, rtol=0, atol=1e-10)
    scale = np.abs(slow.sketch_GD).max()
    np.testing.assert_allclose(fast.sketch_GD, slow.sketch_GD, rtol=0, atol=1e-10 * scale)


def test_a_nan_is_named_with_its_response():
    model, which = policy("llama-tied")
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[0, 0] = torch.nan
    with selected(model, which) as parameters, pytest.raises(ModelError, match="response tokens"):
        sketch = Sketch(parameters.items(), 512, seed=3)
        shared(model, parameters, sketch, Task(PROMPT, RESPONSES, COUNTS), Sampled())


def test_only_selected_parameters_and_all_back_as_they_were():
    model, _ = policy("llama-tied")
    model.model.norm.weight.requires_grad_(False)
    with selected(model, "final-norm") as parameters:
        assert list(parameters) == ["model.norm.weight"]
        assert [n for n, p in model.named_parameters() if p.requires_grad] == ["model.norm.weight"]
    assert [n for n, p in model.named_parameters() if not p.requires_grad] == ["model.norm.weight"]


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("name", ZOO)
def test_a_model_that_does_not_obey_the_mask_is_noticed(name):
    model, _ = policy(name)
    assert obeys_masks(model, PROMPT, RESPONSES, Sampled()) == (name != DEAF)


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("tokens", [1, 15, 1024])
def test_weighted_gradient_sum(tokens):
    model, which = policy("llama-tied")
    weight = np.linspace(-1, 2, len(RESPONSES))
    with selected(model, which) as parameters:
        found = gradient_sum(model, parameters, PROMPT, RESPONSES, weight, Sampled(), Passes(tokens))
        logprobs = torch.stack([response_logprob(model, PROMPT, r, Sampled()) for r in RESPONSES])
        wanted = torch.autograd.grad((logprobs * torch.from_numpy(weight)).sum(), list(parameters.values()))
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10 * float(b.abs().max()))


@pytest.mark.parametrize("share", [True, False])
def test_weights_of_zero_take_no_pass(share):
    model, which = policy("llama-tied")
    nothing, passes = np.zeros(len(RESPONSES)), Passes(1024, share)
    assert expected(Task(PROMPT, RESPONSES, nothing[None]), passes) == (0, 0)
    with selected(model, which) as parameters:
        found = gradient_sum(model, parameters, PROMPT, RESPONSES, nothing, Sampled(), passes)
    assert found == [None] * len(parameters)


def forward_passes(responses, counts, tokens=1024):
    """How many forward passes `shared` makes, and how many tokens it feeds."""
    model, which = policy("llama-tied")
    fed = []
    model.register_forward_pre_hook(lambda _m, _a, kw: fed.append(kw["input_ids"].shape[1]), with_kwargs=True)
    with selected(model, which) as parameters:
        sketch = Sketch(parameters.items(), 64, seed=0)
        shared(model, parameters, sketch, Task(PROMPT, responses, counts), Sampled(), Passes(tokens))
    return fed


def test_short_answers_are_fed_once_and_long_ones_group_by_group():
    short = [(7, t) for t in range(20)]
    assert forward_passes(short, np.ones((4, 20)) * np.arange(1, 5)[:, None]) == [len(PROMPT) + 1]
    long = [tuple([t] * 30) for t in range(4)]
    assert forward_passes(long, np.eye(4)) == [len(PROMPT) + 29] * 4
    assert forward_passes(long, np.ones((1, 4)), tokens=70) == [len(PROMPT) + 58] * 2
