"""A run folder from a log of another program: prompts, responses and rewards stand; the model comes later."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from acute.config import Config
from acute.errors import ConfigError, InputError
from acute.integrations.logs import FORMATS
from acute.integrations.logs.rows import Asked
from acute.integrations.logs.tables import Imported, as_tables
from acute.measure.counting import count
from acute.run import Run
from acute.stages import retokenise
from acute.stages.policy import policy_of, tokens_of
from acute.stages.sampling import refuse_too_long

SHARE = 0.9  # of the prompts that must have responses enough for the largest k


def import_log(out: Path, config: Config, most_k: int | None = None) -> Run:
    """Make the run folder `out` from the log that `config.imported` names; `most_k` is the largest k asked.

    With a model the prompts are rendered and the responses' texts tokenised again, so that `acute score` can
    follow. Raises InputError, TableError or ConfigError at the first thing that is not as wanted.
    """
    asked = config.imported
    if asked is None:
        raise InputError("wanted the settings of an import, found none")
    path = Path(asked.path)
    _refuse_changed(out, path)
    log = FORMATS[asked.format](path, Asked(asked.columns, asked.where))
    found = as_tables(log, asked.step, asked.right_above, config.score.folds)
    policy = None if config.counts_only else policy_of(config.model)
    if policy is not None:
        found = tokenised(found, policy, asked.chat, config.sampling.max_tokens)
    run = Run.create(out, _settled(config, found, most_k))
    with run.lock():
        if not run.done("verify"):
            _write(run, found, _digest(path), policy)
    return run


def _refuse_changed(out: Path, path: Path) -> None:
    """InputError if `out` was made from this log as it was before."""
    if (out / "run.json").exists() and path.exists():
        before = Run.open(out).record["stages"].get("prompts", {}).get("log_digest")
        if before is not None and before != _digest(path):
            raise InputError(
                f"{path} is not, or no longer, the log that {out} was made from: choose another --out"
            )


def _write(run: Run, found: Imported, digest: str, policy: Any) -> None:
    # one record for the three stages: an import is whole or not there, so that nothing is sampled in between
    with run.stage("verify") as facts:
        run.write_prompts(found.prompts)
        run.write_responses(found.responses)
        run.record["left_out"].update({f"import, {topic}": said for topic, said in found.notes.items()})
        weights = {} if policy is None else {"model": policy.fingerprint}
        run.record["stages"]["prompts"] = {"prompts": len(found.prompts), "log_digest": digest}
        run.record["stages"]["rollout"] = {"responses": len(found.responses), **weights}
        outcomes = Counter(found.responses["outcome"].to_pylist())
        facts["outcomes"] = {str(name or "no reward"): n for name, n in outcomes.most_common()}


def _digest(path: Path) -> str:
    """A hash of a log's bytes; of a folder, of its files' names and sizes."""
    digest = hashlib.blake2b(digest_size=12)
    if path.is_dir():
        for file in sorted(path.iterdir()):
            digest.update(f"{file.name} {file.stat().st_size}\n".encode())
    else:
        with path.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _settled(config: Config, found: Imported, most_k: int | None) -> Config:
    """The configuration with what the log says of itself: group size, and k that it can answer."""
    n_NM = count(found.responses.to_batches()).n_NM
    usable = n_NM.sum(1) if config.counts_only else n_NM.min(1)
    most = max(1, int(np.quantile(usable, 1 - SHARE, method="lower")))
    # without a model k needs n ≥ k; with one, products pair folds: n / folds ≥ k
    ks = tuple(2**j for j in range(int(np.log2(most)) + 1))
    if most_k is not None and most_k > usable.max():
        raise ConfigError(f"-k {most_k}: no prompt has responses enough, the most is k = {int(usable.max())}")
    if most_k is not None:
        ks = tuple(sorted({k for k in ks if k <= most_k} | {1, most_k}))
    n = max(2, int(n_NM.sum(1).max()))
    if not config.counts_only and ks == (1,):  # fewer than a scored run needs; the analysis will say so
        ks, n = (1, 2), max(n, 2 * config.score.folds)
    return config.model_copy(
        update={
            "sampling": config.sampling.model_copy(update={"n": n}),
            "analyse": config.analyse.model_copy(update={"k": ks}),
        }
    )


def tokenised(found: Imported, policy: Any, chat: bool, max_tokens: int) -> Imported:
    """Prompts as the model sees them, and token ids where the log has none: the text tokenised again.

    A response whose end is not known is taken to have ended by itself, unless it has `max_tokens` tokens.
    """
    from acute.models.render import render

    prompts, responses = found.prompts.to_pylist(), found.responses.to_pylist()
    for row in prompts:
        if row["messages"] is not None:
            row["prompt"] = render(policy.tokenizer, None, json.loads(row["messages"]), None)
        elif chat:
            row["prompt"] = render(policy.tokenizer, row["prompt"], None, None)
        if not row["prompt"]:
            raise InputError(f"prompt {row['prompt_id']!r} has no text: a model cannot be asked about it")
    said: Counter[str] = Counter()
    for row in responses:
        if row["token_ids"] is None:
            row["token_ids"], row["finish"] = _tokens(row, policy, max_tokens, said)
    longest = max(len(row["token_ids"]) for row in responses)
    tokens = [tokens_of(policy.tokenizer, row["prompt"]) for row in prompts]
    refuse_too_long(policy.vocabulary, [row["prompt_id"] for row in prompts], tokens, longest)
    notes = {**found.notes, **retokenise.notes(said, len(responses))}
    if not chat and policy.tokenizer.chat_template and all(row["messages"] is None for row in prompts):
        notes["prompts"] = (
            f"{notes.get('prompts', '')}; taken as the very text that the model continued: where they are a "
            f"user's messages, import with --chat"
        ).removeprefix("; ")
    return Imported(
        pa.Table.from_pylist(prompts, found.prompts.schema),
        pa.Table.from_pylist(responses, found.responses.schema),
        notes,
    )


def _tokens(row: Any, policy: Any, max_tokens: int, said: Counter[str]) -> tuple[list[int], str]:
    if row["response"] is None:
        raise InputError(
            f"response {row['response_id']!r} has no text: a model cannot be asked about it; import without "
            f"--model to ask what counts alone can answer"
        )
    return retokenise.tokens_again(row["response"], row["finish"], policy, max_tokens, said)


def refuse_unknown_model(run: Run) -> None:
    """InputError if the responses are imported and no model is known to score them."""
    if run.config.counts_only:
        raise InputError(
            f"{run.path} was imported without a model, so there are no gradients to take: import again with "
            f"--model NAME, or ask what counts can answer: acute profile {run.path}, acute analyse {run.path}"
        )
