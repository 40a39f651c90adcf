"""The responses to one prompt as a trie of tokens, so that nothing is computed twice.

A *node* is a token that is fed after the prompt; responses that begin alike share it. An *entry* is a token
that is predicted after a node (or after the prompt itself), once however many responses continue so.

Suffixes name axes: T nodes, E entries, U distinct responses, P (response, entry) pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Tokens = tuple[int, ...]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Trie:
    """Nodes, parents before children; entries; and which entries each response is the sum of.

    `parent_T` and `node_E` are -1 for the prompt; `depth_T` counts from 0.
    """

    token_T: Ints
    parent_T: Ints
    depth_T: Ints
    node_E: Ints
    token_E: Ints
    response_P: Ints
    entry_P: Ints

    def may_see(self) -> NDArray[np.bool_]:
        """Whether a node (row) attends to a node (column): its ancestors and itself, (T, T)."""
        seen = np.eye(len(self.token_T), dtype=bool)
        for node, parent in enumerate(self.parent_T):
            if parent >= 0:
                seen[node] |= seen[parent]
        return seen


def build(responses: Sequence[Tokens]) -> Trie:
    """The trie of distinct, non-empty responses (end tokens included).

    A response's last token is predicted, never fed, so responses that differ in it alone share all nodes.
    """
    nodes: dict[tuple[int, int], int] = {}  # (parent, token) -> node
    depth: list[int] = []
    entries: dict[tuple[int, int], int] = {}  # (node, token) -> entry
    pairs: list[tuple[int, int]] = []
    for u, response in enumerate(responses):
        at = -1
        for j, token in enumerate(response):
            pairs.append((u, entries.setdefault((at, token), len(entries))))
            if j < len(response) - 1:
                if (at, token) not in nodes:
                    nodes[at, token] = len(nodes)
                    depth.append(j)
                at = nodes[at, token]
    parent_T, token_T = np.array(list(nodes), np.int64).reshape(-1, 2).T
    node_E, token_E = np.array(list(entries), np.int64).reshape(-1, 2).T
    response_P, entry_P = np.array(pairs, np.int64).reshape(-1, 2).T
    return Trie(token_T, parent_T, np.array(depth, np.int64), node_E, token_E, response_P, entry_P)


def new_nodes(response: Tokens, before: Tokens) -> int:
    """How many tokens a response feeds that `before` does not: all others, of several in sorted order, share
    less with it than the one right before it."""
    fed = len(response) - 1
    for j, (token, other) in enumerate(zip(response[:-1], before[:-1], strict=False)):
        if token != other:
            return fed - j
    return fed - min(fed, max(0, len(before) - 1))


def count_nodes(responses: Sequence[Tokens]) -> int:
    """How many tokens `build` would feed after the prompt."""
    ordered = sorted(responses)
    return sum(map(new_nodes, ordered, [(), *ordered]))
