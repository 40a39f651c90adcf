"""A whole run whose responses come from a server: scored like sampled ones, and what was not told is said."""

import json

import pytest
from typer.testing import CliRunner

from acute.cli.main import app
from acute.config import parse
from acute.errors import ConfigError, DisagreementError, OutsideError
from acute.models.load import load_policy
from acute.rollout.hf import Sampling, sample
from acute.rollout.openai import Client
from acute.run import Run
from acute.stages import run_until
from tests.rollout.fake_server import Fake, changed, choice, serving, status
from tests.tiny import prompt_rows, save_model

N = 32


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def server(model, monkeypatch):
    """A server of the tiny model: our own sampler answers."""
    monkeypatch.setattr(Client, "pause", 0.001)
    policy = load_policy(str(model))

    def answer(body):
        sampling = Sampling(body["n"], body["temperature"], body["top_p"], body["max_tokens"])
        drawn = sample(policy, [tuple(body["prompt"])], ["x"], sampling, body["seed"])[0]
        return [
            choice(
                i,
                policy.tokenizer.decode([t for t in d.token_ids if t]),
                list(d.token_ids),
                d.logprob,
                "stop" if d.finish == "eos" else "length",
            )
            for i, d in enumerate(drawn)
        ]

    with serving(Fake(answer)) as found:
        yield found


def config(model, server, prompts, /, **sections):
    prompts.mkdir(exist_ok=True)
    (prompts / "prompts.jsonl").write_text("\n".join(json.dumps(row) for row in prompt_rows(6)))
    plain = {
        "model": {"name": str(model)},
        "prompts": {"source": str(prompts / "prompts.jsonl")},
        "sampling": {"n": N, "max_tokens": 1, "backend": "openai"},
        "server": {"url": server.url, "n_at_once": 12, "timeout": 5.0, "retries": 1, "concurrency": 2},
        "verify": {"kind": "exact"},
        "score": {"sketch_size": 256},
        "analyse": {"k": [1, 2, 4]},
    }
    return parse({**plain, **{name: {**plain.get(name, {}), **more} for name, more in sections.items()}})


def drawn(run):
    return run.responses().to_pylist()


def said(run):
    return {
        k.removeprefix("server, "): v for k, v in run.record["left_out"].items() if k.startswith("server")
    }


def test_from_server_to_analysis(server, model, tmp_path):
    run = Run.create(tmp_path / "run", config(model, server, tmp_path))
    run_until(run, "rollout")
    rows = drawn(run)
    assert len(rows) == 6 * N and {row["finish"] for row in rows} == {"eos", "length"}
    assert all(row["logprob"] < 0 and len(row["token_ids"]) == 1 for row in rows)
    assert said(run) == {} and len(server.asked) == 6 * 3
    run_until(run, "score")
    assert run.record["checks"]["sampler_scorer_logprob_difference"] < 1e-3
    assert run.record["stages"]["rollout"]["server_faults"] == {}


def test_the_same_seed_gives_the_same_table(server, model, tmp_path):
    runs = [Run.create(tmp_path / name, config(model, server, tmp_path)) for name in ("a", "b")]
    for run in runs:
        run_until(run, "rollout")
    assert drawn(runs[0]) == drawn(runs[1])
    other = config(model, server, tmp_path).model_copy(update={"seed": 1})
    third = Run.create(tmp_path / "c", other)
    run_until(third, "rollout")
    assert drawn(third) != drawn(runs[0])


def test_a_run_that_broke_off_goes_on_where_it_was(server, model, tmp_path):
    whole = Run.create(tmp_path / "whole", config(model, server, tmp_path))
    run_until(whole, "rollout")
    settings = config(model, server, tmp_path, server={"concurrency": 1})
    broken = Run.create(tmp_path / "broken", settings)
    server.faults = [None] * 8 + [status(400)]
    with pytest.raises(OutsideError, match="refused: status 400"):
        run_until(broken, "rollout")
    before = len(server.asked)
    assert len(broken.parts("rollout")) == 2  # two prompts of three requests each were whole
    run_until(Run.open(tmp_path / "broken"), "rollout")
    assert len(server.asked) == before + 4 * 3
    assert drawn(Run.open(tmp_path / "broken")) == drawn(whole)


