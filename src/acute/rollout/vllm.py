"""Sampling with vLLM, on GPUs: n responses a prompt, with their log-probabilities as sampled.

Only what is used of vLLM's `LLM`, `SamplingParams`, `TokensPrompt` and `LoRARequest` is relied on, in the
versions that `OLDEST` and `NEWEST` bound. By default vLLM tells log-probabilities of the model before
temperature and nucleus; with `logprobs_mode = "processed_logprobs"` those of the distribution sampled from,
which the first batch of every engine checks.
"""

import gc
import hashlib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from acute.errors import ModelError, OutsideError, in_short
from acute.rollout.sampler import Sample, Sampling

OLDEST, NEWEST = (0, 22), (0, 31)
MOST_AT_ONCE = 16_384  # responses in one request: vLLM's own limit, VLLM_MAX_N_SEQUENCES
RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # of LoRA adapters, that an engine can be made for
NUCLEUS_OF_ONE = 1e-6  # top_p below the probability of any likeliest token


@dataclass(frozen=True)
class Engine:
    """What vLLM runs; see `acute.config.VllmConfig`."""

    model: str
    """Folder or hub id."""
    dtype: str
    longest: int
    """Tokens of the longest prompt and its response together."""
    eos_ids: tuple[int, ...]
    adapter: str | None = None
    tensor_parallel_size: int = 1
    gpu_memory_utilization: float | None = None


def imported() -> Any:
    """The module vllm. Raises OutsideError if it is missing or of another version than is supported."""
    wanted = f"vLLM {'.'.join(map(str, OLDEST))} to {'.'.join(map(str, NEWEST))}"
    try:
        import vllm
    except ImportError as error:
        raise OutsideError(f"wanted {wanted} ({error}): pip install acute[vllm]") from None
    if not is_supported(vllm.__version__):
        raise OutsideError(f"wanted {wanted}, found {vllm.__version__}: pip install acute[vllm]")
    return vllm


