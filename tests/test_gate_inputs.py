"""Reading and pairing the two sides of the gate: joined by id, every fault named with its place."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from acute.config import parse
from acute.errors import ConfigError, InputError, TableError
from acute.gate_inputs import join, read_side
from acute.run import Run
from acute.table import PROMPTS, RESPONSES, schema_of

ROWS = [{"id": "a", "n": 4, "c": 1}, {"id": "b", "n": 8, "c": 8}, {"id": "c", "n": 4, "c": 0}]


def jsonl(path, rows):
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return path


def run_folder(path, counts, answer="7", no_reward=0):
    """A verified run folder with prompt: (n, c) given; half of each prompt's responses in each fold."""
    prompts = [
        {"prompt_id": x, "prompt": f"{x}=", "answer": answer, "family": "x" if x < "c" else "y"}
        for x in counts
    ]
    responses = []
    for name, (n, c) in counts.items():
        rewards = [1.0] * c + [0.0] * (n - c) + [None] * no_reward
        for i, reward in enumerate(rewards):
            row = {"response_id": f"{name}/{i}", "prompt_id": name, "fold": i % 2, "response": "7"}
            row |= {"token_ids": [1], "logprob": -1.0, "finish": "eos", "outcome": "ok", "reward": reward}
            responses.append(row)
    run = Run.create(path, parse({"model": {"name": "none"}, "prompts": {"source": "none.jsonl"}}))
    run.write_prompts(pa.Table.from_pylist(prompts, schema_of(PROMPTS, tuple(prompts[0]))))
    run.write_responses(pa.Table.from_pylist(responses, schema_of(RESPONSES, tuple(responses[0]))))
    return path


def counted(side):
    return {name: (row["n"], row["c"]) for name, row in side.rows.items()}


def test_the_three_forms_hold_the_same(tmp_path):
    wanted = {row["id"]: (row["n"], row["c"]) for row in ROWS}
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    assert counted(read_side(jsonl(tmp_path / "a.jsonl", ROWS))) == wanted
    assert counted(read_side(tmp_path / "a.parquet")) == wanted
    folder = read_side(run_folder(tmp_path / "run", wanted, no_reward=2))
    assert counted(folder) == wanted
    assert folder.no_reward == 6


def test_joined_by_id_not_by_place(tmp_path):
    base = read_side(jsonl(tmp_path / "a.jsonl", ROWS))
    candidate = read_side(jsonl(tmp_path / "b.jsonl", [{"id": "z", "n": 4, "c": 2}, *reversed(ROWS[:2])]))
    found = join(base, candidate)
    assert list(found.pairs.prompt_ids) == ["a", "b"]
    np.testing.assert_array_equal(found.pairs.base.c_N, [1, 8])
    np.testing.assert_array_equal(found.pairs.candidate.c_N, [1, 8])
    np.testing.assert_array_equal(found.pairs.candidate.n_N, [4, 8])
    assert (found.only_in_base, found.only_in_candidate) == (["c"], ["z"])


def test_integer_ids_meet_text_ones(tmp_path):
    base = read_side(jsonl(tmp_path / "a.jsonl", [{"id": 3, "n": 4, "c": 1}]))
    assert join(
        base, read_side(jsonl(tmp_path / "b.jsonl", [{"id": "3", "n": 4, "c": 2}]))
    ).pairs.prompt_ids == ["3"]


def test_slices_come_from_either_side(tmp_path):
    counts = {"a": (4, 1), "b": (4, 2), "c": (4, 3), "d": (4, 0)}
    run = read_side(run_folder(tmp_path / "run", counts))
    file = read_side(
        jsonl(
            tmp_path / "a.jsonl", [{"id": x, "n": 4, "c": 1, "set": "s" if x < "d" else None} for x in counts]
        )
    )
    for sides in ((run, file), (file, run)):
        assert join(*sides, by="family").pairs.slice_N == ["x", "x", "y", "y"]
    found = join(run, file, by="set")
    assert found.pairs.slice_N == ["s", "s", "s", None]
    assert found.without_slice == 1
    with pytest.raises(ConfigError, match=r"no prompt has a value for 'famly' .* answer, family, prompt"):
        join(run, file, by="famly")


def test_the_same_prompt_in_two_slices_is_refused(tmp_path):
    sides = [
        read_side(jsonl(tmp_path / f"{x}.jsonl", [{"id": "a", "n": 4, "c": 1, "family": x}])) for x in "pq"
    ]
    with pytest.raises(TableError, match=r"prompt 'a' has family 'p' in .* and 'q' in"):
        join(*sides, by="family")


