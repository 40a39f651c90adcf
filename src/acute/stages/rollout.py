"""Stage `rollout`."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from acute.errors import InputError
from acute.progress import tracked
from acute.run import Run
from acute.stages.policy import policy_of, tokens_of
from acute.table import RESPONSES, RESPONSES_REQUIRED, response_id, schema_of, table_bytes, table_of


def _rows(policy: Any, folds: int, prompt_id: str, samples: Any) -> Iterator[dict[str, Any]]:
    for j, sample in enumerate(samples):
        ids = sample.token_ids
        spoken = ids[:-1] if ids[-1] in policy.eos_ids else ids
        text = policy.tokenizer.decode(spoken, clean_up_tokenization_spaces=False)
        yield {
            "response_id": response_id(prompt_id, j),
            "prompt_id": prompt_id,
            "fold": j % folds,
            "response": text,
            "token_ids": list(ids),
            "logprob": sample.logprob,
            "finish": sample.finish,
        }


def refuse_too_long(policy: Any, ids: list[str], texts: list[str], max_tokens: int) -> None:
    """InputError, before any sampling, if a prompt and its response may not fit into the model."""
    room = getattr(policy.model.config, "max_position_embeddings", None)
    if room is None:
        return
    for name, text in zip(ids, texts, strict=True):
        length = len(tokens_of(policy.tokenizer, text))
        if length + max_tokens > room:
            raise InputError(
                f"prompt {name!r} has {length} tokens; with sampling.max_tokens = {max_tokens} that is more "
                f"than the {room} positions of this model: shorten the prompt, or lower max_tokens"
            )


def _refuse_other_weights(run: Run, weights: str) -> None:
    """InputError if the parts that a killed run left were sampled from another model."""
    parts = run.parts("rollout")
    for index in parts.indices():
        if (found := parts.made_of(index)) not in (weights, None):
            raise InputError(
                f"{run.path}: sampling was begun with weights {found}, {run.config.model.name!r} now holds "
                f"{weights}: put the former model back, or choose another --out"
            )


def roll_out(run: Run) -> None:
    """Stage `rollout`: n responses a prompt into responses.parquet, saved batch by batch."""
    if run.config.sampling.backend == "openai":
        from acute.stages.server import roll_out_on_server

        roll_out_on_server(run)
        return
    from acute.rollout.hf import Sampling, sample

    config, prompts = run.config, run.prompts()
    policy = policy_of(config.model)
    sampling = Sampling(**config.sampling.model_dump(exclude={"backend", "prompts_at_once"}))
    ids, texts = prompts["prompt_id"].to_pylist(), prompts["prompt"].to_pylist()
    refuse_too_long(policy, ids, texts, config.sampling.max_tokens)
    size = config.sampling.prompts_at_once
    schema = schema_of(RESPONSES, RESPONSES_REQUIRED)
    parts, weights = run.parts("rollout"), policy.fingerprint
    _refuse_other_weights(run, weights)
    with run.stage("rollout") as facts, tracked("rollout", len(ids)) as tracker:
        for start in range(0, len(ids), size):
            some = ids[start : start + size]
            if parts.read(start, weights) is None:
                tokens = [tokens_of(policy.tokenizer, text) for text in texts[start : start + size]]
                drawn = sample(policy, tokens, some, sampling, config.seed, tracker.tokens)
                rows = [
                    row
                    for name, samples in zip(some, drawn, strict=True)
                    for row in _rows(policy, config.score.folds, name, samples)
                ]
                parts.write(start, table_bytes(pa.Table.from_pylist(rows, schema)), weights)
            tracker.advance(len(some))
        responses = pa.concat_tables(map(table_of, parts.contents()))
        run.write_responses(responses)
        facts["responses"] = len(responses)
        facts["model"] = weights
