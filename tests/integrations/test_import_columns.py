"""Any columns, counts, and the rules of grouping that all formats share."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from acute.errors import ConfigError, InputError, TableError
from acute.run import Run
from tests.integrations.logs import acute, by_hand, fails, prompts, responses, written
from tests.tiny import save_model, write_run

ROWS = [
    {"q": {"id": x, "text": f"{x}?"}, "out": f"try {j}", "score": float(j < x), "split": "a"}
    for j in range(4)
    for x in range(3)
]
MAP = "prompt_id=q.id,prompt=q.text,response=out,reward=score"


def log(tmp_path, rows, name="log.jsonl"):
    return written(tmp_path / name, rows)


def run(tmp_path, rows, *options, form="jsonl"):
    out = tmp_path / "run"
    return acute("import", log(tmp_path, rows), "--format", form, "--out", out, *options), out


def error(tmp_path, rows, *options, form="jsonl", out="refused"):
    return fails("import", log(tmp_path, rows), "--format", form, "--out", tmp_path / out, *options)


def test_columns_are_named_and_nested(tmp_path):
    said, out = run(tmp_path, ROWS, "--map", MAP)
    assert said["responses"] == len(ROWS) and said["prompts"] == 3
    found = sorted((r["prompt_id"], r["response"], r["reward"]) for r in responses(out))
    assert found == sorted((str(r["q"]["id"]), r["out"], r["score"]) for r in ROWS)
    assert {r["fold"] for r in responses(out)} == {0, 1}
    assert prompts(out)["2"]["prompt"] == "2?"


def test_parquet_is_the_same(tmp_path):
    _, plain = run(tmp_path, ROWS, "--map", MAP)
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "log.parquet")
    acute("import", tmp_path / "log.parquet", "--format", "jsonl", "--out", tmp_path / "p", "--map", MAP)
    assert responses(plain) == responses(tmp_path / "p") and prompts(plain) == prompts(tmp_path / "p")


def test_a_row_a_prompt_with_lists(tmp_path):
    rows = [{"id": x, "outs": ["a", "b", "c"], "scores": [1, 0, None]} for x in "xy"]
    said, out = run(tmp_path, rows, "--map", "prompt_id=id,response=outs,reward=scores")
    assert [r["response"] for r in responses(out)] == [*"abcabc"]
    assert [r["reward"] for r in responses(out)] == [1, 0, None] * 2
    assert "2 of 6 responses have none and are not counted" in said["notes"]["rewards"]
    rows[0]["outs"] = ["a"]
    assert "3 rewards need as many values under 'response', found 1" in str(
        error(tmp_path, rows, "--map", "prompt_id=id,response=outs,reward=scores")
    )


def test_position_is_no_group(tmp_path):
    found = error(tmp_path, [{"response": "a", "reward": 1}])
    assert isinstance(found, TableError) and "position says nothing" in str(found)


def test_groups_by_text_only_where_no_row_has_an_id(tmp_path):
    rows = [{"prompt": p, "reward": r} for p, r in zip("abab", [1, 0, 0, 0], strict=True)]
    said, out = run(tmp_path, rows)
    assert said["prompts"] == 2 and "by the exact text of the prompt" in said["notes"]["groups"]
    assert all(name.startswith("text-") for name in prompts(out))
    rows[2]["prompt_id"] = "z"
    assert "prompt id in every row or in none" in str(error(tmp_path, rows))


def test_keys_of_texts_are_the_same_in_every_log(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        run(tmp_path / name, [{"prompt": "a", "reward": 1}, {"prompt": "b", "reward": 0, "x": name}])
    assert set(prompts(tmp_path / "one" / "run")) == set(prompts(tmp_path / "two" / "run"))


def test_one_id_for_two_texts(tmp_path):
    rows = [{"prompt_id": "a", "prompt": text, "reward": 1} for text in ("x", "y")]
    assert "line 2: prompt 'a' has another text than at" in str(error(tmp_path, rows))


def test_copies_have_one_response_id(tmp_path):
    row = {"prompt_id": "a", "response_id": "a1", "response": "x", "reward": 1}
    other = {**row, "response_id": "a2"}
    said, out = run(tmp_path, [row, row, other])
    assert [r["response_id"] for r in responses(out)] == ["a1", "a2"]
    assert said["notes"]["repeated rows"].startswith("1 copies")
    assert "with other contents" in str(error(tmp_path, [row, {**row, "reward": 0}]))


def test_equal_rows_without_an_id_are_responses_of_their_own(tmp_path):
    _, out = run(tmp_path, [{"prompt_id": "a", "response": "x", "reward": 1}] * 5)
    assert len(responses(out)) == 5


def test_a_threshold_makes_rewards_binary_and_the_log_s_own_stay(tmp_path):
    rows = [{"prompt_id": "a", "reward": r} for r in (-1, 0.2, 0.5, 0.7, None, float("nan"))]
    found = error(tmp_path, rows)
    assert isinstance(found, ConfigError) and "found -1, 0.2, 0.5, 0.7" in str(found)
    said, out = run(tmp_path, rows, "--right-above", "0.5")
    assert [r["reward"] for r in responses(out)] == [0, 0, 0, 1, None, None]
    assert [r["logged_reward"] for r in responses(out)] == [-1, 0.2, 0.5, 0.7, None, None]
    assert "right is a reward above 0.5; 2 of 6 responses have none" in said["notes"]["rewards"]


def test_where_chooses_rows(tmp_path):
    rows = [*ROWS, *({**r, "split": "b"} for r in ROWS[:4])]
    said, _ = run(tmp_path, rows, "--map", MAP, "--where", "split=b")
    assert said["responses"] == 4
    assert "none of the 16 rows has split=c" in str(error(tmp_path, rows, "--where", "split=c"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt_id": "a", "reward": "1"}, "'reward' must be a number, found '1'"),
        ({"prompt_id": "a", "reward": 1e400}, "must be finite"),
        ({"prompt_id": ["a"], "reward": 1}, "'prompt_id' must be text"),
        ({"prompt_id": "a", "response": {"x": 1}, "reward": 1}, "'response' must be text"),
        ({"prompt_id": "a", "token_ids": [1, -1], "reward": 1}, "whole numbers from 0"),
        ({"prompt_id": "a", "outcome": "fine", "reward": 1}, "'outcome' must be one of ok"),
        ({"prompt_id": "a", "step": "x", "reward": 1}, "'step' must be a whole number"),
        ({"prompt_id": "a\ud800", "reward": 1}, "half of a surrogate pair"),
        ({"prompt": [{"content": "x"}], "reward": 1}, "wanted messages {role, content}"),
    ],
)
def test_a_bad_value_is_refused_with_its_place(row, message, tmp_path):
    found = error(tmp_path, [{"prompt_id": "a", "reward": 0}, row])
    assert isinstance(found, InputError) and message in str(found) and "line 2" in str(found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--map", "prompt_id"), "wanted --map OURS=COLUMN"),
        (("--map", "id=prompt_id"), "our fields are response_id"),
        (("--where", "x"), "wanted --where COLUMN=VALUE"),
        (("--step", "3"), "the log has no steps"),
        (("--temperature", "0"), "temperature"),
        (("--map", "reward=nowhere"), "no row has a value under 'nowhere'"),
    ],
)
def test_options_that_cannot_be(options, message, tmp_path):
    assert message in str(error(tmp_path, [{"prompt_id": "a", "reward": 1}], *options))


def test_files_that_cannot_be(tmp_path):
    assert "found nothing there" in str(
        fails("import", tmp_path / "no", "--format", "jsonl", "--out", tmp_path / "o")
    )
    (tmp_path / "empty").mkdir()
    assert "wanted files that end in .jsonl" in str(
        fails("import", tmp_path / "empty", "--format", "verl", "--out", tmp_path / "o")
    )
    (tmp_path / "bad.jsonl").write_text('{"a": 1}\n[1]\n')
    assert "line 2: wanted a JSON object, found list" in str(
        fails("import", tmp_path / "bad.jsonl", "--format", "jsonl", "--out", tmp_path / "o")
    )
    assert not (tmp_path / "o").exists()


def test_the_same_import_again_is_nothing_new_and_another_is_refused(tmp_path):
    _, out = run(tmp_path, ROWS, "--map", MAP)
    before = (out / "responses.parquet").stat().st_mtime_ns
    run(tmp_path, ROWS, "--map", MAP)
    assert (out / "responses.parquet").stat().st_mtime_ns == before
    assert "was made with imported" in str(
        error(tmp_path, ROWS, "--map", MAP, "--where", "split=a", out="run")
    )
    assert "no longer, the log that" in str(error(tmp_path, ROWS[:-1], "--map", MAP, out="run"))


def test_counts_say_which_prompts_have_none_and_take_no_map(tmp_path):
    rows = [{"id": "a", "n": 2, "c": 1}, {"id": "b", "n": 0, "c": 0}]
    said, _ = run(tmp_path, rows, form="counts")
    assert said["notes"]["left out"] == "1 of 2 prompts have n = 0"
    assert "reads the columns id, c and n" in str(
        error(tmp_path, rows, "--map", "prompt_id=q", form="counts")
    )


def test_counts(tmp_path):
    rows = [{"id": x, "n": 8, "c": c, "family": "f"} for x, c in enumerate((0, 1, 4, 8))]
    said, out = run(tmp_path, rows, form="counts")
    assert (said["responses"], said["k"]) == (32, [1, 2, 4, 8])
    analysis = acute("analyse", out)["analysis"]
    rewards = [[1] * r["c"] + [0] * (8 - r["c"]) for r in rows]
    for k, estimate in analysis["pass_at_k"].items():
        assert estimate["value"] == pytest.approx(by_hand(rewards, int(k)))
        assert k == "8" or estimate["lo"] < estimate["value"] < estimate["hi"]
    assert [row["weight"]["value"] for row in analysis["per_prompt"]] == pytest.approx([8, 1, 0, 0])
    assert analysis["hard_share"]["share"][-1]["value"] == pytest.approx(8 / 9)
    assert analysis["counts"]["truncated"] is None and analysis["verdict"]["answer"] == "cannot tell"
    assert "wanted 0 ≤ c ≤ n" in str(error(tmp_path, [{"id": 1, "n": 1, "c": 2}], form="counts"))


def test_imported_responses_are_scored_as_sampled_ones(tmp_path):
    """A run's own responses, imported as texts and rewards: the same tokens, the same conflict."""
    model = save_model(tmp_path / "model")
    acute("run", write_run(tmp_path / "own", model), "--out", tmp_path / "first")
    own, texts = responses(tmp_path / "first"), prompts(tmp_path / "first")
    rows = [
        {"prompt_id": r["prompt_id"], "prompt": texts[r["prompt_id"]]["prompt"], "response": r["response"]}
        | {"reward": r["reward"], "finish": r["finish"]}
        for r in own
    ]
    options = ("--model", model, "-k", 4)
    said, out = run(tmp_path, rows, *options)
    assert [r["token_ids"] for r in responses(out)] == [r["token_ids"] for r in own]
    assert "ends" not in said["notes"]  # the log says how each ended
    acute("score", out)
    first, again = (acute("analyse", f)["analysis"]["conflict"] for f in (tmp_path / "first", out))
    values = [[e["value"] for e in a["inner"]] for a in (first, again)]
    # two sketches of other seeds and sizes: each carries its own error, the truth behind them is one
    for a, b in zip(first["inner"], again["inner"], strict=True):
        assert abs(a["value"] - b["value"]) < 3 * np.hypot(a["se"], b["se"])
    assert values[0][0] > 0 and values[1][0] > 0


def test_a_sampler_s_logprobs_are_held_against_the_model(tmp_path):
    model = save_model(tmp_path / "model")
    rows = [
        {
            "prompt_id": x,
            "prompt": f"{x}=",
            "response": "1",
            "reward": j % 2,
            "logprob": -0.5,
            "finish": "length",
        }
        for x in "ab"
        for j in range(8)
    ]
    _, out = run(tmp_path, rows, "--model", model)
    assert "the sampler gave ln π = -0.5" in str(fails("score", out))


def test_a_model_needs_texts(tmp_path):
    model = save_model(tmp_path / "model")
    rows = [{"prompt_id": "a", "prompt": "1+1=", "reward": 1}]
    assert "has no text" in str(error(tmp_path, rows, "--model", model))


def test_an_import_is_recorded(tmp_path):
    _, out = run(tmp_path, ROWS, "--map", MAP)
    record = json.loads((out / "run.json").read_text())
    assert record["config"]["imported"]["columns"]["reward"] == "score"
    assert record["config"]["model"]["name"] == "unknown" and Run.open(out).config.counts_only
    assert any(topic.startswith("import, ") for topic in record["left_out"])
