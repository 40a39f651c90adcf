"""Packing responses into rows: nothing lost, nothing computed twice."""

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acute.gradients.rows import pack

TOKEN = st.integers(0, 3)
RESPONSES = st.lists(st.lists(TOKEN, min_size=1, max_size=6).map(tuple), min_size=1, max_size=25, unique=True)


def logprob(beginning, token):
    """A made-up model: ln-probability of a token after a beginning, different for each."""
    logits = np.random.default_rng(zlib.crc32(bytes(beginning))).normal(size=4)
    return logits[token] - np.log(np.exp(logits).sum())


def beginnings(packed):
    """What each entry is predicted from."""
    return [
        () if row == -1 else packed.rows[row][:position]
        for row, position in zip(packed.row_E, packed.position_E, strict=True)
    ]


@given(RESPONSES)
def test_entries_give_back_every_responses_logprob(responses):
    packed = pack(responses)
    value_E = np.array([logprob(b, t) for b, t in zip(beginnings(packed), packed.token_E, strict=True)])
    wanted = [sum(logprob(r[:j], t) for j, t in enumerate(r)) for r in responses]
    np.testing.assert_allclose(packed.sum_entries(value_E), wanted, atol=1e-12)
    weight_U = np.arange(1.0, len(responses) + 1)
    assert packed.entry_weights(weight_U) @ value_E == pytest.approx(weight_U @ wanted)


@given(RESPONSES)
def test_entries_stand_where_they_say(responses):
    packed = pack(responses)
    for beginning, position in zip(beginnings(packed), packed.position_E, strict=True):
        assert len(beginning) == position  # the row is long enough


@given(RESPONSES)
def test_nothing_is_computed_twice(responses):
    packed = pack(responses)
    inputs = {r[:-1] for r in responses} - {()}
    leaves = {a for a in inputs if not any(b != a and b[: len(a)] == a for b in inputs)}
    assert sorted(packed.rows) == sorted(leaves)
    scored = list(zip(beginnings(packed), packed.token_E.tolist(), strict=True))
    assert len(scored) == len(set(scored))


@given(RESPONSES, st.randoms())
def test_the_order_of_the_responses_does_not_matter(responses, random):
    shuffled = random.sample(responses, len(responses))
    assert pack(shuffled).rows == pack(responses).rows


def test_an_example():
    packed = pack([(7,), (8,), (7, 2), (7, 3, 2), (7, 3, 4)])
    assert packed.rows == [(7, 3)]
    assert packed.entries_of == [[0], [1], [0, 2], [0, 3, 4], [0, 3, 5]]
    assert packed.row_E.tolist() == [-1, -1, 0, 0, 0, 0]
    assert packed.position_E.tolist() == [0, 0, 1, 1, 2, 2]
    assert packed.token_E.tolist() == [7, 8, 2, 3, 2, 4]


def test_single_tokens_need_no_row():
    packed = pack([(1,), (2,)])
    assert packed.rows == []
    assert packed.row_E.tolist() == [-1, -1]
