"""Activations made again on the way back change no number, and are not kept."""

import numpy as np
import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef

from acute.errors import ConfigError
from acute.gradients.checkpointing import checkpointed
from acute.gradients.dots import by_hooks
from acute.gradients.engines import Passes, Task, expected, gradient_sum, shared
from acute.gradients.forward import Sampled
from acute.gradients.parameters import selected
from acute.gradients.sketch import Sketch
from tests.gradients.test_engines import CASES, COUNTS, PROMPT, RESPONSES
from tests.policies import ZOO, policy, truly_float64

TASK = Task(PROMPT, RESPONSES, COUNTS)


def runs_of_blocks(model):
    """A list that grows by one whenever the last block's MLP runs."""
    found = []
    block = (model.model.layers if hasattr(model, "model") else model.transformer.h)[-1]
    block.mlp.register_forward_pre_hook(lambda *_: found.append(1))
    return found


@pytest.mark.parametrize("tokens", [15, 1024])
@pytest.mark.parametrize(("name", "share"), CASES)
def test_sketches_are_the_same(name, share, tokens):
    """At 1,024 tokens one graph serves several backward passes, each of which makes the blocks again."""
    model, which = policy(name)
    with truly_float64(), selected(model, which) as parameters:
        sketch = Sketch(parameters.items(), 512, seed=3)
        plain, again = (
            shared(model, parameters, sketch, TASK, Sampled(0.7, 0.9999), Passes(tokens, share, False, on))
            for on in (False, True)
        )
    np.testing.assert_array_equal(again.logprob_U, plain.logprob_U)
    scale = np.abs(plain.sketch_GD).max()
    assert scale > 1e-3
    np.testing.assert_allclose(again.sketch_GD, plain.sketch_GD, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("name", ZOO)
def test_dots_are_the_same(name):
    model, which = policy(name)
    with truly_float64(), selected(model, which) as parameters:
        along = {n: torch.randn(2, *p.shape, dtype=p.dtype) for n, p in parameters.items()}
        plain = by_hooks(model, along, PROMPT, RESPONSES, Sampled())
        with checkpointed(model):
            again = by_hooks(model, along, PROMPT, RESPONSES, Sampled())
    torch.testing.assert_close(again, plain, rtol=1e-12, atol=1e-12)


def test_blocks_run_once_more_for_each_backward_and_are_left_as_they_were():
    model, which = policy("llama-tied")
    runs = runs_of_blocks(model)
    with selected(model, which) as parameters:
        sketch = Sketch(parameters.items(), 512, seed=3)
        short = Task(PROMPT, [(7, t) for t in range(20)], np.eye(20)[:3])
        for on in (False, True, False):
            shared(model, parameters, sketch, short, Sampled(), Passes(checkpointing=on))
    assert len(runs) == 1 + (1 + 3) + 1
    assert not any("forward" in vars(module) for module in model.modules())


def test_a_forward_of_its_own_is_kept():
    model, _ = policy("llama-tied")
    block = model.model.layers[0]
    own = block.forward
    block.forward = own
    with checkpointed(model):
        assert block.forward is not own
    assert block.forward is own


@pytest.mark.parametrize("engine", ["sum", "dots"])
@pytest.mark.parametrize("on", [False, True])
def test_what_a_block_makes_is_gone_when_the_backward_pass_begins(engine, on):
    model, which = policy("llama-tied")
    made, left = [], []

    def note(_module, args):
        made.append(StorageWeakRef(args[0].untyped_storage()))

    def count(*_):
        left.append(sum(not storage.expired() for storage in made))

    for block in model.model.layers:
        block.mlp.down_proj.register_forward_pre_hook(note)
    watch = lambda _m, _a, out: out.register_hook(count) and None if out.requires_grad else None  # noqa: E731
    model.model.norm.register_forward_hook(watch)
    with selected(model, which) as parameters, checkpointed(model, on):
        if engine == "dots":
            along = {n: torch.ones_like(p)[None] for n, p in parameters.items()}
            by_hooks(model, along, PROMPT, [(7, 8, 9)], Sampled())
        else:
            gradient_sum(model, parameters, PROMPT, [(7, 8, 9)], np.ones(1), Sampled())
    assert left == [0 if on else len(model.model.layers)]


def test_a_backward_pass_costs_a_forward_more():
    assert expected(Task(PROMPT, [(7, 8)], np.ones((1, 1))), Passes())[1] == 3 * 6
    assert expected(Task(PROMPT, [(7, 8)], np.ones((1, 1))), Passes(checkpointing=True))[1] == 4 * 6


def test_a_model_without_blocks_is_refused():
    with pytest.raises(ConfigError, match="list of blocks"), checkpointed(torch.nn.Linear(2, 2)):
        pass
