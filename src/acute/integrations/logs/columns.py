"""Any JSON lines or Parquet: a row a response, or a row a prompt with lists of responses and rewards."""

from pathlib import Path
from typing import Any

from acute.errors import ConfigError, TableError
from acute.integrations.logs.rows import FIELDS, Asked, Log, Logged, convert, pick, raw_rows

LISTED = ("response_id", "response", "token_ids", "logprob", "finish", "outcome", "reward", "answer_found")


def read(path: Path, asked: Asked) -> Log:
    """Rows of a file or folder; a field comes from the column that --map gives it, else from its own name."""
    names = {**{field: field for field in FIELDS}, **asked.columns}
    placed = raw_rows(path, (".jsonl", ".parquet"), asked)
    rows = [logged for where, row in placed for logged in _responses(where, row, names)]
    if all(row.reward is None for row in rows):
        raise ConfigError(
            f"{path}: no row has a value under {names['reward']!r}: say where rewards are with --map "
            f"reward=COLUMN; columns: {', '.join(sorted({str(name) for _, row in placed for name in row}))}"
        )
    return Log(rows, {"rewards": f"the column {names['reward']!r}"})


def _responses(where: str, row: dict[str, Any], names: dict[str, str]) -> list[Logged]:
    """The responses of one row: several where the rewards are a list."""
    found = {field: pick(row, column) for field, column in names.items()}
    if not isinstance(found["reward"], list):
        return [convert(where, found)]
    n = len(found["reward"])
    each = {field: found[field] for field in LISTED if found[field] is not None}
    for field, values in each.items():
        if not isinstance(values, list) or len(values) != n:
            size = len(values) if isinstance(values, list) else type(values).__name__
            raise TableError(f"{where}: {n} rewards need as many values under {field!r}, found {size}")
    return [
        convert(where, {**found, **{field: values[i] for field, values in each.items()}}) for i in range(n)
    ]
