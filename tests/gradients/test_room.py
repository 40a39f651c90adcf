"""A pass that finds no memory is made again in halves; the numbers are the same."""

import numpy as np
import pytest
import torch

from acute.errors import ModelError
from acute.gradients.engines import Passes, Task, gradient_sum, shared
from acute.gradients.forward import Sampled
from acute.gradients.parameters import selected
from acute.gradients.room import Room
from acute.gradients.sketch import Sketch
from tests.gradients.test_engines import COUNTS, PROMPT, RESPONSES
from tests.policies import policy, truly_float64

LONGEST = len(PROMPT) + max(map(len, RESPONSES)) - 1
ERRORS = {
    "GPU": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "CPU": RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
    "Python": MemoryError(),
}


def short_of_memory(model, most, error, backward):
    """The model fails on more than `most` tokens, on the way forward or on the way back."""
    fed = []

    def refuse(size):
        if size > most:
            raise error

    def hook(_module, _args, out):
        fed.append(out.shape[1])
        if backward:
            out.register_hook(lambda _: refuse(out.shape[1]))
        else:
            refuse(out.shape[1])

    model.model.norm.register_forward_hook(hook)
    return fed


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_then_activations_are_made_again_and_then_it_is_said(error):
    """Fewer tokens come first: they cost nothing."""
    asked = []

    def work(passes):
        asked.append((passes.tokens, passes.checkpointing))
        if not passes.checkpointing:
            raise error
        return "found"

    room = Room(Passes(64))
    assert room.run(work, 30, ()) == "found"
    assert asked == [(64, False), (32, False), (30, False), (30, True)]
    assert room.passes == Passes(30, checkpointing=True)
    room = Room(Passes(64), can_checkpoint=False)
    with pytest.raises(ModelError, match=r"single response \(30 tokens"):
        room.run(work, 30, ())


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_half_the_tokens_give_the_same_numbers(error, backward):
    task = Task(PROMPT, RESPONSES, COUNTS)
    found, rooms, sums = [], [], []
    for most in (10**6, 10):
        model, _ = policy("llama-tied")
        with truly_float64(), selected(model, "all") as parameters:
            fed = short_of_memory(model, most, error, backward)
            sketch, room = Sketch(parameters.items(), 512, 3), Room(Passes(64))

            def work(passes, model=model, parameters=parameters, sketch=sketch):
                return shared(model, parameters, sketch, task, Sampled(), passes)

            def total(passes, model=model, parameters=parameters):
                return gradient_sum(model, parameters, PROMPT, RESPONSES, COUNTS[1], Sampled(), passes)

            sums.append(Room(Passes(64)).run(total, LONGEST, parameters.values()))
            found.append(room.run(work, LONGEST, parameters.values()))
            rooms.append(room.passes.tokens)
            del fed[:]
            work(room.passes)
            assert max(fed) <= most
    assert rooms == [64, LONGEST]
    np.testing.assert_allclose(found[0].sketch_GD, found[1].sketch_GD, atol=1e-10)
    np.testing.assert_allclose(found[0].logprob_U, found[1].logprob_U, atol=1e-10)
    for a, b in zip(*sums, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10 * float(a.abs().max()))


def refusing(error):
    def work(_passes):
        raise error

    return work


def test_where_one_response_is_too_much_it_is_said():
    room = Room(Passes(64))
    with pytest.raises(ModelError, match=r"single response \(9 tokens"):
        room.run(refusing(MemoryError()), 9, ())


def test_other_errors_and_ranks_that_keep_step_change_nothing():
    room = Room(Passes(64))
    with pytest.raises(RuntimeError, match="shapes"):
        room.run(refusing(RuntimeError("shapes do not fit")), 9, ())
    in_step = Room(Passes(64, one_backward=True))
    with pytest.raises(torch.OutOfMemoryError):
        in_step.run(refusing(torch.OutOfMemoryError("CUDA out of memory")), 9, ())
    assert (room.passes.tokens, in_step.passes.tokens) == (64, 64)
