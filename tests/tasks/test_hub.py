"""Data sets in local folders, as the hub's cache and `save_to_disk` leave them; no network."""

import json

import pytest

from acute.errors import ConfigError, InputError, OutsideError
from acute.tasks.source import Source, prompt_rows

datasets = pytest.importorskip("datasets")
ROWS = {"question": ["1+1?", "2+2?"], "gold": [2, 4], "topic": ["small", "large"]}
COLUMNS = {"prompt": "question", "answer": "gold", "family": "topic"}


def read(source, **more):
    return prompt_rows(Source(source, **more), 0, True)


@pytest.fixture
def saved(tmp_path):
    splits = {name: datasets.Dataset.from_dict(ROWS) for name in ("train", "test")}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "both")
    splits["test"].save_to_disk(tmp_path / "one")
    (tmp_path / "files").mkdir()
    lines = [dict(zip(ROWS, row, strict=True)) for row in zip(*ROWS.values(), strict=True)]
    (tmp_path / "files" / "test.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


@pytest.mark.parametrize("source", ["hf:{}/both:test", "hf:{}/one", "hf:{}/files:test", "hf:{}/files"])
def test_a_folder_is_read(saved, source):
    first, second = read(source.format(saved), columns=COLUMNS)
    assert first == {"prompt_id": "000000", "prompt": "1+1?", "answer": "2", "family": "small"}
    assert second["prompt_id"] == "000001"
    assert len(read(source.format(saved), columns=COLUMNS, families=("large",))) == 1


@pytest.mark.parametrize(
    ("source", "kind", "fault"),
    [
        ("hf:{}/both", ConfigError, "wanted hf:.*/both:train or hf:.*/both:test, found no split"),
        ("hf:{}/both:dev", ConfigError, "found 'dev'"),
        ("hf:{}/one:test", ConfigError, "is one split, wanted no name of one, found 'test'"),
        ("hf:nobody/nothing", OutsideError, "nobody/nothing is not in the cache"),
    ],
)
def test_what_is_not_there_is_named(saved, source, kind, fault):
    with pytest.raises(kind, match=fault):
        read(source.format(saved), columns=COLUMNS)


def test_a_folder_without_data(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises((InputError, OutsideError), match="empty"):
        read(f"hf:{tmp_path}/empty")


def test_a_column_that_is_not_there(saved):
    with pytest.raises(
        ConfigError, match=r"prompts.columns.answer: wanted a column of .*question, gold, topic"
    ):
        read(f"hf:{saved}/one", columns={"prompt": "question", "answer": "solution"})


def test_rows_in_our_own_form_need_no_columns(tmp_path):
    datasets.Dataset.from_list([{"prompt_id": "a", "prompt": "?", "answer": "1"}]).save_to_disk(
        tmp_path / "ours"
    )
    assert read(f"hf:{tmp_path}/ours") == [{"prompt_id": "a", "prompt": "?", "answer": "1"}]


def test_columns_of_a_file(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"q": "1+1?", "a": 2, "extra": [1]}\n')
    found = read(str(path), columns={"prompt": "q", "answer": "a"})
    assert found == [{"prompt_id": "000000", "prompt": "1+1?", "answer": "2"}]


def test_a_prefix_goes_before_the_last_message(tmp_path):
    path = tmp_path / "rows.jsonl"
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1+1?"}]
    path.write_text(json.dumps({"prompt_id": "a", "messages": messages, "answer": "2"}))
    (found,) = read(str(path), prefix="0+1? 1\n", template="{prompt} =")
    assert found["messages"] == [messages[0], {"role": "user", "content": "0+1? 1\n1+1? ="}]
