"""Logs of evaluation programs, on rows in the form that lm-eval 0.4.13 and inspect_ai 0.3.285 write."""

import json

import pytest

from tests.integrations.logs import acute, fails, prompts, responses, written


def lm_eval_row(doc, texts, score, **changes):
    """As `evaluator.py` and `save_results_samples` of lm-eval make it for generate_until."""
    return {
        "doc_id": doc,
        "doc": {"question": f"{doc}?", "answer": "4"},
        "target": "4",
        "arguments": {"gen_args_0": {"arg_0": f"Q: {doc}?\nA:", "arg_1": {"until": ["Q:"]}}},
        "resps": [texts],
        "filtered_resps": [texts[0]],
        "filter": "strict-match",
        "metrics": ["exact_match"],
        "doc_hash": "0",
        "prompt_hash": "1",
        "target_hash": "2",
        "exact_match": score,
    } | changes


def lm_eval_run(folder, seed, rows):
    folder.mkdir(exist_ok=True)
    return written(folder / f"samples_gsm8k_2026-11-23T10-00-0{seed}.123456.jsonl", rows)


def test_lm_eval_files_of_several_runs_are_several_responses(tmp_path):
    scores = [[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]]
    for seed, row in enumerate(scores):
        lm_eval_run(tmp_path / "log", seed, [lm_eval_row(d, [f"t{seed}"], s) for d, s in enumerate(row)])
    out = tmp_path / "run"
    said = acute("import", tmp_path / "log", "--format", "lm-eval", "--out", out)
    assert (said["prompts"], said["responses"], said["k"]) == (3, 6, [1, 2])
    assert prompts(out)["gsm8k/1"] | {"level": None} == {
        "prompt_id": "gsm8k/1",
        "prompt": "Q: 1?\nA:",
        "question": "Q: 1?\nA:",
        "answer": "4",
        "messages": None,
        "family": "gsm8k",
        "level": None,
    }
    found = {(r["prompt_id"][-1], r["response"]): r["reward"] for r in responses(out)}
    assert found == {(str(d), f"t{s}"): scores[s][d] for s in range(2) for d in range(3)}
    passed = acute("analyse", out)["analysis"]["pass_at_k"]
    assert passed["1"]["value"] == pytest.approx(1 / 2) and passed["2"]["value"] == pytest.approx(2 / 3)


def test_lm_eval_repeats_have_one_score(tmp_path):
    path = lm_eval_run(tmp_path / "log", 0, [lm_eval_row(d, ["a", "b", "c"], 1.0) for d in range(2)])
    out = tmp_path / "run"
    said = acute("import", path, "--format", "lm-eval", "--out", out)
    assert [r["reward"] for r in responses(out)] == [1, None, None] * 2
    assert "left out have no reward" in said["notes"]["repeats"]


def test_lm_eval_filters_and_metrics_are_chosen(tmp_path):
    rows = [lm_eval_row(0, ["a"], 0.0), lm_eval_row(0, ["a"], 1.0, filter="flexible-extract")]
    path = lm_eval_run(tmp_path / "log", 0, rows)
    options = ("import", path, "--format", "lm-eval", "--out")
    assert "--where filter=flexible-extract" in str(fails(*options, tmp_path / "a"))
    acute(*options, tmp_path / "b", "--where", "filter=flexible-extract")
    assert [r["reward"] for r in responses(tmp_path / "b")] == [1.0]
    choice = lm_eval_row(0, ["a"], 0.0, metrics=["acc", "acc_norm"], acc=1.0, acc_norm=0.0)
    choice["resps"] = [[[-1.5, False]], [[-0.5, True]]]  # multiple choice: no text was generated
    path = lm_eval_run(tmp_path / "mc", 0, [choice])
    options = ("import", path, "--format", "lm-eval", "--out")
    assert "found acc, acc_norm" in str(fails(*options, tmp_path / "c"))
    acute(*options, tmp_path / "d", "--map", "reward=acc")
    assert [(r["response"], r["reward"]) for r in responses(tmp_path / "d")] == [(None, 1.0)]


def sample(name, epoch, value, **changes):
    """As an `EvalSample` in a .json log."""
    logprobs = {"content": [{"token": "4", "logprob": -0.5}, {"token": "!", "logprob": -0.25}]}
    return {
        "id": name,
        "epoch": epoch,
        "input": f"{name}?",
        "target": "4",
        "output": {
            "model": "m",
            "completion": "it is 4!",
            "choices": [
                {
                    "message": {"role": "assistant", "content": "it is 4!"},
                    "stop_reason": "max_tokens" if epoch == 2 else "stop",
                    "logprobs": logprobs if epoch == 1 else None,
                }
            ],
        },
        "scores": {"match": {"value": value, "answer": "4", "explanation": "…"}},
    } | changes


def inspect_log(path, samples):
    path.write_text(
        json.dumps({"version": 2, "status": "success", "eval": {"task": "sums"}, "samples": samples})
    )
    return path


def test_inspect(tmp_path):
    samples = [sample(x, e, "C" if x == "a" else "I") for x in "ab" for e in (1, 2)]
    samples += [sample("c", 1, float("nan")), sample("c", 2, 1.0, error={"message": "gone"})]
    out = tmp_path / "run"
    path = inspect_log(tmp_path / "log.json", samples)
    said = acute("import", path, "--format", "inspect", "--out", out)
    assert (said["prompts"], said["responses"]) == (3, 6)
    rows = responses(out)
    assert [r["reward"] for r in rows] == [1, 1, 0, 0, None, None]
    assert [r["outcome"] for r in rows] == ["ok"] * 4 + [None, "error"]
    assert [r["logprob"] for r in rows[:2]] == [-0.75, None]
    assert [r["finish"] for r in rows[:2]] == ["eos", "length"]
    assert rows[0]["answer_found"] == "4" and prompts(out)["sums/a"]["answer"] == "4"


def test_inspect_scorers_and_grades(tmp_path):
    two = sample("a", 1, "C") | {"scores": {"x": {"value": "P"}, "y": {"value": True}}}
    path = inspect_log(tmp_path / "log.json", [two])
    options = ("import", path, "--format", "inspect", "--out")
    assert "found x, y" in str(fails(*options, tmp_path / "a"))
    assert "found 0.5" in str(fails(*options, tmp_path / "b", "--map", "reward=x"))
    acute(*options, tmp_path / "c", "--map", "reward=y")
    path = inspect_log(tmp_path / "odd.json", [sample("a", 1, "A+")])
    assert 'found "A+"' in str(fails("import", path, "--format", "inspect", "--out", tmp_path / "d"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.json", "{", "wanted JSON, found a fault"),
        ("x.json", "[]", "with 'samples', found none"),
        ("x.json", '{"samples": []}', "a log with samples, found none"),
        ("x.json", '{"samples": [{}]}', "sample 0: wanted an object with an 'id'"),
        ("x.eval", "PK", "inspect log convert"),
    ],
)
def test_inspect_logs_that_cannot_be(name, text, message, tmp_path):
    (tmp_path / name).write_text(text)
    assert message in str(fails("import", tmp_path / name, "--format", "inspect", "--out", tmp_path / "o"))
