"""inspect_ai: an evaluation log as JSON, a sample and epoch a response. A folder may hold several."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from acute.errors import ConfigError, InputError, TableError
from acute.integrations.logs.rows import Asked, Log, Placed, convert, kept, number, parsed, pick, read_json

GRADES = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}  # correct, incorrect, partial, no answer


def read(path: Path, asked: Asked) -> Log:
    """The samples of a log, or of every .json log in a folder; a sample's own error leaves no reward."""
    if not path.exists():
        raise InputError(f"wanted a log at {path}, found nothing there")
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    rows = [row for file in files for row in _samples(file)]
    if not rows:
        raise TableError(f"{path}: wanted a log with samples, found none")
    if asked.where:
        rows = kept(rows, asked.where, path)
    scorer = asked.columns.get("reward") or _scorer(rows, path)
    logged = [convert(where, _fields(where, row, scorer, asked)) for where, row in rows]
    return Log(logged, {"rewards": f"the scorer {scorer!r}; C is 1, P is 0.5, I and N are 0"})


def _samples(file: Path) -> Iterator[Placed]:
    if file.suffix == ".eval":
        raise InputError(f"{file}: wanted JSON: inspect log convert {file} --to json --output-dir logs-json")
    log = parsed(read_json(file), str(file))
    samples = log.get("samples") if isinstance(log, dict) else None
    if not isinstance(samples, list):
        raise TableError(f"{file}: wanted a log of inspect_ai with 'samples', found none")
    task = pick(log, "eval.task")
    for i, sample in enumerate(samples):
        if not isinstance(sample, dict) or sample.get("id") is None:
            raise TableError(f"{file} sample {i}: wanted an object with an 'id'")
        yield f"{file} sample {i}", {**sample, "task": task}


def _scorer(rows: list[Placed], path: Path) -> str:
    names = sorted({str(name) for _, row in rows for name in _object(row.get("scores"))})
    if len(names) != 1:
        raise ConfigError(
            f"{path}: wanted one scorer, found {', '.join(names) or 'none'}: name one by --map reward=SCORER"
        )
    return names[0]


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _fields(where: str, row: dict[str, Any], scorer: str, asked: Asked) -> dict[str, Any]:
    score = _object(_object(row.get("scores")).get(scorer))
    choices = _object(row.get("output")).get("choices")
    choice = _object(choices[0]) if isinstance(choices, list) and choices else {}
    response = _object(row.get("output")).get("completion")
    failed = row.get("error") is not None
    return {
        "prompt_id": row["id"] if row["task"] is None else f"{row['task']}/{row['id']}",
        "prompt": row.get("input"),
        "answer": row.get("target"),
        "family": row["task"],
        "response": response or _object(choice.get("message")).get("content"),
        "logprob": _logprob(choice.get("logprobs"), where),
        "finish": choice.get("stop_reason"),
        "reward": None if failed else _value(score.get("value"), where),
        "outcome": "error" if failed else None,
        "answer_found": score.get("answer"),
        **{field: pick(row, column) for field, column in asked.columns.items() if field != "reward"},
    }


def _value(value: Any, where: str) -> Any:
    """A score as a number; NaN is inspect's sign for "not scored"."""
    if isinstance(value, str):
        if value not in GRADES:
            raise TableError(
                f"{where}: wanted a score C, P, I, N or a number, found {json.dumps(value)[:80]}"
            )
        return GRADES[value]
    return value


def _logprob(logprobs: Any, where: str) -> float | None:
    """ln π of the response: the sum over its tokens, None unless each has one."""
    content = _object(logprobs).get("content")
    if not isinstance(content, list) or not content:
        return None
    tokens = [number(_object(token).get("logprob"), "logprob", where) for token in content]
    return sum(t for t in tokens if t is not None) if None not in tokens else None
