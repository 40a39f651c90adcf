"""Prompts split over ranks: each once, evenly."""

from hypothesis import given
from hypothesis import strategies as st

from acute.ranks import ALONE, Ranks

COSTS = st.lists(st.integers(1, 1000).map(float), max_size=60)


@given(COSTS, st.integers(1, 9))
def test_every_prompt_belongs_to_one_rank(cost, size):
    shares = [Ranks(rank, size).share(cost) for rank in range(size)]
    assert sorted(index for share in shares for index in share) == list(range(len(cost)))
    assert all(share == sorted(share) for share in shares)


@given(COSTS, st.integers(1, 9))
def test_no_rank_has_more_than_the_even_share_and_one_prompt(cost, size):
    loads = [sum(cost[i] for i in Ranks(rank, size).share(cost)) for rank in range(size)]
    assert max(loads) <= sum(cost) / size + max(cost, default=0)


def test_a_lone_process_has_everything_and_speaks_to_itself():
    assert ALONE.first
    assert ALONE.share([3.0, 1.0]) == [0, 1]
    assert ALONE.told("yes") == "yes"
    assert ALONE.merged({"a": 1}) == {"a": 1}
    assert ALONE.gathered(3) == [3]
    ALONE.sum([])
