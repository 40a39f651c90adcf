"""What sampling needs of a run, here or in a worker of a cluster: tokens, a sampler, rows of its samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from acute.config import Config
from acute.errors import InputError
from acute.stages.policy import policy_of, tokens_of, vocabulary_of
from acute.table import RESPONSES, RESPONSES_REQUIRED, response_id, schema_of

if TYPE_CHECKING:
    from acute.rollout.sampler import Sample, Sampler

Row = dict[str, Any]
Tokens = tuple[int, ...]
SCHEMA = schema_of(RESPONSES, RESPONSES_REQUIRED)


@dataclass(frozen=True)
class Asked:
    """The prompts of a run as they are sampled from: ids, names of their random numbers, tokens."""

    ids: list[str]
    names: list[str]
    tokens: list[Tokens]

    def part(self, start: int, size: int) -> "Asked":
        """`size` prompts from `start` on."""
        here = slice(start, start + size)
        return Asked(self.ids[here], self.names[here], self.tokens[here])


def asked_of(config: Config, prompts: pa.Table) -> Asked:
    """The prompts of a run. Raises InputError, before any sampling, if one is too long for the model."""
    from acute.rollout.sampler import names_of_streams

    vocabulary = vocabulary_of(config.model)
    ids, texts = prompts["prompt_id"].to_pylist(), prompts["prompt"].to_pylist()
    tokens = [tokens_of(vocabulary.tokenizer, text) for text in texts]
    refuse_too_long(vocabulary, ids, tokens, config.sampling.max_tokens)
    return Asked(ids, names_of_streams(ids), tokens)


def refuse_too_long(vocabulary: Any, ids: list[str], tokens: Sequence[Tokens], max_tokens: int) -> None:
    """InputError, before any sampling, if a prompt and its response may not fit into the model."""
    room = vocabulary.positions
    for name, prompt in zip(ids, tokens, strict=True):
        if room is not None and len(prompt) + max_tokens > room:
            raise InputError(
                f"prompt {name!r} has {len(prompt)} tokens; with sampling.max_tokens = {max_tokens} that is "
                f"more than the {room} positions of this model: shorten the prompt, or lower max_tokens"
            )


def longest_of(config: Config, asked: Asked) -> int:
    """Tokens of the longest prompt and its response together."""
    return max(map(len, asked.tokens)) + config.sampling.max_tokens


def sampler_of(config: Config, longest: int) -> "Sampler":
    """The sampler that the configuration asks for: of the loaded policy, or vLLM's engine.

    `longest`: tokens of the longest prompt and its response. Raises ModelError or OutsideError.
    """
    from acute.rollout.sampler import Sampling

    sampling = Sampling(**config.sampling.model_dump(exclude={"backend", "prompts_at_once"}))
    if not config.uses_vllm:
        from acute.rollout.hf import PolicySampler

        return PolicySampler(policy_of(config.model), sampling, config.seed)
    from acute.models.load import folder_of
    from acute.rollout.vllm import Engine, VllmSampler

    engine = Engine(
        model=folder_of(config.model.name),
        dtype=config.model.dtype,
        longest=longest,
        eos_ids=vocabulary_of(config.model).eos_ids,
        adapter=config.model.adapter,
        **({} if config.vllm is None else config.vllm.model_dump()),
    )
    return VllmSampler(engine, sampling, config.seed)


def rows_of(config: Config, asked: Asked, drawn: Sequence[Sequence["Sample"]]) -> pa.Table:
    """The rows of responses.parquet of a batch of prompts and the samples of each."""
    vocabulary = vocabulary_of(config.model)
    rows = [
        row
        for prompt_id, samples in zip(asked.ids, drawn, strict=True)
        for row in _rows(vocabulary, config.score.folds, prompt_id, samples)
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def _rows(vocabulary: Any, folds: int, prompt_id: str, samples: Sequence["Sample"]) -> list[Row]:
    rows = []
    for j, sample in enumerate(samples):
        ids = sample.token_ids
        spoken = ids[:-1] if ids[-1] in vocabulary.eos_ids else ids
        text = vocabulary.tokenizer.decode(spoken, clean_up_tokenization_spaces=False)
        rows.append(
            {
                "response_id": response_id(prompt_id, j),
                "prompt_id": prompt_id,
                "fold": j % folds,
                "response": text,
                "token_ids": list(ids),
                "logprob": sample.logprob,
                "finish": sample.finish,
            }
        )
    return rows
