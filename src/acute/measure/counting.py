"""Responses and successes of each prompt and fold, counted batch by batch.

Kept are a few numbers a prompt and, to tell texts apart, 24 bytes a different response.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from acute.errors import InputError

COUNTED = ("prompt_id", "fold", "reward")  # columns that are needed; the next two are counted if there
ALSO_COUNTED = ("finish", "response")
DIGEST = 16  # bytes kept of a response to tell it from others: two of 10^9 are confused once in 10^20 runs


class Counts(NamedTuple):
    """Responses and successes of each prompt and fold; responses without a reward are not counted.

    `truncated_N` and `distinct_N` count all responses of a prompt: those cut off, and different texts.
    """

    prompt_ids: list[str]
    n_NM: NDArray[np.float64]
    c_NM: NDArray[np.float64]
    no_reward: int
    truncated_N: NDArray[np.int64]
    distinct_N: NDArray[np.int64]


def _codes(column: pa.Array, order: dict[str, int]) -> NDArray[np.int64]:
    """Each row's prompt as a number, new prompts numbered in the order of their first row."""
    encoded = column.dictionary_encode()
    known = [order.setdefault(name, len(order)) for name in encoded.dictionary.to_pylist()]
    return np.asarray(np.take(known, encoded.indices.to_numpy()), np.int64)


def _grown(array: NDArray[np.int64], *shape: int) -> NDArray[np.int64]:
    """`array` with zeros added up to `shape`."""
    return np.pad(array, [(0, wanted - size) for wanted, size in zip(shape, array.shape, strict=True)])


def _refuse_odd_rewards(batch: pa.RecordBatch, reward: NDArray[np.float64]) -> None:
    odd = np.flatnonzero(~np.isnan(reward) & (reward != 0) & (reward != 1))
    if len(odd):
        name = batch["prompt_id"][int(odd[0])].as_py()
        raise InputError(f"wanted rewards 0 or 1 (or null), found {reward[odd[0]]} for the prompt {name!r}")


def _digests(code: NDArray[np.int64], text: pa.Array) -> NDArray[np.void]:
    """A key of each different (prompt, text) of a batch."""
    pairs = pa.table({"code": code, "text": text}).group_by(["code", "text"], use_threads=False).aggregate([])
    keys = b"".join(
        blake2b((one or "").encode(), digest_size=DIGEST, salt=int(x).to_bytes(8, "little")).digest()
        for x, one in zip(pairs["code"].to_pylist(), pairs["text"].to_pylist(), strict=True)
    )
    found = np.empty(len(pairs), [("code", np.int64), ("key", f"V{DIGEST}")])
    found["code"] = pairs["code"].to_numpy()
    found["key"] = np.frombuffer(keys, f"V{DIGEST}")
    return found


def count(batches: Iterable[pa.RecordBatch]) -> Counts:
    """Count responses and successes by prompt and fold, prompts in the order of their first row.

    Batches hold `prompt_id`, `fold` and `reward`, and may hold `finish` and `response`. Raises InputError if
    a reward is neither 0 nor 1.
    """
    order: dict[str, int] = {}
    n, c = np.zeros((2, 0, 1), np.int64)
    truncated = np.zeros(0, np.int64)
    missing, keys = 0, []
    for batch in batches:
        code, fold = _codes(batch["prompt_id"], order), batch["fold"].to_numpy()
        reward = batch["reward"].to_numpy(zero_copy_only=False).astype(float)
        _refuse_odd_rewards(batch, reward)
        folds = max(int(fold.max(initial=0)) + 1, n.shape[1])
        n, c = (_grown(x, len(order), folds) for x in (n, c))
        truncated = _grown(truncated, len(order))
        seen = ~np.isnan(reward)
        missing += int((~seen).sum())
        at = code[seen] * n.shape[1] + fold[seen]
        n += np.bincount(at, minlength=n.size).reshape(n.shape)
        c += np.bincount(at, reward[seen], minlength=n.size).astype(np.int64).reshape(n.shape)
        if "finish" in batch.schema.names:
            cut = pc.equal(batch["finish"], "length").fill_null(False).to_numpy(zero_copy_only=False)
            truncated += np.bincount(code[cut], minlength=len(truncated))
        if "response" in batch.schema.names:
            keys.append(_digests(code, batch["response"]))
    N = len(order)
    distinct = np.zeros(N, np.int64)
    if keys:
        distinct = np.bincount(np.unique(np.concatenate(keys))["code"], minlength=N)
    return Counts(list(order), n[:N].astype(float), c[:N].astype(float), missing, truncated[:N], distinct)
