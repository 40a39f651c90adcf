"""Completions that TRL itself wrote: nothing is lost, and pass@k is what counting by hand gives."""

from collections import Counter, defaultdict

import pandas as pd
import pytest
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOTrainer

from acute.run import Run
from tests.integrations.logs import acute, by_hand, fails, prompts, responses
from tests.tiny import prompt_rows, save_model
from tests.train.trainers import settings

CHAT = "{% for m in messages %}{{ m['role'] }}:{{ m['content'] }};{% endfor %}assistant:"


def train(folder, model, rows, **changes):
    """GRPO on a tiny model; what the reward function saw, (prompt, completion, reward), a list a call."""
    seen = []

    def digit_of_the_parity(prompts, completions, answer, log_extra, **_):
        text = [c if isinstance(c, str) else c[0]["content"] for c in completions]
        rewards = [
            float(c[:1].isdigit() and int(c[0]) % 2 == int(a) % 2) for c, a in zip(text, answer, strict=True)
        ]
        log_extra("answer", list(answer))
        seen.append(list(zip(map(str, prompts), text, rewards, strict=True)))
        return rewards

    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(model),
        args=settings(folder, log_completions=True, max_steps=2, **changes),
        processing_class=AutoTokenizer.from_pretrained(model),
        reward_funcs=digit_of_the_parity,
        train_dataset=Dataset.from_list(rows),
    )
    trainer.train()
    return seen


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, model):
    folder = tmp_path_factory.mktemp("trl")
    rows = [{name: row[name] for name in ("prompt", "answer")} for row in prompt_rows(12)]
    return folder / "completions", train(folder, model, rows)


@pytest.fixture(scope="module")
def imported(trained, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    return out, acute("import", trained[0], "--format", "trl", "--out", out)


def test_rows_in_are_rows_out(trained, imported):
    folder, seen = trained
    out, said = imported
    last = pd.read_parquet(sorted(folder.glob("*.parquet"))[-1])
    rows, texts = responses(out), prompts(out)
    assert len(rows) == len(last) == len(seen[-1]) == said["responses"] == 32
    found = Counter((texts[r["prompt_id"]]["prompt"], r["response"], r["reward"]) for r in rows)
    assert found == Counter(seen[-1])
    assert "by the exact text of the prompt" in said["notes"]["groups"]
    assert "2 steps, of which 2 was taken" in said["notes"]["steps"]
    assert "log-probabilities" in said["notes"]["missing"]
    assert {row["answer"] for row in texts.values()} == set(last["answer"])  # log_extra's column


def test_pass_at_k_is_what_counting_gives(trained, imported):
    groups = defaultdict(list)
    for prompt, _, reward in trained[1][-1]:
        groups[prompt].append(reward)
    assert any(0 < sum(rewards) < len(rewards) for rewards in groups.values())
    analysis = acute("analyse", imported[0])["analysis"]
    assert set(analysis["pass_at_k"]) == {"1", "2", "4", "8"}
    for k, estimate in analysis["pass_at_k"].items():
        assert estimate["value"] == pytest.approx(by_hand(groups.values(), int(k)), abs=1e-12)
    assert analysis["conflict"]["inner"] == [None] * 4
    assert "no model was named" in analysis["conflict"]["reason"]


def test_the_other_commands_work_on_it(imported):
    out = imported[0]
    acute("analyse", out)
    page = acute("report", out)["report"]
    text = (out / "report.html").read_text()
    assert str(out / "report.html") == page and "Conflict was not measured" in text
    assert "were imported from" in text
    answer = acute_gate(out)
    assert answer["prompts"] == len(prompts(out)) and answer["pass_at_1"]["change"] == 0
    assert "without a model" in str(fails("score", out))


def acute_gate(out):
    import json

    from typer.testing import CliRunner

    from acute.cli.main import app

    done = CliRunner().invoke(app, ["gate", str(out), str(out), "-k", "2", "--json"])
    assert done.exit_code in (1, 3)  # nothing changed, so there is nothing to promote
    return json.loads(done.stdout)


def test_steps_are_kept_apart(trained, tmp_path):
    folder, seen = trained
    said = acute("import", folder, "--format", "trl", "--out", tmp_path / "all", "--step", "all")
    assert said["responses"] == sum(map(len, seen)) == 64
    assert all(name.endswith(("@1", "@2")) for name in prompts(tmp_path / "all"))
    acute("import", folder, "--format", "trl", "--out", tmp_path / "one", "--step", "1")
    found = Counter(r["response"] for r in responses(tmp_path / "one"))
    assert found == Counter(completion for _, completion, _ in seen[0])
    assert "one of 1, 2; found '3'" in str(
        fails("import", folder, "--format", "trl", "--out", tmp_path / "no", "--step", "3")
    )


def test_with_the_model_the_whole_answer_follows(trained, model, tmp_path):
    folder, _ = trained
    out = tmp_path / "run"
    options = ("--model", model, "--max-tokens", 3)
    said = acute("import", folder, "--format", "trl", "--out", out, *options)
    assert "tokenised again" in said["notes"]["tokens"]
    run = Run.open(out)
    assert run.config.analyse.k == (1, 2, 4) and run.config.sampling.n == 8
    acute("score", out)
    analysis = acute("analyse", out)["analysis"]
    inner = analysis["conflict"]["inner"]
    assert all(e is not None and e["se"] > 0 for e in inner) and inner[0]["value"] != 0
    assert Run.open(out).record["checks"]["sampler_scorer_logprob_difference"] is None
    acute("report", out)


def test_chats(tmp_path):
    folder = save_model(tmp_path / "chat-model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    rows = [
        {"prompt": [{"role": "user", "content": row["prompt"]}], "answer": row["answer"]}
        for row in prompt_rows(4)
    ]
    seen = train(tmp_path / "out", folder, rows)
    out = tmp_path / "run"
    options = ("--model", folder, "--max-tokens", 3)
    acute("import", tmp_path / "out" / "completions", "--format", "trl", "--out", out, *options)
    found = prompts(out).values()
    assert {row["prompt"] for row in found} == {f"user:{r['prompt'][0]['content']};assistant:" for r in rows}
    assert Counter(r["response"] for r in responses(out)) == Counter(text for _, text, _ in seen[-1])
    acute("score", out)