def without(*names):
    def change(reply):
        for one in reply["choices"]:
            for name in names:
                del one[name]
        return reply

    return changed(change)


def test_without_token_ids_texts_are_tokenised_again(server, model, tmp_path):
    whole = Run.create(tmp_path / "whole", config(model, server, tmp_path))
    run_until(whole, "rollout")
    server.always = without("token_ids")
    run = Run.create(tmp_path / "run", config(model, server, tmp_path))
    run_until(run, "score")
    assert [row["token_ids"] for row in drawn(run)] == [row["token_ids"] for row in drawn(whole)]
    assert "192 of 192 responses were tokenised again" in said(run)["tokens"]
    assert run.record["checks"]["sampler_scorer_logprob_difference"] < 1e-3


def test_without_logprobs_the_check_is_said_to_be_missing(server, model, tmp_path):
    server.always = without("logprobs")
    run = Run.create(tmp_path / "run", config(model, server, tmp_path))
    run_until(run, "score")
    assert "unknown for 192 of 192 responses (the server gave none)" in said(run)["log-probabilities"]
    assert run.record["checks"]["sampler_scorer_logprob_difference"] is None


def test_at_another_temperature_a_server_s_logprobs_say_nothing(server, model, tmp_path):
    settings = config(model, server, tmp_path, sampling={"temperature": 0.7})
    run = Run.create(tmp_path / "run", settings)
    run_until(run, "rollout")
    assert "servers tell those at temperature 1" in said(run)["log-probabilities"]
    assert server.asked[0]["temperature"] == 0.7


def test_a_server_of_another_model_is_found_out(server, tmp_path):
    run = Run.create(tmp_path / "run", config(save_model(tmp_path / "other", seed=1), server, tmp_path))
    with pytest.raises(DisagreementError, match="the sampler gave ln π"):
        run_until(run, "score")


def test_without_a_model_counts_are_answered(tmp_path, monkeypatch):
    """A closed model behind a chat API: no tokenizer, no gradients, and still pass@k."""
    monkeypatch.setattr(Client, "pause", 0.001)

    def answer(body):
        question = body["messages"][-1]["content"]
        message = {"role": "assistant", "content": str((body["seed"] + len(question)) % 3)}
        return [{"index": i, "message": message, "finish_reason": "stop"} for i in range(body["n"])]

    with serving(Fake(answer)) as server:
        chat = {"api": "chat", "kind": "openai", "model": "big-1", "n_at_once": 1}
        settings = config("unknown", server, tmp_path, server=chat)
        run = Run.create(tmp_path / "run", settings)
        run_until(run, "analyse")
    assert server.asked[0]["model"] == "big-1" and "top_k" not in server.asked[0]
    assert [{"role": "user", "content": "0+0="}] in [asked["messages"] for asked in server.asked]
    analysis = run.analysis()
    assert 0 < analysis["pass_at_k"]["4"]["value"] < 1 and analysis["conflict"]["inner"] == [None] * 3
    done = CliRunner().invoke(app, ["report", str(run.path)])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"sampling": {"backend": "transformers"}}, "belong together"),
        ({"server": {"url": "localhost:8000"}}, "server.url"),
        ({"server": {"kind": "openai"}, "sampling": {"stop": ["x"]}}, "wanted no sampling.stop"),
        ({"model": {"name": "unknown"}}, "server.model: wanted its name"),
        ({"server": {"retries": -1}}, "server.retries"),
    ],
)
def test_settings_that_cannot_be(sections, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        config("m", Fake_at("http://x/v1"), tmp_path, **sections)


def Fake_at(url):
    found = Fake()
    found.url = url
    return found


def test_a_prefill_needs_completions(model, tmp_path):
    settings = config(model, Fake_at("http://127.0.0.1:9/v1"), tmp_path, server={"api": "chat"})
    rows = [row | {"prefill": "so "} for row in prompt_rows(2)]
    (tmp_path / "prompts.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    with pytest.raises(Exception, match="has a prefill"):
        run_until(Run.create(tmp_path / "run", settings), "rollout")
