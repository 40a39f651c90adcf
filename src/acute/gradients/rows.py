"""Rows for the model out of the responses to one prompt, so that nothing is computed twice.

The distinct responses form a trie of tokens. Every leaf of the trie of inputs is one row; a token that
several responses share, after the same beginning, is one *entry*, scored once with its multiplicity.

Suffixes name axes: U distinct responses, E entries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Packed:
    """Rows of input tokens (after the prompt) and what is read off them.

    Entry e is the log-probability of `token_E[e]` after `position_E[e]` tokens of row `row_E[e]`; row -1
    is the prompt alone. Response u's log-probability is the sum of its entries, `entries_of[u]`.
    """

    rows: list[Tokens]
    row_E: NDArray[np.int64]
    position_E: NDArray[np.int64]
    token_E: NDArray[np.int64]
    entries_of: list[list[int]]

    def entry_weights(self, weight_U: NDArray[np.float64]) -> NDArray[np.float64]:
        """Σ_u weight_u · [entry e belongs to response u], shape (E,)."""
        weight_E = np.zeros(len(self.token_E))
        for entries, weight in zip(self.entries_of, weight_U, strict=True):
            weight_E[entries] += weight  # an entry occurs once in a response: its position is its own
        return weight_E

    def sum_entries(self, value_E: NDArray[np.float64]) -> NDArray[np.float64]:
        """Σ over each response's entries, shape (U,)."""
        return np.array([value_E[entries].sum() for entries in self.entries_of])


def _common(a: Tokens, b: Tokens) -> int:
    """Length of the common beginning."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def pack(responses: Sequence[Tokens]) -> Packed:
    """Pack distinct, non-empty responses (end token included) into rows.

    A response's last token is predicted, never fed, so responses that differ in it alone share a row.
    """
    inputs = sorted({r[:-1] for r in responses})
    # sorted: what begins with `a` follows `a` at once, so `a` is a leaf iff its follower does not
    leaves = [a for a, b in pairwise([*inputs, ()]) if a and b[: len(a)] != a]
    owner: list[list[int]] = []  # owner[i][j]: the first row that holds the first j + 1 tokens of row i
    for i, leaf in enumerate(leaves):
        shared = _common(leaves[i - 1], leaf) if i else 0
        owner.append([*(owner[i - 1][:shared] if i else []), *[i] * (len(leaf) - shared)])
    row_of, i = {}, 0
    for a in inputs:
        while a and leaves[i][: len(a)] != a:
            i += 1
        row_of[a] = i
    index: dict[tuple[int, int, int], int] = {}
    entries_of = []
    for response in responses:
        home = owner[row_of[response[:-1]]] if len(response) > 1 else []
        keys = [(home[j - 1] if j else -1, j, token) for j, token in enumerate(response)]
        entries_of.append([index.setdefault(key, len(index)) for key in keys])
    row_E, position_E, token_E = np.array(list(index), np.int64).reshape(-1, 3).T
    return Packed(leaves, row_E, position_E, token_E, entries_of)
