"""What a broken and resumed run may not differ in from an unbroken one."""

import json
import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq

NUMBERS = ("logprob", "scorer_logprob", "score_dot")  # equal to rounding; all else exactly


@dataclass
class Difference:
    """Rows lost and doubled, and results that are others."""

    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    where: str = ""

    def __bool__(self):
        return bool(self.lost or self.doubled or self.wrong)


def _close(a, b):
    if isinstance(a, bool) or not isinstance(a, int | float) or not isinstance(b, int | float):
        return a == b
    return a == b or math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9)


def _rows(found, wanted, key, difference):
    if not found.exists():
        difference.lost += len(pq.read_table(wanted))
        return
    a, b = (pq.read_table(path, use_threads=False).to_pylist() for path in (found, wanted))
    times = Counter(row[key] for row in a)
    difference.doubled += sum(n - 1 for n in times.values())
    by_key = {row[key]: row for row in a}
    difference.lost += sum(row[key] not in by_key for row in b)
    for row in b:
        other = by_key.get(row[key])
        if other is None:
            continue
        names = [
            name
            for name in row
            if not (_close(other.get(name), row[name]) if name in NUMBERS else other.get(name) == row[name])
        ]
        if names or set(other) != set(row):
            difference.wrong += 1
            difference.where = difference.where or f"{row[key]}: {', '.join(names) or 'other columns'}"
    difference.wrong += len(set(by_key) - {row[key] for row in b})


def _numbers(a, b, where=""):
    """Paths at which two JSON values differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in a.keys() | b.keys():
            yield from _numbers(a.get(key, "nothing"), b.get(key, "nothing"), f"{where}.{key}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from _numbers(x, y, f"{where}[{i}]")
    elif not _close(a, b):
        yield where


def difference(found, wanted):
    """How two run folders differ in their tables, sketches and analysis.json."""
    seen = Difference()
    _rows(found / "prompts.parquet", wanted / "prompts.parquet", "prompt_id", seen)
    _rows(found / "responses.parquet", wanted / "responses.parquet", "response_id", seen)
    if (wanted / "sketch.npy").exists():
        paths = [folder / "sketch.npy" for folder in (found, wanted)]
        a, b = (np.load(path) if path.exists() else np.empty(0) for path in paths)
        if a.shape != b.shape or not np.allclose(a, b, rtol=1e-5, atol=1e-6 * np.abs(b).max()):
            seen.wrong += 1
            seen.where = seen.where or "sketch.npy"
    if (wanted / "analysis.json").exists():
        path = found / "analysis.json"
        one, other = (
            json.loads(p.read_text()) if p.exists() else None for p in (path, wanted / "analysis.json")
        )
        if places := list(_numbers(one, other)):
            seen.wrong += 1
            seen.where = seen.where or f"analysis.json{places[0]}"
    return seen


TRAINED = ("model.safetensors", "acute.json")  # of the last checkpoint: weights, state of the measurement


def difference_of_trainings(found, wanted):
    """How two training folders differ in their logs and in their last checkpoints, to the last digit."""
    from acute.train.state import last_checkpoint, read_log

    seen = Difference()
    for name in ("acute.jsonl", "evaluation.jsonl"):
        rows, whole = (read_log(folder, name) for folder in (found, wanted))
        times = Counter(row["step"] for row in rows)
        seen.doubled += sum(n - 1 for n in times.values())
        seen.lost += sum(row["step"] not in times for row in whole)
        if (others := sum(row not in whole for row in rows)) or rows != sorted(rows, key=lambda r: r["step"]):
            seen.wrong += max(others, 1)
            seen.where = seen.where or name
    newest = [last_checkpoint(folder) for folder in (found, wanted)]
    if newest[0] is None or newest[0].name != newest[1].name:
        seen.lost += 1
        seen.where = seen.where or f"the last checkpoint is {newest[0]}"
        return seen
    for name in TRAINED:
        if (newest[0] / name).read_bytes() != (newest[1] / name).read_bytes():
            seen.wrong += 1
            seen.where = seen.where or name
    return seen
