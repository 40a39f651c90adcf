"""What is asked of vLLM and made of its answers; against the engine itself where there is a GPU."""

import importlib.util
import sys
from itertools import count, pairwise

import pytest
import torch
from peft import LoraConfig

from acute.errors import ModelError, OutsideError
from acute.gradients.forward import Sampled, response_logprob
from acute.models.load import load_policy, load_vocabulary
from acute.rollout import vllm as adapter
from acute.rollout.sampler import Sampling
from acute.rollout.vllm import Engine, VllmSampler, is_supported, rank_of, seed_of
from acute.run import Run
from acute.stages import run_until
from tests.rollout import fake_vllm
from tests.tiny import save_model, write_run

PROMPTS, NAMES = [(3, 11, 4, 13), (7, 11, 9, 13), (5, 5)], ["a", "b", "c"]
PLAIN = Sampling(n=12, temperature=1.0, top_p=1.0, max_tokens=4)


@pytest.fixture
def llm(monkeypatch):
    return fake_vllm.install(monkeypatch)


def sampler(model, sampling=PLAIN, seed=0, **engine):
    engine = {"dtype": "float32", "longest": 4 + sampling.max_tokens, "eos_ids": (0,), **engine}
    return VllmSampler(Engine(str(model), **engine), sampling, seed)


def test_the_engine_is_made_for_what_is_measured(llm, tiny_model):
    made = sampler(tiny_model, tensor_parallel_size=2, gpu_memory_utilization=0.5)
    assert not llm.made  # it takes long, and a run that goes on may not need it
    made.draw(PROMPTS, NAMES)
    settings = llm.made[0].settings
    assert settings["model"] == str(tiny_model) and settings["dtype"] == "float32"
    assert settings["logprobs_mode"] == "processed_logprobs" and settings["enable_prefix_caching"] is True
    assert settings["generation_config"] == "vllm"  # no top-k, no penalties from the model's folder
    assert settings["max_model_len"] == 8
    assert settings["tensor_parallel_size"] == 2 and settings["gpu_memory_utilization"] == 0.5
    asked = llm.made[0].asked[len(PROMPTS) :]  # after those of the check
    assert [params.n for params in asked] == [12] * 3
    assert all(p.logprobs == 0 and p.stop_token_ids == [0] and not p.detokenize for p in asked)
    made.draw(PROMPTS[:1], NAMES[:1])
    assert len(llm.made) == 1 and len(llm.made[0].asked) == 3 + 3 + 1


@pytest.mark.usefixtures("llm")
@pytest.mark.parametrize("settings", [(1.0, 1.0), (0.7, 1.0), (1.6, 0.5)], ids=str)
def test_logprob_is_the_scorers(tiny_model, settings):
    drawn = sampler(tiny_model, Sampling(12, *settings, max_tokens=4)).draw(PROMPTS, NAMES)
    policy = load_policy(str(tiny_model), device="cpu")
    for prompt, samples in zip(PROMPTS, drawn, strict=True):
        for s in set(samples):
            wanted = response_logprob(policy.model, prompt, s.token_ids, Sampled(*settings)).item()
            assert s.logprob == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("settings", [(0.7, 1.0), (1.0, 0.5)], ids=str)
def test_logprobs_of_another_distribution_are_refused_at_the_start(llm, tiny_model, settings):
    llm.mode = "raw_logprobs"
    with pytest.raises(OutsideError, match=r"vLLM 0\.31\.0 tells log-probabilities of another distribution"):
        sampler(tiny_model, Sampling(12, *settings, max_tokens=4)).draw(PROMPTS, NAMES)


@pytest.mark.usefixtures("llm")
def test_a_seed_and_a_name_make_the_responses(tiny_model):
    together = sampler(tiny_model).draw(PROMPTS, NAMES)
    assert sampler(tiny_model).draw(PROMPTS[::-1], NAMES[::-1])[::-1] == together
    assert sampler(tiny_model).draw(PROMPTS[:1], ["b"]) != together[:1]
    assert sampler(tiny_model, seed=1).draw(PROMPTS[:1], ["a"]) != together[:1]
    assert len({s.token_ids for s in together[0]}) > 6  # each response has a seed of its own


