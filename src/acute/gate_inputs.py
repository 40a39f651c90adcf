"""The two sides of `acute gate`: run folder, counts file, or an evaluation of a training; and their join.

An evaluation of `acute train` is named by the training's folder (its last one) or by its checkpoint, of which
the folder itself need not be there any more: `FOLDER/checkpoint-0` is the start. A counts file has a row a
prompt: `id` (text or integer), `n` responses, `c` successes, and any columns to slice by; JSON lines or
Parquet. It is the input of passk-inference.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from acute.errors import ConfigError, InputError, TableError
from acute.measure.counting import count
from acute.measure.gate import NAMED, Answered, Known, Pairs
from acute.run import Run
from acute.tasks.files import json_rows
from acute.train.state import EVALUATION_FILE, read_log

TEXTS = ("prompt", "answer")  # where both sides have them they must agree


class Side(NamedTuple):
    """A row a prompt by its id, each with n and c; rows of run folders hold the prompt's columns too."""

    path: Path
    rows: dict[str, dict[str, Any]]
    no_reward: int  # responses that checking gave no reward: not counted in n
    exact: bool = False  # each row holds p itself, not n and c

    def of(self, names: list[str]) -> Answered | Known:
        """The success of these prompts, in this order."""
        columns = ("p",) if self.exact else ("n", "c")
        found = [np.array([self.rows[name][x] for name in names], float) for x in columns]
        return Known(*found) if self.exact else Answered(*found)


class Joined(NamedTuple):
    """The prompts of both sides, and what was left out."""

    pairs: Pairs
    only_in_base: list[str]
    only_in_candidate: list[str]
    no_reward: tuple[int, int]
    without_slice: int


def read_side(path: Path) -> Side:
    """Counts by prompt of a run folder, of a training's evaluation, or of a .jsonl or .parquet counts file.

    Raises InputError if there is none of them, or no reward; TableError, with the line, at the first faulty
    row.
    """
    checkpoint = re.fullmatch(r"checkpoint-(\d+)", path.name)
    if checkpoint and (path.parent / "train.json").exists():
        return _evaluation(path.parent, int(checkpoint[1]))
    if (path / "train.json").exists():
        return _evaluation(path, None)
    if path.is_dir():
        return _run_folder(path)
    if not path.exists():
        raise InputError(f"wanted a run folder, a training or a counts file at {path}, found nothing there")
    rows: dict[str, dict[str, Any]] = {}
    for where, row in _parquet(path) if path.suffix == ".parquet" else _json_lines(path):
        if fault := _fault(row):
            raise TableError(f"{path} {where}: {fault}")
        name = str(row["id"])
        if name in rows:
            raise TableError(f"{path} {where}: id {name!r} stands there twice; a prompt has one row")
        rows[name] = row
    if not rows:
        raise TableError(f"{path}: wanted a row {{id, c, n}} a prompt, found none")
    return Side(path, rows, 0)


def _evaluation(folder: Path, step: int | None) -> Side:
    """What `acute train` evaluated at a step; at the last one for None."""
    log = folder / EVALUATION_FILE
    try:
        rows = read_log(folder, EVALUATION_FILE) if log.exists() else []
    except ValueError as error:
        raise TableError(f"{log}: wanted a JSON object a line, found a fault: {error}") from None
    found = {row["step"]: row["prompts"] for row in rows if "prompts" in row}
    if not found:
        raise InputError(
            f"{folder} has no evaluation of its prompts: train with train.evaluate_every = N, or give "
            f"acute run of its checkpoints"
        )
    at = max(found) if step is None else step
    if at not in found:
        steps = ", ".join(map(str, sorted(found)))
        raise InputError(f"wanted an evaluation of {folder} at step {at}, found those at {steps}")
    prompts: dict[str, dict[str, Any]] = found[at]
    lost = sum(row.get("no_reward", 0) for row in prompts.values())
    return Side(folder / f"checkpoint-{at}", prompts, lost, all("p" in row for row in prompts.values()))


