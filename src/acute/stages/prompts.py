"""Stage `prompts`."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from acute.config import Config, PromptsConfig
from acute.errors import InputError
from acute.run import Run
from acute.stages.policy import vocabulary_of
from acute.stages.verify import refuse_uncheckable
from acute.table import PROMPTS, schema_of

COLUMNS = ("prompt_id", "prompt", "question", "answer", "prefill", "messages", "family", "level", "verify")


def make_prompts(run: Run) -> None:
    """Stage `prompts`: rows of the source, rendered as the model sees them, into prompts.parquet."""
    config = run.config
    if config.imported is not None:
        raise InputError(f"{run.path} was imported: acute import makes its prompts again, acute run cannot")
    with run.stage("prompts") as facts:
        rows = rendered(config, None if config.counts_only else vocabulary_of(config.model).tokenizer)
        table = pa.Table.from_pylist(rows, schema_of(PROMPTS, COLUMNS))
        refuse_uncheckable(table, config.verify)
        run.write_prompts(table)
        facts.update(prompts=len(rows), source_digest=_digest(config.prompts))


def rendered(config: Config, tokenizer: Any) -> list[dict[str, Any]]:
    """The rows of a source as prompts.parquet holds them; `tokenizer` None: of a model that none is known of.

    Raises what `prompt_rows` and `render` raise.
    """
    from acute.models.render import render
    from acute.tasks.source import Source, prompt_rows

    chat = tokenizer is None or tokenizer.chat_template is not None  # a server has one of its own
    rows = prompt_rows(Source(**config.prompts.model_dump()), config.seed, chat)
    for row in rows:
        question, messages = row.get("prompt"), row.pop("messages", None)
        row["question"] = question or messages[-1]["content"]
        row["prompt"] = (
            row["question"]  # a server's model, of which nothing but its answers is known
            if tokenizer is None
            else render(tokenizer, question, messages, row.get("prefill"))
        )
        row["messages"] = None if messages is None else json.dumps(messages, ensure_ascii=False)
    return rows


def _digest(prompts: PromptsConfig) -> str | None:
    """A hash of a prompt file's bytes; None for what is no file, or is no longer there."""
    try:
        return hashlib.blake2b(Path(prompts.path or prompts.source).read_bytes(), digest_size=12).hexdigest()
    except OSError:
        return None


def refuse_edited_prompts(run: Run) -> None:
    """InputError if the prompt file is another one than when the run's prompts were made from it."""
    prompts = run.config.prompts
    then, now = run.record["stages"]["prompts"].get("source_digest"), _digest(prompts)
    if then is not None and now is not None and then != now:
        raise InputError(
            f"{prompts.path or prompts.source} has changed since {run.path} was made from it: choose another "
            f"--out, or remove the folder"
        )
