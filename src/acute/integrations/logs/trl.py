"""TRL: the Parquet files that `log_completions=True` leaves in output_dir/completions, a row each."""

from pathlib import Path

from acute.errors import ConfigError
from acute.integrations.logs.rows import FIELDS, Asked, Log, Placed, converted, raw_rows

OWN = {"prompt": "prompt", "response": "completion", "step": "step"}
NO_REWARD = {"step", "prompt", "completion", "advantage", "image", *FIELDS} - {"reward"}


def read(path: Path, asked: Asked) -> Log:
    """Rows of a file or of the whole folder; columns that reward functions logged are found by our names."""
    rows = raw_rows(path, (".parquet",), asked)
    reward = asked.columns.get("reward") or _only_reward(rows, path)
    names = {**{field: field for field in FIELDS}, **OWN, **asked.columns, "reward": reward}
    notes = {"rewards": f"the column {reward!r}"}
    missing = [field for field in ("prompt", "response", "reward") if names[field] not in rows[0][1]]
    if missing:
        raise ConfigError(
            f"{path}: wanted TRL's completions with a column {names[missing[0]]!r}, found "
            f"{', '.join(map(str, rows[0][1]))}"
        )
    return Log(converted(rows, names), notes)


def _only_reward(rows: list[Placed], path: Path) -> str:
    """The one column of numbers that is a reward: TRL names it after the reward function."""
    columns = list(dict.fromkeys(name for _, row in rows for name in row))
    found = [name for name in columns if name not in NO_REWARD and _is_numbers(rows, name)]
    if len(found) != 1:
        raise ConfigError(
            f"{path}: wanted one column of rewards, found {', '.join(found) or 'none'} (TRL weighs several, "
            f"and does not log how): name one with --map reward=COLUMN"
        )
    return found[0]


def _is_numbers(rows: list[Placed], name: str) -> bool:
    values = [value for _, row in rows if (value := row.get(name)) is not None]
    return bool(values) and all(isinstance(value, int | float) for value in values)
