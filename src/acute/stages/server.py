"""Stage `rollout` with `sampling.backend = "openai"`: responses drawn by a server."""

import json
import os
from collections import Counter
from typing import Any

import pyarrow as pa

from acute.config import Config, ServerConfig
from acute.errors import InputError, OutsideError
from acute.progress import tracked
from acute.run import Run
from acute.stages.policy import policy_of, tokens_of
from acute.stages.retokenise import notes, tokens_again, with_end
from acute.table import RESPONSES, RESPONSES_REQUIRED, response_id, schema_of, table_bytes, table_of

Row = dict[str, Any]
SCHEMA = schema_of(RESPONSES, RESPONSES_REQUIRED)
HEAD = "server, "


def roll_out_on_server(run: Run) -> None:
    """n responses a prompt into responses.parquet, saved prompt by prompt; what was not told is said."""
    try:
        from acute.rollout.openai import Client
    except ImportError as error:
        raise OutsideError(f"wanted httpx2 ({error}): pip install acute[openai]") from None
    config, prompts = run.config, run.prompts().to_pylist()
    policy = None if config.counts_only else policy_of(config.model)
    questions = _questions(config, prompts, policy)
    index = {row["prompt_id"]: i for i, row in enumerate(prompts)}
    parts = run.parts("rollout")
    waiting = [q for q in questions if parts.read(index[q.prompt_id]) is None]
    faults: Counter[str] = Counter()
    with run.stage("rollout") as facts, tracked("rollout", len(prompts)) as tracker:
        tracker.advance(len(prompts) - len(waiting))
        client = Client(*_settings(config), config.seed)
        for answer in client.answers(waiting):
            table = pa.Table.from_pylist(_rows(config, answer, policy), SCHEMA)
            parts.write(index[answer.prompt_id], table_bytes(table))
            faults.update(answer.faults)
            tracker.tokens(sum(drawn.tokens or 0 for drawn in answer.drawn))
            tracker.advance()
        responses = pa.concat_tables(map(table_of, parts.contents()))
        responses, said = _with_tokens(config, responses, policy)
        if late := sum(times for kind, times in faults.items() if kind == "timeout"):
            said["timeouts"] = (
                f"{late} requests were not answered in time and asked again: where long responses are "
                f"the slow ones, there are too few of them"
            )
        run.write_responses(responses)
        facts["responses"], facts["server_faults"] = len(responses), dict(faults)
        run.remember("left_out", {f"{HEAD}{topic}": sentence for topic, sentence in said.items()})


def _server(config: Config) -> ServerConfig:
    if config.server is None:
        raise InputError('sampling.backend = "openai" needs a section [server] with the url')
    return config.server


def _settings(config: Config) -> tuple[Any, Any]:
    from acute.rollout.openai import Asked, Server

    server, sampling = _server(config), config.sampling
    key = os.environ.get(server.key_variable)
    settings = server.model_dump(exclude={"key_variable", "model"})
    return (
        Server(**settings, model=server.model or config.model.name, key=key),
        Asked(sampling.n, sampling.temperature, sampling.top_p, sampling.max_tokens, sampling.stop),
    )


def _questions(config: Config, prompts: list[Row], policy: Any) -> list[Any]:
    """Prompts as the server is asked: token ids, so that it adds none of its own; or chat messages."""
    from acute.rollout.openai import Question

    if _server(config).api == "completions":
        if policy is None:
            return [Question(row["prompt_id"], row["prompt"]) for row in prompts]
        return [
            Question(row["prompt_id"], list(tokens_of(policy.tokenizer, row["prompt"]))) for row in prompts
        ]
    if begun := next((row["prompt_id"] for row in prompts if row["prefill"]), None):
        raise InputError(
            f'prompt {begun!r} has a prefill: wanted server.api = "completions", which can begin so'
        )
    return [Question(row["prompt_id"], _messages(row)) for row in prompts]


def _messages(row: Row) -> list[dict[str, str]]:
    if row.get("messages") is not None:
        found: list[dict[str, str]] = json.loads(row["messages"])
        return found
    return [{"role": "user", "content": row["question"]}]


def _rows(config: Config, answer: Any, policy: Any) -> list[Row]:
    """The rows of one prompt, as the server told them."""
    plain = config.sampling.temperature == 1 and config.sampling.top_p == 1
    rows = []
    for j, drawn in enumerate(answer.drawn):
        ids, logprob = drawn.token_ids, drawn.logprob if plain else None
        if ids is not None and policy is not None and drawn.finish is not None:
            whole = with_end(list(ids), drawn.finish, policy)
            if len(whole) > len(ids):
                ids, logprob = whole, None  # the end token's own probability was not told
        if ids is None and policy is not None and logprob is not None:
            again = tokens_again(drawn.text, drawn.finish, policy, config.sampling.max_tokens, Counter())[0]
            if len(again) != drawn.tokens:
                logprob = None  # of another number of tokens: not to be compared
        rows.append(
            {
                "response_id": response_id(answer.prompt_id, j),
                "prompt_id": answer.prompt_id,
                "fold": j % config.score.folds,
                "response": drawn.text,
                "token_ids": ids,
                "logprob": logprob,
                "finish": drawn.finish,
            }
        )
    return rows


def _with_tokens(config: Config, responses: pa.Table, policy: Any) -> tuple[pa.Table, dict[str, str]]:
    """The responses with the tokens that scoring needs, and what is said of what the server did not tell."""
    rows, said = responses.to_pylist(), Counter[str]()
    if policy is not None:
        for row in rows:
            if row["token_ids"] is None:
                row["token_ids"], row["finish"] = tokens_again(
                    row["response"], row["finish"], policy, config.sampling.max_tokens, said
                )
    found = notes(said, len(rows))
    if missing := sum(row["logprob"] is None for row in rows):
        plain = config.sampling.temperature == 1 and config.sampling.top_p == 1
        why = "the server gave none" if plain else "servers tell those at temperature 1 and top_p 1 alone"
        found["log-probabilities"] = (
            f"unknown for {missing} of {len(rows)} responses ({why}): for these it is not checked that the "
            f"server samples from the model that is scored"
        )
    if _server(config).api == "chat" and policy is not None:
        found["prompts"] = (
            "the server rendered the chat: its template may differ from that of the model scored"
        )
    return pa.Table.from_pylist(rows, SCHEMA), found
