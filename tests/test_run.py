"""A whole run on a tiny model: repeatable, resumable, and clear about what is wrong."""

import json
import random
import shutil
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from acute.cli.main import app
from acute.errors import AcuteError
from acute.run import Run
from tests.tiny import write_run


def acute(*arguments):
    """Run a command in this process; raises what it raises."""
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done


def start(*arguments):
    """Run a command as a user would, in a process of its own."""
    command = [sys.executable, "-m", "acute", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result(folder):
    """What must be equal between runs: the table, the sketches, the numbers."""
    table = pq.read_table(folder / "responses.parquet").to_pydict()
    return table, np.load(folder / "sketch.npy"), (folder / "analysis.json").read_text()


def assert_same(a, b):
    (table_a, sketch_a, text_a), (table_b, sketch_b, text_b) = result(a), result(b)
    assert table_a == table_b
    np.testing.assert_array_equal(sketch_a, sketch_b)
    assert text_a == text_b


@pytest.fixture(scope="module")
def finished(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    config = write_run(folder, tiny_model)
    acute("run", config, "--out", folder / "out")
    return config, folder / "out"


def test_leaves_the_files_of_a_run_folder(finished):
    _, out = finished
    names = {p.name for p in out.iterdir() if not p.name.startswith(".")}
    assert names == {
        "run.json",
        "prompts.parquet",
        "responses.parquet",
        "sketch.npy",
        "sketch.json",
        "analysis.json",
        "kernel.npz",
        "report.html",
    }
    assert not list((out / ".parts").iterdir())
    responses = pq.read_table(out / "responses.parquet")
    assert len(responses) == 12 * 64
    assert responses["response_id"].to_pylist()[0] == "p00/00000"
    assert set(responses["fold"].to_pylist()) == {0, 1}
    record = json.loads((out / "run.json").read_text())
    assert record["config"]["sampling"]["n"] == 64
    assert record["versions"]["torch"]
    assert record["checks"]["sampler_scorer_logprob_difference"] < 1e-4


def test_analysis_has_what_it_promises(finished):
    _, out = finished
    analysis = json.loads((out / "analysis.json").read_text())
    estimate = {"value", "se", "lo", "hi"}
    for key in ("inner", "inner_sum", "cosine"):
        assert len(analysis["conflict"][key]) == 3
        assert all(e is None or set(e) == estimate for e in analysis["conflict"][key])
    assert analysis["conflict"]["inner_sum"][1]["value"] == pytest.approx(
        analysis["conflict"]["inner"][1]["value"] * analysis["prompts"]
    )
    contributions = [r["contribution"]["value"] for r in analysis["per_prompt"] if r["contribution"]]
    assert sum(contributions) == pytest.approx(analysis["conflict"]["inner"][-1]["value"], rel=1e-6)
    assert {f["family"] for f in analysis["families"]} == {"even", "odd"}
    of_families = sum(f["share"]["value"] for f in analysis["families"])
    of_prompts = sum(r["share"]["value"] for r in analysis["per_prompt"] if r["share"])
    assert of_families == pytest.approx(of_prompts, rel=1e-6)
    # the cosine itself is cut to [-1, 1]
    assert min(of_prompts, 1) == pytest.approx(analysis["conflict"]["cosine"][-1]["value"], rel=1e-6)


def test_same_seed_same_numbers_and_another_seed_other_ones(finished, tiny_model, tmp_path):
    config, out = finished
    acute("run", config, "--out", tmp_path / "again")
    assert_same(out, tmp_path / "again")
    other = write_run(tmp_path / "other", tiny_model, seed=1)
    acute("run", other, "--out", tmp_path / "other" / "out")
    assert result(out)[0] != result(tmp_path / "other" / "out")[0]


def test_a_finished_run_is_not_done_again(finished):
    config, out = finished
    before = {p.name: p.stat().st_mtime_ns for p in out.iterdir() if p.is_file() and p.name != ".lock"}
    acute("run", config, "--out", out)
    assert before == {
        p.name: p.stat().st_mtime_ns for p in out.iterdir() if p.is_file() and p.name != ".lock"
    }


def test_killed_three_times_it_ends_as_if_unbroken(tiny_model, tmp_path):
    config = write_run(tmp_path, tiny_model, n=128, count=40)
    acute("run", config, "--out", tmp_path / "whole")
    out, rng = tmp_path / "killed", random.Random(0)
    for stage, parts in (("rollout", 10), ("verify", 1), ("score", 40)):
        process = start("run", config, "--out", out)
        wait_for_parts = rng.randint(1, parts - 1) if parts > 1 else 0
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            record = json.loads((out / "run.json").read_text()) if (out / "run.json").exists() else {}
            begun = len(list((out / ".parts").glob(f"{stage}-*"))) >= wait_for_parts
            if begun and (stage != "verify" or "rollout" in record.get("stages", {})):
                break
            time.sleep(0.0005)
        time.sleep(rng.random() * 0.01)
        process.kill()
        process.communicate()
    acute("run", config, "--out", out)
    assert_same(tmp_path / "whole", out)


def test_the_reference_engine_gives_the_same_numbers(finished, tiny_model, tmp_path):
    _, out = finished
    config = write_run(tmp_path, tiny_model, engine="reference")
    acute("run", config, "--out", tmp_path / "out")
    fast, slow = np.load(out / "sketch.npy"), np.load(tmp_path / "out" / "sketch.npy")
    np.testing.assert_allclose(fast, slow, atol=1e-4 * np.abs(slow).max())


def test_the_dots_engine_audits_the_sketch(tiny_model, tmp_path):
    config = write_run(tmp_path, tiny_model, engine="dots")
    acute("run", config, "--out", tmp_path / "out")
    checks = Run.open(tmp_path / "out").record["checks"]["dots"]
    assert checks["rms_error"] < 2 * checks["expected"] == 2 / 16
    responses = pq.read_table(tmp_path / "out" / "responses.parquet")
    assert responses["score_dot"].null_count == responses["scorer_logprob"].null_count


def test_stages_one_by_one_end_as_the_whole(finished, tmp_path):
    _, out = finished
    run = Run.create(tmp_path / "steps", Run.open(out).config)
    for stage in ("rollout", "verify", "score", "analyse", "report"):
        acute(stage, run.path)
    assert_same(out, run.path)


def test_json_is_one_object_on_standard_output(finished):
    config, out = finished
    process = start("run", config, "--out", out, "--json")
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(stdout)["analysis"]["prompts"] == 12


# -- what is wrong is said in one line, with the exit code, and nothing is lost ---------------------


def fails(code, *arguments):
    """The line of a command that fails in this process; `fails_alone` sees how one of its own tells it."""
    with pytest.raises(AcuteError) as found:
        acute(*arguments)
    assert found.value.exit_code == code
    assert len(str(found.value).splitlines()) == 1
    return str(found.value)


def fails_alone(code, *arguments):
    process = start(*arguments)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == code, stderr
    last = stderr.strip().splitlines()[-1]
    assert "Traceback" not in stderr
    assert last.startswith("acute: ")
    return last


def edited(config, old, new):
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    return config


def test_wrong_configuration(tiny_model, tmp_path):
    config = edited(write_run(tmp_path, tiny_model), "n = 64", 'n = "many"\ntemprature = 1')
    line = fails(2, "run", config, "--out", tmp_path / "out")
    assert "sampling.n: wanted a valid integer, found 'many'" in line
    assert "did you mean 'temperature'" in line
    assert not (tmp_path / "out").exists()


def test_too_few_responses_a_fold(tiny_model, tmp_path):
    config = edited(write_run(tmp_path, tiny_model), "n = 64", "n = 7")
    line = fails(2, "run", config, "--out", tmp_path / "out")
    assert "found 7 / 2 = 3 < 4" in line
    assert "raise sampling.n to 8" in line


def test_missing_model(tmp_path):
    config = write_run(tmp_path, tmp_path / "nowhere")
    assert "could not load the model" in fails_alone(4, "run", config, "--out", tmp_path / "out")


def test_bad_prompt_row(tiny_model, tmp_path):
    config = write_run(tmp_path, tiny_model)
    with (tmp_path / "prompts.jsonl").open("a") as file:
        file.write('\n{"prompt_id": "x", "prompt": "1+1="}\n')
    line = fails(2, "run", config, "--out", tmp_path / "out")
    assert "prompts.jsonl line 13: wanted a value for 'answer', found none" in line


def test_another_configuration_on_the_same_folder_is_refused(finished, tmp_path):
    config, out = finished
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    other = tmp_path / "config.toml"
    other.write_text(config.read_text().replace("n = 64", "n = 128"))
    shutil.copy(config.parent / "prompts.jsonl", tmp_path)
    line = fails(2, "run", other, "--out", copy)
    assert "choose another --out" in line
    assert_same(out, copy)


def test_another_k_analyses_again_without_sampling_again(finished, tmp_path):
    config, out = finished
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    sampled = (copy / "responses.parquet").stat().st_mtime_ns
    text = config.read_text().replace("prompts.jsonl", str(config.parent / "prompts.jsonl"))
    (tmp_path / "c.toml").write_text(text.replace("k = [1, 2, 4]", "k = [1, 8]"))
    acute("run", tmp_path / "c.toml", "--out", copy)
    assert json.loads((copy / "analysis.json").read_text())["conflict"]["k"] == [1, 8]
    assert (copy / "responses.parquet").stat().st_mtime_ns == sampled


def test_a_changed_model_is_refused(tiny_model, tmp_path):
    from tests.tiny import save_model

    model = tmp_path / "model"
    shutil.copytree(tiny_model, model)
    config = write_run(tmp_path, model)
    acute("run", config, "--out", tmp_path / "out")
    save_model(model, seed=5)
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    del record["stages"]["score"]
    (tmp_path / "out" / "run.json").write_text(json.dumps(record))
    assert "score with the model that was sampled" in fails_alone(2, "score", tmp_path / "out")


def test_sampler_and_scorer_must_agree(finished, tmp_path):
    _, out = finished
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    responses = pq.read_table(copy / "responses.parquet")
    shifted = [value + 0.01 for value in responses["logprob"].to_pylist()]
    place = responses.column_names.index("logprob")
    pq.write_table(responses.set_column(place, "logprob", [shifted]), copy / "responses.parquet")
    record = json.loads((copy / "run.json").read_text())
    del record["files"]["responses.parquet"]  # changed on purpose
    del record["stages"]["score"]
    (copy / "run.json").write_text(json.dumps(record))
    line = fails(4, "score", copy)
    assert "the sampler gave ln π" in line and "wanted at most 0.0011 apart" in line


def test_an_edited_prompt_file_is_refused(tiny_model, tmp_path):
    config = write_run(tmp_path, tiny_model)
    acute("run", config, "--out", tmp_path / "out")
    edited(tmp_path / "prompts.jsonl", '"answer": "0"', '"answer": "1"')
    assert "has changed since" in fails(2, "run", config, "--out", tmp_path / "out")


def test_rewards_edited_after_scoring_are_refused(finished, tmp_path):
    _, out = finished
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    responses = pq.read_table(copy / "responses.parquet")
    flipped = [1 - value for value in responses["reward"].to_pylist()]
    place = responses.column_names.index("reward")
    pq.write_table(responses.set_column(place, "reward", [flipped]), copy / "responses.parquet")
    assert "is not what acute wrote (its checksum differs)" in fails(2, "analyse", copy)
    record = json.loads((copy / "run.json").read_text())
    del record["files"]["responses.parquet"]
    (copy / "run.json").write_text(json.dumps(record))
    assert "rewards were changed after acute score" in fails(2, "analyse", copy)


def test_a_response_that_may_not_fit_is_refused_before_sampling(tiny_model, tmp_path):
    config = edited(write_run(tmp_path, tiny_model), "max_tokens = 1", "max_tokens = 5000")
    line = fails(2, "run", config, "--out", tmp_path / "out")
    assert "more than the 2048 positions of this model" in line
    assert not (tmp_path / "out" / "responses.parquet").exists()


def test_two_processes_on_one_folder(finished):
    _, out = finished
    with Run.open(out).lock():
        assert "another process works on" in fails_alone(2, "analyse", out)


def test_nothing_to_tell_from_is_exit_code_3(tiny_model, tmp_path):
    config = write_run(tmp_path, tiny_model)
    rows = (tmp_path / "prompts.jsonl").read_text().splitlines()
    never = [json.dumps({**json.loads(row), "answer": "no such answer"}) for row in rows]
    (tmp_path / "prompts.jsonl").write_text("\n".join(never))
    assert "no prompt has both right and wrong responses" in fails(
        3, "run", config, "--out", tmp_path / "out"
    )


def test_no_run_folder(tmp_path):
    assert "found no run.json" in fails(2, "analyse", tmp_path)
    (tmp_path / "mine.toml").write_text("")
    assert "the folder of a run, found the file" in fails(2, "analyse", tmp_path / "mine.toml")


def test_a_full_disk_loses_nothing(tiny_model, tmp_path, finished):
    """The system refuses files beyond a limit: what was there stays, and the run goes on afterwards."""
    _, unbroken = finished
    config = write_run(tmp_path, tiny_model)
    command = [sys.executable, "-m", "acute", "run", str(config), "--out", str(tmp_path / "out")]
    limited = f"ulimit -f 40; exec {' '.join(command)}"  # 40 KiB: the prompts fit, the sketches do not
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, timeout=120)
    assert done.returncode == 4, done.stderr
    assert "could not write" in done.stderr.strip().splitlines()[-1]
    assert Run.open(tmp_path / "out").done("prompts")
    assert not list((tmp_path / "out").rglob("*.part"))
    acute("run", config, "--out", tmp_path / "out")
    assert_same(unbroken, tmp_path / "out")


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    from acute.table import write_atomically

    path = tmp_path / "a.json"
    write_atomically(path, b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(AcuteError, match=r"No space left on device\. What was written before is kept"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def short_of_memory(monkeypatch, module, name, times):
    """The function finds no memory at its first calls."""
    import torch

    whole, calls = getattr(module, name), []

    def short(*given):
        calls.append(given)
        if len(calls) <= times:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(*given)

    monkeypatch.setattr(module, name, short)


@pytest.mark.parametrize(("asked", "tokens", "checkpointing"), [(1024, 512, False), (4, 4, True)])
def test_a_pass_that_finds_no_memory_loses_nothing(
    finished, tmp_path, monkeypatch, asked, tokens, checkpointing
):
    """The run goes on in smaller passes, to the same numbers, and says so."""
    from acute.gradients import engines
    from acute.stages import score

    _, out = finished
    folder = tmp_path / "run"
    shutil.copytree(out, folder)
    short_of_memory(monkeypatch, engines, "trie_logprobs", 1)
    config = Run.open(folder).config
    fewer = config.score.model_copy(update={"tokens_at_once": asked})
    run = Run.create(folder, config.model_copy(update={"score": fewer}))
    run.record["stages"].pop("score")
    score(run)
    facts = run.record["stages"]["score"]
    assert (facts["tokens_at_once"], facts["checkpointing"]) == (tokens, checkpointing)
    before, after = (np.load(f / "sketch.npy") for f in (out, folder))
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-4 * np.abs(before).max())


def test_passes_as_large_as_memory_allows(finished, tmp_path, monkeypatch):
    """The numbers are the same, and the size stands in the record."""
    from acute.gradients import free_memory
    from acute.stages import score

    _, out = finished
    before, found = np.load(out / "sketch.npy"), []
    for free in (10**5, 10**6, 10**12, None):
        folder = tmp_path / str(free)
        shutil.copytree(out, folder)
        monkeypatch.setattr(free_memory, "free_memory", lambda _device, free=free: free)
        config = Run.open(folder).config
        auto = config.score.model_copy(update={"tokens_at_once": "auto"})
        run = Run.create(folder, config.model_copy(update={"score": auto}))
        run.record["stages"].pop("score")
        run.parts("score").clear()
        score(run)
        facts = run.record["stages"]["score"]
        found.append((facts["tokens_at_once"], facts["checkpointing"]))
        after = np.load(folder / "sketch.npy")
        np.testing.assert_allclose(after, before, rtol=0, atol=1e-4 * np.abs(before).max())
    assert found[0][0] < found[1][0] < found[2][0] == 1024
    assert found[2:] == [(1024, False)] * 2


def test_neither_does_a_pass_of_the_audit(finished, tmp_path, monkeypatch):
    from acute.stages import audit, score

    folder = tmp_path / "run"
    shutil.copytree(finished[1], folder)
    run = Run.open(folder)
    dots = run.config.score.model_copy(update={"engine": "dots"})
    run = Run.create(folder, run.config.model_copy(update={"score": dots}))
    score(run)
    before = run.responses()["score_dot"].to_numpy()
    assert run.record["stages"]["score"]["tokens_at_once"] == 1024
    short_of_memory(monkeypatch, audit, "by_hooks", 1)
    run.record["stages"].pop("score")
    score(run)
    facts = run.record["stages"]["score"]
    assert (facts["tokens_at_once"], facts["checkpointing"]) == (512, False)
    after = run.responses()["score_dot"].to_numpy()
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-4 * np.nanmax(np.abs(before)))


def scored(folder, config, engine):
    """A run whose every other response is called right, scored; its record and sketches."""
    from acute.stages import run_until, score
    from acute.stages.trial import _relabel

    run = Run.create(folder, config.model_copy(update={"score": config.score.model_copy(update=engine)}))
    run_until(run, "verify")
    _relabel(run)
    score(run)
    return run.record["stages"]["score"], np.load(folder / "sketch.npy")


@pytest.mark.parametrize("model_type", ["llama", "mistral"])
def test_a_model_that_overlooks_masks_is_found_out_and_measured_without(model_type, tiny_model, tmp_path):
    """The layers of a Mistral make their masks themselves: in the trie its nodes see their siblings."""
    from acute.config import load

    model = shutil.copytree(tiny_model, tmp_path / "model")
    settings = json.loads((model / "config.json").read_text())
    settings |= {"model_type": model_type, "architectures": None}
    if model_type == "mistral":
        settings["sliding_window"] = 4
    (model / "config.json").write_text(json.dumps(settings))
    path = write_run(tmp_path, model, n=16, count=4)
    path.write_text(path.read_text().replace("max_tokens = 1", "max_tokens = 3"))
    facts, found = scored(tmp_path / "sketch", load(path), {"engine": "sketch"})
    _, wanted = scored(tmp_path / "reference", load(path), {"engine": "reference"})
    assert facts["shared_prefixes"] == (model_type == "llama")
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())


def test_an_error_that_is_not_for_the_masks_is_not_taken_for_one(finished, tmp_path, monkeypatch):
    from acute.gradients import engines
    from acute.stages import score

    def broken(*_):
        raise ValueError("something else")

    run = Run.open(shutil.copytree(finished[1], tmp_path / "run"))
    run.record["stages"].pop("score")
    monkeypatch.setattr(engines, "trie_logprobs", broken)
    with pytest.raises(ValueError, match="something else"):
        score(run)


def test_ranks_make_passes_of_one_size_whatever_memory_each_has():
    from types import SimpleNamespace

    from acute.plan.pass_size import PassSize

    agreed = sys.modules["acute.stages.score"]._agreed_size  # `acute.stages.score` is the stage
    other = SimpleNamespace(gathered=lambda own: [own, (800, True)])
    assert agreed(PassSize(913, False), other) == PassSize(800, True)