def is_supported(version: str) -> bool:
    """Whether a version of vLLM, as "0.31.0", is one that this adapter was written for."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return found is not None and OLDEST <= (int(found[1]), int(found[2])) <= NEWEST


def seed_of(seed: int, name: str) -> int:
    """The seed of a prompt's first response, below 2**62; vLLM adds 1 for each further one.

    62 bits, so that the ranges of two prompts do not meet.
    """
    digest = hashlib.blake2b(f"{seed} {name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 2


class VllmSampler:
    """A `Sampler`: an engine, which starts when first needed (it takes half a minute and more)."""

    fingerprint = None  # weights are in another process

    def __init__(self, engine: Engine, sampling: Sampling, seed: int) -> None:
        """Raises OutsideError as `imported` does."""
        self._vllm = imported()
        self._engine, self._sampling, self._seed = engine, sampling, seed
        self._llm: Any = None
        self._lora: Any = None

    def draw(
        self,
        prompts: Sequence[tuple[int, ...]],
        names: Sequence[str],
        on_tokens: Callable[[int], None] = lambda _: None,
    ) -> list[list[Sample]]:
        """n responses to each prompt (token ids), in order.

        Seeds belong to (seed, name); what else is in a batch can change a token only where rounding does.
        Raises OutsideError if the engine cannot start, ends, or tells other log-probabilities than wanted,
        ModelError if the model gives NaN.
        """
        if self._llm is None:
            self._start()
            self._check(prompts)
        asked, params, n = [], [], self._sampling.n
        for prompt, name in zip(prompts, names, strict=True):
            for at in range(0, n, MOST_AT_ONCE):
                asked.append(prompt)
                params.append(self._params(min(MOST_AT_ONCE, n - at), seed_of(self._seed, name) + at))
        drawn = [sample for outputs in self._generate(asked, params) for sample in outputs]
        on_tokens(sum(len(sample.token_ids) for sample in drawn))
        return [drawn[i * n : (i + 1) * n] for i in range(len(prompts))]

    def close(self) -> None:
        """End the engine and give back the GPU's memory."""
        self._llm = None
        gc.collect()  # the engine is part of a cycle; its process ends once it is collected

    def _start(self) -> None:
        engine, more = self._engine, dict[str, Any]()
        if engine.gpu_memory_utilization is not None:
            more["gpu_memory_utilization"] = engine.gpu_memory_utilization
        if engine.tensor_parallel_size > 1:
            more["distributed_executor_backend"] = "mp"  # also in an actor of Ray, which holds these GPUs
        if engine.adapter is not None:
            from vllm.lora.request import LoRARequest

            self._lora = LoRARequest("adapter", 1, engine.adapter)
            more |= {"enable_lora": True, "max_lora_rank": rank_of(engine.adapter)}
        try:
            self._llm = self._vllm.LLM(
                model=engine.model,
                dtype=engine.dtype,
                tensor_parallel_size=engine.tensor_parallel_size,
                max_model_len=engine.longest,
                seed=0,
                enable_prefix_caching=True,
                logprobs_mode="processed_logprobs",
                generation_config="vllm",  # none of the top-k and penalties that a model's folder may ask for
                **more,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise OutsideError(f"vLLM could not start with {engine.model}: {in_short(error)}") from error

    def _params(self, n: int, seed: int, top_p: float | None = None, max_tokens: int | None = None) -> Any:
        asked = self._sampling
        return self._vllm.SamplingParams(
            n=n,
            seed=seed,
            temperature=asked.temperature,
            top_p=asked.top_p if top_p is None else top_p,
            max_tokens=max_tokens or asked.max_tokens,
            stop=list(asked.stop) or None,
            stop_token_ids=list(self._engine.eos_ids),
            logprobs=0,  # of the tokens drawn alone
            flat_logprobs=True,
            detokenize=bool(asked.stop),
            skip_special_tokens=False,
            include_stop_str_in_output=True,
        )

    def _generate(self, prompts: Sequence[tuple[int, ...]], params: list[Any]) -> list[list[Sample]]:
        from vllm.v1.engine.exceptions import EngineDeadError

        tokens = [self._vllm.TokensPrompt(prompt_token_ids=list(prompt)) for prompt in prompts]
        try:
            found = self._llm.generate(tokens, params, use_tqdm=False, lora_request=self._lora)
        except (EngineDeadError, RuntimeError, ValueError) as error:
            raise OutsideError(f"vLLM ended while it sampled: {in_short(error)}") from error
        outputs = [sorted(request.outputs, key=lambda output: output.index) for request in found]
        for wanted, got in zip(params, outputs, strict=True):
            if len(got) != wanted.n:
                raise OutsideError(f"wanted {wanted.n} responses of vLLM, found {len(got)}")
        return [[_sample(output, self._engine.eos_ids) for output in some] for some in outputs]

    def _check(self, prompts: Sequence[tuple[int, ...]]) -> None:
        """OutsideError unless the only token of a nucleus has probability 1, as when drawn it has."""
        params = [self._params(1, 0, NUCLEUS_OF_ONE, 1) for _ in prompts]
        worst = min(some[0].logprob for some in self._generate(prompts, params))
        if worst < -1e-3:
            raise OutsideError(
                f"vLLM {self._vllm.__version__} tells log-probabilities of another distribution than it "
                f"samples from: wanted 0 for the only token of a nucleus, found {worst:.3f}"
            )


def rank_of(adapter: str) -> int:
    """The rank that an engine must be made for to hold a LoRA adapter. Raises ModelError if there is none."""
    try:
        from peft import PeftConfig
    except ImportError as error:
        raise OutsideError(f"wanted peft for model.adapter ({error}): pip install acute[train]") from None
    try:
        found: Any = PeftConfig.from_pretrained(adapter)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"could not read the adapter {adapter!r}: {in_short(error)}") from error
    rank = max([getattr(found, "r", 0), *(getattr(found, "rank_pattern", None) or {}).values()])
    for fitting in RANKS:
        if 0 < rank <= fitting:
            return fitting
    raise ModelError(f"wanted a LoRA adapter of rank 1 to {RANKS[-1]} for vLLM, found {rank} in {adapter!r}")


def _sample(output: Any, eos_ids: tuple[int, ...]) -> Sample:
    """One of vLLM's outputs, checked."""
    tokens, logprob = tuple(output.token_ids), output.cumulative_logprob
    if logprob is None or len(output.logprobs) != len(tokens) or not tokens:
        raise OutsideError(f"wanted a log-probability of each of {len(tokens)} tokens from vLLM, found none")
    if not math.isfinite(logprob):
        raise ModelError(
            f"the model gives no probabilities for its tokens: vLLM told ln π = {logprob}; are its weights "
            f"whole? Half precision may overflow: try model.dtype = float32"
        )
    if output.finish_reason == "length":
        finish = "length"
    elif output.finish_reason == "stop":
        finish = "eos" if tokens[-1] in eos_ids else "stop"
    else:
        raise OutsideError(f"vLLM gave a response up: finish_reason = {output.finish_reason!r}")
    return Sample(tokens, logprob, finish)
