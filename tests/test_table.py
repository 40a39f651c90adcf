"""The schema: faults named together, columns only added, files whole or not at all."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from acute.errors import OutsideError, TableError
from acute.table import (
    PROMPTS,
    PROMPTS_REQUIRED,
    RESPONSES,
    RESPONSES_REQUIRED,
    check,
    read_table,
    schema_of,
    with_column,
    write_atomically,
    write_table,
)


def responses(count=3, **changes):
    row = {"prompt_id": "p", "fold": 0, "response": "x", "token_ids": [1], "logprob": -1.0, "finish": "eos"}
    rows = [{"response_id": f"r{i}", **row, **changes} for i in range(count)]
    return pa.Table.from_pylist(rows, schema_of(RESPONSES, RESPONSES_REQUIRED))


def checked(table):
    return check(table, RESPONSES, RESPONSES_REQUIRED)


def test_a_good_table_is_returned_as_it_is():
    table = responses()
    assert checked(table) is table
    assert checked(table.append_column("someone's own", pa.array([1, 2, 3]))).num_columns == 8


def test_every_fault_is_named_with_its_meaning():
    table = responses().drop_columns(["fold", "finish"])
    wrong = table.set_column(4, "logprob", pa.array(["a", "b", "c"]))
    with pytest.raises(TableError) as error:
        checked(wrong)
    assert str(error.value) == (
        "missing column 'fold'; missing column 'finish'; 'logprob' (ln of the sampler's probability of "
        "token_ids; nats) must be double, found string"
    )


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["a", None, None], "'response_id' is null in 2 rows"),
        (["a", "b", "a"], "'response_id' repeats in 1 rows"),
    ],
)
def test_the_key_is_unique_and_there(ids, message):
    table = responses().set_column(0, "response_id", pa.array(ids, pa.string()))
    with pytest.raises(TableError, match=message):
        checked(table)


def test_columns_are_only_added():
    rewarded = with_column(responses(), "reward", [1, None, 0.5])
    assert rewarded["reward"].to_pylist() == [1.0, None, 0.5]  # not known stays not known
    with pytest.raises(TableError, match="'reward' is there already; columns are only added"):
        with_column(rewarded, "reward", [0, 0, 0])


@pytest.mark.parametrize("columns", [PROMPTS, RESPONSES])
def test_every_column_says_what_it_means(columns):
    assert all(meaning for _, meaning in columns.values())


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "responses.parquet"
    write_table(responses(), path)
    assert read_table(path, RESPONSES, RESPONSES_REQUIRED) == responses()
    assert [p.name for p in tmp_path.iterdir()] == ["responses.parquet"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "wanted a table at .*, found no file"),
        (b"PAR1 but not really", "wanted Parquet, found a fault"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path, content, message):
    path = tmp_path / "t.parquet"
    if content:
        path.write_bytes(content)
    with pytest.raises(TableError, match=message) as error:
        read_table(path, PROMPTS, PROMPTS_REQUIRED)
    assert str(path) in str(error.value)


def test_a_cut_off_or_foreign_table_is_named(tmp_path):
    path = tmp_path / "t.parquet"
    write_table(responses(), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(TableError, match=r"t\.parquet: wanted Parquet"):
        read_table(path, RESPONSES, RESPONSES_REQUIRED)
    pq.write_table(pa.table({"prompt": ["?"]}), path)
    with pytest.raises(TableError, match=r"t\.parquet: missing column 'prompt_id'; missing column 'answer'"):
        read_table(path, PROMPTS, PROMPTS_REQUIRED)


def test_a_write_replaces_the_whole_file(tmp_path):
    path = tmp_path / "a"
    write_atomically(path, b"a long text")
    write_atomically(path, b"short")
    assert path.read_bytes() == b"short"


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_a_refused_write_leaves_what_was_there(tmp_path, monkeypatch, step):
    path = tmp_path / "a"
    write_atomically(path, b"old")

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(step, refuse)
    with pytest.raises(OutsideError, match=r"could not write .*a: No space left on device"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(OutsideError, match="No such file or directory"):
        write_atomically(tmp_path / "nowhere" / "a", b"x")
