"""Prompt files: read as they are, or refused with file, line and field."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from acute.errors import ConfigError, TableError
from acute.tasks.files import read_prompts
from acute.tasks.source import Source, prompt_rows

GOOD = {"prompt_id": "a", "prompt": "1+1=", "answer": "2"}


def write(folder, *lines):
    path = folder / "prompts.jsonl"
    path.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines), encoding="utf-8")
    return path


def without(name):
    return {key: value for key, value in GOOD.items() if key != name}


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("{", "wanted a JSON object, found a fault: Expecting"),
        ("[" * 100_000, "wanted a JSON object, found a fault"),
        ([1], "wanted an object, found list"),
        (7, "wanted an object, found int"),
        ({**GOOD, "anwser": "2"}, "unknown field 'anwser'; known: answer, family"),
        (without("prompt_id"), "wanted a value for 'prompt_id', found none"),
        (without("answer"), "wanted a value for 'answer', found none"),
        ({**GOOD, "answer": None}, "wanted a value for 'answer', found none"),
        ({**GOOD, "answer": 2}, "'answer' must be text, found '2'"),
        ({**GOOD, "answer": {}}, "'answer' must be text, found '{}'; write an object as JSON in a text"),
        ({**GOOD, "level": 3}, "'level' must be text, found '3'"),
        ({**GOOD, "prompt_id": ""}, "'prompt_id' must be text, found none"),
        ({**GOOD, "prompt": ""}, "'prompt' must be text, found none"),
        (without("prompt"), "wanted either 'prompt' or 'messages'"),
        ({**GOOD, "messages": [{"role": "user", "content": "?"}]}, "wanted either 'prompt' or 'messages'"),
        ({**without("prompt"), "messages": []}, "'messages' must be a list of {role, content}, found '[]'"),
        ({**without("prompt"), "messages": "hi"}, "'messages' must be a list"),
        ({**without("prompt"), "messages": [{"content": "hi"}]}, "'messages' must be a list"),
        ({**without("prompt"), "messages": [{"role": 1, "content": "hi"}]}, "'messages' must be a list"),
        ({**GOOD, "prompt": "\ud800"}, "wanted Unicode text, found half of a surrogate pair"),
        ({**GOOD, "prompt_id": "ok"}, "prompt_id 'ok' stands already on line 1"),
    ],
    ids=lambda x: x[:40] if isinstance(x, str) else "",
)
def test_a_bad_row_is_named_by_file_line_and_fault(tmp_path, row, fault):
    path = write(tmp_path, {**GOOD, "prompt_id": "ok"}, "", row)
    with pytest.raises(TableError) as error:
        read_prompts(path)
    assert f"{path} line 3: {fault}" in str(error.value)
    assert len(str(error.value)) < 400


def test_good_rows_come_back_in_order(tmp_path):
    messages = [{"role": "user", "content": "hi"}]
    rows = [GOOD, {"prompt_id": "b", "messages": messages, "answer": "", "prefill": "x", "family": "f"}]
    assert read_prompts(write(tmp_path, *rows, "")) == rows


@pytest.mark.parametrize("mark", ["\u2028", "\x85", "\x0c"])
def test_only_a_line_feed_ends_a_line(tmp_path, mark):
    row = {**GOOD, "prompt": f"one{mark}two"}
    text = json.dumps(row, ensure_ascii=False) if mark != "\x0c" else json.dumps(row)
    assert read_prompts(write(tmp_path, text)) == [row]


def test_windows_files_are_read(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n")
    assert read_prompts(path) == [GOOD]


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("none.jsonl", None, "found no file"),
        ("empty.jsonl", b"\n\n", "wanted at least one prompt, found none"),
        ("latin.jsonl", b'{"prompt_id": "\xe9"}', "can't decode byte"),
        ("none.parquet", None, "found no file"),
        ("text.parquet", b"not parquet at all", "Parquet"),
    ],
)
def test_a_bad_file_is_named(tmp_path, name, content, fault):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TableError, match=fault) as error:
        read_prompts(path)
    assert str(path) in str(error.value)


def test_parquet(tmp_path):
    path = tmp_path / "prompts.parquet"
    messages = [[{"role": "user", "content": "hi"}], None]
    columns = {"prompt_id": ["a", "b"], "prompt": [None, "?"], "messages": messages, "answer": ["1", "2"]}
    pq.write_table(pa.table(columns), path)
    first, second = read_prompts(path)
    assert first["messages"] == [{"role": "user", "content": "hi"}]
    assert second["prompt"] == "?"
    pq.write_table(pa.table({**columns, "answer": ["1", None]}), path)
    with pytest.raises(TableError, match=r"prompts\.parquet row 1: wanted a value for 'answer', found none"):
        read_prompts(path)


def from_source(source, limit=None, families=None):
    return [
        row["prompt_id"]
        for row in prompt_rows(Source(source, limit=limit, families=families, per_family=2), 0, True)
    ]


def test_families_and_limit(tmp_path):
    rows = [{**GOOD, "prompt_id": f"p{i}", "family": "odd" if i % 2 else "even"} for i in range(6)]
    path = str(write(tmp_path, *rows))
    assert from_source(path, families=("odd",)) == ["p1", "p3", "p5"]
    assert from_source(path, 2, ("even",)) == ["p0", "p2"]
    assert from_source("arithmetic", 3, ("compare", "one-digit sum")) == [
        "compare-000",
        "compare-001",
        "one-digit-sum-000",
    ]
    with pytest.raises(ConfigError, match="has no prompt of the family 'prime'"):
        from_source(path, families=("odd", "prime"))


def test_an_unknown_source_is_refused():
    with pytest.raises(ConfigError, match=r'wanted "arithmetic" .*humaneval.* found \'arithmetics\''):
        from_source("arithmetics")
