"""Counts `{id, c, n}`, a row a prompt: all that is known of its responses is how many were right."""

from pathlib import Path

from acute.errors import ConfigError, InputError
from acute.gate_inputs import read_side
from acute.integrations.logs.rows import Asked, Log, Logged, kept, text

MOST = 20_000_000  # responses in all


def read(path: Path, asked: Asked) -> Log:
    """n rows without a text for each id, c of them right."""
    if asked.columns:
        raise ConfigError("--format counts reads the columns id, c and n: --map is for the other formats")
    placed = [(f"{path} id {name!r}", row) for name, row in read_side(path).rows.items()]
    placed = kept(placed, asked.where, path) if asked.where else placed
    if (total := sum(row["n"] for _, row in placed)) > MOST:
        raise InputError(f"{path}: wanted at most {MOST:,} responses in all, found {total:,}")
    rows = []
    for where, row in placed:
        prompt, answer, family, level = (
            text(row.get(field), field, where) for field in ("prompt", "answer", "family", "level")
        )
        one = Logged(
            where,
            prompt_id=text(row["id"], "id", where),
            prompt=prompt,
            answer=answer,
            family=family,
            level=level,
            outcome="ok",
        )
        rows += [one._replace(reward=float(i < row["c"])) for i in range(row["n"])]
    if not rows:
        raise InputError(f"{path}: wanted responses, found n = 0 for every prompt")
    notes = {"rewards": "counts: c of n responses were right"}
    if empty := sum(row["n"] == 0 for _, row in placed):
        notes["left out"] = f"{empty} of {len(placed)} prompts have n = 0"
    return Log(rows, notes)
