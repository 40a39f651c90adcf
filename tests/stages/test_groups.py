"""The rewarded responses by prompt: what the groups are, what is refused, and that few are in memory."""

import tracemalloc
from collections import defaultdict

import pyarrow as pa
import pytest

from acute.config import load
from acute.errors import InputError
from acute.run import Run
from acute.stages import groups as module
from acute.stages.groups import Groups, _refuse_unscorable, groups_of
from acute.stages.score import score
from acute.table import RESPONSES, RESPONSES_REQUIRED, schema_of
from tests.tiny import prompt_rows, write_run

TOKENS, ROWS, DISTINCT = 400, 64, 4
NAMES = (*RESPONSES_REQUIRED, "outcome", "reward")


def row(prompt_id, index, tokens, reward, logprob=None):
    return {
        "response_id": f"{prompt_id}/{index:05d}",
        "prompt_id": prompt_id,
        "fold": index % 2,
        "response": "x",
        "token_ids": tokens,
        "logprob": logprob,
        "finish": "length",
        "outcome": "ok",
        "reward": reward,
    }


def table(rows):
    return pa.Table.from_pylist(rows, schema_of(RESPONSES, NAMES))


def test_the_smallest_pass_over_a_group():
    """As the engines count it: prompt and longest response, the last token not fed; 0 without a signal."""
    prompts = pa.chunked_array([["p", "q"]])
    rows = [row("p", i, list(range(i + 1)), float(i % 2)) for i in range(4)]
    rows += [row("q", i, [1, 2, 3], 1.0) for i in range(4)]
    of_p, of_q = Groups(prompts, table(rows).select(module.COLUMNS))
    assert of_p.longest(7) == of_p.task((0,) * 7, 2).longest == 7 + 3
    assert of_q.longest(7) == 0


MIXED = [
    row("b", 0, [3, 1], 1.0, -2.5),
    row("a", 0, [7], 0.0),
    row("b", 1, [2], 0.0),
    row("elsewhere", 0, [5], 1.0),
    row("b", 2, None, None),
    row("b", 3, [3, 1], 1.0),
    row("a", 1, [], 0.0),
]


@pytest.mark.parametrize("cuts", [[7], [3, 4], [1] * 7], ids=str)
def test_groups_are_the_rows_of_each_prompt_in_their_order(cuts):
    whole, chunks, first = table(MIXED), [], 0
    for size in cuts:
        chunks.append(whole.slice(first, size))
        first += size
    groups = Groups(pa.chunked_array([["none", "a"], ["b"]]), pa.concat_tables(chunks).select(module.COLUMNS))
    assert [g.prompt_id for g in groups] == ["none", "a", "b"] == [groups[i].prompt_id for i in range(3)]
    wanted = defaultdict(list)
    for one in (one for one in MIXED if one["reward"] is not None):
        kept = {name: one[name] for name in ("response_id", "fold", "logprob", "reward")}
        wanted[one["prompt_id"]].append(kept | {"token_ids": tuple(one["token_ids"])})
    assert [g.rows for g in groups] == [[], wanted["a"], wanted["b"]]
    assert [g.distinct for g in groups] == [[], [(), (7,)], [(2,), (3, 1)]]
    assert [g.has_signal for g in groups] == [False, False, True]
    assert [g.successes for g in groups] == [0, 0, 2]
    assert groups[2].named(1) == "response 'b/00000' of prompt 'b'"
    assert groups[-1].task((), 2).counts_GU.tolist() == [[0, 0], [0, 1], [1, 0], [0, 1]]
    assert [g.prompt_id for g in groups[1:]] == ["a", "b"]
    with pytest.raises(IndexError):
        groups[3]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row("a", 0, None, None), row("a", 1, [1], 0.5)], "rewards 0 or 1, found 0.5 in row 'a/00001'"),
        ([row("a", 0, [1], float("nan"))], "rewards 0 or 1, found nan in row 'a/00000'"),
        ([row("a", 0, None, 1.0), row("a", 1, [1], 0.5)], "'a/00000' has no tokens to score: import with"),
        ([row("a", 0, None, 2.0)], "found 2.0 in row 'a/00000'"),
    ],
)
def test_what_cannot_be_scored_is_named_by_the_first_row(rows, said):
    with pytest.raises(InputError, match=said):
        _refuse_unscorable(table(rows))
    _refuse_unscorable(table([row("a", 0, None, None), row("a", 1, [1], 1.0)]))


def many(folder, model, prompts):
    """A verified run of that many prompts with long responses, nearly all of them equal."""
    run = Run.create(folder / "run", load(write_run(folder, model, count=prompts)))
    names = [one["prompt_id"] for one in prompt_rows(prompts)]
    rows = [
        row(name, i, [1 + i % DISTINCT] * TOKENS, float(i % DISTINCT == 0))
        for name in names
        for i in range(ROWS)
    ]
    with run.stage("prompts"):
        run.write_prompts(pa.Table.from_pylist(prompt_rows(prompts)))
    for stage in ("rollout", "verify"):
        with run.stage(stage):
            run.write_responses(table(rows))
    return run


def peak(run):
    """The most bytes of Python objects that scoring had at once."""
    tracemalloc.start()
    try:
        score(run)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_of_scoring_does_not_grow_with_prompts(tmp_path, tiny_model):
    few, lots = (many(tmp_path / str(count), tiny_model, count) for count in (4, 16))
    score(many(tmp_path / "first", tiny_model, 1))  # imports and caches
    before, after = peak(few), peak(lots)
    rows_of_a_prompt = ROWS * TOKENS * 8
    print(f"peak {before} {after} rows of a prompt {rows_of_a_prompt}")
    assert before > rows_of_a_prompt  # it is the rows that weigh
    assert after < 1.3 * before
    assert len(groups_of(lots)) == 16
