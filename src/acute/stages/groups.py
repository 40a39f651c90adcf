"""The rewarded responses by prompt. They stand as Arrow columns; Python objects are made of one prompt's rows
at a time, so that memory does not grow with prompts and responses beyond the columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from acute.errors import InputError
from acute.run import Run
from acute.table import with_column

if TYPE_CHECKING:
    from acute.gradients.engines import Task

Row = dict[str, Any]
COLUMNS = ["response_id", "prompt_id", "fold", "token_ids", "logprob", "reward"]


@dataclass(frozen=True)
class Group:
    """One prompt's rewarded responses, merged: which distinct response each row is.

    `table` holds the prompt's rows; they become Python objects when asked for, and last as long as the group.
    """

    prompt_id: str
    table: pa.Table

    @cached_property
    def rows(self) -> list[Row]:
        """The rows as dictionaries, `token_ids` a tuple."""
        tokens = self.table["token_ids"].combine_chunks()
        flat, ends = tokens.values.to_numpy(), tokens.offsets.to_numpy()
        rows: list[Row] = self.table.drop_columns(["token_ids"]).to_pylist()
        for row, first, end in zip(rows, ends[:-1], ends[1:], strict=True):
            row["token_ids"] = tuple(flat[first:end].tolist())
        return rows

    @cached_property
    def distinct(self) -> list[tuple[int, ...]]:
        """The distinct responses, sorted."""
        return sorted({row["token_ids"] for row in self.rows})

    @cached_property
    def has_signal(self) -> bool:
        """Whether rewards differ; if not, every leave-one-out advantage is 0 and nothing need be computed."""
        return bool(pc.count_distinct(self.table["reward"]).as_py() == 2)

    def longest(self, prompt: int) -> int:
        """Tokens of the smallest pass over the longest response behind so many prompt tokens; 0 without a
        signal, as no pass is made then."""
        if not self.has_signal:
            return 0
        return prompt + int(pc.max(pc.list_value_length(self.table["token_ids"])).as_py()) - 1

    @property
    def successes(self) -> float:
        """The sum of the rewards."""
        return float(pc.sum(self.table["reward"]).as_py() or 0)

    def task(self, prompt: tuple[int, ...], folds: int) -> "Task":
        """What the gradient engines take: multiplicities by fold and outcome (wrong, right)."""
        from acute.gradients.engines import Task

        at = {response: u for u, response in enumerate(self.distinct)}
        counts = np.zeros((folds, 2, len(self.distinct)))
        for row in self.rows:
            counts[row["fold"], int(row["reward"]), at[row["token_ids"]]] += 1
        return Task(prompt, self.distinct, counts.reshape(2 * folds, -1))

    def named(self, index: int) -> str:
        """A distinct response as errors name it: by the first row that has it, and its prompt."""
        row = next(row for row in self.rows if row["token_ids"] == self.distinct[index])
        return f"response {row['response_id']!r} of prompt {self.prompt_id!r}"

    def by_row(self, value_U: Any) -> dict[str, float]:
        """A value of each distinct response, by `response_id`."""
        at = dict(zip(self.distinct, value_U, strict=True))
        return {row["response_id"]: float(at[row["token_ids"]]) for row in self.rows}


class Groups(Sequence[Group]):
    """The groups of a run, prompts in their order. Each is made when asked for and not kept."""

    def __init__(self, prompt_ids: pa.ChunkedArray, responses: pa.Table) -> None:
        """Of `responses`, with the columns `COLUMNS`, those with a reward are taken, in their order."""
        # one chunk may hold more than 2^31 characters or tokens
        wide = {"response_id": pa.large_string(), "token_ids": pa.large_list(pa.int32())}
        for name, kind in wide.items():
            place = responses.column_names.index(name)
            responses = responses.set_column(place, name, responses[name].cast(kind))
        self.prompt_ids = prompt_ids
        place_of = pc.index_in(responses["prompt_id"], value_set=prompt_ids.combine_chunks())
        at = place_of.fill_null(-1).to_numpy()
        rewarded = responses["reward"].is_valid().to_numpy()
        kept = np.flatnonzero(rewarded & (at >= 0))
        self._rows = kept[np.argsort(at[kept], kind="stable")]
        self._ends = np.concatenate([[0], np.cumsum(np.bincount(at[kept], minlength=len(prompt_ids)))])
        self._table = responses.drop_columns(["prompt_id"]).combine_chunks()

    def __len__(self) -> int:
        return len(self.prompt_ids)

    @overload
    def __getitem__(self, index: int) -> Group: ...
    @overload
    def __getitem__(self, index: slice) -> list[Group]: ...
    def __getitem__(self, index: int | slice) -> Group | list[Group]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        rows = self._rows[self._ends[index] : self._ends[index + 1]]
        return Group(self.prompt_ids[index].as_py(), self._table.take(pa.array(rows)))


def groups_of(run: Run) -> Groups:
    """The rewarded responses of each prompt, prompts in their order.

    Raises InputError if a reward is neither 0 nor 1.
    """
    responses = run.responses().select(COLUMNS)
    _refuse_unscorable(responses)
    return Groups(run.prompts()["prompt_id"], responses)


def _refuse_unscorable(responses: pa.Table) -> None:
    """InputError for the first rewarded row whose reward is neither 0 nor 1, or that has no tokens."""
    reward = responses["reward"].to_numpy()  # a null is NaN here
    rewarded = responses["reward"].is_valid().to_numpy()
    odd = rewarded & ~np.isin(reward, (0.0, 1.0))
    empty = rewarded & responses["token_ids"].is_null().to_numpy()
    for index in np.flatnonzero(odd | empty)[:1].tolist():
        name = responses["response_id"][index].as_py()
        if odd[index]:
            raise InputError(f"wanted rewards 0 or 1, found {float(reward[index])} in row {name!r}")
        raise InputError(f"response {name!r} has no tokens to score: import with --model")


def value_batch(value: dict[str, float]) -> pa.RecordBatch:
    """Values by `response_id`, as `add_column` takes them."""
    return pa.record_batch(
        {"response_id": pa.array(list(value), pa.string()), "value": pa.array(value.values(), pa.float64())}
    )


def add_column(run: Run, name: str, found: Sequence[pa.RecordBatch]) -> None:
    """Add a column to the responses by `response_id`; what a killed run left of it is replaced.

    `found` are batches as `value_batch` makes them; a response that none of them names has null.
    """
    responses = run.responses()
    if name in responses.column_names:
        responses = responses.drop_columns([name])
    known = pa.Table.from_batches([*found, value_batch({})]).combine_chunks()
    at = pc.index_in(responses["response_id"], value_set=known["response_id"].combine_chunks())
    values = known["value"].combine_chunks().take(at.combine_chunks())
    run.write_responses(with_column(responses, name, values))
