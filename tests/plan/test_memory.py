"""Bytes against what torch keeps, and against counts by hand."""

import pytest
import torch
import transformers

from acute.gradients.store import part_bytes
from acute.plan import memory
from acute.stages.plan import sizes_of
from tests.plan.test_flops import LLAMA


def model():
    config = transformers.LlamaConfig(**LLAMA, attn_implementation="sdpa")
    return transformers.LlamaForCausalLM(config)


def test_activations_are_what_backward_keeps():
    policy, tokens = model(), 256
    own = {p.data_ptr() for p in policy.parameters()}
    kept = {}

    def keep(x):
        storage = x.untyped_storage()
        if x.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        policy.model(torch.ones(1, tokens, dtype=torch.long), use_cache=False)
    found = memory.activations(sizes_of(policy), 4, tokens)
    assert found == pytest.approx(sum(kept.values()), rel=0.5)


def test_the_cache_is_keys_and_values_of_every_layer():
    policy = model()
    out = policy(torch.ones(3, 10, dtype=torch.long), use_cache=True)
    held = sum(x.nbytes for layer in out.past_key_values.layers for x in (layer.keys, layer.values))
    assert memory.cache(sizes_of(policy), 4, 30) == held


def test_a_prompts_sketches_take_so_many_bytes_on_disk():
    import numpy as np

    size = 512
    held = len(part_bytes(np.zeros((2, 2, size)), {}))
    assert memory.sketches(1, 2, size) == pytest.approx(held, rel=0.15)
    assert memory.sketches(100_000, 2, 65_536) == 104_857_600_000  # 105 GB


def test_a_pass_is_its_parts_and_shards_shrink_with_the_ranks():
    shape = sizes_of(model())
    one = memory.Pass(100, 50)
    eight, sixteen = (memory.scoring(shape, 2, one, ranks=ranks) for ranks in (8, 16))
    assert eight > sixteen
    assert memory.scoring(shape, 2, one) - memory.scoring(shape, 2, memory.Pass(0, 0)) == (
        memory.activations(shape, 2, 100) + memory.logits(shape, 50) + memory.mask(100, 2)
    )
    assert eight - sixteen == pytest.approx(memory.weights(shape, 2) / 16)


def test_metric_adam_holds_a_scale_for_every_weight():
    shape, one = sizes_of(model()), memory.Pass(1, 1)
    assert memory.scoring(shape, 2, one, True) - memory.scoring(shape, 2, one) == 4 * shape.stored


def test_a_gradient_of_the_last_layer_keeps_that_layer_alone():
    shape = sizes_of(model())
    assert memory.activations(shape, 2, 100, 0.25) == memory.activations(shape, 2, 100) / 4
    assert memory.activations(shape, 2, 100, 0.0) == memory.activations(shape, 2, 100) / 4