def test_seeds_of_prompts_are_far_apart():
    seeds = sorted(seed_of(0, f"p{i}") for i in range(20_000))
    assert seeds[0] >= 0 and seeds[-1] < 2**62
    assert min(b - a for a, b in pairwise(seeds)) > 1_000_000


def test_more_responses_than_vllm_takes_in_a_request(llm, tiny_model, monkeypatch):
    whole = sampler(tiny_model).draw(PROMPTS, NAMES)
    monkeypatch.setattr(adapter, "MOST_AT_ONCE", 5)
    assert sampler(tiny_model).draw(PROMPTS, NAMES) == whole
    assert [params.n for params in llm.made[1].asked[3:6]] == [5, 5, 2]


@pytest.mark.usefixtures("llm")
def test_how_responses_end(tiny_model):
    tokenizer = load_vocabulary(str(tiny_model)).tokenizer
    stops = ("1", "7", "a", "z")
    told = []
    drawn = sampler(tiny_model, Sampling(60, 1.5, 1.0, 3, stops)).draw(PROMPTS, NAMES, told.append)
    ends = dict.fromkeys(("eos", "stop", "length"), 0)
    for s in (s for samples in drawn for s in samples):
        text = tokenizer.decode(s.token_ids)
        stopped = any(stop in text for stop in stops)
        wanted = "eos" if s.token_ids[-1] == 0 else "stop" if stopped else "length"
        assert s.finish == wanted and 0 not in s.token_ids[:-1]
        assert not any(stop in tokenizer.decode(s.token_ids[:-1]) for stop in stops)
        ends[s.finish] += 1
    assert min(ends.values()) > 0, ends
    assert told == [sum(len(s.token_ids) for samples in drawn for s in samples)]


def with_changes(**fields):
    def change(output):
        output.__dict__.update(fields)
        return output

    return change


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"cumulative_logprob": float("nan")}, ModelError, "vLLM told ln π = nan"),
        ({"cumulative_logprob": None}, OutsideError, "wanted a log-probability of each"),
        ({"logprobs": []}, OutsideError, "wanted a log-probability of each"),
        ({"finish_reason": "abort"}, OutsideError, "finish_reason = 'abort'"),
    ],
)
def test_answers_that_cannot_be_used(llm, tiny_model, fields, error, message):
    llm.change = staticmethod(with_changes(**fields))
    with pytest.raises(error, match=message):
        sampler(tiny_model).draw(PROMPTS, NAMES)


@pytest.mark.parametrize(
    ("when", "error", "message"),
    [
        ("start", ValueError("no room for\n the cache"), "could not start with .*: no room for the cache"),
        ("generate", fake_vllm.EngineDeadError("gone"), "vLLM ended while it sampled: gone"),
    ],
)
def test_an_engine_that_fails_is_an_error_in_one_line(llm, tiny_model, when, error, message):
    llm.raises[when] = error
    with pytest.raises(OutsideError, match=message):
        sampler(tiny_model).draw(PROMPTS, NAMES)


def test_fewer_responses_than_asked_for(llm, tiny_model, monkeypatch):
    whole = llm.generate

    def short(self, *args, **more):
        found = whole(self, *args, **more)
        found[-1].outputs.pop()
        return found

    monkeypatch.setattr(llm, "generate", short)
    with pytest.raises(OutsideError, match="wanted 1 responses of vLLM, found 0"):
        sampler(tiny_model).draw(PROMPTS, NAMES)


