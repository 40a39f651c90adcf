"""Stage `prompts`."""

import pyarrow as pa

from acute.run import Run
from acute.stages.policy import policy_of
from acute.stages.verify import verifiers
from acute.table import PROMPTS, schema_of

COLUMNS = ("prompt_id", "prompt", "question", "answer", "prefill", "family", "level", "verify")


def make_prompts(run: Run) -> None:
    """Stage `prompts`: rows of the source, rendered as the model sees them, into prompts.parquet."""
    from acute.models.render import render
    from acute.tasks.source import prompt_rows

    config = run.config
    with run.stage("prompts") as facts:
        rows = prompt_rows(**config.prompts.model_dump(), seed=config.seed)
        tokenizer = policy_of(config.model).tokenizer
        for row in rows:
            question, messages = row.get("prompt"), row.pop("messages", None)
            row["question"] = question or messages[-1]["content"]
            row["prompt"] = render(tokenizer, question, messages, row.get("prefill"))
        table = pa.Table.from_pylist(rows, schema_of(PROMPTS, COLUMNS))
        verifiers(
            table, config.verify.kind
        )  # what can never be checked is refused before anything is sampled
        run.write_prompts(table)
        facts["prompts"] = len(rows)
