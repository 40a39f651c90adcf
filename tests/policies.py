"""A zoo of awkward tiny policies, made in memory, and how to make them truly float64."""

from contextlib import contextmanager
from unittest.mock import patch

import torch
import transformers
from transformers.models.llama import modeling_llama
from transformers.models.mistral import modeling_mistral
from transformers.models.qwen2 import modeling_qwen2

VOCABULARY = 61
LLAMA = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4}


def _llama(tied):
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY, num_key_value_heads=2, tie_word_embeddings=tied, **LLAMA
    )
    return transformers.LlamaForCausalLM(config)


def _qwen():
    config = transformers.Qwen2Config(
        vocab_size=VOCABULARY, num_key_value_heads=2, tie_word_embeddings=True, **LLAMA
    )
    return transformers.Qwen2ForCausalLM(config)


def _mistral():
    """Its attention forgets: the window is shorter than most prompts."""
    config = transformers.MistralConfig(
        vocab_size=VOCABULARY, num_key_value_heads=2, sliding_window=4, **LLAMA
    )
    return transformers.MistralForCausalLM(config)


def _gpt2(dropout):
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY,
        n_embd=16,
        n_layer=3,
        n_head=4,
        n_positions=128,
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=dropout,
    )
    return transformers.GPT2LMHeadModel(config)


def _lora():
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(
        _llama(tied=True), LoraConfig(r=2, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM")
    )
    for name, parameter in model.named_parameters():
        if "lora_B" in name:  # PEFT starts B at zero, which would hide an error in A's gradient
            torch.nn.init.normal_(parameter, std=0.1)
    return model


# name: (maker, score.parameters)
ZOO = {
    "llama-tied": (lambda: _llama(True), "all"),
    "llama-untied": (lambda: _llama(False), "all"),
    "qwen-tied-biases": (_qwen, "all"),
    "mistral-sliding-window": (_mistral, "all"),
    "gpt2": (lambda: _gpt2(0.0), "all"),
    "gpt2-dropout-present": (lambda: _gpt2(0.3), "all"),
    "llama-lora": (_lora, "lora"),
    "llama-frozen-but-mlp": (lambda: _llama(True), "mlp"),
    "llama-final-state": (lambda: _llama(True), "final-state"),
    "llama-final-norm": (lambda: _llama(True), "final-norm"),
    "gpt2-final-norm": (lambda: _gpt2(0.0), "final-norm"),
    "llama-lm-head-untied": (lambda: _llama(False), "lm_head"),
    "qwen-last-block": (_qwen, "last-block"),
}


def policy(name, dtype=torch.float64):
    """A policy of the zoo with weights large enough to matter, and its score.parameters."""
    maker, parameters = ZOO[name]
    torch.manual_seed(0)
    model = maker()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(6)  # random-initialised models are so flat that errors hide
    return model.to(dtype).eval(), parameters


def _rms_norm(self, hidden):
    """RMSNorm without the cast to float32 that transformers hard-codes."""
    variance = hidden.pow(2).mean(-1, keepdim=True)
    return self.weight * (hidden * torch.rsqrt(variance + self.variance_epsilon))


@contextmanager
def truly_float64():
    """Within the block `.double()` Llama, Mistral and Qwen models compute in float64 throughout."""
    with (
        patch.object(modeling_llama.LlamaRMSNorm, "forward", _rms_norm),
        patch.object(modeling_mistral.MistralRMSNorm, "forward", _rms_norm),
        patch.object(modeling_qwen2.Qwen2RMSNorm, "forward", _rms_norm),
    ):
        yield
