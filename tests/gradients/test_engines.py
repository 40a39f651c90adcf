"""Every fast path against the slow one, on the zoo."""

import numpy as np
import pytest
import torch

from acute.errors import ModelError
from acute.gradients.engines import Task, one_by_one, shared
from acute.gradients.forward import Sampled
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


@pytest.fixture
def exact():
    with truly_float64():
        yield


def both(name, sampled, rows_at_once=64):
    model, which = policy(name)
    task = Task(PROMPT, RESPONSES, COUNTS)
    with selected(model, which) as parameters:
        sketch = Sketch(parameters.items(), 512, seed=3)
        return (
            shared(model, parameters, sketch, task, sampled, rows_at_once),
            one_by_one(model, parameters, sketch, task, sampled),
        )


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("sampled", [Sampled(), Sampled(0.7, 0.9999)], ids=["plain", "T=0.7"])
@pytest.mark.parametrize("rows_at_once", [1, 2, 64])
@pytest.mark.parametrize("name", ZOO)
def test_shared_agrees_with_the_reference(name, rows_at_once, sampled):
    fast, slow = both(name, sampled, rows_at_once)
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
