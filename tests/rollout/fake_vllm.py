"""A stand-in of the calls that acute makes of vLLM 0.22 to 0.31, and of no others.

Signatures as in vLLM's own sources, cut to the arguments used (0.31.0; vllm/entrypoints/llm.py
`LLM.__init__`, `LLM.generate`; vllm/sampling_params.py `SamplingParams`; vllm/inputs/llm.py `TokensPrompt`;
vllm/outputs.py `RequestOutput`, `CompletionOutput`; vllm/lora/request.py `LoRARequest`;
vllm/v1/engine/exceptions.py `EngineDeadError`); another argument is a TypeError. What lies behind is our own
sampler, with vLLM's rules: response i of a request is drawn with `seed + i`
(vllm/v1/engine/parallel_sampling.py), outputs may come in any order, a stop string is looked for in the text.
"""

import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import torch

from acute.models.distribution import next_token_logprobs
from acute.models.load import load_policy


@dataclass(kw_only=True)
class SamplingParams:
    n: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: list[str] | None = None
    stop_token_ids: list[int] | None = None
    max_tokens: int | None = 16
    logprobs: int | None = None
    flat_logprobs: bool = False
    detokenize: bool = True
    skip_special_tokens: bool = True
    include_stop_str_in_output: bool = False


def TokensPrompt(*, prompt_token_ids):
    return {"prompt_token_ids": prompt_token_ids}


@dataclass
class LoRARequest:
    lora_name: str
    lora_int_id: int
    lora_path: str = ""


@dataclass
class CompletionOutput:
    index: int
    text: str
    token_ids: list[int]
    cumulative_logprob: float | None
    logprobs: Any
    finish_reason: str | None = None
    stop_reason: int | str | None = None


@dataclass
class RequestOutput:
    outputs: list[CompletionOutput]


class EngineDeadError(Exception):
    pass


class LLM:
    """Records what it was made with and asked; `change` may spoil an output, `raises` the start or a call."""

    made: ClassVar[list["LLM"]] = []
    raises: ClassVar[dict[str, Exception]] = {}
    change = staticmethod(lambda output: output)
    mode: str | None = None
    """Log-probabilities told instead of those asked for, as another version might."""

    def __init__(
        self,
        model: str,
        *,
        tensor_parallel_size: int = 1,
        dtype: str = "auto",
        seed: int = 0,
        gpu_memory_utilization: float = 0.92,
        max_model_len: int | None = None,
        enable_prefix_caching: bool | None = None,
        logprobs_mode: str = "raw_logprobs",
        generation_config: str = "auto",
        enable_lora: bool = False,
        max_lora_rank: int = 16,
        distributed_executor_backend: str | None = None,
    ):
        self.settings = {name: value for name, value in locals().items() if name != "self"}
        if "start" in self.raises:
            raise self.raises["start"]
        self.asked: list[SamplingParams] = []
        self.loras: list[Any] = []
        self.policy = load_policy(model, dtype, "cpu")
        self.made.append(self)

    def generate(self, prompts, sampling_params=None, *, use_tqdm=True, lora_request=None):
        if "generate" in self.raises:
            raise self.raises["generate"]
        assert use_tqdm is False and len(prompts) == len(sampling_params)
        self.asked += sampling_params
        self.loras.append(lora_request)
        found = []
        for prompt, params in zip(prompts, sampling_params, strict=True):
            tokens = prompt["prompt_token_ids"]
            assert len(tokens) + params.max_tokens <= self.settings["max_model_len"]
            outputs = [self.change(self._draw(tokens, params, i)) for i in range(params.n)]
            found.append(RequestOutput(outputs[::-1]))
        return found

    def _draw(self, prompt, params, index):
        random, drawn, told = np.random.default_rng(params.seed + index), [], []
        finish, reason = None, None
        while finish is None:
            with torch.inference_mode():
                logits = self.policy.model(input_ids=torch.tensor([[*prompt, *drawn]])).logits[0, -1]
            sampled = next_token_logprobs(logits, params.temperature, params.top_p)
            raw = next_token_logprobs(logits, 1.0, 1.0)
            mode = self.mode or self.settings["logprobs_mode"]
            weights = sampled.double().exp().numpy()
            token = int(random.choice(len(weights), p=weights / weights.sum()))
            told.append(float((sampled if mode == "processed_logprobs" else raw)[token]))
            drawn.append(token)
            finish, reason = self._end(drawn, params)
        return CompletionOutput(index, "", drawn, sum(told), told, finish, reason)

    def _end(self, drawn, params):
        if drawn[-1] in (params.stop_token_ids or ()):
            return "stop", None if drawn[-1] == self.policy.tokenizer.eos_token_id else drawn[-1]
        if params.stop:
            assert params.detokenize
            text = self.policy.tokenizer.decode(drawn, skip_special_tokens=params.skip_special_tokens)
            if stop := next((s for s in params.stop if s in text), None):
                return "stop", stop
        return ("length", None) if len(drawn) == params.max_tokens else (None, None)


def install(monkeypatch, version="0.31.0"):
    """Make `import vllm` find the stand-in; returns its class LLM, fresh."""

    class Fresh(LLM):
        made: ClassVar[list[LLM]] = []
        raises: ClassVar[dict[str, Exception]] = {}

    def module(name, **names):
        found = ModuleType(name)
        found.__dict__.update(names)
        monkeypatch.setitem(sys.modules, name, found)

    module("vllm", __version__=version, LLM=Fresh, SamplingParams=SamplingParams, TokensPrompt=TokensPrompt)
    for name in ("vllm.lora", "vllm.v1", "vllm.v1.engine"):
        module(name)
    module("vllm.lora.request", LoRARequest=LoRARequest)
    module("vllm.v1.engine.exceptions", EngineDeadError=EngineDeadError)
    return Fresh