def test_an_adapter(llm, tiny_model, tmp_path):
    LoraConfig(r=4, rank_pattern={"q_proj": 24}).save_pretrained(tmp_path)
    sampler(tiny_model, adapter=str(tmp_path)).draw(PROMPTS, NAMES)
    assert llm.made[0].settings["enable_lora"] is True and llm.made[0].settings["max_lora_rank"] == 32
    assert {lora.lora_path for lora in llm.made[0].loras} == {str(tmp_path)}
    LoraConfig(r=1024).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="rank 1 to 512 for vLLM, found 1024"):
        rank_of(str(tmp_path))
    with pytest.raises(ModelError, match="could not read the adapter"):
        rank_of(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("version", ["0.21.3", "0.32.0", "1.0.0", "dev"])
def test_a_version_that_is_not_supported(monkeypatch, tiny_model, version):
    fake_vllm.install(monkeypatch, version)
    with pytest.raises(OutsideError, match=r"wanted vLLM 0\.22 to 0\.31, found"):
        sampler(tiny_model)


def test_the_versions_that_are_supported():
    assert all(map(is_supported, ["0.22.0", "0.24.0", "0.31.0", "0.31.1+cu129"]))


def test_without_vllm_it_says_what_to_install(monkeypatch, tiny_model):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(OutsideError, match=r"wanted vLLM 0\.22 to 0\.31 .*pip install acute\[vllm\]"):
        sampler(tiny_model)


def vllm_run(folder, model, **sampling):
    path = write_run(folder, model, n=16)
    text = path.read_text().replace("max_tokens = 1", 'max_tokens = 1\nbackend = "vllm"')
    for name, value in sampling.items():
        text = text.replace("[verify]", f"{name} = {value}\n[verify]")
    path.write_text(text)
    from acute.config import load

    return Run.create(folder / "run", load(path))


def test_from_vllm_to_scores(llm, tiny_model, tmp_path):
    run = vllm_run(tmp_path, tiny_model, temperature=0.8, top_p=0.9)
    run_until(run, "score")
    assert run.record["checks"]["sampler_scorer_logprob_difference"] < 1e-4
    rows = run.responses().to_pylist()
    assert [row["response_id"] for row in rows[:16]] == [f"p00/{j:05d}" for j in range(16)]
    assert len({row["response_id"] for row in rows}) == len(rows) == 12 * 16
    assert len(llm.made) == 1 and llm.made[0].settings["max_model_len"] == 4 + 1


def test_a_finished_part_is_not_drawn_again(llm, tiny_model, tmp_path):
    whole = vllm_run(tmp_path / "whole", tiny_model)
    run_until(whole, "rollout")
    broken = vllm_run(tmp_path / "broken", tiny_model)
    drawn, abort = count(), with_changes(finish_reason="abort")
    llm.change = staticmethod(lambda output: abort(output) if next(drawn) > 5 * 16 else output)
    with pytest.raises(OutsideError, match="finish_reason = 'abort'"):
        run_until(broken, "rollout")
    left = len(broken.parts("rollout"))
    assert 0 < left < 3
    llm.change = staticmethod(lambda output: output)
    run_until(broken, "rollout")
    assert broken.responses().equals(whole.responses())


@pytest.mark.gpu
@pytest.mark.skipif(
    not torch.cuda.is_available() or importlib.util.find_spec("vllm") is None,
    reason="not run: there is no GPU with vLLM here",
)
@pytest.mark.parametrize("settings", [(1.0, 1.0), (0.7, 1.0), (1.3, 0.8)], ids=str)
def test_the_engine_itself(tmp_path, settings):
    model = save_model(tmp_path, hidden=256)  # heads of 64: smaller ones are not supported
    prompts = [tuple(range(1, 9)), tuple(range(20, 30))]
    real = sampler(model, Sampling(64, *settings, max_tokens=6), longest=16)
    drawn = real.draw(prompts, ["a", "b"])
    again = real.draw(prompts, ["a", "b"])
    assert [[s.token_ids for s in some] for some in again] == [[s.token_ids for s in some] for some in drawn]
    real.close()
    policy = load_policy(str(model))
    for prompt, samples in zip(prompts, drawn, strict=True):
        assert len({s.token_ids for s in samples}) > 20
        for s in set(samples):
            wanted = response_logprob(policy.model, prompt, s.token_ids, Sampled(*settings)).item()
            assert s.logprob == pytest.approx(wanted, abs=2e-3)
