"""Counting in batches is counting, whatever the batches."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from acute.errors import InputError, TableError
from acute.measure.counting import count
from acute.table import RESPONSES, read_batches


def responses(rows=400, seed=0):
    """Rows of prompts and folds in any order, some without a reward, with texts that repeat."""
    rng = np.random.default_rng(seed)
    pick = lambda items: [items[i] for i in rng.integers(len(items), size=rows)]  # noqa: E731
    return pa.table(
        {
            "prompt_id": pick(["b", "a", "ü", "d"]),
            "fold": pa.array(rng.integers(0, 3, rows), pa.int32()),
            "reward": pa.array(pick([0.0, 1.0, None]), pa.float64()),
            "finish": pick(["eos", "length", "stop"]),
            "response": pick(["1", "2", "", "3 ", "1 "]),
        }
    )


def slowly(table):
    rows = table.to_pylist()
    ids = list(dict.fromkeys(row["prompt_id"] for row in rows))
    tally = Counter((r["prompt_id"], r["fold"], r["reward"]) for r in rows)
    n = [[sum(tally[x, m, r] for r in (0.0, 1.0)) for m in range(3)] for x in ids]
    c = [[tally[x, m, 1.0] for m in range(3)] for x in ids]
    cut = [sum(r["finish"] == "length" for r in rows if r["prompt_id"] == x) for x in ids]
    distinct = [len({r["response"] for r in rows if r["prompt_id"] == x}) for x in ids]
    return ids, n, c, sum(r["reward"] is None for r in rows), cut, distinct


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_counts_are_those_of_one_row_after_the_other(size):
    table = responses()
    found = count(table.to_batches(max_chunksize=size))
    for one, other in zip(found, slowly(table), strict=True):
        assert np.asarray(one).tolist() == other


def test_columns_beyond_the_counts_may_be_missing():
    found = count(responses().select(["prompt_id", "fold", "reward"]).to_batches())
    assert found.n_NM.sum() > 0 and not found.truncated_N.any() and not found.distinct_N.any()


def test_another_reward_is_refused():
    table = responses(5).set_column(2, "reward", pa.array([None, 1.0, 0.5, 0.0, 1.0]))
    with pytest.raises(InputError, match=r"found 0.5 for the prompt"):
        count(table.to_batches())


def test_batches_come_from_the_file(tmp_path):
    path, table = tmp_path / "responses.parquet", responses()
    pq.write_table(table, path)
    read = pa.Table.from_batches(read_batches(path, RESPONSES, ("fold", "prompt_id")))
    assert read.equals(table.select(["fold", "prompt_id"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["fold"]), "'fold' of type int32, found no such column"),
        (lambda t: t.set_column(1, "fold", pa.array([0] * len(t))), "'fold' of type int32, found type int64"),
    ],
)
def test_wrong_columns_are_named(tmp_path, change, message):
    path = tmp_path / "responses.parquet"
    pq.write_table(change(responses()), path)
    with pytest.raises(TableError, match=message):
        list(read_batches(path, RESPONSES, ("prompt_id", "fold")))


def test_no_file_and_no_parquet_are_named(tmp_path):
    with pytest.raises(TableError, match="found no file"):
        list(read_batches(tmp_path / "none.parquet", RESPONSES, ("fold",)))
    (tmp_path / "text.parquet").write_text("no")
    with pytest.raises(TableError, match="wanted Parquet"):
        list(read_batches(tmp_path / "text.parquet", RESPONSES, ("fold",)))
