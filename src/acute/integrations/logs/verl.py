"""verl: the JSON lines of `trainer.rollout_data_dir` and `trainer.validation_data_dir`, a file a step."""

import re
from pathlib import Path

from acute.integrations.logs.rows import FIELDS, Asked, Log, Logged, converted, raw_rows

OWN = {"prompt": "input", "response": "output", "answer": "gts", "reward": "score", "step": "step"}
# the v1 trainer writes under "uid" the key of the row, {uid}_{rollout}_{output}, which no two rows share
ROW_KEY = re.compile(r"(.+)_\d+_\d+", re.DOTALL)


def read(path: Path, asked: Asked) -> Log:
    """Rows of a file or folder, grouped by `uid` where it is there."""
    names = {**{field: field for field in FIELDS}, **OWN, "prompt_id": "uid", **asked.columns}
    rows = converted(raw_rows(path, (".jsonl",), asked), names)
    notes = {
        "rewards": f"the field {names['reward']!r}",
        "prompts": "verl writes prompts and responses without their special tokens",
    }
    if "prompt_id" not in asked.columns:
        rows, note = _groups(rows)
        notes.update(note)
    return Log(rows, notes)


def _groups(rows: list[Logged]) -> tuple[list[Logged], dict[str, str]]:
    """Row keys of the v1 trainer as the uid of their group."""
    keys = [None if row.prompt_id is None else ROW_KEY.fullmatch(row.prompt_id) for row in rows]
    if not all(keys):
        return rows, {}
    grouped = [row._replace(prompt_id=key[1]) for row, key in zip(rows, keys, strict=True) if key is not None]
    return grouped, {"uid": "keys {uid}_{rollout}_{output} were read as the uid of the group"}