def _run_folder(path: Path) -> Side:
    run = Run.open(path)
    prompts, responses = run.prompts(), run.responses()
    if "reward" not in responses.column_names:
        raise InputError(f"{path} has no rewards: run acute verify {path} first")
    if not len(responses):
        raise InputError(f"wanted responses in {path}, found none: run acute rollout {path} first")
    rows = {row["prompt_id"]: {**row, "n": 0, "c": 0} for row in prompts.to_pylist()}
    counts = count(responses.to_batches())
    for name, n_M, c_M in zip(counts.prompt_ids, counts.n_NM, counts.c_NM, strict=True):
        if name not in rows:
            raise TableError(f"{path}: responses to prompt {name!r}, which is not in prompts.parquet")
        rows[name].update(n=int(n_M.sum()), c=int(c_M.sum()))
    return Side(path, rows, counts.no_reward)


def _json_lines(path: Path) -> list[tuple[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: wanted JSON lines {{id, c, n}} or .parquet, could not read: {error}"
        ) from None
    return json_rows(path, text)


def _parquet(path: Path) -> list[tuple[str, Any]]:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise TableError(f"{path}: wanted Parquet, found a fault: {error}") from None
    return [(f"row {i}", row) for i, row in enumerate(table.to_pylist())]


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _fault(row: Any) -> str | None:
    """What is wrong with a row of counts, or None."""
    if not isinstance(row, dict):
        return f"wanted an object {{id, c, n}}, found {type(row).__name__}"
    if missing := [name for name in ("id", "n", "c") if row.get(name) is None]:
        return f"wanted a value for {missing[0]!r}, found none: a counts file has rows {{id, c, n}}"
    if row["id"] == "" or not (isinstance(row["id"], str) or _is_integer(row["id"])):
        return f"'id' must be text or an integer, found {row['id']!r}"
    for name in ("n", "c"):
        if not _is_integer(row[name]):
            return f"{name!r} must be an integer, found {row[name]!r}"
    if not 0 <= row["c"] <= row["n"]:
        return f"wanted 0 ≤ c ≤ n, found c = {row['c']}, n = {row['n']}"
    return None


def _some(names: list[str]) -> str:
    return ", ".join(map(repr, names[:NAMED]))


def _same(base: Side, candidate: Side, names: list[str]) -> None:
    """Raise TableError if a prompt's text or answer differs between the sides."""
    for column in TEXTS:
        different = [
            name
            for name in names
            if None not in (found := (base.rows[name].get(column), candidate.rows[name].get(column)))
            and found[0] != found[1]
        ]
        if different:
            a, b = (side.rows[different[0]][column] for side in (base, candidate))
            raise TableError(
                f"wanted the same {column} in {base.path} and {candidate.path}, found {len(different)} "
                f"prompts with another one: {different[0]!r} has {str(a)[-60:]!r} and {str(b)[-60:]!r}. "
                f"Give runs of the same prompts file"
            )


def _slice_names(base: Side, candidate: Side, names: list[str], by: str) -> list[str | None]:
    found = []
    for name in names:
        a, b = base.rows[name].get(by), candidate.rows[name].get(by)
        if a is not None and b is not None and a != b:
            raise TableError(f"prompt {name!r} has {by} {a!r} in {base.path} and {b!r} in {candidate.path}")
        value = b if a is None else a
        found.append(None if value is None else str(value))
    if not any(found):
        columns = sorted(
            set().union(*base.rows.values(), *candidate.rows.values()) - {"id", "n", "c", "p", "no_reward"}
        )
        raise ConfigError(
            f"no prompt has a value for {by!r} to slice by; columns: {', '.join(columns) or 'none'}"
        )
    return found


def join(base: Side, candidate: Side, by: str | None = None) -> Joined:
    """Pair the prompts by id, in the base's order; `by` names the column whose values are the slices.

    Raises TableError if texts or answers differ, InputError if no prompt is in both, ConfigError if no prompt
    has a slice.
    """
    names = [name for name in base.rows if name in candidate.rows]
    only = [name for name in base.rows if name not in candidate.rows]
    only_candidate = [name for name in candidate.rows if name not in base.rows]
    if not names:
        raise InputError(
            f"wanted prompts that {base.path} and {candidate.path} share, found none: the base has ids such "
            f"as {_some(only)}, the candidate {_some(only_candidate)}"
        )
    _same(base, candidate, names)
    slices = [None] * len(names) if by is None else _slice_names(base, candidate, names, by)
    pairs = Pairs(names, base.of(names), candidate.of(names), slices)
    lost = 0 if by is None else slices.count(None)
    return Joined(pairs, only, only_candidate, (base.no_reward, candidate.no_reward), lost)