def test_other_answers_are_refused(tmp_path):
    counts = {"a": (4, 1), "b": (4, 2)}
    base, other = (read_side(run_folder(tmp_path / x, counts, answer=x)) for x in ("7", "8"))
    with pytest.raises(
        TableError, match=r"wanted the same answer in .* found 2 prompts .* 'a' has '7' and '8'"
    ):
        join(base, other)
    other.rows["a"]["prompt"] = "else"
    with pytest.raises(TableError, match=r"wanted the same prompt in .* found 1 prompts"):
        join(base, other)


def test_no_common_prompt_is_refused(tmp_path):
    base = read_side(jsonl(tmp_path / "a.jsonl", ROWS))
    other = read_side(jsonl(tmp_path / "b.jsonl", [{"id": "z", "n": 4, "c": 2}]))
    with pytest.raises(
        InputError, match=r"share, found none: the base has ids such as 'a', 'b', 'c', the candidate 'z'"
    ):
        join(base, other)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([1], r"wanted an object"),
        ({"id": "a", "n": 4}, r"wanted a value for 'c'"),
        ({"id": "", "n": 4, "c": 1}, r"'id' must be text or an integer, found ''"),
        ({"id": True, "n": 4, "c": 1}, r"'id' must be text or an integer, found True"),
        ({"id": "a", "n": 4.0, "c": 1}, r"'n' must be an integer, found 4\.0"),
        ({"id": "a", "n": 4, "c": True}, r"'c' must be an integer, found True"),
        ({"id": "a", "n": 4, "c": 5}, r"wanted 0 ≤ c ≤ n, found c = 5, n = 4"),
        ({"id": "a", "n": 4, "c": -1}, r"wanted 0 ≤ c ≤ n"),
        ({"id": "b", "n": 4, "c": 1}, r"id 'b' stands there twice"),
    ],
)
def test_a_faulty_row_is_named(tmp_path, row, words):
    path = jsonl(tmp_path / "a.jsonl", [{"id": "b", "n": 4, "c": 1}, row])
    with pytest.raises(TableError, match=rf"a\.jsonl line 2: {words}"):
        read_side(path)


def test_what_is_no_counts_file(tmp_path):
    with pytest.raises(
        InputError, match=r"wanted a run folder, .* or a counts file at .*, found nothing there"
    ):
        read_side(tmp_path / "none")
    with pytest.raises(InputError, match=r"found no run\.json there"):
        read_side(tmp_path)
    (tmp_path / "a.jsonl").write_text('{"id": 1')
    with pytest.raises(TableError, match=r"line 1: wanted a JSON object"):
        read_side(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl").write_text("\n")
    with pytest.raises(TableError, match=r"a row .* a prompt, found none"):
        read_side(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="could not read"):
        read_side(tmp_path / "a.jsonl")
    (tmp_path / "a.parquet").write_text("no")
    with pytest.raises(TableError, match="wanted Parquet"):
        read_side(tmp_path / "a.parquet")


def test_a_run_folder_without_rewards(tmp_path):
    path = run_folder(tmp_path / "run", {"a": (4, 1)})
    table = pq.read_table(path / "responses.parquet")
    Run.open(path).write_responses(table.drop_columns(["reward"]))
    with pytest.raises(InputError, match=r"has no rewards: run acute verify"):
        read_side(path)
    Run.open(path).write_responses(table.slice(0, 0))
    with pytest.raises(InputError, match=r"wanted responses in .*, found none"):
        read_side(path)


def test_a_prompt_without_responses_counts_as_n_0(tmp_path):
    path = run_folder(tmp_path / "run", {"a": (4, 1), "b": (4, 1)})
    table = pq.read_table(path / "responses.parquet")
    Run.open(path).write_responses(table.slice(0, 4))
    assert counted(read_side(path)) == {"a": (4, 1), "b": (0, 0)}


def test_responses_to_an_unknown_prompt(tmp_path):
    path = run_folder(tmp_path / "run", {"a": (4, 1), "b": (4, 1)})
    Run.open(path).write_prompts(pq.read_table(path / "prompts.parquet").slice(0, 1))
    with pytest.raises(TableError, match=r"responses to prompt 'b', which is not in prompts\.parquet"):
        read_side(path)
