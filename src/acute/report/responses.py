"""The responses that a reader may look at: distinct ones, with counts, right and wrong ones apart."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from acute.report.safe_text import Clipped, clip


class Budget(NamedTuple):
    """What a page of so many prompts can hold."""

    each: int  # distinct responses a prompt, of the right ones and again of the others
    characters: int  # of one response
    prompt: int  # characters of a prompt


class Example(NamedTuple):
    """One distinct response of a prompt."""

    times: int
    outcome: str
    reward: float | None
    cut_off: bool
    text: Clipped


class Examples(NamedTuple):
    """What is shown of one prompt, and of how many distinct responses."""

    shown: list[Example]
    distinct: int


def budget(prompts: int) -> Budget:
    """Fewer and shorter examples where there are many prompts: the page must open from an attachment."""
    if prompts <= 60:
        return Budget(8, 1500, 4000)
    if prompts <= 400:
        return Budget(4, 600, 1500)
    return Budget(2, 160, 300)


def examples(table: Any, room: Budget) -> dict[str, Examples]:
    """The most frequent distinct responses of each prompt, by prompt_id.

    Right ones (reward above 0) and others are ranked apart, so that the one success of a hard prompt shows.
    """
    if table is None or not len(table):
        return {}
    counted = _counted(table)
    ids = counted["prompt_id"].to_numpy(zero_copy_only=False)
    right = np.asarray(pc.fill_null(pc.greater(counted["reward"], 0), False))
    # sorted by prompt, right first, then by count: each (prompt, right) block's head is what is shown
    block_starts = np.flatnonzero(np.r_[True, (ids[1:] != ids[:-1]) | (right[1:] != right[:-1])])
    blocks = np.diff(np.r_[block_starts, len(ids)])
    rank = np.arange(len(ids)) - np.repeat(block_starts, blocks)
    keep = np.flatnonzero(rank < room.each)
    found: dict[str, list[Example]] = {}
    for row in counted.take(pa.array(keep)).to_pylist():
        found.setdefault(row["prompt_id"], []).append(
            Example(
                times=row["count_all"],
                outcome=row["outcome"] or "not checked",
                reward=row["reward"],
                cut_off=row["finish"] == "length",
                text=clip(row["response"] or "", room.characters),
            )
        )
    totals = dict(zip(*np.unique(ids.astype(str), return_counts=True), strict=True))
    return {prompt: Examples(shown, int(totals[prompt])) for prompt, shown in found.items()}


def _counted(table: Any) -> Any:
    """A row a distinct (prompt, response, outcome, reward, finish), sorted for `examples`."""
    for name, kind in (("outcome", pa.string()), ("reward", pa.float64()), ("finish", pa.string())):
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(len(table), kind))
    keys = ["prompt_id", "response", "outcome", "reward", "finish"]
    counted = table.group_by(keys, use_threads=False).aggregate([([], "count_all")])
    right = pc.cast(pc.fill_null(pc.greater(counted["reward"], 0), False), pa.int8())
    order = pc.sort_indices(
        counted.append_column("right", right),
        sort_keys=[("prompt_id", "ascending"), ("right", "descending"), ("count_all", "descending")],
    )
    return counted.take(order)
