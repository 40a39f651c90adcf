"""The trie of responses: nothing lost, nothing computed twice."""

import zlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from acute.gradients.trie import build, count_nodes

TOKEN = st.integers(0, 3)
RESPONSES = st.lists(st.lists(TOKEN, min_size=1, max_size=6).map(tuple), min_size=1, max_size=25, unique=True)


def logprob(beginning, token):
    """A made-up model: ln-probability of a token after a beginning, different for each."""
    logits = np.random.default_rng(zlib.crc32(bytes(beginning))).normal(size=4)
    return logits[token] - np.log(np.exp(logits).sum())


def beginnings(trie):
    """The tokens that lead to each node, itself included; the last one is the prompt's own: nothing."""
    found = []
    for token, parent in zip(trie.token_T.tolist(), trie.parent_T.tolist(), strict=True):
        found.append((*(found[parent] if parent >= 0 else ()), token))
    return [*found, ()]


@given(RESPONSES)
def test_entries_give_back_every_responses_logprob(responses):
    trie = build(responses)
    lead = beginnings(trie)
    value_E = np.array([logprob(lead[n], t) for n, t in zip(trie.node_E, trie.token_E, strict=True)])
    found = np.bincount(trie.response_P, value_E[trie.entry_P], len(responses))
    wanted = [sum(logprob(r[:j], t) for j, t in enumerate(r)) for r in responses]
    np.testing.assert_allclose(found, wanted, atol=1e-12)


@given(RESPONSES)
def test_nothing_is_fed_or_scored_twice(responses):
    trie = build(responses)
    lead = beginnings(trie)[:-1]
    assert set(lead) == {r[:j] for r in responses for j in range(1, len(r))}
    assert len(lead) == len(set(lead)) == count_nodes(responses)
    scored = list(zip(trie.node_E.tolist(), trie.token_E.tolist(), strict=True))
    assert len(scored) == len(set(scored))


@given(RESPONSES)
def test_a_node_sees_its_ancestors_and_itself(responses):
    trie = build(responses)
    lead = beginnings(trie)[:-1]
    np.testing.assert_array_equal(trie.depth_T, [len(path) - 1 for path in lead])
    wanted = [[a[: len(b)] == b for b in lead] for a in lead]
    np.testing.assert_array_equal(trie.may_see(), np.array(wanted, bool).reshape(len(lead), len(lead)))


def test_an_example():
    trie = build([(7,), (8,), (7, 2), (7, 3, 2), (7, 3, 4)])
    assert trie.token_T.tolist() == [7, 3]
    assert trie.parent_T.tolist() == [-1, 0]
    assert trie.node_E.tolist() == [-1, -1, 0, 0, 1, 1]
    assert trie.token_E.tolist() == [7, 8, 2, 3, 2, 4]


def test_single_tokens_need_no_node():
    trie = build([(1,), (2,)])
    assert len(trie.token_T) == 0
    assert trie.node_E.tolist() == [-1, -1]
