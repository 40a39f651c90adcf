"""Gradient sums too large for memory, read a few prompts at a time."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Sums = NDArray[np.floating[Any]]
BYTES = 128 * 2**20  # of one block


class Readable(Protocol):
    """Anything with the shape of an array whose rows can be asked for."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __getitem__(self, key: Any, /) -> Any: ...


class Rows:
    """Some rows of an array that stays where it is (on disk, mapped); `rows[start:stop]` reads them.

    >>> Rows(np.arange(10).reshape(5, 2), [3, 1, 4])[1:3].tolist()
    [[2, 3], [8, 9]]
    """

    def __init__(self, array: Readable | Sums, index: Sequence[int]) -> None:
        self.array, self.index = array, np.asarray(index, np.int64)
        self.shape = (len(self.index), *array.shape[1:])
        self.dtype = array.dtype

    def __getitem__(self, key: slice | NDArray[np.int64]) -> Sums:
        """The rows asked for: where they stand if they stand together, else copied into memory."""
        rows = self.index[key]
        if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
            return np.asarray(self.array[rows[0] : rows[-1] + 1])
        return np.asarray(self.array[rows])


def blocks(rows: int, row_bytes: int, budget: int = BYTES) -> Iterator[slice]:
    """Slices that together hold all rows, each at most `budget` bytes (one row at least).

    >>> list(blocks(5, row_bytes=10, budget=25))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]

    Not in the paper: how a sum over prompts stays within memory.
    """
    step = max(1, budget // max(row_bytes, 1))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))
