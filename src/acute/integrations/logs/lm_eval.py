"""lm-evaluation-harness: `samples_TASK_DATE.jsonl`, written by `--log_samples`, a row a document and filter.

A row scores what its filter kept of all responses to the document: one reward. The other responses of a task
with repeats have none. Several files of one task, each of a run with another seed, are several responses.
"""

import re
from pathlib import Path
from typing import Any

from acute.errors import ConfigError, TableError
from acute.integrations.logs.rows import Asked, Log, Logged, Placed, convert, pick, raw_rows

TASK = re.compile(r"samples_(.+)_\d{4}-\d\d-\d\dT[\d.:-]+")


def read(path: Path, asked: Asked) -> Log:
    """Rows of a file or of a folder of files."""
    rows = raw_rows(path, (".jsonl",), asked)
    _one_filter(rows, path)
    metric = asked.columns.get("reward") or _metric(rows, path)
    logged = [one for where, row in rows for one in _responses(where, row, metric, asked)]
    notes = {"rewards": f"the metric {metric!r} of the response that the filter kept"}
    if any(row.reward is None for row in logged):
        notes["repeats"] = (
            "a document has one score, so the responses that the filter left out have no reward"
        )
    return Log(logged, notes)


def _one_filter(rows: list[Placed], path: Path) -> None:
    filters = sorted({str(row.get("filter")) for _, row in rows})
    if len(filters) > 1:
        raise ConfigError(
            f"{path}: wanted one filter, found {', '.join(filters)}: choose with --where filter={filters[0]}"
        )


def _metric(rows: list[Placed], path: Path) -> str:
    """The one metric that every row has as a number."""
    named = rows[0][1].get("metrics")
    names = [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
    found = [name for name in names if isinstance(rows[0][1].get(name), int | float)]
    if len(found) != 1:
        raise ConfigError(
            f"{path}: wanted one metric, found {', '.join(found) or 'none'}: name one by --map reward=METRIC"
        )
    return found[0]


def _responses(where: str, row: dict[str, Any], metric: str, asked: Asked) -> list[Logged]:
    """The responses to one document, that which was scored first."""
    doc = row.get("doc_id")
    if doc is None:
        raise TableError(f"{where}: wanted 'doc_id', found none")
    task = TASK.match(Path(where.rsplit(" ", 2)[0]).name)
    found = {
        "prompt_id": f"{task[1]}/{doc}" if task else doc,
        "prompt": _first(row.get("arguments")),
        "answer": row.get("target"),
        "family": task[1] if task else None,
        **{field: pick(row, column) for field, column in asked.columns.items() if field != "reward"},
    }
    texts: list[str | None] = [*_texts(row.get("resps"))] or [None]
    rewards = [pick(row, metric), *[None] * (len(texts) - 1)]
    return [
        convert(where, {**found, "response": response, "reward": reward})
        for response, reward in zip(texts, rewards, strict=True)
    ]


def _first(arguments: Any) -> str | None:
    """The prompt among {"gen_args_0": {"arg_0": prompt, …}} or [[prompt, …]]."""
    while isinstance(arguments, dict | list) and arguments:
        arguments = next(iter(arguments.values())) if isinstance(arguments, dict) else arguments[0]
    return arguments if isinstance(arguments, str) else None


def _texts(resps: Any) -> list[str]:
    """The generated texts; log-likelihoods of multiple choice are no responses."""
    first = resps[0] if isinstance(resps, list) and resps else None
    if isinstance(first, list) and all(isinstance(text, str) for text in first):
        return first
    return [first] if isinstance(first, str) else []
