"""Formulas against operations that torch counts while a small model runs, and against counts by hand."""

import pytest
import torch
import transformers
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from acute.gradients.parameters import selected
from acute.plan import flops
from acute.plan.shape import every
from acute.plan.tokens import Load
from acute.plan.work import Scored, analyse, decode, prefill, score, trainer
from acute.stages.plan import chosen_of, sizes_of

LLAMA = {
    "vocab_size": 96,
    "hidden_size": 64,
    "intermediate_size": 80,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
MODELS = {
    "llama, tied": lambda: transformers.LlamaForCausalLM(
        transformers.LlamaConfig(**LLAMA, tie_word_embeddings=True)
    ),
    "llama, own unembedding": lambda: transformers.LlamaForCausalLM(
        transformers.LlamaConfig(**LLAMA, tie_word_embeddings=False)
    ),
    "wide heads": lambda: transformers.LlamaForCausalLM(transformers.LlamaConfig(**LLAMA, head_dim=32)),
    "qwen2, biases": lambda: transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**LLAMA)),
}
TOKENS, PREDICTED = 24, 7
SHAPE = sizes_of(MODELS["llama, tied"]())


def counted(run):
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        run()
    return counter.get_total_flops()


def loss(model):
    out = model(torch.ones(1, TOKENS, dtype=torch.long), logits_to_keep=PREDICTED, use_cache=False)
    return out.logits.log_softmax(-1)[..., 0].sum()


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_forward_pass(make):
    model = make()
    shape = sizes_of(model)
    assert shape.stored == sum(p.numel() for p in model.parameters())
    found = flops.forward(shape, TOKENS, PREDICTED, TOKENS**2)
    assert found == pytest.approx(counted(lambda: loss(model)), rel=0.005)


@pytest.mark.parametrize("which", ["all", "last-block", "lm_head", r"layers\.[23]\."])
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_backward_pass(make, which):
    model = make()
    shape = sizes_of(model)
    with selected(model, which):
        with sdpa_kernel(SDPBackend.MATH):  # torch does not count the fused kernel of CPUs
            value = loss(model)
        truth = counted(lambda: value.backward())
    found = flops.backward(shape, TOKENS, PREDICTED, TOKENS**2, chosen_of(model, which))
    assert found == pytest.approx(truth, rel=0.06)


def test_experts_count_as_often_as_a_token_meets_them():
    config = transformers.Qwen3MoeConfig(
        **LLAMA, moe_intermediate_size=48, num_experts=8, num_experts_per_tok=2, decoder_sparse_step=1
    )
    model = transformers.Qwen3MoeForCausalLM(config)
    shape = sizes_of(model)
    experts = 4 * 8 * 3 * 64 * 48
    assert shape.stored - shape.body - 2 * shape.table == pytest.approx(experts * 6 / 8, rel=0.01)


def test_a_trainers_pass_is_six_operations_a_weight_and_token():
    shape = sizes_of(MODELS["llama, own unembedding"]())
    load = Load(prompts=3, n=8, prompt_tokens=100, response_tokens=200)
    products = 6 * shape.body * 3 * 8 * 300 + 6 * shape.table * 3 * 8 * 200
    pairs = 3 * 4 * shape.layers * shape.attention * 3 * 8 * 300**2
    assert trainer(shape, load) == pytest.approx(products + pairs, rel=0.03)


def test_sampling_feeds_prompts_once_and_every_token_once():
    shape = sizes_of(MODELS["llama, tied"]())
    load = Load(prompts=5, n=8, prompt_tokens=10, response_tokens=6, distinct=0.5)
    one = 2 * (shape.body + shape.table)
    assert prefill(shape, load) == 5 * (2 * shape.body * 10 + 2 * shape.table + 4 * 4 * 64 * 100)
    assert decode(shape, load) == 0.5 * 5 * 8 * 6 * (one + 4 * 4 * 64 * 13)


def test_prompts_without_a_signal_are_not_scored():
    shape = sizes_of(MODELS["llama, tied"]())
    scored = Scored(folds=2, sketch_size=64, at_once=1024, selected=every(SHAPE))
    whole, half = (score(shape, Load(10, 8, 20, 30, signal=signal), scored) for signal in (1.0, 0.5))
    assert half == whole / 2


def test_the_analysis_grows_with_prompts_and_not_with_their_square():
    scored = Scored(folds=2, sketch_size=1024, at_once=1024, selected=every(SHAPE))
    one, ten = (analyse(N, scored, 16, kernel=False) for N in (10_000, 100_000))
    assert ten == pytest.approx(10 * one)
    assert analyse(2000, scored, 16, True) - analyse(2000, scored, 16, False) == 2 * 2000**2 * 3 * 1024
